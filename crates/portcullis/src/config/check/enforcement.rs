//! Checks of `[enforcement]`.

use super::{Problem, at, under, unique};
use crate::config::enforcement::{Acl, Policy};
use crate::config::place::KeyPath;
use crate::config::problem::choose;
use crate::config::{Account, Config, Scope};

pub(super) fn check(config: &Config, problems: &mut Vec<Problem>) {
    let enforcement = &config.enforcement;
    breaker(config, problems);
    if enforcement.loop_guard.times == 0 || enforcement.loop_guard.within.is_zero() {
        problems.push(Problem::error(
            at!["enforcement", "loop-guard"],
            "`times` and `within` have to be more than nothing",
        ));
    }
    unique(
        "a scope",
        enforcement.scope.iter().enumerate().map(|(index, scope)| {
            (
                at!["enforcement", "scope", index, "name"],
                scope.name.as_str(),
            )
        }),
        problems,
    );
    for (index, scope) in enforcement.scope.iter().enumerate() {
        let base = at!["enforcement", "scope", index];
        reaches(config, scope, &base, problems);
        if let Some(before) = enforcement.scope[..index]
            .iter()
            .find(|before| shadows(before, scope))
        {
            problems.push(
                Problem::error(
                    base.clone(),
                    format!(
                        "every bucket that it covers is covered by {:?} before it",
                        before.name
                    ),
                )
                .hint("the first scope that covers a bucket decides: put the narrower one first"),
            );
        }
        if scope.enabled {
            risks(config, scope, &base, problems);
        }
        if scope.tag.as_deref().is_some_and(|tag| {
            let key = tag.split_once('=').map_or(tag, |(key, _)| key);
            key.is_empty() || key.chars().count() > 128
        }) {
            problems.push(Problem::error(
                under(&base, "tag"),
                "a tag is KEY or KEY=VALUE, and a key has 1 to 128 characters",
            ));
        }
    }
    let anywhere = enforcement.scope.iter().any(|scope| scope.enabled);
    for (index, account) in config.account.iter().enumerate() {
        if account.enforcement_role_arn.is_some() && !anywhere {
            problems.push(Problem::warning(
                at!["account", index, "enforcement-role-arn"],
                "enforcement is not switched on anywhere, so this role is not used",
            ));
        }
    }
}

fn breaker(config: &Config, problems: &mut Vec<Problem>) {
    let breaker = &config.enforcement.breaker;
    if !(0.0..=1.0).contains(&breaker.share) {
        problems.push(Problem::error(
            at!["enforcement", "breaker", "share"],
            "a share is from 0 to 1",
        ));
    }
    if breaker.buckets_per_hour == 0 {
        problems.push(
            Problem::error(
                at!["enforcement", "breaker", "buckets-per-hour"],
                "the first bucket would already trip it",
            )
            .hint("to change nothing, leave the scopes `enabled = false`"),
        );
    } else if breaker.buckets_per_hour > 1000 {
        problems.push(Problem::warning(
            at!["enforcement", "breaker", "buckets-per-hour"],
            "a wrong setting could change more than a thousand buckets before it is stopped",
        ));
    }
}

/// Whether a scope can cover anything at all.
fn reaches(config: &Config, scope: &Scope, base: &KeyPath, problems: &mut Vec<Problem>) {
    for (index, wanted) in scope.accounts.iter().enumerate() {
        let pattern = wanted.pattern();
        let fits =
            |account: &Account| pattern.matches(&account.id) || pattern.matches(account.label());
        if !config.account.iter().any(fits) {
            let known: Vec<&str> = config.account.iter().map(Account::label).collect();
            let mut path = under(base, "accounts");
            path.0.push(index.into());
            problems.push(
                Problem::error(
                    path,
                    format!("no account that is watched is called {:?}", wanted.0),
                )
                .hint(choose(&wanted.0, &known)),
            );
        }
    }
    let recorder = &config.recorder;
    for (index, wanted) in scope.buckets.iter().enumerate() {
        if !wanted.is_exact() {
            continue;
        }
        let named = |list: &[crate::config::value::Wildcard]| {
            list.iter().any(|one| one.pattern().matches(&wanted.0))
        };
        let watched = (recorder.buckets.is_empty() || named(&recorder.buckets))
            && !named(&recorder.exclude_buckets);
        if !watched {
            let mut path = under(base, "buckets");
            path.0.push(index.into());
            problems.push(Problem::error(
                path,
                format!(
                    "the recorder leaves out {:?}, so it is never looked at",
                    wanted.0
                ),
            ));
        }
    }
}

/// Whether an earlier scope covers all that a later one does. Patterns are compared as texts, so that
/// some that do are not seen.
fn shadows(before: &Scope, after: &Scope) -> bool {
    let wider = |before: &[crate::config::value::Wildcard],
                 after: &[crate::config::value::Wildcard]| {
        before.is_empty()
            || (!after.is_empty()
                && after
                    .iter()
                    .all(|one| before.iter().any(|other| other.0 == "*" || other == one)))
    };
    let tag = before.tag.is_none() || before.tag == after.tag;
    tag && wider(&before.accounts, &after.accounts)
        && wider(&before.regions, &after.regions)
        && wider(&before.buckets, &after.buckets)
}

fn risks(config: &Config, scope: &Scope, base: &KeyPath, problems: &mut Vec<Problem>) {
    let everywhere = scope.accounts.is_empty()
        && scope.regions.is_empty()
        && scope.buckets.is_empty()
        && scope.tag.is_none();
    if scope.policy == Policy::RemoveStatement && everywhere {
        problems.push(Problem::warning(
            under(base, "policy"),
            "statements are removed from the policies of every bucket; applications that rely on \
             them stop working",
        ));
    }
    if scope.policy == Policy::Block {
        problems.push(Problem::warning(
            under(base, "policy"),
            "RestrictPublicBuckets also cuts other accounts that the policy names, as long as the \
             policy is public",
        ));
        let stores = config.account.iter().filter(|account| {
            account.endpoint_url.is_some()
                && (scope.accounts.is_empty()
                    || scope.accounts.iter().any(|wanted| {
                        let pattern = wanted.pattern();
                        pattern.matches(&account.id) || pattern.matches(account.label())
                    }))
        });
        for account in stores {
            problems.push(
                Problem::warning(
                    under(base, "policy"),
                    format!(
                        "{:?} is an S3-compatible store; Ceph keeps RestrictPublicBuckets and does \
                         not enforce it, so public policies there would only be told of",
                        account.label()
                    ),
                )
                .hint("use policy = \"remove-statement\" there, or \"notify\""),
            );
        }
    }
    if scope.acl == Acl::Private {
        problems.push(Problem::warning(
            under(base, "acl"),
            "grants to other accounts and to log delivery are lost with the public ones; \
             `strip` keeps them",
        ));
    }
    if scope.enabled && !config.subscription.is_empty() {
        return;
    }
    problems.push(Problem::warning(
        base.clone(),
        "buckets are changed and nobody is told: there is no [[subscription]]",
    ));
}
