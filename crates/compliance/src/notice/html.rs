//! A notice as one HTML page in a mail: nothing is loaded from anywhere, every text is escaped.

use super::body::{Part, parts};
use super::{Notice, NoticeKind, Severity, words};
use crate::report::html::page::Page;
use crate::report::visible;

/// Styles that mail readers understand: plain selectors, no variables.
const STYLE: &str = "body{margin:0;background:#f6f5f2;color:#1d2129;font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif}\
main{max-width:44rem;margin:0 auto;padding:1.5rem;background:#ffffff;border-top:4px solid #5c6470}\
main.open{border-top-color:#b3261e}main.closed{border-top-color:#2e6b45}main.unsure{border-top-color:#8a5a00}\
h1{font-size:1.25rem;line-height:1.35;margin:0 0 1rem;overflow-wrap:anywhere}\
h2{font-size:.95rem;margin:1.4rem 0 .4rem;color:#5c6470}\
table{border-collapse:collapse}td,th{text-align:left;vertical-align:top;padding:.15rem 1rem .15rem 0;overflow-wrap:anywhere}\
th{color:#5c6470;font-weight:normal;white-space:nowrap}\
pre{background:#f3f1ec;border:1px solid #e2dfd8;border-radius:.4rem;padding:.7rem .9rem;margin:.3rem 0;white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.5 ui-monospace,Menlo,Consolas,monospace}\
p.note,footer{color:#5c6470;font-size:.85rem;overflow-wrap:anywhere}\
a{color:#2c5a8c}a.first{display:inline-block;background:#2c5a8c;color:#ffffff;padding:.5rem 1rem;border-radius:.4rem;text-decoration:none}\
ul{padding-left:1.2rem}";

/// The notice as a page of HTML.
pub fn html(notice: &Notice) -> String {
    let mut page = Page::new();
    page.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
        .raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
        .raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n")
        .raw("<meta name=\"referrer\" content=\"no-referrer\">\n<title>")
        .text(&super::mail_subject(notice))
        .raw("</title>\n<style>")
        .raw(STYLE)
        .raw("</style>\n</head>\n<body>\n<main class=\"")
        .raw(look(notice))
        .raw("\">\n<h1>")
        .text(&visible(&words::headline(notice)))
        .raw("</h1>\n");
    for part in parts(notice) {
        match part {
            Part::Facts(facts) => {
                page.raw("<table>\n");
                for (name, value) in facts {
                    page.raw("<tr><th scope=\"row\">")
                        .raw(name)
                        .raw("</th><td>")
                        .text(&visible(&value))
                        .raw("</td></tr>\n");
                }
                page.raw("</table>\n");
            }
            Part::Verbatim { title, text, note } => {
                page.raw("<h2>").raw(title).raw("</h2>\n");
                if !text.is_empty() {
                    let text = text.replace("\r\n", "\n").replace('\t', "    ");
                    page.raw("<pre>").text(&text).raw("</pre>\n");
                }
                if let Some(note) = note {
                    page.raw("<p class=\"note\">")
                        .text(&visible(&note))
                        .raw("</p>\n");
                }
            }
            Part::List { title, lines } => {
                page.raw("<h2>").raw(title).raw("</h2>\n<ul>\n");
                for line in lines {
                    page.raw("<li>").text(&visible(&line)).raw("</li>\n");
                }
                page.raw("</ul>\n");
            }
            Part::Links(links) => {
                page.raw("<p>");
                for (at, (name, address)) in links.into_iter().enumerate() {
                    page.raw(if at == 0 { "" } else { " · " });
                    // Nothing but the web's own schemes: an address that is none is shown, not linked.
                    if address.starts_with("https://") || address.starts_with("http://") {
                        page.raw(if at == 0 {
                            "<a class=\"first\" href=\""
                        } else {
                            "<a href=\""
                        })
                        .text(&address)
                        .raw("\">")
                        .raw(name)
                        .raw("</a>");
                    } else {
                        page.raw(name).raw(": ").text(&address);
                    }
                }
                page.raw("</p>\n");
            }
        }
    }
    page.raw("<footer>Portcullis · notice ")
        .text(&notice.id)
        .raw(" · ")
        .text(&words::moment(notice.created_at))
        .raw("</footer>\n</main>\n</body>\n</html>\n");
    page.finish()
}

fn look(notice: &Notice) -> &'static str {
    match notice.kind {
        _ if notice.is_good_news() => "closed",
        kind if kind.is_about_subscription() => "plain",
        NoticeKind::Digest => "plain",
        _ if notice.severity >= Severity::High => "open",
        _ => "unsure",
    }
}
