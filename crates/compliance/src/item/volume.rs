//! An EBS volume as a configuration item: `AWS::EC2::Volume` as AWS Config records it (its
//! `configuration` is EC2's own description, in lowerCamel case).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{ConfigurationItem, ItemStatus, ResourceKey, VOLUME, millis};

/// What was read of a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeFacts {
    /// Its id, `vol-…`.
    pub id: String,
    /// The Availability Zone.
    pub availability_zone: Option<String>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The ARN of the key, if it is.
    pub kms_key: Option<String>,
    /// `in-use`, `available` …
    pub state: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Its size in GiB.
    pub size: Option<i64>,
    /// `gp3`, `io2` …
    pub volume_type: Option<String>,
    /// The snapshot that it was made from.
    pub snapshot: Option<String>,
    /// The instances that it is attached to.
    pub attachments: Vec<Attachment>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// One attachment of a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachment {
    /// The instance.
    pub instance: String,
    /// The device's name there.
    pub device: Option<String>,
    /// `attached`, `attaching` …
    pub state: Option<String>,
    /// Whether it is deleted with the instance.
    pub delete_on_termination: bool,
}

/// The item of a volume. `partition` is the one that its ARN names.
pub fn item(
    partition: &str,
    account: &str,
    region: &str,
    volume: &VolumeFacts,
    at: Timestamp,
) -> ConfigurationItem {
    let attachments: Vec<Value> = volume
        .attachments
        .iter()
        .map(|attachment| {
            json!({
                "instanceId": attachment.instance,
                "device": attachment.device,
                "state": attachment.state,
                "deleteOnTermination": attachment.delete_on_termination,
                "volumeId": volume.id,
            })
        })
        .collect();
    let tags: Vec<Value> = volume
        .tags
        .iter()
        .map(|(key, value)| json!({"key": key, "value": value}))
        .collect();
    ConfigurationItem {
        key: ResourceKey {
            account: account.to_owned(),
            region: region.to_owned(),
            resource_type: VOLUME.to_owned(),
            resource_id: volume.id.clone(),
        },
        status: ItemStatus::Ok,
        capture_time: at,
        resource_name: None,
        arn: format!(
            "arn:{partition}:ec2:{region}:{account}:volume/{}",
            volume.id
        ),
        creation_time: volume.created,
        tags: volume.tags.clone(),
        related_events: Vec::new(),
        relationships: volume
            .attachments
            .iter()
            .map(|attachment| {
                json!({
                    "resourceType": "AWS::EC2::Instance",
                    "resourceId": attachment.instance,
                    "relationshipName": "Is attached to Instance",
                })
            })
            .collect(),
        configuration: json!({
            "volumeId": volume.id,
            "availabilityZone": volume.availability_zone,
            "encrypted": volume.encrypted,
            "kmsKeyId": volume.kms_key,
            "state": volume.state,
            "createTime": volume.created.map(millis),
            "size": volume.size,
            "volumeType": volume.volume_type,
            "snapshotId": volume.snapshot,
            "attachments": attachments,
            "tags": tags,
        }),
        supplementary_configuration: Map::new(),
        portcullis: Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_recorded_with_its_instance() {
        let volume = VolumeFacts {
            id: "vol-1".to_owned(),
            encrypted: true,
            state: "in-use".to_owned(),
            attachments: vec![Attachment {
                instance: "i-1".to_owned(),
                ..Attachment::default()
            }],
            tags: BTreeMap::from([("team".to_owned(), "web".to_owned())]),
            ..VolumeFacts::default()
        };
        let item = item(
            "aws",
            "111122223333",
            "us-east-1",
            &volume,
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(item.arn, "arn:aws:ec2:us-east-1:111122223333:volume/vol-1");
        assert_eq!(
            item.configuration["attachments"][0]["instanceId"],
            json!("i-1")
        );
        assert_eq!(item.configuration["encrypted"], json!(true));
        assert_eq!(item.relationships[0]["resourceId"], json!("i-1"));
        assert_eq!(item.tags["team"], "web");
        assert_eq!(ConfigurationItem::from_json(&item.to_json()), Ok(item));
    }
}
