//! What is wrong with a configuration file, or risky in it: where, what, and what to do.

use std::fmt;

use compliance::report::visible;

use super::place::{KeyPath, Map, Place};

/// One thing to say about the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Whether the file can be used all the same.
    pub(crate) level: Level,
    /// The value that it is about.
    pub(crate) path: KeyPath,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: Option<String>,
    /// Where the value stands in the file.
    pub(crate) place: Option<Place>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// The file cannot be used.
    Error,
    /// It can, and probably does not do what was meant, or is risky.
    Warning,
}

impl Problem {
    /// An error.
    pub(crate) fn error(path: KeyPath, message: impl Into<String>) -> Problem {
        Problem {
            level: Level::Error,
            path,
            message: message.into(),
            hint: None,
            place: None,
        }
    }

    /// A warning.
    pub(crate) fn warning(path: KeyPath, message: impl Into<String>) -> Problem {
        Problem {
            level: Level::Warning,
            ..Problem::error(path, message)
        }
    }

    /// The same with advice.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }

    /// The same with its place in the file.
    #[must_use]
    pub(crate) fn placed(mut self, map: &Map<'_>) -> Problem {
        self.place = self.place.or_else(|| map.locate(&self.path));
        self
    }

    /// What a TOML or serde error says, without any value that stands in the file: it may be a
    /// secret.
    pub(crate) fn of_toml(error: &toml::de::Error, map: &Map<'_>) -> Problem {
        let message = without_value(error.message());
        let (path, place) = match error.span() {
            Some(span) => (map.path_of(&span), Some(map.place(span.start))),
            None => (KeyPath::default(), None),
        };
        let mut problem = Problem::error(path, message.clone());
        problem.place = place;
        problem.hint = advice(&message);
        problem
    }

    /// The whole text, for people. `file` is the file's name.
    pub(crate) fn render(&self, file: &str) -> String {
        let level = match self.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        let mut text = format!("{level}: {}", visible(file));
        if let Some(Place { line, column }) = self.place {
            text.push_str(&format!(":{line}:{column}"));
        }
        if !self.path.0.is_empty() {
            text.push_str(&format!(": {}", self.path));
        }
        text.push_str(&format!(": {}", visible(&self.message)));
        if let Some(hint) = &self.hint {
            text.push_str(&format!("\n  hint: {}", visible(hint)));
        }
        text
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// serde repeats a string that stands where something else belongs.
fn without_value(message: &str) -> String {
    for start in ["invalid type: string \"", "invalid value: string \""] {
        if message.starts_with(start)
            && let Some(rest) = message.rfind("\", expected ")
        {
            return format!(
                "{} a string{}",
                &start[..start.find(':').map_or(0, |at| at + 1)],
                &message[rest + 1..]
            );
        }
    }
    message.trim().to_owned()
}

/// What serde's list of allowed names makes of an unknown one.
fn advice(message: &str) -> Option<String> {
    let (said, allowed) = message.split_once(", expected ")?;
    if !said.starts_with("unknown ") {
        return None;
    }
    let wrong = quoted(said).next()?;
    let allowed: Vec<&str> = quoted(allowed).collect();
    nearest(wrong, allowed.iter().copied()).map(|near| format!("did you mean `{near}`?"))
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The name that was probably meant.
pub(crate) fn nearest<'a>(
    wrong: &str,
    allowed: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let likeness = |name: &str| {
        strsim::normalized_damerau_levenshtein(
            &wrong.to_ascii_lowercase(),
            &name.to_ascii_lowercase(),
        )
    };
    allowed
        .into_iter()
        .map(|name| (likeness(name), name))
        .filter(|(alike, _)| *alike >= 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// Advice for a name that is none of these.
pub(crate) fn choose(wrong: &str, allowed: &[&str]) -> String {
    let near = nearest(wrong, allowed.iter().copied())
        .map(|near| format!("did you mean `{near}`? "))
        .unwrap_or_default();
    match allowed {
        [] => format!("{near}there is none yet"),
        _ => format!("{near}there is {}", allowed.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_the_wrong_place_is_not_repeated() {
        let said = "invalid type: string \"hun\", expected \\\"ter2\", expected a map";
        assert_eq!(
            without_value(said),
            "invalid type: a string, expected a map"
        );
        assert_eq!(without_value("missing field `id`\n"), "missing field `id`");
    }

    #[test]
    fn a_misspelled_name_is_advised() {
        let said = "unknown field `labell`, expected one of `id`, `label`";
        assert_eq!(advice(said).as_deref(), Some("did you mean `label`?"));
        let said = "unknown variant `emial`, expected `email` or `webhook`";
        assert_eq!(advice(said).as_deref(), Some("did you mean `email`?"));
        assert_eq!(advice("unknown field `zzz`, expected `id`"), None);
        assert_eq!(advice("missing field `id`"), None);
    }
}
