//! JUnit's XML, as CI systems show it: a suite per rule, a case per bucket.
//!
//! Open is a failure, undecided an error, and what an exception or the baseline accepts is skipped.

use std::borrow::Cow;
use std::fmt::Write;

use super::Report;
use super::finding::{Finding, findings};
use crate::rules;

pub(super) fn render(report: &Report<'_>) -> String {
    let all: Vec<Finding<'_>> = findings(report).collect();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let suites: Vec<Suite> = rules::PUBLIC_ACCESS
        .iter()
        .map(|rule| {
            let cases = all
                .iter()
                .filter(|finding| finding.rule.identifier() == rule.identifier());
            Suite::of_rule(*rule, cases)
        })
        .chain((!report.problems.is_empty()).then(|| Suite::of_problems(report)))
        .collect();
    let total = |count: fn(&Suite) -> usize| suites.iter().map(count).sum::<usize>();
    let _ = writeln!(
        out,
        "<testsuites name=\"portcullis {}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"0\">",
        attribute(report.command),
        total(|s| s.tests),
        total(|s| s.failures),
        total(|s| s.errors),
    );
    let time = report.at.strftime("%Y-%m-%dT%H:%M:%S");
    for suite in suites {
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"0\" timestamp=\"{time}\">",
            attribute(&suite.name),
            suite.tests,
            suite.failures,
            suite.errors,
            suite.skipped,
        );
        out.push_str(&suite.cases);
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

struct Suite {
    name: String,
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
    cases: String,
}

impl Suite {
    fn new(name: &str) -> Suite {
        Suite {
            name: name.to_owned(),
            tests: 0,
            failures: 0,
            errors: 0,
            skipped: 0,
            cases: String::new(),
        }
    }

    fn of_rule<'a>(
        rule: &dyn rules::PublicAccessRule,
        findings: impl Iterator<Item = &'a Finding<'a>>,
    ) -> Suite {
        let mut suite = Suite::new(rule.name());
        for finding in findings {
            let name = match &finding.assessment.id {
                Some(id) if *id != finding.assessment.bucket.name => {
                    format!("{} ({id})", finding.assessment.bucket.name)
                }
                _ => finding.assessment.bucket.name.clone(),
            };
            let mut story = finding.message();
            if let Some(source) = &finding.assessment.source {
                story.push_str(&format!("\nIn {}", source.file));
                if let Some(line) = finding.line() {
                    story.push_str(&format!(", line {line}"));
                }
            }
            if let Some(remedy) = finding.remediation().filter(|_| finding.fails()) {
                story.push_str(&format!("\nTo close it: {remedy}"));
            }
            let (kind, message) = if !finding.fails() {
                (None, String::new())
            } else if finding.is_accepted() {
                (Some("skipped"), finding.acceptance())
            } else if finding.is_undecided() {
                (Some("error"), finding.title())
            } else {
                (Some("failure"), finding.title())
            };
            suite.case(rule.name(), &name, kind, &message, &story);
        }
        suite
    }

    fn of_problems(report: &Report<'_>) -> Suite {
        let mut suite = Suite::new("inputs");
        for problem in report.problems {
            let name = problem.bucket.as_deref().unwrap_or(&problem.file);
            suite.case(
                "inputs",
                name,
                Some("error"),
                &problem.message,
                &problem.to_string(),
            );
        }
        suite
    }

    fn case(&mut self, class: &str, name: &str, kind: Option<&str>, message: &str, story: &str) {
        self.tests += 1;
        let _ = write!(
            self.cases,
            "    <testcase classname=\"{}\" name=\"{}\" time=\"0\"",
            attribute(class),
            attribute(name)
        );
        let Some(kind) = kind else {
            self.cases.push_str("/>\n");
            return;
        };
        match kind {
            "failure" => self.failures += 1,
            "error" => self.errors += 1,
            _ => self.skipped += 1,
        }
        let message = attribute(message);
        let _ = match kind {
            "skipped" => writeln!(
                self.cases,
                ">\n      <skipped message=\"{message}\"/>\n    </testcase>"
            ),
            kind => writeln!(
                self.cases,
                ">\n      <{kind} message=\"{message}\" type=\"{}\">{}</{kind}>\n    </testcase>",
                attribute(class),
                content(story)
            ),
        };
    }
}

/// Text of an element. Characters that XML 1.0 does not have are written visibly.
fn content(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                out.extend(c.escape_unicode());
            }
            c => out.push(c),
        }
    }
    out
}

/// Text of an attribute in double quotes.
fn attribute(text: &str) -> Cow<'_, str> {
    let text = content(text);
    Cow::Owned(
        text.replace('"', "&quot;")
            .replace('\n', "&#10;")
            .replace('\t', "&#9;"),
    )
}
