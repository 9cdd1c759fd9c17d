//! Places in the configuration file: key paths, and the lines and columns where they stand.

use std::fmt;
use std::ops::Range;

use compliance::report::visible;
use toml::de::{DeTable, DeValue};

/// The way to a value: `subscription[0].topic`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyPath(pub(crate) Vec<Step>);

/// One step of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// A member of a table.
    Key(String),
    /// An element of an array, from 0.
    Index(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Step {
        Step::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Step {
        Step::Index(index)
    }
}

/// A key path from its steps.
macro_rules! at {
    ($($step:expr),* $(,)?) => {
        $crate::config::place::KeyPath(vec![$($crate::config::place::Step::from($step)),*])
    };
}
pub(crate) use at;

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(number) => write!(f, "[{number}]")?,
                Step::Key(key) => {
                    let dot = if index == 0 { "" } else { "." };
                    write!(f, "{dot}{}", visible(key))?;
                }
            }
        }
        Ok(())
    }
}

/// A line and a column, in characters, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// The text of a file, and where what stands in it.
#[derive(Debug)]
pub(crate) struct Map<'a> {
    text: &'a str,
    table: Option<DeTable<'a>>,
}

impl<'a> Map<'a> {
    /// The places of a text. One that is no TOML has none but those that are asked for by offset.
    pub(crate) fn of(text: &'a str) -> Map<'a> {
        let table = DeTable::parse(text).ok().map(|table| table.into_inner());
        Map { text, table }
    }

    /// Where a byte stands.
    pub(crate) fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// Where a value stands; if it does not, the innermost table around it that does.
    pub(crate) fn locate(&self, path: &KeyPath) -> Option<Place> {
        let mut table = self.table.as_ref()?;
        let mut found = None;
        let mut steps = path.0.iter();
        while let Some(Step::Key(key)) = steps.next() {
            let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref() == key) else {
                break;
            };
            found = Some(name.span());
            let mut value = value;
            let mut rest = steps.clone();
            while let (Some(Step::Index(index)), DeValue::Array(array)) =
                (rest.next(), value.get_ref())
            {
                let Some(element) = array.get(*index) else {
                    break;
                };
                found = Some(element.span());
                value = element;
                steps.next();
            }
            match value.get_ref() {
                DeValue::Table(inner) => table = inner,
                _ => break,
            }
        }
        found.map(|span| self.place(span.start))
    }

    /// The path of the innermost value around a span.
    pub(crate) fn path_of(&self, span: &Range<usize>) -> KeyPath {
        let mut path = KeyPath::default();
        if let Some(table) = &self.table {
            descend(table, span, &mut path.0);
        }
        path
    }
}

fn descend(table: &DeTable<'_>, span: &Range<usize>, path: &mut Vec<Step>) {
    for (key, value) in table {
        let name = || Step::Key(key.get_ref().to_string());
        if contains(&key.span(), span) {
            path.push(name());
            return;
        }
        let before = path.len();
        path.push(name());
        if within(value.get_ref(), &value.span(), span, path) {
            return;
        }
        path.truncate(before);
    }
}

/// Whether the span is in this value; then the path goes there.
fn within(
    value: &DeValue<'_>,
    own: &Range<usize>,
    span: &Range<usize>,
    path: &mut Vec<Step>,
) -> bool {
    match value {
        // A table that was opened by a header has members outside the span of its header, so that only
        // they can tell.
        DeValue::Table(table) => {
            let before = path.len();
            descend(table, span, path);
            path.len() > before || contains(own, span)
        }
        DeValue::Array(array) => {
            for (index, element) in array.iter().enumerate() {
                let before = path.len();
                path.push(Step::Index(index));
                if within(element.get_ref(), &element.span(), span, path) {
                    return true;
                }
                path.truncate(before);
            }
            contains(own, span)
        }
        _ => contains(own, span),
    }
}

fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const TEXT: &str = "\
[[account]]
id = \"a\"

[[account]]
id = \"b\"
label = \"é\"

[escalation]
steps = [{ after = \"1h\", topics = [\"x\", \"y\"] }]
";

    #[test]
    fn a_path_leads_to_a_place_and_back() {
        let map = Map::of(TEXT);
        for (path, text, line) in [
            (at!["account", 1, "label"], "label", 6),
            (at!["account", 1], "[[account]]", 4),
            (at!["escalation", "steps", 0, "topics", 1], "\"y\"", 9),
        ] {
            let place = map.locate(&path).unwrap();
            assert_eq!(place.line, line, "{path}");
            let offset = TEXT.match_indices(text).map(|(at, _)| at).find(|at| {
                let here = map.place(*at);
                here == place
            });
            assert!(offset.is_some(), "{path}: {place:?}");
            let offset = offset.unwrap();
            assert_eq!(map.path_of(&(offset..offset + text.len())), path);
        }
        assert_eq!(
            at!["escalation", "steps", 0, "topics", 1].to_string(),
            "escalation.steps[0].topics[1]"
        );
    }

    #[test]
    fn what_is_not_there_is_sought_around() {
        let map = Map::of(TEXT);
        let around = map.locate(&at!["account", 1, "region"]).unwrap();
        assert_eq!(around.line, 4);
        assert_eq!(map.locate(&at!["mail"]), None);
        assert_eq!(map.place(usize::MAX).line, 10);
        assert_eq!(Map::of("x = ").locate(&at!["x"]), None);
    }
}
