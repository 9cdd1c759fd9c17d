//! Layers beside the bucket policy: what is not known, what other policies refuse, what access points
//! let in, and policy variables. Each case is a bucket in short form and its answer.

#![expect(clippy::unwrap_used, reason = "tests")]

use policy::action::AccessClass;
use policy::bucket::{
    ALL_USERS, AccessPoint, Acl, BlockLevels, Bucket, Enforcement, Grant, Grantee, ObjectOwnership,
    Permission, PublicAccessBlock,
};
use policy::document::Policy;
use policy::observed::{Observed, Unread};
use policy::public::{Access, Answer, NotConsidered, Verdict, Via, Why, judge};
use policy::request::Caller;

const OPEN: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",
    "Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]}"#;

fn policy(text: &str) -> Observed<Policy> {
    Observed::Present(Policy::parse(text).unwrap())
}

fn allow(conditions: &str) -> Observed<Policy> {
    policy(&format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*",
            "Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{conditions}}}]}}"#
    ))
}

fn bucket() -> Bucket {
    Bucket {
        name: "b".to_owned(),
        partition: "aws".to_owned(),
        owner_account: Some("111122223333".to_owned()),
        as_of: "2026-01-01T00:00:00Z".parse().unwrap(),
        policy: Observed::Absent,
        acl: Observed::Absent,
        public_access_block: BlockLevels {
            bucket: Observed::Absent,
            account: Observed::Absent,
            organization: Observed::Absent,
        },
        ownership: Observed::Absent,
        access_points: Observed::Absent,
        resource_control_policies: Observed::Absent,
        enforcement: Enforcement::Aws,
    }
}

fn public_acl() -> Observed<Acl> {
    let grant = Grant {
        grantee: Grantee::Group(ALL_USERS.to_owned()),
        permission: Permission::Read,
    };
    Observed::Present(Acl {
        owner: None,
        grants: vec![grant],
    })
}

fn denied<T>() -> Observed<T> {
    Observed::Unknown(Unread::AccessDenied {
        action: "s3:GetSomething".to_owned(),
    })
}

fn restrict() -> Observed<PublicAccessBlock> {
    let block = PublicAccessBlock {
        restrict_public_buckets: true,
        ..PublicAccessBlock::default()
    };
    Observed::Present(block)
}

fn ignore() -> Observed<PublicAccessBlock> {
    let block = PublicAccessBlock {
        ignore_public_acls: true,
        ..PublicAccessBlock::default()
    };
    Observed::Present(block)
}

/// `open`, `closed` or `undecided`.
fn state(access: &Access) -> &'static str {
    match (access.is_open(), access.is_undecided()) {
        (true, _) => "open",
        (_, true) => "undecided",
        _ => "closed",
    }
}

#[track_caller]
fn check(change: impl FnOnce(&mut Bucket), read: &str) -> Verdict {
    let mut bucket = bucket();
    change(&mut bucket);
    let verdict = judge(&bucket);
    assert_eq!(state(&verdict.read), read, "{verdict:#?}");
    verdict
}

#[test]
fn what_is_not_known_is_decided_both_ways() {
    // A policy that was not read matters unless RestrictPublicBuckets settles it.
    let verdict = check(|b| b.policy = denied(), "undecided");
    assert_eq!(verdict.aws_is_public, None);
    assert_eq!(verdict.literal.anonymous_read, None);
    check(
        |b| (b.policy, b.public_access_block.account) = (denied(), restrict()),
        "closed",
    );
    // An ACL that was not read matters unless it has no effect.
    let verdict = check(|b| b.acl = denied(), "undecided");
    assert_eq!(verdict.acl_is_public, None);
    assert_eq!(verdict.objects_may_be_public, Some(true));
    check(
        |b| (b.acl, b.public_access_block.bucket) = (denied(), ignore()),
        "closed",
    );
    let enforced = Observed::Present(ObjectOwnership::BucketOwnerEnforced);
    check(|b| (b.acl, b.ownership) = (denied(), enforced), "closed");
    // Ownership that was not read matters for a public ACL only.
    check(
        |b| (b.acl, b.ownership) = (public_acl(), denied()),
        "undecided",
    );
    check(|b| b.ownership = denied(), "closed");
    // A block that was not read matters for what is open otherwise.
    check(
        |b| (b.policy, b.public_access_block.account) = (policy(OPEN), denied()),
        "undecided",
    );
    check(|b| b.public_access_block.account = denied(), "closed");
    // A Deny of a policy that was not read may close a public ACL.
    check(
        |b| (b.acl, b.policy) = (public_acl(), denied()),
        "undecided",
    );
}

