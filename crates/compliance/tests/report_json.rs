//! The documented JSON output.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::estate::Estate;
use compliance::report::{Format, Style};
use serde_json::Value;

const SCHEMA: &str = include_str!("../../../docs/output.schema.json");

fn output(estate: &Estate) -> Value {
    let text = estate.report().render(Format::Json, Style::default());
    assert!(text.ends_with("}\n"));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_output_keeps_to_its_published_schema() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    assert!(jsonschema::draft202012::meta::is_valid(&schema));
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for estate in [Estate::small(), Estate::corpus()] {
        let output = output(&estate);
        let wrong: Vec<String> = validator
            .iter_errors(&output)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        // The schema knows every member, so one that is new or gone is noticed.
        for member in ["public_read", "witnesses", "rules"] {
            let mut less = output.clone();
            less["buckets"][0].as_object_mut().unwrap().remove(member);
            assert!(!validator.is_valid(&less), "{member}");
        }
        let mut more = output.clone();
        more["buckets"][0]["new"] = true.into();
        assert!(!validator.is_valid(&more));
    }
}

#[test]
fn each_standing_shows_in_the_output() {
    let estate = Estate::small();
    let output = output(&estate);
    let standings: Vec<&str> = output["buckets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bucket| bucket["standing"].as_str().unwrap())
        .collect();
    assert_eq!(
        standings,
        [
            "open",
            "open",
            "open",
            "undecided",
            "excepted",
            "closed",
            "undecided"
        ]
    );
    let summary = &output["summary"];
    assert_eq!(
        (summary["open"].as_u64(), summary["undecided"].as_u64()),
        (Some(3), Some(2))
    );

    let later = &output["buckets"][3];
    assert_eq!(later["undecided"], serde_json::json!(["read", "write"]));
    assert_eq!(later["public_read"], true);
    assert_eq!(later["witnesses"]["read"], Value::Null);
    assert_eq!(later["aws_is_public"], Value::Null);
    assert_eq!(later["rules"][0]["compliance_type"], "INSUFFICIENT_DATA");
    assert_eq!(later["not_read"][0]["part"], "policy");
    assert!(
        later["reasons"]
            .as_array()
            .unwrap()
            .iter()
            .any(|r| r["answer"] == "undecided")
    );
    assert_eq!(output["buckets"][4]["exception"], "downloads");
    assert_eq!(output["problems"][0]["bucket"], "damaged");
}

#[test]
fn the_managed_rules_texts_stand_as_consumers_expect_them() {
    let estate = Estate::corpus();
    let output = output(&estate);
    let annotation = |id: &str, rule: usize| {
        let buckets = output["buckets"].as_array().unwrap();
        let bucket = buckets.iter().find(|bucket| bucket["id"] == id).unwrap();
        bucket["rules"][rule]["annotation"]
            .as_str()
            .unwrap_or("none")
            .to_owned()
    };
    assert_eq!(
        annotation("both-01", 0),
        "The S3 bucket ACL allows public read access.The S3 bucket policy allows public read access."
    );
    assert_eq!(annotation("both-01", 1), "none");
    assert_eq!(
        annotation("acl-03", 1),
        "The S3 bucket ACL allows public write access."
    );
}
