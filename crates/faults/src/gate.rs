//! A gate that a test holds shut.

use tokio::sync::watch;

/// What is to wait stands before the gate until the test opens it. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(watch::Sender<State>);

#[derive(Clone, Copy, Debug)]
struct State {
    open: bool,
    arrived: usize,
}

impl Gate {
    /// A gate that is shut.
    #[must_use]
    pub fn shut() -> Gate {
        Gate(watch::Sender::new(State {
            open: false,
            arrived: 0,
        }))
    }

    /// Lets through what waits and what comes.
    pub fn open(&self) {
        self.0.send_modify(|state| state.open = true);
    }

    /// Waits until `count` have come to the gate, in all. A test that must not hang has its own
    /// time limit.
    pub async fn arrived(&self, count: usize) {
        let mut changes = self.0.subscribe();
        // Never an error: the sender is in `self`.
        let _ = changes.wait_for(|state| state.arrived >= count).await;
    }

    pub(crate) async fn pass(&self) {
        self.0.send_modify(|state| state.arrived += 1);
        let mut changes = self.0.subscribe();
        let _ = changes.wait_for(|state| state.open).await;
    }
}
