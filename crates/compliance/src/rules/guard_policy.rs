//! Custom rules in the Guard language (AWS CloudFormation Guard), run by AWS's own library.
//!
//! A rule sees the configuration item as AWS Config shows it to its custom policy rules (AWS Config
//! developer guide, "Creating AWS Config Custom Policy Rules"): `resourceType`, `configuration`,
//! `supplementaryConfiguration`, `tags` and the rest. A text that holds JSON, such as
//! `AccessControlList`, is a text there too.
//!
//! Guard's answers are Config's: FAIL is `NON_COMPLIANT` with the rule's own messages, PASS
//! `COMPLIANT`, SKIP (no `when` applied) `NOT_APPLICABLE`. What cannot be evaluated is
//! `INSUFFICIENT_DATA`; so is a rule that names a part that was not read, because Guard takes what is
//! not in the document for absent.
//!
//! The library is unchanged, so three things are to be known. It reads a rule again for each
//! evaluation (its parsed form is private). Its short report is cut at 8 KiB, so only the verbose one
//! is asked for. And it panics on some inputs, which is caught here: one rule must not end a worker.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cfn_guard::{ValidateInput, run_checks};
use serde_json::Value;

use super::Outcome;
use crate::item::{ConfigurationItem, unread};

/// The longest text of a rule in characters (AWS Config API reference, `CustomPolicyDetails`).
const LONGEST: usize = 10_000;

/// A rule in the Guard language that was read once.
#[derive(Clone)]
pub(crate) struct GuardPolicy {
    text: String,
}

impl fmt::Debug for GuardPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GuardPolicy({} characters)", self.text.chars().count())
    }
}

/// Why a text is not a rule in the Guard language.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GuardError {
    /// Longer than AWS Config takes.
    #[error("it has {0} characters, and AWS Config takes {LONGEST} at most")]
    TooLong(usize),
    /// Nothing but comments.
    #[error("there is no rule in it")]
    Empty,
    /// What the library says.
    #[error("{0}")]
    Unreadable(String),
}

/// Why an evaluation gave no report.
enum NoReport {
    Refused(cfn_guard::Error),
    Panicked,
}

impl fmt::Display for NoReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The library nests its own sentences and breaks lines in them.
            NoReport::Refused(wrong) => f.write_str(
                &wrong
                    .to_string()
                    .replace("Parser Error when parsing `", "")
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" "),
            ),
            NoReport::Panicked => f.write_str("the library gave up"),
        }
    }
}

impl GuardPolicy {
    /// Reads a rule, and tries it on an empty document: so a name that stands for nothing shows when
    /// the configuration is read.
    pub(crate) fn parse(text: &str) -> Result<GuardPolicy, GuardError> {
        let length = text.chars().count();
        if length > LONGEST {
            return Err(GuardError::TooLong(length));
        }
        let policy = GuardPolicy {
            text: text.to_owned(),
        };
        match policy.run("{}") {
            Ok(report) if report.is_empty() => Err(GuardError::Empty),
            // Other errors may come of the document's being empty.
            Err(
                wrong @ (NoReport::Refused(
                    cfn_guard::Error::ParseError(_)
                    | cfn_guard::Error::RegexError(_)
                    | cfn_guard::Error::MissingValue(_)
                    | cfn_guard::Error::MissingVariable(_)
                    | cfn_guard::Error::MultipleValues(_),
                )
                | NoReport::Panicked),
            ) => Err(GuardError::Unreadable(wrong.to_string())),
            Ok(_) | Err(NoReport::Refused(_)) => Ok(policy),
        }
    }

    /// The answer about an item.
    pub(crate) fn decide(&self, item: &ConfigurationItem) -> Outcome {
        let report = match self.run(&item.to_json().to_string()) {
            Ok(report) => report,
            Err(wrong) => {
                return Outcome::insufficient(format!(
                    "the Guard rule could not be evaluated: {wrong}"
                ));
            }
        };
        let report: Value = match serde_json::from_str(&report) {
            Ok(report) => report,
            Err(_) => return Outcome::insufficient("the Guard rule gave no readable answer"),
        };
        match report
            .pointer("/container/FileCheck/status")
            .and_then(Value::as_str)
        {
            Some("SKIP") => Outcome::not_applicable(),
            Some(status @ ("PASS" | "FAIL")) => match self.unread(item) {
                Some(outcome) => outcome,
                None if status == "PASS" => Outcome::compliant(),
                None => Outcome::non_compliant(messages(&report)),
            },
            _ => Outcome::insufficient("the Guard rule gave no readable answer"),
        }
    }

