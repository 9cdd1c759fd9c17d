//! How the delivery channel does: what was delivered last, what fails, and who was told of that.
//!
//! A delivery that fails is repeated. If that cannot help, or has not helped for some times, people are
//! told: the topic of reminders first, then, while it goes on failing, the steps of the escalation ladder;
//! and once more when deliveries come through again.

use std::fmt;

use compliance::item::ResourceKey;
use compliance::notice::{
    Escalation, EscalationStanding, NextEscalation, Notice, NoticeKind, Severity, next_escalation,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{DeliveryChannel, DeliveryError};
use crate::account::Reach;
use crate::clock::Clock;
use crate::outbox;
use crate::repository::{Repository, RepositoryError};
use crate::state::NewJob;
use crate::watch::Guard;

/// A failure that may pass is told of when it has not passed after so many attempts.
const ATTEMPTS: u32 = 5;

/// What is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// What changed in a span of time.
    History,
    /// How everything stands.
    Snapshot,
}

impl Delivered {
    /// Both.
    pub const ALL: [Delivered; 2] = [Delivered::History, Delivered::Snapshot];

    /// `history` or `snapshot`.
    pub fn as_str(self) -> &'static str {
        match self {
            Delivered::History => "history",
            Delivered::Snapshot => "snapshot",
        }
    }

    /// The name under which its [`DeliveryStatus`] is remembered.
    fn remembered(self) -> &'static str {
        match self {
            Delivered::History => "delivery status of history",
            Delivered::Snapshot => "delivery status of snapshots",
        }
    }
}

impl fmt::Display for Delivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How deliveries of one kind do; as AWS Config's delivery channel status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeliveryStatus {
    /// When the last delivery was tried.
    pub last_attempt_at: Option<Timestamp>,
    /// When the last one came to its end.
    pub last_success_at: Option<Timestamp>,
    /// What that one holds: everything up to this moment.
    pub delivered_up_to: Option<Timestamp>,
    /// Up to which moment the delivery holds that is running now.
    pub running_up_to: Option<Timestamp>,
    /// How many files the running delivery, else the last one, has put.
    pub files: u64,
    /// How many items were in them.
    pub items: u64,
    /// Since when deliveries fail; `None`: the last one did not.
    pub failing_since: Option<Timestamp>,
    /// How often in a row.
    pub attempts: u32,
    /// Why.
    pub error: Option<String>,
    /// When people were told of that.
    pub told_at: Option<Timestamp>,
    /// How many steps of the escalation ladder were taken.
    pub escalation_step: u32,
    /// When the last of them was.
    pub escalated_at: Option<Timestamp>,
}

impl DeliveryStatus {
    /// What is remembered of deliveries of one kind.
    pub async fn of<R: Repository>(
        repository: &R,
        what: Delivered,
    ) -> Result<DeliveryStatus, RepositoryError> {
        let remembered = repository.remembered(what.remembered()).await?;
        // What a newer version wrote and nobody here understands is as good as nothing.
        Ok(remembered
            .and_then(|value| serde_json::from_value(value).ok())
            .unwrap_or_default())
    }

    async fn remember<R: Repository>(
        &self,
        repository: &R,
        what: Delivered,
    ) -> Result<(), RepositoryError> {
        repository.remember(what.remembered(), &json!(self)).await
    }
}

impl<P: Repository, A: Reach, C: Clock> Guard<P, A, C> {
    /// Notes that a delivery runs, and how far it is.
    pub(super) async fn delivery_runs(
        &self,
        what: Delivered,
        up_to: Timestamp,
        files: u64,
        items: u64,
    ) -> Result<(), RepositoryError> {
        let repository = &*self.repository;
        DeliveryStatus {
            last_attempt_at: Some(self.clock.now()),
            running_up_to: Some(up_to),
            files,
            items,
            ..DeliveryStatus::of(repository, what).await?
        }
        .remember(repository, what)
        .await
    }

    /// Notes that a delivery came to its end, and tells those who were told that it did not.
    pub(super) async fn delivery_succeeded(
        &self,
        what: Delivered,
        up_to: Timestamp,
        files: u64,
        items: u64,
    ) -> Result<(), RepositoryError> {
        let now = self.clock.now();
        self.meter.filed(what.as_str(), "delivered");
        let repository = &*self.repository;
        let before = DeliveryStatus::of(repository, what).await?;
        if let (Some(channel), Some(since), Some(_)) = (
            &self.settings.delivery_channel,
            before.failing_since,
            before.told_at,
        ) {
            let notice = Notice {
                reason: Some(format!(
                    "Deliveries of {what} to the bucket {} come through again; they failed since {since}. \
                     Nothing that is still in the store was left out.",
                    channel.bucket
                )),
                ..self.about_channel(channel, what, NoticeKind::Resolved, since, 0, now)
            };
            self.tell_of_channel(notice, now).await?;
        }
        DeliveryStatus {
            last_attempt_at: Some(now),
            last_success_at: Some(now),
            // One that was asked for earlier may end later.
            delivered_up_to: before.delivered_up_to.max(Some(up_to)),
            files,
            items,
            ..DeliveryStatus::default()
        }
        .remember(repository, what)
        .await
    }

