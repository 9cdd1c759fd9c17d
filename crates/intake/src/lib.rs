//! What comes in, and what is told about it.
//!
//! - [`queue`] polls queues of events; [`ops_log`] reads the socket of Ceph's gateway. Both hand over what
//!   came to a [`guard::intake::EventSink`], and let it go only when it is stored.
//! - [`server`] serves [`routes`]: [`events`] for EventBridge, [`sns`] for SNS, [`links`] for mails, and apart
//!   from those, on loopback, [`health`].
//! - [`sources`] knows of each source whether it is heard; [`metrics`] counts.
//!
//! Whatever comes is a hint and never a fact: the sink makes looks of it and nothing else.

pub mod accounts;
pub mod events;
pub mod fetch;
pub mod health;
pub mod links;
pub mod metrics;
pub mod ops_log;
mod places;
pub mod queue;
pub mod routes;
pub mod server;
pub mod sns;
pub mod sources;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Tells the time.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// `at` and so much later; far in the future, the end of time.
fn later(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| at.checked_add(by).ok())
        .unwrap_or(Timestamp::MAX)
}

/// How long to wait after so many failures in a row: doubled each time, up to a bound.
fn backoff(failures: u32, first: Duration, most: Duration) -> Duration {
    first
        .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(31)))
        .min(most)
}
