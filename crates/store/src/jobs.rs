//! Jobs: asked for, taken up under a lease, ended.
//!
//! A job that is to be done is one row, unique by its key. `ready_at` is when it can be taken up: when
//! it is due or, while somebody holds it, when the lease runs out. Asked for again while it is held, it
//! remembers in `again_at` for when, and becomes due then instead of going away. Dead letters have no
//! `ready_at`.

use std::time::Duration;

use guard::repository::RepositoryError;
use guard::state::{Finish, Job, JobKind, NewJob};
use jiff::{SignedDuration, Timestamp};

use crate::error::Failure;
use crate::signal::notify;
use crate::sql::{Query, Row, Session, query};

/// Asks for a job.
pub(crate) async fn ask(
    session: &mut Session,
    job: &NewJob,
    now: Timestamp,
) -> Result<(), Failure> {
    match job.kind {
        JobKind::Look | JobKind::Review => join(session, job, now).await,
        _ => replace(session, job, now).await,
    }
}

/// Asks for a job, and joins it to one of the same key that waits or runs. One statement cannot: what
/// is joined depends on both payloads.
async fn join(session: &mut Session, job: &NewJob, now: Timestamp) -> Result<(), Failure> {
    let waiting = session.dialect().choose(
        "SELECT id, kind, payload FROM jobs WHERE key = $1 AND dead_at IS NULL",
        "SELECT id, kind, payload FROM jobs WHERE key = $1 AND dead_at IS NULL FOR UPDATE",
    );
    // Each round but the last found one that ended in between.
    for _ in 0..ROUNDS {
        let new = session
            .run(
                query(
                    "jobs",
                    "INSERT INTO jobs (kind, key, payload, due_at, ready_at, attempts, generation, \
                     claims, created_at) VALUES ($1, $2, $3, $4, $4, 0, 1, 0, $5) \
                     ON CONFLICT (key) WHERE dead_at IS NULL DO NOTHING",
                )
                .bind(job.kind.as_str())
                .bind(&job.key)
                .bind(&job.payload)
                .bind(job.due_at)
                .bind(now),
            )
            .await?;
        if new > 0 {
            return Ok(());
        }
        let Some(row) = session.row(query("jobs", waiting).bind(&job.key)).await? else {
            continue;
        };
        let (kind, payload) = job.joined_to(kind(&row)?, &row.json("payload")?);
        session
            .run(
                query(
                    "jobs",
                    "UPDATE jobs SET generation = generation + 1, kind = $2, payload = $3, \
                     due_at = CASE WHEN lease IS NULL AND $4 < due_at THEN $4 ELSE due_at END, \
                     ready_at = CASE WHEN lease IS NULL AND $4 < ready_at \
                         THEN $4 ELSE ready_at END, \
                     again_at = CASE WHEN lease IS NULL THEN again_at \
                         WHEN again_at IS NULL OR $4 < again_at THEN $4 ELSE again_at END \
                     WHERE id = $1",
                )
                .bind(row.int("id")?)
                .bind(kind.as_str())
                .bind(&payload)
                .bind(job.due_at),
            )
            .await?;
        return Ok(());
    }
    Err(RepositoryError::Unavailable {
        detail: format!("{} is taken up and ended all the time", job.key),
    }
    .into())
}

/// How often a job is asked for that is ended by others at the same moment.
const ROUNDS: u32 = 20;

/// Asks for a job; of one of the same key the later payload counts.
async fn replace(session: &mut Session, job: &NewJob, now: Timestamp) -> Result<(), Failure> {
    let notice = match job.kind {
        JobKind::Deliver => job.payload.get("notice").and_then(|id| id.as_str()),
        _ => None,
    };
    session
        .run(
            query(
                "jobs",
                "INSERT INTO jobs (kind, key, payload, notice, due_at, ready_at, attempts, generation, \
                 claims, created_at) VALUES ($1, $2, $3, $4, $5, $5, 0, 1, 0, $6) \
                 ON CONFLICT (key) WHERE dead_at IS NULL DO UPDATE SET \
                 generation = jobs.generation + 1, \
                 kind = excluded.kind, \
                 payload = excluded.payload, \
                 notice = excluded.notice, \
                 due_at = CASE WHEN jobs.lease IS NULL AND excluded.due_at < jobs.due_at \
                     THEN excluded.due_at ELSE jobs.due_at END, \
                 ready_at = CASE WHEN jobs.lease IS NULL AND excluded.due_at < jobs.ready_at \
                     THEN excluded.due_at ELSE jobs.ready_at END, \
                 again_at = CASE WHEN jobs.lease IS NULL THEN jobs.again_at \
                     WHEN jobs.again_at IS NULL OR excluded.due_at < jobs.again_at \
                     THEN excluded.due_at ELSE jobs.again_at END",
            )
            .bind(job.kind.as_str())
            .bind(&job.key)
            .bind(&job.payload)
            .bind(notice)
            .bind(job.due_at)
            .bind(now),
        )
        .await?;
    Ok(())
}

