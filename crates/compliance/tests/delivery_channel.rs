//! Files of the delivery channel: `portcullis check` reads them and decides the same; nothing is lost,
//! held without bound, or named differently the second time.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use compliance::delivery_channel::{
    Contents, DeliveryFile, FileBounds, Files, KeyPrefix, LARGEST_CHANGE, delivery_completed,
    item_changed,
};
use compliance::fingerprint;
use compliance::input::{self, Options};
use compliance::item::bucket::{Taken, item};
use compliance::item::{ConfigurationItem, ResourceKey};
use jiff::Timestamp;
use policy::public::judge;
use serde_json::{Value, json};

const CORPUS: &[u8] = include_bytes!("../../policy/tests/data/bucket-cases.json");

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-01-01T06:00:00Z")
}

/// What matters of a verdict: each answer with its reasons and witness, and what opens it.
type Judged = (String, Option<String>);

fn judged(bucket: &policy::bucket::Bucket) -> Judged {
    let verdict = judge(bucket);
    (format!("{verdict:?}"), fingerprint::of(bucket, &verdict))
}

/// The corpus as items, with what is decided about each bucket.
fn corpus() -> (Vec<ConfigurationItem>, BTreeMap<String, Judged>) {
    let reading = input::read(CORPUS, "corpus", &Options::at(now())).unwrap();
    let mut items = Vec::new();
    let mut verdicts = BTreeMap::new();
    for (index, input) in reading.buckets.into_iter().enumerate() {
        let mut bucket = input.bucket;
        bucket.as_of = now();
        // Names repeat in the corpus; ARNs in the policies hold the name, so the account tells apart.
        let account = format!("{:012}", 111_122_220_000 + index);
        let name = bucket.name.clone();
        // The owner stands in the verdict: it stays as it is, in one account a file.
        let owner = bucket.owner_account.clone().unwrap_or(account);
        bucket.owner_account = Some(owner.clone());
        let region = format!("test-{index}");
        let key = ResourceKey::bucket(&owner, &region, &name);
        let taken = Taken {
            capture_time: now(),
            creation_time: None,
            owner: None,
            tags: BTreeMap::new(),
            parts: BTreeMap::new(),
            object_acls: compliance::item::object_acls::ObjectAcls::default(),
            related_events: Vec::new(),
        };
        verdicts.insert(region, judged(&bucket));
        items.push(item(&bucket, key, taken));
    }
    assert!(items.len() > 150);
    (items, verdicts)
}

fn all(mut files: Files, items: &[ConfigurationItem]) -> Vec<DeliveryFile> {
    let mut out = Vec::new();
    for item in items {
        out.extend(files.push(item));
    }
    out.extend(files.finish());
    out
}

fn text(file: &DeliveryFile) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(file.body.as_slice())
        .read_to_string(&mut text)
        .unwrap();
    text
}

fn span() -> (Timestamp, Timestamp) {
    (at("2026-01-01T00:00:00Z"), now())
}

fn history(bounds: FileBounds) -> Files {
    let (from, to) = span();
    Files::history(KeyPrefix::default(), from, to, bounds)
}

fn snapshot(bounds: FileBounds) -> Files {
    Files::snapshot(KeyPrefix::default(), now(), bounds)
}

#[test]
fn check_reads_the_files_and_decides_the_same() {
    let (items, verdicts) = corpus();
    for files in [
        history(FileBounds::default()),
        snapshot(FileBounds::default()),
    ] {
        let mut read = BTreeMap::new();
        for file in all(files, &items) {
            let reading = input::read(&file.body, &file.key, &Options::at(now())).unwrap();
            assert_eq!(reading.problems, vec![]);
            for input in reading.buckets {
                read.insert(input.region.clone().unwrap(), judged(&input.bucket));
            }
        }
        assert_eq!(read, verdicts);
    }
}

/// So many small buckets of one region, and one that is large.
fn estate() -> Vec<ConfigurationItem> {
    (0..100)
        .map(|index| {
            let mut item = blank("111122223333", "eu-central-1", &format!("b-{index:03}"));
            if index == 50 {
                item.supplementary_configuration.insert(
                    "BucketPolicy".to_owned(),
                    json!({"policyText": "x".repeat(20_000)}),
                );
            }
            item
        })
        .collect()
}

fn blank(account: &str, region: &str, name: &str) -> ConfigurationItem {
    let item = json!({
        "awsAccountId": account, "awsRegion": region, "resourceType": "AWS::S3::Bucket",
        "resourceId": name, "resourceName": name, "arn": format!("arn:aws:s3:::{name}"),
        "configurationItemCaptureTime": "2026-01-01T01:00:00Z",
    });
    ConfigurationItem::from_json(&item).unwrap()
}

#[test]
fn files_are_split_and_nothing_is_lost() {
    let items = estate();
    let bounds = FileBounds {
        file: 10_000,
        open: 1 << 20,
    };
    for files in [history(bounds), snapshot(bounds)] {
        let written = all(files, &items);
        assert!(written.len() > 5, "{}", written.len());
        let keys: BTreeSet<&String> = written.iter().map(|file| &file.key).collect();
        assert_eq!(keys.len(), written.len());
        let mut names = Vec::new();
        for file in &written {
            let document: Value = serde_json::from_str(&text(file)).unwrap();
            let held = document["configurationItems"].as_array().unwrap();
            assert_eq!(held.len() as u64, file.items);
            // Closed with the item that filled it.
            let before_the_last = &held[..held.len() - 1];
            let size: usize = before_the_last.iter().map(|i| i.to_string().len()).sum();
            assert!(size < 10_000, "{size}");
            match &file.contents {
                Contents::Snapshot { id } => assert_eq!(document["configSnapshotId"], **id),
                Contents::History { resource_type } => {
                    assert_eq!(resource_type, "AWS::S3::Bucket");
                    assert!(document.get("configSnapshotId").is_none());
                }
            }
            let ids = held.iter().map(|item| item["resourceId"].as_str().unwrap());
            names.extend(ids.map(str::to_owned));
        }
        let recorded: Vec<String> = items.iter().map(|i| i.key.resource_id.clone()).collect();
        assert_eq!(names, recorded);
    }
}

