//! Mails: threads, headers, and the links in them.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::notices::{HOSTILE, at, bare, harmless, hostile};
use compliance::notice::NoticeKind;
use compliance::notice::mail::{Envelope, Mail, mail};
use compliance::notice::token::{Purpose, TokenError, TokenKey, derive, verify};

fn envelope() -> Envelope<'static> {
    Envelope {
        delivery_id: "one/f00d/opened/4",
        domain: "guard.example.com",
        from: "Portcullis <guard@example.com>",
        to: "a@example.com",
        reply_to: None,
        date: at("2026-01-01T00:00:05Z"),
    }
}

fn header<'m>(mail: &'m Mail, name: &str) -> Option<&'m str> {
    let mut found = mail.headers.iter().filter(|(header, _)| *header == name);
    let value = found.next().map(|(_, value)| value.as_str());
    assert!(found.next().is_none(), "{name} stands once");
    value
}

#[test]
fn a_repeated_attempt_is_the_same_mail() {
    let one = mail(&harmless(NoticeKind::Opened), &envelope());
    assert_eq!(one, mail(&harmless(NoticeKind::Opened), &envelope()));
    assert!(one.message_id.starts_with('<') && one.message_id.ends_with("@guard.example.com>"));
    let mut other = envelope();
    other.delivery_id = "two/f00d/opened/4";
    assert_ne!(
        one.message_id,
        mail(&harmless(NoticeKind::Opened), &other).message_id
    );
    // Ids that differ only in what a header cannot hold stay apart.
    other.delivery_id = "one:f00d/opened/4";
    assert_ne!(
        one.message_id,
        mail(&harmless(NoticeKind::Opened), &other).message_id
    );
}

#[test]
fn mails_about_one_finding_form_a_thread() {
    let (opened, closed) = (
        mail(&harmless(NoticeKind::Opened), &envelope()),
        mail(&harmless(NoticeKind::Closed), &envelope()),
    );
    assert_eq!(opened.references.len(), 1);
    assert_eq!(opened.references, closed.references);
    let mut other = harmless(NoticeKind::Opened);
    other.finding_id = Some("beef".to_owned());
    assert_ne!(mail(&other, &envelope()).references, opened.references);
    assert!(
        mail(&bare(NoticeKind::Test), &envelope())
            .references
            .is_empty()
    );
}

#[test]
fn one_click_unsubscribes_and_nobody_answers_automatically() {
    let opened = mail(&harmless(NoticeKind::Opened), &envelope());
    assert_eq!(header(&opened, "Auto-Submitted"), Some("auto-generated"));
    assert_eq!(
        header(&opened, "List-Id"),
        Some("<security.guard.example.com>")
    );
    assert_eq!(
        header(&opened, "List-Unsubscribe"),
        Some("<https://guard.example.com/unsubscribe/t>")
    );
    assert_eq!(
        header(&opened, "List-Unsubscribe-Post"),
        Some("List-Unsubscribe=One-Click")
    );
    assert_eq!(header(&opened, "Importance"), Some("high"));
    // One-click is for HTTPS only (RFC 8058, section 3.1).
    let mut plain = harmless(NoticeKind::Closed);
    plain.links.unsubscribe = Some("http://127.0.0.1:9443/unsubscribe/t".to_owned());
    let plain = mail(&plain, &envelope());
    assert!(header(&plain, "List-Unsubscribe").is_some());
    assert_eq!(header(&plain, "List-Unsubscribe-Post"), None);
    assert_eq!(header(&plain, "Importance"), None);
    // Who has not confirmed has nothing to leave.
    let question = mail(&harmless(NoticeKind::SubscriptionConfirmation), &envelope());
    assert_eq!(header(&question, "List-Unsubscribe"), None);
    assert!(
        question
            .text
            .contains("Confirm: https://guard.example.com/confirm/t"),
        "{}",
        question.text
    );
    assert!(
        question
            .html
            .contains("href=\"https://guard.example.com/confirm/t\"")
    );
    // And nobody else sees the link that confirms.
    assert!(!opened.text.contains("/confirm/") && !opened.html.contains("/confirm/"));
}

