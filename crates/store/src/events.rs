//! Events as they arrived.

use guard::repository::{Accepted, EventFilter, RepositoryError};
use guard::state::{EventRecord, NewJob};
use jiff::Timestamp;

use crate::error::Failure;
use crate::jobs;
use crate::sql::{Query, Row, Session, query};

const COLUMNS: &str = "id, source, name, event_time, arrived_at, account, region, resource_type, \
                       resource_id, actor, source_ip, detail, verdict_at, closed_at";

pub(crate) fn event(row: &Row) -> Result<EventRecord, RepositoryError> {
    Ok(EventRecord {
        id: row.text("id")?,
        source: row.text("source")?,
        name: row.text("name")?,
        event_time: row.time("event_time")?,
        arrived_at: row.time("arrived_at")?,
        account: row.text("account")?,
        region: row.opt_text("region")?,
        resource_type: row.text("resource_type")?,
        resource_id: row.text("resource_id")?,
        actor: row.opt_text("actor")?,
        source_ip: row.opt_text("source_ip")?,
        detail: row.json("detail")?,
        verdict_at: row.opt_time("verdict_at")?,
        closed_at: row.opt_time("closed_at")?,
    })
}

pub(crate) async fn accept(
    session: &mut Session,
    events: &[(EventRecord, Vec<NewJob>)],
) -> Result<Accepted, Failure> {
    let mut accepted = Accepted::default();
    let mut asked: Vec<NewJob> = Vec::new();
    // In the order of their ids, so that two processes that are given the same events wait for each
    // other and never crosswise.
    let mut sorted: Vec<&(EventRecord, Vec<NewJob>)> = events.iter().collect();
    sorted.sort_by(|(a, _), (b, _)| a.id.cmp(&b.id));
    for (event, jobs) in sorted {
        let new = session
            .run(
                query(
                    "events",
                    "INSERT INTO events (id, source, name, event_time, arrived_at, account, region, \
                     resource_type, resource_id, actor, source_ip, detail, verdict_at, closed_at) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
                     ON CONFLICT (id) DO NOTHING",
                )
                .bind(&event.id)
                .bind(&event.source)
                .bind(&event.name)
                .bind(event.event_time)
                .bind(event.arrived_at)
                .bind(&event.account)
                .bind(&event.region)
                .bind(&event.resource_type)
                .bind(&event.resource_id)
                .bind(&event.actor)
                .bind(&event.source_ip)
                .bind(&event.detail)
                .bind(event.verdict_at)
                .bind(event.closed_at),
            )
            .await?;
        if new == 0 {
            accepted.duplicate += 1;
            continue;
        }
        accepted.new += 1;
        asked.extend(jobs.iter().cloned());
    }
    if let Some(now) = events.iter().map(|(event, _)| event.arrived_at).max() {
        jobs::ask_and_end(session, &asked, None, now).await?;
    }
    Ok(accepted)
}

pub(crate) async fn unseen(
    session: &mut Session,
    account: &str,
    resource_type: &str,
    resource_id: &str,
    limit: u32,
) -> Result<Vec<EventRecord>, Failure> {
    let rows = session
        .rows(
            Query::composed(
                "events",
                format!(
                    "SELECT {COLUMNS} FROM events WHERE account = $1 AND resource_type = $2 \
                     AND resource_id = $3 AND verdict_at IS NULL \
                     ORDER BY event_time, id LIMIT $4"
                ),
            )
            .bind(account)
            .bind(resource_type)
            .bind(resource_id)
            .bind(limit),
        )
        .await?;
    Ok(rows.iter().map(event).collect::<Result<_, _>>()?)
}

pub(crate) async fn list(
    session: &mut Session,
    filter: &EventFilter,
) -> Result<Vec<EventRecord>, Failure> {
    let mut text = format!("SELECT {COLUMNS} FROM events WHERE arrived_at >= $1");
    let mut next = 3;
    if filter.after.is_some() {
        text.push_str(" AND (arrived_at, id) < ($3, $4)");
        next = 5;
    }
    for (column, value) in [
        ("account", &filter.account),
        ("resource_id", &filter.resource_id),
    ] {
        if value.is_some() {
            text.push_str(&format!(" AND {column} = ${next}"));
            next += 1;
        }
    }
    text.push_str(" ORDER BY arrived_at DESC, id DESC LIMIT $2");
    let mut statement = Query::composed("events", text)
        .bind(filter.since.unwrap_or(Timestamp::MIN))
        .bind(filter.limit);
    if let Some((arrived_at, id)) = &filter.after {
        statement = statement.bind(*arrived_at).bind(id);
    }
    for value in [&filter.account, &filter.resource_id] {
        if value.is_some() {
            statement = statement.bind(value);
        }
    }
    let rows = session.rows(statement).await?;
    Ok(rows.iter().map(event).collect::<Result<_, _>>()?)
}

/// Notes that the effect of these events was seen, and whether what they opened is closed.
pub(crate) async fn see(
    session: &mut Session,
    key: &compliance::item::ResourceKey,
    seen: &[String],
    closed: bool,
    now: Timestamp,
) -> Result<(), Failure> {
    const AT_ONCE: usize = 16;
    for ids in seen.chunks(AT_ONCE) {
        let (text, count) = if ids.len() == 1 {
            (
                "UPDATE events SET verdict_at = $1 WHERE verdict_at IS NULL AND id = $2",
                1,
            )
        } else {
            (
                "UPDATE events SET verdict_at = $1 WHERE verdict_at IS NULL AND id IN ($2, $3, $4, \
                 $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
                AT_ONCE,
            )
        };
        let mut statement = query("events", text).bind(now);
        // What is missing to the full number is the last one again.
        for id in ids.iter().chain(ids.last().into_iter().cycle()).take(count) {
            statement = statement.bind(id);
        }
        session.run(statement).await?;
    }
    if closed {
        session
            .run(
                query(
                    "events",
                    "UPDATE events SET closed_at = $1 WHERE account = $2 AND resource_type = $3 \
                     AND resource_id = $4 AND verdict_at IS NOT NULL AND closed_at IS NULL",
                )
                .bind(now)
                .bind(&key.account)
                .bind(&key.resource_type)
                .bind(&key.resource_id),
            )
            .await?;
    }
    Ok(())
}
