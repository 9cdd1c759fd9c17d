//! A bucket as a configuration item and back: the verdict is the same, and equal states have equal
//! hashes.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use compliance::input::{self, Options};
use compliance::item::bucket::{Taken, bucket, item};
use compliance::item::{ConfigurationItem, ItemStatus, ResourceKey, diff};
use oracle::generate::{AS_OF, Document, Richness, bare_bucket, document};
use policy::bucket::{
    ALL_USERS, ANONYMOUS_CANONICAL_ID, AUTHENTICATED_USERS, AccessPoint, Acl, BlockLevels, Bucket,
    Enforcement, Grant, Grantee, LOG_DELIVERY, ObjectOwnership, Permission, PublicAccessBlock,
};
use policy::document::Policy;
use policy::observed::{Observed, Unread};
use policy::public::judge;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};

fn unread() -> impl Strategy<Value = Unread> {
    select(vec![
        Unread::NotNeeded,
        Unread::NotGiven,
        Unread::SaidUnknown,
        Unread::AccessDenied {
            action: "s3:GetBucketAcl".to_owned(),
        },
        Unread::KnownLater {
            attribute: "aws_s3_bucket.b.bucket".to_owned(),
        },
        Unread::Unsupported {
            operation: "GetPublicAccessBlock".to_owned(),
        },
        Unread::Failed("the answer is cut off".to_owned()),
    ])
}

