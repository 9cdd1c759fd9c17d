//! The published walk-through, and what it should have been: a bucket is compliant; it is opened by its
//! ACL, closed and verified, and somebody has mail; it is opened by a policy, somebody has mail with the
//! policy in it and the policy is as it was; the policy goes, and it is compliant again.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::process::Command;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::types::{
    AccessControlPolicy, BucketCannedAcl, Grant, Grantee, ObjectCannedAcl, ObjectOwnership,
    OwnershipControls, OwnershipControlsRule, Permission, Type,
};
use faults::Mailbox;
use serde_json::{Value, json};
use support::{
    ACCOUNT, Folder, Serve, Setup, anonymous, cloudtrail_event, database, needed, unique,
};
use tokio::sync::Mutex;

const READ: &str = "s3-bucket-public-read-prohibited";
const OBJECTS: &str = "s3-object-acl-public-access-prohibited";
const WRITE: &str = "s3-bucket-public-write-prohibited";
const OWNER: &str = "owner@example.com";

/// The gateway serves one reader of its ops log at a time: who walks there is alone.
static GATEWAY: Mutex<()> = Mutex::const_new(());

/// One of the stores that the walk is made on.
struct Stage {
    endpoint: String,
    client: Client,
    key: (String, String),
    /// How the guard hears of what happens.
    source: Source,
    /// Whether it refuses those whom its configuration does not let in.
    enforces: bool,
    /// Whether new buckets have ACLs switched off, as on AWS.
    acls_are_off: bool,
    /// More of the account's configuration.
    account: String,
    /// What is done about public objects.
    objects: &'static str,
}

enum Source {
    OpsLog(String),
    Queue(Box<aws_sdk_sqs::Client>, String, String),
}

