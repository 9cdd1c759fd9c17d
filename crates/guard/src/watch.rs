//! The guard itself: what it works with, and how it is set.

use std::collections::BTreeMap;
use std::sync::Arc;

use compliance::exceptions::Exceptions;
use compliance::notice::{Ladder, RetrySchedule, Subscription};
use compliance::rules::configured::RuleSet;
use jiff::SignedDuration;

use crate::account::{Account, Reach};
use crate::event_rules::EventRules;
use crate::history::DeliveryChannel;
use crate::meter::Meter;
use crate::record::Recorder;
use crate::responder::ResponderSettings;

/// How the guard is set. Plain data, made from the configuration.
#[derive(Debug)]
pub struct Settings {
    /// The rules that resources are evaluated by.
    pub rules: RuleSet,
    /// What is open on purpose.
    pub exceptions: Exceptions,
    /// Whether a tag on a bucket can except it.
    pub tags_except: bool,
    /// Where enforcement is on, and its limits.
    pub responder: ResponderSettings,
    /// Where compliance changes go.
    pub event_rules: EventRules,
    /// Who gets the notices of topics, as configured; whether they confirmed is in the store.
    pub subscriptions: Vec<Subscription>,
    /// Who is asked next when nobody answers.
    pub ladder: Ladder,
    /// When deliveries that failed are tried again.
    pub retries: RetrySchedule,
    /// Where links in notices begin, without a slash at the end.
    pub base_url: Option<String>,
    /// What is recorded.
    pub recorder: Recorder,
    /// Where history and snapshots are delivered to, if they are.
    pub delivery_channel: Option<DeliveryChannel>,
    /// The configured targets that every new configuration item is sent to, by name, as AWS Config's
    /// `ConfigurationItemChangeNotification`. Event rules that match send it to theirs as well.
    pub change_stream: Vec<String>,
    /// When people are told of exceptions that end, and of what is not watched.
    pub reminders: Reminders,
    /// How often accounts are gone through for their verdicts.
    pub sweep_every: SignedDuration,
    /// How often everything of every bucket is recorded.
    pub record_every: SignedDuration,
    /// Accounts that have intervals of their own, by id.
    pub intervals: BTreeMap<String, Intervals>,
    /// How many buckets of one account a sweep asks about at the same time.
    pub sweep_concurrency: usize,
    /// How long a bucket of which something is not answered in passing is tried again before it is
    /// recorded, and told, that it cannot be decided.
    pub undecided_after: SignedDuration,
}

/// How often one account is gone through, where that is not as for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Intervals {
    /// See [`Settings::sweep_every`].
    pub sweep: Option<SignedDuration>,
    /// See [`Settings::record_every`].
    pub record: Option<SignedDuration>,
}

/// When people are told of exceptions that end, and of what is not watched any more.
#[derive(Clone, Debug)]
pub struct Reminders {
    /// The topics that this goes to, where no event rule says which.
    pub topics: Vec<String>,
    /// How long before an exception ends people are told, each once.
    pub exceptions_end: Vec<SignedDuration>,
    /// How long an account's events may be silent; `None`: for ever. What is normal differs from
    /// account to account, so that by default nothing is.
    pub silent_after: Option<SignedDuration>,
    /// How many sweeps of an account in a row may fail to come to their end.
    pub sweeps_missed: u32,
}

impl Default for Reminders {
    /// To the topic `default`: 14, 3 and 1 days before an exception ends, and after three missed
    /// sweeps.
    fn default() -> Reminders {
        Reminders {
            topics: vec!["default".to_owned()],
            exceptions_end: [14, 3, 1]
                .into_iter()
                .map(|days| SignedDuration::from_hours(days * 24))
                .collect(),
            silent_after: None,
            sweeps_missed: 3,
        }
    }
}

impl Settings {
    /// How often an account is gone through for its verdicts.
    pub fn sweep_every(&self, account: &str) -> SignedDuration {
        let own = self.intervals.get(account).and_then(|own| own.sweep);
        own.unwrap_or(self.sweep_every)
    }

    /// How often everything of every bucket of an account is recorded.
    pub fn record_every(&self, account: &str) -> SignedDuration {
        let own = self.intervals.get(account).and_then(|own| own.record);
        own.unwrap_or(self.record_every)
    }

    /// The tags of a resource, if they may except it.
    pub(crate) fn excepting<'a>(
        &self,
        tags: &'a BTreeMap<String, String>,
    ) -> Option<&'a BTreeMap<String, String>> {
        self.tags_except.then_some(tags)
    }

    /// Whether tags decide about exceptions or enforcement, so that every look has to read them.
    pub(crate) fn needs_tags(&self) -> bool {
        self.tags_except
            || self
                .responder
                .scopes
                .iter()
                .any(|scope| scope.tag.is_some())
    }
}

/// The guard: a store of its own, accounts, a clock, and how it is set.
pub struct Guard<P, A: Reach, C> {
    /// The store.
    pub repository: Arc<P>,
    /// The accounts, by id.
    pub accounts: BTreeMap<String, Account<A>>,
    /// The clock.
    pub clock: Arc<C>,
    /// How it is set.
    pub settings: Settings,
    /// Who measures it.
    pub meter: Arc<dyn Meter>,
}
