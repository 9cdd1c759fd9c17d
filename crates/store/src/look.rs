//! Commits of looks: everything that one look at one resource made, whole or not at all.

use guard::repository::RepositoryError;
use guard::state::{BusEvent, Commit, EvaluationRecord, Finish, Job};
use jiff::Timestamp;
use serde_json::json;

use crate::error::Failure;
use crate::sql::{Session, query};
use crate::tally::{COMPLIANCE, RESOURCE, Tally};
use crate::{events, findings, jobs, notices, resources};

/// A resource's row as it is before the commit, locked.
struct Known {
    id: i64,
    version: i64,
    deleted: bool,
    item: i64,
    content_hash: String,
    evaluations: Vec<EvaluationRecord>,
}

pub(crate) async fn commit(
    session: &mut Session,
    commit: &Commit,
    job: Option<(&Job, &Finish)>,
    now: Timestamp,
) -> Result<(), Failure> {
    let mut tally = Tally::default();
    let known = lock(session, commit).await?;
    if known.as_ref().map(|known| known.version) != commit.expected_version {
        return Err(RepositoryError::Conflict(commit.key.clone()).into());
    }
    let known = match (known, &commit.item) {
        (Some(known), _) => Some(known),
        (None, Some(_)) => Some(insert(session, commit).await?),
        (None, None) => None,
    };
    match known {
        Some(known) => {
            let resource = known.id;
            write(session, commit, known, &mut tally).await?;
            findings::write(session, resource, &commit.findings, &mut tally).await?;
            findings::write_exposures(session, resource, &commit.exposures).await?;
        }
        None => {
            let about = commit.evaluations.len() + commit.findings.len() + commit.exposures.len();
            if about > 0 {
                return Err(Failure::broken(format!(
                    "{}: what is neither known nor there has no evaluations, findings or exposures",
                    commit.key
                )));
            }
        }
    }
    events::see(
        session,
        &commit.key,
        &commit.events_seen,
        commit.events_closed,
        now,
    )
    .await?;
    for event in &commit.bus_events {
        raise(session, event).await?;
    }
    for notice in &commit.notices {
        notices::write(session, notice).await?;
    }
    jobs::ask_and_end(session, &commit.jobs, job, now).await?;
    tally.write(session).await
}

async fn lock(session: &mut Session, commit: &Commit) -> Result<Option<Known>, Failure> {
    let text = session.dialect().choose(
        "SELECT id, version, deleted, item, content_hash, evaluations FROM resources \
         WHERE account = $1 AND resource_type = $2 AND resource_id = $3",
        "SELECT id, version, deleted, item, content_hash, evaluations FROM resources \
         WHERE account = $1 AND resource_type = $2 AND resource_id = $3 FOR UPDATE",
    );
    let row = session
        .row(
            query("resources", text)
                .bind(&commit.key.account)
                .bind(&commit.key.resource_type)
                .bind(&commit.key.resource_id),
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Known {
        id: row.int("id")?,
        version: row.int("version")?,
        deleted: row.flag("deleted")?,
        item: row.int("item")?,
        content_hash: row.text("content_hash")?,
        evaluations: resources::evaluations_from_row(&row)?,
    }))
}

/// Makes the row of a resource that is seen for the first time; it is filled in the same transaction.
/// Until then it counts as deleted, which it was not counted as.
async fn insert(session: &mut Session, commit: &Commit) -> Result<Known, Failure> {
    let row = session
        .row(
            query(
                "resources",
                "INSERT INTO resources (account, region, resource_type, resource_id, version, \
                 deleted, observed_at, item, content_hash, evaluations) \
                 VALUES ($1, $2, $3, $4, 0, 1, $5, 0, '', '[]') \
                 ON CONFLICT (account, resource_type, resource_id) DO NOTHING RETURNING id",
            )
            .bind(&commit.key.account)
            .bind(&commit.key.region)
            .bind(&commit.key.resource_type)
            .bind(&commit.key.resource_id)
            .bind(commit.observed_at),
        )
        .await?;
    // Another worker made it at the same moment.
    let row = row.ok_or_else(|| RepositoryError::Conflict(commit.key.clone()))?;
    Ok(Known {
        id: row.int("id")?,
        version: 0,
        deleted: true,
        item: 0,
        content_hash: String::new(),
        evaluations: Vec::new(),
    })
}

