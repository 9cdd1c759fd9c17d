//! What a Lambda function of a custom rule is told, and what it may answer.
//!
//! The event has the shape that AWS Config sends (AWS Config developer guide, "Example AWS Config
//! Rules Events"): `invokingEvent` and `ruleParameters` are texts that hold JSON. AWS Config expects the
//! function to call `PutEvaluations`; here it returns what it would have put there, and
//! [`read_answer`] holds it to the same rules (AWS Config API reference, `PutEvaluations`).

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::configured::LambdaCall;
use super::{Annotation, ComplianceType, Subject};
use crate::compliance_change::{rule_arn, rule_id};
use crate::item::{ConfigurationItem, diff_json, millis};

/// How many bytes an invoking event may have before only a summary of the item is sent.
pub const LARGEST_EVENT: usize = 256 * 1024;
/// How many evaluations one answer may hold (AWS Config API reference, `PutEvaluations`).
pub const MOST_EVALUATIONS: usize = 100;
/// How many evaluations the answer to a schedule may hold. For AWS Config a function calls
/// `PutEvaluations` as often as it needs to; here one answer holds all of it.
pub const MOST_SCHEDULED_EVALUATIONS: usize = 10_000;

/// What is the same for every event of one call.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'a> {
    /// The AWS partition, for ARNs.
    pub partition: &'a str,
    /// The account that the rule stands in.
    pub account: &'a str,
    /// The region that the rule stands in.
    pub region: &'a str,
    /// A secret of this call, which the answer may repeat.
    pub result_token: &'a str,
    /// The role that the function may assume, if there is one.
    pub execution_role: Option<&'a str>,
    /// The present.
    pub now: Timestamp,
}

/// The event about a resource that changed. An item that would make it too large is replaced by its
/// summary; the function then has to ask for the item itself.
pub fn change_event(
    call: &LambdaCall<'_>,
    subject: &Subject<'_>,
    invocation: &Invocation<'_>,
) -> Value {
    let difference = diff_json(subject.previous, subject.item);
    let full = json!({
        "messageType": "ConfigurationItemChangeNotification",
        "configurationItem": subject.item.to_json(),
        "configurationItemDiff": difference,
        "notificationCreationTime": millis(invocation.now),
        "recordVersion": "1.3",
    })
    .to_string();
    let invoking = if full.len() <= LARGEST_EVENT {
        full
    } else {
        json!({
            "messageType": "OversizedConfigurationItemChangeNotification",
            "configurationItemSummary": summary(subject.item, &difference["changeType"]),
            "notificationCreationTime": millis(invocation.now),
            "recordVersion": "1.0",
        })
        .to_string()
    };
    event(call, invoking, invocation)
}

/// The event of a schedule.
pub fn scheduled_event(call: &LambdaCall<'_>, invocation: &Invocation<'_>) -> Value {
    let invoking = json!({
        "messageType": "ScheduledNotification",
        "awsAccountId": invocation.account,
        "notificationCreationTime": millis(invocation.now),
        "recordVersion": "1.0",
    });
    event(call, invoking.to_string(), invocation)
}

fn event(call: &LambdaCall<'_>, invoking_event: String, invocation: &Invocation<'_>) -> Value {
    let name = call.rule.name();
    json!({
        "version": "1.0",
        "invokingEvent": invoking_event,
        "ruleParameters": json!(call.lambda.parameters).to_string(),
        "resultToken": invocation.result_token,
        "eventLeftScope": call.left_scope,
        "executionRoleArn": invocation.execution_role,
        "configRuleArn": rule_arn(invocation.partition, invocation.region, invocation.account, name),
        "configRuleName": name,
        "configRuleId": rule_id(name),
        "accountId": invocation.account,
    })
}

fn summary(item: &ConfigurationItem, change_type: &Value) -> Value {
    let whole = item.to_json();
    let mut summary = json!({"changeType": change_type});
    for member in [
        "configurationItemVersion",
        "configurationItemCaptureTime",
        "configurationStateId",
        "awsAccountId",
        "configurationItemStatus",
        "resourceType",
        "resourceId",
        "resourceName",
        "ARN",
        "awsRegion",
        "availabilityZone",
        "configurationStateMd5Hash",
        "resourceCreationTime",
    ] {
        summary[member] = whole[member].clone();
    }
    summary
}

