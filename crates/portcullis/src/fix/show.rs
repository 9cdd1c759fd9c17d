//! A plan as people read it.

use std::io::IsTerminal;

use compliance::remediation::diff::{self, Line};
use compliance::remediation::{Note, RemediationPlan};
use guard::sweep::Judged;
use policy::bucket::Enforcement;

use super::sample::Sample;

/// Prints what is open, what would change, and what the reader must know.
pub(super) fn print_plan(one: &Judged, plan: &RemediationPlan, sample: Option<&Sample>) {
    let mut out = String::new();
    out.push_str(&format!("{}\n", shown(&one.address.name)));
    for access in [&one.assessment.verdict.read, &one.assessment.verdict.write] {
        if let Some(witness) = access.witness() {
            out.push_str(&format!(
                "  open to {}: {} may {} on {}\n",
                witness.class.as_str(),
                shown(witness.request.caller.as_str()),
                shown(&witness.request.action),
                shown(&witness.request.resource)
            ));
        }
    }
    let colour = std::io::stdout().is_terminal();
    for line in diff::lines(plan) {
        let (mark, code, text) = match &line {
            Line::Part(name) => ("  ", "1", (*name).to_owned()),
            Line::Kept(text) => ("      ", "0", text.clone()),
            Line::Removed(text) => ("    - ", "31", text.clone()),
            Line::Added(text) => ("    + ", "32", text.clone()),
        };
        if colour {
            out.push_str(&format!("\u{1b}[{code}m{mark}{text}\u{1b}[0m\n"));
        } else {
            out.push_str(&format!("{mark}{text}\n"));
        }
    }
    for note in &plan.notes {
        out.push_str(&format!("  note: {}\n", explain(note, one)));
    }
    if let Some(sample) = sample {
        if !sample.public.is_empty() {
            let names: Vec<_> = sample.public.iter().take(5).map(|key| shown(key)).collect();
            out.push_str(&format!(
                "  objects: {} of {} looked at are public by ACLs of their own: {}\n",
                sample.public.len(),
                sample.looked_at,
                names.join(", ")
            ));
            if plan.expected.objects_may_be_public != Some(false) {
                out.push_str("  hint: --objects ignore-public-acls closes them all at once\n");
            }
        } else if sample.looked_at > 0 {
            out.push_str(&format!(
                "  objects: none of {} looked at is public by an ACL of its own\n",
                sample.looked_at
            ));
        }
        if let Some(why) = &sample.failed {
            out.push_str(&format!("  objects: not looked at further: {why}\n"));
        }
    }
    if !plan.steps.is_empty() {
        out.push_str(if plan.closes() {
            "  after this: closed\n"
        } else {
            "  after this: still open\n"
        });
    }
    println!("{out}");
}

fn explain(note: &Note, one: &Judged) -> String {
    match note {
        Note::PolicyLeft { statements, .. } => {
            let policy = one.assessment.bucket.policy.present();
            let texts: Vec<String> = statements
                .iter()
                .filter_map(|index| policy?.statements.get(*index))
                .filter_map(|statement| policy?.text.get(statement.span.clone()))
                .flat_map(diff::indented)
                .map(|line| format!("\n      {line}"))
                .collect();
            let how = match one.assessment.bucket.enforcement {
                Enforcement::Aws => "--policy block or --policy remove-statement closes it",
                Enforcement::CephRgw => "--policy remove-statement closes it",
            };
            format!(
                "the policy is left as it is; this lets the request in ({how}):{}",
                texts.concat()
            )
        }
        Note::BlockIneffective => {
            "--policy block would change nothing here: Ceph stores RestrictPublicBuckets and does not enforce it".to_owned()
        }
        Note::AccessPointLeft { arn } => format!(
            "the access point {} lets strangers in; change its policy",
            shown(arn)
        ),
        Note::OwnerUnknown => {
            "the ACL cannot be set to private, since the store does not tell its owner; --acl strip works".to_owned()
        }
        Note::StatementNotRemovable { why } => {
            format!("the statement cannot be cut out of the policy: {}", shown(why))
        }
        Note::PolicyRemoved => {
            "no statement would be left, so the policy itself is removed".to_owned()
        }
        Note::ObjectsMayBePublic => {
            "ACLs are in force: objects may be public by ACLs of their own".to_owned()
        }
        Note::BlockUnknown { why } => {
            format!("the bucket's block could not be read and is not overwritten: {why}")
        }
        Note::Undecided { reasons } => {
            let reasons: Vec<_> = reasons.iter().map(|reason| shown(reason)).collect();
            format!("undecided, so no plan for it: {}", reasons.join("; "))
        }
    }
}

/// A text from outside, safe on a terminal.
pub(super) fn shown(text: &str) -> String {
    diff::visible(text)
}
