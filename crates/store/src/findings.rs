//! Findings and exposures.

use guard::repository::{FindingFilter, RepositoryError};
use guard::state::{Exposure, Finding, FindingState, FindingUpdate};
use serde_json::json;

use crate::error::Failure;
use crate::resources::key;
use crate::sql::{Query, Row, Session, query};
use crate::tally::{FINDING, Tally};

const COLUMNS: &str = "id, account, region, resource_type, resource_id, cause, rule_names, \
                       annotation, state, state_detail, occurrences, first_opened_at, opened_at, \
                       resolved_at, resolved_by, fingerprint, witness, respond, topics, response, \
                       told_at, escalation_step, escalated_at";

const EXPOSURE: &str = "id, finding_id, account, region, resource_type, resource_id, cause, \
                        classes, began_at, detected_at, ended_at, closed_by, event_id, actor, \
                        witness";

/// Every state's name: a finding is in one of them.
const STATES: [&str; 4] = ["open", "acknowledged", "excepted", "resolved"];

pub(crate) fn finding(row: &Row) -> Result<Finding, RepositoryError> {
    Ok(Finding {
        id: row.text("id")?,
        key: key(row)?,
        cause: row.text("cause")?,
        rule_names: row.json("rule_names")?,
        annotation: row.text("annotation")?,
        state: row.json("state_detail")?,
        occurrences: row.small("occurrences")?,
        first_opened_at: row.time("first_opened_at")?,
        opened_at: row.time("opened_at")?,
        resolved_at: row.opt_time("resolved_at")?,
        resolved_by: row.opt_text("resolved_by")?,
        fingerprint: row.opt_text("fingerprint")?,
        witness: row.opt_json("witness")?,
        respond: row.flag("respond")?,
        topics: row.json("topics")?,
        response: row.opt_text("response")?,
        told_at: row.opt_time("told_at")?,
        escalation_step: row.small("escalation_step")?,
        escalated_at: row.opt_time("escalated_at")?,
    })
}

pub(crate) fn exposure(row: &Row) -> Result<Exposure, RepositoryError> {
    Ok(Exposure {
        id: row.text("id")?,
        finding_id: row.text("finding_id")?,
        key: key(row)?,
        cause: row.text("cause")?,
        classes: row.json("classes")?,
        from: row.time("began_at")?,
        detected_at: row.time("detected_at")?,
        to: row.opt_time("ended_at")?,
        closed_by: row.opt_text("closed_by")?,
        event_id: row.opt_text("event_id")?,
        actor: row.opt_text("actor")?,
        witness: row.opt_json("witness")?,
    })
}

fn findings(rows: &[Row]) -> Result<Vec<Finding>, Failure> {
    Ok(rows.iter().map(finding).collect::<Result<_, _>>()?)
}

fn exposures(rows: &[Row]) -> Result<Vec<Exposure>, Failure> {
    Ok(rows.iter().map(exposure).collect::<Result<_, _>>()?)
}

pub(crate) async fn of_resource(
    session: &mut Session,
    resource: i64,
) -> Result<Vec<Finding>, Failure> {
    let text = format!("SELECT {COLUMNS} FROM findings WHERE resource = $1 ORDER BY id");
    findings(
        &session
            .rows(Query::composed("findings", text).bind(resource))
            .await?,
    )
}

pub(crate) async fn open_exposures(
    session: &mut Session,
    resource: i64,
) -> Result<Vec<Exposure>, Failure> {
    let text = format!(
        "SELECT {EXPOSURE} FROM exposures WHERE resource = $1 AND ended_at IS NULL ORDER BY id"
    );
    exposures(
        &session
            .rows(Query::composed("exposures", text).bind(resource))
            .await?,
    )
}

pub(crate) async fn exposures_of(
    session: &mut Session,
    finding_id: &str,
) -> Result<Vec<Exposure>, Failure> {
    let text = format!(
        "SELECT {EXPOSURE} FROM exposures WHERE finding_id = $1 ORDER BY began_at DESC, id DESC"
    );
    exposures(
        &session
            .rows(Query::composed("exposures", text).bind(finding_id))
            .await?,
    )
}