impl Stage {
    fn new(endpoint: &str, key: &str, source: Source) -> Stage {
        let (id, secret) = key.split_once(':').unwrap();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new(id, secret, None, None, "tests"))
            .endpoint_url(endpoint)
            .force_path_style(true)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Stage {
            endpoint: endpoint.to_owned(),
            client: Client::from_conf(config),
            key: (id.to_owned(), secret.to_owned()),
            source,
            enforces: true,
            acls_are_off: false,
            account: String::new(),
            objects: "report",
        }
    }

    fn ceph() -> Stage {
        let socket = needed("PORTCULLIS_TEST_RGW_OPS_LOG");
        Stage::new(
            &needed("PORTCULLIS_TEST_RGW"),
            &needed("PORTCULLIS_TEST_RGW_OWNER"),
            Source::OpsLog(socket),
        )
    }

    /// A store and a queue on the same server.
    async fn with_queue(endpoint: &str, key: &str) -> Stage {
        let (id, secret) = key.split_once(':').unwrap();
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
            .region(aws_sdk_sqs::config::Region::from_static("us-east-1"))
            .credentials_provider(aws_sdk_sqs::config::Credentials::new(
                id, secret, None, None, "tests",
            ))
            .endpoint_url(endpoint)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        let queues = aws_sdk_sqs::Client::from_conf(config);
        let made = queues
            .create_queue()
            .queue_name(format!("events-{}", unique()))
            .send()
            .await
            .unwrap();
        let url = made.queue_url().unwrap().to_owned();
        let source = Source::Queue(Box::new(queues), url, endpoint.to_owned());
        Stage::new(endpoint, key, source)
    }

    /// Tells the guard, where the store does not do so itself.
    async fn told(&self, event_name: &str, bucket: &str) {
        let Source::Queue(queues, url, _) = &self.source else {
            return;
        };
        queues
            .send_message()
            .queue_url(url)
            .message_body(cloudtrail_event(event_name, bucket))
            .send()
            .await
            .unwrap();
    }

    async fn bucket(&self) -> String {
        // As long as a name may be: the published responder loses the alert of such.
        let mut name = format!("walk-through-with-a-name-as-long-as-can-be-{}", unique());
        name.truncate(63);
        self.client
            .create_bucket()
            .bucket(&name)
            .send()
            .await
            .unwrap();
        if self.acls_are_off {
            self.client
                .delete_public_access_block()
                .bucket(&name)
                .send()
                .await
                .unwrap();
            let rule = OwnershipControlsRule::builder()
                .object_ownership(ObjectOwnership::ObjectWriter)
                .build()
                .unwrap();
            let controls = OwnershipControls::builder().rules(rule).build().unwrap();
            self.client
                .put_bucket_ownership_controls()
                .bucket(&name)
                .ownership_controls(controls)
                .send()
                .await
                .unwrap();
        }
        name
    }

    async fn open_acl(&self, bucket: &str, acl: BucketCannedAcl) {
        let put = self.client.put_bucket_acl().bucket(bucket).acl(acl);
        put.send().await.unwrap();
        self.told("PutBucketAcl", bucket).await;
    }

    /// Adds a grant to everybody; some stores store the canned ACL for this as one for reading.
    async fn grant_write(&self, bucket: &str) {
        let acl = self
            .client
            .get_bucket_acl()
            .bucket(bucket)
            .send()
            .await
            .unwrap();
        let everybody = Grantee::builder()
            .r#type(Type::Group)
            .uri("http://acs.amazonaws.com/groups/global/AllUsers")
            .build()
            .unwrap();
        let grant = Grant::builder()
            .grantee(everybody)
            .permission(Permission::Write)
            .build();
        let opened = AccessControlPolicy::builder()
            .set_owner(acl.owner().cloned())
            .set_grants(Some(acl.grants().to_vec()))
            .grants(grant)
            .build();
        let put = self
            .client
            .put_bucket_acl()
            .bucket(bucket)
            .access_control_policy(opened);
        put.send().await.unwrap();
        self.told("PutBucketAcl", bucket).await;
    }

    async fn open_policy(&self, bucket: &str, action: &str) -> String {
        let resource = match action {
            "s3:ListBucket" => format!("arn:aws:s3:::{bucket}"),
            _ => format!("arn:aws:s3:::{bucket}/*"),
        };
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Sid": "ForEverybody", "Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource,
        }]})
        .to_string();
        self.client
            .put_bucket_policy()
            .bucket(bucket)
            .policy(&policy)
            .send()
            .await
            .unwrap();
        self.told("PutBucketPolicy", bucket).await;
        policy
    }

    async fn remove_policy(&self, bucket: &str) {
        let delete = self.client.delete_bucket_policy().bucket(bucket);
        delete.send().await.unwrap();
        self.told("DeleteBucketPolicy", bucket).await;
    }

    async fn policy(&self, bucket: &str) -> Option<Value> {
        let got = self.client.get_bucket_policy().bucket(bucket).send().await;
        let text = got.ok()?.policy?;
        Some(serde_json::from_str(&text).unwrap())
    }

    /// Whether nobody but the owner is in the ACL.
    async fn acl_is_private(&self, bucket: &str) -> bool {
        let acl = self
            .client
            .get_bucket_acl()
            .bucket(bucket)
            .send()
            .await
            .unwrap();
        let grantees = acl.grants().iter().filter_map(|grant| grant.grantee());
        grantees
            .into_iter()
            .all(|grantee| grantee.r#type() != &Type::Group)
    }

    fn config(&self, store: &str, mailbox: &Mailbox) -> String {
        let source = match &self.source {
            Source::OpsLog(socket) => format!("kind = \"ops-log\"\nsocket = \"{socket}\"\n"),
            Source::Queue(_, url, endpoint) => {
                format!("kind = \"sqs\"\nqueue-url = \"{url}\"\nendpoint-url = \"{endpoint}\"\n")
            }
        };
        format!(
            r#"
[store]
{store}

[[account]]
id = "{ACCOUNT}"
label = "walk"
endpoint-url = "{}"
region = "us-east-1"
access-key-id = "{}"
secret-access-key = "env:WALK_SECRET"
{}

[[source]]
name = "events"
{source}

[recorder]
buckets = ["walk-through-*"]

[[enforcement.scope]]
name = "everything"
enabled = true
objects = "{}"

[[subscription]]
protocol = "email"
endpoint = "{OWNER}"
confirmed = true

[mail]
server = "127.0.0.1"
port = {}
security = "none"
from = "Portcullis <guard@example.com>"

[server]
listen = ""

[work]
lease = "5s"

[log]
format = "json"
"#,
            self.endpoint,
            self.key.0,
            self.account,
            self.objects,
            mailbox.address().port(),
        )
    }
}

