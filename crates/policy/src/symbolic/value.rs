//! One condition key: the values that an untrusted caller can have for it, and one of them that
//! satisfies given conditions.

use std::borrow::Cow;
use std::net::IpAddr;
use std::rc::Rc;

use base64::Engine as _;
use jiff::Timestamp;

use crate::condition::{Operator, SetOperator, Value};
use crate::key::LinkedPart;

use super::atom::{Atom, globs, is_text_test, quantifier};
use super::doubts::{Bound, Doubts};
use super::ordered::{ordered_candidates, solve_ordered};
use super::text::{TextProblem, TextSolution};

/// What a request has for a key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum KeyValue {
    Absent,
    Values(Vec<String>),
    /// The moment of the request, which its keys write in different ways.
    At(Timestamp),
    Address(IpAddr),
}

impl KeyValue {
    /// The values of the key itself, or of one that repeats a part of it.
    pub(crate) fn values(&self, part: Option<LinkedPart>) -> Option<Cow<'_, [String]>> {
        match (self, part) {
            (KeyValue::Absent, _) => None,
            (KeyValue::Values(values), None) => Some(Cow::Borrowed(values)),
            (KeyValue::Values(values), Some(part)) => {
                let parts: Vec<String> = values.iter().filter_map(|v| part_of(v, part)).collect();
                (!parts.is_empty()).then_some(Cow::Owned(parts))
            }
            (KeyValue::At(moment), Some(LinkedPart::Epoch)) => {
                Some(Cow::Owned(vec![moment.as_second().to_string()]))
            }
            (KeyValue::At(moment), _) => Some(Cow::Owned(vec![moment.to_string()])),
            (KeyValue::Address(address), _) => Some(Cow::Owned(vec![address.to_string()])),
        }
    }
}

fn part_of(value: &str, part: LinkedPart) -> Option<String> {
    match part {
        LinkedPart::Account => value.split(':').nth(4).map(str::to_owned),
        // Only users have a name of their own.
        LinkedPart::UserName => value
            .split_once(":user/")
            .and_then(|(_, path)| path.rsplit('/').next())
            .map(str::to_owned),
        LinkedPart::Epoch => None,
    }
}

/// The values that a caller can have for a key.
#[derive(Clone, Debug)]
pub(crate) struct Domain {
    /// The key may be absent.
    pub(crate) absent: bool,
    /// What it may be if it is there; `None`: it never is.
    pub(crate) present: Option<Range>,
}

impl Domain {
    pub(crate) const NEVER: Domain = Domain {
        absent: true,
        present: None,
    };
}

/// A range of values.
#[derive(Clone, Debug)]
pub(crate) enum Range {
    Text {
        problem: TextProblem,
        multivalued: bool,
    },
    OneOf(Vec<String>),
    /// Whole numbers from zero; of any kind, if the caller writes the text himself.
    Numbers {
        any: bool,
    },
    Dates,
    Addresses {
        public: bool,
    },
    Time {
        not_before: Option<Timestamp>,
    },
}

impl Range {
    /// Some value, whichever: that a key is there, and a key that repeats a part of it (a user's
    /// name, an account), shows on any.
    fn some_value(&self) -> KeyValue {
        match self {
            Range::Text { problem, .. } => {
                KeyValue::Values(vec![problem.preferred.first().cloned().unwrap_or_default()])
            }
            Range::OneOf(values) => KeyValue::Values(values.iter().take(1).cloned().collect()),
            Range::Time { .. } => KeyValue::At(Timestamp::UNIX_EPOCH),
            Range::Numbers { .. } | Range::Dates | Range::Addresses { .. } => {
                KeyValue::Values(vec![String::new()])
            }
        }
    }
}

