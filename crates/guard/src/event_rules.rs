//! The event bus: compliance changes are matched with the configured event rules, and go to the targets
//! of those that match.
//!
//! Two kinds of target are the guard's own: the responder, and topics. They work on findings, since a
//! finding knows what was done and told before: an event that matches sends the findings that its rule
//! failed by to the responder, or to a topic. All other targets get the event itself.

use std::collections::BTreeSet;
use std::fmt;

use compliance::compliance_change::ComplianceChange;
use compliance::pattern::{EventPattern, RuleSet};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::decide::{Decision, first_answer};
use crate::state::{BusEvent, JobKind, NewJob, Route};

/// One event rule.
#[derive(Clone, Debug)]
pub struct EventRule {
    /// Its name.
    pub name: String,
    /// What it matches.
    pub pattern: EventPattern,
    /// Where matching events go.
    pub targets: Vec<RuleTarget>,
}

/// Where an event goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleTarget {
    /// To the responder.
    Responder,
    /// To a topic's subscribers, as a notice about the finding.
    Topic(String),
    /// To a configured target, by its name: a webhook, queue, function, bus or command.
    Target(String),
}

/// How the responder and topics are written among the targets of an event rule.
const RESPONDER: &str = "responder";
const TOPIC_PREFIX: &str = "topic:";

impl RuleTarget {
    /// Reads `responder`, `topic:NAME`, or the name of a target.
    pub fn parse(text: &str) -> RuleTarget {
        match text.strip_prefix(TOPIC_PREFIX) {
            Some(topic) => RuleTarget::Topic(topic.to_owned()),
            None if text == RESPONDER => RuleTarget::Responder,
            None => RuleTarget::Target(text.to_owned()),
        }
    }
}

impl fmt::Display for RuleTarget {
    /// As [`RuleTarget::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuleTarget::Responder => f.write_str(RESPONDER),
            RuleTarget::Topic(topic) => write!(f, "{TOPIC_PREFIX}{topic}"),
            RuleTarget::Target(name) => f.write_str(name),
        }
    }
}

/// The event rules.
#[derive(Debug)]
pub struct EventRules {
    rules: Vec<EventRule>,
    /// Gives indexes into `rules`.
    matcher: RuleSet<usize>,
}

/// What a decision makes on the bus.
#[derive(Clone, Debug, Default)]
pub struct Raised {
    /// The events.
    pub events: Vec<BusEvent>,
    /// Deliveries to configured targets.
    pub jobs: Vec<NewJob>,
    /// Notifications of rules that say the same of the resource for another reason. They go on no bus and to
    /// no target; a notice about what is new among the reasons goes with one.
    pub same_type: Vec<BusEvent>,
}

impl EventRules {
    /// These rules.
    pub fn new(rules: Vec<EventRule>) -> EventRules {
        let patterns = rules.iter().map(|rule| rule.pattern.clone());
        EventRules {
            matcher: RuleSet::new(patterns.enumerate()),
            rules,
        }
    }

    /// The rules, in order.
    pub fn rules(&self) -> &[EventRule] {
        &self.rules
    }

    /// The rules that match an event.
    fn matching(&self, event: &serde_json::Value) -> impl Iterator<Item = &EventRule> {
        let matching = self.matcher.matching_value(event);
        matching
            .into_iter()
            .filter_map(|index| self.rules.get(*index))
    }

    /// Where the rules that match an event send it, in the order of the rules' names.
    pub fn routes(&self, event: &serde_json::Value) -> Vec<Route> {
        let mut routes: Vec<Route> = self
            .matching(event)
            .flat_map(|rule| {
                rule.targets.iter().map(|target| Route {
                    rule: rule.name.clone(),
                    target: target.to_string(),
                })
            })
            .collect();
        routes.sort();
        routes.dedup();
        routes
    }

    /// The configured targets of the rules that match an event which is about no finding, so that
    /// neither the responder nor a topic has anything to do with it.
    pub fn targets(&self, event: &serde_json::Value) -> BTreeSet<&str> {
        self.matching(event)
            .flat_map(|rule| &rule.targets)
            .filter_map(|target| match target {
                RuleTarget::Target(name) => Some(name.as_str()),
                RuleTarget::Responder | RuleTarget::Topic(_) => None,
            })
            .collect()
    }

