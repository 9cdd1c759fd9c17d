//! Reads resources that are no buckets: an account's Block Public Access, its root user, its volumes.

use compliance::item::account::{account as account_item, public_access_block};
use compliance::item::volume::{Attachment, VolumeFacts, item as volume_item};
use compliance::item::{ACCOUNT, ACCOUNT_PUBLIC_ACCESS_BLOCK, VOLUME};

use super::{Found, LookError};
use crate::account::{Account, Reach};
use crate::clock::Clock;
use crate::error::CallError;
use crate::ports::record::Volume;
use crate::record::account::{account_block, root_sources, volume};
use crate::repository::Repository;
use crate::watch::Guard;

impl<P: Repository, A: Reach, C: Clock> Guard<P, A, C> {
    /// Reads one resource of another type. A volume is looked for in these regions, or if there is none
    /// in the account's own; it is gone if it is in none of them.
    pub(super) async fn read_other(
        &self,
        account: &Account<A>,
        resource_type: &str,
        id: &str,
        regions: &[&str],
    ) -> Result<Found, LookError> {
        let now = self.clock.now();
        // Not to be asked before it is known whose it is.
        account.facts()?;
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
                let own = [account.default_region.as_str()];
                let regions = if regions.is_empty() { &own } else { regions };
                for region in regions {
                    match volume(&**services, pace, region, id).await {
                        Ok(Some(volume)) => {
                            let partition = account.partition();
                            let region = volume.region.clone();
                            let facts = facts(volume);
                            let item = volume_item(partition, &account.id, &region, &facts, now);
                            return Ok(Found::Other(Box::new(item)));
                        }
                        Ok(None) => {}
                        Err(CallError::Hopeless(hopeless)) => return Err(hopeless.into()),
                        // Not known is not gone: it is looked at again.
                        Err(error) => return Err(LookError::Call(error)),
                    }
                }
                Ok(Found::Gone)
            }
            other => Err(LookError::Job(format!("{other} is not recorded"))),
        }
    }
}

/// What an item says of a volume.
fn facts(volume: Volume) -> VolumeFacts {
    let attachments = volume.attachments.into_iter();
    VolumeFacts {
        id: volume.id,
        availability_zone: volume.availability_zone,
        encrypted: volume.encrypted,
        kms_key: volume.kms_key,
        state: volume.state,
        created: volume.created,
        size: volume.size,
        volume_type: volume.volume_type,
        snapshot: volume.snapshot,
        attachments: attachments
            .map(|attachment| Attachment {
                instance: attachment.instance,
                device: attachment.device,
                state: attachment.state,
                delete_on_termination: attachment.delete_on_termination,
            })
            .collect(),
        tags: volume.tags,
    }
}
