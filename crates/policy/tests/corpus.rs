//! The labelled corpus, and our own cases beside it: every label right, nothing public missed, every
//! witness replayed and untrusted.
//!
//! Wrong answers on documented and derived labels fail; those on inferred and ambiguous ones are
//! printed (`cargo test -p policy --test corpus -- --nocapture`).

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::fmt::Write as _;

use oracle::case::{self, Case, LiteralLabels, RequestEntry};
use oracle::replay::admitted;
use oracle::untrusted::{stranger, untrusted};
use policy::action::AccessClass;
use policy::public::{Access, Answer, Verdict, judge};

const CORPUS: &str = include_str!("data/bucket-cases.json");
const DERIVED: &str = include_str!("data/derived-cases.json");

fn cases() -> Vec<Case> {
    let mut cases = case::read(CORPUS).expect("the corpus is readable");
    cases.extend(case::read(DERIVED).expect("our cases are readable"));
    cases
}

/// One wrong answer.
struct Disagreement {
    id: String,
    gates: bool,
    what: String,
    why: String,
}

fn table(disagreements: &[Disagreement]) -> String {
    let mut text = String::new();
    for d in disagreements {
        let mark = if d.gates { "WRONG " } else { "differs" };
        writeln!(text, "{mark} {:<18} {:<60} ({})", d.id, d.what, d.why).unwrap();
    }
    text
}

fn mechanisms(access: &Access) -> Vec<&'static str> {
    let parts = [
        ("acl", &access.acl),
        ("policy", &access.policy),
        ("access-point", &access.access_points),
    ];
    parts
        .into_iter()
        .filter(|(_, answer)| !matches!(answer, Answer::Closed(_)))
        .map(|(name, _)| name)
        .collect()
}

fn wrong_labels(case: &Case, verdict: &Verdict) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut compare = |what: &str, expected: String, got: String| {
        if expected != got {
            wrong.push(format!("{what}: expected {expected}, got {got}"));
        }
    };
    let labels = &case.expected;
    for (class, public, by) in [
        ("read", labels.public_read, &labels.mechanism_read),
        ("write", labels.public_write, &labels.mechanism_write),
    ] {
        let access = if class == "read" {
            &verdict.read
        } else {
            &verdict.write
        };
        compare(
            &format!("public_{class}"),
            public.to_string(),
            if access.is_undecided() {
                "undecided".to_owned()
            } else {
                access.counts_as_open().to_string()
            },
        );
        compare(
            &format!("mechanism_{class}"),
            format!("{by:?}"),
            format!("{:?}", mechanisms(access)),
        );
    }
    compare(
        "aws_is_public",
        format!("{:?}", Some(labels.aws_is_public)),
        format!("{:?}", verdict.aws_is_public),
    );
    compare(
        "acl_is_public",
        format!("{:?}", Some(labels.acl_is_public)),
        format!("{:?}", verdict.acl_is_public),
    );
    let LiteralLabels {
        anonymous_read,
        anonymous_write,
        stranger_read,
        stranger_write,
    } = labels.literal;
    let got = verdict.literal;
    for (what, expected, got) in [
        ("anonymous_read", anonymous_read, got.anonymous_read),
        ("anonymous_write", anonymous_write, got.anonymous_write),
        ("stranger_read", stranger_read, got.stranger_read),
        ("stranger_write", stranger_write, got.stranger_write),
    ] {
        compare(
            &format!("literal.{what}"),
            format!("{:?}", Some(expected)),
            format!("{got:?}"),
        );
    }
    wrong
}

#[test]
fn documented_and_derived_labels_are_right() {
    let mut disagreements = Vec::new();
    for case in cases() {
        let bucket = case.bucket().unwrap();
        for what in wrong_labels(&case, &judge(&bucket)) {
            disagreements.push(Disagreement {
                id: case.id.clone(),
                gates: case.confidence.gates(),
                what,
                why: case.why.clone(),
            });
        }
    }
    println!("{}", table(&disagreements));
    disagreements.retain(|d| d.gates);
    assert!(
        disagreements.is_empty(),
        "{} wrong labels:\n{}",
        disagreements.len(),
        table(&disagreements)
    );
}

