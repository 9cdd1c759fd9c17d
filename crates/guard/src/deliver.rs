//! Sends what the outbox holds: one message to one receiver, again and again until it is taken, or
//! given up where everybody sees it.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use compliance::notice::{Notice, NoticeKind, Subscription, digest, route};
use compliance::rules::configured::LambdaTarget;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::account::Reach;
use crate::clock::Clock;
use crate::outbox;
use crate::repository::{FindingFilter, Repository, RepositoryError};
use crate::state::{Finish, Job, NoticeRecord, SubscriptionState};
use crate::tell::tell_standing;
use crate::watch::Guard;
use crate::work::{Did, backoff, later};

/// How many notices are read from the store at a time.
const PAGE: u32 = 1000;
/// How many lines a digest has; the rest is counted.
const MOST_LINES: usize = 500;
/// A notice is made before it is committed: how long after the end of a digest one may still come that
/// belongs into it.
const LATE: SignedDuration = SignedDuration::from_mins(2);

/// One message on its way to one receiver.
#[derive(Clone, Debug)]
pub struct Sending {
    /// The same at every attempt, for receivers that know a repetition by it.
    pub id: String,
    /// What goes where.
    pub message: Message,
    /// When it was first to be sent.
    pub first_at: Timestamp,
    /// Now.
    pub now: Timestamp,
}

/// What goes where.
#[derive(Clone, Debug)]
pub enum Message {
    /// A notice to a subscription.
    Notice {
        /// The subscription.
        subscription: Box<Subscription>,
        /// The notice.
        notice: Box<Notice>,
    },
    /// An event to a configured target.
    Event {
        /// The target's name.
        target: String,
        /// The event's envelope.
        event: Value,
    },
}

/// Why a message was not taken.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SendError {
    /// Not now: nobody answers, or the receiver asks to come again.
    #[error("{detail}")]
    Passing {
        /// What happened.
        detail: String,
        /// What the receiver asked for.
        retry_after: Option<Duration>,
    },
    /// It will not be taken, however often it is sent.
    #[error("{detail}")]
    Refused {
        /// What the receiver said.
        detail: String,
    },
    /// There is no such receiver any more, and nothing more is to be sent to it.
    #[error("{detail}")]
    Gone {
        /// What the receiver said.
        detail: String,
    },
}

/// Sends messages.
pub trait Courier: Send + Sync + 'static {
    /// Sends one message once. `Ok`: the receiver has taken it on.
    fn send(&self, sending: &Sending) -> impl Future<Output = Result<(), SendError>> + Send;

    /// Invokes the function of a custom rule, and gives its answer.
    fn ask(
        &self,
        function: &LambdaTarget,
        event: &Value,
    ) -> impl Future<Output = Result<Value, SendError>> + Send;
}

impl<P: Repository, A: Reach, C: Clock> Guard<P, A, C> {
    /// Does a [`JobKind::Deliver`](crate::state::JobKind::Deliver) or
    /// [`JobKind::Forward`](crate::state::JobKind::Forward) job.
    pub async fn deliver<S: Courier>(&self, courier: &S, job: &Job) -> Did {
        let now = self.clock.now();
        let message = match self.message(job, now).await {
            Ok(Some(message)) => message,
            // Whoever it was for is not there any more, or there is nothing to tell.
            Ok(None) => return Did::Finish(Finish::Done),
            Err(error) => {
                let wait = backoff(
                    job.attempts,
                    Duration::from_millis(250),
                    Duration::from_secs(60),
                );
                return Did::Finish(Finish::Again {
                    due_at: later(now, wait),
                    error: Some(error.to_string()),
                });
            }
        };
        let sending = Sending {
            id: delivery_id(job),
            message,
            first_at: job.created_at,
            now,
        };
        let sent = courier.send(&sending).await;
        let now = self.clock.now();
        self.meter.delivered(
            match &sending.message {
                Message::Notice { subscription, .. } => subscription.protocol.as_str(),
                Message::Event { .. } => "target",
            },
            match &sent {
                Ok(()) => "accepted",
                Err(SendError::Passing { .. }) => "passing",
                Err(SendError::Refused { .. }) => "refused",
                Err(SendError::Gone { .. }) => "gone",
            },
        );
        match sent {
            Ok(()) => {
                self.remember_delivered(job, &sending.message).await;
                Did::Finish(Finish::Done)
            }
            Err(SendError::Passing {
                detail,
                retry_after,
            }) => {
                let digest = Sha256::digest(&sending.id);
                let seed = digest
                    .iter()
                    .take(8)
                    .fold(0, |seed, byte| seed << 8 | u64::from(*byte));
                let asked = retry_after.and_then(|wait| SignedDuration::try_from(wait).ok());
                let next = self.settings.retries.next_attempt(
                    job.created_at,
                    job.attempts,
                    now,
                    seed,
                    asked,
                );
                match next {
                    Some(due_at) => {
                        tracing::warn!(delivery = %job.key, attempts = job.attempts, %detail, "not delivered yet");
                        Did::Finish(Finish::Again {
                            due_at,
                            error: Some(detail),
                        })
                    }
                    None => self.dead(job, &sending, detail).await,
                }
            }
            Err(SendError::Refused { detail }) => self.dead(job, &sending, detail).await,
            Err(SendError::Gone { detail }) => {
                self.disable(&sending, &detail).await;
                self.dead(job, &sending, detail).await
            }
        }
    }

