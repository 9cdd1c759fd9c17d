//! The commands against real servers: found, planned, closed, taken back, and refused where they must.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Output};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::types::{
    BucketCannedAcl, ObjectCannedAcl, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
};

/// A server under test, a user of it, and a folder for this test's journal.
struct Scene {
    endpoint: String,
    key: (String, String),
    client: Client,
    folder: PathBuf,
}

fn needed(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: run this by cargo xtask test"))
}

impl Scene {
    fn new(endpoint: String, key: &str) -> Scene {
        let (id, secret) = key.split_once(':').unwrap();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new(id, secret, None, None, "tests"))
            .endpoint_url(&endpoint)
            .force_path_style(true)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        let unique = unique();
        Scene {
            endpoint,
            key: (id.to_owned(), secret.to_owned()),
            client: Client::from_conf(config),
            folder: std::env::temp_dir().join(format!("portcullis-live-{unique}")),
        }
    }

    async fn bucket(&self, name: &str) -> String {
        let name = format!("{name}-{}", unique());
        self.client
            .create_bucket()
            .bucket(&name)
            .send()
            .await
            .unwrap();
        self.client
            .put_object()
            .bucket(&name)
            .key("hello")
            .body(b"hello".to_vec().into())
            .send()
            .await
            .unwrap();
        name
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(arguments)
            .args(["--endpoint-url", &self.endpoint])
            .env("AWS_ACCESS_KEY_ID", &self.key.0)
            .env("AWS_SECRET_ACCESS_KEY", &self.key.1)
            .env_remove("AWS_SESSION_TOKEN")
            .env_remove("AWS_PROFILE")
            .env("XDG_STATE_HOME", &self.folder)
            .output()
            .unwrap()
    }

    /// Runs a command; what it printed, if it ended with this status.
    fn check(&self, arguments: &[&str], status: i32) -> String {
        let output = self.run(arguments);
        let out = String::from_utf8(output.stdout).unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            output.status.code(),
            Some(status),
            "{arguments:?}\n{out}\n{err}"
        );
        assert!(!out.contains(&self.key.1) && !err.contains(&self.key.1));
        format!("{out}{err}")
    }

    /// The status of an unsigned GET.
    fn anonymous(&self, path: &str) -> u16 {
        let authority = self.endpoint.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(authority).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let text = String::from_utf8_lossy(&answer);
        text.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // A test that failed before its first journal entry has no folder.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn unique() -> String {
    use std::hash::{BuildHasher, Hasher};
    let number = std::hash::RandomState::new().build_hasher().finish();
    format!("{:08x}", number as u32)
}

/// The id that `fix --apply` printed.
fn id(printed: &str) -> String {
    let (_, rest) = printed.split_once("portcullis undo ").unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

fn rgw() -> Scene {
    Scene::new(
        needed("PORTCULLIS_TEST_RGW"),
        &needed("PORTCULLIS_TEST_RGW_OWNER"),
    )
}

/// Found, planned without a change, closed, refused, taken back, and not twice.
async fn public_acl_cycle(scene: &Scene) {
    let name = scene.bucket("acl").await;
    let path = format!("/{name}");
    scene
        .client
        .put_bucket_acl()
        .bucket(&name)
        .acl(BucketCannedAcl::PublicRead)
        .send()
        .await
        .unwrap();
    assert_eq!(scene.anonymous(&path), 200);

    let found = scene.check(&["scan", "--bucket", &name], 1);
    assert!(found.contains("OPEN"), "{found}");
    let plan = scene.check(&["fix", "--bucket", &name], 1);
    assert!(plan.contains("- READ to group AllUsers"), "{plan}");
    assert!(plan.contains("Nothing was changed"), "{plan}");
    assert_eq!(scene.anonymous(&path), 200, "a plan changes nothing");

    let applied = scene.check(&["fix", "--bucket", &name, "--apply", "--yes"], 0);
    assert_eq!(scene.anonymous(&path), 403);
    let acl = scene
        .client
        .get_bucket_acl()
        .bucket(&name)
        .send()
        .await
        .unwrap();
    assert_eq!(acl.grants().len(), 1, "the owner's grant stays");
    scene.check(&["explain", &name], 0);

    let id = id(&applied);
    scene.check(&["undo", &id], 0);
    assert_eq!(scene.anonymous(&path), 200);
    let again = scene.check(&["undo", &id], 2);
    assert!(again.contains("already taken back"), "{again}");
    assert_eq!(scene.anonymous(&path), 200);
}

fn policy(name: &str) -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Sid": "World", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::{name}/*"}}]}}"#
    )
}

