//! Opening a store, and the sessions on it.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

use guard::repository::RepositoryError;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Pool};

use crate::address::Address;
use crate::error::{Failure, OpenError};
use crate::schema;
use crate::signal::Signal;
use crate::sql::Session;

/// How long somebody waits for a connection, or for another process that writes to the same file.
const WAIT: Duration = Duration::from_secs(10);
/// How long somebody waits for a connection to PostgreSQL.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one call may take on PostgreSQL unless it is said: nothing here takes long, but a network can
/// be silent.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(90);
/// Connections that read a SQLite file at the same time.
const READERS: u32 = 4;
/// Connections to PostgreSQL.
const CONNECTIONS: u32 = 10;
/// Statements that each connection keeps prepared: more than there are.
const STATEMENTS: usize = 200;
/// Tries of a transaction that collides with others.
pub(crate) const TRIES: u32 = 10;

/// An open store.
#[derive(Debug)]
pub struct Store {
    pools: Pools,
    pub(crate) signal: Signal,
    call_timeout: Duration,
}

#[derive(Debug)]
enum Pools {
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Postgres(PgPool),
}

impl Store {
    /// Opens the store at a path, or at a `postgres://` URL; makes it if it is not there, and brings
    /// it up to date. A file that is made is readable by its owner only.
    pub async fn open(url_or_path: &str) -> Result<Store, OpenError> {
        Store::open_within(url_or_path, CALL_TIMEOUT).await
    }

    /// The same with another limit of how long a call may take on PostgreSQL. After that it has failed,
    /// whether the server did what it was asked or not.
    pub async fn open_within(
        url_or_path: &str,
        call_timeout: Duration,
    ) -> Result<Store, OpenError> {
        let address = Address::parse(url_or_path)?;
        let shown = address.to_string();
        let (pools, signal) = match &address {
            Address::Sqlite(path) => (sqlite(path, &[])?, Signal::within_process()),
            Address::Postgres { options, .. } => {
                let pool = postgres(options, call_timeout);
                let signal = Signal::listening(pool.clone());
                (Pools::Postgres(pool), signal)
            }
        };
        let store = Store {
            pools,
            signal,
            call_timeout,
        };
        store.migrated(shown).await
    }

    /// A store on a file, with further settings of SQLite's.
    #[cfg(test)]
    pub(crate) async fn with_pragmas(
        path: &Path,
        pragmas: &[(&'static str, &'static str)],
    ) -> Result<Store, OpenError> {
        let store = Store {
            pools: sqlite(path, pragmas)?,
            signal: Signal::within_process(),
            call_timeout: CALL_TIMEOUT,
        };
        store.migrated(path.display().to_string()).await
    }

    async fn migrated(self, shown: String) -> Result<Store, OpenError> {
        let session = self.write().await.map_err(|failure| OpenError::Database {
            address: shown.clone(),
            source: failure.into(),
        })?;
        schema::migrate(session, &shown).await?;
        Ok(self)
    }

