//! `portcullis explain`: one bucket in full.

use std::path::Path;

use clap::Args;
use compliance::assessment::Assessment;
use compliance::input::InputBucket;
use compliance::report::explain::{self, Setting};
use compliance::report::visible;
use guard::gather::{Depth, Lost};
use guard::sweep::judge_one;
use jiff::Timestamp;
use policy::lint::{BucketName, lint};

use crate::exit::{ExitStatus, Failure};
use crate::inputs::InputArgs;
use crate::live::{Live, StoreArgs, block_on, failure};
use crate::output::{Color, print};

/// Arguments of `portcullis explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A bucket of the live store; or a file as `check` reads it, or `-`
    #[arg(value_name = "BUCKET|FILE")]
    target: String,
    /// Which bucket of the file: its name, or the input's own id
    #[arg(long, value_name = "NAME")]
    bucket: Option<String>,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// When to use colours
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    color: Color,
}

/// Runs the command.
pub(crate) fn run(args: &ExplainArgs) -> Result<ExitStatus, Failure> {
    if args.target == "-" || Path::new(&args.target).exists() {
        return explain_file(args);
    }
    // A name with a slash or the ending of a file was meant for one.
    let ending = Path::new(&args.target)
        .extension()
        .and_then(|ending| ending.to_str());
    let endings = ["json", "gz", "yaml", "yml", "template"];
    if args.target.contains('/') || ending.is_some_and(|ending| endings.contains(&ending)) {
        return Err(Failure::usage(format!(
            "{}: no such file",
            visible(&args.target)
        )));
    }
    block_on(explain_live(args))
}

/// Reads everything of one bucket of the live store.
async fn explain_live(args: &ExplainArgs) -> Result<ExitStatus, Failure> {
    let live = Live::open(&args.store).await?;
    let at = live.find(&args.target).await?;
    let judged = match judge_one(&live.gatherer, at, Depth::Full).await {
        Ok(judged) => judged,
        Err(Lost::Hopeless(hopeless)) => return Err(failure(hopeless)),
        Err(Lost::Gone) => {
            let place = live.store().endpoint().unwrap_or("AWS");
            let name = visible(&args.target);
            return Err(Failure::usage(format!(
                "{place} has no bucket {name}, and there is no such file"
            )));
        }
    };
    for remark in live.remarks() {
        eprintln!("note: {remark}");
    }
    let assessment = &judged.assessment;
    print(&render(assessment, live.store().endpoint(), args.color))?;
    Ok(standing(assessment))
}

fn explain_file(args: &ExplainArgs) -> Result<ExitStatus, Failure> {
    let files = [args.target.clone()];
    let inputs = args.input.read(&files, Timestamp::now())?;
    for problem in &inputs.problems {
        eprintln!("warning: {}", visible(&problem.to_string()));
    }
    let mut buckets = inputs.buckets;
    if let Some(wanted) = &args.bucket {
        buckets.retain(|input| input.bucket.name == *wanted || input.id.as_ref() == Some(wanted));
    }
    let status = match buckets.len() {
        0 if inputs.broken => return Ok(ExitStatus::Usage),
        0 => {
            let what = args
                .bucket
                .as_deref()
                .map_or("no bucket".to_owned(), |name| {
                    format!("no bucket {:?}", visible(name))
                });
            return Err(Failure::usage(format!("{}: {what}", visible(&args.target))));
        }
        1 => buckets.into_iter().map(InputBucket::assess),
        several => {
            let names: Vec<String> = buckets
                .iter()
                .take(10)
                .map(|input| {
                    let name = input.id.as_ref().unwrap_or(&input.bucket.name);
                    visible(name).into_owned()
                })
                .collect();
            let more = if several > names.len() { ", …" } else { "" };
            return Err(Failure::usage(format!(
                "{} holds {several} buckets: {}{more}",
                visible(&args.target),
                names.join(", ")
            ))
            .hint("name one with --bucket"));
        }
    };
    let mut worst = ExitStatus::Closed;
    for assessment in status {
        print(&render(&assessment, None, args.color))?;
        worst = standing(&assessment);
    }
    Ok(worst)
}

/// The explanation of one bucket; `endpoint` is that of an S3-compatible store.
pub(crate) fn render(assessment: &Assessment, endpoint: Option<&str>, color: Color) -> String {
    let bucket = &assessment.bucket;
    let mut diagnostics = Vec::new();
    if let Some(policy) = bucket.policy.present() {
        let named = BucketName {
            partition: bucket.partition.clone(),
            name: bucket.name.clone(),
        };
        diagnostics.extend(policy.diagnostics.iter().cloned());
        diagnostics.extend(lint(policy, Some(&named)));
    }
    explain::render(
        assessment,
        Setting {
            style: color.style(),
            endpoint,
            diagnostics: &diagnostics,
        },
    )
}

/// The exit status that one bucket calls for.
pub(crate) fn standing(assessment: &Assessment) -> ExitStatus {
    let verdict = &assessment.verdict;
    if verdict.read.is_open() || verdict.write.is_open() {
        ExitStatus::Open
    } else if verdict.read.is_undecided() || verdict.write.is_undecided() {
        ExitStatus::Incomplete
    } else {
        ExitStatus::Closed
    }
}
