//! A power supply that fails at one call, before or after the call's effect.

use std::sync::Arc;

use tokio::sync::watch;

/// Counts calls, and stops the world at one of them.
#[derive(Debug)]
pub struct Power {
    left: watch::Sender<Option<usize>>,
    /// Whether the call at which it fails still has its effect.
    after: bool,
}

impl Power {
    pub fn endless() -> Arc<Power> {
        Arc::new(Power {
            left: watch::Sender::new(None),
            after: false,
        })
    }

    /// Fails at the so-many-th call.
    pub fn fails_at(call: usize, after: bool) -> Arc<Power> {
        Arc::new(Power {
            left: watch::Sender::new(Some(call)),
            after,
        })
    }

    /// Ready when it has failed.
    pub async fn failed(&self) {
        let mut left = self.left.subscribe();
        left.wait_for(|left| *left == Some(0)).await.unwrap();
    }

    /// One call: does it, or hangs for ever.
    pub async fn call<T>(&self, effect: impl FnOnce() -> T) -> T {
        let mut fails = false;
        self.left.send_if_modified(|left| {
            if let Some(calls) = left {
                if *calls > 0 {
                    *calls -= 1;
                }
                fails = *calls == 0;
                return fails;
            }
            false
        });
        if fails && !self.after {
            std::future::pending::<()>().await;
        }
        let done = effect();
        if fails {
            std::future::pending::<()>().await;
        }
        done
    }
}
