//! What holds for every verdict, on generated policies.
//!
//! The documents are the same on every run.

#![expect(clippy::unwrap_used, reason = "tests")]

use oracle::brute;
use oracle::generate::{Document, Richness, Statement, bare_bucket, document, statement};
use oracle::replay::admitted;
use oracle::untrusted::untrusted;
use policy::action::AccessClass;
use policy::bucket::{
    ALL_USERS, AUTHENTICATED_USERS, Acl, Bucket, Grant, Grantee, Permission, PublicAccessBlock,
};
use policy::document::Policy;
use policy::observed::Observed;
use policy::public::{Answer, Verdict, Via, judge};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, RngSeed, TestRng, TestRunner};
use serde_json::{Value, json};

const CLASSES: [AccessClass; 2] = [AccessClass::Read, AccessClass::Write];

/// Small enough that brute force reaches most of what is open.
const SMALL: Richness = Richness {
    statements: 2,
    tests: 2,
    variables: true,
};

fn config(cases: u32, seed: u64) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// All that a verdict decides, without witnesses and reasons.
fn decisions(verdict: &Verdict) -> impl PartialEq + std::fmt::Debug + use<> {
    let of = |access: &policy::public::Access| (access.is_open(), access.counts_as_open());
    (
        of(&verdict.read),
        of(&verdict.write),
        verdict.aws_is_public,
        verdict.acl_is_public,
        verdict.literal,
        verdict.objects_may_be_public,
    )
}

fn grants() -> impl Strategy<Value = Vec<Grant>> {
    let grantee = select(vec![
        Grantee::Group(ALL_USERS.to_owned()),
        Grantee::Group(AUTHENTICATED_USERS.to_owned()),
        Grantee::CanonicalUser("c0de".to_owned()),
    ]);
    let permission = select(vec![
        Permission::Read,
        Permission::Write,
        Permission::ReadAcp,
        Permission::WriteAcp,
        Permission::FullControl,
    ]);
    let grant = (grantee, permission).prop_map(|(grantee, permission)| Grant {
        grantee,
        permission,
    });
    prop::collection::vec(grant, 0..3)
}

fn bucket(document: &Document, grants: Vec<Grant>) -> Bucket {
    let mut bucket = document.bucket().unwrap();
    bucket.acl = Observed::Present(Acl {
        owner: None,
        grants,
    });
    bucket
}

/// The same JSON with members in another order, one-element lists as their element, and other
/// white space.
fn laid_out_otherwise(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) if items.len() == 1 => laid_out_otherwise(&items[0], text),
        Value::Array(items) => {
            text.push_str("[\n");
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index == 0 { "\t" } else { " ,\r\n" });
                laid_out_otherwise(item, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            for (index, (key, member)) in members.iter().rev().enumerate() {
                text.push_str(if index == 0 { " " } else { " , " });
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push_str(" :  ");
                laid_out_otherwise(member, text);
            }
            text.push_str("\n}");
        }
        plain => text.push_str(&plain.to_string()),
    }
}

proptest! {
    #![proptest_config(config(256, 1))]

    /// A witness gets in, is untrusted, and names the statements or grants that admit it.
    #[test]
    fn a_witness_gets_in_and_is_untrusted(
        document in document(Richness::USUAL),
        grants in grants(),
    ) {
        let bucket = bucket(&document, grants);
        let verdict = judge(&bucket);
        for class in CLASSES {
            let access = verdict.access(class);
            for witness in [&access.policy, &access.acl].into_iter().filter_map(|a| a.witness()) {
                let request = &witness.request;
                let by = admitted(&bucket, request, &witness.via);
                let named = match (&by, &witness.via) {
                    (Ok(by), Via::Policy) => *by == witness.admitted_by,
                    // One grant of several that would do.
                    (Ok(by), _) => matches!(witness.admitted_by[..], [grant] if by.contains(&grant)),
                    (Err(_), _) => false,
                };
                prop_assert!(named, "{:?}, not {:?}: {:?}", by, witness.admitted_by, request);
                let checked = untrusted(&bucket, request, &witness.via);
                prop_assert!(checked.is_ok(), "{:?}: {:?}", checked, request);
                prop_assert_eq!(witness.class, class);
            }
        }
    }

    /// Where nobody gets in by a narrow address, nobody gets in by a wider question either, and
    /// whoever is public is a stranger.
    #[test]
    fn the_headline_implies_the_literal_flags_and_the_status(document in document(Richness::USUAL)) {
        let verdict = judge(&document.bucket().unwrap());
        let literal = verdict.literal;
        for (access, stranger, anonymous) in [
            (&verdict.read, literal.stranger_read, literal.anonymous_read),
            (&verdict.write, literal.stranger_write, literal.anonymous_write),
        ] {
            if access.is_open() {
                prop_assert_ne!(stranger, Some(false));
                prop_assert_ne!(verdict.aws_is_public, Some(false));
            }
            if anonymous == Some(true) {
                prop_assert_ne!(stranger, Some(false));
            }
        }
    }

    #[test]
    fn adding_a_deny_never_opens(
        document in document(Richness::USUAL),
        mut more in statement(Richness::USUAL),
        at in any::<Index>(),
    ) {
        more.allow = false;
        let (before, after) = before_and_after(&document, more, at);
        for class in CLASSES {
            prop_assert!(before.access(class).counts_as_open() || !after.access(class).is_open());
        }
        prop_assert!(before.aws_is_public != Some(false) || after.aws_is_public != Some(true));
    }

    #[test]
    fn adding_an_allow_never_closes(
        document in document(Richness::USUAL),
        mut more in statement(Richness::USUAL),
        at in any::<Index>(),
    ) {
        more.allow = true;
        let (before, after) = before_and_after(&document, more, at);
        for class in CLASSES {
            prop_assert!(!before.access(class).is_open() || after.access(class).counts_as_open());
        }
        prop_assert!(before.aws_is_public != Some(true) || after.aws_is_public != Some(false));
    }

    #[test]
    fn the_order_of_statements_does_not_matter(
        document in document(Richness::USUAL),
        grants in grants(),
        turn in any::<Index>(),
        back in any::<bool>(),
    ) {
        let mut other = document.clone();
        let by = turn.index(other.statements.len());
        other.statements.rotate_left(by);
        if back {
            other.statements.reverse();
        }
        prop_assert_eq!(
            decisions(&judge(&bucket(&document, grants.clone()))),
            decisions(&judge(&bucket(&other, grants)))
        );
    }

    #[test]
    fn the_layout_of_the_document_does_not_matter(document in document(Richness::USUAL)) {
        let mut text = String::new();
        laid_out_otherwise(&document.to_json(), &mut text);
        let other = bare_bucket(Policy::parse(&text).unwrap());
        prop_assert_eq!(
            decisions(&judge(&document.bucket().unwrap())),
            decisions(&judge(&other)),
            "{}", text
        );
    }
}

