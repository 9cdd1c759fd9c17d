//! What the guard counts and measures, in Prometheus's text format.
//!
//! `docs/metrics.md` says what each name means, and a test holds the two together. Labels are names from
//! the configuration or words of our own; nothing that an event brings along becomes one, so nobody can
//! make more series by sending events.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use guard::history::{Delivered, DeliveryStatus};
use guard::intake::Arrival;
use jiff::{SignedDuration, Timestamp};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The media type of [`Metrics::text`] (OpenMetrics 1.0, which Prometheus reads since 2.5).
pub const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Number = Gauge<f64, AtomicU64>;

/// Bounds in seconds: from what a look takes on loopback to what CloudTrail takes on a bad day.
const SECONDS: [f64; 15] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0,
];

macro_rules! labels {
    ($($name:ident { $($label:ident),+ })+) => {
        $(
            #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
            struct $name { $($label: String),+ }
        )+
    };
}

labels! {
    SourceLabel { source }
    SourceOutcome { source, outcome }
    SourceReason { source, reason }
    ResultLabel { result }
    VerdictLabel { verdict }
    ProtocolResult { protocol, result }
    WhatResult { what, result }
    WhatLabel { what }
    KindLabel { kind }
    StateLabel { state }
    AccountLabel { account }
    AccountRegion { account, region }
    RouteStatus { route, status }
    VersionLabel { version }
}

/// A handle on all of them; its clones are the same.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    events: Family<SourceOutcome, Counter>,
    rejected: Family<SourceReason, Counter>,
    source_failures: Family<SourceLabel, Counter>,
    gaps: Family<SourceLabel, Counter>,
    source_up: Family<SourceLabel, Gauge>,
    arrival: Family<SourceLabel, Histogram>,
    looks: Family<ResultLabel, Counter>,
    verdicts: Family<VerdictLabel, Counter>,
    verdict: Histogram,
    closed: Histogram,
    remediations: Family<ResultLabel, Counter>,
    deliveries: Family<ProtocolResult, Counter>,
    functions_asked: Family<ResultLabel, Counter>,
    functions_unknown: Counter,
    filed: Family<WhatResult, Counter>,
    filing_fails: Family<WhatLabel, Gauge>,
    account_up: Family<AccountLabel, Gauge>,
    calls: Family<AccountLabel, Counter>,
    throttles: Family<AccountLabel, Counter>,
    requests: Family<RouteStatus, Counter>,
    dead_letters: Family<KindLabel, Gauge>,
    jobs_waiting: Family<KindLabel, Gauge>,
    oldest_due: Number,
    exposures_open: Gauge,
    findings: Family<StateLabel, Gauge>,
    event_age: Family<AccountRegion, Number>,
    sweep_age: Family<AccountRegion, Number>,
    untold: Family<AccountRegion, Gauge>,
    enforcement_stopped: Gauge,
    store_up: Gauge,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

fn histogram() -> Histogram {
    Histogram::new(SECONDS)
}

fn seconds(duration: SignedDuration) -> f64 {
    duration.as_secs_f64().max(0.0)
}

