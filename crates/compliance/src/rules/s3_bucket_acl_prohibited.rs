//! S3 buckets do not use ACLs to let users in.

use policy::bucket::{Bucket, Grantee, LOG_DELIVERY, ObjectOwnership, Permission};
use policy::observed::Observed;

use super::{About, Outcome, Parameters, Rule, Severity, Subject, Trigger};
use crate::item::{BUCKET, bucket};

/// The rule `s3-bucket-acl-prohibited`.
#[derive(Clone, Copy, Debug)]
pub struct S3BucketAclProhibited;

const READS_ACL: &str = "s3:GetBucketAcl";
const READS_OWNERSHIP: &str = "s3:GetBucketOwnershipControls";

const ABOUT: About = About {
    name: "s3-bucket-acl-prohibited",
    identifier: "S3_BUCKET_ACL_PROHIBITED",
    description: "S3 buckets do not use ACLs to let users in.",
    detail: "A bucket fails when ACLs are in force (Object Ownership is not BucketOwnerEnforced) and \
             its ACL grants something to somebody other than the owner. The group that delivers \
             server access logs is no user. IgnorePublicAcls does not count: it takes the effect \
             away, not the grant.",
    resource_types: &[BUCKET],
    trigger: Trigger::ConfigurationChanges,
    reads: &[READS_ACL, READS_OWNERSHIP],
    parameters: &[],
    severity: Severity::Medium,
    annotations: &["The S3 bucket ACL grants PERMISSION to GRANTEE, PERMISSION to GRANTEE."],
    source: "https://docs.aws.amazon.com/config/latest/developerguide/s3-bucket-acl-prohibited.html",
};

impl Rule for S3BucketAclProhibited {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn decide(&self, subject: &Subject<'_>, _: &Parameters) -> Outcome {
        match subject.assessment {
            Some(assessment) => decide(&assessment.bucket, subject),
            None => match bucket::bucket(subject.item) {
                Ok(bucket) => decide(&bucket, subject),
                Err(wrong) => Outcome::insufficient(wrong.to_string()),
            },
        }
    }
}

fn decide(bucket: &Bucket, subject: &Subject<'_>) -> Outcome {
    if let Observed::Present(ObjectOwnership::BucketOwnerEnforced) = bucket.ownership {
        return Outcome::compliant();
    }
    let acl = match &bucket.acl {
        // Nothing is granted to anybody.
        Observed::Absent => return Outcome::compliant(),
        Observed::Present(acl) => acl,
        Observed::Unknown(unread) => return Outcome::unread("the ACL was", unread, READS_ACL),
    };
    let owner = acl.owner.as_deref().or_else(|| {
        let owner = subject.item.configuration.get("owner")?;
        owner.get("id")?.as_str()
    });
    let mut granted = Vec::new();
    for grant in &acl.grants {
        let to = match &grant.grantee {
            Grantee::Group(uri) if uri == LOG_DELIVERY => continue,
            Grantee::Group(uri) => uri.rsplit('/').next().unwrap_or(uri).to_owned(),
            Grantee::CanonicalUser(id) if Some(id.as_str()) == owner => continue,
            // Without the owner's id, the one grant that every private bucket has is taken for it.
            Grantee::CanonicalUser(_)
                if owner.is_none()
                    && acl.grants.len() == 1
                    && grant.permission == Permission::FullControl =>
            {
                continue;
            }
            Grantee::CanonicalUser(id) | Grantee::Email(id) => id.clone(),
        };
        granted.push(format!("{} to {to}", grant.permission.as_str()));
    }
    if granted.is_empty() {
        return Outcome::compliant();
    }
    if let Observed::Unknown(unread) = &bucket.ownership {
        return Outcome::unread("Object Ownership was", unread, READS_OWNERSHIP);
    }
    Outcome::non_compliant(format!("The S3 bucket ACL grants {}.", granted.join(", ")))
}

