//! What the guard knows between two looks, as plain data.
//!
//! The store keeps these; [`crate::decide`] makes new ones out of old ones and an observation.

use std::fmt;

use compliance::item::{ConfigurationItem, ResourceKey};
use compliance::rules::ComplianceType;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::arrive;

/// A resource as the store knows it.
#[derive(Clone, Debug)]
pub struct ResourceRecord {
    /// Counts the commits about this resource; a commit names the version that it was made from.
    pub version: i64,
    /// The newest configuration item.
    pub item: ConfigurationItem,
    /// Its content hash.
    pub content_hash: String,
    /// When it was last looked at, changed or not.
    pub observed_at: Timestamp,
    /// What each rule said last.
    pub evaluations: Vec<EvaluationRecord>,
    /// Every finding that was ever made on it, resolved ones too.
    pub findings: Vec<Finding>,
    /// Exposures that have not ended.
    pub exposures: Vec<Exposure>,
}

/// What a rule said about a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationRecord {
    /// The rule's configured name.
    pub rule_name: String,
    /// The managed rule's identifier, or what kind of custom rule it is.
    pub identifier: String,
    /// The answer.
    pub compliance_type: ComplianceType,
    /// Why.
    pub annotation: Option<String>,
    /// When it was evaluated.
    pub evaluated_at: Timestamp,
    /// Since when the answer is this one.
    pub since: Timestamp,
}

/// One cause on one resource, open or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Stable: the same cause on the same resource has the same id for ever ([`finding_id`]).
    pub id: String,
    /// The resource.
    pub key: ResourceKey,
    /// The cause: `acl`, `policy`, `access-point`, `undecided`, or a rule's name.
    pub cause: String,
    /// Names of the rules that fail by it.
    pub rule_names: Vec<String>,
    /// Why, for people.
    pub annotation: String,
    /// How it stands.
    pub state: FindingState,
    /// How often it opened.
    pub occurrences: u32,
    /// When it opened first.
    pub first_opened_at: Timestamp,
    /// When it opened last: the event's time where an event told, else when it was seen.
    pub opened_at: Timestamp,
    /// When it was resolved last.
    pub resolved_at: Option<Timestamp>,
    /// Who or what resolved it last: `remediation ID`, or the actor of the event.
    pub resolved_by: Option<String>,
    /// The fingerprint of what opens it, where there is one.
    pub fingerprint: Option<String>,
    /// The request that shows it, where there is one.
    pub witness: Option<Value>,
    /// Whether an event rule sent it to the responder.
    pub respond: bool,
    /// The topics that event rules sent it to: what follows is told there too.
    pub topics: Vec<String>,
    /// What the responder last said of it, for people: held back and why, or failed and why.
    pub response: Option<String>,
    /// When people were told that it is open, this time; `None`: they were not.
    pub told_at: Option<Timestamp>,
    /// How many steps of the escalation ladder were taken, repetitions of the last included.
    pub escalation_step: u32,
    /// When the last of them was taken.
    pub escalated_at: Option<Timestamp>,
}

/// What people and time change about a finding without a look: how it stands, and how far its ladder
/// was climbed. It holds only for the finding as it was read, so that of an acknowledgement and a step
/// at the same moment neither undoes the other.
#[derive(Clone, Debug, PartialEq)]
pub struct FindingUpdate {
    /// The finding as it was read.
    pub read: Finding,
    /// See [`Finding::state`].
    pub state: FindingState,
    /// See [`Finding::escalation_step`].
    pub escalation_step: u32,
    /// See [`Finding::escalated_at`].
    pub escalated_at: Option<Timestamp>,
}

impl FindingUpdate {
    /// Another state for a finding that was read.
    pub fn to_state(read: Finding, state: FindingState) -> FindingUpdate {
        FindingUpdate {
            state,
            escalation_step: read.escalation_step,
            escalated_at: read.escalated_at,
            read,
        }
    }

    /// Whether what is kept now is what was read, as far as this decides about it.
    pub fn is_about(&self, kept: &Finding) -> bool {
        let read = &self.read;
        read.occurrences == kept.occurrences
            && read.state == kept.state
            && read.escalation_step == kept.escalation_step
            && read.escalated_at == kept.escalated_at
    }

