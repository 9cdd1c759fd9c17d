//! A receiver that is slow, or does not answer, holds up its own messages and not those to others.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use compliance::notice::{Endpoint, Filter, Notice, NoticeKind, Protocol, Subscription};
use compliance::rules::configured::LambdaTarget;
use guard::clock::{Clock, ManualClock};
use guard::deliver::{Courier, Message, SendError, Sending};
use guard::outbox;
use guard::repository::Repository;
use guard::run::{RunSettings, run};
use guard::state::{Job, JobKind, NewJob};
use guard::watch::Settings;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use support::Memory;
use support::files::MemoryFiles;
use support::power::Power;
use support::repository::{Disk, MemoryRepository};
use support::watching::{Watching, quiet, watching};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How many messages of a kind are sent at the same time, and how many of them to one receiver that is
/// not quick.
const PLACES: usize = 16;
const SHARE: usize = 4;

/// How a receiver answers.
#[derive(Clone, Copy, Debug)]
enum Answers {
    /// After so many seconds.
    After(i64),
    /// Not at all; who sends gives up after so many seconds.
    Never(i64),
    /// That it has no time, and when it may have.
    Busy(Option<Duration>),
}

/// Receivers by name, and what they have got.
struct Town {
    clock: Arc<ManualClock>,
    answers: Mutex<BTreeMap<String, Answers>>,
    seen: watch::Sender<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Who took what, in order.
    taken: Vec<(String, String)>,
    /// How many are on their way to whom, and how many were at most.
    on_the_way: BTreeMap<String, usize>,
    most: BTreeMap<String, usize>,
    /// How often it was tried, and when for the last time.
    tried: BTreeMap<String, (usize, Timestamp)>,
}

impl Seen {
    fn taken_by(&self, name: &str) -> usize {
        self.taken.iter().filter(|(who, _)| who == name).count()
    }

    fn tried(&self, name: &str) -> usize {
        self.tried.get(name).map_or(0, |(times, _)| *times)
    }
}

impl Town {
    fn set(&self, name: &str, answers: Answers) {
        let mut all = self.answers.lock().unwrap();
        all.insert(name.to_owned(), answers);
    }
}

impl Courier for Town {
    async fn send(&self, sending: &Sending) -> Result<(), SendError> {
        let name = match &sending.message {
            Message::Notice { subscription, .. } => subscription.id.clone(),
            Message::Event { target, .. } => target.clone(),
        };
        let now = self.clock.now();
        self.seen.send_modify(|seen| {
            let on_the_way = seen.on_the_way.entry(name.clone()).or_default();
            *on_the_way += 1;
            let most = seen.most.entry(name.clone()).or_default();
            *most = (*most).max(*on_the_way);
            let tried = seen.tried.entry(name.clone()).or_insert((0, now));
            *tried = (tried.0 + 1, now);
        });
        let answers = self.answers.lock().unwrap().get(&name).copied();
        let passing = |detail: &str, retry_after| SendError::Passing {
            detail: detail.to_owned(),
            retry_after,
        };
        let after = |seconds| now + SignedDuration::from_secs(seconds);
        let sent = match answers {
            None => Ok(()),
            Some(Answers::After(seconds)) => {
                self.clock.sleep_until(after(seconds)).await;
                Ok(())
            }
            Some(Answers::Never(seconds)) => {
                self.clock.sleep_until(after(seconds)).await;
                Err(passing("no answer", None))
            }
            Some(Answers::Busy(retry_after)) => Err(passing("busy", retry_after)),
        };
        self.seen.send_modify(|seen| {
            *seen.on_the_way.get_mut(&name).unwrap() -= 1;
            if sent.is_ok() {
                seen.taken.push((name.clone(), sending.id.clone()));
            }
        });
        sent
    }

    async fn ask(&self, _function: &LambdaTarget, _event: &Value) -> Result<Value, SendError> {
        Err(SendError::Gone {
            detail: "there are no functions here".to_owned(),
        })
    }
}

fn subscription(id: &str, protocol: Protocol) -> Subscription {
    Subscription {
        id: id.to_owned(),
        topic: id.to_owned(),
        protocol,
        endpoint: Endpoint::new(format!("{id}@example.com")),
        confirmed: true,
        filter: Filter::default(),
        digest: None,
        quiet_hours: None,
    }
}

/// A guard whose loops run.
struct World {
    clock: Arc<ManualClock>,
    town: Arc<Town>,
    guard: Arc<Watching>,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

fn start() -> Timestamp {
    "2026-01-01T10:00:00Z".parse().unwrap()
}

impl World {
    fn new() -> World {
        World::over(Disk::default(), start())
    }

