//! ACLs of single objects, as far as they are known: in our member of a bucket's item, since AWS Config
//! records no objects.
//!
//! ```json
//! {"objectAcls": {
//!     "objects": [
//!         {"key": "report.pdf", "acl": {"owner": {"id": "…"}, "grantList": [{"grantee": "AllUsers", "permission": "Read"}]}},
//!         {"key": "secret", "unread": {"reason": "accessDenied", "action": "s3:GetObjectAcl"}}
//!     ],
//!     "more": true,
//!     "unsampled": {"reason": "accessDenied", "action": "s3:ListBucket"}
//! }}
//! ```
//!
//! Kept are the objects whose own ACL grants something to strangers, whether or not that has an effect now,
//! and those of which that could not be read. All others are as if nobody had looked. `unsampled` says why no
//! sample of the objects could be taken.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use policy::bucket::{Acl, Bucket};
use policy::observed::{Observed, Unread};
use policy::public::{Answer, ObjectAccess, Witness, judge_object};
use serde_json::{Value, json};

use super::{ConfigurationItem, bucket, unread};
use crate::input;
use crate::report::{describe, visible};

/// The name, in our member, of the ACLs of objects.
pub const OBJECT_ACLS: &str = "objectAcls";

/// The objects of a bucket that may be public by ACLs of their own, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObjectAcls {
    objects: BTreeMap<String, Observed<Acl>>,
    more: bool,
    unsampled: Option<Unread>,
}

/// One object that its own ACL lets strangers in to, or of which that is not decided.
#[derive(Clone, Debug)]
pub struct KnownObject {
    /// Its key.
    pub key: String,
    /// Its ACL.
    pub acl: Observed<Acl>,
    /// What its ACL lets strangers do.
    pub access: ObjectAccess,
}

impl ObjectAcls {
    /// So many objects of a bucket are kept. Whoever makes objects public decides how many there are; the
    /// item stays small, and people need no longer list to act.
    pub const MOST: usize = 100;

    /// Whether no object is known.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && !self.more
    }

    /// Why no sample of the objects could be taken, if that was tried and failed last.
    pub fn unsampled(&self) -> Option<&Unread> {
        self.unsampled.as_ref()
    }

    /// Notes whether a sample of the objects was taken, or why not.
    pub fn sampled(&mut self, failure: Option<Unread>) {
        self.unsampled = failure;
    }

    /// The keys that are known.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.objects.keys().map(String::as_str)
    }

    /// Whether there were more than are kept.
    pub fn has_more(&self) -> bool {
        self.more
    }

    /// Takes what was read of one object; `Absent`: it is gone. One that is not public is forgotten. Beyond
    /// [`ObjectAcls::MOST`] it is only known that there are more.
    pub fn take(&mut self, key: &str, acl: Observed<Acl>) {
        let is_kept = match &acl {
            Observed::Present(acl) => acl.grants.iter().any(|grant| grant.grantee.is_untrusted()),
            Observed::Absent => false,
            Observed::Unknown(_) => true,
        };
        if !is_kept {
            self.objects.remove(key);
        } else if self.objects.contains_key(key) || self.objects.len() < Self::MOST {
            self.objects.insert(key.to_owned(), acl);
        } else {
            self.more = true;
        }
    }

    /// Why an ACL was not read, if that may pass by itself: the first.
    pub fn in_passing(&self) -> Option<&str> {
        self.objects.values().find_map(|acl| match acl {
            Observed::Unknown(Unread::Passing(why)) => Some(why.as_str()),
            _ => None,
        })
    }

    /// The objects that count as open in a bucket with this configuration, in the order of their keys.
    pub fn judge(&self, bucket: &Bucket) -> Vec<KnownObject> {
        // On Ceph `tenant:bucket` is asked for, and `bucket` is what ARNs name.
        let mut named = Cow::Borrowed(bucket);
        if let Some((_, name)) = bucket.name.split_once(':') {
            named.to_mut().name = name.to_owned();
        }
        self.objects
            .iter()
            .map(|(key, acl)| KnownObject {
                key: key.clone(),
                acl: acl.clone(),
                access: judge_object(&named, key, acl),
            })
            .filter(KnownObject::counts_as_open)
            .collect()
    }

    /// The member as items keep it; `None` if there is nothing to say.
    pub(super) fn to_json(&self) -> Option<Value> {
        if *self == ObjectAcls::default() {
            return None;
        }
        let objects: Vec<Value> = self
            .objects
            .iter()
            .map(|(key, acl)| match acl {
                Observed::Present(acl) => json!({"key": key, "acl": bucket::acl_document(acl)}),
                Observed::Unknown(why) => json!({"key": key, "unread": unread::to_json(why)}),
                Observed::Absent => json!({"key": key}),
            })
            .collect();
        let mut member = json!({"objects": objects});
        if self.more {
            member["more"] = json!(true);
        }
        if let Some(why) = &self.unsampled {
            member["unsampled"] = unread::to_json(why);
        }
        Some(member)
    }

    /// The ACLs of objects that an item knows of. What cannot be understood is not read.
    pub fn of_item(item: &ConfigurationItem) -> ObjectAcls {
        let Some(member) = item.portcullis.get(OBJECT_ACLS) else {
            return ObjectAcls::default();
        };
        let objects = member.get("objects").and_then(Value::as_array);
        let objects = objects.into_iter().flatten().filter_map(|object| {
            let key = object.get("key")?.as_str()?.to_owned();
            let acl = match (object.get("acl"), object.get("unread")) {
                (Some(acl), _) => input::recorded_acl(acl),
                (None, Some(why)) => Observed::Unknown(unread::from_json(why)),
                (None, None) => Observed::Absent,
            };
            Some((key, acl))
        });
        ObjectAcls {
            objects: objects.collect(),
            more: member.get("more") == Some(&Value::Bool(true)),
            unsampled: member.get("unsampled").map(unread::from_json),
        }
    }
}

