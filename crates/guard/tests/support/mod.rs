//! A store in memory behind both ports, which counts and can fail.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "shared by several tests, each of which uses a part"
)]

pub mod files;
pub mod power;
pub mod repository;
pub mod services;
pub mod watching;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use guard::error::CallError;
use guard::gather::{AccountFacts, Gatherer};
use guard::operation::Operation;
use guard::pace::{Pace, PaceSettings};
use guard::ports::record::{
    BucketPart, CredentialReport, RecordAccount, RecordBuckets, ReportProgress, VirtualMfaDevice,
    Volume,
};
use guard::ports::{AccessPointEntry, BucketAddress, Page, ReadBuckets, WriteBuckets};
use jiff::Timestamp;
use policy::bucket::{
    ALL_USERS, Acl, Enforcement, Grant, Grantee, ObjectOwnership, Permission, PublicAccessBlock,
};
use policy::observed::Observed;
use serde_json::Value;
use tokio::sync::Barrier;

/// One bucket's state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub block: Option<PublicAccessBlock>,
    pub policy: Option<String>,
    pub acl: Acl,
    pub ownership: Option<ObjectOwnership>,
    /// Objects by their keys, with their ACLs.
    pub objects: BTreeMap<String, Acl>,
}

/// Changes a bucket after a call.
pub type Meddler = Box<dyn FnMut(Operation, &mut State) + Send>;

/// The store.
#[derive(Default)]
pub struct Memory {
    pub buckets: Mutex<BTreeMap<String, State>>,
    pub points: Mutex<Vec<(AccessPointEntry, String)>>,
    /// Each call, in order.
    pub calls: Mutex<Vec<(Operation, String)>>,
    /// Answers to give instead, by operation and bucket (`*`: every bucket).
    pub failures: Mutex<HashMap<(Operation, String), VecDeque<CallError>>>,
    pub page: usize,
    /// Writes are answered with success and not done.
    pub lies: Mutex<bool>,
    /// What fails at some call, if something does.
    pub power: Mutex<Option<Arc<power::Power>>>,
    /// Somebody else, who may change a bucket after each call about it.
    pub meddler: Mutex<Option<Meddler>>,
    /// The further parts of buckets.
    pub parts: Mutex<BTreeMap<(String, BucketPart), Value>>,
    /// The account's own block.
    pub account_block: Mutex<Option<PublicAccessBlock>>,
    /// If set, what has access is answered only when so many have asked for it.
    pub together: Option<Barrier>,
}

impl Memory {
    pub fn with(buckets: impl IntoIterator<Item = (&'static str, State)>) -> Memory {
        Memory {
            buckets: Mutex::new(
                buckets
                    .into_iter()
                    .map(|(name, state)| (name.to_owned(), state))
                    .collect(),
            ),
            page: 1000,
            ..Memory::default()
        }
    }

    pub fn fail(&self, operation: Operation, bucket: &str, with: Vec<CallError>) {
        self.failures
            .lock()
            .unwrap()
            .insert((operation, bucket.to_owned()), with.into());
    }

    pub fn state(&self, bucket: &str) -> State {
        self.buckets.lock().unwrap()[bucket].clone()
    }

    pub fn change(&self, bucket: &str, change: impl FnOnce(&mut State)) {
        change(self.buckets.lock().unwrap().get_mut(bucket).unwrap());
    }

    /// The calls for a bucket, in order.
    pub fn asked(&self, bucket: &str) -> Vec<Operation> {
        let calls = self.calls.lock().unwrap();
        calls
            .iter()
            .filter(|(_, name)| name == bucket)
            .map(|(operation, _)| *operation)
            .collect()
    }

    pub fn writes(&self) -> usize {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|(o, _)| o.writes()).count()
    }

    fn call(&self, operation: Operation, bucket: &str) -> Result<(), CallError> {
        self.calls
            .lock()
            .unwrap()
            .push((operation, bucket.to_owned()));
        let mut failures = self.failures.lock().unwrap();
        for name in [bucket, "*"] {
            if let Some(queue) = failures.get_mut(&(operation, name.to_owned()))
                && let Some(error) = queue.pop_front()
            {
                return Err(error);
            }
        }
        Ok(())
    }

    async fn meet(&self) {
        if let Some(barrier) = &self.together {
            barrier.wait().await;
        }
    }

    fn get<T>(
        &self,
        operation: Operation,
        at: &BucketAddress,
        part: impl FnOnce(&State) -> T,
    ) -> Result<T, CallError> {
        self.call(operation, &at.name)?;
        let mut buckets = self.buckets.lock().unwrap();
        let state = buckets.get_mut(&at.name).ok_or(CallError::NoSuchBucket)?;
        let answer = part(state);
        self.meddle(operation, state);
        Ok(answer)
    }

