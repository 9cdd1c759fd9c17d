//! Of each watched account: is it reached, and since when not, and why.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::metrics::Metrics;

/// An account that nobody answers for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub why: String,
}

/// All accounts; clones are the same.
#[derive(Clone, Debug)]
pub struct Accounts {
    lost: Arc<Mutex<BTreeMap<String, Lost>>>,
    metrics: Metrics,
}

impl Accounts {
    /// None yet.
    pub fn new(metrics: Metrics) -> Accounts {
        Accounts {
            lost: Arc::default(),
            metrics,
        }
    }

    /// Nobody answers for it, and why.
    pub fn lost(&self, account: &str, why: String, now: Timestamp) {
        let mut lost = self.lock();
        let since = lost.get(account).map_or(now, |known| known.since);
        lost.insert(account.to_owned(), Lost { since, why });
        self.metrics.account_up(account, false);
    }

    /// It is reached. Returns since when it was not, if it was not.
    pub fn reached(&self, account: &str) -> Option<Timestamp> {
        let known = self.lock().remove(account);
        self.metrics.account_up(account, true);
        known.map(|lost| lost.since)
    }

    /// Every account that is not reached.
    pub fn unreached(&self) -> BTreeMap<String, Lost> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Lost>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
