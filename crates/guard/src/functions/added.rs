//! Functions that are new in the configuration, or are to judge by something else now: each is asked
//! once about everything that is recorded, as AWS Config evaluates what there is when a rule is made
//! (AWS Config API reference, `StartConfigRulesEvaluation`). After that it is asked about changes.
//!
//! What was asked is remembered for each account when all of it has been asked for. Killed before, the
//! job begins anew; questions that wait already are asked once.

use std::collections::{BTreeMap, BTreeSet};

use compliance::rules::Subject;
use compliance::rules::configured::{ConfiguredRule, Frequency};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::evaluate;
use crate::account::{Account, Reach};
use crate::clock::Clock;
use crate::repository::{Repository, RepositoryError};
use crate::schedule::{BATCH, Spread};
use crate::state::{Finish, Job, JobKind, NewJob};
use crate::watch::Guard;
use crate::work::Did;

/// What a rule's function is asked by: when it differs, what it said may not hold any more. Parameters
/// may be anything, so that only a digest is kept.
pub(crate) fn definition(rule: &ConfiguredRule) -> Option<String> {
    let lambda = rule.lambda()?;
    let definition = json!([
        lambda.target.to_string(),
        lambda.parameters,
        rule.resource_types(),
        rule.tag(),
    ]);
    let digest = Sha256::digest(definition.to_string());
    Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Under this name the store remembers which functions were asked about everything in an account.
fn asked_name(account: &str) -> String {
    format!("functions asked about everything in {account}")
}

impl<P: Repository, A: Reach, C: Clock> Guard<P, A, C> {
    /// The functions that changes trigger, by their rules' names.
    fn definitions(&self) -> BTreeMap<&str, String> {
        let rules = self.settings.rules.iter();
        rules
            .filter(|rule| rule.is_enabled() && rule.trigger().on_change())
            .filter_map(|rule| Some((rule.name(), definition(rule)?)))
            .collect()
    }

    /// The work that asks new functions about what is recorded, in the accounts where there are any.
    pub async fn functions_to_ask(&self, now: Timestamp) -> Result<Vec<NewJob>, RepositoryError> {
        let wanted = json!(self.definitions());
        let mut jobs = Vec::new();
        for account in self.accounts.keys() {
            let asked = self.repository.remembered(&asked_name(account)).await?;
            if asked.unwrap_or_else(|| json!({})) != wanted {
                jobs.push(NewJob {
                    kind: JobKind::Evaluate,
                    key: format!("evaluate everything {account}"),
                    payload: json!({"account": account, "everything": true}),
                    due_at: now,
                });
            }
        }
        Ok(jobs)
    }

    /// Asks for the questions that [`Guard::functions_to_ask`] is about.
    pub(super) async fn ask_about_everything(&self, job: &Job) -> Result<Did, RepositoryError> {
        let account = job.payload["account"].as_str().unwrap_or_default();
        let Some(account) = self.accounts.get(account) else {
            return Ok(Did::Finish(Finish::Done));
        };
        let name = asked_name(&account.id);
        let asked = self.repository.remembered(&name).await?.unwrap_or_default();
        let wanted = self.definitions();
        let new: BTreeSet<&str> = wanted
            .iter()
            .filter(|(rule, definition)| asked[**rule] != definition.as_str())
            .map(|(rule, _)| *rule)
            .collect();
        let types: BTreeSet<&str> = new
            .iter()
            .filter_map(|rule| self.settings.rules.get(rule))
            .flat_map(|rule| rule.resource_types())
            .map(String::as_str)
            .collect();
        let now = self.clock.now();
        // What changes now is not to wait for all of this.
        let mut spread = Spread::over(Frequency::OneHour, now);
        for resource_type in types {
            self.ask_about_all_of(account, resource_type, &new, &mut spread)
                .await?;
        }
        self.repository.remember(&name, &json!(wanted)).await?;
        if !new.is_empty() {
            let rules: Vec<&str> = new.into_iter().collect();
            tracing::info!(account = %account.id, rules = %rules.join(", "), "new functions judge what is recorded");
        }
        Ok(Did::Finish(Finish::Done))
    }

    async fn ask_about_all_of(
        &self,
        account: &Account<A>,
        resource_type: &str,
        rules: &BTreeSet<&str>,
        spread: &mut Spread,
    ) -> Result<(), RepositoryError> {
        let now = self.clock.now();
        let mut after: Option<String> = None;
        loop {
            let ids = self
                .repository
                .resource_ids(&account.id, resource_type, after.as_deref(), BATCH)
                .await?;
            let Some(last) = ids.last() else {
                return Ok(());
            };
            after = Some(last.clone());
            let mut questions = Vec::new();
            for id in &ids {
                let known = self
                    .repository
                    .resource(&account.id, resource_type, id)
                    .await?;
                let recorded =
                    known.filter(|known| self.settings.recorder.records_resource(&known.item.key));
                let Some(known) = recorded else { continue };
                let subject = Subject::of(&known.item, now);
                for call in self.settings.rules.lambdas_on_change(&subject) {
                    if rules.contains(call.rule.name()) {
                        let due_at = spread.next();
                        questions.push(evaluate(call.rule.name(), &known.item.key, due_at));
                    }
                }
            }
            self.repository.request(&questions, now).await?;
        }
    }
}

/// Whether a job is one of [`Guard::functions_to_ask`].
pub(super) fn is_about_everything(payload: &Value) -> bool {
    payload["everything"] == true
}
