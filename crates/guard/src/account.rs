//! One watched account: who asks its store, within which budget, and what holds for all its buckets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp};
use policy::bucket::PublicAccessBlock;
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
    partition: String,
    /// What holds for every bucket, or why that is not known yet.
    facts: RwLock<Result<AccountFacts, Hopeless>>,
    fresh_for: SignedDuration,
    /// How often the block was needed, so far.
    needed: AtomicU64,
    block: Mutex<Option<KnownBlock>>,
}

/// The account's block, as it was read.
struct KnownBlock {
    at: Timestamp,
    /// The value of [`Account::needed`] when the reading began: it shows what had happened by then to
    /// whoever needed it earlier, or then.
    serves: u64,
    facts: AccountFacts,
}

impl KnownBlock {
    fn protects(&self) -> bool {
        match &self.facts.account_block {
            Observed::Present(block) => *block != PublicAccessBlock::default(),
            Observed::Absent | Observed::Unknown(_) => false,
        }
    }
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
    /// How long the account's block counts as known if it protects nothing. An event about it ends that
    /// earlier.
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
            partition: settings.facts.partition.clone(),
            facts: RwLock::new(Ok(settings.facts)),
            fresh_for: settings.fresh_for,
            needed: AtomicU64::new(0),
            block: Mutex::new(None),
        }
    }

    /// Nobody answers for it (yet): nothing is asked of it, and what should be done about it is tried
    /// again, until [`Account::reached`].
    pub fn lost(&self, why: Hopeless) {
        *self.facts.write().unwrap_or_else(PoisonError::into_inner) = Err(why);
    }

    /// It answers, and this holds for every bucket.
    pub fn reached(&self, facts: AccountFacts) {
        *self.facts.write().unwrap_or_else(PoisonError::into_inner) = Ok(facts);
    }

    /// What holds for every bucket, the account's block aside. An error: why nobody answers.
    pub fn facts(&self) -> Result<AccountFacts, Hopeless> {
        let facts = self.facts.read().unwrap_or_else(PoisonError::into_inner);
        facts.clone()
    }

    /// The store.
    pub fn store(&self) -> &Arc<A::Store> {
        &self.store
    }

    /// The partition, for ARNs.
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// Its other services, if it has any.
    pub fn services(&self) -> Option<&Arc<A::Services>> {
        self.services.as_ref()
    }

    /// The budget.
    pub fn pace(&self) -> &Arc<Pace> {
        &self.pace
    }

    /// Asks about buckets as they are now. Everything is asked for bucket by bucket, but for the account's
    /// block. One that protects nothing counts for a while, since nothing is called closed by it. One that
    /// protects is read anew for everybody who asks: it may have gone since, by an event that this
    /// process never heard of (another worker took it). Those who ask at the same time share one
    /// reading.
    pub async fn gatherer(&self, now: Timestamp) -> Result<Gatherer<A::Store>, Hopeless> {
        let base = self.facts()?;
        let own = self.needed.fetch_add(1, Ordering::SeqCst) + 1;
        let mut block = self.block.lock().await;
        let known = block
            .as_ref()
            .filter(|known| now.duration_since(known.at) < self.fresh_for)
            .filter(|known| own <= known.serves || !known.protects())
            .map(|known| known.facts.clone());
        let facts = match known {
            Some(facts) => facts,
            None => {
                // Whoever waits for the lock by now is served by this reading as well.
                let serves = self.needed.load(Ordering::SeqCst);
                let base = AccountFacts {
                    account_block: Observed::Unknown(Unread::NotNeeded),
                    ..base
                };
                let facts = base.read(&*self.store, &self.pace).await?;
                if !matches!(facts.account_block, Observed::Unknown(Unread::Passing(_))) {
                    *block = Some(KnownBlock {
                        at: now,
                        serves,
                        facts: facts.clone(),
                    });
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
