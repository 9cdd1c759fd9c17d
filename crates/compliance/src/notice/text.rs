//! A notice as plain text: the first alternative of a mail, and the message on an SNS topic.

use super::Notice;
use super::body::{Part, parts};
use super::words;
use crate::report::visible;

/// The notice as plain text. Every line but our own layout is free of control characters.
pub fn text(notice: &Notice) -> String {
    let mut out = String::new();
    line(&mut out, "", &words::headline(notice));
    for part in parts(notice) {
        out.push('\n');
        match part {
            Part::Facts(facts) => {
                let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
                for (name, value) in facts {
                    line(&mut out, &format!("{name:<width$}  "), &value);
                }
            }
            Part::Verbatim { title, text, note } => {
                line(&mut out, "", &format!("{title}:"));
                for one in text.split('\n') {
                    line(&mut out, "    ", one.trim_end_matches('\r'));
                }
                if let Some(note) = note {
                    line(&mut out, "  ", &note);
                }
            }
            Part::List { title, lines } => {
                line(&mut out, "", &format!("{title}:"));
                for one in lines {
                    line(&mut out, "  - ", &one);
                }
            }
            Part::Links(links) => {
                for (name, address) in links {
                    line(&mut out, "", &format!("{name}: {address}"));
                }
            }
        }
    }
    out.push_str(&format!(
        "\nPortcullis · notice {} · {}\n",
        visible(&notice.id),
        words::moment(notice.created_at)
    ));
    out
}

fn line(out: &mut String, before: &str, text: &str) {
    out.push_str(before);
    // Tabs are layout that somebody wrote; everything else that does not show is spelled out.
    out.push_str(&visible(&text.replace('\t', "    ")));
    out.push('\n');
}