/// What fits a gauge; nothing that is counted here comes near its end.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Metrics {
    /// Metrics that are all zero. `version` is the program's.
    pub fn new(version: &str) -> Metrics {
        let mut registry = Registry::with_prefix("portcullis");
        let build: Family<VersionLabel, Gauge> = Family::default();
        let labels = VersionLabel {
            version: version.to_owned(),
        };
        build.get_or_create(&labels).set(1);
        registry.register(
            "build",
            "Always 1; its label is the program's version",
            build,
        );
        let mut inner = Inner {
            events: Family::default(),
            rejected: Family::default(),
            source_failures: Family::default(),
            gaps: Family::default(),
            source_up: Family::default(),
            arrival: Family::new_with_constructor(histogram),
            looks: Family::default(),
            verdicts: Family::default(),
            verdict: histogram(),
            closed: histogram(),
            remediations: Family::default(),
            deliveries: Family::default(),
            functions_asked: Family::default(),
            functions_unknown: Counter::default(),
            filed: Family::default(),
            filing_fails: Family::default(),
            account_up: Family::default(),
            calls: Family::default(),
            throttles: Family::default(),
            requests: Family::default(),
            dead_letters: Family::default(),
            jobs_waiting: Family::default(),
            oldest_due: Number::default(),
            exposures_open: Gauge::default(),
            findings: Family::default(),
            event_age: Family::default(),
            sweep_age: Family::default(),
            untold: Family::default(),
            enforcement_stopped: Gauge::default(),
            store_up: Gauge::default(),
            registry: Registry::default(),
        };
        macro_rules! register {
            ($($member:ident $name:literal $help:literal)+) => {
                $(registry.register($name, $help, inner.$member.clone());)+
            };
        }
        register! {
            events "events" "Events that arrived, by source and what became of them"
            rejected "events_rejected" "What arrived and could not be understood, by source and reason"
            source_failures "source_failures" "Failures to reach a source, or to store what it brought"
            gaps "source_gaps" "Times in which a source was not heard and will not repeat what it told"
            source_up "source_up" "Whether a source is heard"
            arrival "event_arrival_seconds" "From the time that an event tells to its arrival"
            looks "looks" "Looks at one resource, by how they ended"
            verdicts "verdicts" "Verdicts about buckets"
            verdict "event_verdict_seconds" "From an event's arrival to the verdict that saw its effect"
            closed "event_closed_seconds" "From an event's arrival to closed and verified"
            remediations "remediations" "Remediations, by how they ended"
            deliveries "deliveries" "Attempts to deliver a message, by protocol and how they ended"
            functions_asked "functions_asked" "Questions to the functions of custom rules, by how they ended"
            functions_unknown "functions_unknown_resources" "Resources that functions spoke of and that are not recorded"
            filed "delivery_channel" "Deliveries of history and snapshots to a bucket, by how they ended"
            filing_fails "delivery_channel_failing" "Whether deliveries of history or snapshots fail"
            account_up "account_up" "Whether an account is reached"
            calls "calls" "Calls to the store's API, by account"
            throttles "throttles" "Calls that were answered with a demand to slow down, by account"
            requests "http_requests" "Requests to the HTTP server, by route and status"
            dead_letters "dead_letters" "Work that could not be done and waits for a person, by kind"
            jobs_waiting "jobs_waiting" "Work that waits or is done now, by kind"
            oldest_due "jobs_overdue_seconds" "How long the oldest due work has been due"
            exposures_open "exposures_open" "Exposures that have not ended"
            findings "findings" "Findings, by state"
            event_age "last_event_age_seconds" "Since the last event of an account's region"
            sweep_age "last_sweep_age_seconds" "Since the end of the last sweep of an account's region"
            untold "untold_changes" "Changes that sweeps found and no event had told"
            enforcement_stopped "enforcement_stopped" "Whether enforcement is stopped, everywhere or in an account"
            store_up "store_up" "Whether the store answered when these metrics were read"
        }
        inner.registry = registry;
        Metrics(Arc::new(inner))
    }

    /// All of them as text of type [`METRICS_TYPE`].
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail; if a metric could not be encoded, the end mark is missing,
        // and the reader sees that.
        if encode(&mut text, &self.0.registry).is_err() {
            tracing::error!("the metrics could not be encoded");
        }
        text
    }

    /// What became of one text of a source.
    pub fn arrived(&self, source: &str, arrival: &Arrival) {
        for (outcome, count) in [
            ("new", arrival.new),
            ("duplicate", arrival.duplicate),
            ("idle", arrival.idle),
        ] {
            if count > 0 {
                let labels = SourceOutcome {
                    source: source.to_owned(),
                    outcome: outcome.to_owned(),
                };
                self.0.events.get_or_create(&labels).inc_by(count as u64);
            }
        }
        for reason in &arrival.rejected {
            self.rejected(source, reason, 1);
        }
        for age in &arrival.ages {
            let labels = SourceLabel {
                source: source.to_owned(),
            };
            let histogram = self.0.arrival.get_or_create(&labels);
            histogram.observe(seconds(*age));
        }
    }

    /// So much came from a source and was no event at all.
    pub fn rejected(&self, source: &str, reason: &'static str, count: u64) {
        let labels = SourceReason {
            source: source.to_owned(),
            reason: reason.to_owned(),
        };
        self.0.rejected.get_or_create(&labels).inc_by(count);
    }

    /// A source could not be reached, or what it brought could not be stored.
    pub fn source_failed(&self, source: &str) {
        let labels = SourceLabel {
            source: source.to_owned(),
        };
        self.0.source_failures.get_or_create(&labels).inc();
    }

    /// A source was not heard for a while, and will not repeat what it told then.
    pub fn gap(&self, source: &str) {
        let labels = SourceLabel {
            source: source.to_owned(),
        };
        self.0.gaps.get_or_create(&labels).inc();
    }

    /// Whether a source is heard.
    pub fn source_up(&self, source: &str, up: bool) {
        let labels = SourceLabel {
            source: source.to_owned(),
        };
        self.0.source_up.get_or_create(&labels).set(up.into());
    }

    /// A look ended: `changed`, `unchanged`, `gone`, `failed` …
    pub fn looked(&self, result: &'static str) {
        let labels = ResultLabel {
            result: result.to_owned(),
        };
        self.0.looks.get_or_create(&labels).inc();
    }

    /// A verdict was reached: `open`, `closed`, `undecided`.
    pub fn judged(&self, verdict: &'static str) {
        let labels = VerdictLabel {
            verdict: verdict.to_owned(),
        };
        self.0.verdicts.get_or_create(&labels).inc();
    }

    /// A verdict saw the effect of an event so long after its arrival.
    pub fn verdict_after(&self, arrival: SignedDuration) {
        self.0.verdict.observe(seconds(arrival));
    }

    /// What an event opened was closed and verified so long after its arrival.
    pub fn closed_after(&self, arrival: SignedDuration) {
        self.0.closed.observe(seconds(arrival));
    }

    /// A remediation ended: `succeeded`, `failed`, `refused` …
    pub fn remediated(&self, result: &'static str) {
        let labels = ResultLabel {
            result: result.to_owned(),
        };
        self.0.remediations.get_or_create(&labels).inc();
    }

    /// An attempt to deliver ended: `accepted`, `passing`, `refused` …
    pub fn delivered(&self, protocol: &'static str, result: &'static str) {
        let labels = ProtocolResult {
            protocol: protocol.to_owned(),
            result: result.to_owned(),
        };
        self.0.deliveries.get_or_create(&labels).inc();
    }

    /// The function of a custom rule was asked: `answered`, `failed`.
    pub fn asked(&self, result: &'static str) {
        let labels = ResultLabel {
            result: result.to_owned(),
        };
        self.0.functions_asked.get_or_create(&labels).inc();
    }

    /// A function spoke of so many resources that are not recorded.
    pub fn spoke_of_unknown(&self, resources: u64) {
        self.0.functions_unknown.inc_by(resources);
    }

    /// A delivery to the delivery channel ended: `delivered`, `failed`.
    pub fn filed(&self, what: &'static str, result: &'static str) {
        let labels = WhatResult {
            what: what.to_owned(),
            result: result.to_owned(),
        };
        self.0.filed.get_or_create(&labels).inc();
    }

    /// How the delivery channel does now.
    pub fn delivery_channel(&self, what: Delivered, status: &DeliveryStatus) {
        let labels = WhatLabel {
            what: what.as_str().to_owned(),
        };
        let failing = self.0.filing_fails.get_or_create(&labels);
        failing.set(status.failing_since.is_some().into());
    }

    /// Whether an account is reached.
    pub fn account_up(&self, account: &str, up: bool) {
        let labels = AccountLabel {
            account: account.to_owned(),
        };
        self.0.account_up.get_or_create(&labels).set(up.into());
    }

    /// So many calls were made for an account, of which so many were throttled.
    pub fn called(&self, account: &str, calls: u64, throttled: u64) {
        let labels = AccountLabel {
            account: account.to_owned(),
        };
        self.0.calls.get_or_create(&labels).inc_by(calls);
        self.0.throttles.get_or_create(&labels).inc_by(throttled);
    }

    /// A request was answered. `route` is one of the server's routes, never the path that was asked.
    pub fn answered(&self, route: &'static str, status: u16) {
        let labels = RouteStatus {
            route: route.to_owned(),
            status: status.to_string(),
        };
        self.0.requests.get_or_create(&labels).inc();
    }

    /// Whether enforcement is stopped everywhere.
    pub fn enforcement_stopped(&self, stopped: bool) {
        self.0.enforcement_stopped.set(stopped.into());
    }

    /// Whether the store answers; if not, what is read from it is as it was before.
    pub(crate) fn store_up(&self, up: bool) {
        self.0.store_up.set(up.into());
    }

    /// What the store has now. Kinds and states that are not named any more count zero.
    pub fn totals(&self, totals: &guard::repository::Totals, now: Timestamp) {
        let inner = &self.0;
        for (kind, name) in guard::state::JobKind::ALL {
            let labels = KindLabel {
                kind: name.to_owned(),
            };
            let count = |list: &[(String, u64)]| {
                let found = list.iter().find(|(named, _)| *named == kind.as_str());
                whole(found.map_or(0, |(_, count)| *count))
            };
            let waiting = inner.jobs_waiting.get_or_create(&labels);
            waiting.set(count(&totals.jobs_waiting));
            let dead = inner.dead_letters.get_or_create(&labels);
            dead.set(count(&totals.jobs_dead));
        }
        inner.findings.clear();
        for (state, count) in &totals.findings {
            let labels = StateLabel {
                state: state.clone(),
            };
            inner.findings.get_or_create(&labels).set(whole(*count));
        }
        inner.exposures_open.set(whole(totals.exposures_open));
        let overdue = totals.oldest_due.map(|due| now.duration_since(due));
        inner.oldest_due.set(overdue.map_or(0.0, seconds));
    }

    /// How well each account's regions are covered now.
    pub fn coverage(&self, coverage: &[guard::state::Coverage], now: Timestamp) {
        let inner = &self.0;
        inner.event_age.clear();
        inner.sweep_age.clear();
        inner.untold.clear();
        for one in coverage {
            let labels = AccountRegion {
                account: one.account.clone(),
                region: one.region.clone(),
            };
            if let Some(at) = one.last_event_at {
                let age = inner.event_age.get_or_create(&labels);
                age.set(seconds(now.duration_since(at)));
            }
            if let Some(at) = one.last_sweep_at {
                let age = inner.sweep_age.get_or_create(&labels);
                age.set(seconds(now.duration_since(at)));
            }
            let untold = inner.untold.get_or_create(&labels);
            untold.set(whole(one.untold_changes));
        }
    }
}

impl guard::meter::Meter for Metrics {
    fn looked(&self, result: &'static str) {
        Metrics::looked(self, result);
    }

    fn judged(&self, verdict: &'static str) {
        Metrics::judged(self, verdict);
    }

    fn verdict_after(&self, arrival: SignedDuration) {
        Metrics::verdict_after(self, arrival);
    }

    fn closed_after(&self, arrival: SignedDuration) {
        Metrics::closed_after(self, arrival);
    }

    fn remediated(&self, result: &'static str) {
        Metrics::remediated(self, result);
    }

    fn delivered(&self, protocol: &'static str, result: &'static str) {
        Metrics::delivered(self, protocol, result);
    }

    fn asked(&self, result: &'static str) {
        Metrics::asked(self, result);
    }

    fn spoke_of_unknown(&self, resources: u64) {
        Metrics::spoke_of_unknown(self, resources);
    }

    fn filed(&self, what: &'static str, result: &'static str) {
        Metrics::filed(self, what, result);
    }
}
