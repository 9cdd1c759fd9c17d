//! Applies a plan, and takes it back.
//!
//! Apply: read again, refuse if anything changed since the plan, write the way back into the journal,
//! write the least, read back, verify the verdict. Undo: read, refuse if anything is neither as the
//! remediation left it nor as it was before, write what was before, read back.
//!
//! S3 has no conditional write for these parts: a change by somebody else between the last read and
//! the write is overwritten. The read is made immediately before the write to keep that moment short,
//! and the journal holds what was read.

use compliance::assessment::Assessment;
use compliance::remediation::{RemediationPlan, Step};
use jiff::Timestamp;
use policy::bucket::Bucket;
use policy::document::Policy;
use policy::observed::{Observed, Unread};
use thiserror::Error;

use crate::error::CallError;
use crate::gather::{Depth, Gatherer, Lost};
use crate::journal::{
    Change, Event, Journal, JournalError, Part, Place, Record, Remediation, State,
};
use crate::look::access_in_passing;
use crate::operation::Operation;
use crate::pace::Pace;
use crate::ports::{BucketAddress, ReadBuckets, WriteBuckets};
use crate::sweep::judge_one;

/// Why a remediation, or taking one back, was refused or failed.
#[derive(Debug, Error)]
pub enum RemediateError {
    /// Somebody changed the bucket since the plan was made. Nothing was written.
    #[error("{bucket}: the {part} changed since the plan was made; nothing was written")]
    ChangedSincePlan {
        /// The bucket.
        bucket: String,
        /// Which part.
        part: &'static str,
    },
    /// A part that the plan changes could not be read. Nothing was written.
    #[error("{bucket}: the {part} could not be read: {why}; nothing was written")]
    CannotRead {
        /// The bucket.
        bucket: String,
        /// Which part.
        part: &'static str,
        /// Why.
        why: String,
    },
    /// A write failed.
    #[error("{bucket}: {operation} failed: {error}")]
    Write {
        /// The bucket.
        bucket: String,
        /// Which write.
        operation: Operation,
        /// Why.
        error: CallError,
    },
    /// The store says that it wrote, and what it wrote cannot be read.
    #[error("{bucket}: the {part} was written, and could not be read back: {error}")]
    NotReadBack {
        /// The bucket.
        bucket: String,
        /// Which part.
        part: &'static str,
        /// Why.
        error: CallError,
    },
    /// The store says that it wrote, and then shows something else.
    #[error("{bucket}: after the write the {part} is not what was written")]
    NotWritten {
        /// The bucket.
        bucket: String,
        /// Which part.
        part: &'static str,
    },
    /// All was written, and the bucket is still open.
    #[error("{bucket}: all was written, and the bucket is still open")]
    StillOpen {
        /// The bucket.
        bucket: String,
    },
    /// All was written, and something was not answered in passing of which it depends whether the
    /// bucket is closed. The journal leaves it unfinished.
    #[error("{bucket}: all was written; whether it is closed could not be read: {why}")]
    NotVerified {
        /// The bucket.
        bucket: String,
        /// What could not be read.
        why: String,
    },
    /// It was taken back before.
    #[error("{id} was already taken back")]
    AlreadyUndone {
        /// The remediation.
        id: String,
    },
    /// Somebody changed the bucket since the remediation. Nothing was written.
    #[error(
        "{bucket}: the {part} changed since {id}: it is neither as the remediation left it nor as it was before; nothing was written"
    )]
    ChangedSince {
        /// The remediation.
        id: String,
        /// The bucket.
        bucket: String,
        /// Which part.
        part: &'static str,
    },
    /// The bucket is gone.
    #[error("{bucket}: there is no such bucket any more")]
    Gone {
        /// The bucket.
        bucket: String,
    },
    /// Enforcement was stopped meanwhile.
    #[error("{bucket}: {why}; nothing more was written")]
    NotPermitted {
        /// The bucket.
        bucket: String,
        /// Why.
        why: String,
    },
    /// No call can succeed.
    #[error(transparent)]
    Hopeless(#[from] crate::error::Hopeless),
    /// The journal. Without the way back on disk nothing is written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Asked immediately before each write: whether it may still be made.
pub trait Permit: Sync {
    /// `Err`: why not. Nothing more is written then.
    fn permit(&self) -> impl Future<Output = Result<(), String>> + Send;

    /// The plan for the bucket as it is now, if something changed that the first plan does not touch:
    /// if it asks for the same writes, they are made. `None`: any change ends it, as where somebody
    /// agreed to what was shown.
    fn plan_again(&self, now: &Assessment) -> Option<RemediationPlan> {
        let _ = now;
        None
    }
}

/// Somebody asked for this very remediation: it may be made.
#[derive(Clone, Copy, Debug)]
pub struct AskedFor;

impl Permit for AskedFor {
    async fn permit(&self) -> Result<(), String> {
        Ok(())
    }
}

/// The clock, at the edge.
pub type Now<'a> = &'a (dyn Fn() -> Timestamp + Send + Sync);

/// Where one remediation, or taking one back, is noted down.
pub struct Notes<'a, J> {
    /// The journal.
    pub journal: &'a mut J,
    /// The remediation's id.
    pub id: &'a str,
    /// The clock.
    pub now: Now<'a>,
}

