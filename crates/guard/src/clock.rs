//! The clock, as a port: what is due is compared with it, and nothing else tells the time.

use std::future::Future;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// Tells the time, and waits for a time.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
    /// Ready at this time, or a little later; at once if it has passed.
    fn sleep_until(&self, at: Timestamp) -> impl Future<Output = ()> + Send;
}

/// A clock that stands still until it is moved: for tests that walk through hours, and for replays.
#[derive(Clone, Debug)]
pub struct ManualClock {
    now: Arc<watch::Sender<Timestamp>>,
}

impl ManualClock {
    /// Stands at this time.
    pub fn at(now: Timestamp) -> ManualClock {
        ManualClock {
            now: Arc::new(watch::Sender::new(now)),
        }
    }

    /// Moves it forward, and wakes whoever waits for a time up to then.
    pub fn advance(&self, by: SignedDuration) {
        self.now.send_modify(|now| {
            if let Ok(later) = now.checked_add(by) {
                *now = later;
            }
        });
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    async fn sleep_until(&self, at: Timestamp) {
        let mut now = self.now.subscribe();
        // The sender lives in `self`, so that it cannot be gone.
        let _ = now.wait_for(|now| *now >= at).await;
    }
}
