//! Messages of a queue are deleted when they are stored, and only then.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use guard::error::{CallError, Hopeless};
use guard::intake::Form;
use guard::ports::queue::{EventQueue, QueuedMessage};
use intake::queue::{PollSettings, poll};
use support::{Bench, away, broken};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// A queue whose hidden messages are visible again as soon as there are no others.
struct Queue {
    state: Mutex<State>,
    changed: Notify,
    log: Arc<Mutex<Vec<String>>>,
}

#[derive(Default)]
struct State {
    visible: VecDeque<QueuedMessage>,
    hidden: BTreeMap<String, QueuedMessage>,
    receive_failures: VecDeque<CallError>,
    delete_failures: VecDeque<CallError>,
    most_asked: u32,
}

impl Queue {
    fn of(bench: &Bench, bodies: &[&str]) -> Arc<Queue> {
        let message = |body: &&str| QueuedMessage {
            message_id: (*body).to_owned(),
            body: (*body).to_owned(),
            receipt: (*body).to_owned(),
            sent_at: None,
            receive_count: 0,
        };
        let state = State {
            visible: bodies.iter().map(message).collect(),
            ..State::default()
        };
        Arc::new(Queue {
            state: Mutex::new(state),
            changed: Notify::new(),
            log: Arc::clone(&bench.sink.log),
        })
    }

    fn left(&self) -> usize {
        let state = self.state.lock().unwrap();
        state.visible.len() + state.hidden.len()
    }
}

impl EventQueue for Queue {
    async fn receive(&self, max: u32, _: Duration) -> Result<Vec<QueuedMessage>, CallError> {
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.state.lock().unwrap();
                state.most_asked = state.most_asked.max(max);
                if let Some(error) = state.receive_failures.pop_front() {
                    return Err(error);
                }
                if state.visible.is_empty() {
                    let hidden = std::mem::take(&mut state.hidden);
                    state.visible.extend(hidden.into_values());
                }
                let count = state.visible.len().min(max as usize);
                let mut messages: Vec<QueuedMessage> = state.visible.drain(..count).collect();
                for message in &mut messages {
                    message.receive_count += 1;
                    let hidden = message.clone();
                    state.hidden.insert(message.receipt.clone(), hidden);
                }
                if !messages.is_empty() {
                    return Ok(messages);
                }
            }
            changed.await;
        }
    }

    async fn delete(&self, receipt: &str) -> Result<(), CallError> {
        let mut state = self.state.lock().unwrap();
        if let Some(error) = state.delete_failures.pop_front() {
            return Err(error);
        }
        state.hidden.remove(receipt);
        self.log.lock().unwrap().push(format!("deleted {receipt}"));
        Ok(())
    }

    async fn extend(&self, _: &str, _: Duration) -> Result<(), CallError> {
        Ok(())
    }
}

/// A queue that does not answer the first call.
struct SilentFirst {
    asked: AtomicBool,
    queue: Arc<Queue>,
}

