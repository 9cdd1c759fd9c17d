//! The order of questions, and what happens when answers fail.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::sync::Arc;

use guard::error::{CallError, Hopeless};
use guard::gather::{Depth, Gathered, Lost};
use guard::operation::Operation::{self, *};
use guard::ports::AccessPointEntry;
use guard::sweep::judge_one;
use policy::bucket::{ObjectOwnership, PublicAccessBlock};
use policy::observed::{Observed, Unread};
use policy::public::Verdict;
use support::*;

/// Judges one bucket and checks what was asked and what came out, and that reading everything comes
/// to the same headline: that is what makes the short order right.
async fn check(state: State, account: Option<PublicAccessBlock>, asked: &[Operation]) -> Verdict {
    let memory = Arc::new(Memory::with([("b", state)]));
    let judge = |depth| judge_one_of(&memory, account, depth);
    let short = judge(Depth::Verdict).await;
    assert_eq!(memory.asked("b"), asked);
    assert!(memory.asked("b").len() <= 4);
    let full = judge(Depth::Full).await;
    for (a, b) in [(&short.read, &full.read), (&short.write, &full.write)] {
        assert_eq!(
            a.is_open(),
            b.is_open(),
            "the short order changes the verdict"
        );
        assert_eq!(a.counts_as_open(), b.counts_as_open());
    }
    short
}

async fn judge_one_of(
    memory: &Arc<Memory>,
    account: Option<PublicAccessBlock>,
    depth: Depth,
) -> Verdict {
    let gatherer = gatherer(memory, facts(account));
    let judged = judge_one(&gatherer, address("b"), depth).await.unwrap();
    judged.assessment.verdict
}

fn plain() -> State {
    State {
        acl: private_acl(),
        ..State::default()
    }
}

#[tokio::test]
async fn an_account_that_blocks_all_needs_no_question() {
    let state = State {
        policy: Some(public_policy("b", "s3:*")),
        acl: public_acl(),
        ..State::default()
    };
    let verdict = check(state, Some(PublicAccessBlock::ALL), &[]).await;
    assert!(!verdict.read.counts_as_open() && !verdict.write.counts_as_open());
}

#[tokio::test]
async fn a_bucket_that_blocks_all_needs_one() {
    let state = State {
        block: Some(PublicAccessBlock::ALL),
        policy: Some(public_policy("b", "s3:*")),
        acl: public_acl(),
        ..State::default()
    };
    let verdict = check(state, None, &[GetBucketPublicAccessBlock]).await;
    assert!(!verdict.read.counts_as_open());
}

#[tokio::test]
async fn levels_complete_each_other() {
    let state = State {
        block: Some(only(|b| b.restrict_public_buckets = true)),
        policy: Some(public_policy("b", "s3:*")),
        acl: public_acl(),
        ..State::default()
    };
    let account = Some(only(|b| b.ignore_public_acls = true));
    check(state, account, &[GetBucketPublicAccessBlock]).await;
}

#[tokio::test]
async fn a_plain_private_bucket_needs_three() {
    let asked = [GetBucketPublicAccessBlock, GetBucketPolicy, GetBucketAcl];
    check(plain(), None, &asked).await;
}

#[tokio::test]
async fn ownership_matters_only_under_a_public_acl() {
    let asked = [
        GetBucketPublicAccessBlock,
        GetBucketPolicy,
        GetBucketAcl,
        GetBucketOwnershipControls,
    ];
    let mut state = State {
        acl: public_acl(),
        ..State::default()
    };
    let verdict = check(state.clone(), None, &asked).await;
    assert!(verdict.read.is_open() && !verdict.write.counts_as_open());
    state.ownership = Some(ObjectOwnership::BucketOwnerEnforced);
    let verdict = check(state, None, &asked).await;
    assert!(!verdict.read.counts_as_open());
}

#[tokio::test]
async fn a_policy_that_opens_all_leaves_nothing_to_ask() {
    let state = State {
        policy: Some(public_policy("b", "s3:*")),
        acl: public_acl(),
        ..State::default()
    };
    let asked = [GetBucketPublicAccessBlock, GetBucketPolicy];
    let verdict = check(state, None, &asked).await;
    assert!(verdict.read.is_open() && verdict.write.is_open());
}

