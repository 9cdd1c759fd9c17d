//! What the two rules about public access have in common.

use std::sync::LazyLock;

use policy::action::AccessClass;
use policy::public::Answer;
use serde::Deserialize;

use super::{Outcome, Subject};
use crate::assessment::Assessment;

/// What a reader must be allowed for an exact answer.
pub(super) const READS: &[&str] = &[
    "s3:GetAccountPublicAccessBlock",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetBucketPolicy",
    "s3:GetBucketAcl",
    "s3:GetBucketOwnershipControls",
];

/// The texts that AWS's managed rules put on their evaluations (`data/annotations.json`, with its
/// source in it).
static TEXTS: LazyLock<Texts> = LazyLock::new(|| {
    let data: Data =
        serde_json::from_str(include_str!("../../data/annotations.json")).unwrap_or_default();
    data.annotations
});

#[derive(Default, Deserialize)]
struct Data {
    annotations: Texts,
}

#[derive(Default, Deserialize)]
struct Texts {
    acl: ByClass,
    policy: ByClass,
}

#[derive(Default, Deserialize)]
struct ByClass {
    read: String,
    write: String,
}

impl ByClass {
    fn of(&self, class: AccessClass) -> &str {
        match class {
            AccessClass::Read => &self.read,
            AccessClass::Write => &self.write,
        }
    }
}

/// Decides one class of access of a recorded bucket.
pub(super) fn decide_subject(class: AccessClass, subject: &Subject<'_>) -> Outcome {
    match subject.assessment {
        Some(assessment) => decide(class, assessment),
        None => match Assessment::of_item(subject.item) {
            Ok(assessment) => decide(class, &assessment),
            Err(wrong) => Outcome::insufficient(wrong.to_string()),
        },
    }
}

/// Decides one class of access. Non-compliant needs a witness; undecided is insufficient data.
pub(super) fn decide(class: AccessClass, assessment: &Assessment) -> Outcome {
    let access = assessment.verdict.access(class);
    if access.is_open() {
        // The ACL's text stands before the policy's, without a separator: consumers rely on it.
        let mut text = String::new();
        if access.acl.witness().is_some() {
            text.push_str(TEXTS.acl.of(class));
        }
        if access.policy.witness().is_some() {
            text.push_str(TEXTS.policy.of(class));
        }
        if access.access_points.witness().is_some() {
            text.push_str(match class {
                AccessClass::Read => "An access point of the S3 bucket allows public read access.",
                AccessClass::Write => {
                    "An access point of the S3 bucket allows public write access."
                }
            });
        }
        return Outcome::non_compliant(text);
    }
    if access.is_undecided() {
        let reasons: Vec<&str> = [&access.policy, &access.acl, &access.access_points]
            .into_iter()
            .filter_map(|answer| match answer {
                Answer::Undecided(reasons) => Some(reasons.iter().map(String::as_str)),
                _ => None,
            })
            .flatten()
            .collect();
        return Outcome::insufficient(reasons.join("; "));
    }
    Outcome::compliant()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use policy::bucket::{ALL_USERS, Acl, Bucket, Grant, Grantee, Permission};
    use policy::observed::{Observed, Unread};

    use super::*;
    use crate::rules::testing::{open_bucket, recorded};
    use crate::rules::{Annotation, ComplianceType};

    #[test]
    fn the_texts_are_there_and_fit_together() {
        for class in [AccessClass::Read, AccessClass::Write] {
            let (acl, policy) = (TEXTS.acl.of(class), TEXTS.policy.of(class));
            assert!(acl.contains(class.as_str()) && policy.contains(class.as_str()));
            assert!(acl.len() + policy.len() <= Annotation::MAX);
        }
        let long = Annotation::new("ä".repeat(300));
        assert_eq!(long.as_str().chars().count(), Annotation::MAX);
    }

    /// A bucket that everybody can read and write, by policy and by ACL.
    fn wide_open() -> Bucket {
        let mut bucket = open_bucket(
            r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*",
                "Resource": ["arn:aws:s3:::example-bucket", "arn:aws:s3:::example-bucket/*"]}]}"#,
        );
        bucket.acl = Observed::Present(Acl {
            owner: None,
            grants: vec![Grant {
                grantee: Grantee::Group(ALL_USERS.to_owned()),
                permission: Permission::FullControl,
            }],
        });
        bucket
    }

    fn decide_recorded(class: AccessClass, bucket: &Bucket) -> Outcome {
        let item = recorded(bucket);
        decide_subject(class, &Subject::of(&item, item.capture_time))
    }

    /// Each part that was not read and could decide: the answer waits for it, and names the action.
    #[test]
    fn what_was_not_read_decides_nothing_where_it_could() {
        type Part = fn(&mut Bucket, Unread);
        let parts: [(&str, Part); 5] = [
            ("s3:GetBucketPolicy", |b, why| {
                b.acl = Observed::Absent;
                b.policy = Observed::Unknown(why);
            }),
            ("s3:GetBucketAcl", |b, why| {
                b.policy = Observed::Absent;
                b.acl = Observed::Unknown(why);
            }),
            ("s3:GetBucketOwnershipControls", |b, why| {
                b.policy = Observed::Absent;
                b.ownership = Observed::Unknown(why);
            }),
            ("s3:GetBucketPublicAccessBlock", |b, why| {
                b.public_access_block.bucket = Observed::Unknown(why);
            }),
            ("s3:GetAccountPublicAccessBlock", |b, why| {
                b.public_access_block.account = Observed::Unknown(why);
            }),
        ];
        for (action, part) in parts {
            let mut bucket = wide_open();
            part(
                &mut bucket,
                Unread::AccessDenied {
                    action: action.to_owned(),
                },
            );
            for class in [AccessClass::Read, AccessClass::Write] {
                let outcome = decide_recorded(class, &bucket);
                assert_eq!(
                    outcome.compliance_type,
                    ComplianceType::InsufficientData,
                    "{action} {class:?}: {outcome:?}"
                );
                let why = outcome.annotation.unwrap();
                assert!(why.as_str().contains(action), "{action}: {why}");
                assert!(
                    READS.contains(&action),
                    "{action} is among what the rule reads"
                );
            }
        }
    }

    #[test]
    fn an_item_is_judged_where_nobody_did() {
        let outcome = decide_recorded(AccessClass::Read, &wide_open());
        assert_eq!(
            outcome.annotation.unwrap().as_str(),
            format!("{}{}", TEXTS.acl.read, TEXTS.policy.read)
        );
    }
}
