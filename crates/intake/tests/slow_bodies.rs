//! Bodies that come slowly, or not at all, keep nobody else from being answered.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use guard::clock::Clock;
use guard::intake::Form;
use intake::events::{API_KEY_HEADER, ApiKey, EventsRoute};
use intake::fetch::Fetch;
use intake::routes::PublicRoutes;
use intake::sns::{Authority, Certificates, SnsRoute};
use support::Bench;
use support::http::{Answer, Served, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const KEY: &str = "0123456789abcdef0123456789abcdef";
/// Nothing that is waited for takes so long.
const LIMIT: Duration = Duration::from_secs(60);

/// A web that never answers, as far as this test hears.
struct Nowhere;

impl Fetch for Nowhere {
    async fn get(&self, _: &str, _: usize) -> Result<Vec<u8>, String> {
        std::future::pending().await
    }
}

struct Intake {
    bench: Bench,
    served: Served,
}

async fn intake(requests: usize, body_within: Duration) -> Intake {
    let bench = Bench::new(Form::Message);
    let clock = Arc::clone(&bench.clock);
    let now: intake::Now = Arc::new(move || clock.now());
    let within = LIMIT;
    let events = EventsRoute {
        header: API_KEY_HEADER,
        keys: vec![ApiKey::new("key", KEY).unwrap()],
        watch: bench.watch.clone(),
        sink: Arc::clone(&bench.sink),
        within,
        now: Arc::clone(&now),
    };
    let web = Arc::new(Nowhere);
    let sns = SnsRoute {
        topics: BTreeSet::from([TOPIC.to_owned()]),
        certificates: Certificates::new(Arc::clone(&web), Authority::Host),
        fetch: web,
        watch: bench.watch.clone(),
        sink: Arc::clone(&bench.sink),
        within,
        now,
    };
    let routes = PublicRoutes::new(bench.metrics.clone())
        .bounded(requests, body_within)
        .events(events)
        .sns(sns);
    let served = serve(routes.router(None)).await;
    Intake { bench, served }
}

const TOPIC: &str = "arn:aws:sns:eu-central-1:111122223333:events";

impl Intake {
    async fn event(&self, text: &str) -> Answer {
        let headers = [("x-api-key", KEY)];
        let sent = self.served.request("POST", "/events", &headers, text);
        tokio::time::timeout(LIMIT, sent).await.unwrap()
    }

    async fn sns(&self, text: &str) -> Answer {
        let sent = self.served.request("POST", "/sns", &[], text);
        tokio::time::timeout(LIMIT, sent).await.unwrap()
    }

    /// A request whose head announces a larger body than comes.
    async fn begun(&self, path: &str, announced: usize, sent: usize) -> TcpStream {
        let mut stream = TcpStream::connect(self.served.address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nX-Api-Key: {KEY}\r\nContent-Length: {announced}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let write = async {
            stream.write_all(&vec![b' '; sent]).await.unwrap();
            stream.flush().await.unwrap();
        };
        tokio::time::timeout(LIMIT, write).await.unwrap();
        stream
    }
}

#[tokio::test]
async fn bodies_that_do_not_come_take_no_place() {
    let intake = intake(2, LIMIT).await;
    let mut slow = Vec::new();
    for path in ["/sns", "/events"] {
        for _ in 0..40 {
            slow.push(intake.begun(path, 1_000, 1).await);
        }
    }
    assert_eq!(intake.event("one").await.status, 200);
    // It is no message of SNS's: somebody has looked at it.
    assert_eq!(intake.sns("{}").await.status, 400);
    // Whoever was slow is answered when the rest is there.
    let mut last = slow.pop().unwrap();
    last.write_all(&[b'x'; 999]).await.unwrap();
    let mut begin = [0; 12];
    let read = tokio::time::timeout(LIMIT, last.read_exact(&mut begin)).await;
    read.unwrap().unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200");
    assert_eq!(intake.bench.sink.log().len(), 2);
    drop((slow, last));
    intake.served.end().await;
}

#[tokio::test]
async fn a_body_has_its_time() {
    let intake = intake(2, Duration::from_millis(100)).await;
    for path in ["/sns", "/events"] {
        let mut slow = intake.begun(path, 1_000, 1).await;
        let mut begin = [0; 12];
        let read = tokio::time::timeout(LIMIT, slow.read_exact(&mut begin)).await;
        read.unwrap().unwrap();
        assert_eq!(&begin, b"HTTP/1.1 503", "it is to come again");
    }
    let line = r#"portcullis_events_rejected_total{source="source",reason="too-slow"} 2"#;
    assert!(intake.bench.counts(line));
    assert_eq!(intake.bench.sink.log(), Vec::<String>::new());
    intake.served.end().await;
}

#[tokio::test]
async fn bodies_that_wait_have_bounded_room() {
    let intake = intake(2, LIMIT).await;
    // Each is an event's largest size but for its last byte.
    let mut waiting = Vec::new();
    for _ in 0..32 {
        waiting.push(intake.begun("/sns", 1 << 20, (1 << 20) - 1).await);
    }
    let full = async {
        while intake.sns(&" ".repeat(1 << 18)).await.status != 503 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, full).await.unwrap();
    // It is the room of that route only.
    assert_eq!(intake.event("one").await.status, 200);
    // And free again when they go.
    drop(waiting);
    let free = async {
        while intake.sns(&" ".repeat(1 << 18)).await.status != 400 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, free).await.unwrap();
    intake.served.end().await;
}

#[tokio::test]
async fn so_many_are_worked_at_at_once_and_others_wait() {
    let intake = intake(2, LIMIT).await;
    // The store takes its time.
    let gate = &intake.bench.sink.gate;
    gate.forget_permits(usize::MAX);
    let mut all = Vec::new();
    for _ in 0..10 {
        all.push(intake.begun("/events", 3, 3).await);
    }
    let sink = &intake.bench.sink;
    let worked_at = async {
        while sink.most_at_once() < 2 {
            tokio::task::yield_now().await;
        }
        // Those who wait have had their time to begin, too.
        assert_eq!(intake.sns("{}").await.status, 400);
        gate.add_permits(10);
        while sink.log().len() < 10 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, worked_at).await.unwrap();
    assert_eq!(sink.most_at_once(), 2);
    drop(all);
    intake.served.end().await;
}