#[test]
fn what_the_input_lacks_is_taken_as_absent_and_named() {
    let verdict = check(
        |b| {
            b.policy = policy(OPEN);
            b.acl = Observed::Unknown(Unread::NotGiven);
            b.public_access_block.account = Observed::Unknown(Unread::NotGiven);
        },
        "open",
    );
    let missing = &verdict.not_considered;
    assert!(missing.contains(&NotConsidered::BucketAcl));
    assert!(missing.contains(&NotConsidered::AccountPublicAccessBlock));
    assert!(!missing.contains(&NotConsidered::BucketPolicy));
}

#[test]
fn what_the_input_calls_unknown_is_undecided() {
    let unknown = Observed::Unknown(Unread::SaidUnknown);
    check(|b| b.policy = unknown, "undecided");
}

#[test]
fn a_store_that_does_not_enforce_restrict_public_buckets_stays_open() {
    let change = |b: &mut Bucket| {
        b.policy = policy(OPEN);
        b.public_access_block.bucket = restrict();
    };
    check(change, "closed");
    let verdict = check(
        |b| {
            change(b);
            b.enforcement = Enforcement::CephRgw;
        },
        "open",
    );
    assert!(
        verdict
            .advisories
            .iter()
            .any(|a| a.code == "restrict-not-enforced")
    );
}

#[test]
fn resource_control_policies_refuse() {
    let controls = |spared: &str| {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[
                {{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}},
                {{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*","Condition":{{
                    "StringNotEqualsIfExists":{{"aws:PrincipalOrgID":"o-aa111bb222"}}{spared}}}}}]}}"#
        );
        Observed::Present(vec![Policy::parse(&text).unwrap()])
    };
    for (policy, acl) in [
        (policy(OPEN), Observed::Absent),
        (Observed::Absent, public_acl()),
    ] {
        let verdict = check(
            |b| {
                (b.policy, b.acl) = (policy.clone(), acl.clone());
                b.resource_control_policies = controls("");
            },
            "closed",
        );
        let by_control = |answer: &Answer| match answer {
            Answer::Closed(reasons) => reasons[0].why == Why::ResourceControlPolicy,
            _ => false,
        };
        assert!(
            by_control(&verdict.read.policy) || by_control(&verdict.read.acl),
            "{verdict:#?}"
        );
        // The usual form spares AWS services, so the bucket stays open to a confused deputy, but to
        // nobody else.
        let spared = r#","BoolIfExists":{"aws:PrincipalIsAWSService":"false"}"#;
        let verdict = check(
            |b| {
                (b.policy, b.acl) = (policy, acl);
                b.resource_control_policies = controls(spared);
            },
            "open",
        );
        let witness = verdict.read.witness().unwrap();
        assert!(
            matches!(witness.request.caller, Caller::Service(_)),
            "{witness:?}"
        );
        assert_eq!(verdict.literal.anonymous_read, Some(false));
    }
}

