//! The verdict for unsigned callers against what an unsigned request really gets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::sync::Arc;

use differential::compare::compare;
use differential::configuration::{Configuration, read_corpus};
use differential::generate;
use differential::store::{Kind, Store};

const CORPUS: &str = include_str!("../../policy/tests/data/bucket-cases.json");

/// Another seed, or more configurations, for a longer run by hand.
const SEED: &str = "PORTCULLIS_TEST_SEED";
const COUNT: &str = "PORTCULLIS_TEST_CONFIGURATIONS";

fn configurations() -> Vec<Configuration> {
    let number = |name: &str, or: u64| {
        std::env::var(name).map_or(or, |text| text.parse().expect("a number"))
    };
    let count = usize::try_from(number(COUNT, 400)).unwrap();
    let mut configurations = read_corpus(CORPUS).unwrap();
    configurations.extend(generate::configurations(number(SEED, 20_261_124), count));
    configurations
}

fn needed(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: this test needs a server; run cargo xtask test")
    })
}

fn run(store: Store) {
    let store = Arc::new(store);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let report = runtime.block_on(compare(&store, configurations())).unwrap();
    println!("{:?}: {}", store.kind, report.summary());
    assert!(
        report.unexplained.is_empty(),
        "{} things that nothing explains, of them:\n{}",
        report.unexplained.len(),
        report
            .unexplained
            .iter()
            .take(20)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
    );
    let unused = report.unused(&store);
    assert!(
        unused.is_empty(),
        "these differences changed no answer: take them off the list: {unused:?}"
    );
    assert!(
        report.allowed > 100 && report.shown_open > 100,
        "{}",
        report.summary()
    );
}

#[test]
#[ignore = "needs a Ceph gateway: run cargo xtask test"]
fn ceph_rgw_answers_as_predicted() {
    let endpoint = needed("PORTCULLIS_TEST_RGW");
    let owner = needed("PORTCULLIS_TEST_RGW_OWNER");
    run(Store::new(Kind::CephRgw, &endpoint, &owner).unwrap());
}

#[test]
#[ignore = "needs MiniStack: run cargo xtask test"]
fn ministack_answers_as_predicted() {
    let endpoint = needed("PORTCULLIS_TEST_MINISTACK");
    // It takes an account's number as access key, and any secret.
    run(Store::new(Kind::MiniStack, &endpoint, "111122223333:any").unwrap());
}
