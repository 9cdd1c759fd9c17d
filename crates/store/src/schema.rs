//! The schema and its versions.
//!
//! A migration is never changed once it was released; what comes later is another one. All that are
//! missing are applied when a store is opened, in one transaction and under a lock, so that several
//! processes may open one database at the same time.

use crate::error::{Failure, OpenError};
use crate::sql::{Dialect, Query, Session, query};

/// Every migration, in order; the first is version 1.
const MIGRATIONS: &[&str] = &[include_str!("schema/0001.sql")];

/// Takes PostgreSQL's advisory lock under which migrations run, until the transaction ends. The number
/// is any, the same in every process. SQLite's transaction that writes is the only one that does.
const LOCK: &str = "SELECT CAST(pg_advisory_xact_lock(7236210973104) AS TEXT) AS held";

/// The newest version that is known here.
pub(crate) fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Brings an open database up to date, or says why not. `session` writes, and is committed.
pub(crate) async fn migrate(session: Session, address: &str) -> Result<(), OpenError> {
    migrate_to(session, address, MIGRATIONS).await
}

async fn migrate_to(
    mut session: Session,
    address: &str,
    migrations: &[&str],
) -> Result<(), OpenError> {
    let failed = |failure: Failure| OpenError::Database {
        address: address.to_owned(),
        source: failure.into(),
    };
    let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    let found = version(&mut session).await.map_err(failed)?;
    let from = match found {
        Found::Nothing => 0,
        Found::Version(version) => version,
        Found::Foreign => {
            return Err(OpenError::Foreign {
                address: address.to_owned(),
            });
        }
    };
    if from > known {
        return Err(OpenError::Newer {
            address: address.to_owned(),
            found: from,
            known,
        });
    }
    let missing = usize::try_from(from).unwrap_or(0);
    for migration in migrations.iter().skip(missing) {
        for statement in statements(&session.dialect().schema(migration)) {
            session
                .run(Query::composed("the schema", statement))
                .await
                .map_err(failed)?;
        }
    }
    if from < known {
        session
            .run(query("portcullis_schema", "DELETE FROM portcullis_schema"))
            .await
            .map_err(failed)?;
        session
            .run(
                query(
                    "portcullis_schema",
                    "INSERT INTO portcullis_schema (version) VALUES ($1)",
                )
                .bind(known),
            )
            .await
            .map_err(failed)?;
    }
    session.commit().await.map_err(failed)
}

enum Found {
    /// An empty database.
    Nothing,
    /// Ours, of this version.
    Version(i64),
    /// Somebody else's.
    Foreign,
}

async fn version(session: &mut Session) -> Result<Found, Failure> {
    let dialect = session.dialect();
    if dialect == Dialect::Postgres {
        session.rows(query("the schema", LOCK)).await?;
    }
    let tables = session
        .rows(query(
            "the schema",
            dialect.choose(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
                "SELECT CAST(table_name AS TEXT) AS name FROM information_schema.tables \
                 WHERE table_schema = current_schema()",
            ),
        ))
        .await?;
    let mut ours = false;
    for table in &tables {
        ours |= table.text("name")? == "portcullis_schema";
    }
    if !ours {
        if !tables.is_empty() {
            return Ok(Found::Foreign);
        }
        session
            .run(query(
                "portcullis_schema",
                "CREATE TABLE portcullis_schema (version BIGINT NOT NULL)",
            ))
            .await?;
        return Ok(Found::Nothing);
    }
    match session
        .row(query(
            "portcullis_schema",
            "SELECT version FROM portcullis_schema",
        ))
        .await?
    {
        Some(row) => Ok(Found::Version(row.int("version")?)),
        None => Ok(Found::Nothing),
    }
}

/// The statements of a migration, one by one: what the databases prepare is one at a time. Our own
/// migrations have no semicolon inside a statement.
fn statements(text: &str) -> Vec<String> {
    let code: String = text
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default().trim_end())
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("\n");
    code.split(';')
        .map(str::trim)
        .filter(|statement| !statement.is_empty())
        .map(str::to_owned)
        .collect()
}