    /// The finding as it is after this.
    pub fn updated(&self) -> Finding {
        Finding {
            state: self.state.clone(),
            escalation_step: self.escalation_step,
            escalated_at: self.escalated_at,
            ..self.read.clone()
        }
    }
}

/// How a finding stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum FindingState {
    /// Open, and nobody said that they look after it.
    Open,
    /// Somebody looks after it.
    Acknowledged {
        /// Who.
        by: String,
        /// When.
        at: Timestamp,
        /// Until when that silences the escalation.
        until: Option<Timestamp>,
        /// What they said.
        note: Option<String>,
    },
    /// Open on purpose.
    Excepted {
        /// The exception.
        exception: String,
    },
    /// Not there any more.
    Resolved,
}

impl FindingState {
    /// `open`, `acknowledged`, `excepted` or `resolved`.
    pub fn name(&self) -> &'static str {
        match self {
            FindingState::Open => "open",
            FindingState::Acknowledged { .. } => "acknowledged",
            FindingState::Excepted { .. } => "excepted",
            FindingState::Resolved => "resolved",
        }
    }

    /// Whether the cause is there.
    pub fn is_present(&self) -> bool {
        *self != FindingState::Resolved
    }
}

/// The stable id of a finding: twenty hexadecimal digits of the SHA-256 over resource and cause.
pub fn finding_id(key: &ResourceKey, cause: &str) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(format!("portcullis finding 1\n{key}\n{cause}\n"));
    digest
        .iter()
        .take(10)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// From when to when a bucket was open by one cause.
#[derive(Clone, Debug, PartialEq)]
pub struct Exposure {
    /// Its id: the finding's and the number of the occurrence, `0123…-4`.
    pub id: String,
    /// The finding.
    pub finding_id: String,
    /// The resource.
    pub key: ResourceKey,
    /// The cause, as in the finding.
    pub cause: String,
    /// The classes of access: `read`, `write`.
    pub classes: Vec<String>,
    /// From when: the time of the event that opened it, or when it was seen.
    pub from: Timestamp,
    /// When it was seen.
    pub detected_at: Timestamp,
    /// Until when: when it was seen closed. `None`: it is open.
    pub to: Option<Timestamp>,
    /// Who or what closed it.
    pub closed_by: Option<String>,
    /// The event that opened it, where one told.
    pub event_id: Option<String>,
    /// Who opened it, where that is known.
    pub actor: Option<String>,
    /// The request that shows it.
    pub witness: Option<Value>,
}

/// An event as it was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRecord {
    /// The event's own id; the second of the same id is a duplicate.
    pub id: String,
    /// Where it came from: `cloudtrail`, `config`, `ops-log`, `manual` …
    pub source: String,
    /// What happened, such as `PutBucketAcl`.
    pub name: String,
    /// When it happened, as the event says.
    pub event_time: Timestamp,
    /// When it came here.
    pub arrived_at: Timestamp,
    /// The account that it is about.
    pub account: String,
    /// The region, where it tells.
    pub region: Option<String>,
    /// The type of the resource that it is about.
    pub resource_type: String,
    /// The id of the resource; `*`: all of the account.
    pub resource_id: String,
    /// Who did it.
    pub actor: Option<String>,
    /// From where.
    pub source_ip: Option<String>,
    /// The whole event.
    pub detail: Value,
    /// When a verdict that saw its effect was reached.
    pub verdict_at: Option<Timestamp>,
    /// When what it had opened was closed and verified.
    pub closed_at: Option<Timestamp>,
}

/// A compliance change as it went on the bus.
#[derive(Clone, Debug, PartialEq)]
pub struct BusEvent {
    /// The envelope's id.
    pub id: String,
    /// The resource.
    pub key: ResourceKey,
    /// When.
    pub at: Timestamp,
    /// The whole envelope, in EventBridge's shape.
    pub event: Value,
    /// Where event rules sent it. `None`: it was raised before this was recorded.
    pub routes: Option<Vec<Route>>,
}

/// One event rule that matched an event, and one of its targets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Route {
    /// The rule's name.
    pub rule: String,
    /// The target as the configuration writes it: `responder`, `topic:NAME`, or a target's name.
    pub target: String,
}

