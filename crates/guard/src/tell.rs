//! What people are told: pure, from a decision and the responder's response to notices.
//!
//! A notice follows from how a finding stands and what was told of it before, not from the moment at
//! which it changed: what a crash kept from being told is told at the next look. A cause that is closed
//! within the same look is told once, as closed.

use compliance::assessment::Assessment;
use compliance::item::ConfigurationItem;
use compliance::notice::{
    Access, Escalation, Exposure as ToldExposure, HeldBy, Mechanism, Notice, NoticeKind,
    Recurrence, Remediation, RemediationState, Severity, StillOpen, WayIn, WhoDidIt,
};
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::decide::{ACCESS_POINT, ACL, Decision, OBJECT_ACL, POLICY, UNDECIDED, is_way_in};
use crate::responder::{Hold, Leave, Response};
use crate::state::{BusEvent, EventRecord, Exposure, Finding, FindingState};

/// What notices about a resource are made from, beside the decision.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The resource.
    pub item: &'a ConfigurationItem,
    /// The judged bucket as it was when it was open, if it is one.
    pub assessment: Option<&'a Assessment>,
    /// What people call the account.
    pub account_label: Option<&'a str>,
    /// The endpoint, if the store is not AWS's own.
    pub endpoint: Option<&'a str>,
    /// The events about it, as far as they are known.
    pub events: &'a [EventRecord],
    /// Now.
    pub now: Timestamp,
}

/// A remediation, as it is told.
#[derive(Clone, Debug)]
pub struct Remediated<'a> {
    /// Its id.
    pub id: &'a str,
    /// What it changed, line by line.
    pub difference: Vec<String>,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

/// Notices about findings that are open and of which people were not told, or were told something else.
/// What the responder is about to close is not told yet. Marks the findings with what was told.
pub fn tell(decision: &mut Decision, response: &Response, subject: &Subject<'_>) -> Vec<Notice> {
    let mut notices = Vec::new();
    let exposures = decision.exposures.clone();
    let open = !decision.is_closed();
    let present = present(decision);
    let about_to_close = |cause: &str| match response {
        Response::Act(plan) => closes(plan, cause),
        _ => false,
    };
    for finding in &mut decision.findings {
        if !finding.state.is_present() {
            let ended_now = decision.resolved.contains(&finding.id);
            // That it can be decided again is said by what tells that it is open.
            let open = finding.cause == UNDECIDED && open;
            if ended_now && !open && !decision.told.contains(&finding.id) {
                // What was to be closed at once and is found closed by whomever was open all the same.
                let untold = decision.untold.contains(&finding.id);
                let evaluated = decision
                    .evaluations
                    .iter()
                    .any(|answer| answer.rule_name == finding.cause);
                notices.extend(
                    resolved(finding, evaluated, untold, &exposures, subject)
                        .map(|notice| still_open(notice, &present)),
                );
            }
            continue;
        }
        // Whom to tell is not known before an event rule said so.
        let nobody = finding.topics.is_empty();
        let excepted = matches!(finding.state, FindingState::Excepted { .. });
        if nobody || excepted || about_to_close(&finding.cause) {
            continue;
        }
        if finding.told_at.is_none() {
            let kind = match response {
                Response::Wait { .. } if finding.cause == ACL || finding.cause == POLICY => {
                    NoticeKind::GraceBegins
                }
                _ if let Some(kind) = ended(finding, &decision.uncovered, subject) => kind,
                _ if finding.occurrences > 1 => NoticeKind::Recurred,
                _ => NoticeKind::Opened,
            };
            let mut notice = about(kind, finding, &exposures, subject);
            match response {
                Response::Wait { until } => notice.closes_at = Some(*until),
                Response::Leave(Leave::EnforcementOff) => {
                    notice.held_by = Some(HeldBy::EnforcementOff);
                }
                Response::Leave(Leave::NothingAllowed) | Response::Act(_) => {
                    notice.held_by = Some(HeldBy::NotifyOnly);
                }
                Response::Leave(_) => {}
                Response::Hold { why, .. } => {
                    notice.held_by = Some(held_by(why));
                    notice.reason.get_or_insert_with(|| why.to_string());
                    finding.response = Some(why.to_string());
                }
            }
            if decision.widened.contains(&finding.id) {
                let before = "It was open before; what it lets in has changed.";
                notice.reason = Some(match notice.reason {
                    Some(reason) => format!("{before} {reason}"),
                    None => before.to_owned(),
                });
            }
            finding.told_at = Some(subject.now);
            notices.push(notice);
        } else if let Response::Hold { why, .. } = response
            && finding.respond
            && finding.response.as_deref() != Some(&why.to_string())
        {
            let mut notice = about(NoticeKind::RemediationHeld, finding, &exposures, subject);
            notice.held_by = Some(held_by(why));
            notice.reason = Some(why.to_string());
            finding.response = Some(why.to_string());
            notices.push(notice);
        }
    }
    notices
}

