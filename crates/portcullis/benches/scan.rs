//! How long a scan of 5,000 buckets takes, how many calls and how much memory it needs, beside a bare
//! client that only sends as many requests to the same server.
//!
//! `cargo bench -p portcullis --bench scan` prints the tables of `docs/benchmarks.md`, section
//! "Scan". The server is this process; the scan is the real executable, started as a user would.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark")]

#[path = "../../aws/tests/support/stub.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with tests")]
mod stub;

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use stub::Answer;

const BUCKETS: usize = 5_000;
const CONCURRENCY: usize = 64;

/// What a bucket of the estate looks like. The shares are ours: most buckets are as AWS makes them
/// since April 2023, some are older, a few are open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// 60 %: all four settings on.
    Blocked,
    /// 15 %: no block, no policy, a private ACL.
    Plain,
    /// 10 %: IgnorePublicAcls on the bucket, and a policy that names accounts.
    AclsIgnored,
    /// 8 %: no block, and a policy with conditions.
    Conditions,
    /// 4 %: a public ACL.
    PublicAcl,
    /// 3 %: a public policy.
    PublicPolicy,
}

fn kind(index: usize) -> Kind {
    // 37 and 100 have no common factor: each hundred buckets has exactly the shares, mixed.
    match index * 37 % 100 {
        0..60 => Kind::Blocked,
        60..75 => Kind::Plain,
        75..85 => Kind::AclsIgnored,
        85..93 => Kind::Conditions,
        93..97 => Kind::PublicAcl,
        _ => Kind::PublicPolicy,
    }
}

fn name(index: usize) -> String {
    format!("estate-bucket-{index:05}")
}

fn answer(target: &str) -> Answer {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = path.trim_matches('/');
    if path.is_empty() {
        return Answer::new(200, listing());
    }
    let Some(index) = path.rsplit('-').next().and_then(|n| n.parse().ok()) else {
        return error(404, "NoSuchBucket");
    };
    let kind = kind(index);
    match query.split('&').next().unwrap_or_default() {
        "publicAccessBlock" => match kind {
            Kind::Blocked => Answer::new(200, block([true; 4])),
            Kind::AclsIgnored => Answer::new(200, block([true, true, false, false])),
            _ => error(404, "NoSuchPublicAccessBlockConfiguration"),
        },
        "policy" => match kind {
            Kind::AclsIgnored => Answer::new(200, accounts_policy(path)),
            Kind::Conditions => Answer::new(200, conditions_policy(path)),
            Kind::PublicPolicy => Answer::new(200, public_policy(path)),
            _ => error(404, "NoSuchBucketPolicy"),
        },
        "acl" => Answer::new(200, acl(kind == Kind::PublicAcl)),
        "ownershipControls" => error(404, "OwnershipControlsNotFoundError"),
        _ => error(501, "NotImplemented"),
    }
}

fn listing() -> String {
    let mut text = String::from(
        "<ListAllMyBucketsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner><ID>owner</ID></Owner><Buckets>",
    );
    for index in 0..BUCKETS {
        text.push_str(&format!(
            "<Bucket><Name>{}</Name><CreationDate>2026-01-01T00:00:00.000Z</CreationDate></Bucket>",
            name(index)
        ));
    }
    text.push_str("</Buckets></ListAllMyBucketsResult>");
    text
}

fn error(status: u16, code: &str) -> Answer {
    Answer::new(
        status,
        format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>"),
    )
}

fn block(settings: [bool; 4]) -> String {
    let [a, b, c, d] = settings;
    format!(
        "<PublicAccessBlockConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><BlockPublicAcls>{a}</BlockPublicAcls><IgnorePublicAcls>{b}</IgnorePublicAcls><BlockPublicPolicy>{c}</BlockPublicPolicy><RestrictPublicBuckets>{d}</RestrictPublicBuckets></PublicAccessBlockConfiguration>"
    )
}

fn acl(public: bool) -> String {
    let grant = |grantee: &str, permission: &str| {
        format!(
            "<Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" {grantee}</Grantee><Permission>{permission}</Permission></Grant>"
        )
    };
    let mut grants = grant("xsi:type=\"CanonicalUser\"><ID>owner</ID>", "FULL_CONTROL");
    if public {
        grants.push_str(&grant(
            "xsi:type=\"Group\"><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>",
            "READ",
        ));
    }
    format!(
        "<AccessControlPolicy xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner><ID>owner</ID></Owner><AccessControlList>{grants}</AccessControlList></AccessControlPolicy>"
    )
}

fn accounts_policy(bucket: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"Partners","Effect":"Allow","Principal":{{"AWS":["arn:aws:iam::444455556666:root","arn:aws:iam::777788889999:role/reader"]}},"Action":["s3:GetObject","s3:GetObjectVersion","s3:ListBucket"],"Resource":["arn:aws:s3:::{bucket}","arn:aws:s3:::{bucket}/*"]}},{{"Sid":"Tls","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::{bucket}","arn:aws:s3:::{bucket}/*"],"Condition":{{"Bool":{{"aws:SecureTransport":"false"}}}}}}]}}"#
    )
}

fn conditions_policy(bucket: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"Organization","Effect":"Allow","Principal":"*","Action":["s3:GetObject","s3:ListBucket"],"Resource":["arn:aws:s3:::{bucket}","arn:aws:s3:::{bucket}/*"],"Condition":{{"StringEquals":{{"aws:PrincipalOrgID":"o-a1b2c3d4e5"}}}}}},{{"Sid":"Logs","Effect":"Allow","Principal":{{"Service":"logging.s3.amazonaws.com"}},"Action":"s3:PutObject","Resource":"arn:aws:s3:::{bucket}/logs/*","Condition":{{"ArnLike":{{"aws:SourceArn":"arn:aws:s3:::source-*"}},"StringEquals":{{"aws:SourceAccount":"111122223333"}}}}}},{{"Sid":"Endpoint","Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::{bucket}/*","Condition":{{"StringNotEquals":{{"aws:SourceVpce":["vpce-0a1b2c3d4e5f60718"]}},"ArnNotLike":{{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/deploy-*"}}}}}}]}}"#
    )
}

fn public_policy(bucket: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"Website","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::{bucket}/*"}}]}}"#
    )
}

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
            answer(target)
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
