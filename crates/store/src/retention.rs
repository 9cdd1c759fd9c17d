//! Removing what is old. What is needed stays whatever its age: the newest item of each resource, what
//! each rule says now, findings, exposures that run, events whose effect was not seen, notices that
//! are still to be delivered (or could not be), the journal, dead letters.

use jiff::Timestamp;

use crate::error::Failure;
use crate::sql::{Session, query};

pub(crate) async fn retire(
    session: &mut Session,
    before: Timestamp,
    limit: u32,
) -> Result<u64, Failure> {
    const OLD: &[(&str, &str)] = &[
        (
            "items",
            "DELETE FROM items WHERE id IN (SELECT items.id FROM items \
             JOIN resources ON resources.id = items.resource \
             WHERE captured_at < $1 AND items.id <> resources.item \
             ORDER BY captured_at, items.id LIMIT $2)",
        ),
        (
            "evaluations",
            "DELETE FROM evaluations WHERE id IN (SELECT id FROM evaluations \
             WHERE evaluated_at < $1 AND latest = 0 ORDER BY evaluated_at, id LIMIT $2)",
        ),
        (
            "events",
            "DELETE FROM events WHERE id IN (SELECT id FROM events \
             WHERE arrived_at < $1 AND verdict_at IS NOT NULL ORDER BY arrived_at, id LIMIT $2)",
        ),
        (
            "bus_events",
            "DELETE FROM bus_events WHERE seq IN (SELECT seq FROM bus_events \
             WHERE raised_at < $1 ORDER BY raised_at, seq LIMIT $2)",
        ),
        // A digest's job names no notice: whatever was made since it was first asked for is kept.
        (
            "notices",
            "DELETE FROM notices WHERE id IN (SELECT id FROM notices \
             WHERE created_at < $1 \
             AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.notice = notices.id) \
             AND created_at < COALESCE((SELECT min(created_at) FROM jobs \
                 WHERE kind = 'deliver' AND jobs.notice IS NULL), 9223372036854775807) \
             ORDER BY created_at, id LIMIT $2)",
        ),
        (
            "exposures",
            "DELETE FROM exposures WHERE id IN (SELECT id FROM exposures \
             WHERE ended_at IS NOT NULL AND ended_at < $1 ORDER BY ended_at, id LIMIT $2)",
        ),
    ];
    let mut gone = 0;
    for (table, text) in OLD {
        gone += session
            .run(query(table, text).bind(before).bind(limit))
            .await?;
    }
    Ok(gone)
}
