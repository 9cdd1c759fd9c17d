//! Tables for a terminal. Whatever stands in a cell may be written by an attacker.

use compliance::report::visible;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::exit::Failure;
use crate::output::print;

/// Aligned columns with a heading. The last column is not filled up.
pub(super) fn columns(heading: &[&str], rows: &[Vec<String>]) -> String {
    let clean: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| visible(cell).into_owned()).collect())
        .collect();
    let mut widths: Vec<usize> = heading.iter().map(|name| name.chars().count()).collect();
    for row in &clean {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (index, (cell, width)) in cells.zip(&widths).enumerate() {
            if index > 0 {
                text.push_str("  ");
            }
            text.push_str(cell);
            if index + 1 < widths.len() {
                text.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
            }
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    };
    let mut text = line(&mut heading.iter().copied());
    for row in &clean {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

/// A moment, to the second.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// How long ago, roughly.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    format!("{} ago", span(now.duration_since(at)))
}

/// A duration, roughly: its largest unit, and the next if that one is small.
pub(super) fn span(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) if seconds == 0 => format!("{} ms", duration.as_millis().max(0)),
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// Prints a JSON object with its version.
pub(super) fn json(mut object: Value) -> Result<(), Failure> {
    if let Some(members) = object.as_object_mut() {
        members.insert("schema_version".to_owned(), 1.into());
    }
    print(&format!("{object:#}\n"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn columns_are_aligned_and_hide_nothing() {
        let rows = vec![
            vec!["a".to_owned(), "x\u{1b}[31m".to_owned()],
            vec!["long".to_owned(), "y".to_owned()],
        ];
        let text = columns(&["name", "what"], &rows);
        assert!(text.starts_with("name  what\na     x"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(text.ends_with("long  y\n"));
    }

    #[test]
    fn spans_are_short() {
        for (seconds, shown) in [
            (-1, "0 ms"),
            (59, "59 s"),
            (60, "1 min"),
            (3_600, "1 h"),
            (3_660, "1 h 1 min"),
            (86_400, "1 d"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(span(SignedDuration::from_secs(seconds)), shown);
        }
        let at: Timestamp = "2026-01-01T00:00:00.123Z".parse().unwrap();
        assert_eq!(moment(at), "2026-01-01 00:00:00Z");
    }
}
