//! The calls themselves. Each names its [`Operation`] and the document that it expects.
//!
//! `read` and `write` are the two ports; this file is what they share: clients for each region, and
//! buckets that turn out to be elsewhere.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, OnceLock, PoisonError};

use aws_config::{Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::http::{Headers, Response};
use guard::error::{CallError, Hopeless};
use guard::operation::Operation;
use guard::ports::BucketAddress;

use crate::admin_ops;
use crate::connect::{Identity, is_account};
use crate::dialect::{Document, Expect};
use crate::failure::meaning;
use crate::renewal::Renewed;

/// Sends a request and checks that the answer is the document that was asked for.
macro_rules! send {
    ($request:expr, $document:expr) => {
        $request.customize().interceptor(Expect($document)).send()
    };
}

/// Clients of so many regions are kept. AWS has some forty; an event can name others.
const MOST_REGIONS: usize = 100;
/// So many buckets are remembered to be elsewhere.
const MOST_MOVED: usize = 100_000;

mod files;
mod read;
mod record;
mod write;

pub use files::{DeliveryBucket, DeliveryEncryption, DeliveryOptions};

/// One account in AWS, or one user of an S3-compatible store.
pub struct Store {
    config: SdkConfig,
    endpoint: Option<String>,
    region: String,
    /// What is known before the first answer.
    assumed: Identity,
    /// What the store's own answers say.
    pub(crate) met: OnceLock<Identity>,
    /// The account's number, where it was not among them.
    pub(crate) told_later: OnceLock<String>,
    /// The account's number as the configuration has it.
    expected: Option<String>,
    clients: Mutex<HashMap<String, Client>>,
    control: Mutex<HashMap<String, aws_sdk_s3control::Client>>,
    /// Buckets that turned out to be in another region than was thought.
    moved: Mutex<HashMap<String, String>>,
    /// The credentials that are renewed while they are used.
    renewed: Vec<Renewed>,
    /// Whether the listing was of one Ceph user's buckets only.
    one_user_only: std::sync::atomic::AtomicBool,
}

impl Store {
    pub(crate) fn new(
        config: SdkConfig,
        endpoint: Option<String>,
        region: String,
        assumed: Identity,
    ) -> Store {
        Store {
            config,
            endpoint,
            region,
            assumed,
            met: OnceLock::new(),
            told_later: OnceLock::new(),
            expected: None,
            clients: Mutex::default(),
            control: Mutex::default(),
            moved: Mutex::default(),
            renewed: Vec::new(),
            one_user_only: std::sync::atomic::AtomicBool::new(false),
        }
    }

    pub(crate) fn with_renewed(mut self, renewed: impl IntoIterator<Item = Renewed>) -> Store {
        self.renewed.extend(renewed);
        self
    }

    /// Why the credentials that are in use cannot be renewed, if that is so. They may still do.
    pub fn renewal_trouble(&self) -> Option<String> {
        self.renewed.iter().find_map(Renewed::trouble)
    }

    /// What is known of the store: what it answered, or before [`Store::meet`] what its region and
    /// endpoint suggest.
    pub fn identity(&self) -> &Identity {
        self.met.get().unwrap_or(&self.assumed)
    }

    /// Of an account that somebody says to have this number. It counts until AWS tells whose the
    /// credentials are; whether that is the same is for the caller to see ([`Store::ask_account`]).
    #[must_use]
    pub fn expecting(mut self, account: &str) -> Store {
        self.expected = is_account(account).then(|| account.to_owned());
        self
    }

    /// The account's number, if the store has told it by now.
    pub fn told_account(&self) -> Option<&str> {
        let met = self.identity().account.as_ref();
        met.or_else(|| self.told_later.get()).map(String::as_str)
    }

    /// Whether the endpoint is not one of AWS's own.
    pub fn is_custom(&self) -> bool {
        self.endpoint.is_some()
    }

    /// The endpoint, if it is not one of AWS's own.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// The region of the configuration.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Of how many regions the clients are kept.
    pub fn regions_kept(&self) -> usize {
        locked(&self.clients).len()
    }

    /// The configuration of every call.
    pub(crate) fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// Where calls go, for messages.
    fn place(&self) -> &str {
        self.endpoint.as_deref().unwrap_or("AWS")
    }

    /// What a failed call means, and what stands in the way of better credentials.
    fn meaning<E>(&self, operation: Operation, error: &SdkError<E, Response>) -> CallError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match meaning(operation, self.place(), error) {
            CallError::Hopeless(Hopeless::WrongCredentials { detail }) => {
                let detail = match self.renewal_trouble() {
                    Some(why) => format!("{detail}; {why}"),
                    None => detail,
                };
                Hopeless::WrongCredentials { detail }.into()
            }
            means => means,
        }
    }

    /// The client of a region; at a custom endpoint there is one for all.
    pub(crate) fn client(&self, region: &str) -> Client {
        let region = if self.is_custom() || region.is_empty() {
            self.region.as_str()
        } else {
            region
        };
        let mut clients = locked(&self.clients);
        if let Some(client) = clients.get(region) {
            return client.clone();
        }
        let mut config =
            aws_sdk_s3::config::Builder::from(&self.config).region(Region::new(region.to_owned()));
        if let Some(endpoint) = &self.endpoint {
            // Such a store rarely has a DNS name for each bucket.
            config = config.endpoint_url(endpoint).force_path_style(true);
        }
        let client = Client::from_conf(config.build());
        if clients.len() < MOST_REGIONS {
            clients.insert(region.to_owned(), client.clone());
        }
        client
    }

    fn control(&self, region: &str) -> aws_sdk_s3control::Client {
        let region = if region.is_empty() {
            self.region.as_str()
        } else {
            region
        };
        let mut clients = locked(&self.control);
        if let Some(client) = clients.get(region) {
            return client.clone();
        }
        let config = aws_sdk_s3control::config::Builder::from(&self.config)
            .region(Region::new(region.to_owned()))
            .build();
        let client = aws_sdk_s3control::Client::from_conf(config);
        if clients.len() < MOST_REGIONS {
            clients.insert(region.to_owned(), client.clone());
        }
        client
    }

    /// The account whose credentials these are.
    pub(crate) async fn caller(&self) -> Result<Option<String>, CallError> {
        let mut config = aws_sdk_sts::config::Builder::from(&self.config);
        if let Some(endpoint) = &self.endpoint {
            config = config.endpoint_url(endpoint);
        }
        let client = aws_sdk_sts::Client::from_conf(config.build());
        let answer = client
            .get_caller_identity()
            .send()
            .await
            .map_err(|error| self.meaning(Operation::GetCallerIdentity, &error))?;
        Ok(answer.account.filter(|account| is_account(account)))
    }

    /// The headers of the answer to a listing: which store is this.
    pub(crate) async fn first_headers(&self) -> Result<Headers, CallError> {
        let captured = admin_ops::Captured::default();
        let request = self.client("").list_buckets();
        let answer = request
            .customize()
            .interceptor(Expect(Document::Xml("ListAllMyBucketsResult")))
            .interceptor(captured.clone())
            .send()
            .await;
        match answer {
            Ok(_) => {}
            Err(error) => match self.meaning(Operation::ListBuckets, &error) {
                // Who may not list may still look at single buckets; the headers tell enough.
                CallError::AccessDenied { .. } => {}
                error => return Err(error),
            },
        }
        Ok(captured.headers())
    }

    /// Makes a call at the bucket's region, and once more where the store says that it is.
    async fn at<O, E, F>(
        &self,
        bucket: &BucketAddress,
        operation: Operation,
        absent: &[&str],
        send: impl Fn(Client) -> F,
    ) -> Result<Option<O>, CallError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = Result<O, SdkError<E, Response>>>,
    {
        let moved = locked(&self.moved).get(&bucket.name).cloned();
        let region = moved.or_else(|| bucket.region.clone()).unwrap_or_default();
        let mut answer = send(self.client(&region)).await;
        if let Some(other) = self.elsewhere(&answer, &region) {
            self.remember(&bucket.name, &other);
            answer = send(self.client(&other)).await;
        }
        match answer {
            Ok(output) => Ok(Some(output)),
            Err(error) if error.code().is_some_and(|code| absent.contains(&code)) => Ok(None),
            Err(error) => Err(self.meaning(operation, &error)),
        }
    }

    /// Keeps where a bucket turned out to be.
    fn remember(&self, bucket: &str, region: &str) {
        let mut moved = locked(&self.moved);
        if moved.len() >= MOST_MOVED {
            moved.clear();
        }
        moved.insert(bucket.to_owned(), region.to_owned());
    }

    /// The region that a refusal names, if it is another one. S3 answers 301 or 400 with
    /// `x-amz-bucket-region`.
    fn elsewhere<O, E>(
        &self,
        answer: &Result<O, SdkError<E, Response>>,
        asked: &str,
    ) -> Option<String> {
        let response = answer.as_ref().err()?.raw_response()?;
        if self.is_custom() || !matches!(response.status().as_u16(), 301 | 307 | 400) {
            return None;
        }
        let told = response.headers().get("x-amz-bucket-region")?;
        (told != asked).then(|| told.to_owned())
    }

    fn account(&self, operation: Operation) -> Result<&str, CallError> {
        self.told_account()
            .or(self.expected.as_deref())
            .ok_or_else(|| CallError::Failed {
                operation,
                detail: "the account's number is not known".to_owned(),
            })
    }

    /// Account-level settings and access points have an endpoint of their own, which other stores do
    /// not have.
    fn only_aws(&self, operation: Operation) -> Result<(), CallError> {
        if self.is_custom() {
            return Err(CallError::Unsupported {
                operation,
                detail: "it is not AWS".to_owned(),
            });
        }
        Ok(())
    }
}

/// An answer that is there but cannot be understood.
fn understood<T>(operation: Operation, shaped: Result<T, String>) -> Result<T, CallError> {
    shaped.map_err(|detail| CallError::Failed { operation, detail })
}

/// `at` with nothing that counts as absent always has an answer.
fn answered<T>(operation: Operation, answer: Option<T>) -> Result<T, CallError> {
    answer.ok_or_else(|| CallError::Failed {
        operation,
        detail: "no answer".to_owned(),
    })
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // The guarded code only inserts into maps; it cannot leave one half-written.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
