//! CSV (RFC 4180), one line a bucket, safe to open in a spreadsheet.

use policy::public::Access;

use super::Report;
use super::describe::{self, Mechanism};
use crate::assessment::Assessment;
use crate::fingerprint;

const COLUMNS: &[&str] = &[
    "bucket",
    "id",
    "account",
    "region",
    "standing",
    "read",
    "write",
    "read_through",
    "write_through",
    "read_caller",
    "read_action",
    "read_resource",
    "write_caller",
    "write_action",
    "write_resource",
    "undecided_because",
    "aws_is_public",
    "acl_is_public",
    "objects_may_be_public",
    "exception",
    "advice",
    "fingerprint",
    "file",
    "line",
];

pub(super) fn render(report: &Report<'_>) -> String {
    let mut out = String::new();
    write_record(COLUMNS.iter().map(|column| (*column).to_owned()), &mut out);
    for assessment in report.assessments {
        write_record(record(report, assessment).into_iter(), &mut out);
    }
    out
}

fn record(report: &Report<'_>, assessment: &Assessment) -> Vec<String> {
    let (bucket, verdict) = (&assessment.bucket, &assessment.verdict);
    let text = |value: Option<&String>| value.cloned().unwrap_or_default();
    let answer = |value: Option<bool>| match value {
        Some(true) => "yes".to_owned(),
        Some(false) => "no".to_owned(),
        None => String::new(),
    };
    let word = |access: &Access| {
        if access.is_open() {
            "open"
        } else if access.is_undecided() {
            "undecided"
        } else {
            "closed"
        }
        .to_owned()
    };
    let through = |access: &Access| {
        let open = describe::open_mechanisms(access);
        let names: Vec<&str> = open.into_iter().map(Mechanism::as_str).collect();
        names.join(" ")
    };
    let request = |access: &Access| match access.witness() {
        Some(witness) => [
            witness.request.caller.as_str().to_owned(),
            witness.request.action.clone(),
            witness.request.resource.clone(),
        ],
        None => Default::default(),
    };
    let [read_caller, read_action, read_resource] = request(&verdict.read);
    let [write_caller, write_action, write_resource] = request(&verdict.write);
    let mut undecided = describe::undecided_reasons(&verdict.read);
    undecided.extend(describe::undecided_reasons(&verdict.write));
    undecided.dedup();
    let advice: Vec<&str> = verdict
        .advisories
        .iter()
        .map(|advisory| advisory.code)
        .collect();
    let source = assessment.source.as_ref();
    vec![
        bucket.name.clone(),
        text(assessment.id.as_ref()),
        text(bucket.owner_account.as_ref()),
        text(assessment.region.as_ref()),
        report.standing(assessment).as_str().to_owned(),
        word(&verdict.read),
        word(&verdict.write),
        through(&verdict.read),
        through(&verdict.write),
        read_caller,
        read_action,
        read_resource,
        write_caller,
        write_action,
        write_resource,
        undecided.join("; "),
        answer(verdict.aws_is_public),
        answer(verdict.acl_is_public),
        answer(verdict.objects_may_be_public),
        text(assessment.exception.as_ref()),
        advice.join(" "),
        fingerprint::of(bucket, verdict).unwrap_or_default(),
        source.map(|source| source.file.clone()).unwrap_or_default(),
        source
            .and_then(|source| source.line)
            .map(|line| line.to_string())
            .unwrap_or_default(),
    ]
}

fn write_record(fields: impl Iterator<Item = String>, out: &mut String) {
    for (at, field) in fields.enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&escaped(&field));
    }
    out.push_str("\r\n");
}

/// A field. Spreadsheets take a text that starts like a formula for one; an apostrophe before it
/// keeps it a text.
fn escaped(field: &str) -> String {
    let mut field = super::visible(field).into_owned();
    if field.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']) {
        field.insert(0, '\'');
    }
    if field.contains([',', '"', '\n', '\r']) {
        field = format!("\"{}\"", field.replace('"', "\"\""));
    }
    field
}
