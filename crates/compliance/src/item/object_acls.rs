//! ACLs of single objects, as far as they are known: in our member of a bucket's item, since AWS Config
//! records no objects.
//!
//! ```json
//! {"objectAcls": {
//!     "objects": [
//!         {"key": "report.pdf", "since": "2026-01-01T00:00:00Z",
//!          "acl": {"owner": {"id": "…"}, "grantList": [{"grantee": "AllUsers", "permission": "Read"}]}},
//!         {"key": "secret", "since": "2026-01-01T00:00:00Z",
//!          "unread": {"reason": "accessDenied", "action": "s3:GetObjectAcl"}}
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

use jiff::Timestamp;
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
    objects: BTreeMap<String, Known>,
    more: bool,
    unsampled: Option<Unread>,
}

/// What is kept of one object.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    /// The grants to strangers; the others stay away.
    acl: Observed<Acl>,
    /// Since when it is kept.
    since: Timestamp,
}

/// One object that its own ACL lets strangers in to, or of which that is not decided.
#[derive(Clone, Debug)]
pub struct KnownObject {
    /// Its key.
    pub key: String,
    /// The grants to strangers of its ACL.
    pub acl: Observed<Acl>,
    /// Since when it is known.
    pub since: Timestamp,
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
    /// [`ObjectAcls::MOST`] it is only known that there are more; one that is seen to be public takes the
    /// place of one that was not read.
    pub fn take(&mut self, key: &str, acl: Observed<Acl>, now: Timestamp) {
        let acl = acl.map(|mut acl| {
            acl.grants.retain(|grant| grant.grantee.is_untrusted());
            acl
        });
        let is_public = acl.present().is_some_and(|acl| !acl.grants.is_empty());
        if !is_public && !acl.is_unknown() {
            self.objects.remove(key);
            return;
        }
        if let Some(known) = self.objects.get_mut(key) {
            known.acl = acl;
            return;
        }
        if self.objects.len() >= Self::MOST {
            self.more = true;
            let unread = self
                .objects
                .iter()
                .find(|(_, known)| is_public && known.acl.is_unknown())
                .map(|(key, _)| key.clone());
            let Some(unread) = unread else { return };
            self.objects.remove(&unread);
        }
        let known = Known { acl, since: now };
        self.objects.insert(key.to_owned(), known);
    }

    /// The keys whose ACLs were not read in passing: the next look may read them.
    pub fn in_passing(&self) -> impl Iterator<Item = &str> {
        self.objects
            .iter()
            .filter(|(_, known)| matches!(known.acl, Observed::Unknown(Unread::Passing(_))))
            .map(|(key, _)| key.as_str())
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
            .map(|(key, known)| KnownObject {
                key: key.clone(),
                acl: known.acl.clone(),
                since: known.since,
                access: judge_object(&named, key, &known.acl),
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
            .map(|(key, known)| {
                let mut object = json!({"key": key, "since": known.since.to_string()});
                match &known.acl {
                    Observed::Present(acl) => object["acl"] = bucket::acl_document(acl),
                    Observed::Unknown(why) => object["unread"] = unread::to_json(why),
                    Observed::Absent => {}
                }
                object
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
                (None, None) => Observed::Unknown(Unread::Failed(
                    "the item does not say what was read".to_owned(),
                )),
            };
            let since = object.get("since").and_then(Value::as_str);
            let since = since.and_then(|since| since.parse().ok());
            let since = since.unwrap_or(item.capture_time);
            Some((key, Known { acl, since }))
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

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn public() -> Observed<Acl> {
        acl(Grantee::Group(ALL_USERS.to_owned()))
    }

    #[test]
    fn what_is_not_public_is_forgotten() {
        let mut known = ObjectAcls::default();
        known.take(
            "private",
            acl(Grantee::CanonicalUser("o".to_owned())),
            now(),
        );
        assert!(known.is_empty());
        for (key, acl) in [
            ("public", public()),
            ("unread", Observed::Unknown(Unread::Failed("x".to_owned()))),
        ] {
            known.take(key, acl, now());
        }
        assert_eq!(known.keys().collect::<Vec<_>>(), ["public", "unread"]);
        known.take("public", acl(Grantee::CanonicalUser("o".to_owned())), now());
        known.take("unread", Observed::Absent, now());
        assert!(known.is_empty());
    }

    #[test]
    fn beyond_the_most_it_is_known_that_there_are_more() {
        let mut known = ObjectAcls::default();
        for number in 0..ObjectAcls::MOST {
            known.take(&number.to_string(), public(), now());
        }
        assert!(!known.has_more());
        known.take("one more", public(), now());
        assert!(known.has_more());
        assert_eq!(known.keys().count(), ObjectAcls::MOST);
        // Known ones are still followed; that there were more is not forgotten by it.
        known.take("0", Observed::Absent, now());
        assert!(known.has_more());
        assert_eq!(known.keys().count(), ObjectAcls::MOST - 1);
    }

    #[test]
    fn one_that_is_public_takes_the_place_of_one_that_was_not_read() {
        let mut known = ObjectAcls::default();
        let unread = || Observed::Unknown(Unread::Failed("x".to_owned()));
        for number in 0..ObjectAcls::MOST {
            known.take(&number.to_string(), unread(), now());
        }
        known.take("another", unread(), now());
        assert!(known.keys().all(|key| key != "another"));
        known.take("public", public(), now());
        assert!(known.keys().any(|key| key == "public"));
        assert!(known.has_more());
        assert_eq!(known.keys().count(), ObjectAcls::MOST);
    }
}