    /// Puts the changes of a decision on the bus, and marks its findings with where they go. `version` is
    /// that of the resource's record after the commit: with it the events have the same ids if the same
    /// is decided again.
    ///
    /// A change of the annotation alone (one more way in) is on the bus as an evaluation that is reported,
    /// which is what responders wait for, and not as a compliance change. Findings are marked by both:
    /// whoever is told of a bucket that is open is told of one more way in, too.
    pub fn raise(&self, decision: &mut Decision, version: i64) -> Raised {
        let mut raised = Raised::default();
        for change in &decision.changes {
            let shapes: [(&str, Shape); 2] = [
                (NOTIFICATION, ComplianceChange::notification),
                ("put-evaluations", ComplianceChange::put_evaluations),
            ];
            for (shape, write) in shapes {
                let id = event_id(change, version, shape);
                let event = write(change, &id);
                let on_bus = change.changes_type() || shape != NOTIFICATION;
                for rule in self.matching(&event) {
                    for target in &rule.targets {
                        match target {
                            RuleTarget::Target(_) if !on_bus => {}
                            RuleTarget::Target(target) => {
                                raised.jobs.push(NewJob {
                                    kind: JobKind::Forward,
                                    key: format!("deliver {id} {target}"),
                                    payload: json!({"target": target, "event": event}),
                                    due_at: change.new.recorded,
                                });
                            }
                            own => mark(&mut decision.findings, change, own),
                        }
                    }
                }
                let events = match on_bus {
                    true => &mut raised.events,
                    false => &mut raised.same_type,
                };
                events.push(BusEvent {
                    id,
                    key: change.key.clone(),
                    at: change.new.recorded,
                    routes: Some(self.routes(&event)),
                    event,
                });
            }
        }
        self.mark_standing(decision, version);
        // The same target by several rules, or by both shapes of a rule that matches both.
        raised.jobs.sort_by(|a, b| a.key.cmp(&b.key));
        raised.jobs.dedup_by(|a, b| a.key == b.key);
        raised
    }
}

impl EventRules {
    /// Marks findings that go nowhere yet by what the rules say of how things stand: rules may have come
    /// since something opened.
    fn mark_standing(&self, decision: &mut Decision, version: i64) {
        for index in 0..decision.findings.len() {
            let finding = &decision.findings[index];
            if !finding.state.is_present() || (finding.respond && !finding.topics.is_empty()) {
                continue;
            }
            let key = finding.key.clone();
            let standing: Vec<ComplianceChange> = decision
                .evaluations
                .iter()
                .filter(|answer| finding.rule_names.contains(&answer.rule_name))
                .map(|answer| first_answer(answer, &key, &decision.partition))
                .collect();
            for change in &standing {
                for write in [
                    ComplianceChange::notification,
                    ComplianceChange::put_evaluations,
                ] {
                    let event = write(change, &event_id(change, version, "standing"));
                    for own in self.own_targets(&event) {
                        mark(&mut decision.findings[index..=index], change, own);
                    }
                }
            }
        }
    }

    /// The responder and the topics of the rules that match an event.
    fn own_targets(&self, event: &serde_json::Value) -> Vec<&RuleTarget> {
        self.matching(event)
            .flat_map(|rule| &rule.targets)
            .filter(|target| !matches!(target, RuleTarget::Target(_)))
            .collect()
    }
}

/// The shape of Config's own notification.
const NOTIFICATION: &str = "notification";

type Shape = fn(&ComplianceChange, &str) -> serde_json::Value;

fn mark(findings: &mut [crate::state::Finding], change: &ComplianceChange, target: &RuleTarget) {
    let failed_by = findings
        .iter_mut()
        .filter(|finding| finding.state.is_present())
        .filter(|finding| finding.rule_names.contains(&change.rule_name));
    for finding in failed_by {
        match target {
            RuleTarget::Responder => finding.respond = true,
            RuleTarget::Topic(topic) if !finding.topics.contains(topic) => {
                finding.topics.push(topic.clone());
            }
            RuleTarget::Topic(_) | RuleTarget::Target(_) => {}
        }
    }
}

/// An id in the form of a UUID (RFC 9562, "UUID Version 8": the bits are the application's own).
fn event_id(change: &ComplianceChange, version: i64, shape: &str) -> String {
    let digest = Sha256::digest(format!(
        "portcullis event 1\n{}\n{}\n{version}\n{shape}\n",
        change.key, change.rule_name
    ));
    let hex: String = digest
        .iter()
        .take(16)
        .enumerate()
        .map(|(index, byte)| match index {
            6 => format!("{:02x}", (byte & 0x0f) | 0x80),
            8 => format!("{:02x}", (byte & 0x3f) | 0x80),
            _ => format!("{byte:02x}"),
        })
        .collect();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}
