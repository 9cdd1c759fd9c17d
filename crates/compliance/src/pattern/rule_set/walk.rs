//! Reads an event that is a JSON value already.
//!
//! This also finds names with dots in members' names, which the reader of texts leaves to it.

use serde_json::{Map, Value};

use super::super::number::Number;
use super::Tables;
use super::names::NONE;
use super::seen::Seen;
use super::values::Scalar;

/// Notes the event's values.
pub(super) fn walk(event: &Value, rules: &Tables, seen: &mut Seen) {
    Walk { rules, seen }.value(event, 0, 0);
}

struct Walk<'a> {
    rules: &'a Tables,
    seen: &'a mut Seen,
}

impl Walk<'_> {
    fn value(&mut self, value: &Value, name: u32, element: u32) {
        match value {
            Value::Object(members) => self.members(members, None, name, element),
            Value::Array(elements) => {
                let mut array = None;
                for value in elements {
                    if value.is_object() || value.is_array() {
                        let inner = self.seen.open(element, array);
                        array.get_or_insert(inner);
                        self.value(value, name, inner);
                        self.seen.close(inner);
                    } else {
                        self.value(value, name, element);
                    }
                }
            }
            Value::Null => self.scalar(&Scalar::Null, name, element),
            Value::Bool(value) => self.scalar(&Scalar::Bool(*value), name, element),
            Value::Number(number) => {
                self.scalar(&Scalar::Number(Number::of(number)), name, element);
            }
            Value::String(text) => self.scalar(&Scalar::Text(text), name, element),
        }
    }

    /// Looks for the next steps of a name in an object's members; `start` is the start of a member's
    /// name that has dots. Of several spellings the one with the shortest member's name counts.
    fn members(
        &mut self,
        members: &Map<String, Value>,
        start: Option<&str>,
        name: u32,
        element: u32,
    ) {
        let rules = self.rules;
        for (step, next) in &rules.names.get(name).below {
            let member = match start {
                None => step.to_string(),
                Some(start) => format!("{start}.{step}"),
            };
            match members.get(&member) {
                Some(value) => self.value(value, *next, element),
                None => self.members(members, Some(&member), *next, element),
            }
        }
    }

    fn scalar(&mut self, scalar: &Scalar<'_>, name: u32, element: u32) {
        let field = self.rules.names.get(name).field;
        if field != NONE {
            note(self.rules, self.seen, field, element, scalar);
        }
    }
}

/// Notes one value of a field.
pub(super) fn note(rules: &Tables, seen: &mut Seen, field: u32, element: u32, scalar: &Scalar<'_>) {
    seen.leaf(field, element);
    let values = &rules.values[field as usize];
    if values.folds() {
        let mut folded = std::mem::take(&mut seen.folded);
        values.facts(scalar, &mut folded, |fact| seen.fact(fact));
        seen.folded = folded;
    } else {
        values.facts(scalar, &mut String::new(), |fact| seen.fact(fact));
    }
}
