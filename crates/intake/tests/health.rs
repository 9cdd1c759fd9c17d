//! Health, and the metrics that docs/metrics.md names.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use guard::clock::ManualClock;
use guard::history::{Delivered, DeliveryStatus};
use guard::intake::{Arrival, EventSource, Form};
use guard::repository::{RepositoryError, Totals};
use guard::state::{Coverage, EnforcementStop};
use intake::accounts::Accounts;
use intake::health::{ReadySettings, StatusStore, StoreHealth};
use intake::metrics::Metrics;
use intake::routes::private_routes;
use intake::sources::{SourceWatch, Sources};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use support::http::{Served, serve};
use support::now;

const ACCOUNT: &str = "111122223333";

#[derive(Default)]
struct Store {
    coverage: Mutex<Vec<Coverage>>,
    stopped: Mutex<bool>,
    away: Mutex<bool>,
}

impl Store {
    fn call(&self) -> Result<(), RepositoryError> {
        if *self.away.lock().unwrap() {
            let detail = "no answer".to_owned();
            return Err(RepositoryError::Unavailable { detail });
        }
        Ok(())
    }
}

impl StatusStore for Store {
    async fn totals(&self) -> Result<Totals, RepositoryError> {
        self.call()?;
        Ok(Totals {
            findings: vec![("open".to_owned(), 2)],
            exposures_open: 3,
            jobs_waiting: vec![("look".to_owned(), 4)],
            jobs_dead: vec![("deliver".to_owned(), 5)],
            oldest_due: now().checked_sub(SignedDuration::from_secs(6)).ok(),
            ..Totals::default()
        })
    }

    async fn coverage(&self) -> Result<Vec<Coverage>, RepositoryError> {
        self.call()?;
        Ok(self.coverage.lock().unwrap().clone())
    }

    async fn delivery_status(&self, what: Delivered) -> Result<DeliveryStatus, RepositoryError> {
        self.call()?;
        Ok(DeliveryStatus {
            failing_since: (what == Delivered::History).then(now),
            ..DeliveryStatus::default()
        })
    }

    async fn probe(&self, _: Timestamp) -> Result<(), RepositoryError> {
        self.call()
    }

    async fn enforcement_stop(&self) -> Result<Option<EnforcementStop>, RepositoryError> {
        self.call()?;
        let stop = || EnforcementStop {
            by: "operator".to_owned(),
            at: now(),
            reason: "maintenance".to_owned(),
        };
        Ok(self.stopped.lock().unwrap().then(stop))
    }
}

struct Guarded {
    store: Arc<Store>,
    clock: Arc<ManualClock>,
    metrics: Metrics,
    source: SourceWatch,
    accounts: Accounts,
    served: Served,
}

async fn guarded() -> Guarded {
    let store = Arc::new(Store::default());
    let clock = Arc::new(ManualClock::at(now()));
    let metrics = Metrics::new("1.2.3");
    let sources = Sources::new(metrics.clone());
    let source = EventSource {
        name: "trail".to_owned(),
        form: Form::Message,
        account: None,
    };
    let source = sources.add(source, now());
    let accounts = Accounts::new(metrics.clone());
    let settings = ReadySettings {
        accounts: BTreeMap::from([(ACCOUNT.to_owned(), SignedDuration::from_hours(1))]),
        source_silence: SignedDuration::from_mins(2),
        store_within: Duration::from_secs(20),
    };
    let health = StoreHealth::new(
        Arc::clone(&store),
        Arc::clone(&clock),
        sources,
        accounts.clone(),
        settings,
    );
    let served = serve(private_routes(Arc::new(health), &metrics)).await;
    Guarded {
        store,
        clock,
        metrics,
        source,
        accounts,
        served,
    }
}

impl Guarded {
    fn swept(&self, at: Timestamp) {
        let mut coverage = Coverage::of(ACCOUNT, "eu-central-1");
        coverage.last_sweep_at = Some(at);
        coverage.last_event_at = now().checked_sub(SignedDuration::from_secs(9)).ok();
        coverage.untold_changes = 7;
        *self.store.coverage.lock().unwrap() = vec![coverage];
    }

    async fn ready(&self) -> (u16, Value) {
        let answer = self.served.request("GET", "/readyz", &[], "").await;
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(body["ready"], json!(answer.status == 200));
        (answer.status, body["reasons"].clone())
    }
}

