//! What all operations share: the accounts, the state, the settings, and whom to tell about changes.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use s3s::auth::Credentials;
use tokio::sync::broadcast;

use crate::account::{Accounts, Identity};
use crate::event::Change;
use crate::state::State;

/// How many changes a subscriber may lag behind before it misses some.
const CHANGES_KEPT: usize = 4096;

/// The source of the present moment.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How new buckets are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewBuckets {
    /// As AWS makes them since April 2023: Block Public Access on, ACLs off.
    #[default]
    Closed,
    /// As AWS made them before: no block, ACLs in force.
    AclsInForce,
}

/// The parts of the configuration that operations need.
pub(crate) struct Settings {
    pub(crate) region: String,
    pub(crate) new_buckets: NewBuckets,
    pub(crate) max_object_bytes: usize,
    pub(crate) clock: Clock,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("region", &self.region)
            .field("new_buckets", &self.new_buckets)
            .field("max_object_bytes", &self.max_object_bytes)
            .finish_non_exhaustive()
    }
}

/// The sandbox behind its HTTP side. Clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) settings: Arc<Settings>,
    state: Arc<Mutex<State>>,
    changes: broadcast::Sender<Change>,
}

impl Endpoint {
    pub(crate) fn new(accounts: Accounts, settings: Settings) -> Endpoint {
        Endpoint {
            accounts: Arc::new(accounts),
            settings: Arc::new(settings),
            state: Arc::new(Mutex::new(State::default())),
            changes: broadcast::Sender::new(CHANGES_KEPT),
        }
    }

    /// The state, for as long as one operation needs it. No operation waits while it holds it.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Every change to the state is a single assignment: a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.settings.clock)()
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Who signed; `None` for an anonymous caller.
    pub(crate) fn caller(&self, credentials: Option<&Credentials>) -> Option<&Identity> {
        self.accounts.identity(&credentials?.access_key)
    }

    /// Tells the subscribers about a change.
    pub(crate) fn changed(
        &self,
        operation: &'static str,
        account: &str,
        bucket: Option<&str>,
        caller: Option<&Identity>,
    ) {
        // An error means that nobody listens.
        let _ = self.changes.send(Change {
            time: self.now(),
            bucket: bucket.map(str::to_owned),
            account: account.to_owned(),
            operation,
            caller: caller.map_or_else(|| "anonymous".to_owned(), |c| c.arn.clone()),
        });
    }
}
