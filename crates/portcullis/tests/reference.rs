//! What is generated from the definition of the command line.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

fn portcullis(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

const COMMANDS: &[&str] = &[
    "check",
    "scan",
    "explain",
    "fix",
    "undo",
    "serve",
    "status",
    "history",
    "findings",
    "events",
    "rules",
    "replay",
    "enforcement",
    "exceptions",
    "subscriptions",
    "store",
    "config",
    "demo",
    "deploy",
];

#[test]
fn every_shell_completes_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = portcullis(&["completions", shell]);
        for command in COMMANDS {
            assert!(script.contains(command), "{shell}: {command}");
        }
        assert!(script.contains("endpoint-url"), "{shell}");
    }
}

#[test]
fn bash_takes_its_script() {
    let script = portcullis(&["completions", "bash"]);
    let output = Command::new("bash")
        .args(["-n", "-c", &script])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn every_command_has_a_man_page() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("man");
    let _ = std::fs::remove_dir_all(&directory);
    portcullis(&["man", directory.to_str().unwrap()]);
    let pages: BTreeSet<String> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(pages.contains("portcullis.1"), "{pages:?}");
    for command in COMMANDS {
        let page = format!("portcullis-{command}.1");
        assert!(pages.contains(&page), "{page} of {pages:?}");
        let text = std::fs::read_to_string(directory.join(page)).unwrap();
        assert!(text.contains(".SH NAME"), "{text}");
    }
}

#[test]
fn the_reference_page_is_fresh() {
    let written = include_str!("../../../docs/cli.md");
    assert!(
        portcullis(&["reference"]) == written,
        "docs/cli.md is out of date: run `cargo xtask docs`"
    );
}

#[test]
fn the_configurations_page_is_fresh() {
    let written = include_str!("../../../docs/configuration.md");
    assert!(
        portcullis(&["config", "reference"]) == written,
        "docs/configuration.md is out of date: run `cargo xtask docs`"
    );
}
