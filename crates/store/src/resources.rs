//! Resources and their history: items, and what rules said.

use compliance::item::{ConfigurationItem, ResourceKey};
use compliance::rules::ComplianceType;
use guard::repository::RepositoryError;
use guard::state::{EvaluationRecord, ResourceRecord};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::error::Failure;
use crate::findings;
use crate::sql::{Row, Session, query};

/// The resource that a row is about.
pub(crate) fn key(row: &Row) -> Result<ResourceKey, RepositoryError> {
    Ok(ResourceKey {
        account: row.text("account")?,
        region: row.text("region")?,
        resource_type: row.text("resource_type")?,
        resource_id: row.text("resource_id")?,
    })
}

/// An item as it is kept: AWS Config's document writes the time of capture in milliseconds, and ours
/// is exact to the microsecond.
pub(crate) fn item(row: &Row) -> Result<ConfigurationItem, RepositoryError> {
    let mut item = ConfigurationItem::from_json(&row.json("item")?)
        .map_err(|error| row.broken("item", format_args!("is no configuration item: {error}")))?;
    item.capture_time = row.time("captured_at")?;
    Ok(item)
}

fn compliance_type(text: &str) -> Option<ComplianceType> {
    [
        ComplianceType::Compliant,
        ComplianceType::NonCompliant,
        ComplianceType::NotApplicable,
        ComplianceType::InsufficientData,
    ]
    .into_iter()
    .find(|compliance| compliance.as_str() == text)
}

/// Evaluations as JSON, for the resource's own row.
pub(crate) fn evaluations_to_json(evaluations: &[EvaluationRecord]) -> Value {
    evaluations
        .iter()
        .map(|record| {
            json!({
                "rule": record.rule_name,
                "identifier": record.identifier,
                "compliance": record.compliance_type.as_str(),
                "annotation": record.annotation,
                "evaluated_at": record.evaluated_at.as_microsecond(),
                "since": record.since.as_microsecond(),
            })
        })
        .collect()
}

/// Reads what [`evaluations_to_json`] wrote.
pub(crate) fn evaluations_from_row(row: &Row) -> Result<Vec<EvaluationRecord>, RepositoryError> {
    let broken = |member: &str| row.broken("evaluations", format_args!("has no usable {member}"));
    row.json::<Vec<Value>>("evaluations")?
        .iter()
        .map(|value| {
            let text = |member: &str| {
                value[member]
                    .as_str()
                    .map(str::to_owned)
                    .ok_or_else(|| broken(member))
            };
            let time = |member: &str| {
                value[member]
                    .as_i64()
                    .and_then(|micros| Timestamp::from_microsecond(micros).ok())
                    .ok_or_else(|| broken(member))
            };
            Ok(EvaluationRecord {
                rule_name: text("rule")?,
                identifier: text("identifier")?,
                compliance_type: compliance_type(&text("compliance")?)
                    .ok_or_else(|| broken("compliance"))?,
                annotation: value["annotation"].as_str().map(str::to_owned),
                evaluated_at: time("evaluated_at")?,
                since: time("since")?,
            })
        })
        .collect()
}

/// What a rule said, as its history has it.
pub(crate) fn evaluation(row: &Row) -> Result<EvaluationRecord, RepositoryError> {
    let text = row.text("compliance_type")?;
    Ok(EvaluationRecord {
        rule_name: row.text("rule_name")?,
        identifier: row.text("identifier")?,
        compliance_type: compliance_type(&text).ok_or_else(|| {
            row.broken(
                "compliance_type",
                format_args!("is {text:?}, which is none of the types"),
            )
        })?,
        annotation: row.opt_text("annotation")?,
        evaluated_at: row.time("evaluated_at")?,
        since: row.time("since")?,
    })
}

