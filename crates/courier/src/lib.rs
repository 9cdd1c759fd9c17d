//! The courier takes notices to where they go: mail over SMTP, signed webhooks, chats, commands.
//!
//! It makes one attempt and says what became of it ([`Outcome`]): accepted, to be tried again, or
//! refused. When it is tried again, what is written and who gets it is decided elsewhere, by pure
//! functions ([`compliance::notice`]); here are sockets, TLS and time-outs. Secrets are of types that
//! do not print, and web addresses are shown without their path, which for a chat is its password.

mod command;
mod connect;
mod courier;
mod dispatch;
mod http;
mod secret;
mod signature;
mod smtp;
mod tls;

pub use command::{Command, CommandError};
pub use compliance::notice::Outcome;
pub use courier::{Courier, Parcel, Receiver};
pub use dispatch::{Dispatch, sent};
pub use http::{HttpSettings, Poster};
pub use secret::{Secret, SecretError, SecretSource};
pub use signature::{KeyError, SigningKey, signature};
pub use smtp::{Mailer, MailerError, Security, SmtpSettings};
pub use tls::{Trust, TrustError};

use compliance::report::visible;

/// What somebody else wrote, short enough for a log and without anything that hides or controls.
fn quoted(text: &str) -> String {
    const LONGEST: usize = 300;
    let text = visible(text.trim());
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.into_owned(),
    }
}

/// An error with its causes, each once.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = next.source();
    }
    quoted(&text)
}
