//! Configuration items: what a resource looked like at a moment, in AWS Config's shape.
//!
//! [`ConfigurationItem::to_json`] writes what AWS Config delivers (AWS Config API reference,
//! `ConfigurationItem`; developer guide, "Components of a Configuration Item"), so that whatever
//! reads Config's items reads ours. One member is ours, `portcullis`: what was not read and why, and
//! the layers above the resource, so that a verdict can be reached again from the item alone.
//!
//! Two items of a resource differ if their [`ConfigurationItem::content_hash`] does: when and by whom
//! they were taken does not count.

pub mod account;
pub mod bucket;
mod comparable;
pub mod object_acls;
pub mod unread;
pub mod volume;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// The resource type of buckets.
pub const BUCKET: &str = "AWS::S3::Bucket";
/// The resource type of an account's Block Public Access; its id is the account's.
pub const ACCOUNT_PUBLIC_ACCESS_BLOCK: &str = "AWS::S3::AccountPublicAccessBlock";
/// The resource type under which an account itself is recorded; its id is the account's.
pub const ACCOUNT: &str = "AWS::::Account";
/// The resource type of EBS volumes.
pub const VOLUME: &str = "AWS::EC2::Volume";

/// Which resource: unique in a store of Portcullis.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceKey {
    /// The account's twelve digits, or the configured name of an S3-compatible store that has none.
    pub account: String,
    /// The region; `global` for what has none.
    pub region: String,
    /// The type in CloudFormation's spelling, such as [`BUCKET`].
    pub resource_type: String,
    /// The id; for a bucket its name as it is asked for.
    pub resource_id: String,
}

impl ResourceKey {
    /// The key of a bucket.
    pub fn bucket(account: &str, region: &str, name: &str) -> ResourceKey {
        ResourceKey {
            account: account.to_owned(),
            region: region.to_owned(),
            resource_type: BUCKET.to_owned(),
            resource_id: name.to_owned(),
        }
    }
}

impl fmt::Display for ResourceKey {
    /// `111122223333/eu-central-1/AWS::S3::Bucket/backups`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{}",
            self.account, self.region, self.resource_type, self.resource_id
        )
    }
}

/// How a resource stood when the item was taken (AWS Config API reference, `ConfigurationItem`,
/// `configurationItemStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ItemStatus {
    /// Recorded with its configuration.
    Ok,
    /// Found for the first time.
    ResourceDiscovered,
    /// There, and not recorded: its type or name is excluded.
    ResourceNotRecorded,
    /// Deleted.
    ResourceDeleted,
    /// Deleted, and it was not recorded.
    ResourceDeletedNotRecorded,
}

impl ItemStatus {
    const ALL: [(ItemStatus, &'static str); 5] = [
        (ItemStatus::Ok, "OK"),
        (ItemStatus::ResourceDiscovered, "ResourceDiscovered"),
        (ItemStatus::ResourceNotRecorded, "ResourceNotRecorded"),
        (ItemStatus::ResourceDeleted, "ResourceDeleted"),
        (
            ItemStatus::ResourceDeletedNotRecorded,
            "ResourceDeletedNotRecorded",
        ),
    ];

    /// AWS Config's spelling.
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(status, _)| *status == self)
            .map_or("OK", |(_, text)| text)
    }

    /// Reads AWS Config's spelling.
    pub fn parse(text: &str) -> Option<ItemStatus> {
        Self::ALL
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(status, _)| *status)
    }

    /// Whether the resource is gone.
    pub fn is_deleted(self) -> bool {
        matches!(
            self,
            ItemStatus::ResourceDeleted | ItemStatus::ResourceDeletedNotRecorded
        )
    }
}

/// What a resource looked like at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigurationItem {
    /// Which resource.
    pub key: ResourceKey,
    /// How it stood.
    pub status: ItemStatus,
    /// When this was read.
    pub capture_time: Timestamp,
    /// Its name, where it has one beside the id.
    pub resource_name: Option<String>,
    /// Its ARN.
    pub arn: String,
    /// When the resource was made, where known.
    pub creation_time: Option<Timestamp>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Ids of CloudTrail events that led to this item.
    pub related_events: Vec<String>,
    /// Related resources, in AWS Config's shape.
    pub relationships: Vec<Value>,
    /// The main description, in the shape of the resource's own API. `Null` if it is gone.
    pub configuration: Value,
    /// Further parts by name, such as `BucketPolicy`.
    pub supplementary_configuration: Map<String, Value>,
    /// Our member: what was not read, and the layers above the resource. `Null` if there is nothing
    /// to say.
    pub portcullis: Value,
}

