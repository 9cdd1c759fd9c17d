//! `portcullis replay` over compliance changes and arrived events: by the rules that were in force, and by
//! another configuration file.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::process::Command;

use compliance::compliance_change::{ComplianceChange, EvaluationResult};
use compliance::event;
use compliance::item::{ConfigurationItem, ResourceKey};
use compliance::rules::ComplianceType;
use guard::arrive::{Watched, arrive};
use guard::repository::Repository;
use guard::state::{BusEvent, Commit, EvaluationRecord, Route};
use jiff::Timestamp;
use serde_json::{Value, json};
use store::Store;

const ACCOUNT: &str = "111122223333";
const READ: &str = "s3-bucket-public-read-prohibited";

/// A folder with a store and configurations.
struct Scene {
    folder: PathBuf,
}

impl Scene {
    async fn new(name: &str) -> (Scene, Store) {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let store = folder.join("guard.db");
        let store = Store::open(store.to_str().unwrap()).await.unwrap();
        (Scene { folder }, store)
    }

    /// What replay by a configuration with this in it says, which ends with this exit code.
    #[track_caller]
    fn replay(&self, exit: i32, config: &str, arguments: &[&str]) -> Value {
        let file = self.folder.join("portcullis.toml");
        std::fs::write(&file, format!("[store]\npath = \"guard.db\"\n{config}")).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .arg("replay")
            .args(arguments)
            .args(["--format", "json", "--config"])
            .arg(&file)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(exit), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

const WATCHED: &str = "[[account]]\nid = \"111122223333\"\nlabel = \"production\"\n";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + second).unwrap()
}

/// A bucket that was open by its ACL, as a guard with the built-in event rules recorded it.
async fn record_open(store: &Store, name: &str) {
    let key = ResourceKey::bucket(ACCOUNT, "eu-central-1", name);
    let item = ConfigurationItem::from_json(&json!({
        "awsAccountId": ACCOUNT, "awsRegion": "eu-central-1", "resourceType": "AWS::S3::Bucket",
        "resourceId": name, "resourceName": name, "ARN": format!("arn:aws:s3:::{name}"),
        "configurationItemStatus": "OK", "configurationItemCaptureTime": at(0).to_string(),
        "supplementaryConfiguration": {
            "AccessControlList": {"owner": {"id": "o"}, "grantList": [
                {"grantee": "AllUsers", "permission": "Read"}]},
            "PublicAccessBlockConfiguration": {"blockPublicAcls": false, "ignorePublicAcls": false,
                "blockPublicPolicy": false, "restrictPublicBuckets": false},
            "BucketOwnershipControls": {"rules": [{"objectOwnership": "ObjectWriter"}]},
            "BucketPolicy": {"policyText": null},
        },
        "portcullis": {"accountPublicAccessBlock": {"blockPublicAcls": false, "ignorePublicAcls": false,
            "blockPublicPolicy": false, "restrictPublicBuckets": false}},
    }))
    .unwrap();
    let annotation = "The S3 bucket ACL allows public read access.";
    let change = ComplianceChange {
        key: key.clone(),
        partition: "aws".to_owned(),
        rule_name: READ.to_owned(),
        identifier: "S3_BUCKET_PUBLIC_READ_PROHIBITED".to_owned(),
        old: None,
        new: EvaluationResult {
            compliance_type: ComplianceType::NonCompliant,
            annotation: Some(annotation.to_owned()),
            ordering: at(0),
            recorded: at(1),
        },
    };
    let raised = |id: &str, event: Value, rule: &str, target: &str| BusEvent {
        id: format!("{name}-{id}"),
        key: key.clone(),
        at: at(1),
        event,
        routes: Some(vec![Route {
            rule: rule.to_owned(),
            target: target.to_owned(),
        }]),
    };
    let hash = item.content_hash();
    let commit = Commit {
        item: Some((item, hash)),
        evaluations: vec![EvaluationRecord {
            rule_name: READ.to_owned(),
            identifier: "S3_BUCKET_PUBLIC_READ_PROHIBITED".to_owned(),
            compliance_type: ComplianceType::NonCompliant,
            annotation: Some(annotation.to_owned()),
            evaluated_at: at(1),
            since: at(1),
        }],
        bus_events: vec![
            raised("n", change.notification("n"), "tell", "topic:default"),
            raised("p", change.put_evaluations("p"), "respond", "responder"),
        ],
        ..Commit::of(key, at(1))
    };
    store.commit(&commit, None, at(1)).await.unwrap();
}

