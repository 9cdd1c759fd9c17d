//! What follows from a look at a resource: pure, from what was known and what is seen to what is
//! known now.
//!
//! - Each rule whose answer differs makes a compliance change.
//! - Each cause that lets somebody in (ACL, policy, access point, ACLs of objects), each that could not be
//!   decided, and each other rule that fails is a finding. A cause that was not there before opens it (again); one
//!   that is gone resolves it.
//! - A cause that can no longer be decided is neither: what was open counts as open until it is seen
//!   closed.
//! - While somebody can get in by a cause, an exposure runs: from the time of the event that opened it,
//!   where one told, until it is seen closed.
//!
//! It makes no difference whether an event or a sweep led to the look, or whether the same was decided
//! before: decided on its own outcome, it decides nothing new.

mod causes;

use std::collections::BTreeSet;

use compliance::assessment::Assessment;
use compliance::compliance_change::{ComplianceChange, EvaluationResult};
use compliance::item::object_acls::ObjectAcls;
use compliance::item::{ConfigurationItem, ResourceKey};
use compliance::rules::{ComplianceType, RuleEvaluation};
use jiff::{SignedDuration, Timestamp};

use crate::state::{
    EvaluationRecord, EventRecord, Exposure, Finding, FindingState, ResourceRecord, finding_id,
};

pub(crate) use causes::is_way_in;
pub use causes::{ACCESS_POINT, ACL, Cause, OBJECT_ACL, POLICY, UNDECIDED, causes};

/// What a look found.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The resource as it is, or that it is gone.
    pub item: &'a ConfigurationItem,
    /// The judged bucket, if it is one.
    pub assessment: Option<&'a Assessment>,
    /// What opens the bucket, by fingerprint.
    pub fingerprint: Option<&'a str>,
    /// What the rules say.
    pub evaluations: &'a [RuleEvaluation],
    /// What rules said that were not asked now, and that stands until they are.
    pub standing: &'a [EvaluationRecord],
    /// The events about it whose effect was not seen before.
    pub events: &'a [EventRecord],
    /// The remediation that was just made and verified, if one was.
    pub remediation: Option<&'a str>,
    /// When it was looked at.
    pub at: Timestamp,
}

/// What follows.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The partition of the resource: `aws`, `aws-cn` …
    pub partition: String,
    /// Whether the item's content is another one than before.
    pub item_is_new: bool,
    /// What each rule says now; what was said by rules that are not evaluated any more is gone.
    pub evaluations: Vec<EvaluationRecord>,
    /// Rules that say something else than before.
    pub changes: Vec<ComplianceChange>,
    /// Every finding on the resource as it stands now, resolved ones too.
    pub findings: Vec<Finding>,
    /// Ids of findings that opened by this look.
    pub opened: Vec<String>,
    /// Ids of findings that were open before, and are open in another way or wider now.
    pub widened: Vec<String>,
    /// Ids of findings that were resolved by this look.
    pub resolved: Vec<String>,
    /// Ids of those of them of which people are told that a remediation closed them.
    pub told: Vec<String>,
    /// Ids of findings that were resolved by this look, and of which nobody was told that they were open,
    /// though somebody was to be told.
    pub untold: Vec<String>,
    /// Ids of findings that were excepted before and are not any more, with the exception's.
    pub uncovered: Vec<(String, String)>,
    /// Exposures that are open, or ended by this look.
    pub exposures: Vec<Exposure>,
}

impl Decision {
    /// Whether nobody can get in, as far as is known, by anything that is not excepted.
    pub fn is_closed(&self) -> bool {
        !self.findings.iter().any(|finding| {
            finding.state.is_present()
                && !matches!(finding.state, FindingState::Excepted { .. })
                && causes::is_way_in(&finding.cause)
        })
    }
}

