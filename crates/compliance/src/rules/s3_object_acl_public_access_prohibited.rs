//! No object of an S3 bucket is known to be public by its own ACL.

use policy::action::AccessClass;
use policy::public::Answer;

use super::{About, Outcome, Parameters, Rule, Severity, Subject, Trigger};
use crate::assessment::Assessment;
use crate::item::BUCKET;
use crate::item::object_acls::{KnownObject, ObjectAcls};
use crate::report::visible;

/// The rule `s3-object-acl-public-access-prohibited`.
#[derive(Clone, Copy, Debug)]
pub struct S3ObjectAclPublicAccessProhibited;

const ABOUT: About = About {
    name: "s3-object-acl-public-access-prohibited",
    identifier: "S3_OBJECT_ACL_PUBLIC_ACCESS_PROHIBITED",
    description: "No object of an S3 bucket is known to be public by its own ACL.",
    detail: "Portcullis's own: AWS Config records no objects and has no such rule. A bucket fails when \
             the ACL of one of its objects lets strangers in and nothing (IgnorePublicAcls on any \
             level, BucketOwnerEnforced, a Deny) takes that back. The ACL of an object is read when \
             an event tells of it (where data events of CloudTrail are logged, where the bucket sends \
             its events to EventBridge, from Ceph's ops log unless the ACL comes with an upload), and in \
             a sample. What is known to be public is read again at each sweep. Earlier versions of an \
             object, which can have ACLs of their own, are not looked at. Where ACLs of objects are in force and none is known to be public \
             the rule is not applicable, since not every object was looked at; where they are not in \
             force the bucket complies.",
    resource_types: &[BUCKET],
    trigger: Trigger::ConfigurationChanges,
    reads: &["s3:GetObjectAcl"],
    parameters: &[],
    severity: Severity::High,
    annotations: &[
        "2 objects are public by their own ACLs: \"KEY\" (read), \"KEY\" (read, write).",
    ],
    source: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html",
};

impl S3ObjectAclPublicAccessProhibited {
    /// Its identifier.
    pub const IDENTIFIER: &'static str = ABOUT.identifier;
}

impl Rule for S3ObjectAclPublicAccessProhibited {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn decide(&self, subject: &Subject<'_>, _: &Parameters) -> Outcome {
        match subject.assessment {
            Some(assessment) => decide(assessment, subject),
            None => match Assessment::of_item(subject.item) {
                Ok(assessment) => decide(&assessment, subject),
                Err(wrong) => Outcome::insufficient(wrong.to_string()),
            },
        }
    }
}

fn decide(assessment: &Assessment, subject: &Subject<'_>) -> Outcome {
    let known = ObjectAcls::of_item(subject.item);
    let objects = known.judge(&assessment.bucket);
    let in_force = assessment.verdict.objects_may_be_public;
    if let Some(annotation) = open(&objects, known.has_more()) {
        return Outcome::non_compliant(annotation);
    }
    if let Some(reason) = undecided(&objects, known.has_more() && in_force != Some(false)) {
        return Outcome::insufficient(reason);
    }
    match in_force {
        Some(false) => Outcome::compliant(),
        Some(true) | None => Outcome::not_applicable(),
    }
}

/// How many keys a sentence names.
const NAMED: usize = 3;

/// How much of a key a sentence shows.
const SHOWN: usize = 60;

/// A key as it stands in a sentence that others read: whoever may upload chooses it.
fn named(key: &str) -> String {
    let shown: String = visible(key).chars().take(SHOWN + 1).collect();
    match shown.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}...", &shown[..end]),
        None => format!("{shown:?}"),
    }
}