async fn public_policy(scene: &Scene) -> String {
    let name = scene.bucket("policy").await;
    scene
        .client
        .put_bucket_policy()
        .bucket(&name)
        .policy(policy(&name))
        .send()
        .await
        .unwrap();
    assert_eq!(scene.anonymous(&format!("/{name}/hello")), 200);
    name
}

#[tokio::test]
#[ignore = "needs Ceph RGW: run cargo xtask test"]
async fn rgw_public_acl() {
    public_acl_cycle(&rgw()).await;
}

#[tokio::test]
#[ignore = "needs Ceph RGW: run cargo xtask test"]
async fn rgw_public_policy() {
    let scene = rgw();
    let name = public_policy(&scene).await;
    let path = format!("/{name}/hello");
    // RestrictPublicBuckets is stored there and closes nothing: it is not even offered.
    let said = scene.check(
        &[
            "fix", "--bucket", &name, "--policy", "block", "--apply", "--yes",
        ],
        1,
    );
    assert!(said.contains("does not enforce it"), "{said}");
    assert_eq!(scene.anonymous(&path), 200);
    let remove = [
        "fix",
        "--bucket",
        &name,
        "--policy",
        "remove-statement",
        "--apply",
        "--yes",
    ];
    let applied = scene.check(&remove, 0);
    assert_eq!(scene.anonymous(&path), 403);
    // The bucket itself is still there: the only DELETE is that of the policy.
    scene
        .client
        .head_bucket()
        .bucket(&name)
        .send()
        .await
        .unwrap();
    scene.check(&["undo", &id(&applied)], 0);
    assert_eq!(scene.anonymous(&path), 200);
}

#[tokio::test]
#[ignore = "needs Ceph RGW: run cargo xtask test"]
async fn rgw_undo_refuses_after_a_change() {
    let scene = rgw();
    let name = public_policy(&scene).await;
    let remove = [
        "fix",
        "--bucket",
        &name,
        "--policy",
        "remove-statement",
        "--apply",
        "--yes",
    ];
    let applied = scene.check(&remove, 0);
    let other = policy(&name).replace("GetObject", "GetObjectAcl");
    let put = scene
        .client
        .put_bucket_policy()
        .bucket(&name)
        .policy(&other);
    put.send().await.unwrap();
    let refused = scene.check(&["undo", &id(&applied)], 2);
    assert!(refused.contains("changed since"), "{refused}");
    let now = scene
        .client
        .get_bucket_policy()
        .bucket(&name)
        .send()
        .await
        .unwrap();
    assert_eq!(now.policy(), Some(other.as_str()));
}

#[tokio::test]
#[ignore = "needs Ceph RGW: run cargo xtask test"]
async fn rgw_public_objects() {
    let scene = rgw();
    let name = scene.bucket("objects").await;
    let public = scene.client.put_object_acl().bucket(&name).key("hello");
    public
        .acl(ObjectCannedAcl::PublicRead)
        .send()
        .await
        .unwrap();
    let path = format!("/{name}/hello");
    assert_eq!(scene.anonymous(&path), 200);
    let said = scene.check(&["fix", "--bucket", &name], 1);
    assert!(said.contains("1 of 1 looked at are public"), "{said}");
    let ignore = [
        "fix",
        "--bucket",
        &name,
        "--objects",
        "ignore-public-acls",
        "--apply",
        "--yes",
    ];
    let applied = scene.check(&ignore, 0);
    assert_eq!(scene.anonymous(&path), 403);
    scene.check(&["undo", &id(&applied)], 0);
    assert_eq!(scene.anonymous(&path), 200);
}

