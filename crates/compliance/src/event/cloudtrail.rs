//! CloudTrail's records: which call was made, by whom, and on what.
//!
//! Names of calls: Amazon S3 user guide, "Amazon S3 CloudTrail events"; members: AWS CloudTrail user
//! guide, "CloudTrail record contents". What a call is about is found by its parameters rather than by
//! a list of names, so that a call that S3 gets tomorrow is looked at as well: every call on a bucket
//! that is not known to read only.

use serde_json::Value;

use super::envelope::Wrapping;
use super::text::{self, at};
use super::{Concerns, Event, EventError, Source, config};

const RECORD: &str = "the CloudTrail record";

/// The events of one record: one, or one for each evaluation of a `PutEvaluations`.
pub(super) fn of_record(
    record: &Value,
    around: Wrapping<'_>,
) -> Result<Vec<Result<Event, EventError>>, EventError> {
    let member = |member: &'static str| {
        at(record, &[member]).ok_or(EventError::Member {
            document: RECORD,
            member,
        })
    };
    let name = member("eventName")?;
    let service = member("eventSource")?;
    let time = text::time(
        RECORD,
        "eventTime",
        at(record, &["eventTime"]).or(around.time),
    )?;
    let owner = resources(record)
        .filter(|resource| at(resource, &["type"]) == Some("AWS::S3::Bucket"))
        .find_map(|resource| at(resource, &["accountId"]));
    let account = [
        owner,
        at(record, &["recipientAccountId"]),
        around.account,
        at(record, &["userIdentity", "accountId"]),
    ]
    .into_iter()
    .find_map(text::account);
    let event = Event {
        id: at(record, &["eventID"])
            .or(around.id)
            .map_or_else(|| text::digest(&record.to_string()), text::id),
        source: Source::CloudTrail,
        name: text::described(Some(name)).unwrap_or_default(),
        time,
        region: text::region(at(record, &["awsRegion"]).or(around.region)),
        actor: text::described(actor(record)),
        source_ip: text::described(at(record, &["sourceIPAddress"])),
        user_agent: text::described(at(record, &["userAgent"])),
        error_code: text::described(at(record, &["errorCode"])),
        concerns: Concerns::Nothing,
        detail: record.clone(),
        account,
    };
    if service == "config.amazonaws.com" && matches!(name, "PutEvaluations") {
        return Ok(config::evaluations(event));
    }
    let concerns = match service.split('.').next().unwrap_or_default() {
        "s3" | "s3express" => of_storage(name, record, event.account.as_deref()),
        "organizations" => of_organization(name, record, event.account.as_deref()),
        "iam" => Ok(of_root_mfa(name, record)),
        "ec2" => of_volume(name, record),
        _ => Ok(Concerns::Nothing),
    };
    Ok(vec![concerns.map(|concerns| Event { concerns, ..event })])
}

/// Who made the call: the ARN (of a role's session for an assumed role), else the service that made
/// it, else what else is known.
fn actor(record: &Value) -> Option<&str> {
    ["arn", "invokedBy", "userName", "principalId", "accountId"]
        .iter()
        .find_map(|member| at(record, &["userIdentity", member]))
}

