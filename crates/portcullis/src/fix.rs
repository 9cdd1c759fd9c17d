//! `portcullis fix`.

mod sample;
mod show;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use compliance::exceptions::Exceptions;
use compliance::remediation::{
    AclRemedy, Note, ObjectsRemedy, PolicyRemedy, RemediationOptions, RemediationPlan, plan,
};
use guard::gather::Depth;
use guard::journal::{FileJournal, State, remediations};
use guard::remediate::{AskedFor, Notes, RemediateError, apply};
use guard::sweep::Judged;
use jiff::Timestamp;

use self::sample::sample;
use self::show::{print_plan, shown};
use crate::exit::{ExitStatus, Failure};
use crate::live::{Glob, Live, StoreArgs, block_on, ended, random};
use crate::scan::{bounds, survey};

/// Arguments of `portcullis fix`.
#[derive(Debug, Args)]
pub(crate) struct FixArgs {
    #[command(flatten)]
    store: StoreArgs,

    /// Only buckets whose name fits this pattern (`*` and `?`).
    #[arg(long, value_name = "GLOB")]
    bucket: Option<Glob>,

    /// Carry the plan out. Without it nothing is changed.
    #[arg(long)]
    apply: bool,

    /// Do not ask before the changes.
    #[arg(long, requires = "apply")]
    yes: bool,

    /// Change at most so many buckets; with more to change, nothing is changed.
    #[arg(long, value_name = "N", default_value_t = 10)]
    max_changes: usize,

    /// What to do to a public ACL.
    #[arg(long, value_enum, default_value_t = Acl::Strip)]
    acl: Acl,

    /// What to do to a public policy.
    #[arg(long, value_enum, default_value_t = Policy::Notify)]
    policy: Policy,

    /// What to do about objects that may be public by ACLs of their own.
    #[arg(long, value_enum, default_value_t = Objects::Report)]
    objects: Objects,

    /// How many objects of a bucket are looked at for public ACLs; 0 looks at none.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=1000))]
    sample: u16,

    /// Buckets that are open on purpose (TOML); what an exception covers is left alone.
    #[arg(long, value_name = "FILE")]
    exceptions: Option<PathBuf>,

    #[command(flatten)]
    journal: JournalArgs,
}