/// A notice as it is kept until it is delivered, and after.
#[derive(Clone, Debug, PartialEq)]
pub struct NoticeRecord {
    /// Its id.
    pub id: String,
    /// The finding that it is about, if it is about one.
    pub finding_id: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The notice (`compliance::notice::Notice`), as JSON.
    pub document: Value,
}

/// What became of a subscription that stands in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionState {
    /// The subscription's id in the configuration.
    pub id: String,
    /// For which endpoint this holds: a digest of it, so that a changed address is confirmed anew.
    pub endpoint_digest: String,
    /// When it was asked to confirm, last.
    pub asked_at: Option<Timestamp>,
    /// When it was confirmed.
    pub confirmed_at: Option<Timestamp>,
    /// When it was ended by its receiver.
    pub unsubscribed_at: Option<Timestamp>,
    /// Why nothing is sent to it any more, if its endpoint said that it is gone.
    pub disabled: Option<String>,
}

/// One unit of work.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its id in the store.
    pub id: i64,
    /// What is to be done.
    pub kind: JobKind,
    /// Unique among the jobs that are to be done: asking for the same again changes when, not how often.
    pub key: String,
    /// What else is needed to do it, as the kind has it.
    pub payload: Value,
    /// When it is due.
    pub due_at: Timestamp,
    /// How often it was begun, this time included.
    pub attempts: u32,
    /// Counts how often it was asked for; one that was asked for again while it ran runs again.
    pub generation: i64,
    /// The lease under which it is held; what it finishes names it.
    pub lease: String,
    /// When it was first asked for.
    pub created_at: Timestamp,
    /// What went wrong the last time.
    pub last_error: Option<String>,
}

/// Kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JobKind {
    /// Look at one resource again, because something happened.
    Look,
    /// The same without anything having happened: there can be as many as resources, and they have
    /// places of their own, so that neither waits for the other.
    Review,
    /// Send one notice to one subscription.
    Deliver,
    /// Send one event to one configured target. There can be thousands, and they have places of their
    /// own: who is to be told does not wait for them.
    Forward,
    /// Go through one account.
    Sweep,
    /// Take the next step of a finding's escalation ladder.
    Escalate,
    /// Ask a Lambda function about one resource, or about an account as its schedule says; or have new
    /// functions asked about everything that is recorded.
    Evaluate,
    /// Evaluate rules on their schedule.
    Periodic,
    /// Deliver history or a snapshot to the delivery channel.
    Snapshot,
    /// Look for exceptions that end, or whether everything is watched.
    Check,
    /// Remove what is older than the retention.
    Retention,
}

impl JobKind {
    /// Every kind with its name in the store.
    pub const ALL: [(JobKind, &'static str); 11] = [
        (JobKind::Look, "look"),
        (JobKind::Review, "review"),
        (JobKind::Deliver, "deliver"),
        (JobKind::Forward, "forward"),
        (JobKind::Sweep, "sweep"),
        (JobKind::Escalate, "escalate"),
        (JobKind::Evaluate, "evaluate"),
        (JobKind::Periodic, "periodic"),
        (JobKind::Snapshot, "snapshot"),
        (JobKind::Check, "check"),
        (JobKind::Retention, "retention"),
    ];

    /// The name in the store.
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("look", |(_, name)| name)
    }

    /// Reads the name in the store.
    pub fn parse(text: &str) -> Option<JobKind> {
        Self::ALL
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(kind, _)| *kind)
    }
}

impl fmt::Display for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Work to be asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    /// What is to be done.
    pub kind: JobKind,
    /// See [`Job::key`].
    pub key: String,
    /// What else is needed.
    pub payload: Value,
    /// When. If a job of this key waits already, the earlier of both counts.
    pub due_at: Timestamp,
}