fn observed<T: Clone + std::fmt::Debug + 'static>(
    value: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Observed<T>> {
    prop_oneof![
        4 => value.prop_map(Observed::Present),
        2 => Just(Observed::Absent),
        1 => unread().prop_map(Observed::Unknown),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    let small = Richness {
        statements: 3,
        tests: 2,
        variables: true,
    };
    (document(small), any::<bool>()).prop_map(|(document, spaced): (Document, bool)| {
        let text = if spaced {
            format!("\n {:#} ", document.to_json())
        } else {
            document.to_json().to_string()
        };
        Policy::parse(&text).unwrap()
    })
}

fn acl() -> impl Strategy<Value = Acl> {
    let grantee = select(vec![
        Grantee::Group(ALL_USERS.to_owned()),
        Grantee::Group(AUTHENTICATED_USERS.to_owned()),
        Grantee::Group(LOG_DELIVERY.to_owned()),
        Grantee::Group("http://acs.amazonaws.com/groups/s3/Other".to_owned()),
        Grantee::CanonicalUser("c0de".to_owned()),
        Grantee::CanonicalUser("AllUsers".to_owned()),
        Grantee::CanonicalUser(ANONYMOUS_CANONICAL_ID.to_owned()),
        Grantee::Email("somebody@example.com".to_owned()),
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
    let owner = select(vec![None, Some("c0de".to_owned()), Some("0".to_owned())]);
    (owner, prop::collection::vec(grant, 0..4)).prop_map(|(owner, grants)| Acl { owner, grants })
}

fn block() -> impl Strategy<Value = PublicAccessBlock> {
    any::<[bool; 4]>().prop_map(|[a, b, c, d]| PublicAccessBlock {
        block_public_acls: a,
        ignore_public_acls: b,
        block_public_policy: c,
        restrict_public_buckets: d,
    })
}

fn access_point() -> impl Strategy<Value = AccessPoint> {
    (any::<bool>(), observed(policy()), observed(block())).prop_map(
        |(vpc_origin, policy, public_access_block)| AccessPoint {
            arn: "arn:aws:s3:us-east-1:111122223333:accesspoint/ap".to_owned(),
            vpc_origin,
            policy,
            public_access_block,
        },
    )
}

fn buckets() -> impl Strategy<Value = Bucket> {
    let levels = (observed(block()), observed(block()), observed(block()));
    let ownership = observed(select(vec![
        ObjectOwnership::BucketOwnerEnforced,
        ObjectOwnership::BucketOwnerPreferred,
        ObjectOwnership::ObjectWriter,
    ]));
    let owner = select(vec![Some("111122223333".to_owned()), None]);
    let store = (
        select(vec!["aws", "aws-cn"]),
        select(vec![Enforcement::Aws, Enforcement::CephRgw]),
    );
    (
        observed(policy()),
        observed(acl()),
        levels,
        ownership,
        observed(prop::collection::vec(access_point(), 0..2)),
        observed(prop::collection::vec(policy(), 0..2)),
        owner,
        store,
    )
        .prop_map(
            |(policy, acl, levels, ownership, points, policies, owner, store)| Bucket {
                partition: store.0.to_owned(),
                owner_account: owner,
                policy,
                acl,
                public_access_block: BlockLevels {
                    bucket: levels.0,
                    account: levels.1,
                    organization: levels.2,
                },
                ownership,
                access_points: points,
                resource_control_policies: policies,
                enforcement: store.1,
                ..bare_bucket(Policy::parse(r#"{"Statement": []}"#).unwrap())
            },
        )
}

fn key() -> ResourceKey {
    ResourceKey::bucket("111122223333", "us-east-1", "example-bucket")
}

fn taken() -> Taken {
    Taken {
        capture_time: AS_OF.parse().unwrap(),
        creation_time: Some("2020-01-01T00:00:00Z".parse().unwrap()),
        owner: Some("c0de".to_owned()),
        tags: BTreeMap::from([("team".to_owned(), "web".to_owned())]),
        parts: BTreeMap::from([
            (
                "BucketVersioningConfiguration".to_owned(),
                Observed::Present(json!({"status": "Enabled", "isMfaDeleteEnabled": null})),
            ),
            ("BucketWebsiteConfiguration".to_owned(), Observed::Absent),
            (
                "BucketLoggingConfiguration".to_owned(),
                Observed::Unknown(Unread::AccessDenied {
                    action: "s3:GetBucketLogging".to_owned(),
                }),
            ),
        ]),
        object_acls: compliance::item::object_acls::ObjectAcls::default(),
        related_events: vec!["e1".to_owned()],
    }
}

/// Some bucket with a policy and an ACL.
fn example() -> Bucket {
    let mut example = bare_bucket(
        Policy::parse(
            r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*",
                "Action": "s3:GetObject", "Resource": "arn:aws:s3:::example-bucket/*"}]}"#,
        )
        .unwrap(),
    );
    let grant = |grantee: Grantee, permission| Grant {
        grantee,
        permission,
    };
    example.acl = Observed::Present(Acl {
        owner: Some("c0de".to_owned()),
        grants: vec![
            grant(
                Grantee::CanonicalUser("c0de".to_owned()),
                Permission::FullControl,
            ),
            grant(Grantee::Group(ALL_USERS.to_owned()), Permission::Read),
        ],
    });
    example
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1500,
        rng_seed: RngSeed::Fixed(0x17e4),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// A verdict can be reached again from the item alone, also from the item as it is stored.
    #[test]
    fn the_verdict_on_the_item_is_the_verdict_on_the_bucket(one in buckets()) {
        let written = item(&one, key(), taken());
        let stored: Value = serde_json::from_str(&written.to_json().to_string()).unwrap();
        let read = ConfigurationItem::from_json(&stored).unwrap();
        prop_assert_eq!(&read, &written);
        let back = bucket(&read).unwrap();
        prop_assert_eq!(format!("{:?}", judge(&back)), format!("{:?}", judge(&one)));
        prop_assert_eq!(back.acl.clone(), one.acl.clone());
        prop_assert_eq!(back.ownership.clone(), one.ownership.clone());
        prop_assert_eq!(&back.owner_account, &one.owner_account);
        prop_assert_eq!(back.as_of, one.as_of);
        // What was read back makes the same item.
        prop_assert_eq!(item(&back, key(), taken()).content_hash(), written.content_hash());
    }

    /// `portcullis check` on a file of our items decides the same.
    #[test]
    fn a_file_of_items_reads_the_same(one in buckets()) {
        let written = item(&one, key(), taken());
        let file = json!({"fileVersion": "1.0", "configurationItems": [written.to_json()]});
        let reading = input::read(file.to_string().as_bytes(), "f", &Options::at(one.as_of)).unwrap();
        prop_assert_eq!(reading.problems, vec![]);
        prop_assert_eq!(reading.buckets.len(), 1);
        prop_assert_eq!(format!("{:?}", judge(&reading.buckets[0].bucket)), format!("{:?}", judge(&one)));
    }
}

#[test]
fn an_item_has_the_shape_that_aws_config_records() {
    let mut one = example();
    one.public_access_block.account = Observed::Present(PublicAccessBlock::ALL);
    insta::assert_snapshot!(
        serde_json::to_string_pretty(&sorted(&item(&one, key(), taken()).to_json())).unwrap()
    );
}

/// Members sorted, whatever else is in the binary.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| name.as_str());
            members
                .into_iter()
                .map(|(name, value)| (name.clone(), sorted(value)))
                .collect()
        }
        Value::Array(elements) => elements.iter().map(sorted).collect(),
        Value::String(text) if text.starts_with('{') && !text.contains("Version") => {
            Value::from(sorted(&serde_json::from_str(text).unwrap()).to_string())
        }
        other => other.clone(),
    }
}