    fn over(disk: Disk, at: Timestamp) -> World {
        let clock = Arc::new(ManualClock::at(at));
        let settings = Settings {
            subscriptions: vec![
                subscription("owner", Protocol::Email),
                subscription("chat", Protocol::Webhook),
            ],
            // Nothing else is to be done in these hours.
            sweep_every: SignedDuration::from_hours(1000),
            ..quiet()
        };
        let memory = Arc::new(Memory::with([]));
        let power = Power::endless();
        let guard = Arc::new(watching(&memory, &clock, disk, &power, settings));
        let town = Arc::new(Town {
            clock: Arc::clone(&clock),
            answers: Mutex::default(),
            seen: watch::Sender::default(),
        });
        let (stop, stopped) = watch::channel(false);
        let running = {
            let (guard, town) = (Arc::clone(&guard), Arc::clone(&town));
            tokio::spawn(async move {
                let settings = RunSettings {
                    worker: "w".to_owned(),
                    lease: Duration::from_secs(10),
                    poll: Duration::from_secs(1),
                    looks: 1,
                    deliveries: PLACES,
                    sweeps: 1,
                    keep_for: SignedDuration::from_hours(1000),
                };
                run(guard, town, None::<Arc<MemoryFiles>>, &settings, stopped)
                    .await
                    .unwrap();
            })
        };
        World {
            clock,
            town,
            guard,
            stop,
            running,
        }
    }

    fn repository(&self) -> &MemoryRepository {
        &self.guard.repository
    }

    /// Notices to a subscription, and the work that sends them, as a look commits it.
    async fn tell(&self, whom: &str, count: usize) {
        let now = self.clock.now();
        let notices: Vec<Notice> = (0..count)
            .map(|index| Notice {
                topics: vec![whom.to_owned()],
                finding_id: Some(format!("f-{whom}-{now}-{index}")),
                ..Notice::new(format!("n-{whom}-{now}-{index}"), NoticeKind::Opened, now)
            })
            .collect();
        let jobs = outbox::deliveries(&notices, &self.guard.settings.subscriptions, now);
        assert_eq!(jobs.len(), count);
        let records = outbox::notices(&notices);
        self.repository()
            .update_findings(&[], &records, &jobs, None, now)
            .await
            .unwrap();
    }

    /// Events to a target.
    async fn forward(&self, target: &str, count: usize) {
        let now = self.clock.now();
        let jobs: Vec<NewJob> = (0..count)
            .map(|index| NewJob {
                kind: JobKind::Forward,
                key: format!("deliver e-{index:05} {target}"),
                payload: json!({"target": target, "event": {"id": index}}),
                due_at: now,
            })
            .collect();
        self.repository().request(&jobs, now).await.unwrap();
    }

    /// Waits until this was seen, without any time passing for the guard.
    async fn seen(&self, is: impl FnMut(&Seen) -> bool) {
        let mut seen = self.town.seen.subscribe();
        let wait = seen.wait_for(is);
        let waited = tokio::time::timeout(Duration::from_secs(60), wait).await;
        assert!(waited.is_ok_and(|seen| seen.is_ok()), "not seen");
    }

    /// Waits until the store is as said, without any time passing for the guard.
    async fn stored(&self, is: impl FnMut(&Disk) -> bool) {
        let until = self.repository().until(is);
        let waited = tokio::time::timeout(Duration::from_secs(60), until).await;
        assert!(waited.is_ok(), "{:?}", self.jobs());
    }

