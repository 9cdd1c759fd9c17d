//! One bucket as a card: verdict, witness, the statement with the guilty part marked, the way out.

use policy::public::{Access, Answer, Witness};

use super::Look;
use super::page::Page;
use crate::assessment::Assessment;
use crate::report::describe::{self, Mechanism};
use crate::report::request::to_try;
use crate::report::{remedy, statement};

pub(super) fn write(page: &mut Page, assessment: &Assessment, look: Look, unfolded: bool) {
    let verdict = &assessment.verdict;
    page.raw("<details class=\"card ").raw(match look {
        Look::Open => "open",
        Look::Undecided => "undecided",
        Look::Accepted => "accepted",
    });
    page.raw(if unfolded { "\" open>\n" } else { "\">\n" });
    head(page, assessment, look);
    page.raw("<div class=\"body\">\n");
    let mut shown: Vec<&Witness> = Vec::new();
    for (word, access) in [("Reading", &verdict.read), ("Writing", &verdict.write)] {
        for mechanism in Mechanism::ALL {
            match mechanism.answer(access) {
                Answer::Open(witness) if !shown.contains(&&**witness) => {
                    shown.push(witness);
                    way_in(page, assessment, word, mechanism, witness);
                }
                Answer::Undecided(reasons) => {
                    page.raw("<h4>")
                        .raw(word)
                        .raw(" through ")
                        .raw(mechanism.phrase())
                        .raw(" is undecided</h4>\n<ul>\n");
                    for reason in reasons {
                        page.raw("<li>").text(reason).raw("</li>\n");
                    }
                    page.raw("</ul>\n");
                }
                _ => {}
            }
        }
    }
    way_out(page, assessment);
    if !verdict.advisories.is_empty() {
        page.raw("<h4>To know</h4>\n<ul>\n");
        for advisory in &verdict.advisories {
            page.raw("<li>").text(&advisory.message);
            if let Some(path) = &advisory.path {
                page.raw(" <small>").text(path).raw("</small>");
            }
            page.raw("</li>\n");
        }
        page.raw("</ul>\n");
    }
    page.raw("</div>\n</details>\n");
}

fn head(page: &mut Page, assessment: &Assessment, look: Look) {
    let bucket = &assessment.bucket;
    let verdict = &assessment.verdict;
    page.raw("<summary><div class=\"name\"><strong>")
        .text(&bucket.name)
        .raw("</strong><span class=\"where\">");
    let mut place: Vec<String> = Vec::new();
    place.extend(assessment.id.clone().filter(|id| *id != bucket.name));
    place.extend(
        bucket
            .owner_account
            .as_ref()
            .map(|account| format!("account {account}")),
    );
    place.extend(assessment.region.clone());
    if let Some(source) = &assessment.source {
        place.push(match source.line {
            Some(line) => format!("{}:{line}", source.file),
            None => source.file.clone(),
        });
    }
    page.text(&place.join(" · "))
        .raw("</span><span class=\"badges\">");
    for (access, words) in [
        (
            &verdict.read,
            ["read open", "read undecided", "read closed"],
        ),
        (
            &verdict.write,
            ["write open", "write undecided", "write closed"],
        ),
    ] {
        badge(page, access, words, look);
    }
    page.raw("</span></div>\n<p class=\"story\">")
        .text(&describe::story(assessment));
    if let Some(id) = &assessment.exception {
        page.raw(" — exception ").text(id);
    }
    page.raw("</p></summary>\n");
}

fn badge(page: &mut Page, access: &Access, words: [&'static str; 3], look: Look) {
    let (class, word) = if access.is_open() {
        (
            if look == Look::Accepted {
                "accepted"
            } else {
                "open"
            },
            words[0],
        )
    } else if access.is_undecided() {
        ("undecided", words[1])
    } else {
        ("closed", words[2])
    };
    page.raw("<span class=\"badge ")
        .raw(class)
        .raw("\">")
        .raw(word)
        .raw("</span>");
}

fn way_in(
    page: &mut Page,
    assessment: &Assessment,
    word: &'static str,
    mechanism: Mechanism,
    witness: &Witness,
) {
    let bucket = &assessment.bucket;
    let request = &witness.request;
    page.raw("<h4>")
        .raw(word)
        .raw(" is open through ")
        .raw(mechanism.phrase())
        .raw("</h4>\n<dl>\n<dt>Who</dt><dd>")
        .text(&describe::caller(&request.caller));
    if request.caller != policy::request::Caller::Anonymous {
        page.raw(", such as <code>")
            .text(request.caller.as_str())
            .raw("</code>");
    }
    page.raw("</dd>\n<dt>Request</dt><dd><code>")
        .text(&request.action)
        .raw("</code> on <code>")
        .text(&request.resource)
        .raw("</code></dd>\n");
    if !request.context.is_empty() {
        page.raw("<dt>With</dt><dd>");
        for (at, (key, values)) in request.context.iter().enumerate() {
            page.raw(if at > 0 { "<br>" } else { "" })
                .raw("<code>")
                .text(key)
                .raw("</code> = <code>")
                .text(&values.join(", "))
                .raw("</code>");
        }
        page.raw("</dd>\n");
    }
    if let Some(from) = witness.from {
        page.raw("<dt>From</dt><dd>")
            .text(&from.to_string())
            .raw(" on</dd>\n");
    }
    page.raw("<dt>By</dt><dd>")
        .text(&describe::admitted_by(bucket, mechanism, witness));
    page.raw("</dd>\n</dl>\n");
    if mechanism == Mechanism::Policy
        && let Some(policy) = bucket.policy.present()
    {
        for at in &witness.admitted_by {
            if let Some(written) = statement::written(policy, *at, Some(witness)) {
                marked(page, &written);
            }
        }
    }
    if let Some(attempt) = to_try(bucket, assessment.region.as_deref(), None, witness) {
        page.raw("<h4>Try it</h4>\n<pre>")
            .text(&attempt.command)
            .raw("</pre>\n");
        if !attempt.notes.is_empty() {
            page.raw("<p class=\"small\">")
                .text(&attempt.notes.join("; "))
                .raw("</p>\n");
        }
    }
}

fn marked(page: &mut Page, written: &statement::Written) {
    page.raw("<pre>");
    let mut at = 0;
    for range in &written.guilty {
        let (Some(before), Some(guilty)) = (
            written.text.get(at..range.start),
            written.text.get(range.clone()),
        ) else {
            continue;
        };
        page.text(before).raw("<mark>").text(guilty).raw("</mark>");
        at = range.end;
    }
    page.text(written.text.get(at..).unwrap_or_default())
        .raw("</pre>\n");
}

fn way_out(page: &mut Page, assessment: &Assessment) {
    let remedies = remedy::remedies(assessment);
    if remedies.is_empty() {
        return;
    }
    page.raw("<h4>What would close it</h4>\n<ul>\n");
    for remedy in remedies {
        page.raw("<li>").text(&remedy.text);
        if !remedy.closes_all {
            page.raw(" <small>Closes a part.</small>");
        }
        if let Some(caution) = remedy.caution {
            page.raw(" <small>Note: ").text(caution).raw(".</small>");
        }
        page.raw("</li>\n");
    }
    page.raw("</ul>\n");
}
