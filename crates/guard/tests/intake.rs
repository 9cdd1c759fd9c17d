//! Whatever arrives, the most that it causes is a look.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use guard::arrive::Watched;
use guard::clock::ManualClock;
use guard::intake::{
    Arrival, EventSink, EventSource, EventStore, Form, SinkError, StoreSink, gap_name,
    rejected_name,
};
use guard::repository::{Accepted, RepositoryError};
use guard::state::{Coverage, EventRecord, JobKind, NewJob};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

const ACCOUNT: &str = "111122223333";
const OTHER: &str = "444455556666";
const STRANGER: &str = "999999999999";

#[derive(Debug, Default)]
struct Stored {
    events: BTreeMap<String, EventRecord>,
    jobs: Vec<NewJob>,
    coverage: Vec<Coverage>,
    remembered: BTreeMap<String, Value>,
    /// The next so many calls fail.
    failures: Vec<RepositoryError>,
}

#[derive(Debug, Default)]
struct Store(Mutex<Stored>);

impl Store {
    fn call(&self) -> Result<std::sync::MutexGuard<'_, Stored>, RepositoryError> {
        let mut stored = self.0.lock().unwrap();
        match stored.failures.pop() {
            Some(error) => Err(error),
            None => Ok(stored),
        }
    }
}

impl EventStore for Store {
    async fn accept(
        &self,
        events: &[(EventRecord, Vec<NewJob>)],
    ) -> Result<Accepted, RepositoryError> {
        let mut stored = self.call()?;
        let mut accepted = Accepted::default();
        for (record, jobs) in events {
            if stored.events.contains_key(&record.id) {
                accepted.duplicate += 1;
                continue;
            }
            accepted.new += 1;
            stored.events.insert(record.id.clone(), record.clone());
            stored.jobs.extend(jobs.iter().cloned());
        }
        Ok(accepted)
    }

    async fn request(&self, jobs: &[NewJob], _: Timestamp) -> Result<(), RepositoryError> {
        self.call()?.jobs.extend(jobs.iter().cloned());
        Ok(())
    }

    async fn cover(&self, coverage: &Coverage) -> Result<(), RepositoryError> {
        self.call()?.coverage.push(coverage.clone());
        Ok(())
    }

    async fn remembered(&self, name: &str) -> Result<Option<Value>, RepositoryError> {
        Ok(self.call()?.remembered.get(name).cloned())
    }

    async fn remember(&self, name: &str, value: &Value) -> Result<(), RepositoryError> {
        self.call()?
            .remembered
            .insert(name.to_owned(), value.clone());
        Ok(())
    }
}

fn now() -> Timestamp {
    "2026-01-01T00:10:00Z".parse().unwrap()
}

struct Guard {
    store: Arc<Store>,
    clock: Arc<ManualClock>,
    sink: StoreSink<Store, ManualClock>,
}

fn guard() -> Guard {
    let store = Arc::new(Store::default());
    let clock = Arc::new(ManualClock::at(now()));
    let watched = Watched {
        accounts: vec![ACCOUNT.to_owned(), OTHER.to_owned()],
    };
    let sink = StoreSink::new(Arc::clone(&store), Arc::clone(&clock), watched);
    Guard { store, clock, sink }
}

impl Guard {
    async fn arrive(&self, text: &str, source: &EventSource) -> Arrival {
        self.sink.arrive(text, source).await.unwrap()
    }

    fn keys(&self) -> Vec<String> {
        let stored = self.store.0.lock().unwrap();
        stored.jobs.iter().map(|job| job.key.clone()).collect()
    }

    fn remembered(&self, name: &str) -> Value {
        let stored = self.store.0.lock().unwrap();
        stored.remembered.get(name).cloned().unwrap_or_default()
    }
}

fn queue() -> EventSource {
    EventSource {
        name: "trail".to_owned(),
        form: Form::Message,
        account: None,
    }
}

