//! Reads resources that are no buckets: an account's Block Public Access, its root user, its volumes.

use compliance::item::account::{account as account_item, public_access_block};
use compliance::item::{
    ACCOUNT, ACCOUNT_PUBLIC_ACCESS_BLOCK, ConfigurationItem, ItemStatus, ResourceKey, VOLUME,
};
use compliance::rules::volume_configuration;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Found, LookError};
use crate::account::{Account, Reach};
use crate::clock::Clock;
use crate::error::CallError;
use crate::ports::record::Volume;
use crate::record::account::{account_block, root_sources, volume};
use crate::repository::Repository;
use crate::watch::Guard;

impl<P: Repository, A: Reach, C: Clock> Guard<P, A, C> {
    /// Reads one resource of another type.
    pub(super) async fn read_other(
        &self,
        account: &Account<A>,
        resource_type: &str,
        id: &str,
        region: Option<&str>,
    ) -> Result<Found, LookError> {
        let now = self.clock.now();
        let (store, pace) = (&**account.store(), &**account.pace());
        if resource_type == ACCOUNT_PUBLIC_ACCESS_BLOCK {
            let block = account_block(store, pace).await?;
            let item = public_access_block(&account.id, block, now);
            return Ok(Found::Other(Box::new(item)));
        }
        let services = account
            .services()
            .ok_or_else(|| LookError::Job(format!("{} has no {resource_type}", account.label)))?;
        match resource_type {
            ACCOUNT => {
                let facts = root_sources(&**services, pace).await?;
                let item = account_item(&account.id, facts, now);
                Ok(Found::Other(Box::new(item)))
            }
            VOLUME => {
                let region = region.unwrap_or(&account.default_region);
                match volume(&**services, pace, region, id).await {
                    Ok(Some(volume)) => {
                        let partition = account.partition();
                        let item = volume_item(&account.id, partition, &volume, now);
                        Ok(Found::Other(Box::new(item)))
                    }
                    Ok(None) => Ok(Found::Gone),
                    Err(CallError::Hopeless(hopeless)) => Err(hopeless.into()),
                    // Not known is not gone: it is looked at again.
                    Err(error) => Err(LookError::Call(error)),
                }
            }
            other => Err(LookError::Job(format!("{other} is not recorded"))),
        }
    }
}

/// The item of a volume.
fn volume_item(
    account: &str,
    partition: &str,
    volume: &Volume,
    now: Timestamp,
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
            })
        })
        .collect();
    let mut configuration = volume_configuration(
        &volume.id,
        volume.encrypted,
        volume.kms_key.as_deref(),
        &volume.state,
        attachments,
    );
    configuration["size"] = json!(volume.size);
    configuration["volumeType"] = json!(volume.volume_type);
    configuration["snapshotId"] = json!(volume.snapshot);
    configuration["availabilityZone"] = json!(volume.availability_zone);
    ConfigurationItem {
        key: ResourceKey {
            account: account.to_owned(),
            region: volume.region.clone(),
            resource_type: VOLUME.to_owned(),
            resource_id: volume.id.clone(),
        },
        status: ItemStatus::Ok,
        capture_time: now,
        resource_name: None,
        arn: format!(
            "arn:{partition}:ec2:{}:{account}:volume/{}",
            volume.region, volume.id
        ),
        creation_time: volume.created,
        tags: volume.tags.clone(),
        related_events: Vec::new(),
        relationships: Vec::new(),
        configuration,
        supplementary_configuration: Map::new(),
        portcullis: Value::Null,
    }
}
