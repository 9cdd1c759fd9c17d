//! The plain reading: one branch of a pattern against one event.
//!
//! The branch is followed down the event. An object asks each of its members for the fields below it;
//! an array lets one element answer for all the fields that its scalars do not satisfy, which is what
//! array consistency means. Each value is seen at most twice for a branch.

use serde_json::{Map, Value};

use super::condition::Condition;
use super::{Branch, Field};

/// Whether the fields of a branch hold for an event.
pub(super) fn holds(branch: &Branch, event: &Value) -> bool {
    let wanted: Vec<Wanted<'_>> = branch.fields.iter().map(Wanted::new).collect();
    look(event, &wanted) != Outcome::Fails
}

/// A field below some value: what is left of its name.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    steps: &'a [String],
    conditions: &'a [Condition],
    /// Whether it may be missing.
    may_miss: bool,
}

/// How some fields fare below a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// One of them does not hold.
    Fails,
    /// All hold, because all are missing and may be.
    Missing,
    /// All hold, and at least one has a value here.
    Found,
}

impl Outcome {
    fn and(self, other: Outcome) -> Outcome {
        match (self, other) {
            (Outcome::Fails, _) | (_, Outcome::Fails) => Outcome::Fails,
            (Outcome::Missing, Outcome::Missing) => Outcome::Missing,
            _ => Outcome::Found,
        }
    }
}

impl<'a> Wanted<'a> {
    fn new(field: &'a Field) -> Wanted<'a> {
        Wanted {
            steps: &field.steps,
            conditions: &field.conditions,
            may_miss: field.conditions.contains(&Condition::Absent),
        }
    }

    fn met_by(&self, value: &Value) -> bool {
        self.conditions
            .iter()
            .any(|condition| condition.holds(value))
    }

    fn missing(&self) -> Outcome {
        if self.may_miss {
            Outcome::Missing
        } else {
            Outcome::Fails
        }
    }
}

fn look(value: &Value, wanted: &[Wanted<'_>]) -> Outcome {
    match value {
        Value::Object(members) => in_object(members, None, wanted),
        Value::Array(elements) => in_array(elements, wanted),
        scalar => all(wanted, |field| match field.steps {
            [] if field.met_by(scalar) => Outcome::Found,
            [] => Outcome::Fails,
            _ => field.missing(),
        }),
    }
}

fn all(wanted: &[Wanted<'_>], outcome: impl Fn(&Wanted<'_>) -> Outcome) -> Outcome {
    wanted
        .iter()
        .map(outcome)
        .fold(Outcome::Missing, Outcome::and)
}

/// Looks for fields in the members of an object; `name` is the start of a member's name that has dots.
fn in_object(members: &Map<String, Value>, name: Option<&str>, wanted: &[Wanted<'_>]) -> Outcome {
    let mut outcome = Outcome::Missing;
    let mut rest: Vec<Wanted<'_>> = wanted.to_vec();
    while let Some(field) = rest.first().copied() {
        let Some((step, _)) = field.steps.split_first() else {
            outcome = outcome.and(field.missing());
            rest.remove(0);
            continue;
        };
        let (below, others): (Vec<_>, Vec<_>) = rest
            .into_iter()
            .partition(|field| field.steps.first() == Some(step));
        rest = others;
        let below: Vec<_> = below
            .into_iter()
            .map(|field| Wanted {
                steps: &field.steps[1..],
                ..field
            })
            .collect();
        let name = match name {
            None => step.clone(),
            Some(name) => format!("{name}.{step}"),
        };
        outcome = outcome.and(match members.get(&name) {
            Some(value) => look(value, &below),
            None => in_object(members, Some(&name), &below),
        });
    }
    outcome
}

fn in_array(elements: &[Value], wanted: &[Wanted<'_>]) -> Outcome {
    let (nested, scalars): (Vec<_>, Vec<_>) = elements
        .iter()
        .partition(|element| element.is_object() || element.is_array());
    // Scalars belong to no element that excludes another: each field takes whichever it likes.
    let mut outcome = Outcome::Missing;
    let mut rest = Vec::new();
    for field in wanted {
        if field.steps.is_empty() && scalars.iter().any(|scalar| field.met_by(scalar)) {
            outcome = Outcome::Found;
        } else {
            rest.push(Wanted {
                may_miss: field.may_miss && (scalars.is_empty() || !field.steps.is_empty()),
                ..*field
            });
        }
    }
    let answers: Vec<Outcome> = nested.iter().map(|element| look(element, &rest)).collect();
    if answers.contains(&Outcome::Found) {
        return Outcome::Found;
    }
    // No element has what is left, so that it has to be missing in all.
    let missing = answers
        .iter()
        .fold(all(&rest, |field| field.missing()), |all, one| {
            all.and(*one)
        });
    outcome.and(missing)
}