/// What a function says about one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// The resource's type.
    pub resource_type: String,
    /// The resource's id.
    pub resource_id: String,
    /// The answer; never `INSUFFICIENT_DATA`, which AWS does not take from a function.
    pub compliance_type: ComplianceType,
    /// Why.
    pub annotation: Option<Annotation>,
    /// What moment it is about, if the function says one that can be read.
    pub ordering: Option<Timestamp>,
}

/// Why an answer was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "each variant's sentence says what it is, and its fields fill the sentence"
)]
pub enum AnswerError {
    #[error("the function failed: {message}")]
    Failed { message: String },
    #[error(
        "the function returned no evaluations: it must return what it would give PutEvaluations, \
         {{\"Evaluations\": [...]}}"
    )]
    NoEvaluations,
    #[error("the answer holds {count} evaluations, and at most {most} are taken")]
    TooMany { count: usize, most: usize },
    #[error("the answer's ResultToken is not the one of this call")]
    Token,
    #[error("evaluation {index}: `{member}` is missing or no text")]
    Member { index: usize, member: &'static str },
    #[error(
        "evaluation {index}: ComplianceType is {value:?}; COMPLIANT, NON_COMPLIANT and \
         NOT_APPLICABLE are taken"
    )]
    ComplianceType { index: usize, value: String },
    #[error("evaluation {index}: the annotation has {length} characters, not 1 to 256")]
    Annotation { index: usize, length: usize },
    #[error(
        "evaluation {index} is about {resource_type} {resource_id:?}, which is not recorded here or \
         was not asked about"
    )]
    UnknownResource {
        index: usize,
        resource_type: String,
        resource_id: String,
    },
}

/// Reads what a function returned. `is_known` says whether a type and an id are a resource that the
/// rule may speak of.
///
/// Members may be spelled `ComplianceType` or `complianceType`; a bare list of evaluations, or one
/// evaluation alone, is taken too. An answer in test mode holds nothing.
///
/// # Errors
///
/// The first thing for which `PutEvaluations` would refuse the whole answer.
pub fn read_answer(
    answer: &Value,
    result_token: &str,
    is_known: impl Fn(&str, &str) -> bool,
) -> Result<Vec<Reported>, AnswerError> {
    read(answer, result_token, MOST_EVALUATIONS, is_known)
}

/// Reads what a function returned to [`scheduled_event`]. It may speak of any resource: whether that is
/// recorded, who knows what is recorded has to see.
///
/// # Errors
///
/// The first thing that is wrong with the answer, apart from what it is about.
pub fn read_scheduled_answer(
    answer: &Value,
    result_token: &str,
) -> Result<Vec<Reported>, AnswerError> {
    read(answer, result_token, MOST_SCHEDULED_EVALUATIONS, |_, _| {
        true
    })
}

fn read(
    answer: &Value,
    result_token: &str,
    most: usize,
    is_known: impl Fn(&str, &str) -> bool,
) -> Result<Vec<Reported>, AnswerError> {
    if let Some(message) = answer.get("errorMessage").and_then(Value::as_str) {
        return Err(AnswerError::Failed {
            // Whatever the function writes is shown, but not all of it.
            message: Annotation::new(message).to_string(),
        });
    }
    let given = |name: &str| answer.get(name).or_else(|| answer.get(lower_first(name)));
    if let Some(token) = given("ResultToken").filter(|token| !token.is_null())
        && token.as_str() != Some(result_token)
    {
        return Err(AnswerError::Token);
    }
    let evaluations = match (answer, given("Evaluations")) {
        (Value::Array(evaluations), _) | (_, Some(Value::Array(evaluations))) => {
            evaluations.as_slice()
        }
        (Value::Object(_), None) if given("ComplianceType").is_some() => {
            std::slice::from_ref(answer)
        }
        _ => return Err(AnswerError::NoEvaluations),
    };
    if evaluations.len() > most {
        return Err(AnswerError::TooMany {
            count: evaluations.len(),
            most,
        });
    }
    let reported = evaluations
        .iter()
        .enumerate()
        .map(|(index, evaluation)| one(index, evaluation, &is_known))
        .collect::<Result<Vec<_>, _>>()?;
    if given("TestMode").and_then(Value::as_bool) == Some(true) {
        return Ok(Vec::new());
    }
    Ok(reported)
}

