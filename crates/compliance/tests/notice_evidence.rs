//! What a notice shows of a judged bucket.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::notices::bare;
use common::options;
use compliance::assessment::Assessment;
use compliance::input::{self, InputBucket};
use compliance::notice::{Access, Mechanism, NoticeKind, WayIn};

const BOTH: &str = r#"{"bucket": "backups", "owner_account": "111122223333",
  "policy": {"Version": "2012-10-17", "Statement": [
    {"Sid": "Ours", "Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "s3:*", "Resource": "arn:aws:s3:::backups/*"},
    {"Sid": "Open", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::backups/*"}]},
  "acl": [{"grantee": {"type": "Group", "uri": "http://acs.amazonaws.com/groups/global/AllUsers"}, "permission": "WRITE"}],
  "bpa": {"bucket": null, "account": null}, "ownership": "ObjectWriter"}"#;

fn assessed() -> Assessment {
    let reading = input::read(BOTH.as_bytes(), "f", &options()).unwrap();
    reading
        .buckets
        .into_iter()
        .map(InputBucket::assess)
        .next()
        .unwrap()
}

#[test]
fn a_notice_shows_what_is_open_and_by_what() {
    let assessment = assessed();
    let notice = bare(NoticeKind::Opened).with_evidence(&assessment, None, None);
    assert_eq!(
        notice.mechanisms,
        [
            WayIn {
                via: Mechanism::Policy,
                access: Access::Read
            },
            WayIn {
                via: Mechanism::Acl,
                access: Access::Write
            },
        ]
    );
    let witness = notice.witness.unwrap();
    assert_eq!(witness["principal"], "anonymous");
    assert_eq!(witness["action"], "s3:GetObject");
    let statement = notice.statement.unwrap();
    assert!(
        statement.contains("\"Open\"") && !statement.contains("\"Ours\""),
        "{statement}"
    );
    assert!(notice.policy.unwrap().contains("\"Ours\""));
    assert_eq!(notice.grants, ["grant 0 (WRITE to AllUsers)"]);
    assert!(notice.attempt.unwrap().starts_with("curl "));
}

#[test]
fn a_finding_about_the_acl_shows_the_acl() {
    let notice = bare(NoticeKind::Opened).with_evidence(
        &assessed(),
        Some(Mechanism::Acl),
        Some("http://127.0.0.1:9000"),
    );
    assert_eq!(
        notice.mechanisms,
        [WayIn {
            via: Mechanism::Acl,
            access: Access::Write
        }]
    );
    assert_eq!((notice.statement, notice.policy), (None, None));
    assert_eq!(notice.grants.len(), 1);
    assert!(
        notice
            .attempt
            .unwrap()
            .contains("http://127.0.0.1:9000/backups/")
    );
}