impl<J: Journal> Notes<'_, J> {
    async fn append(&mut self, event: Event) -> Result<(), JournalError> {
        let record = Record {
            id: self.id.to_owned(),
            at: (self.now)(),
            event,
        };
        self.journal.append(&record).await
    }

    /// Notes down why it failed, and fails so.
    async fn failed<T>(&mut self, error: RemediateError) -> Result<T, RemediateError> {
        let why = error.to_string();
        self.append(Event::Failed { why }).await?;
        Err(error)
    }
}

/// Applies a plan. Returns the bucket as it is afterwards, judged.
pub async fn apply<R: ReadBuckets + WriteBuckets, J: Journal>(
    gatherer: &Gatherer<R>,
    plan: &RemediationPlan,
    at: &BucketAddress,
    place: Place,
    permit: &impl Permit,
    mut notes: Notes<'_, J>,
) -> Result<Assessment, RemediateError> {
    let planned: Vec<Change> = changes(plan);
    let fresh = read(gatherer, at).await?;
    let again = permit
        .plan_again(&fresh)
        .filter(|again| again.steps == plan.steps);
    for name in PARTS {
        let is_touched = planned.iter().any(|change| change.before.name() == name);
        if again.is_some() && !is_touched {
            // Whatever it is now, the same write is asked for.
            continue;
        }
        let (was, is) = (part(&plan.before, name), part(&fresh.bucket, name));
        match (was, is) {
            (Ok(was), Ok(is)) if was.same_as(&is) => {}
            (Ok(_), Ok(is)) => {
                return Err(RemediateError::ChangedSincePlan {
                    bucket: at.name.clone(),
                    part: is.name(),
                });
            }
            // A part that neither time could be read and is not to be changed decides nothing here.
            (Err(_), Err(_)) if !is_touched => {}
            // The plan was made without knowing it.
            (Err(_), Ok(is)) => {
                return Err(RemediateError::ChangedSincePlan {
                    bucket: at.name.clone(),
                    part: is.name(),
                });
            }
            (_, Err(why)) => {
                return Err(RemediateError::CannotRead {
                    bucket: at.name.clone(),
                    part: name,
                    why,
                });
            }
        }
    }
    let plan = again.as_ref().unwrap_or(plan);
    let permitted = async || {
        permit
            .permit()
            .await
            .map_err(|why| RemediateError::NotPermitted {
                bucket: at.name.clone(),
                why,
            })
    };
    permitted().await?;
    notes
        .append(Event::Intent {
            place,
            changes: planned.clone(),
        })
        .await?;
    for (index, change) in planned.iter().enumerate() {
        let written = match permitted().await {
            Ok(()) => write(gatherer, at, &change.before, &change.after).await,
            Err(refused) => Err(refused),
        };
        let left = match written {
            Ok(left) => left,
            Err(error) => return notes.failed(error).await,
        };
        // It was written, also if somebody has changed it again since.
        let faithful = is_faithful(&change.after, &left);
        notes
            .append(Event::Written {
                change: index,
                left,
            })
            .await?;
        if !faithful {
            let (bucket, part) = (at.name.clone(), change.after.name());
            return notes
                .failed(RemediateError::NotWritten { bucket, part })
                .await;
        }
    }
    let after = match read(gatherer, at).await {
        Ok(after) => after,
        Err(error) => return notes.failed(error).await,
    };
    let open = |verdict: &policy::public::Verdict| {
        (
            verdict.read.counts_as_open(),
            verdict.write.counts_as_open(),
        )
    };
    let (expected, is) = (open(&plan.expected), open(&after.verdict));
    if (is.0 && !expected.0) || (is.1 && !expected.1) {
        let bucket = at.name.clone();
        if !after.verdict.read.is_open()
            && !after.verdict.write.is_open()
            && let Some(why) = access_in_passing(&after.bucket)
        {
            let why = why.to_owned();
            return Err(RemediateError::NotVerified { bucket, why });
        }
        return notes.failed(RemediateError::StillOpen { bucket }).await;
    }
    notes.append(Event::Verified).await?;
    Ok(after)
}

