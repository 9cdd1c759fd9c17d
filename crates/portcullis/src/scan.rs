//! `portcullis scan`: verdicts for every bucket of a live store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use compliance::assessment::Assessment;
use compliance::input::Problem;
use compliance::report::visible;
use guard::gather::Depth;
use guard::sweep::{Judged, SweepOptions, Swept, Told, could_not_read, sweep};
use jiff::Timestamp;
use policy::bucket::Bucket;
use policy::observed::{Observed, Unread};
use policy::public::Advisory;

use crate::exit::{ExitStatus, Failure};
use crate::live::{Glob, Live, Progress, StoreArgs, block_on, ended, interrupted};
use crate::output::{Found, OutputArgs};

/// Arguments of `portcullis scan`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 2 the command line, the configuration or the credentials are wrong; 1 something is open;
3 nothing is known to be open, but something could not be read or decided; 0 everything is closed.")]
pub(crate) struct ScanArgs {
    #[command(flatten)]
    store: StoreArgs,

    /// Only buckets whose name fits this pattern (`*` and `?`)
    #[arg(long, value_name = "GLOB")]
    bucket: Option<Glob>,

    /// Compare with the store's own opinion (GetBucketPolicyStatus), and list the differences
    #[arg(long)]
    cross_check: bool,

    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
pub(crate) fn run(args: &ScanArgs) -> Result<ExitStatus, Failure> {
    block_on(scan(args))
}

async fn scan(args: &ScanArgs) -> Result<ExitStatus, Failure> {
    let begun = Instant::now();
    let output = args.output.prepare()?;
    let live = Live::open(&args.store).await?;
    let depth = match (args.output.full, args.cross_check) {
        (true, _) => Depth::Full,
        (false, true) => Depth::CrossCheck,
        (false, false) => Depth::Verdict,
    };
    let (mut judged, swept) = survey(&live, args.bucket.as_ref(), depth, args.cross_check).await;
    if judged.is_empty()
        && let Some(end) = &swept.ended_by
    {
        return Err(ended(end));
    }
    judged.sort_by(|a, b| a.address.name.cmp(&b.address.name));
    if args.cross_check {
        cross_check(&mut judged);
    }
    eprintln!("{}", live.cost(&swept, begun.elapsed().as_secs_f64()));
    for remark in live.remarks() {
        eprintln!("note: {remark}");
    }
    let assessments: Vec<Assessment> = judged.into_iter().map(|one| one.assessment).collect();
    let place = live.store().endpoint().unwrap_or("AWS");
    let problems = bounds(&live, args.bucket.as_ref(), &swept)
        .into_iter()
        .chain(unread(&assessments))
        .map(|sentence| Problem::of_file(place, sentence))
        .collect();
    output.finish(Found {
        command: "scan",
        at: Timestamp::now(),
        assessments,
        problems,
        broken: false,
    })
}

/// Goes through the buckets, with progress, until the end or Ctrl-C.
pub(crate) async fn survey(
    live: &Live,
    glob: Option<&Glob>,
    depth: Depth,
    ask_store: bool,
) -> (Vec<Judged>, Swept) {
    let options = SweepOptions {
        depth,
        ask_store,
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
            std::future::ready(())
        },
    )
    .await;
    progress.clear();
    (judged, swept)
}

/// What keeps the result from being the whole truth, one sentence each.
pub(crate) fn bounds(live: &Live, glob: Option<&Glob>, swept: &Swept) -> Vec<String> {
    let found_by_name = glob.is_some_and(Glob::is_one_name) && swept.listed > 0;
    let mut bounds = live.bounds(found_by_name);
    if let Some(end) = &swept.ended_by {
        bounds.push(format!(
            "{} ({} of {} listed buckets judged)",
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

/// What could not be read, one sentence for each part and cause, however many buckets it concerns.
fn unread(assessments: &[Assessment]) -> Vec<String> {
    let mut causes: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for Assessment { bucket, .. } in assessments {
        for (part, unread) in parts(bucket) {
            if could_not_read(unread) {
                let names = causes.entry(format!("{part}: {unread}")).or_default();
                names.push(&bucket.name);
            }
        }
    }
    causes
        .into_iter()
        .map(|(cause, names)| match names[..] {
            [name] => format!("{name}: {cause}"),
            [first, second] => format!("{first}, {second}: {cause}"),
            _ => format!(
                "{}, {} and {} more buckets: {cause}",
                names[0],
                names[1],
                names.len() - 2
            ),
        })
        .collect()
}

/// The parts of a bucket that were not read, and why. The account's block is not the bucket's.
fn parts(bucket: &Bucket) -> impl Iterator<Item = (&'static str, &Unread)> {
    [
        ("bucket policy", bucket.policy.unread()),
        ("ACL", bucket.acl.unread()),
        (
            "Block Public Access",
            bucket.public_access_block.bucket.unread(),
        ),
        ("Object Ownership", bucket.ownership.unread()),
        ("access points", bucket.access_points.unread()),
    ]
    .into_iter()
    .filter_map(|(part, unread)| Some((part, unread?)))
}

/// Says where the store's own opinion about policies differs from ours, also in the report.
fn cross_check(judged: &mut [Judged]) {
    let asked = judged
        .iter()
        .filter(|one| one.store_says_public.is_some())
        .count();
    let mut different = 0;
    for one in judged {
        if let Some(message) = difference(one) {
            different += 1;
            eprintln!("cross-check: {}: {message}", visible(&one.address.name));
            one.assessment.verdict.advisories.push(Advisory {
                code: "cross-check",
                message,
                path: None,
            });
        }
    }
    eprintln!("cross-check: {asked} policies compared, {different} differ");
}

fn difference(judged: &Judged) -> Option<String> {
    let store = judged.store_says_public.as_ref()?;
    let ours = judged.assessment.verdict.aws_is_public;
    let public = |public: bool| if public { "public" } else { "not public" };
    match (store, ours) {
        (Observed::Present(theirs), Some(ours)) if *theirs != ours => Some(format!(
            "the store calls the policy {}, we call it {}",
            public(*theirs),
            public(ours)
        )),
        (Observed::Present(_), Some(_)) | (Observed::Absent, _) => None,
        (Observed::Present(theirs), None) => Some(format!(
            "the store calls the policy {}, we could not decide",
            public(*theirs)
        )),
        (Observed::Unknown(unread), _) => {
            Some(format!("the store's opinion could not be read: {unread}"))
        }
    }
}
