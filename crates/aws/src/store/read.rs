//! What is read of an account and its buckets.

use aws_sdk_s3::error::ProvideErrorMetadata;
use guard::error::CallError;
use guard::operation::Operation;
use guard::ports::{AccessPointEntry, BucketAddress, Page, ReadBuckets};
use policy::bucket::{Acl, Enforcement, ObjectOwnership, PublicAccessBlock};

use super::{Store, answered, understood};
use crate::admin_ops;
use crate::dialect::{Document, Expect, Found, look_at};
use crate::shape;

const NO_BLOCK: &[&str] = &["NoSuchPublicAccessBlockConfiguration"];
const NO_POLICY: &[&str] = &["NoSuchBucketPolicy"];
const NO_OBJECT: &[&str] = &["NoSuchKey"];
const NO_OWNERSHIP: &[&str] = &["OwnershipControlsNotFoundError"];

impl ReadBuckets for Store {
    async fn buckets(
        &self,
        prefix: Option<&str>,
        token: Option<String>,
    ) -> Result<Page<BucketAddress>, CallError> {
        if self.identity().enforcement == Enforcement::CephRgw && token.is_none() {
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
            .map_err(|error| self.meaning(Operation::ListBuckets, &error))?;
        let entries = answer
            .buckets
            .unwrap_or_default()
            .into_iter()
            .filter_map(|bucket| {
                Some(BucketAddress {
                    name: bucket.name?,
                    region: bucket.bucket_region.filter(|region| !region.is_empty()),
                    owner: None,
                    created: bucket.creation_date.as_ref().and_then(shape::timestamp),
                })
            })
            .collect();
        Ok(Page {
            entries,
            next: answer.continuation_token.filter(|token| !token.is_empty()),
        })
    }

    fn listing_gap(&self) -> Option<String> {
        let one_user_only = &self.one_user_only;
        one_user_only
            .load(std::sync::atomic::Ordering::Relaxed)
            .then(|| {
                "only this user's buckets were seen: the store is Ceph, and listing every user's \
                 needs credentials with the capability buckets=read"
                    .to_owned()
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
            Err(error) => Err(self.meaning(operation, &error)),
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
            .map_err(|error| self.meaning(operation, &error))?;
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
            Err(error) => Err(self.meaning(operation, &error)),
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
            .map_err(|error| self.meaning(operation, &error))?;
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

    async fn object_acl(
        &self,
        bucket: &BucketAddress,
        key: &str,
    ) -> Result<Option<Acl>, CallError> {
        let operation = Operation::GetObjectAcl;
        let answer = self
            .at(bucket, operation, NO_OBJECT, |client| {
                let request = client.get_object_acl().bucket(&bucket.name).key(key);
                send!(request, Document::Xml("AccessControlPolicy"))
            })
            .await?;
        match answer {
            Some(answer) => {
                understood(operation, shape::acl(answer.owner(), answer.grants())).map(Some)
            }
            None => Ok(None),
        }
    }
}
