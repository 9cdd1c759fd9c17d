//! JSON text as a [`Node`] tree (RFC 8259), with places and with bounds.
//!
//! A first pass over the top level ([`outline`]) lets huge files be read one element at a time.

use std::ops::Range;

use super::node::{Kind, Node};

/// How deep values may be nested. Real documents stay far below; a hostile one must not exhaust the
/// stack.
pub(crate) const MAX_DEPTH: usize = 128;

/// Why a text is not a document, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Syntax {
    /// What is wrong.
    pub(crate) message: String,
    /// Line from 1.
    pub(crate) line: usize,
    /// Column in characters from 1.
    pub(crate) column: usize,
}

/// The top level of a document: where its members or elements stand.
#[derive(Debug)]
pub(crate) enum Outline {
    /// An object: names and the places of their values.
    Object(Vec<(String, Place)>),
    /// A list: the places of its elements.
    Array(Vec<Place>),
    /// Neither.
    Scalar,
}

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its bytes.
    pub(crate) span: Range<usize>,
    /// Its first line, from 1.
    pub(crate) line: usize,
}

/// Reads a whole text.
pub(crate) fn parse(text: &str) -> Result<Node, Syntax> {
    let mut reader = Reader::new(text);
    let node = reader.value(0)?;
    reader.end()?;
    Ok(node)
}

/// Reads the value at a place that an outline of the same text gave.
pub(crate) fn parse_at(text: &str, place: &Place) -> Result<Node, Syntax> {
    let mut reader = Reader::new(text);
    reader.at = place.span.start;
    reader.line = place.line;
    reader.value(0)
}

/// Checks the whole text and gives the places of what stands at the top.
pub(crate) fn outline(text: &str) -> Result<Outline, Syntax> {
    let mut reader = Reader::new(text);
    reader.space();
    let outline = match reader.peek() {
        Some(b'{') => {
            let mut members = Vec::new();
            reader.members(|reader, name| {
                members.push((name, reader.place()?));
                Ok(())
            })?;
            Outline::Object(members)
        }
        Some(b'[') => {
            let mut elements = Vec::new();
            reader.elements(|reader| {
                elements.push(reader.place()?);
                Ok(())
            })?;
            Outline::Array(elements)
        }
        _ => {
            reader.value(0)?;
            Outline::Scalar
        }
    };
    reader.end()?;
    Ok(outline)
}

