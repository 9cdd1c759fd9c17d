//! The calls themselves. Each names its [`Operation`] and the document that it expects.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use aws_config::{Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::http::{Headers, Response};
use guard::error::CallError;
use guard::operation::Operation;
use guard::ports::{AccessPointEntry, BucketAddress, Page, ReadBuckets, WriteBuckets};
use policy::bucket::{Acl, Enforcement, ObjectOwnership, PublicAccessBlock};

use crate::admin_ops;
use crate::connect::{Identity, is_account};
use crate::dialect::{Document, Expect, Found, look_at};
use crate::failure::meaning;
use crate::shape;

/// One account in AWS, or one user of an S3-compatible store.
pub struct Store {
    config: SdkConfig,
    endpoint: Option<String>,
    region: String,
    pub(crate) identity: Identity,
    clients: Mutex<HashMap<String, Client>>,
    control: Mutex<HashMap<String, aws_sdk_s3control::Client>>,
    /// Buckets that turned out to be in another region than was thought.
    moved: Mutex<HashMap<String, String>>,
    /// Whether the listing was of one Ceph user's buckets only.
    one_user_only: std::sync::atomic::AtomicBool,
}

/// Sends a request and checks that the answer is the document that was asked for.
macro_rules! send {
    ($request:expr, $document:expr) => {
        $request.customize().interceptor(Expect($document)).send()
    };
}

impl Store {
    pub(crate) fn new(
        config: SdkConfig,
        endpoint: Option<String>,
        region: String,
        identity: Identity,
    ) -> Store {
        Store {
            config,
            endpoint,
            region,
            identity,
            clients: Mutex::default(),
            control: Mutex::default(),
            moved: Mutex::default(),
            one_user_only: std::sync::atomic::AtomicBool::new(false),
        }
    }

