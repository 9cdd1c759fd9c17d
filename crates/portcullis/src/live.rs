//! What the commands that look at a live store share: arguments, connection, messages.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use aws::{ConnectOptions, Credentials, Store, connect, connect_with_key};
use clap::Args;
use guard::error::{CallError, Hopeless};
use guard::gather::{AccountFacts, Gatherer};
use guard::journal::Place;
use guard::pace::{Pace, PaceSettings};
use guard::ports::{BucketAddress, ReadBuckets};
use guard::sweep::{Ended, Swept};
use jiff::Timestamp;
use policy::bucket::Enforcement;
use policy::observed::{Observed, Unread};

use crate::exit::Failure;

/// Which store, and how fast.
#[derive(Clone, Debug, Args)]
pub(crate) struct StoreArgs {
    /// The profile of the AWS configuration files.
    #[arg(long)]
    pub(crate) profile: Option<String>,

    /// The region; buckets of other regions are found all the same.
    #[arg(long)]
    pub(crate) region: Option<String>,

    /// The endpoint of an S3-compatible store, such as http://127.0.0.1:9000.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,

    /// How many buckets are asked about at the same time.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) concurrency: u16,

    /// Never more calls a second than this.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) calls_per_second: Option<u32>,
}

/// A store that answers, and what holds for all its buckets.
pub(crate) struct Live {
    /// Asks about buckets.
    pub(crate) gatherer: Arc<Gatherer<Store>>,
    /// What the user said.
    pub(crate) args: StoreArgs,
}

/// Runs a future on the runtime that all live commands use.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::incomplete(format!("cannot start: {error}")))?
        .block_on(future)
}

impl Live {
    /// Connects.
    pub(crate) async fn open(args: &StoreArgs) -> Result<Live, Failure> {
        let pace = pace(args);
        let options = ConnectOptions {
            profile: args.profile.clone(),
            region: args.region.clone(),
            endpoint_url: args.endpoint_url.clone(),
            role: None,
        };
        let store = connect(&options, &pace).await.map_err(failure)?;
        Live::over(store, pace, args.clone()).await
    }

    /// Connects to an endpoint with a key that is given, whatever the environment says.
    pub(crate) async fn with_key(endpoint_url: &str, key: Credentials) -> Result<Live, Failure> {
        let args = StoreArgs {
            profile: None,
            region: Some("us-east-1".to_owned()),
            endpoint_url: Some(endpoint_url.to_owned()),
            concurrency: 64,
            calls_per_second: None,
        };
        let pace = pace(&args);
        let store = connect_with_key(endpoint_url, "us-east-1", key, None, &pace)
            .await
            .map_err(failure)?;
        Live::over(store, pace, args).await
    }

    /// Asks what holds for all buckets of the store.
    async fn over(store: Store, pace: Arc<Pace>, args: StoreArgs) -> Result<Live, Failure> {
        let identity = store.identity().clone();
        let facts = AccountFacts {
            partition: identity.partition,
            owner_account: identity.account,
            account_block: Observed::Unknown(Unread::NotNeeded),
            enforcement: identity.enforcement,
            compatible_store: store.is_custom(),
            as_of: Timestamp::now(),
        };
        let facts = facts.read(&store, &pace).await.map_err(failure)?;
        Ok(Live {
            gatherer: Arc::new(Gatherer::new(Arc::new(store), pace, facts)),
            args,
        })
    }

    /// The store.
    pub(crate) fn store(&self) -> &Store {
        self.gatherer.reader()
    }

    /// Where a bucket is, for the journal.
    pub(crate) fn place(&self, at: &BucketAddress) -> Place {
        Place {
            endpoint: self.store().endpoint().map(str::to_owned),
            account: self.gatherer.facts().owner_account.clone(),
            region: at.region.clone(),
            bucket: at.name.clone(),
        }
    }

    /// The address of one bucket by its name. A listing that begins with the name tells its region;
    /// without the permission to list, the bucket is asked where it is.
    pub(crate) async fn find(&self, name: &str) -> Result<BucketAddress, Failure> {
        let listed = self
            .gatherer
            .pace()
            .call(guard::operation::Operation::ListBuckets, || {
                self.store().buckets(Some(name), None)
            })
            .await;
        let found = listed
            .ok()
            .and_then(|page| page.entries.into_iter().find(|at| at.name == name));
        Ok(found.unwrap_or_else(|| BucketAddress {
            name: name.to_owned(),
            region: None,
            owner: None,
            created: None,
        }))
    }

