//! Policy variables: values that depend on another key of the same request.
//!
//! A variable ties two keys together, which the search takes as independent. So the value of each
//! variable is chosen first, from the values that tell callers apart here, and the statements are
//! read with that value in them. What is found this way is exact. That nothing is to be found is
//! shown on *relaxed* statements, in which a variable stands for whatever favours the request. Where
//! only the relaxed statements let a request in, the texts of that request are tried as values
//! too; if that fails, the question is left undecided.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::bucket::Bucket;
use crate::condition::{Condition, Operator, Value};
use crate::document::{Effect, Statement};
use crate::key::{self, KeyDomain};
use crate::pattern::{Element, Pattern};
use crate::request::Context;

use super::caller::{Environment, Network, PrincipalType, Who};
use super::doubts::{Bound, Doubts};
use super::names::{Names, UNKNOWN_ORGANIZATION, UNKNOWN_OWNER};

/// Combinations of values that are tried.
const COMBINATION_BUDGET: usize = 256;
/// Variables up to which relaxed statements tell absent keys from present ones.
const TOLD_APART: usize = 6;

/// A numbered statement, as written or with its variables replaced.
pub(crate) type Numbered<'p> = (usize, Cow<'p, Statement>);

/// Statements without variables, and the values that were chosen for the variables.
#[derive(Debug)]
pub(crate) struct Instance<'p> {
    pub(crate) allows: Vec<Numbered<'p>>,
    pub(crate) denies: Vec<Numbered<'p>>,
    pub(crate) fixed: Vec<Choice>,
}

/// What a policy variable's key is in an instance.
pub(crate) type Choice = (String, Chosen);

/// What was chosen for a key beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// It is absent.
    Absent,
    /// It has this value.
    Value(String),
    /// It has this value, whoever the caller is (the access point of a request).
    Given(String),
    /// It is there, with whatever value (relaxed statements).
    Present,
    /// Nothing (relaxed statements with very many variables).
    Anything,
}

/// Every instance of a set of statements.
#[derive(Debug)]
pub(crate) struct Instances<'p> {
    /// Exact: what one of them lets in, the statements let in.
    pub(crate) exact: Vec<Instance<'p>>,
    /// What the statements let in, one of these lets in. Empty: the exact ones are complete.
    pub(crate) relaxed: Vec<Instance<'p>>,
    /// Not every combination of values was tried.
    pub(crate) incomplete: bool,
}

/// The keys of all policy variables of a statement.
fn variables(statement: &Statement) -> impl Iterator<Item = &str> {
    let conditions = statement
        .conditions
        .iter()
        .flat_map(|c| &c.values)
        .filter_map(|v| match v {
            Value::Pattern(pattern) => Some(pattern),
            _ => None,
        });
    statement
        .resource
        .patterns
        .iter()
        .chain(conditions)
        .filter(|p| p.has_variables())
        .flat_map(Pattern::variables)
}

