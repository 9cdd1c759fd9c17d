//! Whether a store is sound: the database's own files and rules, every row as the guard would read it,
//! and what different tables say about the same thing.
//!
//! It looks at one moment of the store, which may be in use. Nothing is changed, and what is wrong in
//! one place keeps nothing else from being looked at.

mod agreement;
mod database;

use guard::repository::RepositoryError;

use crate::error::Failure;
use crate::open::Store;
use crate::sql::{Dialect, Row, Session};
use crate::tables::{TABLES, Table};
use crate::transfer::page;

use agreement::Agreement;

/// So many of the things that are wrong are told; the others are counted.
const TOLD: usize = 100;

/// What was found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Check {
    /// `SQLite` or `PostgreSQL`.
    pub database: &'static str,
    /// How many rows each table has.
    pub rows: Vec<(&'static str, u64)>,
    /// How many remediations the journal knows, by how far they are: `verified`, `failed`, `undone`,
    /// and `unfinished` or `undoing` where one was interrupted (or runs now).
    pub remediations: Vec<(&'static str, u64)>,
    /// What is wrong, each with its place. At most a hundred.
    pub problems: Vec<String>,
    /// How much more is wrong.
    pub further_problems: u64,
    /// What was not looked at, and how it would be.
    pub not_checked: Vec<String>,
}

impl Check {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    fn of(dialect: Dialect) -> Check {
        Check {
            database: match dialect {
                Dialect::Sqlite => "SQLite",
                Dialect::Postgres => "PostgreSQL",
            },
            rows: Vec::new(),
            remediations: Vec::new(),
            problems: Vec::new(),
            further_problems: 0,
            not_checked: Vec::new(),
        }
    }

    fn wrong(&mut self, what: impl Into<String>) {
        if self.problems.len() < TOLD {
            self.problems.push(what.into());
        } else {
            self.further_problems += 1;
        }
    }

    /// What is broken is what is looked for; a database that does not answer is another matter.
    fn note(&mut self, failure: impl Into<RepositoryError>) -> Result<(), RepositoryError> {
        match failure.into() {
            RepositoryError::Broken { detail } => {
                self.wrong(detail);
                Ok(())
            }
            other => Err(other),
        }
    }

    /// Does one part of the check; if the database fails in it, the next part is done all the same.
    async fn part(
        &mut self,
        session: &mut Session,
        part: impl AsyncFnOnce(&mut Session, &mut Check) -> Result<(), Failure>,
    ) -> Result<(), RepositoryError> {
        // After an error PostgreSQL refuses every further statement of the transaction but this way
        // back.
        session.run_on_postgres("SAVEPOINT part").await?;
        if let Err(failure) = part(session, self).await {
            self.note(failure)?;
            session
                .run_on_postgres("ROLLBACK TO SAVEPOINT part")
                .await?;
        }
        Ok(())
    }
}

impl Store {
    /// Looks whether the store is sound. An error is a database that does not answer; everything that
    /// is wrong with what it holds is in the [`Check`].
    pub async fn check(&self) -> Result<Check, RepositoryError> {
        let mut session = self.snapshot().await?;
        let mut check = Check::of(session.dialect());
        look(&mut session, &mut check).await?;
        Ok(check)
    }
}

/// Looks at everything that a transaction sees.
async fn look(session: &mut Session, check: &mut Check) -> Result<(), RepositoryError> {
    database::check(session, check).await?;
    let mut agreement = Agreement::default();
    for table in TABLES {
        let mut count = 0;
        check
            .part(session, async |session, check| {
                go_through(session, table, &mut count, check, &mut agreement).await
            })
            .await?;
        check.rows.push((table.name, count));
    }
    agreement.end(session, check).await
}

/// Reads every row of a table, as the guard would.
async fn go_through(
    session: &mut Session,
    table: &Table,
    count: &mut u64,
    check: &mut Check,
    agreement: &mut Agreement,
) -> Result<(), Failure> {
    let mut last: Option<Row> = None;
    loop {
        let rows = session.rows(page(table, last.as_ref())).await?;
        for row in &rows {
            *count += 1;
            let read = (table.readable)(row).and_then(|()| agreement.row(table.name, row));
            if let Err(error) = read {
                check.note(error)?;
            }
        }
        agreement.page(session, table.name, &rows, check).await?;
        match rows.into_iter().next_back() {
            Some(row) => last = Some(row),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
