//! Exit codes, and failures for people.

use std::process::ExitCode;

/// How a command ended. The numbers are documented: others script against them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// Everything is closed.
    Closed,
    /// Something is open, with a witness.
    Open,
    /// The command line, the configuration or an input is wrong.
    Usage,
    /// Nothing is known open, but something could not be read or decided.
    Incomplete,
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> ExitCode {
        ExitCode::from(match status {
            ExitStatus::Closed => 0,
            ExitStatus::Open => 1,
            ExitStatus::Usage => 2,
            ExitStatus::Incomplete => 3,
        })
    }
}

/// Why a command could not do its job: what was wrong, where, and what to do.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// [`ExitStatus::Usage`] or [`ExitStatus::Incomplete`].
    pub(crate) status: ExitStatus,
    /// What was wrong and where. Never holds a secret.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// A wrong command line, configuration or input (exit code 2).
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure {
            status: ExitStatus::Usage,
            message: message.into(),
            hint: None,
        }
    }

    /// Something that could not be read (exit code 3).
    pub(crate) fn incomplete(message: impl Into<String>) -> Failure {
        Failure {
            status: ExitStatus::Incomplete,
            message: message.into(),
            hint: None,
        }
    }

    /// The same failure with advice.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// Says it on standard error and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("error: {}", self.message);
        if let Some(hint) = &self.hint {
            eprintln!("hint: {hint}");
        }
        self.status.into()
    }
}
