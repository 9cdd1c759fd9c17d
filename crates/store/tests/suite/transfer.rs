use std::time::Duration;

use compliance::item::BUCKET;
use compliance::rules::ComplianceType::{Compliant, NonCompliant};
use guard::journal::{Event, Place as Bucket, Record};
use guard::repository::Repository;
use guard::state::{
    BusEvent, Commit, Coverage, EnforcementStop, Finish, JobKind, NoticeRecord, SubscriptionState,
};
use serde_json::json;
use store::{Store, TransferError};

use super::place::Place;
use super::samples::{ACCOUNT, at, commit, evaluation, event, exposure, finding, key, look};

/// Something in every table.
async fn fill(store: &Store) {
    let hostile = "line\nbreak, quote \", nul \u{0}, \u{202e}\u{1f512}";
    for (n, name) in ["a", "b", hostile].into_iter().enumerate() {
        let id = format!("e-{n}");
        store
            .accept(&[(event(&id, name, 0), vec![look(name, 0)])])
            .await
            .unwrap();
        let finding = finding(name, "acl", 1);
        let first = Commit {
            evaluations: vec![evaluation(NonCompliant, 1)],
            exposures: vec![exposure(&finding, 1)],
            findings: vec![finding],
            events_seen: vec![id],
            bus_events: vec![BusEvent {
                id: format!("bus-{n}"),
                key: key(name),
                at: at(1),
                event: json!({"detail": hostile}),
                routes: Some(Vec::new()),
            }],
            notices: vec![NoticeRecord {
                id: format!("notice-{n}"),
                finding_id: None,
                created_at: at(1),
                document: json!({"subject": hostile}),
            }],
            ..commit(name, "first", None, 1)
        };
        store.commit(&first, None, at(1)).await.unwrap();
        let second = Commit {
            evaluations: vec![evaluation(Compliant, 2)],
            ..commit(name, "second", Some(1), 2)
        };
        store.commit(&second, None, at(2)).await.unwrap();
    }
    // One job is held, one is dead, one waits.
    let jobs = store
        .claim(
            &[JobKind::Look],
            "worker",
            Duration::from_secs(60),
            at(2),
            2,
        )
        .await
        .unwrap();
    let dead = Finish::Dead {
        error: hostile.to_owned(),
    };
    store.finish(&jobs[0], dead, at(3)).await.unwrap();
    let record = Record {
        id: "r-1".to_owned(),
        at: at(3),
        event: Event::Intent {
            place: Bucket {
                endpoint: None,
                account: Some(ACCOUNT.to_owned()),
                region: None,
                bucket: "a".to_owned(),
            },
            changes: vec![],
        },
    };
    store.append_journal(&record).await.unwrap();
    store
        .cover(&Coverage::of(ACCOUNT, "eu-central-1"))
        .await
        .unwrap();
    let subscription = SubscriptionState {
        id: "mail".to_owned(),
        endpoint_digest: "abc".to_owned(),
        asked_at: Some(at(0)),
        confirmed_at: None,
        unsubscribed_at: None,
        disabled: None,
    };
    store.put_subscription(&subscription).await.unwrap();
    let stop = EnforcementStop {
        by: "eve".to_owned(),
        at: at(0),
        reason: "freeze".to_owned(),
    };
    store.set_enforcement_stop(Some(&stop)).await.unwrap();
    store.remember("delivered", &json!(hostile)).await.unwrap();
}

async fn export(store: &Store) -> String {
    let mut lines = Vec::new();
    let rows = store.export(&mut lines).await.unwrap();
    let lines = String::from_utf8(lines).unwrap();
    assert_eq!(u64::try_from(lines.lines().count()).unwrap(), rows + 2);
    lines
}

async fn import(store: &Store, lines: &str) -> Result<u64, TransferError> {
    store.import(&mut lines.as_bytes()).await
}

pub(crate) async fn an_export_goes_round(place: &Place) {
    let store = place.open().await;
    fill(&store).await;
    let lines = export(&store).await;
    for table in [
        "resources",
        "items",
        "evaluations",
        "findings",
        "exposures",
        "events",
        "bus_events",
        "notices",
        "jobs",
        "journal",
        "coverage",
        "subscriptions",
        "enforcement_stop",
        "remembered",
        "tallies",
    ] {
        let member = json!({"table": table}).to_string();
        let start = member.trim_end_matches('}');
        assert!(
            lines.lines().any(|line| line.starts_with(start)),
            "nothing of {table}"
        );
    }
    let mut others = vec![Place::sqlite()];
    if let Place::Postgres { .. } = place {
        others.push(Place::postgres().await);
    }
    for other in others {
        let copy = other.open().await;
        let rows = import(&copy, &lines).await.unwrap();
        assert_eq!(rows + 2, u64::try_from(lines.lines().count()).unwrap());
        assert_eq!(export(&copy).await, lines, "the same lines, wherever");
        assert_eq!(copy.totals().await.unwrap(), store.totals().await.unwrap());
        // Life goes on: new rows have new numbers.
        copy.request(&[look("new", 5)], at(5)).await.unwrap();
        let next = commit("a", "third", Some(2), 6);
        copy.commit(&next, None, at(6)).await.unwrap();
        assert_eq!(
            copy.history(ACCOUNT, BUCKET, "a", 9).await.unwrap().len(),
            3
        );
        let refused = import(&copy, &lines).await;
        assert!(
            matches!(refused, Err(TransferError::NotEmpty { table: "resources" })),
            "{refused:?}"
        );
        copy.close().await;
        other.remove().await;
    }
}

