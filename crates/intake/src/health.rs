//! `GET /healthz`, `GET /readyz`, `GET /metrics`: for whoever watches the guard.
//!
//! On an address of their own, on loopback: they tell accounts and sources apart, and ask for no key.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use guard::clock::Clock;
use guard::history::{Delivered, DeliveryStatus};
use guard::repository::{Repository, RepositoryError, Totals};
use guard::state::{Coverage, EnforcementStop};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::json;

use crate::accounts::Accounts;
use crate::metrics::{METRICS_TYPE, Metrics};
use crate::sources::Sources;

/// One reason why the guard is not ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unready {
    /// What: `store`, `source NAME`, `account ID`, `sweep of ACCOUNT`.
    pub what: String,
    /// Why, and since when.
    pub why: String,
}

/// Whether the guard does what it is there for.
pub trait Health: Send + Sync + 'static {
    /// Every reason why not; none: it does.
    fn unready(&self) -> impl Future<Output = Vec<Unready>> + Send;

    /// Brings those metrics up to date that are read from the store.
    fn refresh(&self, metrics: &Metrics) -> impl Future<Output = ()> + Send;
}

/// The part of a [`Repository`] that tells how the guard does.
pub trait StatusStore: Send + Sync + 'static {
    /// See [`Repository::totals`].
    fn totals(&self) -> impl Future<Output = Result<Totals, RepositoryError>> + Send;

    /// See [`Repository::coverage`].
    fn coverage(&self) -> impl Future<Output = Result<Vec<Coverage>, RepositoryError>> + Send;

    /// Writes something that changes nothing: a disk that is full is still read from.
    fn probe(&self, now: Timestamp) -> impl Future<Output = Result<(), RepositoryError>> + Send;

    /// A stop of enforcement, everywhere or in an account, if there is one.
    fn enforcement_stop(
        &self,
    ) -> impl Future<Output = Result<Option<EnforcementStop>, RepositoryError>> + Send;

    /// See [`DeliveryStatus::of`].
    fn delivery_status(
        &self,
        what: Delivered,
    ) -> impl Future<Output = Result<DeliveryStatus, RepositoryError>> + Send;
}

impl<R: Repository> StatusStore for R {
    async fn totals(&self) -> Result<Totals, RepositoryError> {
        Repository::totals(self).await
    }

    async fn coverage(&self) -> Result<Vec<Coverage>, RepositoryError> {
        Repository::coverage(self).await
    }

    async fn probe(&self, now: Timestamp) -> Result<(), RepositoryError> {
        self.remember("found ready", &json!(now.to_string())).await
    }

    async fn enforcement_stop(&self) -> Result<Option<EnforcementStop>, RepositoryError> {
        if let Some(stop) = Repository::enforcement_stop(self).await? {
            return Ok(Some(stop));
        }
        let stopped = guard::enforcement::stopped_accounts(self).await?;
        Ok(stopped.into_iter().next().map(|(_, stop)| stop))
    }

    async fn delivery_status(&self, what: Delivered) -> Result<DeliveryStatus, RepositoryError> {
        DeliveryStatus::of(self, what).await
    }
}

/// When the guard counts as ready.
#[derive(Clone, Debug)]
pub struct ReadySettings {
    /// The accounts that are watched, with how old the last sweep of each may be: its interval and what
    /// one takes, twice.
    pub accounts: BTreeMap<String, SignedDuration>,
    /// How long a source may be silent; shorter failures are repaired by trying again.
    pub source_silence: SignedDuration,
    /// How long the store may take to answer.
    pub store_within: Duration,
}

/// The guard's health, as its store and its sources tell it.
pub struct StoreHealth<R, C> {
    store: Arc<R>,
    clock: Arc<C>,
    sources: Sources,
    accounts: Accounts,
    settings: ReadySettings,
    started_at: Timestamp,
}