    /// Closes every connection. A store that is dropped instead loses nothing.
    pub async fn close(&self) {
        self.signal.stop();
        match &self.pools {
            Pools::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }

    /// A transaction that writes.
    pub(crate) async fn write(&self) -> Result<Session, Failure> {
        match &self.pools {
            Pools::Sqlite { writer, .. } => writer
                .begin_with("BEGIN IMMEDIATE")
                .await
                .map(Session::SqliteTransaction),
            Pools::Postgres(pool) => pool.begin().await.map(Session::PostgresTransaction),
        }
        .map_err(|source| Failure::sql("beginning", source))
    }

    /// Gives up on a call that takes too long. A file does not fall silent.
    pub(crate) async fn limited<T>(
        &self,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        match &self.pools {
            Pools::Sqlite { .. } => call.await,
            Pools::Postgres(_) => tokio::time::timeout(self.call_timeout, call)
                .await
                .unwrap_or_else(|_| {
                    Err(Failure::Ours(RepositoryError::Unavailable {
                        detail: format!(
                            "PostgreSQL did not answer within {} s",
                            self.call_timeout.as_secs_f32()
                        ),
                    }))
                }),
        }
    }

    /// A transaction that reads the store as it is now, however long that takes.
    pub(crate) async fn snapshot(&self) -> Result<Session, Failure> {
        match &self.pools {
            Pools::Sqlite { readers, .. } => readers.begin().await.map(Session::SqliteTransaction),
            Pools::Postgres(pool) => pool
                .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                .await
                .map(Session::PostgresTransaction),
        }
        .map_err(|source| Failure::sql("beginning", source))
    }

    /// A connection that reads, each statement for itself.
    pub(crate) async fn read(&self) -> Result<Session, Failure> {
        match &self.pools {
            Pools::Sqlite { readers, .. } => readers.acquire().await.map(Session::Sqlite),
            Pools::Postgres(pool) => pool.acquire().await.map(Session::Postgres),
        }
        .map_err(|source| Failure::sql("connecting", source))
    }
}

fn sqlite(path: &Path, pragmas: &[(&'static str, &'static str)]) -> Result<Pools, OpenError> {
    make_file(path).map_err(|source| OpenError::File {
        path: path.to_owned(),
        source,
    })?;
    let mut options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // The write-ahead log is flushed at each commit: what was acknowledged to a queue is not sent
        // again, so it has to survive a power failure.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(WAIT)
        .foreign_keys(true)
        .pragma("cache_size", "-16000")
        .statement_cache_capacity(STATEMENTS)
        .disable_statement_logging();
    for (name, value) in pragmas {
        options = options.pragma(*name, *value);
    }
    let pool = |most: u32, options: SqliteConnectOptions| -> SqlitePool {
        let pool: Pool<sqlx::Sqlite> = SqlitePoolOptions::new()
            .max_connections(most)
            .acquire_timeout(WAIT)
            // A file does not go away as a server does, and an open one costs nothing.
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            // When the disk is full, SQLite takes a transaction back by itself; sqlx asks for that
            // once more, is refused, and believes ever after that one is open (0.9.0). Such a
            // connection is not used again. The ping waits until sqlx has asked.
            .after_release(|connection, _| {
                Box::pin(async move {
                    connection.ping().await?;
                    Ok(!connection.is_in_transaction())
                })
            })
            .connect_lazy_with(options);
        pool
    };
    Ok(Pools::Sqlite {
        writer: pool(1, options.clone()),
        readers: pool(READERS, options.pragma("query_only", "ON")),
    })
}

/// Makes the file, if it is not there, readable by its owner only; what SQLite puts beside it is like
/// it.
fn make_file(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder
        && !folder.exists()
    {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn postgres(options: &PgConnectOptions, call_timeout: Duration) -> PgPool {
    // The server gives up first, where it can.
    let statement = call_timeout * 2 / 3;
    let limit = |limit: Duration| format!("{}ms", limit.as_millis().max(1));
    let options = options
        .clone()
        .application_name("portcullis")
        .statement_cache_capacity(STATEMENTS)
        // Nothing here takes long. A worker that hangs must not hold up the others.
        .options([
            ("statement_timeout", limit(statement)),
            ("lock_timeout", limit(statement.min(WAIT))),
            ("idle_in_transaction_session_timeout", limit(statement)),
        ])
        .disable_statement_logging();
    PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(CONNECT)
        // A call that was given up leaves a connection that may be silent for ever. sqlx waits for it
        // without a limit before it makes another one in its place (0.9.0), and so would use up all.
        .after_release(|connection, _| {
            Box::pin(async move {
                match tokio::time::timeout(CONNECT, connection.ping()).await {
                    Ok(answered) => answered.map(|()| true),
                    Err(_) => Err(sqlx::Error::PoolTimedOut),
                }
            })
        })
        .connect_lazy_with(options)
}
