//! Whole estates: pages, failures of single buckets, interruption.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::sync::Arc;

use guard::error::{CallError, Hopeless};
use guard::gather::Depth;
use guard::operation::Operation;
use guard::sweep::{Ended, SweepOptions, Swept, Told, sweep};
use support::*;

fn options() -> SweepOptions {
    SweepOptions {
        depth: Depth::Verdict,
        ask_store: false,
        concurrency: 8,
        prefix: None,
    }
}

fn estate(size: usize, page: usize) -> Memory {
    let mut memory = Memory::with([]);
    memory.page = page;
    for index in 0..size {
        let acl = if index % 10 == 0 {
            public_acl()
        } else {
            private_acl()
        };
        memory.buckets.lock().unwrap().insert(
            format!("b{index:04}"),
            State {
                acl,
                ..State::default()
            },
        );
    }
    memory
}

async fn run(
    memory: &Arc<Memory>,
    wanted: impl Fn(&str) -> bool,
    stop: impl Future<Output = ()>,
) -> (Swept, Vec<(String, bool)>) {
    let mut judged = Vec::new();
    let swept = sweep(
        gatherer(memory, facts(None)),
        &options(),
        wanted,
        stop,
        |told| {
            if let Told::Judged(one) = told {
                let verdict = &one.assessment.verdict;
                judged.push((one.address.name.clone(), verdict.read.is_open()));
            }
            std::future::ready(())
        },
    )
    .await;
    judged.sort();
    (swept, judged)
}

#[tokio::test]
async fn every_bucket_of_every_page_is_judged_once() {
    let memory = Arc::new(estate(95, 10));
    let (swept, judged) = run(&memory, |_| true, std::future::pending()).await;
    assert_eq!((swept.listed, swept.judged), (95, 95));
    assert_eq!(swept.ended_by, None);
    assert_eq!(judged.len(), 95);
    assert_eq!(judged.iter().filter(|(_, open)| *open).count(), 10);
    assert_eq!(memory.asked("").len(), 10, "one call a page");
}

#[tokio::test]
async fn only_the_wanted_are_asked_about() {
    let memory = Arc::new(estate(30, 1000));
    let (swept, judged) = run(&memory, |name| name == "b0010", std::future::pending()).await;
    assert_eq!(swept.listed, 1);
    assert_eq!(judged, [("b0010".to_owned(), true)]);
    assert!(memory.asked("b0011").is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_bad_bucket_never_stops_the_others() {
    let memory = Arc::new(estate(30, 1000));
    let operation = Operation::GetBucketPolicy;
    let failing = CallError::Passing {
        operation,
        detail: "500".to_owned(),
    };
    memory.fail(operation, "b0003", vec![failing; 50]);
    memory.fail(
        Operation::GetBucketPublicAccessBlock,
        "b0004",
        vec![CallError::NoSuchBucket],
    );
    let (swept, judged) = run(&memory, |_| true, std::future::pending()).await;
    assert_eq!(swept.gone, ["b0004"]);
    assert_eq!(judged.len(), 29);
    assert_eq!(swept.ended_by, None);
    assert_eq!(
        memory
            .asked("b0003")
            .iter()
            .filter(|o| **o == operation)
            .count(),
        5,
        "repeated, in bounds"
    );
}

#[tokio::test]
async fn what_is_hopeless_ends_it_with_what_is_known() {
    let memory = Arc::new(estate(200, 1000));
    memory.fail(
        Operation::GetBucketAcl,
        "b0100",
        vec![Hopeless::ExpiredCredentials.into()],
    );
    let (swept, judged) = run(&memory, |_| true, std::future::pending()).await;
    assert_eq!(
        swept.ended_by,
        Some(Ended::Hopeless(Hopeless::ExpiredCredentials))
    );
    assert_eq!(swept.judged, judged.len());
    assert!(!judged.is_empty() && judged.len() < 200);
}

#[tokio::test]
async fn an_interruption_keeps_what_is_known() {
    let memory = Arc::new(estate(5_000, 1000));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut stop = Some(stop);
    let mut judged = 0;
    let swept = sweep(
        gatherer(&memory, facts(None)),
        &options(),
        |_| true,
        async {
            let _ = stopped.await;
        },
        |told| {
            if let Told::Judged(_) = told {
                judged += 1;
                if judged == 20 {
                    stop.take().unwrap().send(()).unwrap();
                }
            }
            std::future::ready(())
        },
    )
    .await;
    assert_eq!(swept.ended_by, Some(Ended::Stopped));
    assert_eq!((swept.judged, judged), (20, 20));
}

/// A large estate is not held in memory for somebody who takes what was judged slowly.
#[tokio::test(start_paused = true)]
async fn whoever_is_told_holds_the_sweep_up() {
    let memory = Arc::new(estate(1_000, 1_000));
    let options = options();
    let mut judged = 0;
    let sweeping = sweep(
        gatherer(&memory, facts(None)),
        &options,
        |_| true,
        std::future::pending(),
        |told| {
            judged += usize::from(matches!(told, Told::Judged(_)));
            let busy = judged == 20;
            async move {
                if busy {
                    std::future::pending().await
                }
            }
        },
    );
    // Paused time goes on when nothing else does.
    let long = tokio::time::timeout(std::time::Duration::from_secs(3600), sweeping);
    assert!(long.await.is_err(), "it ended although nobody listened");
    assert_eq!(judged, 20);
    let asked = (0..1_000).filter(|index| !memory.asked(&format!("b{index:04}")).is_empty());
    assert!(asked.count() <= 20 + options.concurrency);
}

#[tokio::test]
async fn a_listing_that_is_refused_says_so() {
    let memory = Arc::new(estate(3, 1000));
    let operation = Operation::ListBuckets;
    memory.fail(operation, "", vec![CallError::AccessDenied { operation }]);
    let (swept, judged) = run(&memory, |_| true, std::future::pending()).await;
    assert_eq!(
        swept.ended_by,
        Some(Ended::Listing(CallError::AccessDenied { operation }))
    );
    assert_eq!(judged, []);
}

#[tokio::test(start_paused = true)]
async fn a_second_page_that_fails_does_not_lose_the_first() {
    let memory = Arc::new(estate(20, 10));
    let operation = Operation::ListBuckets;
    let (first, second) = {
        // The first page passes: an error that repeats itself away is not one.
        let passing = CallError::Throttled { operation };
        (passing, CallError::AccessDenied { operation })
    };
    memory.fail(operation, "", vec![first]);
    let gatherer = gatherer(&memory, facts(None));
    let mut judged = 0;
    let mut armed = false;
    let swept = sweep(
        gatherer,
        &options(),
        |_| true,
        std::future::pending(),
        |told| {
            match told {
                Told::Listed(_) if !armed => {
                    armed = true;
                    memory.fail(operation, "", vec![second.clone()]);
                }
                Told::Listed(_) => {}
                Told::Judged(_) => judged += 1,
            }
            std::future::ready(())
        },
    )
    .await;
    assert_eq!(swept.ended_by, Some(Ended::Listing(second)));
    assert_eq!(judged, 10);
}
