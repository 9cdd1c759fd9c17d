//! How long a scan of 5,000 buckets takes, how many calls and how much memory it needs, beside a bare
//! client that only sends as many requests to the same server.
//!
//! `cargo bench -p portcullis --bench scan` prints the tables of `docs/benchmarks.md`, section
//! "Scan". The server is this process; the scan is the real executable, started as a user would.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark")]

#[path = "support/estate.rs"]
mod estate;
#[path = "../../aws/tests/support/stub.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with tests")]
mod stub;

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use estate::{Estate, name};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

const BUCKETS: usize = 5_000;
const ESTATE: Estate = Estate {
    buckets: BUCKETS,
    page: BUCKETS,
};
const CONCURRENCY: usize = 64;

/// One scan by the real executable.
struct Scan {
    seconds: f64,
    calls: usize,
    peak_kib: u64,
}

fn scan(address: SocketAddr, calls: &AtomicUsize) -> Scan {
    let before = calls.load(Ordering::Relaxed);
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["scan", "--format", "json", "--endpoint-url"])
        .arg(format!("http://{address}"))
        .args(["--concurrency", &CONCURRENCY.to_string()])
        .env_clear()
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "not-a-secret")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The kernel keeps the peak; it is looked up until the process is gone.
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0;
    let code = loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let peak = text
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok());
        peak_kib = peak_kib.max(peak.unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let seconds = begun.elapsed().as_secs_f64();
    assert_eq!(code, Some(1), "the estate has open buckets");
    Scan {
        seconds,
        calls: calls.load(Ordering::Relaxed) - before,
        peak_kib,
    }
}

/// As many plain requests as the scan made, as many at a time, by a bare client. Requests a second.
async fn bare(address: SocketAddr, requests: usize) -> f64 {
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let workers: Vec<_> = (0..CONCURRENCY)
        .map(|_| {
            let (client, next) = (client.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= requests {
                        return;
                    }
                    let name = name(index % BUCKETS);
                    let uri = format!("http://{address}/{name}?publicAccessBlock");
                    let answer = client.get(uri.parse().unwrap()).await.unwrap();
                    answer.into_body().collect().await.unwrap();
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    requests as f64 / begun.elapsed().as_secs_f64()
}

/// The median time of `portcullis --version`, in milliseconds.
fn start() -> f64 {
    let mut times: Vec<f64> = (0..21)
        .map(|_| {
            let begun = Instant::now();
            Command::new(env!("CARGO_BIN_EXE_portcullis"))
                .arg("--version")
                .stdout(Stdio::null())
                .status()
                .unwrap();
            begun.elapsed().as_secs_f64() * 1_000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    println!(
        "| server latency | seconds | calls | calls a bucket | peak memory | calls/s | bare client, calls/s | share |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for latency in [0, 20] {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let serving = stub::serve(Duration::from_millis(latency), move |_, target| {
            counted.fetch_add(1, Ordering::Relaxed);
            ESTATE.answer(target)
        });
        let address = runtime.block_on(serving).unwrap();
        // The best of three: whatever else runs on the machine only adds.
        let scan = (0..3)
            .map(|_| scan(address, &calls))
            .min_by(|a, b| a.seconds.total_cmp(&b.seconds))
            .unwrap();
        let bare = (0..3)
            .map(|_| runtime.block_on(bare(address, scan.calls)))
            .max_by(f64::total_cmp)
            .unwrap();
        let rate = scan.calls as f64 / scan.seconds;
        println!(
            "| {latency} ms | {:.2} | {} | {:.2} | {:.1} MiB | {rate:.0} | {bare:.0} | {:.0} % |",
            scan.seconds,
            scan.calls,
            scan.calls as f64 / BUCKETS as f64,
            scan.peak_kib as f64 / 1024.0,
            100.0 * rate / bare,
        );
    }
    println!(
        "\nStart (`portcullis --version`, median of 21): {:.1} ms",
        start()
    );
}