#[tokio::test]
#[ignore = "needs Ceph RGW: run cargo xtask test"]
async fn rgw_one_user_sees_his_own_and_an_administrator_all() {
    let owner = rgw();
    let name = owner.bucket("mine").await;
    let endpoint = needed("PORTCULLIS_TEST_RGW");
    let other = Scene::new(endpoint.clone(), &needed("PORTCULLIS_TEST_RGW_OTHER"));
    let said = other.check(&["scan", "--bucket", &name], 3);
    assert!(
        said.contains("only this user's buckets were seen"),
        "{said}"
    );
    let admin = Scene::new(endpoint, &needed("PORTCULLIS_TEST_RGW_ADMIN"));
    let listed = admin.run(&["scan", "--bucket", &name, "--format", "json"]);
    let text = String::from_utf8(listed.stdout).unwrap();
    assert!(text.contains(&name), "{text}");
}

#[tokio::test]
#[ignore = "needs MiniStack: run cargo xtask test"]
async fn ministack_public_acl_and_block() {
    let scene = Scene::new(needed("PORTCULLIS_TEST_MINISTACK"), "test:test");
    let name = scene.bucket("open").await;
    // New buckets there have what AWS gives them since April 2023.
    scene
        .client
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
    let put = scene.client.put_bucket_ownership_controls().bucket(&name);
    put.ownership_controls(controls).send().await.unwrap();
    let put = scene.client.put_bucket_policy().bucket(&name);
    put.policy(policy(&name)).send().await.unwrap();
    let path = format!("/{name}/hello");
    assert_eq!(scene.anonymous(&path), 200);
    let block = [
        "fix", "--bucket", &name, "--policy", "block", "--apply", "--yes",
    ];
    let applied = scene.check(&block, 0);
    assert_eq!(scene.anonymous(&path), 403);
    scene.check(&["undo", &id(&applied)], 0);
    assert_eq!(scene.anonymous(&path), 200);
}

#[tokio::test]
#[ignore = "needs moto: run cargo xtask test"]
async fn moto_lists_everything_although_it_cuts_pages() {
    let scene = Scene::new(needed("PORTCULLIS_TEST_MOTO"), "test:test");
    let mut names = Vec::new();
    for _ in 0..3 {
        names.push(scene.bucket("page").await);
    }
    let output = scene.run(&["scan", "--bucket", "page-*", "--format", "json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for name in names {
        assert!(text.contains(&name), "{name} is missing in {text}");
    }
}

#[test]
fn nobody_answers_is_said_in_bounded_time() {
    let scene = Scene::new("http://127.0.0.1:1".to_owned(), "key:secret-of-a-test");
    let said = scene.check(&["scan"], 3);
    assert!(said.contains("cannot reach http://127.0.0.1:1"), "{said}");
}

#[test]
fn a_web_page_is_no_store() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 8192];
            let _ = stream.read(&mut buffer);
            let page = "<!DOCTYPE html><html><body>Sign in</body></html>";
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len()
            );
        }
    });
    let scene = Scene::new(format!("http://{address}"), "key:secret-of-a-test");
    let said = scene.check(&["scan"], 2);
    assert!(said.contains("a web page"), "{said}");
    assert!(said.contains("hint: check --endpoint-url"), "{said}");
}

#[test]
fn without_credentials_nothing_is_asked() {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["scan", "--endpoint-url", "http://127.0.0.1:1"])
        .env_clear()
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("HOME", "/nonexistent")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("no credentials were found"), "{said}");
    assert!(said.contains("hint:"), "{said}");
}