    async fn message(&self, job: &Job, now: Timestamp) -> Result<Option<Message>, RepositoryError> {
        let member = |name: &str| job.payload[name].as_str();
        if let Some(target) = member("target") {
            return Ok(Some(Message::Event {
                target: target.to_owned(),
                event: job.payload["event"].clone(),
            }));
        }
        let Some(id) = member("subscription")
            .or(member("digest"))
            .or(member(outbox::STANDING))
        else {
            return Ok(None);
        };
        let subscriptions = self.subscriptions().await?;
        let Some(subscription) = subscriptions.into_iter().find(|own| own.id == id) else {
            return Ok(None);
        };
        let notice = match (member("notice"), member(outbox::STANDING)) {
            (Some(notice), _) => self.repository.notice(notice).await?.and_then(read),
            (None, Some(_)) => self.open_already(&subscription, job, now).await?,
            (None, None) => self.digest(&subscription, job, now).await?,
        };
        Ok(notice.map(|notice| Message::Notice {
            subscription: Box::new(subscription),
            notice: Box::new(notice),
        }))
    }

    /// What came for a subscription since its last digest.
    async fn digest(
        &self,
        subscription: &Subscription,
        job: &Job,
        now: Timestamp,
    ) -> Result<Option<Notice>, RepositoryError> {
        let last = self
            .repository
            .remembered(&digested(&subscription.id))
            .await?
            .and_then(|last| serde_json::from_value::<Digested>(last).ok());
        let told = last.as_ref().map(|last| last.late.clone());
        let mut since = last.map_or(Timestamp::MIN, |last| {
            last.until.checked_sub(LATE).unwrap_or(Timestamp::MIN)
        });
        let until = digest_until(job).unwrap_or(now);
        let mut notices = Vec::new();
        let mut seen = BTreeSet::from_iter(told.unwrap_or_default());
        let mut more = 0;
        loop {
            let page = self.repository.notices(since, until, PAGE).await?;
            let is_last = page.len() < PAGE as usize;
            // The next page begins with what has the same time as the last of this one.
            let next = page.last().map(|last| last.created_at);
            let mut is_new = false;
            for record in page {
                if !seen.insert(record.id.clone()) {
                    continue;
                }
                is_new = true;
                let Some(notice) = read(record) else { continue };
                let own = std::slice::from_ref(subscription);
                let routed = route(&notice, own, notice.created_at);
                if !routed.iter().any(|delivery| delivery.digest) {
                    continue;
                }
                if notices.len() < MOST_LINES {
                    notices.push(notice);
                } else {
                    more += 1;
                }
            }
            match next {
                Some(next) if !is_last && is_new => since = next,
                _ => break,
            }
        }
        if notices.is_empty() {
            return Ok(None);
        }
        let mut digest = digest(delivery_id(job), subscription, &notices, until);
        if more > 0 {
            digest.reason = Some(format!(
                "{} notices since the last digest; the first {MOST_LINES} are listed, \
                 `portcullis findings list` shows what is open",
                notices.len() + more
            ));
        }
        Ok(Some(digest))
    }

    /// What is open when a subscription begins: it was told to others, or to nobody.
    async fn open_already(
        &self,
        subscription: &Subscription,
        job: &Job,
        now: Timestamp,
    ) -> Result<Option<Notice>, RepositoryError> {
        let open = FindingFilter {
            states: vec!["open".to_owned(), "acknowledged".to_owned()],
            limit: PAGE,
            ..FindingFilter::default()
        };
        let mut notices = Vec::new();
        for finding in self.repository.findings(&open).await? {
            if !finding.topics.contains(&subscription.topic) {
                continue;
            }
            let exposures = self.repository.exposures(&finding.id).await?;
            let label = self.accounts.get(&finding.key.account);
            let label = label.map(|account| account.label.as_str());
            let notice = tell_standing(&finding, &exposures, label, now);
            if subscription.confirmed && subscription.filter.admits(&notice) {
                notices.push(notice);
            }
        }
        if notices.is_empty() {
            return Ok(None);
        }
        let count = notices.len();
        notices.truncate(MOST_LINES);
        let mut standing = digest(delivery_id(job), subscription, &notices, now);
        standing.reason = Some(match count {
            1 => "you are told from now on; one finding is open already".to_owned(),
            many => format!(
                "you are told from now on; {many} findings are open already, \
                 `portcullis findings list` shows all"
            ),
        });
        Ok(Some(standing))
    }

