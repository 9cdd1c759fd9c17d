//! Turns of receivers: one that is slow, or does not answer at all, holds up its own messages and not
//! those to others.
//!
//! Messages are sent in the order in which they are due, some at a time. A receiver that answers at once
//! may take all places; any other a part of them, and one that just failed a single one, after a rest.
//! A message whose receiver has no turn left goes back to the store for a while: that costs its place no
//! more than a moment, and it is no attempt.
//!
//! What is known of receivers is kept in the process. Each worker finds it out for itself, and anew when
//! it starts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use compliance::rules::configured::LambdaTarget;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::account::Reach;
use crate::clock::Clock;
use crate::deliver::{Courier, SendError, Sending};
use crate::outbox;
use crate::repository::Repository;
use crate::state::{Finish, Job};
use crate::watch::Guard;
use crate::work::{Did, backoff, later};

/// Of so many places, a receiver of which it is not known that it is quick has one.
const SHARE: usize = 4;
/// Who answers within this time is quick.
const QUICK: SignedDuration = SignedDuration::from_secs(1);
/// How long a receiver rests after the first failure; twice as long after each further one.
const FIRST_REST: Duration = Duration::from_secs(1);
/// The longest rest, unless the receiver asks for more. A short one: all its messages wait for it,
/// and each is given up by its own attempts only.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// The longest rest that a receiver can ask for. Its message waits as long as it asked.
const LONGEST_ASKED: Duration = Duration::from_secs(120);
/// A message that has no turn comes back after this time at the earliest …
const PUT_OFF: Duration = Duration::from_millis(250);
/// … and those after it, one after the other, at this distance …
const APART: Duration = Duration::from_millis(50);
/// … within this time, and then from the beginning: thousands that wait do not all come back at once,
/// and not long after the receiver is well again.
const WINDOW: Duration = Duration::from_secs(120);

/// What is known of the receivers of one loop.
#[derive(Debug)]
pub(crate) struct Receivers {
    /// How many messages are sent at the same time.
    places: usize,
    known: Mutex<BTreeMap<String, Receiver>>,
}

#[derive(Debug, Default)]
struct Receiver {
    /// When the turns began that are being taken.
    turns: Vec<Timestamp>,
    /// Whether its last answer was quick.
    is_quick: bool,
    /// How often it failed in a row; of turns that were taken together, one counts.
    failures: u32,
    failed_at: Option<Timestamp>,
    rests_until: Option<Timestamp>,
    /// When the message comes back that was put off last.
    put_off_to: Option<Timestamp>,
}

impl Receiver {
    /// How many turns it may have at the same time.
    fn most(&self, places: usize, now: Timestamp) -> usize {
        if self.failures > 0 {
            return 1;
        }
        let hangs = |begun: &Timestamp| now.duration_since(*begun) >= QUICK;
        if self.is_quick && !self.turns.iter().any(hangs) {
            return places;
        }
        places.div_ceil(SHARE)
    }

    fn put_off(&mut self, now: Timestamp) -> Timestamp {
        let rests = self.rests_until.unwrap_or(now);
        let first = later(now, PUT_OFF).max(rests);
        let next = self.put_off_to.map(|last| later(last, APART));
        let at = next
            .filter(|next| (first..later(first, WINDOW)).contains(next))
            .unwrap_or(first);
        self.put_off_to = Some(at);
        at
    }
}

impl Receivers {
    /// For so many messages at the same time.
    pub(crate) fn new(places: usize) -> Receivers {
        Receivers {
            places,
            known: Mutex::default(),
        }
    }

    /// Nothing of it is left half-changed by a panic.
    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Receiver>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn of this receiver, or when its message is to come back.
    fn turn(self: &Arc<Self>, name: &str, now: Timestamp) -> Result<Turn, Timestamp> {
        let mut known = self.known();
        let receiver = known.entry(name.to_owned()).or_default();
        let rests = receiver.rests_until.is_some_and(|until| now < until);
        if rests || receiver.turns.len() >= receiver.most(self.places, now) {
            return Err(receiver.put_off(now));
        }
        receiver.turns.push(now);
        Ok(Turn {
            receivers: Arc::clone(self),
            name: name.to_owned(),
            begun: now,
        })
    }
}

/// One message on its way to a receiver, until this is dropped.
#[derive(Debug)]
struct Turn {
    receivers: Arc<Receivers>,
    name: String,
    begun: Timestamp,
}

impl Turn {
    /// Learns from how an attempt ended that began and ended at these times.
    fn ended(&self, sent: &Result<(), SendError>, began: Timestamp, now: Timestamp) {
        let mut known = self.receivers.known();
        let Some(receiver) = known.get_mut(&self.name) else {
            return;
        };
        let Err(SendError::Passing { retry_after, .. }) = sent else {
            // It answered, be it with a no.
            receiver.is_quick = now.duration_since(began) < QUICK;
            receiver.failures = 0;
            receiver.rests_until = None;
            return;
        };
        receiver.is_quick = false;
        let is_next = receiver.failed_at.is_none_or(|failed| self.begun > failed);
        if is_next || receiver.failures == 0 {
            receiver.failures = receiver.failures.saturating_add(1);
            receiver.failed_at = Some(now);
        }
        let own = backoff(receiver.failures, FIRST_REST, LONGEST_REST);
        let asked = retry_after.unwrap_or_default().min(LONGEST_ASKED);
        receiver.rests_until = receiver.rests_until.max(Some(later(now, own.max(asked))));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut known = self.receivers.known();
        let Some(receiver) = known.get_mut(&self.name) else {
            return;
        };
        let mut turns = receiver.turns.iter();
        if let Some(own) = turns.position(|begun| *begun == self.begun) {
            receiver.turns.swap_remove(own);
        }
    }
}

/// A courier who tells a turn how its attempt ended.
struct Noting<S, C> {
    courier: Arc<S>,
    clock: Arc<C>,
    turn: Turn,
}

impl<S: Courier, C: Clock> Courier for Noting<S, C> {
    async fn send(&self, sending: &Sending) -> Result<(), SendError> {
        let began = self.clock.now();
        let sent = self.courier.send(sending).await;
        self.turn.ended(&sent, began, self.clock.now());
        sent
    }

    async fn ask(&self, function: &LambdaTarget, event: &Value) -> Result<Value, SendError> {
        self.courier.ask(function, event).await
    }
}

/// For whom a message is: a configured target, or a subscription.
fn receiver(job: &Job) -> String {
    let names = ["target", "subscription", "digest", outbox::STANDING];
    let mut named = names
        .into_iter()
        .filter_map(|member| Some((member, job.payload[member].as_str()?)));
    match named.next() {
        Some(("target", name)) => format!("target {name}"),
        Some((_, id)) => format!("subscription {id}"),
        None => String::new(),
    }
}

impl<P: Repository, A: Reach, C: Clock> Guard<P, A, C> {
    /// Does a [`JobKind::Deliver`](crate::state::JobKind::Deliver) or
    /// [`JobKind::Forward`](crate::state::JobKind::Forward) job if its receiver has a turn left, and
    /// puts it off if not.
    pub(crate) async fn deliver_in_turn<S: Courier>(
        &self,
        courier: Arc<S>,
        receivers: &Arc<Receivers>,
        job: &Job,
    ) -> Did {
        match receivers.turn(&receiver(job), self.clock.now()) {
            Ok(turn) => {
                let clock = Arc::clone(&self.clock);
                let noting = Noting {
                    courier,
                    clock,
                    turn,
                };
                self.deliver(&noting, job).await
            }
            Err(due_at) => Did::Finish(Finish::PutOff { due_at }),
        }
    }
}
