//! `[[source]]` and `[intake]`: where events come from.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::value::SecretRef;

/// One source of events that is read from.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Source {
    /// Its name.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: SourceKind,
    /// The account whose credentials read it and that its events are about where they do not say it,
    /// by id or label. [default: the only account]
    #[serde(default)]
    pub(crate) account: Option<String>,
    /// `sqs`: the queue that EventBridge fills.
    #[serde(default)]
    pub(crate) queue_url: Option<String>,
    /// `sqs`: its region. [default: as the queue's URL says, else the account's]
    #[serde(default)]
    pub(crate) region: Option<String>,
    /// `sqs`: an endpoint that is not AWS's.
    #[serde(default)]
    pub(crate) endpoint_url: Option<String>,
    /// `ops-log`: the Unix socket that the gateway writes to (`rgw_ops_log_socket_path`).
    #[serde(default)]
    pub(crate) socket: Option<PathBuf>,
}

/// Kinds of sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SourceKind {
    /// An SQS queue.
    Sqs,
    /// The ops log of a Ceph gateway.
    OpsLog,
}

impl SourceKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            SourceKind::Sqs => "sqs",
            SourceKind::OpsLog => "ops-log",
        }
    }
}

/// An HTTPS server that takes events from EventBridge API destinations and from SNS, and serves the links
/// of mails.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Intake {
    /// Where it listens: an address and a port.
    pub(crate) listen: String,
    /// The proxies that speak TLS in its place, by address or network (`10.0.0.0/24`): without a certificate
    /// nobody else may connect, but this machine. [default: none]
    #[serde(default)]
    pub(crate) proxies: Vec<String>,
    /// The header that API destinations send their key in. [default: `x-api-key`]
    #[serde(default)]
    pub(crate) api_key_header: Option<String>,
    /// Keys that API destinations send. Several, so that one can be replaced while the other is still
    /// in use.
    #[serde(default)]
    pub(crate) api_keys: Vec<SecretRef>,
    /// ARNs of the SNS topics whose messages are taken. Their signatures are verified.
    #[serde(default)]
    pub(crate) sns_topics: Vec<String>,
    /// The certificate chain, in PEM. Needed unless only this machine or `proxies` can connect.
    #[serde(default)]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// Its private key, in PEM.
    #[serde(default)]
    pub(crate) tls_key: Option<PathBuf>,
}
