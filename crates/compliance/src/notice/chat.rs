//! A notice in a chat: Slack's blocks, and the plain `{"text": …}` that most others take.
//!
//! A chat is for a glance and a link, not for a policy of 20 KB: the statement and the witness are
//! there, the policy is behind the link.

use serde_json::{Value, json};

use super::{Notice, mail_subject, words};
use crate::remediation::diff::indented;
use crate::report::visible;

/// The most characters of a header block's text (Slack API, "Block Kit: header": 150).
const SLACK_HEADER: usize = 150;
/// The most characters of a field of a section (Slack API, "Block Kit: section": 2,000).
const SLACK_FIELD: usize = 2_000;
/// The most characters of a section's text: 3,000, less what escaping may add around it.
const SLACK_TEXT: usize = 2_900;
/// The most characters of a text for any other chat; several cut at 4,000.
const CHAT_TEXT: usize = 3_900;

/// The body of a Slack incoming webhook. What others wrote stands in `plain_text` or, escaped, in code,
/// so that it can neither mention anybody nor look like a link.
pub fn slack(notice: &Notice) -> Value {
    let plain = |text: &str, limit| json!({"type": "plain_text", "text": cut(&visible(text), limit), "emoji": false});
    let mut blocks = vec![
        json!({"type": "header", "text": plain(&mail_subject(notice), SLACK_HEADER)}),
        json!({"type": "section", "text": plain(&words::headline(notice), SLACK_TEXT)}),
    ];
    let fields: Vec<Value> = facts(notice)
        .into_iter()
        // Ten fields a section.
        .take(10)
        .map(|(name, value)| plain(&format!("{name}: {value}"), SLACK_FIELD))
        .collect();
    if !fields.is_empty() {
        blocks.push(json!({"type": "section", "fields": fields}));
    }
    for (title, code) in codes(notice) {
        let escaped = escaped_within(&code.replace("```", "'''"), SLACK_TEXT - title.len() - 10);
        blocks.push(json!({
            "type": "section",
            "text": {"type": "mrkdwn", "verbatim": true, "text": format!("{title}\n```{escaped}```")},
        }));
    }
    let links: Vec<String> = links(notice)
        .into_iter()
        .filter(|(_, address)| !address.contains(['|', '>', '<', ' ']))
        .map(|(name, address)| format!("<{}|{name}>", slack_escaped(&address)))
        .collect();
    if !links.is_empty() {
        blocks.push(json!({
            "type": "section",
            "text": {"type": "mrkdwn", "verbatim": true, "text": links.join("  ·  ")},
        }));
    }
    // What notifications and old clients show.
    json!({"text": slack_escaped(&mail_subject(notice)), "blocks": blocks})
}

/// The body for Mattermost, Rocket.Chat, Google Chat and others that take `{"text": …}`. What others
/// wrote stands in code, where it mentions nobody.
pub fn chat(notice: &Notice) -> Value {
    let code = |text: &str| format!("`{}`", visible(text).replace('`', "'"));
    let mut text = code(&mail_subject(notice));
    for (name, value) in facts(notice) {
        text.push_str(&format!("\n{name}: {}", code(&cut(&value, 500))));
    }
    for (title, written) in codes(notice) {
        let lines: Vec<String> = written
            .split('\n')
            .map(|line| visible(line).replace('`', "'"))
            .collect();
        let room = CHAT_TEXT.saturating_sub(text.chars().count() + title.len() + 600);
        text.push_str(&format!(
            "\n{title}\n```\n{}\n```",
            cut(&lines.join("\n"), room)
        ));
    }
    for (name, address) in links(notice) {
        text.push_str(&format!("\n{name}: {}", visible(&address)));
    }
    json!({"text": text})
}

fn facts(notice: &Notice) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let mut fact = |name, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            facts.push((name, value));
        }
    };
    fact(
        "Resource",
        notice.key.as_ref().map(|key| key.resource_id.clone()),
    );
    fact("Account", words::account(notice));
    if notice.key.is_some() {
        fact("Severity", Some(notice.severity.as_str().to_owned()));
    }
    fact("Annotation", notice.annotation.clone());
    let by = notice.event.as_ref().and_then(|event| event.actor.clone());
    let done = if notice.kind.is_over() {
        "Opened by"
    } else {
        "Done by"
    };
    fact(done, by);
    fact("Reason", notice.reason.clone());
    let again = notice.recurrence.as_ref();
    fact(
        "Seen before",
        again.map(|again| words::recurrence(again, notice.created_at)),
    );
    let undo = notice.remediation.as_ref();
    fact("To undo", undo.and_then(|it| it.undo_command.clone()));
    if !notice.digest.is_empty() {
        let subjects: Vec<&str> = notice.digest.iter().map(|it| it.subject.as_str()).collect();
        fact("Notices", Some(subjects.join(" · ")));
    }
    facts
}

fn codes(notice: &Notice) -> Vec<(&'static str, String)> {
    let mut codes = Vec::new();
    if let Some(statement) = &notice.statement {
        let text = if statement.contains('\n') {
            statement.clone()
        } else {
            indented(statement).join("\n")
        };
        codes.push(("Statement", text));
    }
    if !notice.grants.is_empty() {
        codes.push(("Grants", notice.grants.join("\n")));
    }
    if let Some(attempt) = &notice.attempt {
        codes.push(("Try it", attempt.clone()));
    }
    codes
}

fn links(notice: &Notice) -> Vec<(&'static str, String)> {
    let mut links = Vec::new();
    if !notice.is_good_news() {
        links.extend(
            notice
                .links
                .acknowledge
                .clone()
                .map(|it| ("Acknowledge", it)),
        );
    }
    links.extend(
        notice
            .links
            .console
            .clone()
            .map(|it| ("In the console", it)),
    );
    links
}

/// At most `limit` characters.
fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    kept.push('…');
    kept
}

/// Slack's escapes (Slack API, "Formatting text for app surfaces": these three characters and no others).
fn slack_escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Escaped lines, at most `limit` characters with the escapes, never half an escape.
fn escaped_within(text: &str, limit: usize) -> String {
    let mut out = String::new();
    let mut count = 0;
    for (at, line) in text.split('\n').enumerate() {
        if at > 0 {
            out.push('\n');
            count += 1;
        }
        for c in visible(line).chars() {
            let escaped = slack_escaped(c.encode_utf8(&mut [0; 4]));
            count += escaped.chars().count();
            if count >= limit {
                out.push('…');
                return out;
            }
            out.push_str(&escaped);
        }
    }
    out
}
