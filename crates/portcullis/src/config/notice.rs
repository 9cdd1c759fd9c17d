//! `[[topic]]`, `[[subscription]]`, `[mail]`, `[escalation]`, `[retries]`: who is told, how, and who next.

use std::path::PathBuf;

use compliance::notice::Protocol as Medium;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::value::{Day, Kind, Period, SecretRef, Severe, Text, TimeOfDay, Wildcard, ZoneName};

/// The topic that is there without being configured.
pub(crate) const DEFAULT_TOPIC: &str = "default";

/// What notices are published to. `default` is always there.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Topic {
    /// Its name.
    pub(crate) name: String,
    /// What it is for, shown to those who are asked to confirm.
    #[serde(default)]
    pub(crate) description: Option<String>,
}

/// Who gets a topic's notices, and how.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Subscription {
    /// Its id. [default: made from topic, protocol and endpoint]
    #[serde(default)]
    pub(crate) id: Option<String>,
    /// The topic.
    #[serde(default = "default_topic")]
    pub(crate) topic: String,
    /// How.
    pub(crate) protocol: Protocol,
    /// Where to: a mailbox, a web address, an ARN. The web address of a chat is as good as a
    /// password, and is given by reference.
    pub(crate) endpoint: Text,
    /// Whether its receiver has agreed already, so that no mail asks them.
    #[serde(default)]
    pub(crate) confirmed: bool,
    /// Which notices.
    #[serde(default)]
    pub(crate) filter: Filter,
    /// Together, every so often, instead of one by one.
    #[serde(default)]
    pub(crate) digest: Option<Period>,
    /// When not to.
    #[serde(default)]
    pub(crate) quiet_hours: Option<QuietHours>,
    /// `webhook`, `sns-webhook`: keys that the body is signed with (Standard Webhooks).
    #[serde(default)]
    pub(crate) signing_keys: Vec<SecretRef>,
    /// `sns-webhook`: what stands in its message.
    #[serde(default)]
    pub(crate) message: Message,
    /// `sns`: the account whose credentials publish, by id or label. [default: the first]
    #[serde(default)]
    pub(crate) account: Option<String>,
}

fn default_topic() -> String {
    DEFAULT_TOPIC.to_owned()
}

impl Subscription {
    /// Its id, given or made. The made one follows from what is written in the file, so that it is
    /// the same whatever a secret's value is.
    pub(crate) fn id(&self) -> String {
        if let Some(id) = &self.id {
            return id.clone();
        }
        let endpoint = match &self.endpoint {
            Text::Plain(text) => text.clone(),
            Text::Secret(reference) => reference.to_string(),
        };
        let protocol = Medium::from(self.protocol).as_str();
        let digest = Sha256::digest(format!("{}\n{protocol}\n{endpoint}", self.topic));
        let short: String = digest.iter().take(4).map(|b| format!("{b:02x}")).collect();
        format!("{}-{protocol}-{short}", self.topic)
    }
}

/// How a subscription is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Protocol {
    /// A mail.
    Email,
    /// A signed HTTPS request with our own JSON.
    Webhook,
    /// A signed HTTPS request as Amazon SNS sends it.
    SnsWebhook,
    /// A Slack incoming webhook.
    Slack,
    /// A chat's incoming webhook that takes `{"text": …}`.
    Chat,
    /// An AWS SNS topic.
    Sns,
}

impl From<Protocol> for Medium {
    fn from(protocol: Protocol) -> Medium {
        match protocol {
            Protocol::Email => Medium::Email,
            Protocol::Webhook => Medium::Webhook,
            Protocol::SnsWebhook => Medium::SnsWebhook,
            Protocol::Slack => Medium::Slack,
            Protocol::Chat => Medium::Chat,
            Protocol::Sns => Medium::Sns,
        }
    }
}

/// What stands in the message of an SNS notification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Message {
    /// The notice as text, for people.
    #[default]
    Text,
    /// Our own JSON.
    Json,
    /// Config's compliance-change event, for programs that know that.
    ConfigEvent,
}

/// Which notices a subscription gets. What is left out lets everything through.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Filter {
    /// Only about these accounts, by id or label.
    pub(crate) accounts: Vec<Wildcard>,
    /// Only this severe or more.
    pub(crate) severity: Option<Severe>,
    /// Only these kinds.
    pub(crate) kinds: Vec<Kind>,
}

