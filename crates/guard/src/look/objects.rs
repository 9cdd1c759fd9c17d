//! ACLs of single objects: read when an event tells of one, and again as long as it is known to be public.

use std::collections::BTreeSet;

use compliance::event::Concerns;
use compliance::item::ConfigurationItem;
use compliance::item::object_acls::ObjectAcls;
use futures::stream::{self, StreamExt};

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
    /// such events, those that are known to be public. Where no ACL has an effect, none is read: what is
    /// known is kept for the day when they have one again.
    pub(super) async fn object_acls<R: ReadBuckets>(
        &self,
        gatherer: &Gatherer<R>,
        judged: &Judged,
        kept: Option<&ConfigurationItem>,
        events: &[EventRecord],
    ) -> Result<ObjectAcls, LookError> {
        let mut known = kept.map(ObjectAcls::of_item).unwrap_or_default();
        if judged.assessment.verdict.objects_may_be_public == Some(false) {
            return Ok(known);
        }
        let mut keys = told(events);
        if keys.is_empty() {
            keys = known.keys().map(str::to_owned).collect();
        }
        let address = &judged.address;
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
