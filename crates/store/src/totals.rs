//! How many of what there are.

use guard::repository::Totals;

use crate::error::Failure;
use crate::sql::{Row, Session, query};
use crate::tally::{COMPLIANCE, FINDING, RESOURCE};

pub(crate) async fn totals(session: &mut Session) -> Result<Totals, Failure> {
    let mut totals = Totals::default();
    let tallies = session
        .rows(query(
            "tallies",
            "SELECT what, name, value, n FROM tallies WHERE n <> 0 ORDER BY what, name, value",
        ))
        .await?;
    for row in &tallies {
        let (name, n) = (row.text("name")?, row.count("n")?);
        match row.text("what")?.as_str() {
            RESOURCE => totals.resources.push((name, n)),
            COMPLIANCE => totals.compliance.push((name, row.text("value")?, n)),
            FINDING => totals.findings.push((name, n)),
            _ => {}
        }
    }
    let exposures = session
        .row(query(
            "exposures",
            "SELECT count(*) AS n FROM exposures WHERE ended_at IS NULL",
        ))
        .await?;
    totals.exposures_open = exposures.map_or(Ok(0), |row| row.count("n"))?;
    let by_kind = |rows: &[Row]| -> Result<Vec<(String, u64)>, Failure> {
        rows.iter()
            .map(|row| Ok((row.text("kind")?, row.count("n")?)))
            .collect()
    };
    totals.jobs_waiting = by_kind(
        &session
            .rows(query(
                "jobs",
                "SELECT kind, count(*) AS n FROM jobs \
                 WHERE dead_at IS NULL AND lease IS NULL GROUP BY kind ORDER BY kind",
            ))
            .await?,
    )?;
    totals.jobs_dead = by_kind(
        &session
            .rows(query(
                "jobs",
                "SELECT kind, count(*) AS n FROM jobs \
                 WHERE dead_at IS NOT NULL GROUP BY kind ORDER BY kind",
            ))
            .await?,
    )?;
    let oldest = session
        .row(query(
            "jobs",
            "SELECT id, ready_at FROM jobs WHERE ready_at IS NOT NULL AND lease IS NULL \
             ORDER BY ready_at, id LIMIT 1",
        ))
        .await?;
    totals.oldest_due = oldest.map(|row| row.time("ready_at")).transpose()?;
    Ok(totals)
}
