//! What AWS Config tells about deliveries and changes (AWS Config developer guide, "Notifications that
//! AWS Config Sends to an Amazon SNS topic"), each in the envelope in which EventBridge hands it on
//! ("Monitoring AWS Config with Amazon EventBridge").

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Contents, DeliveryFile};
use crate::item::{ConfigurationItem, diff_json, millis};
use crate::stable_id;

/// How large an event about a change may be. Topics and buses take 256 KiB (Amazon SNS API reference,
/// `Publish`; EventBridge user guide, "Calculating PutEvents event entry size"); a KiB of that is left
/// to what is put around it.
pub const LARGEST_CHANGE: usize = 255 * 1024;

/// The event that a file was delivered to a bucket: `ConfigurationHistoryDeliveryCompleted` or
/// `ConfigurationSnapshotDeliveryCompleted`. The same delivery has the same id.
pub fn delivery_completed(bucket: &str, file: &DeliveryFile, at: Timestamp) -> Value {
    let id = stable_id::uuid(&format!("portcullis delivery 1\n{bucket}\n{}\n", file.key));
    let mut detail = json!({
        "recordVersion": "1.1",
        "s3Bucket": bucket,
        "s3ObjectKey": file.key,
        "notificationCreationTime": millis(at),
    });
    let (message_type, detail_type) = match &file.contents {
        Contents::History { .. } => (
            "ConfigurationHistoryDeliveryCompleted",
            "Config Configuration History Delivery Status",
        ),
        Contents::Snapshot { id } => {
            detail["configSnapshotId"] = Value::from(id.as_str());
            (
                "ConfigurationSnapshotDeliveryCompleted",
                "Config Configuration Snapshot Delivery Status",
            )
        }
    };
    detail["messageType"] = Value::from(message_type);
    envelope(&id, detail_type, &file.account, &file.region, at, detail)
}

/// The event that a resource changed: `ConfigurationItemChangeNotification`, or a summary of it
/// (`OversizedConfigurationItemChangeNotification`) where it would be too large to be sent.
///
/// `version` counts the items of the resource: with it the same change has the same id.
pub fn item_changed(
    previous: Option<&ConfigurationItem>,
    item: &ConfigurationItem,
    version: i64,
    at: Timestamp,
) -> Value {
    let id = stable_id::uuid(&format!("portcullis change 1\n{}\n{version}\n", item.key));
    let whole = in_envelope(
        &id,
        item,
        at,
        json!({
            "recordVersion": "1.3",
            "messageType": "ConfigurationItemChangeNotification",
            "configurationItem": item.to_json(),
            "configurationItemDiff": diff_json(previous, item),
            "notificationCreationTime": millis(at),
        }),
    );
    if whole.to_string().len() <= LARGEST_CHANGE {
        return whole;
    }
    in_envelope(
        &id,
        item,
        at,
        json!({
            "recordVersion": "1.0",
            "messageType": "OversizedConfigurationItemChangeNotification",
            "configurationItemSummary": summary(previous, item),
            "notificationCreationTime": millis(at),
        }),
    )
}

fn summary(previous: Option<&ConfigurationItem>, item: &ConfigurationItem) -> Value {
    let change_type = match previous {
        _ if item.status.is_deleted() => "DELETE",
        Some(previous) if !previous.status.is_deleted() => "UPDATE",
        _ => "CREATE",
    };
    let mut summary = item.to_json();
    if let Some(members) = summary.as_object_mut() {
        members.retain(|name, _| SUMMARY.contains(&name.as_str()));
        members.insert("changeType".to_owned(), Value::from(change_type));
    }
    summary
}

/// The members of an item that its summary has.
const SUMMARY: [&str; 13] = [
    "configurationItemVersion",
    "configurationItemCaptureTime",
    "configurationStateId",
    "awsAccountId",
    "configurationItemStatus",
    "resourceType",
    "resourceId",
    "resourceName",
    "ARN",
    "awsRegion",
    "availabilityZone",
    "configurationStateMd5Hash",
    "resourceCreationTime",
];

fn in_envelope(id: &str, item: &ConfigurationItem, at: Timestamp, detail: Value) -> Value {
    let key = &item.key;
    let kind = "Config Configuration Item Change";
    let mut event = envelope(id, kind, &key.account, &key.region, at, detail);
    event["resources"] = json!([item.arn]);
    event
}

fn envelope(
    id: &str,
    detail_type: &str,
    account: &str,
    region: &str,
    at: Timestamp,
    detail: Value,
) -> Value {
    json!({
        "version": "0",
        "id": id,
        "detail-type": detail_type,
        "source": "aws.config",
        "account": account,
        "time": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "region": region,
        "resources": [],
        "detail": detail,
    })
}
