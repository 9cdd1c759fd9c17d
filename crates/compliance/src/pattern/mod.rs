//! EventBridge event patterns: which events a rule is about.
//!
//! A pattern is a JSON object shaped like the events that it matches. Every leaf is a list of values
//! and comparisons; a field matches if one of them does, the pattern if every field does. `$or` holds
//! alternatives. The whole documented language is here; `docs/event-patterns.md` shows it.
//!
//! Two readings of it, which tests hold together: [`EventPattern::matches`] is the plain one, one
//! pattern against one event; [`RuleSet`] is the fast one, all patterns at once against the event's
//! text.
//!
//! Sources, cited by title below: the Amazon EventBridge User Guide, pages "Creating event patterns",
//! "Event pattern syntax", "Comparison operators for use in event patterns", "Arrays in event
//! patterns" and "Null values and empty strings in event patterns"; and Event Ruler
//! (github.com/aws/event-ruler), the library that EventBridge matches with, where the guide is silent
//! or, as on numbers, says otherwise than the service behaves.
//!
//! # What a field is
//!
//! An event is read as a list of fields: names, joined by dots, with a scalar value each. `{"a": {"b":
//! 1}}` and `{"a.b": 1}` are the same field ("Creating event patterns", considerations). If one object
//! spells a name in both ways, the nested spelling counts. An array gives each element's value to the
//! same name; an empty array or object gives none, so that `{"exists": false}` holds for it.
//!
//! **Array consistency**: what the fields of a pattern match must not come from different elements of
//! one array (Event Ruler, "JSON array matching"). `exists: false` under an array then speaks of the
//! element that the other fields chose, and of all elements if none did. Event Ruler takes the fields
//! in alphabetical order there, so that the answer depends on their names; this module does not.

use std::sync::Arc;

mod address;
mod condition;
mod fold;
mod number;
mod parse;
mod plain;
mod problem;
mod rule_set;
mod wildcard;

use condition::Condition;

pub use problem::{PatternError, Problem};
pub use rule_set::{EventError, RuleSet};

/// The longest pattern, in characters (API reference, PutRule, `EventPattern`).
pub const MAX_CHARACTERS: usize = 4096;
/// How deep a pattern may be nested. The longest pattern allowed could nest deeper, a real one never.
pub const MAX_DEPTH: usize = 64;
/// How many alternatives a pattern may have once each `$or` is multiplied out. A bound of ours: three
/// pages of `$or` would otherwise make more alternatives than fit into memory.
pub const MAX_COMBINATIONS: usize = 1000;

/// An event pattern that AWS would take.
///
/// ```
/// use compliance::pattern::EventPattern;
///
/// let pattern = EventPattern::parse(r#"{"source": ["aws.config"], "detail": {"name": [{"prefix": "s3-"}]}}"#)?;
/// let event = serde_json::json!({"source": "aws.config", "detail": {"name": "s3-acl"}});
/// assert!(pattern.matches(&event));
///
/// let error = EventPattern::parse(r#"{"source": "aws.config"}"#).unwrap_err();
/// assert_eq!(error.to_string(), "$.source: a string stands where a list of values or an object should stand; write [\"aws.config\"]");
/// # Ok::<(), compliance::pattern::PatternError>(())
/// ```
#[derive(Clone, Debug)]
pub struct EventPattern {
    /// One of them has to hold: the alternatives that `$or` makes, multiplied out.
    branches: Vec<Branch>,
}

/// Fields that all have to hold.
#[derive(Clone, Debug)]
struct Branch {
    fields: Vec<Field>,
}

/// A field and the conditions of which one has to hold.
#[derive(Clone, Debug)]
struct Field {
    /// Its name, split at dots.
    steps: Arc<[String]>,
    conditions: Arc<[Condition]>,
}

impl EventPattern {
    /// Reads a pattern from its JSON text.
    ///
    /// # Errors
    ///
    /// What AWS refuses is refused: a leaf that is no list, an empty list or object, an unknown
    /// operator, an operator with a value that it does not take, a field given twice; and a pattern
    /// beyond [`MAX_CHARACTERS`], [`MAX_DEPTH`] or [`MAX_COMBINATIONS`]. The error names the place.
    pub fn parse(text: &str) -> Result<EventPattern, PatternError> {
        parse::pattern(text)
    }

    /// Reads a pattern from a JSON value, such as a table of a configuration file.
    ///
    /// # Errors
    ///
    /// As [`EventPattern::parse`].
    pub fn from_value(value: &serde_json::Value) -> Result<EventPattern, PatternError> {
        parse::pattern(&value.to_string())
    }

    /// Whether an event matches: the plain reading. What is not an object matches nothing.
    pub fn matches(&self, event: &serde_json::Value) -> bool {
        event.is_object()
            && self
                .branches
                .iter()
                .any(|branch| plain::holds(branch, event))
    }
}
