//! Judges recorded items again: the same verdict from the item alone, whenever it is asked.

use compliance::assessment::Assessment;
use compliance::exceptions::Exceptions;
use compliance::item::bucket::bucket;
use compliance::item::{BUCKET, ConfigurationItem};
use compliance::rules::configured::RuleSet;
use compliance::rules::{RuleEvaluation, Subject};
use guard::repository::Repository;
use jiff::Timestamp;
use policy::public::judge;
use store::Store;

use super::failed;
use crate::exit::Failure;

/// How many items are read at once.
const PAGE: u32 = 500;

/// What rules say of an item, as they would have said it at a moment.
pub(super) fn evaluate(
    rules: &RuleSet,
    exceptions: &Exceptions,
    item: &ConfigurationItem,
    previous: Option<&ConfigurationItem>,
    at: Timestamp,
) -> Vec<RuleEvaluation> {
    let assessment = assess(item).map(|mut assessment| {
        exceptions.apply(&mut assessment, at);
        assessment
    });
    rules.evaluate(&Subject {
        item,
        assessment: assessment.as_ref(),
        previous,
        now: at,
    })
}

/// The verdict on a bucket as it was recorded. `None`: it is no bucket, or it is gone.
fn assess(item: &ConfigurationItem) -> Option<Assessment> {
    if item.key.resource_type != BUCKET || item.status.is_deleted() {
        return None;
    }
    let bucket = bucket(item).ok()?;
    Some(Assessment {
        verdict: judge(&bucket),
        bucket,
        region: Some(item.key.region.clone()),
        id: None,
        source: None,
        exception: None,
    })
}

/// Goes through items, page by page: the newest of every resource, or all that were captured in a span.
pub(super) async fn each_item(
    store: &Store,
    span: Option<(Timestamp, Timestamp)>,
    mut take: impl FnMut(ConfigurationItem),
) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = store.items(span, after, PAGE).await.map_err(failed)?;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        after = Some(*last);
        for (_, item) in page {
            take(item);
        }
    }
}
