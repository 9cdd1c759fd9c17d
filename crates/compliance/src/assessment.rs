//! One judged bucket: its configuration, its verdict, and where it came from.

use policy::bucket::Bucket;
use policy::public::Verdict;

use crate::item::{ConfigurationItem, ItemError};

/// One judged bucket.
#[derive(Clone, Debug)]
pub struct Assessment {
    /// The configuration that was judged.
    pub bucket: Bucket,
    /// The verdict.
    pub verdict: Verdict,
    /// The AWS region, if known.
    pub region: Option<String>,
    /// The input's own id, if it had one.
    pub id: Option<String>,
    /// Where the configuration stands, if it came from a file.
    pub source: Option<Source>,
    /// The exception that covers what is open, if there is one.
    pub exception: Option<String>,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file as the user named it; `-` is standard input.
    pub file: String,
    /// Line of the place, from 1, where known.
    pub line: Option<usize>,
    /// JSON path, logical id or address of the place, where there is one.
    pub path: Option<String>,
    /// The line of the file where the policy's text starts, if the text stands there as it is.
    pub policy_line: Option<usize>,
}

impl Assessment {
    /// Judges a bucket from its configuration item, about the moment that the item was taken.
    ///
    /// # Errors
    ///
    /// As [`crate::item::bucket::bucket`]: the item is not a bucket's, or says that it is gone.
    pub fn of_item(item: &ConfigurationItem) -> Result<Assessment, ItemError> {
        let bucket = crate::item::bucket::bucket(item)?;
        Ok(Assessment {
            verdict: policy::public::judge(&bucket),
            bucket,
            region: Some(item.key.region.clone()),
            id: None,
            source: None,
            exception: None,
        })
    }

    /// The line in the source file where a statement of the bucket policy starts, and the statement's
    /// JSON path. `None` if the policy does not stand in a file as it is.
    pub fn statement_line(&self, index: usize) -> Option<(usize, String)> {
        let first = self.source.as_ref()?.policy_line?;
        let policy = self.bucket.policy.present()?;
        let statement = policy.statements.get(index)?;
        let before = policy.text.get(..statement.span.start)?;
        Some((first + before.matches('\n').count(), statement.path.clone()))
    }
}
