//! Ceph's ops log: one record for each request that RADOS Gateway has answered.
//!
//! Source: Ceph's `rgw_log.cc` (`rgw_format_ops_log_entry`); the records come over the unix socket
//! `rgw ops log socket path`, separated by commas, after an opening bracket.

use serde_json::Value;

use super::text::{self, at};
use super::{Concerns, Event, EventError, Source};

const RECORD: &str = "the ops-log record";
/// A record is a few hundred bytes and a request line, which the gateway bounds.
const LARGEST_RECORD: usize = 256 << 10;

/// The event that one record tells. Requests that read, and those about data, concern nothing.
///
/// ```
/// let line = r#"{"bucket":"backups","time":"2026-01-01T00:00:00.000000Z","remote_addr":"192.0.2.1",
///   "user":"ops","operation":"put_acls","uri":"PUT /backups?acl HTTP/1.1","http_status":"200",
///   "error_code":"","user_agent":"aws-cli/2","trans_id":"tx000001-0065f1c3d4-1015-default"}"#;
/// let event = compliance::event::read_ops_log(line).unwrap();
/// assert_eq!(event.concerns.bucket(), Some("backups"));
/// ```
pub fn read_ops_log(text: &str) -> Result<Event, EventError> {
    if text.len() > LARGEST_RECORD {
        return Err(EventError::TooLarge {
            bytes: text.len(),
            limit: LARGEST_RECORD,
        });
    }
    let record: Value = serde_json::from_str(text).map_err(|error| EventError::NotJson {
        why: error.to_string(),
    })?;
    let member = |member: &'static str| {
        at(&record, &[member]).ok_or(EventError::Member {
            document: RECORD,
            member,
        })
    };
    let operation = member("operation")?;
    let time = text::time(RECORD, "time", at(&record, &["time"]))?;
    let status = match record.get("http_status") {
        Some(Value::String(status)) => status.parse().ok(),
        Some(status) => status.as_u64(),
        None => None,
    };
    // Success has a code as well (`NoContent` with 204); a refusal may have none of its own.
    let error_code = match status {
        Some(..400) => None,
        Some(status) => Some(at(&record, &["error_code"]).map_or_else(
            || match status {
                401 | 403 => "AccessDenied".to_owned(),
                status => format!("Status{status}"),
            },
            str::to_owned,
        )),
        None => at(&record, &["error_code"]).map(str::to_owned),
    };
    let concerns = concerned(operation, &record)?;
    Ok(Event {
        id: at(&record, &["trans_id"]).map_or_else(|| text::digest(text), text::id),
        source: Source::OpsLog,
        name: text::described(Some(operation)).unwrap_or_default(),
        time,
        account: None,
        region: None,
        actor: text::described(at(&record, &["user"])),
        source_ip: text::described(at(&record, &["remote_addr"])),
        user_agent: text::described(at(&record, &["user_agent"])),
        error_code: text::described(error_code.as_deref()),
        concerns,
        detail: record,
    })
}

fn concerned(operation: &str, record: &Value) -> Result<Concerns, EventError> {
    if !changes_configuration(operation) {
        return Ok(Concerns::Nothing);
    }
    let Some(bucket) = at(record, &["bucket"]).filter(|name| *name != "-") else {
        return Ok(Concerns::Nothing);
    };
    // Logged as `tenant/bucket`, asked for as `tenant:bucket`.
    let bucket = text::bucket(RECORD, &bucket.replacen('/', ":", 1))?;
    Ok(match object(operation, &bucket, record) {
        Some(key) => Concerns::Object {
            key: text::key(RECORD, &key)?,
            bucket,
        },
        None => Concerns::Bucket(bucket),
    })
}

/// Whether the operation can change a bucket's configuration. The gateway's names are those of its
/// operation classes (`rgw_op.h`, `rgw_rest_s3.h`); data and listings are the bulk of a log and are
/// told apart by name, everything else that writes is looked at.
fn changes_configuration(operation: &str) -> bool {
    const DATA: &[&str] = &[
        "put_obj",
        "post_obj",
        "copy_obj",
        "delete_obj",
        "multi_object_delete",
        "init_multipart",
        "complete_multipart",
        "abort_multipart",
        "put_obj_metadata",
        "put_obj_tags",
        "delete_obj_tags",
        "put_obj_retention",
        "put_obj_legal_hold",
        "restore_obj",
        "bulk_upload",
        "bulk_delete",
        "options_cors",
        "stat_bucket",
        "stat_account",
        "unknown",
    ];
    let reads = ["get_", "list_", "stat_", "head_"]
        .iter()
        .any(|start| operation.starts_with(start));
    !reads && !DATA.contains(&operation)
}

/// The key, where the request is about an object's ACL: what the path says after the bucket, with the
/// bucket in the path or in the host's name.
fn object(operation: &str, bucket: &str, record: &Value) -> Option<String> {
    if operation != "put_acls" {
        return None;
    }
    // `PUT /bucket/key?acl HTTP/1.1`
    let target = at(record, &["uri"])?.split(' ').nth(1)?;
    let path = target.split('?').next()?.trim_start_matches('/');
    let plain = bucket.rsplit(':').next()?;
    let path = text::decoded(path, false);
    let key = [bucket, plain]
        .iter()
        .find_map(|name| path.strip_prefix(name)?.strip_prefix('/'))
        .unwrap_or(if path == plain || path == bucket {
            ""
        } else {
            &path
        });
    (!key.is_empty()).then(|| key.to_owned())
}