/// A walk in progress.
struct Walk {
    stage: Stage,
    setup: Setup,
    mailbox: Mailbox,
    _folder: Folder,
}

impl Walk {
    async fn begin(stage: Stage) -> Walk {
        Walk::begin_with(stage, "path = \"FOLDER/guard.db\"", &[]).await
    }

    async fn begin_with(stage: Stage, store: &str, further: &[(&str, &str)]) -> Walk {
        let folder = Folder::new("walk");
        let mailbox = Mailbox::start().await.unwrap();
        let store = store.replace("FOLDER", folder.path().to_str().unwrap());
        let config = stage.config(&store, &mailbox);
        if matches!(stage.source, Source::OpsLog(_)) {
            // Without any bucket there is no request that the gateway logs, and none by which it sees that
            // an earlier reader is gone.
            let ground = format!("ground-{}", unique());
            let create = stage.client.create_bucket().bucket(ground);
            create.send().await.unwrap();
        }
        let mut environment = vec![("WALK_SECRET", stage.key.1.as_str())];
        environment.extend(further);
        let setup = Setup::new(&folder, &config, &environment);
        let checked = setup.run(&["config", "check"]);
        assert!(
            checked.status.success(),
            "{}",
            String::from_utf8_lossy(&checked.stderr)
        );
        Walk {
            stage,
            setup,
            mailbox,
            _folder: folder,
        }
    }

    fn serve(&self) -> Serve {
        let serve = self.setup.serve();
        // The first sweep went through, and the source of events is heard.
        serve.wait_for_log(&["swept"], 1);
        // A queue keeps what it holds until somebody comes; a socket does not.
        if matches!(self.stage.source, Source::OpsLog(_)) {
            serve.wait_for_log(&["the event source is heard"], 1);
        }
        serve
    }

    /// Waits for a mail about a bucket whose text says this.
    async fn mail(&self, bucket: &str, says: &str) -> faults::Message {
        self.mailbox
            .wait_for_one(|message| {
                message
                    .text()
                    .is_some_and(|text| text.contains(bucket) && text.contains(says))
            })
            .await
            .unwrap()
    }

    /// Waits until there are so many mails about a bucket.
    async fn mails(&self, bucket: &str, count: usize) {
        let about = |message: &faults::Message| message.text().is_some_and(|t| t.contains(bucket));
        self.mailbox
            .messages()
            .wait_for(|all| all.iter().filter(|message| about(message)).count() >= count)
            .await
            .unwrap();
    }

    fn mails_about(&self, bucket: &str) -> usize {
        self.mailbox
            .messages()
            .count(|message| message.text().is_some_and(|text| text.contains(bucket)))
    }

