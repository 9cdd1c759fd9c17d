//! Plans: the least that closes, and what is said about the rest.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use compliance::remediation::diff::{self, Line};
use compliance::remediation::{
    AclRemedy, Note, ObjectsRemedy, PolicyRemedy, RemediationOptions, RemediationPlan, Step, plan,
};
use policy::bucket::{
    ALL_USERS, ANONYMOUS_CANONICAL_ID, AUTHENTICATED_USERS, AccessPoint, Acl, BlockLevels, Bucket,
    Enforcement, Grant, Grantee, LOG_DELIVERY, ObjectOwnership, Permission, PublicAccessBlock,
};
use policy::document::Policy;
use policy::observed::{Observed, Unread};
use policy::public::judge;

fn grant(grantee: Grantee, permission: Permission) -> Grant {
    Grant {
        grantee,
        permission,
    }
}

fn group(uri: &str) -> Grantee {
    Grantee::Group(uri.to_owned())
}

fn account(id: &str) -> Grantee {
    Grantee::CanonicalUser(id.to_owned())
}

fn acl(grants: Vec<Grant>) -> Acl {
    Acl {
        owner: Some("own".to_owned()),
        grants,
    }
}

/// A closed bucket in an account without a block.
fn closed() -> Bucket {
    Bucket {
        name: "b".to_owned(),
        partition: "aws".to_owned(),
        owner_account: Some("111122223333".to_owned()),
        as_of: "2026-01-01T00:00:00Z".parse().unwrap(),
        policy: Observed::Absent,
        acl: Observed::Present(acl(vec![grant(account("own"), Permission::FullControl)])),
        public_access_block: BlockLevels {
            bucket: Observed::Absent,
            account: Observed::Absent,
            organization: Observed::Unknown(Unread::NotGiven),
        },
        ownership: Observed::Absent,
        access_points: Observed::Absent,
        resource_control_policies: Observed::Unknown(Unread::NotGiven),
        enforcement: Enforcement::Aws,
    }
}

fn with_policy(statements: &str) -> Bucket {
    let text = format!("{{\"Version\": \"2012-10-17\",\n \"Statement\": {statements}}}");
    Bucket {
        policy: Observed::Present(Policy::parse(&text).unwrap()),
        ..closed()
    }
}

const WORLD: &str = r#"{"Sid": "World", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}"#;
const UPLOAD: &str = r#"{"Sid": "Upload", "Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::b/*"}"#;
const PARTNER: &str = r#"{"Sid": "Partner", "Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}"#;
const TLS: &str = r#"{"Sid": "Tls", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::b/*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}"#;

fn planned(bucket: &Bucket, options: RemediationOptions) -> RemediationPlan {
    let plan = plan(bucket, &judge(bucket), &options);
    // What the plan expects is what the bucket after it is judged to be.
    let after = judge(&plan.after);
    assert_eq!(plan.expected.read.is_open(), after.read.is_open());
    assert_eq!(plan.expected.write.is_open(), after.write.is_open());
    plan
}

fn policy_option(policy: PolicyRemedy) -> RemediationOptions {
    RemediationOptions {
        policy,
        ..RemediationOptions::default()
    }
}

#[test]
fn a_closed_bucket_needs_nothing() {
    let mut bucket = closed();
    bucket.ownership = Observed::Present(ObjectOwnership::BucketOwnerEnforced);
    let plan = planned(&bucket, RemediationOptions::default());
    assert_eq!((plan.steps, plan.notes), (vec![], vec![]));
}

#[test]
fn strip_removes_exactly_what_lets_strangers_in() {
    let kept = vec![
        grant(account("own"), Permission::FullControl),
        grant(group(LOG_DELIVERY), Permission::Write),
        grant(account("partner"), Permission::Read),
    ];
    let mut grants = kept.clone();
    grants.insert(1, grant(group(ALL_USERS), Permission::Read));
    grants.push(grant(group(AUTHENTICATED_USERS), Permission::WriteAcp));
    grants.push(grant(account(ANONYMOUS_CANONICAL_ID), Permission::Write));
    let bucket = Bucket {
        acl: Observed::Present(acl(grants)),
        ..closed()
    };
    let plan = planned(&bucket, RemediationOptions::default());
    assert_eq!(plan.steps, [Step::PutAcl(acl(kept))]);
    assert!(plan.closes());
    let lines = diff::lines(&plan);
    let removed = lines
        .iter()
        .filter(|l| matches!(l, Line::Removed(_)))
        .count();
    assert_eq!(removed, 3);
    assert!(!lines.iter().any(|l| matches!(l, Line::Added(_))));
}