impl<R, C> fmt::Debug for StoreHealth<R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreHealth")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl<R: StatusStore, C: Clock> StoreHealth<R, C> {
    /// From now on.
    pub fn new(
        store: Arc<R>,
        clock: Arc<C>,
        sources: Sources,
        accounts: Accounts,
        settings: ReadySettings,
    ) -> StoreHealth<R, C> {
        let started_at = clock.now();
        StoreHealth {
            store,
            clock,
            sources,
            accounts,
            settings,
            started_at,
        }
    }

    async fn asked<T>(
        &self,
        answer: impl Future<Output = Result<T, RepositoryError>> + Send,
    ) -> Result<T, String> {
        match tokio::time::timeout(self.settings.store_within, answer).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!(
                "no answer within {} s",
                self.settings.store_within.as_secs_f32()
            )),
        }
    }

    fn silent_sources(&self, now: Timestamp) -> impl Iterator<Item = Unready> {
        let allowed = self.settings.source_silence;
        let states = self.sources.states().into_iter();
        states.filter_map(move |(name, state)| {
            let since = state.silent_since?;
            (now.duration_since(since) > allowed).then(|| Unready {
                what: format!("source {name}"),
                why: format!(
                    "not heard since {since}: {}",
                    state.why.as_deref().unwrap_or("no reason is known")
                ),
            })
        })
    }

    fn unreached_accounts(&self) -> impl Iterator<Item = Unready> {
        let unreached = self.accounts.unreached().into_iter();
        unreached.map(|(account, lost)| Unready {
            what: format!("account {account}"),
            why: format!("not reached since {}: {}", lost.since, lost.why),
        })
    }

    fn stale_sweeps(&self, coverage: &[Coverage], now: Timestamp) -> Vec<Unready> {
        let stale = |(account, allowed): (&String, &SignedDuration)| {
            let own = coverage.iter().filter(|one| one.account == *account);
            let last = own.filter_map(|one| one.last_sweep_at).max();
            // A process that has just begun has had no time for one.
            let since = last.map_or(self.started_at, |last| last.max(self.started_at));
            (now.duration_since(since) > *allowed).then(|| Unready {
                what: format!("sweep of {account}"),
                why: match last {
                    Some(last) => format!("the last one ended at {last}"),
                    None => "there was none yet".to_owned(),
                },
            })
        };
        self.settings.accounts.iter().filter_map(stale).collect()
    }
}

impl<R: StatusStore, C: Clock> Health for StoreHealth<R, C> {
    async fn unready(&self) -> Vec<Unready> {
        let now = self.clock.now();
        let mut reasons = Vec::new();
        let known = async {
            self.asked(self.store.probe(now)).await?;
            self.asked(self.store.coverage()).await
        };
        match known.await {
            Ok(coverage) => reasons.extend(self.stale_sweeps(&coverage, now)),
            Err(why) => reasons.push(Unready {
                what: "store".to_owned(),
                why,
            }),
        }
        reasons.extend(self.unreached_accounts());
        reasons.extend(self.silent_sources(now));
        reasons
    }

    async fn refresh(&self, metrics: &Metrics) {
        let now = self.clock.now();
        let all = async {
            metrics.totals(&self.asked(self.store.totals()).await?, now);
            metrics.coverage(&self.asked(self.store.coverage()).await?, now);
            let stop = self.asked(self.store.enforcement_stop()).await?;
            metrics.enforcement_stopped(stop.is_some());
            for what in Delivered::ALL {
                let status = self.asked(self.store.delivery_status(what)).await?;
                metrics.delivery_channel(what, &status);
            }
            Ok::<(), String>(())
        };
        let done = all.await;
        metrics.store_up(done.is_ok());
        if let Err(why) = done {
            tracing::warn!(why, "the metrics of the store are not up to date");
        }
    }
}

/// What the routes need.
pub(crate) struct HealthRoute<H> {
    pub(crate) health: Arc<H>,
    pub(crate) metrics: Metrics,
}

/// The process is up.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// The guard does what it is there for, or why not.
pub(crate) async fn ready<H: Health>(State(route): State<Arc<HealthRoute<H>>>) -> Response {
    let reasons = route.health.unready().await;
    let status = if reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({"ready": reasons.is_empty(), "reasons": reasons});
    let headers = [("content-type", "application/json")];
    (status, headers, format!("{body}\n")).into_response()
}

/// The metrics.
pub(crate) async fn measured<H: Health>(State(route): State<Arc<HealthRoute<H>>>) -> Response {
    route.health.refresh(&route.metrics).await;
    let headers = [("content-type", METRICS_TYPE)];
    (headers, route.metrics.text()).into_response()
}
