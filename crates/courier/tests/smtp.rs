//! Mail against servers that refuse, put off, hang, and lose their answers.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::time::Duration;

use compliance::notice::mail::{Envelope, Mail, mail};
use courier::{Mailer, MailerError, Outcome, Secret, Security, SmtpSettings, Trust};
use support::post_office::{Act, Door, PostOffice, Script};
use support::{identity, notice, now};

fn settings(office: &PostOffice) -> SmtpSettings {
    SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port: office.port,
        security: Security::None,
        credentials: None,
        hello: Some("guard.example.com".to_owned()),
        trust: Trust::default(),
        timeout: Duration::from_secs(30),
        keep: 2,
    }
}

fn letter() -> Mail {
    letter_to("a@example.com")
}

fn letter_to(to: &str) -> Mail {
    let envelope = Envelope {
        delivery_id: "d-1",
        domain: "guard.example.com",
        from: "Portcullis <guard@example.com>",
        to,
        reply_to: None,
        date: now(),
    };
    mail(&notice(), &envelope)
}

async fn office(acts: &[(&'static str, Act)]) -> PostOffice {
    PostOffice::open(Script::with(acts), Door::Plain, None).await
}

fn why(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Accepted { answer } => panic!("accepted: {answer}"),
        Outcome::Passing { why, .. } | Outcome::Refused { why, .. } => why,
    }
}

fn passes(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Passing { .. })
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_written() {
    let office = office(&[]).await;
    let mailer = Mailer::new(settings(&office)).unwrap();
    let outcome = mailer.send(&letter()).await;
    assert_eq!(
        outcome,
        Outcome::Accepted {
            answer: "250 queued as 7".to_owned()
        }
    );
    let letters = office.letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].from, "MAIL FROM:<guard@example.com>");
    assert_eq!(letters[0].to, ["RCPT TO:<a@example.com>"]);
    for part in [
        "Message-ID: <d-1@guard.example.com>\r\n",
        "Subject: Public read by policy: backups in 111122223333\r\n",
        "To: a@example.com\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "List-Unsubscribe: <https://guard.example.com/unsubscribe/t>\r\n",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
        "\"Sid\": \"Open\"",
    ] {
        assert!(
            letters[0].data.contains(part),
            "{part}: {}",
            letters[0].data
        );
    }
    assert_eq!(office.lines()[0], "EHLO guard.example.com");
}

#[tokio::test]
async fn a_connection_is_used_again_and_made_anew_when_the_server_closed_it() {
    let office = office(&[]).await;
    let mailer = Mailer::new(settings(&office)).unwrap();
    for _ in 0..3 {
        assert!(matches!(
            mailer.send(&letter()).await,
            Outcome::Accepted { .. }
        ));
    }
    assert_eq!((office.letters().len(), office.connections()), (3, 1));

    for farewell in [Act::Drop, Act::Say("421 closing, come again")] {
        // The first mail is friendly; before the second the server has gone.
        let office = PostOffice::open(
            Script::with(&[("MAIL", Act::Say("250 ok")), ("MAIL", farewell)]),
            Door::Plain,
            None,
        )
        .await;
        let mailer = Mailer::new(settings(&office)).unwrap();
        for _ in 0..2 {
            let outcome = mailer.send(&letter()).await;
            assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
        }
        assert_eq!((office.letters().len(), office.connections()), (2, 2));
    }
}

