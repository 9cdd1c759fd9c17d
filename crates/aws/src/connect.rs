//! Finds credentials, region and endpoint as every AWS tool does, and learns which store answers.

use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_s3::config::{RequestChecksumCalculation, StalledStreamProtectionConfig};
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use guard::error::{CallError, Hopeless};
use guard::operation::Operation;
use guard::pace::Pace;
use policy::bucket::Enforcement;

use crate::dialect;
use crate::renewal::{
    KEY_FRESH_FOR, Renewed, SESSION_FRESH_FOR, SESSIONS_APART, Sessions, Watching,
};
use crate::store::Store;

/// How long STS is waited for when it is asked whose the credentials are. Another store need not know, and
/// AWS's can be silent where S3 is not.
const STS_PATIENCE: Duration = Duration::from_secs(5);

/// What the user said about where to look.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// The profile of the shared configuration files.
    pub profile: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The endpoint of an S3-compatible store.
    pub endpoint_url: Option<String>,
    /// A role that is assumed with the credentials that are found.
    pub role: Option<AssumedRole>,
}

/// A role to work as.
#[derive(Clone, Debug)]
pub struct AssumedRole {
    /// Its ARN.
    pub arn: String,
    /// What its trust policy asks for beside who we are.
    pub external_id: Option<String>,
    /// The name of the session, which CloudTrail records.
    pub session: String,
}

/// What is known of the store behind an endpoint.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// The account's twelve digits, if the store tells them.
    pub account: Option<String>,
    /// How it enforces.
    pub enforcement: Enforcement,
}

/// Connects: loads the configuration and makes the first calls, whose failures are about the whole
/// endpoint and not about one bucket.
pub async fn connect(options: &ConnectOptions, pace: &Pace) -> Result<Store, Hopeless> {
    let store = prepare(options).await?;
    store.meet(pace).await?;
    Ok(store)
}

/// Loads the configuration, and calls nobody: a store that is not met yet. What is wrong with the
/// configuration is found here.
pub async fn prepare(options: &ConnectOptions) -> Result<Store, Hopeless> {
    let config = configured(options).await?;
    Ok(Store::unmet(config, custom_endpoint(options)))
}

/// Connects with a configuration at hand. `endpoint`: where S3 is, if it is not AWS's.
pub async fn connect_with(
    config: SdkConfig,
    endpoint: Option<String>,
    pace: &Pace,
) -> Result<Store, Hopeless> {
    let store = Store::unmet(config, endpoint);
    store.meet(pace).await?;
    Ok(store)
}

/// A failure of the first calls is about the whole endpoint.
fn met<T>(place: &str, met: Result<T, CallError>) -> Result<T, Hopeless> {
    met.map_err(|error| match error {
        CallError::Hopeless(hopeless) => hopeless,
        error @ (CallError::Throttled { .. } | CallError::Passing { .. }) => {
            Hopeless::Unreachable {
                endpoint: place.to_owned(),
                detail: error.to_string(),
            }
        }
        error => Hopeless::NotS3 {
            endpoint: place.to_owned(),
            detail: error.to_string(),
        },
    })
}

/// Connects to an S3-compatible store with an access key given here, or as a role that is assumed with
/// it, at the same endpoint. Nothing is read from the environment or from configuration files, so that
/// no other account can be meant. The key is asked for again every half minute, and as soon as it is
/// refused: [`KeptKey`](crate::KeptKey) is one that somebody renews.
pub async fn connect_with_key(
    endpoint_url: &str,
    region: &str,
    key: impl ProvideCredentials + 'static,
    role: Option<&AssumedRole>,
    pace: &Pace,
) -> Result<Store, Hopeless> {
    let store = prepare_with_key(endpoint_url, region, key, role).await?;
    store.meet(pace).await?;
    Ok(store)
}