impl<'p> Instances<'p> {
    pub(crate) fn new(
        bucket: &Bucket,
        names: &Names,
        allows: Vec<Numbered<'p>>,
        denies: Vec<Numbered<'p>>,
        more_values: &[String],
    ) -> Instances<'p> {
        let statements = || allows.iter().chain(&denies).map(|(_, s)| s.as_ref());
        let keys: BTreeSet<String> = statements()
            .flat_map(variables)
            .map(str::to_owned)
            .collect();
        if keys.is_empty() {
            let fixed = Vec::new();
            return Instances {
                exact: vec![Instance {
                    allows,
                    denies,
                    fixed,
                }],
                relaxed: Vec::new(),
                incomplete: false,
            };
        }
        let (owner, free): (Vec<String>, Vec<String>) =
            keys.into_iter().partition(|key| describes_owner(key));
        let mut exact: Vec<(String, Vec<Chosen>)> = Vec::new();
        for key in &owner {
            exact.push((key.clone(), owner_values(key, bucket, statements())));
        }
        let mut relaxed = exact.clone();
        for key in &free {
            let values = candidates(key, bucket, names, statements(), more_values);
            exact.push((key.clone(), values));
            let loose = if free.len() <= TOLD_APART {
                vec![Chosen::Absent, Chosen::Present]
            } else {
                vec![Chosen::Anything]
            };
            relaxed.push((key.clone(), loose));
        }
        let (exact, mut incomplete) = combinations(&exact);
        let (mut relaxed, too_many) = combinations(&relaxed);
        incomplete |= too_many;
        if free.is_empty() {
            relaxed.clear();
        }
        let instance = |fixed: &Vec<Choice>| Instance {
            allows: allows
                .iter()
                .map(|(i, s)| (*i, Cow::Owned(replace(s, fixed))))
                .collect(),
            denies: denies
                .iter()
                .map(|(i, s)| (*i, Cow::Owned(replace(s, fixed))))
                .collect(),
            fixed: fixed.clone(),
        };
        Instances {
            exact: exact.iter().map(instance).collect(),
            relaxed: relaxed.iter().map(instance).collect(),
            incomplete,
        }
    }
}

/// The statement without the conditions whose values hold a variable: AWS's policy status takes
/// such a value as not fixed, in an Allow.
pub(crate) fn without_variable_conditions(statement: &Statement) -> Cow<'_, Statement> {
    let holds_variable = |condition: &Condition| {
        condition
            .values
            .iter()
            .any(|v| matches!(v, Value::Pattern(p) if p.has_variables()))
    };
    if !statement.conditions.iter().any(holds_variable) {
        return Cow::Borrowed(statement);
    }
    let mut statement = statement.clone();
    statement
        .conditions
        .retain(|condition| !holds_variable(condition));
    Cow::Owned(statement)
}

fn describes_owner(key: &str) -> bool {
    key::lookup(key).is_some_and(|key| {
        matches!(
            key.domain,
            KeyDomain::OwnerAccount
                | KeyDomain::OwnerOrganization
                | KeyDomain::OwnerOrganizationPath
        )
    })
}

fn owner_values<'s>(
    key: &str,
    bucket: &Bucket,
    statements: impl Iterator<Item = &'s Statement>,
) -> Vec<Chosen> {
    let value = |text: &str| Chosen::Value(text.to_owned());
    let mut values = match key::lookup(key).map(|key| key.domain) {
        Some(KeyDomain::OwnerAccount) => match &bucket.owner_account {
            Some(account) => return vec![value(account)],
            None => vec![value(UNKNOWN_OWNER)],
        },
        Some(KeyDomain::OwnerOrganizationPath) => {
            vec![
                value(&format!("{UNKNOWN_ORGANIZATION}/r-0000/")),
                Chosen::Absent,
            ]
        }
        _ => vec![value(UNKNOWN_ORGANIZATION), Chosen::Absent],
    };
    values.extend(compared_with(key, statements).map(Chosen::Value));
    values
}

/// Fixed texts that the statements compare a key with.
fn compared_with<'s>(
    key: &str,
    statements: impl Iterator<Item = &'s Statement>,
) -> impl Iterator<Item = String> {
    statements
        .flat_map(|s| &s.conditions)
        .filter(move |c| c.key == key)
        .flat_map(|c| &c.values)
        .filter_map(|value| match value {
            Value::Pattern(pattern) => pattern.exact(),
            _ => None,
        })
}

