//! Statements as a whole: allowing everything but a list, and allowing what is denied anyway.

use super::covering::covers;
use super::{Linter, element};
use crate::document::{
    ActionClause, Effect, Principal, PrincipalClause, ResourceClause, Severity, Statement,
};
use crate::json::Shown;
use crate::pattern::Pattern;

/// How many steps of comparing patterns the search for dead statements may take. Ordinary policies
/// take thousands; the worst text of the greatest length would take days.
const COMPARISON_BUDGET: usize = 10_000_000;

pub(super) fn lint(linter: &mut Linter<'_>, statement: &Statement) {
    if statement.effect == Effect::Allow {
        allow_all_but(linter, statement);
    }
    let under_aws = |principal: &&Principal| {
        !matches!(
            principal,
            Principal::Service(_) | Principal::Federated(_) | Principal::CanonicalUser(_)
        )
    };
    let entries = statement.principal.entries.iter().filter(under_aws);
    for (index, entry) in entries.enumerate() {
        if let Principal::UniqueId(id) = entry {
            deleted(linter, statement, index, id);
        }
    }
}

fn allow_all_but(linter: &mut Linter<'_>, statement: &Statement) {
    // What the parser put in place of something that it did not understand names nothing.
    if statement.principal.negated {
        linter.say(
            Severity::Warning,
            "allow-not-principal",
            element(statement, "Principal", true),
            "`NotPrincipal` with Allow lets everybody else in, unsigned requests included"
                .to_owned(),
            "name those who may with `Principal`; Amazon S3 may refuse the policy as it is"
                .to_owned(),
        );
    }
    if statement.action.negated && !statement.action.patterns.is_empty() {
        linter.say(
            Severity::Warning,
            "allow-not-action",
            element(statement, "Action", true),
            "`NotAction` with Allow grants every other action, those included that AWS adds later"
                .to_owned(),
            "list what is granted with `Action`".to_owned(),
        );
    }
    if statement.resource.negated && !statement.resource.patterns.is_empty() {
        linter.say(
            Severity::Warning,
            "allow-not-resource",
            element(statement, "Resource", true),
            "`NotResource` with Allow grants access to everything else in the bucket".to_owned(),
            "list what is granted with `Resource`".to_owned(),
        );
    }
}

fn deleted(linter: &mut Linter<'_>, statement: &Statement, index: usize, id: &str) {
    let listed = format!(
        "{}.AWS",
        element(statement, "Principal", statement.principal.negated)
    );
    let path = linter.entry(&listed, index);
    linter.say(
        Severity::Warning,
        "deleted-principal",
        path,
        format!("`{}` is what a deleted user or role left behind: it means nobody, even if one of the same name is created again", Shown(id)),
        "remove it, or name the new user or role by its ARN".to_owned(),
    );
}

/// Allow statements that one Deny statement takes back for every request.
pub(super) fn dead_allows(linter: &mut Linter<'_>) {
    let mut budget = COMPARISON_BUDGET;
    let statements = &linter.policy.statements;
    let denies: Vec<&Statement> = statements
        .iter()
        .filter(|s| s.effect == Effect::Deny)
        .filter(|s| s.conditions.is_empty() && s.not_understood.is_empty())
        .collect();
    for allow in statements.iter().filter(|s| s.effect == Effect::Allow) {
        let Some(deny) = denies
            .iter()
            .find(|deny| takes_back(deny, allow, &mut budget))
        else {
            continue;
        };
        linter.say(
            Severity::Warning,
            "dead-allow",
            allow.path.clone(),
            format!(
                "the statement allows nothing: {} denies all of it",
                deny.path
            ),
            "remove one of the two".to_owned(),
        );
    }
}

fn takes_back(deny: &Statement, allow: &Statement, budget: &mut usize) -> bool {
    principals_cover(&deny.principal, &allow.principal)
        && actions_cover(&deny.action, &allow.action, budget)
        && resources_cover(&deny.resource, &allow.resource, budget)
}

fn principals_cover(deny: &PrincipalClause, allow: &PrincipalClause) -> bool {
    let everyone = deny.entries.contains(&Principal::Everyone);
    let each_named = !allow.negated && allow.entries.iter().all(|e| deny.entries.contains(e));
    !deny.negated && (everyone || each_named)
}

fn actions_cover(deny: &ActionClause, allow: &ActionClause, budget: &mut usize) -> bool {
    clause_covers(
        (deny.negated, &deny.patterns),
        (allow.negated, &allow.patterns),
        budget,
    )
}

fn resources_cover(deny: &ResourceClause, allow: &ResourceClause, budget: &mut usize) -> bool {
    clause_covers(
        (deny.negated, &deny.patterns),
        (allow.negated, &allow.patterns),
        budget,
    )
}

fn clause_covers(
    (deny_negated, deny): (bool, &[Pattern]),
    (allow_negated, allow): (bool, &[Pattern]),
    budget: &mut usize,
) -> bool {
    if deny_negated {
        return false;
    }
    if allow_negated {
        return deny.iter().any(|pattern| pattern.text() == "*");
    }
    allow.iter().all(|specific| {
        deny.iter().any(|general| {
            let steps = (general.elements().len() + 1) * (specific.elements().len() + 1);
            match budget.checked_sub(steps) {
                Some(left) => {
                    *budget = left;
                    covers(general, specific)
                }
                None => false,
            }
        })
    })
}
