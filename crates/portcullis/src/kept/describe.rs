//! What the guard keeps, as JSON. These shapes are documented in `docs/serve.md`.

use guard::state::{
    Coverage, EnforcementStop, EvaluationRecord, EventRecord, Exposure, Finding, FindingState, Job,
    Route,
};
use serde_json::{Value, json};

pub(super) fn finding(finding: &Finding) -> Value {
    json!({
        "id": finding.id,
        "account": finding.key.account,
        "region": finding.key.region,
        "resource_type": finding.key.resource_type,
        "resource_id": finding.key.resource_id,
        "cause": finding.cause,
        "rules": finding.rule_names,
        "annotation": finding.annotation,
        "state": finding.state.name(),
        "acknowledged": match &finding.state {
            FindingState::Acknowledged { by, at, until, note } => json!({
                "by": by, "at": at.to_string(), "until": until.map(|at| at.to_string()), "note": note,
            }),
            _ => Value::Null,
        },
        "exception": match &finding.state {
            FindingState::Excepted { exception } => json!(exception),
            _ => Value::Null,
        },
        "occurrences": finding.occurrences,
        "first_opened_at": finding.first_opened_at.to_string(),
        "opened_at": finding.opened_at.to_string(),
        "resolved_at": finding.resolved_at.map(|at| at.to_string()),
        "resolved_by": finding.resolved_by,
        "fingerprint": finding.fingerprint,
        "witness": finding.witness,
        "sent_to_responder": finding.respond,
        "response": finding.response,
        "topics": finding.topics,
        "told_at": finding.told_at.map(|at| at.to_string()),
        "escalation_step": finding.escalation_step,
    })
}

pub(super) fn exposure(exposure: &Exposure) -> Value {
    json!({
        "id": exposure.id,
        "finding": exposure.finding_id,
        "cause": exposure.cause,
        "classes": exposure.classes,
        "from": exposure.from.to_string(),
        "detected_at": exposure.detected_at.to_string(),
        "to": exposure.to.map(|at| at.to_string()),
        "closed_by": exposure.closed_by,
        "event": exposure.event_id,
        "actor": exposure.actor,
        "witness": exposure.witness,
    })
}

pub(super) fn event(event: &EventRecord, in_full: bool) -> Value {
    let mut object = json!({
        "id": event.id,
        "source": event.source,
        "name": event.name,
        "event_time": event.event_time.to_string(),
        "arrived_at": event.arrived_at.to_string(),
        "verdict_at": event.verdict_at.map(|at| at.to_string()),
        "closed_at": event.closed_at.map(|at| at.to_string()),
        "account": event.account,
        "region": event.region,
        "resource_type": event.resource_type,
        "resource_id": event.resource_id,
        "actor": event.actor,
        "source_ip": event.source_ip,
    });
    if in_full {
        object["detail"] = event.detail.clone();
    }
    object
}

pub(super) fn evaluation(evaluation: &EvaluationRecord) -> Value {
    json!({
        "rule": evaluation.rule_name,
        "identifier": evaluation.identifier,
        "compliance_type": evaluation.compliance_type.as_str(),
        "annotation": evaluation.annotation,
        "evaluated_at": evaluation.evaluated_at.to_string(),
        "since": evaluation.since.to_string(),
    })
}

pub(super) fn coverage(coverage: &Coverage) -> Value {
    json!({
        "account": coverage.account,
        "region": coverage.region,
        "last_event_at": coverage.last_event_at.map(|at| at.to_string()),
        "last_sweep_at": coverage.last_sweep_at.map(|at| at.to_string()),
        "swept": coverage.swept,
        "undecided": coverage.undecided,
        "untold_changes": coverage.untold_changes,
        "gaps": coverage.gaps,
        "error": coverage.error,
    })
}

pub(super) fn routes(routes: &[Route]) -> Value {
    routes
        .iter()
        .map(|own| json!({"event_rule": own.rule, "target": own.target}))
        .collect()
}

pub(super) fn stop(stop: &EnforcementStop) -> Value {
    json!({"by": stop.by, "at": stop.at.to_string(), "reason": stop.reason})
}

pub(super) fn job(job: &Job) -> Value {
    json!({
        "id": job.id,
        "kind": job.kind.as_str(),
        "key": job.key,
        "attempts": job.attempts,
        "created_at": job.created_at.to_string(),
        "due_at": job.due_at.to_string(),
        "error": job.last_error,
    })
}