/// How the exception ended that covered a finding until now. One that is not there any more leaves a
/// finding like any other.
fn ended(
    finding: &Finding,
    uncovered: &[(String, String)],
    subject: &Subject<'_>,
) -> Option<NoticeKind> {
    if !uncovered.iter().any(|(id, _)| *id == finding.id) {
        return None;
    }
    let advisories = &subject.assessment?.verdict.advisories;
    let said = |code| advisories.iter().any(|advisory| advisory.code == code);
    if said("exception-expired") {
        Some(NoticeKind::ExceptionExpired)
    } else if said("exception-void") {
        Some(NoticeKind::ExceptionVoid)
    } else {
        None
    }
}

/// The ways in that are present, by finding.
fn present(decision: &Decision) -> Vec<(String, StillOpen)> {
    decision
        .findings
        .iter()
        .filter(|finding| {
            finding.state.is_present() && !matches!(finding.state, FindingState::Excepted { .. })
        })
        .filter_map(|finding| {
            let open = match finding.cause.as_str() {
                ACL => StillOpen::Acl,
                POLICY => StillOpen::Policy,
                ACCESS_POINT => StillOpen::AccessPoint,
                OBJECT_ACL => StillOpen::ObjectAcl,
                UNDECIDED => StillOpen::Undecided,
                _ => return None,
            };
            Some((finding.id.clone(), open))
        })
        .collect()
}

/// Says what else is open on the same resource: whoever reads that one cause is over must not take the
/// bucket for closed.
fn still_open(notice: Notice, present: &[(String, StillOpen)]) -> Notice {
    let others = present
        .iter()
        .filter(|(id, _)| notice.finding_id.as_ref() != Some(id));
    Notice {
        still_open: others.map(|(_, open)| *open).collect(),
        ..notice
    }
}

/// Notices after a remediation that was verified: one for each finding that it resolved.
pub fn tell_closed(
    decision: &mut Decision,
    remediated: &Remediated<'_>,
    before: &[Finding],
    subject: &Subject<'_>,
) -> Vec<Notice> {
    let exposures = decision.exposures.clone();
    // Whoever tells of the rest does not tell of these again.
    let told: Vec<String> = decision
        .findings
        .iter()
        .filter(|finding| decision.resolved.contains(&finding.id))
        // What could not be decided was not closed by being decided.
        .filter(|finding| finding.cause != UNDECIDED)
        .map(|finding| finding.id.clone())
        .collect();
    decision.told.clone_from(&told);
    let present = present(decision);
    decision
        .findings
        .iter_mut()
        .filter(|finding| told.contains(&finding.id))
        .map(|finding| {
            // What it was open by is known from before.
            let open = before.iter().find(|open| open.id == finding.id);
            let mut notice = about(
                NoticeKind::Closed,
                open.unwrap_or(finding),
                &exposures,
                subject,
            );
            notice.remediation = Some(told_remediation(remediated));
            finding.told_at = Some(subject.now);
            still_open(notice, &present)
        })
        .collect()
}

/// Notices that a remediation failed, about the findings that it was to close. `None` for one of which
/// the same was told before.
pub fn tell_failed(
    decision: &mut Decision,
    remediated: &Remediated<'_>,
    subject: &Subject<'_>,
) -> Vec<Notice> {
    let why = remediated.failure.clone().unwrap_or_default();
    let exposures = decision.exposures.clone();
    let mut notices = Vec::new();
    for finding in &mut decision.findings {
        let concerned = finding.state.is_present() && finding.respond;
        if !concerned || finding.response.as_deref() == Some(&why) {
            continue;
        }
        finding.response = Some(why.clone());
        let mut notice = about(NoticeKind::RemediationFailed, finding, &exposures, subject);
        notice.remediation = Some(told_remediation(remediated));
        notice.reason = Some(why.clone());
        finding.told_at.get_or_insert(subject.now);
        notices.push(notice);
    }
    notices
}

/// The notice of one step of the ladder.
pub fn tell_escalated(
    finding: &Finding,
    exposures: &[Exposure],
    escalation: Escalation,
    topics: Vec<String>,
    subject: &Subject<'_>,
) -> Notice {
    let mut notice = about(NoticeKind::Escalated, finding, exposures, subject);
    notice.id = notice_id(finding, NoticeKind::Escalated, subject.now);
    notice.topics = topics;
    notice.escalation = Some(escalation);
    notice
}

