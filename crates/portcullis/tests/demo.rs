//! The demo keeps its promises, and the commands that it shows keep them without it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use sandbox::estate::{self, Example, Person};
use serde_json::Value;

fn portcullis(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(args).stdin(Stdio::null());
    // Nothing of the machine's own configuration may matter.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    command
}

fn run(args: &[&str]) -> Output {
    portcullis(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn once_it_finds_closes_and_verifies_what_is_open() {
    let output = run(&["demo", "--once", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["held"], true, "{report:#}");
    assert_eq!(report["broken"], Value::Array(Vec::new()));

    let closed = report["closed"].as_array().unwrap();
    let expected: Vec<&str> = {
        let mut open: Vec<&str> = estate::open().iter().map(|example| example.name).collect();
        open.sort_unstable();
        let later = estate::later();
        open.into_iter()
            .chain(later.iter().map(|example| example.name))
            .collect()
    };
    let names: Vec<&str> = closed
        .iter()
        .map(|one| one["bucket"].as_str().unwrap())
        .collect();
    assert_eq!(names, expected);
    for one in closed {
        assert_eq!(one["before"]["status"], 200, "{one}");
        assert_eq!(one["after"]["status"], 403, "{one}");
        assert_eq!(one["after"]["code"], "AccessDenied", "{one}");
        let all: Vec<Example> = [estate::open(), estate::later()].concat();
        let example = all
            .iter()
            .find(|example| one["bucket"] == example.name)
            .unwrap();
        // What was shown is the bucket's own data: a line of the object, or its key.
        let shown = one["before"]["shown"].as_str().unwrap();
        let key = format!("<Key>{}</Key>", example.key);
        assert!(
            shown == key || example.content.lines().any(|line| line == shown),
            "{one}"
        );
    }
    let by = |through: &str| {
        closed
            .iter()
            .filter(|one| one["through"] == through && one["request"]["caller"] == "anonymous")
            .count()
    };
    assert!(by("acl") >= 3 && by("policy") >= 3, "{report:#}");
    let by_event = closed
        .iter()
        .filter(|one| one["found_by"] != "scan")
        .count();
    assert_eq!(by_event, estate::later().len());
}

#[test]
fn read_by_a_program_its_text_is_plain() {
    let output = run(&["demo", "--once"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let text = text(&output.stdout);
    assert!(
        !text.contains('\u{1b}'),
        "no colour where there is no terminal"
    );
    for part in [
        "8 open, 9 closed, 0 undecided",
        "sending aws:referer",
        "- READ to group AllUsers",
        "dana:   aws s3api put-bucket-acl --bucket marketing-drafts --acl public-read",
        "3 grants to others stand as they did",
        "11 buckets found open and closed",
        "All that was promised held.",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert!(!text.contains("BROKEN"), "{text}");
}

/// The recorded session in the documentation is what the demo says today, but for what differs from
/// run to run. `PORTCULLIS_RECORD=1` records it anew.
#[test]
fn the_recorded_session_is_up_to_date() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/demo.txt");
    let output = run(&["demo", "--once"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = format!("$ cargo run -- demo --once\n{}", text(&output.stdout));
    if std::env::var_os("PORTCULLIS_RECORD").is_some() {
        std::fs::write(&file, said).unwrap();
        return;
    }
    let recorded = std::fs::read_to_string(&file).unwrap();
    assert_eq!(
        stable(&recorded),
        stable(&said),
        "docs/demo.txt is out of date: record it anew with PORTCULLIS_RECORD=1"
    );
}

/// A session without ports, durations and the ids of remediations.
fn stable(session: &str) -> String {
    let mut words = String::new();
    for line in session.lines() {
        let mut last = "";
        for word in line.split_whitespace() {
            let is_duration = word.parse::<f64>().is_ok() && word.contains('.');
            match word.split_once("//127.0.0.1:") {
                _ if is_duration => words.push_str("N "),
                _ if last == "undo" => words.push_str("ID "),
                Some((before, after)) => {
                    let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
                    words.push_str(&format!("{before}//127.0.0.1{after} "));
                }
                None => words.push_str(&format!("{word} ")),
            }
            last = word;
        }
        words.push('\n');
    }
    words
}

#[test]
fn a_port_that_is_taken_is_said_so() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(&["demo", "--once", "--port", &port]);
    assert_eq!(output.status.code(), Some(2));
    let error = text(&output.stderr);
    assert!(error.contains(&port) && error.contains("hint:"), "{error}");
}

/// What each outsider gets: status, error code, and whether the data is in it.
async fn outsiders(examples: &[Example], endpoint: &str) -> Vec<(u16, Option<String>, bool)> {
    let mut all = Vec::new();
    for example in examples {
        let answer = example.outsider.send(endpoint).await.unwrap();
        let shows = answer.text().contains(example.outsider.shows);
        all.push((answer.status.as_u16(), answer.error_code(), shows));
    }
    all
}

async fn visits(examples: &[Example], endpoint: &str) -> Vec<(u16, String)> {
    let mut all = Vec::new();
    for visit in examples.iter().flat_map(|example| &example.keeps) {
        let answer = visit.send(endpoint).await.unwrap();
        all.push((answer.status.as_u16(), answer.text()));
    }
    all
}

async fn configurations(examples: &[Example], endpoint: &str) -> Vec<Vec<(&'static str, String)>> {
    let mut all = Vec::new();
    for example in examples {
        all.push(example.configuration(endpoint).await.unwrap());
    }
    all
}

/// The same without the demo: the estate, and the product's commands from outside.
#[tokio::test(flavor = "multi_thread")]
async fn the_fix_command_closes_the_same_estate() {
    let sandbox = estate::start(0).await.unwrap();
    let endpoint = sandbox.endpoint();
    let (open, closed) = (estate::open(), estate::closed());
    let all = [open.clone(), closed.clone()].concat();
    let folder = tempdir("fix");

    let let_in = (200, None, true);
    let refused = (403, Some("AccessDenied".to_owned()), false);
    assert_eq!(outsiders(&open, &endpoint).await, vec![let_in; open.len()]);
    assert_eq!(
        outsiders(&closed, &endpoint).await,
        vec![refused.clone(); closed.len()]
    );
    let visits_before = visits(&all, &endpoint).await;
    assert!(visits_before.iter().all(|(status, _)| *status == 200));
    let controls_before = configurations(&closed, &endpoint).await;
    let open_before = configurations(&open, &endpoint).await;

    let journal = folder.join("journal.jsonl");
    let key = Person::Guard.key().unwrap();
    let guard = |args: &[&str]| {
        let mut command = portcullis(args);
        command
            .args(["--endpoint-url", &endpoint, "--region", "us-east-1"])
            .env("AWS_ACCESS_KEY_ID", key.id)
            .env("AWS_SECRET_ACCESS_KEY", key.secret)
            .env("HOME", &folder);
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let journal = journal.to_str().unwrap();
    let plan = ["fix", "--policy", "remove-statement", "--journal", journal];
    // Without --apply nothing changes.
    let output = guard(&plan).await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(configurations(&open, &endpoint).await, open_before);

    let output = guard(&[&plan[..], &["--apply", "--yes"]].concat())
        .await
        .unwrap();
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(
        outsiders(&all, &endpoint).await,
        vec![refused.clone(); all.len()]
    );
    assert_eq!(visits(&all, &endpoint).await, visits_before);
    assert_eq!(configurations(&closed, &endpoint).await, controls_before);

    let output = guard(&["scan"]).await.unwrap();
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    sandbox.stop().await;
    std::fs::remove_dir_all(&folder).unwrap();
}

fn tempdir(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("portcullis-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A demo that stays up. Whatever a test does, it ends with the test.
struct Staying(Child);

impl Drop for Staying {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lines of a pipe as they come, so that whoever waits for one can lose patience.
fn lines_of(pipe: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Without `--once` it stays, closes what somebody opens, and ends in good order on Ctrl-C.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn it_stays_and_reacts_until_it_is_interrupted() {
    let mut command = portcullis(&["demo"]);
    let mut demo = Staying(command.stdout(Stdio::piped()).spawn().unwrap());
    let said = lines_of(demo.0.stdout.take().unwrap());
    let until = move |wanted: &str| -> String {
        loop {
            let line = said
                .recv_timeout(Duration::from_secs(120))
                .unwrap_or_else(|error| panic!("the demo did not say {wanted:?}: {error}"));
            if line.contains(wanted) {
                return line;
            }
        }
    };
    let export = until("export AWS_ENDPOINT_URL=");
    let endpoint = export
        .split("AWS_ENDPOINT_URL=")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .unwrap()
        .to_owned();
    until("The keys are good for this sandbox only.");

    let dana = Person::Developer.client(&endpoint);
    let public = [("x-amz-acl", "public-read")];
    let opened = dana
        .send("PUT", "/invoices?acl", &public, "")
        .await
        .unwrap();
    assert_eq!(opened.status.as_u16(), 200);
    until("event   invoices  OPEN to read");
    until("CLOSED after the change");
    let anonymous = Person::Anonymous.client(&endpoint);
    let after = anonymous.send("GET", "/invoices", &[], "").await.unwrap();
    assert_eq!(after.error_code().as_deref(), Some("AccessDenied"));

    let interrupted = Command::new("kill")
        .args(["-INT", &demo.0.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    until("Stopped. 12 buckets were closed.");
    assert_eq!(demo.0.wait().unwrap().code(), Some(0));
    assert!(
        dana.send("GET", "/", &[], "").await.is_err(),
        "the sandbox is gone"
    );
}