/// Where the way back is kept.
#[derive(Clone, Debug, Args)]
pub(crate) struct JournalArgs {
    /// The journal of remediations [default: portcullis/journal.jsonl in $XDG_STATE_HOME or
    /// ~/.local/state].
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Acl {
    /// Remove exactly the public grants.
    Strip,
    /// Overwrite it: the owner's full control and nothing else.
    Private,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Policy {
    /// Say which statement lets whom in, and change nothing.
    Notify,
    /// Switch on the bucket's RestrictPublicBuckets and BlockPublicPolicy.
    Block,
    /// Remove the Allow statements that let strangers in.
    RemoveStatement,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Objects {
    /// Say it.
    Report,
    /// Switch on the bucket's IgnorePublicAcls.
    IgnorePublicAcls,
}

impl JournalArgs {
    /// The journal.
    pub(crate) fn open(&self) -> Result<FileJournal, Failure> {
        let variable = |name| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let path = self.journal.clone().or_else(|| {
            variable("XDG_STATE_HOME")
                .or_else(|| variable("HOME").map(|home| home.join(".local/state")))
                .map(|state| state.join("portcullis/journal.jsonl"))
        });
        path.map(FileJournal::at).ok_or_else(|| {
            Failure::usage(
                "there is no place for the journal: neither XDG_STATE_HOME nor HOME is set",
            )
            .hint("name one with --journal FILE")
        })
    }
}

/// Runs the command.
pub(crate) fn run(args: &FixArgs) -> Result<ExitStatus, Failure> {
    block_on(fix(args))
}

async fn fix(args: &FixArgs) -> Result<ExitStatus, Failure> {
    let exceptions = match &args.exceptions {
        Some(path) => read_exceptions(path)?,
        None => Exceptions::default(),
    };
    let mut journal = args.journal.open()?;
    let live = Live::open(&args.store).await?;
    let (mut judged, swept) = survey(&live, args.bucket.as_ref(), Depth::Full, false).await;
    judged.sort_by(|a, b| a.address.name.cmp(&b.address.name));
    for one in &mut judged {
        exceptions.apply(&mut one.assessment, Timestamp::now());
    }
    let bounds = bounds(&live, args.bucket.as_ref(), &swept);
    for bound in &bounds {
        eprintln!("warning: {bound}");
    }
    if judged.is_empty()
        && let Some(end) = &swept.ended_by
    {
        return Err(ended(end));
    }
    tell_unfinished(&journal)?;

    let options = args.options();
    let mut planned = Vec::new();
    let mut excepted = 0;
    for one in &judged {
        if one.assessment.exception.is_some() {
            excepted += 1;
            continue;
        }
        let plan = plan(&one.named_as_in_arns(), &one.assessment.verdict, &options);
        let concerns = is_open(one) || is_undecided(one) || !plan.steps.is_empty();
        let sample = if concerns || plan.notes.contains(&Note::ObjectsMayBePublic) {
            sample(&live, &one.address, args.sample, &one.assessment.verdict).await
        } else {
            None
        };
        let objects = sample
            .as_ref()
            .is_some_and(|sample| !sample.public.is_empty());
        if concerns || objects {
            print_plan(one, &plan, sample.as_ref());
            planned.push(Planned { one, plan, objects });
        }
    }
    let changing: Vec<_> = planned
        .iter()
        .filter(|planned| !planned.plan.steps.is_empty())
        .collect();
    println!(
        "{} buckets looked at, {} to change, {} left as they are, {excepted} excepted.",
        judged.len(),
        changing.len(),
        planned.len() - changing.len(),
    );
    let left_open = planned.iter().any(Planned::stays_open);
    let incomplete = !bounds.is_empty() || judged.iter().any(is_undecided);
    if !args.apply {
        if !changing.is_empty() {
            println!("Nothing was changed. To carry the plan out, run the same with --apply.");
        }
        return Ok(status(planned.iter().any(Planned::is_open), incomplete));
    }
    if let Some(end) = &swept.ended_by {
        let mut failure = ended(end);
        failure.message.push_str("; nothing was changed");
        return Err(failure);
    }
    if changing.len() > args.max_changes {
        return Err(Failure::usage(format!(
            "{} buckets would be changed, more than --max-changes {}; nothing was changed",
            changing.len(),
            args.max_changes
        ))
        .hint("look at the plan, then narrow it with --bucket or raise --max-changes"));
    }
    if changing.is_empty() {
        return Ok(status(left_open, incomplete));
    }
    if !args.yes && !confirmed(changing.len())? {
        println!("Nothing was changed.");
        return Ok(status(true, incomplete));
    }
    let mut failed = 0;
    for Planned { one, plan, .. } in changing {
        let id = new_id();
        let applied = apply(
            &live.gatherer,
            plan,
            &one.address,
            live.place(&one.address),
            &AskedFor,
            Notes {
                journal: &mut journal,
                id: &id,
                now: &Timestamp::now,
            },
        )
        .await;
        match applied {
            Ok(after) => {
                let still = after.verdict.read.is_open() || after.verdict.write.is_open();
                println!(
                    "{}: changed and verified{}. Take it back with: portcullis undo {id}",
                    shown(&one.address.name),
                    if still {
                        ", still open by what the plan leaves"
                    } else {
                        ""
                    }
                );
            }
            Err(error @ (RemediateError::Journal(_) | RemediateError::Hopeless(_))) => {
                // Without a journal or a store nothing more can be done with care.
                return Err(Failure::incomplete(error.to_string()));
            }
            Err(error) => {
                failed += 1;
                eprintln!("error: {error}");
                if was_begun(&journal, &id)? {
                    eprintln!(
                        "hint: what was written can be taken back with: portcullis undo {id}"
                    );
                }
            }
        }
    }
    Ok(status(left_open || failed > 0, incomplete))
}

/// A bucket with something to say about it.
struct Planned<'a> {
    one: &'a Judged,
    plan: RemediationPlan,
    /// Whether the sample holds public objects.
    objects: bool,
}

impl Planned<'_> {
    fn is_open(&self) -> bool {
        is_open(self.one) || self.objects
    }

    /// Whether something is open that the plan does not close.
    fn stays_open(&self) -> bool {
        let objects = self.objects && self.plan.expected.objects_may_be_public != Some(false);
        (is_open(self.one) && !self.plan.closes()) || objects
    }
}

impl FixArgs {
    fn options(&self) -> RemediationOptions {
        RemediationOptions {
            acl: match self.acl {
                Acl::Strip => AclRemedy::Strip,
                Acl::Private => AclRemedy::Private,
            },
            policy: match self.policy {
                Policy::Notify => PolicyRemedy::Notify,
                Policy::Block => PolicyRemedy::Block,
                Policy::RemoveStatement => PolicyRemedy::RemoveStatement,
            },
            objects: match self.objects {
                Objects::Report => ObjectsRemedy::Report,
                Objects::IgnorePublicAcls => ObjectsRemedy::IgnorePublicAcls,
            },
        }
    }
}

fn read_exceptions(path: &Path) -> Result<Exceptions, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!(
            "cannot read the exceptions {}: {error}",
            path.display()
        ))
    })?;
    Exceptions::parse(&text).map_err(|error| {
        Failure::usage(format!(
            "the exceptions {} are wrong: {error}",
            path.display()
        ))
    })
}

