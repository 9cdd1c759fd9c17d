//! `portcullis check`: verdicts for configurations at hand. No network.

use clap::Args;
use compliance::assessment::Assessment;
use compliance::exceptions::{OWNER_TAG, REASON_TAG, TAG, tag_value};
use compliance::fingerprint;
use compliance::input::InputBucket;
use compliance::report::visible;
use jiff::{Timestamp, ToSpan};

use crate::exit::{ExitStatus, Failure};
use crate::inputs::InputArgs;
use crate::output::{Found, OutputArgs, print};

/// Arguments of `portcullis check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 2 an input or the command line is wrong; 1 something is open; 3 nothing is known to be
open, but something could not be read or decided; 0 everything is closed.")]
pub(crate) struct CheckArgs {
    /// IAM policies, bucket documents, AWS Config items, CloudFormation templates, Terraform plans
    /// in JSON, also compressed with gzip; `-` is standard input
    #[arg(value_name = "FILE")]
    files: Vec<String>,
    /// Print the exception that would cover what is open on this bucket, to be completed; also as tags
    #[arg(long, value_name = "BUCKET")]
    print_exception: Option<String>,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
pub(crate) fn run(args: &CheckArgs) -> Result<ExitStatus, Failure> {
    let now = Timestamp::now();
    let output = args.output.prepare()?;
    let inputs = args.input.read(&args.files, now)?;
    let assessments: Vec<Assessment> = inputs
        .buckets
        .into_iter()
        .map(InputBucket::assess)
        .collect();
    if let Some(name) = &args.print_exception {
        return print_exception(name, &assessments, now);
    }
    output.finish(Found {
        command: "check",
        at: now,
        assessments,
        problems: inputs.problems,
        broken: inputs.broken,
    })
}

/// Prints an exception for what is open on a bucket. Owner, reason and expiry are for people to
/// decide: the first two are left empty, which no exceptions file may keep.
fn print_exception(
    name: &str,
    assessments: &[Assessment],
    now: Timestamp,
) -> Result<ExitStatus, Failure> {
    let mut named = assessments
        .iter()
        .filter(|a| a.bucket.name == name)
        .peekable();
    if named.peek().is_none() {
        return Err(Failure::usage(format!(
            "the input has no bucket {:?}",
            visible(name)
        )));
    }
    let mut text = String::new();
    for assessment in named {
        let Some(fingerprint) = fingerprint::of(&assessment.bucket, &assessment.verdict) else {
            continue;
        };
        // A quarter of a year: long enough to be of use, short enough to be looked at again.
        let expires = now + (90 * 24).hours();
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        text.push_str("[[exception]]\n");
        text.push_str(&format!("id = {}\n", quoted(name)));
        text.push_str(&format!("bucket = {}\n", quoted(name)));
        if let Some(account) = &assessment.bucket.owner_account {
            text.push_str(&format!("account = {}\n", quoted(account)));
        }
        text.push_str("owner = \"\"   # who answers for it\nreason = \"\"  # why it is open\n");
        text.push_str(&format!("expires = {}\n", expires.strftime("%Y-%m-%d")));
        text.push_str(&format!("fingerprint = {}\n", quoted(&fingerprint)));
        let until = expires.strftime("%Y-%m-%d").to_string();
        text.push_str(&format!(
            "\n# Or as tags of the bucket, where the configuration has `allow-tag-exceptions = true`:\n\
             #   {TAG} = {}\n#   {OWNER_TAG} = who answers for it\n#   {REASON_TAG} = why it is open\n\
             # `aws s3api put-bucket-tagging` replaces all tags: send those that are there with it.\n",
            tag_value(&until, &fingerprint)
        ));
    }
    if text.is_empty() {
        return Err(Failure::usage(format!(
            "nothing that was read in full is open on bucket {:?}: it needs no exception",
            visible(name)
        )));
    }
    print(&text)?;
    Ok(ExitStatus::Closed)
}
