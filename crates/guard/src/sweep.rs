//! Goes through an estate: lists the buckets, gathers each, judges each, and tells as it goes.

use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use compliance::assessment::Assessment;
use policy::bucket::Bucket;
use policy::observed::{Observed, Unread};
use policy::public::judge;
use tokio::task::JoinSet;

use crate::error::{CallError, Hopeless};
use crate::gather::{Depth, Gatherer, Lost, arn_name};
use crate::operation::Operation;
use crate::ports::{BucketAddress, ReadBuckets};

/// What to go through, and how.
#[derive(Clone, Debug)]
pub struct SweepOptions {
    /// How much to read of each bucket.
    pub depth: Depth,
    /// Whether the store's own opinion about each policy is asked for.
    pub ask_store: bool,
    /// How many buckets are asked about at the same time.
    pub concurrency: usize,
    /// What the names of all wanted buckets begin with, if that is known.
    pub prefix: Option<String>,
}

/// One bucket that was judged.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The bucket and its verdict.
    pub assessment: Assessment,
    /// By what address it was asked for.
    pub address: BucketAddress,
    /// How many calls it took.
    pub calls: u32,
    /// The store's own opinion about the policy, if it was asked.
    pub store_says_public: Option<Observed<bool>>,
}

impl Judged {
    /// The bucket under the name that ARNs give it: what plans are made from, since they judge again.
    /// Reports name a tenant's bucket on Ceph as it is asked for.
    pub fn named_as_in_arns(&self) -> Bucket {
        let mut bucket = self.assessment.bucket.clone();
        arn_name(&self.address.name).clone_into(&mut bucket.name);
        bucket
    }
}

/// How a sweep ended.
#[derive(Clone, Debug, Default)]
pub struct Swept {
    /// How many wanted buckets were listed.
    pub listed: usize,
    /// How many were judged.
    pub judged: usize,
    /// Buckets that went away between the listing and the question.
    pub gone: Vec<String>,
    /// What failed inside Portcullis; a bug, and the scan is not complete.
    pub failed: Vec<String>,
    /// What ended it early, if something did.
    pub ended_by: Option<Ended>,
}

/// What ended a sweep early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Somebody asked it to stop.
    Stopped,
    /// The listing failed.
    Listing(CallError),
    /// No call can succeed any more.
    Hopeless(Hopeless),
}

/// What a sweep tells as it goes.
#[derive(Debug)]
pub enum Told {
    /// So many wanted buckets are known by now.
    Listed(usize),
    /// One more was judged.
    Judged(Box<Judged>),
}

/// Goes through all buckets that `wanted` picks, until `stop` is ready. Whatever happens, what was
/// judged before was told, and one bad bucket never stops the others. What `tell` returns is waited for:
/// whoever is told, and is slower, holds the sweep up instead of piling up what it told.
pub async fn sweep<R: ReadBuckets + 'static, F: Future<Output = ()>>(
    gatherer: Arc<Gatherer<R>>,
    options: &SweepOptions,
    wanted: impl Fn(&str) -> bool,
    stop: impl Future<Output = ()>,
    mut tell: impl FnMut(Told) -> F,
) -> Swept {
    let mut stop = pin!(stop);
    let mut swept = Swept::default();
    let mut running: JoinSet<Result<Judged, (String, Lost)>> = JoinSet::new();
    let mut pages = JoinSet::new();
    let mut waiting: VecDeque<BucketAddress> = VecDeque::new();
    let mut seen = HashSet::new();
    // The token of the page to ask for next: none for the first page, then what pages tell.
    let mut next: Option<Option<String>> = Some(None);
    loop {
        while running.len() < options.concurrency.max(1) {
            let Some(at) = waiting.pop_front() else { break };
            let gatherer = Arc::clone(&gatherer);
            let (depth, ask_store) = (options.depth, options.ask_store);
            running.spawn(async move {
                let judged = match judge_one(&gatherer, at.clone(), depth).await {
                    Ok(judged) if ask_store => with_store_opinion(&gatherer, judged).await,
                    judged => judged,
                };
                judged.map_err(|lost| (at.name, lost))
            });
        }
        // The next page is asked for only when there is room for its buckets.
        if waiting.is_empty()
            && pages.is_empty()
            && let Some(token) = next.take()
        {
            let gatherer = Arc::clone(&gatherer);
            let prefix = options.prefix.clone();
            pages.spawn(async move {
                let page = gatherer
                    .pace()
                    .call(Operation::ListBuckets, || {
                        gatherer.reader().buckets(prefix.as_deref(), token.clone())
                    })
                    .await;
                (token, page)
            });
        }
        if running.is_empty() && waiting.is_empty() && pages.is_empty() {
            return swept;
        }
        tokio::select! {
            biased;
            () = &mut stop => {
                swept.ended_by = Some(Ended::Stopped);
                return swept;
            }
            Some(done) = running.join_next(), if !running.is_empty() => match done {
                Ok(Ok(judged)) => {
                    swept.judged += 1;
                    tell(Told::Judged(Box::new(judged))).await;
                }
                Ok(Err((name, Lost::Gone))) => swept.gone.push(name),
                Ok(Err((_, Lost::Hopeless(hopeless)))) => {
                    swept.ended_by = Some(Ended::Hopeless(hopeless));
                    return swept;
                }
                // A panic in the judgement of one bucket does not take the others along.
                Err(error) => swept.failed.push(format!("the judgement of a bucket: {error}")),
            },
            Some(listed) = pages.join_next(), if !pages.is_empty() => match listed {
                Ok((asked, Ok(page))) => {
                    for at in page.entries {
                        if wanted(&at.name) && seen.insert(at.name.clone()) {
                            waiting.push_back(at);
                        }
                    }
                    swept.listed = seen.len();
                    tell(Told::Listed(swept.listed)).await;
                    next = match page.next {
                        // A server that gives the same token again would never end.
                        Some(token) if Some(&token) != asked.as_ref() => Some(Some(token)),
                        _ => None,
                    };
                }
                Ok((_, Err(CallError::Hopeless(hopeless)))) => {
                    swept.ended_by = Some(Ended::Hopeless(hopeless));
                    return swept;
                }
                // What was listed before is still gone through.
                Ok((_, Err(error))) => swept.ended_by = Some(Ended::Listing(error)),
                Err(error) => swept.failed.push(format!("the listing: {error}")),
            },
        }
    }
}