    /// What is known of the store.
    pub fn identity(&self) -> &Identity {
        &self.identity
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

    /// Whether a listing showed only the buckets of one of the store's users, since these
    /// credentials may not ask for the others (Ceph).
    pub fn saw_one_user_only(&self) -> bool {
        self.one_user_only
            .load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Where calls go, for messages.
    fn place(&self) -> &str {
        self.endpoint.as_deref().unwrap_or("AWS")
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
        clients.insert(region.to_owned(), client.clone());
        client
    }

    fn control(&self, region: &str) -> aws_sdk_s3control::Client {
        let region = if region.is_empty() {
            self.region.as_str()
        } else {
            region
        };
        locked(&self.control)
            .entry(region.to_owned())
            .or_insert_with(|| {
                let config = aws_sdk_s3control::config::Builder::from(&self.config)
                    .region(Region::new(region.to_owned()))
                    .build();
                aws_sdk_s3control::Client::from_conf(config)
            })
            .clone()
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
            .map_err(|error| meaning(Operation::GetCallerIdentity, self.place(), &error))?;
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
            Err(error) => match meaning(Operation::ListBuckets, self.place(), &error) {
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
            locked(&self.moved).insert(bucket.name.clone(), other.clone());
            answer = send(self.client(&other)).await;
        }
        match answer {
            Ok(output) => Ok(Some(output)),
            Err(error) if error.code().is_some_and(|code| absent.contains(&code)) => Ok(None),
            Err(error) => Err(meaning(operation, self.place(), &error)),
        }
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
        self.identity
            .account
            .as_deref()
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

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // The guarded code only inserts into maps; it cannot leave one half-written.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const NO_BLOCK: &[&str] = &["NoSuchPublicAccessBlockConfiguration"];
const NO_POLICY: &[&str] = &["NoSuchBucketPolicy"];
const NO_OWNERSHIP: &[&str] = &["OwnershipControlsNotFoundError"];

impl ReadBuckets for Store {
    async fn buckets(
        &self,
        prefix: Option<&str>,
        token: Option<String>,
    ) -> Result<Page<BucketAddress>, CallError> {
        if self.identity.enforcement == Enforcement::CephRgw && token.is_none() {
            match admin_ops::buckets(&self.client("")).await {
                Ok(entries) => {
                    return Ok(Page {
                        entries,
                        next: None,
                    });
                }
                Err(admin_ops::NotAdmin) => self
                    .one_user_only
                    .store(true, std::sync::atomic::Ordering::Relaxed),
            }
        }
        let mut request = self.client("").list_buckets().set_continuation_token(token);
        if !self.is_custom() {
            // Only a paged listing tells regions. Other stores get no page size: some cut the
            // listing there and give no token to go on with.
            request = request
                .max_buckets(1000)
                .set_prefix(prefix.map(str::to_owned));
        }
        let answer = send!(request, Document::Xml("ListAllMyBucketsResult"))
            .await
            .map_err(|error| meaning(Operation::ListBuckets, self.place(), &error))?;
        let entries = answer
            .buckets
            .unwrap_or_default()
            .into_iter()
            .filter_map(|bucket| {
                Some(BucketAddress {
                    name: bucket.name?,
                    region: bucket.bucket_region.filter(|region| !region.is_empty()),
                    owner: None,
                })
            })
            .collect();
        Ok(Page {
            entries,
            next: answer.continuation_token.filter(|token| !token.is_empty()),
        })
    }

    async fn location(&self, bucket: &BucketAddress) -> Result<Option<String>, CallError> {
        let answer = self
            .at(bucket, Operation::GetBucketLocation, &[], |client| {
                let request = client.get_bucket_location().bucket(&bucket.name);
                send!(request, Document::Xml("LocationConstraint"))
            })
            .await?;
        let region = answer.and_then(|answer| answer.location_constraint);
        // Buckets of the first region have no constraint, and the first of Europe have an old name.
        Ok(Some(match region.as_ref().map(|region| region.as_str()) {
            None | Some("") => "us-east-1".to_owned(),
            Some("EU") => "eu-west-1".to_owned(),
            Some(region) => region.to_owned(),
        }))
    }

    async fn account_block(&self) -> Result<Option<PublicAccessBlock>, CallError> {
        let operation = Operation::GetAccountPublicAccessBlock;
        self.only_aws(operation)?;
        let answer = self
            .control("")
            .get_public_access_block()
            .account_id(self.account(operation)?)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(answer
                .public_access_block_configuration
                .as_ref()
                .map(shape::control_block)),
            Err(error) if error.code().is_some_and(|code| NO_BLOCK.contains(&code)) => Ok(None),
            Err(error) => Err(meaning(operation, self.place(), &error)),
        }
    }

    async fn block(&self, bucket: &BucketAddress) -> Result<Option<PublicAccessBlock>, CallError> {
        let operation = Operation::GetBucketPublicAccessBlock;
        let captured = admin_ops::Captured::default();
        let answer = self
            .at(bucket, operation, NO_BLOCK, |client| {
                let request = client.get_public_access_block().bucket(&bucket.name);
                request
                    .customize()
                    .interceptor(Expect(Document::Xml("PublicAccessBlockConfiguration")))
                    .interceptor(captured.clone())
                    .send()
            })
            .await;
        let block = match answer {
            Ok(answer) => answer
                .and_then(|answer| answer.public_access_block_configuration)
                .as_ref()
                .map(shape::block),
            // Ceph names the root of the very document otherwise, which the SDK does not read.
            Err(error @ CallError::Unsupported { .. }) => {
                let body = captured.body();
                if look_at(&body) != Found::Xml(shape::CEPH_BLOCK.to_owned()) {
                    return Err(error);
                }
                let text = String::from_utf8_lossy(&body);
                Some(understood(operation, shape::ceph_block(&text))?)
            }
            Err(error) => return Err(error),
        };
        // Ceph answers a block that was never set with four times off.
        Ok(block.filter(|block| !self.is_custom() || *block != PublicAccessBlock::default()))
    }

    async fn policy(&self, bucket: &BucketAddress) -> Result<Option<String>, CallError> {
        let answer = self
            .at(bucket, Operation::GetBucketPolicy, NO_POLICY, |client| {
                let request = client.get_bucket_policy().bucket(&bucket.name);
                send!(request, Document::Json)
            })
            .await?;
        Ok(answer
            .and_then(|answer| answer.policy)
            .filter(|text| !text.trim().is_empty()))
    }

    async fn acl(&self, bucket: &BucketAddress) -> Result<Acl, CallError> {
        let operation = Operation::GetBucketAcl;
        let answer = self
            .at(bucket, operation, &[], |client| {
                let request = client.get_bucket_acl().bucket(&bucket.name);
                send!(request, Document::Xml("AccessControlPolicy"))
            })
            .await?;
        let answer = answered(operation, answer)?;
        understood(operation, shape::acl(answer.owner(), answer.grants()))
    }

    async fn ownership(
        &self,
        bucket: &BucketAddress,
    ) -> Result<Option<ObjectOwnership>, CallError> {
        let operation = Operation::GetBucketOwnershipControls;
        let answer = self
            .at(bucket, operation, NO_OWNERSHIP, |client| {
                let request = client.get_bucket_ownership_controls().bucket(&bucket.name);
                send!(request, Document::Xml("OwnershipControls"))
            })
            .await?;
        match answer.and_then(|answer| answer.ownership_controls) {
            Some(controls) => understood(operation, shape::ownership(&controls)).map(Some),
            None => Ok(None),
        }
    }

    async fn policy_status(&self, bucket: &BucketAddress) -> Result<Option<bool>, CallError> {
        let answer = self
            .at(
                bucket,
                Operation::GetBucketPolicyStatus,
                NO_POLICY,
                |client| {
                    let request = client.get_bucket_policy_status().bucket(&bucket.name);
                    send!(request, Document::Xml("PolicyStatus"))
                },
            )
            .await?;
        Ok(answer
            .and_then(|answer| answer.policy_status)
            .and_then(|status| status.is_public))
    }

    async fn access_points(
        &self,
        region: &str,
        token: Option<String>,
    ) -> Result<Page<AccessPointEntry>, CallError> {
        let operation = Operation::ListAccessPoints;
        self.only_aws(operation)?;
        let answer = self
            .control(region)
            .list_access_points()
            .account_id(self.account(operation)?)
            .max_results(1000)
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| meaning(operation, self.place(), &error))?;
        let entries = answer
            .access_point_list
            .unwrap_or_default()
            .into_iter()
            .map(|point| AccessPointEntry {
                arn: point.access_point_arn.unwrap_or_default(),
                bucket: point.bucket,
                vpc_origin: point.network_origin.as_str() == "VPC",
                name: point.name,
            })
            .collect();
        Ok(Page {
            entries,
            next: answer.next_token.filter(|token| !token.is_empty()),
        })
    }

    async fn access_point_policy(
        &self,
        region: &str,
        point: &AccessPointEntry,
    ) -> Result<Option<String>, CallError> {
        let operation = Operation::GetAccessPointPolicy;
        self.only_aws(operation)?;
        let answer = self
            .control(region)
            .get_access_point_policy()
            .account_id(self.account(operation)?)
            .name(&point.name)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(answer.policy.filter(|text| !text.trim().is_empty())),
            Err(error) if error.code() == Some("NoSuchAccessPointPolicy") => Ok(None),
            Err(error) => Err(meaning(operation, self.place(), &error)),
        }
    }

    async fn access_point_block(
        &self,
        region: &str,
        point: &AccessPointEntry,
    ) -> Result<Option<PublicAccessBlock>, CallError> {
        let operation = Operation::GetAccessPoint;
        self.only_aws(operation)?;
        let answer = self
            .control(region)
            .get_access_point()
            .account_id(self.account(operation)?)
            .name(&point.name)
            .send()
            .await
            .map_err(|error| meaning(operation, self.place(), &error))?;
        Ok(answer
            .public_access_block_configuration
            .as_ref()
            .map(shape::control_block))
    }

    async fn sample_keys(
        &self,
        bucket: &BucketAddress,
        limit: u16,
    ) -> Result<Vec<String>, CallError> {
        let operation = Operation::ListObjects;
        let answer = self
            .at(bucket, operation, &[], |client| {
                let request = client
                    .list_objects_v2()
                    .bucket(&bucket.name)
                    .max_keys(i32::from(limit));
                send!(request, Document::Xml("ListBucketResult"))
            })
            .await?;
        Ok(answered(operation, answer)?
            .contents
            .unwrap_or_default()
            .into_iter()
            .filter_map(|object| object.key)
            .take(usize::from(limit))
            .collect())
    }

    async fn object_acl(&self, bucket: &BucketAddress, key: &str) -> Result<Acl, CallError> {
        let operation = Operation::GetObjectAcl;
        let answer = self
            .at(bucket, operation, &[], |client| {
                let request = client.get_object_acl().bucket(&bucket.name).key(key);
                send!(request, Document::Xml("AccessControlPolicy"))
            })
            .await?;
        let answer = answered(operation, answer)?;
        understood(operation, shape::acl(answer.owner(), answer.grants()))
    }
}

impl WriteBuckets for Store {
    async fn put_acl(&self, bucket: &BucketAddress, acl: &Acl) -> Result<(), CallError> {
        let operation = Operation::PutBucketAcl;
        let document = understood(operation, shape::acl_document(acl))?;
        self.at(bucket, operation, &[], |client| {
            let request = client
                .put_bucket_acl()
                .bucket(&bucket.name)
                .access_control_policy(document.clone());
            send!(request, Document::Empty)
        })
        .await
        .map(|_| ())
    }