    /// Lets time pass, and everything be done that becomes due.
    async fn pass(&self, seconds: i64) {
        for _ in 0..seconds * 4 {
            self.clock.advance(SignedDuration::from_millis(250));
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// The messages that are not sent.
    fn jobs(&self) -> Vec<Job> {
        let disk = self.repository().disk.borrow();
        assert!(
            disk.jobs.values().all(|row| !row.dead),
            "nothing is given up"
        );
        let messages = disk.jobs.values().map(|row| row.job.clone());
        messages
            .filter(|job| matches!(job.kind, JobKind::Deliver | JobKind::Forward))
            .collect()
    }

    async fn stop(self) {
        self.stop.send(true).unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(60), self.running).await;
        ended.unwrap().unwrap();
    }
}

/// How many messages nobody has begun to send, and that nobody holds.
fn put_off(disk: &Disk, now: Timestamp) -> usize {
    disk.jobs
        .values()
        .filter(|row| matches!(row.job.kind, JobKind::Deliver | JobKind::Forward))
        .filter(|row| row.held_until.is_none() && row.job.attempts == 0 && row.job.due_at > now)
        .count()
}

#[tokio::test]
async fn receivers_that_never_answer_hold_up_nobody_else() {
    let world = World::new();
    for silent in ["chat", "hook"] {
        world.town.set(silent, Answers::Never(20));
    }
    world.tell("chat", 1000).await;
    world.forward("hook", 1000).await;
    world
        .seen(|seen| seen.on_the_way.get("chat") == Some(&SHARE))
        .await;
    world
        .seen(|seen| seen.on_the_way.get("hook") == Some(&SHARE))
        .await;
    // Who comes after them is told at once: the clock stands still.
    world.tell("owner", 1).await;
    world.forward("queue", 1).await;
    world
        .seen(|seen| seen.taken_by("owner") == 1 && seen.taken_by("queue") == 1)
        .await;
    assert_eq!(world.clock.now(), start());
    // What was put off is as if nobody had touched it, but for when it is due.
    let rest = 2 * (1000 - SHARE);
    world.stored(|disk| put_off(disk, start()) == rest).await;
    let latest = world.jobs().iter().map(|job| job.due_at).max().unwrap();
    assert!(
        latest <= start() + SignedDuration::from_secs(121),
        "{latest}"
    );
    // After the first attempts have failed, too.
    for minute in 1..=3 {
        world.pass(60).await;
        world.tell("owner", 1).await;
        world
            .seen(|seen| seen.taken_by("owner") == 1 + minute)
            .await;
    }
    let most = world.town.seen.borrow().most.clone();
    assert_eq!((most["chat"], most["hook"]), (SHARE, SHARE));
    // They come to themselves, and get everything, each once.
    for silent in ["chat", "hook"] {
        world.town.set(silent, Answers::After(0));
    }
    world.pass(400).await;
    assert_eq!(world.jobs(), []);
    let taken = world.town.seen.borrow().taken.clone();
    let distinct: BTreeSet<_> = taken.iter().collect();
    assert_eq!(distinct.len(), taken.len());
    assert_eq!(world.town.seen.borrow().taken_by("chat"), 1000);
    assert_eq!(world.town.seen.borrow().taken_by("hook"), 1000);
    world.stop().await;
}

#[tokio::test]
async fn who_answers_slowly_gets_everything_and_leaves_room() {
    let world = World::new();
    world.town.set("hook", Answers::After(5));
    world.forward("hook", 60).await;
    for _ in 0..20 {
        world.forward("queue", 1).await;
        world.pass(10).await;
    }
    assert_eq!(world.jobs(), []);
    {
        let seen = world.town.seen.borrow();
        assert_eq!((seen.taken_by("hook"), seen.tried("hook")), (60, 60));
        assert_eq!(seen.most["hook"], SHARE);
    }
    // One that has just been quick may have every place.
    world.town.set("hook", Answers::After(0));
    world.forward("hook", 1).await;
    world.seen(|seen| seen.taken_by("hook") == 61).await;
    world.town.set("hook", Answers::After(5));
    world.forward("hook", 200).await;
    world.seen(|seen| seen.on_the_way["hook"] == PLACES).await;
    // That it does not answer any more is seen before anything of that comes to its end: who waits,
    // waits for one answer at most.
    world.forward("bus", 1).await;
    world.pass(6).await;
    let seen = world.town.seen.borrow().taken_by("bus");
    assert_eq!(seen, 1);
    world.pass(300).await;
    assert_eq!(world.jobs(), []);
    world.stop().await;
}

#[tokio::test]
async fn who_fails_rests_and_is_tried_by_one_message_at_a_time() {
    let world = World::new();
    world.town.set("hook", Answers::Busy(None));
    world.forward("hook", 100).await;
    world
        .stored(|disk| put_off(disk, start()) >= 100 - SHARE)
        .await;
    world.pass(600).await;
    let tried = world.town.seen.borrow().tried("hook");
    // A rest is of 30 seconds in the end; without any, there would be a hundred attempts in 15.
    assert!((20..=40).contains(&tried), "{tried}");
    let attempts: usize = world.jobs().iter().map(|job| job.attempts as usize).sum();
    assert_eq!(attempts, tried, "what was put off is no attempt");
    // What it asks for holds for all its messages.
    let wait = Duration::from_secs(100);
    world.town.set("hook", Answers::Busy(Some(wait)));
    world.pass(40).await;
    let (times, last) = world.town.seen.borrow().tried["hook"];
    assert_eq!(times, tried + 1);
    let again = last + SignedDuration::try_from(wait).unwrap();
    let rest = again.duration_since(world.clock.now()).as_secs();
    world.pass(rest - 1).await;
    assert_eq!(world.town.seen.borrow().tried("hook"), times);
    world.town.set("hook", Answers::After(0));
    world.pass(1000).await;
    assert_eq!(world.jobs(), []);
    assert_eq!(world.town.seen.borrow().taken_by("hook"), 100);
    world.stop().await;
}

#[tokio::test]
async fn what_was_put_off_outlives_a_kill() {
    let world = World::new();
    world.town.set("hook", Answers::Never(20));
    world.forward("hook", 100).await;
    world
        .stored(|disk| put_off(disk, start()) == 100 - SHARE)
        .await;
    world.running.abort();
    let (disk, at) = (world.repository().disk.borrow().clone(), world.clock.now());
    let world = World::over(disk, at);
    world.pass(11).await;
    world.seen(|seen| seen.taken_by("hook") == 100).await;
    world.stored(Disk::is_idle).await;
    world.stop().await;
}
