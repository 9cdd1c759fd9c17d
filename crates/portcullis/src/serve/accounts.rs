//! Connects the accounts of the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws::{
    AssumedRole, ConnectOptions, Credentials, KeptKey, ServiceEndpoints, Services, Store, prepare,
    prepare_with_key,
};
use futures::future::join_all;
use guard::account::{Account as Watched, AccountSettings, Reach};
use guard::error::Hopeless;
use guard::gather::AccountFacts;
use guard::pace::{Pace, PaceSettings};
use guard::repository::Repository;
use guard::watch::Guard;
use intake::accounts::Accounts;
use jiff::{SignedDuration, Timestamp};
use policy::observed::{Observed, Unread};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::clock::SystemClock;
use super::two_roles::TwoRoles;
use crate::config::Account;
use crate::config::load::{Loaded, secret_under};
use crate::config::settings::text;
use crate::exit::Failure;
use crate::live::{failure, random};

/// How long the account's Block Public Access counts as known without an event about it.
const BLOCK_FRESH_FOR: SignedDuration = SignedDuration::from_secs(60);
/// How long all accounts together are waited for when the guard begins.
const FIRST_MEETING: Duration = Duration::from_secs(10);
/// When an account that was not reached is asked again, first; each time twice as late.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// And never later than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// What CloudTrail records of us.
const SESSION: &str = "portcullis";

/// The sides of an account over the AWS SDK.
#[derive(Debug)]
pub(crate) enum OverSdk {}

impl Reach for OverSdk {
    type Store = TwoRoles;
    type Services = Services;
}

/// The accounts as the guard watches them, and their services, by id.
pub(crate) struct Connected {
    /// For the guard.
    pub(crate) accounts: BTreeMap<String, Watched<OverSdk>>,
    /// For sources and targets.
    pub(crate) services: BTreeMap<String, Arc<Services>>,
}

impl Connected {
    /// The services of an account; at another endpoint than AWS's if one is named, for every service
    /// that is used by it.
    pub(crate) fn services_of(
        &self,
        account: &str,
        endpoint: Option<&str>,
    ) -> Result<Arc<Services>, Hopeless> {
        let of = self
            .accounts
            .get(account)
            .ok_or_else(|| Hopeless::Configuration {
                detail: format!("there is no account {account:?}"),
            })?;
        match endpoint {
            None => self
                .services
                .get(account)
                .cloned()
                .ok_or_else(|| Hopeless::Configuration {
                    detail: format!("account {account:?} has no services"),
                }),
            Some(url) => {
                let url = Some(url.to_owned());
                let endpoints = ServiceEndpoints {
                    sqs: url.clone(),
                    sns: url.clone(),
                    events: url.clone(),
                    lambda: url,
                    ..ServiceEndpoints::default()
                };
                of.store().reader.services(endpoints).map(Arc::new)
            }
        }
    }
}

/// Takes up all accounts. What is wrong with the configuration is an error, here and now: credentials
/// that are not there, or are another account's. An account that nobody answers for is not: the others
/// are watched, and it is tried again ([`keep_asking`]).
pub(crate) async fn connect_all(loaded: &Loaded, seen: &Accounts) -> Result<Connected, Failure> {
    let mut connected = Connected {
        accounts: BTreeMap::new(),
        services: BTreeMap::new(),
    };
    for account in &loaded.config.account {
        let prepared = prepare_one(loaded, account).await;
        let (watched, services) = prepared.map_err(|failure| named(account, failure))?;
        connected.services.insert(account.id.clone(), services);
        connected.accounts.insert(account.id.clone(), watched);
    }
    let meetings = connected.accounts.values().map(|watched| async move {
        let met = tokio::time::timeout(FIRST_MEETING, meet(watched)).await;
        let silent = |_| {
            Err(Hopeless::Unreachable {
                endpoint: watched.endpoint.clone().unwrap_or("AWS".to_owned()),
                detail: format!("no answer within {} s", FIRST_MEETING.as_secs()),
            })
        };
        (watched, met.unwrap_or_else(silent))
    });
    for (watched, met) in join_all(meetings).await {
        match met {
            Ok(facts) => {
                watched.reached(facts);
                seen.reached(&watched.id);
                if !is_told(watched) {
                    tracing::warn!(
                        account = %watched.id,
                        "AWS STS does not tell whose the credentials are; the configuration is believed until it does"
                    );
                }
            }
            Err(hopeless @ (Hopeless::Configuration { .. } | Hopeless::NoCredentials { .. })) => {
                let mut accounts = loaded.config.account.iter();
                let failure = failure(hopeless);
                return Err(match accounts.find(|own| own.id == watched.id) {
                    Some(account) => named(account, failure),
                    None => failure,
                });
            }
            Err(hopeless) => {
                tracing::error!(
                    account = %watched.id,
                    why = %hopeless,
                    hint = hopeless.hint(),
                    "the account is not reached, and not watched until it is"
                );
                seen.lost(&watched.id, hopeless.to_string(), Timestamp::now());
                watched.lost(hopeless);
            }
        }
    }
    Ok(connected)
}

