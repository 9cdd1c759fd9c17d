//! Opening a store, and the sessions on it.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Pool};

use crate::address::Address;
use crate::error::{Failure, OpenError};
use crate::schema;
use crate::signal::Signal;
use crate::sql::{Held, Session, answered};

/// How long somebody waits for a connection, or for another process that writes to the same file.
const WAIT: Duration = Duration::from_secs(10);
/// How long PostgreSQL is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Until there is a connection: one that was made before and still answers, or a new one.
    pub(crate) connection: Duration,
    /// Until a statement is answered. PostgreSQL itself gives up on one earlier, so that what is merely
    /// slow is said by the server, and this is for a server that is reached and does not answer.
    pub(crate) statement: Duration,
}

/// How long somebody waits for a connection to PostgreSQL.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a statement may take on PostgreSQL unless it is said: nothing here takes long, but a network
/// can be silent.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(90);
/// Connections that read a SQLite file at the same time.
const READERS: u32 = 4;
/// Connections to PostgreSQL.
pub(crate) const CONNECTIONS: u32 = 10;
/// Statements that each connection keeps prepared: more than there are.
const STATEMENTS: usize = 200;
/// Tries of a transaction that collides with others.
pub(crate) const TRIES: u32 = 10;

/// An open store.
#[derive(Debug)]
pub struct Store {
    pools: Pools,
    pub(crate) signal: Signal,
}

#[derive(Debug)]
enum Pools {
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Postgres(PgPool, Patience),
}

impl Store {
    /// Opens the store at a path, or at a `postgres://` URL; makes it if it is not there, and brings
    /// it up to date. A file that is made is readable by its owner only.
    pub async fn open(url_or_path: &str) -> Result<Store, OpenError> {
        Store::open_within(url_or_path, CALL_TIMEOUT).await
    }

    /// The same with another limit of how long a statement may take on PostgreSQL. After that the call
    /// has failed, whether the server did what it was asked or not.
    pub async fn open_within(
        url_or_path: &str,
        call_timeout: Duration,
    ) -> Result<Store, OpenError> {
        let address = Address::parse(url_or_path)?;
        let shown = address.to_string();
        let (pools, signal) = match &address {
            Address::Sqlite(path) => (sqlite(path, &[])?, Signal::within_process()),
            Address::Postgres { options, .. } => {
                let patience = Patience {
                    connection: CONNECT,
                    statement: call_timeout,
                };
                served(options, patience)
            }
        };
        Store { pools, signal }.migrated(shown).await
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
        };
        store.migrated(path.display().to_string()).await
    }

    /// A store on PostgreSQL that is waited for not so long.
    #[cfg(test)]
    pub(crate) async fn with_patience(url: &str, patience: Patience) -> Result<Store, OpenError> {
        let Address::Postgres { options, shown } = Address::parse(url)? else {
            unreachable!("{url} is a URL of PostgreSQL");
        };
        let (pools, signal) = served(&options, patience);
        Store { pools, signal }.migrated(shown).await
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
            // A connection that does not answer does not take leave either.
            Pools::Postgres(pool, patience) => {
                let _ = tokio::time::timeout(patience.connection, pool.close()).await;
            }
        }
    }

    /// A transaction that writes.
    pub(crate) async fn write(&self) -> Result<Session, Failure> {
        match &self.pools {
            Pools::Sqlite { writer, .. } => begin_on_sqlite(writer, "BEGIN IMMEDIATE").await,
            Pools::Postgres(pool, patience) => begin_on_postgres(pool, *patience, "BEGIN").await,
        }
        .map_err(|source| Failure::sql("beginning", source))
    }

    /// A transaction that reads the store as it is now, however long that takes.
    pub(crate) async fn snapshot(&self) -> Result<Session, Failure> {
        const READ_ONLY: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let mut session = match &self.pools {
            Pools::Sqlite { readers, .. } => begin_on_sqlite(readers, "BEGIN").await,
            Pools::Postgres(pool, patience) => begin_on_postgres(pool, *patience, READ_ONLY).await,
        }
        .map_err(|source| Failure::sql("beginning", source))?;
        session.take_time().await?;
        Ok(session)
    }

    /// A connection that reads, each statement for itself.
    pub(crate) async fn read(&self) -> Result<Session, Failure> {
        match &self.pools {
            Pools::Sqlite { readers, .. } => readers
                .acquire()
                .await
                .map(|held| Session::Sqlite(Held::Connection(held))),
            Pools::Postgres(pool, patience) => pool.acquire().await.map(|held| Session::Postgres {
                held: Held::Connection(held),
                patience: patience.statement,
            }),
        }
        .map_err(|source| Failure::sql("connecting", source))
    }
}

async fn begin_on_sqlite(pool: &SqlitePool, begin: &'static str) -> Result<Session, sqlx::Error> {
    let held = pool.begin_with(begin).await?;
    Ok(Session::Sqlite(Held::Transaction(held)))
}

async fn begin_on_postgres(
    pool: &PgPool,
    patience: Patience,
    begin: &'static str,
) -> Result<Session, sqlx::Error> {
    let within = patience.connection.saturating_add(patience.statement);
    let held = answered(within, pool.begin_with(begin)).await?;
    Ok(Session::Postgres {
        held: Held::Transaction(held),
        patience: patience.statement,
    })
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

/// A database that is served, and whoever listens to it.
fn served(options: &PgConnectOptions, patience: Patience) -> (Pools, Signal) {
    // The server gives up first, where it can. A worker that hangs must not hold up the others.
    let longest = patience.statement * 2 / 3;
    let limit = |limit: Duration| format!("{}ms", limit.as_millis().max(1));
    let options = options
        .clone()
        .application_name("portcullis")
        .statement_cache_capacity(STATEMENTS)
        .options([
            ("statement_timeout", limit(longest)),
            ("lock_timeout", limit(longest.min(WAIT))),
            ("idle_in_transaction_session_timeout", limit(longest)),
        ])
        .disable_statement_logging();
    let signal = Signal::listening(options.clone(), patience.connection);
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(patience.connection)
        // sqlx (0.9.0) asks a connection that comes back whether it still answers, and waits for that
        // for ever; meanwhile it counts as one that is in use. Where the way to the server fell silent,
        // each call would take one of them with it. This question comes before that one.
        .after_release(move |connection, _| {
            Box::pin(async move {
                answered(patience.connection, connection.ping()).await?;
                Ok(true)
            })
        })
        .connect_lazy_with(options);
    (Pools::Postgres(pool, patience), signal)
}