#[test]
fn no_text_becomes_a_header() {
    for kind in NoticeKind::ALL {
        let mut notice = hostile(kind);
        notice.topics = vec![HOSTILE.to_owned()];
        notice.finding_id = Some(HOSTILE.to_owned());
        notice.links.unsubscribe = Some(format!("https://example.com/{HOSTILE}"));
        let mut envelope = envelope();
        envelope.delivery_id = HOSTILE;
        envelope.domain = "guard.example.com\r\nBcc: evil@example.com";
        let mail = mail(&notice, &envelope);
        let values = mail
            .headers
            .iter()
            .map(|(_, value)| value)
            .chain(&mail.references)
            .chain([&mail.message_id]);
        for value in values {
            assert!(
                value.bytes().all(|b| (b' '..=b'~').contains(&b)),
                "{value:?}"
            );
            assert!(!value.contains(' ') || !value.contains('@'), "{value:?}");
        }
        assert!(!mail.subject.contains(|c: char| c.is_control()));
        assert_eq!(header(&mail, "List-Unsubscribe"), None);
    }
}

const NOW: &str = "2026-01-01T00:00:00Z";

fn key() -> TokenKey {
    TokenKey::new([7; 32]).unwrap()
}

#[test]
fn a_token_opens_one_door() {
    let token = derive(
        &key(),
        Purpose::Confirm,
        "one",
        "a@example.com",
        Some(at("2026-01-04T00:00:00Z")),
    );
    assert!(
        token
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    );
    let check = |purpose, id, endpoint, now| verify(&key(), purpose, id, endpoint, &token, at(now));
    assert_eq!(check(Purpose::Confirm, "one", "a@example.com", NOW), Ok(()));
    for (purpose, id, endpoint) in [
        (Purpose::Unsubscribe, "one", "a@example.com"),
        (
            Purpose::Acknowledge { finding_id: "" },
            "one",
            "a@example.com",
        ),
        (Purpose::Confirm, "two", "a@example.com"),
        (Purpose::Confirm, "one", "b@example.com"),
        // The border between the parts counts.
        (Purpose::Confirm, "onea", "@example.com"),
        (Purpose::Confirm, "", "onea@example.com"),
    ] {
        assert_eq!(
            check(purpose, id, endpoint, NOW),
            Err(TokenError::Invalid),
            "{purpose:?} {id} {endpoint}"
        );
    }
    assert_eq!(
        check(
            Purpose::Confirm,
            "one",
            "a@example.com",
            "2026-01-04T00:00:00Z"
        ),
        Err(TokenError::Expired)
    );
    let other = TokenKey::new([8; 32]).unwrap();
    let now = at(NOW);
    assert_eq!(
        verify(
            &other,
            Purpose::Confirm,
            "one",
            "a@example.com",
            &token,
            now
        ),
        Err(TokenError::Invalid)
    );
}

#[test]
fn a_token_cannot_be_altered() {
    let now = at(NOW);
    let token = derive(&key(), Purpose::Unsubscribe, "one", "a@example.com", None);
    let check = |token: &str| {
        verify(
            &key(),
            Purpose::Unsubscribe,
            "one",
            "a@example.com",
            token,
            now,
        )
    };
    assert_eq!(check(&token), Ok(()));
    // Without an end it is good for ever.
    let far = at("9999-01-01T00:00:00Z");
    assert_eq!(
        verify(
            &key(),
            Purpose::Unsubscribe,
            "one",
            "a@example.com",
            &token,
            far
        ),
        Ok(())
    );
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(bytes).unwrap();
        assert_eq!(check(&altered), Err(TokenError::Invalid), "{at}");
        assert_eq!(check(&token[..at]), Err(TokenError::Invalid), "{at}");
    }
    for junk in [
        "",
        "=",
        "%%%",
        "ä",
        &"A".repeat(100_000),
        &format!("{token}A"),
    ] {
        assert_eq!(check(junk), Err(TokenError::Invalid));
    }
}

#[test]
fn keys_are_long_enough_and_do_not_print() {
    assert!(TokenKey::new([7; 31]).is_none());
    assert_eq!(format!("{:?}", key()), "TokenKey(…)");
}
