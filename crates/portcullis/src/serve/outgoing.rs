//! Makes the courier and the targets of the configuration.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use aws::Services;
use compliance::notice::links::LinkMaker;
use compliance::notice::token::TokenKey;
use compliance::notice::{Endpoint, SnsFormat};
use courier::{
    Command, Courier, Dispatch, HttpSettings, Mailer, Poster, Receiver, Secret, SigningKey,
    SmtpSettings, Trust,
};
use jiff::SignedDuration;

use super::accounts::Connected;
use super::targets::{self, Elsewhere, Place, SEND_WITHIN};
use crate::config::load::Loaded;
use crate::config::settings::text;
use crate::config::{Config, Mail, Message, Protocol, SecretRef, Security, Target, TargetKind};
use crate::exit::Failure;
use crate::live::failure;

/// How long somebody has to confirm a subscription.
const CONFIRM_WITHIN: SignedDuration = SignedDuration::from_hours(72);
/// How long the link that acknowledges a finding is good.
const ACKNOWLEDGE_WITHIN: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long what has a time limit of its own may take beyond it.
const TIDY_WITHIN: Duration = Duration::from_secs(5);
/// How many idle connections to the mail server are kept.
const MAIL_CONNECTIONS: usize = 4;

/// What sends everything that the guard has to send.
pub(super) fn outgoing(
    loaded: &Loaded,
    connected: &Connected,
) -> Result<Dispatch<Elsewhere>, Failure> {
    let config = &loaded.config;
    let poster =
        Poster::new(&HttpSettings::default()).map_err(|e| Failure::usage(e.to_string()))?;
    let mut receivers = BTreeMap::new();
    for own in &config.subscription {
        let receiver = Receiver {
            keys: keys(loaded, &own.signing_keys)?,
            topic_arn: None,
            sns_format: format(own.message),
        };
        receivers.insert(own.id(), receiver);
    }
    let sender = config
        .mail
        .as_ref()
        .map_or_else(String::new, |mail| mail.from.clone());
    let courier = Courier {
        poster,
        mailer: config
            .mail
            .as_ref()
            .map(|mail| mailer(loaded, mail))
            .transpose()?,
        domain: domain(&sender),
        sender,
        reply_to: config.mail.as_ref().and_then(|mail| mail.reply_to.clone()),
        links: links(loaded)?,
        receivers,
    };
    let mut targets = BTreeMap::new();
    for target in &config.target {
        let within = target.timeout.map_or(SEND_WITHIN, |own| own.unsigned());
        let place = place(loaded, connected, target, within)?;
        // What has a limit of its own says more of what it waited for, and tidies up.
        let within = match place {
            Place::Webhook(..) | Place::Command(_) => within.saturating_add(TIDY_WITHIN),
            _ => within,
        };
        targets.insert(target.name.clone(), targets::Target { place, within });
    }
    let mut topics = BTreeMap::new();
    for own in config
        .subscription
        .iter()
        .filter(|own| own.protocol == Protocol::Sns)
    {
        let services = services(config, connected, own.account.as_deref(), None)?;
        topics.insert(own.id(), (services, format(own.message)));
    }
    let elsewhere = Elsewhere {
        targets,
        topics,
        functions: connected.services.clone(),
        courier: courier.clone(),
    };
    Ok(Dispatch { courier, elsewhere })
}

fn format(message: Message) -> SnsFormat {
    match message {
        Message::Text => SnsFormat::Text,
        Message::Json => SnsFormat::Json,
        Message::ConfigEvent => SnsFormat::ComplianceChange,
    }
}

/// The key that links in mails are signed with.
pub(super) fn token_key(loaded: &Loaded) -> Result<Option<TokenKey>, Failure> {
    let Some(reference) = &loaded.config.server.token_secret else {
        return Ok(None);
    };
    let secret = loaded.secret(reference).map_err(Failure::usage)?;
    match TokenKey::new(secret) {
        Some(key) => Ok(Some(key)),
        None => Err(Failure::usage(format!(
            "server.token-secret: {reference} holds fewer than {} bytes",
            TokenKey::LEAST_BYTES
        ))
        .hint("make one: head -c 32 /dev/urandom | base64")),
    }
}

fn links(loaded: &Loaded) -> Result<Option<LinkMaker>, Failure> {
    let key = token_key(loaded)?;
    Ok(match (&loaded.config.server.base_url, key) {
        (Some(base_url), Some(key)) => Some(LinkMaker {
            base_url: base_url.clone(),
            key,
            confirm_within: CONFIRM_WITHIN,
            acknowledge_within: ACKNOWLEDGE_WITHIN,
        }),
        _ => None,
    })
}

