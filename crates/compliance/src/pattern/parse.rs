//! From JSON text to an [`EventPattern`], refusing what AWS refuses (Event Ruler, `JsonRuleCompiler`).

use std::sync::Arc;

use policy::json::{self, Json, JsonErrorKind, Member, Node, Path, Shown};

use super::condition::Condition;
use super::{Branch, EventPattern, Field, MAX_CHARACTERS, MAX_COMBINATIONS, PatternError, Problem};

mod operators;

const OR: &str = "$or";
/// Names that no field inside `$or` may have (Event Ruler,
/// `Constants.RESERVED_FIELD_NAMES_IN_OR_RELATIONSHIP`).
const RESERVED: [&str; 24] = [
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];

type Result<T> = std::result::Result<T, PatternError>;

/// Reads a pattern.
pub(super) fn pattern(text: &str) -> Result<EventPattern> {
    let characters = text.chars().count();
    if characters > MAX_CHARACTERS {
        return Err(wrong(Path::Root, Problem::TooLong { characters }));
    }
    let root = json::parse(text).map_err(|error| {
        let problem = match error.kind {
            JsonErrorKind::TooDeep => Problem::TooDeep,
            JsonErrorKind::TooLarge => Problem::TooLong { characters },
            JsonErrorKind::Syntax(message) => {
                let (line, column) = json::position(text, error.at);
                Problem::Syntax {
                    message,
                    line,
                    column,
                }
            }
        };
        wrong(Path::Root, problem)
    })?;
    let reader = Reader { text };
    let Json::Object(members) = &root.value else {
        let help = r#"write {"source": ["aws.config"]}"#;
        return Err(reader.kind(Path::Root, &root, "an object", help));
    };
    let mut branches = vec![Branch { fields: Vec::new() }];
    reader.object(members, Path::Root, &Scope::default(), &mut branches)?;
    Ok(EventPattern { branches })
}

fn wrong(path: Path<'_>, problem: Problem) -> PatternError {
    PatternError {
        path: path.to_string(),
        problem,
    }
}

struct Reader<'a> {
    text: &'a str,
}

/// Where the reader is: below which field, and whether inside `$or`.
#[derive(Clone, Default)]
struct Scope {
    steps: Vec<String>,
    alternative: bool,
}

impl Reader<'_> {
    fn kind(
        &self,
        path: Path<'_>,
        found: &Node<'_>,
        wanted: &'static str,
        help: &str,
    ) -> PatternError {
        wrong(
            path,
            Problem::Kind {
                found: found.value.kind(),
                wanted,
                help: help.to_owned(),
            },
        )
    }

    /// A value as the text has it, for messages.
    fn written(&self, node: &Node<'_>) -> String {
        Shown(self.text.get(node.span.clone()).unwrap_or_default()).to_string()
    }

    /// Adds the fields of an object to every branch, and multiplies the branches by its `$or`.
    fn object(
        &self,
        members: &[Member<'_>],
        path: Path<'_>,
        scope: &Scope,
        branches: &mut Vec<Branch>,
    ) -> Result<()> {
        if members.is_empty() {
            return Err(wrong(
                path,
                Problem::Empty {
                    what: "the object",
                    instead: "name the fields that have to match",
                },
            ));
        }
        for Member { key, value, .. } in members {
            let path = path.key(key);
            if key == OR {
                self.alternatives(value, path, scope, branches)?;
                continue;
            }
            if scope.alternative && RESERVED.contains(&key.as_ref()) {
                let name = key.clone().into_owned();
                return Err(wrong(path, Problem::Reserved { name }));
            }
            let mut below = scope.clone();
            below.steps.extend(key.split('.').map(str::to_owned));
            match &value.value {
                Json::Object(members) => self.object(members, path, &below, branches)?,
                Json::Array(items) => {
                    let conditions = self.conditions(items, path)?;
                    add(branches, below.steps, conditions, path)?;
                }
                _ => {
                    let help = format!("write [{}]", self.written(value));
                    return Err(self.kind(path, value, "a list of values or an object", &help));
                }
            }
        }
        Ok(())
    }

    fn alternatives(
        &self,
        node: &Node<'_>,
        path: Path<'_>,
        scope: &Scope,
        branches: &mut Vec<Branch>,
    ) -> Result<()> {
        let help = r#"write {"$or": [{"a": ["x"]}, {"b": ["y"]}]}"#;
        let Json::Array(items) = &node.value else {
            return Err(self.kind(path, node, "a list of at least two objects", help));
        };
        let [_, _, ..] = items.as_slice() else {
            return Err(wrong(
                path,
                Problem::Kind {
                    found: if items.is_empty() {
                        "an empty list"
                    } else {
                        "a list of one"
                    },
                    wanted: "a list of at least two objects",
                    help: help.to_owned(),
                },
            ));
        };
        let before = std::mem::take(branches);
        let inside = Scope {
            alternative: true,
            ..scope.clone()
        };
        for (at, item) in items.iter().enumerate() {
            let place = path.item(at);
            let Json::Object(members) = &item.value else {
                return Err(self.kind(place, item, "an object", help));
            };
            let mut alternative = before.clone();
            self.object(members, place, &inside, &mut alternative)?;
            branches.append(&mut alternative);
            if branches.len() > MAX_COMBINATIONS {
                return Err(wrong(path, Problem::TooManyCombinations));
            }
        }
        Ok(())
    }
}

fn add(
    branches: &mut [Branch],
    steps: Vec<String>,
    conditions: Vec<Condition>,
    path: Path<'_>,
) -> Result<()> {
    let steps: Arc<[String]> = steps.into();
    let conditions: Arc<[Condition]> = conditions.into();
    for branch in branches {
        if branch.fields.iter().any(|field| field.steps == steps) {
            let name = Shown(&steps.join(".")).to_string();
            return Err(wrong(path, Problem::Repeated { name }));
        }
        branch.fields.push(Field {
            steps: steps.clone(),
            conditions: conditions.clone(),
        });
    }
    Ok(())
}
