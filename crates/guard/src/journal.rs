//! What remediations replaced: the way back.
//!
//! The journal is a file of JSON lines that only grows. Before a remediation writes anything, its
//! *intent* is on disk: every part that will change, as it is and as it will be. Then each write is
//! noted with what was read back. So whatever moment a crash picks, the journal knows at least as
//! much as was done: a part is as it was before, or as it was left.
//!
//! The file holds policies and ACLs, no secrets; it is readable by its owner only.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use compliance::remediation::diff;
use jiff::Timestamp;
use policy::bucket::{Acl, Grant, Grantee, Permission, PublicAccessBlock};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One part of a bucket's configuration, with its value. `None`: it is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The ACL.
    Acl(Acl),
    /// The bucket's own Block Public Access.
    Block(Option<PublicAccessBlock>),
    /// The text of the policy.
    Policy(Option<String>),
}

impl Part {
    /// Whether both are the same part with a value that means the same: the order of grants, and the
    /// layout of a policy's text, do not count.
    pub fn same_as(&self, other: &Part) -> bool {
        match (self, other) {
            (Part::Acl(a), Part::Acl(b)) => sorted(a) == sorted(b),
            (Part::Block(a), Part::Block(b)) => a.unwrap_or_default() == b.unwrap_or_default(),
            (Part::Policy(a), Part::Policy(b)) => match (a, b) {
                (Some(a), Some(b)) => {
                    a == b
                        || serde_json::from_str::<serde_json::Value>(a)
                            .ok()
                            .zip(serde_json::from_str(b).ok())
                            .is_some_and(|(a, b): (_, serde_json::Value)| a == b)
                }
                (None, None) => true,
                _ => false,
            },
            _ => false,
        }
    }

    /// Its value, line by line.
    fn lines(&self) -> Vec<String> {
        match self {
            Part::Acl(acl) => diff::acl_lines(acl),
            Part::Policy(Some(text)) => diff::indented(text),
            Part::Policy(None) | Part::Block(None) => Vec::new(),
            Part::Block(Some(block)) => [
                ("BlockPublicAcls", block.block_public_acls),
                ("IgnorePublicAcls", block.ignore_public_acls),
                ("BlockPublicPolicy", block.block_public_policy),
                ("RestrictPublicBuckets", block.restrict_public_buckets),
            ]
            .map(|(name, set)| format!("{name}: {set}"))
            .to_vec(),
        }
    }

    /// `acl`, `public access block` or `policy`.
    pub fn name(&self) -> &'static str {
        match self {
            Part::Acl(_) => "ACL",
            Part::Block(_) => "public access block",
            Part::Policy(_) => "policy",
        }
    }
}

fn sorted(acl: &Acl) -> Vec<(String, Permission)> {
    let mut grants: Vec<_> = acl
        .grants
        .iter()
        .map(|grant| (format!("{:?}", grant.grantee), grant.permission))
        .collect();
    grants.sort();
    grants.dedup();
    grants
}

/// One part that a remediation changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// As it was.
    #[serde(with = "written")]
    pub before: Part,
    /// As it is to be.
    #[serde(with = "written")]
    pub after: Part,
}

impl Change {
    /// The change for people, line by line: what goes is marked `-`, what comes `+`.
    pub fn lines(&self) -> Vec<String> {
        let (before, after) = (self.before.lines(), self.after.lines());
        let gone = before.iter().filter(|line| !after.contains(line));
        let come = after.iter().filter(|line| !before.contains(line));
        std::iter::once(format!("{}:", self.before.name()))
            .chain(gone.map(|line| format!("- {line}")))
            .chain(come.map(|line| format!("+ {line}")))
            .collect()
    }
}

/// Whether both replace the same by the same.
pub(crate) fn same_changes(some: &[Change], others: &[Change]) -> bool {
    let same = |(one, other): (&Change, &Change)| {
        one.before.same_as(&other.before) && one.after.same_as(&other.after)
    };
    some.len() == others.len() && some.iter().zip(others).all(same)
}

