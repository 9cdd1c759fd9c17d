//! YAML text as a [`Node`] tree, tags kept: CloudFormation writes its functions as tags.
//!
//! Aliases are expanded here, and the number of values in the expanded tree is bounded, so that a
//! few lines of nested aliases cannot fill the memory.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::json::{MAX_DEPTH, Syntax};
use super::node::{Kind, Node};

/// How many values a document may have, aliases expanded.
const MAX_NODES: usize = 1_000_000;

/// Reads a text that is one document. More of them are refused, not passed over: what is not read is
/// not judged either.
pub(crate) fn parse(text: &str) -> Result<Node, Syntax> {
    let mut builder = Builder {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        nodes: 0,
    };
    loop {
        match builder.next()? {
            (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
            (Event::StreamEnd | Event::DocumentEnd, _) => return Ok(Node::new(Kind::Null)),
            (event, span) => {
                let node = builder.value(event, span, 0)?;
                builder.end()?;
                return Ok(node);
            }
        }
    }
}

struct Builder<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    /// Finished anchored values with their sizes.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

impl<'a> Builder<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Syntax> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(wrong)) => Err(Syntax {
                message: wrong.info().to_owned(),
                line: wrong.marker().line(),
                column: wrong.marker().col() + 1,
            }),
            None => Err(Syntax {
                message: "the text ends too early; is the file complete?".to_owned(),
                line: 1,
                column: 1,
            }),
        }
    }

    fn end(&mut self) -> Result<(), Syntax> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentStart(_), span) => {
                    return Err(wrong(
                        span,
                        "a second document follows; one document per file",
                    ));
                }
                _ => {}
            }
        }
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Syntax> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            return Err(wrong(
                span,
                format!("more than {MAX_NODES} values with aliases expanded"),
            ));
        }
        Ok(())
    }

    fn value(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Syntax> {
        if depth > MAX_DEPTH {
            return Err(wrong(
                span,
                format!("values are nested more than {MAX_DEPTH} deep"),
            ));
        }
        let before = self.nodes;
        self.count(1, span)?;
        let (kind, anchor, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_deref();
                let kind = scalar(&text, style, tag);
                (kind, anchor, own(tag))
            }
            Event::SequenceStart(anchor, tag) => {
                let mut elements = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => elements.push(self.value(event, span, depth + 1)?),
                    }
                }
                (Kind::Sequence(elements), anchor, own(tag.as_deref()))
            }
            Event::MappingStart(anchor, tag) => (self.mapping(depth)?, anchor, own(tag.as_deref())),
            Event::Alias(anchor) => {
                // An alias inside its own anchor is not finished yet and so not found.
                let Some((node, size)) = self.anchors.get(&anchor) else {
                    return Err(wrong(span, "this alias names no finished anchor"));
                };
                let (node, size) = (node.clone(), *size);
                self.count(size, span)?;
                return Ok(node);
            }
            _ => return Err(wrong(span, "a value should stand here")),
        };
        let node = Node {
            kind,
            tag,
            span: 0..0,
            line: span.start.line(),
        };
        if anchor > 0 {
            let size = self.nodes - before;
            // The kept copy counts too: anchors inside anchors are copied once a level.
            self.count(size, span)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok(node)
    }

    fn mapping(&mut self, depth: usize) -> Result<Kind, Syntax> {
        let mut members: Vec<(String, Node)> = Vec::new();
        let mut merged: Vec<(String, Node)> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let key = self.value(event, span, depth + 1)?;
            let Some(name) = key.scalar_text().or(key.is_null().then(String::new)) else {
                return Err(wrong(span, "a key must be a plain value"));
            };
            let (event, span) = self.next()?;
            let value = self.value(event, span, depth + 1)?;
            if name == "<<" {
                // YAML 1.1's merge key: own members win, wherever they stand.
                let sources = match &value.kind {
                    Kind::Sequence(elements) => elements.as_slice(),
                    _ => std::slice::from_ref(&value),
                };
                merged.extend(sources.iter().flat_map(|s| s.members().iter().cloned()));
            } else {
                members.push((name, value));
            }
        }
        let mut seen: std::collections::HashSet<String> =
            members.iter().map(|(name, _)| name.clone()).collect();
        for (name, value) in merged {
            if seen.insert(name.clone()) {
                members.push((name, value));
            }
        }
        Ok(Kind::Mapping(members))
    }
}

