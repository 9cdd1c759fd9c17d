//! A notice as a mail: everything but the sending.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{Notice, NoticeKind, html, mail_subject, text};

/// Who sends to whom.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The delivery's id: an attempt that is repeated has the same one, and so the same Message-ID.
    pub delivery_id: &'a str,
    /// The domain of Message-IDs; it should be one of the sender's.
    pub domain: &'a str,
    /// The sender, `Name <address>` or an address.
    pub from: &'a str,
    /// The receiver's address.
    pub to: &'a str,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<&'a str>,
    /// When it is sent.
    pub date: Timestamp,
}

/// A mail that is ready to be sent. Header values have no line breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// With its angle brackets.
    pub message_id: String,
    /// The Message-IDs that it follows, so that mails about one finding form a thread.
    pub references: Vec<String>,
    /// The sender.
    pub from: String,
    /// The receiver.
    pub to: String,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<String>,
    /// When it is sent.
    pub date: Timestamp,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
}

/// The mail of a notice.
///
/// `Auto-Submitted` keeps vacation programs from answering (RFC 3834); `List-Unsubscribe` with
/// `List-Unsubscribe-Post` is the one-click way of RFC 8058, which demands an HTTPS address.
pub fn mail(notice: &Notice, envelope: &Envelope<'_>) -> Mail {
    let domain = label(envelope.domain, ".-");
    let mut headers = vec![("Auto-Submitted", "auto-generated".to_owned())];
    if let Some(topic) = notice.topics.first() {
        headers.push(("List-Id", format!("<{}.{domain}>", label(topic, "-"))));
    }
    let asks = notice.kind == NoticeKind::SubscriptionConfirmation;
    if let Some(link) = notice.links.unsubscribe.as_deref().filter(|_| !asks)
        && link
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'<' && byte != b'>')
    {
        headers.push(("List-Unsubscribe", format!("<{link}>")));
        if link.starts_with("https://") {
            headers.push((
                "List-Unsubscribe-Post",
                "List-Unsubscribe=One-Click".to_owned(),
            ));
        }
    }
    if notice.severity >= super::Severity::High && !notice.is_good_news() {
        headers.push(("Importance", "high".to_owned()));
    }
    Mail {
        message_id: format!("<{}@{domain}>", label(envelope.delivery_id, ".-_")),
        references: notice
            .finding_id
            .as_ref()
            .map(|finding| format!("<finding.{}@{domain}>", digest(finding)))
            .into_iter()
            .collect(),
        from: envelope.from.to_owned(),
        to: envelope.to.to_owned(),
        reply_to: envelope.reply_to.map(str::to_owned),
        date: envelope.date,
        subject: mail_subject(notice),
        text: text(notice),
        html: html(notice),
        headers,
    }
}

/// Letters, digits and some marks stay; everything else would end the header's value or change its
/// meaning. What was changed is told apart by a digest.
fn label(text: &str, marks: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || marks.contains(c);
    if !text.is_empty() && text.len() <= 128 && text.chars().all(plain) {
        return text.to_owned();
    }
    let kept: String = text.chars().filter(|c| plain(*c)).take(40).collect();
    format!("{kept}-{}", digest(text))
}

fn digest(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
