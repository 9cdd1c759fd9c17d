//! ACLs of single objects: read when an event tells of one, in a sample when everything of a bucket is
//! recorded, and again as long as one is known to be public.

use std::collections::BTreeSet;

use compliance::event::Concerns;
use compliance::item::ConfigurationItem;
use compliance::item::object_acls::ObjectAcls;
use futures::stream::{self, StreamExt};
use policy::observed::Observed;

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

impl<P: Repository, A: Reach, C: Clock> Guard<P, A, C> {
    /// What is known of the ACLs of a bucket's objects, with those read that the events are about; without
    /// such events, those that are known to be public, and up to `sample` others. Where no ACL has an effect,
    /// none is read: what is known is kept for the day when they have one again.
    pub(super) async fn object_acls<R: ReadBuckets>(
        &self,
        gatherer: &Gatherer<R>,
        judged: &Judged,
        kept: Option<&ConfigurationItem>,
        events: &[EventRecord],
        sample: u16,
    ) -> Result<ObjectAcls, LookError> {
        let mut known = kept.map(ObjectAcls::of_item).unwrap_or_default();
        let verdict = &judged.assessment.verdict;
        if verdict.objects_may_be_public == Some(false) {
            known.sampled(None);
            return Ok(known);
        }
        let mut keys = told(events);
        if keys.is_empty() {
            keys = known.keys().map(str::to_owned).collect();
        }
        let address = &judged.address;
        // A bucket that is open is closed first, and an event is answered first.
        let is_open = verdict.read.is_open() || verdict.write.is_open();
        if sample > 0 && events.is_empty() && !is_open {
            let answer = gatherer
                .pace()
                .call(Operation::ListObjects, || {
                    gatherer.reader().sample_keys(address, sample)
                })
                .await;
            match observe(answer.map(Some)) {
                Ok(Observed::Present(sample)) => {
                    known.sampled(None);
                    keys.extend(sample);
                }
                Ok(Observed::Unknown(why)) => known.sampled(Some(why)),
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
        while let Some((key, answer)) = answers.next().await {
            let acl = match observe(answer) {
                Ok(acl) => gatherer.not_offered_is_absent(acl),
                Err(Lost::Hopeless(hopeless)) => return Err(hopeless.into()),
                // The next look finds that the bucket is gone.
                Err(Lost::Gone) => continue,
            };
            known.take(&key, acl);
        }
        Ok(known)
    }
}