/// The resource's row comes first: what is read after it is as new at least, and a commit that was
/// decided on an older version than the newest is refused.
pub(crate) async fn resource(
    session: &mut Session,
    account: &str,
    resource_type: &str,
    resource_id: &str,
) -> Result<Option<ResourceRecord>, Failure> {
    let row = session
        .row(
            query(
                "resources",
                "SELECT resources.id, version, observed_at, resources.content_hash, evaluations, \
                 captured_at, items.item FROM resources JOIN items ON items.id = resources.item \
                 WHERE account = $1 AND resource_type = $2 AND resource_id = $3",
            )
            .bind(account)
            .bind(resource_type)
            .bind(resource_id),
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let id = row.int("id")?;
    Ok(Some(ResourceRecord {
        version: row.int("version")?,
        item: item(&row)?,
        content_hash: row.text("content_hash")?,
        observed_at: row.time("observed_at")?,
        evaluations: evaluations_from_row(&row)?,
        findings: findings::of_resource(session, id).await?,
        exposures: findings::open_exposures(session, id).await?,
    }))
}

pub(crate) async fn ids(
    session: &mut Session,
    account: &str,
    resource_type: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<String>, Failure> {
    let rows = session
        .rows(
            query(
                "resources",
                "SELECT resource_id FROM resources WHERE account = $1 AND resource_type = $2 \
                 AND resource_id > $3 AND deleted = 0 ORDER BY resource_id LIMIT $4",
            )
            .bind(account)
            .bind(resource_type)
            // No resource has an empty id.
            .bind(after.unwrap_or_default())
            .bind(limit),
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| row.text("resource_id"))
        .collect::<Result<_, _>>()?)
}

pub(crate) async fn history(
    session: &mut Session,
    account: &str,
    resource_type: &str,
    resource_id: &str,
    limit: u32,
) -> Result<Vec<ConfigurationItem>, Failure> {
    let rows = session
        .rows(
            query(
                "items",
                "SELECT items.id, captured_at, items.item FROM items \
                 WHERE resource = (SELECT id FROM resources WHERE account = $1 \
                 AND resource_type = $2 AND resource_id = $3) \
                 ORDER BY items.id DESC LIMIT $4",
            )
            .bind(account)
            .bind(resource_type)
            .bind(resource_id)
            .bind(limit),
        )
        .await?;
    Ok(rows.iter().map(item).collect::<Result<_, _>>()?)
}

pub(crate) async fn evaluation_history(
    session: &mut Session,
    account: &str,
    resource_type: &str,
    resource_id: &str,
    limit: u32,
) -> Result<Vec<EvaluationRecord>, Failure> {
    let rows = session
        .rows(
            query(
                "evaluations",
                "SELECT id, rule_name, identifier, compliance_type, annotation, evaluated_at, since \
                 FROM evaluations WHERE resource = (SELECT id FROM resources WHERE account = $1 \
                 AND resource_type = $2 AND resource_id = $3) ORDER BY id DESC LIMIT $4",
            )
            .bind(account)
            .bind(resource_type)
            .bind(resource_id)
            .bind(limit),
        )
        .await?;
    Ok(rows.iter().map(evaluation).collect::<Result<_, _>>()?)
}

/// Items for snapshots (the newest of each resource) and history files (a span of time). The cursor is
/// the last item's id; of a span, items come in the order of their capture.
pub(crate) async fn items(
    session: &mut Session,
    span: Option<(Timestamp, Timestamp)>,
    after: Option<i64>,
    limit: u32,
) -> Result<Vec<(i64, ConfigurationItem)>, Failure> {
    let rows = match span {
        None => {
            session
                .rows(
                    query(
                        "items",
                        "SELECT items.id, captured_at, items.item FROM resources \
                         JOIN items ON items.id = resources.item \
                         WHERE deleted = 0 AND resources.item > $1 \
                         ORDER BY resources.item LIMIT $2",
                    )
                    .bind(after.unwrap_or(0))
                    .bind(limit),
                )
                .await?
        }
        Some((from, until)) => {
            let (from, after) = match after {
                None => (from, i64::MIN),
                Some(after) => {
                    let last = session
                        .row(
                            query("items", "SELECT id, captured_at FROM items WHERE id = $1")
                                .bind(after),
                        )
                        .await?;
                    let Some(last) = last else {
                        return Err(Failure::broken(format!(
                            "table items: item {after}, after which to go on, is not there any \
                             more: begin anew"
                        )));
                    };
                    (last.time("captured_at")?, after)
                }
            };
            session
                .rows(
                    query(
                        "items",
                        "SELECT id, captured_at, item FROM items \
                         WHERE (captured_at, id) > ($1, $2) AND captured_at < $3 \
                         ORDER BY captured_at, id LIMIT $4",
                    )
                    .bind(from)
                    .bind(after)
                    .bind(until)
                    .bind(limit),
                )
                .await?
        }
    };
    Ok(rows
        .iter()
        .map(|row| Ok((row.int("id")?, item(row)?)))
        .collect::<Result<_, RepositoryError>>()?)
}
