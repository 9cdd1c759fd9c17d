//! `portcullis serve`: the guard, until it is told to stop.

pub(crate) mod accounts;
mod clock;
mod logging;
mod outgoing;
mod sources;
mod spending;
mod targets;
mod two_roles;
mod web;

use std::sync::Arc;

use aws::store::{DeliveryBucket, DeliveryEncryption, DeliveryOptions};
use clap::Args;
use guard::arrive::Watched;
use guard::clock::Clock as _;
use guard::intake::StoreSink;
use guard::run::run as run_guard;
use guard::subscribe::{ask_to_confirm, tell_new_ones};
use guard::watch::Guard;
use intake::accounts::Accounts;
use intake::metrics::Metrics;
use intake::sources::Sources;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::load::{ConfigFileArgs, Loaded, load};
use crate::config::rule::rules;
use crate::config::{self, Encryption, settings};
use crate::exit::{ExitStatus, Failure};
use crate::kept;
use crate::live::block_on;

use self::clock::SystemClock;

/// Arguments of `portcullis serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
SIGTERM and SIGINT stop it: what runs is finished within [work] stop-within, and what is not is taken up \
again at the next start. A second signal ends it at once.

An account that nobody answers for, or whose credentials are refused, does not keep it from watching the \
others: it says so in its log, in `portcullis status`, at /readyz and in its metrics, and takes the account \
up when it answers.

Exit codes: 2 the configuration is wrong, or credentials are missing or another account's; 3 the store \
cannot be reached, or the guard ended by itself; 0 it was stopped.")]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    config: ConfigFileArgs,
}

/// Runs the command.
pub(crate) fn run(args: &ServeArgs) -> Result<ExitStatus, Failure> {
    let loaded = load(&args.config.config)?;
    loaded.warn();
    logging::begin(&loaded.config.log)?;
    block_on(serve(&loaded))
}

async fn serve(loaded: &Loaded) -> Result<ExitStatus, Failure> {
    let config = &loaded.config;
    let mut signals = Signals::listen()?;
    let read = |reference: &_| loaded.secret(reference);
    // Everything that can be wrong is found before the first call.
    let rules = rules(config).map_err(|error| Failure::usage(error.to_string()))?;
    let settings = settings::settings(config, rules, loaded.exceptions.clone(), &read)
        .map_err(|problem| Failure::usage(problem.to_string()))?;
    let store = Arc::new(kept::open_configured(loaded).await?);
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"));
    let seen = Accounts::new(metrics.clone());
    let connected = accounts::connect_all(loaded, &seen).await?;
    let courier = Arc::new(outgoing::outgoing(loaded, &connected)?);

    let (stop, stopping) = watch::channel(false);
    let clock = Arc::new(SystemClock);
    let sources = Sources::new(metrics.clone());
    let sink = Arc::new(StoreSink::new(
        Arc::clone(&store),
        Arc::clone(&clock),
        Watched {
            accounts: config.account.iter().map(|own| own.id.clone()).collect(),
        },
    ));
    let mut loops = JoinSet::new();
    sources::start(config, &connected, &sources, &sink, &stopping, &mut loops)?;
    let web = web::Web {
        store: Arc::clone(&store),
        sink,
        sources,
        accounts: seen.clone(),
        metrics: metrics.clone(),
        subscriptions: settings.subscriptions.clone().into(),
        paces: spending::paces(&connected.accounts),
    };
    web.start(loaded, &stopping, &mut loops).await?;
    let asked = ask_to_confirm(&*store, &settings.subscriptions, None, clock.now()).await;
    for id in asked.map_err(kept::failed)? {
        tracing::info!(subscription = %id, "asked to confirm");
    }
    tell_new_ones(&*store, &settings.subscriptions, clock.now())
        .await
        .map_err(kept::failed)?;
    let files = config.delivery_channel.as_ref().and_then(|channel| {
        let account = settings::delivering_account(config, channel)?;
        let store = connected.accounts.get(&account.id)?.store();
        Some(Arc::new(DeliveryBucket::new(
            Arc::clone(store),
            delivery_options(channel),
        )))
    });
    let guard = Arc::new(Guard {
        repository: Arc::clone(&store),
        accounts: connected.accounts,
        clock,
        settings,
        meter: Arc::new(metrics),
    });
    accounts::keep_asking(&guard, &seen, &stopping, &mut loops);
    let worker = format!("{}-{}", machine(), std::process::id());
    let run_settings = settings::run_settings(config, worker);
    let mut guarding =
        tokio::spawn(
            async move { run_guard(guard, courier, files, &run_settings, stopping).await },
        );
    tracing::info!(
        accounts = config.account.len(),
        sources = config.source.len(),
        enforcement = config.enforcement.scope.iter().any(|scope| scope.enabled),
        version = env!("CARGO_PKG_VERSION"),
        "watching"
    );

    tokio::select! {
        name = signals.next() => tracing::info!(signal = name, "stopping"),
        ended = &mut guarding => return Err(ended_by_itself(ended)),
    }
    // Whoever listens to it ends; nobody listening is as good.
    let _ = stop.send(true);
    let within = config.work.stop_within.unsigned();
    let finished = async {
        let ended = guarding.await;
        while loops.join_next().await.is_some() {}
        store.close().await;
        ended
    };
    tokio::select! {
        ended = finished => match ended {
            Ok(Ok(())) => tracing::info!("stopped"),
            ended => return Err(ended_by_itself(ended)),
        },
        () = tokio::time::sleep(within) => tracing::warn!(
            within_seconds = within.as_secs(),
            "work was still running; it is taken up again when its lease ends"
        ),
        name = signals.next() => tracing::warn!(signal = name, "ended at once"),
    }
    Ok(ExitStatus::Closed)
}

/// How files are put into the delivery channel's bucket.
fn delivery_options(channel: &config::DeliveryChannel) -> DeliveryOptions {
    DeliveryOptions {
        region: channel.region.clone(),
        expected_owner: channel.expected_bucket_owner.clone(),
        encryption: match (channel.encryption, &channel.kms_key_id) {
            (Some(Encryption::Aes256), _) => Some(DeliveryEncryption::S3),
            (Some(Encryption::Kms), Some(key)) => Some(DeliveryEncryption::Kms(key.clone())),
            // `aws:kms` without a key is refused when the file is read.
            (Some(Encryption::Kms), None) | (None, _) => None,
        },
        create: channel.create_bucket,
    }
}

fn ended_by_itself(
    ended: Result<Result<(), guard::repository::RepositoryError>, tokio::task::JoinError>,
) -> Failure {
    match ended {
        Ok(Ok(())) => Failure::incomplete("the guard ended by itself; a bug"),
        Ok(Err(error)) => Failure::incomplete(error.to_string()),
        Err(error) => Failure::incomplete(format!("the guard ended: {error}; a bug")),
    }
}

/// This machine's name, which tells workers apart.
fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "worker".to_owned(),
        name => name.to_owned(),
    }
}

/// The signals that stop the program.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Signals, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::incomplete(format!("no signals: {error}")))
        };
        Ok(Signals {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
