//! What lets requests in and what refuses them, over the same variables.

use std::cell::OnceCell;

use crate::action::{ActionSet, ActionTable, ResourceType};
use crate::bucket::Bucket;
use crate::condition::{Condition, Operator};
use crate::document::{ActionClause, PrincipalClause, Statement};
use crate::key::{self, Key, KeyDomain, LinkedPart};

use super::caller::{Callers, Environment, Question};
use super::doubts::{Bound, Doubts};
use super::names::Names;
use super::resource::ResourceSet;
use super::search::{Attempt, Found, Search};
use super::variables::Choice;

/// Something that lets requests in if no Deny refuses them.
#[derive(Clone, Debug)]
pub(crate) struct Permission<'p> {
    /// The statement or grant, for reasons and witnesses.
    pub(crate) index: usize,
    pub(crate) parts: Vec<Part<'p>>,
}

/// One statement or grant, cut down to one bucket.
#[derive(Clone, Debug)]
pub(crate) struct Part<'p> {
    pub(crate) who: Grantees<'p>,
    pub(crate) actions: ActionSet,
    /// The action clause, to test names that the table does not have.
    pub(crate) clause: Option<&'p ActionClause>,
    pub(crate) resources: ResourceSet,
    pub(crate) tests: Vec<Test<'p>>,
    pub(crate) understood: bool,
}

/// To whom a part applies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Grantees<'p> {
    Clause(&'p PrincipalClause),
    Everyone,
    SignedOnly,
    AnonymousOnly,
}

/// A condition and the variable that it is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Test<'p> {
    pub(crate) condition: &'p Condition,
    pub(crate) variable: usize,
    pub(crate) part: Option<LinkedPart>,
}

/// A condition key, together with the keys that repeat a part of it.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub(crate) key: String,
    /// What the table says of it.
    pub(crate) entry: Option<&'static Key>,
    /// The actions whose requests can carry it.
    pub(crate) actions: ActionSet,
    /// The used keys that it stands for.
    pub(crate) members: Vec<Member>,
    /// How the policies test it, if the table does not know it.
    pub(crate) untabled: KeyDomain,
}

/// A used key: its name, which part of the variable it is, and what the table says of it.
pub(crate) type Member = (String, Option<LinkedPart>, Option<&'static Key>);

/// Permissions and Deny statements over the same variables.
#[derive(Debug)]
pub(crate) struct Space<'p> {
    pub(crate) bucket: &'p Bucket,
    pub(crate) names: &'p Names,
    pub(crate) permissions: Vec<Permission<'p>>,
    pub(crate) denies: Vec<(usize, Part<'p>)>,
    pub(crate) variables: Vec<Variable>,
    /// Keys whose value is chosen beforehand: policy variables, the access point.
    pub(crate) fixed: Vec<Choice>,
    /// For the headline and the literal flags, and for AWS's policy status.
    kinds: (OnceCell<Vec<Kind>>, OnceCell<Vec<Kind>>),
}

/// Numbers rows of bits in the order in which they are first seen.
#[derive(Default)]
struct Distinct {
    rows: Vec<Vec<u64>>,
    row: Vec<u64>,
    bits: usize,
}

impl Distinct {
    fn begin(&mut self) {
        self.row.clear();
        self.bits = 0;
    }

    fn push(&mut self, bit: bool) {
        if self.bits.is_multiple_of(64) {
            self.row.push(0);
        }
        if let Some(word) = self.row.last_mut() {
            *word |= u64::from(bit) << (self.bits % 64);
        }
        self.bits += 1;
    }

    fn number(&mut self) -> usize {
        self.rows
            .iter()
            .position(|row| *row == self.row)
            .unwrap_or_else(|| {
                self.rows.push(self.row.clone());
                self.rows.len() - 1
            })
    }
}

/// The group of an action: by the keys that accompany it, and by all that tells it apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) keys: usize,
    pub(crate) whole: usize,
}

