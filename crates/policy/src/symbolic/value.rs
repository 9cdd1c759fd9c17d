//! One condition key: the values that an untrusted caller can have for it, and one of them that
//! satisfies given conditions.

use std::borrow::Cow;
use std::net::IpAddr;
use std::rc::Rc;

use base64::Engine as _;
use ipnet::IpNet;
use jiff::Timestamp;

use crate::condition::{Condition, Operator, SetOperator, Value};
use crate::key::LinkedPart;

use super::text::{Glob, Set, Step, TextProblem, TextSolution};

/// What a request has for a key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum KeyValue {
    Absent,
    Values(Vec<String>),
    /// The moment of the request, which its keys write in different ways.
    At(Timestamp),
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

/// A condition that must hold, or must not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Atom<'p> {
    pub(crate) condition: &'p Condition,
    pub(crate) part: Option<LinkedPart>,
    pub(crate) holds: bool,
    /// Narrow address blocks do not count among the condition's values.
    pub(crate) drops_narrow: bool,
}

impl Atom<'_> {
    pub(crate) fn is_satisfied(&self, value: &KeyValue) -> bool {
        let values = value.values(self.part);
        condition_holds(self.condition, values.as_deref(), self.drops_narrow) == self.holds
    }
}

/// Which way a search errs where it cannot be exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// Finds only requests that are really allowed.
    Lower,
    /// Finds a request whenever one might be allowed.
    Upper,
}

/// Joint states of automata that one question may cost. A policy of 20 KB that people wrote needs a
/// few hundred; a hostile one is answered with "undecided" after about a second.
const BUDGET: usize = 60_000;

/// Where a search was not exact, and what it may still spend.
#[derive(Clone, Debug)]
pub(crate) struct Doubts {
    reasons: Vec<String>,
    budget: usize,
}

impl Default for Doubts {
    fn default() -> Doubts {
        Doubts {
            reasons: Vec::new(),
            budget: BUDGET,
        }
    }
}

impl Doubts {
    pub(crate) fn add(&mut self, doubt: impl Into<String>) {
        let doubt = doubt.into();
        if !self.reasons.contains(&doubt) {
            self.reasons.push(doubt);
        }
    }

    /// Takes from the budget; false if it does not suffice.
    pub(crate) fn spend(&mut self, cost: usize) -> bool {
        match self.budget.checked_sub(cost) {
            Some(left) => {
                self.budget = left;
                true
            }
            None => false,
        }
    }
    pub(crate) fn is_empty(&self) -> bool {
        self.reasons.is_empty()
    }

    pub(crate) fn into_reasons(self) -> Vec<String> {
        self.reasons
    }
}
/// The widest IPv4 and IPv6 blocks that AWS still calls fixed (Amazon S3 user guide, "The meaning of
/// public"). The private ranges of RFC 1918 are no wider.
const NARROW_V4: u8 = 8;
const NARROW_V6: u8 = 32;

/// Whether an address block is narrow enough to count as a fixed value.
pub(crate) fn is_narrow(block: &IpNet) -> bool {
    match block {
        IpNet::V4(block) => block.prefix_len() >= NARROW_V4,
        IpNet::V6(block) => block.prefix_len() >= NARROW_V6,
    }
}

/// Whether a condition holds for a key's values; `None` is an absent key.
fn condition_holds(condition: &Condition, values: Option<&[String]>, drops_narrow: bool) -> bool {
    let negated = condition.operator.is_negated();
    let values = match values {
        None | Some([]) => {
            if condition.operator == Operator::Null {
                return condition
                    .values
                    .iter()
                    .any(|v| matches!(v, Value::Bool(true)));
            }
            return match condition.set {
                _ if condition.if_exists => true,
                Some(SetOperator::ForAllValues) => true,
                Some(SetOperator::ForAnyValue) => false,
                None => negated,
            };
        }
        Some(values) => values,
    };
    if condition.operator == Operator::Null {
        return condition
            .values
            .iter()
            .any(|v| matches!(v, Value::Bool(false)));
    }
    let satisfied = |text: &String| matches_any(condition, text, drops_narrow) != negated;
    match quantifier(condition) {
        SetOperator::ForAllValues => values.iter().all(satisfied),
        SetOperator::ForAnyValue => values.iter().any(satisfied),
    }
}

/// How several values of one request are taken together. Without a set operator one match is enough,
/// for a positive test as well as against a negated one.
fn quantifier(condition: &Condition) -> SetOperator {
    condition.set.unwrap_or(if condition.operator.is_negated() {
        SetOperator::ForAllValues
    } else {
        SetOperator::ForAnyValue
    })
}

fn matches_any(condition: &Condition, text: &str, drops_narrow: bool) -> bool {
    condition
        .values
        .iter()
        .any(|value| matches_value(condition.operator, value, text, drops_narrow))
}

