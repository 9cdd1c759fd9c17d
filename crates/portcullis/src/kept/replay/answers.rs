//! What rules said of recorded items, and what they say of them now.

use std::collections::BTreeMap;

use compliance::compliance_change::{ComplianceChange, EvaluationResult};
use compliance::exceptions::Exceptions;
use compliance::item::{ConfigurationItem, ResourceKey};
use compliance::rules::configured::RuleSet;
use compliance::rules::{ComplianceType, RuleEvaluation};
use guard::repository::Repository;
use guard::state::{EvaluationRecord, Route};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::judge::{each_item, evaluate};
use super::super::page::moment;
use super::super::{describe, failed};
use super::{Difference, Outcome, Replay, targets};
use crate::config::rule::rules;
use crate::exit::Failure;

/// How many answers of one resource are looked at.
const ANSWERS: u32 = 100_000;

/// One recorded answer that is not repeated.
pub(super) struct OtherAnswer {
    key: ResourceKey,
    record: EvaluationRecord,
    now: Result<ComplianceType, &'static str>,
    /// Where the answer of now would have been sent.
    routes: Vec<Route>,
}

impl Replay<'_> {
    pub(super) async fn answers(&self) -> Result<Outcome<OtherAnswer>, Failure> {
        let rules =
            rules(&self.loaded.config).map_err(|error| Failure::usage(error.to_string()))?;
        // Which resources there are; their items are read one resource at a time, so that memory does not
        // grow with the history.
        let mut keys: BTreeMap<ResourceKey, ()> = BTreeMap::new();
        let all = Some((Timestamp::MIN, Timestamp::MAX));
        each_item(&self.store, all, |item| {
            if self.args.wants_resource(&item.key) {
                keys.insert(item.key, ());
            }
        })
        .await?;
        let mut outcome = Outcome::default();
        for key in keys.into_keys() {
            self.of_resource(&rules, &key, &mut outcome).await?;
        }
        Ok(outcome)
    }

    async fn of_resource(
        &self,
        rules: &RuleSet,
        key: &ResourceKey,
        outcome: &mut Outcome<OtherAnswer>,
    ) -> Result<(), Failure> {
        let (account, kind, id) = (&key.account, &key.resource_type, &key.resource_id);
        let items = self
            .store
            .history(account, kind, id, ANSWERS)
            .await
            .map_err(failed)?;
        let said = self
            .store
            .evaluation_history(account, kind, id, ANSWERS)
            .await
            .map_err(failed)?;
        // What each rule, as it is now, said last.
        let mut before: BTreeMap<String, EvaluationResult> = BTreeMap::new();
        // The first first: each answer follows on the one before.
        for record in said.into_iter().rev() {
            // The items are the newest first.
            let found = items
                .iter()
                .position(|item| item.capture_time <= record.since);
            let now = match found {
                None => Err("its item is not kept any more"),
                Some(at) => again(rules, &self.loaded.exceptions, &items[at..], &record),
            };
            let change = match (&now, found.and_then(|at| items.get(at))) {
                (Ok(answer), Some(item)) => Some(change(item, answer, record.since, &mut before)),
                _ => None,
            };
            if record.since < self.args.since() {
                continue;
            }
            match now.map(|answer| answer.compliance_type) {
                Ok(answer) if answer == record.compliance_type => outcome.same += 1,
                Err(_) if !self.args.verify => outcome.skipped += 1,
                now => outcome.differences.push(OtherAnswer {
                    key: key.clone(),
                    record,
                    now,
                    routes: change.map_or_else(Vec::new, |change| self.routes(&change)),
                }),
            }
        }
        Ok(())
    }

    /// Where a compliance change is sent, in whichever of its shapes it goes on the bus.
    fn routes(&self, change: &ComplianceChange) -> Vec<Route> {
        let mut routes = match change.changes_type() {
            true => self.event_rules.routes(&change.notification("")),
            false => Vec::new(),
        };
        routes.extend(self.event_rules.routes(&change.put_evaluations("")));
        routes.sort();
        routes.dedup();
        routes
    }
}

/// What the rule says of the first of these items now.
fn again(
    rules: &RuleSet,
    exceptions: &Exceptions,
    items: &[ConfigurationItem],
    record: &EvaluationRecord,
) -> Result<RuleEvaluation, &'static str> {
    let Some(item) = items.first() else {
        return Err("its item is not kept any more");
    };
    let Some(rule) = rules.get(&record.rule_name) else {
        return Err("there is no such rule any more");
    };
    if rule.lambda().is_some() {
        return Err("it is a function's answer, which is not asked again");
    }
    evaluate(rules, exceptions, item, items.get(1), record.since)
        .into_iter()
        .find(|own| own.rule_name == record.rule_name)
        .ok_or("the rule is not about it, or switched off")
}

/// The compliance change that an answer makes after those before it.
fn change(
    item: &ConfigurationItem,
    answer: &RuleEvaluation,
    at: Timestamp,
    before: &mut BTreeMap<String, EvaluationResult>,
) -> ComplianceChange {
    let new = EvaluationResult {
        compliance_type: answer.compliance_type,
        annotation: answer
            .annotation
            .as_ref()
            .map(|text| text.as_str().to_owned()),
        ordering: item.capture_time,
        recorded: at,
    };
    ComplianceChange {
        key: item.key.clone(),
        partition: item.arn.split(':').nth(1).unwrap_or("aws").to_owned(),
        rule_name: answer.rule_name.clone(),
        identifier: answer.identifier.clone(),
        old: before.insert(answer.rule_name.clone(), new.clone()),
        new,
    }
}

impl Difference for OtherAnswer {
    const HEADING: &'static [&'static str] = &[
        "at",
        "account",
        "resource",
        "rule",
        "recorded",
        "now",
        "would go to",
    ];
    const NAME: &'static str = "answers";

    fn row(&self) -> Vec<String> {
        let now = match self.now {
            Ok(answer) => answer.as_str(),
            Err(why) => why,
        };
        vec![
            moment(self.record.since),
            self.key.account.clone(),
            self.key.resource_id.clone(),
            self.record.rule_name.clone(),
            self.record.compliance_type.as_str().to_owned(),
            now.to_owned(),
            match self.now {
                Ok(_) => targets(&self.routes),
                Err(_) => String::new(),
            },
        ]
    }

    fn as_json(&self) -> Value {
        json!({
            "account": self.key.account, "resource_type": self.key.resource_type,
            "resource_id": self.key.resource_id, "rule": self.record.rule_name,
            "at": self.record.since.to_string(),
            "recorded": self.record.compliance_type.as_str(),
            "now": self.now.ok().map(ComplianceType::as_str), "why": self.now.err(),
            "would_go_to": describe::routes(&self.routes),
        })
    }
}
