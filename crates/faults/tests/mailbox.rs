//! The mailbox, by a client that speaks SMTP itself: what it is told is seen word for word.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{self, ErrorKind};

use faults::{Behaviour, Mailbox, Stage};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// One connection; every answer is a line.
struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(mailbox: &Mailbox) -> io::Result<Client> {
        let stream = TcpStream::connect(mailbox.address()).await?;
        Ok(Client(BufReader::new(stream)))
    }

    /// The code of the next answer; none if the connection has ended.
    async fn code(&mut self) -> io::Result<Option<u16>> {
        let mut line = String::new();
        self.0.read_line(&mut line).await?;
        Ok(line.get(..3).and_then(|code| code.parse().ok()))
    }

    async fn say(&mut self, text: &str) -> io::Result<Option<u16>> {
        self.0.write_all(text.as_bytes()).await?;
        self.code().await
    }

    async fn greet(&mut self) {
        assert_eq!(self.code().await.unwrap(), Some(220));
        // Not EHLO: one line of answer.
        assert_eq!(self.say("HELO client.test\r\n").await.unwrap(), Some(250));
    }

    async fn envelope(&mut self) {
        let from = self.say("MAIL FROM:<guard@portcullis.test>\r\n").await;
        assert_eq!(from.unwrap(), Some(250));
        for to in ["a@mailbox.test", "b@mailbox.test"] {
            let told = self.say(&format!("RCPT TO:<{to}>\r\n")).await;
            assert_eq!(told.unwrap(), Some(250));
        }
        assert_eq!(self.say("DATA\r\n").await.unwrap(), Some(354));
    }

    /// Sends the message, and does not wait for what it is told.
    async fn message(&mut self, subject: &str) {
        let message = format!(
            "Message-ID: <{subject}@portcullis.test>\r\nSubject: {subject}\r\n\r\n..a line with a dot\r\n.\r\n"
        );
        self.0.write_all(message.as_bytes()).await.unwrap();
    }
}

async fn client(mailbox: &Mailbox) -> Client {
    let mut client = Client::connect(mailbox).await.unwrap();
    client.greet().await;
    client
}

/// Whether the other side has ended the connection without another word.
fn ended(told: &io::Result<Option<u16>>) -> bool {
    match told {
        Ok(told) => told.is_none(),
        Err(error) => matches!(
            error.kind(),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
        ),
    }
}

#[tokio::test]
#[ignore = "needs aiosmtpd: run cargo xtask test"]
async fn what_is_sent_is_there() {
    let mailbox = Mailbox::start().await.unwrap();
    let mut client = client(&mailbox).await;
    for subject in ["one", "two"] {
        client.envelope().await;
        client.message(subject).await;
        assert_eq!(client.code().await.unwrap(), Some(250));
    }
    let messages = mailbox.wait_for(2).await.unwrap();
    assert_eq!(messages[0].from, "guard@portcullis.test");
    assert_eq!(messages[0].to, ["a@mailbox.test", "b@mailbox.test"]);
    assert_eq!(messages[1].subject().as_deref(), Some("two"));
    assert_eq!(
        messages[1].message_id().as_deref(),
        Some("two@portcullis.test")
    );
    assert!(messages[1].raw.ends_with(b"\r\n\r\n.a line with a dot\r\n"));
    assert!(messages.iter().all(|message| message.told));
    assert!(mailbox.refusals().all().is_empty());
}

