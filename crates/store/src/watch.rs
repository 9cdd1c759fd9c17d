//! How well accounts are watched, and small values that are remembered.

use guard::repository::RepositoryError;
use guard::state::Coverage;
use serde_json::Value;

use crate::error::Failure;
use crate::sql::{Row, Session, query};

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Adds to the coverage. What a sweep found stands as a whole once it went through.
pub(crate) async fn cover(session: &mut Session, coverage: &Coverage) -> Result<(), Failure> {
    session
        .run(
            query(
                "coverage",
                "INSERT INTO coverage (account, region, last_event_at, last_sweep_at, swept, \
                 undecided, untold_changes, gaps, error) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
                 ON CONFLICT (account, region) DO UPDATE SET \
                 last_event_at = CASE WHEN coverage.last_event_at IS NULL \
                     OR excluded.last_event_at > coverage.last_event_at \
                     THEN excluded.last_event_at ELSE coverage.last_event_at END, \
                 last_sweep_at = COALESCE(excluded.last_sweep_at, coverage.last_sweep_at), \
                 swept = CASE WHEN excluded.last_sweep_at IS NOT NULL \
                     THEN excluded.swept ELSE coverage.swept END, \
                 undecided = CASE WHEN excluded.last_sweep_at IS NOT NULL \
                     THEN excluded.undecided ELSE coverage.undecided END, \
                 untold_changes = coverage.untold_changes + excluded.untold_changes, \
                 gaps = CASE WHEN excluded.last_sweep_at IS NOT NULL \
                     THEN excluded.gaps ELSE coverage.gaps END, \
                 error = CASE WHEN excluded.last_sweep_at IS NOT NULL \
                     OR excluded.error IS NOT NULL \
                     THEN excluded.error ELSE coverage.error END",
            )
            .bind(&coverage.account)
            .bind(&coverage.region)
            .bind(coverage.last_event_at)
            .bind(coverage.last_sweep_at)
            .bind(signed(coverage.swept))
            .bind(signed(coverage.undecided))
            .bind(signed(coverage.untold_changes))
            .bind(coverage.gaps.as_slice())
            .bind(&coverage.error),
        )
        .await?;
    Ok(())
}

pub(crate) fn covered(row: &Row) -> Result<Coverage, RepositoryError> {
    Ok(Coverage {
        account: row.text("account")?,
        region: row.text("region")?,
        last_event_at: row.opt_time("last_event_at")?,
        last_sweep_at: row.opt_time("last_sweep_at")?,
        swept: row.count("swept")?,
        undecided: row.count("undecided")?,
        untold_changes: row.count("untold_changes")?,
        gaps: row.json("gaps")?,
        error: row.opt_text("error")?,
    })
}

pub(crate) async fn coverage(session: &mut Session) -> Result<Vec<Coverage>, Failure> {
    let rows = session
        .rows(query(
            "coverage",
            "SELECT account, region, last_event_at, last_sweep_at, swept, undecided, \
             untold_changes, gaps, error FROM coverage ORDER BY account, region",
        ))
        .await?;
    Ok(rows.iter().map(covered).collect::<Result<_, _>>()?)
}

pub(crate) async fn remembered(
    session: &mut Session,
    name: &str,
) -> Result<Option<Value>, Failure> {
    let row = session
        .row(
            query(
                "remembered",
                "SELECT name, value FROM remembered WHERE name = $1",
            )
            .bind(name),
        )
        .await?;
    Ok(row.map(|row| row.json("value")).transpose()?)
}

pub(crate) async fn remember(
    session: &mut Session,
    name: &str,
    value: &Value,
) -> Result<(), Failure> {
    session
        .run(
            query(
                "remembered",
                "INSERT INTO remembered (name, value) VALUES ($1, $2) \
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )
            .bind(name)
            .bind(value),
        )
        .await?;
    Ok(())
}