/// Writes the resource's own row, its item if that is new, and what rules say if that changed.
async fn write(
    session: &mut Session,
    commit: &Commit,
    known: Known,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let (mut item, mut content_hash, mut deleted) = (known.item, known.content_hash, known.deleted);
    if let Some((new, hash)) = &commit.item {
        let row = session
            .row(
                query(
                    "items",
                    "INSERT INTO items (resource, captured_at, content_hash, item) \
                     VALUES ($1, $2, $3, $4) RETURNING id",
                )
                .bind(known.id)
                .bind(new.capture_time)
                .bind(hash)
                .bind(&new.to_json()),
            )
            .await?
            .ok_or_else(|| Failure::broken("table items: an item was written and has no id"))?;
        item = row.int("id")?;
        content_hash.clone_from(hash);
        deleted = new.status.is_deleted();
    }
    session
        .run(
            query(
                "resources",
                "UPDATE resources SET version = version + 1, region = $2, deleted = $3, \
                 observed_at = $4, item = $5, content_hash = $6, evaluations = $7 WHERE id = $1",
            )
            .bind(known.id)
            .bind(&commit.key.region)
            .bind(deleted)
            .bind(commit.observed_at)
            .bind(item)
            .bind(&content_hash)
            .bind(&resources::evaluations_to_json(&commit.evaluations)),
        )
        .await?;

    let kind = &commit.key.resource_type;
    if !known.deleted {
        tally.add(RESOURCE, kind, "", -1);
        count(tally, &known.evaluations, -1);
    }
    if !deleted {
        tally.add(RESOURCE, kind, "", 1);
        count(tally, &commit.evaluations, 1);
    }
    write_evaluations(session, known.id, &known.evaluations, &commit.evaluations).await
}

fn count(tally: &mut Tally, evaluations: &[EvaluationRecord], by: i64) {
    for record in evaluations {
        tally.add(
            COMPLIANCE,
            &record.rule_name,
            record.compliance_type.as_str(),
            by,
        );
    }
}

async fn write_evaluations(
    session: &mut Session,
    resource: i64,
    before: &[EvaluationRecord],
    after: &[EvaluationRecord],
) -> Result<(), Failure> {
    let supersede = |rule_name: &str| {
        query(
            "evaluations",
            "UPDATE evaluations SET latest = 0 \
             WHERE resource = $1 AND rule_name = $2 AND latest = 1",
        )
        .bind(resource)
        .bind(rule_name)
    };
    for old in before {
        if !after.iter().any(|new| new.rule_name == old.rule_name) {
            session.run(supersede(&old.rule_name)).await?;
        }
    }
    for new in after {
        let old = before.iter().find(|old| old.rule_name == new.rule_name);
        if let Some(old) = old {
            if old.compliance_type == new.compliance_type && old.annotation == new.annotation {
                continue;
            }
            session.run(supersede(&old.rule_name)).await?;
        }
        session
            .run(
                query(
                    "evaluations",
                    "INSERT INTO evaluations (resource, rule_name, identifier, compliance_type, \
                     annotation, evaluated_at, since, latest) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, 1)",
                )
                .bind(resource)
                .bind(&new.rule_name)
                .bind(&new.identifier)
                .bind(new.compliance_type.as_str())
                .bind(&new.annotation)
                .bind(new.evaluated_at)
                .bind(new.since),
            )
            .await?;
    }
    Ok(())
}

async fn raise(session: &mut Session, event: &BusEvent) -> Result<(), Failure> {
    session
        .run(
            query(
                "bus_events",
                "INSERT INTO bus_events (id, account, region, resource_type, resource_id, \
                 raised_at, event, routes) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
                 ON CONFLICT (id) DO NOTHING",
            )
            .bind(&event.id)
            .bind(&event.key.account)
            .bind(&event.key.region)
            .bind(&event.key.resource_type)
            .bind(&event.key.resource_id)
            .bind(event.at)
            .bind(&event.event)
            .bind(&event.routes.as_ref().map(|routes| json!(routes))),
        )
        .await?;
    Ok(())
}