fn gateway() -> EventSource {
    EventSource {
        name: "gateway".to_owned(),
        form: Form::OpsLog,
        account: Some(OTHER.to_owned()),
    }
}

fn called(id: &str, bucket: &str, account: &str) -> Value {
    json!({"version": "0", "id": format!("envelope-{id}"), "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.s3", "account": account, "time": "2026-01-01T00:09:57Z", "region": "eu-central-1",
        "detail": {"eventVersion": "1.09", "eventSource": "s3.amazonaws.com", "eventName": "PutBucketAcl",
            "eventTime": "2026-01-01T00:09:57Z", "eventID": id, "awsRegion": "eu-central-1",
            "requestParameters": {"bucketName": bucket}}})
}

fn logged(id: &str, bucket: &str, status: &str) -> Value {
    json!({"bucket": bucket, "time": "2026-01-01T00:09:59.250000Z", "operation": "put_acls",
        "user": "ops", "uri": format!("PUT /{bucket}?acl?acl HTTP/1.1"), "http_status": status,
        "error_code": "", "trans_id": id})
}

#[tokio::test]
async fn an_event_becomes_a_look_once() {
    let guard = guard();
    let text = called("e-1", "backups", ACCOUNT).to_string();
    let first = guard.arrive(&text, &queue()).await;
    assert_eq!((first.new, first.duplicate), (1, 0));
    assert_eq!(first.ages, [SignedDuration::from_secs(3)]);
    // The same again, and as SNS wraps it: the same event.
    let wrapped = json!({"Type": "Notification", "MessageId": "m-1",
        "TopicArn": "arn:aws:sns:eu-central-1:111122223333:t", "Message": text});
    for again in [text.clone(), wrapped.to_string()] {
        let again = guard.arrive(&again, &queue()).await;
        assert_eq!((again.new, again.duplicate), (0, 1));
        assert_eq!(again.ages, []);
    }
    assert_eq!(guard.keys(), ["look 111122223333 AWS::S3::Bucket backups"]);
}

#[tokio::test]
async fn a_gateways_records_are_about_the_account_of_their_source() {
    let guard = guard();
    let arrival = guard
        .arrive(&logged("tx1", "backups", "200").to_string(), &gateway())
        .await;
    assert_eq!(arrival.new, 1);
    // Refused: nothing has changed.
    let refused = guard
        .arrive(&logged("tx2", "backups", "403").to_string(), &gateway())
        .await;
    assert_eq!((refused.new, refused.idle), (0, 1));
    assert_eq!(guard.keys(), ["look 444455556666 AWS::S3::Bucket backups"]);
}

#[tokio::test]
async fn what_is_not_watched_asks_for_nothing_until_it_is() {
    let guard = guard();
    let text = called("e-1", "backups", STRANGER).to_string();
    assert_eq!(guard.arrive(&text, &queue()).await.idle, 1);
    assert_eq!(guard.keys(), Vec::<String>::new());
    guard.sink.watch(Watched {
        accounts: vec![STRANGER.to_owned()],
    });
    assert_eq!(guard.arrive(&text, &queue()).await.new, 1);
    assert_eq!(guard.keys(), ["look 999999999999 AWS::S3::Bucket backups"]);
}

#[tokio::test]
async fn a_store_that_is_away_keeps_the_event_with_its_source() {
    let guard = guard();
    let away = || RepositoryError::Unavailable {
        detail: "no answer".to_owned(),
    };
    guard.store.0.lock().unwrap().failures = vec![away()];
    let text = called("e-1", "backups", ACCOUNT).to_string();
    let error = guard.sink.arrive(&text, &queue()).await.unwrap_err();
    assert!(matches!(error, SinkError::Unavailable { .. }), "{error}");
    assert_eq!(guard.keys(), Vec::<String>::new());
    assert_eq!(guard.arrive(&text, &queue()).await.new, 1);
    assert_eq!(guard.keys().len(), 1);
    // What could not be understood is not forgotten either before it is kept.
    guard.store.0.lock().unwrap().failures = vec![away()];
    assert!(guard.sink.arrive("{", &queue()).await.is_err());
    assert_eq!(guard.arrive("{", &queue()).await.rejected, ["not-json"]);
    let kept = guard.remembered(&rejected_name("trail"));
    assert_eq!(kept.as_array().unwrap().len(), 1, "{kept}");
}

