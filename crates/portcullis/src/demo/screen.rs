//! What the demo says, and how: paced and coloured where a person reads along, plain elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use compliance::remediation::diff::Line;

use crate::output::Color;

/// Writes one line to standard output. `false`: nobody reads it.
pub(super) fn write(line: &str) -> bool {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}

/// How many lines that stay are shown beside a change. An ACL is mostly shown whole.
const BESIDE: usize = 3;

fn is_kept(line: &Line) -> bool {
    matches!(line, Line::Kept(_))
}

/// Where the demo talks to.
#[derive(Debug)]
pub(super) struct Screen {
    color: bool,
    paced: bool,
    silent: bool,
    gone: bool,
}

/// What a text stands out for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    Bold,
    Dim,
    Open,
    Closed,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Paint::Bold => "1",
            Paint::Dim => "2",
            Paint::Open => "1;31",
            Paint::Closed => "32",
        }
    }
}

impl Screen {
    /// Standard output, unless it is to be `silent`. `hurry` leaves the pauses out.
    pub(super) fn new(color: Color, silent: bool, hurry: bool) -> Screen {
        Screen {
            color: color.style().color,
            paced: io::stdout().is_terminal() && !hurry,
            silent,
            gone: false,
        }
    }

    /// Whether nobody reads any more: the pipe is closed.
    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    pub(super) fn paint(&self, paint: Paint, text: &str) -> String {
        if self.color {
            format!("\u{1b}[{}m{text}\u{1b}[0m", paint.code())
        } else {
            text.to_owned()
        }
    }

    /// One line.
    pub(super) fn say(&mut self, line: &str) {
        if self.silent || self.gone {
            return;
        }
        self.gone = !write(line);
    }

    /// A heading with room before it.
    pub(super) fn heading(&mut self, text: &str) {
        self.say("");
        let line = self.paint(Paint::Bold, &format!("== {text}"));
        self.say(&line);
        self.say("");
    }

    /// The lines of a diff, indented; of what stays only a few lines beside each change.
    pub(super) fn diff(&mut self, lines: &[Line]) {
        let mut left_out = false;
        for (index, line) in lines.iter().enumerate() {
            let near = index.saturating_sub(BESIDE)..(index + BESIDE + 1).min(lines.len());
            let text = match line {
                Line::Part(name) => format!("{name}:"),
                Line::Kept(_) if lines[near].iter().all(is_kept) => {
                    if !left_out {
                        self.say("              …");
                    }
                    left_out = true;
                    continue;
                }
                Line::Kept(text) => self.paint(Paint::Dim, &format!("    {text}")),
                Line::Removed(text) => self.paint(Paint::Open, &format!("  - {text}")),
                Line::Added(text) => self.paint(Paint::Closed, &format!("  + {text}")),
            };
            left_out = false;
            self.say(&format!("        {text}"));
        }
    }

    /// A moment to read, if somebody reads along.
    pub(super) async fn pause(&self, milliseconds: u64) {
        if self.paced && !self.silent && !self.gone {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        }
    }
}
