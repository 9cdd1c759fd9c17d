//! The guard as its operator meets it: a configuration file, `serve`, and the commands over what it keeps.
//! The embedded server enforces, so nothing outside is needed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use sandbox::estate::{self, Person};
use serde_json::Value;

/// A folder with a configuration for one endpoint.
struct Scene {
    folder: PathBuf,
}

impl Scene {
    fn new(name: &str, endpoint: &str, more: &str) -> Scene {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let text = format!(
            "[store]\npath = \"guard.db\"\n\
             [[account]]\nid = \"{}\"\nlabel = \"demo\"\nendpoint-url = \"{endpoint}\"\n\
             access-key-id = \"env:GUARD_KEY\"\nsecret-access-key = \"file:secret\"\n\
             [server]\nlisten = \"\"\n[log]\nformat = \"json\"\n{more}",
            estate::OWNER
        );
        std::fs::write(folder.join("portcullis.toml"), text).unwrap();
        let secret = Person::Guard.key().unwrap().secret;
        std::fs::write(folder.join("secret"), format!("{secret}\n")).unwrap();
        Scene { folder }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command
            .args(arguments)
            .env("PORTCULLIS_CONFIG", self.folder.join("portcullis.toml"))
            .env("GUARD_KEY", Person::Guard.key().unwrap().id)
            .env("USER", "dana")
            .env_remove("PORTCULLIS_LOG")
            .env_remove("AWS_ENDPOINT_URL");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The JSON of a command that ends with this exit code.
    #[track_caller]
    fn json(&self, exit: i32, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--format", "json"]].concat());
        assert_eq!(
            output.status.code(),
            Some(exit),
            "{arguments:?}: {output:?}"
        );
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(value["schema_version"], 1);
        value
    }

    fn serve(&self) -> Serving {
        let mut child = self
            .command(&["serve"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Serving { child, log }
    }
}

/// A running guard. It is killed if the test fails.
struct Serving {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Serving {
    /// Waits for a line of the log that this holds for.
    #[track_caller]
    fn until(&mut self, what: &str, holds: impl Fn(&Value) -> bool) {
        let mut seen = String::new();
        loop {
            let from = seen.len();
            if self.log.read_line(&mut seen).unwrap() == 0 {
                panic!("it ended before {what}: {seen}");
            }
            // Warnings about the configuration are no JSON.
            if serde_json::from_str(&seen[from..]).is_ok_and(|line: Value| holds(&line)) {
                return;
            }
        }
    }

    fn stop(mut self) -> Output {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(told.success());
        let mut rest = String::new();
        while self.log.read_line(&mut rest).unwrap() > 0 {}
        let status = self.child.wait().unwrap();
        Output {
            status,
            stdout: Vec::new(),
            stderr: rest.into_bytes(),
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const ENFORCE: &str = "\
[recorder]\nbuckets = [\"invoices\"]\n\
[[enforcement.scope]]\nname = \"all\"\nenabled = true\n\
[[rule]]\nname = \"whose-is-it\"\nidentifier = \"REQUIRED_TAGS\"\nenabled = false\n\
parameters = { tag1Key = \"team\" }\nresource-types = [\"AWS::S3::Bucket\"]\n\
[[rule]]\nname = \"versioned\"\nsource = \"guard\"\ntag-key = \"data-class\"\n\
guard = 'rule on { supplementaryConfiguration.BucketVersioningConfiguration.status == \"Enabled\" }'\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_open_bucket_is_closed_and_everything_can_be_seen_afterwards() {
    let sandbox = estate::start(0).await.unwrap();
    let endpoint = sandbox.endpoint();
    let scene = Scene::new("serve-closes", &endpoint, ENFORCE);
    let outsider = Person::Anonymous.client(&endpoint);
    let before = outsider.send("GET", "/invoices", &[], "").await.unwrap();
    assert!(before.status.is_success(), "{before:?}");

    let scene = tokio::task::spawn_blocking(move || {
        // Nothing is there, and nothing is made by asking.
        let output = scene.run(&["status"]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let mut serving = scene.serve();
        serving.until("the bucket is closed", |line| {
            line["message"] == "closed and verified"
                && line["bucket"]
                    .as_str()
                    .is_some_and(|name| name.contains("invoices"))
        });
        serving.until("it was looked at again", |line| {
            line["message"] == "looked" && line["resolved"] == 1
        });
        let stopped = serving.stop();
        assert_eq!(stopped.status.code(), Some(0), "{stopped:?}");
        scene
    })
    .await
    .unwrap();

    let after = outsider.send("GET", "/invoices", &[], "").await.unwrap();
    assert_eq!(after.status.as_u16(), 403, "{after:?}");

    let scene = tokio::task::spawn_blocking(move || {
        let status = scene.json(0, &["status"]);
        assert_eq!(status["coverage"][0]["account"], estate::OWNER);
        assert_eq!(status["findings_open"], serde_json::json!([]));

        let findings = scene.json(0, &["findings", "list", "--state", "resolved"]);
        let finding = &findings["findings"][0];
        assert_eq!(finding["resource_id"], "invoices");
        assert_eq!(finding["cause"], "acl");
        let id = finding["id"].as_str().unwrap();
        // The beginning of an id is enough.
        let shown = scene.json(0, &["findings", "show", &id[..8]]);
        assert_eq!(shown["finding"]["id"], id);
        let exposure = &shown["exposures"][0];
        assert!(exposure["to"].is_string(), "{exposure}");
        let remediation = exposure["closed_by"].as_str().unwrap();
        let remediation = remediation.strip_prefix("remediation ").unwrap().to_owned();
        let output = scene.run(&["findings", "ack", id]);
        assert_eq!(output.status.code(), Some(2), "a resolved one: {output:?}");

        let history = scene.json(0, &["history", "invoices"]);
        let items = history["items"].as_array().unwrap();
        assert_eq!(items.len(), 2, "{history}");
        let answers: Vec<_> = history["evaluations"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|own| own["rule"] == "s3-bucket-public-read-prohibited")
            .map(|own| own["compliance_type"].as_str().unwrap())
            .collect();
        assert_eq!(answers, ["COMPLIANT", "NON_COMPLIANT"]);
        let text = scene.run(&["history", "invoices"]);
        let text = String::from_utf8(text.stdout).unwrap();
        assert!(
            text.contains("SupplementaryConfiguration.AccessControlList"),
            "{text}"
        );

        // Every recorded answer follows from its item.
        let replayed = scene.json(0, &["replay", "--verify"]);
        assert_eq!(replayed["differences"], serde_json::json!([]));
        // Of reading: not compliant, then compliant; of writing, of objects, and of the rule in Guard, the
        // same all the time.
        assert_eq!(replayed["reproduced"], 5, "{replayed}");
        // Each of the answers, in both shapes, would go where it went.
        assert_eq!(replayed["compliance_changes"]["same"], 6, "{replayed}");

        rules(&scene);
        let tested = scene.json(1, &["rules", "test", "S3_BUCKET_VERSIONING_ENABLED"]);
        assert_eq!(tested["resources"][0]["resource_id"], "invoices");
        assert_eq!(tested["non_compliant"], 1);
        scene.json(0, &["events", "dead"]);
        transfer(&scene);
        enforcement(&scene);

        // The way back leads to the bucket as it was.
        let config = scene.folder.join("portcullis.toml");
        let back = scene.run(&["undo", &remediation, "--config", config.to_str().unwrap()]);
        assert_eq!(back.status.code(), Some(0), "{back:?}");
        let twice = scene.run(&["undo", &remediation, "--config", config.to_str().unwrap()]);
        assert_eq!(twice.status.code(), Some(2), "{twice:?}");
        scene
    })
    .await
    .unwrap();
    let undone = outsider.send("GET", "/invoices", &[], "").await.unwrap();
    assert!(undone.status.is_success(), "{undone:?}");
    drop(scene);
    sandbox.stop().await;
}

/// The rules that are configured, with how the one recorded bucket stands, and those that could be.
fn rules(scene: &Scene) {
    let listed = scene.json(0, &["rules", "list"]);
    let configured = listed["configured"].as_array().unwrap();
    let named = |name: &str| configured.iter().find(|own| own["name"] == name).unwrap();
    assert_eq!(configured.len(), 5, "{listed}");
    let read = named("s3-bucket-public-read-prohibited");
    assert_eq!(read["built_in"], true);
    assert_eq!(read["frequency"], "TwentyFour_Hours");
    assert_eq!(
        read["resources"],
        serde_json::json!({"COMPLIANT": 1, "NON_COMPLIANT": 0, "NOT_APPLICABLE": 0, "INSUFFICIENT_DATA": 0})
    );
    let tags = named("whose-is-it");
    assert_eq!(tags["source"], "managed");
    assert_eq!(tags["parameters"]["tag1Key"], "team");
    assert_eq!(tags["enabled"], false);
    assert_eq!(tags["resources"]["NON_COMPLIANT"], 0);
    let own = named("versioned");
    assert_eq!(own["source"], "guard");
    assert_eq!(
        (&own["tag_key"], &own["tag_value"]),
        (&"data-class".into(), &Value::Null)
    );
    assert_eq!(own["resources"]["NOT_APPLICABLE"], 1);
    assert!(listed["rules"].as_array().unwrap().len() > 10);
    let text = scene.run(&["rules", "list", "--configured"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(
        text.contains("AWS::S3::Bucket with tag data-class"),
        "{text}"
    );
    assert!(!text.contains("ENCRYPTED_VOLUMES"), "{text}");
    // Before there is a store, and without a configuration, there is less to say.
    let other = scene.folder.join("other.toml");
    let text = std::fs::read_to_string(scene.folder.join("portcullis.toml")).unwrap();
    std::fs::write(&other, text.replace("guard.db", "none.db")).unwrap();
    let early = scene.json(0, &["rules", "list", "--config", other.to_str().unwrap()]);
    assert_eq!(early["configured"][0]["resources"], Value::Null);
    let catalogue = scene.json(0, &["rules", "list", "--managed"]);
    assert_eq!(catalogue["configured"], Value::Null);
}

fn transfer(scene: &Scene) {
    let lines = scene.folder.join("store.jsonl");
    let lines = lines.to_str().unwrap();
    let output = scene.run(&["store", "export", "--output", lines]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let copy = scene.folder.join("copy.db");
    let copy = copy.to_str().unwrap();
    let output = scene.run(&["store", "import", lines, "--store", copy]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let here = scene.json(0, &["store", "info"]);
    let there = scene.json(0, &["store", "info", "--store", copy]);
    assert_eq!(here["counts"], there["counts"]);
    let again = scene.run(&["store", "import", lines, "--store", copy]);
    assert_eq!(
        again.status.code(),
        Some(2),
        "into one that is not empty: {again:?}"
    );
}

fn enforcement(scene: &Scene) {
    assert_eq!(
        scene.json(0, &["enforcement", "status"])["stopped"],
        Value::Null
    );
    let stopped = scene.json(
        0,
        &["enforcement", "stop", "--reason", "an \u{1b}[31mincident"],
    );
    assert_eq!(stopped["stopped"]["by"], "dana");
    let said = scene.run(&["enforcement", "status"]);
    assert_eq!(said.status.code(), Some(1));
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(
        said.contains("incident") && !said.contains('\u{1b}'),
        "{said}"
    );
    scene.json(0, &["enforcement", "start"]);
    scene.json(0, &["enforcement", "status"]);
}

const DELIVER: &str = "\
[recorder]\nbuckets = [\"invoices\"]\n\
[delivery-channel]\nbucket = \"history-of-config\"\nprefix = \"audit\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_delivered_when_somebody_asks() {
    let sandbox = estate::start(0).await.unwrap();
    let endpoint = sandbox.endpoint();
    let made = format!("{DELIVER}create-bucket = true\n");
    let scene = Scene::new("serve-delivers", &endpoint, &made);
    tokio::task::spawn_blocking(move || {
        let mut serving = scene.serve();
        serving.until("the bucket is recorded", |line| {
            line["message"] == "looked" && line["changed"] == true
        });
        let ask = ["delivery-channel", "deliver-snapshot"];
        let asked = scene.json(0, &ask);
        assert_eq!(asked["delivered"], Value::Null, "nobody waited: {asked}");
        let delivered = scene.json(0, &[&ask[..], &["--wait", "--timeout", "2m"]].concat());
        assert_eq!(delivered["delivered"], true, "{delivered}");
        assert_eq!(delivered["snapshot"]["files"], 1);
        assert_eq!(delivered["snapshot"]["items"], 1);
        assert_eq!(
            delivered["goes_to"][0],
            format!(
                "s3://history-of-config/audit/AWSLogs/{}/Config/",
                estate::OWNER
            )
        );
        let status = scene.json(0, &["delivery-channel", "status"]);
        assert!(
            status["snapshot"]["delivered_up_to"].is_string(),
            "{status}"
        );
        assert_eq!(status["history"]["failing_since"], Value::Null);
        let text = String::from_utf8(scene.run(&["status"]).stdout).unwrap();
        assert!(
            text.contains("Delivery channel, snapshot: delivered"),
            "{text}"
        );
        serving.stop();
    })
    .await
    .unwrap();
    let guard = Person::Guard.client(&endpoint);
    let list = "/history-of-config?list-type=2&prefix=audit%2FAWSLogs%2F";
    let listed = guard.send("GET", list, &[], "").await.unwrap();
    assert!(listed.text().contains("/ConfigSnapshot/"), "{listed:?}");
    let block = guard
        .send("GET", "/history-of-config?publicAccessBlock", &[], "")
        .await
        .unwrap();
    assert!(
        block.text().contains("<RestrictPublicBuckets>true"),
        "{block:?}"
    );
    let outsider = Person::Anonymous.client(&endpoint);
    let outside = outsider.send("GET", list, &[], "").await.unwrap();
    assert_eq!(outside.status.as_u16(), 403);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_fails_is_said_wherever_somebody_looks() {
    let sandbox = estate::start(0).await.unwrap();
    let endpoint = sandbox.endpoint();
    // Nobody has this bucket, and it is not to be made.
    let scene = Scene::new("serve-delivers-not", &endpoint, DELIVER);
    tokio::task::spawn_blocking(move || {
        let mut serving = scene.serve();
        serving.until("the bucket is recorded", |line| {
            line["message"] == "looked" && line["changed"] == true
        });
        let ask = ["delivery-channel", "deliver-snapshot", "--wait"];
        let output = scene.run(&ask);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("there is no such bucket"), "{said}");
        let status = scene.json(3, &["delivery-channel", "status"]);
        assert!(status["snapshot"]["failing_since"].is_string(), "{status}");
        assert!(status["snapshot"]["told_at"].is_string(), "{status}");
        let text = String::from_utf8(scene.run(&["status"]).stdout).unwrap();
        assert!(
            text.contains("; FAILS since ") && text.contains("there is no such bucket"),
            "{text}"
        );
        serving.stop();
        let without = scene.folder.join("without.toml");
        let text = std::fs::read_to_string(scene.folder.join("portcullis.toml")).unwrap();
        let (before, _) = text.split_once("[delivery-channel]").unwrap();
        std::fs::write(&without, before).unwrap();
        let output = scene.run(&[&ask[..], &["--config", without.to_str().unwrap()]].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    })
    .await
    .unwrap();
    sandbox.stop().await;
}

/// The status of a POST to `/events` with a key in this header.
fn posted(port: u16, header: &str, key: &str) -> u16 {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        stream,
        "POST /events HTTP/1.1\r\nHost: a\r\n{header}: {key}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_taken_in_the_header_that_was_agreed() {
    let sandbox = estate::start(0).await.unwrap();
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let key = "0123456789abcdef0123456789abcdef";
    let more = format!(
        "[recorder]\nbuckets = [\"invoices\"]\n[intake]\nlisten = \"127.0.0.1:{port}\"\n\
         api-keys = [\"file:key\"]\napi-key-header = \"X-Portcullis-Key\"\n"
    );
    let scene = Scene::new("serve-header", &sandbox.endpoint(), &more);
    std::fs::write(scene.folder.join("key"), key).unwrap();
    tokio::task::spawn_blocking(move || {
        let mut serving = scene.serve();
        serving.until("it listens", |line| line["message"] == "events and links");
        assert_eq!(posted(port, "x-portcullis-key", key), 200);
        assert_eq!(posted(port, "x-portcullis-key", "another"), 401);
        assert_eq!(posted(port, "x-api-key", key), 401);
        serving.stop();
    })
    .await
    .unwrap();
    sandbox.stop().await;
}

#[test]
fn a_wrong_configuration_is_refused_before_anything_is_made() {
    let scene = Scene::new(
        "serve-refuses",
        "http://127.0.0.1:9",
        "[mail]\nserver = 5\n",
    );
    let output = scene.run(&["serve"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("portcullis.toml:"), "{said}");
    assert!(said.contains("mail.server: invalid type"), "{said}");
    assert!(!scene.folder.join("guard.db").exists());
}

#[test]
fn the_example_is_checked_and_explained() {
    let scene = Scene::new("serve-example", "http://127.0.0.1:9", "");
    let example = scene.run(&["config", "example"]);
    let file = scene.folder.join("example.toml");
    std::fs::write(&file, &example.stdout).unwrap();
    let checked = scene.run(&["config", "check", file.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let said = String::from_utf8(checked.stdout).unwrap();
    for part in [
        "production (111122223333): AWS, beginning in eu-central-1",
        "production: ON for accounts production",
        "public websites: off for buckets www-*",
        "topic default: security@example.com by email",
        "if nobody acknowledges, after 30m topic oncall",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    let schema = scene.run(&["config", "schema"]);
    let schema: Value = serde_json::from_slice(&schema.stdout).unwrap();
    assert!(schema["properties"]["enforcement"].is_object());
}