fn one(
    index: usize,
    evaluation: &Value,
    is_known: &impl Fn(&str, &str) -> bool,
) -> Result<Reported, AnswerError> {
    let member = |name: &str| {
        evaluation
            .get(name)
            .or_else(|| evaluation.get(lower_first(name)))
            .filter(|value| !value.is_null())
    };
    let text = |name: &'static str| {
        member(name)
            .and_then(Value::as_str)
            .ok_or(AnswerError::Member {
                index,
                member: name,
            })
    };
    let resource_type = text("ComplianceResourceType")?;
    let resource_id = text("ComplianceResourceId")?;
    let value = text("ComplianceType")?;
    let compliance_type = ComplianceType::parse(value)
        .filter(|one| *one != ComplianceType::InsufficientData)
        .ok_or_else(|| AnswerError::ComplianceType {
            index,
            value: Annotation::new(value).to_string(),
        })?;
    let annotation = match member("Annotation") {
        None => None,
        Some(_) => {
            let text = text("Annotation")?;
            let length = text.chars().count();
            if !(1..=Annotation::MAX).contains(&length) {
                return Err(AnswerError::Annotation { index, length });
            }
            Some(Annotation::new(text))
        }
    };
    if !is_known(resource_type, resource_id) {
        return Err(AnswerError::UnknownResource {
            index,
            resource_type: Annotation::new(resource_type).to_string(),
            resource_id: Annotation::new(resource_id).to_string(),
        });
    }
    Ok(Reported {
        resource_type: resource_type.to_owned(),
        resource_id: resource_id.to_owned(),
        compliance_type,
        annotation,
        ordering: member("OrderingTimestamp").and_then(timestamp),
    })
}

/// `ComplianceType` as `complianceType`. All of the names begin with an ASCII letter.
fn lower_first(name: &str) -> String {
    let mut name = name.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    name
}

