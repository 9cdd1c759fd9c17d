//! Asks for one bucket's configuration in the order that settles its verdict soonest.
//!
//! [`next_ask`] is the plan: pure, from what is known to what to ask next. [`Gatherer`] carries it
//! out. What settles what (SEMANTICS of the two headline verdicts):
//!
//! - RestrictPublicBuckets on any level leaves a policy, and the policies of access points, nothing
//!   to open; IgnorePublicAcls on any level does the same to ACLs. So the bucket's own block is the
//!   first question, and on most buckets made since April 2023 the last; where the account's block
//!   has both, there is no question at all.
//! - An ACL without a grant to strangers is settled; only with one does Object Ownership matter, and
//!   then the policy even where it can open nothing: its Deny overrides what the ACL grants.
//! - Without a policy, access points can open nothing: both have to let a request in.
//! - A policy that opens the bucket to reading and to writing leaves nothing to ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use policy::bucket::{
    AccessPoint, Acl, BlockLevels, Bucket, Enforcement, ObjectOwnership, PublicAccessBlock,
};
use policy::document::Policy;
use policy::observed::{Observed, Unread};
use policy::public::{Answer, judge};
use tokio::sync::OnceCell;

use crate::error::{CallError, Hopeless};
use crate::operation::Operation;
use crate::pace::Pace;
use crate::ports::{AccessPointEntry, BucketAddress, ReadBuckets};

/// One question about one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// The bucket's own Block Public Access.
    Block,
    /// Its policy.
    Policy,
    /// Its ACL.
    Acl,
    /// Its Object Ownership.
    Ownership,
    /// Its access points and their policies (listed once per region, not per bucket).
    AccessPoints,
}

/// How much is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// What the two headline verdicts need.
    #[default]
    Verdict,
    /// That, and the policy, to compare with the store's own opinion.
    CrossCheck,
    /// Everything.
    Full,
}

/// What holds for every bucket of one account in one store.
#[derive(Clone, Debug)]
pub struct AccountFacts {
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// The twelve digits, if known.
    pub owner_account: Option<String>,
    /// The account's Block Public Access.
    pub account_block: Observed<PublicAccessBlock>,
    /// How the store enforces.
    pub enforcement: Enforcement,
    /// Whether it is a store that is not AWS's: what it does not offer, it does not have.
    pub compatible_store: bool,
    /// The moment that verdicts are about.
    pub as_of: Timestamp,
}

impl AccountFacts {
    /// Asks for what only the store knows: the account's block.
    pub async fn read<R: ReadBuckets>(mut self, reader: &R, pace: &Pace) -> Result<Self, Hopeless> {
        let answer = pace
            .call(Operation::GetAccountPublicAccessBlock, || {
                reader.account_block()
            })
            .await;
        self.account_block = match answer {
            Ok(Some(block)) => Observed::Present(block),
            Ok(None) => Observed::Absent,
            Err(CallError::Hopeless(hopeless)) => return Err(hopeless),
            Err(CallError::Unsupported { .. }) if self.compatible_store => Observed::Absent,
            Err(error) => Observed::Unknown(error.unread()),
        };
        Ok(self)
    }
}

/// What is known of one bucket so far; `None`: not asked yet.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The name that stands in the bucket's ARN.
    pub name: String,
    /// The bucket's own Block Public Access.
    pub block: Option<Observed<PublicAccessBlock>>,
    /// Its policy.
    pub policy: Option<Observed<Policy>>,
    /// Its ACL.
    pub acl: Option<Observed<Acl>>,
    /// Its Object Ownership.
    pub ownership: Option<Observed<ObjectOwnership>>,
    /// Its access points.
    pub access_points: Option<Observed<Vec<AccessPoint>>>,
}

impl Known {
    /// Nothing but the name.
    pub fn of(name: &str) -> Known {
        Known {
            name: name.to_owned(),
            ..Known::default()
        }
    }