#[test]
fn nothing_public_is_missed() {
    let mut missed = Vec::new();
    for case in cases() {
        let verdict = judge(&case.bucket().unwrap());
        for (class, public) in [
            (AccessClass::Read, case.expected.public_read),
            (AccessClass::Write, case.expected.public_write),
        ] {
            if public && !verdict.access(class).counts_as_open() {
                missed.push(format!("{} {}", case.id, class.as_str()));
            }
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn every_witness_gets_in_and_is_untrusted() {
    let mut bad = Vec::new();
    let mut seen = 0;
    for case in cases() {
        let bucket = case.bucket().unwrap();
        let verdict = judge(&bucket);
        for access in [&verdict.read, &verdict.write] {
            let answers = [&access.policy, &access.acl, &access.access_points];
            for witness in answers.into_iter().filter_map(|a| a.witness()) {
                seen += 1;
                let (request, via) = (&witness.request, &witness.via);
                let checked = admitted(&bucket, request, via)
                    .and_then(|by| {
                        if witness.admitted_by == by {
                            Ok(())
                        } else {
                            Err(format!("admitted by {by:?}, not {:?}", witness.admitted_by))
                        }
                    })
                    .and_then(|()| untrusted(&bucket, request, via));
                if let Err(why) = checked {
                    bad.push(format!("{}: {why}\n    {request:?}", case.id));
                }
            }
        }
    }
    assert!(seen > 300, "only {seen} witnesses were checked");
    assert!(
        bad.is_empty(),
        "{} bad witnesses:\n{}",
        bad.len(),
        bad.join("\n")
    );
}

/// The witnesses that the corpus brings along list only what matters, so that a signed caller's own
/// ARN may be left out or stand for a role of the same account. They must get in; the ones of open
/// classes must besides not owe it to a narrow source address.
#[test]
fn the_witnesses_of_the_corpus_get_in() {
    let mut bad = Vec::new();
    let mut seen = 0;
    for case in cases() {
        let bucket = case.bucket().unwrap();
        let witnesses = case.witness.clone().unwrap_or_default();
        for entry in [witnesses.read, witnesses.write].into_iter().flatten() {
            seen += 1;
            let (request, via) = entry.request();
            if let Err(why) = admitted(&bucket, &request, &via) {
                bad.push(format!("{}: {why}\n    {request:?}", case.id));
            }
        }
    }
    assert!(seen > 100, "only {seen} witnesses were checked");
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// The checker of witnesses must be able to say no.
#[test]
fn the_checker_refuses_requests_that_nobody_can_send() {
    let cases = cases();
    let case = cases
        .iter()
        .find(|c| c.id == "cidr-02")
        .expect("in the corpus");
    let bucket = case.bucket().unwrap();
    let request = |principal: &str, context: &[(&str, &str)]| {
        RequestEntry {
            principal: principal.to_owned(),
            action: "s3:GetObject".to_owned(),
            resource: "arn:aws:s3:::example-bucket/a".to_owned(),
            context: context
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            via: "policy".to_owned(),
        }
        .request()
    };
    type Values<'a> = &'a [(&'a str, &'a str)];
    let cases: [(&str, Values<'_>, &str); 6] = [
        ("anonymous", &[("aws:sourceip", "10.1.2.3")], "no source"),
        ("anonymous", &[("aws:username", "a")], "unsigned"),
        (
            "arn:aws:iam::111122223333:user/a",
            &[("aws:sourceip", "52.1.2.3")],
            "owner",
        ),
        (
            "anonymous",
            &[("aws:sourceip", "52.1.2.3"), ("aws:sourcevpc", "vpc-1")],
            "endpoint",
        ),
        (
            "anonymous",
            &[("aws:currenttime", "2020-01-01T00:00:00Z")],
            "past",
        ),
        ("anonymous", &[("s3:prefix", "x")], "never accompanies"),
    ];
    for (principal, context, expected) in cases {
        let (request, via) = request(principal, context);
        let refused = stranger(&bucket, &request, &via).expect_err("it cannot be sent");
        assert!(refused.contains(expected), "{refused}");
    }
    let (inside, via) = request("anonymous", &[("aws:sourceip", "52.1.2.3")]);
    stranger(&bucket, &inside, &via).expect("anyone inside the block can send it");
    let refused = untrusted(&bucket, &inside, &via).expect_err("the block is narrow");
    assert!(refused.contains("narrow"), "{refused}");
}
