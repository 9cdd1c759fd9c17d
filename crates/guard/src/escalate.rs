//! Asks the next contact while nobody says that they look after a finding.

use compliance::assessment::Assessment;
use compliance::notice::{
    Acknowledgement, Escalation, EscalationStanding, NextEscalation, next_escalation,
};
use jiff::Timestamp;
use thiserror::Error;

use crate::account::Reach;
use crate::arrive::look;
use crate::clock::Clock;
use crate::outbox::{self, escalate};
use crate::repository::{Repository, RepositoryError};
use crate::state::{Finding, FindingState, FindingUpdate, Finish, Job};
use crate::tell::{Subject, tell_escalated};
use crate::watch::Guard;
use crate::work::{Did, backoff, later};

/// Why a finding was not acknowledged.
#[derive(Debug, Error)]
pub enum AcknowledgeError {
    /// There is none of this id.
    #[error("there is no finding {0}")]
    NoSuchFinding(String),
    /// It is not there any more.
    #[error("finding {0} is resolved already")]
    Resolved(String),
    /// Nobody said that they look after it.
    #[error("finding {id} is {state}, not acknowledged")]
    NotAcknowledged {
        /// The finding.
        id: String,
        /// How it stands.
        state: &'static str,
    },
    /// The store.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
}

/// Notes that somebody looks after a finding: until then (or until it is resolved) nobody else is
/// asked.
pub async fn acknowledge<P: Repository>(
    repository: &P,
    id: &str,
    by: &str,
    until: Option<Timestamp>,
    note: Option<String>,
    now: Timestamp,
) -> Result<Finding, AcknowledgeError> {
    let change = |finding: &Finding| {
        if !finding.state.is_present() {
            return Err(AcknowledgeError::Resolved(id.to_owned()));
        }
        Ok(FindingState::Acknowledged {
            by: by.to_owned(),
            at: now,
            until,
            note: note.clone(),
        })
    };
    // When it does not hold any more, the ladder goes on.
    set_state(repository, id, change, until, now).await
}

/// Notes that nobody looks after a finding any more: the ladder goes on at once where it stood.
pub async fn unacknowledge<P: Repository>(
    repository: &P,
    id: &str,
    now: Timestamp,
) -> Result<Finding, AcknowledgeError> {
    let change = |finding: &Finding| match &finding.state {
        FindingState::Acknowledged { .. } => Ok(FindingState::Open),
        other => Err(AcknowledgeError::NotAcknowledged {
            id: id.to_owned(),
            state: other.name(),
        }),
    };
    set_state(repository, id, change, Some(now), now).await
}

/// How often a finding is read anew that changed between reading and writing.
const TRIES: u32 = 20;