    fn put(
        &self,
        operation: Operation,
        at: &BucketAddress,
        change: impl FnOnce(&mut State),
    ) -> Result<(), CallError> {
        self.call(operation, &at.name)?;
        if *self.lies.lock().unwrap() {
            return Ok(());
        }
        let mut buckets = self.buckets.lock().unwrap();
        let state = buckets.get_mut(&at.name).ok_or(CallError::NoSuchBucket)?;
        change(state);
        self.meddle(operation, state);
        Ok(())
    }

    fn meddle(&self, operation: Operation, state: &mut State) {
        if let Some(meddler) = &mut *self.meddler.lock().unwrap() {
            meddler(operation, state);
        }
    }
}

impl Memory {
    async fn written(
        &self,
        operation: Operation,
        at: &BucketAddress,
        change: impl FnOnce(&mut State),
    ) -> Result<(), CallError> {
        let power = self.power.lock().unwrap().clone();
        match power {
            Some(power) => power.call(|| self.put(operation, at, change)).await,
            None => self.put(operation, at, change),
        }
    }
}

impl ReadBuckets for Memory {
    async fn buckets(
        &self,
        prefix: Option<&str>,
        token: Option<String>,
    ) -> Result<Page<BucketAddress>, CallError> {
        self.call(Operation::ListBuckets, "")?;
        let buckets = self.buckets.lock().unwrap();
        let names: Vec<_> = buckets
            .keys()
            .filter(|name| prefix.is_none_or(|prefix| name.starts_with(prefix)))
            .filter(|name| token.as_ref().is_none_or(|token| *name > token))
            .collect();
        let entries: Vec<_> = names
            .iter()
            .take(self.page)
            .map(|name| address(name))
            .collect();
        Ok(Page {
            next: (names.len() > self.page).then(|| entries.last().unwrap().name.clone()),
            entries,
        })
    }

    async fn location(&self, at: &BucketAddress) -> Result<Option<String>, CallError> {
        self.get(Operation::GetBucketLocation, at, |_| {
            Some("eu-west-1".to_owned())
        })
    }

    async fn account_block(&self) -> Result<Option<PublicAccessBlock>, CallError> {
        self.call(Operation::GetAccountPublicAccessBlock, "")?;
        tokio::task::yield_now().await;
        Ok(*self.account_block.lock().unwrap())
    }

    async fn block(&self, at: &BucketAddress) -> Result<Option<PublicAccessBlock>, CallError> {
        self.meet().await;
        self.get(Operation::GetBucketPublicAccessBlock, at, |s| s.block)
    }

    async fn policy(&self, at: &BucketAddress) -> Result<Option<String>, CallError> {
        self.meet().await;
        self.get(Operation::GetBucketPolicy, at, |s| s.policy.clone())
    }

    async fn acl(&self, at: &BucketAddress) -> Result<Acl, CallError> {
        self.meet().await;
        self.get(Operation::GetBucketAcl, at, |s| s.acl.clone())
    }

    async fn ownership(&self, at: &BucketAddress) -> Result<Option<ObjectOwnership>, CallError> {
        self.meet().await;
        self.get(Operation::GetBucketOwnershipControls, at, |s| s.ownership)
    }

    async fn policy_status(&self, at: &BucketAddress) -> Result<Option<bool>, CallError> {
        self.get(Operation::GetBucketPolicyStatus, at, |_| Some(false))
    }

    async fn access_points(
        &self,
        _region: &str,
        _token: Option<String>,
    ) -> Result<Page<AccessPointEntry>, CallError> {
        self.meet().await;
        self.call(Operation::ListAccessPoints, "")?;
        let points = self.points.lock().unwrap();
        Ok(Page {
            entries: points.iter().map(|(entry, _)| entry.clone()).collect(),
            next: None,
        })
    }

    async fn access_point_policy(
        &self,
        _region: &str,
        point: &AccessPointEntry,
    ) -> Result<Option<String>, CallError> {
        self.call(Operation::GetAccessPointPolicy, &point.bucket)?;
        let points = self.points.lock().unwrap();
        Ok(points
            .iter()
            .find(|(entry, _)| entry == point)
            .map(|(_, policy)| policy.clone()))
    }

    async fn access_point_block(
        &self,
        _region: &str,
        point: &AccessPointEntry,
    ) -> Result<Option<PublicAccessBlock>, CallError> {
        self.call(Operation::GetAccessPoint, &point.bucket)?;
        Ok(None)
    }

    async fn sample_keys(&self, at: &BucketAddress, limit: u16) -> Result<Vec<String>, CallError> {
        self.get(Operation::ListObjects, at, |s| {
            s.objects.keys().take(limit.into()).cloned().collect()
        })
    }

    async fn object_acl(&self, at: &BucketAddress, key: &str) -> Result<Option<Acl>, CallError> {
        self.get(Operation::GetObjectAcl, at, |s| s.objects.get(key).cloned())
    }
}