#[tokio::test]
async fn it_is_ready_when_it_watches_and_says_why_when_not() {
    let guarded = guarded().await;
    // Just begun: nobody has failed yet.
    assert_eq!(guarded.ready().await, (200, json!([])));
    guarded.clock.advance(SignedDuration::from_mins(3));
    let (status, reasons) = guarded.ready().await;
    assert_eq!((status, &reasons[0]["what"]), (503, &json!("source trail")));
    guarded.source.heard(now());
    assert_eq!(guarded.ready().await.0, 200);
    guarded
        .source
        .silent(now(), "connection refused".to_owned());
    let (status, reasons) = guarded.ready().await;
    assert_eq!(status, 503);
    let why = reasons[0]["why"].as_str().unwrap();
    assert!(
        why.contains("connection refused") && why.contains("2026-01-01"),
        "{why}"
    );
    guarded.source.heard(now());

    guarded
        .accounts
        .lost(ACCOUNT, "nobody answers".to_owned(), now());
    let later = now().checked_add(SignedDuration::from_secs(9)).unwrap();
    guarded
        .accounts
        .lost(ACCOUNT, "still nobody".to_owned(), later);
    let (status, reasons) = guarded.ready().await;
    assert_eq!(status, 503);
    assert_eq!(reasons[0]["what"], "account 111122223333");
    let why = format!("not reached since {}: still nobody", now());
    assert_eq!(reasons[0]["why"], json!(why));
    let text = guarded.metrics.text();
    let up = r#"portcullis_account_up{account="111122223333"}"#;
    assert!(text.contains(&format!("{up} 0")), "{text}");
    assert_eq!(guarded.accounts.reached(ACCOUNT), Some(now()));
    assert!(guarded.metrics.text().contains(&format!("{up} 1")));
    assert_eq!(guarded.ready().await.0, 200);

    guarded.clock.advance(SignedDuration::from_mins(58));
    let (status, reasons) = guarded.ready().await;
    assert_eq!(status, 503);
    assert_eq!(
        reasons,
        json!([{"what": "sweep of 111122223333", "why": "there was none yet"}])
    );
    guarded.swept(now());
    assert_eq!(guarded.ready().await.0, 503, "it ended too long ago");
    guarded.swept(now().checked_add(SignedDuration::from_mins(30)).unwrap());
    assert_eq!(guarded.ready().await.0, 200);

    *guarded.store.away.lock().unwrap() = true;
    let (status, reasons) = guarded.ready().await;
    assert_eq!((status, &reasons[0]["what"]), (503, &json!("store")));
    // The process is up all the same.
    let alive = guarded.served.request("GET", "/healthz", &[], "").await;
    assert_eq!((alive.status, &*alive.body), (200, "ok\n"));
    guarded.served.end().await;
}

/// Each series without its value.
fn values(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        })
        .collect()
}

/// Something of everything.
fn use_all(guarded: &Guarded) {
    let metrics = &guarded.metrics;
    guarded.source.heard(now());
    guarded.source.arrived(&Arrival {
        new: 1,
        duplicate: 2,
        idle: 3,
        rejected: vec!["not-json"],
        ages: vec![SignedDuration::from_secs(4)],
    });
    guarded.source.not_stored("no answer");
    guarded.source.gap();
    metrics.account_up("111122223333", true);
    metrics.looked("changed");
    metrics.judged("open");
    metrics.verdict_after(SignedDuration::from_millis(7));
    metrics.closed_after(SignedDuration::from_millis(40));
    metrics.remediated("succeeded");
    metrics.delivered("email", "accepted");
    metrics.asked("answered");
    metrics.asked("failed");
    metrics.asked("failed");
    metrics.spoke_of_unknown(7);
    metrics.filed("snapshot", "failed");
    metrics.called(ACCOUNT, 12, 1);
}