/// Asks for jobs and ends one, in the order of the keys: two transactions that touch the same jobs
/// wait for each other, and never crosswise. A job that asks for itself does so before it ends.
pub(crate) async fn ask_and_end(
    session: &mut Session,
    asked: &[NewJob],
    ended: Option<(&Job, &Finish)>,
    now: Timestamp,
) -> Result<(), Failure> {
    let mut sorted: Vec<&NewJob> = asked.iter().collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    let mut ended = ended;
    for job in sorted {
        if let Some((own, finish)) = ended
            && own.key < job.key
        {
            end(session, own, finish, now).await?;
            ended = None;
        }
        ask(session, job, now).await?;
    }
    if let Some((own, finish)) = ended {
        end(session, own, finish, now).await?;
    }
    if !asked.is_empty() {
        notify(session).await?;
    }
    Ok(())
}

/// Ends a job that is held under its lease.
pub(crate) async fn end(
    session: &mut Session,
    job: &Job,
    finish: &Finish,
    now: Timestamp,
) -> Result<(), Failure> {
    let changed = match finish {
        Finish::Done => {
            let gone = session
                .run(
                    query(
                        "jobs",
                        "DELETE FROM jobs WHERE id = $1 AND lease = $2 AND again_at IS NULL",
                    )
                    .bind(job.id)
                    .bind(&job.lease),
                )
                .await?;
            if gone > 0 {
                gone
            } else {
                session
                    .run(
                        query(
                            "jobs",
                            "UPDATE jobs SET due_at = again_at, ready_at = again_at, \
                             again_at = NULL, lease = NULL, attempts = 0, last_error = NULL, \
                             created_at = $3 \
                             WHERE id = $1 AND lease = $2 AND again_at IS NOT NULL",
                        )
                        .bind(job.id)
                        .bind(&job.lease)
                        .bind(now),
                    )
                    .await?
            }
        }
        Finish::Again { due_at, error } => {
            session
                .run(
                    query(
                        "jobs",
                        "UPDATE jobs SET \
                         due_at = CASE WHEN again_at < $3 THEN again_at ELSE $3 END, \
                         ready_at = CASE WHEN again_at < $3 THEN again_at ELSE $3 END, \
                         again_at = NULL, lease = NULL, \
                         attempts = CASE WHEN $4 IS NULL THEN 0 ELSE attempts END, \
                         last_error = $4 \
                         WHERE id = $1 AND lease = $2",
                    )
                    .bind(job.id)
                    .bind(&job.lease)
                    .bind(*due_at)
                    .bind(error),
                )
                .await?
        }
        Finish::PutOff { due_at } => {
            session
                .run(
                    query(
                        "jobs",
                        "UPDATE jobs SET \
                         due_at = CASE WHEN again_at < $3 THEN again_at ELSE $3 END, \
                         ready_at = CASE WHEN again_at < $3 THEN again_at ELSE $3 END, \
                         again_at = NULL, lease = NULL, \
                         attempts = CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END \
                         WHERE id = $1 AND lease = $2",
                    )
                    .bind(job.id)
                    .bind(&job.lease)
                    .bind(*due_at),
                )
                .await?
        }
        Finish::Dead { error } => bury(session, job, error, now).await?,
    };
    if changed == 0 {
        return Err(RepositoryError::LeaseLost.into());
    }
    Ok(())
}

/// Makes a job a dead letter. If it was asked for again meanwhile, that stands, as another job.
async fn bury(
    session: &mut Session,
    job: &Job,
    error: &str,
    now: Timestamp,
) -> Result<u64, Failure> {
    let dead = session
        .row(
            query(
                "jobs",
                "UPDATE jobs SET dead_at = $3, ready_at = NULL, lease = NULL, last_error = $4 \
                 WHERE id = $1 AND lease = $2 \
                 RETURNING id, kind, key, payload, again_at",
            )
            .bind(job.id)
            .bind(&job.lease)
            .bind(now)
            .bind(error),
        )
        .await?;
    let Some(dead) = dead else { return Ok(0) };
    if let Some(due_at) = dead.opt_time("again_at")? {
        ask(session, &wanted(&dead, due_at)?, now).await?;
    }
    Ok(1)
}

fn wanted(row: &Row, due_at: Timestamp) -> Result<NewJob, RepositoryError> {
    Ok(NewJob {
        kind: kind(row)?,
        key: row.text("key")?,
        payload: row.json("payload")?,
        due_at,
    })
}

fn kind(row: &Row) -> Result<JobKind, RepositoryError> {
    let text = row.text("kind")?;
    JobKind::parse(&text).ok_or_else(|| {
        row.broken(
            "kind",
            format_args!("is {text:?}, which is none of the kinds"),
        )
    })
}

pub(crate) fn job(row: &Row) -> Result<Job, RepositoryError> {
    Ok(Job {
        id: row.int("id")?,
        kind: kind(row)?,
        key: row.text("key")?,
        payload: row.json("payload")?,
        due_at: row.time("due_at")?,
        attempts: row.small("attempts")?,
        generation: row.int("generation")?,
        lease: row.opt_text("lease")?.unwrap_or_default(),
        created_at: row.time("created_at")?,
        last_error: row.opt_text("last_error")?,
    })
}

