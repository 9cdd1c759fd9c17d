//! ACLs of single objects: read when an event tells of one, in a sample when everything of a bucket is
//! recorded, and again as long as one is known to be public.

use std::collections::BTreeSet;

use compliance::event::Concerns;
use compliance::item::ConfigurationItem;
use compliance::item::object_acls::ObjectAcls;
use futures::stream::{self, StreamExt};
use policy::bucket::ObjectOwnership;
use policy::observed::{Observed, Unread};

use super::LookError;
use crate::account::Reach;
use crate::arrive::{read_again, was_cut};
use crate::clock::Clock;
use crate::gather::{Gatherer, Lost, observe};
use crate::operation::Operation;
use crate::ports::ReadBuckets;
use crate::repository::Repository;
use crate::state::EventRecord;
use crate::sweep::Judged;
use crate::watch::Guard;

/// How many ACLs of a bucket's objects are asked for at the same time.
const AT_ONCE: usize = 8;

/// The keys of the objects that events are about.
fn told(events: &[EventRecord]) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for event in events {
        if was_cut(event) {
            // Parameters are bounded by the store that took the call: such an event is none of its own.
            tracing::warn!(event = %event.id, "an event is too large to tell which object it is about");
            continue;
        }
        for event in read_again(event).events {
            if let Concerns::Object { key, .. } = event.concerns {
                keys.insert(key);
            }
        }
    }
    keys
}

/// What a look asks of a bucket's objects.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    /// What was known of this bucket's objects, or of those of a bucket of its name.
    pub(super) known: Option<&'a ConfigurationItem>,
    /// Whether it may be another bucket than the known one.
    pub(super) anew: bool,
    /// The events that the look is about.
    pub(super) events: &'a [EventRecord],
    /// Of how many further objects the ACLs are read.
    pub(super) sample: u16,
}

/// What a look knows of a bucket's objects.
pub(super) struct Objects {
    pub(super) acls: ObjectAcls,
    /// The first failure in passing of this look.
    pub(super) unanswered: Option<String>,
}

impl<P: Repository, A: Reach, C: Clock> Guard<P, A, C> {
    /// What is known of the ACLs of a bucket's objects, with those read that the events are about; without
    /// such events, those that are known to be public, and a sample.
    ///
    /// Where ACLs are ignored, only what events tell is read, and all is kept for the day when they are not:
    /// they can still be set. Where they are switched off they cannot, and nothing is read.
    pub(super) async fn object_acls<R: ReadBuckets>(
        &self,
        gatherer: &Gatherer<R>,
        judged: &Judged,
        ask: Ask<'_>,
    ) -> Result<Objects, LookError> {
        let mut objects = Objects {
            acls: ask.known.map(ObjectAcls::of_item).unwrap_or_default(),
            unanswered: None,
        };
        let acls = &mut objects.acls;
        let verdict = &judged.assessment.verdict;
        let in_force = verdict.objects_may_be_public != Some(false);
        let switched_off = judged.assessment.bucket.ownership.present()
            == Some(&ObjectOwnership::BucketOwnerEnforced);
        if !in_force {
            acls.sampled(None);
        }
        if switched_off {
            return Ok(objects);
        }
        let mut keys = told(ask.events);
        if in_force {
            // What was not answered the last time would else stand in the way of what is told now.
            keys.extend(acls.in_passing().map(str::to_owned));
            if keys.is_empty() || ask.anew {
                keys.extend(acls.keys().map(str::to_owned));
            }
        }
        let address = &judged.address;
        // A bucket that is open is closed first, and an event is answered first.
        let is_open = verdict.read.is_open() || verdict.write.is_open();
        let may_sample = in_force && !is_open && (ask.events.is_empty() || ask.anew);
        if ask.sample > 0 && may_sample {
            let answer = gatherer
                .pace()
                .call(Operation::ListObjects, || {
                    gatherer.reader().sample_keys(address, ask.sample)
                })
                .await;
            match observe(answer.map(Some)) {
                Ok(Observed::Present(sample)) => {
                    acls.sampled(None);
                    keys.extend(sample);
                }
                Ok(Observed::Unknown(why)) => acls.sampled(Some(why)),
                Err(Lost::Hopeless(hopeless)) => return Err(hopeless.into()),
                Ok(Observed::Absent) | Err(Lost::Gone) => {}
            }
        }
        let mut answers = stream::iter(keys)
            .map(|key| async move {
                let answer = gatherer
                    .pace()
                    .call(Operation::GetObjectAcl, || {
                        gatherer.reader().object_acl(address, &key)
                    })
                    .await;
                (key, answer)
            })
            .buffer_unordered(AT_ONCE);
        let now = self.clock.now();
        while let Some((key, answer)) = answers.next().await {
            let acl = match observe(answer) {
                Ok(acl) => gatherer.not_offered_is_absent(acl),
                Err(Lost::Hopeless(hopeless)) => return Err(hopeless.into()),
                // The next look finds that the bucket is gone.
                Err(Lost::Gone) => continue,
            };
            if let Observed::Unknown(Unread::Passing(why)) = &acl {
                objects.unanswered.get_or_insert_with(|| why.clone());
            }
            objects.acls.take(&key, acl, now);
        }
        Ok(objects)
    }
}