/// Why a document is not a configuration item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// A member that every item has is missing, or has another type.
    #[error("the configuration item has no usable `{member}`")]
    Member {
        /// The member.
        member: &'static str,
    },
    /// A member has a value that it cannot have.
    #[error("the configuration item's `{member}` is {value:?}, which is none of its values")]
    Value {
        /// The member.
        member: &'static str,
        /// The value.
        value: String,
    },
}

impl ConfigurationItem {
    /// The item that says that a resource is gone.
    pub fn deleted(last: &ConfigurationItem, at: Timestamp) -> ConfigurationItem {
        ConfigurationItem {
            status: ItemStatus::ResourceDeleted,
            capture_time: at,
            tags: BTreeMap::new(),
            related_events: Vec::new(),
            relationships: Vec::new(),
            configuration: Value::Null,
            supplementary_configuration: Map::new(),
            portcullis: Value::Null,
            ..last.clone()
        }
    }

    /// AWS Config's document. Both spellings of the two members that differ between Config's files
    /// and its API (`ARN`, `arn`; `awsAccountId`, `accountId`) are written.
    pub fn to_json(&self) -> Value {
        let mut item = json!({
            "version": "1.3",
            "configurationItemVersion": "1.3",
            "configurationItemStatus": self.status.as_str(),
            "configurationItemCaptureTime": millis(self.capture_time),
            "configurationStateId": self.capture_time.as_millisecond().to_string(),
            "configurationStateMd5Hash": "",
            "accountId": self.key.account,
            "awsAccountId": self.key.account,
            "resourceType": self.key.resource_type,
            "resourceId": self.key.resource_id,
            "resourceName": self.resource_name,
            "ARN": self.arn,
            "arn": self.arn,
            "awsRegion": self.key.region,
            "availabilityZone": if self.key.region == "global" { "Not Applicable" } else { "Regional" },
            "resourceCreationTime": self.creation_time.map(millis),
            "tags": self.tags,
            "relatedEvents": self.related_events,
            "relationships": self.relationships,
            "configuration": self.configuration,
            "supplementaryConfiguration": self.supplementary_configuration,
        });
        if let (Some(members), false) = (item.as_object_mut(), self.portcullis.is_null()) {
            members.insert("portcullis".to_owned(), self.portcullis.clone());
        }
        item
    }

