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
    use super::super::Annotation;
    use super::*;

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
}
