//! One notice of each kind, harmless and hostile.

use compliance::item::ResourceKey;
use compliance::notice::{
    Access, DigestLine, Escalation, ExceptionSummary, Exposure, HeldBy, Links, Mechanism, Notice,
    NoticeKind, Recurrence, Remediation, RemediationState, Severity, WayIn, WhoDidIt,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// What hurts a terminal, HTML, a header, Slack, Markdown, and a reader.
pub(crate) const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&\r\nBcc: evil@example.com\r\n\r\n\u{1b}[31m\u{202e}\u{200b}`*_|<!channel> @here ```";

/// A notice with everything in it, every text put through `text`.
pub(crate) fn full(kind: NoticeKind, text: impl Fn(&str) -> String) -> Notice {
    let policy = text(
        r#"{"Version":"2012-10-17","Statement":[{"Sid":"Open","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::backups/*"}]}"#,
    );
    Notice {
        topics: vec!["security".to_owned()],
        finding_id: Some("f00d".to_owned()),
        occurrence: 4,
        key: Some(ResourceKey::bucket(
            "111122223333",
            "eu-central-1",
            &text("backups"),
        )),
        account_label: Some(text("prod")),
        severity: Severity::High,
        rule_names: vec!["s3-bucket-public-read-prohibited".to_owned()],
        annotation: Some(text("The S3 bucket policy allows public read access.")),
        mechanisms: vec![WayIn {
            via: Mechanism::Policy,
            access: Access::Read,
        }],
        witness: Some(
            json!({"principal": "anonymous", "action": "s3:GetObject", "resource": text("arn:aws:s3:::backups/a")}),
        ),
        attempt: Some(text("curl -iL https://backups.s3.amazonaws.com/a")),
        statement: Some(text(r#"{"Sid":"Open","Effect":"Allow"}"#)),
        policy: Some(policy),
        grants: vec![text("grant 1 (READ to AllUsers)")],
        event: Some(WhoDidIt {
            actor: Some(text("arn:aws:iam::111122223333:user/eve")),
            source_ip: Some(text("198.51.100.7")),
            event_name: Some("PutBucketPolicy".to_owned()),
            event_time: Some(at("2026-01-01T00:00:00Z")),
            event_id: Some(text("e-1")),
        }),
        exposure: Some(Exposure {
            from: at("2026-01-01T00:00:00Z"),
            to: None,
            detected_at: at("2026-01-01T00:00:02Z"),
        }),
        remediation: Some(Remediation {
            id: "r-1".to_owned(),
            summary: vec![text("- READ to group AllUsers")],
            undo_command: Some("portcullis undo r-1".to_owned()),
            state: RemediationState::Succeeded,
        }),
        held_by: Some(HeldBy::LoopGuard),
        closes_at: Some(at("2026-01-01T01:00:00Z")),
        reason: Some(text("access denied: s3:PutBucketAcl is missing")),
        recurrence: Some(Recurrence {
            count: 4,
            within_days: 30,
            last_closed_at: Some(at("2025-12-31T22:00:03Z")),
            last_closed_by: Some(text("remediation 7")),
        }),
        escalation: Some(Escalation {
            step: 2,
            of: 3,
            previous_contact: Some(text("on-call")),
            waited: SignedDuration::from_mins(15),
        }),
        exception: Some(ExceptionSummary {
            id: text("website"),
            owner: text("web team"),
            reason: text("The public website."),
            expires: at("2026-01-08T00:00:03Z"),
        }),
        digest: vec![DigestLine {
            notice_id: "n-0".to_owned(),
            finding_id: None,
            kind: NoticeKind::Opened,
            severity: Severity::High,
            subject: text("Public read by policy: backups"),
            created_at: at("2026-01-01T00:00:00Z"),
        }],
        compliance_change: Some(json!({"detail-type": "Config Rules Compliance Change"})),
        links: Links {
            acknowledge: Some("https://guard.example.com/ack/f00d".to_owned()),
            console: Some("https://guard.example.com/findings/f00d".to_owned()),
            confirm: Some("https://guard.example.com/confirm/t".to_owned()),
            unsubscribe: Some("https://guard.example.com/unsubscribe/t".to_owned()),
        },
        ..Notice::new("n-1", kind, at("2026-01-01T00:00:03Z"))
    }
}

pub(crate) fn harmless(kind: NoticeKind) -> Notice {
    full(kind, str::to_owned)
}

pub(crate) fn hostile(kind: NoticeKind) -> Notice {
    full(kind, |text| format!("{text}{HOSTILE}{text}"))
}

/// The same with as little as can be.
pub(crate) fn bare(kind: NoticeKind) -> Notice {
    Notice::new("n-1", kind, at("2026-01-01T00:00:03Z"))
}