/// What is told of a finding to somebody who begins to listen: one line of a list.
pub fn tell_standing(
    finding: &Finding,
    exposures: &[Exposure],
    account_label: Option<&str>,
    now: Timestamp,
) -> Notice {
    let exposure = exposures.iter().max_by_key(|exposure| exposure.detected_at);
    let mut notice = summary(NoticeKind::Opened, finding, exposures, account_label, now);
    notice.mechanisms = ways_in(finding, exposure);
    notice
}

/// The ways in of a finding as its exposure has them.
fn ways_in(finding: &Finding, exposure: Option<&Exposure>) -> Vec<WayIn> {
    let Some(via) = mechanism(finding) else {
        return Vec::new();
    };
    let classes = exposure.map(|exposure| exposure.classes.as_slice());
    classes
        .unwrap_or_default()
        .iter()
        .filter_map(|class| match class.as_str() {
            "read" => Some(Access::Read),
            "write" => Some(Access::Write),
            _ => None,
        })
        .map(|access| WayIn { via, access })
        .collect()
}

fn told_remediation(remediated: &Remediated<'_>) -> Remediation {
    Remediation {
        id: remediated.id.to_owned(),
        summary: remediated.difference.clone(),
        undo_command: Some(format!("portcullis undo {}", remediated.id)),
        state: match remediated.failure {
            None => RemediationState::Succeeded,
            Some(_) => RemediationState::Failed,
        },
    }
}

fn resolved(
    finding: &Finding,
    evaluated: bool,
    untold: bool,
    exposures: &[Exposure],
    subject: &Subject<'_>,
) -> Option<Notice> {
    if finding.told_at.is_none() && !untold {
        return None;
    }
    let mut notice = about(NoticeKind::Resolved, finding, exposures, subject);
    notice.reason = Some(match &finding.resolved_by {
        _ if subject.item.status.is_deleted() => "The resource was deleted.".to_owned(),
        _ if finding.cause == UNDECIDED => {
            "It could be decided again: nobody is let in.".to_owned()
        }
        _ if !is_way_in(&finding.cause) && evaluated => "The rule is met.".to_owned(),
        _ if !is_way_in(&finding.cause) => "The rule is not evaluated any more.".to_owned(),
        Some(by) => format!("It was closed by {by}."),
        None => "It is closed; no event told by whom.".to_owned(),
    });
    Some(notice)
}

fn held_by(hold: &Hold) -> HeldBy {
    match hold {
        Hold::Stopped(_) | Hold::AccountStopped { .. } => HeldBy::EnforcementStopped,
        Hold::CircuitBreaker { .. } => HeldBy::CircuitBreaker,
        Hold::Loop { .. } | Hold::Failing { .. } | Hold::Unsteady { .. } => HeldBy::LoopGuard,
        Hold::TakenBack { .. } => HeldBy::NotifyOnly,
    }
}

/// Whether a plan closes what is open by a cause.
pub(crate) fn closes(plan: &compliance::remediation::RemediationPlan, cause: &str) -> bool {
    let through = |part: fn(&policy::public::Access) -> &policy::public::Answer| {
        [&plan.expected.read, &plan.expected.write]
            .into_iter()
            .all(|access| part(access).witness().is_none())
    };
    match cause {
        ACL => through(|access| &access.acl),
        POLICY => through(|access| &access.policy),
        ACCESS_POINT => through(|access| &access.access_points),
        OBJECT_ACL => plan.expected.objects_may_be_public == Some(false),
        _ => false,
    }
}

fn mechanism(finding: &Finding) -> Option<Mechanism> {
    match finding.cause.as_str() {
        ACL => Some(Mechanism::Acl),
        POLICY => Some(Mechanism::Policy),
        ACCESS_POINT => Some(Mechanism::AccessPoint),
        OBJECT_ACL => Some(Mechanism::ObjectAcl),
        _ => None,
    }
}

/// What a notice says of a finding by what is kept of it.
fn summary(
    kind: NoticeKind,
    finding: &Finding,
    exposures: &[Exposure],
    account_label: Option<&str>,
    now: Timestamp,
) -> Notice {
    let mut notice = Notice::new(notice_id(finding, kind, now), kind, now);
    notice.topics.clone_from(&finding.topics);
    notice.finding_id = Some(finding.id.clone());
    notice.occurrence = u64::from(finding.occurrences);
    notice.key = Some(finding.key.clone());
    notice.account_label = account_label.map(str::to_owned);
    notice.severity = severity(finding, exposures);
    notice.rule_names.clone_from(&finding.rule_names);
    if finding.cause == UNDECIDED {
        // No rule says that it is wrong; it may be.
        notice.reason = Some(finding.annotation.clone());
    } else {
        notice.annotation = Some(finding.annotation.clone());
    }
    notice.witness.clone_from(&finding.witness);
    notice
}