#[test]
fn a_restricting_block_can_close_by_adding_an_allow() {
    // Why monotonicity holds for a policy alone, and not for a bucket.
    let narrow = allow(r#"{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#);
    let verdict = check(
        |b| (b.policy, b.public_access_block.bucket) = (narrow, restrict()),
        "closed",
    );
    assert_eq!(verdict.literal.anonymous_read, Some(true));
    let both = policy(
        r#"{"Version":"2012-10-17","Statement":[
            {"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*",
             "Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}},
            {"Effect":"Allow","Principal":"*","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b"}]}"#,
    );
    let verdict = check(
        |b| (b.policy, b.public_access_block.bucket) = (both, restrict()),
        "closed",
    );
    assert_eq!(verdict.literal.anonymous_read, Some(false));
}

fn point(policy: Observed<Policy>, vpc_origin: bool) -> Observed<Vec<AccessPoint>> {
    Observed::Present(vec![AccessPoint {
        arn: "arn:aws:s3:us-east-1:111122223333:accesspoint/data".to_owned(),
        vpc_origin,
        policy,
        public_access_block: Observed::Absent,
    }])
}

fn point_policy() -> Observed<Policy> {
    policy(
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",
            "Action":"s3:GetObject",
            "Resource":"arn:aws:s3:us-east-1:111122223333:accesspoint/data/object/open/*"}]}"#,
    )
}

#[test]
fn a_bucket_that_delegates_to_its_access_points_is_as_open_as_they_are() {
    let delegating = || allow(r#"{"StringEquals":{"s3:DataAccessPointAccount":"111122223333"}}"#);
    // The bucket policy alone is closed, and AWS agrees.
    let verdict = check(|b| b.policy = delegating(), "closed");
    assert_eq!(verdict.aws_is_public, Some(false));
    let verdict = check(
        |b| (b.policy, b.access_points) = (delegating(), point(point_policy(), false)),
        "open",
    );
    let witness = verdict.read.witness().unwrap();
    assert!(matches!(witness.via, Via::AccessPoint(_)));
    assert!(
        witness.request.resource.starts_with("arn:aws:s3:::b/open/"),
        "{witness:?}"
    );
    assert!(matches!(verdict.read.policy, Answer::Closed(_)));
    // From a VPC only; without a policy; without delegation; with a block: closed.
    let through = |policy, vpc| point(policy, vpc);
    check(
        |b| (b.policy, b.access_points) = (delegating(), through(point_policy(), true)),
        "closed",
    );
    check(
        |b| (b.policy, b.access_points) = (delegating(), through(Observed::Absent, false)),
        "closed",
    );
    check(
        |b| b.access_points = through(point_policy(), false),
        "closed",
    );
    check(
        |b| {
            (b.policy, b.access_points) = (delegating(), through(point_policy(), false));
            b.public_access_block.bucket = restrict();
        },
        "closed",
    );
}

#[test]
fn access_points_that_were_not_read_matter_where_the_bucket_delegates() {
    let delegating = allow(r#"{"StringEquals":{"s3:DataAccessPointAccount":"111122223333"}}"#);
    check(
        |b| (b.policy, b.access_points) = (delegating, denied()),
        "undecided",
    );
    let named = policy(
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
            "Principal":{"AWS":"444455556666"},"Action":"s3:GetObject",
            "Resource":"arn:aws:s3:::b/*"}]}"#,
    );
    check(
        |b| (b.policy, b.access_points) = (named, denied()),
        "closed",
    );
    check(|b| b.access_points = denied(), "closed");
}