    /// The bucket as far as it is known; what was not asked was not needed.
    pub fn into_bucket(self, facts: &AccountFacts) -> Bucket {
        let not_needed = Unread::NotNeeded;
        Bucket {
            name: self.name,
            partition: facts.partition.clone(),
            owner_account: facts.owner_account.clone(),
            as_of: facts.as_of,
            policy: self.policy.unwrap_or(Observed::Unknown(not_needed.clone())),
            acl: self.acl.unwrap_or(Observed::Unknown(not_needed.clone())),
            public_access_block: BlockLevels {
                bucket: self.block.unwrap_or(Observed::Unknown(not_needed.clone())),
                account: facts.account_block.clone(),
                // Takes effect through the account's settings, which S3 reports as effective ones.
                organization: Observed::Unknown(Unread::NotGiven),
            },
            ownership: self
                .ownership
                .unwrap_or(Observed::Unknown(not_needed.clone())),
            access_points: self.access_points.unwrap_or(Observed::Unknown(not_needed)),
            resource_control_policies: Observed::Unknown(Unread::NotGiven),
            enforcement: facts.enforcement,
        }
    }
}

/// What to ask next, if anything still matters.
pub fn next_ask(known: &Known, facts: &AccountFacts, depth: Depth) -> Option<Ask> {
    let set = |which: fn(&PublicAccessBlock) -> bool| {
        let on = |level: Option<&Observed<PublicAccessBlock>>| {
            level.and_then(Observed::present).is_some_and(which)
        };
        on(Some(&facts.account_block)) || on(known.block.as_ref())
    };
    let full = depth == Depth::Full;
    // Ceph stores RestrictPublicBuckets and does not enforce it, so there it settles nothing.
    let policy_settled =
        set(|block| block.restrict_public_buckets) && facts.enforcement == Enforcement::Aws;
    let acl_settled = set(|block| block.ignore_public_acls);

    if known.block.is_none() && (full || !policy_settled || !acl_settled) {
        return Some(Ask::Block);
    }
    if known.policy.is_none() && (full || depth == Depth::CrossCheck || !policy_settled) {
        return Some(Ask::Policy);
    }
    // Worth a judgement only while something that it could spare is still to be asked.
    let acl_to_ask = !acl_settled && (known.acl.is_none() || known.ownership.is_none());
    let opened = !full
        && !policy_settled
        && (acl_to_ask || known.access_points.is_none())
        && opened_by_policy(known, facts);
    if known.acl.is_none() && (full || !(acl_settled || opened)) {
        return Some(Ask::Acl);
    }
    let grants_strangers = match &known.acl {
        Some(Observed::Present(acl)) => acl.grants.iter().any(|g| g.grantee.is_untrusted()),
        Some(Observed::Absent) => false,
        Some(Observed::Unknown(_)) | None => true,
    };
    if known.ownership.is_none() && (full || !(acl_settled || opened) && grants_strangers) {
        return Some(Ask::Ownership);
    }
    let enforced = known.ownership.as_ref().and_then(Observed::present)
        == Some(&ObjectOwnership::BucketOwnerEnforced);
    if known.policy.is_none() && grants_strangers && !acl_settled && !enforced {
        return Some(Ask::Policy);
    }
    // Requests through an access point need the bucket policy's consent as well.
    let no_policy = matches!(known.policy, Some(Observed::Absent));
    if known.access_points.is_none() && (full || !(policy_settled || opened || no_policy)) {
        return Some(Ask::AccessPoints);
    }
    None
}

/// Whether the policy alone opens reading and writing: then nothing else can matter.
fn opened_by_policy(known: &Known, facts: &AccountFacts) -> bool {
    let Some(Observed::Present(_)) = &known.policy else {
        return false;
    };
    let bucket = known.clone().into_bucket(facts);
    let verdict = judge(&bucket);
    matches!(verdict.read.policy, Answer::Open(_))
        && matches!(verdict.write.policy, Answer::Open(_))
}

/// One bucket, read as far as needed.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// The bucket.
    pub bucket: Bucket,
    /// How many calls were asked for it (repetitions and listings not counted).
    pub calls: u32,
}

/// Why a bucket could not be gathered at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// It went away between the listing and the question.
    Gone,
    /// No call can succeed any more.
    Hopeless(Hopeless),
}

type RegionPoints = Arc<OnceCell<Result<Arc<Vec<AccessPointEntry>>, CallError>>>;

/// Gathers the buckets of one account.
pub struct Gatherer<R> {
    reader: Arc<R>,
    pace: Arc<Pace>,
    facts: AccountFacts,
    access_points: Mutex<HashMap<String, RegionPoints>>,
}

