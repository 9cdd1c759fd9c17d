//! Reads one bucket: its verdict, and its configuration item.

use std::collections::BTreeMap;

use compliance::assessment::Assessment;
use compliance::fingerprint;
use compliance::item::bucket::{Taken, item};
use compliance::item::object_acls::ObjectAcls;
use compliance::item::{ConfigurationItem, ResourceKey};
use jiff::Timestamp;
use policy::bucket::Bucket;
use policy::observed::{Observed, Unread};
use serde_json::Value;

use super::LookError;
use super::objects::{Ask, Objects};
use crate::account::{Account, Reach};
use crate::clock::Clock;
use crate::gather::{Lost, arn_name};
use crate::ports::BucketAddress;
use crate::record::{Reading, Recorded, record};
use crate::repository::Repository;
use crate::state::EventRecord;
use crate::sweep::could_not_read;
use crate::watch::Guard;

/// How much of a bucket a look reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Depth<'a> {
    /// What decides who gets in; the rest is taken over from this item, its last.
    Access(&'a ConfigurationItem),
    /// Everything that is recorded. Only what cannot be asked for is taken over, if there is an item
    /// of this very bucket.
    Everything(Option<&'a ConfigurationItem>),
    /// Everything, of what may be another bucket than that of this item, of the same name. Of the item only
    /// the objects are looked for.
    Anew(Option<&'a ConfigurationItem>),
}

/// What a look found.
pub(crate) enum Found {
    /// Nothing: the bucket is not there.
    Gone,
    /// The bucket.
    Bucket(Box<ReadBucket>),
    /// Another resource.
    Other(Box<ConfigurationItem>),
}

/// A bucket that was read.
pub(crate) struct ReadBucket {
    /// By what it is asked for.
    pub(crate) address: BucketAddress,
    /// Its item.
    pub(crate) item: ConfigurationItem,
    /// The bucket under the name that ARNs give it: what plans are made from.
    pub(crate) bucket: Bucket,
    /// Its verdict, with the exception that covers it.
    pub(crate) assessment: Assessment,
    /// What opens it.
    pub(crate) fingerprint: Option<String>,
    /// What was not answered in passing, if anything: asked again, it may be.
    pub(crate) unanswered: Option<String>,
    /// What was read beside the access configuration, for another item of the same look.
    taken: Taken,
}

impl ReadBucket {
    /// Whether a request that gets in is known.
    pub(crate) fn lets_somebody_in(&self) -> bool {
        let verdict = &self.assessment.verdict;
        verdict.read.is_open() || verdict.write.is_open()
    }

    /// Whether something that the verdict may need was refused or cannot be understood, so that it is
    /// not known however often it is asked for.
    pub(crate) fn is_refused(&self) -> bool {
        let bucket = &self.bucket;
        let levels = &bucket.public_access_block;
        [
            bucket.policy.unread(),
            bucket.acl.unread(),
            bucket.ownership.unread(),
            bucket.access_points.unread(),
            levels.bucket.unread(),
            levels.account.unread(),
        ]
        .into_iter()
        .flatten()
        .any(|unread| could_not_read(unread) && !matches!(unread, Unread::Passing(_)))
    }
}

/// Whether parts of an item were not read in passing: the next look reads everything.
pub(crate) fn is_to_be_completed(item: &ConfigurationItem) -> bool {
    let parts = parts_of(item);
    parts.values().any(|part| in_passing(part).is_some())
}

/// Why a part was not read, if that may pass by itself.
fn in_passing<T>(part: &Observed<T>) -> Option<&str> {
    match part {
        Observed::Unknown(Unread::Passing(why)) => Some(why),
        _ => None,
    }
}

/// The first part that decides who gets in and was not read in passing.
pub(crate) fn access_in_passing(bucket: &Bucket) -> Option<&str> {
    let levels = &bucket.public_access_block;
    let points = bucket.access_points.present().into_iter().flatten();
    in_passing(&bucket.policy)
        .or_else(|| in_passing(&bucket.acl))
        .or_else(|| in_passing(&bucket.ownership))
        .or_else(|| in_passing(&levels.bucket))
        .or_else(|| in_passing(&levels.account))
        .or_else(|| in_passing(&bucket.access_points))
        .or_else(|| {
            points
                .filter_map(|point| {
                    in_passing(&point.policy).or_else(|| in_passing(&point.public_access_block))
                })
                .next()
        })
}

impl<P: Repository, A: Reach, C: Clock> Guard<P, A, C> {
    /// Reads a bucket. `told_region` is where it is looked for if it is not recorded.
    pub(crate) async fn read(
        &self,
        account: &Account<A>,
        name: &str,
        told_region: Option<String>,
        events: &[EventRecord],
        depth: Depth<'_>,
    ) -> Result<Found, LookError> {
        let now = self.clock.now();
        let gatherer = account.gatherer(now).await?;
        let (kept, objects) = match depth {
            Depth::Access(item) => (Some(item), None),
            Depth::Everything(item) => (item, None),
            Depth::Anew(item) => (None, item),
        };
        let known_region = kept.map(|item| item.key.region.clone());
        let address = BucketAddress {
            name: name.to_owned(),
            region: known_region.or(told_region),
            owner: None,
            created: None,
        };
        let sample = match depth {
            Depth::Access(_) => 0,
            Depth::Everything(_) | Depth::Anew(_) => self.settings.recorder.sampled_objects(),
        };
        let reading = match depth {
            Depth::Access(_) => Reading::Access {
                tags: self.settings.needs_tags(),
            },
            Depth::Everything(_) | Depth::Anew(_) => {
                Reading::Everything(self.settings.recorder.parts())
            }
        };
        let recorded = match record(&gatherer, address, reading).await {
            Ok(recorded) => recorded,
            Err(Lost::Gone) => return Ok(Found::Gone),
            Err(Lost::Hopeless(hopeless)) => return Err(hopeless.into()),
        };
        let Recorded {
            judged,
            parts,
            tags,
            creation_time,
            owner,
            ..
        } = recorded;
        let unanswered = parts
            .values()
            .find_map(in_passing)
            .or_else(|| in_passing(&tags))
            .map(str::to_owned);
        let taken = Taken {
            // Reading takes its time where the store asks to slow down.
            capture_time: self.clock.now(),
            creation_time: creation_time.or(kept.and_then(|item| item.creation_time)),
            owner: owner.or_else(|| kept.and_then(owner_of)),
            tags: match tags {
                Observed::Present(tags) => tags,
                Observed::Absent => BTreeMap::new(),
                Observed::Unknown(_) => kept.map(|item| item.tags.clone()).unwrap_or_default(),
            },
            parts: match depth {
                Depth::Everything(_) | Depth::Anew(_) => parts,
                Depth::Access(item) => parts_of(item),
            },
            object_acls: ObjectAcls::default(),
            related_events: events.iter().map(|event| event.id.clone()).collect(),
        };
        let ask = Ask {
            known: objects.or(kept),
            anew: objects.is_some(),
            events,
            sample,
        };
        let Objects {
            acls: object_acls,
            unanswered: of_objects,
        } = self.object_acls(&gatherer, &judged, ask).await?;
        let unanswered = unanswered.or(of_objects);
        let taken = Taken {
            object_acls,
            ..taken
        };
        let address = judged.address.clone();
        let mut read = self.read_bucket(account, address, taken, judged.assessment);
        read.unanswered = read.unanswered.or(unanswered);
        Ok(Found::Bucket(Box::new(read)))
    }

    /// The same bucket after a remediation: what decides who gets in was read again, the rest stands.
    pub(crate) fn reread(
        &self,
        account: &Account<A>,
        read: ReadBucket,
        after: Assessment,
        now: Timestamp,
    ) -> ReadBucket {
        let taken = Taken {
            capture_time: now,
            ..read.taken
        };
        self.read_bucket(account, read.address, taken, after)
    }

    fn read_bucket(
        &self,
        account: &Account<A>,
        address: BucketAddress,
        taken: Taken,
        mut assessment: Assessment,
    ) -> ReadBucket {
        let region = address.region.as_deref().unwrap_or(&account.default_region);
        let key = ResourceKey::bucket(&account.id, region, &address.name);
        let item = item(&assessment.bucket, key, taken.clone());
        self.settings.exceptions.apply_with(
            self.settings.excepting(&item.tags),
            &mut assessment,
            item.capture_time,
        );
        let mut bucket = assessment.bucket.clone();
        arn_name(&address.name).clone_into(&mut bucket.name);
        ReadBucket {
            fingerprint: fingerprint::of(&bucket, &assessment.verdict),
            unanswered: access_in_passing(&bucket).map(str::to_owned),
            address,
            item,
            bucket,
            assessment,
            taken,
        }
    }
}

fn owner_of(item: &ConfigurationItem) -> Option<String> {
    let owner = item.configuration.get("owner")?.get("id")?.as_str()?;
    Some(owner.to_owned())
}

/// The parts of an item that no verdict depends on.
fn parts_of(item: &ConfigurationItem) -> BTreeMap<String, Observed<Value>> {
    compliance::item::bucket::further_parts(item)
}
