//! Where enforcement is stopped: everywhere, by a person's command, or in one account, by the circuit
//! breaker or by a person.
//!
//! Whoever can open many buckets in one account must not switch enforcement off in the others, so the
//! breaker stops the account in which it tripped and no other.

use jiff::Timestamp;
use serde_json::Value;

use crate::repository::{Repository, RepositoryError};
use crate::state::EnforcementStop;

/// Under which name an account's stop is remembered.
fn name(account: &str) -> String {
    format!("enforcement stopped in {account}")
}

/// Stops enforcement in one account, or (`None`) lets it go on there.
pub async fn stop_account<P: Repository>(
    repository: &P,
    account: &str,
    stop: Option<&EnforcementStop>,
) -> Result<(), RepositoryError> {
    let document = match stop {
        None => Value::Null,
        // Two texts and a time: writing them as a value cannot fail.
        Some(stop) => serde_json::to_value(stop).unwrap_or_default(),
    };
    repository.remember(&name(account), &document).await
}

/// Whether enforcement is stopped in one account, apart from being stopped everywhere. A stop that
/// cannot be understood is one all the same.
pub async fn account_stop<P: Repository>(
    repository: &P,
    account: &str,
) -> Result<Option<EnforcementStop>, RepositoryError> {
    let kept = repository.remembered(&name(account)).await?;
    Ok(kept.filter(|document| !document.is_null()).map(|document| {
        serde_json::from_value(document).unwrap_or_else(|error| EnforcementStop {
            by: "somebody".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            reason: format!("what is kept of the stop cannot be understood: {error}"),
        })
    }))
}

/// The accounts in which enforcement is stopped, of those of whose coverage something is known.
pub async fn stopped_accounts<P: Repository>(
    repository: &P,
) -> Result<Vec<(String, EnforcementStop)>, RepositoryError> {
    let coverage = repository.coverage().await?;
    let mut accounts: Vec<String> = coverage.into_iter().map(|own| own.account).collect();
    accounts.sort();
    accounts.dedup();
    let mut stopped = Vec::new();
    for account in accounts {
        if let Some(stop) = account_stop(repository, &account).await? {
            stopped.push((account, stop));
        }
    }
    Ok(stopped)
}