/// Decides.
pub fn decide(known: Option<&ResourceRecord>, seen: &Seen<'_>) -> Decision {
    let partition = seen.item.arn.split(':').nth(1).unwrap_or("aws");
    let (evaluations, changes) = evaluate(known, seen, partition);
    let content_hash = seen.item.content_hash();
    let mut decision = Decision {
        partition: partition.to_owned(),
        item_is_new: known.is_none_or(|known| known.content_hash != content_hash),
        evaluations,
        changes,
        findings: known
            .map(|known| known.findings.clone())
            .unwrap_or_default(),
        opened: Vec::new(),
        widened: Vec::new(),
        resolved: Vec::new(),
        told: Vec::new(),
        untold: Vec::new(),
        uncovered: Vec::new(),
        exposures: known
            .map(|known| known.exposures.clone())
            .unwrap_or_default(),
    };
    let present = causes(seen);
    let ids: BTreeSet<String> = present
        .iter()
        .map(|cause| finding_id(&seen.item.key, &cause.name))
        .collect();
    for cause in present {
        decision.present(seen, known, cause);
    }
    for index in 0..decision.findings.len() {
        let finding = &decision.findings[index];
        if !finding.state.is_present() || ids.contains(&finding.id) {
            continue;
        }
        let classes = decision
            .running(&finding.id)
            .map(|it| it.classes.as_slice());
        match causes::undecided(seen, &finding.cause, classes.unwrap_or_default()) {
            Some(why) => decision.findings[index].annotation = why,
            None => decision.absent(seen, index),
        }
    }
    // Whether the ways in are the same as before is known only now.
    decision.widen(seen, known);
    decision
}

impl Decision {
    /// Takes back that findings of a cause opened now: they stay as they were known.
    pub(crate) fn keep_unopened(&mut self, cause: &str, known: Option<&ResourceRecord>) {
        let opened = std::mem::take(&mut self.opened);
        for id in opened {
            let Some(index) = self.findings.iter().position(|finding| finding.id == id) else {
                continue;
            };
            if self.findings[index].cause != cause {
                self.opened.push(id);
                continue;
            }
            let before = known.and_then(|known| known.findings.iter().find(|is| is.id == id));
            match before {
                Some(before) => self.findings[index] = before.clone(),
                None => drop(self.findings.remove(index)),
            }
        }
    }

    /// The exposure of a finding that has not ended.
    fn running(&self, finding_id: &str) -> Option<&Exposure> {
        let mut exposures = self.exposures.iter();
        exposures.find(|exposure| exposure.finding_id == finding_id && exposure.to.is_none())
    }

    /// Whoever was told of a way in, or looks after it, was told of what was open then. If it lets in more
    /// now, or by something else, it is told as if it were new.
    fn widen(&mut self, seen: &Seen<'_>, known: Option<&ResourceRecord>) {
        let Some(known) = known else { return };
        // The fingerprint is of all ways in together: where one came or went, it says nothing of the others.
        let comparable = !self.findings.iter().any(|finding| {
            causes::is_way_into_bucket(&finding.cause)
                && finding.cause != UNDECIDED
                && (self.opened.contains(&finding.id) || self.resolved.contains(&finding.id))
        });
        let mut widened = Vec::new();
        for before in &known.findings {
            let Some(finding) = self.findings.iter().find(|now| now.id == before.id) else {
                continue;
            };
            let stands = before.state.is_present()
                && finding.state.is_present()
                && !matches!(finding.state, FindingState::Excepted { .. })
                && !matches!(before.state, FindingState::Excepted { .. });
            if !stands || !causes::is_way_in(&finding.cause) {
                continue;
            }
            let classes = |exposures: &[Exposure]| {
                exposures
                    .iter()
                    .find(|exposure| exposure.finding_id == before.id && exposure.to.is_none())
                    .map(|exposure| exposure.classes.clone())
                    .unwrap_or_default()
            };
            let old = classes(&known.exposures);
            let more = classes(&self.exposures)
                .iter()
                .any(|class| !old.is_empty() && !old.contains(class));
            let other = comparable
                && before.fingerprint.is_some()
                && seen.fingerprint.is_some()
                && before.fingerprint.as_deref() != seen.fingerprint;
            if more || other || (finding.cause == OBJECT_ACL && more_objects(before, seen)) {
                widened.push(before.id.clone());
            }
        }
        for finding in &mut self.findings {
            if widened.contains(&finding.id) {
                let unattended = finding.state == FindingState::Open;
                finding.state = FindingState::Open;
                finding.told_at = None;
                finding.response = None;
                // Whoever makes one object after the other public must not keep the ladder at its foot.
                if finding.cause != OBJECT_ACL || !unattended {
                    finding.escalation_step = 0;
                    finding.escalated_at = None;
                }
            }
        }
        self.widened = widened;
    }