/// A moment as functions write it: seconds or milliseconds since 1970, RFC 3339, or
/// `Jan 1, 2026 12:00:00 AM` as CloudTrail shows it.
fn timestamp(value: &Value) -> Option<Timestamp> {
    if let Some(number) = value.as_f64() {
        // What is beyond the year 5000 in seconds is milliseconds.
        let seconds = if number.abs() > 1e11 {
            number / 1000.0
        } else {
            number
        };
        // A cast from f64 saturates; what is out of range is no moment.
        #[expect(clippy::cast_possible_truncation, reason = "see above")]
        return Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok();
    }
    let text = value.as_str()?.trim();
    if let Ok(moment) = text.parse() {
        return Some(moment);
    }
    let civil = DateTime::strptime("%b %d, %Y %I:%M:%S %p", text).ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::item::BUCKET;
    use crate::rules::configured::{RuleConfig, RuleSet};
    use crate::rules::testing::item;

    fn rules() -> RuleSet {
        let config: RuleConfig = toml::from_str(
            "name = 'mine'\nsource = 'lambda'\nfrequency = '1h'\nresource-types = ['AWS::S3::Bucket']\n\
             lambda = 'arn:aws:lambda:us-east-1:111122223333:function:check'\nparameters = {limit = 3}",
        )
        .unwrap();
        RuleSet::new(vec![config]).unwrap()
    }

    const INVOCATION: Invocation<'_> = Invocation {
        partition: "aws",
        account: "111122223333",
        region: "us-east-1",
        result_token: "token",
        execution_role: None,
        now: Timestamp::UNIX_EPOCH,
    };

    fn inner(event: &Value) -> Value {
        serde_json::from_str(event["invokingEvent"].as_str().unwrap()).unwrap()
    }

    #[test]
    fn a_change_is_told_with_item_and_difference() {
        let rules = rules();
        let previous = item(BUCKET);
        let mut changed = item(BUCKET);
        changed.tags.insert("team".to_owned(), "web".to_owned());
        let subject = Subject {
            previous: Some(&previous),
            ..Subject::of(&changed, Timestamp::UNIX_EPOCH)
        };
        let call = rules.lambdas_on_change(&subject)[0];
        let event = change_event(&call, &subject, &INVOCATION);
        assert_eq!(event["ruleParameters"], json!("{\"limit\":\"3\"}"));
        assert_eq!(event["configRuleName"], json!("mine"));
        assert_eq!(event["resultToken"], json!("token"));
        assert_eq!(event["eventLeftScope"], json!(false));
        assert_eq!(event["accountId"], json!("111122223333"));
        let arn = event["configRuleArn"].as_str().unwrap();
        let id = event["configRuleId"].as_str().unwrap();
        assert!(
            arn.starts_with("arn:aws:config:us-east-1:111122223333:config-rule/config-rule-")
                && arn.ends_with(id),
            "{arn}"
        );
        let told = inner(&event);
        assert_eq!(
            told["messageType"],
            json!("ConfigurationItemChangeNotification")
        );
        assert_eq!(told["recordVersion"], json!("1.3"));
        assert_eq!(
            told["notificationCreationTime"],
            json!("1970-01-01T00:00:00.000Z")
        );
        let difference = &told["configurationItemDiff"];
        assert_eq!(difference["changeType"], json!("UPDATE"));
        assert_eq!(
            difference["changedProperties"]["Tags.team"]["updatedValue"],
            json!("web")
        );
        let read = ConfigurationItem::from_json(&told["configurationItem"]).unwrap();
        assert_eq!(read, changed);
    }

    #[test]
    fn an_item_that_is_too_large_is_told_by_its_summary() {
        let rules = rules();
        let mut large = item(BUCKET);
        large.configuration = json!({"filler": "x".repeat(LARGEST_EVENT)});
        let subject = Subject::of(&large, Timestamp::UNIX_EPOCH);
        let call = rules.lambdas_on_change(&subject)[0];
        let event = change_event(&call, &subject, &INVOCATION);
        let told = inner(&event);
        assert_eq!(
            told["messageType"],
            json!("OversizedConfigurationItemChangeNotification")
        );
        let summary = &told["configurationItemSummary"];
        assert_eq!(summary["changeType"], json!("CREATE"));
        assert_eq!(summary["resourceId"], json!("r"));
        assert_eq!(summary["resourceType"], json!(BUCKET));
        assert!(summary.get("configuration").is_none());
        assert!(event.to_string().len() < LARGEST_EVENT);
    }

    #[test]
    fn a_schedule_is_told_without_a_resource() {
        let rules = rules();
        let call = rules.lambdas_periodic(crate::rules::configured::Frequency::OneHour)[0];
        let told = inner(&scheduled_event(&call, &INVOCATION));
        assert_eq!(
            told,
            json!({"messageType": "ScheduledNotification", "awsAccountId": "111122223333",
                "notificationCreationTime": "1970-01-01T00:00:00.000Z", "recordVersion": "1.0"})
        );
    }

    fn evaluation(compliance_type: &str) -> Value {
        json!({"ComplianceResourceType": BUCKET, "ComplianceResourceId": "r",
            "ComplianceType": compliance_type, "Annotation": "why",
            "OrderingTimestamp": "2026-01-01T00:00:00.000Z"})
    }

    fn read(answer: &Value) -> Result<Vec<Reported>, AnswerError> {
        read_answer(answer, "token", |resource_type, id| {
            resource_type == BUCKET && id == "r"
        })
    }

    #[test]
    fn an_answer_is_taken_in_each_of_its_spellings() {
        let expected = Reported {
            resource_type: BUCKET.to_owned(),
            resource_id: "r".to_owned(),
            compliance_type: ComplianceType::NonCompliant,
            annotation: Some(Annotation::new("why")),
            ordering: Some("2026-01-01T00:00:00Z".parse().unwrap()),
        };
        let upper = evaluation("NON_COMPLIANT");
        let lower = json!({"complianceResourceType": BUCKET, "complianceResourceId": "r",
            "complianceType": "NON_COMPLIANT", "annotation": "why",
            "orderingTimestamp": "Jan 1, 2026 12:00:00 AM"});
        for answer in [
            json!({"Evaluations": [upper], "ResultToken": "token"}),
            json!({"evaluations": [lower], "resultToken": "token", "testMode": false}),
            json!([upper]),
            upper.clone(),
        ] {
            assert_eq!(
                read(&answer).unwrap(),
                std::slice::from_ref(&expected),
                "{answer}"
            );
        }
        assert_eq!(read(&json!({"Evaluations": []})).unwrap(), []);
        assert_eq!(
            read(&json!({"Evaluations": [upper], "TestMode": true})).unwrap(),
            []
        );
    }

    #[test]
    fn a_moment_is_read_tolerantly() {
        for (moment, expected) in [
            (json!(1_767_225_600), Some("2026-01-01T00:00:00Z")),
            (json!(1_767_225_600_000_i64), Some("2026-01-01T00:00:00Z")),
            (json!(1_767_225_600.5), Some("2026-01-01T00:00:00.5Z")),
            (
                json!("2026-01-01T02:00:00+02:00"),
                Some("2026-01-01T00:00:00Z"),
            ),
            (
                json!("Dec 31, 2025 11:00:00 PM"),
                Some("2025-12-31T23:00:00Z"),
            ),
            (json!("tomorrow"), None),
            (json!(1e300), None),
            (json!([]), None),
        ] {
            let expected = expected.map(|text| text.parse::<Timestamp>().unwrap());
            assert_eq!(timestamp(&moment), expected, "{moment}");
        }
    }

    #[test]
    fn an_answer_that_config_would_refuse_is_refused() {
        let with = |member: &str, value: Value| {
            let mut changed = evaluation("COMPLIANT");
            changed[member] = value;
            json!({"Evaluations": [evaluation("COMPLIANT"), changed]})
        };
        for (answer, expected) in [
            (Value::Null, "returned no evaluations"),
            (json!("COMPLIANT"), "returned no evaluations"),
            (json!({"Evaluations": "none"}), "returned no evaluations"),
            (
                json!({"errorMessage": "boom", "errorType": "Error"}),
                "the function failed: boom",
            ),
            (
                json!({"Evaluations": [], "ResultToken": "other"}),
                "ResultToken",
            ),
            (json!({"Evaluations": [], "ResultToken": 5}), "ResultToken"),
            (json!(vec![evaluation("COMPLIANT"); 101]), "101 evaluations"),
            (
                with("ComplianceType", json!("INSUFFICIENT_DATA")),
                "evaluation 1: ComplianceType is \"INSUFFICIENT_DATA\"",
            ),
            (
                with("ComplianceType", json!("compliant")),
                "evaluation 1: ComplianceType",
            ),
            (
                with("ComplianceType", Value::Null),
                "evaluation 1: `ComplianceType` is missing",
            ),
            (
                with("ComplianceResourceId", json!(5)),
                "evaluation 1: `ComplianceResourceId`",
            ),
            (
                with("ComplianceResourceId", json!("another")),
                "evaluation 1 is about AWS::S3::Bucket \"another\"",
            ),
            (
                with("ComplianceResourceType", json!("AWS::EC2::Volume")),
                "which is not recorded here",
            ),
            (with("Annotation", json!("")), "0 characters"),
            (with("Annotation", json!("x".repeat(257))), "257 characters"),
            (with("Annotation", json!({})), "`Annotation`"),
            (json!([5]), "evaluation 0"),
        ] {
            let wrong = read(&answer).unwrap_err().to_string();
            assert!(wrong.contains(expected), "{answer}: {wrong}");
        }
    }
}
