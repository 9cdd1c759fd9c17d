//! The elements of a field's list: values and operators.

use policy::json::{Json, Member, Node, Path, Shown};

use super::super::address::Block;
use super::super::condition::Condition;
use super::super::number::{self, Number, Range};
use super::super::wildcard::Wildcard;
use super::super::{PatternError, Problem, fold};
use super::{Reader, Result, wrong};

const OPERATORS: &str =
    "prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, exists or cidr";

impl Reader<'_> {
    pub(super) fn conditions(&self, items: &[Node<'_>], path: Path<'_>) -> Result<Vec<Condition>> {
        if items.is_empty() {
            return Err(wrong(
                path,
                Problem::Empty {
                    what: "the list",
                    instead: r#"write [{"exists": true}]"#,
                },
            ));
        }
        let items = items.iter().enumerate();
        items
            .map(|(at, item)| self.condition(item, path.item(at)))
            .collect()
    }

    fn condition(&self, item: &Node<'_>, path: Path<'_>) -> Result<Condition> {
        Ok(match &item.value {
            Json::String(text) => Condition::Text(text.clone().into_owned()),
            Json::Number(text) => {
                Condition::Number(Number::read(text).ok_or_else(|| self.number_beyond(text, path))?)
            }
            Json::Bool(value) => Condition::Bool(*value),
            Json::Null => Condition::Null,
            Json::Object(members) => return self.operator(members, path),
            Json::Array(_) => {
                let help = "write its values into the outer list";
                return Err(self.kind(path, item, "a value or an operator", help));
            }
        })
    }

    fn number_beyond(&self, text: &str, path: Path<'_>) -> PatternError {
        let number = Shown(text).to_string();
        wrong(path, Problem::Number { number })
    }

    fn only<'m, 'n>(&self, members: &'m [Member<'n>], path: Path<'_>) -> Result<&'m Member<'n>> {
        match members {
            [member] => Ok(member),
            _ => Err(wrong(
                path,
                Problem::NotOneOperator {
                    count: members.len(),
                },
            )),
        }
    }

    fn unknown(&self, name: &str, known: &'static str, path: Path<'_>) -> PatternError {
        wrong(
            path,
            Problem::UnknownOperator {
                operator: Shown(name).to_string(),
                known,
            },
        )
    }

    fn operator(&self, members: &[Member<'_>], path: Path<'_>) -> Result<Condition> {
        let Member { key, value, .. } = self.only(members, path)?;
        let path = path.key(key);
        Ok(match key.as_ref() {
            "exactly" => Condition::Text(self.string(value, path)?),
            "prefix" => self.affix(value, path, Condition::Prefix, Condition::FoldedPrefix)?,
            "suffix" => self.affix(value, path, Condition::Suffix, Condition::FoldedSuffix)?,
            "equals-ignore-case" => Condition::Folded(fold::text(&self.string(value, path)?)),
            "wildcard" => self.wildcard(value, path)?,
            "numeric" => Condition::Numeric(self.range(value, path)?),
            "cidr" => {
                let text = self.string(value, path)?;
                let block = Block::parse(&text).ok_or_else(|| {
                    let block = Shown(&text).to_string();
                    wrong(path, Problem::Block { block })
                })?;
                Condition::Cidr(block)
            }
            "exists" => match value.value {
                Json::Bool(true) => Condition::Present,
                Json::Bool(false) => Condition::Absent,
                _ => {
                    return Err(self.kind(
                        path,
                        value,
                        "true or false",
                        "write {\"exists\": true}",
                    ));
                }
            },
            "anything-but" => self.anything_but(value, path)?,
            name => return Err(self.unknown(name, OPERATORS, path)),
        })
    }

    fn string(&self, node: &Node<'_>, path: Path<'_>) -> Result<String> {
        match &node.value {
            Json::String(text) => Ok(text.clone().into_owned()),
            _ => Err(self.kind(path, node, "a string", "write it in double quotes")),
        }
    }

    fn wildcard(&self, node: &Node<'_>, path: Path<'_>) -> Result<Condition> {
        let text = self.string(node, path)?;
        let wildcard = Wildcard::parse(&text).map_err(|problem| wrong(path, problem))?;
        Ok(Condition::Wildcard(wildcard))
    }

    /// `prefix` and `suffix`: a text, or one without regard to case.
    fn affix(
        &self,
        node: &Node<'_>,
        path: Path<'_>,
        exact: fn(String) -> Condition,
        folded: fn(String) -> Condition,
    ) -> Result<Condition> {
        let Json::Object(members) = &node.value else {
            return self.string(node, path).map(exact);
        };
        let Member { key, value, .. } = self.only(members, path)?;
        let path = path.key(key);
        if key != "equals-ignore-case" {
            return Err(self.unknown(key, "equals-ignore-case", path));
        }
        Ok(folded(fold::text(&self.string(value, path)?)))
    }

    fn range(&self, node: &Node<'_>, path: Path<'_>) -> Result<Range> {
        let malformed = |why| wrong(path, Problem::Range { why });
        let Json::Array(items) = &node.value else {
            return Err(self.kind(path, node, "a list", r#"write [">", 0, "<=", 5]"#));
        };
        let mut pairs = Vec::new();
        for (at, pair) in items.chunks(2).enumerate() {
            let [operator, number] = pair else {
                return Err(malformed("a comparison and a number alternate"));
            };
            let Json::String(operator) = &operator.value else {
                return Err(malformed(
                    "a comparison (=, <, <=, >, >=) comes before each number",
                ));
            };
            let Json::Number(text) = &number.value else {
                return Err(malformed("a number follows each comparison"));
            };
            let value = number::comparable(text)
                .ok_or_else(|| self.number_beyond(text, path.item(2 * at + 1)))?;
            pairs.push((operator.as_ref(), value));
        }
        let lower = |operator, value| match operator {
            ">" => Some(value + 1),
            ">=" => Some(value),
            _ => None,
        };
        let upper = |operator, value| match operator {
            "<" => Some(value - 1),
            "<=" => Some(value),
            _ => None,
        };
        match pairs[..] {
            [("=", value)] => Ok(Range {
                low: value,
                high: value,
            }),
            [(operator, value)] => match (lower(operator, value), upper(operator, value)) {
                (Some(low), _) => Ok(Range { low, ..Range::ALL }),
                (_, Some(high)) => Ok(Range { high, ..Range::ALL }),
                _ => Err(malformed("the comparisons are =, <, <=, > and >=")),
            },
            [(bottom, from), (top, to)] => match (lower(bottom, from), upper(top, to)) {
                (Some(_), Some(_)) if from >= to => {
                    Err(malformed("its bottom must be less than its top"))
                }
                (Some(low), Some(high)) => Ok(Range { low, high }),
                _ => Err(malformed(
                    "a range starts with > or >= and ends with < or <=",
                )),
            },
            [] => Err(malformed("the list is empty")),
            _ => Err(malformed("it has more than a bottom and a top")),
        }
    }

    fn anything_but(&self, node: &Node<'_>, path: Path<'_>) -> Result<Condition> {
        let Json::Object(members) = &node.value else {
            return self.anything_but_values(node, path);
        };
        let Member { key, value, .. } = self.only(members, path)?;
        let path = path.key(key);
        let condition = |node: &Node<'_>, path: Path<'_>| -> Result<Condition> {
            let affix = |of: fn(String) -> Condition| match self.string(node, path)?.as_str() {
                // Everything starts and ends with nothing.
                "" => Err(wrong(
                    path,
                    Problem::Empty {
                        what: "the text",
                        instead: "write what values must not start or end with",
                    },
                )),
                text => Ok(of(text.to_owned())),
            };
            match key.as_ref() {
                "prefix" => affix(Condition::Prefix),
                "suffix" => affix(Condition::Suffix),
                "equals-ignore-case" => {
                    Ok(Condition::Folded(fold::text(&self.string(node, path)?)))
                }
                "wildcard" => self.wildcard(node, path),
                name => {
                    Err(self.unknown(name, "prefix, suffix, equals-ignore-case or wildcard", path))
                }
            }
        };
        let excluded = match &value.value {
            Json::Array(items) => {
                let items = items.iter().enumerate();
                items
                    .map(|(at, item)| condition(item, path.item(at)))
                    .collect::<Result<_>>()?
            }
            _ => vec![condition(value, path)?],
        };
        self.excluding(excluded, path)
    }

    /// Texts, or numbers.
    fn anything_but_values(&self, node: &Node<'_>, path: Path<'_>) -> Result<Condition> {
        let help = r#"write "text", 5, ["a", "b"] or {"prefix": "a"}"#;
        let condition = |node: &Node<'_>, path: Path<'_>| match &node.value {
            Json::String(text) => Ok(Condition::Text(text.clone().into_owned())),
            Json::Number(text) => match number::comparable(text) {
                Some(millionths) => Ok(Condition::Number(Number::Comparable(millionths))),
                None => Err(self.number_beyond(text, path)),
            },
            _ => Err(self.kind(path, node, "a string or a number", help)),
        };
        let Json::Array(items) = &node.value else {
            return self.excluding(vec![condition(node, path)?], path);
        };
        let mut excluded = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let one = condition(item, path.item(at))?;
            let mixed = excluded.first().is_some_and(|first| {
                matches!(first, Condition::Text(_)) != matches!(one, Condition::Text(_))
            });
            if mixed {
                let help = "list either strings or numbers; a second operator takes the others";
                return Err(self.kind(path.item(at), item, "a value like those before it", help));
            }
            excluded.push(one);
        }
        self.excluding(excluded, path)
    }

    fn excluding(&self, excluded: Vec<Condition>, path: Path<'_>) -> Result<Condition> {
        if excluded.is_empty() {
            return Err(wrong(
                path,
                Problem::Empty {
                    what: "the list",
                    instead: r#"write {"exists": true}"#,
                },
            ));
        }
        Ok(Condition::AnythingBut(excluded))
    }
}