    async fn whole(&self) {
        let serve = self.serve();
        let bucket = self.stage.bucket().await;
        self.stage.told("CreateBucket", &bucket).await;
        serve.wait_for_log(&["looked", &bucket], 1);
        assert_eq!(self.setup.compliance(&bucket, READ), ["COMPLIANT"]);

        // By its ACL, for reading.
        self.stage
            .open_acl(&bucket, BucketCannedAcl::PublicRead)
            .await;
        let mail = self.mail(&bucket, "closed").await;
        assert!(mail.subject().unwrap().contains("walk-through"));
        assert!(mail.html().is_some());
        assert!(self.stage.acl_is_private(&bucket).await);
        if self.stage.enforces {
            assert_eq!(anonymous(&self.stage.endpoint, &format!("/{bucket}")), 403);
        }
        assert_eq!(
            self.setup.compliance(&bucket, READ),
            ["COMPLIANT", "NON_COMPLIANT", "COMPLIANT"]
        );
        assert_eq!(self.mails_about(&bucket), 1);

        // By a policy, for reading.
        let policy = self.stage.open_policy(&bucket, "s3:ListBucket").await;
        let mail = self.mail(&bucket, "ForEverybody").await;
        let text = mail.text().unwrap();
        assert!(
            text.contains("s3:ListBucket") && text.contains("\"Principal\""),
            "{text}"
        );
        let is: Value = self.stage.policy(&bucket).await.unwrap();
        let was: Value = serde_json::from_str(&policy).unwrap();
        assert_eq!(is, was, "the policy is as it was");
        if self.stage.enforces {
            assert_eq!(anonymous(&self.stage.endpoint, &format!("/{bucket}")), 200);
        }
        self.stage.remove_policy(&bucket).await;
        self.mailbox
            .wait_for_one(|message| {
                message
                    .subject()
                    .is_some_and(|subject| subject.starts_with("Resolved"))
            })
            .await
            .unwrap();
        assert_eq!(
            self.setup.compliance(&bucket, READ),
            [
                "COMPLIANT",
                "NON_COMPLIANT",
                "COMPLIANT",
                "NON_COMPLIANT",
                "COMPLIANT"
            ]
        );

        // By its ACL, for writing: what the published code never closes.
        self.stage.grant_write(&bucket).await;
        self.mails(&bucket, 4).await;
        assert!(self.stage.acl_is_private(&bucket).await);
        let write = self.setup.compliance(&bucket, WRITE);
        assert_eq!(write, ["COMPLIANT", "NON_COMPLIANT", "COMPLIANT"]);

        // By a policy, for writing, and by the ACL at the same time: both are handled.
        self.stage.open_policy(&bucket, "s3:PutObject").await;
        self.mail(&bucket, "s3:PutObject").await;
        self.stage
            .open_acl(&bucket, BucketCannedAcl::PublicRead)
            .await;
        self.mails(&bucket, 6).await;
        assert!(self.stage.acl_is_private(&bucket).await);
        assert!(self.stage.policy(&bucket).await.is_some());
        let write = self.setup.compliance(&bucket, WRITE);
        assert_eq!(
            write.last().unwrap(),
            "NON_COMPLIANT",
            "until somebody acts"
        );

        let (status, log) = serve.stop();
        assert!(status.success(), "{log}");
        assert!(!log.contains(&self.stage.key.1), "no secret in the log");
        self.stage
            .client
            .delete_bucket()
            .bucket(&bucket)
            .send()
            .await
            .ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RGW and aiosmtpd: run cargo xtask test"]
async fn on_ceph_by_its_ops_log() {
    let _alone = GATEWAY.lock().await;
    let walk = Walk::begin(Stage::ceph()).await;
    walk.whole().await;
}

impl Walk {
    /// An object is made public by its own ACL, in a bucket that is closed.
    async fn object(&self, bucket: &str) {
        let client = &self.stage.client;
        let put = client.put_object().bucket(bucket).key("report.pdf");
        put.body(b"figures".to_vec().into()).send().await.unwrap();
        self.object_acl(bucket, ObjectCannedAcl::PublicRead).await;
    }

    async fn object_acl(&self, bucket: &str, acl: ObjectCannedAcl) {
        let client = &self.stage.client;
        let put = client.put_object_acl().bucket(bucket).key("report.pdf");
        put.acl(acl).send().await.unwrap();
    }

    fn anonymous_object(&self, bucket: &str) -> u16 {
        anonymous(&self.stage.endpoint, &format!("/{bucket}/report.pdf"))
    }

    async fn clean(&self, bucket: &str) {
        let client = &self.stage.client;
        let delete = client.delete_object().bucket(bucket).key("report.pdf");
        delete.send().await.unwrap();
        let delete = client.delete_bucket().bucket(bucket);
        delete.send().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RGW and aiosmtpd: run cargo xtask test"]
async fn an_object_with_an_acl_of_its_own_on_ceph() {
    let _alone = GATEWAY.lock().await;
    // Told, and left as it is.
    let walk = Walk::begin(Stage::ceph()).await;
    let serve = walk.serve();
    let bucket = walk.stage.bucket().await;
    serve.wait_for_log(&["looked", &bucket], 1);
    walk.object(&bucket).await;
    let mail = walk.mail(&bucket, "report.pdf: READ to AllUsers").await;
    let subject = mail.subject().unwrap();
    assert!(
        subject.starts_with("Public read by object ACL"),
        "{subject}"
    );
    assert_eq!(walk.anonymous_object(&bucket), 200, "it is as it was");
    assert_eq!(
        walk.setup.compliance(&bucket, OBJECTS),
        ["NOT_APPLICABLE", "NON_COMPLIANT"]
    );
    assert_eq!(walk.setup.compliance(&bucket, READ), ["COMPLIANT"]);
    walk.object_acl(&bucket, ObjectCannedAcl::Private).await;
    walk.mail(&bucket, "complies again").await;
    assert_eq!(walk.anonymous_object(&bucket), 403);
    let (status, log) = serve.stop();
    assert!(status.success(), "{log}");
    walk.clean(&bucket).await;

    // Closed by the bucket, whatever the object's ACL says.
    let mut stage = Stage::ceph();
    stage.objects = "ignore-public-acls";
    let walk = Walk::begin(stage).await;
    let serve = walk.serve();
    let bucket = walk.stage.bucket().await;
    serve.wait_for_log(&["looked", &bucket], 1);
    walk.object(&bucket).await;
    let mail = walk.mail(&bucket, "IgnorePublicAcls").await;
    let subject = mail.subject().unwrap();
    assert!(subject.starts_with("Closed and verified"), "{subject}");
    assert_eq!(walk.anonymous_object(&bucket), 403);
    let (status, log) = serve.stop();
    assert!(status.success(), "{log}");
    walk.clean(&bucket).await;
}

/// Makes a role of Ceph's that the owner may assume, and that may do this to any bucket.
fn ceph_role(endpoint: &str, name: &str, actions: &[&str]) -> String {
    let name = format!("{name}-{}", unique());
    let admin = needed("PORTCULLIS_TEST_RGW_ADMIN");
    let (id, secret) = admin.split_once(':').unwrap();
    let iam = |arguments: &[&str]| {
        let output = Command::new(needed("PORTCULLIS_TEST_AWS_CLI"))
            .args(["--endpoint-url", endpoint, "--region", "us-east-1"])
            .args(["--output", "json", "iam"])
            .args(arguments)
            .env("AWS_ACCESS_KEY_ID", id)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam:::user/owner"]}, "Action": ["sts:AssumeRole"],
    }]});
    let allowed = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": actions, "Resource": "arn:aws:s3:::*",
    }]});
    let (trust, allowed) = (trust.to_string(), allowed.to_string());
    let made = iam(&[
        "create-role",
        "--role-name",
        &name,
        "--assume-role-policy-document",
        &trust,
    ]);
    iam(&[
        "put-role-policy",
        "--role-name",
        &name,
        "--policy-name",
        "allowed",
        "--policy-document",
        &allowed,
    ]);
    let made: Value = serde_json::from_slice(&made).unwrap();
    made["Role"]["Arn"].as_str().unwrap().to_owned()
}