/// Which bucket, in which store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The endpoint, if it is not AWS's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The account, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The region, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The bucket.
    pub bucket: String,
}

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Which remediation.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened in a remediation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// It is about to begin.
    Intent {
        /// Where.
        place: Place,
        /// What will change, in order.
        changes: Vec<Change>,
    },
    /// One part was written and read back.
    Written {
        /// Which change, by index.
        change: usize,
        /// What was read back. A store may write the same in other words.
        #[serde(with = "written")]
        left: Part,
    },
    /// All was written, and the verdict is as planned.
    Verified,
    /// It ended otherwise.
    Failed {
        /// Why.
        why: String,
    },
    /// It is about to be taken back.
    UndoIntent,
    /// It was taken back, and read back.
    Undone,
}

/// One remediation as the journal knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remediation {
    /// Its id.
    pub id: String,
    /// When it began.
    pub begun: Timestamp,
    /// Where.
    pub place: Place,
    /// What it changes.
    pub changes: Vec<Change>,
    /// For each change what was read back after the write; `None`: the write is not known to have
    /// happened (it may have, if the journal ends there).
    pub left: Vec<Option<Part>>,
    /// When the last write was made of which is known that it happened.
    pub written_at: Option<Timestamp>,
    /// How often it failed: one that wrote nothing is tried again under the same intent.
    pub failures: u32,
    /// When it failed last.
    pub failed_at: Option<Timestamp>,
    /// How far it is.
    pub state: State,
}

/// How far a remediation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Begun and not ended: it was interrupted, or is running now.
    Unfinished,
    /// Done, and the verdict was as planned.
    Verified,
    /// Ended otherwise.
    Failed(String),
    /// Being taken back: that was interrupted, or is running now.
    Undoing,
    /// Taken back.
    Undone,
}

/// Why the journal cannot be read or written.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The file system.
    #[error("the journal {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// A line that is no record.
    #[error("the journal {}, line {line}: {source}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The store that keeps it.
    #[error("the journal: {0}")]
    Store(String),
}

/// Where records are kept.
pub trait Journal: Send {
    /// Keeps a record; when it returns, the record survives a crash.
    fn append(&mut self, record: &Record) -> impl Future<Output = Result<(), JournalError>> + Send;
}

/// Every remediation, in the order of their beginning.
pub fn remediations(records: &[Record]) -> Vec<Remediation> {
    let mut all: Vec<Remediation> = Vec::new();
    for record in records {
        if let Event::Intent { place, changes } = &record.event {
            all.push(Remediation {
                id: record.id.clone(),
                begun: record.at,
                place: place.clone(),
                changes: changes.clone(),
                left: vec![None; changes.len()],
                written_at: None,
                failures: 0,
                failed_at: None,
                state: State::Unfinished,
            });
            continue;
        }
        let Some(known) = all.iter_mut().rfind(|known| known.id == record.id) else {
            continue;
        };
        match &record.event {
            Event::Intent { .. } => {}
            Event::Written { change, left } => {
                known.written_at = Some(record.at);
                if let Some(place) = known.left.get_mut(*change) {
                    *place = Some(left.clone());
                }
            }
            Event::Verified => known.state = State::Verified,
            Event::Failed { why } => {
                known.state = State::Failed(why.clone());
                known.failures += 1;
                known.failed_at = Some(record.at);
            }
            Event::UndoIntent => known.state = State::Undoing,
            Event::Undone => known.state = State::Undone,
        }
    }
    all
}

/// The journal in a file.
#[derive(Debug)]
pub struct FileJournal {
    path: PathBuf,
}

impl FileJournal {
    /// At this path; the file is made at the first record.
    pub fn at(path: impl Into<PathBuf>) -> FileJournal {
        FileJournal { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn failed(&self, source: io::Error) -> JournalError {
        JournalError::Io {
            path: self.path.clone(),
            source,
        }
    }

    fn open(&self) -> io::Result<File> {
        let folder = self
            .path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        if let Some(folder) = folder
            && !folder.exists()
        {
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(folder)?;
        }
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let existed = self.path.exists();
        let file = options.open(&self.path)?;
        if !existed {
            // The name of a new file is in its folder, which has to reach the disk as well.
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        Ok(file)
    }
}

impl Journal for FileJournal {
    async fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        // One line and one flush of it: not worth a thread of its own.
        self.write(record)
    }
}

impl FileJournal {
    fn write(&self, record: &Record) -> Result<(), JournalError> {
        let write = || -> io::Result<()> {
            let mut file = self.open()?;
            // Two commands at once: one line after the other.
            file.lock()?;
            let mut line = Vec::new();
            if !ends_whole(&mut file)? {
                // A crash tore the last line. It told of nothing that was done, since a record is
                // on disk before what it tells of begins; the next record starts a line of its own.
                line.push(b'\n');
            }
            serde_json::to_writer(&mut line, record).map_err(io::Error::other)?;
            line.push(b'\n');
            file.write_all(&line)?;
            file.sync_all()
        };
        write().map_err(|source| self.failed(source))
    }

    /// Every record, in order.
    pub fn records(&self) -> Result<Vec<Record>, JournalError> {
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(self.failed(source)),
        };
        let mut records = Vec::new();
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice(line) {
                Ok(record) => records.push(record),
                // A torn line does not end its object. Anything else that is no record is not ours
                // to skip: the way back may stand in it.
                Err(error) if error.is_eof() => {}
                Err(source) => {
                    return Err(JournalError::Broken {
                        path: self.path.clone(),
                        line: index + 1,
                        source,
                    });
                }
            }
        }
        Ok(records)
    }
}