fn matches_value(operator: Operator, value: &Value, text: &str, drops_narrow: bool) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let ordered = |ordering: Option<std::cmp::Ordering>| {
        use Operator as O;
        match (operator, ordering) {
            (_, None) => false,
            (O::NumericLessThan | O::DateLessThan, Some(o)) => o == Less,
            (O::NumericLessThanEquals | O::DateLessThanEquals, Some(o)) => o != Greater,
            (O::NumericGreaterThan | O::DateGreaterThan, Some(o)) => o == Greater,
            (O::NumericGreaterThanEquals | O::DateGreaterThanEquals, Some(o)) => o != Less,
            (_, Some(o)) => o == Equal,
        }
    };
    match value {
        Value::Pattern(pattern) if folds(operator) => pattern.matches(&text.to_lowercase()),
        Value::Pattern(pattern) => pattern.matches(text),
        Value::Number(number) => {
            ordered(text.parse::<f64>().ok().and_then(|n| n.partial_cmp(number)))
        }
        Value::Date(date) => ordered(moment(text).map(|m| m.cmp(date))),
        Value::Bool(wanted) => text.eq_ignore_ascii_case(if *wanted { "true" } else { "false" }),
        Value::Binary(bytes) => base64::engine::general_purpose::STANDARD
            .decode(text)
            .is_ok_and(|decoded| decoded == *bytes),
        Value::Cidr(block) => {
            !(drops_narrow && is_narrow(block))
                && text
                    .parse::<IpAddr>()
                    .is_ok_and(|address| block.contains(&address))
        }
        Value::NotUnderstood(_) => false,
    }
}

fn folds(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::StringEqualsIgnoreCase | Operator::StringNotEqualsIgnoreCase
    )
}

fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(moment) = text.parse() {
        return Some(moment);
    }
    Timestamp::from_second(text.parse().ok()?).ok()
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
        let there = KeyValue::Values(vec![String::new()]);
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

/// The globs of a condition's values, seen from the key that holds the whole text.
fn globs(atom: &Atom<'_>) -> Vec<Glob> {
    let folds = folds(atom.condition.operator);
    let own = atom
        .condition
        .values
        .iter()
        .filter_map(|value| match value {
            Value::Pattern(pattern) => Glob::new(pattern, folds),
            _ => None,
        });
    match atom.part {
        None => own.collect(),
        Some(part) => own.flat_map(|glob| lift(&glob, part)).collect(),
    }
}

/// Patterns on a whole ARN that say what a pattern says on a part of it.
pub(crate) fn lift(glob: &Glob, part: LinkedPart) -> Vec<Glob> {
    let narrowed = |set: Set| {
        glob.steps.iter().map(move |step| match step.set {
            Set::Any => Step {
                set,
                repeats: step.repeats,
            },
            _ => *step,
        })
    };
    let mut arn = Glob::format(match part {
        LinkedPart::Account => "arn:;:;:;:",
        LinkedPart::UserName => "arn:;:iam::;:user/",
        LinkedPart::Epoch => return Vec::new(),
    });
    arn.folds = glob.folds;
    match part {
        LinkedPart::Account => {
            arn.steps.extend(narrowed(Set::NotColon));
            arn.push_text(":");
            arn.push_many(Set::Any);
            vec![arn]
        }
        LinkedPart::UserName | LinkedPart::Epoch => {
            let mut with_path = arn.clone();
            with_path.push_many(Set::Any);
            with_path.push_text("/");
            arn.steps.extend(narrowed(Set::NotSlash));
            with_path.steps.extend(narrowed(Set::NotSlash));
            vec![arn, with_path]
        }
    }
}

