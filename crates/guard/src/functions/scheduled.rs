//! Functions that are asked on a schedule: about an account as a whole, whatever resources they then
//! speak of.
//!
//! What a function says is taken of each resource that is recorded, through the same decision and commit
//! as what it says of a change. As by AWS Config, what it does not speak of stands as it was. What it
//! says of anything else (another account's resources, types that are not recorded, what is gone) makes
//! nothing here: it is counted, logged and shown by `portcullis status`.

use std::collections::BTreeMap;

use compliance::item::BUCKET;
use compliance::report::visible;
use compliance::rules::configured::{CUSTOM_LAMBDA, Frequency};
use compliance::rules::lambda::{Invocation, Reported, read_scheduled_answer, scheduled_event};
use compliance::rules::{ComplianceType, RuleEvaluation};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::AskError;
use crate::account::{Account, Reach};
use crate::clock::Clock;
use crate::deliver::Courier;
use crate::look::LookError;
use crate::repository::{Repository, RepositoryError};
use crate::schedule::frequency_of;
use crate::state::{Finish, Job, JobKind, NewJob};
use crate::watch::Guard;
use crate::work::Did;

/// How a function that is asked on a schedule does in one account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FunctionStatus {
    /// When it was asked last.
    pub asked_at: Option<Timestamp>,
    /// When it last gave an answer that could be taken.
    pub answered_at: Option<Timestamp>,
    /// Of how many recorded resources that answer spoke.
    pub resources: u64,
    /// Of how many others.
    pub unknown: u64,
    /// The first of those, as `TYPE ID`.
    pub examples: Vec<String>,
    /// Since when it gives no answer that can be taken; `None`: the last one could be.
    pub failing_since: Option<Timestamp>,
    /// Why.
    pub error: Option<String>,
}

/// How many resources are named that are not recorded.
const EXAMPLES: usize = 5;

/// How long a function is not asked because its account is not recorded yet, as at the very first. Longer
/// than that, something else is wrong.
const UNTIL_RECORDED: SignedDuration = SignedDuration::from_mins(15);
/// How many ids are counted at once.
const PAGE: u32 = 10_000;

/// How many characters a type and an id have at most (AWS Config API reference, `Evaluation`).
const LONGEST_TYPE: usize = 256;
const LONGEST_ID: usize = 768;

/// How often an answer about one resource is decided anew when others commit about it meanwhile.
const TRIES: u32 = 10;

impl FunctionStatus {
    /// What is remembered of a rule's function in an account.
    pub async fn of<R: Repository>(
        repository: &R,
        rule: &str,
        account: &str,
    ) -> Result<FunctionStatus, RepositoryError> {
        let remembered = repository.remembered(&status_name(rule, account)).await?;
        // What a newer version wrote and nobody here understands is as good as nothing.
        Ok(remembered
            .and_then(|value| serde_json::from_value(value).ok())
            .unwrap_or_default())
    }
}

fn status_name(rule: &str, account: &str) -> String {
    format!("function on schedule in {account}: {rule}")
}

/// What became of an evaluation.
enum Taken {
    Recorded,
    /// It is about nothing that is recorded here.
    Unknown,
    /// The function was asked about a change meanwhile, and said that later.
    Overtaken,
}

impl<P: Repository, A: Reach, C: Clock> Guard<P, A, C> {
    /// The work that asks the functions of a schedule about an account.
    pub(crate) fn functions_on_schedule(
        &self,
        account: &Account<A>,
        frequency: Frequency,
        now: Timestamp,
    ) -> Vec<NewJob> {
        self.settings
            .rules
            .lambdas_periodic(frequency)
            .into_iter()
            .map(|call| {
                let rule = call.rule.name();
                NewJob {
                    kind: JobKind::Evaluate,
                    key: format!("evaluate on schedule {rule} {}", account.id),
                    payload: json!({
                        "rule": rule,
                        "account": account.id,
                        "frequency": frequency.as_str(),
                    }),
                    due_at: now,
                }
            })
            .collect()
    }

    /// Asks a function as its schedule says, and takes what it says.
    pub(super) async fn try_ask_on_schedule<S: Courier>(
        &self,
        courier: &S,
        job: &Job,
    ) -> Result<Did, AskError> {
        let began = self.clock.now();
        let member = |name: &str| job.payload[name].as_str().unwrap_or_default();
        let calls = frequency_of(&job.payload)
            .map(|frequency| self.settings.rules.lambdas_periodic(frequency));
        let call = calls
            .into_iter()
            .flatten()
            .find(|call| call.rule.name() == member("rule"));
        let (Some(call), Some(account)) = (call, self.accounts.get(member("account"))) else {
            // The configuration has another schedule now.
            return Ok(Did::Finish(Finish::Done));
        };
        if began.duration_since(job.created_at) < UNTIL_RECORDED
            && !self.is_recorded(account).await?
        {
            return Err(AskError::NotRecorded);
        }
        let rule = call.rule.name();
        let token = format!("{}-{}", job.id, job.generation);
        let event = scheduled_event(
            &call,
            &Invocation {
                partition: account.partition(),
                account: &account.id,
                region: &account.default_region,
                result_token: &token,
                execution_role: None,
                now: began,
            },
        );
        let asked = courier.ask(&call.lambda.target, &event).await;
        let answered = match asked {
            Ok(answer) => read_scheduled_answer(&answer, &token)
                .map_err(|error| AskError::Answer(error.to_string())),
            Err(error) => Err(AskError::Send(error)),
        };
        let status = match answered {
            Ok(reported) => self.take_all(account, rule, reported, began).await,
            Err(error) => Err(error),
        };
        let before = FunctionStatus::of(&*self.repository, rule, &account.id).await?;
        let (status, ended) = match status {
            Ok(status) => (status, Ok(Did::Finish(Finish::Done))),
            Err(error) => {
                let failing = FunctionStatus {
                    asked_at: Some(began),
                    failing_since: before.failing_since.or(Some(began)),
                    error: Some(error.to_string()),
                    ..before
                };
                (failing, Err(error))
            }
        };
        self.repository
            .remember(&status_name(rule, &account.id), &json!(status))
            .await?;
        ended
    }

