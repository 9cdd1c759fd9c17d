//! A sink that remembers what it got, and fails when told to.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use guard::clock::ManualClock;
use guard::intake::{Arrival, EventSink, EventSource, Form, SinkError};
use intake::metrics::Metrics;
use intake::sources::{SourceWatch, Sources};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;

pub(crate) fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

#[derive(Debug)]
pub(crate) struct Sink {
    /// What was stored, in order; gaps as `gap`.
    pub(crate) log: Arc<Mutex<Vec<String>>>,
    pub(crate) gaps: Mutex<Vec<(Option<Timestamp>, Timestamp)>>,
    /// How the next calls fail.
    pub(crate) failures: Mutex<VecDeque<SinkError>>,
    /// Lets through as many calls as it has permits.
    pub(crate) gate: Semaphore,
    /// How many calls are under way, and how many were at most.
    running: AtomicUsize,
    most: AtomicUsize,
}

/// A call that is under way, as long as it is not dropped.
struct Running<'a>(&'a AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Default for Sink {
    fn default() -> Sink {
        Sink {
            log: Arc::default(),
            gaps: Mutex::default(),
            failures: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS / 2),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }
    }
}

impl Sink {
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// How many calls were under way at once, at most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    pub(crate) fn fail(&self, errors: impl IntoIterator<Item = SinkError>) {
        self.failures.lock().unwrap().extend(errors);
    }

    fn failure(&self) -> Result<(), SinkError> {
        match self.failures.lock().unwrap().pop_front() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

pub(crate) fn away() -> SinkError {
    SinkError::Unavailable {
        detail: "no answer".to_owned(),
    }
}

pub(crate) fn broken() -> SinkError {
    SinkError::Broken {
        detail: "no such table".to_owned(),
    }
}

impl EventSink for Sink {
    async fn arrive(&self, text: &str, _: &EventSource) -> Result<Arrival, SinkError> {
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let _running = Running(&self.running);
        self.gate.acquire().await.unwrap().forget();
        self.failure()?;
        self.log.lock().unwrap().push(text.to_owned());
        let rejected = text.starts_with("bad");
        Ok(Arrival {
            new: usize::from(!rejected),
            rejected: if rejected { vec!["not-json"] } else { vec![] },
            ages: if rejected {
                vec![]
            } else {
                vec![SignedDuration::from_secs(3)]
            },
            ..Arrival::default()
        })
    }

    async fn gap(
        &self,
        _: &EventSource,
        from: Option<Timestamp>,
        to: Timestamp,
    ) -> Result<(), SinkError> {
        self.failure()?;
        self.gaps.lock().unwrap().push((from, to));
        Ok(())
    }
}

/// One source on a clock that the test moves.
pub(crate) struct Bench {
    pub(crate) sink: Arc<Sink>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) metrics: Metrics,
    pub(crate) sources: Sources,
    pub(crate) watch: SourceWatch,
}

impl Bench {
    pub(crate) fn new(form: Form) -> Bench {
        let metrics = Metrics::new("1.2.3");
        let sources = Sources::new(metrics.clone());
        let source = EventSource {
            name: "source".to_owned(),
            form,
            account: None,
        };
        let watch = sources.add(source, now());
        Bench {
            sink: Arc::default(),
            clock: Arc::new(ManualClock::at(now())),
            metrics,
            sources,
            watch,
        }
    }

    /// Moves the clock on until something is so.
    pub(crate) async fn until(&self, what: &str, so: impl Fn() -> bool) {
        let wait = async {
            while !so() {
                self.clock.advance(SignedDuration::from_millis(20));
                tokio::task::yield_now().await;
            }
        };
        // A hang of the test, not a measure of anything.
        let hang = std::time::Duration::from_secs(60);
        assert!(
            tokio::time::timeout(hang, wait).await.is_ok(),
            "waited in vain: {what}; {:?}",
            self.sources.states()
        );
    }

    /// Why the source is not heard.
    pub(crate) fn why(&self) -> Option<String> {
        self.sources.states()["source"].why.clone()
    }

    pub(crate) fn counts(&self, line: &str) -> bool {
        self.metrics.text().lines().any(|found| found == line)
    }
}

/// Raw HTTP against a server of the test's own.
pub(crate) mod http {
    use std::net::SocketAddr;

    use axum::Router;
    use intake::server::{Server, ServerSettings};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::watch;
    use tokio::task::JoinHandle;

    pub(crate) struct Served {
        pub(crate) address: SocketAddr,
        pub(crate) stop: watch::Sender<bool>,
        pub(crate) task: JoinHandle<()>,
    }

    pub(crate) fn loopback() -> ServerSettings {
        ServerSettings::new(([127, 0, 0, 1], 0).into())
    }

    pub(crate) async fn serve(routes: Router) -> Served {
        serve_with(routes, loopback()).await
    }

    pub(crate) async fn serve_with(routes: Router, settings: ServerSettings) -> Served {
        let server = Server::bind(settings).await.unwrap();
        let address = server.address().unwrap();
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(server.serve(routes, stopped));
        Served {
            address,
            stop,
            task,
        }
    }

    #[derive(Debug)]
    pub(crate) struct Answer {
        pub(crate) status: u16,
        pub(crate) headers: Vec<(String, String)>,
        pub(crate) body: String,
    }

    impl Answer {
        pub(crate) fn header(&self, name: &str) -> Option<&str> {
            let mut found = self.headers.iter().filter(|(found, _)| found == name);
            let (_, value) = found.next()?;
            assert!(found.next().is_none(), "{name} twice: {self:?}");
            Some(value)
        }

        pub(crate) fn read(bytes: &[u8]) -> Answer {
            let text = String::from_utf8_lossy(bytes);
            let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
            let mut lines = head.lines();
            let status = lines.next().and_then(|line| line.split(' ').nth(1));
            let headers = lines.filter_map(|line| {
                let (name, value) = line.split_once(": ")?;
                Some((name.to_ascii_lowercase(), value.to_owned()))
            });
            Answer {
                status: status.map_or(0, |status| status.parse().unwrap()),
                headers: headers.collect(),
                body: body.to_owned(),
            }
        }
    }

    impl Served {
        pub(crate) async fn send(&self, request: &[u8]) -> Answer {
            let mut socket = TcpStream::connect(self.address).await.unwrap();
            // A server that refuses what is too large may close before all of it is written.
            let _ = socket.write_all(request).await;
            let mut answer = Vec::new();
            let _ = socket.read_to_end(&mut answer).await;
            Answer::read(&answer)
        }

        pub(crate) async fn request(
            &self,
            method: &str,
            target: &str,
            headers: &[(&str, &str)],
            body: &str,
        ) -> Answer {
            let mut head = format!(
                "{method} {target} HTTP/1.1\r\nHost: guard.example.com\r\nConnection: close\r\nContent-Length: {}\r\n",
                body.len()
            );
            for (name, value) in headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            self.send(format!("{head}\r\n{body}").as_bytes()).await
        }

        pub(crate) async fn end(self) {
            self.stop.send(true).unwrap();
            self.task.await.unwrap();
        }
    }
}