impl EventQueue for SilentFirst {
    async fn receive(&self, max: u32, wait: Duration) -> Result<Vec<QueuedMessage>, CallError> {
        if !self.asked.swap(true, Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.queue.receive(max, wait).await
    }

    async fn delete(&self, receipt: &str) -> Result<(), CallError> {
        self.queue.delete(receipt).await
    }

    async fn extend(&self, receipt: &str, visibility: Duration) -> Result<(), CallError> {
        self.queue.extend(receipt, visibility).await
    }
}

fn unreachable() -> CallError {
    CallError::Hopeless(Hopeless::Unreachable {
        endpoint: "https://sqs.example.com".to_owned(),
        detail: "connection refused".to_owned(),
    })
}

fn start(
    bench: &Bench,
    queue: &Arc<Queue>,
    pollers: usize,
) -> (watch::Sender<bool>, JoinHandle<()>) {
    let (stop, stopped) = watch::channel(false);
    let settings = PollSettings {
        pollers,
        ..PollSettings::default()
    };
    let polling = poll(
        Arc::clone(queue),
        Arc::clone(&bench.sink),
        bench.watch.clone(),
        Arc::clone(&bench.clock),
        settings,
        stopped,
    );
    (stop, tokio::spawn(polling))
}

#[tokio::test]
async fn a_message_is_stored_and_then_deleted() {
    let bench = Bench::new(Form::Message);
    let queue = Queue::of(&bench, &["one", "bad two"]);
    let (stop, polling) = start(&bench, &queue, 1);
    bench.until("all are deleted", || queue.left() == 0).await;
    stop.send(true).unwrap();
    polling.await.unwrap();
    // What cannot be understood goes too: it would be no better the next time.
    assert_eq!(
        bench.sink.log(),
        ["one", "deleted one", "bad two", "deleted bad two"]
    );
    assert_eq!(bench.why(), None);
    assert!(bench.counts(r#"portcullis_events_total{source="source",outcome="new"} 1"#));
    assert!(
        bench.counts(r#"portcullis_events_rejected_total{source="source",reason="not-json"} 1"#)
    );
    assert!(bench.counts(r#"portcullis_event_arrival_seconds_count{source="source"} 1"#));
    assert!(queue.state.lock().unwrap().most_asked <= 10);
}

#[tokio::test]
async fn what_could_not_be_stored_comes_again() {
    for errors in [vec![away(), away(), away()], vec![broken()]] {
        let bench = Bench::new(Form::Message);
        let count = errors.len();
        bench.sink.fail(errors);
        let queue = Queue::of(&bench, &["one"]);
        let (stop, polling) = start(&bench, &queue, 1);
        bench.until("it is deleted", || queue.left() == 0).await;
        stop.send(true).unwrap();
        polling.await.unwrap();
        assert_eq!(bench.sink.log(), ["one", "deleted one"]);
        assert!(bench.counts(&format!(
            r#"portcullis_source_failures_total{{source="source"}} {count}"#
        )));
    }
}

#[tokio::test]
async fn a_queue_that_does_not_answer_is_not_one_that_is_empty() {
    let bench = Bench::new(Form::Message);
    let queue = Queue::of(&bench, &["one"]);
    let silent = SilentFirst {
        asked: AtomicBool::new(false),
        queue: Arc::clone(&queue),
    };
    let (stop, stopped) = watch::channel(false);
    let settings = PollSettings {
        pollers: 1,
        wait: Duration::ZERO,
        patience: Duration::from_millis(500),
        ..PollSettings::default()
    };
    let polling = tokio::spawn(poll(
        Arc::new(silent),
        Arc::clone(&bench.sink),
        bench.watch.clone(),
        Arc::clone(&bench.clock),
        settings,
        stopped,
    ));
    let failed = r#"portcullis_source_failures_total{source="source"} 1"#;
    bench.until("it is said", || bench.counts(failed)).await;
    bench.until("it is heard", || queue.left() == 0).await;
    stop.send(true).unwrap();
    polling.await.unwrap();
    assert_eq!(bench.sink.log(), ["one", "deleted one"]);
    assert_eq!(bench.why(), None);
}

#[tokio::test]
async fn a_failing_store_is_not_hammered() {
    let bench = Bench::new(Form::Message);
    bench.sink.fail((0..1_000).map(|_| away()));
    let queue = Queue::of(&bench, &["one"]);
    let (stop, polling) = start(&bench, &queue, 1);
    bench
        .until("ten attempts", || {
            bench.sink.failures.lock().unwrap().len() <= 990
        })
        .await;
    stop.send(true).unwrap();
    polling.await.unwrap();
    // 0.2 s, doubled eight times and held at 30 s: the tenth attempt is after 81.0 s.
    let clock = guard::clock::Clock::now(&*bench.clock);
    let spent = clock.duration_since(support::now());
    assert!(spent.as_secs_f64() >= 81.0, "{spent}");
    assert_eq!(queue.left(), 1);
}

#[tokio::test]
async fn one_that_was_not_deleted_is_stored_again_which_does_no_harm() {
    let bench = Bench::new(Form::Message);
    let queue = Queue::of(&bench, &["one"]);
    queue.state.lock().unwrap().delete_failures = VecDeque::from([unreachable()]);
    let (stop, polling) = start(&bench, &queue, 1);
    bench.until("it is deleted", || queue.left() == 0).await;
    stop.send(true).unwrap();
    polling.await.unwrap();
    assert_eq!(bench.sink.log(), ["one", "one", "deleted one"]);
}

#[tokio::test]
async fn a_queue_that_cannot_be_reached_is_said_with_what_to_do() {
    let bench = Bench::new(Form::Message);
    let queue = Queue::of(&bench, &[]);
    queue.state.lock().unwrap().receive_failures = (0..1_000).map(|_| unreachable()).collect();
    let (stop, polling) = start(&bench, &queue, 1);
    let heard = || bench.why().filter(|why| why.contains("refused"));
    bench.until("it is said", || heard().is_some()).await;
    assert!(
        heard().unwrap().contains("check --endpoint-url"),
        "{heard:?}",
        heard = heard()
    );
    assert!(bench.counts(r#"portcullis_source_up{source="source"} 0"#));
    queue.state.lock().unwrap().receive_failures.clear();
    queue
        .state
        .lock()
        .unwrap()
        .visible
        .push_back(QueuedMessage {
            message_id: "m".to_owned(),
            body: "late".to_owned(),
            receipt: "r".to_owned(),
            sent_at: None,
            receive_count: 0,
        });
    bench.until("it is heard", || bench.why().is_none()).await;
    assert!(bench.counts(r#"portcullis_source_up{source="source"} 1"#));
    stop.send(true).unwrap();
    polling.await.unwrap();
}

#[tokio::test]
async fn what_is_in_hand_is_finished_when_told_to_stop() {
    let bench = Bench::new(Form::Message);
    bench.sink.gate.forget_permits(usize::MAX);
    let queue = Queue::of(&bench, &["one", "two"]);
    let (stop, polling) = start(&bench, &queue, 1);
    bench
        .until("both are in hand", || {
            queue.state.lock().unwrap().hidden.len() == 2
        })
        .await;
    stop.send(true).unwrap();
    bench.sink.gate.add_permits(2);
    polling.await.unwrap();
    assert_eq!(queue.left(), 0);
}

#[tokio::test]
async fn several_pollers_share_the_work_and_stop_when_the_sender_is_gone() {
    let bench = Bench::new(Form::Message);
    let bodies: Vec<String> = (0..95).map(|at| at.to_string()).collect();
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    bench.sink.gate.forget_permits(usize::MAX);
    let queue = Queue::of(&bench, &bodies);
    let (stop, polling) = start(&bench, &queue, 3);
    // Three have ten each in hand before one of them is stored.
    bench
        .until("three are at it", || {
            queue.state.lock().unwrap().hidden.len() == 30
        })
        .await;
    bench.sink.gate.add_permits(1_000);
    bench.until("all are deleted", || queue.left() == 0).await;
    drop(stop);
    polling.await.unwrap();
    let mut stored = bench.sink.log();
    stored.retain(|line| !line.starts_with("deleted"));
    // Some came twice: the queue showed them again while another poller had them.
    stored.sort();
    stored.dedup();
    assert_eq!(stored.len(), 95);
}
