//! Credentials that somebody renews where they are kept, while calls are made with them.
//!
//! What was read counts for a while; a refusal by any service ends that at once ([`Watching`] sees the
//! answers), so that the next call reads again. A key and its secret in two files are not renewed in the
//! same moment: one that was read in between is refused, and read again. What cannot be read leaves in use
//! what was read before, and is said.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use guard::error::{CallError, Hopeless};
use guard::operation::Operation;
use http_body_util::{BodyExt, Limited};
use tokio::time::Instant;

use crate::dialect::LARGEST_ANSWER;
use crate::failure::{Answer, answer_meaning, credentials_failure};
use crate::store::locked;

/// How long an access key counts that was read from where it is kept.
pub(crate) const KEY_FRESH_FOR: Duration = Duration::from_secs(30);
/// How long a role's session counts that says no time of its own.
pub(crate) const SESSION_FRESH_FOR: Duration = Duration::from_secs(15 * 60);
/// A role is not assumed more often than this because its sessions are refused.
pub(crate) const SESSIONS_APART: Duration = Duration::from_secs(5);
/// So long before a session ends, another one is asked for.
const BEFORE_THE_END: Duration = Duration::from_secs(60);

/// An access key that is read where it is kept, whenever it is needed again. Reading may block.
pub struct KeptKey<F>(Arc<F>);

impl<F> KeptKey<F>
where
    F: Fn() -> Result<Credentials, String> + Send + Sync + 'static,
{
    /// The key that this reads. An error says why it cannot be read, and never what it is.
    pub fn new(read: F) -> KeptKey<F> {
        KeptKey(Arc::new(read))
    }
}

impl<F> fmt::Debug for KeptKey<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptKey")
    }
}

impl<F> ProvideCredentials for KeptKey<F>
where
    F: Fn() -> Result<Credentials, String> + Send + Sync + 'static,
{
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let read = Arc::clone(&self.0);
        future::ProvideCredentials::new(async move {
            let read = tokio::task::spawn_blocking(move || read()).await;
            read.unwrap_or_else(|error| Err(error.to_string()))
                .map_err(CredentialsError::provider_error)
        })
    }
}

/// Credentials that are asked for again when they have been in use for a while, or are refused.
#[derive(Clone)]
pub(crate) struct Renewed(Arc<Inner>);

struct Inner {
    source: SharedCredentialsProvider,
    fresh_for: Duration,
    /// The source is not asked more often than this because of refusals.
    apart: Duration,
    /// Held by the one who asks the source.
    kept: tokio::sync::Mutex<Option<Kept>>,
    /// The id of the key that was refused last, until the source was asked since.
    refused: Mutex<Option<String>>,
    /// Why the source did not answer the last time.
    trouble: Mutex<Option<String>>,
}

struct Kept {
    credentials: Credentials,
    fresh_until: Instant,
    /// When the source was asked last because they were refused.
    refused_at: Option<Instant>,
}

impl fmt::Debug for Renewed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renewed")
    }
}

impl Renewed {
    pub(crate) fn new(
        source: impl ProvideCredentials + 'static,
        fresh_for: Duration,
        apart: Duration,
    ) -> Renewed {
        Renewed(Arc::new(Inner {
            source: SharedCredentialsProvider::new(source),
            fresh_for,
            apart,
            kept: tokio::sync::Mutex::default(),
            refused: Mutex::default(),
            trouble: Mutex::default(),
        }))
    }

    /// Why they cannot be renewed, if that is so.
    pub(crate) fn trouble(&self) -> Option<String> {
        locked(&self.0.trouble).clone()
    }

    /// A service did not accept the key with this id.
    pub(crate) fn refused(&self, id: &str) {
        *locked(&self.0.refused) = Some(id.to_owned());
    }

    /// Whether somebody refused a key since the source was asked.
    pub(crate) fn is_refused(&self) -> bool {
        locked(&self.0.refused).is_some()
    }

