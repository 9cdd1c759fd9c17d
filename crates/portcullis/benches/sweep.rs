//! What going through a large estate costs the guard in time, calls and memory: the first time, when
//! everything of every bucket is recorded, and then again, when as much is read as settles each verdict.
//!
//! `cargo bench -p portcullis --bench sweep` prints the table of `docs/benchmarks.md`, section "Guard".
//! `PORTCULLIS_BENCH_BUCKETS=100000` says other sizes. The server is this process, the guard the real
//! executable on an SQLite file, started as a user would; everything is on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark"
)]

#[path = "support/estate.rs"]
mod estate;
#[path = "../../aws/tests/support/stub.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with tests")]
mod stub;
#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use estate::Estate;
use guard::repository::Repository;
use guard::state::JobKind;
use jiff::{SignedDuration, Timestamp};
use support::{ACCOUNT, Folder, Memory, Serve, Setup};

const SIZES: &str = "2000,20000";
/// As many as the guard asks AWS for.
const PAGE: usize = 1000;
/// What a machine under load may take for a bucket.
const PATIENCE: Duration = Duration::from_millis(30);

/// Everything is recorded once: the next round, spread over half a year, is out of the way.
fn config(endpoint: &str, store: &str) -> String {
    format!(
        r#"
[store]
path = "{store}"

[[account]]
id = "{ACCOUNT}"
endpoint-url = "{endpoint}"
region = "us-east-1"
access-key-id = "AKIDBENCHBENCHBENCHB"
secret-access-key = "env:BENCH_SECRET"

[recorder]
sweep-interval = "24h"
record-interval = "8760h"

[server]
listen = ""

[log]
format = "json"
"#
    )
}

fn main() {
    let sizes = std::env::var("PORTCULLIS_BENCH_BUCKETS");
    let sizes = sizes.as_deref().unwrap_or(SIZES);
    println!("| buckets | what | seconds | calls | calls a bucket | peak memory |");
    println!("|---|---|---|---|---|---|");
    for size in sizes.split(',') {
        let buckets = size.trim().parse().expect("numbers of buckets");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(measure(buckets));
    }
}

async fn measure(buckets: usize) {
    let estate = Estate {
        buckets,
        page: PAGE,
    };
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let serving = stub::serve(Duration::ZERO, move |_, target| {
        counted.fetch_add(1, Ordering::Relaxed);
        estate.answer(target)
    });
    let endpoint = format!("http://{}", serving.await.unwrap());
    let folder = Folder::new("sweep");
    let store = folder.path().join("guard.db").display().to_string();
    let setup = Setup::new(
        &folder,
        &config(&endpoint, &store),
        &[("BENCH_SECRET", "not-a-secret")],
    );
    let mut run = Run {
        buckets,
        kept: store::Store::open(&store).await.unwrap(),
        calls,
    };
    run.first(setup.serve()).await;
    run.again(setup.serve()).await;
}

struct Run {
    buckets: usize,
    kept: store::Store,
    calls: Arc<AtomicUsize>,
}

impl Run {
    /// Nothing is known: everything of every bucket is recorded.
    async fn first(&mut self, serve: Serve) {
        let begun = Instant::now();
        let begun_at = Timestamp::now();
        self.calls.store(0, Ordering::Relaxed);
        self.until(&serve, async |kept| {
            let next = kept
                .next_due(&[JobKind::Look, JobKind::Review])
                .await
                .unwrap();
            // The next round is due in months.
            let round = Timestamp::now() + SignedDuration::from_mins(5);
            swept_since(kept, begun_at).await && next.is_none_or(|due| due > round)
        })
        .await;
        self.row("everything is recorded", begun, serve.memory());
        let totals = self.kept.totals().await.unwrap();
        let recorded = totals.resources.iter().map(|(_, count)| count).sum::<u64>();
        assert!(recorded >= self.buckets as u64, "only {recorded} recorded");
        stop(serve);
    }

    /// Everything is known: as much is read as settles the verdict.
    async fn again(&mut self, serve: Serve) {
        let begun = Instant::now();
        let begun_at = Timestamp::now();
        self.calls.store(0, Ordering::Relaxed);
        self.until(&serve, async |kept| swept_since(kept, begun_at).await)
            .await;
        self.row("verdicts are compared", begun, serve.memory());
        let coverage = self.kept.coverage().await.unwrap();
        let swept = coverage.iter().map(|one| one.swept).sum::<u64>();
        assert_eq!(swept, self.buckets as u64);
        stop(serve);
    }

    /// Waits until something is so.
    async fn until(&self, serve: &Serve, is: impl AsyncFn(&store::Store) -> bool) {
        let begun = Instant::now();
        let mut told = begun;
        while !is(&self.kept).await {
            let took = begun.elapsed();
            let patience = Duration::from_secs(60) + PATIENCE * self.buckets as u32;
            assert!(took < patience, "not done after {took:?}");
            if told.elapsed() > Duration::from_secs(20) {
                told = Instant::now();
                eprintln!(
                    "{} buckets: {} calls after {:.0} s, {:.1} MiB",
                    self.buckets,
                    self.calls.load(Ordering::Relaxed),
                    took.as_secs_f64(),
                    mib(serve.memory().peak_kib),
                );
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn row(&self, what: &str, begun: Instant, memory: Memory) {
        let calls = self.calls.load(Ordering::Relaxed);
        println!(
            "| {} | {what} | {:.1} | {calls} | {:.2} | {:.1} MiB |",
            self.buckets,
            begun.elapsed().as_secs_f64(),
            calls as f64 / self.buckets as f64,
            mib(memory.peak_kib),
        );
    }
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

async fn swept_since(kept: &store::Store, since: Timestamp) -> bool {
    let coverage = kept.coverage().await.unwrap();
    coverage
        .iter()
        .any(|one| one.last_sweep_at.is_some_and(|at| at > since))
}

fn stop(serve: Serve) {
    let (status, log) = serve.stop();
    assert!(status.success(), "{log}");
}
