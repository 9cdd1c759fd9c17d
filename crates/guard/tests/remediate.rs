//! Fix and undo on a store in memory, cut off between any two steps.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod support;

use std::sync::Arc;

use compliance::assessment::Assessment;
use compliance::remediation::{PolicyRemedy, RemediationOptions, RemediationPlan, plan};
use guard::error::CallError;
use guard::gather::{Depth, Gatherer};
use guard::journal::{
    FileJournal, Journal, JournalError, Place, Record, State as Progress, remediations,
};
use guard::operation::Operation;
use guard::remediate::{self, AskedFor, Permit, RemediateError, apply, undo};
use guard::sweep::judge_one;
use policy::bucket::PublicAccessBlock;
use support::*;

/// A journal in memory that can break after so many records.
#[derive(Default)]
struct Notes {
    records: Vec<Record>,
    breaks_after: Option<usize>,
}

impl Journal for Notes {
    async fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        if Some(self.records.len()) == self.breaks_after {
            return Err(JournalError::Io {
                path: "journal".into(),
                source: std::io::Error::other("disk full"),
            });
        }
        self.records.push(record.clone());
        Ok(())
    }
}

fn place() -> Place {
    Place {
        endpoint: None,
        account: None,
        region: None,
        bucket: "b".to_owned(),
    }
}

async fn planned(gatherer: &Gatherer<Memory>, options: RemediationOptions) -> RemediationPlan {
    let judged = judge_one(gatherer, address("b"), Depth::Full)
        .await
        .unwrap();
    plan(
        &judged.assessment.bucket,
        &judged.assessment.verdict,
        &options,
    )
}

async fn run(
    gatherer: &Gatherer<Memory>,
    journal: &mut impl Journal,
    plan: &RemediationPlan,
) -> Result<Assessment, RemediateError> {
    permitted(gatherer, journal, plan, &AskedFor).await
}

async fn permitted(
    gatherer: &Gatherer<Memory>,
    journal: &mut impl Journal,
    plan: &RemediationPlan,
    permit: &impl Permit,
) -> Result<Assessment, RemediateError> {
    let notes = remediate::Notes {
        journal,
        id: "r1",
        now: &now,
    };
    apply(gatherer, plan, &address("b"), place(), permit, notes).await
}

/// Open by ACL and by policy, with a block of its own that does not matter.
fn open() -> State {
    State {
        block: Some(only(|b| b.block_public_acls = true)),
        policy: Some(public_policy("b", "s3:*")),
        acl: public_acl(),
        ..State::default()
    }
}

fn all() -> RemediationOptions {
    RemediationOptions {
        policy: PolicyRemedy::RemoveStatement,
        ..RemediationOptions::default()
    }
}

#[tokio::test]
async fn closes_verifies_and_takes_back_exactly() {
    let memory = Arc::new(Memory::with([("b", open())]));
    let gatherer = gatherer(&memory, facts(None));
    let plan = planned(&gatherer, all()).await;
    let mut journal = Notes::default();
    let after = run(&gatherer, &mut journal, &plan).await.unwrap();
    assert!(!after.verdict.read.counts_as_open() && !after.verdict.write.counts_as_open());
    assert_eq!(memory.state("b").acl, private_acl());
    assert!(memory.state("b").policy.unwrap().contains("Partner"));
    assert_eq!(memory.state("b").block, open().block, "not touched");

    let known = remediations(&journal.records);
    assert_eq!(known[0].state, Progress::Verified);
    let after = undo(&gatherer, &mut journal, &known[0], &now)
        .await
        .unwrap();
    assert!(after.verdict.read.is_open());
    assert_eq!(memory.state("b"), open());

    let writes = memory.writes();
    let known = remediations(&journal.records);
    let again = undo(&gatherer, &mut journal, &known[0], &now).await;
    assert!(matches!(again, Err(RemediateError::AlreadyUndone { .. })));
    assert_eq!(memory.writes(), writes, "a refusal writes nothing");
}

