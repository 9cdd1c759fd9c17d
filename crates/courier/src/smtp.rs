//! Mail over SMTP.
//!
//! The conversation is `lettre`'s; what it means for a notice is decided here: which answers pass,
//! which stay, and that an answer that got lost after the mail's last line is neither (the mail is sent
//! again, with the same Message-ID).

mod message;
mod session;
mod stream;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use compliance::notice::Outcome;
use compliance::notice::mail::Mail;
use thiserror::Error;
use tokio::time::Instant;

use crate::connect::is_loopback;
use crate::secret::Secret;
use crate::tls::{Trust, TrustError};

use self::session::{Connector, Failure, Session, Stage};

/// How long an unused connection is kept. Servers close theirs after five minutes or less (RFC 5321,
/// section 4.5.3.2).
const IDLE: Duration = Duration::from_secs(30);

/// How a mail server is reached.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    /// Its name or address.
    pub host: String,
    /// Its port: usually 587 with [`Security::StartTls`], 465 with [`Security::Implicit`].
    pub port: u16,
    /// How the connection is kept private.
    pub security: Security,
    /// User and password.
    pub credentials: Option<(String, Secret)>,
    /// What we call ourselves in the greeting; `None`: this machine's name.
    pub hello: Option<String>,
    /// Who is believed.
    pub trust: Trust,
    /// For one mail, connecting included.
    pub timeout: Duration,
    /// How many unused connections are kept.
    pub keep: usize,
}

/// How a connection to a mail server is kept private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// It begins in the clear and must turn to TLS before anything is said.
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// Not at all: for a server on this machine only.
    None,
}

/// Why mail cannot be sent with these settings.
#[derive(Debug, Error)]
pub enum MailerError {
    /// Nothing is said in the clear to another machine.
    #[error(
        "mail to {host} must be encrypted: use STARTTLS (port 587) or implicit TLS (port 465); \
         no encryption is for a server on this machine only"
    )]
    InTheClear {
        /// The server.
        host: String,
    },
    /// The server's name cannot be one.
    #[error("{host:?} is not the name or address of a mail server: {detail}")]
    Host {
        /// The server.
        host: String,
        /// Why.
        detail: String,
    },
    /// There is nobody to believe.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// Sends mails to one server. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Mailer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    connector: Connector,
    timeout: Duration,
    keep: usize,
    idle: Mutex<Vec<(Session, Instant)>>,
}

impl Mailer {
    /// A mailer. It connects when the first mail is sent.
    pub fn new(settings: SmtpSettings) -> Result<Mailer, MailerError> {
        if settings.security == Security::None && !is_loopback(&settings.host) {
            return Err(MailerError::InTheClear {
                host: settings.host,
            });
        }
        let (timeout, keep) = (settings.timeout, settings.keep);
        Ok(Mailer {
            inner: Arc::new(Inner {
                connector: Connector::new(settings)?,
                timeout,
                keep,
                idle: Mutex::new(Vec::new()),
            }),
        })
    }

    /// Sends a mail once.
    pub async fn send(&self, mail: &Mail) -> Outcome {
        let (envelope, bytes) = match message::build(mail) {
            Ok(message) => message,
            Err(why) => return Outcome::refused(why),
        };
        let inner = &self.inner;
        // Where it was when the time ran out.
        let stage = Stage::default();
        let sending = inner.send(&envelope, &bytes, &stage);
        let failure = match tokio::time::timeout(inner.timeout, sending).await {
            Ok(Ok(answer)) => return Outcome::Accepted { answer },
            Ok(Err(failure)) => failure,
            Err(_) => Failure::timed_out(&stage, inner.timeout),
        };
        failure.outcome(inner.connector.server())
    }
}

impl Inner {
    async fn send(
        &self,
        envelope: &lettre::address::Envelope,
        message: &[u8],
        stage: &Stage,
    ) -> Result<String, Failure> {
        if let Some(mut session) = self.unused() {
            match session.send(envelope, message, stage).await {
                // The server has closed it meanwhile: a new one, as if this had not been.
                Err(failure) if failure.is_of_a_stale_connection() => {}
                result => return self.keep(session, result),
            }
        }
        let mut session = self.connector.connect(stage).await?;
        let result = session.send(envelope, message, stage).await;
        self.keep(session, result)
    }

    fn unused(&self) -> Option<Session> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, since)| since.elapsed() < IDLE);
        idle.pop().map(|(session, _)| session)
    }

    fn keep(&self, session: Session, result: Result<String, Failure>) -> Result<String, Failure> {
        if !session.is_broken() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < self.keep {
                idle.push((session, Instant::now()));
            }
        }
        result
    }
}