impl NewJob {
    /// What a job that waits or runs is to be when this is asked for of the same key: nothing that a
    /// look was asked for gets lost. Of other jobs the later payload counts.
    pub fn joined_to(&self, kind: JobKind, payload: &Value) -> (JobKind, Value) {
        let looks = |kind| matches!(kind, JobKind::Look | JobKind::Review);
        if !(looks(kind) && looks(self.kind)) {
            return (self.kind, self.payload.clone());
        }
        let kind = if kind == JobKind::Look {
            kind
        } else {
            self.kind
        };
        (kind, arrive::joined(payload, &self.payload))
    }
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Finish {
    /// It is done; if it was asked for again meanwhile, it runs again when that is due: a job may ask
    /// for its own next time in the transaction that ends it.
    Done,
    /// It is to be done again; if it was asked for again meanwhile, at the earlier time. Without an
    /// error, attempts are counted from the beginning.
    Again {
        /// When.
        due_at: Timestamp,
        /// What went wrong, if something did.
        error: Option<String>,
    },
    /// It was not begun, and is to be at this time; if it was asked for again meanwhile, at the earlier
    /// one. This was no attempt.
    PutOff {
        /// When.
        due_at: Timestamp,
    },
    /// It cannot be done. It stays in the store as a dead letter.
    Dead {
        /// Why.
        error: String,
    },
}

/// Everything that one look at one resource makes: committed whole or not at all.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The resource.
    pub key: ResourceKey,
    /// The version of [`ResourceRecord`] that this was decided on; `None`: it was not known.
    pub expected_version: Option<i64>,
    /// When it was looked at.
    pub observed_at: Timestamp,
    /// The newest item, if its content is new: `(item, content hash)`. `None` with no expected version:
    /// the resource is neither known nor there, and only the events are done with.
    pub item: Option<(ConfigurationItem, String)>,
    /// What each rule says now.
    pub evaluations: Vec<EvaluationRecord>,
    /// Findings that are new or changed.
    pub findings: Vec<Finding>,
    /// Exposures that are new or changed.
    pub exposures: Vec<Exposure>,
    /// Ids of events whose effect was seen.
    pub events_seen: Vec<String>,
    /// Whether what those events (and earlier ones about this resource) opened is closed now.
    pub events_closed: bool,
    /// Compliance changes.
    pub bus_events: Vec<BusEvent>,
    /// Notices that are told.
    pub notices: Vec<NoticeRecord>,
    /// Work that follows.
    pub jobs: Vec<NewJob>,
}

/// Whether enforcement is stopped everywhere, by whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnforcementStop {
    /// Who stopped it: a person, or `circuit breaker`.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// What is known of how well an account's region is watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// The account.
    pub account: String,
    /// The region; `*` for what is told of the whole account.
    pub region: String,
    /// The last event that came.
    pub last_event_at: Option<Timestamp>,
    /// The end of the last sweep that went through.
    pub last_sweep_at: Option<Timestamp>,
    /// How many resources it saw.
    pub swept: u64,
    /// How many of them could not be decided.
    pub undecided: u64,
    /// How many changes sweeps found, so far, that no event had told.
    pub untold_changes: u64,
    /// What could not be read, or is sampled only, with the missing action.
    pub gaps: Vec<String>,
    /// Why the last sweep or event source failed, if it did.
    pub error: Option<String>,
}

impl Commit {
    /// A commit about a resource of which nothing is known, with nothing in it.
    pub fn of(key: ResourceKey, observed_at: Timestamp) -> Commit {
        Commit {
            key,
            expected_version: None,
            observed_at,
            item: None,
            evaluations: Vec::new(),
            findings: Vec::new(),
            exposures: Vec::new(),
            events_seen: Vec::new(),
            events_closed: false,
            bus_events: Vec::new(),
            notices: Vec::new(),
            jobs: Vec::new(),
        }
    }
}

impl SubscriptionState {
    /// A subscription of which nothing is known.
    pub fn of(id: &str, endpoint_digest: &str) -> SubscriptionState {
        SubscriptionState {
            id: id.to_owned(),
            endpoint_digest: endpoint_digest.to_owned(),
            asked_at: None,
            confirmed_at: None,
            unsubscribed_at: None,
            disabled: None,
        }
    }
}

impl Coverage {
    /// The coverage of an account's region, with nothing known.
    pub fn of(account: &str, region: &str) -> Coverage {
        Coverage {
            account: account.to_owned(),
            region: region.to_owned(),
            last_event_at: None,
            last_sweep_at: None,
            swept: 0,
            undecided: 0,
            untold_changes: 0,
            gaps: Vec::new(),
            error: None,
        }
    }
}
