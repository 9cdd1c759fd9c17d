//! What the loops tell whoever measures them.

use jiff::SignedDuration;

/// Counts and times. Every method does nothing unless it is implemented.
pub trait Meter: Send + Sync + 'static {
    /// A look ended: `changed`, `unchanged`, `gone`, `held`, `waiting`, `failed`.
    fn looked(&self, result: &'static str) {
        let _ = result;
    }

    /// A bucket was judged: `open`, `closed`, `undecided`.
    fn judged(&self, verdict: &'static str) {
        let _ = verdict;
    }

    /// So long after an event came, a verdict that saw its effect was committed.
    fn verdict_after(&self, arrival: SignedDuration) {
        let _ = arrival;
    }

    /// So long after an event came, what it had opened was closed and verified.
    fn closed_after(&self, arrival: SignedDuration) {
        let _ = arrival;
    }

    /// A remediation ended: `verified`, `failed`, `changed`.
    fn remediated(&self, result: &'static str) {
        let _ = result;
    }

    /// The function of a custom rule was asked: `answered`, `failed`.
    fn asked(&self, result: &'static str) {
        let _ = result;
    }

    /// A function spoke of so many resources that are not recorded.
    fn spoke_of_unknown(&self, resources: u64) {
        let _ = resources;
    }

    /// A delivery of `history` or a `snapshot` to the delivery channel ended: `delivered`, `failed`.
    fn filed(&self, what: &'static str, result: &'static str) {
        let _ = (what, result);
    }

    /// An attempt at a delivery ended: `accepted`, `passing`, `refused`, `gone`, by a protocol or
    /// `target`.
    fn delivered(&self, protocol: &'static str, result: &'static str) {
        let _ = (protocol, result);
    }
}

/// Nobody measures.
#[derive(Clone, Copy, Debug)]
pub struct Unmeasured;

impl Meter for Unmeasured {}
