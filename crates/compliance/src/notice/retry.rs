//! When a delivery that failed is tried again.

use jiff::{SignedDuration, Timestamp};

/// Exponential delays with jitter, up to a longest one, until a horizon.
///
/// ```
/// # use compliance::notice::RetrySchedule;
/// let schedule = RetrySchedule::default();
/// let first = "2026-01-01T00:00:00Z".parse().unwrap();
/// let next = schedule.next_attempt(first, 1, first, 7, None).unwrap();
/// assert!(next > first);
/// let weeks_later = "2026-01-31T00:00:00Z".parse().unwrap();
/// assert_eq!(schedule.next_attempt(first, 80, weeks_later, 7, None), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrySchedule {
    /// The delay after the first attempt.
    pub first: SignedDuration,
    /// The longest delay.
    pub longest: SignedDuration,
    /// How long after the first attempt it is given up.
    pub horizon: SignedDuration,
    /// So many attempts are made even if the horizon passed meanwhile: a program that did not run has
    /// not tried.
    pub at_least: u32,
}

impl Default for RetrySchedule {
    /// After 15 seconds, doubling up to an hour, for three days.
    fn default() -> RetrySchedule {
        RetrySchedule {
            first: SignedDuration::from_secs(15),
            longest: SignedDuration::from_hours(1),
            horizon: SignedDuration::from_hours(72),
            at_least: 8,
        }
    }
}

impl RetrySchedule {
    /// When to try again after `attempt` attempts (the one that just failed included) since
    /// `first_attempt`; `None`: it is given up, and becomes a dead letter.
    ///
    /// `seed` spreads deliveries that failed together: each waits between half and the whole of its
    /// delay. `asked_to_wait` is what the receiver asked for (`Retry-After`), which is heeded up to the
    /// longest delay.
    pub fn next_attempt(
        &self,
        first_attempt: Timestamp,
        attempt: u32,
        now: Timestamp,
        seed: u64,
        asked_to_wait: Option<SignedDuration>,
    ) -> Option<Timestamp> {
        let given_up_at = first_attempt.checked_add(self.horizon).ok()?;
        if now >= given_up_at && attempt >= self.at_least {
            return None;
        }
        let longest = self.longest.as_millis().max(1);
        let doubled = 1_i128
            .checked_shl(attempt.saturating_sub(1).min(63))
            .unwrap_or(i128::MAX);
        let whole = self
            .first
            .as_millis()
            .max(1)
            .saturating_mul(doubled)
            .min(longest);
        let half = whole / 2;
        let spread = (whole - half + 1).unsigned_abs();
        let share = u128::from(mixed(seed, attempt)) % spread;
        let mut delay = half.saturating_add(i128::try_from(share).unwrap_or(0));
        if let Some(asked) = asked_to_wait {
            delay = delay.max(asked.as_millis().min(longest));
        }
        let delay = SignedDuration::from_millis(i64::try_from(delay).ok()?);
        let next = now.checked_add(delay).ok()?;
        // The last attempt is made at the horizon, not given up just before it.
        Some(if attempt >= self.at_least && next > given_up_at {
            given_up_at.max(now)
        } else {
            next
        })
    }
}

/// Bits without a pattern from seed and attempt (the finalizer of SplitMix64: Steele, Lea, Flood, "Fast
/// splittable pseudorandom number generators", 2014).
fn mixed(seed: u64, attempt: u32) -> u64 {
    let mut x = seed.wrapping_add(u64::from(attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