    fn present(&mut self, seen: &Seen<'_>, known: Option<&ResourceRecord>, cause: Cause) {
        let key = &seen.item.key;
        let id = finding_id(key, &cause.name);
        let opening = opening_event(seen, known);
        // An event can be late, early or forged: no exposure begins in the future, or before the last
        // look that saw it closed.
        let told = opening.map(|event| event.event_time).map(|time| {
            let floor = known.map(|known| known.observed_at);
            floor.map_or(time, |floor| time.max(floor)).min(seen.at)
        });
        let from = told.unwrap_or(seen.at);
        let exception = seen
            .assessment
            .filter(|_| causes::is_way_into_bucket(&cause.name))
            .and_then(|assessment| assessment.exception.clone());
        let index = match self.findings.iter().position(|known| known.id == id) {
            Some(index) => index,
            None => {
                self.findings.push(new_finding(key, &id, &cause, from));
                self.findings.len() - 1
            }
        };
        let finding = &mut self.findings[index];
        let opens = !finding.state.is_present();
        if opens {
            finding.occurrences += 1;
            finding.opened_at = from;
            finding.respond = false;
            finding.response = None;
            finding.topics = Vec::new();
            finding.told_at = None;
            finding.escalation_step = 0;
            finding.escalated_at = None;
            finding.state = FindingState::Open;
            self.opened.push(id.clone());
        }
        match exception {
            Some(exception) => finding.state = FindingState::Excepted { exception },
            None if matches!(finding.state, FindingState::Excepted { .. }) => {
                let before = std::mem::replace(&mut finding.state, FindingState::Open);
                if let FindingState::Excepted { exception } = before {
                    self.uncovered.push((id.clone(), exception));
                }
                // Whatever was told of it was told of something that was open on purpose.
                finding.told_at = None;
                finding.response = None;
                finding.escalation_step = 0;
                finding.escalated_at = None;
            }
            None => {}
        }
        finding.rule_names = cause.rule_names;
        finding.annotation = cause.annotation;
        finding.witness = cause.witness.clone();
        finding.fingerprint = seen
            .fingerprint
            .filter(|_| causes::is_way_into_bucket(&cause.name))
            .map(str::to_owned);
        if !cause.is_exposure {
            return;
        }
        let exposure_id = format!("{id}-{}", finding.occurrences);
        match self
            .exposures
            .iter_mut()
            .find(|exposure| exposure.finding_id == id && exposure.to.is_none())
        {
            Some(running) => {
                running.classes = cause.classes;
                running.witness = cause.witness;
            }
            None => self.exposures.push(Exposure {
                id: exposure_id,
                finding_id: id,
                key: key.clone(),
                cause: cause.name,
                classes: cause.classes,
                from,
                detected_at: seen.at,
                to: None,
                closed_by: None,
                event_id: opening.map(|event| event.id.clone()),
                actor: opening.and_then(|event| event.actor.clone()),
                witness: cause.witness,
            }),
        }
    }

    fn absent(&mut self, seen: &Seen<'_>, index: usize) {
        let by = match seen.remediation {
            Some(id) => Some(format!("remediation {id}")),
            None => seen
                .events
                .iter()
                .rev()
                .find_map(|event| event.actor.clone()),
        };
        let finding = &mut self.findings[index];
        let to_be_told = !finding.topics.is_empty() && finding.told_at.is_none();
        if to_be_told && !matches!(finding.state, FindingState::Excepted { .. }) {
            self.untold.push(finding.id.clone());
        }
        finding.state = FindingState::Resolved;
        finding.resolved_at = Some(seen.at);
        finding.resolved_by.clone_from(&by);
        self.resolved.push(finding.id.clone());
        for exposure in &mut self.exposures {
            if exposure.finding_id == finding.id && exposure.to.is_none() {
                exposure.to = Some(seen.at);
                exposure.closed_by.clone_from(&by);
            }
        }
    }
}