fn is_text_test(condition: &Condition) -> bool {
    use Operator as O;
    matches!(
        condition.operator,
        O::StringEquals
            | O::StringNotEquals
            | O::StringEqualsIgnoreCase
            | O::StringNotEqualsIgnoreCase
            | O::StringLike
            | O::StringNotLike
            | O::ArnEquals
            | O::ArnLike
            | O::ArnNotEquals
            | O::ArnNotLike
    )
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

fn solve_ordered(
    range: &Range,
    atoms: &[Atom<'_>],
    bound: Bound,
    doubts: &mut Doubts,
) -> Option<KeyValue> {
    let (exact, inexact): (Vec<Atom<'_>>, Vec<Atom<'_>>) = atoms.iter().partition(|atom| {
        !is_text_test(atom.condition)
            || atom
                .condition
                .values
                .iter()
                .all(|value| matches!(value, Value::Pattern(pattern) if pattern.is_exact()))
    });
    let candidates = ordered_candidates(range, atoms);
    let fits =
        |value: &&KeyValue, atoms: &[Atom<'_>]| atoms.iter().all(|atom| atom.is_satisfied(value));
    if let Some(value) = candidates.iter().find(|value| fits(value, atoms)) {
        return Some(value.clone());
    }
    let atom = inexact.first()?;
    doubts.add(format!(
        "{}: a pattern on an ordered key is not analysed",
        atom.condition.path
    ));
    match bound {
        Bound::Lower => None,
        Bound::Upper => candidates.iter().find(|value| fits(value, &exact)).cloned(),
    }
}

/// The least element of every region that the tests can tell apart, in ascending order for times.
fn ordered_candidates(range: &Range, atoms: &[Atom<'_>]) -> Vec<KeyValue> {
    let values = || atoms.iter().flat_map(|atom| &atom.condition.values);
    let texts = || {
        values().filter_map(|value| match value {
            Value::Pattern(pattern) => pattern.exact(),
            _ => None,
        })
    };
    match range {
        Range::Numbers { any } => {
            let constants = values().filter_map(|value| match value {
                Value::Number(number) => Some(*number),
                _ => None,
            });
            let mut constants: Vec<f64> = constants
                .chain(texts().filter_map(|text| text.parse().ok()))
                .collect();
            constants.sort_unstable_by(f64::total_cmp);
            let mut numbers = vec![0.0, 1.0];
            for constant in &constants {
                numbers.extend([constant.floor() - 1.0, constant.floor(), *constant]);
                numbers.extend([
                    constant.ceil(),
                    constant.floor() + 1.0,
                    constant.ceil() + 1.0,
                ]);
            }
            if *any {
                numbers.extend(
                    constants
                        .windows(2)
                        .map(|pair| f64::midpoint(pair[0], pair[1])),
                );
            }
            numbers.retain(|number| *any || (*number >= 0.0 && number.fract() == 0.0));
            numbers
                .iter()
                .map(|n| KeyValue::Values(vec![n.to_string()]))
                .collect()
        }
        Range::Dates => moments(values(), texts())
            .iter()
            .map(|moment| KeyValue::Values(vec![moment.to_string()]))
            .collect(),
        Range::Time { not_before } => {
            let mut moments = moments(values(), texts());
            moments.extend(*not_before);
            moments.retain(|moment| not_before.is_none_or(|first| *moment >= first));
            moments.sort_unstable();
            moments.into_iter().map(KeyValue::At).collect()
        }
        Range::Addresses { public } => {
            let mut addresses: Vec<IpAddr> = STARTS.iter().filter_map(|a| a.parse().ok()).collect();
            for value in values() {
                if let Value::Cidr(block) = value {
                    addresses.extend([block.network(), block.broadcast()]);
                    addresses.extend(after(block.broadcast()));
                    addresses.extend(before(block.network()));
                }
            }
            // A pattern on an address is a text like any other: `203.0.113.*`.
            for value in values() {
                if let Value::Pattern(pattern) = value {
                    for filler in ["7", "7.7", "7.7.7"] {
                        let text = pattern.text().replace('*', filler).replace('?', "7");
                        addresses.extend(text.parse::<IpAddr>().ok());
                    }
                }
            }
            addresses
                .into_iter()
                .filter(|address| !*public || is_public(address))
                .map(|address| KeyValue::Values(vec![address.to_string()]))
                .collect()
        }
        Range::Text { .. } | Range::OneOf(_) => Vec::new(),
    }
}

/// Preferred addresses, then the least element of each run of public addresses.
const STARTS: &[&str] = &[
    "198.51.100.7",
    "2001:db8::7",
    "1.0.0.0",
    "11.0.0.0",
    "128.0.0.0",
    "172.32.0.0",
    "192.169.0.0",
    "240.0.0.0",
    "::2",
];

fn is_public(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            !(v4.is_private() || v4.is_loopback() || v4.is_multicast() || v4.octets()[0] == 0)
        }
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_multicast() || v6.is_unspecified()),
    }
}

fn after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => u32::from(v4).checked_add(1).map(|n| IpAddr::V4(n.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_add(1).map(|n| IpAddr::V6(n.into())),
    }
}

fn before(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => u32::from(v4).checked_sub(1).map(|n| IpAddr::V4(n.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_sub(1).map(|n| IpAddr::V6(n.into())),
    }
}

fn moments<'v>(
    values: impl Iterator<Item = &'v Value>,
    texts: impl Iterator<Item = String>,
) -> Vec<Timestamp> {
    let constants = values.filter_map(|value| match value {
        Value::Date(date) => Some(*date),
        Value::Number(seconds) => Timestamp::from_second(*seconds as i64).ok(),
        _ => None,
    });
    let second = jiff::SignedDuration::from_secs(1);
    let mut constants: Vec<Timestamp> = constants
        .chain(texts.filter_map(|text| moment(&text)))
        .collect();
    constants.sort_unstable();
    let mut moments = vec![Timestamp::UNIX_EPOCH];
    for moment in &constants {
        moments.push(*moment);
        moments.extend(moment.checked_add(second));
        moments.extend(moment.checked_sub(second));
    }
    // Between two moments less than two seconds apart there is still time.
    moments.extend(constants.windows(2).filter_map(|pair| {
        let half = pair[1].duration_since(pair[0]) / 2;
        pair[0].checked_add(half).ok()
    }));
    moments
}
