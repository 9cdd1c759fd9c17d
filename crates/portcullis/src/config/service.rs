//! `[store]`, `[server]`, `[work]`, `[log]`: how the program itself runs.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{Period, SecretRef, Text};

/// Where the guard keeps what it knows.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Store {
    /// The file of an SQLite database. [default: `/var/lib/portcullis/portcullis.db`, unless there is
    /// a `url`]
    pub(crate) path: Option<PathBuf>,
    /// A PostgreSQL database, `postgres://USER@HOST/NAME`, instead of a file; by reference if it
    /// holds a password.
    pub(crate) url: Option<Text>,
    /// How long a call to PostgreSQL may take. After that the connection is given up and the work tried
    /// again.
    pub(crate) timeout: Period,
    /// How long is kept what is not needed for judgement any more: earlier items, events,
    /// evaluations, notices that were delivered, exposures that ended.
    pub(crate) keep: Period,
}

/// Where the database file is if nothing is said.
pub(crate) const DEFAULT_STORE: &str = "/var/lib/portcullis/portcullis.db";

impl Default for Store {
    fn default() -> Store {
        Store {
            path: None,
            url: None,
            timeout: Period::seconds(90),
            keep: Period::seconds(400 * 86_400),
        }
    }
}

/// What the program serves.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Server {
    /// Where health and metrics are served: an address and a port. They need no password, so this is
    /// loopback. An empty text: nowhere.
    pub(crate) listen: String,
    /// Where links in notices lead, such as `https://portcullis.example.com`.
    pub(crate) base_url: Option<String>,
    /// Where the secret is that links in mails are signed with (confirm, unsubscribe).
    pub(crate) token_secret: Option<SecretRef>,
}

impl Default for Server {
    fn default() -> Server {
        Server {
            listen: "127.0.0.1:9464".to_owned(),
            base_url: None,
            token_secret: None,
        }
    }
}

/// How much is done at the same time.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Work {
    /// The name of this worker, unique among those that share a store. [default: the machine's name
    /// and the process's number]
    pub(crate) name: Option<String>,
    /// Buckets that are looked at.
    #[schemars(range(min = 1, max = 1024))]
    pub(crate) looks: u16,
    /// Notices that are sent to subscriptions, and as many events to targets. A receiver that does not
    /// answer quickly has a quarter of these places.
    #[schemars(range(min = 1, max = 1024))]
    pub(crate) deliveries: u16,
    /// Accounts that are gone through.
    #[schemars(range(min = 1, max = 1024))]
    pub(crate) sweeps: u16,
    /// After how long another worker takes up what this one has begun and not finished.
    pub(crate) lease: Period,
    /// How long work that runs may take to end when the program is stopped.
    pub(crate) stop_within: Period,
}

impl Default for Work {
    fn default() -> Work {
        Work {
            name: None,
            looks: 16,
            deliveries: 16,
            sweeps: 4,
            lease: Period::seconds(10),
            stop_within: Period::seconds(30),
        }
    }
}

/// What is written to standard error.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Log {
    /// How.
    pub(crate) format: LogFormat,
    /// How much.
    pub(crate) level: LogLevel,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogLevel {
    /// What failed for good.
    Error,
    /// And what is tried again.
    Warn,
    /// And what was done.
    #[default]
    Info,
    /// And how.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}
