//! Notices, compliance changes as they went on the bus, and what became of subscriptions.

use guard::repository::RepositoryError;
use guard::state::{BusEvent, NoticeRecord, SubscriptionState};
use jiff::Timestamp;

use crate::error::Failure;
use crate::resources::key;
use crate::sql::{Row, Session, query};

pub(crate) fn notice(row: &Row) -> Result<NoticeRecord, RepositoryError> {
    Ok(NoticeRecord {
        id: row.text("id")?,
        finding_id: row.opt_text("finding_id")?,
        created_at: row.time("created_at")?,
        document: row.json("document")?,
    })
}

pub(crate) fn bus_event(row: &Row) -> Result<BusEvent, RepositoryError> {
    Ok(BusEvent {
        id: row.text("id")?,
        key: key(row)?,
        at: row.time("raised_at")?,
        event: row.json("event")?,
        routes: row.opt_json("routes")?,
    })
}

pub(crate) fn subscription(row: &Row) -> Result<SubscriptionState, RepositoryError> {
    Ok(SubscriptionState {
        id: row.text("id")?,
        endpoint_digest: row.text("endpoint_digest")?,
        asked_at: row.opt_time("asked_at")?,
        confirmed_at: row.opt_time("confirmed_at")?,
        unsubscribed_at: row.opt_time("unsubscribed_at")?,
        disabled: row.opt_text("disabled")?,
    })
}

pub(crate) async fn write(session: &mut Session, notice: &NoticeRecord) -> Result<(), Failure> {
    session
        .run(
            query(
                "notices",
                "INSERT INTO notices (id, finding_id, created_at, document) \
                 VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
            )
            .bind(&notice.id)
            .bind(&notice.finding_id)
            .bind(notice.created_at)
            .bind(&notice.document),
        )
        .await?;
    Ok(())
}

pub(crate) async fn one(session: &mut Session, id: &str) -> Result<Option<NoticeRecord>, Failure> {
    let row = session
        .row(
            query(
                "notices",
                "SELECT id, finding_id, created_at, document FROM notices WHERE id = $1",
            )
            .bind(id),
        )
        .await?;
    Ok(row.as_ref().map(notice).transpose()?)
}

pub(crate) async fn span(
    session: &mut Session,
    since: Timestamp,
    until: Timestamp,
    limit: u32,
) -> Result<Vec<NoticeRecord>, Failure> {
    let rows = session
        .rows(
            query(
                "notices",
                "SELECT id, finding_id, created_at, document FROM notices \
                 WHERE created_at >= $1 AND created_at < $2 ORDER BY created_at, id LIMIT $3",
            )
            .bind(since)
            .bind(until)
            .bind(limit),
        )
        .await?;
    Ok(rows.iter().map(notice).collect::<Result<_, _>>()?)
}

pub(crate) async fn bus_events(
    session: &mut Session,
    limit: u32,
) -> Result<Vec<BusEvent>, Failure> {
    let rows = session
        .rows(
            query(
                "bus_events",
                "SELECT id, account, region, resource_type, resource_id, raised_at, event, routes \
                 FROM bus_events ORDER BY seq DESC LIMIT $1",
            )
            .bind(limit),
        )
        .await?;
    Ok(rows.iter().map(bus_event).collect::<Result<_, _>>()?)
}

pub(crate) async fn bus_events_from(
    session: &mut Session,
    since: Timestamp,
    after: Option<i64>,
    limit: u32,
) -> Result<Vec<(i64, BusEvent)>, Failure> {
    let rows = session
        .rows(
            query(
                "bus_events",
                "SELECT seq, id, account, region, resource_type, resource_id, raised_at, event, \
                 routes FROM bus_events WHERE seq > $1 AND raised_at >= $2 ORDER BY seq LIMIT $3",
            )
            .bind(after.unwrap_or(0))
            .bind(since)
            .bind(limit),
        )
        .await?;
    let numbered = |row: &Row| -> Result<(i64, BusEvent), RepositoryError> {
        Ok((row.int("seq")?, bus_event(row)?))
    };
    Ok(rows.iter().map(numbered).collect::<Result<_, _>>()?)
}

pub(crate) async fn subscriptions(
    session: &mut Session,
) -> Result<Vec<SubscriptionState>, Failure> {
    let rows = session
        .rows(query(
            "subscriptions",
            "SELECT id, endpoint_digest, asked_at, confirmed_at, unsubscribed_at, disabled \
             FROM subscriptions ORDER BY id",
        ))
        .await?;
    Ok(rows.iter().map(subscription).collect::<Result<_, _>>()?)
}

pub(crate) async fn put_subscription(
    session: &mut Session,
    subscription: &SubscriptionState,
) -> Result<(), Failure> {
    session
        .run(
            query(
                "subscriptions",
                "INSERT INTO subscriptions (id, endpoint_digest, asked_at, confirmed_at, \
                 unsubscribed_at, disabled) VALUES ($1, $2, $3, $4, $5, $6) \
                 ON CONFLICT (id) DO UPDATE SET endpoint_digest = excluded.endpoint_digest, \
                 asked_at = excluded.asked_at, confirmed_at = excluded.confirmed_at, \
                 unsubscribed_at = excluded.unsubscribed_at, disabled = excluded.disabled",
            )
            .bind(&subscription.id)
            .bind(&subscription.endpoint_digest)
            .bind(subscription.asked_at)
            .bind(subscription.confirmed_at)
            .bind(subscription.unsubscribed_at)
            .bind(&subscription.disabled),
        )
        .await?;
    Ok(())
}
