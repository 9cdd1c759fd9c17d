//! What parsing and judging cost.
//!
//! `cargo bench -p policy --bench verdict`, on an idle machine. `benches/percentiles.rs` prints the
//! percentiles over the labelled corpus.

#![expect(clippy::unwrap_used, reason = "benchmarks")]

use divan::{Bencher, black_box, counter::ItemsCount};
use oracle::case;
use oracle::generate::bare_bucket;
use policy::bucket::Bucket;
use policy::document::Policy;
use policy::public::judge;

/// Bucket policies as they are written in practice, from one statement to a data perimeter.
const POLICIES: [(&str, &str); 5] = [
    ("website", include_str!("policies/website.json")),
    ("tls-only", include_str!("policies/tls-only.json")),
    ("organization", include_str!("policies/organization.json")),
    ("log-archive", include_str!("policies/log-archive.json")),
    (
        "data-perimeter",
        include_str!("policies/data-perimeter.json"),
    ),
];

fn text(name: &str) -> &'static str {
    POLICIES.iter().find(|(n, _)| *n == name).unwrap().1
}

fn main() {
    divan::main();
}

#[divan::bench(args = POLICIES.map(|(name, _)| name))]
fn parse(bencher: Bencher<'_, '_>, name: &str) {
    let text = text(name);
    bencher.bench(|| Policy::parse(black_box(text)).unwrap());
}

#[divan::bench(args = POLICIES.map(|(name, _)| name))]
fn verdict(bencher: Bencher<'_, '_>, name: &str) {
    let bucket = bare_bucket(Policy::parse(text(name)).unwrap());
    bencher.bench(|| judge(black_box(&bucket)));
}

/// Every labelled bucket, one after the other.
#[divan::bench]
fn whole_corpus(bencher: Bencher<'_, '_>) {
    let buckets: Vec<Bucket> = case::read(include_str!("../tests/data/bucket-cases.json"))
        .unwrap()
        .iter()
        .map(|case| case.bucket().unwrap())
        .collect();
    bencher
        .counter(ItemsCount::new(buckets.len()))
        .bench(|| buckets.iter().map(judge).for_each(|v| drop(black_box(v))));
}