    async fn put_block(
        &self,
        bucket: &BucketAddress,
        block: &PublicAccessBlock,
    ) -> Result<(), CallError> {
        self.at(
            bucket,
            Operation::PutBucketPublicAccessBlock,
            &[],
            |client| {
                let request = client
                    .put_public_access_block()
                    .bucket(&bucket.name)
                    .public_access_block_configuration(shape::block_document(block));
                send!(request, Document::Empty)
            },
        )
        .await
        .map(|_| ())
    }

    async fn delete_block(&self, bucket: &BucketAddress) -> Result<(), CallError> {
        // Not asked of other stores at all: an unknown sub-resource may fall through to the bucket.
        // There, a block with four times off is the same.
        if self.is_custom() {
            return self.put_block(bucket, &PublicAccessBlock::default()).await;
        }
        self.at(
            bucket,
            Operation::DeleteBucketPublicAccessBlock,
            &[],
            |client| {
                let request = client.delete_public_access_block().bucket(&bucket.name);
                send!(request, Document::Empty)
            },
        )
        .await
        .map(|_| ())
    }

    async fn put_policy(&self, bucket: &BucketAddress, text: &str) -> Result<(), CallError> {
        self.at(bucket, Operation::PutBucketPolicy, &[], |client| {
            let request = client.put_bucket_policy().bucket(&bucket.name).policy(text);
            send!(request, Document::Empty)
        })
        .await
        .map(|_| ())
    }

    async fn delete_policy(&self, bucket: &BucketAddress) -> Result<(), CallError> {
        self.at(bucket, Operation::DeleteBucketPolicy, &[], |client| {
            let request = client.delete_bucket_policy().bucket(&bucket.name);
            send!(request, Document::Empty)
        })
        .await
        .map(|_| ())
    }
}