    async fn current(&self) -> provider::Result {
        let mut kept = self.0.kept.lock().await;
        let now = Instant::now();
        let mut refused_at = None;
        if let Some(kept) = &*kept {
            refused_at = kept.refused_at;
            // A late refusal of the key before is none of this one.
            let refused = locked(&self.0.refused).as_deref()
                == Some(kept.credentials.access_key_id())
                && refused_at.is_none_or(|at| now >= at + self.0.apart);
            if refused {
                refused_at = Some(now);
            } else if now < kept.fresh_until {
                return Ok(kept.credentials.clone());
            }
        }
        let refusal = locked(&self.0.refused).clone();
        let asked = self.0.source.provide_credentials().await;
        {
            // What was refused meanwhile is refused still.
            let mut refused = locked(&self.0.refused);
            if *refused == refusal {
                *refused = None;
            }
        }
        match asked {
            Ok(credentials) => {
                self.told(None);
                *kept = Some(Kept {
                    fresh_until: now + self.fresh_for(&credentials),
                    refused_at,
                    credentials: credentials.clone(),
                });
                Ok(credentials)
            }
            Err(error) => {
                let ended = |end: SystemTime| end <= SystemTime::now();
                match &mut *kept {
                    Some(kept) if !kept.credentials.expiry().is_some_and(ended) => {
                        self.told(Some(credentials_failure(&error).to_string()));
                        kept.fresh_until = now + self.0.fresh_for.min(KEY_FRESH_FOR);
                        kept.refused_at = refused_at;
                        Ok(kept.credentials.clone())
                    }
                    _ => Err(error),
                }
            }
        }
    }

    /// How long they count: as long as is usual, or until shortly before they end.
    fn fresh_for(&self, credentials: &Credentials) -> Duration {
        let Some(end) = credentials.expiry() else {
            return self.0.fresh_for;
        };
        let left = end.duration_since(SystemTime::now()).unwrap_or_default();
        left.saturating_sub(BEFORE_THE_END.min(left / 4))
    }

    /// Says what is wrong with the source, or that it is over; once.
    fn told(&self, now: Option<String>) {
        let mut before = locked(&self.0.trouble);
        if *before == now {
            return;
        }
        match &now {
            Some(why) => tracing::error!(
                %why,
                "the credentials cannot be renewed; those from before stay in use"
            ),
            None => tracing::info!("the credentials can be renewed again"),
        }
        *before = now;
    }
}

impl ProvideCredentials for Renewed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.current())
    }
}

/// A role's sessions, by a key that is renewed itself.
#[derive(Debug)]
pub(crate) struct Sessions<A> {
    /// Assumes the role.
    pub(crate) assume: A,
    /// With this key.
    pub(crate) key: Renewed,
}

impl<A: ProvideCredentials> ProvideCredentials for Sessions<A> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            match self.assume.provide_credentials().await {
                // It was the key: there may be another by now.
                Err(_) if self.key.is_refused() => self.assume.provide_credentials().await,
                assumed => assumed,
            }
        })
    }
}

/// An HTTP client that tells credentials of the refusals that come back, whichever service they come from.
#[derive(Debug)]
pub(crate) struct Watching {
    inner: SharedHttpClient,
    credentials: Renewed,
}

impl Watching {
    pub(crate) fn over(inner: SharedHttpClient, credentials: Renewed) -> SharedHttpClient {
        SharedHttpClient::new(Watching { inner, credentials })
    }
}

impl HttpClient for Watching {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(WatchingConnector {
            inner: self.inner.http_connector(settings, components),
            credentials: self.credentials.clone(),
        })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.inner.connector_metadata()
    }
}

#[derive(Debug)]
struct WatchingConnector {
    inner: SharedHttpConnector,
    credentials: Renewed,
}

impl HttpConnector for WatchingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let id = request.headers().get("authorization").and_then(key_id);
        let answer = self.inner.call(request);
        let Some(id) = id else {
            return answer;
        };
        let credentials = self.credentials.clone();
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            if matches!(answer.status().as_u16(), 400 | 401 | 403) && refuses(&mut answer).await? {
                credentials.refused(&id);
            }
            Ok(answer)
        })
    }
}

/// The id of the key that signed: `AWS4-HMAC-SHA256 Credential=ID/20260102/…` (AWS Signature Version 4).
fn key_id(authorization: &str) -> Option<String> {
    let (_, credential) = authorization.split_once("Credential=")?;
    let (id, _) = credential.split_once('/')?;
    Some(id.to_owned())
}

/// Whether an answer says that the credentials will not do. Its body is as it was, but whole.
async fn refuses(answer: &mut HttpResponse) -> Result<bool, ConnectorError> {
    let whole = std::mem::replace(answer.body_mut(), SdkBody::taken());
    let read = Limited::new(whole, LARGEST_ANSWER).collect().await;
    let body = read.map_err(ConnectorError::io)?.to_bytes();
    let code = answer.headers().get("x-amzn-errortype");
    let said = Answer::read(answer.status().as_u16(), code, &body);
    *answer.body_mut() = SdkBody::from(body.to_vec());
    Ok(matches!(
        answer_meaning(Operation::GetCallerIdentity, "", said),
        CallError::Hopeless(Hopeless::ExpiredCredentials | Hopeless::WrongCredentials { .. })
    ))
}