fn ends_whole(file: &mut File) -> io::Result<bool> {
    use std::io::{Seek, SeekFrom};
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == [b'\n'])
}

/// How a part is written down: as the S3 API names things.
mod written {
    use serde::{Deserializer, Serializer};

    use super::*;

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Written {
        Acl {
            owner: Option<String>,
            grants: Vec<WrittenGrant>,
        },
        Block(Option<WrittenBlock>),
        Policy(Option<String>),
    }

    #[derive(Serialize, Deserialize)]
    struct WrittenGrant {
        r#type: String,
        grantee: String,
        permission: String,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct WrittenBlock {
        block_public_acls: bool,
        ignore_public_acls: bool,
        block_public_policy: bool,
        restrict_public_buckets: bool,
    }

    pub(super) fn serialize<S: Serializer>(part: &Part, serializer: S) -> Result<S::Ok, S::Error> {
        let written = match part {
            Part::Acl(acl) => Written::Acl {
                owner: acl.owner.clone(),
                grants: acl.grants.iter().map(grant).collect(),
            },
            Part::Block(block) => Written::Block(block.map(|block| WrittenBlock {
                block_public_acls: block.block_public_acls,
                ignore_public_acls: block.ignore_public_acls,
                block_public_policy: block.block_public_policy,
                restrict_public_buckets: block.restrict_public_buckets,
            })),
            Part::Policy(text) => Written::Policy(text.clone()),
        };
        written.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Part, D::Error> {
        use serde::de::Error;
        Ok(match Written::deserialize(deserializer)? {
            Written::Acl { owner, grants } => {
                let grants: Result<Vec<Grant>, String> = grants.into_iter().map(ungrant).collect();
                Part::Acl(Acl {
                    owner,
                    grants: grants.map_err(D::Error::custom)?,
                })
            }
            Written::Block(block) => Part::Block(block.map(|block| PublicAccessBlock {
                block_public_acls: block.block_public_acls,
                ignore_public_acls: block.ignore_public_acls,
                block_public_policy: block.block_public_policy,
                restrict_public_buckets: block.restrict_public_buckets,
            })),
            Written::Policy(text) => Part::Policy(text),
        })
    }

    fn grant(grant: &Grant) -> WrittenGrant {
        let (r#type, grantee) = match &grant.grantee {
            Grantee::CanonicalUser(id) => ("CanonicalUser", id),
            Grantee::Group(uri) => ("Group", uri),
            Grantee::Email(address) => ("AmazonCustomerByEmail", address),
        };
        WrittenGrant {
            r#type: r#type.to_owned(),
            grantee: grantee.clone(),
            permission: grant.permission.as_str().to_owned(),
        }
    }

    fn ungrant(written: WrittenGrant) -> Result<Grant, String> {
        let permission = Permission::parse(&written.permission)
            .ok_or_else(|| format!("`{}` is no permission", written.permission))?;
        let grantee = match written.r#type.as_str() {
            "CanonicalUser" => Grantee::CanonicalUser(written.grantee),
            "Group" => Grantee::Group(written.grantee),
            "AmazonCustomerByEmail" => Grantee::Email(written.grantee),
            other => return Err(format!("`{other}` is no type of grantee")),
        };
        Ok(Grant {
            grantee,
            permission,
        })
    }
}