    /// What a reader of the result must know about its bounds, one sentence each.
    /// `found_by_name`: the one bucket that was asked for by its name was seen, whatever else there is.
    pub(crate) fn bounds(&self, found_by_name: bool) -> Vec<String> {
        let mut bounds = Vec::new();
        bounds.extend(self.store().listing_gap().filter(|_| !found_by_name));
        let facts = self.gatherer.facts();
        if let Observed::Unknown(
            unread @ (Unread::AccessDenied { .. } | Unread::Passing(_) | Unread::Failed(_)),
        ) = &facts.account_block
        {
            bounds.push(format!(
                "the account's Block Public Access was not read: {unread}"
            ));
        }
        bounds
    }

    /// What a reader should know that takes nothing from the result.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let facts = self.gatherer.facts();
        let mut remarks = Vec::new();
        if facts.enforcement == Enforcement::CephRgw {
            remarks.push(
                "the store is Ceph: it keeps RestrictPublicBuckets and does not enforce it, and verdicts follow that"
                    .to_owned(),
            );
        }
        remarks
    }

    /// What the calls cost, in one line.
    pub(crate) fn cost(&self, swept: &Swept, seconds: f64) -> String {
        let spent = self.gatherer.pace().spent();
        let mut line = format!(
            "{} buckets judged, {} calls, {seconds:.1} s",
            swept.judged, spent.calls
        );
        if spent.repeated > 0 {
            line.push_str(&format!(
                "; {} calls repeated, the store asked {} times to slow down",
                spent.repeated, spent.throttled
            ));
        }
        if let Some(limit) = spent.limit {
            line.push_str(&format!("; at most {limit:.0} calls a second at the end"));
        }
        line
    }
}

fn pace(args: &StoreArgs) -> Arc<Pace> {
    let settings = PaceSettings {
        ceiling: args.calls_per_second.map(f64::from),
        ..PaceSettings::default()
    };
    Arc::new(Pace::new(settings, random()))
}

/// Why a sweep did not reach its end, for people.
pub(crate) fn ended(ended: &Ended) -> Failure {
    match ended {
        Ended::Stopped => Failure::incomplete("interrupted; what is known so far is shown"),
        Ended::Listing(error) => {
            let failure = Failure::incomplete(format!("the buckets cannot be listed: {error}"));
            match error {
                CallError::AccessDenied { .. } => failure.hint(
                    "grant what `portcullis deploy policy --reader` prints; a Ceph gateway refuses a wrong key or secret in the same words",
                ),
                _ => failure,
            }
        }
        Ended::Hopeless(hopeless) => failure(hopeless.clone()),
    }
}

/// A failure about the whole store, with what to do about it.
pub(crate) fn failure(hopeless: Hopeless) -> Failure {
    let message = hopeless.to_string();
    let failure = if hopeless.is_configuration() {
        Failure::usage(message)
    } else {
        Failure::incomplete(message)
    };
    failure.hint(hopeless.hint())
}

/// One line on standard error that is written over; nothing where that is no terminal.
pub(crate) struct Progress {
    shown: bool,
    last: std::time::Instant,
}

impl Progress {
    /// Nothing shown yet.
    pub(crate) fn new() -> Progress {
        Progress {
            shown: std::io::stderr().is_terminal(),
            last: std::time::Instant::now(),
        }
    }

    /// Shows how far it is, some times a second.
    pub(crate) fn show(&mut self, judged: usize, listed: usize, open: usize) {
        if !self.shown || self.last.elapsed() < Duration::from_millis(100) {
            return;
        }
        self.last = std::time::Instant::now();
        eprint!("\r\u{1b}[2K{judged} of {listed} buckets judged, {open} open");
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        if self.shown {
            eprint!("\r\u{1b}[2K");
        }
    }
}

/// Ready when the user presses Ctrl-C.
pub(crate) async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a signal handler the default one ends the process.
        std::future::pending::<()>().await;
    }
}

/// A number that nobody needs to guess: jitter and ids only have to differ.
pub(crate) fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}

/// A pattern for bucket names: `*` and `?`.
#[derive(Clone, Debug)]
pub(crate) struct Glob(policy::pattern::Pattern);

impl Glob {
    /// Whether a name fits.
    pub(crate) fn matches(&self, name: &str) -> bool {
        self.0.matches(name)
    }

    /// Whether it is one name and no pattern.
    pub(crate) fn is_one_name(&self) -> bool {
        self.0.is_exact()
    }

    /// What every name that fits begins with.
    pub(crate) fn prefix(&self) -> Option<String> {
        let text = self.0.text();
        let prefix = text.split(['*', '?']).next().unwrap_or_default();
        (!prefix.is_empty()).then(|| prefix.to_owned())
    }
}

impl std::str::FromStr for Glob {
    type Err = String;

    fn from_str(text: &str) -> Result<Glob, String> {
        if text.is_empty() || text.len() > 256 {
            return Err("a bucket's name or a pattern with * and ?".to_owned());
        }
        Ok(Glob(policy::pattern::Pattern::new(
            text,
            policy::pattern::Reading::Wildcards,
            false,
        )))
    }
}
