//! One self-contained HTML page: for a browser, for paper, for somebody who asks whether all is well.
//!
//! No script, no request to anywhere, and a content security policy that says so.

mod card;
pub(crate) mod page;

use super::describe;
use super::{Report, Standing, Summary};
use crate::assessment::Assessment;

use self::page::Page;

/// How many cards are unfolded from the start.
const UNFOLDED: usize = 25;

pub(super) fn render(report: &Report<'_>) -> String {
    let summary = report.summary();
    let mut page = Page::new();
    page.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
        .raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
        .raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n")
        .raw("<meta name=\"referrer\" content=\"no-referrer\">\n<title>Who can get into these buckets · Portcullis</title>\n<style>\n")
        .raw(include_str!("style.css"))
        .raw("</style>\n</head>\n<body>\n");
    header(&mut page, report, &summary);
    page.raw("<main>\n");
    let standing = |wanted: &[Standing]| -> Vec<&Assessment> {
        report
            .assessments
            .iter()
            .filter(|assessment| wanted.contains(&report.standing(assessment)))
            .collect()
    };
    let open = standing(&[Standing::Open]);
    let undecided = standing(&[Standing::Undecided]);
    let accepted = standing(&[Standing::Known, Standing::Excepted]);
    let closed = standing(&[Standing::Closed]);
    if summary.buckets > 0 && open.is_empty() && undecided.is_empty() && report.problems.is_empty()
    {
        page.raw("<p class=\"calm\">Nobody gets in who was not let in on purpose.</p>\n");
    }
    cards(
        &mut page,
        "Open",
        "somebody whom nobody trusted gets in",
        &open,
        Look::Open,
    );
    cards(
        &mut page,
        "Undecided",
        "counted as open until it is known",
        &undecided,
        Look::Undecided,
    );
    cards(
        &mut page,
        "Open, and accepted",
        "by an exception or the baseline",
        &accepted,
        Look::Accepted,
    );
    closed_table(&mut page, &closed);
    problems(&mut page, report);
    page.raw("</main>\n");
    footer(&mut page, report);
    page.raw("</body>\n</html>\n");
    page.finish()
}

/// How a card looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Open,
    Undecided,
    Accepted,
}

fn header(page: &mut Page, report: &Report<'_>, summary: &Summary) {
    page.raw("<header>\n<div class=\"brand\"><svg viewBox=\"0 0 24 24\" aria-hidden=\"true\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.8\" stroke-linecap=\"round\">")
        .raw("<path d=\"M3 21V10a9 7 0 0 1 18 0v11M7.5 6v15M12 4v17M16.5 6v15M4 11h16M4 16h16\"/></svg>Portcullis</div>\n<h1>");
    match (summary.buckets, summary.open, summary.undecided) {
        (0, ..) => page.raw("No bucket was looked at"),
        (buckets, 0, 0) => page.raw("None of ").number(buckets).raw(if buckets == 1 {
            " bucket is open"
        } else {
            " buckets is open"
        }),
        (buckets, 0, undecided) => page
            .number(undecided)
            .raw(" of ")
            .number(buckets)
            .raw(" buckets could not be decided"),
        (buckets, open, _) => page
            .number(open)
            .raw(" of ")
            .number(buckets)
            .raw(if open == 1 {
                " buckets is open to strangers"
            } else {
                " buckets are open to strangers"
            }),
    };
    page.raw("</h1>\n<p class=\"when\">portcullis ")
        .text(report.command)
        .raw(" ")
        .text(report.version)
        .raw(" · ")
        .text(&report.at.strftime("%-d %B %Y, %H:%M UTC").to_string())
        .raw("</p>\n<div class=\"tiles\">\n");
    let accepted = summary.excepted + summary.known;
    let mut tile = |class: &'static str, number: usize, word: &'static str| {
        page.raw("<div class=\"tile ")
            .raw(if number == 0 { "none" } else { class })
            .raw("\"><b>")
            .number(number)
            .raw("</b><span>")
            .raw(word)
            .raw("</span></div>\n");
    };
    tile("open", summary.open, "open");
    tile("undecided", summary.undecided, "undecided");
    tile("accepted", accepted, "open, accepted");
    tile("closed", summary.closed, "closed");
    page.raw("</div>\n");
    if summary.buckets > 0 {
        page.raw("<div class=\"bar\" aria-hidden=\"true\">");
        for (class, number) in [
            ("open", summary.open),
            ("undecided", summary.undecided),
            ("accepted", accepted),
            ("closed", summary.closed),
        ] {
            if number > 0 {
                page.raw("<i class=\"")
                    .raw(class)
                    .raw("\" style=\"flex:")
                    .number(number)
                    .raw("\"></i>");
            }
        }
        page.raw("</div>\n");
    }
    page.raw("</header>\n");
}

fn cards(
    page: &mut Page,
    title: &'static str,
    sentence: &'static str,
    assessments: &[&Assessment],
    look: Look,
) {
    if assessments.is_empty() {
        return;
    }
    page.raw("<section>\n<h2>")
        .raw(title)
        .raw(" <small>")
        .raw(sentence)
        .raw("</small></h2>\n");
    for (at, assessment) in assessments.iter().enumerate() {
        card::write(
            page,
            assessment,
            look,
            at < UNFOLDED && look != Look::Accepted,
        );
    }
    page.raw("</section>\n");
}

fn closed_table(page: &mut Page, closed: &[&Assessment]) {
    if closed.is_empty() {
        return;
    }
    page.raw("<section>\n<h2>Closed <small>and what keeps it so</small></h2>\n<table>\n")
        .raw("<thead><tr><th>Bucket</th><th>Account</th><th>Because</th></tr></thead>\n<tbody>\n");
    for assessment in closed {
        let bucket = &assessment.bucket;
        page.raw("<tr><td>").text(&bucket.name);
        if let Some(id) = assessment.id.as_deref().filter(|id| *id != bucket.name) {
            page.raw(" <span class=\"small\">").text(id).raw("</span>");
        }
        page.raw("</td><td>")
            .text(bucket.owner_account.as_deref().unwrap_or("–"))
            .raw("</td><td>")
            .text(&describe::closed_story(assessment))
            .raw("</td></tr>\n");
    }
    page.raw("</tbody>\n</table>\n</section>\n");
}

fn problems(page: &mut Page, report: &Report<'_>) {
    if report.problems.is_empty() {
        return;
    }
    page.raw(
        "<section>\n<h2>Not read <small>what could not be read or understood</small></h2>\n<ul>\n",
    );
    for problem in report.problems {
        page.raw("<li>").text(&problem.to_string()).raw("</li>\n");
    }
    page.raw("</ul>\n</section>\n");
}

fn footer(page: &mut Page, report: &Report<'_>) {
    page.raw("<footer>\n<p><b>How to read this.</b> A bucket is open when some request that nobody trusted its \
              sender for would be allowed, with bucket policy, ACL, Object Ownership and Block Public Access taken \
              together. Each open bucket shows such a request. A bucket is closed when it was proved that there is \
              none. What is neither is undecided, and counted as open.</p>\n");
    let mut layers: Vec<_> = report
        .assessments
        .iter()
        .flat_map(|assessment| assessment.verdict.not_considered.iter().copied())
        .collect();
    layers.sort_unstable();
    layers.dedup();
    if !layers.is_empty() {
        let names: Vec<&str> = layers
            .into_iter()
            .map(|layer| describe::layer(layer).1)
            .collect();
        page.raw("<p><b>Outside the input</b>, for some or all buckets, and so not considered: ")
            .text(&names.join(", "))
            .raw(".</p>\n");
    }
    page.raw("</footer>\n");
}
