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

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::action::{ActionTable, ResourceType};
use crate::condition::{Condition, Operator, Value};
use crate::key::{self, KeyDomain};
use crate::request::{Caller, Context, Request};

use super::atom::{Atom, is_narrow, lift};
use super::caller::{Environment, Question, Who};
use super::doubts::{Bound, Doubts};
use super::glob::Glob;
use super::resource::KeySet;
use super::space::{Grantees, Part, Permission, Space, Test, accompanies};
use super::text::{TextProblem, TextSolution};
use super::value::{Domain, KeyValue, Range};
use super::variables::Chosen;

/// What one way out of a Deny statement costs of the budget, in joint states of automata.
const STEP_COST: usize = 4;

/// Bytes that an object's key may have (Amazon S3 user guide, "Naming Amazon S3 objects").
const LONGEST_KEY: usize = 1024;

/// Deny statements that one request may have to escape.
const DEPTH_BUDGET: usize = 200;

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

/// Tests (a condition by its address, and whether it must hold) and a value that satisfies them.
type Solved = (Vec<(usize, bool)>, Option<KeyValue>);

/// One search in one environment.
pub(crate) struct Search<'s, 'p> {
    space: &'s Space<'p>,
    question: Question,
    environment: &'s Environment,
    bound: Bound,
    doubts: &'s mut Doubts,
    domains: Vec<Domain>,
    /// For each variable, the tests that were solved and what came of them.
    solved: Vec<Vec<Solved>>,
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
    pub(crate) fn new(
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
            solved: vec![Vec::new(); space.variables.len()],
            depth: 0,
        }
    }

    /// Works out what the caller can have for each variable, once somebody takes him in.
    ///
    /// False if he cannot have what was chosen beforehand.
    fn set_up_domains(&mut self) -> bool {
        let space = self.space;
        if self.domains.len() != space.variables.len() {
            self.domains = space
                .variables
                .iter()
                .map(|v| {
                    self.environment
                        .domain(v.entry, v.untabled, space.bucket, space.names)
                })
                .collect();
            for (key, chosen) in &space.fixed {
                self.fix(key, chosen);
            }
        }
        space.fixed.is_empty() || self.domains.iter().all(|d| d.absent || d.present.is_some())
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
                        .push(lift(&Glob::exactly(value), part).into());
                }
                domain.absent = false;
            }
        }
    }

    pub(crate) fn permission(
        &mut self,
        permission: &Permission<'p>,
        attempt: &mut Attempt,
    ) -> Option<Found> {
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
        let mut tried: Vec<usize> = Vec::new();
        // Where the permission's own conditions fail, they fail for every action with these keys.
        let mut failed: Vec<usize> = Vec::new();
        let wanted = table
            .by_interest()
            .iter()
            .filter(|action| actions.contains(**action));
        for (nth, &action) in wanted.enumerate() {
            if nth > 0 {
                let kind = self.space.kinds(self.question)[action];
                if tried.contains(&kind.whole) || failed.contains(&kind.keys) {
                    continue;
                }
            }
            match self.request(permission, Asked::Known(action), attempt) {
                Outcome::Found(found) => return Some(*found),
                _ if actions.len() == 1 => {}
                Outcome::Unsatisfiable => {
                    failed.push(self.space.kinds(self.question)[action].keys);
                }
                Outcome::Nothing => tried.push(self.space.kinds(self.question)[action].whole),
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
        if !self.set_up_domains() {
            return Outcome::Nothing;
        }
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
            match self.solve(at, &state.atoms[at]) {
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

    /// A value of a variable that satisfies the tests. The same tests come back for other actions
    /// and on other ways out, so answers are kept.
    fn solve(&mut self, variable: usize, atoms: &[Atom<'p>]) -> Option<KeyValue> {
        let domain = &self.domains[variable];
        if atoms.is_empty() || !matches!(domain.present, Some(Range::Text { .. })) {
            return domain.solve(atoms, self.bound, self.doubts);
        }
        let tests: Vec<(usize, bool)> = atoms
            .iter()
            .map(|a| (std::ptr::from_ref(a.condition).addr(), a.holds))
            .collect();
        let solved = &mut self.solved[variable];
        if let Some((_, value)) = solved.iter().find(|(known, _)| *known == tests) {
            return value.clone();
        }
        let value = domain.solve(atoms, self.bound, self.doubts);
        solved.push((tests, value.clone()));
        value
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
            if tests.len() == 1 || self.solve(variable, &[atom]).is_none() {
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
            let solved = self.solve(test.variable, &next.atoms[test.variable]);
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
            keys.longest = Some(LONGEST_KEY);
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
            for (member, part, _) in &variable.members {
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
            key::lookup("aws:principalarn"),
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