#[test]
fn what_is_held_is_bounded_however_many_accounts_there_are() {
    let bounds = FileBounds {
        file: 1 << 20,
        open: 50_000,
    };
    let mut files = history(bounds);
    let mut out = Vec::new();
    for round in 0..10 {
        for account in 0..100 {
            let item = blank(
                &format!("{account:012}"),
                "eu-central-1",
                &format!("b-{round}"),
            );
            out.extend(files.push(&item));
        }
    }
    let before_the_end = out.len();
    out.extend(files.finish());
    assert!(before_the_end > 0);
    assert_eq!(out.iter().map(|file| file.items).sum::<u64>(), 1000);
    let largest = out.len() - before_the_end;
    assert!(
        largest <= 100,
        "no more than one open file for each account"
    );
    let keys: BTreeSet<&String> = out.iter().map(|file| &file.key).collect();
    assert_eq!(keys.len(), out.len(), "a closed file is not written over");
}

#[test]
fn the_same_again_is_the_same_file() {
    let items = estate();
    let bounds = FileBounds {
        file: 10_000,
        open: 30_000,
    };
    assert_eq!(all(history(bounds), &items), all(history(bounds), &items));
    let one = all(snapshot(bounds), &items);
    assert_eq!(one, all(snapshot(bounds), &items));
    // Another content, or another moment, is another snapshot.
    let mut changed = items.clone();
    changed[0].tags.insert("team".to_owned(), "web".to_owned());
    assert_ne!(all(snapshot(bounds), &changed)[0].key, one[0].key);
    let later = Files::snapshot(
        KeyPrefix::default(),
        now() + jiff::SignedDuration::from_millis(1),
        bounds,
    );
    assert_ne!(all(later, &items)[0].key, one[0].key);
}

#[test]
fn a_delivery_is_told_as_config_tells_it() {
    let items = [blank("111122223333", "eu-central-1", "b")];
    let told = |file: &DeliveryFile| delivery_completed("audit", file, now());
    let file = &all(history(FileBounds::default()), &items)[0];
    let event = told(file);
    assert_eq!(
        event["detail"],
        json!({
            "recordVersion": "1.1",
            "messageType": "ConfigurationHistoryDeliveryCompleted",
            "s3Bucket": "audit",
            "s3ObjectKey": "AWSLogs/111122223333/Config/eu-central-1/2026/1/1/ConfigHistory/111122223333_Config_eu-central-1_ConfigHistory_AWS::S3::Bucket_20260101T000000Z_20260101T060000Z_1.json.gz",
            "notificationCreationTime": "2026-01-01T06:00:00.000Z",
        })
    );
    assert_eq!(
        event["detail-type"],
        "Config Configuration History Delivery Status"
    );
    assert_eq!(event["account"], "111122223333");
    assert_eq!(told(file)["id"], event["id"]);
    let file = &all(snapshot(FileBounds::default()), &items)[0];
    let event = told(file);
    let Contents::Snapshot { id } = &file.contents else {
        unreachable!("a snapshot was asked for")
    };
    assert_eq!(event["detail"]["configSnapshotId"], **id);
    assert_eq!(
        event["detail"]["messageType"],
        "ConfigurationSnapshotDeliveryCompleted"
    );
    assert!(
        file.key
            .ends_with(&format!("_20260101T060000Z_{id}.json.gz"))
    );
}

#[test]
fn a_change_is_told_with_what_changed() {
    let before = blank("111122223333", "eu-central-1", "b");
    let mut after = before.clone();
    after.supplementary_configuration.insert(
        "BucketPolicy".to_owned(),
        json!({"policyText": "{\"Statement\":[]}"}),
    );
    let event = item_changed(Some(&before), &after, 2, now());
    let detail = &event["detail"];
    assert_eq!(event["detail-type"], "Config Configuration Item Change");
    assert_eq!(event["resources"], json!(["arn:aws:s3:::b"]));
    assert_eq!(detail["messageType"], "ConfigurationItemChangeNotification");
    assert_eq!(detail["configurationItem"], after.to_json());
    let changed = &detail["configurationItemDiff"]["changedProperties"];
    assert_eq!(
        changed["SupplementaryConfiguration.BucketPolicy"]["changeType"],
        "CREATE"
    );
    assert_eq!(
        item_changed(Some(&before), &after, 2, now())["id"],
        event["id"]
    );
    assert_ne!(
        item_changed(Some(&before), &after, 3, now())["id"],
        event["id"]
    );

    let largest = "x".repeat(LARGEST_CHANGE);
    after
        .supplementary_configuration
        .insert("BucketPolicy".to_owned(), json!({ "policyText": largest }));
    for (previous, item, change) in [(Some(&before), &after, "UPDATE"), (None, &after, "CREATE")] {
        let event = item_changed(previous, item, 2, now());
        assert!(event.to_string().len() < 4096);
        let detail = &event["detail"];
        assert_eq!(
            detail["messageType"],
            "OversizedConfigurationItemChangeNotification"
        );
        let summary = &detail["configurationItemSummary"];
        assert_eq!(summary["changeType"], change);
        assert_eq!(summary["resourceId"], "b");
        assert!(summary.get("supplementaryConfiguration").is_none());
    }
}
