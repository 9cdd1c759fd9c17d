//! Where an analysis cannot be exact, and what it may cost.

/// Which way a search errs where it cannot be exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// Finds only requests that are really allowed.
    Lower,
    /// Finds a request whenever one might be allowed.
    Upper,
}

/// Joint states of automata that one question may cost. A policy of 20 KB that people wrote needs a
/// few hundred; a hostile one is answered with "undecided" after about a second.
const BUDGET: usize = 60_000;

/// Where a search was not exact, and what it may still spend.
#[derive(Clone, Debug)]
pub(crate) struct Doubts {
    reasons: Vec<String>,
    budget: usize,
}

impl Default for Doubts {
    fn default() -> Doubts {
        Doubts {
            reasons: Vec::new(),
            budget: BUDGET,
        }
    }
}

impl Doubts {
    pub(crate) fn add(&mut self, doubt: impl Into<String>) {
        let doubt = doubt.into();
        if !self.reasons.contains(&doubt) {
            self.reasons.push(doubt);
        }
    }

    /// Takes from the budget; false if it does not suffice.
    pub(crate) fn spend(&mut self, cost: usize) -> bool {
        match self.budget.checked_sub(cost) {
            Some(left) => {
                self.budget = left;
                true
            }
            None => false,
        }
    }
    pub(crate) fn is_empty(&self) -> bool {
        self.reasons.is_empty()
    }

    pub(crate) fn into_reasons(self) -> Vec<String> {
        self.reasons
    }
}
