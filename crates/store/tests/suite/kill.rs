//! A process that writes is killed at any moment: what it was told is committed is there, and nothing
//! is there by half.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use compliance::item::BUCKET;
use compliance::rules::ComplianceType::NonCompliant;
use guard::repository::{EventFilter, Repository};
use guard::state::{BusEvent, Commit};
use serde_json::json;
use store::Store;

use super::place::Place;
use super::samples::{ACCOUNT, at, commit, evaluation, event, key, look};

/// Names the store in a process that this test started, and that writes until it is killed.
const ADDRESS: &str = "PORTCULLIS_TEST_KILLED_STORE";
const KILLS: usize = 12;

/// `name` is this very test's, which runs in the processes that are killed too.
pub(crate) async fn what_was_acknowledged_survives(name: &str, place: impl AsyncFnOnce() -> Place) {
    if let Ok(address) = std::env::var(ADDRESS) {
        write_for_ever(&Store::open(&address).await.unwrap()).await;
    }
    let place = place().await;
    let store = place.open().await;
    let mut before = 0;
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--include-ignored", "--nocapture"])
            .env(ADDRESS, place.address())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        // Not always at the same point.
        let mut acknowledged: Vec<i64> = Vec::new();
        while acknowledged.len() < kill % 5 + 1 {
            let line = lines.next().expect("the process writes").unwrap();
            acknowledged.extend(line.parse::<i64>());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(lines.filter_map(|line| line.unwrap().parse::<i64>().ok()));
        let told = acknowledged.last().copied().unwrap();

        // What the process had begun is ended by the database, in its own time at the latest when
        // somebody else wants the same row.
        let refused = store
            .commit(&commit("a", "", Some(-1), 0), None, at(0))
            .await;
        assert!(refused.is_err());
        let known = store.resource(ACCOUNT, BUCKET, "a").await.unwrap().unwrap();
        assert!(known.version >= told, "{} < {told}", known.version);
        assert!(known.version > before);
        before = known.version;
        let count = usize::try_from(known.version).unwrap();
        let items = store.history(ACCOUNT, BUCKET, "a", 10_000).await.unwrap();
        let bus = store.bus_events(10_000).await.unwrap();
        let filter = EventFilter {
            limit: 10_000,
            ..EventFilter::default()
        };
        let seen = store.events(&filter).await.unwrap();
        let seen = seen.iter().filter(|event| event.verdict_at.is_some());
        assert_eq!(
            (items.len(), bus.len(), seen.count()),
            (count, count, count),
            "whole or not at all"
        );
    }
    store.close().await;
    if let Place::Sqlite { .. } = place {
        use sqlx::{ConnectOptions, Row};
        let mut file = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(place.address())
            .connect()
            .await
            .unwrap();
        let check = sqlx::query("PRAGMA integrity_check")
            .fetch_one(&mut file)
            .await
            .unwrap();
        assert_eq!(check.get::<String, _>(0), "ok");
    }
    place.remove().await;
}

/// An event, then what its look made; the version is said once it is committed.
async fn write_for_ever(store: &Store) -> ! {
    loop {
        let known = store.resource(ACCOUNT, BUCKET, "a").await.unwrap();
        let version = known.map(|known| known.version);
        let next = version.unwrap_or(0) + 1;
        let id = format!("e-{next}");
        store
            .accept(&[(event(&id, "a", next), vec![look("a", next)])])
            .await
            .unwrap();
        let full = Commit {
            evaluations: vec![evaluation(NonCompliant, next)],
            events_seen: vec![id],
            bus_events: vec![BusEvent {
                id: format!("bus-{next}"),
                key: key("a"),
                at: at(next),
                event: json!({}),
                routes: None,
            }],
            jobs: vec![look("a", next)],
            ..commit("a", &next.to_string(), version, next)
        };
        store.commit(&full, None, at(next)).await.unwrap();
        eprintln!("{next}");
    }
}