fn status(open: bool, incomplete: bool) -> ExitStatus {
    if open {
        ExitStatus::Open
    } else if incomplete {
        ExitStatus::Incomplete
    } else {
        ExitStatus::Closed
    }
}

fn is_open(one: &Judged) -> bool {
    one.assessment.verdict.read.is_open() || one.assessment.verdict.write.is_open()
}

fn is_undecided(one: &Judged) -> bool {
    one.assessment.verdict.read.is_undecided() || one.assessment.verdict.write.is_undecided()
}

/// Remediations that a crash or a lost connection cut short.
fn tell_unfinished(journal: &FileJournal) -> Result<(), Failure> {
    let records = journal
        .records()
        .map_err(|error| Failure::usage(error.to_string()))?;
    for known in remediations(&records) {
        let what = match known.state {
            State::Unfinished => "was begun and not finished",
            State::Undoing => "was being taken back and that was not finished",
            State::Verified | State::Failed(_) | State::Undone => continue,
        };
        eprintln!(
            "warning: {} on {} {what}; `portcullis undo {}` restores what was before",
            known.id,
            shown(&known.place.bucket),
            known.id
        );
    }
    Ok(())
}

fn was_begun(journal: &FileJournal, id: &str) -> Result<bool, Failure> {
    let records = journal
        .records()
        .map_err(|error| Failure::incomplete(error.to_string()))?;
    Ok(records.iter().any(|record| record.id == id))
}

fn confirmed(changes: usize) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(
            Failure::usage("there is nobody to ask; nothing was changed")
                .hint("add --yes to apply without a question"),
        );
    }
    print!("Change {changes} buckets? Only `yes` is taken for consent: ");
    let _ = std::io::stdout().flush();
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Failure::incomplete(format!("cannot read the answer: {error}")))?;
    Ok(answer.trim() == "yes")
}

/// `20261124T063000Z-1a2b3c4d`: sorted by time, and not guessed twice.
fn new_id() -> String {
    let now = Timestamp::now();
    format!("{}-{:08x}", now.strftime("%Y%m%dT%H%M%SZ"), random() as u32)
}
