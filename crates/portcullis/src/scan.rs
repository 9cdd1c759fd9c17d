//! `portcullis scan`.

use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use compliance::assessment::Assessment;
use guard::gather::Depth;
use guard::sweep::{Judged, SweepOptions, Swept, Told, could_not_read, sweep};
use policy::bucket::Bucket;
use policy::observed::{Observed, Unread};

use crate::exit::{ExitStatus, Failure};
use crate::live::{Glob, Live, Progress, StoreArgs, block_on, ended, interrupted};

/// Arguments of `portcullis scan`.
#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    #[command(flatten)]
    store: StoreArgs,

    /// Only buckets whose name fits this pattern (`*` and `?`).
    #[arg(long, value_name = "GLOB")]
    bucket: Option<Glob>,

    /// Read everything of each bucket, not only what the verdict needs.
    #[arg(long)]
    full: bool,

    /// Compare with the store's own opinion (GetBucketPolicyStatus), and list the differences.
    #[arg(long)]
    cross_check: bool,
}

/// Runs the command.
pub(crate) fn run(args: &ScanArgs) -> Result<ExitStatus, Failure> {
    block_on(scan(args))
}

async fn scan(args: &ScanArgs) -> Result<ExitStatus, Failure> {
    let begun = Instant::now();
    let live = Live::open(&args.store).await?;
    let depth = match (args.full, args.cross_check) {
        (_, true) => Depth::CrossCheck,
        (true, false) => Depth::Full,
        (false, false) => Depth::Verdict,
    };
    let (mut judged, swept) = survey(&live, args.bucket.as_ref(), depth).await;
    judged.sort_by(|a, b| a.address.name.cmp(&b.address.name));
    for one in &judged {
        let a = &one.assessment;
        let word = |access: &policy::public::Access| {
            if access.is_open() {
                "OPEN"
            } else if access.counts_as_open() {
                "undecided"
            } else {
                "closed"
            }
        };
        println!(
            "{}\tread {}\twrite {}",
            a.bucket.name,
            word(&a.verdict.read),
            word(&a.verdict.write)
        );
    }
    eprintln!("{}", live.cost(&swept, begun.elapsed().as_secs_f64()));
    for remark in live.remarks() {
        eprintln!("note: {remark}");
    }
    let bounds = bounds(&live, &swept);
    for bound in &bounds {
        eprintln!("warning: {bound}");
    }
    for difference in judged.iter().filter_map(difference) {
        eprintln!("cross-check: {difference}");
    }
    if judged.is_empty()
        && let Some(end) = &swept.ended_by
    {
        return Err(ended(end));
    }
    if judged
        .iter()
        .any(|one| one.assessment.verdict.read.is_open() || one.assessment.verdict.write.is_open())
    {
        return Ok(ExitStatus::Open);
    }
    let incomplete = !bounds.is_empty()
        || judged
            .iter()
            .any(|one| is_undecided(&one.assessment) || has_unread(&one.assessment.bucket));
    Ok(if incomplete {
        ExitStatus::Incomplete
    } else {
        ExitStatus::Closed
    })
}

/// Goes through the buckets, with progress, until the end or Ctrl-C.
pub(crate) async fn survey(live: &Live, glob: Option<&Glob>, depth: Depth) -> (Vec<Judged>, Swept) {
    let options = SweepOptions {
        depth,
        concurrency: usize::from(live.args.concurrency),
        prefix: glob.and_then(Glob::prefix),
    };
    let mut progress = Progress::new();
    let mut judged: Vec<Judged> = Vec::new();
    let (mut listed, mut open) = (0, 0);
    let swept = sweep(
        Arc::clone(&live.gatherer),
        &options,
        |name| glob.is_none_or(|glob| glob.matches(name)),
        interrupted(),
        |told| {
            match told {
                Told::Listed(count) => listed = count,
                Told::Judged(one) => {
                    let verdict = &one.assessment.verdict;
                    open += usize::from(verdict.read.is_open() || verdict.write.is_open());
                    judged.push(*one);
                }
            }
            progress.show(judged.len(), listed, open);
        },
    )
    .await;
    progress.clear();
    (judged, swept)
}

/// What keeps the result from being the whole truth, one sentence each.
pub(crate) fn bounds(live: &Live, swept: &Swept) -> Vec<String> {
    let mut bounds = live.bounds();
    if let Some(end) = &swept.ended_by {
        bounds.push(format!(
            "{} ({} of {} buckets judged)",
            ended(end).message,
            swept.judged,
            swept.listed
        ));
    }
    bounds.extend(
        swept
            .failed
            .iter()
            .map(|what| format!("{what} failed inside Portcullis: please report it")),
    );
    bounds
}

fn is_undecided(assessment: &Assessment) -> bool {
    assessment.verdict.read.is_undecided() || assessment.verdict.write.is_undecided()
}

/// Whether something that was asked for could not be read, and the verdict may hang on it.
fn has_unread(bucket: &Bucket) -> bool {
    let block = &bucket.public_access_block;
    let unread = [
        bucket.policy.unread(),
        bucket.acl.unread(),
        block.bucket.unread(),
        block.account.unread(),
        bucket.ownership.unread(),
        bucket.access_points.unread(),
    ];
    unread.into_iter().flatten().any(could_not_read)
}

/// Where the store's own opinion about the policy differs from ours.
fn difference(judged: &Judged) -> Option<String> {
    let store = judged.store_says_public.as_ref()?;
    let bucket = &judged.address.name;
    let ours = judged.assessment.verdict.aws_is_public;
    Some(match (store, ours) {
        (Observed::Present(theirs), Some(ours)) if *theirs != ours => format!(
            "{bucket}: the store calls the policy {}, we call it {}",
            public(*theirs),
            public(ours)
        ),
        (Observed::Present(_), Some(_)) | (Observed::Absent, _) => return None,
        (Observed::Present(theirs), None) => format!(
            "{bucket}: the store calls the policy {}, we could not decide",
            public(*theirs)
        ),
        (Observed::Unknown(Unread::NotNeeded), _) => return None,
        (Observed::Unknown(unread), _) => {
            format!("{bucket}: the store's opinion could not be read: {unread}")
        }
    })
}

fn public(public: bool) -> &'static str {
    if public { "public" } else { "not public" }
}
