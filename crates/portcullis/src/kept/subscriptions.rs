//! `portcullis subscriptions`: who is told, whether they confirmed, and a test.

use clap::{Args, Subcommand};
use compliance::notice::{Notice, NoticeKind, Subscription};
use guard::outbox;
use guard::repository::Repository;
use guard::state::SubscriptionState;
use jiff::Timestamp;
use serde_json::json;
use store::Store;

use super::page::{columns, json, moment};
use super::{KeptArgs, ShapeArgs, failed, one_of};
use crate::config::load::Loaded;
use crate::config::settings;
use crate::exit::{ExitStatus, Failure};
use crate::live::block_on;
use crate::output::print;

/// Arguments of `portcullis subscriptions`.
#[derive(Debug, Args)]
pub(crate) struct SubscriptionsArgs {
    #[command(subcommand)]
    command: SubscriptionsCommand,
}

#[derive(Debug, Subcommand)]
enum SubscriptionsCommand {
    /// List the configured subscriptions and how they stand.
    List(ListArgs),
    /// Say that the receiver of a subscription has agreed: for addresses that no link reaches. Takes
    /// an unsubscription back, and switches on again what was switched off since its endpoint was gone.
    Confirm(OneArgs),
    /// Have a test notice sent by the running guard.
    Test(OneArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    kept: KeptArgs,
    #[command(flatten)]
    shape: ShapeArgs,
}

#[derive(Debug, Args)]
struct OneArgs {
    /// The subscription's id, or its beginning
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    kept: KeptArgs,
}

/// Runs the command.
pub(crate) fn run(args: &SubscriptionsArgs) -> Result<ExitStatus, Failure> {
    block_on(async {
        match &args.command {
            SubscriptionsCommand::List(args) => list(args).await,
            SubscriptionsCommand::Confirm(args) => confirm(args).await,
            SubscriptionsCommand::Test(args) => test(args).await,
        }
    })
}

async fn opened(kept: &KeptArgs) -> Result<(Vec<Subscription>, Store), Failure> {
    let loaded: Loaded = kept.loaded()?;
    let read = |reference: &_| loaded.secret(reference);
    let subscriptions = settings::subscriptions(&loaded.config, &read)
        .map_err(|problem| Failure::usage(problem.to_string()))?;
    Ok((subscriptions, kept.open().await?))
}

/// What the store knows of a subscription as it is configured now.
fn state_of(own: &Subscription, states: &[SubscriptionState]) -> SubscriptionState {
    let digest = own.endpoint.digest();
    let known = states
        .iter()
        .find(|state| state.id == own.id && state.endpoint_digest == digest);
    known
        .cloned()
        .unwrap_or_else(|| SubscriptionState::of(&own.id, &digest))
}

async fn list(args: &ListArgs) -> Result<ExitStatus, Failure> {
    let (subscriptions, store) = opened(&args.kept).await?;
    let states = store.subscriptions().await.map_err(failed)?;
    let standing = outbox::standing(&subscriptions, &states);
    let how = |own: &Subscription| {
        let state = state_of(own, &states);
        match standing.iter().find(|standing| standing.id == own.id) {
            Some(standing) if standing.confirmed => "active".to_owned(),
            Some(_) => match state.asked_at {
                Some(at) => format!("asked to confirm at {}", moment(at)),
                None => "not asked to confirm yet".to_owned(),
            },
            None => match (&state.disabled, state.unsubscribed_at) {
                (Some(why), _) => format!("switched off: {why}"),
                (None, Some(at)) => format!("unsubscribed at {}", moment(at)),
                (None, None) => "ended".to_owned(),
            },
        }
    };
    if args.shape.is_json() {
        let all: Vec<_> = subscriptions
            .iter()
            .map(|own| {
                let state = state_of(own, &states);
                let active = standing.iter().any(|one| one.id == own.id && one.confirmed);
                json!({
                    "id": own.id, "topic": own.topic, "protocol": own.protocol.as_str(),
                    "endpoint": own.endpoint.to_string(), "active": active, "state": how(own),
                    "asked_at": state.asked_at.map(|at| at.to_string()),
                    "confirmed_at": state.confirmed_at.map(|at| at.to_string()),
                    "unsubscribed_at": state.unsubscribed_at.map(|at| at.to_string()),
                    "disabled": state.disabled,
                })
            })
            .collect();
        json(json!({"subscriptions": all}))?;
        return Ok(ExitStatus::Closed);
    }
    if subscriptions.is_empty() {
        print("none\n")?;
        return Ok(ExitStatus::Closed);
    }
    let rows: Vec<Vec<String>> = subscriptions
        .iter()
        .map(|own| {
            vec![
                own.id.clone(),
                own.topic.clone(),
                own.protocol.as_str().to_owned(),
                own.endpoint.to_string(),
                how(own),
            ]
        })
        .collect();
    print(&columns(
        &["subscription", "topic", "protocol", "to", "state"],
        &rows,
    ))?;
    Ok(ExitStatus::Closed)
}

async fn confirm(args: &OneArgs) -> Result<ExitStatus, Failure> {
    let (subscriptions, store) = opened(&args.kept).await?;
    let own = one_of("subscription", &args.id, &subscriptions, |own| {
        own.id.as_str()
    })?;
    guard::subscribe::confirm(&store, own, Timestamp::now())
        .await
        .map_err(failed)?;
    print(&format!("{} is confirmed.\n", own.id))?;
    Ok(ExitStatus::Closed)
}

async fn test(args: &OneArgs) -> Result<ExitStatus, Failure> {
    let (subscriptions, store) = opened(&args.kept).await?;
    let own = one_of("subscription", &args.id, &subscriptions, |own| {
        own.id.as_str()
    })?;
    let states = store.subscriptions().await.map_err(failed)?;
    let standing = outbox::standing(&subscriptions, &states);
    let now = Timestamp::now();
    let notice = Notice {
        topics: vec![own.topic.clone()],
        only_to: Some(own.id.clone()),
        ..Notice::new(
            format!("test-{}-{}", own.id, now.as_microsecond()),
            NoticeKind::Test,
            now,
        )
    };
    let notices = [notice];
    let jobs = outbox::deliveries(&notices, &standing, now);
    if jobs.is_empty() {
        return Err(Failure::usage(format!(
            "nothing is sent to {}: it is not confirmed, or was ended",
            own.id
        ))
        .hint("`portcullis subscriptions list` says how it stands"));
    }
    store
        .update_findings(&[], &outbox::notices(&notices), &jobs, None, now)
        .await
        .map_err(failed)?;
    print("It is sent by the running guard; `portcullis events dead` tells if it could not be.\n")?;
    Ok(ExitStatus::Closed)
}
