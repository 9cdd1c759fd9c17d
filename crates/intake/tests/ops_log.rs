//! The ops log's reader against a gateway of the test's own, and against a real one.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use guard::intake::Form;
use intake::ops_log::{Nudge, OpsLogSettings, read};
use jiff::SignedDuration;
use support::{Bench, away, broken, now};
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A directory for one socket, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("portcullis-ops-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("ops.sock")
    }

    fn listen(&self) -> UnixListener {
        let _ = std::fs::remove_file(self.socket());
        UnixListener::bind(self.socket()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[derive(Default)]
struct Requests {
    made: AtomicU32,
    fails: AtomicBool,
}

impl Nudge for Requests {
    async fn nudge(&self) -> bool {
        self.made.fetch_add(1, Ordering::Relaxed);
        !self.fails.load(Ordering::Relaxed)
    }
}

struct Reading {
    bench: Bench,
    folder: Folder,
    requests: Arc<Requests>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

fn start(bench: Bench, folder: Folder) -> Reading {
    let (stop, stopped) = watch::channel(false);
    let requests = Arc::new(Requests::default());
    let reading = read(
        OpsLogSettings::new(folder.socket()),
        Arc::clone(&bench.sink),
        bench.watch.clone(),
        Arc::clone(&bench.clock),
        Arc::clone(&requests),
        stopped,
    );
    let task = tokio::spawn(reading);
    Reading {
        bench,
        folder,
        requests,
        stop,
        task,
    }
}

impl Reading {
    async fn until(&self, what: &str, so: impl Fn(&Bench) -> bool) {
        self.bench.until(what, || so(&self.bench)).await;
    }

    async fn accept(&self, gateway: &UnixListener) -> UnixStream {
        let accepted = async {
            loop {
                tokio::select! {
                    accepted = gateway.accept() => return accepted.unwrap().0,
                    () = tokio::task::yield_now() => {
                        self.bench.clock.advance(SignedDuration::from_millis(20));
                    }
                }
            }
        };
        let hang = std::time::Duration::from_secs(60);
        tokio::time::timeout(hang, accepted)
            .await
            .expect("nobody connects")
    }

    fn gaps(&self) -> usize {
        self.bench.sink.gaps.lock().unwrap().len()
    }

    async fn end(self) {
        self.stop.send(true).unwrap();
        self.task.await.unwrap();
    }
}

#[tokio::test]
async fn records_are_stored_in_order_and_a_connection_is_a_gap() {
    let folder = Folder::new();
    let gateway = folder.listen();
    let reading = start(Bench::new(Form::OpsLog), folder);
    let mut socket = reading.accept(&gateway).await;
    reading
        .until("the gap is told", |bench| {
            bench.sink.gaps.lock().unwrap().len() == 1
        })
        .await;
    assert_eq!(
        reading.bench.sink.gaps.lock().unwrap()[0].0,
        None,
        "never heard before"
    );
    assert!(reading.bench.why().is_some(), "connected is not heard");
    // Cut in the middle of a record.
    socket.write_all(b"[{\"a\":1},\n{\"a\"").await.unwrap();
    reading
        .until("the first is stored", |bench| bench.sink.log().len() == 1)
        .await;
    assert_eq!(reading.bench.why(), None);
    socket
        .write_all(b":2},\nnonsense,\n{\"a\":3},\n")
        .await
        .unwrap();
    reading
        .until("all are stored", |bench| bench.sink.log().len() == 3)
        .await;
    assert_eq!(
        reading.bench.sink.log(),
        [r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#]
    );
    assert!(
        reading
            .bench
            .counts(r#"portcullis_events_rejected_total{source="source",reason="no-record"} 1"#)
    );
    reading.end().await;
}

#[tokio::test]
async fn a_gateway_that_restarts_is_found_again_and_what_was_missed_is_swept() {
    let folder = Folder::new();
    // Not there yet.
    let reading = start(Bench::new(Form::OpsLog), folder);
    reading
        .until("it is said", |bench| {
            bench
                .why()
                .is_some_and(|why| why.contains("cannot connect to") && why.contains("ops.sock"))
        })
        .await;
    for round in 1..=3 {
        let gateway = reading.folder.listen();
        let mut socket = reading.accept(&gateway).await;
        socket.write_all(b"[{\"a\":1},\n{\"cut").await.unwrap();
        reading
            .until("it is heard", |bench| bench.sink.log().len() == round)
            .await;
        assert_eq!(reading.gaps(), round);
        drop((socket, gateway));
        reading
            .until("it is missed", |bench| bench.why().is_some())
            .await;
    }
    let gaps = reading.bench.sink.gaps.lock().unwrap().clone();
    // From when it was heard last.
    let from: Vec<_> = gaps.iter().map(|(from, _)| *from).collect();
    assert!(
        from[0].is_none() && from[1] >= Some(now()) && from[2] > from[1],
        "{gaps:?}"
    );
    assert!(
        reading
            .bench
            .counts(r#"portcullis_source_gaps_total{source="source"} 3"#)
    );
    reading.end().await;
}

#[tokio::test]
async fn a_store_that_is_away_loses_nothing() {
    let folder = Folder::new();
    let gateway = folder.listen();
    let bench = Bench::new(Form::OpsLog);
    // The gap of the first connection cannot be told either.
    bench.sink.fail((0..4).map(|_| away()));
    let reading = start(bench, folder);
    let mut socket = reading.accept(&gateway).await;
    socket
        .write_all(b"[{\"a\":1},\n{\"a\":2},\n")
        .await
        .unwrap();
    reading
        .until("both are stored", |bench| bench.sink.log().len() == 2)
        .await;
    reading
        .until("the gap is told", |bench| {
            !bench.sink.gaps.lock().unwrap().is_empty()
        })
        .await;
    assert_eq!(reading.bench.sink.log(), [r#"{"a":1}"#, r#"{"a":2}"#]);
    reading.end().await;
}

#[tokio::test]
async fn a_record_that_the_store_refuses_stops_nothing_and_is_swept() {
    let folder = Folder::new();
    let gateway = folder.listen();
    let reading = start(Bench::new(Form::OpsLog), folder);
    let mut socket = reading.accept(&gateway).await;
    reading
        .until("the gap is told", |bench| {
            bench.sink.gaps.lock().unwrap().len() == 1
        })
        .await;
    reading.bench.sink.fail((0..3).map(|_| broken()));
    socket
        .write_all(b"[{\"a\":1},\n{\"a\":2},\n")
        .await
        .unwrap();
    reading
        .until("the second is stored", |bench| {
            bench.sink.log() == [r#"{"a":2}"#]
        })
        .await;
    reading
        .until("another gap", |bench| {
            bench.sink.gaps.lock().unwrap().len() == 2
        })
        .await;
    reading.end().await;
}

#[tokio::test]
async fn what_the_gateway_holds_back_is_provoked_and_another_reader_is_noticed() {
    let folder = Folder::new();
    let gateway = folder.listen();
    let reading = start(Bench::new(Form::OpsLog), folder);
    let mut socket = reading.accept(&gateway).await;
    reading
        .until("it is said", |bench| {
            bench
                .why()
                .is_some_and(|why| why.contains("another reader has the socket"))
        })
        .await;
    assert!(reading.requests.made.load(Ordering::Relaxed) >= 2);
    // The other one is gone: what it was told is swept.
    let gaps = reading.gaps();
    socket.write_all(b"[{\"a\":1},\n").await.unwrap();
    reading
        .until("it is heard", |bench| bench.why().is_none())
        .await;
    reading
        .until("a gap is told", |bench| {
            bench.sink.gaps.lock().unwrap().len() == gaps + 1
        })
        .await;
    reading.end().await;
}

#[tokio::test]
async fn silence_without_requests_is_no_failure() {
    let folder = Folder::new();
    let gateway = folder.listen();
    let reading = start(Bench::new(Form::OpsLog), folder);
    reading.requests.fails.store(true, Ordering::Relaxed);
    let mut socket = reading.accept(&gateway).await;
    socket.write_all(b"[{\"a\":1},\n").await.unwrap();
    reading
        .until("it is heard", |bench| bench.why().is_none())
        .await;
    let before = reading.requests.made.load(Ordering::Relaxed);
    let many = || reading.requests.made.load(Ordering::Relaxed) > before + 60;
    reading.bench.until("an hour or so", many).await;
    assert_eq!(reading.bench.why(), None);
    assert_eq!(reading.gaps(), 1);
    reading.end().await;
}
