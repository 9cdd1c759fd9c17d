//! How long each call of the port takes when a store holds a million configuration items: one SQLite
//! file and, if `PORTCULLIS_TEST_POSTGRES` names a server, a PostgreSQL database.
//!
//! 100,000 buckets with ten items each, a million events, evaluations and compliance changes, 100,000
//! findings (one in a hundred is open), 10,000 jobs that wait. Rows are put in by the databases
//! themselves; what is measured are calls of `guard::repository::Repository`, one after the other.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "benchmarks")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use compliance::item::{BUCKET, ConfigurationItem, ItemStatus, ResourceKey};
use compliance::rules::ComplianceType;
use guard::repository::{EventFilter, FindingFilter, Repository};
use guard::state::{BusEvent, Commit, EvaluationRecord, EventRecord, Finish, JobKind, NewJob};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use store::Store;

const ACCOUNT: &str = "111122223333";
const BUCKETS: u32 = 100_000;
const READS: u32 = 200;
const WRITES: u32 = 300;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    // `cargo test --benches` runs it as well, and has no minutes for it.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("million");
    let _ = std::fs::remove_dir_all(&folder);
    let file = folder.join("portcullis.db").display().to_string();
    println!("## SQLite\n");
    let store = Store::open(&file).await.unwrap();
    let mut connection = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(&file)
        .connect()
        .await
        .unwrap();
    for statement in filling() {
        connection.execute(AssertSqlSafe(statement)).await.unwrap();
    }
    connection
        .execute("PRAGMA wal_checkpoint(TRUNCATE)")
        .await
        .unwrap();
    connection.close().await.unwrap();
    let size = std::fs::metadata(&file).unwrap().len();
    println!("{} MiB\n", size >> 20);
    measure(&store).await;
    store.close().await;
    std::fs::remove_dir_all(&folder).unwrap();

    let Ok(server) = std::env::var("PORTCULLIS_TEST_POSTGRES") else {
        return;
    };
    println!("\n## PostgreSQL\n");
    let mut admin = sqlx::PgConnection::connect(&server).await.unwrap();
    admin
        .execute("DROP DATABASE IF EXISTS store_million")
        .await
        .unwrap();
    admin
        .execute("CREATE DATABASE store_million")
        .await
        .unwrap();
    let (host, _) = server.rsplit_once('/').expect("the URL names a database");
    let url = format!("{host}/store_million");
    let store = Store::open(&url).await.unwrap();
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    for statement in filling() {
        connection.execute(AssertSqlSafe(statement)).await.unwrap();
    }
    for table in ["resources", "items", "evaluations"] {
        let text = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
        );
        connection.execute(AssertSqlSafe(text)).await.unwrap();
    }
    connection.execute("VACUUM ANALYZE").await.unwrap();
    connection.close().await.unwrap();
    measure(&store).await;
    store.close().await;
    admin
        .execute("DROP DATABASE store_million WITH (FORCE)")
        .await
        .unwrap();
}

/// A moment, in seconds from the beginning of the data; the data end after 1,000,000.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn key(name: &str) -> ResourceKey {
    ResourceKey::bucket(ACCOUNT, "eu-central-1", name)
}