#[test]
fn an_unknown_id_is_refused_before_any_call() {
    let scene = Scene::new("http://127.0.0.1:1".to_owned(), "key:secret-of-a-test");
    let said = scene.check(&["undo", "20260101T000000Z-00000000"], 2);
    assert!(said.contains("knows no remediation"), "{said}");
}

#[test]
fn ctrl_c_ends_a_scan_with_what_is_known() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (reached, waits) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let reached = reached.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 8192];
                let read = stream.read(&mut buffer).unwrap_or(0);
                let head = String::from_utf8_lossy(&buffer[..read]).into_owned();
                if head.contains("/stuck") {
                    // Never answered: the scan would wait for its time-out.
                    reached.send(()).unwrap();
                    let _ = stream.read(&mut buffer);
                    return;
                }
                let body = "<ListAllMyBucketsResult><Buckets><Bucket><Name>stuck</Name></Bucket></Buckets></ListAllMyBucketsResult>";
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
            });
        }
    });
    let child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["scan", "--endpoint-url", &format!("http://{address}")])
        .env("AWS_ACCESS_KEY_ID", "key")
        .env("AWS_SECRET_ACCESS_KEY", "secret-of-a-test")
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    waits.recv().unwrap();
    let kill = ["-INT", &child.id().to_string()];
    assert!(Command::new("kill").args(kill).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("interrupted"), "{said}");
}

/// A store with one bucket under a public ACL, whose writes never get an answer; each is told.
fn stuck_store() -> (String, std::sync::mpsc::Receiver<()>) {
    const ACL: &str = r#"<AccessControlPolicy><Owner><ID>own</ID></Owner><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>own</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>"#;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (written, writes) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let written = written.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 8192];
                let read = stream.read(&mut buffer).unwrap_or(0);
                let head = String::from_utf8_lossy(&buffer[..read]).into_owned();
                let target = head.split(' ').nth(1).unwrap_or_default();
                let (status, body) = if head.starts_with("PUT ") {
                    written.send(()).unwrap();
                    let _ = stream.read(&mut buffer);
                    return;
                } else if target.contains("?acl") {
                    (200, ACL)
                } else if target.contains("?policy") {
                    (404, "<Error><Code>NoSuchBucketPolicy</Code></Error>")
                } else if target.contains("?publicAccessBlock") {
                    (
                        404,
                        "<Error><Code>NoSuchPublicAccessBlockConfiguration</Code></Error>",
                    )
                } else if target.contains("?ownershipControls") {
                    (
                        404,
                        "<Error><Code>OwnershipControlsNotFoundError</Code></Error>",
                    )
                } else if target.contains("list-type") {
                    (
                        200,
                        "<ListBucketResult><Name>open</Name></ListBucketResult>",
                    )
                } else {
                    (
                        200,
                        "<ListAllMyBucketsResult><Buckets><Bucket><Name>open</Name></Bucket></Buckets></ListAllMyBucketsResult>",
                    )
                };
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
            });
        }
    });
    (format!("http://{address}"), writes)
}

#[test]
fn killed_in_the_middle_of_a_write_it_is_recognised_and_taken_back() {
    let (endpoint, writes) = stuck_store();
    let scene = Scene::new(endpoint, "key:secret-of-a-test");
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["fix", "--apply", "--yes", "--endpoint-url", &scene.endpoint])
        .env("AWS_ACCESS_KEY_ID", &scene.key.0)
        .env("AWS_SECRET_ACCESS_KEY", &scene.key.1)
        .env("XDG_STATE_HOME", &scene.folder)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    writes.recv().unwrap();
    // SIGKILL: nothing of the process runs any more.
    child.kill().unwrap();
    child.wait().unwrap();
    let said = scene.check(&["fix"], 1);
    assert!(said.contains("was begun and not finished"), "{said}");
    let id = id(&said).trim_end_matches('`').to_owned();
    let said = scene.check(&["undo", &id], 0);
    assert!(said.contains("as it was before"), "{said}");
    scene.check(&["undo", &id], 2);
}