    /// Whether what a sweep has found of an account is recorded. What a function says of a bucket before
    /// that would be lost until its next time.
    async fn is_recorded(&self, account: &Account<A>) -> Result<bool, RepositoryError> {
        let coverage = self.repository.coverage().await?;
        let swept = coverage
            .iter()
            .filter(|own| own.account == account.id && own.last_sweep_at.is_some())
            .map(|own| own.swept)
            .max();
        let Some(swept) = swept else { return Ok(false) };
        let mut recorded = 0;
        let mut after: Option<String> = None;
        while recorded < swept {
            let ids = self
                .repository
                .resource_ids(&account.id, BUCKET, after.as_deref(), PAGE)
                .await?;
            let Some(last) = ids.last() else {
                return Ok(false);
            };
            after = Some(last.clone());
            recorded += ids.len() as u64;
        }
        Ok(true)
    }

    /// Takes each evaluation of an answer. What cannot be taken keeps nothing from the others.
    async fn take_all(
        &self,
        account: &Account<A>,
        rule: &str,
        reported: Vec<Reported>,
        began: Timestamp,
    ) -> Result<FunctionStatus, AskError> {
        let mut status = FunctionStatus {
            asked_at: Some(began),
            answered_at: Some(began),
            ..FunctionStatus::default()
        };
        let mut failed = None;
        for one in last_of_each(reported) {
            match self.take_one(account, rule, &one, began).await {
                Ok(Taken::Recorded) => status.resources += 1,
                Ok(Taken::Overtaken) => {
                    status.resources += 1;
                    tracing::debug!(rule, resource = %visible(&one.resource_id), "said later already");
                }
                // Of what is gone functions say so, as long as they remember it.
                Ok(Taken::Unknown) if one.compliance_type == ComplianceType::NotApplicable => {}
                Ok(Taken::Unknown) => {
                    status.unknown += 1;
                    if status.examples.len() < EXAMPLES {
                        let (kind, id) = (&one.resource_type, &one.resource_id);
                        status.examples.push(shortened(&format!("{kind} {id}")));
                    }
                }
                // Nothing else can be taken either.
                Err(error @ AskError::Look(LookError::Repository(_))) => return Err(error),
                Err(error) => failed = Some(error),
            }
        }
        if status.unknown > 0 {
            self.meter.spoke_of_unknown(status.unknown);
            tracing::warn!(
                rule,
                account = %account.id,
                unknown = status.unknown,
                examples = %status.examples.join(", "),
                "a custom rule spoke of resources that are not recorded here"
            );
        }
        let account = account.id.as_str();
        tracing::info!(
            rule,
            account,
            resources = status.resources,
            "a custom rule answered"
        );
        failed.map_or(Ok(status), Err)
    }

    async fn take_one(
        &self,
        account: &Account<A>,
        rule: &str,
        reported: &Reported,
        began: Timestamp,
    ) -> Result<Taken, AskError> {
        let evaluation = RuleEvaluation {
            rule_name: rule.to_owned(),
            identifier: CUSTOM_LAMBDA.to_owned(),
            compliance_type: reported.compliance_type,
            annotation: reported.annotation.clone(),
        };
        let named = [
            (&reported.resource_type, LONGEST_TYPE),
            (&reported.resource_id, LONGEST_ID),
        ];
        if named
            .iter()
            .any(|(name, most)| name.chars().count() > *most || name.contains(char::is_control))
        {
            return Ok(Taken::Unknown);
        }
        let mut tries = 0;
        loop {
            let known = self
                .repository
                .resource(&account.id, &reported.resource_type, &reported.resource_id)
                .await?;
            let recorded = known.filter(|known| {
                !known.item.status.is_deleted()
                    && self.settings.recorder.records_resource(&known.item.key)
            });
            let Some(known) = recorded else {
                return Ok(Taken::Unknown);
            };
            let mut said = known.evaluations.iter();
            if said.any(|said| said.rule_name == rule && said.evaluated_at > began) {
                return Ok(Taken::Overtaken);
            }
            let assessment = self.assess(&known.item).map_err(AskError::Answer)?;
            tries += 1;
            match self
                .take_answer(account, known, assessment, evaluation.clone(), None)
                .await
            {
                Ok(()) => return Ok(Taken::Recorded),
                Err(LookError::Repository(RepositoryError::Conflict(_))) if tries < TRIES => {}
                Err(error) => return Err(AskError::Look(error)),
            }
        }
    }
}

/// Of several evaluations of one resource the one about the latest moment, as the function orders them;
/// where it does not, the last.
fn last_of_each(reported: Vec<Reported>) -> impl Iterator<Item = Reported> {
    let mut last: BTreeMap<(String, String), Reported> = BTreeMap::new();
    for one in reported {
        let key = (one.resource_type.clone(), one.resource_id.clone());
        let is_older = last
            .get(&key)
            .and_then(|before| Some(before.ordering? > one.ordering?));
        if is_older != Some(true) {
            last.insert(key, one);
        }
    }
    last.into_values()
}

/// As much of what a function names as is kept and shown.
fn shortened(text: &str) -> String {
    visible(&text.chars().take(200).collect::<String>()).to_string()
}