/// Takes a remediation back. Returns the bucket as it is afterwards, judged.
pub async fn undo<R: ReadBuckets + WriteBuckets, J: Journal>(
    gatherer: &Gatherer<R>,
    journal: &mut J,
    remediation: &Remediation,
    now: Now<'_>,
) -> Result<Assessment, RemediateError> {
    let id = &remediation.id;
    if remediation.state == State::Undone {
        return Err(RemediateError::AlreadyUndone { id: id.clone() });
    }
    let at = BucketAddress {
        name: remediation.place.bucket.clone(),
        region: remediation.place.region.clone(),
        owner: None,
        created: None,
    };
    let current = read(gatherer, &at).await?;
    let mut to_restore = Vec::new();
    for (change, left) in remediation.changes.iter().zip(&remediation.left) {
        let name = change.before.name();
        let is = part(&current.bucket, name).map_err(|why| RemediateError::CannotRead {
            bucket: at.name.clone(),
            part: name,
            why,
        })?;
        let as_left = is.same_as(&change.after) || left.as_ref().is_some_and(|l| is.same_as(l));
        // Whether a write happened that the journal does not tell of shows here: the part is as it
        // was, or as it was to be.
        let may_be_as_before = left.is_none() || remediation.state == State::Undoing;
        if as_left {
            to_restore.push((is, change.before.clone()));
        } else if !(is.same_as(&change.before) && may_be_as_before) {
            return Err(RemediateError::ChangedSince {
                id: id.clone(),
                bucket: at.name.clone(),
                part: name,
            });
        }
    }
    let mut notes = Notes { journal, id, now };
    notes.append(Event::UndoIntent).await?;
    for (is, before) in to_restore.iter().rev() {
        let left = write(gatherer, &at, is, before).await?;
        if !is_faithful(before, &left) {
            return Err(RemediateError::NotWritten {
                bucket: at.name.clone(),
                part: before.name(),
            });
        }
    }
    let after = read(gatherer, &at).await?;
    notes.append(Event::Undone).await?;
    Ok(after)
}

/// Whether a bucket is in every part as a remediation was to leave it, or as it was read back after its
/// write: then the write happened, whatever became of its answer.
pub(crate) fn left_as_planned(bucket: &Bucket, remediation: &Remediation) -> bool {
    let changes = remediation.changes.iter().zip(&remediation.left);
    !remediation.changes.is_empty()
        && changes.into_iter().all(|(change, left)| {
            part(bucket, change.before.name()).is_ok_and(|is| {
                is.same_as(&change.after) || left.as_ref().is_some_and(|left| is.same_as(left))
            })
        })
}

/// A bucket with the parts that a remediation changed as they were before it.
pub(crate) fn as_before(bucket: &Bucket, remediation: &Remediation) -> Bucket {
    let mut before = bucket.clone();
    for change in &remediation.changes {
        match &change.before {
            Part::Acl(acl) => before.acl = Observed::Present(acl.clone()),
            Part::Block(block) => {
                before.public_access_block.bucket =
                    block.map_or(Observed::Absent, Observed::Present);
            }
            Part::Policy(text) => {
                before.policy = match text.as_deref().map(Policy::parse) {
                    None => Observed::Absent,
                    Some(Ok(policy)) => Observed::Present(policy),
                    Some(Err(error)) => Observed::Unknown(Unread::Failed(error.to_string())),
                };
            }
        }
    }
    before
}

const PARTS: [&str; 3] = ["ACL", "policy", "public access block"];

/// A part of a bucket by its name, or why it is not known.
fn part(bucket: &Bucket, name: &str) -> Result<Part, String> {
    fn known<T: Clone>(observed: &Observed<T>) -> Result<Option<T>, String> {
        match observed {
            Observed::Present(value) => Ok(Some(value.clone())),
            Observed::Absent => Ok(None),
            Observed::Unknown(unread) => Err(unread.to_string()),
        }
    }
    Ok(match name {
        "ACL" => Part::Acl(known(&bucket.acl)?.unwrap_or_default()),
        "policy" => Part::Policy(known(&bucket.policy)?.map(|policy| policy.text)),
        _ => Part::Block(known(&bucket.public_access_block.bucket)?),
    })
}

