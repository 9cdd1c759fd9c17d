//! S3's own events: an object's ACL changed.
//!
//! They tell of objects only, of buckets never. Sources: Amazon S3 user guide, "Event message
//! structure" (notifications) and "Using EventBridge".

use serde_json::Value;

use super::envelope::Wrapping;
use super::text::{self, at};
use super::{Concerns, Event, EventError, Source};

const EVENT: &str = "the S3 event";

/// An event that S3 sent to EventBridge.
pub(super) fn of_event(
    kind: &str,
    detail: &Value,
    around: Wrapping<'_>,
) -> Result<Event, EventError> {
    let concerns = if kind == "Object ACL Updated" {
        object(
            at(detail, &["bucket", "name"]),
            at(detail, &["object", "key"]).map(str::to_owned),
        )?
    } else {
        Concerns::Nothing
    };
    Ok(Event {
        id: around
            .id
            .map_or_else(|| text::digest(&detail.to_string()), text::id),
        source: Source::Storage,
        name: text::described(Some(kind)).unwrap_or_default(),
        time: text::time(EVENT, "time", around.time)?,
        account: text::account(around.account),
        region: text::region(around.region),
        actor: text::described(at(detail, &["requester"])),
        source_ip: text::described(at(detail, &["source-ip-address"])),
        user_agent: None,
        error_code: None,
        concerns,
        detail: detail.clone(),
    })
}

/// One record of a notification to SQS, SNS or Lambda.
pub(super) fn of_record(record: &Value) -> Result<Event, EventError> {
    let name = at(record, &["eventName"]).ok_or(EventError::Member {
        document: EVENT,
        member: "eventName",
    })?;
    let concerns = if name.trim_start_matches("s3:").starts_with("ObjectAcl:") {
        object(
            at(record, &["s3", "bucket", "name"]),
            at(record, &["s3", "object", "key"]).map(|key| text::decoded(key, true)),
        )?
    } else {
        Concerns::Nothing
    };
    Ok(Event {
        // One request changes one object's ACL.
        id: at(record, &["responseElements", "x-amz-request-id"])
            .map_or_else(|| text::digest(&record.to_string()), text::id),
        source: Source::Storage,
        name: text::described(Some(name)).unwrap_or_default(),
        time: text::time(EVENT, "eventTime", at(record, &["eventTime"]))?,
        account: None,
        region: text::region(at(record, &["awsRegion"])),
        actor: text::described(at(record, &["userIdentity", "principalId"])),
        source_ip: text::described(at(record, &["requestParameters", "sourceIPAddress"])),
        user_agent: None,
        error_code: None,
        concerns,
        detail: record.clone(),
    })
}

fn object(bucket: Option<&str>, key: Option<String>) -> Result<Concerns, EventError> {
    let missing = |member| EventError::Member {
        document: EVENT,
        member,
    };
    Ok(Concerns::Object {
        bucket: text::bucket(EVENT, bucket.ok_or(missing("bucket.name"))?)?,
        key: text::key(EVENT, &key.ok_or(missing("object.key"))?)?,
    })
}