    /// Reads an item that [`ConfigurationItem::to_json`] or AWS Config wrote. `configuration` and the
    /// parts may be text that holds JSON, as Config's API gives them.
    pub fn from_json(item: &Value) -> Result<ConfigurationItem, ItemError> {
        let text = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| item.get(*name)?.as_str())
                .map(str::to_owned)
        };
        let needed =
            |member: &'static str, names: &[&str]| text(names).ok_or(ItemError::Member { member });
        let status = text(&["configurationItemStatus"]).unwrap_or_else(|| "OK".to_owned());
        let capture_time = needed(
            "configurationItemCaptureTime",
            &["configurationItemCaptureTime"],
        )?;
        let unwrapped = |value: &Value| match value.as_str() {
            Some(text) => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
            None => value.clone(),
        };
        Ok(ConfigurationItem {
            key: ResourceKey {
                account: needed("awsAccountId", &["awsAccountId", "accountId"])?,
                region: needed("awsRegion", &["awsRegion"])?,
                resource_type: needed("resourceType", &["resourceType"])?,
                resource_id: needed("resourceId", &["resourceId"])?,
            },
            status: ItemStatus::parse(&status).ok_or(ItemError::Value {
                member: "configurationItemStatus",
                value: status,
            })?,
            capture_time: capture_time.parse().map_err(|_| ItemError::Value {
                member: "configurationItemCaptureTime",
                value: capture_time,
            })?,
            resource_name: text(&["resourceName"]),
            arn: text(&["arn", "ARN"]).unwrap_or_default(),
            creation_time: text(&["resourceCreationTime"]).and_then(|text| text.parse().ok()),
            tags: item
                .get("tags")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect(),
            related_events: item
                .get("relatedEvents")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|id| id.as_str().map(str::to_owned))
                .collect(),
            relationships: item
                .get("relationships")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default(),
            configuration: item.get("configuration").map_or(Value::Null, unwrapped),
            supplementary_configuration: item
                .get("supplementaryConfiguration")
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default(),
            portcullis: item.get("portcullis").cloned().unwrap_or_default(),
        })
    }

    /// The SHA-256 over everything that describes the resource, in hex. The time of capture and the
    /// related events are left out; whether it was just discovered does not count either. Texts that
    /// hold JSON count by what they mean (`item/comparable.rs` says exactly how).
    pub fn content_hash(&self) -> String {
        let status = match self.status {
            ItemStatus::ResourceDiscovered => ItemStatus::Ok,
            other => other,
        };
        let content = json!([
            self.key.to_string(),
            status.as_str(),
            self.resource_name,
            self.arn,
            self.creation_time.map(millis),
            self.tags,
            self.relationships,
            comparable::configuration(&self.configuration),
            comparable::parts(&self.supplementary_configuration),
            comparable::portcullis(&self.portcullis),
        ]);
        let mut text = String::new();
        canonical(&content, &mut text);
        Sha256::digest(text)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// `2026-01-01T00:00:00.000Z`, as AWS Config writes times.
pub fn millis(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// JSON with sorted members: whether `serde_json` keeps the order of insertion depends on what else
/// is in the binary, and a hash must not.
pub(crate) fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort();
            text.push('{');
            for (index, name) in names.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                canonical(&members[name], text);
            }
            text.push('}');
        }
        Value::Array(elements) => {
            text.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                canonical(element, text);
            }
            text.push(']');
        }
        other => text.push_str(&other.to_string()),
    }
}

/// One place where two items differ.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemChange {
    /// The place, such as `SupplementaryConfiguration.BucketPolicy` (AWS Config's spelling of
    /// `changedProperties`).
    pub path: String,
    /// As it was; `None`: it was not there.
    pub previous: Option<Value>,
    /// As it is; `None`: it is not there any more.
    pub updated: Option<Value>,
}

impl ItemChange {
    /// `CREATE`, `UPDATE` or `DELETE`.
    pub fn change_type(&self) -> &'static str {
        match (&self.previous, &self.updated) {
            (None, _) => "CREATE",
            (_, None) => "DELETE",
            _ => "UPDATE",
        }
    }
}

/// What changed between two items of one resource, part by part.
pub fn diff(previous: &ConfigurationItem, updated: &ConfigurationItem) -> Vec<ItemChange> {
    let mut changes = Vec::new();
    let same = |path: &str, previous: Option<&Value>, updated: Option<&Value>| {
        let compared = |value: Option<&Value>| {
            value.map(|value| match path.split_once('.') {
                Some(("SupplementaryConfiguration", name)) => comparable::part(name, value),
                Some(("Configuration", name)) => comparable::configuration_part(name, value),
                Some(("Portcullis", _)) => comparable::portcullis(value),
                _ => value.clone(),
            })
        };
        previous == updated || compared(previous) == compared(updated)
    };
    let mut compare = |path: String, previous: Option<&Value>, updated: Option<&Value>| {
        let previous = previous.filter(|value| !value.is_null());
        let updated = updated.filter(|value| !value.is_null());
        if !same(&path, previous, updated) {
            changes.push(ItemChange {
                path,
                previous: previous.cloned(),
                updated: updated.cloned(),
            });
        }
    };
    let parts = |item: &ConfigurationItem| {
        let members = |value: &Value| value.as_object().cloned().unwrap_or_default();
        let mut parts = BTreeMap::new();
        for (prefix, members) in [
            ("Configuration", members(&item.configuration)),
            (
                "SupplementaryConfiguration",
                item.supplementary_configuration.clone(),
            ),
            ("Portcullis", members(&item.portcullis)),
        ] {
            for (name, value) in members {
                parts.insert(format!("{prefix}.{name}"), value);
            }
        }
        for (name, value) in &item.tags {
            parts.insert(format!("Tags.{name}"), Value::from(value.as_str()));
        }
        parts
    };
    let (before, after) = (parts(previous), parts(updated));
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    if previous.status.is_deleted() != updated.status.is_deleted() {
        compare(
            "ConfigurationItemStatus".to_owned(),
            Some(&Value::from(previous.status.as_str())),
            Some(&Value::from(updated.status.as_str())),
        );
    }
    for name in names {
        compare(name.clone(), before.get(name), after.get(name));
    }
    changes
}