impl RecordBuckets for Memory {
    async fn part(&self, at: &BucketAddress, part: BucketPart) -> Result<Option<Value>, CallError> {
        self.get(part.operation(), at, |_| ())?;
        let parts = self.parts.lock().unwrap();
        Ok(parts.get(&(at.name.clone(), part)).cloned())
    }
}

impl WriteBuckets for Memory {
    async fn put_acl(&self, at: &BucketAddress, acl: &Acl) -> Result<(), CallError> {
        self.written(Operation::PutBucketAcl, at, |s| s.acl = acl.clone())
            .await
    }

    async fn put_block(&self, at: &BucketAddress, b: &PublicAccessBlock) -> Result<(), CallError> {
        self.written(Operation::PutBucketPublicAccessBlock, at, |s| {
            s.block = Some(*b);
        })
        .await
    }

    async fn delete_block(&self, at: &BucketAddress) -> Result<(), CallError> {
        self.written(Operation::DeleteBucketPublicAccessBlock, at, |s| {
            s.block = None;
        })
        .await
    }

    async fn put_policy(&self, at: &BucketAddress, text: &str) -> Result<(), CallError> {
        self.written(Operation::PutBucketPolicy, at, |s| {
            s.policy = Some(text.to_owned());
        })
        .await
    }

    async fn delete_policy(&self, at: &BucketAddress) -> Result<(), CallError> {
        self.written(Operation::DeleteBucketPolicy, at, |s| s.policy = None)
            .await
    }
}

pub fn address(name: &str) -> BucketAddress {
    BucketAddress {
        name: name.to_owned(),
        region: Some("eu-central-1".to_owned()),
        owner: None,
        created: None,
    }
}

pub fn facts(account_block: Option<PublicAccessBlock>) -> AccountFacts {
    AccountFacts {
        partition: "aws".to_owned(),
        owner_account: Some("111122223333".to_owned()),
        account_block: account_block.map_or(Observed::Absent, Observed::Present),
        enforcement: Enforcement::Aws,
        compatible_store: false,
        as_of: "2026-01-01T00:00:00Z".parse().unwrap(),
    }
}

pub fn gatherer(memory: &Arc<Memory>, facts: AccountFacts) -> Arc<Gatherer<Memory>> {
    let pace = Arc::new(Pace::new(PaceSettings::default(), 7));
    Arc::new(Gatherer::new(Arc::clone(memory), pace, facts))
}

pub fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

pub fn owner_grant() -> Grant {
    Grant {
        grantee: Grantee::CanonicalUser("owner".to_owned()),
        permission: Permission::FullControl,
    }
}

pub fn private_acl() -> Acl {
    Acl {
        owner: Some("owner".to_owned()),
        grants: vec![owner_grant()],
    }
}

pub fn public_acl() -> Acl {
    let mut acl = private_acl();
    acl.grants.push(Grant {
        grantee: Grantee::Group(ALL_USERS.to_owned()),
        permission: Permission::Read,
    });
    acl
}

/// `Allow * ACTION` on a bucket, and a statement for one account.
pub fn public_policy(bucket: &str, action: &str) -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": [
  {{"Sid": "World", "Effect": "Allow", "Principal": "*", "Action": "{action}", "Resource": ["arn:aws:s3:::{bucket}", "arn:aws:s3:::{bucket}/*"]}},
  {{"Sid": "Partner", "Effect": "Allow", "Principal": {{"AWS": "444455556666"}}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::{bucket}/*"}}
]}}"#
    )
}

pub fn only(setting: fn(&mut PublicAccessBlock)) -> PublicAccessBlock {
    let mut block = PublicAccessBlock::default();
    setting(&mut block);
    block
}

/// The other services of a store that has none.
pub struct NoServices;

fn none<T>(operation: Operation) -> Result<T, CallError> {
    Err(CallError::Unsupported {
        operation,
        detail: "no such service".to_owned(),
    })
}

impl RecordAccount for NoServices {
    async fn account_summary(&self) -> Result<BTreeMap<String, i64>, CallError> {
        none(Operation::GetAccountSummary)
    }

    async fn generate_credential_report(&self) -> Result<ReportProgress, CallError> {
        none(Operation::GenerateCredentialReport)
    }

    async fn credential_report(&self) -> Result<Option<CredentialReport>, CallError> {
        none(Operation::GetCredentialReport)
    }

    async fn virtual_mfa_devices(
        &self,
        _: Option<String>,
    ) -> Result<Page<VirtualMfaDevice>, CallError> {
        none(Operation::ListVirtualMfaDevices)
    }

    async fn volumes(&self, _: &str, _: Option<String>) -> Result<Page<Volume>, CallError> {
        none(Operation::DescribeVolumes)
    }

    async fn volume(&self, _: &str, _: &str) -> Result<Option<Volume>, CallError> {
        none(Operation::DescribeVolumes)
    }
}
