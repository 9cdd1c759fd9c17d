//! Topics and who has subscribed to them.

use std::fmt;

use jiff::SignedDuration;
use policy::pattern::{Pattern, Reading};
use sha2::{Digest, Sha256};

use super::{Notice, NoticeKind, QuietHours, Severity};

/// What notices are published to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// What it is for, shown to those who are asked to confirm.
    pub description: Option<String>,
}

/// Who gets the notices of a topic, and how.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Its id, unique in the configuration.
    pub id: String,
    /// The topic.
    pub topic: String,
    /// How.
    pub protocol: Protocol,
    /// Where to.
    pub endpoint: Endpoint,
    /// Whether the receiver wants it. Nothing is sent before, except the question.
    pub confirmed: bool,
    /// Which notices.
    pub filter: Filter,
    /// Together, every so often, instead of one by one.
    pub digest: Option<SignedDuration>,
    /// When not to.
    pub quiet_hours: Option<QuietHours>,
}

/// How a subscription is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// A mail. Double opt-in.
    Email,
    /// A signed HTTPS request with our own JSON.
    Webhook,
    /// A signed HTTPS request with an SNS notification in it.
    SnsWebhook,
    /// A Slack incoming webhook.
    Slack,
    /// A chat's incoming webhook that takes `{"text": …}`.
    Chat,
    /// An AWS SNS topic.
    Sns,
}

impl Protocol {
    /// Its name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Email => "email",
            Protocol::Webhook => "webhook",
            Protocol::SnsWebhook => "sns-webhook",
            Protocol::Slack => "slack",
            Protocol::Chat => "chat",
            Protocol::Sns => "sns",
        }
    }

    /// Reads [`Protocol::as_str`]'s spelling.
    pub fn parse(text: &str) -> Option<Protocol> {
        [
            Protocol::Email,
            Protocol::Webhook,
            Protocol::SnsWebhook,
            Protocol::Slack,
            Protocol::Chat,
            Protocol::Sns,
        ]
        .into_iter()
        .find(|protocol| protocol.as_str() == text)
    }

    /// Whether the receiver must confirm. A web address is set up by whoever owns it; an address of a
    /// person is not.
    pub fn needs_confirmation(self) -> bool {
        self == Protocol::Email
    }
}

/// Where a subscription goes to: an address of a mailbox, a web address, an ARN.
///
/// The path of a chat's web address is as good as a password, so it neither prints nor formats:
///
/// ```
/// # use compliance::notice::Endpoint;
/// let hook = Endpoint::new("https://hooks.example.com/services/T0/secret");
/// assert_eq!(hook.to_string(), "https://hooks.example.com/…");
/// assert_eq!(Endpoint::new("a@example.com").to_string(), "a@example.com");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(String);

impl Endpoint {
    /// Takes an address.
    pub fn new(address: impl Into<String>) -> Endpoint {
        Endpoint(address.into())
    }

    /// The whole address, for the one who connects to it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The SHA-256 of the address, in hex: tells whether it changed.
    pub fn digest(&self) -> String {
        Sha256::digest(&self.0)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return f.write_str(&crate::report::visible(&self.0));
        };
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // A name and password may stand before the host.
        let host = host.rsplit('@').next().unwrap_or_default();
        write!(
            f,
            "{}://{}",
            crate::report::visible(scheme),
            crate::report::visible(host)
        )?;
        if rest.len() > host.len() {
            f.write_str("/…")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

/// Which notices a subscription gets. What is empty lets everything through.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only these accounts, by number or label; `*` and `?` are wildcards.
    pub accounts: Vec<String>,
    /// Only this severe or more.
    pub severity: Option<Severity>,
    /// Only these kinds.
    pub kinds: Vec<NoticeKind>,
}

impl Filter {
    /// Whether a notice passes. What is about no account passes only where accounts are not
    /// filtered. A notice that something is over carries the severity that it had, so that whoever was
    /// told of the one is told of the other.
    pub fn admits(&self, notice: &Notice) -> bool {
        let account = || {
            let names = [
                notice.key.as_ref().map(|key| key.account.as_str()),
                notice.account_label.as_deref(),
            ];
            self.accounts.iter().any(|wanted| {
                let pattern = Pattern::new(wanted, Reading::Wildcards, false);
                names
                    .into_iter()
                    .flatten()
                    .any(|name| pattern.matches(name))
            })
        };
        (self.kinds.is_empty() || self.kinds.contains(&notice.kind))
            && self.severity.is_none_or(|least| notice.severity >= least)
            && (self.accounts.is_empty() || account())
    }
}