impl<R: ReadBuckets> Gatherer<R> {
    /// Over this reader, within this budget.
    pub fn new(reader: Arc<R>, pace: Arc<Pace>, facts: AccountFacts) -> Gatherer<R> {
        Gatherer {
            reader,
            pace,
            facts,
            access_points: Mutex::default(),
        }
    }

    /// What holds for every bucket.
    pub fn facts(&self) -> &AccountFacts {
        &self.facts
    }

    /// The reader.
    pub fn reader(&self) -> &R {
        &self.reader
    }

    /// The budget.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Asks about one bucket until nothing matters any more. What [`Depth::Full`] wants does not hang
    /// on any answer, so it is asked for all at once.
    pub async fn gather(&self, at: &BucketAddress, depth: Depth) -> Result<Gathered, Lost> {
        let mut known = Known::of(arn_name(&at.name));
        let mut calls = 0;
        if depth == Depth::Full {
            let points = async {
                let mut calls = 1;
                let points = self.ask_points(at, &mut calls).await?;
                Ok((points, calls))
            };
            let (block, policy, acl, ownership, (points, of_points)) = tokio::try_join!(
                self.ask_block(at),
                self.ask_policy(at),
                self.ask_acl(at),
                self.ask_ownership(at),
                points,
            )?;
            known.block = Some(block);
            known.policy = Some(policy);
            known.acl = Some(acl);
            known.ownership = Some(ownership);
            known.access_points = Some(points);
            calls = 4 + of_points;
        }
        while let Some(ask) = next_ask(&known, &self.facts, depth) {
            calls += 1;
            match ask {
                Ask::Block => known.block = Some(self.ask_block(at).await?),
                Ask::Policy => known.policy = Some(self.ask_policy(at).await?),
                Ask::Acl => known.acl = Some(self.ask_acl(at).await?),
                Ask::Ownership => known.ownership = Some(self.ask_ownership(at).await?),
                Ask::AccessPoints => {
                    known.access_points = Some(self.ask_points(at, &mut calls).await?);
                }
            }
        }
        Ok(Gathered {
            bucket: known.into_bucket(&self.facts),
            calls,
        })
    }

    async fn ask_block(&self, at: &BucketAddress) -> Result<Observed<PublicAccessBlock>, Lost> {
        let operation = Operation::GetBucketPublicAccessBlock;
        let answer = self.pace.call(operation, || self.reader.block(at)).await;
        Ok(self.not_offered_is_absent(observe(answer)?))
    }

    async fn ask_policy(&self, at: &BucketAddress) -> Result<Observed<Policy>, Lost> {
        let operation = Operation::GetBucketPolicy;
        let answer = self.pace.call(operation, || self.reader.policy(at)).await;
        Ok(parse(
            observe(answer)?.map(|text| self.without_tenant(at, text)),
        ))
    }

    async fn ask_acl(&self, at: &BucketAddress) -> Result<Observed<Acl>, Lost> {
        let operation = Operation::GetBucketAcl;
        let answer = self.pace.call(operation, || self.reader.acl(at)).await;
        observe(answer.map(Some))
    }

    async fn ask_ownership(&self, at: &BucketAddress) -> Result<Observed<ObjectOwnership>, Lost> {
        let operation = Operation::GetBucketOwnershipControls;
        let answer = self
            .pace
            .call(operation, || self.reader.ownership(at))
            .await;
        Ok(self.not_offered_is_absent(observe(answer)?))
    }

    /// A setting that a store does not offer was never made there. On AWS, where everything is
    /// offered, such an answer stays unknown.
    pub(crate) fn not_offered_is_absent<T>(&self, observed: Observed<T>) -> Observed<T> {
        match observed {
            Observed::Unknown(Unread::Unsupported { .. }) if self.facts.compatible_store => {
                Observed::Absent
            }
            other => other,
        }
    }

    /// Ceph writes a bucket of a tenant as `arn:aws:s3::TENANT:bucket`, and reads
    /// `arn:aws:s3:::bucket` in such a bucket's policy as the same (`rgw_iam_policy.cc`, `ParseState`).
    /// The verdict is about the second form.
    pub(crate) fn without_tenant(&self, at: &BucketAddress, text: String) -> String {
        let tenant = at.name.split_once(':').map(|(tenant, _)| tenant);
        match tenant {
            Some(tenant) if self.facts.enforcement == Enforcement::CephRgw => {
                text.replace(&format!("arn:aws:s3::{tenant}:"), "arn:aws:s3:::")
            }
            _ => text,
        }
    }