pub(crate) async fn one(session: &mut Session, id: &str) -> Result<Option<Finding>, Failure> {
    let text = format!("SELECT {COLUMNS} FROM findings WHERE id = $1");
    let row = session
        .row(Query::composed("findings", text).bind(id))
        .await?;
    Ok(row.as_ref().map(finding).transpose()?)
}

/// State by state, each along an index in the order that is asked for, and then merged: the few that
/// are open are found at once among a million that were resolved.
pub(crate) async fn list(
    session: &mut Session,
    filter: &FindingFilter,
) -> Result<Vec<Finding>, Failure> {
    let mut all = Vec::new();
    for state in STATES {
        if !filter.states.is_empty() && !filter.states.iter().any(|name| name == state) {
            continue;
        }
        let mut text = format!("SELECT {COLUMNS} FROM findings WHERE state = $1");
        let mut next = 3;
        for (column, value) in [
            ("account", &filter.account),
            ("resource_id", &filter.resource_id),
        ] {
            if value.is_some() {
                text.push_str(&format!(" AND {column} = ${next}"));
                next += 1;
            }
        }
        text.push_str(" ORDER BY opened_at DESC, id DESC LIMIT $2");
        let mut statement = Query::composed("findings", text)
            .bind(state)
            .bind(filter.limit);
        for value in [&filter.account, &filter.resource_id] {
            if value.is_some() {
                statement = statement.bind(value);
            }
        }
        all.extend(findings(&session.rows(statement).await?)?);
    }
    all.sort_by(|a, b| (b.opened_at, &b.id).cmp(&(a.opened_at, &a.id)));
    all.truncate(usize::try_from(filter.limit).unwrap_or(usize::MAX));
    Ok(all)
}

/// Who acknowledged it, and so on: the whole state.
fn detail(state: &FindingState) -> Result<String, Failure> {
    serde_json::to_string(state)
        .map_err(|error| Failure::broken(format!("a finding's state is not written: {error}")))
}

/// Writes the findings of a resource, and counts them.
pub(crate) async fn write(
    session: &mut Session,
    resource: i64,
    findings: &[Finding],
    tally: &mut Tally,
) -> Result<(), Failure> {
    if findings.is_empty() {
        return Ok(());
    }
    let before = of_resource(session, resource).await?;
    for finding in findings {
        let old = before.iter().find(|old| old.id == finding.id);
        if old == Some(finding) {
            continue;
        }
        if let Some(old) = old {
            tally.add(FINDING, old.state.name(), "", -1);
        }
        tally.add(FINDING, finding.state.name(), "", 1);
        session
            .run(
                query(
                    "findings",
                    "INSERT INTO findings (id, resource, account, region, resource_type, \
                     resource_id, cause, rule_names, annotation, state, state_detail, occurrences, \
                     first_opened_at, opened_at, resolved_at, resolved_by, fingerprint, witness, \
                     respond, topics, response, told_at, escalation_step, escalated_at) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, \
                     $17, $18, $19, $20, $21, $22, $23, $24) \
                     ON CONFLICT (id) DO UPDATE SET region = excluded.region, \
                     rule_names = excluded.rule_names, annotation = excluded.annotation, \
                     state = excluded.state, state_detail = excluded.state_detail, \
                     occurrences = excluded.occurrences, \
                     first_opened_at = excluded.first_opened_at, opened_at = excluded.opened_at, \
                     resolved_at = excluded.resolved_at, resolved_by = excluded.resolved_by, \
                     fingerprint = excluded.fingerprint, witness = excluded.witness, \
                     respond = excluded.respond, topics = excluded.topics, \
                     response = excluded.response, told_at = excluded.told_at, \
                     escalation_step = excluded.escalation_step, \
                     escalated_at = excluded.escalated_at",
                )
                .bind(&finding.id)
                .bind(resource)
                .bind(&finding.key.account)
                .bind(&finding.key.region)
                .bind(&finding.key.resource_type)
                .bind(&finding.key.resource_id)
                .bind(&finding.cause)
                .bind(finding.rule_names.as_slice())
                .bind(&finding.annotation)
                .bind(finding.state.name())
                .bind(&detail(&finding.state)?)
                .bind(finding.occurrences)
                .bind(finding.first_opened_at)
                .bind(finding.opened_at)
                .bind(finding.resolved_at)
                .bind(&finding.resolved_by)
                .bind(&finding.fingerprint)
                .bind(&finding.witness)
                .bind(finding.respond)
                .bind(finding.topics.as_slice())
                .bind(&finding.response)
                .bind(finding.told_at)
                .bind(finding.escalation_step)
                .bind(finding.escalated_at),
            )
            .await?;
    }
    Ok(())
}