/// Which objects are public, in a sentence; `None`: none is.
pub fn open(objects: &[KnownObject], more: bool) -> Option<String> {
    let named: Vec<String> = objects
        .iter()
        .filter_map(|object| {
            let classes: Vec<&str> = [AccessClass::Read, AccessClass::Write]
                .into_iter()
                .filter(|class| object.access.access(*class).witness().is_some())
                .map(AccessClass::as_str)
                .collect();
            (!classes.is_empty())
                .then(|| format!("{} ({})", named(&object.key), classes.join(", ")))
        })
        .collect();
    let count = match (named.len(), more) {
        (0, _) => return None,
        (1, false) => "1 object is public by its own ACL".to_owned(),
        (many, false) => format!("{many} objects are public by their own ACLs"),
        (many, true) => format!("{many} objects and more are public by their own ACLs"),
    };
    let rest = named.len().saturating_sub(NAMED);
    let and_more = match rest {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    let named = named.get(..NAMED).unwrap_or(&named).join(", ");
    Some(format!("{count}: {named}{and_more}."))
}

/// Why it is not decided whether an object is public; `None`: it is.
pub fn undecided(objects: &[KnownObject], more: bool) -> Option<String> {
    let reasons = objects.iter().find_map(|object| {
        [&object.access.read, &object.access.write]
            .into_iter()
            .find_map(|answer| match answer {
                Answer::Undecided(reasons) => Some((&object.key, reasons.join("; "))),
                Answer::Open(_) | Answer::Closed(_) => None,
            })
    });
    match reasons {
        Some((key, reasons)) => {
            let key = named(key);
            Some(format!("whether {key} is public by its ACL: {reasons}"))
        }
        None if more => Some(format!(
            "more than {} objects were public by their own ACLs or could not be read, and the others were not followed",
            ObjectAcls::MOST
        )),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use policy::bucket::{ALL_USERS, Acl, Bucket, Grant, Grantee, ObjectOwnership, Permission};
    use policy::observed::{Observed, Unread};

    use super::*;
    use crate::rules::testing::{check, open_bucket, parameters, recorded_with};

    fn acl(permission: Permission) -> Observed<Acl> {
        Observed::Present(Acl {
            owner: None,
            grants: vec![Grant {
                grantee: Grantee::Group(ALL_USERS.to_owned()),
                permission,
            }],
        })
    }

    fn bucket() -> Bucket {
        open_bucket(r#"{"Statement": []}"#)
    }

    #[track_caller]
    fn answers(bucket: &Bucket, objects: &[(&str, Observed<Acl>)], expected: &str) {
        let mut known = ObjectAcls::default();
        for (key, acl) in objects {
            known.take(key, acl.clone(), bucket.as_of);
        }
        let none = parameters(&S3ObjectAclPublicAccessProhibited, &[]);
        let item = recorded_with(bucket, known);
        check(&S3ObjectAclPublicAccessProhibited, &item, &none, expected);
    }

    #[test]
    fn what_is_known_to_be_public_fails_the_bucket() {
        let read = || acl(Permission::Read);
        answers(&bucket(), &[], "NOT_APPLICABLE");
        answers(
            &bucket(),
            &[("a", read())],
            "NON_COMPLIANT 1 object is public by its own ACL: \"a\" (read).",
        );
        answers(
            &bucket(),
            &[("a", read()), ("b", acl(Permission::FullControl))],
            "NON_COMPLIANT 2 objects are public by their own ACLs: \"a\" (read), \"b\" (read, write).",
        );
        let five: Vec<_> = ["a", "b", "c", "d", "e"].map(|key| (key, read())).into();
        answers(
            &bucket(),
            &five,
            "NON_COMPLIANT 5 objects are public by their own ACLs: \"a\" (read), \"b\" (read), \"c\" (read) and 2 more.",
        );
    }

    #[test]
    fn an_acl_without_effect_complies() {
        let mut enforced = bucket();
        enforced.ownership = Observed::Present(ObjectOwnership::BucketOwnerEnforced);
        answers(&enforced, &[], "COMPLIANT");
        answers(&enforced, &[("a", acl(Permission::Read))], "COMPLIANT");
    }

    #[test]
    fn an_acl_that_was_not_read_decides_nothing_unless_it_does_not_matter() {
        let denied = || {
            Observed::Unknown(Unread::AccessDenied {
                action: "s3:GetObjectAcl".to_owned(),
            })
        };
        answers(
            &bucket(),
            &[("a", denied())],
            "INSUFFICIENT_DATA Not decided: whether \"a\" is public by its ACL: the object's ACL: access denied: \
             s3:GetObjectAcl is missing",
        );
        answers(
            &bucket(),
            &[("a", denied()), ("b", acl(Permission::Read))],
            "NON_COMPLIANT 1 object is public by its own ACL: \"b\" (read).",
        );
        let mut enforced = bucket();
        enforced.ownership = Observed::Present(ObjectOwnership::BucketOwnerEnforced);
        answers(&enforced, &[("a", denied())], "COMPLIANT");
    }
}