#[test]
fn what_is_no_change_does_not_change_the_hash() {
    let one = example();
    let before = item(&one, key(), taken());

    let mut later = taken();
    later.capture_time = "2026-02-01T00:00:00Z".parse().unwrap();
    later.related_events.clear();
    let mut same = one.clone();
    same.as_of = later.capture_time;
    let spaced = one
        .policy
        .present()
        .unwrap()
        .text
        .replace(": ", " :\n\t")
        .replace(", ", ",");
    same.policy = Observed::Present(Policy::parse(&spaced).unwrap());
    if let Observed::Present(acl) = &mut same.acl {
        acl.grants.reverse();
    }
    let after = item(&same, key(), later);
    assert_ne!(
        after.supplementary_configuration, before.supplementary_configuration,
        "texts are kept as they were read"
    );
    assert_eq!(after.content_hash(), before.content_hash());
    assert_eq!(diff(&before, &after), []);
}

#[test]
fn what_is_a_change_changes_the_hash_and_is_named() {
    let none = || Observed::<PublicAccessBlock>::Absent;
    type Change = fn(&mut Bucket);
    let changes: [(&str, Change); 6] = [
        ("SupplementaryConfiguration.BucketPolicy", |b| {
            b.policy = Observed::Absent;
        }),
        ("SupplementaryConfiguration.AccessControlList", |b| {
            b.acl = Observed::Present(Acl::default());
        }),
        ("SupplementaryConfiguration.BucketOwnershipControls", |b| {
            b.ownership = Observed::Present(ObjectOwnership::ObjectWriter);
        }),
        (
            "SupplementaryConfiguration.PublicAccessBlockConfiguration",
            |b| b.public_access_block.bucket = Observed::Present(PublicAccessBlock::default()),
        ),
        ("Portcullis.accountPublicAccessBlock", |b| {
            b.public_access_block.account = Observed::Present(PublicAccessBlock::ALL);
        }),
        ("Portcullis.unread", |b| {
            b.resource_control_policies = Observed::Unknown(Unread::NotGiven);
        }),
    ];
    let mut one = example();
    one.public_access_block.bucket = none();
    let before = item(&one, key(), taken());
    for (place, change) in changes {
        let mut other = one.clone();
        change(&mut other);
        let after = item(&other, key(), taken());
        assert_ne!(after.content_hash(), before.content_hash(), "{place}");
        let places: Vec<String> = diff(&before, &after)
            .into_iter()
            .map(|change| change.path)
            .collect();
        assert!(places.iter().any(|p| p == place), "{place}: {places:?}");
    }
}

