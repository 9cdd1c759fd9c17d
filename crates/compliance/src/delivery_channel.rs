//! The delivery channel: configuration items as files in AWS Config's layout, so that whatever reads
//! Config's files (Athena tables, `portcullis check`) reads ours.
//!
//! [`Files`] takes items one after the other, in any order, and gives files back whenever one is full:
//! a history file for each account, region and resource type, or a snapshot for each account and
//! region. However many items there are, what is held is bounded. The same items in the same order
//! make the same files: same keys, same bytes.
//!
//! ```
//! use compliance::delivery_channel::{FileBounds, Files, KeyPrefix};
//! # let items: Vec<compliance::item::ConfigurationItem> = Vec::new();
//! let from = "2026-01-01T00:00:00Z".parse().unwrap();
//! let to = "2026-01-01T06:00:00Z".parse().unwrap();
//! let mut files = Files::history(KeyPrefix::default(), from, to, FileBounds::default());
//! for item in &items {
//!     for file in files.push(item) {
//!         // upload file.body under file.key
//!     }
//! }
//! for file in files.finish() {
//!     // and these
//! }
//! ```

mod file;
mod key;
mod message;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::item::{ConfigurationItem, millis};
use file::Items;

pub use key::{KeyPrefix, KeyPrefixError};
pub use message::{LARGEST_CHANGE, delivery_completed, item_changed};

/// The media type that files are uploaded with.
pub const CONTENT_TYPE: &str = "application/gzip";

/// How much is held, and how large files become. Sizes are those of the text before compression; an
/// item that is larger than a whole file has one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileBounds {
    /// A file that has reached so many bytes is closed.
    pub file: usize,
    /// If all open files together have more bytes, the largest is closed.
    pub open: usize,
}

impl Default for FileBounds {
    /// 16 MiB a file (one or two compressed), and 64 MiB in all.
    fn default() -> FileBounds {
        FileBounds {
            file: 16 << 20,
            open: 64 << 20,
        }
    }
}

/// One file to be delivered.
#[derive(Clone, PartialEq, Eq)]
pub struct DeliveryFile {
    /// Its key in the bucket.
    pub key: String,
    /// Its bytes.
    pub body: Vec<u8>,
    /// How many items it holds.
    pub items: u64,
    /// The account of its items.
    pub account: String,
    /// The region of its items.
    pub region: String,
    /// What it is.
    pub contents: Contents,
}

impl std::fmt::Debug for DeliveryFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeliveryFile")
            .field("key", &self.key)
            .field("bytes", &self.body.len())
            .field("items", &self.items)
            .finish_non_exhaustive()
    }
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// What was captured in a span of time of one type of resource.
    History {
        /// The type.
        resource_type: String,
    },
    /// How resources stood.
    Snapshot {
        /// The snapshot's id.
        id: String,
    },
}

/// Sorts items into files.
#[derive(Debug)]
pub struct Files {
    prefix: KeyPrefix,
    kind: Kind,
    bounds: FileBounds,
    open: BTreeMap<Group, Items>,
    held: usize,
    parts: BTreeMap<Group, u32>,
}

#[derive(Debug)]
enum Kind {
    History { from: Timestamp, to: Timestamp },
    Snapshot { at: Timestamp },
}

/// What one file is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    account: String,
    region: String,
    /// Empty in a snapshot, which holds all types.
    resource_type: String,
}

impl Files {
    /// History files of what was captured from `from` on and before `to`. Keys tell whole seconds.
    pub fn history(prefix: KeyPrefix, from: Timestamp, to: Timestamp, bounds: FileBounds) -> Files {
        Files::new(prefix, Kind::History { from, to }, bounds)
    }

    /// Snapshot files of how resources stood at a moment.
    pub fn snapshot(prefix: KeyPrefix, at: Timestamp, bounds: FileBounds) -> Files {
        Files::new(prefix, Kind::Snapshot { at }, bounds)
    }

    fn new(prefix: KeyPrefix, kind: Kind, bounds: FileBounds) -> Files {
        Files {
            prefix,
            kind,
            bounds,
            open: BTreeMap::new(),
            held: 0,
            parts: BTreeMap::new(),
        }
    }

    /// Takes an item, and gives the files that are full now.
    pub fn push(&mut self, item: &ConfigurationItem) -> Vec<DeliveryFile> {
        let group = Group {
            account: item.key.account.clone(),
            region: item.key.region.clone(),
            resource_type: match self.kind {
                Kind::History { .. } => item.key.resource_type.clone(),
                Kind::Snapshot { .. } => String::new(),
            },
        };
        let open = self.open.entry(group.clone()).or_default();
        let before = open.size();
        open.push(item);
        let full = open.size() >= self.bounds.file;
        self.held += open.size() - before;
        let mut closed = Vec::new();
        if full {
            closed.extend(self.close(&group));
        }
        while self.held > self.bounds.open {
            let largest = self
                .open
                .iter()
                .max_by_key(|(_, items)| items.size())
                .map(|(group, _)| group.clone());
            let Some(largest) = largest else { break };
            closed.extend(self.close(&largest));
        }
        closed
    }

    /// The files that are left.
    pub fn finish(mut self) -> impl Iterator<Item = DeliveryFile> {
        let groups: Vec<Group> = self.open.keys().cloned().collect();
        groups
            .into_iter()
            .filter_map(move |group| self.close(&group))
    }

    fn close(&mut self, group: &Group) -> Option<DeliveryFile> {
        let items = self.open.remove(group)?;
        self.held -= items.size();
        let Group {
            account,
            region,
            resource_type,
        } = group.clone();
        let part = self.parts.entry(group.clone()).or_default();
        *part += 1;
        let (key, body, contents) = match &self.kind {
            Kind::History { from, to } => (
                key::history(
                    &self.prefix,
                    &account,
                    &region,
                    &resource_type,
                    (*from, *to),
                    *part,
                ),
                items.bytes(None),
                Contents::History { resource_type },
            ),
            Kind::Snapshot { at } => {
                let id = items.snapshot_id(&format!("{account}\n{region}\n{}", millis(*at)));
                (
                    key::snapshot(&self.prefix, &account, &region, *at, &id),
                    items.bytes(Some(&id)),
                    Contents::Snapshot { id },
                )
            }
        };
        Some(DeliveryFile {
            key,
            body,
            items: items.count(),
            account,
            region,
            contents,
        })
    }
}