    async fn ask_points(
        &self,
        at: &BucketAddress,
        calls: &mut u32,
    ) -> Result<Observed<Vec<AccessPoint>>, Lost> {
        // The listing is one call for a whole region: it is not this bucket's.
        *calls -= 1;
        let region = at.region.clone().unwrap_or_default();
        let cell = {
            // Nothing can panic while it is locked.
            let mut cells = self
                .access_points
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            Arc::clone(cells.entry(region.clone()).or_default())
        };
        // What failed in passing is not kept: in a sweep it would make every bucket of the region undecided.
        let list = async || match self.list_points(&region).await {
            Err(error) if error.is_passing() => Err(error),
            answered => Ok(answered),
        };
        let listed = match cell.get_or_try_init(list).await {
            Ok(answered) => answered.clone(),
            Err(passing) => Err(passing),
        };
        let listed = match observe(listed.map(Some))? {
            Observed::Present(listed) => listed,
            Observed::Absent => return Ok(Observed::Absent),
            Observed::Unknown(unread) => {
                return Ok(self.not_offered_is_absent(Observed::Unknown(unread)));
            }
        };
        let mut points = Vec::new();
        for entry in listed.iter().filter(|entry| entry.bucket == at.name) {
            let mut point = AccessPoint {
                arn: entry.arn.clone(),
                vpc_origin: entry.vpc_origin,
                policy: Observed::Unknown(Unread::NotNeeded),
                public_access_block: Observed::Unknown(Unread::NotNeeded),
            };
            // One that takes requests from one VPC only is never public.
            if !entry.vpc_origin {
                *calls += 1;
                let answer = self
                    .pace
                    .call(Operation::GetAccessPointPolicy, || {
                        self.reader.access_point_policy(&region, entry)
                    })
                    .await;
                point.policy = parse(observe(answer)?);
                if !matches!(point.policy, Observed::Absent) {
                    *calls += 1;
                    let answer = self
                        .pace
                        .call(Operation::GetAccessPoint, || {
                            self.reader.access_point_block(&region, entry)
                        })
                        .await;
                    point.public_access_block = observe(answer)?;
                }
            }
            points.push(point);
        }
        Ok(if points.is_empty() {
            Observed::Absent
        } else {
            Observed::Present(points)
        })
    }

    async fn list_points(&self, region: &str) -> Result<Arc<Vec<AccessPointEntry>>, CallError> {
        let mut all = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = self
                .pace
                .call(Operation::ListAccessPoints, || {
                    self.reader.access_points(region, token.clone())
                })
                .await?;
            all.extend(page.entries);
            match page.next {
                Some(next) if Some(&next) != token.as_ref() => token = Some(next),
                _ => return Ok(Arc::new(all)),
            }
        }
    }
}

/// The name that stands in ARNs: on Ceph, `tenant:bucket` is asked for and `bucket` is named.
pub(crate) fn arn_name(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, bucket)| bucket)
}

/// An answer as an observation. Only what ends everything is an error.
pub(crate) fn observe<T>(answer: Result<Option<T>, CallError>) -> Result<Observed<T>, Lost> {
    match answer {
        Ok(Some(value)) => Ok(Observed::Present(value)),
        Ok(None) => Ok(Observed::Absent),
        Err(CallError::Hopeless(hopeless)) => Err(Lost::Hopeless(hopeless)),
        Err(CallError::NoSuchBucket) => Err(Lost::Gone),
        Err(error) => Ok(Observed::Unknown(error.unread())),
    }
}

/// A policy that cannot be understood is not known; it is never taken for one that is not there.
fn parse(text: Observed<String>) -> Observed<Policy> {
    match text {
        Observed::Present(text) => match Policy::parse(&text) {
            Ok(policy) => Observed::Present(policy),
            Err(error) => Observed::Unknown(Unread::Failed(format!(
                "the policy cannot be understood: {error}"
            ))),
        },
        Observed::Absent => Observed::Absent,
        Observed::Unknown(unread) => Observed::Unknown(unread),
    }
}
