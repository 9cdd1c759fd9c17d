//! Connects the accounts of the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws::{
    AssumedRole, ConnectOptions, Credentials, ServiceEndpoints, Services, Store, connect,
    connect_with_key,
};
use guard::account::{Account as Watched, AccountSettings, Reach};
use guard::error::Hopeless;
use guard::gather::AccountFacts;
use guard::pace::{Pace, PaceSettings};
use jiff::{SignedDuration, Timestamp};
use policy::observed::{Observed, Unread};

use super::two_roles::TwoRoles;
use crate::config::Account;
use crate::config::load::Loaded;
use crate::config::settings::text;
use crate::exit::Failure;
use crate::live::{failure, random};

/// How long the account's Block Public Access counts as known without an event about it.
const BLOCK_FRESH_FOR: SignedDuration = SignedDuration::from_secs(60);
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

/// Connects all accounts. One that cannot be reached is an error: whoever starts the guard sees it at
/// once, and not when nothing was told for a week.
pub(crate) async fn connect_all(loaded: &Loaded) -> Result<Connected, Failure> {
    let mut connected = Connected {
        accounts: BTreeMap::new(),
        services: BTreeMap::new(),
    };
    for account in &loaded.config.account {
        let named = |failure: Failure| Failure {
            message: format!("account {}: {}", account.label(), failure.message),
            ..failure
        };
        let (watched, services) = connect_one(loaded, account).await.map_err(named)?;
        connected.services.insert(account.id.clone(), services);
        connected.accounts.insert(account.id.clone(), watched);
    }
    Ok(connected)
}

/// Connects one account.
pub(crate) async fn connect_one(
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
    let reader = open(loaded, account, account.role_arn.as_deref(), &pace).await?;
    let writer = match &account.enforcement_role_arn {
        Some(role) => Some(open(loaded, account, Some(role), &pace).await?),
        None => None,
    };
    let digits = account.id.len() == 12 && account.id.bytes().all(|b| b.is_ascii_digit());
    let identity = reader.identity().clone();
    for store in [Some(&reader), writer.as_ref()].into_iter().flatten() {
        if let Some(is) = &store.identity().account
            && digits
            && !store.is_custom()
            && *is != account.id
        {
            return Err(Failure::usage(format!(
                "the credentials are of account {is}, and the configuration says {}",
                account.id
            ))
            .hint("use that account's profile or role, or correct the `id`"));
        }
    }
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
            facts: AccountFacts {
                partition: identity.partition,
                owner_account: identity
                    .account
                    .or_else(|| digits.then(|| account.id.clone())),
                account_block: Observed::Unknown(Unread::NotNeeded),
                enforcement: identity.enforcement,
                compatible_store: compatible,
                as_of: Timestamp::now(),
            },
            fresh_for: BLOCK_FRESH_FOR,
        },
        Arc::new(TwoRoles { reader, writer }),
        (!compatible).then(|| Arc::clone(&services)),
        pace,
    );
    Ok((watched, services))
}

async fn open(
    loaded: &Loaded,
    account: &Account,
    role: Option<&str>,
    pace: &Pace,
) -> Result<Store, Failure> {
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
        let key = Credentials::new(
            text(id, &read).map_err(unread)?,
            read(secret).map_err(unread)?,
            match &account.session_token {
                Some(token) => Some(read(token).map_err(unread)?),
                None => None,
            },
            None,
            SESSION,
        );
        let region = account.region.as_deref().unwrap_or("us-east-1");
        return connect_with_key(endpoint, region, key, role.as_ref(), pace)
            .await
            .map_err(failure);
    }
    let options = ConnectOptions {
        profile: account.profile.clone(),
        region: account.region.clone(),
        endpoint_url: account.endpoint_url.clone(),
        role,
    };
    connect(&options, pace).await.map_err(failure)
}