    /// The answer if the rule names a part that was not read.
    fn unread(&self, item: &ConfigurationItem) -> Option<Outcome> {
        let all = [
            "supplementaryConfiguration.*",
            "supplementaryConfiguration[*]",
        ]
        .iter()
        .any(|every| self.text.contains(every));
        let (name, why) = item
            .portcullis
            .get("unread")?
            .as_object()?
            .iter()
            .find(|(name, _)| all || self.text.contains(name.as_str()))?;
        Some(Outcome::insufficient(format!(
            "{name} was not read ({})",
            unread::from_json(why)
        )))
    }

    fn run(&self, data: &str) -> Result<String, NoReport> {
        let checked = catch_unwind(AssertUnwindSafe(|| {
            run_checks(
                ValidateInput {
                    content: data,
                    file_name: "item",
                },
                ValidateInput {
                    content: &self.text,
                    file_name: "rule",
                },
                true,
            )
        }));
        match checked {
            Ok(report) => report.map_err(NoReport::Refused),
            Err(_) => Err(NoReport::Panicked),
        }
    }
}

/// What the failed clauses say: the messages that the rule gives them, or else what was compared.
fn messages(report: &Value) -> String {
    let (mut own, mut compared) = (Vec::new(), Vec::new());
    clauses(report, &mut own, &mut compared);
    if !own.is_empty() {
        return own.join("; ");
    }
    match compared.first() {
        Some(clause) => format!("The Guard rule fails at: {clause}"),
        None => "The Guard rule fails.".to_owned(),
    }
}

/// Collects from the failed clauses of one record of the report. A condition that does not hold is no
/// failure.
fn clauses(record: &Value, own: &mut Vec<String>, compared: &mut Vec<String>) {
    let Some((kind, check)) = record
        .get("container")
        .and_then(Value::as_object)
        .and_then(|container| container.iter().next())
    else {
        return;
    };
    if matches!(
        kind.as_str(),
        "RuleCondition" | "TypeCondition" | "WhenCondition" | "Filter"
    ) || failed(check) == Some(false)
    {
        return;
    }
    if kind == "ClauseValueCheck" && check.as_str() != Some("Success") {
        let tidy = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(message) = custom_message(check) {
            let message = tidy(message);
            if !own.contains(&message) {
                own.push(message);
            }
        }
        if let Some(context) = record.get("context").and_then(Value::as_str) {
            compared.push(tidy(context));
        }
    }
    for child in record
        .get("children")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        clauses(child, own, compared);
    }
}

/// Whether a check has a status, and then whether it is FAIL.
fn failed(check: &Value) -> Option<bool> {
    let status = check.as_str().or_else(|| check.get("status")?.as_str())?;
    matches!(status, "PASS" | "FAIL" | "SKIP").then(|| status == "FAIL")
}

