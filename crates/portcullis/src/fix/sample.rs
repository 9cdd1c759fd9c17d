//! A look at the ACLs of some objects, where they could make objects public.

use guard::operation::Operation;
use guard::ports::{BucketAddress, ReadBuckets};
use policy::public::Verdict;

use crate::live::Live;

/// What a look at some objects showed.
pub(super) struct Sample {
    pub(super) looked_at: usize,
    pub(super) public: Vec<String>,
    pub(super) failed: Option<String>,
}

/// Looks at the ACLs of some objects, where they could make objects public.
pub(super) async fn sample(
    live: &Live,
    at: &BucketAddress,
    limit: u16,
    before: &Verdict,
) -> Option<Sample> {
    if limit == 0 || before.objects_may_be_public != Some(true) {
        return None;
    }
    let (store, pace) = (live.store(), live.gatherer.pace());
    let mut sample = Sample {
        looked_at: 0,
        public: Vec::new(),
        failed: None,
    };
    let keys = pace
        .call(Operation::ListObjects, || store.sample_keys(at, limit))
        .await;
    let keys = match keys {
        Ok(keys) => keys,
        Err(error) => {
            sample.failed = Some(error.to_string());
            return Some(sample);
        }
    };
    for key in keys {
        let acl = pace
            .call(Operation::GetObjectAcl, || store.object_acl(at, &key))
            .await;
        match acl {
            // It was deleted since it was listed.
            Ok(None) => {}
            Ok(Some(acl)) => {
                sample.looked_at += 1;
                if acl.grants.iter().any(|grant| grant.grantee.is_untrusted()) {
                    sample.public.push(key);
                }
            }
            Err(error) => {
                sample.failed = Some(error.to_string());
                break;
            }
        }
    }
    Some(sample)
}
