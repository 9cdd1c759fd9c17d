//! What the guard serves: health and metrics on loopback, and, where it is configured, events and the
//! links of mails.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use compliance::notice::Subscription;
use guard::escalate::{AcknowledgeError, acknowledge};
use guard::intake::{EventSink, EventSource, Form};
use guard::pace::Pace;
use guard::repository::RepositoryError;
use guard::subscribe;
use intake::accounts::Accounts;
use intake::events::{ANSWER_WITHIN, API_KEY_HEADER, ApiKey, EventsRoute, api_key_header};
use intake::fetch::HttpsFetch;
use intake::health::{ReadySettings, StoreHealth};
use intake::links::{DeskError, LinksRoute, SubscriptionDesk};
use intake::metrics::Metrics;
use intake::routes::{PublicRoutes, private_routes};
use intake::server::{Server, ServerSettings, TlsFiles, network};
use intake::sns::{Authority, Certificates, SnsRoute};
use intake::sources::Sources;
use jiff::{SignedDuration, Timestamp};
use store::Store;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::clock::SystemClock;
use super::outgoing::token_key;
use super::spending::Spending;
use crate::config::load::Loaded;
use crate::config::{Account, Config, Intake};
use crate::exit::Failure;

/// How long a source may be silent before the guard counts as not ready.
const SOURCE_SILENCE: SignedDuration = SignedDuration::from_mins(5);
/// How long the store may take to say how it is.
const STORE_WITHIN: Duration = Duration::from_secs(5);
/// How long fetching a certificate of SNS may take.
const FETCH_WITHIN: Duration = Duration::from_secs(10);

/// What the servers work with.
pub(super) struct Web<S> {
    pub(super) store: Arc<Store>,
    pub(super) sink: Arc<S>,
    pub(super) sources: Sources,
    pub(super) accounts: Accounts,
    pub(super) metrics: Metrics,
    pub(super) subscriptions: Arc<[Subscription]>,
    pub(super) paces: Vec<(String, Arc<Pace>)>,
}

impl<S: EventSink> Web<S> {
    /// Begins to listen; what is served ends when `stop` turns true.
    pub(super) async fn start(
        &self,
        loaded: &Loaded,
        stop: &watch::Receiver<bool>,
        loops: &mut JoinSet<()>,
    ) -> Result<(), Failure> {
        let config = &loaded.config;
        if !config.server.listen.is_empty() {
            let listen = resolved(&config.server.listen, "server.listen").await?;
            let server = bind(ServerSettings::new(listen), "server.listen").await?;
            let health = StoreHealth::new(
                Arc::clone(&self.store),
                Arc::new(SystemClock),
                self.sources.clone(),
                self.accounts.clone(),
                ready(config),
            );
            let health = Spending::new(health, self.paces.clone());
            let routes = private_routes(Arc::new(health), &self.metrics);
            loops.spawn(server.serve(routes, stop.clone()));
            tracing::info!(%listen, "health and metrics");
        }
        if let Some(intake) = &config.intake {
            let listen = resolved(&intake.listen, "intake.listen").await?;
            let tls = match (&intake.tls_certificate, &intake.tls_key) {
                (Some(certificate), Some(key)) => Some(TlsFiles {
                    certificate: certificate.clone(),
                    key: key.clone(),
                }),
                _ => None,
            };
            let settings = ServerSettings {
                tls,
                proxies: intake
                    .proxies
                    .iter()
                    .filter_map(|own| network(own))
                    .collect(),
                ..ServerSettings::new(listen)
            };
            let server = bind(settings, "intake.listen").await?;
            let routes = self.routes(loaded, intake)?;
            let router = routes.router(below(config));
            loops.spawn(server.serve(router, stop.clone()));
            tracing::info!(%listen, "events and links");
        }
        Ok(())
    }