    /// Remembers up to where a digest went, with what it held of the time in which others may follow.
    async fn remember_delivered(&self, job: &Job, message: &Message) {
        let (Some(subscription), Message::Notice { notice, .. }) =
            (job.payload["digest"].as_str(), message)
        else {
            return;
        };
        let until = digest_until(job).unwrap_or(job.due_at);
        let edge = until.checked_sub(LATE).unwrap_or(Timestamp::MIN);
        let late = notice.digest.iter();
        let late = late
            .filter(|line| line.created_at >= edge)
            .map(|line| line.notice_id.clone())
            .collect();
        let last = Digested { until, late };
        let remembered = self
            .repository
            .remember(&digested(subscription), &json!(last))
            .await;
        if let Err(error) = remembered {
            // The next digest repeats these lines, which is better than to lose them.
            tracing::warn!(%subscription, %error, "the end of a digest could not be kept");
        }
    }

    /// Gives up, and says so: in the store, and to whoever else listens to the same topics.
    async fn dead(&self, job: &Job, sending: &Sending, why: String) -> Did {
        tracing::error!(delivery = %job.key, attempts = job.attempts, %why, "given up");
        let finish = Finish::Dead { error: why.clone() };
        let Message::Notice {
            subscription,
            notice,
        } = &sending.message
        else {
            return Did::Finish(finish);
        };
        if notice.kind == NoticeKind::DeadLetter {
            return Did::Finish(finish);
        }
        let now = self.clock.now();
        let letter = Notice {
            topics: notice.topics.clone(),
            finding_id: notice.finding_id.clone(),
            occurrence: notice.occurrence,
            key: notice.key.clone(),
            account_label: notice.account_label.clone(),
            severity: notice.severity,
            reason: Some(format!(
                "The notice \"{}\" to {} was given up after {} attempts: {why}",
                notice.kind.as_str(),
                subscription.endpoint,
                job.attempts,
            )),
            ..Notice::new(format!("{}-dead", sending.id), NoticeKind::DeadLetter, now)
        };
        let told = async {
            let others: Vec<Subscription> = self
                .subscriptions()
                .await?
                .into_iter()
                .filter(|other| other.id != subscription.id)
                .collect();
            let letters = [letter];
            let jobs = outbox::deliveries(&letters, &others, now);
            self.repository
                .update_findings(
                    &[],
                    &outbox::notices(&letters),
                    &jobs,
                    Some((job, finish.clone())),
                    now,
                )
                .await
        };
        match told.await {
            Ok(()) => Did::Finished,
            // It is a dead letter all the same.
            Err(error) => {
                tracing::error!(%error, "nobody could be told of a dead letter");
                Did::Finish(finish)
            }
        }
    }

    async fn disable(&self, sending: &Sending, why: &str) {
        let Message::Notice { subscription, .. } = &sending.message else {
            return;
        };
        let digest = subscription.endpoint.digest();
        let disabled = async {
            let states = self.repository.subscriptions().await?;
            let state = states
                .into_iter()
                .find(|state| state.id == subscription.id && state.endpoint_digest == digest);
            let state = state.unwrap_or_else(|| SubscriptionState::of(&subscription.id, &digest));
            self.repository
                .put_subscription(&SubscriptionState {
                    disabled: Some(why.to_owned()),
                    ..state
                })
                .await
        };
        if let Err(error) = disabled.await {
            tracing::warn!(subscription = %subscription.id, %error, "could not be switched off");
        }
    }
}

/// A notice that the store keeps; one that cannot be read (from a newer version) is not sent.
fn read(record: NoticeRecord) -> Option<Notice> {
    match serde_json::from_value(record.document) {
        Ok(notice) => Some(notice),
        Err(error) => {
            tracing::error!(notice = %record.id, %error, "a notice cannot be read");
            None
        }
    }
}

/// Up to where a subscription's last digest went.
#[derive(Serialize, Deserialize)]
struct Digested {
    until: Timestamp,
    /// Ids of the notices in it that were made shortly before.
    late: Vec<String>,
}

fn digested(subscription: &str) -> String {
    format!("digested for {subscription}")
}

fn digest_until(job: &Job) -> Option<Timestamp> {
    job.payload["until"].as_str()?.parse().ok()
}

/// The same for every attempt of one delivery.
fn delivery_id(job: &Job) -> String {
    let digest = Sha256::digest(format!("{}\n{}", job.key, job.created_at.as_microsecond()));
    digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