#[tokio::test]
async fn a_change_of_the_event_rules_shows_who_would_be_called() {
    let (scene, store) = Scene::new("replay-changes").await;
    record_open(&store, "invoices").await;
    record_open(&store, "logs").await;
    store.close().await;

    let same = scene.replay(0, WATCHED, &["--verify"]);
    assert_eq!(same["reproduced"], 2, "{same}");
    assert_eq!(same["compliance_changes"]["same"], 4, "{same}");
    assert_eq!(same["compliance_changes"]["differences"], json!([]));

    let other = format!(
        "{WATCHED}[[topic]]\nname = \"audit\"\n\
         [[event-rule]]\nname = \"respond\"\nenabled = false\n\
         [[event-rule]]\nname = \"tell\"\ntargets = [\"topic:default\", \"topic:audit\"]\n"
    );
    let differs = scene.replay(1, &other, &["--resource", "invoices", "--only", "changes"]);
    assert!(differs.get("reproduced").is_none(), "only the changes");
    let changes = &differs["compliance_changes"];
    assert_eq!(changes["same"], 0);
    let differences = changes["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 2, "{changes}");
    let told = &differences[0];
    assert_eq!(told["detail_type"], "Config Rules Compliance Change");
    assert_eq!(told["rule"], READ);
    assert_eq!(told["resource_id"], "invoices");
    assert_eq!(told["additionally"], json!(["topic:audit"]));
    assert_eq!(told["not_any_more"], json!([]));
    let responded = &differences[1];
    assert_eq!(responded["rule"], READ);
    assert_eq!(responded["not_any_more"], json!(["responder"]));
    assert_eq!(responded["now"], json!([]));
}

/// Another version of a rule answers otherwise: what that would have set off.
#[tokio::test]
async fn another_answer_says_where_it_would_have_gone() {
    let (scene, store) = Scene::new("replay-answers").await;
    record_open(&store, "invoices").await;
    store.close().await;
    // Of the same name, and only about buckets that have a tag.
    let other = format!(
        "{WATCHED}[[rule]]\nname = \"{READ}\"\n\
         identifier = \"S3_BUCKET_PUBLIC_READ_PROHIBITED\"\ntag-key = \"data-class\"\n"
    );
    let differs = scene.replay(1, &other, &["--only", "answers"]);
    let difference = &differs["differences"][0];
    assert_eq!(difference["recorded"], "NON_COMPLIANT");
    assert_eq!(difference["now"], "NOT_APPLICABLE", "{differs}");
    assert_eq!(
        difference["would_go_to"],
        json!([]),
        "nobody waits for that"
    );
    let told = format!(
        "{other}[[event-rule]]\nname = \"all\"\ntargets = [\"topic:default\"]\n\
         pattern = {{ source = [\"aws.config\"] }}\n"
    );
    let differs = scene.replay(1, &told, &["--only", "answers"]);
    assert_eq!(
        differs["differences"][0]["would_go_to"],
        json!([{"event_rule": "all", "target": "topic:default"}])
    );
    assert_eq!(differs["compliance_changes"], Value::Null);
}

#[tokio::test]
async fn what_an_older_version_did_not_record_is_not_taken_for_a_difference() {
    let (scene, store) = Scene::new("replay-older").await;
    let key = ResourceKey::bucket(ACCOUNT, "eu-central-1", "b");
    let commit = Commit {
        item: Some((
            ConfigurationItem::from_json(&json!({
                "awsAccountId": ACCOUNT, "awsRegion": "eu-central-1",
                "resourceType": "AWS::S3::Bucket", "resourceId": "b",
                "configurationItemCaptureTime": at(0).to_string(),
            }))
            .unwrap(),
            "hash".to_owned(),
        )),
        bus_events: vec![BusEvent {
            id: "e".to_owned(),
            key: key.clone(),
            at: at(1),
            event: json!({"source": "aws.config", "detail-type": "Config Rules Compliance Change"}),
            routes: None,
        }],
        ..Commit::of(key, at(1))
    };
    store.commit(&commit, None, at(1)).await.unwrap();
    store.close().await;
    let replayed = scene.replay(0, WATCHED, &[]);
    assert_eq!(replayed["compliance_changes"]["not_compared"], 1);
    let proved = scene.replay(1, WATCHED, &["--verify"]);
    let difference = &proved["compliance_changes"]["differences"][0];
    assert_eq!(difference["then"], Value::Null);
    assert!(difference["why"].as_str().unwrap().contains("not recorded"));
}

/// Each way in which an event can come, read again from what is kept of it.
fn messages() -> Vec<String> {
    let envelope = |source: &str, kind: &str, detail: Value| {
        json!({
            "version": "0", "id": format!("{kind} {detail}").len().to_string(), "source": source,
            "detail-type": kind, "account": ACCOUNT, "time": at(0).to_string(),
            "region": "eu-central-1", "resources": [], "detail": detail,
        })
        .to_string()
    };
    vec![
        envelope(
            "aws.s3",
            "AWS API Call via CloudTrail",
            json!({
                "eventVersion": "1.09", "eventID": "ct-1", "eventSource": "s3.amazonaws.com",
                "eventName": "PutBucketAcl", "eventTime": at(0).to_string(),
                "awsRegion": "eu-central-1", "recipientAccountId": ACCOUNT,
                "requestParameters": {"bucketName": "invoices"},
            }),
        ),
        envelope(
            "aws.s3",
            "Object ACL Updated",
            json!({"bucket": {"name": "invoices"}, "object": {"key": "a"}, "requester": ACCOUNT}),
        ),
        envelope(
            "aws.config",
            "Config Rules Compliance Change",
            json!({
                "messageType": "ComplianceChangeNotification", "awsAccountId": ACCOUNT,
                "awsRegion": "eu-central-1", "resourceType": "AWS::S3::Bucket",
                "resourceId": "invoices",
                "newEvaluationResult": {"complianceType": "NON_COMPLIANT",
                    "resultRecordedTime": at(0).to_string()},
            }),
        ),
        envelope(
            "aws.config",
            "AWS API Call via CloudTrail",
            json!({
                "eventVersion": "1.08", "eventID": "ct-2", "eventSource": "config.amazonaws.com",
                "eventName": "PutEvaluations", "eventTime": at(0).to_string(),
                "awsRegion": "eu-central-1", "recipientAccountId": ACCOUNT,
                "requestParameters": {"evaluations": [
                    {"complianceResourceType": "AWS::S3::Bucket", "complianceResourceId": "other",
                     "complianceType": "NON_COMPLIANT"},
                    {"complianceResourceType": "AWS::S3::Bucket", "complianceResourceId": "invoices",
                     "complianceType": "NON_COMPLIANT"}]},
            }),
        ),
        envelope(
            "aws.s3",
            "AWS API Call via CloudTrail",
            json!({
                "eventVersion": "1.09", "eventID": "ct-3", "eventSource": "s3.amazonaws.com",
                "eventName": "PutAccountPublicAccessBlock", "eventTime": at(0).to_string(),
                "awsRegion": "eu-central-1", "recipientAccountId": ACCOUNT,
                "requestParameters": {"accountId": ACCOUNT},
            }),
        ),
    ]
}

#[tokio::test]
async fn arrived_events_ask_for_the_same_looks_unless_the_configuration_is_another() {
    let (scene, store) = Scene::new("replay-arrivals").await;
    let watched = Watched {
        accounts: vec![ACCOUNT.to_owned()],
    };
    let mut asked = Vec::new();
    for message in messages() {
        let arrived = event::read(&message);
        assert_eq!(arrived.rejected, [], "{message}");
        for event in &arrived.events {
            asked.extend(arrive(event, None, &watched, at(1)));
        }
    }
    let ops_log = event::read_ops_log(
        &json!({
            "bucket": "invoices", "time": at(0).to_string(), "operation": "put_acls",
            "http_status": "200", "trans_id": "tx1", "user": "u", "remote_addr": "203.0.113.7",
            "uri": "PUT /invoices?acl HTTP/1.1",
        })
        .to_string(),
    )
    .unwrap();
    asked.extend(arrive(&ops_log, Some(ACCOUNT), &watched, at(2)));
    assert_eq!(asked.len(), 7);
    // One that was too large to be kept.
    let mut cut = asked[0].clone();
    cut.0.id = "cut".to_owned();
    cut.0.detail = json!({"portcullis": "the event had 99999 bytes and was not kept"});
    asked.push(cut);
    store.accept(&asked).await.unwrap();
    store.close().await;

    let same = scene.replay(0, WATCHED, &["--only", "arrivals"]);
    assert_eq!(same["arrived_events"]["same"], 7, "{same}");
    assert_eq!(same["arrived_events"]["not_compared"], 1);
    assert!(same.get("differences").is_none(), "only the arrivals");
    let proved = scene.replay(1, WATCHED, &["--only", "arrivals", "--verify"]);
    assert_eq!(proved["arrived_events"]["differences"][0]["id"], "cut");
    let later = scene.replay(
        0,
        WATCHED,
        &["--only", "arrivals", "--since", &at(2).to_string()],
    );
    assert_eq!(later["arrived_events"]["same"], 1);

    let excluded = format!("{WATCHED}[recorder]\nexclude-buckets = [\"inv*\"]\n");
    let differs = scene.replay(1, &excluded, &["--only", "arrivals"]);
    let differences = differs["arrived_events"]["differences"].as_array().unwrap();
    assert_eq!(
        differences.len(),
        5,
        "all but the other bucket and the account"
    );
    assert_eq!(differences[0]["why"], "the resource is not recorded");
    let elsewhere = "[[account]]\nid = \"444455556666\"\n";
    let differs = scene.replay(1, elsewhere, &["--only", "arrivals"]);
    let differences = differs["arrived_events"]["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 7);
    assert_eq!(differences[0]["why"], "its account is not watched");
}
