//! SARIF 2.1.0 (OASIS, "Static Analysis Results Interchange Format"), as code scanning reads it.

use serde_json::{Value, json};

use super::Report;
use super::describe::json_text;
use super::finding::{Finding, findings};
use crate::input::Problem;
use crate::rules;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub(super) fn render(report: &Report<'_>) -> String {
    let results: Vec<Value> = findings(report)
        .filter(Finding::fails)
        .map(|finding| result(report, &finding))
        .collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "Portcullis",
                "version": report.version,
                "semanticVersion": report.version,
                "rules": rules::PUBLIC_ACCESS.iter().map(|rule| rule_descriptor(*rule)).collect::<Vec<_>>(),
            }},
            "automationDetails": {"id": format!("portcullis/{}/", report.command)},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": true,
                "endTimeUtc": utc(report.at),
                "toolExecutionNotifications": report.problems.iter().map(notification).collect::<Vec<_>>(),
            }],
            "results": results,
        }],
    });
    json_text(&log)
}

fn utc(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn rule_descriptor(rule: &dyn rules::PublicAccessRule) -> Value {
    json!({
        "id": rule.identifier(),
        "name": rule.name(),
        "shortDescription": {"text": rule.about().description},
        "fullDescription": {"text": format!(
            "{} The verdict takes bucket policy, ACL, Object Ownership and Block Public Access together, \
             and shows a request that is allowed.", rule.about().description)},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["security", "aws", "s3"], "security-severity": rule.about().severity.score()},
    })
}

fn result(report: &Report<'_>, finding: &Finding<'_>) -> Value {
    let index = rules::PUBLIC_ACCESS
        .iter()
        .position(|rule| rule.identifier() == finding.rule.identifier());
    let mut result = json!({
        "ruleId": finding.rule.identifier(),
        "ruleIndex": index,
        "level": if finding.is_undecided() { "warning" } else { "error" },
        "message": {"text": format!("{}. {}", finding.title(), finding.message())},
        "locations": [location(finding)],
        "partialFingerprints": {"portcullisCause/v1": finding.cause()},
    });
    if report.baseline.is_some() {
        let known = finding.standing == super::Standing::Known;
        result["baselineState"] = if known { "unchanged" } else { "new" }.into();
    }
    if finding.assessment.exception.is_some() {
        result["suppressions"] = json!([{
            "kind": "external", "status": "accepted", "justification": finding.acceptance(),
        }]);
    }
    result
}

fn location(finding: &Finding<'_>) -> Value {
    let assessment = finding.assessment;
    let mut physical = match &assessment.source {
        Some(source) => json!({"artifactLocation": {"uri": file_uri(&source.file)}}),
        None => {
            json!({"artifactLocation": {"uri": format!("s3://{}", percent(&assessment.bucket.name))}})
        }
    };
    if assessment.source.is_some()
        && let Some(line) = finding.line()
    {
        physical["region"] = json!({"startLine": line});
    }
    json!({
        "physicalLocation": physical,
        "logicalLocations": [{
            "name": assessment.bucket.name,
            "fullyQualifiedName": finding.arn(),
            "kind": "resource",
        }],
    })
}

fn notification(problem: &Problem) -> Value {
    let mut physical = json!({"artifactLocation": {"uri": file_uri(&problem.file)}});
    if let Some(line) = problem.line.filter(|line| *line > 0) {
        physical["region"] = json!({"startLine": line});
    }
    json!({
        "level": "warning",
        "message": {"text": problem.message},
        "locations": [{"physicalLocation": physical}],
    })
}

/// A file's name as a URI reference (RFC 3986), relative where the name is.
fn file_uri(file: &str) -> String {
    if file == "-" {
        return "stdin".to_owned();
    }
    let path = percent(file.trim_start_matches("./"));
    if path.starts_with('/') {
        format!("file://{path}")
    } else {
        path
    }
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
