//! What goes wrong, and whether trying again helps.

use std::path::PathBuf;

use guard::repository::RepositoryError;
use thiserror::Error;

/// Why a store could not be opened. No text of it holds a password.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The address is neither a path nor a URL that is understood.
    #[error("{address}: {why}")]
    Address {
        /// The address, without a password.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// The file or its folder.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// The database was made by a newer Portcullis.
    #[error(
        "{address} is of schema version {found}, and this Portcullis knows versions up to {known}: \
         use the newer Portcullis that last opened it, or another database"
    )]
    Newer {
        /// The address, without a password.
        address: String,
        /// The version that was found.
        found: i64,
        /// The newest version that is known here.
        known: i64,
    },
    /// Something else lives in the database.
    #[error("{address} holds tables of something else: name an empty database, or a new file")]
    Foreign {
        /// The address, without a password.
        address: String,
    },
    /// The database cannot be reached, or failed.
    #[error("{address}: {source}")]
    Database {
        /// The address, without a password.
        address: String,
        /// What happened.
        source: RepositoryError,
    },
}

/// What went wrong inside.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The database said so.
    Sql {
        /// What it was about.
        about: &'static str,
        source: sqlx::Error,
    },
    /// We said so.
    Ours(RepositoryError),
}

impl From<RepositoryError> for Failure {
    fn from(error: RepositoryError) -> Failure {
        Failure::Ours(error)
    }
}

impl Failure {
    pub(crate) fn sql(about: &'static str, source: sqlx::Error) -> Failure {
        Failure::Sql { about, source }
    }

    pub(crate) fn broken(detail: impl Into<String>) -> Failure {
        Failure::Ours(RepositoryError::Broken {
            detail: detail.into(),
        })
    }

    /// Whether another transaction stood in the way, so that the same works at once when it is tried
    /// again (PostgreSQL documentation, appendix A: `40001` serialization_failure, `40P01`
    /// deadlock_detected).
    pub(crate) fn is_collision(&self) -> bool {
        matches!(
            self,
            Failure::Sql { source: sqlx::Error::Database(error), .. }
                if matches!(error.code().as_deref(), Some("40001" | "40P01"))
        )
    }
}

impl From<Failure> for RepositoryError {
    fn from(failure: Failure) -> RepositoryError {
        match failure {
            Failure::Ours(error) => error,
            Failure::Sql { about, source } => {
                let detail = match &source {
                    // What stands behind it was not told, so this says where to look.
                    sqlx::Error::PoolTimedOut => {
                        format!("{about}: no connection in time: the database is down or too busy")
                    }
                    source => format!("{about}: {source}"),
                };
                if is_passing(&source) {
                    RepositoryError::Unavailable { detail }
                } else {
                    RepositoryError::Broken { detail }
                }
            }
        }
    }
}

/// Whether it may pass by itself, or when somebody makes room or starts the database.
fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed
        // A connection that breaks off in the middle of an answer.
        | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(error) => {
            let code = error.code();
            let code = code.as_deref().unwrap_or_default();
            if error
                .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
                .is_some()
            {
                postgres_passes(code)
            } else {
                sqlite_passes(code)
            }
        }
        _ => false,
    }
}

/// By class of SQLSTATE (PostgreSQL documentation, appendix A).
fn postgres_passes(code: &str) -> bool {
    const CLASSES: &[&str] = &[
        // Connection exception.
        "08",
        // Invalid authorization: a password that is being changed, a server that is being set up.
        "28", // Transaction rollback: serialization, deadlock.
        "40", // Insufficient resources: disk full, out of memory, too many connections.
        "53", // Object not in prerequisite state: lock not available.
        "55",
        // Operator intervention: shut down, starting up, cancelled by a time limit.
        "57", // System error: the disk.
        "58",
    ];
    // A server that was switched to a standby takes no writes until it is switched back; a database
    // that is missing may be being restored. A worker that was too slow in a transaction was cut off
    // (idle_in_transaction_session_timeout).
    code == "25006"
        || code == "25P03"
        || code == "3D000"
        || CLASSES.iter().any(|class| code.starts_with(class))
}

/// By primary result code (SQLite documentation, "Result and Error Codes"); what is told is the
/// extended code, whose low byte is the primary one.
fn sqlite_passes(code: &str) -> bool {
    const BUSY: i64 = 5;
    const LOCKED: i64 = 6;
    const NO_MEMORY: i64 = 7;
    const READ_ONLY: i64 = 8;
    const INTERRUPTED: i64 = 9;
    const IO: i64 = 10;
    const FULL: i64 = 13;
    const CANNOT_OPEN: i64 = 14;
    const PROTOCOL: i64 = 15;
    const PASSING: &[i64] = &[
        BUSY,
        LOCKED,
        NO_MEMORY,
        READ_ONLY,
        INTERRUPTED,
        IO,
        FULL,
        CANNOT_OPEN,
        PROTOCOL,
    ];
    code.parse::<i64>()
        .is_ok_and(|code| PASSING.contains(&(code & 0xff)))
}
