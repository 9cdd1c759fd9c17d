//! EBS volumes: Amazon EC2's `DescribeVolumes`, by a signed call.

use guard::error::CallError;
use guard::operation::Operation;
use guard::ports::Page;
use guard::ports::record::{Volume, VolumeAttachment};

use super::Services;
use crate::signed::Service;
use crate::xml::Element;

/// The version of EC2's API.
const VERSION: &str = "2016-11-15";
/// How many volumes a page has at most (Amazon EC2 API reference, `DescribeVolumes`).
const PAGE: &str = "500";

/// One page of a region's volumes.
pub(super) async fn page(
    services: &Services,
    region: &str,
    token: Option<String>,
) -> Result<Page<Volume>, CallError> {
    let mut parameters = vec![("MaxResults", PAGE)];
    if let Some(token) = &token {
        parameters.push(("NextToken", token));
    }
    let answer = describe(services, region, &parameters).await?;
    Ok(Page {
        entries: volumes(&answer, region)?,
        next: answer.text_at(&["nextToken"]).map(str::to_owned),
    })
}

/// One volume by its id.
pub(super) async fn one(
    services: &Services,
    region: &str,
    id: &str,
) -> Result<Option<Volume>, CallError> {
    match describe(services, region, &[("VolumeId.1", id)]).await {
        Ok(answer) => Ok(volumes(&answer, region)?
            .into_iter()
            .find(|volume| volume.id == id)),
        Err(CallError::Failed { detail, .. }) if detail.contains("InvalidVolume.NotFound") => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

async fn describe(
    services: &Services,
    region: &str,
    parameters: &[(&str, &str)],
) -> Result<Element, CallError> {
    let operation = Operation::DescribeVolumes;
    services
        .query(Service::Ec2, region, operation, VERSION, parameters)
        .await
}

fn volumes(answer: &Element, region: &str) -> Result<Vec<Volume>, CallError> {
    answer
        .list(&["volumeSet"], "item")
        .map(|item| volume(item, region))
        .collect()
}

/// What says whether it is encrypted must be there: it is never taken for "no".
fn volume(item: &Element, region: &str) -> Result<Volume, CallError> {
    let failed = |member: &str| CallError::Failed {
        operation: Operation::DescribeVolumes,
        detail: format!("a volume without a usable <{member}>"),
    };
    let text = |member: &str| item.text_at(&[member]).map(str::to_owned);
    let encrypted = match item.text_at(&["encrypted"]) {
        Some("true") => true,
        Some("false") => false,
        _ => return Err(failed("encrypted")),
    };
    let attachments = item
        .list(&["attachmentSet"], "item")
        .filter_map(|attachment| {
            let text = |member: &str| attachment.text_at(&[member]).map(str::to_owned);
            Some(VolumeAttachment {
                instance: text("instanceId")?,
                device: text("device"),
                state: text("status"),
                delete_on_termination: attachment.text_at(&["deleteOnTermination"]) == Some("true"),
            })
        })
        .collect();
    let tags = item
        .list(&["tagSet"], "item")
        .filter_map(|tag| {
            let value = tag.child("value").map(|value| value.text.clone());
            Some((tag.text_at(&["key"])?.to_owned(), value.unwrap_or_default()))
        })
        .collect();
    Ok(Volume {
        id: text("volumeId").ok_or_else(|| failed("volumeId"))?,
        region: region.to_owned(),
        availability_zone: text("availabilityZone"),
        encrypted,
        kms_key: text("kmsKeyId"),
        state: text("status").ok_or_else(|| failed("status"))?,
        created: text("createTime").and_then(|time| time.parse().ok()),
        size: text("size").and_then(|size| size.parse().ok()),
        volume_type: text("volumeType"),
        snapshot: text("snapshotId"),
        attachments,
        tags,
    })
}
