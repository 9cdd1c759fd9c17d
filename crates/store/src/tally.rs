//! Counts that are kept rather than counted.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Failure;
use crate::sql::{Session, query};

/// Resources that are not deleted, by type.
pub(crate) const RESOURCE: &str = "resource";
/// Evaluations of resources that are not deleted, by rule and compliance type.
pub(crate) const COMPLIANCE: &str = "compliance";
/// Findings by state.
pub(crate) const FINDING: &str = "finding";

/// What a transaction changes in the counts. Written last and in order, so that the rows, which
/// everybody needs, are held shortly and never crosswise.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<Counted, i64>);

/// What is counted: of what, its name, and a value.
pub(crate) type Counted = (&'static str, String, String);

impl Tally {
    pub(crate) fn add(&mut self, what: &'static str, name: &str, value: &str, by: i64) {
        *self
            .0
            .entry((what, name.to_owned(), value.to_owned()))
            .or_default() += by;
    }

    /// Where two differ, with what each has.
    pub(crate) fn against<'a>(
        &'a self,
        other: &'a Tally,
    ) -> impl Iterator<Item = (&'a Counted, (i64, i64))> {
        let all: BTreeSet<&Counted> = self.0.keys().chain(other.0.keys()).collect();
        all.into_iter().filter_map(|counted| {
            let of = |tally: &Tally| tally.0.get(counted).copied().unwrap_or_default();
            let both = (of(self), of(other));
            (both.0 != both.1).then_some((counted, both))
        })
    }

    pub(crate) async fn write(self, session: &mut Session) -> Result<(), Failure> {
        for ((what, name, value), by) in self.0 {
            if by == 0 {
                continue;
            }
            session
                .run(
                    query(
                        "tallies",
                        "INSERT INTO tallies (what, name, value, n) VALUES ($1, $2, $3, $4) \
                         ON CONFLICT (what, name, value) DO UPDATE SET n = tallies.n + excluded.n",
                    )
                    .bind(what)
                    .bind(&name)
                    .bind(&value)
                    .bind(by),
                )
                .await?;
        }
        Ok(())
    }
}
