//! Percentiles of the time that a verdict takes, over the labelled corpus, our own cases, the
//! policies of `benches/policies` and generated ones.
//!
//! `cargo bench -p policy --bench percentiles`, on an idle machine. Each bucket's time is the median
//! of its runs, so that another process's noise is not taken for a slow bucket.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "benchmarks read the clock"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use oracle::case;
use oracle::generate::{Richness, bare_bucket, document};
use policy::bucket::Bucket;
use policy::document::Policy;
use policy::public::judge;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

const RUNS: usize = 51;

fn median(mut run: impl FnMut()) -> Duration {
    run();
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[RUNS / 2]
}

fn print(what: &str, mut times: Vec<(Duration, String)>) {
    times.sort();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)].0;
    let (slowest, name) = &times[times.len() - 1];
    println!(
        "{what:<34} {:>5} {:>10.1?} {:>10.1?} {:>10.1?} {:>10.1?}  {name}",
        times.len(),
        at(50),
        at(90),
        at(99),
        slowest,
    );
}

fn verdicts(what: &str, buckets: &[(String, Bucket)]) {
    let times = buckets
        .iter()
        .map(|(name, bucket)| {
            let time = median(|| drop(black_box(judge(black_box(bucket)))));
            (time, name.clone())
        })
        .collect();
    print(what, times);
}

fn labelled(text: &str) -> Vec<(String, Bucket)> {
    case::read(text)
        .unwrap()
        .into_iter()
        .map(|case| (case.id.clone(), case.bucket().unwrap()))
        .collect()
}

fn main() {
    println!(
        "{:<34} {:>5} {:>10} {:>10} {:>10} {:>10}",
        "", "", "p50", "p90", "p99", "worst"
    );
    let corpus = labelled(include_str!("../tests/data/bucket-cases.json"));
    let texts: Vec<(String, String)> = corpus
        .iter()
        .filter_map(|(id, bucket)| Some((id.clone(), bucket.policy.present()?.text.clone())))
        .collect();
    let parsing = texts
        .iter()
        .map(|(id, text)| {
            let time = median(|| drop(black_box(Policy::parse(black_box(text)))));
            (time, id.clone())
        })
        .collect();
    print("parse: corpus", parsing);
    verdicts("verdict: corpus", &corpus);
    verdicts(
        "verdict: our own cases",
        &labelled(include_str!("../tests/data/derived-cases.json")),
    );
    let real: Vec<(String, Bucket)> = [
        ("website", include_str!("policies/website.json")),
        ("tls-only", include_str!("policies/tls-only.json")),
        ("organization", include_str!("policies/organization.json")),
        ("log-archive", include_str!("policies/log-archive.json")),
        (
            "data-perimeter",
            include_str!("policies/data-perimeter.json"),
        ),
    ]
    .map(|(name, text)| (name.to_owned(), bare_bucket(Policy::parse(text).unwrap())))
    .into();
    for one in &real {
        verdicts(&format!("verdict: {}", one.0), std::slice::from_ref(one));
    }
    let mut runner = TestRunner::deterministic();
    let strategy = document(Richness::USUAL);
    let generated: Vec<(String, Bucket)> = (0..500)
        .map(|index| {
            let document = strategy.new_tree(&mut runner).unwrap().current();
            (
                format!("#{index} {}", document.to_json()),
                document.bucket().unwrap(),
            )
        })
        .collect();
    verdicts("verdict: generated", &generated);
}