/// How long people who were told of public objects hear nothing of further ones.
const OBJECTS_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// Whether there are public objects that came after people were told. As long as nobody takes care of those
/// they were told of, they are told now and then, not of each.
fn more_objects(before: &Finding, seen: &Seen<'_>) -> bool {
    let (Some(told), Some(assessment)) = (before.told_at, seen.assessment) else {
        return false;
    };
    let taken_care_of = matches!(before.state, FindingState::Acknowledged { .. });
    if !taken_care_of && seen.at.duration_since(told) < OBJECTS_AGAIN_AFTER {
        return false;
    }
    let objects = ObjectAcls::of_item(seen.item).judge(&assessment.bucket);
    objects.iter().any(|object| object.since > told)
}

fn new_finding(key: &ResourceKey, id: &str, cause: &Cause, from: Timestamp) -> Finding {
    Finding {
        id: id.to_owned(),
        key: key.clone(),
        cause: cause.name.clone(),
        rule_names: Vec::new(),
        annotation: String::new(),
        // Not there yet: it opens in a moment.
        state: FindingState::Resolved,
        occurrences: 0,
        first_opened_at: from,
        opened_at: from,
        resolved_at: None,
        resolved_by: None,
        fingerprint: None,
        witness: None,
        respond: false,
        topics: Vec::new(),
        response: None,
        told_at: None,
        escalation_step: 0,
        escalated_at: None,
    }
}

/// The event that opened what was closed at the last look: the first that came later than that look,
/// or else (events may be late) the last one.
fn opening_event<'a>(seen: &Seen<'a>, known: Option<&ResourceRecord>) -> Option<&'a EventRecord> {
    let after = known.map(|known| known.observed_at);
    seen.events
        .iter()
        .find(|event| after.is_none_or(|after| event.event_time >= after))
        .or(seen.events.last())
}

/// A rule's answer as it would go on the bus if it were the first.
pub(crate) fn first_answer(
    answer: &EvaluationRecord,
    key: &ResourceKey,
    partition: &str,
) -> ComplianceChange {
    ComplianceChange {
        key: key.clone(),
        partition: partition.to_owned(),
        rule_name: answer.rule_name.clone(),
        identifier: answer.identifier.clone(),
        old: None,
        new: result(answer, answer.evaluated_at),
    }
}

fn result(answer: &EvaluationRecord, ordering: Timestamp) -> EvaluationResult {
    EvaluationResult {
        compliance_type: answer.compliance_type,
        annotation: answer.annotation.clone(),
        ordering,
        recorded: answer.evaluated_at,
    }
}

/// What each rule says, and which say something else than before.
fn evaluate(
    known: Option<&ResourceRecord>,
    seen: &Seen<'_>,
    partition: &str,
) -> (Vec<EvaluationRecord>, Vec<ComplianceChange>) {
    let mut evaluations = Vec::new();
    let mut changes = Vec::new();
    for evaluation in seen.evaluations {
        let old = known
            .map(|known| known.evaluations.as_slice())
            .unwrap_or_default()
            .iter()
            .find(|record| record.rule_name == evaluation.rule_name);
        let annotation = evaluation
            .annotation
            .as_ref()
            .map(|annotation| annotation.as_str().to_owned());
        let same = old.is_some_and(|old| {
            old.compliance_type == evaluation.compliance_type && old.annotation == annotation
        });
        let record = EvaluationRecord {
            rule_name: evaluation.rule_name.clone(),
            identifier: evaluation.identifier.clone(),
            compliance_type: evaluation.compliance_type,
            annotation,
            evaluated_at: seen.at,
            since: old.filter(|_| same).map_or(seen.at, |old| old.since),
        };
        // A resource to which a rule never applied has not changed by that.
        let never = old.is_none() && record.compliance_type == ComplianceType::NotApplicable;
        if !same && !never {
            changes.push(ComplianceChange {
                old: old.map(|old| result(old, old.evaluated_at)),
                new: result(&record, seen.item.capture_time),
                ..first_answer(&record, &seen.item.key, partition)
            });
        }
        evaluations.push(record);
    }
    evaluations.extend(seen.standing.iter().cloned());
    (evaluations, changes)
}