#[test]
fn policy_variables() {
    let cases = [
        // Compared with the bucket's owner: nobody else.
        (
            r#"{"StringEquals":{"aws:PrincipalOrgID":"${aws:ResourceOrgID}"}}"#,
            "closed",
        ),
        (
            r#"{"StringEquals":{"aws:PrincipalAccount":"${aws:ResourceAccount}"}}"#,
            "closed",
        ),
        // Both sides are the caller's own.
        (
            r#"{"StringEquals":{"aws:PrincipalTag/a":"${aws:PrincipalTag/b}"}}"#,
            "open",
        ),
        (
            r#"{"StringEquals":{"aws:SourceVpce":"${aws:PrincipalTag/endpoint}"}}"#,
            "open",
        ),
        (
            r#"{"StringEquals":{"s3:ExistingObjectTag/team":"${aws:PrincipalTag/team}"}}"#,
            "open",
        ),
        // A default is a fixed text.
        (
            r#"{"StringEquals":{"aws:PrincipalOrgID":"${aws:PrincipalTag/o, 'o-aa111bb222'}"}}"#,
            "open",
        ),
        (
            r#"{"StringEquals":{"aws:SourceVpc":"${aws:ResourceTag/x, 'vpc-1a2b3c4d'}",
             "aws:PrincipalOrgID":"o-aa111bb222"}}"#,
            "closed",
        ),
        // Of two values one is open.
        (
            r#"{"StringLike":{"aws:userid":["${aws:PrincipalTag/u}:*","AROAEXAMPLEID:*"]}}"#,
            "open",
        ),
    ];
    for (conditions, read) in cases {
        check(|b| b.policy = allow(conditions), read);
    }
}

#[test]
fn a_deny_with_a_variable_is_escaped_only_where_it_can_be() {
    let bucket_policy = |deny: &str| {
        policy(&format!(
            r#"{{"Version":"2012-10-17","Statement":[
                {{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}},
                {{"Effect":"Deny","Principal":"*","Action":"s3:*",{deny}}}]}}"#
        ))
    };
    let own_organization = r#""Resource":"arn:aws:s3:::b/*","Condition":{
        "StringNotEquals":{"aws:PrincipalOrgID":"${aws:ResourceOrgID}"}}"#;
    check(|b| b.policy = bucket_policy(own_organization), "closed");
    let own_folder = r#""NotResource":"arn:aws:s3:::b/home/${aws:username}/*""#;
    let verdict = check(|b| b.policy = bucket_policy(own_folder), "open");
    assert_eq!(verdict.literal.anonymous_read, Some(false));
}

#[test]
fn what_is_not_understood_is_undecided_where_it_matters() {
    let unknown = allow(r#"{"StringResembles":{"aws:SourceVpce":"vpce-1a2b3c4d"}}"#);
    let verdict = check(|b| b.policy = unknown, "undecided");
    assert_eq!(verdict.aws_is_public, None);
    let beside = policy(
        r#"{"Version":"2012-10-17","Statement":[
            {"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"},
            {"Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::b/*",
             "Condition":{"StringResembles":{"aws:SourceVpce":"vpce-1a2b3c4d"}}}]}"#,
    );
    let verdict = check(|b| b.policy = beside, "open");
    assert_eq!(state(verdict.access(AccessClass::Write)), "undecided");
    let unknown_deny = policy(
        r#"{"Version":"2012-10-17","Statement":[
            {"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"},
            {"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*",
             "Condition":{"StringResembles":{"aws:SourceVpce":"vpce-1a2b3c4d"}}}]}"#,
    );
    check(|b| b.policy = unknown_deny, "undecided");
}

#[test]
fn closed_says_why_for_each_statement() {
    let verdict = check(
        |b| {
            b.policy = policy(
                r#"{"Version":"2012-10-17","Statement":[
                {"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"},
                {"Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::b/*","Condition":{"StringEquals":{"aws:SourceVpce":"vpce-1a2b3c4d"}}},
                {"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b"},
                {"Effect":"Allow","Principal":"*","Action":"s3:GetBucketPolicy","Resource":"arn:aws:s3:::b"},
                {"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{"StringEquals":{"aws:SourceVpce":"vpce-1a2b3c4d"}}},
                {"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}},
                {"Effect":"Allow","Principal":"*","Action":"s3:GetObjectAcl","Resource":"arn:aws:s3:::b/*"},
                {"Effect":"Deny","Principal":"*","Action":"s3:GetObjectAcl","Resource":"*"}]}"#,
            );
        },
        "closed",
    );
    let Answer::Closed(reasons) = &verdict.read.policy else {
        unreachable!()
    };
    let whys: Vec<&Why> = reasons.iter().map(|reason| &reason.why).collect();
    assert_eq!(
        whys,
        [
            &Why::NamesOnlyTrusted,
            &Why::NoActionOfThisClass,
            &Why::ResourceDoesNotFit,
            &Why::OwnerOnlyActions,
            &Why::ConditionUnsatisfiable(0),
            &Why::NarrowSourceAddress,
            &Why::Denied(vec![7]),
        ]
    );
}