#[tokio::test]
async fn block_keeps_the_other_settings_and_goes_back_to_none() {
    for block in [None, Some(only(|b| b.ignore_public_acls = true))] {
        let state = State {
            block,
            acl: private_acl(),
            ..open()
        };
        let memory = Arc::new(Memory::with([("b", state.clone())]));
        let gatherer = gatherer(&memory, facts(None));
        let options = RemediationOptions {
            policy: PolicyRemedy::Block,
            ..RemediationOptions::default()
        };
        let plan = planned(&gatherer, options).await;
        let mut journal = Notes::default();
        run(&gatherer, &mut journal, &plan).await.unwrap();
        let expected = PublicAccessBlock {
            block_public_policy: true,
            restrict_public_buckets: true,
            ..block.unwrap_or_default()
        };
        assert_eq!(memory.state("b").block, Some(expected));
        let known = remediations(&journal.records);
        undo(&gatherer, &mut journal, &known[0], &now)
            .await
            .unwrap();
        assert_eq!(memory.state("b"), state);
    }
}

#[tokio::test]
async fn refuses_when_the_bucket_changed_since_the_plan() {
    let changes: [fn(&mut State); 3] = [
        |s| s.acl.grants.clear(),
        |s| s.policy = None,
        |s| s.block = None,
    ];
    for change in changes {
        let memory = Arc::new(Memory::with([("b", open())]));
        let gatherer = gatherer(&memory, facts(None));
        let plan = planned(&gatherer, all()).await;
        memory.change("b", change);
        let mut journal = Notes::default();
        let refused = run(&gatherer, &mut journal, &plan).await;
        assert!(matches!(
            refused,
            Err(RemediateError::ChangedSincePlan { .. })
        ));
        assert_eq!(memory.writes(), 0);
        assert_eq!(journal.records, []);
    }
}

#[tokio::test]
async fn undo_refuses_when_somebody_changed_a_part() {
    let memory = Arc::new(Memory::with([("b", open())]));
    let gatherer = gatherer(&memory, facts(None));
    let plan = planned(&gatherer, all()).await;
    let mut journal = Notes::default();
    run(&gatherer, &mut journal, &plan).await.unwrap();
    memory.change("b", |s| s.policy = Some(public_policy("b", "s3:GetObject")));
    let writes = memory.writes();
    let known = remediations(&journal.records);
    let refused = undo(&gatherer, &mut journal, &known[0], &now).await;
    assert!(matches!(
        refused,
        Err(RemediateError::ChangedSince { part: "policy", .. })
    ));
    assert_eq!(memory.writes(), writes);
}

#[tokio::test]
async fn nothing_is_written_without_the_way_back_on_disk() {
    let memory = Arc::new(Memory::with([("b", open())]));
    let gatherer = gatherer(&memory, facts(None));
    let plan = planned(&gatherer, all()).await;
    let mut journal = Notes {
        breaks_after: Some(0),
        ..Notes::default()
    };
    let refused = run(&gatherer, &mut journal, &plan).await;
    assert!(matches!(refused, Err(RemediateError::Journal(_))));
    assert_eq!(memory.state("b"), open());
    assert_eq!(memory.writes(), 0);
}

/// A crash between any two steps: cut after each record, and after each write whose record is lost.
#[tokio::test]
async fn a_crash_at_any_step_can_be_taken_back() {
    // The records of a whole run: intent, written, written, verified.
    for records in 1..=3 {
        for next_write_happened in [false, true] {
            let memory = Arc::new(Memory::with([("b", open())]));
            let gatherer = gatherer(&memory, facts(None));
            let plan = planned(&gatherer, all()).await;
            let mut journal = Notes::default();
            if next_write_happened {
                // The record after the write cannot be made any more: the write stands alone.
                journal.breaks_after = Some(records);
                assert!(run(&gatherer, &mut journal, &plan).await.is_err());
            } else {
                // The write itself never reaches the store.
                let writes = records - 1;
                let operation = [Operation::PutBucketAcl, Operation::PutBucketPolicy];
                if let Some(operation) = operation.get(writes) {
                    let error = CallError::Failed {
                        operation: *operation,
                        detail: "cut".to_owned(),
                    };
                    memory.fail(*operation, "b", vec![error]);
                }
                let _ = run(&gatherer, &mut journal, &plan).await;
                journal.records.truncate(records);
            }
            journal.breaks_after = None;
            let known = remediations(&journal.records);
            assert_eq!(
                known[0].state,
                Progress::Unfinished,
                "a half-done one is recognised"
            );
            undo(&gatherer, &mut journal, &known[0], &now)
                .await
                .unwrap_or_else(|error| panic!("{records} records: {error}"));
            assert_eq!(memory.state("b"), open());
        }
    }
}

