//! How a call to a store fails, in terms of what to do about it.

use thiserror::Error;

use crate::operation::Operation;
use policy::observed::Unread;

/// Why one call gave no answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CallError {
    /// The store refused the call.
    #[error("access denied to {operation}{}", missing(*operation))]
    AccessDenied {
        /// The call.
        operation: Operation,
    },
    /// The store does not offer the call, or answered something that is not its document.
    #[error("the store does not offer {operation}: {detail}")]
    Unsupported {
        /// The call.
        operation: Operation,
        /// What the store answered.
        detail: String,
    },
    /// The bucket is gone (or is in another region than asked).
    #[error("there is no such bucket")]
    NoSuchBucket,
    /// Too many calls: slow down, then repeat.
    #[error("the store asks to slow down ({operation})")]
    Throttled {
        /// The call.
        operation: Operation,
    },
    /// Failed in passing: 5xx, a reset connection, a time-out, half an answer. Worth repeating.
    #[error("{operation} failed: {detail}")]
    Passing {
        /// The call.
        operation: Operation,
        /// What happened.
        detail: String,
    },
    /// Failed, and will fail again: a wrong request or an answer that cannot be understood.
    #[error("{operation} failed: {detail}")]
    Failed {
        /// The call.
        operation: Operation,
        /// What happened.
        detail: String,
    },
    /// No call can succeed: every other bucket would fail likewise.
    #[error(transparent)]
    Hopeless(#[from] Hopeless),
}

/// Why no call to this store can succeed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Hopeless {
    /// There are no credentials.
    #[error("no credentials were found: {detail}")]
    NoCredentials {
        /// Where was looked.
        detail: String,
    },
    /// There should be credentials, and whoever hands them out does not.
    #[error("the credentials could not be had: {detail}")]
    CredentialsWithheld {
        /// What happened.
        detail: String,
    },
    /// The session has expired.
    #[error("the credentials have expired")]
    ExpiredCredentials,
    /// The store does not know the access key, or the signature does not fit its secret.
    #[error("the store does not accept the credentials: {detail}")]
    WrongCredentials {
        /// What the store said.
        detail: String,
    },
    /// This machine's clock is wrong.
    #[error("the clock of this machine differs too much from the store's")]
    ClockSkew,
    /// Nobody answers there.
    #[error("cannot reach {endpoint}: {detail}")]
    Unreachable {
        /// Where.
        endpoint: String,
        /// What happened.
        detail: String,
    },
    /// Somebody answers there, but not S3.
    #[error("{endpoint} does not answer as an S3 endpoint: {detail}")]
    NotS3 {
        /// Where.
        endpoint: String,
        /// What it answered.
        detail: String,
    },
    /// The configuration cannot be used.
    #[error("{detail}")]
    Configuration {
        /// What is wrong, and where.
        detail: String,
    },
}

impl Hopeless {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Hopeless::NoCredentials { .. } => {
                "set AWS_PROFILE or --profile, run `aws sso login`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            }
            Hopeless::CredentialsWithheld { .. } => {
                "check the role, its trust policy and its external id, and that AWS STS (or whatever hands them out) can be reached"
            }
            Hopeless::ExpiredCredentials => {
                "sign in again (`aws sso login`, or renew the temporary credentials)"
            }
            Hopeless::WrongCredentials { .. } => {
                "check the access key and its secret, the profile, and that they belong to this endpoint and partition"
            }
            Hopeless::ClockSkew => "set this machine's clock (`timedatectl set-ntp true`)",
            Hopeless::Unreachable { .. } => {
                "check --endpoint-url, --region, the network and any proxy"
            }
            Hopeless::NotS3 { .. } => {
                "check --endpoint-url: host, port, and that no proxy or login page answers in its place"
            }
            Hopeless::Configuration { .. } => "check the profile and the command line",
        }
    }

    /// Whether the command line or the configuration is at fault (exit code 2), rather than the
    /// world (exit code 3).
    pub fn is_configuration(&self) -> bool {
        match self {
            Hopeless::NoCredentials { .. }
            | Hopeless::CredentialsWithheld { .. }
            | Hopeless::ExpiredCredentials
            | Hopeless::WrongCredentials { .. }
            | Hopeless::ClockSkew
            | Hopeless::NotS3 { .. }
            | Hopeless::Configuration { .. } => true,
            Hopeless::Unreachable { .. } => false,
        }
    }
}

impl CallError {
    /// What the failure means for the part that was asked for.
    pub fn unread(&self) -> Unread {
        match self {
            CallError::AccessDenied { operation } => Unread::AccessDenied {
                action: operation
                    .iam_action()
                    .unwrap_or(operation.name())
                    .to_owned(),
            },
            CallError::Unsupported { operation, .. } => Unread::Unsupported {
                operation: operation.name().to_owned(),
            },
            CallError::Throttled { .. } | CallError::Passing { .. } => {
                Unread::Passing(self.to_string())
            }
            CallError::NoSuchBucket | CallError::Failed { .. } | CallError::Hopeless(_) => {
                Unread::Failed(self.to_string())
            }
        }
    }

    /// Whether a repetition can help.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            CallError::Throttled { .. } | CallError::Passing { .. }
        )
    }
}

/// ` (s3:GetBucketAcl is missing)`.
fn missing(operation: Operation) -> String {
    operation
        .iam_action()
        .map(|action| format!(" ({action} is missing)"))
        .unwrap_or_default()
}