fn about(
    kind: NoticeKind,
    finding: &Finding,
    exposures: &[Exposure],
    subject: &Subject<'_>,
) -> Notice {
    let exposure = exposures
        .iter()
        .filter(|exposure| exposure.finding_id == finding.id)
        .max_by_key(|exposure| exposure.detected_at);
    let mut notice = summary(kind, finding, exposures, subject.account_label, subject.now);
    if let (Some(assessment), Some(mechanism)) = (subject.assessment, mechanism(finding)) {
        notice = match mechanism {
            Mechanism::ObjectAcl => {
                let ways = ways_in(finding, exposure);
                notice.with_objects(subject.item, assessment, ways, subject.endpoint)
            }
            of_bucket => notice.with_evidence(assessment, Some(of_bucket), subject.endpoint),
        };
    }
    notice.event = who_did_it(exposure, subject.events);
    notice.exposure = exposure.map(|exposure| ToldExposure {
        from: exposure.from,
        to: exposure.to,
        detected_at: exposure.detected_at,
    });
    notice.recurrence = recurrence(finding, subject.now);
    notice
}

/// The same notice has the same id, however often it is made: a crash between two attempts to commit
/// makes no second one.
fn notice_id(finding: &Finding, kind: NoticeKind, now: Timestamp) -> String {
    let digest = Sha256::digest(format!(
        "portcullis notice 1\n{}\n{}\n{}\n{}\n",
        finding.id,
        finding.occurrences,
        kind.as_str(),
        now.as_microsecond(),
    ));
    digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn severity(finding: &Finding, exposures: &[Exposure]) -> Severity {
    let of = |exposure: &Exposure| match exposure.classes.iter().any(|class| class == "write") {
        true => Severity::Critical,
        false => Severity::High,
    };
    let own = exposures
        .iter()
        .filter(|exposure| exposure.finding_id == finding.id)
        .max_by_key(|exposure| exposure.detected_at);
    match finding.cause.as_str() {
        ACL | POLICY | ACCESS_POINT => own.map_or(Severity::High, of),
        OBJECT_ACL => own.map_or(Severity::Medium, of),
        // Where somebody could get in, not to know is as bad.
        UNDECIDED => exposures
            .iter()
            .filter(|exposure| exposure.to.is_none())
            .map(of)
            .max()
            .unwrap_or(Severity::Medium),
        _ => Severity::Low,
    }
}

fn who_did_it(exposure: Option<&Exposure>, events: &[EventRecord]) -> Option<WhoDidIt> {
    let event = exposure
        .and_then(|exposure| exposure.event_id.as_ref())
        .and_then(|id| events.iter().find(|event| event.id == *id));
    match (event, exposure) {
        (Some(event), _) => Some(WhoDidIt {
            actor: event.actor.clone(),
            source_ip: event.source_ip.clone(),
            event_name: Some(event.name.clone()),
            event_time: Some(event.event_time),
            event_id: Some(event.id.clone()),
        }),
        (None, Some(exposure)) if exposure.actor.is_some() => Some(WhoDidIt {
            actor: exposure.actor.clone(),
            event_id: exposure.event_id.clone(),
            ..WhoDidIt::default()
        }),
        _ => None,
    }
}

/// How often, in the days since the first time.
fn recurrence(finding: &Finding, now: Timestamp) -> Option<Recurrence> {
    let hours = now.duration_since(finding.first_opened_at).as_hours();
    (finding.occurrences > 1).then(|| Recurrence {
        count: finding.occurrences,
        within_days: u32::try_from(hours / 24 + 1).unwrap_or(u32::MAX),
        last_closed_at: finding.resolved_at,
        last_closed_by: finding.resolved_by.clone(),
    })
}

/// Gives notices the compliance change that they go with, for subscribers that want Config's own event.
pub fn with_changes<'a>(
    notices: &mut [Notice],
    events: impl Iterator<Item = &'a BusEvent> + Clone,
) {
    for notice in notices {
        let of_rule = |event: &&BusEvent| {
            let detail = &event.event["detail"];
            let rule = detail["configRuleName"].as_str();
            rule.is_some_and(|rule| notice.rule_names.iter().any(|name| name == rule))
        };
        let mut events = events.clone();
        notice.compliance_change = events.find(of_rule).map(|event| event.event.clone());
    }
}

/// A notice as the store keeps it.
pub fn document(notice: &Notice) -> Value {
    // Texts, numbers and maps of texts: writing them as a value cannot fail.
    serde_json::to_value(notice).unwrap_or_default()
}
