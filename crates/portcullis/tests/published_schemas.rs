//! The reports against the schemas that others publish for their formats.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
#[ignore = "needs schemas out of packages on PyPI and npm: run cargo xtask test"]
fn every_report_keeps_to_its_formats_published_schema() {
    let aws_cli = std::env::var("PORTCULLIS_TEST_AWS_CLI")
        .expect("PORTCULLIS_TEST_AWS_CLI is not set: run this test through `cargo xtask test`");
    // The environment that holds the AWS CLI holds the schemas' packages too.
    let python = Path::new(&aws_cli).with_file_name("python");
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root: PathBuf = manifest.ancestors().nth(2).unwrap().to_owned();
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let reports = temporary.join("published-schemas");
    std::fs::create_dir_all(&reports).unwrap();

    let mut inputs = vec![root.join("crates/policy/tests/data/bucket-cases.json")];
    let odd = reports.join("odd.json");
    std::fs::write(
        &odd,
        r#"[{"bucket": "<&\"'> \u001b]", "id": "=1+1", "acl": [{"grantee": "AllUsers", "permission": "READ"}]},
            {"bucket": "later", "region": "eu-west-1", "policy": "unknown"},
            {"bucket": "damaged", "policy": {"Statement": 7}}]"#,
    )
    .unwrap();
    inputs.push(odd);
    for format in ["sarif", "junit", "ocsf", "asff"] {
        let made = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .arg("check")
            .args(&inputs)
            .args(["--format", format, "--output"])
            .arg(reports.join(format!("report.{format}")))
            .output()
            .unwrap();
        assert_eq!(made.status.code(), Some(1), "{made:?}");
    }

    let checked = Command::new(python)
        .arg(root.join("xtask/peers/published_schemas.py"))
        .arg(temporary.join("schemas"))
        .arg(&reports)
        .output()
        .expect("the Python of the test environment runs");
    assert!(
        checked.status.success(),
        "{}{}",
        String::from_utf8_lossy(&checked.stdout),
        String::from_utf8_lossy(&checked.stderr)
    );
}
