//! How buckets stand, and how many stand how.

use serde::Serialize;

use super::Report;
use super::baseline::Baseline;
use crate::assessment::Assessment;

/// How a bucket stands, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Somebody untrusted gets in; there is a witness.
    Open,
    /// Not decided; counts as open, but there is no witness.
    Undecided,
    /// Open or undecided, and the baseline shows the same.
    Known,
    /// Open, and an exception covers it.
    Excepted,
    /// Nobody untrusted gets in.
    Closed,
}

impl Standing {
    /// The standing of a bucket.
    pub fn of(assessment: &Assessment, baseline: Option<&Baseline>) -> Standing {
        let verdict = &assessment.verdict;
        let open = verdict.read.is_open() || verdict.write.is_open();
        let undecided = verdict.read.is_undecided() || verdict.write.is_undecided();
        if !open && !undecided {
            Standing::Closed
        } else if assessment.exception.is_some() {
            Standing::Excepted
        } else if baseline.is_some_and(|baseline| baseline.knows(assessment)) {
            Standing::Known
        } else if open {
            Standing::Open
        } else {
            Standing::Undecided
        }
    }

    /// A word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Open => "open",
            Standing::Undecided => "undecided",
            Standing::Known => "known",
            Standing::Excepted => "excepted",
            Standing::Closed => "closed",
        }
    }
}

/// The counts of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// All buckets.
    pub buckets: usize,
    /// Open with a witness, neither excepted nor in the baseline.
    pub open: usize,
    /// Of these, open for reading.
    pub open_read: usize,
    /// Of these, open for writing.
    pub open_write: usize,
    /// Not decided.
    pub undecided: usize,
    /// Open, with an exception.
    pub excepted: usize,
    /// Open or undecided as in the baseline.
    pub known: usize,
    /// Closed.
    pub closed: usize,
    /// Things that could not be read.
    pub problems: usize,
}

impl Summary {
    /// Counts a report.
    pub fn of(report: &Report<'_>) -> Summary {
        let mut summary = Summary {
            buckets: report.assessments.len(),
            problems: report.problems.len(),
            ..Summary::default()
        };
        for assessment in report.assessments {
            match report.standing(assessment) {
                Standing::Open => {
                    summary.open += 1;
                    summary.open_read += usize::from(assessment.verdict.read.is_open());
                    summary.open_write += usize::from(assessment.verdict.write.is_open());
                }
                Standing::Undecided => summary.undecided += 1,
                Standing::Known => summary.known += 1,
                Standing::Excepted => summary.excepted += 1,
                Standing::Closed => summary.closed += 1,
            }
        }
        summary
    }
}
