//! Reads all of a bucket, for its configuration item; [`account`] does the same of an account.
//!
//! What has access is read first and at once, so that a bucket that was opened is closed before
//! anybody asks for its lifecycle rules: [`Reading::Access`] ends there, [`Reading::Everything`] goes on
//! with the other parts.

pub mod account;

use std::collections::{BTreeMap, BTreeSet};

use compliance::item;
use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use policy::observed::Observed;
use policy::pattern::{Pattern, Reading as PatternReading};
use serde_json::Value;

use crate::gather::{Depth, Gatherer, Lost, observe};
use crate::ports::BucketAddress;
use crate::ports::record::{BucketPart, RecordBuckets};
use crate::sweep::{Judged, judge_one, locate};

/// How many of a bucket's further parts are asked for at the same time.
const AT_ONCE: usize = 4;

/// What is recorded: AWS Config's configuration recorder.
#[derive(Clone, Debug)]
pub struct Recorder {
    types: BTreeSet<String>,
    buckets: Vec<Pattern>,
    excluded: Vec<Pattern>,
    parts: BTreeSet<BucketPart>,
    sampled_objects: u16,
}

impl Recorder {
    /// All resource types, buckets and parts; no sample of objects.
    pub fn everything() -> Recorder {
        Recorder {
            types: [
                item::BUCKET,
                item::ACCOUNT_PUBLIC_ACCESS_BLOCK,
                item::ACCOUNT,
                item::VOLUME,
            ]
            .map(str::to_owned)
            .into(),
            buckets: Vec::new(),
            excluded: Vec::new(),
            parts: BucketPart::ALL.into(),
            sampled_objects: 0,
        }
    }

    /// Only these resource types, in CloudFormation's spelling.
    pub fn with_types(mut self, types: impl IntoIterator<Item = String>) -> Recorder {
        self.types = types.into_iter().collect();
        self
    }

    /// Only buckets that one of these names; `*` and `?` are wildcards. None: every bucket.
    pub fn with_buckets<'a>(mut self, patterns: impl IntoIterator<Item = &'a str>) -> Recorder {
        self.buckets = patterns.into_iter().map(wildcard).collect();
        self
    }

    /// And not those that one of these names.
    pub fn without_buckets<'a>(mut self, patterns: impl IntoIterator<Item = &'a str>) -> Recorder {
        self.excluded = patterns.into_iter().map(wildcard).collect();
        self
    }

    /// Only these further parts of a bucket.
    pub fn with_parts(mut self, parts: impl IntoIterator<Item = BucketPart>) -> Recorder {
        self.parts = parts.into_iter().collect();
        self
    }

    /// With the ACLs of up to so many objects of a bucket, each time that everything of it is recorded.
    pub fn with_sampled_objects(mut self, count: u16) -> Recorder {
        self.sampled_objects = count;
        self
    }

    /// Of how many objects of a bucket the ACLs are read when everything of it is recorded.
    pub fn sampled_objects(&self) -> u16 {
        self.sampled_objects
    }

    /// Whether resources of this type are recorded.
    pub fn records(&self, resource_type: &str) -> bool {
        self.types.contains(resource_type)
    }

    /// Whether this bucket is recorded.
    pub fn records_bucket(&self, name: &str) -> bool {
        let named = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(name));
        self.records(item::BUCKET)
            && (self.buckets.is_empty() || named(&self.buckets))
            && !named(&self.excluded)
    }

    /// Whether a resource is recorded.
    pub(crate) fn records_resource(&self, key: &item::ResourceKey) -> bool {
        match key.resource_type.as_str() {
            item::BUCKET => self.records_bucket(&key.resource_id),
            other => self.records(other),
        }
    }

    /// The further parts of a bucket that are recorded.
    pub fn parts(&self) -> &BTreeSet<BucketPart> {
        &self.parts
    }
}

fn wildcard(text: &str) -> Pattern {
    Pattern::new(text, PatternReading::Wildcards, false)
}

/// How much of a bucket is read.
#[derive(Clone, Copy, Debug)]
pub enum Reading<'a> {
    /// What decides who has access: policy, ACL, Block Public Access, Object Ownership, access points.
    Access {
        /// The tags as well, where something (an exception, a scope of enforcement) hangs on them.
        tags: bool,
    },
    /// That, and these parts.
    Everything(&'a BTreeSet<BucketPart>),
}

/// One bucket, read.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The access configuration, with the verdict on it.
    pub judged: Judged,
    /// The further parts that were asked for, by AWS Config's names.
    pub parts: BTreeMap<String, Observed<Value>>,
    /// Its tags. Not asked for: unknown, as not needed.
    pub tags: Observed<BTreeMap<String, String>>,
    /// When the bucket was made, where the listing told.
    pub creation_time: Option<Timestamp>,
    /// Who owns it, as the store names its owners: on AWS the canonical user id.
    pub owner: Option<String>,
    /// How many calls it took (repetitions and listings not counted).
    pub calls: u32,
}

/// Reads one bucket.
pub async fn record<R: RecordBuckets>(
    gatherer: &Gatherer<R>,
    mut address: BucketAddress,
    reading: Reading<'_>,
) -> Result<Recorded, Lost> {
    locate(gatherer, &mut address).await?;
    let (with_tags, rest) = match reading {
        Reading::Access { tags } => (tags, Vec::new()),
        Reading::Everything(parts) => (
            parts.contains(&BucketPart::Tags),
            parts
                .iter()
                .copied()
                .filter(|part| *part != BucketPart::Tags)
                .collect(),
        ),
    };
    let tags = async {
        Ok(match with_tags {
            true => Some(ask(gatherer, &address, BucketPart::Tags).await?),
            false => None,
        })
    };
    let (judged, tag_set) =
        tokio::try_join!(judge_one(gatherer, address.clone(), Depth::Full), tags)?;
    let mut parts = BTreeMap::new();
    let mut calls = judged.calls;
    let mut keep = |part: BucketPart, observed: Observed<Value>| {
        calls += 1;
        parts.insert(part.config_name().to_owned(), observed);
    };
    let tags = tag_set.as_ref().map_or(
        Observed::Unknown(policy::observed::Unread::NotNeeded),
        tags_of,
    );
    if let Some(observed) = tag_set {
        keep(BucketPart::Tags, observed);
    }
    let mut asked = stream::iter(rest)
        .map(|part| {
            let address = &address;
            async move { (part, ask(gatherer, address, part).await) }
        })
        .buffer_unordered(AT_ONCE);
    while let Some((part, observed)) = asked.next().await {
        keep(part, observed?);
    }
    drop(asked);
    let acl = judged.assessment.bucket.acl.present();
    Ok(Recorded {
        creation_time: judged.address.created,
        owner: acl
            .and_then(|acl| acl.owner.clone())
            .or_else(|| judged.address.owner.clone()),
        judged,
        parts,
        tags,
        calls,
    })
}

/// One part. What another store does not offer, it does not have.
async fn ask<R: RecordBuckets>(
    gatherer: &Gatherer<R>,
    at: &BucketAddress,
    part: BucketPart,
) -> Result<Observed<Value>, Lost> {
    let answer = gatherer
        .pace()
        .call(part.operation(), || gatherer.reader().part(at, part))
        .await;
    Ok(gatherer.not_offered_is_absent(observe(answer)?))
}

/// The tags in AWS Config's `BucketTaggingConfiguration`.
fn tags_of(part: &Observed<Value>) -> Observed<BTreeMap<String, String>> {
    part.clone().map(|value| {
        value["tagSets"][0]["tags"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect()
    })
}
