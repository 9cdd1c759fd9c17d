//! A store: its owner's calls, signed, through the SDK; everybody else's, unsigned, as plain HTTP.

use std::net::IpAddr;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    self, AccessControlPolicy, BucketCannedAcl, ObjectCannedAcl, OwnershipControls,
    OwnershipControlsRule, PublicAccessBlockConfiguration, Type,
};
use aws_smithy_http_client::Builder;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::{Client as HttpClient, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use policy::bucket::{Grantee, ObjectOwnership, PublicAccessBlock};

use crate::configuration::Configuration;
use crate::decision::Outcome;
use crate::probe::{PRIVATE_OBJECTS, Probe, SHARED_OBJECT};

/// Which store it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Ceph's RADOS gateway, release 16.
    CephRgw,
    /// MiniStack 1.5.
    MiniStack,
}

/// A running store.
#[derive(Debug)]
pub struct Store {
    /// Which one.
    pub kind: Kind,
    endpoint: String,
    owner: aws_sdk_s3::Client,
    http: HttpClient<HttpConnector, Full<Bytes>>,
}

/// The step of an installation that the store refused, and its error code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotInstalled {
    /// Which step.
    pub step: Step,
    /// The store's error code, or what went wrong.
    pub code: String,
}

/// A step of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The bucket and its objects.
    Bucket,
    /// The ACL.
    Acl,
    /// The policy.
    Policy,
    /// Object Ownership.
    Ownership,
    /// Block Public Access.
    Block,
}

impl Store {
    /// A store at `endpoint`, whose owner has `credentials` (access key, colon, secret key).
    ///
    /// # Errors
    ///
    /// If the credentials have another form.
    pub fn new(kind: Kind, endpoint: &str, credentials: &str) -> Result<Store, String> {
        let (access_key, secret_key) = credentials
            .split_once(':')
            .ok_or("credentials are an access key, a colon and a secret key")?;
        let configuration = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(Builder::new().build_http())
            .endpoint_url(endpoint)
            .force_path_style(true)
            .region(Region::new("us-east-1"))
            .retry_config(RetryConfig::disabled())
            .credentials_provider(Credentials::new(
                access_key, secret_key, None, None, "tests",
            ))
            .build();
        Ok(Store {
            kind,
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            owner: aws_sdk_s3::Client::from_conf(configuration),
            http: HttpClient::builder(TokioExecutor::new()).build_http(),
        })
    }

    /// The address from which every request comes, where a client cannot say it.
    pub fn fixed_source(&self) -> Option<IpAddr> {
        match self.kind {
            Kind::CephRgw => None,
            Kind::MiniStack => Some(IpAddr::from([127, 0, 0, 1])),
        }
    }

    /// Makes a bucket with this configuration and with objects: the usual ones, and `more` of them.
    ///
    /// # Errors
    ///
    /// The step that the store refused.
    pub async fn install(
        &self,
        name: &str,
        configuration: &Configuration,
        more: &[String],
    ) -> Result<(), NotInstalled> {
        self.make_bucket(name, more)
            .await
            .map_err(at(Step::Bucket))?;
        if !configuration.grants.is_empty() {
            self.put_acl(name, configuration)
                .await
                .map_err(at(Step::Acl))?;
        }
        if let Some(policy) = configuration.policy_text(name) {
            self.owner
                .put_bucket_policy()
                .bucket(name)
                .policy(policy)
                .send()
                .await
                .map_err(code)
                .map_err(at(Step::Policy))?;
        }
        // The gateway takes `?ownershipControls` for the bucket itself: never sent there.
        if self.kind == Kind::MiniStack && configuration.ownership != ObjectOwnership::ObjectWriter
        {
            self.put_ownership(name, configuration.ownership)
                .await
                .map_err(at(Step::Ownership))?;
        }
        if configuration.block == PublicAccessBlock::default() {
            return Ok(());
        }
        self.put_block(name, configuration)
            .await
            .map_err(at(Step::Block))
    }

    async fn make_bucket(&self, name: &str, more: &[String]) -> Result<(), String> {
        let mut create = self.owner.create_bucket().bucket(name);
        if self.kind == Kind::MiniStack {
            // It has AWS's defaults for new buckets otherwise: no ACLs, everything blocked.
            create = create.object_ownership(types::ObjectOwnership::ObjectWriter);
        }
        create.send().await.map_err(code)?;
        if self.kind == Kind::MiniStack {
            let delete = self.owner.delete_public_access_block().bucket(name);
            delete.send().await.map_err(code)?;
        }
        let keys = PRIVATE_OBJECTS.iter().copied();
        for key in keys.chain(more.iter().map(String::as_str)) {
            self.put_object(name, key, ObjectCannedAcl::Private).await?;
        }
        self.put_object(name, SHARED_OBJECT, ObjectCannedAcl::PublicRead)
            .await
    }

    async fn put_object(&self, name: &str, key: &str, acl: ObjectCannedAcl) -> Result<(), String> {
        self.owner
            .put_object()
            .bucket(name)
            .key(key)
            .acl(acl)
            .body(ByteStream::from_static(b"content"))
            .send()
            .await
            .map(|_| ())
            .map_err(code)
    }