#[tokio::test]
#[ignore = "needs aiosmtpd: run cargo xtask test"]
async fn it_refuses_at_every_stage_as_often_as_told() {
    let mailbox = Mailbox::start().await.unwrap();
    for (stage, code) in [
        (Stage::Connect, 421),
        (Stage::Mail, 451),
        (Stage::Rcpt, 550),
        (Stage::Data, 452),
        (Stage::Data, 554),
    ] {
        mailbox
            .next(1, Behaviour::Refuse { stage, code })
            .await
            .unwrap();
    }

    let mut refused = Client::connect(&mailbox).await.unwrap();
    assert_eq!(refused.code().await.unwrap(), Some(421));
    assert!(ended(&refused.code().await));

    let mut client = client(&mailbox).await;
    let mail = "MAIL FROM:<guard@portcullis.test>\r\n";
    let rcpt = "RCPT TO:<a@mailbox.test>\r\n";
    assert_eq!(client.say(mail).await.unwrap(), Some(451));
    assert_eq!(client.say(mail).await.unwrap(), Some(250));
    assert_eq!(client.say(rcpt).await.unwrap(), Some(550));
    assert_eq!(client.say("RSET\r\n").await.unwrap(), Some(250));
    for code in [452, 554, 250] {
        client.envelope().await;
        client.message("last").await;
        assert_eq!(client.code().await.unwrap(), Some(code));
    }
    assert_eq!(mailbox.wait_for(1).await.unwrap().len(), 1);
    let codes: Vec<u16> = mailbox.refusals().all().iter().map(|r| r.code).collect();
    assert_eq!(codes, [421, 451, 550, 452, 554]);

    let never = Behaviour::Refuse {
        stage: Stage::Data,
        code: 451,
    };
    mailbox.always(never).await.unwrap();
    for _ in 0..3 {
        client.envelope().await;
        client.message("no").await;
        assert_eq!(client.code().await.unwrap(), Some(451));
    }
    assert_eq!(mailbox.messages().all().len(), 1);
}

#[tokio::test]
#[ignore = "needs aiosmtpd: run cargo xtask test"]
async fn a_message_is_taken_over_before_its_sender_knows() {
    let mailbox = Mailbox::start().await.unwrap();
    mailbox.next(1, Behaviour::Hold).await.unwrap();
    mailbox.next(1, Behaviour::HangUp).await.unwrap();

    let mut held = client(&mailbox).await;
    held.envelope().await;
    held.message("held").await;
    let message = mailbox
        .wait_for_one(|message| message.subject().as_deref() == Some("held"))
        .await
        .unwrap();
    assert!(!message.told);
    let nothing = held.0.get_ref().try_read(&mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    mailbox.release().await.unwrap();
    assert_eq!(held.code().await.unwrap(), Some(250));

    let mut hung_up = client(&mailbox).await;
    hung_up.envelope().await;
    hung_up.message("hung up").await;
    assert!(ended(&hung_up.code().await));
    let messages = mailbox.wait_for(2).await.unwrap();
    assert_eq!(messages[1].subject().as_deref(), Some("hung up"));
    assert!(!messages[1].told);
}

#[tokio::test]
#[ignore = "needs aiosmtpd: run cargo xtask test"]
async fn it_dies_and_is_back_on_the_same_port() {
    let mailbox = Mailbox::start().await.unwrap();
    let address = mailbox.address();
    mailbox.next(1, Behaviour::Die).await.unwrap();
    let mut dying = client(&mailbox).await;
    dying.envelope().await;
    dying.message("last words").await;
    assert!(ended(&dying.code().await));
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert!(mailbox.next(1, Behaviour::Accept).await.is_err());
    mailbox.wait_for(1).await.unwrap();

    for round in 0..3 {
        mailbox.come_back().await.unwrap();
        assert_eq!(mailbox.address(), address);
        let mut client = client(&mailbox).await;
        client.envelope().await;
        client.message("again").await;
        assert_eq!(client.code().await.unwrap(), Some(250));
        assert_eq!(mailbox.wait_for(round + 2).await.unwrap().len(), round + 2);
        mailbox.refuse().await.unwrap();
        assert!(ended(&client.say("NOOP\r\n").await));
        let refused = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
}

#[tokio::test]
#[ignore = "needs aiosmtpd: run cargo xtask test"]
async fn a_dropped_mailbox_is_gone() {
    let mailbox = Mailbox::start().await.unwrap();
    let mut client = client(&mailbox).await;
    drop(mailbox);
    // Killed: the connection ends.
    while !ended(&client.code().await) {}
}
