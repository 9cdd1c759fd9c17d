//! The search for one untrusted request that everything allows.
//!
//! A permission (an Allow statement, an ACL's grant, or the two statements that admit a request
//! through an access point) is a product of one set for each variable: the object key and each
//! condition key. So is each Deny statement. A request exists exactly if the permission's product
//! is not covered by those of the Deny statements. The search solves each variable for the
//! permission, looks for a Deny that refuses the request found, and branches over the ways out of
//! that Deny: every variable of which one of its tests can be made to fail. Each branch leaves one
//! more Deny behind for good, so the search ends; its number of steps is bounded all the same.
//!
//! Sound: what is found satisfies every test by construction, and is replayed through the concrete
//! evaluator by the caller. Complete as long as no doubt is noted: each variable's own solver is
//! exact, and variables are independent of each other once linked keys are one variable.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use crate::action::{ActionSet, ActionTable, ResourceType};
use crate::bucket::Bucket;
use crate::condition::{Condition, Operator, Value};
use crate::document::{ActionClause, PrincipalClause, Statement};
use crate::key::{self, KeyDomain, LinkedPart};
use crate::request::{Caller, Context, Request};

use super::caller::{Callers, Environment, Question, Who};
use super::names::Names;
use super::resource::{KeySet, ResourceSet};
use super::text::{Glob, TextProblem, TextSolution};
use super::value::{Atom, Bound, Domain, Doubts, KeyValue, Range, is_narrow};
use super::variables::{Choice, Chosen};

/// What one way out of a Deny statement costs of the budget, in joint states of automata.
const STEP_COST: usize = 4;

/// Deny statements that one request may have to escape.
const DEPTH_BUDGET: usize = 200;

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
    condition: &'p Condition,
    variable: usize,
    part: Option<LinkedPart>,
}

/// A condition key, together with the keys that repeat a part of it.
#[derive(Clone, Debug)]
struct Variable {
    key: String,
    /// The used keys that it stands for.
    members: Vec<(String, Option<LinkedPart>)>,
    /// How the policies test it, if the table does not know it.
    untabled: KeyDomain,
}

/// Permissions and Deny statements over the same variables.
#[derive(Debug)]
pub(crate) struct Space<'p> {
    pub(crate) bucket: &'p Bucket,
    pub(crate) names: &'p Names,
    pub(crate) permissions: Vec<Permission<'p>>,
    pub(crate) denies: Vec<(usize, Part<'p>)>,
    variables: Vec<Variable>,
    /// Keys whose value is chosen beforehand: policy variables, the access point.
    fixed: Vec<Choice>,
    /// For the headline and the literal flags, and for AWS's policy status.
    kinds: (OnceCell<Vec<Kind>>, OnceCell<Vec<Kind>>),
}

/// The group of an action: by the keys that accompany it, and by all that tells it apart.
#[derive(Clone, Copy, Debug)]
struct Kind {
    keys: usize,
    whole: usize,
}

/// A request that was found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) request: Request,
    pub(crate) permission: usize,
    pub(crate) action: Option<usize>,
    pub(crate) moment: Option<jiff::Timestamp>,
}

/// How far the search got with one permission, to say why it lets nobody in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempt {
    pub(crate) takes_caller: bool,
    pub(crate) has_action: bool,
    pub(crate) only_owner_actions: bool,
    pub(crate) fits_resource: bool,
    /// Conditions that nobody satisfied; `None` until one search got as far.
    pub(crate) unsatisfied: Option<BTreeSet<usize>>,
    pub(crate) narrow: bool,
    pub(crate) denied_by: BTreeSet<usize>,
}