    /// Notes that a delivery failed, tells whoever is to be told now, and says when somebody else is to
    /// be, if it goes on like this.
    pub(super) async fn delivery_failed(
        &self,
        channel: &DeliveryChannel,
        what: Delivered,
        attempts: u32,
        error: &DeliveryError,
    ) -> Result<Option<Timestamp>, RepositoryError> {
        let now = self.clock.now();
        self.meter.filed(what.as_str(), "failed");
        let repository = &*self.repository;
        let mut status = DeliveryStatus::of(repository, what).await?;
        let since = *status.failing_since.get_or_insert(now);
        status.last_attempt_at = Some(now);
        status.running_up_to = None;
        status.attempts = attempts;
        status.error = Some(error.to_string());
        let reason = format!(
            "{what} could not be delivered since {since}, {attempts} attempts in a row: {error}. It is tried \
             again, and is not lost as long as it stays in the store."
        );
        let mut next = None;
        if status.told_at.is_none() && (attempts >= ATTEMPTS || !error.may_pass()) {
            let notice = Notice {
                reason: Some(reason.clone()),
                ..self.about_channel(channel, what, NoticeKind::DeliveryFailed, since, 0, now)
            };
            self.tell_of_channel(notice, now).await?;
            status.told_at = Some(now);
        }
        if let Some(told_at) = status.told_at {
            let standing = |status: &DeliveryStatus| EscalationStanding {
                opened_at: told_at,
                steps_taken: status.escalation_step,
                last_step_at: status.escalated_at,
                acknowledged: None,
                resolved: false,
                excepted: false,
            };
            let ladder = &self.settings.ladder;
            if let NextEscalation::Now {
                step,
                of,
                topics,
                previous,
                waited,
            } = next_escalation(ladder, &standing(&status), now)
            {
                let taken = status.escalation_step + 1;
                let notice = Notice {
                    reason: Some(reason),
                    topics,
                    escalation: Some(Escalation {
                        step,
                        of,
                        previous_contact: (!previous.is_empty()).then(|| previous.join(", ")),
                        waited,
                    }),
                    ..self.about_channel(
                        channel,
                        what,
                        NoticeKind::DeliveryFailed,
                        since,
                        taken,
                        now,
                    )
                };
                self.tell_of_channel(notice, now).await?;
                status.escalation_step = taken;
                status.escalated_at = Some(now);
            }
            if let NextEscalation::At(at) = next_escalation(ladder, &standing(&status), now) {
                next = Some(at);
            }
        }
        // Killed before this, the same notices are told once more, under the same ids.
        status.remember(repository, what).await?;
        Ok(next)
    }

    async fn tell_of_channel(&self, notice: Notice, now: Timestamp) -> Result<(), RepositoryError> {
        let notices = [notice];
        let jobs: Vec<NewJob> = self.deliveries(&notices, now).await?;
        self.repository
            .update_findings(&[], &outbox::notices(&notices), &jobs, None, now)
            .await
    }

    /// A notice about the channel; the same about the same failure has the same id.
    fn about_channel(
        &self,
        channel: &DeliveryChannel,
        what: Delivered,
        kind: NoticeKind,
        since: Timestamp,
        step: u32,
        now: Timestamp,
    ) -> Notice {
        let digest = Sha256::digest(format!(
            "portcullis delivery channel 1\n{what}\n{}\n{}\n{step}\n",
            kind.as_str(),
            since.as_microsecond(),
        ));
        let id: String = digest.iter().take(16).map(|b| format!("{b:02x}")).collect();
        let account = self.accounts.get(&channel.account);
        Notice {
            topics: self.settings.reminders.topics.clone(),
            key: Some(ResourceKey::bucket(
                &channel.account,
                account.map_or("", |own| own.default_region.as_str()),
                &channel.bucket,
            )),
            account_label: account.map(|own| own.label.clone()),
            severity: Severity::Medium,
            ..Notice::new(id, kind, now)
        }
    }
}