/// The condition that a job is of one of these kinds, with its arguments from `$first` on. A single kind
/// is compared and not looked up in a list: then its jobs come out of the index in order.
fn of_kinds(kinds: &[JobKind], first: usize) -> Option<String> {
    let places: Vec<String> = (first..)
        .zip(kinds)
        .map(|(place, _)| format!("${place}"))
        .collect();
    match places.as_slice() {
        [] => None,
        [one] => Some(format!("kind = {one}")),
        several => Some(format!("kind IN ({})", several.join(", "))),
    }
}

/// When a lease that begins now ends.
fn until(now: Timestamp, lease: Duration) -> Timestamp {
    SignedDuration::try_from(lease)
        .ok()
        .and_then(|lease| now.checked_add(lease).ok())
        .unwrap_or(Timestamp::MAX)
}

pub(crate) async fn claim(
    session: &mut Session,
    kinds: &[JobKind],
    worker: &str,
    lease: Duration,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Job>, Failure> {
    let kinds = distinct(kinds);
    let Some(of_kinds) = of_kinds(&kinds, 5) else {
        return Ok(Vec::new());
    };
    // MATERIALIZED: chosen once, not again for each row.
    let locked = session.dialect().choose("", " FOR UPDATE SKIP LOCKED");
    let text = format!(
        "WITH picked AS MATERIALIZED (SELECT id FROM jobs \
         WHERE ready_at <= $1 AND {of_kinds} ORDER BY ready_at, id LIMIT $2{locked}) \
         UPDATE jobs SET attempts = attempts + 1, claims = claims + 1, \
         lease = $3 || ' ' || CAST(id AS TEXT) || '.' || CAST(claims + 1 AS TEXT), ready_at = $4, \
         again_at = CASE WHEN again_at <= $1 THEN NULL ELSE again_at END \
         WHERE id IN (SELECT id FROM picked) \
         RETURNING id, kind, key, payload, due_at, attempts, generation, lease, created_at, \
         last_error"
    );
    let mut statement = Query::composed("jobs", text)
        .bind(now)
        .bind(limit)
        .bind(worker)
        .bind(until(now, lease));
    for kind in kinds {
        statement = statement.bind(kind.as_str());
    }
    let rows = session.rows(statement).await?;
    let mut jobs = rows.iter().map(job).collect::<Result<Vec<_>, _>>()?;
    jobs.sort_by_key(|job| (job.due_at, job.id));
    Ok(jobs)
}

fn distinct(kinds: &[JobKind]) -> Vec<JobKind> {
    let mut kinds = kinds.to_vec();
    kinds.sort();
    kinds.dedup();
    kinds
}

pub(crate) async fn renew(
    session: &mut Session,
    job: &Job,
    lease: Duration,
    now: Timestamp,
) -> Result<(), Failure> {
    let held = session
        .run(
            query(
                "jobs",
                "UPDATE jobs SET ready_at = $3 WHERE id = $1 AND lease = $2",
            )
            .bind(job.id)
            .bind(&job.lease)
            .bind(until(now, lease)),
        )
        .await?;
    if held == 0 {
        return Err(RepositoryError::LeaseLost.into());
    }
    Ok(())
}

pub(crate) async fn next_due(
    session: &mut Session,
    kinds: &[JobKind],
) -> Result<Option<Timestamp>, Failure> {
    let kinds = distinct(kinds);
    let Some(of_kinds) = of_kinds(&kinds, 1) else {
        return Ok(None);
    };
    let text = format!(
        "SELECT id, ready_at FROM jobs WHERE ready_at IS NOT NULL AND {of_kinds} \
         ORDER BY ready_at, id LIMIT 1"
    );
    let mut statement = Query::composed("jobs", text);
    for kind in kinds {
        statement = statement.bind(kind.as_str());
    }
    match session.row(statement).await? {
        Some(row) => Ok(Some(row.time("ready_at")?)),
        None => Ok(None),
    }
}

pub(crate) async fn dead_letters(session: &mut Session, limit: u32) -> Result<Vec<Job>, Failure> {
    let rows = session
        .rows(
            query(
                "jobs",
                "SELECT id, kind, key, payload, due_at, attempts, generation, lease, created_at, \
                 last_error FROM jobs WHERE dead_at IS NOT NULL \
                 ORDER BY dead_at DESC, id DESC LIMIT $1",
            )
            .bind(limit),
        )
        .await?;
    Ok(rows.iter().map(job).collect::<Result<_, _>>()?)
}

/// The dead letter goes, and is asked for anew: if the same was asked for since, that is one job.
pub(crate) async fn redrive(
    session: &mut Session,
    id: i64,
    now: Timestamp,
) -> Result<bool, Failure> {
    let dead = session
        .row(
            query(
                "jobs",
                "DELETE FROM jobs WHERE id = $1 AND dead_at IS NOT NULL \
                 RETURNING id, kind, key, payload",
            )
            .bind(id),
        )
        .await?;
    let Some(dead) = dead else { return Ok(false) };
    ask(session, &wanted(&dead, now)?, now).await?;
    notify(session).await?;
    Ok(true)
}