/// Writes the exposures of a resource.
pub(crate) async fn write_exposures(
    session: &mut Session,
    resource: i64,
    exposures: &[Exposure],
) -> Result<(), Failure> {
    if exposures.is_empty() {
        return Ok(());
    }
    let open = open_exposures(session, resource).await?;
    for exposure in exposures {
        if open.contains(exposure) {
            continue;
        }
        session
            .run(
                query(
                    "exposures",
                    "INSERT INTO exposures (id, finding_id, resource, account, region, \
                     resource_type, resource_id, cause, classes, began_at, detected_at, ended_at, \
                     closed_by, event_id, actor, witness) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
                     ON CONFLICT (id) DO UPDATE SET classes = excluded.classes, \
                     began_at = excluded.began_at, detected_at = excluded.detected_at, \
                     ended_at = excluded.ended_at, closed_by = excluded.closed_by, \
                     event_id = excluded.event_id, actor = excluded.actor, \
                     witness = excluded.witness",
                )
                .bind(&exposure.id)
                .bind(&exposure.finding_id)
                .bind(resource)
                .bind(&exposure.key.account)
                .bind(&exposure.key.region)
                .bind(&exposure.key.resource_type)
                .bind(&exposure.key.resource_id)
                .bind(&exposure.cause)
                .bind(&json!(exposure.classes))
                .bind(exposure.from)
                .bind(exposure.detected_at)
                .bind(exposure.to)
                .bind(&exposure.closed_by)
                .bind(&exposure.event_id)
                .bind(&exposure.actor)
                .bind(&exposure.witness),
            )
            .await?;
    }
    Ok(())
}

/// Writes what people and time changed about findings. Each resource is locked first, as a look does, so
/// that what is compared with what was read is what is written over.
pub(crate) async fn update(
    session: &mut Session,
    updates: &[FindingUpdate],
    tally: &mut Tally,
) -> Result<(), Failure> {
    let mut sorted: Vec<&FindingUpdate> = updates.iter().collect();
    sorted.sort_by(|a, b| (&a.read.key, &a.read.id).cmp(&(&b.read.key, &b.read.id)));
    for update in sorted {
        let id = &update.read.id;
        session
            .run(
                query(
                    "resources",
                    "UPDATE resources SET version = version + 1 \
                     WHERE id = (SELECT resource FROM findings WHERE id = $1)",
                )
                .bind(id),
            )
            .await?;
        let kept = one(session, id).await?;
        let Some(kept) = kept.filter(|kept| update.is_about(kept)) else {
            return Err(RepositoryError::Conflict(update.read.key.clone()).into());
        };
        tally.add(FINDING, kept.state.name(), "", -1);
        tally.add(FINDING, update.state.name(), "", 1);
        session
            .run(
                query(
                    "findings",
                    "UPDATE findings SET state = $2, state_detail = $3, escalation_step = $4, \
                     escalated_at = $5 WHERE id = $1",
                )
                .bind(id)
                .bind(update.state.name())
                .bind(&detail(&update.state)?)
                .bind(update.escalation_step)
                .bind(update.escalated_at),
            )
            .await?;
    }
    Ok(())
}