/// Hours in which notices wait.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct QuietHours {
    /// From this time of the day.
    pub(crate) from: TimeOfDay,
    /// To this one, on the next day if it is not later.
    pub(crate) to: TimeOfDay,
    /// Where the day is.
    #[serde(default = "utc")]
    pub(crate) zone: ZoneName,
    /// The days on which it begins. [default: every day]
    #[serde(default)]
    pub(crate) days: Vec<Day>,
    /// This severe or more is told at once all the same.
    #[serde(default)]
    pub(crate) except: Option<Severe>,
}

fn utc() -> ZoneName {
    // `Zone::named` knows UTC without looking it up.
    #[expect(clippy::expect_used, reason = "UTC is in every time zone database")]
    ZoneName(compliance::notice::Zone::named("UTC").expect("UTC"))
}

/// The server that takes our mails.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Mail {
    /// Its name or address.
    pub(crate) server: String,
    /// Its port. [default: 587, with `security = "implicit"` 465, with `"none"` 25]
    #[serde(default)]
    pub(crate) port: Option<u16>,
    /// How the connection is kept private.
    #[serde(default)]
    pub(crate) security: Security,
    /// The user name to log in with.
    #[serde(default)]
    pub(crate) username: Option<String>,
    /// Where the password is.
    #[serde(default)]
    pub(crate) password: Option<SecretRef>,
    /// The sender: `address` or `Name <address>`.
    pub(crate) from: String,
    /// Where answers go. [default: to the sender]
    #[serde(default)]
    pub(crate) reply_to: Option<String>,
    /// What we call ourselves in the greeting. [default: this machine's name]
    #[serde(default)]
    pub(crate) hello: Option<String>,
    /// Certificates to believe beside the system's, in PEM.
    #[serde(default)]
    pub(crate) ca_file: Option<PathBuf>,
    /// How long one mail may take.
    #[serde(default = "half_a_minute")]
    pub(crate) timeout: Period,
}

fn half_a_minute() -> Period {
    Period::seconds(30)
}

impl Mail {
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(match self.security {
            Security::Starttls => 587,
            Security::Implicit => 465,
            Security::None => 25,
        })
    }
}

/// How the connection to the mail server is kept private.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Security {
    /// It turns to TLS before anything is said, or nothing is sent.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Implicit,
    /// Not at all: only for a server on this machine.
    None,
}

/// Who is asked next while nobody acknowledges a finding.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Escalation {
    /// The contacts after the first, in order.
    pub(crate) steps: Vec<EscalationStep>,
    /// Asks the last of them again and again at this interval.
    pub(crate) repeat_last: Option<Period>,
}

/// One step.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct EscalationStep {
    /// How long the contact before has.
    pub(crate) after: Period,
    /// The topics that are told.
    pub(crate) topics: Vec<String>,
}

/// When people are told of exceptions that end, and of what is not watched any more.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Reminders {
    /// The topics that are told, where no event rule says which.
    pub(crate) topics: Vec<String>,
    /// How long before an exception ends people are told, each once. Empty: only when it has ended.
    pub(crate) exceptions_end: Vec<Period>,
    /// How long an account may be without an event, if it ever had one. [default: for ever]
    pub(crate) silent_after: Option<Period>,
    /// How many sweeps of an account in a row may fail to come to their end.
    #[schemars(range(min = 1))]
    pub(crate) sweeps_missed: u32,
}

impl Default for Reminders {
    fn default() -> Reminders {
        let reminders = guard::watch::Reminders::default();
        Reminders {
            topics: reminders.topics,
            exceptions_end: reminders.exceptions_end.into_iter().map(Period).collect(),
            silent_after: reminders.silent_after.map(Period),
            sweeps_missed: reminders.sweeps_missed,
        }
    }
}

/// When a delivery that failed is tried again.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Retries {
    /// After this long the first time; then twice as long each time …
    pub(crate) first: Period,
    /// … up to this.
    pub(crate) longest: Period,
    /// After this long it is given up and becomes a dead letter …
    pub(crate) give_up_after: Period,
    /// … if it was tried so often by then.
    pub(crate) at_least: u32,
}

impl Default for Retries {
    fn default() -> Retries {
        let schedule = compliance::notice::RetrySchedule::default();
        Retries {
            first: Period(schedule.first),
            longest: Period(schedule.longest),
            give_up_after: Period(schedule.horizon),
            at_least: schedule.at_least,
        }
    }
}