fn wrong(span: Span, message: impl Into<String>) -> Syntax {
    Syntax {
        message: message.into(),
        line: span.start.line(),
        column: span.start.col() + 1,
    }
}

/// A tag that is not one of YAML's own, without the exclamation mark.
fn own(tag: Option<&Tag>) -> Option<String> {
    let tag = tag?;
    (!tag.is_yaml_core_schema() && !tag.suffix.is_empty()).then(|| tag.suffix.clone())
}

/// A scalar's value: plain ones as YAML's core schema reads them, and `yes`/`no` left as text.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Kind {
    let core = tag.filter(|t| t.is_yaml_core_schema());
    if style != ScalarStyle::Plain || core.is_some_and(|t| t.suffix == "str") {
        return Kind::String(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" if tag.is_none() || core.is_some() => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        _ if is_number(text) => Kind::Number(text.to_owned()),
        _ => Kind::String(text.to_owned()),
    }
}

/// Whether a plain scalar is a number that JSON writes the same way. Anything else stays text, so
/// that an account id keeps its leading zero.
fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        && serde_json::from_str::<serde_json::Number>(text).is_ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn tags_places_and_scalars_are_kept() {
        let node = parse(
            "a: !Ref Logs\nb: !Join ['', [arn, !Sub '${X}/*']]\nc: 2012-10-17\nd: 012345678901\ne: yes\nf: 7\ng:\n",
        )
        .unwrap();
        let a = node.get("a").unwrap();
        assert_eq!((a.tag.as_deref(), a.as_str()), (Some("Ref"), Some("Logs")));
        let b = node.get("b").unwrap();
        assert_eq!((b.tag.as_deref(), b.line), (Some("Join"), 2));
        assert_eq!(b.elements()[1].elements()[1].tag.as_deref(), Some("Sub"));
        assert_eq!(node.get_str("c"), Some("2012-10-17"));
        assert_eq!(node.get_str("d"), Some("012345678901"));
        assert_eq!(node.get_str("e"), Some("yes"));
        assert_eq!(node.get("f").unwrap().kind, Kind::Number("7".to_owned()));
        assert!(node.get("g").unwrap().is_null());
    }

    #[test]
    fn aliases_are_expanded_and_bounded() {
        let node = parse("x: &x {a: 1}\ny: *x\nz:\n  <<: *x\n  b: 2\n").unwrap();
        assert_eq!(
            node.get("y").unwrap().get("a"),
            node.get("x").unwrap().get("a")
        );
        assert_eq!(node.get("z").unwrap().members().len(), 2);

        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let before = format!("*a{}", level - 1);
            bomb += &format!(
                "a{level}: &a{level} [{}]\n",
                [before.as_str(); 10].join(",")
            );
        }
        assert!(parse(&bomb).unwrap_err().message.contains("aliases"));
    }

    #[test]
    fn what_is_not_yaml_is_named_with_its_place() {
        assert_eq!(parse("a: b\n  c: [").unwrap_err().line, 2);
        assert!(
            parse("a: 1\n---\nb: 2")
                .unwrap_err()
                .message
                .contains("second document")
        );
        assert!(parse("---\na: 1\n...\n").is_ok());
        assert!(parse("a: *nowhere").is_err());
        assert!(parse("a: &a [*a]").is_err());
        let deep = "[".repeat(5_000);
        assert!(parse(&deep).is_err());
    }
}