fn named(account: &Account, failure: Failure) -> Failure {
    Failure {
        message: format!("account {}: {}", account.label(), failure.message),
        ..failure
    }
}

/// Asks for the accounts that are not reached, each with longer and longer pauses, and takes one up when
/// it answers; and whose the credentials are where nobody has told yet.
pub(crate) fn keep_asking<P: Repository>(
    guard: &Arc<Guard<P, OverSdk, SystemClock>>,
    seen: &Accounts,
    stop: &watch::Receiver<bool>,
    loops: &mut JoinSet<()>,
) {
    let unreached = seen.unreached();
    for (id, account) in &guard.accounts {
        let is_lost = unreached.contains_key(id);
        if !is_lost && is_told(account) {
            continue;
        }
        let (guard, seen, mut stop) = (Arc::clone(guard), seen.clone(), stop.clone());
        let id = id.clone();
        loops.spawn(async move {
            let Some(account) = guard.accounts.get(&id) else {
                return;
            };
            let asking = async {
                if is_lost {
                    until_taken_up(&guard, account, &seen).await;
                }
                if !is_told(account) {
                    until_told(account, &seen).await;
                }
            };
            tokio::select! {
                () = asking => {}
                // Whoever told the others to stop is gone: so is the program.
                _ = stop.wait_for(|stop| *stop) => {}
            }
        });
    }
}

/// Up to a quarter more, so that those that were lost together are not asked together.
fn about(pause: Duration) -> Duration {
    pause + pause.mul_f64(f64::from(random() as u8) / 1024.0)
}

