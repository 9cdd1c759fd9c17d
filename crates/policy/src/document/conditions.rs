//! Reads `Condition` (IAM user guide, "IAM JSON policy elements: Condition").

use std::collections::HashMap;

use super::read::{Place, Reader};
use crate::condition::{self, Condition, Operator, SetOperator, Value};
use crate::json::{Json, Member, Node, Path, Shown};
use crate::spelling::did_you_mean;

const IF_EXISTS: &str = "IfExists";

/// `ForAllValues:StringEqualsIfExists`, taken apart.
#[derive(Clone, Copy)]
struct Test {
    set: Option<SetOperator>,
    operator: Operator,
    if_exists: bool,
}

impl Reader<'_> {
    /// The conditions of a statement. One that is in doubt as a whole is left out, so that the
    /// statement is read as wide as it could be meant; one with a doubtful value keeps it.
    pub(super) fn conditions(&mut self, node: &Node<'_>, path: Path<'_>) -> Vec<Condition> {
        let mut conditions = Vec::new();
        let Json::Object(operators) = &node.value else {
            let message = format!(
                "`Condition` is an object of operators, this is {}",
                node.value.kind()
            );
            let place = Place {
                path,
                at: node.span.start,
            };
            self.doubt("wrong-type", message, None, place);
            return conditions;
        };
        let occurrences = count(operators);
        for member in operators {
            if occurrences[&member.key.to_ascii_lowercase()] > 1 {
                self.repeated(member, path);
                continue;
            }
            let path = path.key(&member.key);
            match test(&member.key) {
                Ok(test) => {
                    if test.set == Some(SetOperator::ForAnyValue) && test.if_exists {
                        self.any_value_if_exists(&member.key, path, member.key_span.start);
                    }
                    self.keys(test, &member.value, path, &mut conditions);
                }
                Err(help) => {
                    let place = Place {
                        path,
                        at: member.key_span.start,
                    };
                    let message = format!("unknown condition operator `{}`", Shown(&member.key));
                    self.doubt("unknown-operator", message, help, place);
                }
            }
        }
        conditions
    }

    /// For a request without the key, ForAnyValue is documented to be false and IfExists to be true.
    fn any_value_if_exists(&mut self, written: &str, path: Path<'_>, at: usize) {
        let message = format!(
            "whether `{}` holds for a request without the key is not documented",
            Shown(written)
        );
        let help = "leave IfExists out, or make two statements of it";
        self.doubt(
            "unsettled-operator",
            message,
            Some(help.to_owned()),
            Place { path, at },
        );
    }

    fn keys(
        &mut self,
        test: Test,
        node: &Node<'_>,
        path: Path<'_>,
        conditions: &mut Vec<Condition>,
    ) {
        let Json::Object(keys) = &node.value else {
            let message = format!(
                "a condition operator has an object of condition keys, this is {}",
                node.value.kind()
            );
            let place = Place {
                path,
                at: node.span.start,
            };
            self.doubt("wrong-type", message, None, place);
            return;
        };
        let occurrences = count(keys);
        for member in keys {
            let key = member.key.to_ascii_lowercase();
            if occurrences[&key] > 1 {
                self.repeated(member, path);
                continue;
            }
            let path = path.key(&member.key);
            let values = self.values(test.operator, &member.value, path);
            if values.is_empty() {
                let place = Place {
                    path,
                    at: member.value.span.start,
                };
                self.doubt(
                    "empty-list",
                    format!("`{}` is compared with no value", Shown(&member.key)),
                    None,
                    place,
                );
                continue;
            }
            conditions.push(Condition {
                set: test.set,
                operator: test.operator,
                if_exists: test.if_exists,
                key,
                written_key: member.key.clone().into_owned(),
                values,
                path: path.to_string(),
            });
        }
    }

    fn values(&mut self, operator: Operator, node: &Node<'_>, path: Path<'_>) -> Vec<Value> {
        let (items, listed) = match &node.value {
            Json::Array(items) => (items.as_slice(), true),
            _ => (std::slice::from_ref(node), false),
        };
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let (text, read) = match &item.value {
                Json::String(text) => {
                    let text = text.as_ref();
                    (text, Value::read(operator, text, self.variables()))
                }
                Json::Number(text) => (*text, Value::read(operator, text, false)),
                Json::Bool(true) => ("true", Value::read(operator, "true", false)),
                Json::Bool(false) => ("false", Value::read(operator, "false", false)),
                other => (other.kind(), Err("a string, a number or a boolean")),
            };
            let value = read.unwrap_or_else(|wanted| {
                let path = if listed { path.item(index) } else { path };
                let place = Place {
                    path,
                    at: item.span.start,
                };
                let message = format!("`{}` is no value for {}", Shown(text), operator.as_str());
                self.doubt(
                    "invalid-value",
                    message,
                    Some(format!("it wants {wanted}")),
                    place,
                );
                Value::NotUnderstood(text.to_owned())
            });
            values.push(value);
        }
        values
    }
}

/// How often each key occurs; operators and condition keys ignore case.
fn count(members: &[Member<'_>]) -> HashMap<String, usize> {
    let mut counts = HashMap::with_capacity(members.len());
    for member in members {
        *counts.entry(member.key.to_ascii_lowercase()).or_insert(0) += 1;
    }
    counts
}

/// Reads an operator with prefix and suffix. The error is what to do about it, if that can be said.
fn test(written: &str) -> Result<Test, Option<String>> {
    let (prefix, rest) = match written.split_once(':') {
        Some((prefix, rest)) => (Some(prefix), rest),
        None => (None, written),
    };
    let set = match prefix {
        None => Ok(None),
        Some(p) if p.eq_ignore_ascii_case("ForAllValues") => Ok(Some(SetOperator::ForAllValues)),
        Some(p) if p.eq_ignore_ascii_case("ForAnyValue") => Ok(Some(SetOperator::ForAnyValue)),
        Some(p) => Err(did_you_mean(p, ["ForAllValues", "ForAnyValue"])),
    };
    let (name, if_exists) = match rest.len().checked_sub(IF_EXISTS.len()) {
        Some(at)
            if rest
                .get(at..)
                .is_some_and(|end| end.eq_ignore_ascii_case(IF_EXISTS)) =>
        {
            (&rest[..at], true)
        }
        _ => (rest, false),
    };
    let operator = Operator::parse(name);
    match (set, operator) {
        (Ok(set), Some(Operator::Null)) if if_exists || set.is_some() => Err(Some(
            "`Null` asks whether a key is there: it takes neither `IfExists` nor a set operator"
                .to_owned(),
        )),
        (Ok(set), Some(operator)) => Ok(Test {
            set,
            operator,
            if_exists,
        }),
        (set, operator) => {
            let names = condition::ALL.iter().map(|(_, name)| *name);
            let name = operator.map_or_else(|| did_you_mean(name, names), |o| Some(o.as_str()));
            let prefix = match set {
                Ok(Some(SetOperator::ForAllValues)) => Some("ForAllValues:"),
                Ok(Some(SetOperator::ForAnyValue)) => Some("ForAnyValue:"),
                Ok(None) => Some(""),
                Err(Some("ForAllValues")) => Some("ForAllValues:"),
                Err(Some(_)) => Some("ForAnyValue:"),
                Err(None) => None,
            };
            let suffix = if if_exists { IF_EXISTS } else { "" };
            Err(prefix
                .zip(name)
                .map(|(prefix, name)| format!("did you mean `{prefix}{name}{suffix}`?")))
        }
    }
}