#[test]
fn private_overwrites_and_needs_the_owner() {
    let mut public = acl(vec![
        grant(group(ALL_USERS), Permission::Read),
        grant(account("partner"), Permission::Read),
    ]);
    let options = RemediationOptions {
        acl: AclRemedy::Private,
        ..RemediationOptions::default()
    };
    let bucket = |acl: &Acl| Bucket {
        acl: Observed::Present(acl.clone()),
        ..closed()
    };
    let plan = planned(&bucket(&public), options);
    let private = acl(vec![grant(account("own"), Permission::FullControl)]);
    assert_eq!(plan.steps, [Step::PutAcl(private)]);
    public.owner = None;
    let plan = planned(&bucket(&public), options);
    assert_eq!(plan.steps, []);
    assert!(plan.notes.contains(&Note::OwnerUnknown));
}

#[test]
fn an_acl_that_is_without_effect_is_left() {
    let public = acl(vec![grant(group(ALL_USERS), Permission::Read)]);
    let mut bucket = Bucket {
        acl: Observed::Present(public),
        ..closed()
    };
    bucket.ownership = Observed::Present(ObjectOwnership::BucketOwnerEnforced);
    assert_eq!(planned(&bucket, RemediationOptions::default()).steps, []);
}

#[test]
fn a_policy_is_only_named_by_default() {
    let bucket = with_policy(&format!("[{PARTNER}, {WORLD}]"));
    let plan = planned(&bucket, RemediationOptions::default());
    assert_eq!(plan.steps, []);
    assert!(!plan.closes());
    let named = plan.notes.iter().find_map(|note| match note {
        Note::PolicyLeft {
            statements,
            witness,
        } => Some((statements.clone(), witness)),
        _ => None,
    });
    let (statements, witness) = named.unwrap();
    assert_eq!(statements, [1]);
    assert_eq!(witness.request.action, "s3:GetObject");
}

#[test]
fn block_keeps_the_other_two_settings() {
    for (acls, ignore) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut bucket = with_policy(&format!("[{WORLD}]"));
        let own = PublicAccessBlock {
            block_public_acls: acls,
            ignore_public_acls: ignore,
            ..PublicAccessBlock::default()
        };
        bucket.public_access_block.bucket = Observed::Present(own);
        let plan = planned(&bucket, policy_option(PolicyRemedy::Block));
        let expected = PublicAccessBlock {
            block_public_policy: true,
            restrict_public_buckets: true,
            ..own
        };
        assert_eq!(plan.steps, [Step::PutBlock(expected)]);
        assert!(plan.closes());
    }
}

#[test]
fn block_is_refused_where_it_is_stored_and_not_enforced() {
    let mut bucket = with_policy(&format!("[{WORLD}]"));
    bucket.enforcement = Enforcement::CephRgw;
    let plan = planned(&bucket, policy_option(PolicyRemedy::Block));
    assert_eq!(plan.steps, []);
    assert!(plan.notes.contains(&Note::BlockIneffective));
}

#[test]
fn a_block_that_could_not_be_read_is_not_overwritten() {
    let mut bucket = with_policy(&format!("[{WORLD}]"));
    let unread = Unread::AccessDenied {
        action: "s3:GetBucketPublicAccessBlock".to_owned(),
    };
    bucket.public_access_block.bucket = Observed::Unknown(unread);
    let options = RemediationOptions {
        policy: PolicyRemedy::Block,
        objects: ObjectsRemedy::IgnorePublicAcls,
        ..RemediationOptions::default()
    };
    assert_eq!(planned(&bucket, options).steps, []);
}

