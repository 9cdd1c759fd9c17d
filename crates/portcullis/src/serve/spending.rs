//! What calls to the accounts cost, for the metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use guard::account::{Account, Reach};
use guard::pace::Pace;
use intake::health::{Health, Unready};
use intake::metrics::Metrics;

/// Health that also measures the calls of each account.
pub(super) struct Spending<H> {
    health: H,
    accounts: Vec<Spent>,
}

/// One account.
struct Spent {
    id: String,
    pace: Arc<Pace>,
    /// Calls, and throttled ones, that are in the metrics already.
    measured: Mutex<(u64, u64)>,
}

/// The budgets of accounts, by their ids.
pub(super) fn paces<A: Reach>(accounts: &BTreeMap<String, Account<A>>) -> Vec<(String, Arc<Pace>)> {
    let own = accounts.values();
    own.map(|account| (account.id.clone(), Arc::clone(account.pace())))
        .collect()
}

impl<H> Spending<H> {
    /// Beside this health, the calls within these budgets.
    pub(super) fn new(health: H, paces: Vec<(String, Arc<Pace>)>) -> Spending<H> {
        let accounts = paces.into_iter().map(|(id, pace)| Spent {
            id,
            pace,
            measured: Mutex::default(),
        });
        Spending {
            health,
            accounts: accounts.collect(),
        }
    }
}

impl<H: Health> Health for Spending<H> {
    async fn unready(&self) -> Vec<Unready> {
        self.health.unready().await
    }

    async fn refresh(&self, metrics: &Metrics) {
        for account in &self.accounts {
            let spent = account.pace.spent();
            // Two numbers are assigned under the lock: nothing can be left half done.
            let mut measured = account
                .measured
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let new = |now: u64, before: u64| now.saturating_sub(before);
            metrics.called(
                &account.id,
                new(spent.calls, measured.0),
                new(spent.throttled, measured.1),
            );
            *measured = (spent.calls, spent.throttled);
        }
        self.health.refresh(metrics).await;
    }
}
