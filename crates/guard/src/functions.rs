//! Custom rules that are Lambda functions: asked about a resource whose content changed, about everything
//! when they are new, or on a schedule; always apart from the look, so that a slow function keeps nothing
//! from being closed.

pub(crate) mod added;
mod scheduled;

use std::time::Duration;

use compliance::assessment::Assessment;
use compliance::item::{BUCKET, ConfigurationItem, ResourceKey};
use compliance::rules::configured::CUSTOM_LAMBDA;
use compliance::rules::lambda::{Invocation, change_event, read_answer};
use compliance::rules::{RuleEvaluation, Subject};
use jiff::Timestamp;
use serde_json::json;
use thiserror::Error;

use crate::account::{Account, Reach};
use crate::clock::Clock;
use crate::deliver::{Courier, SendError};
use crate::look::LookError;
use crate::repository::{Repository, RepositoryError};
use crate::state::{EvaluationRecord, Finish, Job, JobKind, NewJob, ResourceRecord};
use crate::watch::Guard;
use crate::work::{Did, backoff, later};

pub use scheduled::FunctionStatus;

impl<P: Repository, A: Reach, C: Clock> Guard<P, A, C> {
    /// What functions said of a resource, which stands until they are asked again. Those of functions
    /// that are not configured any more, or of a resource that is gone, do not.
    pub(crate) fn standing(
        &self,
        known: Option<&ResourceRecord>,
        item: &ConfigurationItem,
    ) -> Vec<EvaluationRecord> {
        known
            .filter(|_| !item.status.is_deleted())
            .map(|known| known.evaluations.as_slice())
            .unwrap_or_default()
            .iter()
            .filter(|record| record.identifier == CUSTOM_LAMBDA)
            .filter(|record| {
                let rule = self.settings.rules.get(&record.rule_name);
                rule.is_some_and(|rule| rule.is_enabled() && rule.lambda().is_some())
            })
            .cloned()
            .collect()
    }

    /// The work that asks functions about an item that is new.
    pub(crate) fn lambdas_to_ask(
        &self,
        item: &ConfigurationItem,
        previous: Option<&ConfigurationItem>,
        now: Timestamp,
    ) -> Vec<NewJob> {
        let subject = Subject {
            item,
            assessment: None,
            previous,
            now,
        };
        self.settings
            .rules
            .lambdas_on_change(&subject)
            .into_iter()
            .map(|call| evaluate(call.rule.name(), &item.key, now))
            .collect()
    }

    /// Does a [`JobKind::Evaluate`] job.
    pub async fn ask_function<S: Courier>(&self, courier: &S, job: &Job) -> Did {
        let on_schedule = job.payload.get("frequency").is_some();
        let asked = if on_schedule {
            self.try_ask_on_schedule(courier, job).await
        } else if added::is_about_everything(&job.payload) {
            self.ask_about_everything(job).await.map_err(AskError::from)
        } else {
            self.try_ask_function(courier, job).await
        };
        match &asked {
            Ok(_) if !added::is_about_everything(&job.payload) => self.meter.asked("answered"),
            Err(AskError::Send(_) | AskError::Answer(_)) => self.meter.asked("failed"),
            // The store's doing.
            _ => {}
        }
        let now = self.clock.now();
        let (wait, error) = match asked {
            Ok(did) => return did,
            Err(AskError::Look(LookError::Repository(RepositoryError::LeaseLost))) => {
                return Did::Finished;
            }
            Err(AskError::Look(LookError::Repository(RepositoryError::Conflict(_)))) => (
                self.wait(job),
                Some("the resource was looked at meanwhile".to_owned()),
            ),
            Err(AskError::Look(error)) => (self.wait(job), Some(error.to_string())),
            Err(error @ AskError::NotRecorded) => {
                (self.wait(job).min(AGAIN_BY_THEN), Some(error.to_string()))
            }
            // Its next time would come all the same. Whoever mends it need not wait for that.
            Err(error @ (AskError::Answer(_) | AskError::Send(_))) if on_schedule => {
                tracing::warn!(job = %job.key, attempts = job.attempts, %error, "a custom rule is asked again");
                let wanted = match &error {
                    AskError::Send(SendError::Passing { retry_after, .. }) => *retry_after,
                    _ => None,
                };
                (
                    wanted.unwrap_or_default().max(self.wait(job)),
                    Some(error.to_string()),
                )
            }
            Err(AskError::Answer(error)) => {
                tracing::warn!(job = %job.key, %error, "a custom rule did not answer");
                return Did::Finish(Finish::Dead { error });
            }
            Err(AskError::Send(SendError::Passing {
                detail,
                retry_after,
            })) => (
                retry_after.unwrap_or_default().max(self.wait(job)),
                Some(detail),
            ),
            Err(AskError::Send(error)) => {
                tracing::warn!(job = %job.key, %error, "a custom rule cannot be asked");
                return Did::Finish(Finish::Dead {
                    error: error.to_string(),
                });
            }
        };
        Did::Finish(Finish::Again {
            due_at: later(now, wait),
            error,
        })
    }

