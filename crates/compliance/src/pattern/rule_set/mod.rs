//! The fast reading: many patterns against one event.
//!
//! Built once, from all patterns: the **names** of their fields as a tree of steps ([`names`]); for each
//! field an index from values to what they satisfy ([`values`]); and a **decision tree** over the
//! fields' predicates ([`decide`]). A predicate is a field with its list of conditions, one for all
//! patterns that share it.
//!
//! An event is then read once, as text, without building a tree ([`reader`]): what no pattern names is
//! skipped, and reading ends where nothing is left that a pattern names. Each value is looked up, not
//! compared: exact values by hash, prefixes and suffixes by binary search, numbers in an interval tree,
//! address blocks by their mask, wildcards by a piece that their text must have. What is satisfied is
//! followed down the decision tree, so that the cost depends on how many shapes of patterns there are,
//! not on how many patterns. Values inside arrays of objects are checked for array consistency at the
//! end, only for patterns that got that far ([`elements`]).
//!
//! No step is worse than linear in the event for one pattern: a wildcard is searched piece by piece,
//! each time behind the last, and nothing goes back. Tests count the steps ([`work`]).

mod affixes;
mod build;
mod decide;
mod elements;
mod names;
mod ranges;
mod reader;
mod seen;
mod short;
mod values;
mod walk;
mod wildcards;
mod work;

use std::cell::RefCell;

use serde_json::Value;

use super::EventPattern;
use decide::Decisions;
use names::Names;
use seen::Seen;
use values::Values;

/// Patterns, ready to be matched all at once; each has an id.
///
/// ```
/// use compliance::pattern::{EventPattern, RuleSet};
///
/// let rules = RuleSet::new([
///     ("public", EventPattern::parse(r#"{"detail": {"complianceType": ["NON_COMPLIANT"]}}"#)?),
///     ("s3", EventPattern::parse(r#"{"source": [{"prefix": "aws.s3"}]}"#)?),
/// ]);
/// let event = r#"{"source": "aws.config", "detail": {"complianceType": "NON_COMPLIANT"}}"#;
/// assert_eq!(rules.matching(event)?, [&"public"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RuleSet<Id> {
    ids: Vec<Id>,
    tables: Tables,
}

/// What the patterns became. Matching knows no ids, so that it is compiled here and once.
#[derive(Debug)]
struct Tables {
    names: Names,
    /// One for each field that the names lead to.
    values: Vec<Values>,
    decisions: Decisions,
}

/// Why an event's text cannot be matched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event is no JSON object: {problem} at byte {at}; send the event as one object")]
pub struct EventError {
    /// What is wrong.
    pub problem: &'static str,
    /// The byte where it was seen.
    pub at: usize,
}

thread_local! {
    /// What a thread learnt of the event before, kept for its memory only.
    static SEEN: RefCell<Seen> = RefCell::default();
}

impl<Id> RuleSet<Id> {
    /// Makes them ready. Several patterns may have the same id.
    pub fn new(patterns: impl IntoIterator<Item = (Id, EventPattern)>) -> RuleSet<Id> {
        let (ids, patterns): (Vec<Id>, Vec<EventPattern>) = patterns.into_iter().unzip();
        let tables = build::tables(&patterns);
        RuleSet { ids, tables }
    }

    /// The ids of the patterns that match an event, in the order of the patterns.
    ///
    /// The event is a JSON object in which no object has a name twice, such as `serde_json` writes it:
    /// of a name that stands twice, the first may count. What no pattern asks about is skipped and not
    /// checked.
    ///
    /// # Errors
    ///
    /// The text is no JSON object, as far as it was read.
    pub fn matching(&self, event: &str) -> Result<Vec<&Id>, EventError> {
        SEEN.with_borrow_mut(|seen| {
            let rules = self.tables.matching(event, seen)?;
            Ok(self.named(rules))
        })
    }

    /// The ids of the patterns that match an event, in the order of the patterns. What is not an object
    /// matches nothing.
    pub fn matching_value(&self, event: &Value) -> Vec<&Id> {
        SEEN.with_borrow_mut(|seen| self.named(self.tables.matching_value(event, seen)))
    }

    fn named(&self, rules: &[u32]) -> Vec<&Id> {
        rules.iter().map(|rule| &self.ids[*rule as usize]).collect()
    }

    /// How many patterns there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

impl Tables {
    /// The rules that match an event.
    fn matching<'s>(&self, event: &str, seen: &'s mut Seen) -> Result<&'s [u32], EventError> {
        seen.begin(self);
        match reader::read(event, self, seen) {
            Ok(()) => {}
            Err(reader::Stop::Malformed(error)) => return Err(error),
            Err(reader::Stop::Dotted) => {
                let event = serde_json::from_str(event).map_err(|error| EventError {
                    problem: "a value is malformed",
                    at: error.column(),
                })?;
                seen.begin(self);
                walk::walk(&event, self, seen);
            }
        }
        Ok(self.decisions.matching(seen))
    }

    fn matching_value<'s>(&self, event: &Value, seen: &'s mut Seen) -> &'s [u32] {
        if !event.is_object() {
            return &[];
        }
        seen.begin(self);
        walk::walk(event, self, seen);
        self.decisions.matching(seen)
    }
}