/// The message that the rule gives a clause; the kinds of checks have it at different depths.
fn custom_message(check: &Value) -> Option<&str> {
    let members = check.as_object()?;
    if let Some(message) = members.get("custom_message").and_then(Value::as_str) {
        return Some(message).filter(|message| !message.trim().is_empty());
    }
    // What was compared may hold a member of that name itself: only checks are looked into.
    members
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "from" | "to"))
        .find_map(|(_, value)| custom_message(value))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;
    use crate::item::{BUCKET, VOLUME};
    use crate::rules::testing::{bucket_with, denied, item};

    const VERSIONING: &str = r#"
        rule versioned when resourceType == "AWS::S3::Bucket" {
            supplementaryConfiguration.BucketVersioningConfiguration.status == "Enabled"
                <<Versioning must be on.>>
        }
    "#;

    fn answer(rule: &str, item: &ConfigurationItem) -> String {
        let outcome = GuardPolicy::parse(rule).unwrap().decide(item);
        match outcome.annotation {
            Some(annotation) => format!("{} {annotation}", outcome.compliance_type.as_str()),
            None => outcome.compliance_type.as_str().to_owned(),
        }
    }

    fn versioning(status: &str) -> ConfigurationItem {
        bucket_with("BucketVersioningConfiguration", json!({"status": status}))
    }

    #[test]
    fn guards_answers_are_configs() {
        assert_eq!(answer(VERSIONING, &versioning("Enabled")), "COMPLIANT");
        assert_eq!(
            answer(VERSIONING, &versioning("Off")),
            "NON_COMPLIANT Versioning must be on."
        );
        assert_eq!(answer(VERSIONING, &item(VOLUME)), "NOT_APPLICABLE");
        assert_eq!(
            answer(VERSIONING, &item(BUCKET)),
            "NON_COMPLIANT Versioning must be on.",
            "Guard takes what is not there for a failure"
        );
    }

    #[test]
    fn a_part_that_was_not_read_decides_nothing() {
        let denied = denied(
            versioning("Enabled"),
            "BucketVersioningConfiguration",
            "s3:GetBucketVersioning",
        );
        let undecided = "INSUFFICIENT_DATA Not decided: BucketVersioningConfiguration was not read \
                         (access denied: s3:GetBucketVersioning is missing)";
        assert_eq!(answer(VERSIONING, &denied), undecided);
        let any = "rule r { some supplementaryConfiguration.* exists }";
        assert_eq!(answer(any, &denied), undecided);
        // Another part does not matter.
        let name = "rule r { resourceType == \"AWS::S3::Bucket\" }";
        assert_eq!(answer(name, &denied), "COMPLIANT");
    }

    #[test]
    fn failures_say_what_failed() {
        let two = r#"
            rule one { configuration.a == 1 <<a must be 1>> }
            rule two when configuration.c exists { configuration.b in [1, 2] <<b must be small>> }
            rule three { configuration.c !empty <<c is given>> }
        "#;
        let mut resource = item(BUCKET);
        resource.configuration =
            json!({"a": 2, "b": 3, "c": "x", "custom_message": "no message", "status": "FAIL"});
        assert_eq!(
            answer(two, &resource),
            "NON_COMPLIANT a must be 1; b must be small"
        );
        assert_eq!(
            answer("rule one { configuration.a == 1 }", &resource),
            "NON_COMPLIANT The Guard rule fails at: configuration.a EQUALS 1"
        );
        let long = format!(
            "rule one {{ configuration.a == 1 <<{}>> }}",
            "x".repeat(400)
        );
        assert_eq!(
            answer(&long, &resource).chars().count(),
            "NON_COMPLIANT ".len() + crate::rules::Annotation::MAX
        );
    }

    /// The short report of the library is cut at 8 KiB: a large item must still be answered.
    #[test]
    fn large_items_are_answered() {
        let mut large = versioning("Off");
        large.configuration = json!({"filler": "x".repeat(100_000)});
        let rule = r#"rule r { configuration.filler == "y" <<it is filler>> }"#;
        assert_eq!(answer(rule, &large), "NON_COMPLIANT it is filler");
    }

    #[test]
    fn what_is_no_rule_is_refused_when_it_is_read() {
        for (text, expected) in [
            ("", "there is no rule in it"),
            ("# only a comment", "there is no rule in it"),
            ("rule a { configuration.name exists ", "line 1 at column 36"),
            ("rule a { b }", "line 1 at column 12"),
            ("rule a { %x == 1 }", "Could not resolve variable by name x"),
            (
                "rule a { configuration.name == /(/ }",
                "line 1 at column 31",
            ),
        ] {
            let wrong = GuardPolicy::parse(text).unwrap_err().to_string();
            assert!(wrong.contains(expected), "{text}: {wrong}");
        }
        let long = format!("rule a {{ b exists }}{}", " ".repeat(LONGEST));
        assert!(GuardPolicy::parse(&long).is_err());
    }

    #[test]
    fn an_expression_that_takes_for_ever_gives_up() {
        let rule = r"rule a { configuration.name == /^(?=(a+)+$)b/ }";
        let mut hostile = item(BUCKET);
        hostile.configuration = json!({"name": format!("{}!", "a".repeat(40))});
        let answer = answer(rule, &hostile);
        assert!(!answer.starts_with("COMPLIANT"), "{answer}");
    }
}