#[cfg(test)]
mod tests {
    use policy::bucket::{ALL_USERS, Acl, Grant};
    use policy::observed::Unread;

    use super::*;
    use crate::rules::testing::{check, open_bucket, parameters, recorded};

    fn bucket(
        owner: Option<&str>,
        grants: &[(&str, Permission)],
        ownership: Observed<ObjectOwnership>,
    ) -> Bucket {
        let mut bucket = open_bucket(r#"{"Statement": []}"#);
        bucket.acl = Observed::Present(Acl {
            owner: owner.map(str::to_owned),
            grants: grants
                .iter()
                .map(|(to, permission)| Grant {
                    grantee: if to.contains("//") {
                        Grantee::Group((*to).to_owned())
                    } else {
                        Grantee::CanonicalUser((*to).to_owned())
                    },
                    permission: *permission,
                })
                .collect(),
        });
        bucket.ownership = ownership;
        bucket
    }

    #[track_caller]
    fn answers(bucket: &Bucket, expected: &str) {
        let none = parameters(&S3BucketAclProhibited, &[]);
        check(&S3BucketAclProhibited, &recorded(bucket), &none, expected);
    }

    const OWN: (&str, Permission) = ("o", Permission::FullControl);
    const EVERYBODY: (&str, Permission) = (ALL_USERS, Permission::Read);
    const OTHER: (&str, Permission) = ("other", Permission::WriteAcp);
    const LOGS: (&str, Permission) = (LOG_DELIVERY, Permission::Write);

    #[test]
    fn only_the_owner_has_grants() {
        let in_force = || Observed::Absent;
        answers(&bucket(Some("o"), &[OWN], in_force()), "COMPLIANT");
        answers(&bucket(Some("o"), &[OWN, LOGS], in_force()), "COMPLIANT");
        answers(&bucket(None, &[OWN], in_force()), "COMPLIANT");
        answers(&bucket(Some("o"), &[], in_force()), "COMPLIANT");
        answers(
            &bucket(Some("o"), &[OWN, EVERYBODY, OTHER], in_force()),
            "NON_COMPLIANT The S3 bucket ACL grants READ to AllUsers, WRITE_ACP to other.",
        );
        answers(
            &bucket(Some("x"), &[OWN], in_force()),
            "NON_COMPLIANT The S3 bucket ACL grants FULL_CONTROL to o.",
        );
        answers(
            &bucket(
                Some("o"),
                &[EVERYBODY],
                Observed::Present(ObjectOwnership::BucketOwnerPreferred),
            ),
            "NON_COMPLIANT The S3 bucket ACL grants READ to AllUsers.",
        );
    }

    #[test]
    fn an_acl_that_is_not_in_force_grants_nothing() {
        let enforced = Observed::Present(ObjectOwnership::BucketOwnerEnforced);
        answers(&bucket(Some("o"), &[EVERYBODY], enforced), "COMPLIANT");
    }

    #[test]
    fn what_was_not_read_decides_nothing_unless_it_does_not_matter() {
        let denied = |action: &str| Unread::AccessDenied {
            action: action.to_owned(),
        };
        let ownership = || Observed::Unknown(denied(READS_OWNERSHIP));
        answers(
            &bucket(Some("o"), &[EVERYBODY], ownership()),
            "INSUFFICIENT_DATA Not decided: Object Ownership was not read (access denied: \
             s3:GetBucketOwnershipControls is missing)",
        );
        answers(&bucket(Some("o"), &[OWN], ownership()), "COMPLIANT");
        let mut unread = bucket(Some("o"), &[], Observed::Absent);
        unread.acl = Observed::Unknown(denied(READS_ACL));
        answers(
            &unread,
            "INSUFFICIENT_DATA Not decided: the ACL was not read (access denied: s3:GetBucketAcl is missing)",
        );
        unread.ownership = Observed::Present(ObjectOwnership::BucketOwnerEnforced);
        answers(&unread, "COMPLIANT");
    }
}
