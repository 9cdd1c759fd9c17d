//! `portcullis check` and `explain` as a user runs them: exit codes, messages, files.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

const CORPUS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../policy/tests/data/bucket-cases.json"
);

/// A folder of its own for one test.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("check-{test}"));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn portcullis(args: &[&str], input: Option<&[u8]>) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(args)
        .env("NO_COLOR", "1")
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    if let Some(input) = input {
        // The child may refuse its input before it has read all of it.
        let _ = child.stdin.take().unwrap().write_all(input);
    }
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Runs, and gives exit code, standard output and standard error.
fn run(args: &[&str]) -> (i32, String, String) {
    let output = portcullis(args, None);
    (
        output.status.code().expect("it ends by itself"),
        text(&output.stdout).to_owned(),
        text(&output.stderr).to_owned(),
    )
}

fn statement(action: &str) -> Value {
    json!({"Effect": "Allow", "Principal": "*", "Action": action, "Resource": ["arn:aws:s3:::b1", "arn:aws:s3:::b1/*"]})
}

fn bucket(statements: &[Value]) -> Value {
    json!({"bucket": "b1", "owner_account": "111122223333", "policy": {"Version": "2012-10-17", "Statement": statements},
           "acl": [], "bpa": {"bucket": null, "account": null, "organization": null}, "ownership": "BucketOwnerEnforced"})
}

fn open_read() -> String {
    bucket(&[statement("s3:GetObject")]).to_string()
}

fn closed() -> String {
    bucket(&[]).to_string()
}

fn undecided() -> String {
    let mut bucket = bucket(&[]);
    bucket["policy"] = json!("unknown");
    bucket.to_string()
}

#[test]
fn every_label_of_the_corpus_that_is_certain_is_given() {
    let (code, out, err) = run(&["check", CORPUS, "--format", "json"]);
    assert_eq!((code, err.as_str()), (1, ""));
    let output: Value = serde_json::from_str(&out).unwrap();
    let cases: Value = serde_json::from_str(&std::fs::read_to_string(CORPUS).unwrap()).unwrap();
    let cases = cases.as_array().unwrap();
    let buckets = output["buckets"].as_array().unwrap();
    assert_eq!(buckets.len(), cases.len());
    for (bucket, case) in buckets.iter().zip(cases) {
        assert_eq!(bucket["id"], case["id"]);
        if !matches!(case["confidence"].as_str(), Some("documented" | "derived")) {
            continue;
        }
        for field in [
            "public_read",
            "public_write",
            "aws_is_public",
            "acl_is_public",
            "literal",
            "mechanism_read",
            "mechanism_write",
        ] {
            assert_eq!(
                bucket[field], case["expected"][field],
                "{}: {field}",
                case["id"]
            );
        }
        for class in ["read", "write"] {
            let public = bucket[format!("public_{class}")].as_bool().unwrap();
            assert_eq!(
                bucket["witnesses"][class].is_object(),
                public,
                "{}",
                case["id"]
            );
        }
    }
    assert_eq!(output["schema_version"], 1);
    assert_eq!(output["summary"]["buckets"], cases.len());
}