#[tokio::test]
async fn an_undo_that_is_cut_off_can_be_repeated() {
    let memory = Arc::new(Memory::with([("b", open())]));
    let gatherer = gatherer(&memory, facts(None));
    let plan = planned(&gatherer, all()).await;
    let mut journal = Notes::default();
    run(&gatherer, &mut journal, &plan).await.unwrap();
    let operation = Operation::PutBucketAcl;
    let detail = "cut".to_owned();
    memory.fail(
        operation,
        "b",
        vec![CallError::Failed { operation, detail }],
    );
    let known = remediations(&journal.records);
    assert!(
        undo(&gatherer, &mut journal, &known[0], &now)
            .await
            .is_err()
    );
    let known = remediations(&journal.records);
    assert_eq!(known[0].state, Progress::Undoing);
    undo(&gatherer, &mut journal, &known[0], &now)
        .await
        .unwrap();
    assert_eq!(memory.state("b"), open());
}

#[tokio::test]
async fn a_store_that_says_yes_and_does_nothing_is_found_out() {
    let memory = Arc::new(Memory::with([("b", open())]));
    let gatherer = gatherer(&memory, facts(None));
    let plan = planned(&gatherer, all()).await;
    *memory.lies.lock().unwrap() = true;
    let mut journal = Notes::default();
    let failed = run(&gatherer, &mut journal, &plan).await;
    assert!(matches!(failed, Err(RemediateError::NotWritten { .. })));
    let known = remediations(&journal.records);
    assert!(matches!(known[0].state, Progress::Failed(_)));
}

#[tokio::test]
async fn the_file_keeps_records_and_survives_a_torn_line() {
    let folder = std::env::temp_dir().join(format!("portcullis-journal-{}", std::process::id()));
    let path = folder.join("deep/journal.jsonl");
    let mut journal = FileJournal::at(&path);
    assert_eq!(journal.records().unwrap(), []);
    let record = Record {
        id: "r1".to_owned(),
        at: now(),
        event: guard::journal::Event::Intent {
            place: place(),
            changes: vec![guard::journal::Change {
                before: guard::journal::Part::Acl(public_acl()),
                after: guard::journal::Part::Policy(None),
            }],
        },
    };
    journal.append(&record).await.unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    // A crash in the middle of a line.
    let whole = std::fs::read(&path).unwrap();
    let mut torn = whole.clone();
    torn.extend_from_slice(&whole[..whole.len() / 2]);
    std::fs::write(&path, &torn).unwrap();
    assert_eq!(journal.records().unwrap(), std::slice::from_ref(&record));
    journal.append(&record).await.unwrap();
    assert_eq!(journal.records().unwrap(), [record.clone(), record.clone()]);
    // What is no record is not skipped in silence.
    std::fs::write(&path, b"{\"id\": 1}\n").unwrap();
    let error = journal.records().unwrap_err().to_string();
    assert!(error.contains("line 1"), "{error}");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Refuses from the so-many-th question on.
struct Until(std::sync::atomic::AtomicUsize);

impl Permit for Until {
    async fn permit(&self) -> Result<(), String> {
        let left = &self.0;
        let order = std::sync::atomic::Ordering::SeqCst;
        left.fetch_update(order, order, |left| left.checked_sub(1))
            .map(|_| ())
            .map_err(|_| "enforcement was stopped".to_owned())
    }
}

/// Whenever enforcement is stopped, nothing more is written, and what was written can be taken back.
#[tokio::test]
async fn a_stop_takes_effect_before_the_next_write() {
    // Asked before the journal is written to, before the ACL, and before the policy.
    for (allowed, writes) in [(0, 0), (1, 0), (2, 1)] {
        let memory = Arc::new(Memory::with([("b", open())]));
        let gatherer = gatherer(&memory, facts(None));
        let plan = planned(&gatherer, all()).await;
        let mut journal = Notes::default();
        let permit = Until(allowed.into());
        let refused = permitted(&gatherer, &mut journal, &plan, &permit).await;
        let Err(RemediateError::NotPermitted { why, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(why, "enforcement was stopped");
        assert_eq!(memory.writes(), writes, "after {allowed} permits");
        let known = remediations(&journal.records);
        assert_eq!(known.len(), usize::from(allowed > 0));
        if let [begun] = known.as_slice() {
            undo(&gatherer, &mut journal, begun, &now).await.unwrap();
            assert_eq!(memory.state("b").acl, open().acl);
        }
    }
}