#[tokio::test]
async fn one_bad_event_does_not_take_the_others_along() {
    let guard = guard();
    let records = json!({"Records": [
        called("e-1", "one", ACCOUNT)["detail"],
        {"eventName": "PutBucketAcl", "eventSource": "s3.amazonaws.com", "eventTime": "yesterday"},
        called("e-2", "two", ACCOUNT)["detail"],
    ]});
    let mut source = queue();
    source.account = Some(ACCOUNT.to_owned());
    let arrival = guard.arrive(&records.to_string(), &source).await;
    assert_eq!((arrival.new, arrival.rejected.len()), (2, 1));
    assert_eq!(guard.keys().len(), 2);
    let kept = guard.remembered(&rejected_name("trail"));
    assert_eq!(kept[0]["kind"], "impossible-value");
    assert!(kept[0]["reason"].as_str().unwrap().contains("eventTime"));
}

#[tokio::test]
async fn what_is_kept_of_the_rejected_is_bounded_and_survives_a_restart() {
    let guard = guard();
    let large = "x".repeat(300_000);
    for at in 0..40 {
        guard.arrive(&format!("{at}{large}"), &queue()).await;
        guard.clock.advance(SignedDuration::from_secs(2));
    }
    let kept = guard.remembered(&rejected_name("trail"));
    let kept = kept.as_array().unwrap();
    assert_eq!(kept.len(), 20);
    assert!(kept[0]["text"].as_str().unwrap().starts_with("39x"));
    assert_eq!(kept[0]["bytes"], 300_002);
    assert!(json!(kept).to_string().len() < 64 * 1024);
    let watched = Watched::default();
    let restarted = StoreSink::new(Arc::clone(&guard.store), Arc::clone(&guard.clock), watched);
    restarted.arrive("later", &queue()).await.unwrap();
    let after = guard.remembered(&rejected_name("trail"));
    assert_eq!((&after[0]["text"], &after[1]), (&json!("later"), &kept[0]));
}

#[tokio::test]
async fn coverage_follows_without_a_write_for_each_event() {
    let guard = guard();
    for at in 0..100 {
        let text = called(&format!("e-{at}"), "backups", ACCOUNT).to_string();
        guard.arrive(&text, &queue()).await;
    }
    guard.clock.advance(SignedDuration::from_secs(1));
    guard
        .arrive(&called("last", "backups", ACCOUNT).to_string(), &queue())
        .await;
    let stored = guard.store.0.lock().unwrap();
    let written: Vec<_> = stored
        .coverage
        .iter()
        .map(|coverage| (coverage.region.as_str(), coverage.last_event_at))
        .collect();
    let later = now().checked_add(SignedDuration::from_secs(1)).unwrap();
    assert_eq!(
        written,
        [("eu-central-1", Some(now())), ("eu-central-1", Some(later))]
    );
}

#[tokio::test]
async fn invented_regions_do_not_fill_the_store() {
    let guard = guard();
    for at in 0..1_000 {
        let mut event = called(&format!("e-{at}"), "backups", ACCOUNT);
        event["detail"]["awsRegion"] = json!(format!("nowhere-{at}"));
        guard.arrive(&event.to_string(), &queue()).await;
    }
    let stored = guard.store.0.lock().unwrap();
    let regions: BTreeSet<&str> = stored
        .coverage
        .iter()
        .map(|coverage| coverage.region.as_str())
        .collect();
    assert!(regions.len() <= 65 && regions.contains("*"), "{regions:?}");
}