impl Domain {
    /// A value that satisfies every atom. `None`: there is none, or (with a doubt added) none was
    /// found.
    pub(crate) fn solve(
        &self,
        atoms: &[Atom<'_>],
        bound: Bound,
        doubts: &mut Doubts,
    ) -> Option<KeyValue> {
        if self.absent
            && atoms
                .iter()
                .all(|atom| atom.is_satisfied(&KeyValue::Absent))
        {
            return Some(KeyValue::Absent);
        }
        let range = self.present.as_ref()?;
        let (null, atoms): (Vec<Atom<'_>>, Vec<Atom<'_>>) = atoms
            .iter()
            .partition(|atom| atom.condition.operator == Operator::Null);
        let there = range.some_value();
        if !null.iter().all(|atom| atom.is_satisfied(&there)) {
            return None;
        }
        match range {
            Range::Text {
                problem,
                multivalued: false,
            } => {
                solve_text(problem, &atoms, bound, doubts).map(|text| KeyValue::Values(vec![text]))
            }
            Range::Text {
                problem,
                multivalued: true,
            } => solve_texts(problem, &atoms, bound, doubts),
            Range::OneOf(values) => values
                .iter()
                .map(|value| KeyValue::Values(vec![value.clone()]))
                .find(|value| atoms.iter().all(|atom| atom.is_satisfied(value))),
            Range::Numbers { .. } | Range::Dates | Range::Addresses { .. } | Range::Time { .. } => {
                solve_ordered(range, &atoms, bound, doubts)
            }
        }
    }
}

/// Adds to the problem that the text must, or must not, match one of the condition's values.
fn require(problem: &mut TextProblem, atom: &Atom<'_>, must_match: bool) {
    let globs = globs(atom);
    if must_match {
        problem.any_of.push(globs.into());
    } else {
        problem.none_of.extend(globs.into_iter().map(Rc::new));
    }
}

fn solve_text(
    problem: &TextProblem,
    atoms: &[Atom<'_>],
    bound: Bound,
    doubts: &mut Doubts,
) -> Option<String> {
    let (texts, others): (Vec<Atom<'_>>, Vec<Atom<'_>>) =
        atoms.iter().partition(|atom| is_text_test(atom.condition));
    let mut problem = problem.clone();
    for atom in &texts {
        require(
            &mut problem,
            atom,
            atom.holds != atom.condition.operator.is_negated(),
        );
    }
    if others.is_empty() {
        return conclude(problem.solve(doubts), bound, doubts);
    }
    // An ordered test on a text: only its own constants and their neighbours are tried.
    let satisfied = |text: &String| {
        let value = KeyValue::Values(vec![text.clone()]);
        problem.accepts(text) && others.iter().all(|atom| atom.is_satisfied(&value))
    };
    let mut candidates = problem.preferred.clone();
    for range in [
        Range::Numbers { any: true },
        Range::Dates,
        Range::Addresses { public: false },
    ] {
        candidates.extend(
            ordered_candidates(&range, &others)
                .into_iter()
                .filter_map(|value| {
                    value
                        .values(None)
                        .and_then(|values| values.first().cloned())
                }),
        );
    }
    candidates.extend(
        others
            .iter()
            .flat_map(|atom| &atom.condition.values)
            .filter_map(|value| match value {
                Value::Binary(bytes) => {
                    Some(base64::engine::general_purpose::STANDARD.encode(bytes))
                }
                _ => None,
            }),
    );
    candidates.extend(["true".to_owned(), "false".to_owned(), "a".to_owned()]);
    if let Some(text) = candidates.iter().find(|text| satisfied(text)) {
        return Some(text.clone());
    }
    if let Some(atom) = others.first() {
        doubts.add(format!(
            "{}: {} on a text is tried with its own constants only",
            atom.condition.path,
            atom.condition.operator.as_str()
        ));
    }
    match bound {
        Bound::Lower => None,
        Bound::Upper => conclude(problem.solve(doubts), bound, doubts),
    }
}

/// Several values at once: each test is about all of them or about some of them.
fn solve_texts(
    problem: &TextProblem,
    atoms: &[Atom<'_>],
    bound: Bound,
    doubts: &mut Doubts,
) -> Option<KeyValue> {
    let mut of_all = problem.clone();
    let mut of_some = Vec::new();
    for atom in atoms {
        let condition = atom.condition;
        if !is_text_test(condition) {
            doubts.add(format!(
                "{}: {} on a key with several values is not analysed",
                condition.path,
                condition.operator.as_str()
            ));
            match bound {
                Bound::Lower => return None,
                Bound::Upper => continue,
            }
        }
        let about_all = (quantifier(condition) == SetOperator::ForAllValues) == atom.holds;
        let must_match = atom.holds != condition.operator.is_negated();
        if about_all {
            require(&mut of_all, atom, must_match);
        } else {
            of_some.push((atom, must_match));
        }
    }
    if of_some.is_empty() {
        return conclude(of_all.solve(doubts), bound, doubts)
            .map(|text| KeyValue::Values(vec![text]));
    }
    let mut values = Vec::new();
    for (atom, must_match) in of_some {
        let mut one = of_all.clone();
        require(&mut one, atom, must_match);
        let text = conclude(one.solve(doubts), bound, doubts)?;
        if !values.contains(&text) {
            values.push(text);
        }
    }
    Some(KeyValue::Values(values))
}

fn conclude(solution: TextSolution, bound: Bound, doubts: &mut Doubts) -> Option<String> {
    match solution {
        TextSolution::Found(text) => Some(text),
        TextSolution::Empty => None,
        TextSolution::OverBudget => {
            doubts.add("the patterns are too entangled for the budget of the analysis");
            (bound == Bound::Upper).then(String::new)
        }
    }
}