#[tokio::test]
async fn metrics_have_what_was_counted_and_what_the_store_has() {
    let guarded = guarded().await;
    guarded.swept(now());
    *guarded.store.stopped.lock().unwrap() = true;
    use_all(&guarded);
    let answer = guarded.served.request("GET", "/metrics", &[], "").await;
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    assert!(answer.body.ends_with("# EOF\n"), "{}", answer.body);
    let values = values(&answer.body);
    for (series, value) in [
        (r#"build{version="1.2.3"}"#, 1.0),
        (r#"events_total{source="trail",outcome="new"}"#, 1.0),
        (r#"events_total{source="trail",outcome="duplicate"}"#, 2.0),
        (r#"events_total{source="trail",outcome="idle"}"#, 3.0),
        (
            r#"events_rejected_total{source="trail",reason="not-json"}"#,
            1.0,
        ),
        (r#"event_arrival_seconds_sum{source="trail"}"#, 4.0),
        (r#"source_failures_total{source="trail"}"#, 1.0),
        (r#"source_gaps_total{source="trail"}"#, 1.0),
        (r#"source_up{source="trail"}"#, 1.0),
        (r#"account_up{account="111122223333"}"#, 1.0),
        (r#"looks_total{result="changed"}"#, 1.0),
        (r#"verdicts_total{verdict="open"}"#, 1.0),
        ("event_verdict_seconds_sum", 0.007),
        (r#"event_verdict_seconds_bucket{le="0.005"}"#, 0.0),
        (r#"event_verdict_seconds_bucket{le="0.01"}"#, 1.0),
        ("event_closed_seconds_sum", 0.04),
        (r#"remediations_total{result="succeeded"}"#, 1.0),
        (
            r#"deliveries_total{protocol="email",result="accepted"}"#,
            1.0,
        ),
        (r#"functions_asked_total{result="answered"}"#, 1.0),
        (r#"functions_asked_total{result="failed"}"#, 2.0),
        (r#"functions_unknown_resources_total"#, 7.0),
        (
            r#"delivery_channel_total{what="snapshot",result="failed"}"#,
            1.0,
        ),
        (r#"delivery_channel_failing{what="history"}"#, 1.0),
        (r#"delivery_channel_failing{what="snapshot"}"#, 0.0),
        (r#"calls_total{account="111122223333"}"#, 12.0),
        (r#"throttles_total{account="111122223333"}"#, 1.0),
        (r#"dead_letters{kind="deliver"}"#, 5.0),
        (r#"dead_letters{kind="look"}"#, 0.0),
        (r#"jobs_waiting{kind="look"}"#, 4.0),
        ("jobs_overdue_seconds", 6.0),
        ("exposures_open", 3.0),
        (r#"findings{state="open"}"#, 2.0),
        (
            r#"last_event_age_seconds{account="111122223333",region="eu-central-1"}"#,
            9.0,
        ),
        (
            r#"last_sweep_age_seconds{account="111122223333",region="eu-central-1"}"#,
            0.0,
        ),
        (
            r#"untold_changes{account="111122223333",region="eu-central-1"}"#,
            7.0,
        ),
        ("enforcement_stopped", 1.0),
        ("store_up", 1.0),
    ] {
        let found = values.get(&format!("portcullis_{series}"));
        assert_eq!(found, Some(&value), "{series}\n{}", answer.body);
    }
    *guarded.store.away.lock().unwrap() = true;
    let answer = guarded.served.request("GET", "/metrics", &[], "").await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.body.contains("portcullis_store_up 0\n"),
        "{}",
        answer.body
    );
    assert!(answer.body.contains("portcullis_exposures_open 3\n"));
    guarded.served.end().await;
}

#[tokio::test]
async fn the_documented_names_are_the_exported_ones() {
    let guarded = guarded().await;
    use_all(&guarded);
    guarded.swept(now());
    // One answer before the one that is looked at, so that answers are counted.
    guarded.served.request("GET", "/metrics", &[], "").await;
    let answer = guarded.served.request("GET", "/metrics", &[], "").await;
    let exported: BTreeMap<String, String> = answer
        .body
        .lines()
        .filter_map(|line| {
            let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
            // Counters are asked for with their suffix.
            let suffix = if kind == "counter" { "_total" } else { "" };
            Some((format!("{name}{suffix}"), kind.to_owned()))
        })
        .collect();
    let document = include_str!("../../../docs/metrics.md");
    // | `name` | kind | labels | meaning |
    let documented: BTreeMap<String, String> = document
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let name = cells.get(1)?.strip_prefix('`')?.strip_suffix('`')?;
            Some((name.to_owned(), cells[2].to_owned()))
        })
        .collect();
    assert_eq!(documented, exported);
    // And their labels.
    for line in document.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let name = cells[1].trim_matches('`');
        let labels: Vec<&str> = cells[3]
            .split(", ")
            .filter(|label| !label.is_empty())
            .collect();
        let series = answer.body.lines().find(|line| {
            let line = line.split([' ', '{']).next().unwrap();
            line == name || line == format!("{name}_sum")
        });
        let Some(series) = series else {
            // Nothing of this kind has been yet.
            continue;
        };
        let shown = series.split_once('{').map_or("", |(_, rest)| rest);
        let shown: Vec<&str> = shown
            .split("\",")
            .filter_map(|pair| Some(pair.split_once('=')?.0))
            .collect();
        let labels: Vec<&str> = labels.iter().map(|label| label.trim_matches('`')).collect();
        assert_eq!(shown, labels, "{name}");
    }
    guarded.served.end().await;
}