fn item(name: &str, content: &str, seconds: i64) -> ConfigurationItem {
    let parts = json!({
        "AccessControlList": {"grantSet": null, "grantList": [
            {"grantee": {"id": "0".repeat(64), "displayName": null}, "permission": "FullControl"},
        ]},
        "BucketPolicy": {"policyText": json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "Tls", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
             "Resource": ["arn:aws:s3:::NAME", "arn:aws:s3:::NAME/*"],
             "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        ]}).to_string()},
        "PublicAccessBlockConfiguration": {"blockPublicAcls": true, "ignorePublicAcls": true,
            "blockPublicPolicy": true, "restrictPublicBuckets": true},
        "BucketVersioningConfiguration": {"status": "Enabled"},
    });
    let Value::Object(supplementary_configuration) = parts else {
        return ConfigurationItem {
            supplementary_configuration: Map::new(),
            ..item(name, content, seconds)
        };
    };
    ConfigurationItem {
        key: key(name),
        status: ItemStatus::Ok,
        capture_time: at(seconds),
        resource_name: Some(name.to_owned()),
        arn: format!("arn:aws:s3:::{name}"),
        creation_time: Some(at(0)),
        tags: BTreeMap::from([("content".to_owned(), content.to_owned())]),
        related_events: vec![],
        relationships: vec![],
        configuration: json!({"name": name, "owner": {"id": "0".repeat(64)}}),
        supplementary_configuration,
        portcullis: json!({"enforcement": "aws"}),
    }
}

/// The statements that put everything in; both databases understand them.
fn filling() -> Vec<String> {
    let document = item("NAME", "same", 0)
        .to_json()
        .to_string()
        .replace('\'', "''");
    let items = BUCKETS * 10;
    let numbers = |most: u32, rest: &str| {
        format!(
            "WITH RECURSIVE numbers (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL \
             SELECT i + 1 FROM numbers WHERE i < {most}) {rest} FROM numbers"
        )
    };
    let time = "1700000000000000 + i * 1000000";
    let bucket = format!("'bucket-' || CAST((i - 1) % {BUCKETS} + 1 AS TEXT)");
    let about = format!("'{ACCOUNT}', 'eu-central-1', '{BUCKET}', {bucket}");
    let evaluations = json!([{"rule": "public-read", "identifier": "S3_BUCKET_PUBLIC_READ_PROHIBITED",
        "compliance": "COMPLIANT", "annotation": null, "evaluated_at": 1_700_000_000_000_000_i64,
        "since": 1_700_000_000_000_000_i64}]);
    vec![
        numbers(
            BUCKETS,
            &format!(
                "INSERT INTO resources (id, account, region, resource_type, resource_id, version, \
                 deleted, observed_at, item, content_hash, evaluations) \
                 SELECT i, {about}, 10, 0, {time}, {} + i, 'hash', '{evaluations}'",
                BUCKETS * 9
            ),
        ),
        numbers(
            items,
            &format!(
                "INSERT INTO items (id, resource, captured_at, content_hash, item) \
                 SELECT i, (i - 1) % {BUCKETS} + 1, {time}, 'hash', \
                 replace('{document}', 'NAME', {bucket})"
            ),
        ),
        numbers(
            items,
            &format!(
                "INSERT INTO evaluations (id, resource, rule_name, identifier, compliance_type, \
                 annotation, evaluated_at, since, latest) \
                 SELECT i, (i - 1) % {BUCKETS} + 1, 'public-read', \
                 'S3_BUCKET_PUBLIC_READ_PROHIBITED', CASE WHEN i / {BUCKETS} % 2 = 1 \
                 THEN 'COMPLIANT' ELSE 'NON_COMPLIANT' END, NULL, {time}, {time}, \
                 CASE WHEN i > {} THEN 1 ELSE 0 END",
                BUCKETS * 9
            ),
        ),
        numbers(
            BUCKETS,
            &format!(
                "INSERT INTO findings (id, resource, account, region, resource_type, resource_id, \
                 cause, rule_names, annotation, state, state_detail, occurrences, first_opened_at, \
                 opened_at, respond, topics, escalation_step) \
                 SELECT 'finding-' || CAST(i AS TEXT), i, {about}, 'acl', '[\"public-read\"]', 'why', \
                 CASE WHEN i % 100 = 0 THEN 'open' ELSE 'resolved' END, \
                 CASE WHEN i % 100 = 0 THEN '{{\"state\":\"open\"}}' \
                 ELSE '{{\"state\":\"resolved\"}}' END, \
                 1, {time}, {time}, 1, '[]', 0"
            ),
        ),
        numbers(
            BUCKETS,
            &format!(
                "INSERT INTO exposures (id, finding_id, resource, account, region, resource_type, \
                 resource_id, cause, classes, began_at, detected_at, ended_at) \
                 SELECT 'exposure-' || CAST(i AS TEXT), 'finding-' || CAST(i AS TEXT), i, {about}, \
                 'acl', '[\"read\"]', {time}, {time}, \
                 CASE WHEN i % 100 = 0 THEN NULL ELSE {time} END"
            ),
        ),
        numbers(
            items,
            &format!(
                "INSERT INTO events (id, source, name, event_time, arrived_at, account, region, \
                 resource_type, resource_id, actor, source_ip, detail, verdict_at, closed_at) \
                 SELECT 'event-' || CAST(i AS TEXT), 'cloudtrail', 'PutBucketAcl', {time}, {time}, \
                 {about}, 'arn:aws:iam::{ACCOUNT}:user/mallory', '192.0.2.7', \
                 '{{\"eventName\":\"PutBucketAcl\"}}', {time}, {time}"
            ),
        ),
        numbers(
            items,
            &format!(
                "INSERT INTO bus_events (id, account, region, resource_type, resource_id, \
                 raised_at, event) SELECT 'bus-' || CAST(i AS TEXT), {about}, {time}, \
                 '{{\"detail-type\":\"Config Rules Compliance Change\"}}'"
            ),
        ),
        numbers(
            BUCKETS,
            &format!(
                "INSERT INTO notices (id, finding_id, created_at, document) \
                 SELECT 'notice-' || CAST(i AS TEXT), 'finding-' || CAST(i AS TEXT), {time}, \
                 '{{\"subject\":\"open\"}}'"
            ),
        ),
        numbers(
            10_000,
            &format!(
                "INSERT INTO jobs (kind, key, payload, due_at, ready_at, attempts, generation, \
                 claims, created_at) SELECT CASE WHEN i % 10 = 0 THEN 'deliver' ELSE 'look' END, \
                 'job-' || CAST(i AS TEXT), '{{}}', {time}, {time}, 0, 1, 0, {time}"
            ),
        ),
        format!(
            "INSERT INTO tallies (what, name, value, n) VALUES ('resource', '{BUCKET}', '', \
             {BUCKETS}), ('compliance', 'public-read', 'COMPLIANT', {BUCKETS}), \
             ('finding', 'open', '', {}), ('finding', 'resolved', '', {})",
            BUCKETS / 100,
            BUCKETS - BUCKETS / 100
        ),
    ]
}

/// Measures calls one after the other, and prints a line of a table.
async fn time(name: &str, times: u32, mut call: impl AsyncFnMut(u32)) {
    let mut took: Vec<Duration> = Vec::new();
    for n in 0..times {
        let begun = Instant::now();
        call(n).await;
        took.push(begun.elapsed());
    }
    took.sort();
    let of = |part: usize| took[(took.len() - 1) * part / 100].as_secs_f64() * 1e3;
    println!(
        "| {name} | {:.2} | {:.2} | {:.2} |",
        of(50),
        of(99),
        of(100)
    );
}

/// Buckets in an order that no cache likes.
fn any(n: u32) -> String {
    format!("bucket-{}", u64::from(n) * 7_919 % u64::from(BUCKETS) + 1)
}

async fn measure(store: &Store) {
    println!("| call | p50, ms | p99, ms | worst, ms |\n|---|---|---|---|");
    read(store).await;
    write(store).await;
}

async fn read(store: &Store) {
    time("`totals`", READS, async |_| {
        store.totals().await.unwrap();
    })
    .await;
    let findings = async |states: &[&str], resource_id: Option<String>| {
        let filter = FindingFilter {
            states: states.iter().map(|state| (*state).to_owned()).collect(),
            resource_id,
            account: Some(ACCOUNT.to_owned()),
            limit: 100,
        };
        store.findings(&filter).await.unwrap()
    };
    time("`findings`, open, 100", READS, async |_| {
        assert_eq!(findings(&["open", "acknowledged"], None).await.len(), 100);
    })
    .await;
    time("`findings`, all states, 100", READS, async |_| {
        assert_eq!(findings(&[], None).await.len(), 100);
    })
    .await;
    time("`findings` of a bucket", READS, async |n| {
        assert_eq!(findings(&[], Some(any(n))).await.len(), 1);
    })
    .await;
    time("`resource`", READS, async |n| {
        let known = store.resource(ACCOUNT, BUCKET, &any(n)).await.unwrap();
        assert_eq!(known.unwrap().version, 10);
    })
    .await;
    time("`history` of a bucket, 10", READS, async |n| {
        let items = store.history(ACCOUNT, BUCKET, &any(n), 10).await.unwrap();
        assert_eq!(items.len(), 10);
    })
    .await;
    time("`evaluation_history` of a bucket, 10", READS, async |n| {
        let all = store
            .evaluation_history(ACCOUNT, BUCKET, &any(n), 10)
            .await
            .unwrap();
        assert_eq!(all.len(), 10);
    })
    .await;
    let events = async |account: Option<&str>, resource_id: Option<String>| {
        let filter = EventFilter {
            account: account.map(str::to_owned),
            resource_id,
            limit: 100,
            ..EventFilter::default()
        };
        store.events(&filter).await.unwrap()
    };
    time("`events`, the last 100", READS, async |_| {
        assert_eq!(events(Some(ACCOUNT), None).await.len(), 100);
    })
    .await;
    time("`events` of a bucket", READS, async |n| {
        assert_eq!(events(None, Some(any(n))).await.len(), 10);
    })
    .await;
    time("`unseen_events` of a bucket", READS, async |n| {
        let unseen = store
            .unseen_events(ACCOUNT, BUCKET, &any(n), 256)
            .await
            .unwrap();
        assert!(unseen.is_empty());
    })
    .await;
    time("`bus_events`, the last 100", READS, async |_| {
        assert_eq!(store.bus_events(100).await.unwrap().len(), 100);
    })
    .await;
    time("`resource_ids`, 1,000", READS, async |n| {
        let ids = store
            .resource_ids(ACCOUNT, BUCKET, Some(&any(n)), 1_000)
            .await
            .unwrap();
        assert!(!ids.is_empty());
    })
    .await;
    time("`items` of a snapshot, 100", READS, async |n| {
        let after = Some(i64::from(BUCKETS * 9 + n * 100));
        assert_eq!(store.items(None, after, 100).await.unwrap().len(), 100);
    })
    .await;
    time("`items` of six hours, 100", READS, async |n| {
        let from = i64::from(n) * 4_000;
        let span = Some((at(from), at(from + 21_600)));
        assert_eq!(store.items(span, None, 100).await.unwrap().len(), 100);
    })
    .await;
    time("`notices` of a day, 100", READS, async |n| {
        let from = i64::from(n) * 40;
        let notices = store
            .notices(at(from), at(from + 86_400), 100)
            .await
            .unwrap();
        assert_eq!(notices.len(), 100);
    })
    .await;
    time("`next_due`", READS, async |_| {
        assert!(store.next_due(&[JobKind::Look]).await.unwrap().is_some());
    })
    .await;
}

async fn write(store: &Store) {
    let now = at(2_000_000);
    let evaluation = |compliance_type, seconds| EvaluationRecord {
        rule_name: "public-read".to_owned(),
        identifier: "S3_BUCKET_PUBLIC_READ_PROHIBITED".to_owned(),
        compliance_type,
        annotation: None,
        evaluated_at: at(seconds),
        since: at(seconds),
    };
    time("`accept`, one event and its look", WRITES, async |n| {
        let name = any(n);
        let event = EventRecord {
            id: format!("new-{n}"),
            source: "cloudtrail".to_owned(),
            name: "PutBucketAcl".to_owned(),
            event_time: now,
            arrived_at: now,
            account: ACCOUNT.to_owned(),
            region: None,
            resource_type: BUCKET.to_owned(),
            resource_id: name.clone(),
            actor: None,
            source_ip: None,
            detail: json!({"eventName": "PutBucketAcl"}),
            verdict_at: None,
            closed_at: None,
        };
        let look = NewJob {
            kind: JobKind::Look,
            key: format!("look {name}"),
            payload: json!({}),
            due_at: now,
        };
        store.accept(&[(event, vec![look])]).await.unwrap();
    })
    .await;
    time("`claim` one job and `finish` it", WRITES, async |_| {
        let jobs = store
            .claim(&[JobKind::Look], "bench", Duration::from_secs(60), now, 1)
            .await
            .unwrap();
        store.finish(&jobs[0], Finish::Done, now).await.unwrap();
    })
    .await;
    time("`commit`, nothing new", WRITES, async |n| {
        let unchanged = Commit {
            expected_version: Some(10),
            evaluations: vec![evaluation(ComplianceType::Compliant, 0)],
            ..Commit::of(key(&any(n)), now)
        };
        store.commit(&unchanged, None, now).await.unwrap();
    })
    .await;
    time(
        "`commit`, item, evaluation, event, job",
        WRITES,
        async |n| {
            let name = any(n);
            let item = item(&name, "changed", 2_000_000);
            let hash = item.content_hash();
            let changed = Commit {
                expected_version: Some(11),
                item: Some((item, hash)),
                evaluations: vec![evaluation(ComplianceType::NonCompliant, 2_000_000)],
                events_seen: vec![format!("new-{n}")],
                events_closed: true,
                bus_events: vec![BusEvent {
                    id: format!("new-bus-{n}"),
                    key: key(&name),
                    at: now,
                    event: json!({"detail-type": "Config Rules Compliance Change"}),
                    routes: Some(Vec::new()),
                }],
                jobs: vec![NewJob {
                    kind: JobKind::Deliver,
                    key: format!("deliver {n}"),
                    payload: json!({}),
                    due_at: now,
                }],
                ..Commit::of(key(&name), now)
            };
            store.commit(&changed, None, now).await.unwrap();
        },
    )
    .await;
    time(
        "`retire`, 100 rows of each table",
        WRITES / 10,
        async |_| {
            assert!(store.retire(at(500_000), 100).await.unwrap() > 300);
        },
    )
    .await;
}
