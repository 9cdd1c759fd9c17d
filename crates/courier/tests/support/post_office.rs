//! A mail server that answers as it is told.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::{Identity, Wire};

/// What a server does at a point of the conversation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    /// Says this (without the line's end).
    Say(&'static str),
    /// Says nothing, and the connection stays open.
    Hang,
    /// Says nothing, and the connection is closed.
    Drop,
}

/// What it does where: a verb in capitals, `CONNECT` for the greeting, `.` for the end of a mail.
/// Each stands for one time, in order; where nothing stands it is friendly.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) acts: Vec<(&'static str, Act)>,
    pub(crate) extensions: Vec<&'static str>,
    /// Sent in the clear right after the answer to STARTTLS.
    pub(crate) injected: &'static str,
}

impl Script {
    pub(crate) fn with(acts: &[(&'static str, Act)]) -> Script {
        Script {
            acts: acts.to_vec(),
            ..Script::default()
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Letter {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) data: String,
    /// Whether it came over TLS.
    pub(crate) private: bool,
}

#[derive(Debug, Default)]
struct Record {
    lines: Vec<String>,
    letters: Vec<Letter>,
    connections: usize,
}

pub(crate) struct PostOffice {
    pub(crate) port: u16,
    record: Arc<Mutex<Record>>,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Door {
    Plain,
    StartTls,
    Implicit,
}

impl PostOffice {
    pub(crate) async fn open(
        script: Script,
        door: Door,
        identity: Option<&Identity>,
    ) -> PostOffice {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let record = Arc::new(Mutex::new(Record::default()));
        let acceptor = identity.map(|identity| identity.acceptor.clone());
        let script = Arc::new(Mutex::new(script));
        let all = Arc::clone(&record);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                all.lock().unwrap().connections += 1;
                let mut clerk = Clerk {
                    script: Arc::clone(&script),
                    record: Arc::clone(&all),
                    acceptor: acceptor.clone(),
                    door,
                };
                tokio::spawn(async move {
                    let wire = match (door, &clerk.acceptor) {
                        (Door::Implicit, Some(acceptor)) => match acceptor.accept(stream).await {
                            Ok(stream) => Wire::Tls(Box::new(stream)),
                            Err(_) => return,
                        },
                        _ => Wire::Plain(stream),
                    };
                    clerk.serve(wire).await;
                });
            }
        });
        PostOffice { port, record }
    }

    pub(crate) fn letters(&self) -> Vec<Letter> {
        self.record.lock().unwrap().letters.clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.record.lock().unwrap().lines.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.record.lock().unwrap().connections
    }
}

struct Clerk {
    script: Arc<Mutex<Script>>,
    record: Arc<Mutex<Record>>,
    acceptor: Option<tokio_rustls::TlsAcceptor>,
    door: Door,
}

impl Clerk {
    /// The next act at a point.
    fn act(&self, at: &str) -> Option<Act> {
        let mut script = self.script.lock().unwrap();
        let found = script.acts.iter().position(|(point, _)| *point == at)?;
        Some(script.acts.remove(found).1)
    }

    /// Does what the script says, or says `otherwise`. `false`: the connection is over.
    async fn does(&self, stream: &mut BufReader<Wire>, at: &str, otherwise: &str) -> bool {
        match self.act(at) {
            Some(Act::Hang) => std::future::pending().await,
            Some(Act::Drop) => false,
            Some(Act::Say(text)) => say(stream, text).await,
            None => say(stream, otherwise).await,
        }
    }

    async fn serve(&mut self, wire: Wire) {
        let mut stream = BufReader::new(wire);
        if !self
            .does(&mut stream, "CONNECT", "220 post.example.com")
            .await
        {
            return;
        }
        let mut letter = Letter::default();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end().to_owned();
            self.record.lock().unwrap().lines.push(line.clone());
            let verb = line.split(' ').next().unwrap().to_ascii_uppercase();
            let friendly = match verb.as_str() {
                "EHLO" => {
                    let mut extensions = self.script.lock().unwrap().extensions.clone();
                    if self.door == Door::StartTls && matches!(stream.get_ref(), Wire::Plain(_)) {
                        extensions.push("STARTTLS");
                    }
                    let mut answer = "250-post.example.com".to_owned();
                    for extension in extensions {
                        answer.push_str(&format!("\r\n250-{extension}"));
                    }
                    answer + "\r\n250 HELP"
                }
                "MAIL" => {
                    letter = Letter {
                        from: line.clone(),
                        private: matches!(stream.get_ref(), Wire::Tls(_)),
                        ..Letter::default()
                    };
                    "250 sender ok".to_owned()
                }
                "RCPT" => {
                    letter.to.push(line.clone());
                    "250 receiver ok".to_owned()
                }
                "DATA" => "354 go on".to_owned(),
                "AUTH" => "235 welcome".to_owned(),
                "STARTTLS" => "220 go on".to_owned(),
                "QUIT" => "221 bye".to_owned(),
                _ => "250 ok".to_owned(),
            };
            let injected = self.script.lock().unwrap().injected;
            if verb == "STARTTLS" && !injected.is_empty() {
                let answer = format!("{friendly}\r\n{injected}\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.flush().await;
                continue;
            }
            let refuses =
                matches!(&self.peek(&verb), Some(Act::Say(text)) if text.starts_with(['4', '5']));
            if !self.does(&mut stream, &verb, &friendly).await || verb == "QUIT" {
                return;
            }
            if verb == "STARTTLS" && !refuses {
                let Wire::Plain(plain) = stream.into_inner() else {
                    return;
                };
                match self.acceptor.as_ref().unwrap().accept(plain).await {
                    Ok(tls) => stream = BufReader::new(Wire::Tls(Box::new(tls))),
                    Err(_) => return,
                }
            }
            if verb == "DATA" && !refuses {
                letter.data = data(&mut stream).await;
                // A server that drops the line now has the mail all the same.
                let kept = !matches!(&self.peek("."), Some(Act::Say(text)) if text.starts_with(['4', '5']));
                if kept {
                    self.record.lock().unwrap().letters.push(letter.clone());
                }
                if !self.does(&mut stream, ".", "250 queued as 7").await {
                    return;
                }
            }
        }
    }

    fn peek(&self, at: &str) -> Option<Act> {
        let script = self.script.lock().unwrap();
        let found = script.acts.iter().find(|(point, _)| *point == at)?;
        Some(found.1.clone())
    }
}

async fn say(stream: &mut BufReader<Wire>, text: &str) -> bool {
    let said = stream.write_all(format!("{text}\r\n").as_bytes()).await;
    said.is_ok() && stream.flush().await.is_ok()
}

/// The mail's lines until the lone dot, without what dots were doubled.
async fn data(stream: &mut BufReader<Wire>) -> String {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 || line == ".\r\n" {
            return text;
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