#[test]
fn a_grant_that_starts_later_is_open_and_says_when() {
    let later = allow(r#"{"DateGreaterThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"}}"#);
    let verdict = check(|b| b.policy = later, "open");
    let from = verdict
        .read
        .witness()
        .unwrap()
        .from
        .map(|from| from.to_string());
    assert_eq!(from.as_deref(), Some("2030-01-01T00:00:01Z"));
}

#[test]
fn hostile_policies_are_answered_within_the_budget() {
    // Many entangled patterns and many Deny statements: an answer, and never a hang.
    let stars: Vec<String> = (0..40)
        .map(|i| format!("\"*{}*{}*{}*\"", i % 7, i % 11, i % 13))
        .collect();
    let denies: Vec<String> = (0..60)
        .map(|i| {
            format!(
                r#"{{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::b/*{i}*"],
                    "Condition":{{"StringLike":{{"aws:Referer":["*{i}*","*{}*x*"]}},
                    "StringNotLike":{{"aws:UserAgent":["*{i}*?"]}}}}}}"#,
                i + 1
            )
        })
        .collect();
    let hostile = policy(&format!(
        r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","NotResource":[{}]}},{}]}}"#,
        stars.join(","),
        denies.join(",")
    ));
    let mut bucket = bucket();
    bucket.policy = hostile;
    let verdict = judge(&bucket);
    assert!(verdict.read.counts_as_open());
}

#[test]
fn a_deny_for_whoever_has_a_name_misses_the_unsigned() {
    let denying = policy(
        r#"{"Version":"2012-10-17","Statement":[
            {"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"},
            {"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*",
             "Condition":{"StringLike":{"aws:username":["*","${aws:PrincipalTag/team}"]}}}]}"#,
    );
    let verdict = check(|b| b.policy = denying, "open");
    assert_eq!(
        verdict.read.witness().unwrap().request.caller,
        Caller::Anonymous
    );
}

#[test]
fn keys_that_repeat_a_part_of_another_are_there_with_it() {
    let cases = [
        (r#"{"Null":{"aws:username":"false"}}"#, "open"),
        (r#"{"Null":{"aws:PrincipalAccount":"false"}}"#, "open"),
        (r#"{"Null":{"s3:DataAccessPointAccount":"false"}}"#, "open"),
        (r#"{"Null":{"aws:EpochTime":"false"}}"#, "open"),
        (r#"{"Null":{"aws:EpochTime":"true"}}"#, "closed"),
        (
            r#"{"Null":{"aws:username":"true","aws:PrincipalArn":"false"}}"#,
            "open",
        ),
        (
            r#"{"NumericLessThan":{"aws:EpochTime":"1735689600"}}"#,
            "closed",
        ),
        (
            r#"{"NumericGreaterThan":{"aws:EpochTime":"1735689600"}}"#,
            "open",
        ),
    ];
    for (conditions, read) in cases {
        check(|b| b.policy = allow(conditions), read);
    }
    // The access point of the owner's account has that account.
    let delegating = allow(
        r#"{"Null":{"s3:DataAccessPointAccount":"false"},
            "StringEquals":{"s3:DataAccessPointAccount":"111122223333"}}"#,
    );
    check(
        |b| (b.policy, b.access_points) = (delegating, point(point_policy(), false)),
        "open",
    );
}
