//! A document as a tree that remembers where everything stood.
//!
//! JSON and YAML inputs become the same tree, so that each kind of input is read once and every
//! message can name a line.

use std::ops::Range;

/// One value of a document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// What it is.
    pub(crate) kind: Kind,
    /// A YAML tag that is not one of YAML's own, without its `!`: `Ref`, `Sub`, `GetAtt`.
    pub(crate) tag: Option<String>,
    /// Its bytes in the source, if the source is JSON; empty for YAML.
    pub(crate) span: Range<usize>,
    /// The line where it starts, from 1.
    pub(crate) line: usize,
}

impl From<&serde_json::Value> for Node {
    /// The tree of a value at hand; it stands nowhere.
    fn from(value: &serde_json::Value) -> Node {
        use serde_json::Value;
        Node::new(match value {
            Value::Null => Kind::Null,
            Value::Bool(value) => Kind::Bool(*value),
            Value::Number(number) => Kind::Number(number.to_string()),
            Value::String(text) => Kind::String(text.clone()),
            Value::Array(elements) => Kind::Sequence(elements.iter().map(Node::from).collect()),
            Value::Object(members) => Kind::Mapping(
                members
                    .iter()
                    .map(|(name, value)| (name.clone(), Node::from(value)))
                    .collect(),
            ),
        })
    }
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it was written.
    Number(String),
    /// A text.
    String(String),
    /// A list.
    Sequence(Vec<Node>),
    /// An object, its members in the order of the source.
    Mapping(Vec<(String, Node)>),
}

impl Node {
    /// A value that stands nowhere.
    pub(crate) fn new(kind: Kind) -> Node {
        Node {
            kind,
            tag: None,
            span: 0..0,
            line: 0,
        }
    }

    /// A text that stands where `place` stood.
    pub(crate) fn text_at(text: impl Into<String>, place: &Node) -> Node {
        Node {
            line: place.line,
            ..Node::new(Kind::String(text.into()))
        }
    }

    /// A member of an object. Of a repeated name the last counts, as in nearly every JSON reader.
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        self.members()
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// A name that stands twice in the object.
    pub(crate) fn repeated(&self) -> Option<&str> {
        let mut seen = std::collections::HashSet::new();
        let mut names = self.members().iter().map(|(name, _)| name.as_str());
        names.find(|name| !seen.insert(*name))
    }

    /// The first of several spellings that is there.
    pub(crate) fn get_any(&self, names: &[&str]) -> Option<&Node> {
        names.iter().find_map(|name| self.get(name))
    }

    /// A text member.
    pub(crate) fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// The members, none if it is not an object.
    pub(crate) fn members(&self) -> &[(String, Node)] {
        match &self.kind {
            Kind::Mapping(members) => members,
            _ => &[],
        }
    }

    /// The elements, none if it is not a list.
    pub(crate) fn elements(&self) -> &[Node] {
        match &self.kind {
            Kind::Sequence(elements) => elements,
            _ => &[],
        }
    }

    /// The text, if it is one.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    /// A boolean, also spelled as text: Terraform, CloudFormation and recorded items do that.
    pub(crate) fn as_bool(&self) -> Option<bool> {
        match &self.kind {
            Kind::Bool(value) => Some(*value),
            Kind::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Kind::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// A text, number or boolean as text.
    pub(crate) fn scalar_text(&self) -> Option<String> {
        match &self.kind {
            Kind::String(text) | Kind::Number(text) => Some(text.clone()),
            Kind::Bool(value) => Some(value.to_string()),
            _ => None,
        }
    }

    /// Whether it is `null`.
    pub(crate) fn is_null(&self) -> bool {
        self.kind == Kind::Null
    }

    /// Whether it is an object.
    pub(crate) fn is_mapping(&self) -> bool {
        matches!(self.kind, Kind::Mapping(_))
    }

    /// What it is, for messages.
    pub(crate) fn describe(&self) -> &'static str {
        match self.kind {
            Kind::Null => "null",
            Kind::Bool(_) => "a boolean",
            Kind::Number(_) => "a number",
            Kind::String(_) => "a text",
            Kind::Sequence(_) => "a list",
            Kind::Mapping(_) => "an object",
        }
    }

    /// The value as indented JSON, members in their order.
    pub(crate) fn to_json(&self) -> String {
        let mut out = String::new();
        write_json(self, 0, &mut out);
        out
    }
}

fn write_json(node: &Node, depth: usize, out: &mut String) {
    let indent = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    match &node.kind {
        Kind::Null => out.push_str("null"),
        Kind::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Kind::Number(text) => out.push_str(text),
        Kind::String(text) => write_string(text, out),
        Kind::Sequence(elements) if elements.is_empty() => out.push_str("[]"),
        Kind::Sequence(elements) => {
            out.push('[');
            for (at, element) in elements.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                indent(out, depth + 1);
                write_json(element, depth + 1, out);
            }
            indent(out, depth);
            out.push(']');
        }
        Kind::Mapping(members) if members.is_empty() => out.push_str("{}"),
        Kind::Mapping(members) => {
            out.push('{');
            for (at, (name, value)) in members.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                indent(out, depth + 1);
                write_string(name, out);
                out.push_str(": ");
                write_json(value, depth + 1, out);
            }
            indent(out, depth);
            out.push('}');
        }
    }
}

fn write_string(text: &str, out: &mut String) {
    // A text always serializes.
    out.push_str(&serde_json::Value::from(text).to_string());
}
