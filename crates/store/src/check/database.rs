//! The database's own files and rules, by its own means where it has some.

use guard::repository::RepositoryError;

use super::Check;
use crate::error::Failure;
use crate::sql::{Cell, Dialect, Query, Session, query};
use crate::tables::TABLES;

pub(super) async fn check(session: &mut Session, check: &mut Check) -> Result<(), RepositoryError> {
    match session.dialect() {
        Dialect::Sqlite => {
            check.part(session, integrity).await?;
            check.part(session, foreign_keys).await
        }
        Dialect::Postgres => {
            for (table, columns, condition) in unique_keys() {
                check
                    .part(session, async |session, check| {
                        unique(session, check, table, &columns, condition).await
                    })
                    .await?;
            }
            for reference in REFERENCES {
                check
                    .part(session, async |session, check| {
                        refers(session, check, reference).await
                    })
                    .await?;
            }
            amcheck(session, check).await
        }
    }
}

/// Pages, indexes, and the rules of the schema (SQLite documentation, `PRAGMA integrity_check`).
async fn integrity(session: &mut Session, check: &mut Check) -> Result<(), Failure> {
    for row in session
        .rows(query("the file", "PRAGMA integrity_check"))
        .await?
    {
        let said = row.text("integrity_check")?;
        if said != "ok" {
            check.wrong(format!("the file: {said}"));
        }
    }
    Ok(())
}

/// Integrity does not look at these (SQLite documentation, `PRAGMA foreign_key_check`).
async fn foreign_keys(session: &mut Session, check: &mut Check) -> Result<(), Failure> {
    for row in session
        .rows(query("the file", "PRAGMA foreign_key_check"))
        .await?
    {
        let number = match row.cell("rowid")? {
            Cell::Int(number) => number.to_string(),
            Cell::Null | Cell::Text(_) => "without a number".to_owned(),
        };
        check.wrong(format!(
            "table {}, row {number}: what it refers to in {} is not there",
            row.text("table")?,
            row.text("parent")?
        ));
    }
    Ok(())
}

/// Unique columns: the primary keys, and what the schema says beside.
fn unique_keys() -> impl Iterator<Item = (&'static str, String, &'static str)> {
    const FURTHER: &[(&str, &str, &str)] = &[
        ("resources", "account, resource_type, resource_id", ""),
        ("evaluations", "resource, rule_name", " WHERE latest = 1"),
        ("bus_events", "id", ""),
        ("jobs", "key", " WHERE dead_at IS NULL"),
    ];
    let primary = TABLES.iter().map(|table| {
        let names = table.columns.iter().take(table.key).map(|(name, _)| *name);
        (table.name, names.collect::<Vec<_>>().join(", "), "")
    });
    let further = FURTHER
        .iter()
        .map(|(table, columns, condition)| (*table, (*columns).to_owned(), *condition));
    primary.chain(further)
}

/// Reads the table itself: an index that lost a row would not find the two.
async fn unique(
    session: &mut Session,
    check: &mut Check,
    table: &'static str,
    columns: &str,
    condition: &str,
) -> Result<(), Failure> {
    for setting in [
        "SET LOCAL enable_indexscan = off",
        "SET LOCAL enable_indexonlyscan = off",
        "SET LOCAL enable_bitmapscan = off",
    ] {
        session.run_on_postgres(setting).await?;
    }
    let text = format!(
        "SELECT count(*) AS n FROM (SELECT 1 FROM {table}{condition} GROUP BY {columns} \
         HAVING count(*) > 1) AS twice"
    );
    if let Some(row) = session.row(Query::composed(table, text)).await?
        && row.int("n")? > 0
    {
        let n = row.int("n")?;
        check.wrong(format!(
            "table {table}: {n} times there are several rows of the same {columns}"
        ));
    }
    for setting in [
        "SET LOCAL enable_indexscan = on",
        "SET LOCAL enable_indexonlyscan = on",
        "SET LOCAL enable_bitmapscan = on",
    ] {
        session.run_on_postgres(setting).await?;
    }
    Ok(())
}

/// Table and column, and the table whose id it is.
const REFERENCES: &[(&str, &str, &str)] = &[
    ("items", "resource", "resources"),
    ("evaluations", "resource", "resources"),
    ("findings", "resource", "resources"),
    ("exposures", "resource", "resources"),
    ("exposures", "finding_id", "findings"),
];

async fn refers(
    session: &mut Session,
    check: &mut Check,
    (table, column, parent): &(&'static str, &str, &str),
) -> Result<(), Failure> {
    let text = format!(
        "SELECT count(*) AS n FROM {table} LEFT JOIN {parent} ON {parent}.id = {table}.{column} \
         WHERE {parent}.id IS NULL"
    );
    if let Some(row) = session.row(Query::composed(table, text)).await?
        && row.int("n")? > 0
    {
        let n = row.int("n")?;
        check.wrong(format!(
            "table {table}: of {n} rows what column {column} refers to in {parent} is not there"
        ));
    }
    Ok(())
}

/// PostgreSQL looks into its own files by an extension that comes with it (PostgreSQL documentation,
/// appendix F, "amcheck"). Who may make and use it is for the database's owner to say.
async fn amcheck(session: &mut Session, check: &mut Check) -> Result<(), RepositoryError> {
    let usable = session
        .row(query(
            "the extension amcheck",
            "SELECT CAST(has_function_privilege(p.oid, 'execute') AS INT) AS usable FROM pg_proc p \
             JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e' \
             JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'amcheck' \
             WHERE p.proname = 'verify_heapam' \
             OR (p.proname = 'bt_index_check' AND p.pronargs = 2) ORDER BY 1 LIMIT 1",
        ))
        .await?;
    let usable = usable.map(|row| row.flag("usable")).transpose()?;
    if usable != Some(true) {
        let why = match usable {
            None => "CREATE EXTENSION amcheck, as a superuser, in this database",
            Some(_) => "GRANT EXECUTE on the functions of the extension amcheck to this user",
        };
        check.not_checked.push(format!(
            "PostgreSQL's own files: the server's pages and indexes can be looked into after {why}"
        ));
        return Ok(());
    }
    let relations = session
        .rows(query(
            "the schema",
            "SELECT CAST(c.relname AS TEXT) AS name, CAST(c.relkind AS TEXT) AS kind FROM pg_class c \
             LEFT JOIN pg_am a ON a.oid = c.relam \
             WHERE c.relnamespace = CAST(current_schema() AS regnamespace) \
             AND (c.relkind = 'r' OR (c.relkind = 'i' AND a.amname = 'btree')) ORDER BY 2 DESC, 1",
        ))
        .await?;
    for relation in relations {
        let (name, kind) = (relation.text("name")?, relation.text("kind")?);
        check
            .part(session, async |session, check| {
                if kind == "i" {
                    // Fails with what is wrong.
                    let look =
                        "SELECT CAST(bt_index_check(CAST($1 AS regclass), true) AS TEXT) AS n";
                    session
                        .rows(query("an index of the schema", look).bind(&name))
                        .await?;
                    return Ok(());
                }
                let look = "SELECT CAST(blkno AS BIGINT) AS block, msg \
                            FROM verify_heapam(CAST($1 AS regclass)) LIMIT 100";
                let look = query("a table of the schema", look).bind(&name);
                for row in session.rows(look).await? {
                    let (block, said) = (row.int("block")?, row.text("msg")?);
                    check.wrong(format!("table {name}, block {block}: {said}"));
                }
                Ok(())
            })
            .await?;
    }
    Ok(())
}
