//! Who kills, and when: at any moment, and more often than chance would in those that matter.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use faults::Behaviour;

use crate::witness;
use crate::world::{Process, World};

/// When a kill falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// Any.
    Any,
    /// Soon after an event was stored: while the bucket is read, judged, closed, or told of.
    AfterEvent,
    /// Soon after the mail server has told a process that it has a mail.
    AfterMail,
    /// While the mail server has a mail and the process does not know it yet.
    BeforeAnswer,
}

/// How many kills fell when.
pub(crate) struct Moments(BTreeMap<Moment, usize>);

impl fmt::Display for Moments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.0.iter();
        let texts: Vec<String> = counts
            .map(|(moment, count)| {
                let when = match moment {
                    Moment::Any => "at any moment",
                    Moment::AfterEvent => "soon after an event",
                    Moment::AfterMail => "soon after a mail was taken",
                    Moment::BeforeAnswer => "between a mail and the answer to it",
                };
                format!("{count} {when}")
            })
            .collect();
        f.write_str(&texts.join(", "))
    }
}

/// How long a moment is waited for; then any is as good.
const PATIENCE: Duration = Duration::from_secs(3);

/// Kills so often. Also looks whether the store is sound while it is worked on.
pub(crate) async fn kill(world: &mut World, kills: usize, seed: u64) -> Moments {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut moments = BTreeMap::new();
    let mut held = 0;
    for kill in 0..kills {
        // Not waiting for anything: from hardly begun to long at work.
        let longest = match random.usize(..20) {
            0..9 => 40,
            9..18 => 300,
            _ => 1_500,
        };
        pause(&mut random, longest).await;
        let mut moment = match random.usize(..20) {
            0..10 => Moment::Any,
            10..16 => Moment::AfterEvent,
            16..18 => Moment::AfterMail,
            _ => Moment::BeforeAnswer,
        };
        let sender = wait_for(world, moment, &mut held).await;
        let victim = match sender {
            Some(process) if world.runs(process) => process.worker,
            _ => {
                if moment != Moment::AfterEvent {
                    moment = Moment::Any;
                }
                random.usize(..world.workers())
            }
        };
        match moment {
            Moment::Any | Moment::BeforeAnswer => {}
            Moment::AfterEvent => pause(&mut random, 150).await,
            Moment::AfterMail => pause(&mut random, 4).await,
        }
        world.kill(victim);
        *moments.entry(moment).or_default() += 1;
        world.stage.mailbox.release().await.unwrap();
        if kill % 250 == 249 {
            witness::the_store_is_sound(world);
        }
    }
    world.stage.mailbox.always(Behaviour::Accept).await.unwrap();
    Moments(moments)
}

async fn pause(random: &mut fastrand::Rng, longest: u64) {
    tokio::time::sleep(Duration::from_millis(random.u64(..longest))).await;
}

/// Waits for the moment, and says whose it is. `held`: how many mails were held so far; the plan for one
/// stays until one comes.
async fn wait_for(world: &World, moment: Moment, held: &mut usize) -> Option<Process> {
    let stage = &world.stage;
    let mails = stage.mailbox.messages();
    match moment {
        Moment::Any => None,
        Moment::AfterEvent => {
            let mut told = stage.told.subscribe();
            // If nobody stores an event, any moment is as good.
            let _ = tokio::time::timeout(PATIENCE, told.changed()).await;
            None
        }
        Moment::AfterMail => {
            let before = mails.count(|_| true);
            let more = mails.wait_for(|all| all.len() > before);
            let all = tokio::time::timeout(PATIENCE, more).await.ok()?.unwrap();
            all.last().map(Process::of)
        }
        Moment::BeforeAnswer => {
            if mails.count(|mail| !mail.told) == *held {
                stage.mailbox.next(1, Behaviour::Hold).await.unwrap();
                *held += 1;
            }
            let enough = *held;
            let taken =
                mails.wait_for(|all| all.iter().filter(|mail| !mail.told).count() >= enough);
            let all = tokio::time::timeout(PATIENCE, taken).await.ok()?.unwrap();
            all.iter().rfind(|mail| !mail.told).map(Process::of)
        }
    }
}
