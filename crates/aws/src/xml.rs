//! XML answers as small trees, within bounds.
//!
//! For the few calls that are made without an SDK of their own. No entity but the five predefined ones
//! and characters by number is resolved, so that a document cannot grow beyond its size.

use quick_xml::Reader;
use quick_xml::errors::IllFormedError;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

/// EC2's answers nest some ten levels deep.
const DEEPEST: usize = 32;
/// A page of a thousand volumes has some 30,000 elements.
const MOST_ELEMENTS: usize = 500_000;

/// One element: its name without a prefix, its text, its children.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    /// The name.
    pub(crate) name: String,
    /// The text that stands directly in it.
    pub(crate) text: String,
    /// The elements in it.
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// Reads a document: its root element.
    pub(crate) fn parse(text: &[u8]) -> Result<Element, String> {
        let mut reader = Reader::from_reader(text);
        let mut open: Vec<Element> = Vec::new();
        let mut elements = 0;
        let mut root = None;
        loop {
            let event = reader.read_event().map_err(|error| error.to_string())?;
            match event {
                Event::Start(start) => {
                    elements += 1;
                    if open.len() >= DEEPEST || elements > MOST_ELEMENTS {
                        return Err("the XML is deeper or larger than any answer".to_owned());
                    }
                    if root.is_some() {
                        return Err("the XML has a second root element".to_owned());
                    }
                    open.push(named(&start)?);
                }
                Event::Empty(start) => {
                    elements += 1;
                    if elements > MOST_ELEMENTS {
                        return Err("the XML is larger than any answer".to_owned());
                    }
                    close(named(&start)?, &mut open, &mut root)?;
                }
                // The reader checks that the names of both ends are the same.
                Event::End(_) => {
                    if let Some(element) = open.pop() {
                        close(element, &mut open, &mut root)?;
                    }
                }
                Event::Text(said) => {
                    if let Some(element) = open.last_mut() {
                        element
                            .text
                            .push_str(&said.xml10_content().map_err(|error| error.to_string())?);
                    }
                }
                Event::CData(said) => {
                    if let Some(element) = open.last_mut() {
                        element
                            .text
                            .push_str(&said.decode().map_err(|error| error.to_string())?);
                    }
                }
                Event::GeneralRef(reference) => {
                    let Some(element) = open.last_mut() else {
                        continue;
                    };
                    let character = reference
                        .resolve_char_ref()
                        .map_err(|error| error.to_string())?;
                    let name = reference.decode().map_err(|error| error.to_string())?;
                    match (character, resolve_predefined_entity(&name)) {
                        (Some(character), _) => element.text.push(character),
                        (None, Some(text)) => element.text.push_str(text),
                        (None, None) => {
                            return Err("the XML has an entity of its own".to_owned());
                        }
                    }
                }
                Event::DocType(_) => {
                    return Err("the XML has a document type".to_owned());
                }
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        match (root, open.pop()) {
            (Some(root), None) => Ok(root),
            (_, Some(element)) => {
                Err(IllFormedError::MissingEndTag(element.name.clone()).to_string())
            }
            (None, None) => Err("the XML has no element".to_owned()),
        }
    }

    /// The first child of this name.
    pub(crate) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The element at this path of names.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Element> {
        path.iter()
            .try_fold(self, |element, name| element.child(name))
    }

    /// The text of the element at this path; an empty one is none.
    pub(crate) fn text_at(&self, path: &[&str]) -> Option<&str> {
        let text = self.at(path)?.text.trim();
        (!text.is_empty()).then_some(text)
    }

    /// The children of the element at this path that have this name; none, if it is not there.
    pub(crate) fn list<'a>(
        &'a self,
        path: &[&str],
        name: &'a str,
    ) -> impl Iterator<Item = &'a Element> {
        self.at(path)
            .into_iter()
            .flat_map(|list| &list.children)
            .filter(move |child| child.name == name)
    }

    /// The first element of this name anywhere, this one included.
    pub(crate) fn find(&self, name: &str) -> Option<&Element> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }
}

fn named(start: &BytesStart<'_>) -> Result<Element, String> {
    let name = std::str::from_utf8(start.local_name().into_inner())
        .map_err(|error| error.to_string())?
        .to_owned();
    Ok(Element {
        name,
        ..Element::default()
    })
}

/// An element is whole: it goes to the one around it.
fn close(element: Element, open: &mut [Element], root: &mut Option<Element>) -> Result<(), String> {
    match open.last_mut() {
        Some(around) => around.children.push(element),
        None if root.is_none() => *root = Some(element),
        None => return Err("the XML has a second root element".to_owned()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn reads_names_texts_and_lists() {
        let text = br#"<?xml version="1.0"?><!-- hi --><s:A xmlns:s="x"><set><item><k>a &lt;&#x41;&#66;&amp; b</k></item><item/><other/></set><![CDATA[<raw>]]></s:A>"#;
        let root = Element::parse(text).unwrap();
        assert_eq!((root.name.as_str(), root.text.as_str()), ("A", "<raw>"));
        assert_eq!(root.list(&["set"], "item").count(), 2);
        assert_eq!(root.text_at(&["set", "item", "k"]), Some("a <AB& b"));
        assert_eq!(root.find("k").map(|k| k.text.as_str()), Some("a <AB& b"));
        assert_eq!(root.text_at(&["set", "other"]), None);
    }

    #[test]
    fn hostile_documents_are_errors() {
        let deep = "<a>".repeat(5_000);
        let wide = format!("<a>{}</a>", "<b/>".repeat(MOST_ELEMENTS + 1));
        for text in [
            "",
            "hello",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a/><b></b>",
            "<a>&boom;</a>",
            "<!DOCTYPE a [<!ENTITY boom \"x\">]><a>&boom;</a>",
            deep.as_str(),
            wide.as_str(),
        ] {
            let shown: String = text.chars().take(60).collect();
            assert!(Element::parse(text.as_bytes()).is_err(), "{shown}");
        }
        assert!(Element::parse(b"<a>\xff</a>").is_err());
    }
}