    fn wait(&self, job: &Job) -> Duration {
        backoff(
            job.attempts,
            Duration::from_secs(1),
            Duration::from_secs(600),
        )
    }

    async fn try_ask_function<S: Courier>(&self, courier: &S, job: &Job) -> Result<Did, AskError> {
        let now = self.clock.now();
        let member = |name: &str| job.payload[name].as_str().unwrap_or_default();
        let (account, resource_type, resource_id) = (
            member("account"),
            member("resourceType"),
            member("resourceId"),
        );
        let repository = &self.repository;
        let known = repository
            .resource(account, resource_type, resource_id)
            .await?;
        let (Some(known), Some(account)) = (known, self.accounts.get(account)) else {
            return Ok(Did::Finish(Finish::Done));
        };
        let history = repository
            .history(&account.id, resource_type, resource_id, 2)
            .await?;
        let assessment = self.assess(&known.item).map_err(AskError::Answer)?;
        let subject = Subject {
            item: &known.item,
            assessment: assessment.as_ref(),
            previous: history.get(1),
            now,
        };
        let calls = self.settings.rules.lambdas_on_change(&subject);
        let call = calls
            .into_iter()
            .find(|call| call.rule.name() == member("rule"));
        let Some(call) = call else {
            return Ok(Did::Finish(Finish::Done));
        };
        let token = format!("{}-{}", job.id, job.generation);
        let invocation = Invocation {
            partition: account.partition(),
            account: &account.id,
            region: &known.item.key.region,
            result_token: &token,
            execution_role: None,
            now,
        };
        let event = change_event(&call, &subject, &invocation);
        let answer = courier
            .ask(&call.lambda.target, &event)
            .await
            .map_err(AskError::Send)?;
        let reported = read_answer(&answer, &token, |kind, id| {
            kind == resource_type && id == resource_id
        })
        .map_err(|error| AskError::Answer(error.to_string()))?;
        let Some(reported) = reported.into_iter().next_back() else {
            return Ok(Did::Finish(Finish::Done));
        };
        let evaluation = RuleEvaluation {
            rule_name: call.rule.name().to_owned(),
            identifier: CUSTOM_LAMBDA.to_owned(),
            compliance_type: reported.compliance_type,
            annotation: reported.annotation,
        };
        let end = Some((job, Finish::Done));
        self.take_answer(account, known, assessment, evaluation, end)
            .await
            .map_err(AskError::Look)?;
        Ok(Did::Finished)
    }

    /// The bucket of an item, judged as it was recorded, with the exception that covers it. What
    /// cannot be judged is an error: without a verdict, what it is open by would count as gone.
    fn assess(&self, item: &ConfigurationItem) -> Result<Option<Assessment>, String> {
        if item.key.resource_type != BUCKET || item.status.is_deleted() {
            return Ok(None);
        }
        let mut assessment = Assessment::of_item(item).map_err(|error| {
            format!("what is recorded of {} cannot be judged: {error}", item.key)
        })?;
        self.settings.exceptions.apply_with(
            self.settings.excepting(&item.tags),
            &mut assessment,
            self.clock.now(),
        );
        Ok(Some(assessment))
    }

    async fn take_answer(
        &self,
        account: &Account<A>,
        known: ResourceRecord,
        assessment: Option<Assessment>,
        evaluation: RuleEvaluation,
        end: Option<(&Job, Finish)>,
    ) -> Result<(), LookError> {
        let standing: Vec<EvaluationRecord> = known
            .evaluations
            .iter()
            .filter(|record| record.rule_name != evaluation.rule_name)
            .cloned()
            .collect();
        self.record_answer(account, known, assessment, &[evaluation], &standing, end)
            .await
    }
}

/// How long it is at most until an account is looked at again that is not recorded yet.
const AGAIN_BY_THEN: Duration = Duration::from_secs(30);

/// The work that asks a rule's function about a resource.
fn evaluate(rule: &str, key: &ResourceKey, due_at: Timestamp) -> NewJob {
    NewJob {
        kind: JobKind::Evaluate,
        key: format!("evaluate {rule} {key}"),
        payload: json!({
            "rule": rule,
            "account": key.account,
            "resourceType": key.resource_type,
            "resourceId": key.resource_id,
        }),
        due_at,
    }
}

/// Why a function's answer was not recorded.
#[derive(Debug, Error)]
enum AskError {
    #[error(transparent)]
    Send(SendError),
    #[error("{0}")]
    Answer(String),
    #[error(transparent)]
    Look(LookError),
    #[error("the account is not recorded yet")]
    NotRecorded,
}

impl From<RepositoryError> for AskError {
    fn from(error: RepositoryError) -> AskError {
        AskError::Look(LookError::Repository(error))
    }
}