/// What a plan changes, part by part in the order of its steps.
pub(crate) fn changes(plan: &RemediationPlan) -> Vec<Change> {
    plan.steps
        .iter()
        .filter_map(|step| {
            let (name, after) = match step {
                Step::PutAcl(acl) => ("ACL", Part::Acl(acl.clone())),
                Step::PutBlock(block) => ("public access block", Part::Block(Some(*block))),
                Step::PutPolicy(text) => ("policy", Part::Policy(Some(text.clone()))),
                Step::DeletePolicy => ("policy", Part::Policy(None)),
            };
            // A step on a part that is not known cannot be planned: the planner saw its value.
            let before = part(&plan.before, name).ok()?;
            Some(Change { before, after })
        })
        .collect()
}

/// Reads and judges everything.
async fn read<R: ReadBuckets>(
    gatherer: &Gatherer<R>,
    at: &BucketAddress,
) -> Result<Assessment, RemediateError> {
    match judge_one(gatherer, at.clone(), Depth::Full).await {
        Ok(judged) => Ok(judged.assessment),
        Err(Lost::Gone) => Err(RemediateError::Gone {
            bucket: at.name.clone(),
        }),
        Err(Lost::Hopeless(hopeless)) => Err(hopeless.into()),
    }
}

/// Writes one part and reads it back.
async fn write<R: ReadBuckets + WriteBuckets>(
    gatherer: &Gatherer<R>,
    at: &BucketAddress,
    from: &Part,
    to: &Part,
) -> Result<Part, RemediateError> {
    let (store, pace) = (gatherer.reader(), gatherer.pace());
    let (operation, written) = put(store, pace, at, from, to).await;
    written.map_err(|error| RemediateError::Write {
        bucket: at.name.clone(),
        operation,
        error,
    })?;
    let left = read_part(gatherer, at, to)
        .await
        .map_err(|error| RemediateError::NotReadBack {
            bucket: at.name.clone(),
            part: to.name(),
            error,
        })?;
    Ok(left)
}

/// Whether what was read back is what was written. A store may show a policy in other words (account
/// ids as ARNs); an ACL and a block it may not.
fn is_faithful(to: &Part, left: &Part) -> bool {
    match (to, left) {
        (Part::Policy(Some(_)), Part::Policy(Some(_))) => true,
        _ => left.same_as(to),
    }
}

async fn put<R: WriteBuckets>(
    store: &R,
    pace: &Pace,
    at: &BucketAddress,
    from: &Part,
    to: &Part,
) -> (Operation, Result<(), CallError>) {
    match to {
        Part::Acl(acl) => {
            let operation = Operation::PutBucketAcl;
            (
                operation,
                pace.call(operation, || store.put_acl(at, acl)).await,
            )
        }
        Part::Block(Some(block)) => {
            let operation = Operation::PutBucketPublicAccessBlock;
            (
                operation,
                pace.call(operation, || store.put_block(at, block)).await,
            )
        }
        Part::Block(None) if matches!(from, Part::Block(Some(_))) => {
            let operation = Operation::DeleteBucketPublicAccessBlock;
            (
                operation,
                pace.call(operation, || store.delete_block(at)).await,
            )
        }
        Part::Block(None) => (Operation::DeleteBucketPublicAccessBlock, Ok(())),
        Part::Policy(Some(text)) => {
            let operation = Operation::PutBucketPolicy;
            (
                operation,
                pace.call(operation, || store.put_policy(at, text)).await,
            )
        }
        Part::Policy(None) => {
            let operation = Operation::DeleteBucketPolicy;
            (
                operation,
                pace.call(operation, || store.delete_policy(at)).await,
            )
        }
    }
}

async fn read_part<R: ReadBuckets>(
    gatherer: &Gatherer<R>,
    at: &BucketAddress,
    like: &Part,
) -> Result<Part, CallError> {
    let (store, pace) = (gatherer.reader(), gatherer.pace());
    Ok(match like {
        Part::Acl(_) => Part::Acl(pace.call(Operation::GetBucketAcl, || store.acl(at)).await?),
        Part::Block(_) => Part::Block(
            pace.call(Operation::GetBucketPublicAccessBlock, || store.block(at))
                .await?,
        ),
        Part::Policy(_) => Part::Policy(
            pace.call(Operation::GetBucketPolicy, || store.policy(at))
                .await?
                .map(|text| gatherer.without_tenant(at, text)),
        ),
    })
}
