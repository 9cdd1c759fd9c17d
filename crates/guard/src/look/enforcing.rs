//! What a remediation writes with: the journal in the guard's store, and the permission to go on.

use compliance::assessment::Assessment;
use compliance::item::{ConfigurationItem, ResourceKey};
use compliance::remediation::{RemediationPlan, plan};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::account::Reach;
use crate::clock::Clock;
use crate::enforcement;
use crate::gather::arn_name;
use crate::journal::{Event, Journal, JournalError, Record};
use crate::remediate::Permit;
use crate::repository::Repository;
use crate::responder::Hold;
use crate::watch::Guard;

/// `20261124T063000Z-1a2b3c4d`: sorted by time; two of one bucket in one microsecond cannot be.
pub(super) fn remediation_id(key: &ResourceKey, now: Timestamp) -> String {
    let digest = Sha256::digest(format!("{key}\n{}", now.as_microsecond()));
    let hex: String = digest
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{}-{hex}", now.strftime("%Y%m%dT%H%M%SZ"))
}

/// The journal in the guard's own store.
pub struct InStore<'a, P>(pub &'a P);

impl<P: Repository> Journal for InStore<'_, P> {
    async fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        self.0
            .append_journal(record)
            .await
            .map_err(|error| JournalError::Store(error.to_string()))
    }
}

/// The journal of a remediation whose intent may be on record from an earlier try.
pub(super) struct Resuming<'a, P> {
    pub(super) journal: InStore<'a, P>,
    pub(super) has_intent: bool,
}

impl<P: Repository> Journal for Resuming<'_, P> {
    async fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        match &record.event {
            Event::Intent { .. } if self.has_intent => Ok(()),
            _ => self.journal.append(record).await,
        }
    }
}

/// Writes are permitted unless enforcement is stopped.
pub(super) struct Enforcing<'a, P, A: Reach, C> {
    pub(super) guard: &'a Guard<P, A, C>,
    pub(super) item: &'a ConfigurationItem,
}

impl<P: Repository, A: Reach, C: Clock> Permit for Enforcing<'_, P, A, C> {
    async fn permit(&self) -> Result<(), String> {
        let repository = &*self.guard.repository;
        // Whether it is stopped is not known: then it is.
        let unknown = |error| format!("whether enforcement is stopped is not known: {error}");
        if let Some(stop) = repository.enforcement_stop().await.map_err(unknown)? {
            return Err(Hold::Stopped(stop).to_string());
        }
        let account = &self.item.key.account;
        let stop = enforcement::account_stop(repository, account).await;
        match stop.map_err(unknown)? {
            None => Ok(()),
            Some(stop) => {
                let account = account.clone();
                Err(Hold::AccountStopped { account, stop }.to_string())
            }
        }
    }

    fn plan_again(&self, now: &Assessment) -> Option<RemediationPlan> {
        let scope = self.guard.settings.responder.scope_of(self.item)?;
        let mut bucket = now.bucket.clone();
        arn_name(&now.bucket.name).clone_into(&mut bucket.name);
        Some(plan(&bucket, &now.verdict, &scope.options))
    }
}
