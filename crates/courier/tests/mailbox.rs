//! Mail to a real server (aiosmtpd), read by somebody else's parser.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::Duration;

use compliance::notice::mail::{Envelope, Mail, mail};
use compliance::notice::{self, Notice};
use courier::{Mailer, Outcome, Security, SmtpSettings, Trust};
use faults::{Behaviour, Mailbox, Stage};
use support::now;

fn mailer(mailbox: &Mailbox) -> Mailer {
    Mailer::new(SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port: mailbox.address().port(),
        security: Security::None,
        credentials: None,
        hello: Some("guard.example.com".to_owned()),
        trust: Trust::default(),
        timeout: Duration::from_secs(60),
        keep: 1,
    })
    .unwrap()
}

fn letter(notice: &Notice) -> Mail {
    let envelope = Envelope {
        delivery_id: "d-1",
        domain: "guard.example.com",
        from: "Wächter <guard@example.com>",
        to: "a@example.com",
        reply_to: None,
        date: now(),
    };
    mail(notice, &envelope)
}

/// Lines of a mail end with CR and LF, whatever they did before.
fn lines(text: &str) -> Vec<&str> {
    text.trim_end().lines().collect()
}

#[tokio::test]
#[ignore = "needs a mail server: run cargo xtask test"]
async fn what_is_read_is_what_was_written() {
    let mailbox = Mailbox::start().await.unwrap();
    let mailer = mailer(&mailbox);
    // As long as S3 allows; lines that end a mail if they are not doubled; letters of all kinds.
    let mut long = support::notice();
    let statement = ".\r\n.\r\n..\r\nFrom nobody\r\n=\r\n=3D ü € 𝄞 \t \r\n";
    long.policy = Some(format!(
        "{{\"Id\": \"{}\",\n{statement}}}",
        "x".repeat(20 * 1024)
    ));
    long.account_label = Some("Büro €\r\nBcc: evil@example.com".to_owned());
    long.finding_id = Some("f00d".to_owned());
    assert!(matches!(
        mailer.send(&letter(&long)).await,
        Outcome::Accepted { .. }
    ));
    let message = &mailbox.wait_for(1).await.unwrap()[0];
    assert_eq!(message.from, "guard@example.com");
    assert_eq!(message.to, ["a@example.com"]);
    assert_eq!(message.subject(), Some(notice::mail_subject(&long)));
    assert_eq!(
        message.message_id().as_deref(),
        Some("d-1@guard.example.com")
    );
    assert_eq!(message.header("Bcc"), None);
    assert_eq!(
        message.header("Auto-Submitted").as_deref(),
        Some("auto-generated")
    );
    assert_eq!(
        message.header("List-Unsubscribe").as_deref(),
        Some("<https://guard.example.com/unsubscribe/t>")
    );
    let (text, html) = (message.text().unwrap(), message.html().unwrap());
    assert_eq!(lines(&text), lines(&notice::text(&long)));
    assert_eq!(lines(&html), lines(&notice::html(&long)));
    assert!(text.contains(&"x".repeat(20 * 1024)));
    // Every line is short enough for every server (RFC 5321, section 4.5.3.1.6), and in ASCII.
    let raw = String::from_utf8(message.raw.clone()).unwrap();
    assert!(raw.is_ascii() && raw.lines().all(|line| line.len() <= 998));
}

#[tokio::test]
#[ignore = "needs a mail server: run cargo xtask test"]
async fn a_server_s_refusals_and_its_death_are_told_apart() {
    let mailbox = Mailbox::start().await.unwrap();
    let mailer = mailer(&mailbox);
    let mail = letter(&support::notice());
    for (stage, code, refused) in [
        (Stage::Mail, 451, false),
        (Stage::Rcpt, 550, true),
        (Stage::Data, 452, false),
        (Stage::Data, 554, true),
    ] {
        let refuse = Behaviour::Refuse { stage, code };
        mailbox.next(1, refuse).await.unwrap();
        let outcome = mailer.send(&mail).await;
        let was_refused = matches!(outcome, Outcome::Refused { gone: false, .. });
        assert_eq!(was_refused, refused, "{stage:?} {code}: {outcome:?}");
        assert!(!matches!(outcome, Outcome::Accepted { .. }));
    }
    // It takes the mail over, dies, and comes back: the mail is sent again, recognisably.
    mailbox.next(1, Behaviour::Die).await.unwrap();
    let outcome = mailer.send(&mail).await;
    assert!(matches!(outcome, Outcome::Passing { .. }), "{outcome:?}");
    let outcome = mailer.send(&mail).await;
    assert!(matches!(outcome, Outcome::Passing { .. }), "{outcome:?}");
    // It may still be dying.
    mailbox.refuse().await.unwrap();
    mailbox.come_back().await.unwrap();
    let outcome = mailer.send(&mail).await;
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
    let messages = mailbox.wait_for(2).await.unwrap();
    assert_eq!([messages[0].told, messages[1].told], [false, true]);
    assert_eq!(messages[0].message_id(), messages[1].message_id());
    assert_eq!(messages[0].raw, messages[1].raw);
}