#[test]
fn statements_are_removed_until_it_is_closed_and_the_rest_stays_as_written() {
    let bucket = with_policy(&format!(
        "[\n   {WORLD},\n   {PARTNER},\n   {TLS},\n   {UPLOAD}\n ]"
    ));
    let plan = planned(&bucket, policy_option(PolicyRemedy::RemoveStatement));
    let expected =
        format!("{{\"Version\": \"2012-10-17\",\n \"Statement\": [\n   {PARTNER},\n   {TLS}\n ]}}");
    assert_eq!(plan.steps, [Step::PutPolicy(expected)]);
    assert!(plan.closes());
}

#[test]
fn a_policy_without_statements_left_is_removed() {
    for statements in [
        WORLD.to_owned(),
        format!("[{WORLD}]"),
        format!("[{WORLD}, {UPLOAD}]"),
    ] {
        let bucket = with_policy(&statements);
        let plan = planned(&bucket, policy_option(PolicyRemedy::RemoveStatement));
        assert_eq!(plan.steps, [Step::DeletePolicy], "{statements}");
        assert!(plan.notes.contains(&Note::PolicyRemoved));
        assert!(plan.closes());
    }
}

#[test]
fn a_deny_alone_is_kept() {
    let bucket = with_policy(&format!("[{WORLD}, {TLS}]"));
    let plan = planned(&bucket, policy_option(PolicyRemedy::RemoveStatement));
    assert!(matches!(&plan.steps[..], [Step::PutPolicy(text)] if text.contains("Tls")));
}

#[test]
fn acl_and_policy_are_closed_together() {
    let mut bucket = with_policy(&format!("[{WORLD}, {PARTNER}]"));
    bucket.acl = Observed::Present(acl(vec![grant(group(ALL_USERS), Permission::Write)]));
    let options = RemediationOptions {
        policy: PolicyRemedy::RemoveStatement,
        objects: ObjectsRemedy::IgnorePublicAcls,
        ..RemediationOptions::default()
    };
    let plan = planned(&bucket, options);
    assert!(matches!(
        &plan.steps[..],
        [Step::PutAcl(_), Step::PutPolicy(_), Step::PutBlock(_)]
    ));
    assert!(plan.closes());
    assert_eq!(plan.expected.objects_may_be_public, Some(false));
}

#[test]
fn objects_are_said_and_closed_only_when_asked() {
    let plan = planned(&closed(), RemediationOptions::default());
    assert_eq!(plan.steps, []);
    assert!(plan.notes.contains(&Note::ObjectsMayBePublic));
    let options = RemediationOptions {
        objects: ObjectsRemedy::IgnorePublicAcls,
        ..RemediationOptions::default()
    };
    let ignore = PublicAccessBlock {
        ignore_public_acls: true,
        ..PublicAccessBlock::default()
    };
    assert_eq!(planned(&closed(), options).steps, [Step::PutBlock(ignore)]);
}

#[test]
fn an_open_access_point_is_said() {
    let arn = "arn:aws:s3:eu-central-1:111122223333:accesspoint/door";
    let door = format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "{arn}/object/*"}}}}"#
    );
    let mut bucket = with_policy(
        r#"{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"StringEquals": {"s3:DataAccessPointAccount": "111122223333"}}}"#,
    );
    bucket.access_points = Observed::Present(vec![AccessPoint {
        arn: arn.to_owned(),
        vpc_origin: false,
        policy: Observed::Present(Policy::parse(&door).unwrap()),
        public_access_block: Observed::Absent,
    }]);
    let plan = planned(&bucket, RemediationOptions::default());
    assert_eq!(plan.steps, []);
    assert!(plan.notes.contains(&Note::AccessPointLeft {
        arn: arn.to_owned()
    }));
}

#[test]
fn what_is_undecided_gets_no_plan() {
    let bucket = Bucket {
        policy: Observed::Unknown(Unread::AccessDenied {
            action: "s3:GetBucketPolicy".to_owned(),
        }),
        ..closed()
    };
    let plan = planned(&bucket, policy_option(PolicyRemedy::RemoveStatement));
    assert_eq!(plan.steps, []);
    let reasons = plan.notes.iter().find_map(|note| match note {
        Note::Undecided { reasons } => Some(reasons.concat()),
        _ => None,
    });
    assert!(reasons.unwrap().contains("s3:GetBucketPolicy"));
}