#[tokio::test]
async fn a_gap_is_swept_at_once_and_remembered() {
    let guard = guard();
    let from = "2026-01-01T00:00:00Z".parse().unwrap();
    guard.sink.gap(&gateway(), Some(from), now()).await.unwrap();
    assert_eq!(guard.keys(), ["sweep 444455556666"]);
    assert_eq!(
        guard.remembered(&gap_name("gateway")),
        json!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:10:00Z"})
    );
    guard.sink.gap(&queue(), None, now()).await.unwrap();
    assert_eq!(
        guard.keys()[1..],
        ["sweep 111122223333", "sweep 444455556666"]
    );
}

/// A message as somebody forges it: real ones with parts cut off, changed and doubled, or just bytes.
fn text() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("backups".to_owned()),
        Just(String::new()),
        "[a-z.-]{3,63}",
        ".{0,80}",
        Just("../../etc".to_owned()),
        Just("b; DROP TABLE jobs".to_owned()),
        Just("a\u{0}b\u{202e}c".to_owned()),
    ];
    let account = prop_oneof![
        Just(ACCOUNT.to_owned()),
        Just(STRANGER.to_owned()),
        "\\PC{0,14}",
    ];
    let whole = (name, account, any::<u16>(), 0_usize..4).prop_map(|(name, account, id, kind)| {
        let event = called(&format!("e-{id}"), &name, &account);
        match kind {
            0 => event,
            1 => json!({"Type": "Notification", "MessageId": "m", "Message": event.to_string()}),
            2 => json!({"Records": [event["detail"], event["detail"], {"body": event}]}),
            _ => logged(&format!("tx{id}"), &name, "200"),
        }
        .to_string()
    });
    let cut = (whole.clone(), any::<prop::sample::Index>())
        .prop_map(|(text, at)| text.chars().take(at.index(text.len())).collect::<String>());
    let changed = (whole.clone(), any::<prop::sample::Index>(), any::<char>()).prop_map(
        |(text, at, with)| {
            let at = at.index(text.chars().count());
            let change = |(here, c)| if here == at { with } else { c };
            text.chars().enumerate().map(change).collect::<String>()
        },
    );
    let bytes = prop::collection::vec(any::<u8>(), 0..400)
        .prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    prop_oneof![whole, cut, changed, bytes]
}

proptest! {
    /// Only looks and sweeps, only of watched accounts, and of nothing that no bucket is called; and
    /// as often as an event comes, it is stored once.
    #[test]
    fn whatever_comes_only_looks_are_asked_for(
        texts in prop::collection::vec((text(), any::<bool>()), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let guard = guard();
            for (text, by_queue) in texts.iter().chain(texts.iter().rev()) {
                let source = if *by_queue { queue() } else { gateway() };
                guard.arrive(text, &source).await;
                guard.clock.advance(SignedDuration::from_secs(1));
            }
            let stored = guard.store.0.lock().unwrap();
            prop_assert!(stored.jobs.len() <= 2 * stored.events.len());
            for job in &stored.jobs {
                prop_assert!(matches!(job.kind, JobKind::Look | JobKind::Sweep), "{job:?}");
                let account = job.payload["account"].as_str().unwrap();
                prop_assert!([ACCOUNT, OTHER].contains(&account), "{job:?}");
                if let Some(id) = job.payload["resourceId"].as_str() {
                    let fits = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
                    prop_assert!(!id.is_empty() && id.len() <= 256 && id.chars().all(fits), "{job:?}");
                }
            }
            for event in stored.events.values() {
                prop_assert!(event.event_time <= event.arrived_at);
                let described = [Some(&event.id), Some(&event.name), event.actor.as_ref(), event.source_ip.as_ref()];
                for text in described.into_iter().flatten() {
                    prop_assert!(text.len() <= 4_096 && !text.contains(char::is_control), "{event:?}");
                }
            }
            for (name, kept) in &stored.remembered {
                prop_assert!(name.starts_with("rejected "), "{name}");
                prop_assert!(kept.as_array().unwrap().len() <= 20);
            }
            Ok(())
        })?;
    }
}
