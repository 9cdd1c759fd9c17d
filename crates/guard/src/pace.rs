//! The call budget of one account, and repetition of what failed in passing.
//!
//! Amazon S3 asks to slow down by `503 SlowDown` or `Throttling`. Until it does, calls run as fast as
//! the concurrency allows (or as the ceiling allows, if one is set). When it does, the rate is halved,
//! at most once in half a second since one congestion hits many calls at once, and then recovers
//! by a quarter each quiet second. So a scan never starves what else runs in the account.

use std::future::Future;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::error::{CallError, Hopeless};
use crate::operation::Operation;

/// How calls are paced and repeated.
#[derive(Clone, Copy, Debug)]
pub struct PaceSettings {
    /// How often one call is tried before its failure stands.
    pub attempts: u32,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// The first pause before a repetition; it doubles each time, with full jitter.
    pub first_pause: Duration,
    /// The longest pause before a repetition.
    pub longest_pause: Duration,
    /// Never more calls a second than this.
    pub ceiling: Option<f64>,
    /// After so many calls in a row that failed for good in passing ways, the store counts as gone.
    pub patience: u32,
}

impl Default for PaceSettings {
    fn default() -> PaceSettings {
        PaceSettings {
            attempts: 5,
            timeout: Duration::from_secs(15),
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(5),
            ceiling: None,
            patience: 200,
        }
    }
}

/// What the calls cost so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spent {
    /// Attempts sent to the store.
    pub calls: u64,
    /// How many of them the store answered with "slow down".
    pub throttled: u64,
    /// How many were repetitions.
    pub repeated: u64,
    /// The current limit in calls a second, if there is one.
    pub limit: Option<f64>,
}

/// The call budget of one account.
#[derive(Debug)]
pub struct Pace {
    settings: PaceSettings,
    rate: Mutex<Rate>,
    calls: AtomicU64,
    throttled: AtomicU64,
    repeated: AtomicU64,
    failed_in_a_row: AtomicU32,
    jitter: AtomicU64,
}

/// The adaptive part: a limit, and when the next call may go.
#[derive(Debug)]
struct Rate {
    limit: Option<f64>,
    next: Instant,
    last_cut: Option<Instant>,
    last_raise: Instant,
    /// Calls in the current and in the last full second, to know from what rate to halve.
    window: (Instant, u32, u32),
}

/// A limit below this would never end; S3 allows thousands of requests a second.
const SLOWEST: f64 = 2.0;
/// Where halving begins when the rate is not known to be higher.
const UNKNOWN_RATE: f64 = 100.0;
/// Above this a limit says nothing any more.
const FASTEST: f64 = 20_000.0;

impl Pace {
    /// A fresh budget. `seed` drives the jitter of repetitions.
    pub fn new(settings: PaceSettings, seed: u64) -> Pace {
        let now = Instant::now();
        Pace {
            settings,
            rate: Mutex::new(Rate {
                limit: settings.ceiling,
                next: now,
                last_cut: None,
                last_raise: now,
                window: (now, 0, 0),
            }),
            calls: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            failed_in_a_row: AtomicU32::new(0),
            jitter: AtomicU64::new(seed),
        }
    }

    /// What the calls cost so far.
    pub fn spent(&self) -> Spent {
        Spent {
            calls: self.calls.load(Ordering::Relaxed),
            throttled: self.throttled.load(Ordering::Relaxed),
            repeated: self.repeated.load(Ordering::Relaxed),
            limit: self.rate().limit,
        }
    }

    /// Makes one call within the budget, and repeats it while it fails in passing.
    pub async fn call<T, F>(
        &self,
        operation: Operation,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let mut tried = 0;
        loop {
            self.turn().await;
            self.calls.fetch_add(1, Ordering::Relaxed);
            let answer = match timeout(self.settings.timeout, attempt()).await {
                Ok(answer) => answer,
                Err(_) => Err(CallError::Passing {
                    operation,
                    detail: format!("no answer within {:?}", self.settings.timeout),
                }),
            };
            let error = match answer {
                Ok(value) => {
                    self.failed_in_a_row.store(0, Ordering::Relaxed);
                    self.quiet();
                    return Ok(value);
                }
                Err(error) => error,
            };
            if matches!(error, CallError::Throttled { .. }) {
                self.throttled.fetch_add(1, Ordering::Relaxed);
                self.slow_down();
            } else if !error.is_passing() {
                self.failed_in_a_row.store(0, Ordering::Relaxed);
                return Err(error);
            }
            tried += 1;
            if tried >= self.settings.attempts {
                return Err(self.give_up(error));
            }
            self.repeated.fetch_add(1, Ordering::Relaxed);
            sleep(self.pause(tried)).await;
        }
    }

    /// The failure stands. When nothing gets through any more, no other call will either.
    fn give_up(&self, error: CallError) -> CallError {
        let failed = self.failed_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        if failed < self.settings.patience {
            return error;
        }
        CallError::Hopeless(Hopeless::Unreachable {
            endpoint: "the store".to_owned(),
            detail: format!("{failed} calls in a row failed, the last one so: {error}"),
        })
    }

    /// Waits until the budget allows one more call.
    async fn turn(&self) {
        let at = {
            let mut rate = self.rate();
            let now = Instant::now();
            let (start, count, _) = rate.window;
            rate.window = match now.duration_since(start).as_secs() {
                0 => (start, count + 1, rate.window.2),
                1 => (now, 1, count),
                _ => (now, 1, 0),
            };
            let Some(limit) = rate.limit else { return };
            let at = rate.next.max(now);
            rate.next = at + Duration::from_secs_f64(1.0 / limit);
            at
        };
        sleep_until(at).await;
    }

