//! One conversation with a mail server, step by step, so that a failure says where it happened.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use compliance::notice::Outcome;
use hyper::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use lettre::transport::smtp::response::Severity;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::stream::Watched;
use super::{MailerError, Security, SmtpSettings};
use crate::{causes, connect};

/// How far a conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Step {
    Connect,
    Greeting,
    StartTls,
    Login,
    Sender,
    Receiver,
    Data,
    /// The mail's last line was sent: the server may have it.
    Answer,
}

impl Step {
    const ALL: [Step; 8] = [
        Step::Connect,
        Step::Greeting,
        Step::StartTls,
        Step::Login,
        Step::Sender,
        Step::Receiver,
        Step::Data,
        Step::Answer,
    ];

    fn phrase(self) -> &'static str {
        match self {
            Step::Connect => "connecting",
            Step::Greeting => "the greeting",
            Step::StartTls => "turning to TLS",
            Step::Login => "signing in",
            Step::Sender => "naming the sender",
            Step::Receiver => "naming the receiver",
            Step::Data => "sending the mail",
            Step::Answer => "waiting for the last answer",
        }
    }
}

/// How far a conversation is, readable from outside when its time runs out.
#[derive(Debug, Default)]
pub(super) struct Stage(AtomicU8);

impl Stage {
    fn set(&self, step: Step) {
        self.0.store(step as u8, Ordering::Relaxed);
    }

    fn get(&self) -> Step {
        let at = usize::from(self.0.load(Ordering::Relaxed));
        Step::ALL.get(at).copied().unwrap_or(Step::Connect)
    }
}

/// Why a mail was not accepted.
#[derive(Debug)]
pub(super) struct Failure {
    step: Step,
    /// The server's three digits, if it answered.
    code: Option<u16>,
    detail: String,
}

impl Failure {
    fn of(step: Step, error: &Error) -> Failure {
        let code = error.status().map(u16::from);
        let detail = match (step, code) {
            // What a server says there may repeat what it was told.
            (Step::Login, Some(code)) => {
                format!("{code}: user or password were not taken; are they right?")
            }
            _ => causes(error),
        };
        Failure { step, code, detail }
    }

    fn because(step: Step, detail: impl Into<String>) -> Failure {
        Failure {
            step,
            code: None,
            detail: detail.into(),
        }
    }

    pub(super) fn timed_out(stage: &Stage, timeout: Duration) -> Failure {
        let detail = format!("no answer within {} s", timeout.as_secs_f32());
        Failure::because(stage.get(), detail)
    }

    /// Whether an old connection had simply been closed by the server: without an answer, or with 421
    /// ("closing transmission channel"), before the mail was begun.
    pub(super) fn is_of_a_stale_connection(&self) -> bool {
        self.step == Step::Sender && matches!(self.code, None | Some(421))
    }

    /// What it means. 5yz stays, if it is about this mail: sender, receiver, content. Whatever is about
    /// us (connection, TLS, password, "sign in first") is for the operator to set right, and no reason
    /// to give up.
    pub(super) fn outcome(self, server: &str) -> Outcome {
        let mut why = format!("{server}, {}: {}", self.step.phrase(), self.detail);
        let about_the_mail = matches!(
            self.step,
            Step::Sender | Step::Receiver | Step::Data | Step::Answer
        );
        match self.code {
            Some(530 | 534 | 535 | 538) => Outcome::passing(why),
            Some(500..=599) if about_the_mail => Outcome::refused(why),
            _ => {
                if self.step == Step::Answer && self.code.is_none() {
                    why.push_str(
                        "; the mail may have been accepted, and is repeated with the same Message-ID",
                    );
                }
                Outcome::passing(why)
            }
        }
    }
}

/// Opens conversations.
#[derive(Debug)]
pub(super) struct Connector {
    settings: SmtpSettings,
    /// `host:port`, for people.
    server: String,
    address: Uri,
    http: HttpConnector,
    hello: ClientId,
    tls: Tls,
}

enum Tls {
    None,
    Start(Box<TlsParameters>),
    Implicit(TlsConnector, ServerName<'static>),
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Tls::None => "None",
            Tls::Start(_) => "Start",
            Tls::Implicit(..) => "Implicit",
        })
    }
}