fn keys(loaded: &Loaded, references: &[SecretRef]) -> Result<Vec<SigningKey>, Failure> {
    references
        .iter()
        .map(|reference| {
            let secret = Secret::new(loaded.secret(reference).map_err(Failure::usage)?);
            SigningKey::parse(&secret)
                .map_err(|error| Failure::usage(format!("the signing key in {reference}: {error}")))
        })
        .collect()
}

fn mailer(loaded: &Loaded, mail: &Mail) -> Result<Mailer, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::usage(format!("mail: {error}"));
    let credentials = match (&mail.username, &mail.password) {
        (Some(user), Some(password)) => {
            let password = loaded.secret(password).map_err(Failure::usage)?;
            Some((user.clone(), Secret::new(password)))
        }
        _ => None,
    };
    let trust = match &mail.ca_file {
        Some(path) => Trust::with_file(path).map_err(|error| wrong(&error))?,
        None => Trust::default(),
    };
    Mailer::new(SmtpSettings {
        host: mail.server.clone(),
        port: mail.port(),
        security: match mail.security {
            Security::Starttls => courier::Security::StartTls,
            Security::Implicit => courier::Security::Implicit,
            Security::None => courier::Security::None,
        },
        credentials,
        hello: mail.hello.clone(),
        trust,
        timeout: mail.timeout.unsigned(),
        keep: MAIL_CONNECTIONS,
    })
    .map_err(|error| wrong(&error))
}

/// What stands behind the @ of the sender: Message-IDs are unique there.
fn domain(sender: &str) -> String {
    let address = crate::config::mail_address(sender);
    match address.rsplit_once('@') {
        Some((_, domain)) => domain.to_owned(),
        None => "localhost".to_owned(),
    }
}

/// The services of the account of this id or label, else of the first.
fn services(
    config: &Config,
    connected: &Connected,
    account: Option<&str>,
    endpoint: Option<&str>,
) -> Result<Arc<Services>, Failure> {
    let own = config
        .account
        .iter()
        .find(|own| account.is_none_or(|name| own.is_called(name)));
    let id = own.map_or("", |own| own.id.as_str());
    connected.services_of(id, endpoint).map_err(failure)
}

fn place(
    loaded: &Loaded,
    connected: &Connected,
    target: &Target,
    within: Duration,
) -> Result<Place, Failure> {
    let named = |why: String| Failure::usage(format!("target {:?}: {why}", target.name));
    let services = || {
        services(
            &loaded.config,
            connected,
            target.account.as_deref(),
            target.endpoint_url.as_deref(),
        )
    };
    // The configuration was checked: what a kind needs is there.
    let given = |text: &Option<String>| text.clone().unwrap_or_default();
    Ok(match target.kind {
        TargetKind::Webhook => {
            let read = |reference: &_| loaded.secret(reference);
            let url = match &target.url {
                Some(url) => text(url, &read).map_err(named)?,
                None => return Err(named("it has no `url`".to_owned())),
            };
            let poster = Poster::new(&HttpSettings {
                timeout: within,
                ..HttpSettings::default()
            })
            .map_err(|error| named(error.to_string()))?;
            Place::Webhook(
                Box::new(poster),
                Endpoint::new(url),
                keys(loaded, &target.signing_keys)?,
            )
        }
        TargetKind::Sqs => Place::Queue(services()?, given(&target.queue_url)),
        TargetKind::Lambda => Place::Function(services()?, given(&target.function)),
        TargetKind::EventBus => {
            let services = services()?;
            let named_by_arn = target
                .bus
                .as_deref()
                .and_then(|bus| bus.strip_prefix("arn:")?.split(':').nth(2));
            let region = target
                .region
                .as_deref()
                .or(named_by_arn)
                .unwrap_or(services.region())
                .to_owned();
            Place::Bus(services, target.bus.clone(), region)
        }
        TargetKind::Sns => Place::Topic(services()?, given(&target.topic_arn)),
        TargetKind::Command => {
            let program = target.program.clone().unwrap_or_default();
            let arguments = target.arguments.iter().map(OsString::from);
            let command = Command::new(program, arguments, [], within)
                .map_err(|error| named(error.to_string()))?;
            Place::Command(Box::new(command))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_are_of_the_senders_domain() {
        assert_eq!(domain("Portcullis <guard@example.com>"), "example.com");
        assert_eq!(domain("guard@example.com"), "example.com");
        assert_eq!(domain(""), "localhost");
    }
}
