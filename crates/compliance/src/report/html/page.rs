//! HTML under construction. Only this module writes markup from texts, and it escapes them all: what
//! goes in unescaped is known when the program is compiled.

use crate::report::visible;

/// A page, written from top to bottom.
pub(crate) struct Page {
    out: String,
}

impl Page {
    pub(crate) fn new() -> Page {
        Page { out: String::new() }
    }

    /// Markup of our own.
    pub(crate) fn raw(&mut self, markup: &'static str) -> &mut Page {
        self.out.push_str(markup);
        self
    }

    /// A text from anywhere.
    pub(crate) fn text(&mut self, text: &str) -> &mut Page {
        for (at, line) in text.split('\n').enumerate() {
            if at > 0 {
                self.out.push('\n');
            }
            for c in visible(line).chars() {
                match c {
                    '&' => self.out.push_str("&amp;"),
                    '<' => self.out.push_str("&lt;"),
                    '>' => self.out.push_str("&gt;"),
                    '"' => self.out.push_str("&quot;"),
                    '\'' => self.out.push_str("&#39;"),
                    c => self.out.push(c),
                }
            }
        }
        self
    }

    /// A number.
    pub(crate) fn number(&mut self, number: usize) -> &mut Page {
        self.out.push_str(&number.to_string());
        self
    }

    /// The finished page.
    pub(crate) fn finish(self) -> String {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        let mut page = Page::new();
        page.raw("<p>").text("<a href=\"x\">'&\u{1b}\u{202e}\nb");
        assert_eq!(
            page.finish(),
            "<p>&lt;a href=&quot;x&quot;&gt;&#39;&amp;\\u{1b}\\u{202e}\nb"
        );
    }
}
