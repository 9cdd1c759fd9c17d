//! `portcullis undo`.

use std::path::PathBuf;

use clap::Args;
use compliance::assessment::Assessment;
use compliance::item::BUCKET;
use guard::arrive::look;
use guard::journal::{Journal, JournalError, Place, Record, Remediation, remediations};
use guard::remediate::{RemediateError, undo};
use guard::repository::Repository;
use jiff::Timestamp;
use store::Store;

use crate::config::load::load;
use crate::exit::{ExitStatus, Failure};
use crate::fix::JournalArgs;
use crate::kept;
use crate::live::{Live, StoreArgs, block_on, failure};
use crate::serve::accounts::connect_one;

/// Arguments of `portcullis undo`.
#[derive(Debug, Args)]
pub(crate) struct UndoArgs {
    /// The id that `fix --apply` printed, or that the guard gave.
    id: String,

    #[command(flatten)]
    store: StoreArgs,

    #[command(flatten)]
    journal: JournalArgs,

    /// The guard's configuration: the id is one that `portcullis serve` gave, in a notice or in
    /// `history`
    #[arg(long, value_name = "FILE", conflicts_with = "journal")]
    config: Option<PathBuf>,

    /// The guard's store, instead of the configuration's
    #[arg(long = "store", value_name = "PATH|URL", conflicts_with = "journal")]
    kept: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &UndoArgs) -> Result<ExitStatus, Failure> {
    if args.config.is_some() || args.kept.is_some() {
        block_on(take_back_kept(args))
    } else {
        block_on(take_back(args))
    }
}

/// The journal in the guard's store.
struct InStore<'a>(&'a Store);

impl Journal for InStore<'_> {
    async fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        let kept = self.0.append_journal(record).await;
        kept.map_err(|error| JournalError::Store(error.to_string()))
    }
}

/// Takes back what the guard did, and has it look again: it does not do the same once more.
async fn take_back_kept(args: &UndoArgs) -> Result<ExitStatus, Failure> {
    let loaded = args.config.as_deref().map(load).transpose()?;
    let address = match (&args.kept, &loaded) {
        (Some(address), _) => address.clone(),
        (None, Some(loaded)) => kept::address(loaded)?,
        (None, None) => return Err(Failure::usage("name a store or a configuration")),
    };
    let store = kept::existing(&address).await?;
    let records = store
        .journal(None, None, None)
        .await
        .map_err(kept::failed)?;
    let all = remediations(&records);
    let remediation = find(&all, &args.id, "the guard's store")?;
    let place = &remediation.place;
    let mut journal = InStore(&store);
    let account = loaded.as_ref().and_then(|loaded| {
        let id = place.account.as_deref()?;
        let own = loaded.config.account.iter().find(|own| own.id == id)?;
        Some((loaded, own))
    });
    let done = match account {
        Some((loaded, own)) => {
            let watched = connect_one(loaded, own).await?;
            let gatherer = watched.gatherer(Timestamp::now()).await.map_err(failure)?;
            undo(&gatherer, &mut journal, remediation, &Timestamp::now).await
        }
        None => {
            let live = connected(&args.store, remediation).await?;
            undo(&live.gatherer, &mut journal, remediation, &Timestamp::now).await
        }
    };
    let status = said(remediation, done)?;
    if let Some(account) = &place.account {
        let now = Timestamp::now();
        let again = look(account, BUCKET, &place.bucket, now);
        store.request(&[again], now).await.map_err(kept::failed)?;
    }
    Ok(status)
}

async fn take_back(args: &UndoArgs) -> Result<ExitStatus, Failure> {
    let mut journal = args.journal.open()?;
    let records = journal
        .records()
        .map_err(|error| Failure::usage(error.to_string()))?;
    let all = remediations(&records);
    let place = journal.path().display().to_string();
    let remediation = find(&all, &args.id, &format!("the journal {place}"))?;
    let live = connected(&args.store, remediation).await?;
    let done = undo(&live.gatherer, &mut journal, remediation, &Timestamp::now).await;
    said(remediation, done)
}

/// Connects to the store that a remediation was made in.
async fn connected(store: &StoreArgs, remediation: &Remediation) -> Result<Live, Failure> {
    let mut store = store.clone();
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
    Ok(live)
}

/// Says how it ended.
fn said(
    remediation: &Remediation,
    done: Result<Assessment, RemediateError>,
) -> Result<ExitStatus, Failure> {
    match done {
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

fn find<'a>(all: &'a [Remediation], id: &str, place: &str) -> Result<&'a Remediation, Failure> {
    all.iter().find(|known| known.id == id).ok_or_else(|| {
        let failure = Failure::usage(format!(
            "{place} knows no remediation `{}`",
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
