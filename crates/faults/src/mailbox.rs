//! A real mail server (aiosmtpd) that keeps what it gets, refuses when told, and can die.

use std::io;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Mutex, mpsc};

use crate::door::Port;
use crate::log::{Log, NotSeen};
use crate::message::Message;

/// The interpreter that has aiosmtpd; `cargo xtask test` sets it.
const PYTHON: &str = "PORTCULLIS_TEST_PYTHON";
const SCRIPT: &str = include_str!("mailbox.py");
/// How long the server may take to start or to obey: only ever reached by a failure.
const LIMIT: Duration = Duration::from_secs(60);

/// What the server does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Behaviour {
    /// Takes it over, and says so.
    Accept,
    /// Refuses it: a code of 400 and more is for now, one of 500 and more for good.
    Refuse {
        /// When.
        stage: Stage,
        /// Its answer's code.
        code: u16,
    },
    /// Takes it over, and says so only after [`Mailbox::release`].
    Hold,
    /// Takes it over, and ends the connection without saying so.
    HangUp,
    /// Takes it over, and ends altogether without saying so, until [`Mailbox::come_back`].
    Die,
}

/// At which command a message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Instead of the greeting: no message is asked for.
    Connect,
    /// At `MAIL`.
    Mail,
    /// At `RCPT`.
    Rcpt,
    /// After the message was sent.
    Data,
}

/// A message, or a connection, that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    /// When.
    pub stage: Stage,
    /// With which code.
    pub code: u16,
}

/// A mail server on 127.0.0.1, and what it has got.
#[derive(Debug)]
pub struct Mailbox {
    port: Port,
    server: Mutex<Option<Server>>,
    messages: Log<Message>,
    refusals: Log<Refusal>,
}

/// The process. Dropping it kills it.
#[derive(Debug)]
struct Server {
    child: Child,
    commands: ChildStdin,
    obeyed: mpsc::UnboundedReceiver<()>,
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event {
    Listening,
    Done,
    Refused(Refusal),
    Message {
        from: Option<String>,
        to: Vec<String>,
        data: String,
        told: bool,
    },
}

impl Mailbox {
    /// Starts one that accepts everything.
    ///
    /// # Errors
    ///
    /// If `PORTCULLIS_TEST_PYTHON` is not set, or the server does not start.
    pub async fn start() -> io::Result<Mailbox> {
        let mailbox = Mailbox {
            port: Port::reserve()?,
            server: Mutex::new(None),
            messages: Log::new(),
            refusals: Log::new(),
        };
        mailbox.come_back().await?;
        Ok(mailbox)
    }

    /// Where it listens, and where it will again after it was gone.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Every message that it has taken over.
    #[must_use]
    pub fn messages(&self) -> &Log<Message> {
        &self.messages
    }

    /// Everything that it has refused.
    #[must_use]
    pub fn refusals(&self) -> &Log<Refusal> {
        &self.refusals
    }

    /// Waits until it has taken over `count` messages, and returns all that it has.
    ///
    /// # Errors
    ///
    /// [`NotSeen`] after a minute, with the messages that came.
    pub async fn wait_for(&self, count: usize) -> Result<Vec<Message>, NotSeen> {
        self.messages.wait_for(|all| all.len() >= count).await
    }

    /// Waits for the first message that is such.
    ///
    /// # Errors
    ///
    /// [`NotSeen`] after a minute, with the messages that came.
    pub async fn wait_for_one(&self, such: impl Fn(&Message) -> bool) -> Result<Message, NotSeen> {
        self.messages.wait_for_one(such).await
    }

    /// Plans what becomes of the next `count` messages (or connections, for [`Stage::Connect`]) that
    /// nothing is planned for yet.
    ///
    /// # Errors
    ///
    /// If the server is gone.
    pub async fn next(&self, count: usize, behaviour: Behaviour) -> io::Result<()> {
        self.command(&json!({"next": behaviour, "count": count}))
            .await
    }

    /// Plans what becomes of all messages that nothing else is planned for.
    ///
    /// # Errors
    ///
    /// If the server is gone.
    pub async fn always(&self, behaviour: Behaviour) -> io::Result<()> {
        self.command(&json!({"always": behaviour})).await
    }

    /// Tells the senders of the messages that are held.
    ///
    /// # Errors
    ///
    /// If the server is gone.
    pub async fn release(&self) -> io::Result<()> {
        self.command(&json!({"release": true})).await
    }

    /// Kills the server: connections end, and new ones are refused. What it has got stays.
    ///
    /// # Errors
    ///
    /// If it cannot be killed.
    pub async fn refuse(&self) -> io::Result<()> {
        match self.server.lock().await.take() {
            Some(mut server) => server.child.kill().await,
            None => Ok(()),
        }
    }

    /// Starts the server anew, on the same port, if it is gone. It accepts everything.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub async fn come_back(&self) -> io::Result<()> {
        let mut server = self.server.lock().await;
        if let Some(server) = server.as_mut() {
            // One that was told to die may be about to: its output has ended then.
            if server.child.try_wait()?.is_none() && !server.obeyed.is_closed() {
                return Ok(());
            }
            server.child.kill().await?;
        }
        *server = Some(self.serve().await?);
        Ok(())
    }

    async fn serve(&self) -> io::Result<Server> {
        let python = std::env::var_os(PYTHON).ok_or_else(|| {
            io::Error::other(format!(
                "{PYTHON} is not set: this test needs a mail server; run cargo xtask test"
            ))
        })?;
        let mut child = Command::new(python)
            .args(["-c", SCRIPT, &self.address().port().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(commands), Some(events)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the mail server has no pipes"));
        };
        let (obey, obeyed) = mpsc::unbounded_channel();
        tokio::spawn(listen(
            events,
            obey,
            self.messages.clone(),
            self.refusals.clone(),
        ));
        let mut server = Server {
            child,
            commands,
            obeyed,
        };
        server.obeyed().await?;
        Ok(server)
    }

    async fn command(&self, command: &serde_json::Value) -> io::Result<()> {
        let mut server = self.server.lock().await;
        let gone = || io::Error::new(io::ErrorKind::NotConnected, "the mail server is gone");
        let server = server.as_mut().ok_or_else(gone)?;
        let line = format!("{command}\n");
        server.commands.write_all(line.as_bytes()).await?;
        server.commands.flush().await?;
        server.obeyed().await
    }
}

impl Server {
    /// Waits until it says that it listens, or that it has done as it was told.
    async fn obeyed(&mut self) -> io::Result<()> {
        match tokio::time::timeout(LIMIT, self.obeyed.recv()).await {
            Ok(Some(())) => Ok(()),
            Ok(None) => Err(io::Error::other(
                "the mail server ended; what it said is above",
            )),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// Takes down what the server says until it ends.
async fn listen(
    events: ChildStdout,
    obey: mpsc::UnboundedSender<()>,
    messages: Log<Message>,
    refusals: Log<Refusal>,
) {
    let mut lines = BufReader::new(events).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match serde_json::from_str(&line) {
            Ok(Event::Listening | Event::Done) => {
                // Nobody may be waiting any more.
                let _ = obey.send(());
            }
            Ok(Event::Refused(refusal)) => {
                refusals.push(refusal);
            }
            Ok(Event::Message {
                from,
                to,
                data,
                told,
            }) => {
                messages.push(Message {
                    from: from.unwrap_or_default(),
                    to,
                    // Our own script has written it: what is wrong with it a test will see.
                    raw: STANDARD.decode(data).unwrap_or_default(),
                    told,
                });
            }
            Err(error) => eprintln!("mailbox.py said {line:?}: {error}"),
        }
    }
}
