//! The machine's clock.

use std::time::Duration;

use guard::clock::Clock;
use jiff::Timestamp;

/// Tells the machine's time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemClock;

/// The longest sleep in one piece: the clock may be set meanwhile.
const PIECE: Duration = Duration::from_secs(60);

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep_until(&self, at: Timestamp) {
        // A timer counts time that passes; what is waited for is a time of the day.
        loop {
            let left = at.duration_since(self.now());
            let Ok(left) = Duration::try_from(left) else {
                return;
            };
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(PIECE)).await;
        }
    }
}