/// Changes how a finding stands, and has its ladder climbed on at `climb_at`.
async fn set_state<P: Repository>(
    repository: &P,
    id: &str,
    change: impl Fn(&Finding) -> Result<FindingState, AcknowledgeError>,
    climb_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<Finding, AcknowledgeError> {
    let mut tries = 0;
    loop {
        let Some(read) = repository.finding(id).await? else {
            return Err(AcknowledgeError::NoSuchFinding(id.to_owned()));
        };
        let state = change(&read)?;
        let update = FindingUpdate::to_state(read, state);
        let finding = update.updated();
        let jobs: Vec<_> = climb_at
            .map(|at| escalate(&finding, at))
            .into_iter()
            .collect();
        tries += 1;
        match repository
            .update_findings(&[update], &[], &jobs, None, now)
            .await
        {
            Ok(()) => return Ok(finding),
            // A look or a step of the ladder came between.
            Err(RepositoryError::Conflict(_)) if tries < TRIES => {}
            Err(error) => return Err(error.into()),
        }
    }
}

impl<P: Repository, A: Reach, C: Clock> Guard<P, A, C> {
    /// Does a [`JobKind::Escalate`](crate::state::JobKind::Escalate) job.
    pub async fn escalate(&self, job: &Job) -> Did {
        match self.try_escalate(job).await {
            Ok(did) => did,
            Err(RepositoryError::LeaseLost) => Did::Finished,
            // Somebody acknowledged it, or a look changed it, meanwhile: what is to be done is decided anew.
            Err(RepositoryError::Conflict(_)) => Did::Finish(Finish::Again {
                due_at: self.clock.now(),
                error: None,
            }),
            Err(error) => {
                let wait = backoff(
                    job.attempts,
                    std::time::Duration::from_millis(250),
                    std::time::Duration::from_secs(60),
                );
                Did::Finish(Finish::Again {
                    due_at: later(self.clock.now(), wait),
                    error: Some(error.to_string()),
                })
            }
        }
    }

    async fn try_escalate(&self, job: &Job) -> Result<Did, RepositoryError> {
        let now = self.clock.now();
        let Some(id) = job.payload["finding"].as_str() else {
            return Ok(Did::Finish(Finish::Done));
        };
        let Some(finding) = self.repository.finding(id).await? else {
            return Ok(Did::Finish(Finish::Done));
        };
        let key = &finding.key;
        if !self.settings.recorder.records_resource(key) {
            // Nobody looks at it any more, so that it would be climbed for ever: the look ends the finding.
            let look = look(&key.account, &key.resource_type, &key.resource_id, now);
            self.repository.request(&[look], now).await?;
            return Ok(Did::Finish(Finish::Done));
        }
        let ladder = &self.settings.ladder;
        let (step, of, topics, previous, waited) =
            match next_escalation(ladder, &standing(&finding), now) {
                NextEscalation::Never => return Ok(Did::Finish(Finish::Done)),
                NextEscalation::At(due_at) => {
                    return Ok(Did::Finish(Finish::Again {
                        due_at,
                        error: None,
                    }));
                }
                NextEscalation::Now {
                    step,
                    of,
                    topics,
                    previous,
                    waited,
                } => (step, of, topics, previous, waited),
            };
        let key = &finding.key;
        let known = self
            .repository
            .resource(&key.account, &key.resource_type, &key.resource_id)
            .await?;
        let exposures = self.repository.exposures(id).await?;
        let account = self.accounts.get(&key.account);
        let assessment = known
            .as_ref()
            .and_then(|known| Assessment::of_item(&known.item).ok());
        let previous_contact = (!previous.is_empty()).then(|| previous.join(", "));
        let escalation = Escalation {
            step,
            of,
            previous_contact,
            waited,
        };
        let Some(known) = known else {
            return Ok(Did::Finish(Finish::Done));
        };
        let notice = tell_escalated(
            &finding,
            &exposures,
            escalation,
            topics,
            &Subject {
                item: &known.item,
                assessment: assessment.as_ref(),
                account_label: account.map(|account| account.label.as_str()),
                endpoint: account.and_then(|account| account.endpoint.as_deref()),
                events: &[],
                now,
            },
        );
        let update = FindingUpdate {
            state: finding.state.clone(),
            escalation_step: finding.escalation_step + 1,
            escalated_at: Some(now),
            read: finding,
        };
        let finish = match next_escalation(ladder, &standing(&update.updated()), now) {
            NextEscalation::Never => Finish::Done,
            NextEscalation::At(due_at) => Finish::Again {
                due_at,
                error: None,
            },
            NextEscalation::Now { .. } => Finish::Again {
                due_at: now,
                error: None,
            },
        };
        let notices = [notice];
        let jobs = self.deliveries(&notices, now).await?;
        self.repository
            .update_findings(
                &[update],
                &outbox::notices(&notices),
                &jobs,
                Some((job, finish)),
                now,
            )
            .await?;
        Ok(Did::Finished)
    }
}

fn standing(finding: &Finding) -> EscalationStanding {
    EscalationStanding {
        // People have time from when they were told, not from when it began.
        opened_at: finding.told_at.unwrap_or(finding.opened_at),
        steps_taken: finding.escalation_step,
        last_step_at: finding.escalated_at,
        acknowledged: match &finding.state {
            FindingState::Acknowledged { by, at, until, .. } => Some(Acknowledgement {
                by: by.clone(),
                at: *at,
                until: *until,
            }),
            _ => None,
        },
        resolved: !finding.state.is_present(),
        excepted: matches!(finding.state, FindingState::Excepted { .. }),
    }
}