/// The action of a request.
#[derive(Clone, Copy)]
enum Asked<'a> {
    Known(usize),
    /// A name that the table does not have, on the bucket or on an object.
    Unsupported(&'a str, ResourceType),
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
        let linked = key::lookup(name).and_then(|key| key.linked.as_ref());
        let (key, part) = match linked {
            Some(linked) => (linked.to.as_str(), Some(linked.part)),
            None => (name, None),
        };
        let at = match self.variables.iter().position(|v| v.key == key) {
            Some(at) => at,
            None => {
                self.variables.push(Variable {
                    key: key.to_owned(),
                    members: Vec::new(),
                    untabled: KeyDomain::Untested,
                });
                self.variables.len() - 1
            }
        };
        let variable = &mut self.variables[at];
        if !variable.members.iter().any(|(member, _)| member == name) {
            variable.members.push((name.to_owned(), part));
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
    fn kinds(&self, question: Question) -> &[Kind] {
        let cell = if question == Question::AwsStatus {
            &self.kinds.1
        } else {
            &self.kinds.0
        };
        cell.get_or_init(|| {
            let table = ActionTable::get();
            let mut keys: HashMap<Vec<bool>, usize> = HashMap::new();
            let mut whole: HashMap<(usize, bool, Vec<bool>), usize> = HashMap::new();
            table
                .iter()
                .map(|(action, entry)| {
                    let carried: Vec<bool> = self
                        .variables
                        .iter()
                        .map(|v| accompanies(question, v, action))
                        .collect();
                    let next = keys.len();
                    let carried = *keys.entry(carried).or_insert(next);
                    let denied = self
                        .denies
                        .iter()
                        .map(|(_, deny)| deny.actions.contains(action))
                        .collect();
                    let on_object = entry.resource == ResourceType::Object;
                    let next = whole.len();
                    let whole = *whole.entry((carried, on_object, denied)).or_insert(next);
                    Kind {
                        keys: carried,
                        whole,
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
        let keys: Vec<&str> = self
            .variables
            .iter()
            .flat_map(|v| v.members.iter().map(|(name, _)| name.as_str()))
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
fn accompanies(question: Question, variable: &Variable, action: usize) -> bool {
    question == Question::AwsStatus
        || key::accompanies(&variable.key, &ActionTable::get().action(action).keys)
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

/// What came of one action of one permission.
enum Outcome {
    Found(Box<Found>),
    /// The permission's own conditions exclude each other, or the caller.
    Unsatisfiable,
    Nothing,
}

/// A part whose caller and action fit.
#[derive(Clone, Copy)]
struct Refusal<'s, 'p> {
    index: usize,
    part: &'s Part<'p>,
}

/// One search in one environment.
struct Search<'s, 'p> {
    space: &'s Space<'p>,
    question: Question,
    environment: &'s Environment,
    bound: Bound,
    doubts: &'s mut Doubts,
    domains: Vec<Domain>,
    depth: usize,
}

/// The tests gathered so far, and a value of each variable that satisfies them.
#[derive(Clone)]
struct State<'p> {
    atoms: Vec<Vec<Atom<'p>>>,
    values: Vec<KeyValue>,
    keys: TextProblem,
    key: Option<String>,
}

impl<'s, 'p> Search<'s, 'p> {
    fn new(
        space: &'s Space<'p>,
        question: Question,
        environment: &'s Environment,
        bound: Bound,
        doubts: &'s mut Doubts,
    ) -> Search<'s, 'p> {
        Search {
            space,
            question,
            environment,
            bound,
            doubts,
            domains: Vec::new(),
            depth: 0,
        }
    }

    /// Works out what the caller can have for each variable, once somebody takes him in.
    fn set_up_domains(&mut self) {
        if self.domains.len() == self.space.variables.len() {
            return;
        }
        let space = self.space;
        self.domains = space
            .variables
            .iter()
            .map(|v| {
                self.environment
                    .domain(&v.key, v.untabled, space.bucket, space.names)
            })
            .collect();
        for (key, chosen) in &space.fixed {
            self.fix(key, chosen);
        }
    }

    /// Narrows a variable's domain to what was chosen, as far as the caller can have it.
    fn fix(&mut self, key: &str, chosen: &Chosen) {
        let Some(at) = self
            .space
            .variables
            .iter()
            .position(|v| v.members.iter().any(|m| m.0 == key))
        else {
            return;
        };
        let part = key::lookup(key)
            .and_then(|k| k.linked.as_ref())
            .map(|l| l.part);
        let domain = &mut self.domains[at];
        match (chosen, part) {
            (Chosen::Anything, _) => {}
            (Chosen::Present, _) => domain.absent = false,
            (Chosen::Absent, _) => domain.present = None,
            (Chosen::Given(value), _) => {
                domain.present = Some(Range::OneOf(vec![value.clone()]));
                domain.absent = false;
            }
            (Chosen::Value(value), None) => {
                let possible = match &domain.present {
                    None => false,
                    Some(Range::Text { problem, .. }) => problem.accepts(value),
                    Some(Range::OneOf(values)) => values.contains(value),
                    Some(_) => true,
                };
                domain.present = possible.then(|| Range::OneOf(vec![value.clone()]));
                domain.absent = false;
            }
            (Chosen::Value(value), Some(part)) => {
                if let Some(Range::Text { problem, .. }) = &mut domain.present {
                    problem
                        .any_of
                        .push(super::value::lift(&Glob::exactly(value), part).into());
                }
                domain.absent = false;
            }
        }
    }

    fn permission(&mut self, permission: &Permission<'p>, attempt: &mut Attempt) -> Option<Found> {
        let table = ActionTable::get();
        if !permission.parts.iter().all(|part| self.takes_caller(part)) {
            return None;
        }
        attempt.takes_caller = true;
        if self.bound == Bound::Lower && !permission.parts.iter().all(|part| part.understood) {
            for part in &permission.parts {
                if !part.understood {
                    self.doubts
                        .add("a statement holds something that is not understood");
                }
            }
            return None;
        }
        let mut actions = permission
            .parts
            .iter()
            .fold(table.all(), |all, p| all.and(p.actions));
        if let Some(class) = self.question.class() {
            actions = actions.and(table.class(class));
            if !actions.is_empty() && actions.without(table.owner_only()).is_empty() {
                attempt.only_owner_actions = true;
            }
            actions = actions.without(table.owner_only());
        } else if let Some(found) = self.unsupported(permission, attempt) {
            return Some(found);
        }
        attempt.has_action |= !actions.is_empty();
        let kinds = self.space.kinds(self.question);
        let mut tried: Vec<usize> = Vec::new();
        // Where the permission's own conditions fail, they fail for every action with these keys.
        let mut failed: Vec<usize> = Vec::new();
        for &action in table.by_interest() {
            if !actions.contains(action) {
                continue;
            }
            let kind = kinds[action];
            if tried.contains(&kind.whole) || failed.contains(&kind.keys) {
                continue;
            }
            match self.request(permission, Asked::Known(action), attempt) {
                Outcome::Found(found) => return Some(*found),
                Outcome::Unsatisfiable => failed.push(kind.keys),
                Outcome::Nothing => tried.push(kind.whole),
            }
        }
        None
    }

    /// Names in the permission that are no action of a bucket or object: AWS's policy status counts
    /// them.
    fn unsupported(&mut self, permission: &Permission<'p>, attempt: &mut Attempt) -> Option<Found> {
        let [part] = &permission.parts[..] else {
            return None;
        };
        let clause = part.clause.filter(|clause| !clause.negated)?;
        for pattern in &clause.patterns {
            if !ActionTable::get().matching(pattern).is_empty() {
                continue;
            }
            attempt.has_action = true;
            let name = pattern.text().replace(['*', '?'], "x");
            for resource in [ResourceType::Bucket, ResourceType::Object] {
                let asked = Asked::Unsupported(&name, resource);
                if let Outcome::Found(found) = self.request(permission, asked, attempt) {
                    return Some(*found);
                }
            }
        }
        None
    }

    fn takes_caller(&self, part: &Part<'p>) -> bool {
        match part.who {
            Grantees::Clause(clause) => self.environment.is_taken_by(clause),
            Grantees::Everyone => true,
            Grantees::SignedOnly => matches!(self.environment.who, Who::Signed(_)),
            Grantees::AnonymousOnly => self.environment.who == Who::Anonymous,
        }
    }

    /// One action of one permission.
    fn request(
        &mut self,
        permission: &Permission<'p>,
        asked: Asked<'_>,
        attempt: &mut Attempt,
    ) -> Outcome {
        let table = ActionTable::get();
        let on_object = match asked {
            Asked::Known(action) => table.action(action).resource == ResourceType::Object,
            Asked::Unsupported(_, resource) => resource == ResourceType::Object,
        };
        let mut keys = TextProblem::default();
        for part in &permission.parts {
            if on_object {
                if !narrow_keys(&mut keys, &part.resources.keys, true) {
                    return Outcome::Nothing;
                }
            } else if !part.resources.bucket {
                return Outcome::Nothing;
            }
        }
        attempt.fits_resource = true;
        self.set_up_domains();
        let key = match on_object.then(|| self.object_key(&mut keys)) {
            Some(None) => return Outcome::Nothing,
            Some(key) => key,
            None => None,
        };
        let mut state = State {
            atoms: vec![Vec::new(); self.domains.len()],
            values: Vec::with_capacity(self.domains.len()),
            keys,
            key,
        };
        for part in &permission.parts {
            for test in &part.tests {
                if self.bound == Bound::Upper && is_not_understood(test.condition) {
                    continue;
                }
                state.atoms[test.variable].push(self.atom(test, true, Effect::Grants));
            }
        }
        let saved = self.hide_unaccompanying(asked);
        let outcome = if self.solve_all(&mut state, permission, attempt) {
            let refusals = self.refusals(asked);
            match self.escape(state, &refusals, on_object, attempt) {
                Some(state) => Outcome::Found(Box::new(self.found(state, asked, permission))),
                None => Outcome::Nothing,
            }
        } else {
            Outcome::Unsatisfiable
        };
        for (at, domain) in saved {
            self.domains[at] = domain;
        }
        outcome
    }

    /// Keys that never accompany the action are absent.
    fn hide_unaccompanying(&mut self, asked: Asked<'_>) -> Vec<(usize, Domain)> {
        let Asked::Known(action) = asked else {
            return Vec::new();
        };
        let mut saved = Vec::new();
        for (at, variable) in self.space.variables.iter().enumerate() {
            if !accompanies(self.question, variable, action) {
                saved.push((at, std::mem::replace(&mut self.domains[at], Domain::NEVER)));
            }
        }
        saved
    }

    /// Solves every variable for the permission alone; notes the conditions that fail.
    fn solve_all(
        &mut self,
        state: &mut State<'p>,
        permission: &Permission<'p>,
        attempt: &mut Attempt,
    ) -> bool {
        for at in 0..self.domains.len() {
            match self.domains[at].solve(&state.atoms[at], self.bound, self.doubts) {
                Some(value) => state.values.push(value),
                None => {
                    self.note_unsatisfied(at, permission, attempt);
                    return false;
                }
            }
        }
        attempt.unsatisfied = Some(BTreeSet::new());
        true
    }

    /// Notes which of the permission's conditions on a variable nobody can satisfy.
    fn note_unsatisfied(
        &mut self,
        variable: usize,
        permission: &Permission<'p>,
        attempt: &mut Attempt,
    ) {
        let tests = permission
            .parts
            .iter()
            .flat_map(|p| p.tests.iter().enumerate());
        let tests: Vec<_> = tests
            .filter(|(_, test)| test.variable == variable)
            .collect();
        let mut alone = BTreeSet::new();
        for (index, test) in &tests {
            let atom = self.atom(test, true, Effect::Grants);
            if tests.len() == 1
                || self.domains[variable]
                    .solve(&[atom], self.bound, self.doubts)
                    .is_none()
            {
                alone.insert(*index);
                attempt.narrow |= self.question.drops_narrow() && is_only_narrow(test.condition);
            }
        }
        attempt.unsatisfied = Some(match attempt.unsatisfied.take() {
            None => alone,
            Some(before) => before.intersection(&alone).copied().collect(),
        });
    }

    fn atom(&self, test: &Test<'p>, holds: bool, effect: Effect) -> Atom<'p> {
        // A narrow block trusts its callers: in a grant, an address in it does not count as
        // untrusted; in a Deny that spares it, neither.
        let by_narrow = match effect {
            Effect::Grants => Operator::IpAddress,
            Effect::Refuses => Operator::NotIpAddress,
        };
        Atom {
            condition: test.condition,
            part: test.part,
            holds,
            drops_narrow: self.question.drops_narrow()
                && test.condition.operator == by_narrow
                && test.condition.key == "aws:sourceip",
        }
    }

    /// The Deny statements that speak of this caller and action.
    fn refusals(&mut self, asked: Asked<'_>) -> Vec<Refusal<'s, 'p>> {
        let mut refusals = Vec::new();
        for (index, part) in &self.space.denies {
            if !part.understood {
                self.doubts
                    .add("a Deny statement holds something that is not understood");
                if self.bound == Bound::Upper {
                    continue;
                }
            }
            let speaks = match asked {
                Asked::Known(action) => part.actions.contains(action),
                Asked::Unsupported(name, _) => part.clause.is_none_or(|clause| {
                    clause
                        .patterns
                        .iter()
                        .any(|p| p.matches(&name.to_ascii_lowercase()))
                        != clause.negated
                }),
            };
            if speaks && self.takes_caller(part) {
                refusals.push(Refusal {
                    index: *index,
                    part,
                });
            }
        }
        refusals
    }

    /// Finds a way out of every refusal, or none. What has been escaped once stays escaped: each
    /// way out is kept among the tests.
    fn escape(
        &mut self,
        state: State<'p>,
        refusals: &[Refusal<'s, 'p>],
        on_object: bool,
        attempt: &mut Attempt,
    ) -> Option<State<'p>> {
        let Some(at) = refusals.iter().position(|r| self.refuses(r.part, &state)) else {
            return Some(state);
        };
        let refusal = refusals[at];
        let mut others = refusals.to_vec();
        others.swap_remove(at);
        attempt.denied_by.insert(refusal.index);
        self.depth += 1;
        if self.depth > DEPTH_BUDGET || !self.doubts.spend(STEP_COST) {
            self.depth -= 1;
            self.doubts
                .add("the Deny statements are too entangled for the budget of the analysis");
            return (self.bound == Bound::Upper).then_some(state);
        }
        let escaped = self.ways_out(&state, refusal.part, on_object, &mut |search, next| {
            search.escape(next, &others, on_object, attempt)
        });
        self.depth -= 1;
        escaped
    }

    /// Tries each test of a refusal that can be made to fail, the resource first.
    fn ways_out(
        &mut self,
        state: &State<'p>,
        part: &'s Part<'p>,
        on_object: bool,
        go_on: &mut dyn FnMut(&mut Self, State<'p>) -> Option<State<'p>>,
    ) -> Option<State<'p>> {
        if on_object {
            let mut keys = state.keys.clone();
            if narrow_keys(&mut keys, &part.resources.keys, false)
                && let Some(key) = self.object_key(&mut keys)
            {
                let next = State {
                    keys,
                    key: Some(key),
                    ..state.clone()
                };
                if let Some(found) = go_on(self, next) {
                    return Some(found);
                }
            }
        }
        for test in &part.tests {
            if is_not_understood(test.condition) {
                continue;
            }
            let mut next = state.clone();
            next.atoms[test.variable].push(self.atom(test, false, Effect::Refuses));
            let solved = self.domains[test.variable].solve(
                &next.atoms[test.variable],
                self.bound,
                self.doubts,
            );
            if let Some(value) = solved {
                next.values[test.variable] = value;
                if let Some(found) = go_on(self, next) {
                    return Some(found);
                }
            }
        }
        None
    }

    fn refuses(&self, part: &Part<'p>, state: &State<'p>) -> bool {
        let resource = match &state.key {
            Some(key) => part.resources.keys.contains(key),
            None => part.resources.bucket,
        };
        resource
            && part.tests.iter().all(|test| {
                is_not_understood(test.condition)
                    || self
                        .atom(test, true, Effect::Refuses)
                        .is_satisfied(&state.values[test.variable])
            })
    }

    fn object_key(&mut self, keys: &mut TextProblem) -> Option<String> {
        if keys.any_of.is_empty() && keys.none_of.is_empty() {
            return Some("a".to_owned());
        }
        if keys.preferred.is_empty() {
            keys.preferred = vec!["a".to_owned()];
            keys.any_of.push([Glob::format("+")].into());
        }
        match keys.solve(self.doubts) {
            TextSolution::Found(key) => Some(key),
            TextSolution::Empty => None,
            TextSolution::OverBudget => {
                self.doubts
                    .add("the resource patterns are too entangled for the budget");
                (self.bound == Bound::Upper).then(|| "a".to_owned())
            }
        }
    }

    fn found(&self, state: State<'p>, asked: Asked<'_>, permission: &Permission<'p>) -> Found {
        let bucket = self.space.bucket;
        let (name, action) = match asked {
            Asked::Known(action) => (ActionTable::get().action(action).name.clone(), Some(action)),
            Asked::Unsupported(name, _) => (name.to_owned(), None),
        };
        let mut resource = format!("arn:{}:s3:::{}", bucket.partition, bucket.name);
        if let Some(key) = &state.key {
            resource.push('/');
            resource.push_str(key);
        }
        let mut context = Context::new();
        let mut moment = None;
        let mut caller_arn = None;
        let mut service = None;
        for (variable, value) in self.space.variables.iter().zip(&state.values) {
            if let KeyValue::At(at) = value {
                moment = Some(*at);
            }
            for (member, part) in &variable.members {
                if let Some(values) = value.values(*part) {
                    context.set(member, values.into_owned());
                }
            }
            let first = || value.values(None).and_then(|v| v.first().cloned());
            match variable.key.as_str() {
                "aws:principalarn" => caller_arn = first(),
                "aws:principalservicename" => service = first(),
                _ => {}
            }
        }
        let caller = match &self.environment.who {
            Who::Anonymous => Caller::Anonymous,
            Who::Signed(_) => Caller::Principal(caller_arn.unwrap_or_else(|| self.stranger())),
            Who::Service => {
                Caller::Service(service.unwrap_or_else(|| Environment::service(self.space.names)))
            }
            Who::Web(provider) => Caller::Federated(provider.clone()),
        };
        Found {
            request: Request {
                caller,
                action: name,
                resource,
                context,
            },
            permission: permission.index,
            action,
            moment,
        }
    }

    /// The ARN of a principal of an account that nothing names, when no condition asks for one.
    fn stranger(&self) -> String {
        let domain = self.environment.domain(
            "aws:principalarn",
            KeyDomain::Text,
            self.space.bucket,
            self.space.names,
        );
        let solved = domain.solve(&[], Bound::Lower, &mut Doubts::default());
        solved
            .and_then(|value| value.values(None).and_then(|v| v.first().cloned()))
            .unwrap_or_default()
    }
}

#[derive(Clone, Copy)]
enum Effect {
    Grants,
    Refuses,
}

/// Adds that the key is in the set, or is not. False if no key is left at once.
fn narrow_keys(problem: &mut TextProblem, set: &KeySet, inside: bool) -> bool {
    match (set, inside) {
        (KeySet::None, true) | (KeySet::All, false) => return false,
        (KeySet::None, false) | (KeySet::All, true) => {}
        (KeySet::Matching(globs), true) | (KeySet::NotMatching(globs), false) => {
            problem.any_of.push(Rc::clone(globs));
        }
        (KeySet::Matching(globs), false) | (KeySet::NotMatching(globs), true) => {
            problem.none_of.extend(globs.iter().cloned().map(Rc::new));
        }
    }
    true
}

fn is_not_understood(condition: &Condition) -> bool {
    condition
        .values
        .iter()
        .any(|value| matches!(value, Value::NotUnderstood(_)))
}

fn is_only_narrow(condition: &Condition) -> bool {
    condition.operator == Operator::IpAddress
        && condition.key == "aws:sourceip"
        && condition
            .values
            .iter()
            .all(|v| matches!(v, Value::Cidr(block) if is_narrow(block)))
}
