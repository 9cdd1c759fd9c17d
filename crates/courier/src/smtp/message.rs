//! A mail as the bytes that go over the wire.

use std::time::{Duration, SystemTime};

use compliance::notice::mail::Mail;
use lettre::address::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};
use sha2::{Digest, Sha256};

/// Envelope and message, or why the mail cannot be written.
pub(super) fn build(mail: &Mail) -> Result<(Envelope, Vec<u8>), String> {
    let mailbox = |what: &str, text: &str| -> Result<Mailbox, String> {
        text.parse().map_err(|error| {
            format!(
                "the {what} {:?} is not an address: {error}",
                crate::quoted(text)
            )
        })
    };
    let (from, to) = (
        mailbox("sender", &mail.from)?,
        mailbox("receiver", &mail.to)?,
    );
    let envelope = Envelope::new(Some(from.email.clone()), vec![to.email.clone()])
        .map_err(|error| error.to_string())?;
    // A mail has whole seconds, and none before 1970 is sent.
    let since_1970 = u64::try_from(mail.date.as_second()).unwrap_or(0);
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(since_1970);
    let mut builder = Message::builder()
        .from(from)
        .to(to)
        .date(date)
        .message_id(Some(mail.message_id.clone()))
        .subject(&mail.subject);
    if let Some(reply_to) = &mail.reply_to {
        builder = builder.reply_to(mailbox("address for answers", reply_to)?);
    }
    if !mail.references.is_empty() {
        builder = builder.references(mail.references.join(" "));
    }
    for (name, value) in &mail.headers {
        let header = HeaderName::new_from_ascii((*name).to_owned())
            .map_err(|_| format!("{name:?} is not the name of a header"))?;
        builder = builder.raw_header(HeaderValue::new(header, value.clone()));
    }
    let part = |kind: ContentType, text: &str| {
        // Quoted-printable whatever is in it: no line is too long for a server, and nothing needs
        // eight bits.
        SinglePart::builder()
            .header(kind)
            .header(ContentTransferEncoding::QuotedPrintable)
            .body(text.to_owned())
    };
    let alternatives = MultiPart::alternative()
        .boundary(boundary(mail))
        .singlepart(part(ContentType::TEXT_PLAIN, &mail.text))
        .singlepart(part(ContentType::TEXT_HTML, &mail.html));
    let message = builder
        .multipart(alternatives)
        .map_err(|error| format!("the mail cannot be written: {error}"))?;
    Ok((envelope, message.formatted()))
}

/// What stands between the parts: the same in every attempt, and not in what others wrote, since
/// nobody knows it before the mail is made.
fn boundary(mail: &Mail) -> String {
    let mut hash = Sha256::new();
    for text in [&mail.message_id, &mail.text, &mail.html] {
        hash.update(text);
        hash.update([0]);
    }
    hash.finalize()
        .iter()
        .take(20)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use compliance::item::ResourceKey;
    use compliance::notice::mail::{Envelope, mail};
    use compliance::notice::{Notice, NoticeKind};
    use proptest::prelude::*;

    use super::*;

    fn notice() -> Notice {
        Notice {
            key: Some(ResourceKey::bucket(
                "111122223333",
                "us-east-1",
                "bücher\r\nBcc: x@example.com",
            )),
            finding_id: Some("f00d".to_owned()),
            topics: vec!["security".to_owned()],
            policy: Some(format!("{{\"Id\":\"{}\"}}", "x".repeat(20_000))),
            ..Notice::new(
                "n-1",
                NoticeKind::Opened,
                "2026-01-01T00:00:00Z".parse().unwrap(),
            )
        }
    }

    fn written(notice: &Notice, to: &str) -> Result<String, String> {
        let envelope = Envelope {
            delivery_id: "d-1",
            domain: "guard.example.com",
            from: "Wächter <guard@example.com>",
            to,
            reply_to: Some("security@example.com"),
            date: "2026-01-01T00:00:05Z".parse().unwrap(),
        };
        let (_, bytes) = build(&mail(notice, &envelope))?;
        Ok(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_mail_is_seven_bit_and_has_short_lines_and_its_headers_once() {
        let text = written(&notice(), "a@example.com").unwrap();
        assert!(text.is_ascii());
        assert!(text.lines().all(|line| line.len() <= 998));
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let names: Vec<&str> = head
            .split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .map(|line| line.split_once(':').unwrap().0)
            .collect();
        for name in [
            "From",
            "To",
            "Subject",
            "Date",
            "Message-ID",
            "References",
            "Reply-To",
            "Auto-Submitted",
            "List-Id",
        ] {
            assert_eq!(
                names.iter().filter(|found| **found == name).count(),
                1,
                "{name}: {head}"
            );
        }
        assert!(!names.contains(&"Bcc"), "{head}");
        assert!(
            head.contains("Message-ID: <d-1@guard.example.com>"),
            "{head}"
        );
        assert!(
            head.contains("Date: Thu, 01 Jan 2026 00:00:05 +0000"),
            "{head}"
        );
        assert!(head.contains("multipart/alternative"), "{head}");
        for kind in ["text/plain; charset=utf-8", "text/html; charset=utf-8"] {
            assert!(body.contains(kind), "{kind}");
        }
        // Nothing of chance is in it: an attempt that is repeated sends the same bytes.
        assert_eq!(text, written(&notice(), "a@example.com").unwrap());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for to in [
            "",
            "nobody",
            "a@example.com, b@example.com",
            "a@example.com\r\nRCPT TO:<b@example.com>",
            "a@b c",
        ] {
            let wrong = written(&notice(), to).unwrap_err();
            assert!(wrong.contains("receiver"), "{wrong}");
            assert!(!wrong.contains('\n'), "{wrong}");
        }
    }

    proptest! {
        /// Whatever stands in a notice, the mail has the headers that it has, and is seven-bit.
        #[test]
        fn no_text_becomes_a_header(text in "(\\PC|\\p{Cc}|[:<>@=?.\r\n\t -]){0,200}") {
            let mut notice = Notice {
                policy: None,
                ..notice()
            };
            let names = |text: &str| -> Vec<String> {
                let (head, _) = text.split_once("\r\n\r\n").unwrap();
                head.split("\r\n")
                    .filter(|line| !line.starts_with([' ', '\t']))
                    .map(|line| line.split_once(": ").unwrap().0.to_owned())
                    .collect()
            };
            let expected = names(&written(&notice, "a@example.com").unwrap());
            notice.key = Some(ResourceKey::bucket("111122223333", "us-east-1", &text));
            notice.account_label = Some(text.clone());
            notice.finding_id = Some(text.clone());
            notice.topics = vec![text.clone()];
            notice.annotation = Some(text);
            let mail = written(&notice, "a@example.com").unwrap();
            prop_assert!(mail.is_ascii());
            prop_assert!(mail.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
            prop_assert_eq!(names(&mail), expected);
        }
    }
}
