//! Conditions against what is known of their keys: who sends them, with which actions, how often.

use super::Linter;
use crate::action::ActionTable;
use crate::condition::{Condition, Operator};
use crate::document::{Effect, Severity, Statement};
use crate::json::Shown;
use crate::key::{self, KeyDomain};
use crate::spelling::did_you_mean;

pub(super) fn lint(linter: &mut Linter<'_>, statement: &Statement, condition: &Condition) {
    if_exists(linter, statement, condition);
    negated_on_multivalued(linter, condition);
    if is_unknown(&condition.key) {
        unknown(linter, condition);
    } else {
        without_action(linter, statement, condition);
    }
}

/// Whether a key tells who calls, or from which network.
fn identifies(domain: KeyDomain) -> bool {
    matches!(
        domain,
        KeyDomain::SourceAddress
            | KeyDomain::Account
            | KeyDomain::Organization
            | KeyDomain::OrganizationPath
            | KeyDomain::Vpc
            | KeyDomain::VpcEndpoint
            | KeyDomain::PrincipalArn
            | KeyDomain::PrincipalType
            | KeyDomain::UserId
            | KeyDomain::IsService
            | KeyDomain::ServiceName
            | KeyDomain::Provider
            | KeyDomain::SourceArn
            | KeyDomain::AccessPointArn
    )
}

fn if_exists(linter: &mut Linter<'_>, statement: &Statement, condition: &Condition) {
    let tells = key::lookup(&condition.key).is_some_and(|key| identifies(key.domain));
    if statement.effect == Effect::Allow
        && condition.if_exists
        && tells
        && !condition.operator.is_negated()
    {
        linter.say(
            Severity::Warning,
            "if-exists-in-allow",
            condition.path.clone(),
            format!(
                "requests without `{}` are let in, too",
                Shown(&condition.written_key)
            ),
            format!("write {} without IfExists", condition.operator.as_str()),
        );
    }
}

fn negated_on_multivalued(linter: &mut Linter<'_>, condition: &Condition) {
    if condition.operator.is_negated()
        && condition.set.is_none()
        && key::lookup(&condition.key).is_some_and(|key| key.multivalued)
    {
        linter.say(
            Severity::Warning,
            "negated-on-multivalued",
            condition.path.clone(),
            format!(
                "`{}` can have several values, and how {} takes them together is not documented",
                Shown(&condition.written_key),
                condition.operator.as_str()
            ),
            "put ForAllValues: or ForAnyValue: in front of the operator".to_owned(),
        );
    }
}

/// Whether a key is known to have one value at most.
pub(super) fn is_single_valued(name: &str) -> bool {
    key::lookup(name).map_or_else(|| accompanies_actions(name), |key| !key.multivalued)
}

fn is_unknown(name: &str) -> bool {
    (name.starts_with("aws:") || name.starts_with("s3:"))
        && key::lookup(name).is_none()
        && !accompanies_actions(name)
}

fn accompanies_actions(name: &str) -> bool {
    let family = name.find('/').map_or(name, |slash| &name[..=slash]);
    s3_keys().any(|known| known == name || known == family)
}

/// The keys that accompany actions of Amazon S3.
fn s3_keys() -> impl Iterator<Item = &'static str> {
    let actions = ActionTable::get().iter();
    actions.flat_map(|(_, action)| action.keys.iter().map(String::as_str))
}

/// New keys appear now and then, so a name is reported only if it looks like a known one misspelt.
fn unknown(linter: &mut Linter<'_>, condition: &Condition) {
    let known = key::names().chain(s3_keys());
    if let Some(name) = did_you_mean(&condition.key, known) {
        linter.say(
            Severity::Warning,
            "unknown-key",
            condition.path.clone(),
            format!(
                "`{}` is no known condition key",
                Shown(&condition.written_key)
            ),
            format!("did you mean `{name}`?"),
        );
    }
}

/// A key that requests of the statement's actions never have.
fn without_action(linter: &mut Linter<'_>, statement: &Statement, condition: &Condition) {
    let actions = statement.action.known;
    let carriers = key::accompanied_actions(&condition.key, key::lookup(&condition.key));
    let has = |index: usize| carriers.contains(index);
    if actions.is_empty() || condition.operator == Operator::Null || actions.iter().any(has) {
        return;
    }
    let absent_holds = condition.if_exists || condition.operator.is_negated();
    let what = if absent_holds {
        "the condition always holds"
    } else {
        "the statement never applies"
    };
    linter.say(
        Severity::Warning,
        "key-not-with-action",
        condition.path.clone(),
        format!(
            "`{}` accompanies none of the statement's actions: {what}",
            Shown(&condition.written_key)
        ),
        "put actions that the key belongs to into a statement of their own".to_owned(),
    );
}
