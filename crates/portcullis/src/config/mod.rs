//! The configuration file: one TOML file that says what is watched, what is allowed, and who is told.
//!
//! [`Config`] is the file as it stands; a file of this folder describes each section. [`read`] turns a
//! text into it and says everything that is wrong with it at once, with places; [`settings`] makes the
//! guard's own settings of it. Both are pure: files, the environment and the clock are read by
//! [`load`](load::load) and handed in.

mod account;
mod bus;
mod check;
pub(crate) mod command;
mod enforcement;
mod exception;
pub(crate) mod load;
mod notice;
mod place;
mod problem;
mod reference;
pub(crate) mod rule;
mod service;
pub(crate) mod settings;
mod source;
mod summary;
#[cfg(test)]
mod tests;
mod value;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use account::{Account, DeliveryChannel, Encryption, Recorder};
pub(crate) use bus::{EventRule, Target, TargetKind};
pub(crate) use check::mail_address;
pub(crate) use enforcement::{Enforcement, Scope};
pub(crate) use exception::Exception;
pub(crate) use notice::{
    Escalation, Mail, Message, Protocol, Reminders, Retries, Security, Subscription, Topic,
};
pub(crate) use service::{DEFAULT_STORE, Log, LogFormat, Server, Store, Work};
pub(crate) use source::{Intake, Source, SourceKind};
pub(crate) use value::{Period, SecretRef, Text};

use place::Map;
use problem::{Level, Problem};

/// The configuration of Portcullis.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the guard keeps what it knows.
    #[serde(default)]
    pub(crate) store: Store,
    /// The accounts that are watched.
    pub(crate) account: Vec<Account>,
    /// What is recorded.
    #[serde(default)]
    pub(crate) recorder: Recorder,
    /// Where history is delivered to. [default: nowhere]
    #[serde(default)]
    pub(crate) delivery_channel: Option<DeliveryChannel>,
    /// Where events are read from.
    #[serde(default)]
    pub(crate) source: Vec<Source>,
    /// An HTTPS server that events are sent to. [default: none]
    #[serde(default)]
    pub(crate) intake: Option<Intake>,
    /// Rules beside those about public access.
    #[serde(default)]
    pub(crate) rule: Vec<rule::Rule>,
    /// Where compliance changes go, beside the built-in event rules.
    #[serde(default)]
    pub(crate) event_rule: Vec<EventRule>,
    /// Places that event rules can name.
    #[serde(default)]
    pub(crate) target: Vec<Target>,
    /// Where the responder may close buckets. [default: nowhere]
    #[serde(default)]
    pub(crate) enforcement: Enforcement,
    /// Buckets that are open on purpose.
    #[serde(default)]
    pub(crate) exception: Vec<Exception>,
    /// A file with more of them.
    #[serde(default)]
    pub(crate) exceptions_file: Option<PathBuf>,
    /// Whether the tag `portcullis:public-until` on a bucket excepts it. Whoever may tag a bucket may
    /// then open it.
    #[serde(default)]
    pub(crate) allow_tag_exceptions: bool,
    /// Topics beside `default`.
    #[serde(default)]
    pub(crate) topic: Vec<Topic>,
    /// Who is told.
    #[serde(default)]
    pub(crate) subscription: Vec<Subscription>,
    /// The server that takes our mails. [default: none]
    #[serde(default)]
    pub(crate) mail: Option<Mail>,
    /// Who is asked next when nobody answers.
    #[serde(default)]
    pub(crate) escalation: Escalation,
    /// When people are told of exceptions that end, and of what is not watched any more.
    #[serde(default)]
    pub(crate) reminders: Reminders,
    /// When deliveries that failed are tried again.
    #[serde(default)]
    pub(crate) retries: Retries,
    /// What the program serves.
    #[serde(default)]
    pub(crate) server: Server,
    /// How much is done at the same time.
    #[serde(default)]
    pub(crate) work: Work,
    /// What is logged.
    #[serde(default)]
    pub(crate) log: Log,
}

/// A full example, with comments. `portcullis config example` prints it.
pub(crate) const EXAMPLE: &str = include_str!("example.toml");

/// A text that was read.
#[derive(Debug)]
pub(crate) struct Read {
    /// The configuration, if there is no error.
    pub(crate) config: Option<Config>,
    /// Errors first, then warnings, in the order of the file.
    pub(crate) problems: Vec<Problem>,
}

/// Reads a configuration and checks it whole. `complete` puts into it what stands in other files, and
/// tells what is wrong with those.
pub(crate) fn read(text: &str, complete: impl FnOnce(&mut Config) -> Vec<Problem>) -> Read {
    let map = Map::of(text);
    let mut config = match toml::from_str::<Config>(text) {
        Ok(config) => config,
        Err(error) => {
            return Read {
                config: None,
                problems: vec![Problem::of_toml(&error, &map)],
            };
        }
    };
    let mut problems = complete(&mut config);
    problems.extend(check::check(&config));
    let mut problems: Vec<Problem> = problems.into_iter().map(|p| p.placed(&map)).collect();
    problems.sort_by_key(|problem| (problem.level, problem.place, problem.path.clone()));
    let broken = problems.iter().any(|problem| problem.level == Level::Error);
    Read {
        config: (!broken).then_some(config),
        problems,
    }
}

/// The JSON schema of the file.
pub(crate) fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Config).to_value();
    if let Some(members) = schema.as_object_mut() {
        members.insert("title".to_owned(), "Configuration of Portcullis".into());
    }
    schema
}
