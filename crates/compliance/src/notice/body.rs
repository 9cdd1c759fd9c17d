//! What a notice's body is made of, apart from how it is written: text and HTML show the same parts.

use serde_json::Value;

use super::words::{self, moment, span};
use super::{Access, Mechanism, Notice, NoticeKind, POLICY_LIMIT};
use crate::remediation::diff::indented;

/// One part of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Names and values.
    Facts(Vec<(&'static str, String)>),
    /// A text of several lines that is shown as it is: JSON, a command, a difference.
    Verbatim {
        title: &'static str,
        text: String,
        /// What to know about it.
        note: Option<String>,
    },
    /// Lines of a list.
    List {
        title: &'static str,
        lines: Vec<String>,
    },
    /// Addresses to go to; the first is the most important.
    Links(Vec<(&'static str, String)>),
}

/// The parts, in the order in which they are shown. The headline is not among them.
pub(super) fn parts(notice: &Notice) -> Vec<Part> {
    let mut parts = Vec::new();
    let links = links(notice);
    // Whoever is asked to confirm reads nothing else.
    if notice.kind == NoticeKind::SubscriptionConfirmation && !links.is_empty() {
        return vec![Part::Links(links)];
    }
    let facts = facts(notice);
    if !facts.is_empty() {
        parts.push(Part::Facts(facts));
    }
    if !notice.digest.is_empty() {
        parts.push(Part::List {
            title: "Notices",
            lines: notice
                .digest
                .iter()
                .map(|line| {
                    format!(
                        "{} · {} · {}",
                        moment(line.created_at),
                        line.severity.as_str(),
                        line.subject
                    )
                })
                .collect(),
        });
    }
    let mut verbatim = |title, text: String, note| {
        parts.push(Part::Verbatim { title, text, note });
    };
    if let Some(witness) = &notice.witness {
        let text = request_lines(witness);
        verbatim(
            "A request that gets in",
            bounded(&text).0,
            notice
                .attempt
                .as_ref()
                .map(|command| format!("Try it: {command}")),
        );
    }
    if let Some(statement) = &notice.statement {
        verbatim("The statement that lets it in", laid_out(statement).0, None);
    }
    if !notice.grants.is_empty() {
        let by_objects = notice
            .mechanisms
            .iter()
            .any(|way| way.via == Mechanism::ObjectAcl);
        let title = match by_objects {
            true => "The objects and their public grants",
            false => "The public grants of the ACL",
        };
        verbatim(title, notice.grants.join("\n"), None);
    }
    if let Some(remediation) = &notice.remediation {
        let note = remediation
            .undo_command
            .as_ref()
            .map(|command| format!("To take it back: {command}"));
        if !remediation.summary.is_empty() || note.is_some() {
            verbatim("What was changed", remediation.summary.join("\n"), note);
        }
    }
    if let Some(policy) = &notice.policy {
        let (text, cut) = laid_out(policy);
        let note = cut.then(|| {
            let bucket = notice.key.as_ref().map_or("BUCKET", |key| &key.resource_id);
            format!(
                "Cut after {POLICY_LIMIT} of {} bytes. All of it: portcullis history {bucket}",
                policy.len()
            )
        });
        verbatim("The whole policy", text, note);
    }
    if !links.is_empty() {
        parts.push(Part::Links(links));
    }
    parts
}

/// A request, a member a line, in the order in which it is read: who, what, on what. (The order of
/// members in a `Value` depends on what else is in the binary.)
fn request_lines(witness: &Value) -> String {
    let Some(members) = witness.as_object() else {
        return witness.to_string();
    };
    const FIRST: [&str; 4] = ["principal", "action", "resource", "context"];
    let place = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(9);
    let mut names: Vec<&String> = members.keys().collect();
    names.sort_by_key(|name| (place(name), *name));
    let lines: Vec<String> = names
        .into_iter()
        .filter(|name| !members[*name].is_null())
        .map(|name| format!("  {}: {}", Value::from(name.as_str()), members[name]))
        .collect();
    format!("{{\n{}\n}}", lines.join(",\n"))
}

/// A JSON document for people: as it was written, or laid out if it stands on one line. And whether it
/// was cut.
fn laid_out(text: &str) -> (String, bool) {
    let (text, cut) = bounded(text);
    if text.trim().contains('\n') {
        (text, cut)
    } else {
        (indented(&text).join("\n"), cut)
    }
}

fn bounded(text: &str) -> (String, bool) {
    if text.len() <= POLICY_LIMIT {
        return (text.to_owned(), false);
    }
    let mut end = POLICY_LIMIT;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (text[..end].to_owned(), true)
}

fn facts(notice: &Notice) -> Vec<(&'static str, String)> {
    let mut facts: Vec<(&'static str, String)> = Vec::new();
    let mut fact = |name, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            facts.push((name, value));
        }
    };
    if notice.kind.is_about_subscription() {
        fact("Topics", Some(notice.topics.join(", ")));
        return facts;
    }
    if let Some(key) = &notice.key {
        let name = if key.resource_type == crate::item::BUCKET {
            "Bucket"
        } else {
            "Resource"
        };
        fact(name, Some(key.resource_id.clone()));
        fact(
            "Account",
            words::account(notice).map(|account| format!("{account}, {}", key.region)),
        );
    } else {
        fact("Account", words::account(notice));
    }
    if notice.kind != NoticeKind::Digest && !notice.is_good_news() {
        fact("Severity", Some(notice.severity.as_str().to_owned()));
    }
    fact("Rules", Some(notice.rule_names.join(", ")));
    fact("Annotation", notice.annotation.clone());
    let ways: Vec<String> = notice
        .mechanisms
        .iter()
        .map(|way| {
            let access = match way.access {
                Access::Read => "read",
                Access::Write => "write",
            };
            format!("{access} through {}", words::mechanism(way.via))
        })
        .collect();
    let open = if notice.kind.is_over() {
        "Was open"
    } else {
        "Open"
    };
    fact(open, Some(ways.join(", ")));
    if let Some(exposure) = &notice.exposure {
        fact(
            "Exposed",
            Some(match exposure.to {
                Some(to) => format!(
                    "{} to {}, {}",
                    moment(exposure.from),
                    moment(to),
                    span(to.duration_since(exposure.from))
                ),
                None => format!("since {}", moment(exposure.from)),
            }),
        );
        fact(
            "Detected",
            Some(format!(
                "{}, {} after it opened",
                moment(exposure.detected_at),
                span(exposure.detected_at.duration_since(exposure.from))
            )),
        );
    }
    if let Some(event) = &notice.event {
        let mut who = event.actor.clone().unwrap_or_default();
        if let Some(address) = &event.source_ip {
            who.push_str(&format!(" from {address}"));
        }
        // The event is the one that opened it, also where it is closed by now.
        let done = if notice.kind.is_over() {
            "Opened by"
        } else {
            "Done by"
        };
        fact(done, Some(who.trim().to_owned()));
        let mut what = event.event_name.clone().unwrap_or_default();
        if let Some(at) = event.event_time {
            what.push_str(&format!(" at {}", moment(at)));
        }
        if let Some(id) = &event.event_id {
            what.push_str(&format!(", event {id}"));
        }
        fact("Event", Some(what.trim().to_owned()));
    }
    if notice.kind != NoticeKind::Recurred {
        fact(
            "Seen before",
            notice
                .recurrence
                .as_ref()
                .map(|again| words::recurrence(again, notice.created_at)),
        );
    }
    if let Some(exception) = &notice.exception {
        fact(
            "Exception",
            Some(format!(
                "{}, of {}, until {}: {}",
                exception.id,
                exception.owner,
                moment(exception.expires),
                exception.reason
            )),
        );
    }
    fact(
        "Remediation",
        notice.remediation.as_ref().map(|it| it.id.clone()),
    );
    fact("Finding", notice.finding_id.clone());
    facts
}

fn links(notice: &Notice) -> Vec<(&'static str, String)> {
    let links = &notice.links;
    let mut all = Vec::new();
    if notice.kind == NoticeKind::SubscriptionConfirmation {
        all.extend(links.confirm.clone().map(|link| ("Confirm", link)));
    } else {
        if !notice.is_good_news() {
            all.extend(links.acknowledge.clone().map(|link| ("Acknowledge", link)));
        }
        all.extend(links.console.clone().map(|link| ("In the console", link)));
        all.extend(links.unsubscribe.clone().map(|link| ("Unsubscribe", link)));
    }
    all
}