#[test]
fn exit_codes_follow_their_precedence() {
    let folder = Folder::new("exit-codes");
    let open = folder.file("open.json", open_read());
    let closed = folder.file("closed.json", closed());
    let undecided = folder.file("undecided.json", undecided());
    let broken = folder.file("broken.json", "{\"bucket\": ");
    let partly = folder.file(
        "partly.json",
        "[{\"bucket\": \"b2\", \"acl\": [], \"ownership\": 7}]",
    );
    for (files, expected) in [
        (vec![&closed], 0),
        (vec![&closed, &undecided], 3),
        (vec![&closed, &partly], 3),
        (vec![&undecided, &open], 1),
        (vec![&open, &broken], 2),
        (vec![&closed, &broken], 2),
    ] {
        let mut args = vec!["check"];
        args.extend(files.iter().map(|file| file.as_str()));
        let (code, out, err) = run(&args);
        assert_eq!(code, expected, "{args:?}\n{out}{err}");
    }
    for (fail_on, file, expected) in [
        ("write", &open, 0),
        ("read", &open, 1),
        ("read", &undecided, 0),
        ("undecided", &undecided, 3),
        ("undecided", &open, 0),
        ("nothing", &open, 0),
        ("nothing", &broken, 2),
        ("write,undecided", &undecided, 3),
        ("read,write,undecided", &partly, 0),
    ] {
        let (code, out, err) = run(&["check", file, "--fail-on", fail_on]);
        assert_eq!(code, expected, "--fail-on {fail_on} {file}\n{out}{err}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_the_rest_is_judged() {
    let folder = Folder::new("wrong");
    let open = folder.file("open.json", open_read());
    let missing = folder.0.join("missing.json").to_str().unwrap().to_owned();
    let empty = folder.file("empty.json", "");
    let binary = folder.file("binary", b"\x7fELF\x02\0\0");
    let cut = folder.file("cut.json", "{\"bucket\": \"b\",\n \"policy\": {");
    let html = folder.file("answer.html", "<html><body>502 Bad Gateway</body></html>");
    let deep = folder.file("deep.json", "[".repeat(200_000));
    let directory = folder.0.to_str().unwrap();
    let (code, out, err) = run(&[
        "check", &missing, &empty, &binary, &cut, &html, &deep, directory, &open,
    ]);
    assert_eq!(code, 2);
    assert!(out.contains("b1") && out.contains("OPEN"), "{out}");
    for part in [
        "missing.json: no such file",
        "empty.json: the file is empty",
        "binary: a binary file",
        "cut.json:2:13: the text ends where",
        "answer.html: not a document that check reads",
        "deep.json:1:129: values are nested more than 128 deep",
        "is a directory; name the files in it",
        "hint: check reads IAM policies",
    ] {
        assert!(err.contains(part), "{part}\n---\n{err}");
    }
}

#[test]
fn standard_input_is_read_and_bounded() {
    for args in [&["check"][..], &["check", "-"]] {
        let output = portcullis(args, Some(open_read().as_bytes()));
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stdout).contains("b1"));
    }
    let output = portcullis(&["check", "--max-size", "10"], Some(open_read().as_bytes()));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("-: larger than 10 bytes"));
    let bucket = format!(
        "{{\"bucket\": \"x\", \"acl\": [], \"note\": \"{}\"}},",
        "n".repeat(2_000)
    );
    let large = format!("[{}{{\"bucket\": \"last\"}}]", bucket.repeat(5_500));
    assert!(large.len() > 10 << 20);
    let output = portcullis(&["check"], Some(large.as_bytes()));
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("5501 buckets: 5501 closed"));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["check", CORPUS, "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // More is written than a pipe holds, and nobody reads it.
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn only_what_is_new_against_a_baseline_fails() {
    let folder = Folder::new("baseline");
    let before = folder.file("before.json", open_read());
    let baseline = folder.0.join("baseline.json").to_str().unwrap().to_owned();
    let (code, out, _) = run(&["check", &before, "--format", "json", "--output", &baseline]);
    assert_eq!((code, out.as_str()), (1, ""));

    let same = folder.file("same.json", bucket(&[
        json!({"Sid": "New", "Effect": "Allow", "Principal": "*", "Action": ["S3:getobject"], "Resource": ["arn:aws:s3:::b1/*", "arn:aws:s3:::b1"]}),
        json!({"Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": "s3:*", "Resource": "arn:aws:s3:::b1/*"}),
    ]).to_string());
    let wider = folder.file(
        "wider.json",
        bucket(&[statement("s3:GetObject"), statement("s3:ListBucket")]).to_string(),
    );
    let written = folder.file(
        "written.json",
        bucket(&[statement("s3:PutObject")]).to_string(),
    );
    let uncertain = folder.file("uncertain.json", undecided());
    for (file, expected) in [
        (&before, 0),
        (&same, 0),
        (&wider, 1),
        (&written, 1),
        (&uncertain, 3),
    ] {
        let (code, out, err) = run(&["check", file, "--baseline", &baseline]);
        assert_eq!(code, expected, "{file}\n{out}{err}");
    }
    let (_, out, _) = run(&["check", &same, "--baseline", &baseline]);
    assert!(out.contains("1 known from the baseline"), "{out}");

    let (code, _, err) = run(&["check", &before, "--baseline", &before]);
    assert_eq!(code, 2);
    assert!(
        err.contains("not a baseline") && err.contains("hint:"),
        "{err}"
    );
}

#[test]
fn an_exception_covers_one_grant_until_it_expires() {
    let folder = Folder::new("exceptions");
    let open = folder.file("open.json", open_read());
    let (code, printed, _) = run(&["check", &open, "--print-exception", "b1"]);
    assert_eq!(code, 0);
    let completed = printed
        .replace("owner = \"\"", "owner = \"web team\"")
        .replace("reason = \"\"", "reason = \"the site\"");

    // As tags, which are what the guard reads where tags may except.
    let value = printed
        .lines()
        .find_map(|line| line.strip_prefix("#   portcullis:public-until = "))
        .unwrap();
    let tags = [("portcullis:public-until".to_owned(), value.to_owned())];
    let tagged = compliance::exceptions::Exception::of_tags("b1", &tags.into_iter().collect())
        .unwrap()
        .unwrap();
    assert!(
        printed.contains(&format!("fingerprint = \"{}\"", tagged.fingerprint)),
        "{printed}"
    );

    let unfinished = folder.file("unfinished.toml", &printed);
    let (code, _, err) = run(&["check", &open, "--exceptions", &unfinished]);
    assert_eq!(code, 2);
    assert!(err.contains("owner is empty"), "{err}");

    let exceptions = folder.file("exceptions.toml", &completed);
    let (code, out, err) = run(&["check", &open, "--exceptions", &exceptions]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        out.contains("exception b1:") && out.contains("1 excepted"),
        "{out}"
    );
    let (_, out, _) = run(&[
        "check",
        &open,
        "--exceptions",
        &exceptions,
        "--format",
        "json",
    ]);
    let output: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(output["buckets"][0]["exception"], "b1");

    let wider = folder.file(
        "wider.json",
        bucket(&[statement("s3:GetObject"), statement("s3:ListBucket")]).to_string(),
    );
    let (code, out, _) = run(&["check", &wider, "--exceptions", &exceptions]);
    assert_eq!(code, 1);
    assert!(out.contains("exception-void"), "{out}");

    let line = completed
        .lines()
        .find(|line| line.starts_with("expires"))
        .unwrap();
    let expired = folder.file(
        "expired.toml",
        completed.replace(line, "expires = 2020-01-01"),
    );
    let (code, out, _) = run(&["check", &open, "--exceptions", &expired]);
    assert_eq!(code, 1);
    assert!(out.contains("exception-expired"), "{out}");

    let closed = folder.file("closed.json", closed());
    let (code, _, err) = run(&["check", &closed, "--print-exception", "b1"]);
    assert_eq!(code, 2);
    assert!(err.contains("needs no exception"), "{err}");
    let (code, _, err) = run(&["check", &closed, "--print-exception", "b9"]);
    assert_eq!(code, 2);
    assert!(err.contains("no bucket"), "{err}");
}

#[test]
fn an_account_block_can_be_assumed() {
    let folder = Folder::new("assume");
    let mut bucket = bucket(&[statement("s3:GetObject")]);
    bucket["bpa"] = json!({"bucket": null});
    let file = folder.file("b.json", bucket.to_string());
    for (assumed, expected) in [("on", 0), ("off", 1), ("unknown", 3)] {
        let (code, out, err) = run(&["check", &file, "--assume-account-bpa", assumed]);
        assert_eq!(code, expected, "{assumed}\n{out}{err}");
    }
    let (code, _, err) = run(&["check", &file, "--as-of", "soon"]);
    assert_eq!(code, 2);
    assert!(err.contains("2026-01-31"), "{err}");
    let (code, _, err) = run(&["check", &file, "--owner-account", "12"]);
    assert_eq!(code, 2);
    assert!(err.contains("twelve digits"), "{err}");
}

#[test]
fn names_cannot_write_to_the_terminal() {
    let name = "b\u{1b}]0;owned\u{7}\u{202e}";
    let document = json!({"bucket": name, "acl": [{"grantee": "AllUsers", "permission": "READ"}]});
    for format in ["table", "json"] {
        let output = portcullis(
            &["check", "--format", format],
            Some(document.to_string().as_bytes()),
        );
        assert!(
            !output.stdout.contains(&0x1b),
            "{format}: {}",
            text(&output.stdout)
        );
    }
    let output = portcullis(&["explain", "-"], Some(document.to_string().as_bytes()));
    assert!(!output.stdout.contains(&0x1b) && !text(&output.stdout).contains('\u{202e}'));
}

#[test]
fn one_bucket_is_explained_in_full() {
    let (code, out, _) = run(&["explain", CORPUS, "--bucket", "both-05"]);
    assert_eq!(code, 1);
    for part in [
        "Reading is open through the ACL",
        "curl -iL 'https://example-bucket.s3.amazonaws.com/?list-type=2'",
        "Writing is open through the bucket policy",
        ">  \"Principal\": \"*\",",
        "|  \"Resource\": \"arn:aws:s3:::example-bucket/*\"",
        "What would close it",
        "Turn on all four settings of Block Public Access on the bucket.",
        "Not considered",
        "sha256:",
    ] {
        assert!(out.contains(part), "{part}\n---\n{out}");
    }
    let (code, _, err) = run(&["explain", CORPUS]);
    assert_eq!(code, 2);
    assert!(
        err.contains("holds 175 buckets") && err.contains("--bucket"),
        "{err}"
    );
    let (code, _, err) = run(&["explain", CORPUS, "--bucket", "none"]);
    assert_eq!(code, 2);
    assert!(err.contains("no bucket \"none\""), "{err}");
}

#[test]
fn remedies_that_are_offered_do_close() {
    // Applies what the explanation offers first to every open case, and looks again.
    let folder = Folder::new("remedies");
    let cases: Value = serde_json::from_str(&std::fs::read_to_string(CORPUS).unwrap()).unwrap();
    let all = json!({"BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": true, "RestrictPublicBuckets": true});
    let ids = ["both-05", "acl-07", "caller-22", "cidr-01"];
    for id in ids {
        let case = cases
            .as_array()
            .unwrap()
            .iter()
            .find(|case| case["id"] == *id)
            .unwrap();
        let mut case = case.clone();
        let before = folder.file("before.json", case.to_string());
        let (code, out, _) = run(&["explain", &before]);
        assert_eq!(code, 1);
        assert!(out.contains("Turn on all four settings"), "{id}\n{out}");
        case["bpa"]["bucket"] = all.clone();
        let after = folder.file("after.json", case.to_string());
        assert_eq!(run(&["check", &after]).0, 0, "{id}");
    }
}