#[tokio::test]
async fn what_the_server_says_of_the_mail_decides() {
    for (at, answer, refused) in [
        ("RCPT", "550 5.1.1 no such user here", true),
        ("RCPT", "450 4.2.1 mailbox busy", false),
        ("RCPT", "452 4.2.2 mailbox full", false),
        ("MAIL", "553 5.1.8 sender not allowed", true),
        ("MAIL", "530 5.7.0 authenticate first", false),
        ("MAIL", "451 4.7.1 greylisted", false),
        ("DATA", "554 5.5.1 no valid recipients", true),
        (".", "552 5.3.4 too large", true),
        (".", "554 5.7.1 looks like spam", true),
        (".", "451 4.3.0 disk full", false),
        ("CONNECT", "554 no service for you", false),
        ("CONNECT", "421 too busy", false),
        ("EHLO", "501 I do not know you", false),
        ("MAIL", "421 shutting down", false),
    ] {
        let office = office(&[(at, Act::Say(answer))]).await;
        let mailer = Mailer::new(settings(&office)).unwrap();
        let outcome = mailer.send(&letter()).await;
        let why = why(&outcome);
        assert_eq!(passes(&outcome), !refused, "{at} {answer}: {outcome:?}");
        assert!(why.contains(&answer[..3]), "{at} {answer}: {why}");
        assert!(why.contains(&format!("127.0.0.1:{}", office.port)), "{why}");
        assert!(office.letters().is_empty());
        // The next mail goes through.
        let outcome = mailer.send(&letter()).await;
        assert!(
            matches!(outcome, Outcome::Accepted { .. }),
            "{at} {answer}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_refused_mail_does_not_cost_the_connection() {
    let office = office(&[("RCPT", Act::Say("550 no such user"))]).await;
    let mailer = Mailer::new(settings(&office)).unwrap();
    assert!(!passes(&mailer.send(&letter_to("gone@example.com")).await));
    assert!(matches!(
        mailer.send(&letter()).await,
        Outcome::Accepted { .. }
    ));
    assert_eq!(office.connections(), 1);
    assert_eq!(office.letters()[0].to, ["RCPT TO:<a@example.com>"]);
}

#[tokio::test]
async fn a_lost_last_answer_is_neither_yes_nor_no() {
    let office = office(&[(".", Act::Drop)]).await;
    let mailer = Mailer::new(settings(&office)).unwrap();
    let outcome = mailer.send(&letter()).await;
    assert!(passes(&outcome), "{outcome:?}");
    assert!(
        why(&outcome).contains("may have been accepted"),
        "{outcome:?}"
    );
    // It was, and is sent again: whoever reads it can tell by the Message-ID.
    assert!(matches!(
        mailer.send(&letter()).await,
        Outcome::Accepted { .. }
    ));
    let ids: Vec<String> = office
        .letters()
        .iter()
        .map(|letter| {
            let lines = letter.data.lines();
            let mut ids = lines.filter(|line| line.starts_with("Message-ID: "));
            ids.next().unwrap().to_owned()
        })
        .collect();
    assert_eq!(ids, ["Message-ID: <d-1@guard.example.com>"; 2]);
}

#[tokio::test]
async fn a_server_that_hangs_costs_a_time_out_and_says_where() {
    for (at, place) in [
        ("CONNECT", "the greeting"),
        ("EHLO", "the greeting"),
        ("MAIL", "naming the sender"),
        ("RCPT", "naming the receiver"),
        ("DATA", "sending the mail"),
        (".", "waiting for the last answer"),
    ] {
        let office = office(&[(at, Act::Hang)]).await;
        let mut settings = settings(&office);
        settings.timeout = Duration::from_millis(200);
        let mailer = Mailer::new(settings).unwrap();
        let outcome = mailer.send(&letter()).await;
        assert!(passes(&outcome), "{at}: {outcome:?}");
        assert!(why(&outcome).contains(place), "{at}: {outcome:?}");
        assert!(
            why(&outcome).contains("no answer within 0.2 s"),
            "{at}: {outcome:?}"
        );
        assert_eq!(
            why(&outcome).contains("may have been accepted"),
            at == ".",
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn nobody_there_is_passing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let office = office(&[]).await;
    let mut closed = settings(&office);
    closed.port = port;
    let outcome = Mailer::new(closed).unwrap().send(&letter()).await;
    assert!(
        passes(&outcome) && why(&outcome).contains("connecting"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn tls_is_used_and_the_password_goes_over_it_only() {
    let identity = identity();
    let trust = Trust::with_pem(identity.pem.as_bytes()).unwrap();
    for (door, security) in [
        (Door::StartTls, Security::StartTls),
        (Door::Implicit, Security::Implicit),
    ] {
        let script = Script {
            extensions: vec!["AUTH PLAIN LOGIN"],
            ..Script::default()
        };
        let office = PostOffice::open(script, door, Some(&identity)).await;
        let mut settings = settings(&office);
        settings.host = "localhost".to_owned();
        settings.security = security;
        settings.credentials = Some(("guard".to_owned(), Secret::new("hunter2")));
        settings.trust = trust.clone();
        let outcome = Mailer::new(settings).unwrap().send(&letter()).await;
        assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
        assert!(office.letters()[0].private);
        let lines = office.lines();
        // NUL guard NUL hunter2
        assert!(
            lines.contains(&"AUTH PLAIN AGd1YXJkAGh1bnRlcjI=".to_owned()),
            "{lines:?}"
        );
    }
}

#[tokio::test]
async fn who_is_not_believed_gets_nothing() {
    let identity = identity();
    for (door, security) in [
        (Door::StartTls, Security::StartTls),
        (Door::Implicit, Security::Implicit),
    ] {
        let office = PostOffice::open(Script::default(), door, Some(&identity)).await;
        let mut settings = settings(&office);
        settings.host = "localhost".to_owned();
        settings.security = security;
        let outcome = Mailer::new(settings).unwrap().send(&letter()).await;
        assert!(passes(&outcome), "{outcome:?}");
        assert!(why(&outcome).contains("certificate"), "{outcome:?}");
        assert!(office.letters().is_empty());
    }
    // A server without STARTTLS gets nothing either, nor one that refuses it.
    for acts in [vec![], vec![("STARTTLS", Act::Say("454 not now"))]] {
        let door = if acts.is_empty() {
            Door::Plain
        } else {
            Door::StartTls
        };
        let office = PostOffice::open(Script::with(&acts), door, Some(&identity)).await;
        let mut settings = settings(&office);
        settings.security = Security::StartTls;
        settings.trust = Trust::with_pem(identity.pem.as_bytes()).unwrap();
        let outcome = Mailer::new(settings).unwrap().send(&letter()).await;
        assert!(
            passes(&outcome) && why(&outcome).contains("turning to TLS"),
            "{outcome:?}"
        );
        assert!(!office.lines().iter().any(|line| line.starts_with("MAIL")));
    }
}

#[tokio::test]
async fn answers_in_the_clear_are_not_taken_for_answers_under_tls() {
    let identity = identity();
    let script = Script {
        injected: "250-a\r\n250 b\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued",
        ..Script::default()
    };
    let office = PostOffice::open(script, Door::StartTls, Some(&identity)).await;
    let mut settings = settings(&office);
    settings.security = Security::StartTls;
    settings.trust = Trust::with_pem(identity.pem.as_bytes()).unwrap();
    let outcome = Mailer::new(settings).unwrap().send(&letter()).await;
    assert!(passes(&outcome), "{outcome:?}");
    assert!(why(&outcome).contains("in the clear"), "{outcome:?}");
}

#[tokio::test]
async fn a_wrong_password_is_for_the_operator_and_is_not_repeated() {
    let mut script = Script::with(&[("AUTH", Act::Say("535 5.7.8 AGd1YXJkAGh1bnRlcjI= is wrong"))]);
    script.extensions = vec!["AUTH PLAIN"];
    let office = PostOffice::open(script, Door::Plain, None).await;
    let mut settings = settings(&office);
    settings.credentials = Some(("guard".to_owned(), Secret::new("hunter2")));
    let shown = format!("{settings:?}");
    let mailer = Mailer::new(settings).unwrap();
    let outcome = mailer.send(&letter()).await;
    assert!(
        passes(&outcome) && why(&outcome).contains("535"),
        "{outcome:?}"
    );
    for text in [shown, format!("{outcome:?}"), format!("{mailer:?}")] {
        assert!(
            !text.contains("hunter2") && !text.contains("AGd1"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn nothing_is_said_in_the_clear_to_another_machine() {
    let office = office(&[]).await;
    let mut settings = settings(&office);
    settings.host = "mail.example.com".to_owned();
    assert!(matches!(
        Mailer::new(settings),
        Err(MailerError::InTheClear { .. })
    ));
}

#[tokio::test]
async fn what_a_server_says_is_cut_and_controls_nothing() {
    let office = office(&[("RCPT", Act::Say("550 \u{1b}[31mred\u{202e} and on"))]).await;
    let outcome = Mailer::new(settings(&office))
        .unwrap()
        .send(&letter())
        .await;
    let why = why(&outcome);
    assert!(
        !why.chars().any(|c| c.is_control() || c == '\u{202e}'),
        "{why:?}"
    );
    assert!(why.contains("\\u{1b}[31mred"), "{why:?}");
}

#[tokio::test]
async fn an_address_beyond_ascii_needs_a_server_that_takes_it() {
    for (extensions, accepted) in [(vec![], false), (vec!["SMTPUTF8", "8BITMIME"], true)] {
        let script = Script {
            extensions,
            ..Script::default()
        };
        let office = PostOffice::open(script, Door::Plain, None).await;
        let mailer = Mailer::new(settings(&office)).unwrap();
        let outcome = mailer.send(&letter_to("jürgen@example.com")).await;
        assert_eq!(
            matches!(outcome, Outcome::Accepted { .. }),
            accepted,
            "{outcome:?}"
        );
        assert!(!passes(&outcome), "{outcome:?}");
    }
}
