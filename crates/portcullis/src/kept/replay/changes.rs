//! Where event rules sent compliance changes, and where they send them now.

use std::collections::BTreeSet;

use compliance::item::ResourceKey;
use guard::repository::Repository;
use guard::state::Route;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::page::moment;
use super::super::{describe, failed};
use super::{Difference, Outcome, Replay, targets};
use crate::exit::Failure;

/// How many changes are read at once.
const PAGE: u32 = 500;
/// Why a change cannot be compared.
const NOT_RECORDED: &str = "where it went was not recorded then";

/// A compliance change that would go elsewhere.
pub(super) struct OtherTargets {
    id: String,
    at: Timestamp,
    key: ResourceKey,
    /// EventBridge's `detail-type`: in which of its two shapes it is.
    detail_type: String,
    rule: String,
    then: Option<Vec<Route>>,
    now: Vec<Route>,
}

impl Replay<'_> {
    pub(super) async fn changes(&self) -> Result<Outcome<OtherTargets>, Failure> {
        let mut outcome = Outcome::default();
        let mut after = None;
        loop {
            let page = self
                .store
                .bus_events_from(self.args.since(), after, PAGE)
                .await
                .map_err(failed)?;
            let Some((last, _)) = page.last() else {
                return Ok(outcome);
            };
            after = Some(*last);
            for (_, raised) in page {
                if !self.args.wants_resource(&raised.key) {
                    continue;
                }
                let now = self.event_rules.routes(&raised.event);
                match &raised.routes {
                    // Which of several rules sends it there makes no difference to who gets it.
                    Some(then) if names(then) == names(&now) => outcome.same += 1,
                    None if !self.args.verify => outcome.skipped += 1,
                    _ => outcome.differences.push(OtherTargets {
                        detail_type: text(&raised.event["detail-type"]),
                        rule: text(rule(&raised.event["detail"])),
                        id: raised.id,
                        at: raised.at,
                        key: raised.key,
                        then: raised.routes,
                        now,
                    }),
                }
            }
        }
    }
}

/// The rule's name, in either shape.
fn rule(detail: &Value) -> &Value {
    match detail.get("configRuleName") {
        Some(name) => name,
        None => &detail["additionalEventData"]["configRuleName"],
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn names(routes: &[Route]) -> BTreeSet<&str> {
    routes.iter().map(|route| route.target.as_str()).collect()
}

impl OtherTargets {
    /// The targets that are in one and not in the other.
    fn without<'a>(some: &'a [Route], others: &[Route]) -> Vec<&'a str> {
        let others = names(others);
        let mut left = names(some);
        left.retain(|name| !others.contains(name));
        left.into_iter().collect()
    }
}

impl Difference for OtherTargets {
    const HEADING: &'static [&'static str] = &[
        "at", "account", "resource", "rule", "event", "went to", "now",
    ];
    const NAME: &'static str = "compliance changes";

    fn row(&self) -> Vec<String> {
        vec![
            moment(self.at),
            self.key.account.clone(),
            self.key.resource_id.clone(),
            self.rule.clone(),
            self.detail_type.clone(),
            match &self.then {
                Some(then) => targets(then),
                None => NOT_RECORDED.to_owned(),
            },
            targets(&self.now),
        ]
    }

    fn as_json(&self) -> Value {
        let then = self.then.as_deref();
        json!({
            "id": self.id, "at": self.at.to_string(),
            "account": self.key.account, "resource_type": self.key.resource_type,
            "resource_id": self.key.resource_id,
            "rule": self.rule, "detail_type": self.detail_type,
            "then": then.map(describe::routes), "now": describe::routes(&self.now),
            "not_any_more": then.map(|then| OtherTargets::without(then, &self.now)),
            "additionally": then.map(|then| OtherTargets::without(&self.now, then)),
            "why": then.is_none().then_some(NOT_RECORDED),
        })
    }
}