impl<'p> Space<'p> {
    pub(crate) fn new(bucket: &'p Bucket, names: &'p Names, fixed: Vec<Choice>) -> Space<'p> {
        let mut space = Space {
            bucket,
            names,
            permissions: Vec::new(),
            denies: Vec::new(),
            variables: Vec::new(),
            fixed: Vec::new(),
            kinds: Default::default(),
        };
        for (key, chosen) in fixed {
            space.variable(&key, None);
            space.fixed.push((key, chosen));
        }
        space
    }

    /// A statement, cut down to resources that `bucket_arn` and `object_prefix` begin.
    pub(crate) fn part(
        &mut self,
        statement: &'p Statement,
        bucket_arn: &str,
        object_prefix: &str,
    ) -> Part<'p> {
        let tests = statement
            .conditions
            .iter()
            .map(|condition| {
                let (variable, part) = self.variable(&condition.key, Some(condition));
                Test {
                    condition,
                    variable,
                    part,
                }
            })
            .collect();
        Part {
            who: Grantees::Clause(&statement.principal),
            actions: statement.action.known,
            clause: Some(&statement.action),
            resources: ResourceSet::new(&statement.resource, bucket_arn, object_prefix),
            tests,
            understood: statement.not_understood.is_empty(),
        }
    }

    /// The variable of a key, and which part of it the key is.
    fn variable(
        &mut self,
        name: &str,
        condition: Option<&Condition>,
    ) -> (usize, Option<LinkedPart>) {
        let own = key::lookup(name);
        let (key, part) = match own.and_then(|key| key.linked.as_ref()) {
            Some(linked) => (linked.to.as_str(), Some(linked.part)),
            None => (name, None),
        };
        let at = match self.variables.iter().position(|v| v.key == key) {
            Some(at) => at,
            None => {
                let entry = if part.is_none() {
                    own
                } else {
                    key::lookup(key)
                };
                self.variables.push(Variable {
                    key: key.to_owned(),
                    entry,
                    actions: key::accompanied_actions(key, entry),
                    members: Vec::new(),
                    untabled: KeyDomain::Untested,
                });
                self.variables.len() - 1
            }
        };
        let variable = &mut self.variables[at];
        if !variable.members.iter().any(|(member, ..)| member == name) {
            variable.members.push((name.to_owned(), part, own));
        }
        if let Some(tested) = condition.and_then(tested_as) {
            variable.untabled = match variable.untabled {
                KeyDomain::Untested => tested,
                before if before == tested => tested,
                _ => KeyDomain::Text,
            };
        }
        (at, part)
    }

    /// Groups the actions by what tells them apart here: the keys that accompany them, what they act
    /// on, and the Deny statements that speak of them.
    pub(crate) fn kinds(&self, question: Question) -> &[Kind] {
        let cell = if question == Question::AwsStatus {
            &self.kinds.1
        } else {
            &self.kinds.0
        };
        cell.get_or_init(|| {
            let table = ActionTable::get();
            // Only keys of Amazon S3 itself accompany some actions and not others.
            let own_keys: Vec<&Variable> = self
                .variables
                .iter()
                .filter(|v| v.key.starts_with("s3:"))
                .collect();
            let mut keys = Distinct::default();
            let mut whole = Distinct::default();
            table
                .iter()
                .map(|(action, entry)| {
                    keys.begin();
                    for variable in &own_keys {
                        keys.push(accompanies(question, variable, action));
                    }
                    let keys = keys.number();
                    whole.begin();
                    whole.push(entry.resource == ResourceType::Object);
                    for variable in &own_keys {
                        whole.push(accompanies(question, variable, action));
                    }
                    for (_, deny) in &self.denies {
                        whole.push(deny.actions.contains(action));
                    }
                    Kind {
                        keys,
                        whole: whole.number(),
                    }
                })
                .collect()
        })
    }

    /// Finds a request that one of the permissions lets in and no Deny refuses.
    pub(crate) fn find(
        &self,
        question: Question,
        callers: Callers,
        bound: Bound,
        doubts: &mut Doubts,
        attempts: &mut Vec<Attempt>,
    ) -> Option<Found> {
        attempts.resize(self.permissions.len(), Attempt::default());
        let keys: Vec<(&str, Option<&'static Key>)> = self
            .variables
            .iter()
            .flat_map(|v| {
                v.members
                    .iter()
                    .map(|(name, _, entry)| (name.as_str(), *entry))
            })
            .collect();
        let parts = || self.permissions.iter().flat_map(|p| &p.parts);
        let clauses = parts()
            .chain(self.denies.iter().map(|(_, d)| d))
            .filter_map(|p| match p.who {
                Grantees::Clause(clause) => Some(clause),
                _ => None,
            });
        let needs_signed = parts().any(|p| matches!(p.who, Grantees::SignedOnly));
        let environments = Environment::all(
            question,
            callers,
            self.bucket,
            self.names,
            &keys,
            clauses,
            needs_signed,
        );
        for environment in &environments {
            let mut search = Search::new(self, question, environment, bound, doubts);
            for (permission, attempt) in self.permissions.iter().zip(attempts.iter_mut()) {
                if let Some(found) = search.permission(permission, attempt) {
                    return Some(found);
                }
            }
        }
        None
    }
}

/// Whether a request of the action can carry a key.
pub(crate) fn accompanies(question: Question, variable: &Variable, action: usize) -> bool {
    question == Question::AwsStatus || variable.actions.contains(action)
}

/// How a condition reads a key that the table does not know.
fn tested_as(condition: &Condition) -> Option<KeyDomain> {
    use Operator as O;
    Some(match condition.operator {
        O::Null => return None,
        O::Bool => KeyDomain::Bool,
        O::NumericEquals
        | O::NumericNotEquals
        | O::NumericLessThan
        | O::NumericLessThanEquals
        | O::NumericGreaterThan
        | O::NumericGreaterThanEquals => KeyDomain::Number,
        O::DateEquals
        | O::DateNotEquals
        | O::DateLessThan
        | O::DateLessThanEquals
        | O::DateGreaterThan
        | O::DateGreaterThanEquals => KeyDomain::Date,
        O::IpAddress | O::NotIpAddress => KeyDomain::Address,
        _ => KeyDomain::Text,
    })
}