/// Values of a free variable that can tell callers apart: absent, a name of the caller's choice,
/// what he has for that key, and what he has for the keys that are compared with it.
fn candidates<'s>(
    key: &str,
    bucket: &Bucket,
    names: &Names,
    statements: impl Iterator<Item = &'s Statement> + Clone,
    more_values: &[String],
) -> Vec<Chosen> {
    let mut values = vec![Chosen::Absent, Chosen::Value("mallory".to_owned())];
    let mut add = |value: String| {
        let value = Chosen::Value(value);
        if !values.contains(&value) {
            values.push(value);
        }
    };
    let mut related = vec![key.to_owned()];
    for condition in statements.clone().flat_map(|s| &s.conditions) {
        let compares = condition.values.iter().any(
            |v| matches!(v, Value::Pattern(p) if p.has_variables() && p.variables().any(|k| k == key)),
        );
        if compares && !related.contains(&condition.key) {
            related.push(condition.key.clone());
        }
    }
    for who in [
        Who::Signed(PrincipalType::User),
        Who::Signed(PrincipalType::AssumedRole),
        Who::Service,
        Who::Anonymous,
    ] {
        for network in [Network::Internet, Network::VpcEndpoint] {
            let environment = Environment {
                who: who.clone(),
                network,
                tls: None,
                not_before: Some(bucket.as_of),
            };
            for name in &related {
                let mut domain =
                    environment.domain(key::lookup(name), KeyDomain::Text, bucket, names);
                domain.absent = false;
                let solved = domain.solve(&[], Bound::Lower, &mut Doubts::default());
                if let Some(value) = solved
                    && let Some(value) = value.values(None).and_then(|v| v.first().cloned())
                {
                    add(value);
                }
            }
        }
    }
    for name in &related {
        compared_with(name, statements.clone()).for_each(&mut add);
    }
    more_values.iter().cloned().for_each(&mut add);
    values
}

fn combinations(choices: &[(String, Vec<Chosen>)]) -> (Vec<Vec<Choice>>, bool) {
    let mut all: Vec<Vec<Choice>> = vec![Vec::new()];
    for (key, values) in choices {
        let mut next = Vec::new();
        for chosen in &all {
            for value in values {
                if next.len() == COMBINATION_BUDGET {
                    return (next, true);
                }
                let mut chosen = chosen.clone();
                chosen.push((key.clone(), value.clone()));
                next.push(chosen);
            }
        }
        all = next;
    }
    (all, false)
}

/// The statement with its variables replaced.
fn replace(statement: &Statement, fixed: &[Choice]) -> Statement {
    let context: Context = fixed
        .iter()
        .filter_map(|(key, chosen)| match chosen {
            Chosen::Value(value) => Some((key.as_str(), value.clone())),
            _ => None,
        })
        .collect();
    let is_open = |key: &str| {
        fixed
            .iter()
            .any(|(k, chosen)| k == key && matches!(chosen, Chosen::Present | Chosen::Anything))
    };
    // A relaxed variable favours the request: it widens what lets in and what spares, and narrows
    // what keeps out and what refuses.
    let one = |pattern: &Pattern, negated: bool| -> Option<Pattern> {
        if !pattern.has_variables() {
            return Some(pattern.clone());
        }
        if !pattern.variables().any(is_open) {
            return pattern.resolve(&context);
        }
        let widens = (statement.effect == Effect::Allow) != negated;
        widens.then(|| {
            let elements = pattern.elements().iter().map(|element| match element {
                Element::Variable { .. } => Element::Star,
                other => other.clone(),
            });
            Pattern::from_elements(pattern.text().to_owned(), elements.collect())
        })
    };
    let mut statement = statement.clone();
    let clause = &mut statement.resource;
    clause.patterns = clause
        .patterns
        .iter()
        .filter_map(|p| one(p, clause.negated))
        .collect();
    for condition in &mut statement.conditions {
        let negated = condition.operator.is_negated();
        let folds = matches!(
            condition.operator,
            Operator::StringEqualsIgnoreCase | Operator::StringNotEqualsIgnoreCase
        );
        condition.values = condition
            .values
            .drain(..)
            .filter_map(|value| match value {
                Value::Pattern(pattern) => one(&pattern, negated)
                    .map(|p| if folds { p.to_lowercase() } else { p })
                    .map(Value::Pattern),
                other => Some(other),
            })
            .collect();
    }
    statement
}