#[test]
fn a_part_of_the_bucket_is_not_given_twice() {
    let mut one = example();
    one.policy = Observed::Unknown(Unread::SaidUnknown);
    let mut more = taken();
    more.parts.insert(
        "BucketPolicy".to_owned(),
        Observed::Present(json!({"policyText": null})),
    );
    let back = bucket(&item(&one, key(), more)).unwrap();
    assert_eq!(back.policy.unread(), Some(&Unread::SaidUnknown));
}

#[test]
fn items_of_aws_config_are_read() {
    // Through Config's API each part is a text that holds JSON, the ACL twice.
    let acl =
        json!({"grantList": [{"grantee": "AllUsers", "permission": "Read"}], "owner": {"id": "o"}});
    let item = json!({
        "configurationItemCaptureTime": "2026-01-01T00:00:00.000Z",
        "configurationItemStatus": "OK",
        "accountId": "111122223333",
        "resourceType": "AWS::S3::Bucket",
        "resourceId": "b",
        "resourceName": "b",
        "awsRegion": "cn-north-1",
        "configuration": "{\"name\":\"b\"}",
        "supplementaryConfiguration": {
            "AccessControlList": Value::from(acl.to_string()).to_string(),
            "BucketPolicy": "{\"policyText\":null}",
        },
    });
    let read = bucket(&ConfigurationItem::from_json(&item).unwrap()).unwrap();
    assert_eq!(read.partition, "aws-cn");
    assert_eq!(read.owner_account.as_deref(), Some("111122223333"));
    assert!(matches!(read.policy, Observed::Absent));
    assert_eq!(read.acl.present().unwrap().grants.len(), 1);
    assert!(
        read.ownership.is_unknown(),
        "Config's items do not show Object Ownership"
    );
    assert_eq!(
        read.public_access_block.account.unread(),
        Some(&Unread::NotGiven)
    );
}

#[test]
fn what_is_no_bucket_is_an_error_that_says_so() {
    let mut other = item(&example(), key(), taken());
    other.key.resource_type = "AWS::EC2::Volume".to_owned();
    let wrong = bucket(&other).unwrap_err().to_string();
    assert!(
        wrong.contains("resourceType") && wrong.contains("AWS::EC2::Volume"),
        "{wrong}"
    );

    let last = item(&example(), key(), taken());
    let mut gone = ConfigurationItem::deleted(&last, last.capture_time);
    for status in [
        ItemStatus::ResourceDeleted,
        ItemStatus::ResourceDeletedNotRecorded,
        ItemStatus::ResourceNotRecorded,
    ] {
        gone.status = status;
        let wrong = bucket(&gone).unwrap_err().to_string();
        assert!(wrong.contains(status.as_str()), "{wrong}");
    }
}

#[test]
fn what_cannot_be_understood_is_unknown() {
    let mut broken = item(&example(), key(), taken());
    broken
        .supplementary_configuration
        .insert("BucketPolicy".to_owned(), json!({"policyText": "{broken"}));
    broken
        .supplementary_configuration
        .insert("BucketOwnershipControls".to_owned(), json!("Everybody"));
    broken.portcullis = json!({
        "accountPublicAccessBlock": {"ignorePublicAcls": "perhaps"},
        "organizationPublicAccessBlock": 5,
        "accessPoints": {"arn": "x"},
        "resourceControlPolicies": [{"policyText": "{}"}],
        "unread": {"AccessControlList": {"reason": "eclipse"}},
    });
    let read = bucket(&broken).unwrap();
    assert!(read.policy.is_unknown());
    assert!(read.acl.is_unknown());
    assert!(read.ownership.is_unknown());
    assert!(read.public_access_block.account.is_unknown());
    assert!(read.public_access_block.organization.is_unknown());
    assert!(read.access_points.is_unknown());
    assert!(read.resource_control_policies.is_unknown());
}