pub(crate) async fn an_import_is_whole_or_not_at_all(place: &Place) {
    let source = Place::sqlite();
    let store = source.open().await;
    fill(&store).await;
    let lines = export(&store).await;
    store.close().await;
    source.remove().await;

    let empty = place.open().await;
    let all: Vec<&str> = lines.lines().collect();
    let last = all.len();
    let with = |at: usize, line: &str| {
        let mut changed = all.clone();
        changed[at - 1] = line;
        changed.join("\n")
    };
    let twice = |at: usize| {
        let mut changed = all.clone();
        changed.insert(at, changed[at - 1]);
        changed.join("\n")
    };
    let broken: Vec<(String, usize, &str)> = vec![
        (String::new(), 1, "no export"),
        (with(1, "{}"), 1, "no export"),
        (
            with(1, r#"{"portcullis_store": 2, "schema": 1}"#),
            1,
            "format 2",
        ),
        (with(2, r#"{"table": "resources", "row"#), 2, "no JSON"),
        (with(2, "[]"), 2, "neither a row"),
        (
            with(2, r#"{"table": "operators", "row": {}}"#),
            2,
            "no table \"operators\"",
        ),
        (with(2, r#"{"table": "resources", "row": {}}"#), 2, "empty"),
        (
            with(
                2,
                r#"{"table": "remembered", "row": {"name": "a", "value": "1", "x": 1}}"#,
            ),
            2,
            "no column \"x\"",
        ),
        (
            with(
                2,
                r#"{"table": "remembered", "row": {"name": "a", "value": "not JSON"}}"#,
            ),
            2,
            "no JSON",
        ),
        (
            with(
                2,
                r#"{"table": "remembered", "row": {"name": 1, "value": "1"}}"#,
            ),
            2,
            "no text",
        ),
        (
            with(2, r#"{"table": "jobs", "row": {"id": 1.5}}"#),
            2,
            "no whole number",
        ),
        // What the schema refuses: a value that must be there, a reference to nothing.
        (
            with(2, r#"{"table": "remembered", "row": {"name": "a"}}"#),
            2,
            "remembered",
        ),
        (
            with(
                2,
                r#"{"table": "items", "row": {"id": 1, "resource": 99, "captured_at": 0, "content_hash": "", "item": "{}"}}"#,
            ),
            2,
            "items",
        ),
        (twice(2), 3, "resources"),
        (all[..last - 1].join("\n"), last, "cut off"),
        (with(last, r#"{"rows": 3}"#), last, "should be 3"),
        (format!("{lines}\n"), last + 1, "more after"),
    ];
    for (broken, expected, hint) in broken {
        match import(&empty, &broken).await {
            Err(TransferError::Line { line, why }) => {
                assert_eq!((line, why.contains(hint)), (expected as u64, true), "{why}");
            }
            other => panic!("{hint}: {other:?}"),
        }
    }
    let newer = with(1, r#"{"portcullis_store": 1, "schema": 1000}"#);
    let refused = import(&empty, &newer).await;
    assert!(
        matches!(refused, Err(TransferError::Newer { found: 1000, .. })),
        "{refused:?}"
    );
    // What could not be read to the end.
    let mut torn = half_of(&lines);
    let refused = empty.import(&mut torn).await;
    assert!(matches!(refused, Err(TransferError::Io(_))), "{refused:?}");
    // Nothing came of all that, and the whole export still goes in.
    assert_eq!(export(&empty).await.lines().count(), 2);
    import(&empty, &lines).await.unwrap();
    assert_eq!(export(&empty).await, lines);
}

/// Gives half, then fails.
fn half_of(lines: &str) -> impl tokio::io::AsyncBufRead + Unpin {
    use tokio::io::{AsyncReadExt, BufReader};
    let half = lines.as_bytes()[..lines.len() / 2].to_vec();
    BufReader::new(std::io::Cursor::new(half).chain(Failing))
}

struct Failing;

impl tokio::io::AsyncRead for Failing {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Err(std::io::Error::other("the disk was pulled out")))
    }
}
