//! `portcullis undo`.

use clap::Args;
use guard::journal::{Place, Remediation, remediations};
use guard::remediate::{RemediateError, undo};
use jiff::Timestamp;

use crate::exit::{ExitStatus, Failure};
use crate::fix::JournalArgs;
use crate::live::{Live, StoreArgs, block_on, failure};

/// Arguments of `portcullis undo`.
#[derive(Debug, Args)]
pub(crate) struct UndoArgs {
    /// The id that `fix --apply` printed.
    id: String,

    #[command(flatten)]
    store: StoreArgs,

    #[command(flatten)]
    journal: JournalArgs,
}

/// Runs the command.
pub(crate) fn run(args: &UndoArgs) -> Result<ExitStatus, Failure> {
    block_on(take_back(args))
}

async fn take_back(args: &UndoArgs) -> Result<ExitStatus, Failure> {
    let mut journal = args.journal.open()?;
    let records = journal
        .records()
        .map_err(|error| Failure::usage(error.to_string()))?;
    let all = remediations(&records);
    let remediation = find(&all, &args.id, journal.path())?;
    let mut store = args.store.clone();
    // The store is the one that the remediation was made in; saying another one is an error, not
    // saying one is fine.
    match (&store.endpoint_url, &remediation.place.endpoint) {
        (Some(said), Some(was)) if said != was => return Err(elsewhere(said, &remediation.place)),
        (Some(said), None) => return Err(elsewhere(said, &remediation.place)),
        (None, was) => store.endpoint_url.clone_from(was),
        (Some(_), Some(_)) => {}
    }
    let live = Live::open(&store).await?;
    let account = &live.gatherer.facts().owner_account;
    if let (Some(is), Some(was)) = (account, &remediation.place.account)
        && is != was
    {
        return Err(Failure::usage(format!(
            "{} was made in account {was}, and these credentials are of account {is}",
            remediation.id
        ))
        .hint("use the profile of that account"));
    }
    match undo(&live.gatherer, &mut journal, remediation, &Timestamp::now).await {
        Ok(after) => {
            let open = after.verdict.read.is_open() || after.verdict.write.is_open();
            println!(
                "{}: as it was before {}, read back{}.",
                compliance::remediation::diff::visible(&remediation.place.bucket),
                remediation.id,
                if open { "; it is open again" } else { "" }
            );
            Ok(ExitStatus::Closed)
        }
        Err(RemediateError::Hopeless(hopeless)) => Err(failure(hopeless)),
        Err(
            error @ (RemediateError::AlreadyUndone { .. } | RemediateError::ChangedSince { .. }),
        ) => Err(Failure::usage(error.to_string())),
        Err(error) => Err(Failure::incomplete(error.to_string())),
    }
}

fn find<'a>(
    all: &'a [Remediation],
    id: &str,
    path: &std::path::Path,
) -> Result<&'a Remediation, Failure> {
    all.iter().find(|known| known.id == id).ok_or_else(|| {
        let failure = Failure::usage(format!(
            "the journal {} knows no remediation `{}`",
            path.display(),
            compliance::remediation::diff::visible(id)
        ));
        match all.last() {
            Some(last) => failure.hint(format!("the last one is {}", last.id)),
            None => failure.hint("it holds none; name another journal with --journal FILE"),
        }
    })
}

fn elsewhere(said: &str, place: &Place) -> Failure {
    Failure::usage(format!(
        "the remediation was made at {}, not at {said}",
        place.endpoint.as_deref().unwrap_or("AWS")
    ))
}