/// Gathers and judges one bucket.
pub async fn judge_one<R: ReadBuckets>(
    gatherer: &Gatherer<R>,
    mut address: BucketAddress,
    depth: Depth,
) -> Result<Judged, Lost> {
    locate(gatherer, &mut address).await?;
    let gathered = gatherer.gather(&address, depth).await?;
    let mut bucket = gathered.bucket;
    let verdict = judge(&bucket);
    // Reports name the bucket as it is asked for.
    bucket.name.clone_from(&address.name);
    Ok(Judged {
        assessment: Assessment {
            bucket,
            verdict,
            region: address.region.clone(),
            id: None,
            source: None,
            exception: None,
        },
        address,
        calls: gathered.calls,
        store_says_public: None,
    })
}

/// Asks where the bucket is, if that is not known and matters.
pub(crate) async fn locate<R: ReadBuckets>(
    gatherer: &Gatherer<R>,
    address: &mut BucketAddress,
) -> Result<(), Lost> {
    if address.region.is_none() && !gatherer.facts().compatible_store {
        let answer = gatherer
            .pace()
            .call(Operation::GetBucketLocation, || {
                gatherer.reader().location(address)
            })
            .await;
        match answer {
            Ok(region) => address.region = region,
            Err(CallError::Hopeless(hopeless)) => return Err(Lost::Hopeless(hopeless)),
            Err(CallError::NoSuchBucket) => return Err(Lost::Gone),
            // The store may still answer at the region of the configuration.
            Err(_) => {}
        }
    }
    Ok(())
}

/// Asks the store whether it calls the policy public, where there is one.
async fn with_store_opinion<R: ReadBuckets>(
    gatherer: &Gatherer<R>,
    mut judged: Judged,
) -> Result<Judged, Lost> {
    if !matches!(judged.assessment.bucket.policy, Observed::Present(_)) {
        return Ok(judged);
    }
    judged.calls += 1;
    let answer = gatherer
        .pace()
        .call(Operation::GetBucketPolicyStatus, || {
            gatherer.reader().policy_status(&judged.address)
        })
        .await;
    judged.store_says_public = Some(match answer {
        Ok(Some(public)) => Observed::Present(public),
        Ok(None) => Observed::Absent,
        Err(CallError::Hopeless(hopeless)) => return Err(Lost::Hopeless(hopeless)),
        Err(CallError::NoSuchBucket) => return Err(Lost::Gone),
        Err(error) => Observed::Unknown(error.unread()),
    });
    Ok(judged)
}

/// Whether a part of what was read could not be read, other than for want of need.
pub fn could_not_read(unread: &Unread) -> bool {
    !matches!(unread, Unread::NotNeeded | Unread::NotGiven)
}