    async fn put_acl(&self, name: &str, configuration: &Configuration) -> Result<(), String> {
        let current = self.owner.get_bucket_acl().bucket(name).send().await;
        let current = current.map_err(code)?;
        let mut grants = current.grants.unwrap_or_default();
        for grant in &configuration.grants {
            let grantee = types::Grantee::builder();
            let grantee = match &grant.grantee {
                Grantee::Group(uri) => grantee.r#type(Type::Group).uri(uri),
                Grantee::CanonicalUser(id) => grantee.r#type(Type::CanonicalUser).id(id),
                Grantee::Email(address) => grantee
                    .r#type(Type::AmazonCustomerByEmail)
                    .email_address(address),
            };
            grants.push(
                types::Grant::builder()
                    .grantee(grantee.build().map_err(|error| error.to_string())?)
                    .permission(grant.permission.as_str().into())
                    .build(),
            );
        }
        let acl = AccessControlPolicy::builder()
            .set_owner(current.owner)
            .set_grants(Some(grants))
            .build();
        self.owner
            .put_bucket_acl()
            .bucket(name)
            .access_control_policy(acl)
            .send()
            .await
            .map(|_| ())
            .map_err(code)
    }

    async fn put_ownership(&self, name: &str, ownership: ObjectOwnership) -> Result<(), String> {
        let rule = OwnershipControlsRule::builder()
            .object_ownership(ownership.as_str().into())
            .build()
            .map_err(|error| error.to_string())?;
        let controls = OwnershipControls::builder()
            .rules(rule)
            .build()
            .map_err(|error| error.to_string())?;
        self.owner
            .put_bucket_ownership_controls()
            .bucket(name)
            .ownership_controls(controls)
            .send()
            .await
            .map(|_| ())
            .map_err(code)
    }

    async fn put_block(&self, name: &str, configuration: &Configuration) -> Result<(), String> {
        let block = configuration.block;
        let block = PublicAccessBlockConfiguration::builder()
            .block_public_acls(block.block_public_acls)
            .ignore_public_acls(block.ignore_public_acls)
            .block_public_policy(block.block_public_policy)
            .restrict_public_buckets(block.restrict_public_buckets)
            .build();
        self.owner
            .put_public_access_block()
            .bucket(name)
            .public_access_block_configuration(block)
            .send()
            .await
            .map(|_| ())
            .map_err(code)
    }

    /// Takes the bucket away as far as the store lets us: the next run has names of its own.
    pub async fn remove(&self, name: &str) {
        let _ = self.owner.delete_bucket_policy().bucket(name).send().await;
        let _ = self
            .owner
            .put_bucket_acl()
            .bucket(name)
            .acl(BucketCannedAcl::Private)
            .send()
            .await;
        let Ok(listed) = self.owner.list_objects_v2().bucket(name).send().await else {
            return;
        };
        for object in listed.contents() {
            if let Some(key) = object.key() {
                let _ = self
                    .owner
                    .delete_object()
                    .bucket(name)
                    .key(key)
                    .send()
                    .await;
            }
        }
        let _ = self.owner.delete_bucket().bucket(name).send().await;
    }

    /// Sends an unsigned request.
    ///
    /// # Errors
    ///
    /// If the answer is neither what an allowed nor what a refused caller gets.
    pub async fn ask(&self, name: &str, probe: &Probe) -> Result<Outcome, String> {
        let mut uri = format!("{}/{name}", self.endpoint);
        if let Some(key) = &probe.key {
            uri.push('/');
            uri.push_str(&percent_encoded(key, "/"));
        }
        for (at, (name, value)) in probe.query.iter().enumerate() {
            uri.push(if at == 0 { '?' } else { '&' });
            uri.push_str(name);
            uri.push('=');
            uri.push_str(&percent_encoded(value, ""));
        }
        let mut request = hyper::Request::builder()
            .method(probe.method)
            .uri(&uri)
            .header("User-Agent", &probe.client.user_agent);
        if self.fixed_source().is_none() {
            request = request.header("X-Forwarded-For", probe.client.source.to_string());
        }
        if let Some(referer) = &probe.client.referer {
            request = request.header("Referer", referer);
        }
        if probe.body.is_empty() && probe.method == "PUT" {
            // The gateway wants to be told.
            request = request.header("Content-Length", "0");
        }
        for (name, value) in &probe.headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(Bytes::from_static(probe.body.as_bytes())))
            .map_err(|error| error.to_string())?;
        let answer = self.http.request(request).await;
        let answer = answer.map_err(|error| format!("{uri}: {error}"))?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), 1 << 20).collect().await;
        let body = body.map_err(|error| format!("{uri}: {error}"))?.to_bytes();
        let body = String::from_utf8_lossy(&body);
        let error_code = body
            .split_once("<Code>")
            .and_then(|(_, rest)| rest.split_once("</Code>"))
            .map_or("", |(code, _)| code);
        read_answer(status, error_code).ok_or_else(|| format!("{status} {error_code}"))
    }
}

/// What an answer says about access. A store that answers that there is no such thing, that the
/// bucket is not empty or that its ACLs are off, has let the caller in.
fn read_answer(status: u16, error_code: &str) -> Option<Outcome> {
    match (status, error_code) {
        (200..=299, _)
        | (
            404,
            "NoSuchUpload"
            | "NoSuchCORSConfiguration"
            | "NoSuchLifecycleConfiguration"
            | "NoSuchTagSet"
            | "NoSuchBucketPolicy",
        )
        | (409, "BucketNotEmpty")
        | (400, "AccessControlListNotSupported") => Some(Outcome::Allowed),
        // AWS answers owner-only actions with 405.
        (403, "AccessDenied") | (405, "MethodNotAllowed") => Some(Outcome::Refused),
        _ => None,
    }
}

fn percent_encoded(text: &str, unreserved: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::new();
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "-._~".contains(c) || unreserved.contains(c) {
            encoded.push(c);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn at(step: Step) -> impl Fn(String) -> NotInstalled {
    move |code| NotInstalled { step, code }
}

fn code<E: ProvideErrorMetadata + std::error::Error + 'static, R: std::fmt::Debug>(
    error: SdkError<E, R>,
) -> String {
    match error.code() {
        Some(code) => code.to_owned(),
        None => format!("{error:?}"),
    }
}
