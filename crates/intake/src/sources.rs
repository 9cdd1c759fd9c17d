//! Of each source of events: is it heard, and since when not, and why.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use guard::intake::{Arrival, EventSource};
use jiff::Timestamp;

use crate::metrics::Metrics;

/// How a source does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceState {
    /// When it was heard last: an event, or an answer that there is none.
    pub heard_at: Option<Timestamp>,
    /// Since when it is not heard, if it is not.
    pub silent_since: Option<Timestamp>,
    /// Why it is not heard.
    pub why: Option<String>,
}

/// All sources; clones are the same.
#[derive(Clone, Debug)]
pub struct Sources {
    states: Arc<Mutex<BTreeMap<String, SourceState>>>,
    metrics: Metrics,
}

impl Sources {
    /// None yet.
    pub fn new(metrics: Metrics) -> Sources {
        Sources {
            states: Arc::default(),
            metrics,
        }
    }

    /// Adds a source, from which nothing was heard so far.
    pub fn add(&self, source: EventSource, now: Timestamp) -> SourceWatch {
        let state = SourceState {
            heard_at: None,
            silent_since: Some(now),
            why: Some("it was not heard yet".to_owned()),
        };
        self.metrics.source_up(&source.name, false);
        self.lock().insert(source.name.clone(), state);
        SourceWatch {
            source: Arc::new(source),
            sources: self.clone(),
        }
    }

    /// Every source by its name.
    pub fn states(&self) -> BTreeMap<String, SourceState> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, SourceState>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A source, for the one who reads it: tells how it does.
#[derive(Clone, Debug)]
pub struct SourceWatch {
    source: Arc<EventSource>,
    sources: Sources,
}

impl SourceWatch {
    /// The source.
    pub fn source(&self) -> &EventSource {
        &self.source
    }

    /// It was heard.
    pub fn heard(&self, now: Timestamp) {
        let mut states = self.sources.lock();
        if let Some(state) = states.get_mut(&self.source.name) {
            if state.silent_since.is_some() {
                tracing::info!(source = self.source.name, "the event source is heard");
            }
            *state = SourceState {
                heard_at: Some(now),
                silent_since: None,
                why: None,
            };
        }
        self.sources.metrics.source_up(&self.source.name, true);
    }

    /// It is not heard, and why.
    pub fn silent(&self, now: Timestamp, why: String) {
        let mut states = self.sources.lock();
        if let Some(state) = states.get_mut(&self.source.name) {
            // Once, and not at every attempt.
            if state.why.as_ref() != Some(&why) {
                tracing::warn!(
                    source = self.source.name,
                    why,
                    "the event source is not heard"
                );
            }
            state.silent_since = state.silent_since.or(Some(now));
            state.why = Some(why);
        }
        self.sources.metrics.source_up(&self.source.name, false);
        self.sources.metrics.source_failed(&self.source.name);
    }

    /// What it brought could not be stored: it will bring it again.
    pub fn not_stored(&self, why: &str) {
        tracing::warn!(
            source = self.source.name,
            why,
            "an event was not stored and will be brought again"
        );
        self.sources.metrics.source_failed(&self.source.name);
    }

    /// One text of it was stored.
    pub fn arrived(&self, arrival: &Arrival) {
        if !arrival.rejected.is_empty() {
            tracing::warn!(
                source = self.source.name,
                reasons = arrival.rejected.join(", "),
                "what arrived could not be understood"
            );
        }
        self.sources.metrics.arrived(&self.source.name, arrival);
    }

    /// So many pieces came that were no event at all.
    pub fn rejected(&self, reason: &'static str, count: u64) {
        self.sources
            .metrics
            .rejected(&self.source.name, reason, count);
    }

    /// It was not heard for a while, and will not repeat what it told then.
    pub fn gap(&self) {
        self.sources.metrics.gap(&self.source.name);
    }
}