/// The difference in the shape of `configurationItemDiff` in Config's change notifications
/// (AWS Config developer guide, "Example Configuration Item Change Notifications"). `None`: there is
/// no earlier item.
pub fn diff_json(previous: Option<&ConfigurationItem>, updated: &ConfigurationItem) -> Value {
    let Some(previous) = previous else {
        return json!({"changedProperties": {}, "changeType": "CREATE"});
    };
    let changed: Map<String, Value> = diff(previous, updated)
        .into_iter()
        .map(|change| {
            let entry = json!({
                "previousValue": change.previous,
                "updatedValue": change.updated,
                "changeType": change.change_type(),
            });
            (change.path, entry)
        })
        .collect();
    let change_type = if updated.status.is_deleted() {
        "DELETE"
    } else {
        "UPDATE"
    };
    json!({"changedProperties": changed, "changeType": change_type})
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn item() -> ConfigurationItem {
        ConfigurationItem {
            key: ResourceKey::bucket("111122223333", "us-east-1", "backups"),
            status: ItemStatus::Ok,
            capture_time: "2026-01-01T00:00:00.123Z".parse().unwrap(),
            resource_name: Some("backups".to_owned()),
            arn: "arn:aws:s3:::backups".to_owned(),
            creation_time: Some("2020-01-01T00:00:00Z".parse().unwrap()),
            tags: BTreeMap::from([("team".to_owned(), "web".to_owned())]),
            related_events: vec!["e1".to_owned()],
            relationships: Vec::new(),
            configuration: json!({"name": "backups"}),
            supplementary_configuration: json!({"BucketPolicy": {"policyText": null}})
                .as_object()
                .unwrap()
                .clone(),
            portcullis: json!({"enforcement": "aws"}),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let item = item();
        assert_eq!(ConfigurationItem::from_json(&item.to_json()).unwrap(), item);
        for member in [
            "awsRegion",
            "resourceType",
            "resourceId",
            "configurationItemCaptureTime",
        ] {
            let mut broken = item.to_json();
            broken.as_object_mut().unwrap().remove(member);
            let wrong = ConfigurationItem::from_json(&broken).unwrap_err();
            assert!(wrong.to_string().contains(member), "{wrong}");
        }
    }

    #[test]
    fn the_hash_is_of_the_content() {
        let one = item();
        let mut later = item();
        later.capture_time = "2026-01-02T00:00:00Z".parse().unwrap();
        later.related_events.clear();
        later.status = ItemStatus::ResourceDiscovered;
        assert_eq!(one.content_hash(), later.content_hash());
        let mut other = item();
        other.tags.insert("team".to_owned(), "ops".to_owned());
        assert_ne!(one.content_hash(), other.content_hash());
        assert_ne!(
            one.content_hash(),
            ConfigurationItem::deleted(&one, one.capture_time).content_hash()
        );
    }

    #[test]
    fn a_difference_names_its_place() {
        let one = item();
        let mut other = item();
        other
            .supplementary_configuration
            .insert("BucketPolicy".to_owned(), json!({"policyText": "{}"}));
        other.tags.clear();
        let paths: Vec<(String, &str)> = diff(&one, &other)
            .iter()
            .map(|change| (change.path.clone(), change.change_type()))
            .collect();
        assert_eq!(
            paths,
            [
                (
                    "SupplementaryConfiguration.BucketPolicy".to_owned(),
                    "UPDATE"
                ),
                ("Tags.team".to_owned(), "DELETE"),
            ]
        );
        let gone = diff_json(
            Some(&one),
            &ConfigurationItem::deleted(&one, one.capture_time),
        );
        assert_eq!(gone["changeType"], "DELETE");
    }
}
