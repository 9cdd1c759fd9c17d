//! `portcullis exceptions list`: what is open on purpose, by the configuration and by tags.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

use compliance::exceptions::{OWNER_TAG, TAG, tag_value};
use compliance::item::{ConfigurationItem, ResourceKey};
use guard::repository::Repository;
use guard::state::Commit;
use jiff::Timestamp;
use serde_json::{Value, json};
use store::Store;

const ACCOUNT: &str = "111122223333";

async fn record(store: &Store, bucket: &str, tags: Value) {
    let at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let item = ConfigurationItem::from_json(&json!({
        "awsAccountId": ACCOUNT, "awsRegion": "eu-central-1", "resourceType": "AWS::S3::Bucket",
        "resourceId": bucket, "configurationItemCaptureTime": at.to_string(), "tags": tags,
    }))
    .unwrap();
    let hash = item.content_hash();
    let commit = Commit {
        item: Some((item, hash)),
        ..Commit::of(ResourceKey::bucket(ACCOUNT, "eu-central-1", bucket), at)
    };
    store.commit(&commit, None, at).await.unwrap();
}

fn list(folder: &Path, allowed: bool) -> Value {
    let fingerprint = format!("sha256:{}", "0a".repeat(32));
    let config = folder.join("portcullis.toml");
    let text = format!(
        "allow-tag-exceptions = {allowed}\n[store]\npath = \"guard.db\"\n\
         [[account]]\nid = \"{ACCOUNT}\"\n\
         [[exception]]\nid = \"site\"\nbucket = \"www\"\nowner = \"web\"\nreason = \"the site\"\n\
         expires = 2099-12-31\nfingerprint = \"{fingerprint}\"\n"
    );
    std::fs::write(&config, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["exceptions", "list", "--format", "json", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn exceptions_by_tag_are_listed_where_tags_may_except() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("exceptions-list");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let ids = |listed: &Value| -> Vec<String> {
        let all = listed["exceptions"].as_array().unwrap().iter();
        all.map(|own| own["id"].as_str().unwrap().to_owned())
            .collect()
    };
    // Before anything was recorded.
    assert_eq!(ids(&list(&folder, true)), ["site"]);

    let store = Store::open(folder.join("guard.db").to_str().unwrap())
        .await
        .unwrap();
    let value = tag_value("2026-12-31", &format!("sha256:{}", "0b".repeat(32)));
    record(&store, "reports", json!({TAG: value, OWNER_TAG: "finance"})).await;
    record(&store, "drafts", json!({TAG: "forever"})).await;
    record(&store, "others", json!({"team": "ops"})).await;
    store.close().await;

    let listed = list(&folder, true);
    assert_eq!(ids(&listed), [TAG, "site"], "the next to end first");
    let tagged = &listed["exceptions"][0];
    assert_eq!(tagged["bucket"], "reports");
    assert_eq!(
        (&tagged["from"], &tagged["owner"]),
        (&"tag".into(), &"finance".into())
    );
    assert_eq!(tagged["account"], ACCOUNT);
    let wrong = &listed["tags_that_do_not_count"];
    assert_eq!(wrong.as_array().unwrap().len(), 1, "{wrong}");
    assert_eq!(wrong[0]["bucket"], "drafts");
    assert!(wrong[0]["why"].as_str().unwrap().contains("date"));

    let without = list(&folder, false);
    assert_eq!(ids(&without), ["site"], "tags except nobody");
    assert_eq!(without["tags_that_do_not_count"], json!([]));
}