fn resources(record: &Value) -> impl Iterator<Item = &Value> {
    record
        .get("resources")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Whether the call reads only: by its own word, else by its name.
fn reads_only(name: &str, record: &Value) -> bool {
    match record.get("readOnly") {
        Some(Value::Bool(reads)) => *reads,
        Some(Value::String(reads)) => reads == "true",
        _ => ["Get", "List", "Head", "Describe", "Select"]
            .iter()
            .any(|start| name.starts_with(start)),
    }
}

/// A call to S3 or to its control plane; both are `s3.amazonaws.com` in CloudTrail.
fn of_storage(name: &str, record: &Value, account: Option<&str>) -> Result<Concerns, EventError> {
    if reads_only(name, record) {
        return Ok(Concerns::Nothing);
    }
    let parameters = record.get("requestParameters").unwrap_or(&Value::Null);
    let arns = || {
        [at(parameters, &["resourceArn"])]
            .into_iter()
            .chain(resources(record).map(|resource| at(resource, &["ARN"])))
            .flatten()
    };
    let told = at(parameters, &["bucketName"])
        // An access point's ARN or alias may stand where the bucket's name does.
        .filter(|name| !name.starts_with("arn:"))
        .or_else(|| arns().find_map(text::bucket_of_arn));

    // The account's block is seen under the names of the permissions and under those of the calls.
    let of_account = matches!(
        name,
        "PutAccountPublicAccessBlock" | "DeleteAccountPublicAccessBlock"
    ) || told.is_none()
        && matches!(name, "PutPublicAccessBlock" | "DeletePublicAccessBlock");
    if of_account {
        let said = ["accountId", "AccountId", "x-amz-account-id"]
            .iter()
            .find_map(|member| text::account(at(parameters, &[member])));
        return Ok(match said.or(account.map(str::to_owned)) {
            Some(account) => Concerns::Account(account),
            None => Concerns::AllBuckets,
        });
    }
    if name.contains("AccessPoint") {
        return of_access_point(parameters, arns().find_map(text::access_point_of_arn));
    }
    let Some(bucket) = told else {
        return Ok(Concerns::Nothing);
    };
    let bucket = text::bucket(RECORD, bucket)?;
    match at(parameters, &["key"]) {
        None => Ok(Concerns::Bucket(bucket)),
        // What was uploaded in parts has the ACL that stood at their beginning, and is there at their end.
        Some(key)
            if matches!(name, "PutObjectAcl" | "CompleteMultipartUpload") || grants(parameters) =>
        {
            Ok(Concerns::Object {
                bucket,
                key: text::key(RECORD, key)?,
            })
        }
        // Data went in or out; who has access to the bucket is as it was.
        Some(_) => Ok(Concerns::Nothing),
    }
}

/// Whether an upload brings an ACL along (`x-amz-acl`, `x-amz-grant-read` …).
fn grants(parameters: &Value) -> bool {
    parameters.as_object().is_some_and(|parameters| {
        parameters
            .keys()
            .any(|name| name == "x-amz-acl" || name.starts_with("x-amz-grant-"))
    })
}

/// The parameters stand at the top, or inside the one document that the call sends.
fn of_access_point(parameters: &Value, named: Option<&str>) -> Result<Concerns, EventError> {
    let inner = || {
        parameters
            .as_object()
            .into_iter()
            .flat_map(|parameters| parameters.values())
            .filter(|value| value.is_object())
    };
    let find = |names: &[&str]| {
        std::iter::once(parameters)
            .chain(inner())
            .find_map(|document| names.iter().find_map(|name| at(document, &[name])))
    };
    let Some(name) = find(&["name", "Name", "accessPointName"])
        .map(|name| text::access_point_of_arn(name).unwrap_or(name))
        .or(named)
    else {
        // Some access point changed: all of them are looked at, with their buckets.
        return Ok(Concerns::AllBuckets);
    };
    let bucket = find(&["bucket", "Bucket", "bucketName"])
        .map(|bucket| text::bucket_of_arn(bucket).unwrap_or(bucket))
        .map(|bucket| text::bucket(RECORD, bucket))
        .transpose()?;
    Ok(Concerns::AccessPoint {
        name: text::name(RECORD, "the access point's name", name)?,
        bucket,
    })
}

/// A change of the organization: its S3 policies block public access for whole accounts, and its
/// resource control policies cut requests. Source: AWS Organizations API reference.
fn of_organization(
    name: &str,
    record: &Value,
    account: Option<&str>,
) -> Result<Concerns, EventError> {
    if reads_only(name, record) {
        return Ok(Concerns::Nothing);
    }
    let kinds = [
        at(record, &["requestParameters", "type"]),
        at(record, &["requestParameters", "policyType"]),
        at(
            record,
            &["responseElements", "policy", "policySummary", "type"],
        ),
    ];
    let told = kinds.into_iter().flatten().next();
    let matters = told.is_none_or(|kind| matches!(kind, "S3_POLICY" | "RESOURCE_CONTROL_POLICY"));
    Ok(match name {
        "CreatePolicy" | "UpdatePolicy" | "DeletePolicy" | "AttachPolicy" | "DetachPolicy"
        | "EnablePolicyType" | "DisablePolicyType"
            if matters =>
        {
            Concerns::AllBuckets
        }
        "MoveAccount"
        | "RemoveAccountFromOrganization"
        | "LeaveOrganization"
        | "AcceptHandshake" => {
            let moved = text::account(at(record, &["requestParameters", "accountId"]));
            match moved.or(account.map(str::to_owned)) {
                Some(account) => Concerns::Account(account),
                None => Concerns::AllBuckets,
            }
        }
        _ => Concerns::Nothing,
    })
}

/// The root user's own MFA devices change: the account is looked at.
fn of_root_mfa(name: &str, record: &Value) -> Concerns {
    let root = at(record, &["userIdentity", "type"]) == Some("Root");
    let device = matches!(
        name,
        "EnableMFADevice"
            | "DeactivateMFADevice"
            | "CreateVirtualMFADevice"
            | "DeleteVirtualMFADevice"
            | "ResyncMFADevice"
    );
    let account = text::account(at(record, &["userIdentity", "accountId"]));
    match account {
        Some(account) if root && device => Concerns::Account(account),
        _ => Concerns::Nothing,
    }
}

/// A volume is made, changed, tagged or removed (Amazon EC2 API reference).
fn of_volume(name: &str, record: &Value) -> Result<Concerns, EventError> {
    if reads_only(name, record) {
        return Ok(Concerns::Nothing);
    }
    let parameters = record.get("requestParameters").unwrap_or(&Value::Null);
    let tagged = parameters
        .get("resourcesSet")
        .and_then(|set| set.get("items"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find_map(|item| at(item, &["resourceId"]))
        .filter(|id| id.starts_with("vol-"));
    let id = match name {
        "CreateVolume" => at(record, &["responseElements", "volumeId"]),
        "AttachVolume" | "DetachVolume" | "DeleteVolume" | "RestoreVolumeFromRecycleBin" => {
            at(parameters, &["volumeId"])
        }
        "ModifyVolume" => at(parameters, &["volumeId"])
            .or_else(|| at(parameters, &["ModifyVolumeRequest", "VolumeId"])),
        "CreateTags" | "DeleteTags" => tagged,
        _ => None,
    };
    Ok(match id {
        Some(id) => Concerns::Volume(text::name(RECORD, "the volume's id", id)?),
        None => Concerns::Nothing,
    })
}
