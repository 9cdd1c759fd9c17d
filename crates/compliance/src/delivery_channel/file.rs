//! What is in a file of the delivery channel.
//!
//! `{"fileVersion": "1.0", "configurationItems": […]}`, gzip, and in a snapshot `configSnapshotId`
//! (AWS Config developer guide, "Example Configuration Snapshot", "Example Configuration History").
//! The id of a snapshot follows from what is in it, so it stands at the end.

use std::io::Write;

use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};

use crate::item::{ConfigurationItem, canonical};
use crate::stable_id;

/// A file that is being filled: its items as text, each after a comma.
#[derive(Debug, Default)]
pub(super) struct Items {
    text: String,
    count: u64,
}

impl Items {
    /// Adds an item.
    pub(super) fn push(&mut self, item: &ConfigurationItem) {
        self.text
            .push_str(if self.count == 0 { "\n" } else { ",\n" });
        // Sorted members: the same item makes the same bytes, whoever reads it from where.
        canonical(&item.to_json(), &mut self.text);
        self.count += 1;
    }

    /// How large it is, not compressed.
    pub(super) fn size(&self) -> usize {
        self.text.len()
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The id of a snapshot that holds these. `of` tells snapshots apart that hold the same.
    pub(super) fn snapshot_id(&self, of: &str) -> String {
        let mut digest = Sha256::new();
        digest.update("portcullis snapshot 1\n");
        digest.update(of);
        digest.update("\n");
        digest.update(&self.text);
        stable_id::uuid_of(&digest.finalize())
    }

    /// The file's bytes.
    pub(super) fn bytes(&self, snapshot_id: Option<&str>) -> Vec<u8> {
        let end = match snapshot_id {
            Some(id) => format!("\n],\"configSnapshotId\":\"{id}\"}}\n"),
            None => "\n]}\n".to_owned(),
        };
        // No time and no file name in the header: the same items make the same file.
        let mut gzip = GzBuilder::new().write(Vec::new(), Compression::default());
        let written = [
            "{\"fileVersion\":\"1.0\",\"configurationItems\":[",
            &self.text,
            &end,
        ]
        .into_iter()
        .try_for_each(|part| gzip.write_all(part.as_bytes()))
        .and_then(|()| gzip.finish());
        // It is written to memory, which takes everything.
        #[expect(clippy::expect_used, reason = "writing to a Vec does not fail")]
        written.expect("a Vec takes all bytes")
    }
}
