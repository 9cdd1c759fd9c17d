//! How it ended: a table for people, a document for programs.

use std::time::Duration;

use sandbox::estate;
use serde_json::{Value, json};

use super::Demo;
use super::closing::Closed;
use super::screen::{Paint, Screen};

/// A duration in milliseconds, for people.
pub(super) fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

/// The end of the demo.
#[derive(Clone, Debug)]
pub(super) struct Summary {
    closed: Vec<Closed>,
    broken: Vec<String>,
}

impl Demo {
    /// What happened, and whether it is what was promised.
    pub(super) fn summary(&mut self) -> Summary {
        let expected = estate::open().len() + estate::later().len();
        if self.closed.len() != expected {
            self.broken.push(format!(
                "{} buckets were closed, {expected} had to be",
                self.closed.len()
            ));
        }
        Summary {
            closed: self.closed.clone(),
            broken: self.broken.clone(),
        }
    }
}

impl Summary {
    pub(super) fn print(&self, screen: &mut Screen) {
        screen.heading("Summary");
        let head = [
            "BUCKET",
            "FOUND BY",
            "OPEN THROUGH",
            "BEFORE",
            "AFTER",
            "TIME TO CLOSE",
        ];
        let rows: Vec<[String; 6]> = self
            .closed
            .iter()
            .map(|one| {
                [
                    one.bucket.clone(),
                    one.found_by.to_owned(),
                    one.through.to_owned(),
                    one.before.summary(),
                    one.after.summary(),
                    milliseconds(one.took),
                ]
            })
            .collect();
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].len());
            cells.chain([head[column].len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let line = |cells: &[&str]| {
            let cells = cells.iter().zip(&widths).enumerate();
            let cells = cells.map(|(column, (cell, width))| {
                if column == 5 {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            });
            cells.collect::<Vec<_>>().join("  ")
        };
        let text = line(&head);
        let text = screen.paint(Paint::Dim, &text);
        screen.say(&text);
        for row in &rows {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            screen.say(&line(&cells));
        }
        screen.say("");
        let by_event = self.closed.iter().filter(|one| one.found_by != "scan");
        let slowest = by_event
            .clone()
            .map(|one| one.took)
            .max()
            .unwrap_or_default();
        screen.say(&format!(
            "{} buckets found open and closed, {} of them by event within {}.",
            self.closed.len(),
            by_event.count(),
            milliseconds(slowest)
        ));
        if self.broken.is_empty() {
            let text = screen.paint(Paint::Closed, "All that was promised held.");
            screen.say(&text);
        } else {
            let text = screen.paint(Paint::Open, "Not all that was promised held:");
            screen.say(&text);
            for broken in &self.broken {
                screen.say(&format!("  {broken}"));
            }
        }
    }

    /// One JSON document.
    pub(super) fn json(&self, endpoint: &str) -> Value {
        let closed: Vec<Value> = self
            .closed
            .iter()
            .map(|one| {
                json!({
                    "bucket": one.bucket,
                    "found_by": one.found_by,
                    "through": one.through,
                    "explanation": one.explanation,
                    "request": {"caller": one.caller, "command": one.command},
                    "before": {"status": one.before.status, "code": one.before.code, "shown": one.before.shown()},
                    "after": {"status": one.after.status, "code": one.after.code},
                    "closed_by": one.by,
                    "milliseconds_to_close": one.took.as_secs_f64() * 1000.0,
                    "remediation": one.id,
                })
            })
            .collect();
        let controls: Vec<&str> = estate::closed()
            .iter()
            .map(|example| example.name)
            .collect();
        json!({
            "schema_version": 1,
            "endpoint": endpoint,
            "closed": closed,
            "controls": controls,
            "held": self.broken.is_empty(),
            "broken": self.broken,
        })
    }
}