    /// Halves the rate.
    fn slow_down(&self) {
        let mut rate = self.rate();
        let now = Instant::now();
        if rate
            .last_cut
            .is_some_and(|cut| now.duration_since(cut) < Duration::from_millis(500))
        {
            return;
        }
        // Early in a scan too few calls were made to tell the rate.
        let seen = f64::from(rate.window.1.max(rate.window.2)).max(UNKNOWN_RATE);
        let from = rate.limit.map_or(seen, |limit| limit.min(seen));
        rate.limit = Some((from / 2.0).max(SLOWEST));
        rate.last_cut = Some(now);
        rate.last_raise = now;
    }

    /// Recovers a little, if it has been quiet for a second.
    fn quiet(&self) {
        let mut rate = self.rate();
        let Some(limit) = rate.limit else { return };
        let now = Instant::now();
        if rate.last_cut.is_none() || now.duration_since(rate.last_raise) < Duration::from_secs(1) {
            return;
        }
        let raised = limit * 1.25;
        rate.limit = match self.settings.ceiling {
            Some(ceiling) => Some(raised.min(ceiling)),
            None if raised > FASTEST => None,
            None => Some(raised),
        };
        rate.last_raise = now;
    }

    /// The pause before repetition number `tried`: full jitter under a doubling bound.
    fn pause(&self, tried: u32) -> Duration {
        let bound = self
            .settings
            .first_pause
            .saturating_mul(1 << tried.min(16).saturating_sub(1))
            .min(self.settings.longest_pause);
        // SplitMix64: each call of `fetch_add` gives another well-mixed number.
        let mut z = self
            .jitter
            .fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        // At least a tenth, so that a repetition never follows at once.
        bound.mul_f64(0.1 + 0.9 * (z >> 11) as f64 / (1_u64 << 53) as f64)
    }

    fn rate(&self) -> MutexGuard<'_, Rate> {
        // The guarded code cannot leave a half-written rate behind: it assigns plain numbers.
        self.rate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::cell::Cell;

    use super::*;

    fn throttled() -> CallError {
        CallError::Throttled {
            operation: Operation::GetBucketAcl,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn repeats_what_failed_in_passing_and_counts() {
        let pace = Pace::new(PaceSettings::default(), 1);
        let tried = Cell::new(0);
        let answer = pace
            .call(Operation::GetBucketAcl, || {
                tried.set(tried.get() + 1);
                let now = tried.get();
                async move { if now < 3 { Err(throttled()) } else { Ok(now) } }
            })
            .await;
        assert_eq!(answer, Ok(3));
        let spent = pace.spent();
        assert_eq!((spent.calls, spent.throttled, spent.repeated), (3, 2, 2));
        assert!(
            spent.limit.is_some(),
            "the rate is limited after a slow-down"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn does_not_repeat_a_refusal() {
        let pace = Pace::new(PaceSettings::default(), 1);
        let refused = CallError::AccessDenied {
            operation: Operation::GetBucketAcl,
        };
        let answer: Result<(), _> = pace
            .call(Operation::GetBucketAcl, || async { Err(refused.clone()) })
            .await;
        assert_eq!(answer, Err(refused));
        assert_eq!(pace.spent().calls, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_never_comes_times_out() {
        let settings = PaceSettings {
            attempts: 2,
            ..PaceSettings::default()
        };
        let pace = Pace::new(settings, 1);
        let answer: Result<(), _> = pace
            .call(Operation::GetBucketAcl, std::future::pending)
            .await;
        assert!(
            answer
                .unwrap_err()
                .to_string()
                .contains("no answer within 15s")
        );
        assert_eq!(pace.spent().calls, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn halves_on_slow_down_and_recovers_when_quiet() {
        let settings = PaceSettings {
            ceiling: Some(400.0),
            ..PaceSettings::default()
        };
        let pace = Pace::new(settings, 1);
        for _ in 0..500 {
            let _: Result<(), _> = pace
                .call(Operation::GetBucketAcl, || async { Ok(()) })
                .await;
        }
        pace.slow_down();
        let halved = pace.spent().limit.unwrap();
        assert!((90.0..=200.0).contains(&halved), "{halved}");
        pace.slow_down();
        assert_eq!(pace.spent().limit, Some(halved), "one congestion, one cut");
        for _ in 0..3_000 {
            let _: Result<(), _> = pace
                .call(Operation::GetBucketAcl, || async { Ok(()) })
                .await;
        }
        assert_eq!(
            pace.spent().limit,
            Some(400.0),
            "back at the ceiling, not above"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_gone_ends_the_scan() {
        let settings = PaceSettings {
            attempts: 1,
            patience: 3,
            ..PaceSettings::default()
        };
        let pace = Pace::new(settings, 1);
        let mut last = None;
        for _ in 0..3 {
            let answer: Result<(), _> = pace
                .call(Operation::GetBucketAcl, || async {
                    Err(CallError::Passing {
                        operation: Operation::GetBucketAcl,
                        detail: "connection refused".to_owned(),
                    })
                })
                .await;
            last = answer.err();
        }
        assert!(matches!(
            last,
            Some(CallError::Hopeless(Hopeless::Unreachable { .. }))
        ));
    }
}
