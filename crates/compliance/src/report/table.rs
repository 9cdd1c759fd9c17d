//! A table for a terminal: what is open first, one line a bucket.

use std::fmt::Write;

use policy::public::Access;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::describe::{self, visible};
use super::{Report, Standing};
use crate::assessment::Assessment;

/// How wide a cell may be: a long name must not make every line long.
const WIDEST: usize = 100;
/// How many buckets are listed in full when nobody asks for everything.
const FEW: usize = 20;

/// How a text is to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether colours may be used: only on a terminal that has them.
    pub color: bool,
}

/// What a text is to stand out for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    None,
    Bold,
    Red,
    Yellow,
    Green,
    Blue,
    Dim,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Paint::None => "",
            Paint::Bold => "1",
            Paint::Red => "1;31",
            Paint::Yellow => "33",
            Paint::Green => "32",
            Paint::Blue => "34",
            Paint::Dim => "2",
        }
    }
}

impl Style {
    pub(super) fn paint(self, paint: Paint, text: &str) -> String {
        if self.color && paint != Paint::None {
            format!("\u{1b}[{}m{text}\u{1b}[0m", paint.code())
        } else {
            text.to_owned()
        }
    }
}

struct Cell {
    text: String,
    paint: Paint,
}

fn cell(paint: Paint, text: impl Into<String>) -> Cell {
    Cell {
        text: shortened(text.into(), WIDEST),
        paint,
    }
}

/// A text of at most so many columns.
fn shortened(text: String, widest: usize) -> String {
    if text.width() <= widest {
        return text;
    }
    let mut width = 0;
    let mut short: String = text
        .chars()
        .take_while(|c| {
            width += c.width().unwrap_or(0);
            width < widest
        })
        .collect();
    short.push('…');
    short
}

pub(super) fn render(report: &Report<'_>, style: Style) -> String {
    let mut listed: Vec<(Standing, &Assessment)> = report
        .assessments
        .iter()
        .map(|assessment| (report.standing(assessment), assessment))
        .collect();
    // A stable sort: within a standing the order of the input stays.
    listed.sort_by_key(|(standing, _)| *standing);
    let all = report.full || listed.len() <= FEW;
    let left_out = if all {
        0
    } else {
        let before = listed.len();
        listed.retain(|(standing, _)| *standing != Standing::Closed);
        before - listed.len()
    };

    let mut out = String::new();
    if !listed.is_empty() {
        let rows: Vec<[Cell; 5]> = listed.iter().map(|(s, a)| row(*s, a)).collect();
        let notes = listed.iter().map(|(_, a)| notes(a, report.full));
        write_rows(&rows, notes, style, &mut out);
    }
    if left_out > 0 {
        let text = format!("… and {left_out} closed; --full lists them\n");
        out.push_str(&style.paint(Paint::Dim, &text));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out.push_str(&summary_line(report, style));
    out
}

fn row(standing: Standing, assessment: &Assessment) -> [Cell; 5] {
    let bucket = &assessment.bucket;
    let verdict = &assessment.verdict;
    let mut name = visible(&bucket.name).into_owned();
    if let Some(id) = assessment.id.as_deref().filter(|id| *id != bucket.name) {
        let _ = write!(name, " ({})", visible(id));
    }
    let account = bucket.owner_account.as_deref().unwrap_or("-");
    [
        cell(Paint::Bold, name),
        cell(Paint::Dim, visible(account)),
        access(standing, &verdict.read),
        access(standing, &verdict.write),
        // The last column may be as long as it needs to be understood.
        Cell {
            text: shortened(story(standing, assessment), 4 * WIDEST),
            paint: Paint::None,
        },
    ]
}

fn access(standing: Standing, access: &Access) -> Cell {
    let accepted = matches!(standing, Standing::Excepted | Standing::Known);
    if access.is_open() {
        cell(if accepted { Paint::Blue } else { Paint::Red }, "OPEN")
    } else if access.is_undecided() {
        cell(Paint::Yellow, "undecided")
    } else {
        cell(Paint::Green, "closed")
    }
}

/// Who gets in and how, or why nobody does, in one line.
fn story(standing: Standing, assessment: &Assessment) -> String {
    let story = describe::story(assessment);
    let story = visible(&story);
    match &assessment.exception {
        Some(id) => format!("exception {}: {story}", visible(id)),
        None if standing == Standing::Known => format!("known: {story}"),
        None => story.into_owned(),
    }
}

/// What else to say about a bucket. Exceptions that do not count are always said.
fn notes(assessment: &Assessment, full: bool) -> Vec<String> {
    assessment
        .verdict
        .advisories
        .iter()
        .filter(|advisory| full || advisory.code.starts_with("exception-"))
        .map(|advisory| format!("{}: {}", advisory.code, visible(&advisory.message)))
        .collect()
}

fn write_rows(
    rows: &[[Cell; 5]],
    notes: impl Iterator<Item = Vec<String>>,
    style: Style,
    out: &mut String,
) {
    let head = ["BUCKET", "ACCOUNT", "READ", "WRITE", "WHY"];
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].text.width())
            .chain([head[column].len()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..4).map(width).collect();
    let line = |cells: [(&str, Paint); 5], out: &mut String| {
        let mut text = String::new();
        for (column, (content, paint)) in cells.into_iter().enumerate() {
            text.push_str(&style.paint(paint, content));
            if let Some(width) = widths.get(column) {
                text.extend(std::iter::repeat_n(' ', width - content.width() + 2));
            }
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(head.map(|text| (text, Paint::Dim)), out);
    for (row, notes) in rows.iter().zip(notes) {
        let cells = [0, 1, 2, 3, 4].map(|column| (row[column].text.as_str(), row[column].paint));
        line(cells, out);
        for note in notes {
            out.push_str(&style.paint(Paint::Dim, &format!("  note: {note}")));
            out.push('\n');
        }
    }
}

fn summary_line(report: &Report<'_>, style: Style) -> String {
    let summary = report.summary();
    let mut parts = Vec::new();
    if summary.open > 0 {
        let detail = format!(
            "{} open ({} for reading, {} for writing)",
            summary.open, summary.open_read, summary.open_write
        );
        parts.push(style.paint(Paint::Red, &detail));
    }
    let mut count = |number: usize, word: &str, paint| {
        if number > 0 {
            parts.push(style.paint(paint, &format!("{number} {word}")));
        }
    };
    count(summary.undecided, "undecided", Paint::Yellow);
    count(summary.known, "known from the baseline", Paint::Blue);
    count(summary.excepted, "excepted", Paint::Blue);
    count(summary.closed, "closed", Paint::Green);
    count(
        summary.problems,
        if summary.problems == 1 {
            "problem"
        } else {
            "problems"
        },
        Paint::Yellow,
    );
    let noun = if summary.buckets == 1 {
        "bucket"
    } else {
        "buckets"
    };
    let mut line = format!("{} {noun}", summary.buckets);
    if !parts.is_empty() {
        let _ = write!(line, ": {}", parts.join(", "));
    }
    line.push('\n');
    line
}
