//! The schema and its versions.
//!
//! A migration is never changed once it was released; what comes later is another one. All that are
//! missing are applied when a store is opened, in one transaction and under a lock, so that several
//! processes may open one database at the same time.

use crate::error::{Failure, OpenError};
use crate::sql::{Dialect, Query, Session, query};

/// Every migration, in order; the first is version 1.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
];

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
    if from < known {
        // A migration may go through everything.
        session.take_time().await.map_err(failed)?;
    }
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
                // Views may be an extension's, which stand in every database.
                "SELECT CAST(table_name AS TEXT) AS name FROM information_schema.tables \
                 WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'",
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use guard::repository::Repository;
    use serde_json::json;

    use super::*;
    use crate::open::Store;
    use crate::sql::Cell;
    use crate::tables::{Kind, TABLES};
    use crate::testing::on_both;

    /// As a later version may be.
    fn later() -> Vec<&'static str> {
        let mut migrations = MIGRATIONS.to_vec();
        migrations.push(
            "-- A comment; with a semicolon.
             ALTER TABLE remembered ADD COLUMN note TEXT; -- one more
             CREATE TABLE later (id {id}, name {text} NOT NULL);
             INSERT INTO later (name) SELECT name FROM remembered;",
        );
        migrations
    }

    on_both!(
        an_older_store_is_brought_up_to_date,
        a_newer_store_is_refused,
        what_is_not_ours_is_left_alone,
        many_open_it_at_once,
        the_tables_are_those_of_the_schema,
    );

    async fn an_older_store_is_brought_up_to_date(address: &str) {
        let store = Store::open(address).await.unwrap();
        store.remember("delivered", &json!(1)).await.unwrap();
        let session = store.write().await.unwrap();
        migrate_to(session, address, &later()).await.unwrap();
        // Once is enough.
        let session = store.write().await.unwrap();
        migrate_to(session, address, &later()).await.unwrap();
        let mut session = store.read().await.unwrap();
        let rows = session
            .rows(query("later", "SELECT id, name FROM later"))
            .await
            .unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(
            rows[0].cells,
            [Cell::Int(1), Cell::Text("delivered".to_owned())]
        );
        assert_eq!(
            store.remembered("delivered").await.unwrap(),
            Some(json!(1)),
            "what was there is there"
        );
    }

    async fn a_newer_store_is_refused(address: &str) {
        let store = Store::open(address).await.unwrap();
        let session = store.write().await.unwrap();
        migrate_to(session, address, &later()).await.unwrap();
        store.close().await;
        let refused = Store::open(address).await.unwrap_err();
        let OpenError::Newer { found, known, .. } = &refused else {
            unreachable!("{refused:?}")
        };
        assert_eq!((*found, *known), (newest() + 1, newest()));
        assert!(refused.to_string().contains("use the newer Portcullis"));
    }

    async fn what_is_not_ours_is_left_alone(address: &str) {
        let store = Store::open(address).await.unwrap();
        let mut session = store.write().await.unwrap();
        for text in [
            "DROP TABLE portcullis_schema",
            "CREATE TABLE invoices (id BIGINT)",
        ] {
            session.run(query("test", text)).await.unwrap();
        }
        session.commit().await.unwrap();
        store.close().await;
        let refused = Store::open(address).await.unwrap_err();
        assert!(matches!(refused, OpenError::Foreign { .. }), "{refused:?}");
    }

    async fn many_open_it_at_once(address: &str) {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let address = address.to_owned();
            tasks.spawn(async move { Store::open(&address).await.map(drop) });
        }
        while let Some(opened) = tasks.join_next().await {
            opened.unwrap().unwrap();
        }
    }

    /// What is exported and imported is all that there is, in the schema's own order.
    async fn the_tables_are_those_of_the_schema(address: &str) {
        let store = Store::open(address).await.unwrap();
        let mut session = store.read().await.unwrap();
        let text = session.dialect().choose(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
             AND name <> 'portcullis_schema' ORDER BY name",
            "SELECT CAST(table_name AS TEXT) AS name FROM information_schema.tables \
             WHERE table_schema = current_schema() AND table_name <> 'portcullis_schema' \
             ORDER BY 1",
        );
        let rows = session.rows(query("the schema", text)).await.unwrap();
        let found: Vec<String> = rows.iter().map(|row| row.text("name").unwrap()).collect();
        let mut known: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
        known.sort();
        assert_eq!(found, known);
        for table in TABLES {
            let text = match session.dialect() {
                Dialect::Sqlite => format!(
                    "SELECT name, type FROM pragma_table_info('{}') ORDER BY cid",
                    table.name
                ),
                Dialect::Postgres => format!(
                    "SELECT CAST(column_name AS TEXT) AS name, CAST(data_type AS TEXT) AS type \
                     FROM information_schema.columns WHERE table_name = '{}' \
                     AND table_schema = current_schema() ORDER BY ordinal_position",
                    table.name
                ),
            };
            let rows = session
                .rows(Query::composed("the schema", text))
                .await
                .unwrap();
            assert_eq!(rows.len(), table.columns.len(), "{}", table.name);
            for (row, (name, kind)) in rows.iter().zip(table.columns) {
                assert_eq!(row.text("name").unwrap(), *name);
                let is_text = row.text("type").unwrap().eq_ignore_ascii_case("text");
                assert_eq!(is_text, *kind != Kind::Int, "{}.{name}", table.name);
            }
        }
    }
}