impl Connector {
    pub(super) fn new(settings: SmtpSettings) -> Result<Connector, MailerError> {
        let bare = settings.host.trim_start_matches('[').trim_end_matches(']');
        let wrong = |detail: String| MailerError::Host {
            host: settings.host.clone(),
            detail,
        };
        let server = if bare.contains(':') {
            format!("[{bare}]:{}", settings.port)
        } else {
            format!("{bare}:{}", settings.port)
        };
        let address = Uri::builder()
            .scheme("smtp")
            .authority(server.as_str())
            .path_and_query("/")
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        let tls = match settings.security {
            Security::None => Tls::None,
            Security::Implicit => {
                let name = ServerName::try_from(bare.to_owned())
                    .map_err(|error| wrong(error.to_string()))?;
                Tls::Implicit(TlsConnector::from(settings.trust.client()?), name)
            }
            Security::StartTls => {
                // Says what is wrong with the system's certificates better than the builder does.
                settings.trust.client()?;
                let mut parameters = TlsParameters::builder(bare.to_owned());
                for certificate in settings.trust.extra() {
                    let certificate = Certificate::from_der(certificate.to_vec())
                        .map_err(|error| wrong(causes(&error)))?;
                    parameters = parameters.add_root_certificate(certificate);
                }
                let parameters = parameters.build().map_err(|error| wrong(causes(&error)))?;
                Tls::Start(Box::new(parameters))
            }
        };
        let hello = match &settings.hello {
            Some(name) => ClientId::Domain(name.clone()),
            None => ClientId::default(),
        };
        Ok(Connector {
            http: connect::connector(settings.timeout),
            server,
            address,
            hello,
            tls,
            settings,
        })
    }

    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Connects, turns to TLS and signs in.
    pub(super) async fn connect(&self, stage: &Stage) -> Result<Session, Failure> {
        stage.set(Step::Connect);
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Failure::because(Step::Connect, causes(error))
        };
        let stream = self
            .http
            .clone()
            .call(self.address.clone())
            .await
            .map_err(|error| failed(&error))?
            .into_inner();
        let peer = stream.peer_addr().map_err(|error| failed(&error))?;
        if self.settings.security == Security::None && !peer.ip().is_loopback() {
            return Err(Failure::because(
                Step::Connect,
                format!("{peer} is another machine, and nothing is said to it in the clear"),
            ));
        }
        stage.set(Step::Greeting);
        let mut connection = match &self.tls {
            Tls::Implicit(connector, name) => {
                let stream = connector
                    .connect(name.clone(), stream)
                    .await
                    .map_err(|error| Failure::because(Step::StartTls, causes(&error)))?;
                self.greet(stream, peer).await?
            }
            Tls::Start(_) | Tls::None => self.greet(stream, peer).await?,
        };
        if let Tls::Start(parameters) = &self.tls {
            stage.set(Step::StartTls);
            connection
                .starttls(parameters.as_ref().clone(), &self.hello)
                .await
                .map_err(|error| Failure::of(Step::StartTls, &error))?;
        }
        if let Some((user, password)) = &self.settings.credentials {
            stage.set(Step::Login);
            let credentials = Credentials::new(user.clone(), password.expose().to_owned());
            connection
                .auth(&[Mechanism::Plain, Mechanism::Login], &credentials)
                .await
                .map_err(|error| Failure::of(Step::Login, &error))?;
        }
        Ok(Session {
            connection,
            broken: false,
        })
    }

    async fn greet<S>(&self, stream: S, peer: SocketAddr) -> Result<AsyncSmtpConnection, Failure>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Sync + Unpin + 'static,
    {
        let stream = Box::new(Watched::new(stream, peer));
        AsyncSmtpConnection::connect_with_transport(stream, &self.hello)
            .await
            .map_err(|error| Failure::of(Step::Greeting, &error))
    }
}

/// An open conversation, ready for a mail.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
    broken: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Whether it must not be used again.
    pub(super) fn is_broken(&self) -> bool {
        self.broken || self.connection.has_broken()
    }

    /// Sends one mail. The server's answer, or why it did not take it.
    pub(super) async fn send(
        &mut self,
        envelope: &Envelope,
        message: &[u8],
        stage: &Stage,
    ) -> Result<String, Failure> {
        // Until it is known to be in order again: this may be dropped at any moment.
        self.broken = true;
        let result = self.converse(envelope, message, stage).await;
        self.broken = match &result {
            Ok(_) => false,
            // A server that refuses a mail goes on after a reset.
            Err(Failure {
                code: Some(400..=420 | 422..=599),
                ..
            }) => self.connection.command(Rset).await.is_err(),
            Err(_) => true,
        };
        result
    }

    async fn converse(
        &mut self,
        envelope: &Envelope,
        message: &[u8],
        stage: &Stage,
    ) -> Result<String, Failure> {
        stage.set(Step::Sender);
        let mut parameters = Vec::new();
        let addresses = envelope.to().iter().chain(envelope.from());
        if !addresses.map(AsRef::<str>::as_ref).all(str::is_ascii) {
            let info = self.connection.server_info();
            if !info.supports_feature(Extension::SmtpUtfEight) {
                return Err(Failure {
                    step: Step::Receiver,
                    // Bad destination mailbox address syntax, as a server would answer.
                    code: Some(553),
                    detail: "the server takes addresses in ASCII only (no SMTPUTF8)".to_owned(),
                });
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let failed = |step| move |error: Error| Failure::of(step, &error);
        self.connection
            .command(Mail::new(envelope.from().cloned(), parameters))
            .await
            .map_err(failed(Step::Sender))?;
        stage.set(Step::Receiver);
        for to in envelope.to() {
            self.connection
                .command(Rcpt::new(to.clone(), Vec::new()))
                .await
                .map_err(failed(Step::Receiver))?;
        }
        stage.set(Step::Data);
        let answer = self
            .connection
            .command(Data)
            .await
            .map_err(failed(Step::Data))?;
        if answer.code().severity != Severity::PositiveIntermediate {
            return Err(Failure::because(
                Step::Data,
                format!("{} where 354 was to come", answer.code()),
            ));
        }
        stage.set(Step::Answer);
        let answer = self
            .connection
            .message(message)
            .await
            .map_err(failed(Step::Answer))?;
        let said: Vec<&str> = answer.message().collect();
        Ok(crate::quoted(&format!(
            "{} {}",
            answer.code(),
            said.join(" ")
        )))
    }
}