proptest! {
    #![proptest_config(config(300, 2))]

    /// What brute force finds, the engine never calls closed.
    #[test]
    fn what_brute_force_finds_is_open(document in document(SMALL)) {
        let bucket = document.bucket().unwrap();
        let verdict = judge(&bucket);
        for class in CLASSES {
            if !verdict.access(class).is_open()
                && let Some(request) = brute::find(&document, &bucket, class, false)
            {
                prop_assert!(
                    verdict.access(class).counts_as_open(),
                    "{:?} is called closed to {:?}", class, request
                );
            }
            let literal = match class {
                AccessClass::Read => verdict.literal.stranger_read,
                AccessClass::Write => verdict.literal.stranger_write,
            };
            if literal == Some(false) {
                let found = brute::find(&document, &bucket, class, true);
                prop_assert!(found.is_none(), "{:?} is called closed to {:?}", class, found);
            }
        }
    }
}

/// Agreement with brute force is worth something only if brute force finds what is there.
#[test]
fn brute_force_reaches_most_of_what_is_open() {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let (mut open, mut found) = (0, 0);
    for _ in 0..150 {
        let document = document(SMALL).new_tree(&mut runner).unwrap().current();
        let bucket = document.bucket().unwrap();
        let verdict = judge(&bucket);
        for class in CLASSES.into_iter().filter(|c| verdict.access(*c).is_open()) {
            open += 1;
            found += u32::from(brute::find(&document, &bucket, class, false).is_some());
        }
    }
    println!("brute force finds {found} of {open}");
    assert!(open >= 60, "only {open} are open");
    assert!(found * 10 >= open * 8, "{found} of {open}");
}

fn before_and_after(document: &Document, more: Statement, at: Index) -> (Verdict, Verdict) {
    let mut longer = document.clone();
    let at = at.index(longer.statements.len() + 1);
    longer.statements.insert(at, more);
    (
        judge(&document.bucket().unwrap()),
        judge(&longer.bucket().unwrap()),
    )
}

/// In a bucket, unlike in a policy alone, adding an Allow can close: once it makes the policy public
/// by AWS's rule, RestrictPublicBuckets cuts off everything else that the policy grants to strangers.
#[test]
fn restrict_public_buckets_breaks_monotonicity_for_a_bucket() {
    let narrow = json!({
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::example-bucket/*",
        "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
    });
    let public = json!({
        "Effect": "Allow", "Principal": "*", "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::example-bucket/*",
    });
    let verdict = |statements: &[&Value]| {
        let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let mut bucket = bare_bucket(Policy::parse(&text).unwrap());
        bucket.public_access_block.account = Observed::Present(PublicAccessBlock {
            restrict_public_buckets: true,
            ..PublicAccessBlock::default()
        });
        judge(&bucket)
    };
    let before = verdict(&[&narrow]);
    assert_eq!(before.aws_is_public, Some(false));
    assert_eq!(before.literal.anonymous_read, Some(true));
    let after = verdict(&[&narrow, &public]);
    assert_eq!(after.aws_is_public, Some(true));
    assert_eq!(after.literal.anonymous_read, Some(false));
    assert!(matches!(after.write.policy, Answer::Closed(_)));
}
