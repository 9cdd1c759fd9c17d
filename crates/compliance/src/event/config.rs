//! AWS Config's own messages: compliance changes, evaluations, configuration items.

use serde_json::{Map, Value, json};

use super::envelope::Wrapping;
use super::text::{self, at};
use super::{Concerns, Event, EventError, Source};
use crate::item;

const CHANGE: &str = "the compliance change";
const ITEM: &str = "the configuration item's message";
const EVALUATION: &str = "the evaluation";
/// `PutEvaluations` takes at most 100 (AWS Config API reference).
const MOST_EVALUATIONS: usize = 100;

/// A message as Config gives it to SNS and, as `detail`, to EventBridge; nothing if it tells of no
/// change (AWS Config developer guide, "Notifications that AWS Config sends to an Amazon SNS topic").
pub(super) fn of_message(
    message: &Value,
    around: Wrapping<'_>,
) -> Result<Option<Event>, EventError> {
    match at(message, &["messageType"]) {
        Some("ComplianceChangeNotification") => compliance_change(message, around).map(Some),
        Some("ConfigurationItemChangeNotification") => {
            item_change(message, "configurationItem", around).map(Some)
        }
        Some("OversizedConfigurationItemChangeNotification") => {
            item_change(message, "configurationItemSummary", around).map(Some)
        }
        // Deliveries, evaluations that began, schedules.
        Some(_) => Ok(None),
        None => Err(EventError::Member {
            document: "the message of AWS Config",
            member: "messageType",
        }),
    }
}

fn compliance_change(message: &Value, around: Wrapping<'_>) -> Result<Event, EventError> {
    let result = ["newEvaluationResult", "oldEvaluationResult"]
        .iter()
        .find_map(|name| message.get(*name).filter(|value| value.is_object()));
    let told = result.and_then(|result| at(result, &["resultRecordedTime"]));
    let account = text::account(at(message, &["awsAccountId"]).or(around.account));
    let kind = at(message, &["resourceType"]).ok_or(EventError::Member {
        document: CHANGE,
        member: "resourceType",
    })?;
    let id = at(message, &["resourceId"]).ok_or(EventError::Member {
        document: CHANGE,
        member: "resourceId",
    })?;
    Ok(Event {
        id: id_of(message, around),
        source: Source::Config,
        name: "Config Rules Compliance Change".to_owned(),
        time: text::time(
            CHANGE,
            "notificationCreationTime",
            told.or_else(|| at(message, &["notificationCreationTime"]))
                .or(around.time),
        )?,
        region: text::region(at(message, &["awsRegion"]).or(around.region)),
        actor: None,
        source_ip: None,
        user_agent: None,
        error_code: None,
        concerns: concerned(CHANGE, kind, id)?,
        detail: message.clone(),
        account,
    })
}

fn item_change(
    message: &Value,
    member: &'static str,
    around: Wrapping<'_>,
) -> Result<Event, EventError> {
    let item = message
        .get(member)
        .filter(|item| item.is_object())
        .ok_or(EventError::Member {
            document: ITEM,
            member,
        })?;
    let needed = |member: &'static str| {
        at(item, &[member]).ok_or(EventError::Member {
            document: ITEM,
            member,
        })
    };
    let captured = at(item, &["configurationItemCaptureTime"])
        .or_else(|| at(message, &["notificationCreationTime"]))
        .or(around.time);
    Ok(Event {
        id: id_of(message, around),
        source: Source::Config,
        name: "Config Configuration Item Change".to_owned(),
        time: text::time(ITEM, "configurationItemCaptureTime", captured)?,
        account: text::account(
            at(item, &["awsAccountId"])
                .or_else(|| at(item, &["accountId"]))
                .or(around.account),
        ),
        region: text::region(at(item, &["awsRegion"]).or(around.region)),
        actor: None,
        source_ip: None,
        user_agent: None,
        error_code: None,
        concerns: concerned(ITEM, needed("resourceType")?, needed("resourceId")?)?,
        detail: message.clone(),
    })
}

/// One event for each evaluation of a `PutEvaluations` call, from what all of them share.
pub(super) fn evaluations(mut call: Event) -> Vec<Result<Event, EventError>> {
    // Each event has its own evaluation and a few words of the rest, never all of it a hundred times.
    let record = std::mem::take(&mut call.detail);
    let evaluations = record
        .get("requestParameters")
        .and_then(|parameters| parameters.get("evaluations"));
    let listed = match evaluations {
        Some(Value::Array(listed)) => listed.as_slice(),
        // In the published pattern it is one evaluation and not a list.
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => {
            return vec![Err(EventError::Member {
                document: "the CloudTrail record",
                member: "requestParameters.evaluations",
            })];
        }
    };
    let about: Map<String, Value> = ["managedRuleIdentifier", "configRuleName", "configRuleArn"]
        .iter()
        .filter_map(|name| {
            let told = text::described(at(&record, &["additionalEventData", name]))?;
            Some(((*name).to_owned(), told.into()))
        })
        .collect();
    let test = record["requestParameters"]["testMode"].as_bool();
    let mut events: Vec<_> = listed
        .iter()
        .take(MOST_EVALUATIONS)
        .enumerate()
        .map(|(number, evaluation)| {
            let detail = json!({
                "eventSource": "config.amazonaws.com",
                "eventName": call.name,
                "requestParameters": {"evaluations": [evaluation], "testMode": test},
                "additionalEventData": about,
            });
            of_evaluation(&call, number, evaluation, detail)
        })
        .collect();
    if listed.len() > MOST_EVALUATIONS {
        events.push(Err(EventError::TooMany {
            limit: MOST_EVALUATIONS,
        }));
    }
    events
}

fn of_evaluation(
    call: &Event,
    number: usize,
    evaluation: &Value,
    detail: Value,
) -> Result<Event, EventError> {
    let needed = |member: &'static str| {
        at(evaluation, &[member]).ok_or(EventError::Member {
            document: EVALUATION,
            member,
        })
    };
    let concerns = concerned(
        EVALUATION,
        needed("complianceResourceType")?,
        needed("complianceResourceId")?,
    )?;
    Ok(Event {
        id: match number {
            0 => call.id.clone(),
            number => format!("{}/{number}", call.id),
        },
        source: Source::Config,
        concerns,
        detail,
        ..call.clone()
    })
}

/// The id of the envelope; without one, a digest of the message.
fn id_of(message: &Value, around: Wrapping<'_>) -> String {
    around
        .id
        .map_or_else(|| text::digest(&message.to_string()), text::id)
}

/// What a resource of Config's is to us.
fn concerned(document: &'static str, kind: &str, id: &str) -> Result<Concerns, EventError> {
    Ok(match kind {
        item::BUCKET => Concerns::Bucket(text::bucket(document, id)?),
        item::ACCOUNT_PUBLIC_ACCESS_BLOCK | item::ACCOUNT => match text::account(Some(id)) {
            Some(account) => Concerns::Account(account),
            None => return Err(text::impossible(document, "the account", id)),
        },
        item::VOLUME => Concerns::Volume(text::name(document, "the volume's id", id)?),
        _ => Concerns::Nothing,
    })
}
