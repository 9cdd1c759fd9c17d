//! One watched account: who asks its store, within which budget, and what holds for all its buckets.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use policy::observed::{Observed, Unread};
use tokio::sync::Mutex;

use crate::error::Hopeless;
use crate::gather::{AccountFacts, Gatherer};
use crate::journal::Place;
use crate::pace::Pace;
use crate::ports::record::{RecordAccount, RecordBuckets};
use crate::ports::{BucketAddress, WriteBuckets};

/// The sides of an account that the guard reaches.
pub trait Reach: Send + Sync + 'static {
    /// Its buckets.
    type Store: RecordBuckets + WriteBuckets + 'static;
    /// The account itself and its volumes.
    type Services: RecordAccount + 'static;
}

/// One watched account.
pub struct Account<A: Reach> {
    /// Its id: twelve digits, or the configured name of a store that has none.
    pub id: String,
    /// What people call it.
    pub label: String,
    /// The region of buckets whose own is not told.
    pub default_region: String,
    /// The endpoint, if it is not AWS's own.
    pub endpoint: Option<String>,
    /// Regions whose volumes are recorded.
    pub volume_regions: Vec<String>,
    store: Arc<A::Store>,
    services: Option<Arc<A::Services>>,
    pace: Arc<Pace>,
    facts: AccountFacts,
    fresh_for: SignedDuration,
    block: Mutex<Option<(Timestamp, AccountFacts)>>,
}

/// What [`Account::new`] needs to know.
pub struct AccountSettings {
    /// See [`Account::id`].
    pub id: String,
    /// See [`Account::label`].
    pub label: String,
    /// See [`Account::default_region`].
    pub default_region: String,
    /// See [`Account::endpoint`].
    pub endpoint: Option<String>,
    /// See [`Account::volume_regions`].
    pub volume_regions: Vec<String>,
    /// What holds for every bucket, the account's block aside.
    pub facts: AccountFacts,
    /// How long the account's block counts as known. An event about it ends that earlier.
    pub fresh_for: SignedDuration,
}

impl<A: Reach> Account<A> {
    /// An account behind this store. An S3-compatible store has no other services.
    pub fn new(
        settings: AccountSettings,
        store: Arc<A::Store>,
        services: Option<Arc<A::Services>>,
        pace: Arc<Pace>,
    ) -> Account<A> {
        Account {
            id: settings.id,
            label: settings.label,
            default_region: settings.default_region,
            endpoint: settings.endpoint,
            volume_regions: settings.volume_regions,
            store,
            services,
            pace,
            facts: settings.facts,
            fresh_for: settings.fresh_for,
            block: Mutex::new(None),
        }
    }

    /// The store.
    pub fn store(&self) -> &Arc<A::Store> {
        &self.store
    }

    /// The partition, for ARNs.
    pub fn partition(&self) -> &str {
        &self.facts.partition
    }

    /// Its other services, if it has any.
    pub fn services(&self) -> Option<&Arc<A::Services>> {
        self.services.as_ref()
    }

    /// The budget.
    pub fn pace(&self) -> &Arc<Pace> {
        &self.pace
    }

    /// Asks about buckets as they are now. The account's block is asked for if what is known of it
    /// is too old; everything else is asked for bucket by bucket.
    pub async fn gatherer(&self, now: Timestamp) -> Result<Gatherer<A::Store>, Hopeless> {
        let mut block = self.block.lock().await;
        let known = block
            .as_ref()
            .filter(|(at, _)| now.duration_since(*at) < self.fresh_for)
            .map(|(_, facts)| facts.clone());
        let facts = match known {
            Some(facts) => facts,
            None => {
                let base = AccountFacts {
                    account_block: Observed::Unknown(Unread::NotNeeded),
                    ..self.facts.clone()
                };
                let facts = base.read(&*self.store, &self.pace).await?;
                if !matches!(facts.account_block, Observed::Unknown(Unread::Passing(_))) {
                    *block = Some((now, facts.clone()));
                }
                facts
            }
        };
        drop(block);
        let facts = AccountFacts {
            as_of: now,
            ..facts
        };
        Ok(Gatherer::new(
            Arc::clone(&self.store),
            Arc::clone(&self.pace),
            facts,
        ))
    }

    /// Forgets the account's block: it is asked for before the next bucket.
    pub async fn forget_block(&self) {
        *self.block.lock().await = None;
    }

    /// Where a bucket is, for the journal.
    pub fn place(&self, at: &BucketAddress) -> Place {
        Place {
            endpoint: self.endpoint.clone(),
            account: Some(self.id.clone()),
            region: at.region.clone(),
            bucket: at.name.clone(),
        }
    }
}
