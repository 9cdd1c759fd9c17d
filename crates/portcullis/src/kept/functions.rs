//! How the functions of custom rules do that are asked on a schedule, for `portcullis status`.

use compliance::report::visible;
use guard::functions::FunctionStatus;
use jiff::Timestamp;
use serde_json::{Value, json};
use store::Store;

use super::failed;
use super::page::ago;
use crate::config::Config;
use crate::config::rule::rules;
use crate::exit::Failure;

/// One function in one account.
pub(super) struct Function {
    rule: String,
    account: String,
    status: FunctionStatus,
}

/// Every function that the configuration has asked on a schedule, in each account.
pub(super) async fn functions(store: &Store, config: &Config) -> Result<Vec<Function>, Failure> {
    // A configuration that is not in order is said by `config check`.
    let Ok(rules) = rules(config) else {
        return Ok(Vec::new());
    };
    let mut functions = Vec::new();
    for rule in rules.iter() {
        if !rule.is_enabled() || rule.lambda().is_none() || rule.frequency().is_none() {
            continue;
        }
        for account in &config.account {
            let status = FunctionStatus::of(store, rule.name(), &account.id).await;
            functions.push(Function {
                rule: rule.name().to_owned(),
                account: account.id.clone(),
                status: status.map_err(failed)?,
            });
        }
    }
    Ok(functions)
}

impl Function {
    /// Whether its last answer could not be taken, or there was none.
    pub(super) fn fails(&self) -> bool {
        self.status.failing_since.is_some()
    }

    pub(super) fn as_json(&self) -> Value {
        let at = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let status = &self.status;
        json!({
            "rule": self.rule,
            "account": self.account,
            "asked_at": at(status.asked_at),
            "answered_at": at(status.answered_at),
            "resources": status.resources,
            "unknown": status.unknown,
            "examples": status.examples,
            "failing_since": at(status.failing_since),
            "error": status.error,
        })
    }

    pub(super) fn as_text(&self, now: Timestamp) -> String {
        let status = &self.status;
        let mut text = format!("Function of {} in {}: ", self.rule, self.account);
        match status.answered_at {
            Some(at) => text.push_str(&format!(
                "answered {} about {} resources",
                ago(at, now),
                status.resources
            )),
            None => text.push_str("no answer yet"),
        }
        if status.unknown > 0 {
            text.push_str(&format!(
                ", and about {} that are not recorded here ({})",
                status.unknown,
                status.examples.join(", ")
            ));
        }
        if let Some(since) = status.failing_since {
            let why = status.error.as_deref().unwrap_or("it is not said why");
            text.push_str(&format!("; FAILS since {}: {why}", ago(since, now)));
        }
        visible(&text).into_owned()
    }
}