/// Whoever reads cannot write, and whoever writes is asked for nothing else: Ceph enforces both.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RGW and aiosmtpd: run cargo xtask test"]
async fn on_ceph_with_a_role_that_reads_and_one_that_closes() {
    let _alone = GATEWAY.lock().await;
    let endpoint = needed("PORTCULLIS_TEST_RGW");
    let reader = ceph_role(&endpoint, "reader", &["s3:Get*", "s3:List*"]);
    let responder = ceph_role(
        &endpoint,
        "responder",
        &["s3:Get*", "s3:List*", "s3:PutBucketAcl"],
    );
    let roles = format!("role-arn = \"{reader}\"\nenforcement-role-arn = \"{responder}\"\n");
    let stage = Stage {
        account: roles,
        ..Stage::ceph()
    };
    Walk::begin(stage).await.whole().await;

    // With the reader alone the same is found and told, and not closed: nobody says otherwise.
    let stage = Stage {
        account: format!("role-arn = \"{reader}\"\n"),
        ..Stage::ceph()
    };
    let walk = Walk::begin(stage).await;
    let serve = walk.serve();
    let bucket = walk.stage.bucket().await;
    walk.stage
        .open_acl(&bucket, BucketCannedAcl::PublicRead)
        .await;
    let mail = walk.mail(&bucket, "s3:PutBucketAcl is missing").await;
    assert!(
        mail.subject().unwrap().starts_with("NOT closed"),
        "{mail:?}"
    );
    assert!(!walk.stage.acl_is_private(&bucket).await);
    let read = walk.setup.compliance(&bucket, READ);
    assert_eq!(read.last().map(String::as_str), Some("NON_COMPLIANT"));
    let findings = walk.setup.json(&["findings", "list"]);
    assert_eq!(findings["findings"][0]["state"], "open", "{findings}");
    let (status, log) = serve.stop();
    assert!(status.success(), "{log}");
    let delete = walk.stage.client.delete_bucket().bucket(&bucket);
    delete.send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs MiniStack and aiosmtpd: run cargo xtask test"]
async fn on_ministack_by_a_queue() {
    let endpoint = needed("PORTCULLIS_TEST_MINISTACK");
    let stage = Stage {
        acls_are_off: true,
        ..Stage::with_queue(&endpoint, &format!("{ACCOUNT}:test")).await
    };
    Walk::begin(stage).await.whole().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto and aiosmtpd: run cargo xtask test"]
async fn on_moto_by_a_queue() {
    let endpoint = needed("PORTCULLIS_TEST_MOTO");
    let stage = Stage {
        enforces: false,
        ..Stage::with_queue(&endpoint, "testing:testing").await
    };
    Walk::begin(stage).await.whole().await;
}

/// The same on PostgreSQL with three workers, one of which is killed while it has work.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto, PostgreSQL and aiosmtpd: run cargo xtask test"]
async fn three_workers_on_postgresql_and_one_is_killed() {
    let endpoint = needed("PORTCULLIS_TEST_MOTO");
    let stage = Stage {
        enforces: false,
        ..Stage::with_queue(&endpoint, "testing:testing").await
    };
    let database = database().await;
    let walk = Walk::begin_with(
        stage,
        "url = \"env:WALK_DATABASE\"",
        &[("WALK_DATABASE", &database)],
    )
    .await;
    let workers = [walk.setup.serve(), walk.setup.serve(), walk.setup.serve()];
    let [first, second, third] = workers;
    for worker in [&first, &second, &third] {
        worker.wait_for_log(&["watching"], 1);
    }
    let mut buckets = Vec::new();
    for _ in 0..6 {
        let bucket = walk.stage.bucket().await;
        walk.stage
            .open_acl(&bucket, BucketCannedAcl::PublicRead)
            .await;
        buckets.push(bucket);
    }
    first.kill();
    for bucket in &buckets {
        walk.mail(bucket, "closed").await;
        assert!(walk.stage.acl_is_private(bucket).await, "{bucket}");
        let answers = walk.setup.compliance(bucket, READ);
        assert_eq!(answers.last().map(String::as_str), Some("COMPLIANT"));
    }
    for worker in [second, third] {
        let (status, log) = worker.stop();
        assert!(status.success(), "{log}");
    }
}
