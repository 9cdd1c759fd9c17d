//! The journal of remediations, and the stop of enforcement.

use guard::journal::{Event, Record};
use guard::repository::RepositoryError;
use guard::state::EnforcementStop;
use jiff::Timestamp;

use crate::error::Failure;
use crate::sql::{Query, Row, Session, query};

/// Appends a record. Only an intent says where; what follows is about the same place.
pub(crate) async fn append(session: &mut Session, record: &Record) -> Result<(), Failure> {
    let document = serde_json::to_string(record).map_err(|error| {
        Failure::broken(format!("a record of the journal is not written: {error}"))
    })?;
    let statement = match &record.event {
        Event::Intent { place, .. } => query(
            "journal",
            "INSERT INTO journal (id, recorded_at, account, bucket, record) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(&record.id)
        .bind(record.at)
        .bind(&place.account)
        .bind(&place.bucket)
        .bind(&document),
        _ => query(
            "journal",
            "INSERT INTO journal (id, recorded_at, account, bucket, record) VALUES ($1, $2, \
             (SELECT account FROM journal WHERE id = $1 ORDER BY seq LIMIT 1), \
             (SELECT bucket FROM journal WHERE id = $1 ORDER BY seq LIMIT 1), $3)",
        )
        .bind(&record.id)
        .bind(record.at)
        .bind(&document),
    };
    session.run(statement).await?;
    Ok(())
}

pub(crate) fn record(row: &Row) -> Result<Record, RepositoryError> {
    row.json("record")
}

pub(crate) async fn journal(
    session: &mut Session,
    account: Option<&str>,
    bucket: Option<&str>,
    since: Option<Timestamp>,
) -> Result<Vec<Record>, Failure> {
    let conditions: Vec<String> = [
        ("account =", account.is_some()),
        ("bucket =", bucket.is_some()),
        ("recorded_at >=", since.is_some()),
    ]
    .into_iter()
    .filter(|(_, given)| *given)
    .zip(1..)
    .map(|((condition, _), next)| format!("{condition} ${next}"))
    .collect();
    let mut text = "SELECT seq, record FROM journal".to_owned();
    if !conditions.is_empty() {
        text.push_str(" WHERE ");
        text.push_str(&conditions.join(" AND "));
    }
    // The plus keeps SQLite from going through all of the journal in order to find it sorted.
    text.push_str(" ORDER BY +seq");
    let mut statement = Query::composed("journal", text);
    for value in [account, bucket].into_iter().flatten() {
        statement = statement.bind(value);
    }
    if let Some(since) = since {
        statement = statement.bind(since);
    }
    let rows = session.rows(statement).await?;
    Ok(rows.iter().map(record).collect::<Result<_, _>>()?)
}

pub(crate) fn enforcement_stop(row: &Row) -> Result<EnforcementStop, RepositoryError> {
    Ok(EnforcementStop {
        by: row.text("stopped_by")?,
        at: row.time("stopped_at")?,
        reason: row.text("reason")?,
    })
}

/// The records of a bucket's last remediations.
pub(crate) async fn last(
    session: &mut Session,
    account: &str,
    bucket: &str,
    limit: u32,
) -> Result<Vec<Record>, Failure> {
    let statement = query(
        "journal",
        "SELECT seq, record FROM journal WHERE account = $1 AND bucket = $2 AND id IN \
         (SELECT id FROM journal WHERE account = $1 AND bucket = $2 \
         GROUP BY id ORDER BY MIN(seq) DESC LIMIT $3) ORDER BY seq",
    )
    .bind(account)
    .bind(bucket)
    .bind(limit);
    let rows = session.rows(statement).await?;
    Ok(rows
        .iter()
        .map(|row| row.json("record"))
        .collect::<Result<_, _>>()?)
}

/// The buckets of an account that were written to.
pub(crate) async fn written_buckets(
    session: &mut Session,
    account: &str,
    since: Timestamp,
) -> Result<Vec<String>, Failure> {
    // The member is written so by serde; within a text its quotes would be escaped.
    let statement = query(
        "journal",
        "SELECT DISTINCT bucket FROM journal WHERE account = $1 AND recorded_at >= $2 \
         AND record LIKE '%\"event\":\"written\"%' ORDER BY bucket",
    )
    .bind(account)
    .bind(since);
    let rows = session.rows(statement).await?;
    Ok(rows
        .iter()
        .map(|row| row.text("bucket"))
        .collect::<Result<_, _>>()?)
}

pub(crate) async fn stopped(session: &mut Session) -> Result<Option<EnforcementStop>, Failure> {
    let row = session
        .row(query(
            "enforcement_stop",
            "SELECT stopped_by, stopped_at, reason FROM enforcement_stop",
        ))
        .await?;
    Ok(row.as_ref().map(enforcement_stop).transpose()?)
}

pub(crate) async fn stop(
    session: &mut Session,
    stop: Option<&EnforcementStop>,
) -> Result<(), Failure> {
    let statement = match stop {
        None => query("enforcement_stop", "DELETE FROM enforcement_stop"),
        Some(stop) => query(
            "enforcement_stop",
            "INSERT INTO enforcement_stop (id, stopped_by, stopped_at, reason) \
             VALUES (1, $1, $2, $3) ON CONFLICT (id) DO UPDATE SET \
             stopped_by = excluded.stopped_by, stopped_at = excluded.stopped_at, \
             reason = excluded.reason",
        )
        .bind(&stop.by)
        .bind(stop.at)
        .bind(&stop.reason),
    };
    session.run(statement).await?;
    Ok(())
}
