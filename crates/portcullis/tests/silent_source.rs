//! A source of events that does not answer, or answers wrongly: it is said, sweeps find what it does not
//! tell, and when it is back nothing was lost and nothing is told twice.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use faults::{Answer, Fault, FaultProxy, Mailbox};
use hyper::StatusCode;
use sandbox::client::Client;
use sandbox::{Account, Config, NewBuckets, Sandbox};
use support::{
    ACCOUNT, Folder, Setup, UNBOUNDED_ENFORCEMENT, anonymous, cloudtrail_event, needed, unique,
};

const KEY: (&str, &str) = ("AKIDSILENTSILENTSILE", "a-secret-of-the-test-and-no-more");
const CLOSED: &str = "Closed and verified";

fn config(sandbox: &Sandbox, proxy: &FaultProxy, queue: &str, mailbox: &Mailbox) -> String {
    format!(
        r#"
[store]
path = "guard.db"

[[account]]
id = "{ACCOUNT}"
endpoint-url = "{}"
region = "us-east-1"
access-key-id = "{}"
secret-access-key = "env:SILENT_SECRET"

[[source]]
name = "events"
kind = "sqs"
queue-url = "{queue}"
endpoint-url = "{}"

[recorder]
parts = []
sweep-interval = "10s"

{UNBOUNDED_ENFORCEMENT}
[[subscription]]
protocol = "email"
endpoint = "owner@example.com"
confirmed = true

[mail]
server = "127.0.0.1"
port = {}
security = "none"
from = "guard@example.com"

[server]
listen = ""

[log]
format = "json"
"#,
        sandbox.endpoint(),
        KEY.0,
        proxy.endpoint(),
        mailbox.address().port(),
    )
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto and aiosmtpd: run cargo xtask test"]
async fn a_queue_that_fails_is_said_and_loses_nothing() {
    let moto = needed("PORTCULLIS_TEST_MOTO");
    let account = Account::new(ACCOUNT, "0a".repeat(32)).with_root(KEY.0, KEY.1);
    let sandbox = Sandbox::start(Config {
        new_buckets: NewBuckets::AclsInForce,
        ..Config::new(vec![account])
    })
    .await
    .unwrap();
    let owner = Client::signed(&sandbox.endpoint(), KEY.0, KEY.1);
    for bucket in ["broken", "expired"] {
        let made = owner.send("PUT", &format!("/{bucket}"), &[], "").await;
        assert!(made.unwrap().status.is_success(), "{bucket}");
    }
    let queues = aws_sdk_sqs::Client::from_conf(
        aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("testing", "testing", None, None, "tests"))
            .endpoint_url(&moto)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build(),
    );
    let name = format!("silent-{}", unique());
    let made = queues.create_queue().queue_name(name).send().await.unwrap();
    let queue = made.queue_url().unwrap().to_owned();
    let proxy = FaultProxy::start(&moto).await.unwrap();
    let mailbox = Mailbox::start().await.unwrap();
    let folder = Folder::new("silent");
    let config = config(&sandbox, &proxy, &queue, &mailbox);
    let setup = Setup::new(&folder, &config, &[("SILENT_SECRET", KEY.1)]);
    let serve = setup.serve();
    for bucket in ["broken", "expired"] {
        serve.wait_for_log(&["looked", bucket], 1);
    }

    let failed = |status, code| Fault::Answer(Answer::json_error(status, code, "not now"));
    let troubles = [
        (
            "broken",
            failed(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure"),
        ),
        (
            "expired",
            failed(StatusCode::FORBIDDEN, "ExpiredTokenException"),
        ),
    ];
    for (bucket, fault) in troubles {
        proxy.on(|_| true).always(fault);
        // Whoever waits for a first message would still get it: these waits end here.
        proxy.refuse().await.unwrap();
        let before = proxy.requests().count(|_| true);
        proxy.come_back().await.unwrap();
        proxy
            .requests()
            .wait_for(|requests| requests.len() > before + 2)
            .await
            .unwrap();
        serve.wait_for_log(&["the event source is not heard"], 1);
        let acl = [("x-amz-acl", "public-read")];
        let opened = owner
            .send("PUT", &format!("/{bucket}?acl"), &acl, "")
            .await
            .unwrap();
        assert!(opened.status.is_success(), "{bucket}");
        queues
            .send_message()
            .queue_url(&queue)
            .message_body(cloudtrail_event("PutBucketAcl", bucket))
            .send()
            .await
            .unwrap();
        // Nobody tells of it; a sweep finds it.
        let about = |message: &faults::Message| {
            let subject = message.subject().unwrap_or_default();
            subject.contains(CLOSED) && subject.contains(bucket)
        };
        mailbox.wait_for_one(about).await.unwrap();
        assert_eq!(anonymous(&sandbox.endpoint(), &format!("/{bucket}")), 403);
        let told = setup.json(&["events", "list", "--resource", bucket]);
        assert_eq!(told["events"], serde_json::json!([]), "{bucket}");
        // It comes back, and tells of what is over: nothing follows from that.
        let unchanged = ["looked", bucket, "\"changed\":false"];
        let log = serve.log();
        let looks = log
            .lines()
            .filter(|line| unchanged.iter().all(|part| line.contains(part)));
        proxy.clear();
        serve.wait_for_log(&unchanged, looks.count() + 1);
        let told = setup.json(&["events", "list", "--resource", bucket]);
        assert!(told["events"][0]["verdict_at"].is_string(), "{told}");
        assert_eq!(mailbox.messages().count(about), 1, "{bucket}");
    }
    let status = setup.json(&["status"]);
    let untold = status["coverage"][0]["untold_changes"].as_u64().unwrap();
    assert_eq!(untold, 2, "{status}");
    let (status, log) = serve.stop();
    assert!(status.success(), "{log}");
    for why in ["500 InternalFailure", "the credentials have expired"] {
        assert!(log.contains(why), "{why}: {log}");
    }
    let left = queues
        .receive_message()
        .queue_url(&queue)
        .send()
        .await
        .unwrap();
    assert_eq!(left.messages().len(), 0, "what was stored is deleted");
}
