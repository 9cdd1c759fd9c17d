//! Dependencies point inwards, and files name nothing that they must not.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What each crate may depend on of ours: the picture in ARCHITECTURE.md.
const ARROWS: &[(&str, &[&str])] = &[
    ("policy", &[]),
    ("compliance", &["policy"]),
    ("guard", &["compliance", "policy"]),
    ("aws", &["guard", "compliance", "policy"]),
    ("courier", &["guard", "compliance"]),
    ("intake", &["guard", "compliance", "policy"]),
    ("store", &["guard", "compliance", "policy"]),
    ("sandbox", &["policy"]),
    (
        "portcullis",
        &[
            "aws",
            "courier",
            "intake",
            "store",
            "sandbox",
            "guard",
            "compliance",
            "policy",
        ],
    ),
    // For tests only: nothing may depend on them, which the other lines say.
    ("oracle", &["policy"]),
    ("differential", &["policy"]),
    ("faults", &[]),
    ("xtask", &[]),
];

/// Crates that are pure, and what must not be among their dependencies, direct or not.
const PURE: &[&str] = &["policy", "compliance"];
const IMPURE: &[&str] = &[
    "tokio",
    "async-std",
    "smol",
    "futures",
    "mio",
    "socket2",
    "hyper",
    "http",
    "reqwest",
    "ureq",
    "axum",
    "s3s",
    "rustls",
    "sqlx",
    "rusqlite",
    "tracing",
    "rand",
    "getrandom",
    "fastrand",
    "uuid",
    "chrono",
];
/// The only crate that names the SDK, and the only one that names the embedded server.
const EDGES: &[(&str, &[&str])] = &[
    ("aws", &["aws-config", "aws-sdk-", "aws-smithy-"]),
    ("courier", &["lettre"]),
    ("intake", &["axum"]),
    ("sandbox", &["s3s"]),
    ("store", &["sqlx"]),
];
/// Test crates stand outside: they may name what they test with.
const TESTS_ONLY: &[&str] = &["oracle", "differential", "faults"];

struct Metadata(Value);

impl Metadata {
    fn read() -> Metadata {
        let output = cargo()
            .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        Metadata(serde_json::from_slice(&output.stdout).unwrap())
    }

    fn members(&self) -> BTreeMap<&str, &Value> {
        // Without dependencies, the packages are the workspace's members.
        self.0["packages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|package| (package["name"].as_str().unwrap(), package))
            .collect()
    }
}

/// Names of everything that a package is built with on this platform, itself included; tests' and
/// build scripts' own dependencies aside.
fn built_with(name: &str) -> BTreeSet<String> {
    let output = cargo()
        .args(["tree", "--locked", "--offline", "--edges", "normal"])
        .args(["--prefix", "none", "--package", name])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    // `serde v1.0.0 (proc-macro) (*)`
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| Some(line.split_once(' ')?.0.to_owned()))
        .collect()
}

fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    cargo.current_dir(root());
    cargo
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the root")
}

/// Direct dependencies, tests' and build scripts' own aside.
fn direct(package: &Value) -> impl Iterator<Item = &str> {
    package["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|dependency| dependency["kind"].is_null())
        .map(|dependency| dependency["name"].as_str().unwrap())
}

#[test]
fn arrows_point_inwards() {
    let metadata = Metadata::read();
    let members = metadata.members();
    let drawn: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    let built: BTreeSet<&str> = members.keys().copied().collect();
    assert_eq!(built, drawn, "every crate has its place in the picture");
    for (name, allowed) in ARROWS {
        for dependency in direct(members[name]) {
            assert!(
                !built.contains(dependency) || allowed.contains(&dependency),
                "{name} must not depend on {dependency}"
            );
        }
    }
}

#[test]
fn the_pure_crates_are_built_with_nothing_impure() {
    for name in PURE {
        let built_with = built_with(name);
        assert!(built_with.contains("serde_json"), "{built_with:?}");
        for impure in IMPURE {
            assert!(
                !built_with.contains(*impure),
                "{name} is built with {impure}"
            );
        }
    }
}

#[test]
fn each_edge_is_named_by_one_crate() {
    let metadata = Metadata::read();
    for (edge, named) in EDGES {
        for (name, package) in metadata.members() {
            for dependency in direct(package) {
                let is_edge = named
                    .iter()
                    .any(|n| dependency == *n || (n.ends_with('-') && dependency.starts_with(n)));
                assert!(
                    !is_edge || name == *edge || TESTS_ONLY.contains(&name),
                    "{name} names {dependency}, which only {edge} may"
                );
            }
        }
    }
}

#[test]
fn the_pure_crates_have_the_same_clippy_rules() {
    let rules = |name: &str| {
        std::fs::read_to_string(root().join("crates").join(name).join("clippy.toml")).unwrap()
    };
    for name in PURE {
        assert_eq!(rules(name), rules(PURE[0]), "crates/{name}/clippy.toml");
    }
}

/// Every text that is part of the project.
fn texts() -> Vec<(String, String)> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let names = String::from_utf8(output.stdout).unwrap();
    names
        .split_terminator('\0')
        .filter_map(|name| {
            let text = std::fs::read_to_string(root().join(name)).ok()?;
            Some((name.to_owned(), text))
        })
        .collect()
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    // In pieces, so that this file does not name them either.
    let forbidden = [
        ["/", "work/"].concat(),
        ["/", "root/"].concat(),
        ["/home", "/runner"].concat(),
    ];
    let texts = texts();
    assert!(texts.iter().any(|(name, _)| name == "README.md"));
    for (name, text) in texts {
        for (at, line) in text.lines().enumerate() {
            for word in &forbidden {
                assert!(!line.contains(word), "{name}:{}: {word}", at + 1);
            }
        }
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    for (name, text) in texts() {
        if !name.ends_with(".md") {
            continue;
        }
        let directory = root().join(&name);
        let directory = directory.parent().unwrap();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let file = link.split('#').next().unwrap();
            if file.is_empty() || file.contains("://") || file.starts_with("mailto:") {
                continue;
            }
            assert!(directory.join(file).exists(), "{name} links to {link}");
        }
    }
}