/// What [`connect_with_key`] connects to, not met yet.
pub async fn prepare_with_key(
    endpoint_url: &str,
    region: &str,
    key: impl ProvideCredentials + 'static,
    role: Option<&AssumedRole>,
) -> Result<Store, Hopeless> {
    check_url(endpoint_url)?;
    check_region(region)?;
    let key = Renewed::new(key, KEY_FRESH_FOR, Duration::ZERO);
    let http = http_client();
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .time_source(SystemTimeSource::new())
        .http_client(Watching::over(http.clone(), key.clone()))
        .credentials_provider(SharedCredentialsProvider::new(key.clone()))
        // They know for themselves how long they count.
        .identity_cache(IdentityCache::no_cache())
        .region(Region::new(region.to_owned()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .build();
    let endpoint = Some(endpoint_url.to_owned());
    let Some(role) = role else {
        return Ok(Store::unmet(config, endpoint).with_renewed([key]));
    };
    let sessions = Sessions {
        assume: assuming(&config, role, Some(endpoint_url)).await,
        key: key.clone(),
    };
    let sessions = Renewed::new(sessions, SESSION_FRESH_FOR, SESSIONS_APART);
    let config = config
        .into_builder()
        .http_client(Watching::over(http, sessions.clone()))
        .credentials_provider(SharedCredentialsProvider::new(sessions.clone()))
        .build();
    Ok(Store::unmet(config, endpoint).with_renewed([key, sessions]))
}

/// `--endpoint-url`, or the variables that name one for S3 alone or for every service. The SDK reads
/// the variables itself; whether there is one decides the dialect.
fn custom_endpoint(options: &ConnectOptions) -> Option<String> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    options
        .endpoint_url
        .clone()
        .or_else(|| variable("AWS_ENDPOINT_URL_S3"))
        .or_else(|| variable("AWS_ENDPOINT_URL"))
}

pub(crate) async fn load(options: &ConnectOptions) -> Result<SdkConfig, Hopeless> {
    let config = configured(options).await?;
    credentials(&config).await?;
    Ok(config)
}

/// Whether there are credentials.
async fn credentials(config: &SdkConfig) -> Result<(), Hopeless> {
    match config.credentials_provider() {
        Some(provider) => provider
            .provide_credentials()
            .await
            .map(drop)
            .map_err(|error| crate::failure::credentials_failure(&error)),
        None => Ok(()),
    }
}

async fn configured(options: &ConnectOptions) -> Result<SdkConfig, Hopeless> {
    if let Some(url) = custom_endpoint(options) {
        check_url(&url)?;
    }
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client())
        // Repetition, pace and time limits are the caller's, for all calls together.
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &options.region {
        check_region(region)?;
        loader = loader.region(Region::new(region.clone()));
    }
    let mut config = loader.load().await;
    if config.region().is_none() {
        // Listing buckets and the account's block work from any region of the partition; a store
        // that is not AWS's mostly ignores the region.
        config = config
            .into_builder()
            .region(Region::from_static("us-east-1"))
            .build();
    }
    if let Some(role) = &options.role {
        config = assume(config, role, custom_endpoint(options).as_deref()).await;
    }
    Ok(config)
}

/// Works as a role from here on. A store of its own (`endpoint`) has STS where it has S3.
async fn assume(config: SdkConfig, role: &AssumedRole, endpoint: Option<&str>) -> SdkConfig {
    let provider = SharedCredentialsProvider::new(assuming(&config, role, endpoint).await);
    config.into_builder().credentials_provider(provider).build()
}

/// Assumes a role with the credentials of a configuration.
async fn assuming(
    config: &SdkConfig,
    role: &AssumedRole,
    endpoint: Option<&str>,
) -> AssumeRoleProvider {
    let mut asked = config.clone().into_builder();
    if let Some(url) = endpoint {
        asked = asked.endpoint_url(url);
    }
    let mut provider = AssumeRoleProvider::builder(&role.arn)
        .session_name(&role.session)
        .configure(&asked.build());
    if let Some(external_id) = &role.external_id {
        provider = provider.external_id(external_id);
    }
    provider.build().await
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .build()
}

/// One connection pool for all regions and services; HTTP/1.1 or 2 as the server likes. Where a name
/// has addresses of both families and the first does not answer, the connector tries the other after
/// 300 ms (RFC 8305; `hyper-util`'s `happy_eyeballs_timeout`).
fn http_client() -> SharedHttpClient {
    Builder::new().tls_provider(tls_provider()).build_https()
}

fn tls_provider() -> tls::Provider {
    tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)
}

pub(crate) fn check_url(url: &str) -> Result<(), Hopeless> {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let wrong = match host {
        None => "an endpoint begins with http:// or https://",
        Some("") => "it names no host",
        Some(host) if host.contains('@') => "an endpoint does not hold credentials",
        Some(_) => return Ok(()),
    };
    // What might be a secret is not shown again.
    let shown = if url.contains('@') { "(hidden)" } else { url };
    Err(Hopeless::Configuration {
        detail: format!("the endpoint {shown} cannot be used: {wrong}"),
    })
}

fn check_region(region: &str) -> Result<(), Hopeless> {
    let fits = !region.is_empty()
        && region.len() <= 64
        && region
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits {
        return Ok(());
    }
    Err(Hopeless::Configuration {
        detail: format!("`{region}` is not the name of a region"),
    })
}

