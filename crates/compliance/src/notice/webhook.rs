//! A notice as the JSON body of a webhook: documented in `docs/notice.schema.json`.

use serde_json::{Value, json};

use super::words;
use super::{Notice, NoticeKind, mail_subject};

/// The version of the body. It grows when a member is taken away or changes its meaning; new members
/// may come without it growing.
pub const SCHEMA_VERSION: u32 = 1;

/// The body. Every member is always there; `null` means that there is nothing to say.
pub fn webhook(notice: &Notice) -> Value {
    let confirm = (notice.kind == NoticeKind::SubscriptionConfirmation)
        .then_some(&notice.links.confirm)
        .and_then(Option::as_ref);
    json!({
        "schema_version": SCHEMA_VERSION,
        "id": notice.id,
        "kind": notice.kind,
        "created_at": notice.created_at,
        "subject": mail_subject(notice),
        "headline": words::headline(notice),
        "severity": notice.severity,
        "topics": notice.topics,
        "finding_id": notice.finding_id,
        "occurrence": notice.occurrence,
        "resource": notice.key.as_ref().map(|key| json!({
            "account": key.account,
            "account_label": notice.account_label,
            "region": key.region,
            "type": key.resource_type,
            "id": key.resource_id,
        })),
        "rules": notice.rule_names,
        "annotation": notice.annotation,
        "mechanisms": notice.mechanisms,
        "witness": notice.witness,
        "attempt": notice.attempt,
        "statement": notice.statement,
        "policy": notice.policy,
        "grants": notice.grants,
        "event": notice.event,
        "exposure": notice.exposure.as_ref().map(|exposure| json!({
            "from": exposure.from,
            "to": exposure.to,
            "detected_at": exposure.detected_at,
        })),
        "remediation": notice.remediation,
        "held_by": notice.held_by,
        "closes_at": notice.closes_at,
        "still_open": notice.still_open,
        "reason": notice.reason,
        "recurrence": notice.recurrence,
        "escalation": notice.escalation.as_ref().map(|step| json!({
            "step": step.step,
            "of": step.of,
            "previous_contact": step.previous_contact,
            "waited_seconds": step.waited.as_secs(),
        })),
        "exception": notice.exception,
        "digest": notice.digest,
        "links": {
            "acknowledge": notice.links.acknowledge,
            "console": notice.links.console,
            "confirm": confirm,
        },
    })
}
