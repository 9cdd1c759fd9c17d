//! An earlier JSON output, to tell what is new from what was open before.

use std::collections::HashMap;

use serde::Deserialize;

use crate::assessment::Assessment;
use crate::fingerprint;

/// What an earlier run found open or undecided.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    buckets: HashMap<Key, Before>,
}

/// What tells a bucket from others: names are unique in a partition, but inputs may hold one bucket
/// in several states, each with its own id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    account: Option<String>,
    bucket: String,
    id: Option<String>,
}

#[derive(Clone, Debug)]
struct Before {
    fingerprint: Option<String>,
    undecided: Vec<String>,
}

#[derive(Deserialize)]
struct Output {
    schema_version: u32,
    buckets: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    bucket: String,
    account: Option<String>,
    id: Option<String>,
    fingerprint: Option<String>,
    undecided: Vec<String>,
}

/// Why a baseline cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// Not an output of `--format json`.
    #[error("not an output of --format json: {0}")]
    NotAnOutput(String),
    /// An output of another version.
    #[error("schema_version is {0}, but this version reads {known}", known = super::SCHEMA_VERSION)]
    OtherVersion(u32),
}

impl Baseline {
    /// Reads an output of `--format json`.
    pub fn parse(text: &str) -> Result<Baseline, BaselineError> {
        let output: Output = serde_json::from_str(text)
            .map_err(|wrong| BaselineError::NotAnOutput(wrong.to_string()))?;
        if output.schema_version != super::SCHEMA_VERSION {
            return Err(BaselineError::OtherVersion(output.schema_version));
        }
        let buckets = output
            .buckets
            .into_iter()
            .map(|entry| {
                let key = Key {
                    account: entry.account,
                    bucket: entry.bucket,
                    id: entry.id,
                };
                let before = Before {
                    fingerprint: entry.fingerprint,
                    undecided: entry.undecided,
                };
                (key, before)
            })
            .collect();
        Ok(Baseline { buckets })
    }

    /// Whether what is open or undecided now was so then: the same grant has the same fingerprint,
    /// and nothing is undecided that was not.
    pub fn knows(&self, assessment: &Assessment) -> bool {
        let key = Key {
            account: assessment.bucket.owner_account.clone(),
            bucket: assessment.bucket.name.clone(),
            id: assessment.id.clone(),
        };
        let Some(before) = self.buckets.get(&key) else {
            return false;
        };
        let verdict = &assessment.verdict;
        let fingerprint = fingerprint::of(&assessment.bucket, verdict);
        let known_undecided = [("read", &verdict.read), ("write", &verdict.write)]
            .iter()
            .filter(|(_, access)| access.is_undecided())
            .all(|(class, _)| before.undecided.iter().any(|known| known == class));
        let open = verdict.read.is_open() || verdict.write.is_open();
        let known_open = match fingerprint {
            Some(fingerprint) => before.fingerprint == Some(fingerprint),
            // Not read in full: only what was equally unreadable is known, and nothing open is.
            None => !open && before.fingerprint.is_none(),
        };
        known_open && known_undecided
    }
}