/// The partition of a region (AWS general reference, "Amazon Resource Names").
pub(crate) fn partition_of(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

impl Store {
    fn unmet(config: SdkConfig, endpoint: Option<String>) -> Store {
        let region = config
            .region()
            .map(|region| region.as_ref().to_owned())
            .unwrap_or_default();
        let assumed = Identity {
            partition: partition_of(&region).to_owned(),
            account: None,
            enforcement: Enforcement::Aws,
        };
        Store::new(config, endpoint, region, assumed)
    }

    /// The first calls: are there credentials, who are we, and which store is this. A failure is about
    /// the whole endpoint; it can be tried again. Once met, a store is known for good.
    pub async fn meet(&self, pace: &Pace) -> Result<&Identity, Hopeless> {
        credentials(self.config()).await?;
        let place = self.endpoint().unwrap_or("AWS");
        let identity = met(place, self.ask_who(pace).await)?;
        Ok(self.met.get_or_init(|| identity))
    }

    async fn ask_who(&self, pace: &Pace) -> Result<Identity, CallError> {
        let mut identity = self.identity().clone();
        if self.is_custom() {
            let headers = pace
                .call(Operation::ListBuckets, || self.first_headers())
                .await?;
            identity.enforcement = dialect::enforcement(|name| headers.get(name));
            if identity.enforcement == Enforcement::Aws {
                // Emulators of AWS have STS at the same endpoint; another store answers anything.
                let caller = tokio::time::timeout(STS_PATIENCE, self.caller()).await;
                identity.account = caller.ok().and_then(Result::ok).flatten();
            }
        } else {
            identity.account = match self.told_by_sts(pace).await {
                Ok(account) => account,
                Err(error @ CallError::Hopeless(_)) => return Err(error),
                // Out of reach where S3 is not? Whose the account is can be asked later.
                Err(error) if error.is_passing() => {
                    pace.call(Operation::ListBuckets, || self.first_headers())
                        .await?;
                    None
                }
                // It does not tell. What needs the account's number says so.
                Err(_) => None,
            };
        }
        Ok(identity)
    }

    async fn told_by_sts(&self, pace: &Pace) -> Result<Option<String>, CallError> {
        let operation = Operation::GetCallerIdentity;
        let asked = pace.call(operation, || self.caller());
        let told = tokio::time::timeout(STS_PATIENCE, asked).await;
        told.unwrap_or_else(|_| {
            Err(CallError::Passing {
                operation,
                detail: format!("no answer within {} s", STS_PATIENCE.as_secs()),
            })
        })
    }

    /// Asks AWS whose the credentials are, if it has not told when it was met. `None`: it does not tell.
    pub async fn ask_account(&self, pace: &Pace) -> Result<Option<String>, CallError> {
        if let Some(known) = self.told_account() {
            return Ok(Some(known.to_owned()));
        }
        if self.is_custom() {
            return Ok(None);
        }
        let told = self.told_by_sts(pace).await?;
        Ok(told.map(|account| self.told_later.get_or_init(|| account).clone()))
    }
}

/// Whether the text is an account's number.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

    use aws_credential_types::Credentials;
    use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpSocket, TcpStream};

    use super::*;

    /// A name with an address of each family, as its resolver gives them.
    #[derive(Clone, Debug)]
    struct BothFamilies;

    impl ResolveDns for BothFamilies {
        fn resolve_dns<'a>(&'a self, _name: &'a str) -> DnsFuture<'a> {
            DnsFuture::ready(Ok(vec![
                Ipv6Addr::LOCALHOST.into(),
                Ipv4Addr::LOCALHOST.into(),
            ]))
        }
    }

    /// Answers every request with an empty listing.
    async fn serve(listener: TcpListener) {
        while let Ok((mut stream, _)) = listener.accept().await {
            let body = "<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>";
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    }

    #[tokio::test]
    async fn an_address_that_never_answers_does_not_keep_the_other_from_it() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(serve(listener));
        // The same port of the other family takes one connection that nobody accepts, and leaves
        // every further one without an answer.
        let dead = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
        let socket = TcpSocket::new_v6().unwrap();
        socket.bind(dead).unwrap();
        let _full = socket.listen(0).unwrap();
        let _first = TcpStream::connect(dead).await.unwrap();

        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(
                Builder::new()
                    .tls_provider(tls_provider())
                    .build_with_resolver(BothFamilies),
            )
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "AKIDEXAMPLE",
                "not-a-secret",
                None,
                None,
                "tests",
            )))
            .region(Region::from_static("eu-central-1"))
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts())
            .endpoint_url(format!("http://both.test:{port}"))
            .build();
        let client = aws_sdk_s3::Client::new(&config);
        tokio::select! {
            biased;
            connected = TcpStream::connect(dead) => unreachable!("it answers: {connected:?}"),
            listed = client.list_buckets().send() => assert!(listed.is_ok(), "{listed:?}"),
        }
    }

    #[test]
    fn an_endpoint_must_be_a_url_without_credentials() {
        assert!(check_url("http://127.0.0.1:9000").is_ok());
        assert!(check_url("https://s3.example.org/base").is_ok());
        for wrong in [
            "localhost:9000",
            "https://",
            "ftp://host",
            "http://key:secret@host",
        ] {
            let error = check_url(wrong)
                .err()
                .map(|e| e.to_string())
                .unwrap_or_default();
            assert!(error.contains("cannot be used"), "{wrong}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn partitions() {
        assert_eq!(partition_of("eu-central-1"), "aws");
        assert_eq!(partition_of("cn-north-1"), "aws-cn");
        assert_eq!(partition_of("us-gov-west-1"), "aws-us-gov");
    }
}
