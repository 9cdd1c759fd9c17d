//! What different rows and tables say about the same thing.

use std::collections::{BTreeMap, HashMap};

use compliance::rules::ComplianceType;
use guard::journal::{Event, State};
use guard::repository::RepositoryError;

use super::Check;
use crate::error::Failure;
use crate::remediations;
use crate::resources::{evaluation, evaluations_from_row};
use crate::sql::{Row, Session, query};
use crate::tally::{COMPLIANCE, FINDING, RESOURCE, Tally};

/// What was seen so far.
#[derive(Default)]
pub(super) struct Agreement {
    /// The counts as they should be.
    counted: Tally,
    /// The counts as they are kept.
    kept: Tally,
    /// Remediations by their id.
    remediations: HashMap<String, Progress>,
}

/// How far a remediation is. Their journal may be long, and this is all that is kept of it.
struct Progress {
    changes: usize,
    state: &'static str,
}

impl Agreement {
    /// Looks at one row that can be read.
    pub(super) fn row(&mut self, table: &str, row: &Row) -> Result<(), RepositoryError> {
        match table {
            "resources" if !row.flag("deleted")? => {
                self.counted
                    .add(RESOURCE, &row.text("resource_type")?, "", 1);
                for own in evaluations_from_row(row)? {
                    let answer = own.compliance_type.as_str();
                    self.counted.add(COMPLIANCE, &own.rule_name, answer, 1);
                }
            }
            "findings" => self.counted.add(FINDING, &row.text("state")?, "", 1),
            "tallies" => {
                let what = row.text("what")?;
                let Some(what) = [RESOURCE, COMPLIANCE, FINDING]
                    .into_iter()
                    .find(|known| *known == what)
                else {
                    return Err(row.broken("what", "is none of what is counted"));
                };
                let n = row.int("n")?;
                self.kept
                    .add(what, &row.text("name")?, &row.text("value")?, n);
            }
            "journal" => return self.step(row),
            _ => {}
        }
        Ok(())
    }

    /// One record of the journal. In whatever order two workers wrote what became of a remediation,
    /// the last stands; but none is there without its intent, which says what the way back is.
    fn step(&mut self, row: &Row) -> Result<(), RepositoryError> {
        let record = remediations::record(row)?;
        if row.text("id")? != record.id {
            return Err(row.broken("id", "is another than the record's"));
        }
        if let Event::Intent { changes, .. } = &record.event {
            let progress = Progress {
                changes: changes.len(),
                state: name(&State::Unfinished),
            };
            return match self.remediations.insert(record.id, progress) {
                None => Ok(()),
                Some(_) => Err(row.broken("record", "is a second intent of one remediation")),
            };
        }
        let Some(progress) = self.remediations.get_mut(&record.id) else {
            return Err(row.broken("record", "is of a remediation whose intent is not there"));
        };
        progress.state = match record.event {
            Event::Written { change, .. } if change >= progress.changes => {
                return Err(row.broken("record", "tells of a change that was not intended"));
            }
            Event::Intent { .. } | Event::Written { .. } => progress.state,
            Event::Verified => name(&State::Verified),
            Event::Failed { why } => name(&State::Failed(why)),
            Event::UndoIntent => name(&State::Undoing),
            Event::Undone => name(&State::Undone),
        };
        Ok(())
    }

    /// Looks at what else the store says of the rows of a page: what rules say now stands with the
    /// resource, and in their history.
    pub(super) async fn page(
        &mut self,
        session: &mut Session,
        table: &str,
        rows: &[Row],
        check: &mut Check,
    ) -> Result<(), Failure> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return Ok(());
        };
        if table != "resources" {
            return Ok(());
        }
        let mut history: BTreeMap<i64, Answers> = BTreeMap::new();
        let latest = query(
            "evaluations",
            "SELECT id, resource, rule_name, identifier, compliance_type, annotation, evaluated_at, \
             since FROM evaluations WHERE latest = 1 AND resource BETWEEN $1 AND $2",
        )
        .bind(first.int("id")?)
        .bind(last.int("id")?);
        for row in session.rows(latest).await? {
            // One that cannot be read was told of in its own table.
            if let Ok(own) = evaluation(&row) {
                let answers = history.entry(row.int("resource")?).or_default();
                answers.insert(own.rule_name, (own.compliance_type, own.annotation));
            }
        }
        for row in rows {
            let Ok(now) = evaluations_from_row(row) else {
                continue;
            };
            let now: Answers = now
                .into_iter()
                .map(|own| (own.rule_name, (own.compliance_type, own.annotation)))
                .collect();
            if now != history.remove(&row.int("id")?).unwrap_or_default() {
                let why = "is not what the table evaluations has as the latest";
                check.wrong(row.broken("evaluations", why).to_string());
            }
        }
        Ok(())
    }

    /// What can be said when everything was seen.
    pub(super) async fn end(
        self,
        session: &mut Session,
        check: &mut Check,
    ) -> Result<(), RepositoryError> {
        let mut by_state: BTreeMap<&'static str, u64> = BTreeMap::new();
        for progress in self.remediations.values() {
            *by_state.entry(progress.state).or_default() += 1;
        }
        check.remediations = by_state.into_iter().collect();
        for ((what, name, value), (counted, kept)) in self.counted.against(&self.kept) {
            check.wrong(format!(
                "table tallies: {what} {name:?} {value:?} is kept as {kept}, and there are {counted}"
            ));
        }
        check.part(session, newest_items).await?;
        check.part(session, messages).await
    }
}

type Answers = BTreeMap<String, (ComplianceType, Option<String>)>;

fn name(state: &State) -> &'static str {
    match state {
        State::Unfinished => "unfinished",
        State::Verified => "verified",
        State::Failed(_) => "failed",
        State::Undoing => "undoing",
        State::Undone => "undone",
    }
}

/// Each resource names its newest item.
async fn newest_items(session: &mut Session, check: &mut Check) -> Result<(), Failure> {
    let astray = query(
        "resources",
        "SELECT resources.id FROM resources LEFT JOIN items ON items.id = resources.item \
         WHERE items.id IS NULL OR items.resource <> resources.id \
         OR items.content_hash <> resources.content_hash \
         OR EXISTS (SELECT 1 FROM items AS newer \
             WHERE newer.resource = resources.id AND newer.id > resources.item) \
         ORDER BY resources.id",
    );
    for row in session.rows(astray).await? {
        check.wrong(
            row.broken("id", "is of a resource that does not name its newest item")
                .to_string(),
        );
    }
    Ok(())
}

/// A message that is to be sent, or could not be, has its notice.
async fn messages(session: &mut Session, check: &mut Check) -> Result<(), Failure> {
    let without = query(
        "jobs",
        "SELECT jobs.id, notice FROM jobs LEFT JOIN notices ON notices.id = jobs.notice \
         WHERE notice IS NOT NULL AND notices.id IS NULL ORDER BY jobs.id",
    );
    for row in session.rows(without).await? {
        check.wrong(
            row.broken("notice", "names a notice that is not there")
                .to_string(),
        );
    }
    Ok(())
}