/// Asks whose the credentials are. Another account's are not watched any more: what was seen by them is not
/// what the configuration is about.
async fn until_told(account: &Watched<OverSdk>, seen: &Accounts) {
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::time::sleep(about(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        match ask_whose(account).await {
            Ok(true) => {
                tracing::info!(account = %account.id, "the credentials are this account's");
                return;
            }
            Ok(false) => tracing::debug!(account = %account.id, "AWS STS does not tell"),
            Err(hopeless) => {
                tracing::error!(
                    account = %account.id,
                    why = %hopeless,
                    hint = hopeless.hint(),
                    "the account is another one, and not watched until this is corrected and the guard started again"
                );
                seen.lost(&account.id, hopeless.to_string(), Timestamp::now());
                account.lost(hopeless);
                return;
            }
        }
    }
}

/// Whether everybody has told by now whose the credentials are. An error: another account's.
async fn ask_whose(account: &Watched<OverSdk>) -> Result<bool, Hopeless> {
    let mut told = true;
    for store in stores(account) {
        match store.ask_account(account.pace()).await {
            Ok(Some(is)) => compare(account, store, &is)?,
            // It does not tell, or not now.
            Ok(None) | Err(_) => told = false,
        }
    }
    Ok(told)
}

async fn until_taken_up<P: Repository>(
    guard: &Guard<P, OverSdk, SystemClock>,
    account: &Watched<OverSdk>,
    seen: &Accounts,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::time::sleep(about(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        match meet(account).await {
            Ok(facts) => {
                let taken_up = guard.take_up(account, facts).await;
                let lost_since = seen.reached(&account.id);
                tracing::info!(account = %account.id, ?lost_since, "the account is reached, and watched from now on");
                if let Err(error) = taken_up {
                    // Its sweep waits in the store already, only not for this moment.
                    tracing::warn!(account = %account.id, %error, "its sweep comes later");
                }
                return;
            }
            Err(hopeless) => {
                tracing::warn!(account = %account.id, why = %hopeless, again_in_seconds = pause.as_secs(), "the account is still not reached");
                seen.lost(&account.id, hopeless.to_string(), Timestamp::now());
                account.lost(hopeless);
            }
        }
    }
}

/// Connects one account, now or not at all.
pub(crate) async fn connect_one(
    loaded: &Loaded,
    account: &Account,
) -> Result<Watched<OverSdk>, Failure> {
    let (watched, _) = prepare_one(loaded, account).await?;
    watched.reached(meet(&watched).await.map_err(failure)?);
    Ok(watched)
}

/// An account that nobody was asked about yet.
async fn prepare_one(
    loaded: &Loaded,
    account: &Account,
) -> Result<(Watched<OverSdk>, Arc<Services>), Failure> {
    let settings = PaceSettings {
        attempts: account.call_attempts,
        timeout: account.call_timeout.unsigned(),
        ceiling: account
            .calls_per_second(&loaded.config.recorder)
            .map(f64::from),
        ..PaceSettings::default()
    };
    let pace = Arc::new(Pace::new(settings, random()));
    let reader = open(loaded, account, account.role_arn.as_deref()).await?;
    let reader = reader.expecting(&account.id);
    let writer = match &account.enforcement_role_arn {
        Some(role) => Some(
            open(loaded, account, Some(role))
                .await?
                .expecting(&account.id),
        ),
        None => None,
    };
    let services = reader
        .services(ServiceEndpoints::default())
        .map(Arc::new)
        .map_err(failure)?;
    let compatible = reader.is_custom();
    let watched = Watched::new(
        AccountSettings {
            id: account.id.clone(),
            label: account.label().to_owned(),
            default_region: reader.region().to_owned(),
            endpoint: reader.endpoint().map(str::to_owned),
            volume_regions: account.volume_regions.clone(),
            facts: facts(&account.id, &reader),
            fresh_for: BLOCK_FRESH_FOR,
        },
        Arc::new(TwoRoles { reader, writer }),
        (!compatible).then(|| Arc::clone(&services)),
        pace,
    );
    Ok((watched, services))
}

/// What holds for every bucket of the account, as far as the store has told.
fn facts(id: &str, reader: &Store) -> AccountFacts {
    let identity = reader.identity().clone();
    AccountFacts {
        partition: identity.partition,
        owner_account: identity
            .account
            .or_else(|| is_number(id).then(|| id.to_owned())),
        account_block: Observed::Unknown(Unread::NotNeeded),
        enforcement: identity.enforcement,
        compatible_store: reader.is_custom(),
        as_of: Timestamp::now(),
    }
}

fn is_number(id: &str) -> bool {
    id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit())
}

/// Makes the first calls to an account, with each of its roles.
async fn meet(account: &Watched<OverSdk>) -> Result<AccountFacts, Hopeless> {
    for store in stores(account) {
        let identity = store.meet(account.pace()).await?;
        if let Some(is) = &identity.account {
            compare(account, store, is)?;
        }
    }
    Ok(facts(&account.id, &account.store().reader))
}

/// With each of its roles.
fn stores(account: &Watched<OverSdk>) -> impl Iterator<Item = &Store> {
    let TwoRoles { reader, writer } = &**account.store();
    [Some(reader), writer.as_ref()].into_iter().flatten()
}

/// Whether it is known whose the credentials are, as far as AWS tells.
fn is_told(account: &Watched<OverSdk>) -> bool {
    stores(account).all(|store| store.is_custom() || store.told_account().is_some())
}

/// The credentials are of the account that the configuration says.
fn compare(account: &Watched<OverSdk>, store: &Store, is: &str) -> Result<(), Hopeless> {
    if store.is_custom() || !is_number(&account.id) || is == account.id {
        return Ok(());
    }
    Err(Hopeless::Configuration {
        detail: format!(
            "the credentials are of account {is}, and the configuration says {}: use that account's \
             profile or role, or correct the `id`",
            account.id
        ),
    })
}

async fn open(loaded: &Loaded, account: &Account, role: Option<&str>) -> Result<Store, Failure> {
    let read = |reference: &_| loaded.secret(reference);
    let unread = Failure::usage;
    let external_id = match &account.external_id {
        Some(id) => Some(text(id, &read).map_err(unread)?),
        None => None,
    };
    let role = role.map(|arn| AssumedRole {
        arn: arn.to_owned(),
        external_id,
        session: SESSION.to_owned(),
    });
    if let (Some(endpoint), Some(id), Some(secret)) = (
        &account.endpoint_url,
        &account.access_key_id,
        &account.secret_access_key,
    ) {
        let key = {
            let folder = loaded.folder().to_owned();
            let (id, secret, token) = (id.clone(), secret.clone(), account.session_token.clone());
            move || {
                let read = |reference: &_| secret_under(&folder, reference);
                let token = token.as_ref().map(read).transpose()?;
                let (id, secret) = (text(&id, &read)?, read(&secret)?);
                Ok(Credentials::new(id, secret, token, None, SESSION))
            }
        };
        // Later it is read again, and what cannot be read then leaves the key before in use.
        key().map_err(unread)?;
        let region = account.region.as_deref().unwrap_or("us-east-1");
        let prepared = prepare_with_key(endpoint, region, KeptKey::new(key), role.as_ref()).await;
        return prepared.map_err(failure);
    }
    let options = ConnectOptions {
        profile: account.profile.clone(),
        region: account.region.clone(),
        endpoint_url: account.endpoint_url.clone(),
        role,
    };
    prepare(&options).await.map_err(failure)
}
