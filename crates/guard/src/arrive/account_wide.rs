//! Events about all of an account, in the looks that they lead to.
//!
//! Such an event has no resource of its own whose look would take it up. What it is about is read by
//! looks that it asks for, and by those that the sweep asks for that it makes; each of these names in its
//! payload what it is made for, so that what it finds is counted from then and told with who did it,
//! also when the sweep is long over.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ALL;
use crate::state::{EventRecord, NewJob};

/// The payload's member.
const MEMBER: &str = "accountWide";
/// How many events one look names: the first of them, since exposure counts from there, and the last.
const MOST: usize = 8;

/// As much of an event as decides what follows from it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cause {
    id: String,
    source: String,
    name: String,
    event_time: Timestamp,
    arrived_at: Timestamp,
    account: String,
    resource_type: String,
    actor: Option<String>,
    source_ip: Option<String>,
}

/// Notes in a look that it is made for these events about the whole account.
pub(crate) fn made_for(look: &mut NewJob, events: &[EventRecord]) {
    if events.is_empty() {
        return;
    }
    let causes = events.iter().map(|event| Cause {
        id: event.id.clone(),
        source: event.source.clone(),
        name: event.name.clone(),
        event_time: event.event_time,
        arrived_at: event.arrived_at,
        account: event.account.clone(),
        resource_type: event.resource_type.clone(),
        actor: event.actor.clone(),
        source_ip: event.source_ip.clone(),
    });
    look.payload[MEMBER] = json!(bounded(causes.collect()));
}

/// The events about the whole account that a look is made for, in the order of their time.
pub(crate) fn causes(payload: &Value) -> Vec<EventRecord> {
    read(payload)
        .into_iter()
        .map(|cause| EventRecord {
            id: cause.id,
            source: cause.source,
            name: cause.name,
            event_time: cause.event_time,
            arrived_at: cause.arrived_at,
            account: cause.account,
            region: None,
            resource_type: cause.resource_type,
            resource_id: ALL.to_owned(),
            actor: cause.actor,
            source_ip: cause.source_ip,
            detail: Value::Null,
            verdict_at: None,
            closed_at: None,
        })
        .collect()
}

/// Adds what an earlier payload names to one that says the same of it.
pub(super) fn join(payload: &mut Value, before: &Value) {
    let mut causes = read(before);
    if !causes.is_empty() {
        causes.extend(read(payload));
        payload[MEMBER] = json!(bounded(causes));
    }
}

fn read(payload: &Value) -> Vec<Cause> {
    payload
        .get(MEMBER)
        .and_then(|causes| Vec::deserialize(causes).ok())
        .unwrap_or_default()
}

fn bounded(mut causes: Vec<Cause>) -> Vec<Cause> {
    causes.sort_by(|a, b| (a.event_time, &a.id).cmp(&(b.event_time, &b.id)));
    causes.dedup_by(|a, b| a.id == b.id);
    if causes.len() > MOST {
        let last = causes.split_off(causes.len() - MOST / 2);
        causes.truncate(MOST / 2);
        causes.extend(last);
    }
    causes
}