impl KnownObject {
    /// A request that gets in.
    pub fn witness(&self) -> Option<&Witness> {
        self.access.read.witness().or(self.access.write.witness())
    }

    /// Whether somebody gets in by the object's ACL, or that is not decided.
    fn counts_as_open(&self) -> bool {
        [&self.access.read, &self.access.write]
            .iter()
            .any(|answer| !matches!(answer, Answer::Closed(_)))
    }
}

impl fmt::Display for KnownObject {
    /// `report.pdf: READ to AllUsers`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = visible(&self.key);
        match &self.acl {
            Observed::Present(acl) => {
                let grants: Vec<String> = acl
                    .grants
                    .iter()
                    .filter(|grant| grant.grantee.is_untrusted())
                    .map(describe::granted)
                    .collect();
                write!(f, "{key}: {}", grants.join(", "))
            }
            Observed::Unknown(why) => write!(f, "{key}: {why}"),
            Observed::Absent => f.write_str(&key),
        }
    }
}

#[cfg(test)]
mod tests {
    use policy::bucket::{ALL_USERS, Grant, Grantee, Permission};

    use super::*;

    fn acl(grantee: Grantee) -> Observed<Acl> {
        Observed::Present(Acl {
            owner: None,
            grants: vec![Grant {
                grantee,
                permission: Permission::Read,
            }],
        })
    }

    fn public() -> Observed<Acl> {
        acl(Grantee::Group(ALL_USERS.to_owned()))
    }

    #[test]
    fn what_is_not_public_is_forgotten() {
        let mut known = ObjectAcls::default();
        known.take("private", acl(Grantee::CanonicalUser("o".to_owned())));
        assert!(known.is_empty());
        for (key, acl) in [
            ("public", public()),
            ("unread", Observed::Unknown(Unread::Failed("x".to_owned()))),
        ] {
            known.take(key, acl);
        }
        assert_eq!(known.keys().collect::<Vec<_>>(), ["public", "unread"]);
        known.take("public", acl(Grantee::CanonicalUser("o".to_owned())));
        known.take("unread", Observed::Absent);
        assert!(known.is_empty());
    }

    #[test]
    fn beyond_the_most_it_is_known_that_there_are_more() {
        let mut known = ObjectAcls::default();
        for number in 0..ObjectAcls::MOST {
            known.take(&number.to_string(), public());
        }
        assert!(!known.has_more());
        known.take("one more", public());
        assert!(known.has_more());
        assert_eq!(known.keys().count(), ObjectAcls::MOST);
        // Known ones are still followed; that there were more is not forgotten by it.
        known.take("0", Observed::Absent);
        assert!(known.has_more());
        assert_eq!(known.keys().count(), ObjectAcls::MOST - 1);
    }
}