#[tokio::test]
async fn under_restrict_a_public_acl_still_needs_the_policy_for_its_deny() {
    let restrict = Some(only(|b| b.restrict_public_buckets = true));
    let deny = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]}}"#;
    let asked = [
        GetBucketPublicAccessBlock,
        GetBucketAcl,
        GetBucketOwnershipControls,
        GetBucketPolicy,
    ];
    for (policy, open) in [(None, true), (Some(deny.to_owned()), false)] {
        let state = State {
            block: restrict,
            policy,
            acl: public_acl(),
            ..State::default()
        };
        let verdict = check(state, None, &asked).await;
        assert_eq!(verdict.read.is_open(), open);
    }
}

#[tokio::test]
async fn access_points_are_listed_once_and_asked_only_with_a_policy() {
    let delegating = |bucket: &str| {
        format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::{bucket}/*", "Condition": {{"StringEquals": {{"s3:DataAccessPointAccount": "111122223333"}}}}}}}}"#
        )
    };
    let state = |bucket: &str| State {
        policy: Some(delegating(bucket)),
        acl: private_acl(),
        ..State::default()
    };
    let arn = "arn:aws:s3:eu-central-1:111122223333:accesspoint/door";
    let memory = Memory::with([("a", state("a")), ("b", state("b")), ("c", plain())]);
    memory.points.lock().unwrap().push((
        AccessPointEntry {
            name: "door".to_owned(),
            arn: arn.to_owned(),
            bucket: "b".to_owned(),
            vpc_origin: false,
        },
        format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "{arn}/object/*"}}}}"#
        ),
    ));
    let memory = Arc::new(memory);
    let gatherer = gatherer(&memory, facts(None));
    let mut open = Vec::new();
    for name in ["a", "b", "c"] {
        let judged = judge_one(&gatherer, address(name), Depth::Verdict)
            .await
            .unwrap();
        if judged.assessment.verdict.read.is_open() {
            open.push(name);
        }
    }
    assert_eq!(open, ["b"]);
    assert_eq!(
        memory
            .asked("")
            .iter()
            .filter(|o| **o == ListAccessPoints)
            .count(),
        1
    );
    assert_eq!(memory.asked("a").len(), 3);
    assert_eq!(
        memory.asked("b")[3..],
        [GetAccessPointPolicy, GetAccessPoint]
    );
}

#[tokio::test]
async fn a_listing_of_access_points_that_failed_in_passing_is_made_again() {
    let policy = |bucket: &str| State {
        policy: Some(format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Principal": {{"AWS": "444455556666"}}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::{bucket}/*"}}}}"#
        )),
        acl: private_acl(),
        ..State::default()
    };
    let throttled = || CallError::Throttled {
        operation: ListAccessPoints,
    };
    let unsupported = || CallError::Unsupported {
        operation: ListAccessPoints,
        detail: "501".to_owned(),
    };
    // As often as one question is repeated; what is not offered is asked for once.
    for (failures, listings) in [(vec![throttled(); 5], 6), (vec![unsupported()], 1)] {
        let memory = Arc::new(Memory::with([("a", policy("a")), ("b", policy("b"))]));
        memory.fail(ListAccessPoints, "", failures);
        let gatherer = gatherer(&memory, facts(None));
        for name in ["a", "b"] {
            gatherer.gather(&address(name), Depth::Full).await.unwrap();
        }
        let asked = memory.asked("");
        let asked = asked.iter().filter(|one| **one == ListAccessPoints);
        assert_eq!(asked.count(), listings);
    }
}

#[tokio::test]
async fn a_refusal_names_the_missing_action_and_decides_nothing() {
    for operation in [GetBucketPublicAccessBlock, GetBucketPolicy, GetBucketAcl] {
        let memory = Arc::new(Memory::with([("b", plain())]));
        memory.fail(operation, "b", vec![CallError::AccessDenied { operation }]);
        let gatherer = gatherer(&memory, facts(None));
        let Gathered { bucket, .. } = gatherer
            .gather(&address("b"), Depth::Verdict)
            .await
            .unwrap();
        let unread = [
            bucket.public_access_block.bucket.unread(),
            bucket.policy.unread(),
            bucket.acl.unread(),
        ];
        let action = operation.iam_action().unwrap().to_owned();
        assert!(unread.contains(&Some(&Unread::AccessDenied { action })));
    }
}

#[tokio::test]
async fn what_another_store_does_not_offer_it_does_not_have_but_aws_does() {
    let unsupported = |operation| CallError::Unsupported {
        operation,
        detail: "501".to_owned(),
    };
    for (compatible, absent) in [(true, true), (false, false)] {
        let memory = Arc::new(Memory::with([("b", plain())]));
        for operation in [GetBucketPublicAccessBlock, GetBucketOwnershipControls] {
            memory.fail(operation, "b", vec![unsupported(operation)]);
        }
        let mut facts = facts(None);
        facts.compatible_store = compatible;
        let bucket = gatherer(&memory, facts)
            .gather(&address("b"), Depth::Full)
            .await
            .unwrap()
            .bucket;
        let block = &bucket.public_access_block.bucket;
        assert_eq!(matches!(block, Observed::Absent), absent);
        assert_eq!(matches!(bucket.ownership, Observed::Absent), absent);
    }
}

#[tokio::test]
async fn what_grants_is_never_absent_because_it_is_not_offered() {
    let memory = Arc::new(Memory::with([("b", plain())]));
    for operation in [GetBucketPolicy, GetBucketAcl] {
        let detail = "200 with another document".to_owned();
        memory.fail(
            operation,
            "b",
            vec![CallError::Unsupported { operation, detail }],
        );
    }
    let mut facts = facts(None);
    facts.compatible_store = true;
    let judged = judge_one(&gatherer(&memory, facts), address("b"), Depth::Verdict)
        .await
        .unwrap();
    assert!(judged.assessment.verdict.read.is_undecided());
}

#[tokio::test]
async fn a_policy_that_is_none_is_undecided() {
    for text in ["{", "[]", "\"{}\"", "<html>"] {
        let state = State {
            policy: Some(text.to_owned()),
            ..plain()
        };
        let memory = Arc::new(Memory::with([("b", state)]));
        let verdict = judge_one_of(&memory, None, Depth::Verdict).await;
        assert!(
            verdict.read.is_undecided() && verdict.write.is_undecided(),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_bucket_that_went_away_and_hopeless_failures_are_told_apart() {
    let memory = Arc::new(Memory::with([("b", plain())]));
    let gone = gatherer(&memory, facts(None))
        .gather(&address("x"), Depth::Verdict)
        .await;
    assert_eq!(gone.map(|_| ()), Err(Lost::Gone));
    memory.fail(
        GetBucketPolicy,
        "b",
        vec![Hopeless::ExpiredCredentials.into()],
    );
    let hopeless = gatherer(&memory, facts(None))
        .gather(&address("b"), Depth::Verdict)
        .await;
    assert_eq!(
        hopeless.map(|_| ()),
        Err(Lost::Hopeless(Hopeless::ExpiredCredentials))
    );
}

#[tokio::test]
async fn a_tenants_bucket_is_asked_by_one_name_and_judged_by_another() {
    let policy = public_policy("b", "s3:GetObject").replace("arn:aws:s3:::b", "arn:aws:s3::acme:b");
    let state = State {
        policy: Some(policy),
        ..plain()
    };
    let memory = Arc::new(Memory::with([("acme:b", state)]));
    let mut facts = facts(None);
    facts.enforcement = policy::bucket::Enforcement::CephRgw;
    facts.compatible_store = true;
    let gatherer = gatherer(&memory, facts);
    let judged = judge_one(&gatherer, address("acme:b"), Depth::Full)
        .await
        .unwrap();
    assert!(judged.assessment.verdict.read.is_open());
    assert_eq!(judged.assessment.bucket.name, "acme:b");
    let options = compliance::remediation::RemediationOptions {
        policy: compliance::remediation::PolicyRemedy::RemoveStatement,
        ..Default::default()
    };
    let plan = compliance::remediation::plan(
        &judged.named_as_in_arns(),
        &judged.assessment.verdict,
        &options,
    );
    assert!(plan.closes());
    assert_eq!(plan.steps.len(), 1);
    assert!(!plan.after.policy.present().unwrap().text.contains("World"));
}