    fn routes(&self, loaded: &Loaded, intake: &Intake) -> Result<PublicRoutes, Failure> {
        let now: intake::Now = Arc::new(Timestamp::now);
        let watch = |name: &str| {
            let source = EventSource {
                name: name.to_owned(),
                form: Form::Message,
                account: None,
            };
            self.sources.add(source, Timestamp::now())
        };
        let mut routes = PublicRoutes::new(self.metrics.clone());
        if !intake.api_keys.is_empty() {
            let keys = intake.api_keys.iter().map(|reference| {
                let key = loaded.secret(reference).map_err(Failure::usage)?;
                ApiKey::new(&reference.to_string(), &key)
                    .map_err(|error| Failure::usage(format!("intake.api-keys: {error}")))
            });
            routes = routes.events(EventsRoute {
                // What is no header is refused when the file is read.
                header: intake
                    .api_key_header
                    .as_deref()
                    .and_then(api_key_header)
                    .unwrap_or(API_KEY_HEADER),
                keys: keys.collect::<Result<_, _>>()?,
                watch: watch("intake"),
                sink: Arc::clone(&self.sink),
                within: ANSWER_WITHIN,
                now: Arc::clone(&now),
            });
        }
        if !intake.sns_topics.is_empty() {
            let fetch = HttpsFetch::new(&[], FETCH_WITHIN).map_err(Failure::usage)?;
            let fetch = Arc::new(fetch);
            routes = routes.sns(SnsRoute {
                topics: intake.sns_topics.iter().cloned().collect(),
                certificates: Certificates::new(Arc::clone(&fetch), Authority::Host),
                fetch,
                watch: watch("sns"),
                sink: Arc::clone(&self.sink),
                within: ANSWER_WITHIN,
                now: Arc::clone(&now),
            });
        }
        if let Some(key) = token_key(loaded)? {
            let desk = Desk {
                store: Arc::clone(&self.store),
                subscriptions: Arc::clone(&self.subscriptions),
            };
            routes = routes.links(LinksRoute {
                key,
                desk: Arc::new(desk),
                now,
            });
        }
        Ok(routes)
    }
}

fn ready(config: &Config) -> ReadySettings {
    // Twice the interval, and what a sweep may take.
    let sweep_age = |account: &Account| {
        let every = account.sweep_interval(&config.recorder).0;
        every
            .checked_mul(2)
            .and_then(|twice| twice.checked_add(SignedDuration::from_mins(10)))
            .unwrap_or(SignedDuration::MAX)
    };
    let accounts = config.account.iter();
    ReadySettings {
        accounts: accounts
            .map(|own| (own.id.clone(), sweep_age(own)))
            .collect(),
        source_silence: SOURCE_SILENCE,
        store_within: STORE_WITHIN,
    }
}

/// The path of the address that others know, if it has one.
fn below(config: &Config) -> Option<&str> {
    let (_, rest) = config.server.base_url.as_deref()?.split_once("://")?;
    rest.find('/').map(|at| &rest[at..])
}

async fn resolved(listen: &str, member: &str) -> Result<SocketAddr, Failure> {
    let mut found = tokio::net::lookup_host(listen)
        .await
        .map_err(|error| Failure::usage(format!("{member}: {listen}: {error}")))?;
    found
        .next()
        .ok_or_else(|| Failure::usage(format!("{member}: {listen} has no address")))
}

async fn bind(settings: ServerSettings, member: &str) -> Result<Server, Failure> {
    Server::bind(settings)
        .await
        .map_err(|error| Failure::usage(format!("{member}: {error}")))
}

/// Does what links in mails say.
struct Desk {
    store: Arc<Store>,
    subscriptions: Arc<[Subscription]>,
}

impl Desk {
    /// The subscription as the link knows it: one whose address was changed since is another.
    fn known(&self, id: &str, endpoint_digest: &str) -> Result<&Subscription, DeskError> {
        self.subscriptions
            .iter()
            .find(|own| own.id == id && own.endpoint.digest() == endpoint_digest)
            .ok_or_else(|| DeskError::Gone("this subscription is not there any more".to_owned()))
    }
}

fn unavailable(error: RepositoryError) -> DeskError {
    DeskError::Unavailable(error.to_string())
}

impl SubscriptionDesk for Desk {
    fn subscriptions(&self) -> Arc<[Subscription]> {
        Arc::clone(&self.subscriptions)
    }

    async fn confirm(
        &self,
        id: &str,
        endpoint_digest: &str,
        now: Timestamp,
    ) -> Result<(), DeskError> {
        let own = self.known(id, endpoint_digest)?;
        subscribe::confirm(&*self.store, own, now)
            .await
            .map_err(unavailable)
    }

    async fn unsubscribe(
        &self,
        id: &str,
        endpoint_digest: &str,
        now: Timestamp,
    ) -> Result<(), DeskError> {
        let own = self.known(id, endpoint_digest)?;
        subscribe::unsubscribe(&*self.store, &self.subscriptions, own, now)
            .await
            .map_err(unavailable)
    }

    async fn acknowledge(
        &self,
        finding_id: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<(), DeskError> {
        let own = self.subscriptions.iter().find(|own| own.id == id);
        let by = own.map_or_else(|| id.to_owned(), |own| own.endpoint.to_string());
        match acknowledge(&*self.store, finding_id, &by, None, None, now).await {
            Ok(_) => Ok(()),
            Err(AcknowledgeError::Repository(error)) => Err(unavailable(error)),
            Err(error) => Err(DeskError::Gone(error.to_string())),
        }
    }
}