/// The places of the elements of the list at a place; none if it is not a list.
pub(crate) fn elements_at(text: &str, place: &Place) -> Result<Vec<Place>, Syntax> {
    let mut reader = Reader::new(text);
    reader.at = place.span.start;
    reader.line = place.line;
    let mut elements = Vec::new();
    if reader.peek() == Some(b'[') {
        reader.elements(|reader| {
            elements.push(reader.place()?);
            Ok(())
        })?;
    }
    Ok(elements)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Reader<'a> {
        Reader {
            text,
            at: 0,
            line: 1,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' => self.line += 1,
                b' ' | b'\t' | b'\r' => {}
                _ => return,
            }
            self.at += 1;
        }
    }

    fn wrong<T>(&self, message: impl Into<String>) -> Result<T, Syntax> {
        let line_start = self.text[..self.at].rfind('\n').map_or(0, |at| at + 1);
        Err(Syntax {
            message: message.into(),
            line: self.line,
            column: self.text[line_start..self.at].chars().count() + 1,
        })
    }

    fn unexpected<T>(&self, wanted: &str) -> Result<T, Syntax> {
        match self.text[self.at..].chars().next() {
            None => self.wrong(format!(
                "the text ends where {wanted} should stand; is the file complete?"
            )),
            Some(c) => self.wrong(format!("{c:?} stands where {wanted} should stand")),
        }
    }

    fn end(&mut self) -> Result<(), Syntax> {
        self.space();
        match self.peek() {
            None => Ok(()),
            Some(_) => self.wrong("more text follows the document; one document per file"),
        }
    }

    fn place(&mut self) -> Result<Place, Syntax> {
        self.space();
        let (start, line) = (self.at, self.line);
        self.skip(1)?;
        Ok(Place {
            span: start..self.at,
            line,
        })
    }

    /// Walks an object; `each` is called with the reader before each value and must read it.
    fn members(
        &mut self,
        mut each: impl FnMut(&mut Reader<'a>, String) -> Result<(), Syntax>,
    ) -> Result<(), Syntax> {
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return self.unexpected("a name in double quotes");
            }
            let name = self.string()?;
            self.space();
            if self.peek() != Some(b':') {
                return self.unexpected("a colon");
            }
            self.at += 1;
            each(self, name)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.unexpected("a comma or the end of the object"),
            }
        }
    }

    fn elements(
        &mut self,
        mut each: impl FnMut(&mut Reader<'a>) -> Result<(), Syntax>,
    ) -> Result<(), Syntax> {
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            each(self)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.unexpected("a comma or the end of the list"),
            }
        }
    }

    fn too_deep(&self, depth: usize) -> Result<(), Syntax> {
        if depth >= MAX_DEPTH {
            return self.wrong(format!("values are nested more than {MAX_DEPTH} deep"));
        }
        Ok(())
    }

    /// Checks a value without building it.
    fn skip(&mut self, depth: usize) -> Result<(), Syntax> {
        self.space();
        match self.peek() {
            Some(b'{') => {
                self.too_deep(depth)?;
                self.members(|reader, _| reader.skip(depth + 1))
            }
            Some(b'[') => {
                self.too_deep(depth)?;
                self.elements(|reader| reader.skip(depth + 1))
            }
            _ => self.value(depth).map(drop),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, Syntax> {
        self.space();
        let (start, line) = (self.at, self.line);
        let kind = match self.peek() {
            Some(b'{') => {
                self.too_deep(depth)?;
                let mut members = Vec::new();
                self.members(|reader, name| {
                    members.push((name, reader.value(depth + 1)?));
                    Ok(())
                })?;
                Kind::Mapping(members)
            }
            Some(b'[') => {
                self.too_deep(depth)?;
                let mut elements = Vec::new();
                self.elements(|reader| {
                    elements.push(reader.value(depth + 1)?);
                    Ok(())
                })?;
                Kind::Sequence(elements)
            }
            Some(b'"') => Kind::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true", Kind::Bool(true))?,
            Some(b'f') => self.word("false", Kind::Bool(false))?,
            Some(b'n') => self.word("null", Kind::Null)?,
            _ => return self.unexpected("a value"),
        };
        Ok(Node {
            kind,
            tag: None,
            span: start..self.at,
            line,
        })
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<Kind, Syntax> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(kind)
        } else {
            self.unexpected("a value")
        }
    }

    fn number(&mut self) -> Result<Kind, Syntax> {
        let start = self.at;
        while matches!(
            self.peek(),
            Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')
        ) {
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        // serde_json knows RFC 8259's grammar of numbers; a number keeps its own spelling here.
        if serde_json::from_str::<serde_json::Number>(text).is_err() {
            self.at = start;
            return self.wrong("this is not a number");
        }
        Ok(Kind::Number(text.to_owned()))
    }

    fn string(&mut self) -> Result<String, Syntax> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut at = start + 1;
        let mut escaped = false;
        loop {
            match bytes.get(at) {
                None => {
                    self.at = bytes.len();
                    return self.unexpected("the end of a text in double quotes");
                }
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    at += 2;
                }
                Some(0..=0x1f) => {
                    self.at = at;
                    return self.wrong("a control character stands in a text; write it as \\u00XX");
                }
                Some(_) => at += 1,
            }
        }
        self.at = at + 1;
        if !escaped {
            return Ok(self.text[start + 1..at].to_owned());
        }
        match serde_json::from_str(&self.text[start..=at]) {
            Ok(text) => Ok(text),
            Err(_) => {
                self.at = start;
                self.wrong("this text has an escape that JSON does not know")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn values_know_where_they_stand() {
        let text = "{\n \"a\": [1, true],\n \"b\": {\"c\": \"x\\n\\u00e9\"}\n}";
        let node = parse(text).unwrap();
        assert_eq!(node.get("a").unwrap().line, 2);
        let b = node.get("b").unwrap();
        assert_eq!(b.line, 3);
        assert_eq!(&text[b.span.clone()], "{\"c\": \"x\\n\\u00e9\"}");
        assert_eq!(b.get_str("c"), Some("x\né"));
    }

    #[test]
    fn what_is_not_json_is_named_with_its_place() {
        for (text, line, column, part) in [
            ("", 1, 1, "is the file complete"),
            ("{\"a\": ", 1, 7, "is the file complete"),
            ("{\"a\":\n tru}", 2, 2, "where a value"),
            ("{\"a\" 1}", 1, 6, "where a colon"),
            ("[1 2]", 1, 4, "where a comma"),
            ("[01]", 1, 2, "not a number"),
            ("[1] []", 1, 5, "more text follows"),
            ("[\"\\x\"]", 1, 2, "escape"),
            ("{'a': 1}", 1, 2, "where a name"),
            ("[\"a\u{1}\"]", 1, 4, "control character"),
        ] {
            let wrong = parse(text).unwrap_err();
            assert_eq!((wrong.line, wrong.column), (line, column), "{text}");
            assert!(wrong.message.contains(part), "{text}: {}", wrong.message);
            assert_eq!(outline(text).unwrap_err().message, wrong.message, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "[".repeat(100_000);
        assert!(parse(&deep).unwrap_err().message.contains("nested"));
        assert!(outline(&deep).unwrap_err().message.contains("nested"));
        let fine = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert!(parse(&fine).is_ok());
        assert!(outline(&fine).is_ok());
    }

    #[test]
    fn an_outline_gives_each_element() {
        let text = "[{\"a\": 1},\n {\"b\": [2]}]";
        let Outline::Array(places) = outline(text).unwrap() else {
            unreachable!("it is a list")
        };
        assert_eq!(places.len(), 2);
        assert_eq!(places[1].line, 2);
        let second = parse_at(text, &places[1]).unwrap();
        assert_eq!(second.get("b").unwrap().elements().len(), 1);
    }
}
