//! `[[event-rule]]` and `[[target]]`: where compliance changes go.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::value::{PatternValue, Period, SecretRef, Text};

/// One event rule, as in EventBridge. Two are built in: `tell` and `respond`; one of the same name
/// replaces the built-in one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct EventRule {
    /// Its name.
    pub(crate) name: String,
    /// The event pattern. [default: that of the built-in rule of the same name]
    #[serde(default)]
    pub(crate) pattern: Option<PatternValue>,
    /// Where matching events go: `responder`, `topic:NAME`, or names of targets. [default: those of
    /// the built-in rule of the same name]
    #[serde(default)]
    pub(crate) targets: Option<Vec<String>>,
    /// Whether it is matched.
    #[serde(default = "yes")]
    pub(crate) enabled: bool,
}

fn yes() -> bool {
    true
}

/// A place that events go to as they are.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Target {
    /// Its name.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: TargetKind,
    /// `webhook`: its address. Plainly if it holds no secret.
    #[serde(default)]
    pub(crate) url: Option<Text>,
    /// `webhook`: keys that the body is signed with (Standard Webhooks).
    #[serde(default)]
    pub(crate) signing_keys: Vec<SecretRef>,
    /// `sqs`: the queue.
    #[serde(default)]
    pub(crate) queue_url: Option<String>,
    /// `lambda`: the function's name or ARN.
    #[serde(default)]
    pub(crate) function: Option<String>,
    /// `event-bus`: the bus's name or ARN. [default: the account's default bus]
    #[serde(default)]
    pub(crate) bus: Option<String>,
    /// `sns`: the topic's ARN.
    #[serde(default)]
    pub(crate) topic_arn: Option<String>,
    /// `sqs`, `lambda`, `event-bus`, `sns`: the account whose credentials are used, by id or label.
    /// [default: the first]
    #[serde(default)]
    pub(crate) account: Option<String>,
    /// The same: the region. [default: as ARN or URL say, else the account's]
    #[serde(default)]
    pub(crate) region: Option<String>,
    /// The same: an endpoint that is not AWS's.
    #[serde(default)]
    pub(crate) endpoint_url: Option<String>,
    /// `command`: the program's absolute path. It gets the event on its standard input.
    #[serde(default)]
    pub(crate) program: Option<PathBuf>,
    /// `command`: its arguments.
    #[serde(default)]
    pub(crate) arguments: Vec<String>,
    /// How long an attempt may take. [default: 20s]
    #[serde(default)]
    pub(crate) timeout: Option<Period>,
}

/// Kinds of targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TargetKind {
    /// An HTTPS address.
    Webhook,
    /// An SQS queue.
    Sqs,
    /// A Lambda function.
    Lambda,
    /// An EventBridge bus.
    EventBus,
    /// An SNS topic.
    Sns,
    /// A program on this machine.
    Command,
}

impl TargetKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            TargetKind::Webhook => "webhook",
            TargetKind::Sqs => "sqs",
            TargetKind::Lambda => "lambda",
            TargetKind::EventBus => "event-bus",
            TargetKind::Sns => "sns",
            TargetKind::Command => "command",
        }
    }
}

/// How `responder` and topics are written among the targets of an event rule.
pub(crate) const RESPONDER: &str = "responder";
pub(crate) const TOPIC_PREFIX: &str = "topic:";

/// The built-in event rule that tells people.
pub(crate) const TELL: &str = "tell";
/// The built-in event rule that sends public buckets to the responder.
pub(crate) const RESPOND: &str = "respond";

/// The pattern of a built-in rule, and its targets.
pub(crate) fn built_in(name: &str) -> Option<(&'static str, Vec<String>)> {
    match name {
        // Whatever a rule finds wrong, or cannot decide: silence would be taken for compliance.
        TELL => Some((
            r#"{
                "source": ["aws.config"],
                "detail-type": ["Config Rules Compliance Change"],
                "detail": {"newEvaluationResult": {"complianceType": ["NON_COMPLIANT", "INSUFFICIENT_DATA"]}}
            }"#,
            vec![format!("{TOPIC_PREFIX}{}", super::notice::DEFAULT_TOPIC)],
        )),
        // What responders in the field match: evaluations as they are reported, by the rules
        // about public access.
        RESPOND => Some((
            r#"{
                "source": ["aws.config"],
                "detail": {
                    "requestParameters": {"evaluations": {"complianceType": ["NON_COMPLIANT"]}},
                    "additionalEventData": {"managedRuleIdentifier": [
                        "S3_BUCKET_PUBLIC_READ_PROHIBITED", "S3_BUCKET_PUBLIC_WRITE_PROHIBITED",
                        "S3_OBJECT_ACL_PUBLIC_ACCESS_PROHIBITED"
                    ]}
                }
            }"#,
            vec![RESPONDER.to_owned()],
        )),
        _ => None,
    }
}
