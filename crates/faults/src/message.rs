//! A message as a mail server has got it.

use std::fmt;

use mail_parser::{MessageParser, PartType};

/// A message and its envelope.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The sender of the envelope; empty for notices about mail itself.
    pub from: String,
    /// The recipients of the envelope: all of them, whoever the headers name.
    pub to: Vec<String>,
    /// The message, byte for byte as it was sent.
    pub raw: Vec<u8>,
    /// Whether the server told the sender at once that it had taken the message over. Where not, a
    /// sender that does not hear of it has to send again.
    pub told: bool,
}

impl Message {
    fn parsed(&self) -> Option<mail_parser::Message<'_>> {
        MessageParser::default().parse(&self.raw)
    }

    /// The subject, decoded.
    #[must_use]
    pub fn subject(&self) -> Option<String> {
        self.parsed()?.subject().map(str::to_owned)
    }

    /// The Message-ID, without its brackets.
    #[must_use]
    pub fn message_id(&self) -> Option<String> {
        self.parsed()?.message_id().map(str::to_owned)
    }

    /// The value of a header, unfolded and otherwise as it was sent; the last one of several.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let message = self.parsed()?;
        let value = message.header_raw(name)?;
        // RFC 5322, section 2.2.3: what a line was folded with is the line's end alone.
        Some(value.replace("\r\n", "").trim().to_owned())
    }

    /// The text part, decoded. None if there is only HTML.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        self.part(|part| match part {
            PartType::Text(text) => Some(text.to_string()),
            _ => None,
        })
    }

    /// The HTML part, decoded. None if there is only text.
    #[must_use]
    pub fn html(&self) -> Option<String> {
        self.part(|part| match part {
            PartType::Html(html) => Some(html.to_string()),
            _ => None,
        })
    }

    fn part(&self, such: impl Fn(&PartType<'_>) -> Option<String>) -> Option<String> {
        self.parsed()?
            .parts
            .iter()
            .find_map(|part| such(&part.body))
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("from", &self.from)
            .field("to", &self.to)
            .field("told", &self.told)
            .field("raw", &String::from_utf8_lossy(&self.raw))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(raw: &str) -> Message {
        Message {
            from: String::new(),
            to: Vec::new(),
            raw: raw.replace('\n', "\r\n").into_bytes(),
            told: true,
        }
    }

    #[test]
    fn both_parts_are_read_and_decoded() {
        let message = message(
            "Subject: =?utf-8?Q?offen_=E2=80=93_zu?=\nMessage-ID: <1@mailbox.test>\n\
             List-Unsubscribe: <http://127.0.0.1/a>,\n <mailto:b@mailbox.test>\n\
             Content-Type: multipart/alternative; boundary=x\n\n\
             --x\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nw7xiZXI=\n\
             --x\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n\
             <p>=C3=BCber</p>\n--x--\n",
        );
        assert_eq!(message.subject().as_deref(), Some("offen – zu"));
        assert_eq!(message.message_id().as_deref(), Some("1@mailbox.test"));
        assert_eq!(
            message.header("list-unsubscribe").as_deref(),
            Some("<http://127.0.0.1/a>, <mailto:b@mailbox.test>")
        );
        assert_eq!(message.text().as_deref(), Some("über"));
        assert_eq!(
            message.html().as_deref().map(str::trim),
            Some("<p>über</p>")
        );
    }

    #[test]
    fn no_part_is_made_up_from_the_other() {
        let text = message("Subject: a\n\nonly text\n");
        assert_eq!(text.text().as_deref().map(str::trim), Some("only text"));
        assert_eq!(text.html(), None);
        let html = message("Content-Type: text/html\n\n<p>only</p>\n");
        assert_eq!(html.text(), None);
        assert!(html.html().is_some());
    }
}
