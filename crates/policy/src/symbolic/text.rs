//! Texts: is there one that matches these patterns and none of those?
//!
//! An exact decision. The patterns run side by side as nondeterministic automata over an alphabet of
//! the characters that they mention and one representative of each kind that they do not tell
//! apart; a breadth-first search over their joint states finds a shortest text or proves that there
//! is none. The number of states is bounded by the budget of the question; beyond it the answer is
//! [`TextSolution::OverBudget`].

use std::collections::HashSet;
use std::ops::Range;
use std::rc::Rc;

use crate::pattern::{Element, Pattern};

use super::value::Doubts;

/// A set of characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Set {
    One(char),
    Any,
    NotColon,
    NotSlash,
    LowerCase,
    Digit,
    UpperAlphanumeric,
}

impl Set {
    fn takes(self, c: char) -> bool {
        match self {
            Set::One(one) => one == c,
            Set::Any => true,
            Set::NotColon => c != ':',
            Set::NotSlash => c != '/' && c != ':',
            Set::LowerCase => c != '/' && c != ':' && !c.is_uppercase(),
            Set::Digit => c.is_ascii_digit(),
            Set::UpperAlphanumeric => c.is_ascii_digit() || c.is_ascii_uppercase(),
        }
    }

    /// Whether it takes every character that the other takes. May say no where the answer is yes.
    fn includes(self, other: Set) -> bool {
        match (self, other) {
            (_, Set::One(c)) => self.takes(c),
            (Set::Any, _) => true,
            (Set::NotColon, other) => other != Set::Any,
            (Set::LowerCase, Set::Digit) => true,
            (Set::NotSlash, other) => !matches!(other, Set::Any | Set::NotColon),
            (Set::UpperAlphanumeric, Set::Digit) => true,
            (own, other) => own == other,
        }
    }
}

/// One step of a [`Glob`]: one character of a set, or any number of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Step {
    pub(crate) set: Set,
    pub(crate) repeats: bool,
}

/// A pattern over sets of characters; policy variables are gone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Glob {
    pub(crate) steps: Vec<Step>,
    /// Match the text in lower case.
    pub(crate) folds: bool,
}

impl Glob {
    /// A pattern without variables; `None` if it has some.
    pub(crate) fn new(pattern: &Pattern, folds: bool) -> Option<Glob> {
        Glob::from_elements(pattern.elements(), folds)
    }

    pub(crate) fn from_elements(elements: &[Element], folds: bool) -> Option<Glob> {
        let steps = elements
            .iter()
            .map(|element| {
                Some(match element {
                    Element::Char(c) => Step {
                        set: Set::One(*c),
                        repeats: false,
                    },
                    Element::AnyChar => Step {
                        set: Set::Any,
                        repeats: false,
                    },
                    Element::Star => Step {
                        set: Set::Any,
                        repeats: true,
                    },
                    Element::AnyCharWithinArnPart => Step {
                        set: Set::NotColon,
                        repeats: false,
                    },
                    Element::StarWithinArnPart => Step {
                        set: Set::NotColon,
                        repeats: true,
                    },
                    Element::Variable { .. } => return None,
                })
            })
            .collect::<Option<Vec<Step>>>()?;
        Some(Glob { steps, folds })
    }

    /// The very text.
    pub(crate) fn exactly(text: &str) -> Glob {
        let mut glob = Glob {
            steps: Vec::new(),
            folds: false,
        };
        glob.push_text(text);
        glob
    }

    pub(crate) fn push_text(&mut self, text: &str) {
        self.steps.extend(text.chars().map(|c| Step {
            set: Set::One(c),
            repeats: false,
        }));
    }

    pub(crate) fn push(&mut self, set: Set, times: usize) {
        self.steps.extend(std::iter::repeat_n(
            Step {
                set,
                repeats: false,
            },
            times,
        ));
    }

    pub(crate) fn push_many(&mut self, set: Set) {
        self.steps.push(Step { set, repeats: true });
    }

    /// A text with the format's own short notation, for the tables of formats: `#` is a digit, `%`
    /// one or more characters but a slash or colon, `!` the same without capitals, `^` one or more capitals or digits, `;` any characters but
    /// a colon, `*` any characters, `+` one or more characters.
    pub(crate) fn format(notation: &str) -> Glob {
        let mut glob = Glob {
            steps: Vec::new(),
            folds: false,
        };
        for c in notation.chars() {
            match c {
                '#' => glob.push(Set::Digit, 1),
                '!' => {
                    glob.push(Set::LowerCase, 1);
                    glob.push_many(Set::LowerCase);
                }
                '%' => {
                    glob.push(Set::NotSlash, 1);
                    glob.push_many(Set::NotSlash);
                }
                '^' => {
                    glob.push(Set::UpperAlphanumeric, 1);
                    glob.push_many(Set::UpperAlphanumeric);
                }
                ';' => glob.push_many(Set::NotColon),
                '*' => glob.push_many(Set::Any),
                '+' => {
                    glob.push(Set::Any, 1);
                    glob.push_many(Set::Any);
                }
                other => glob.push(Set::One(other), 1),
            }
        }
        glob
    }

    /// Whether it takes every text.
    pub(crate) fn takes_everything(&self) -> bool {
        !self.steps.is_empty() && self.steps.iter().all(|s| s.repeats && s.set == Set::Any)
    }

    /// The one text that it matches, if it is fixed.
    fn exact(&self) -> Option<String> {
        let one = |step: &Step| match step.set {
            Set::One(c) if !step.repeats => Some(c),
            _ => None,
        };
        if self.folds {
            None
        } else {
            self.steps.iter().map(one).collect()
        }
    }

    /// Whether it matches the text.
    pub(crate) fn matches(&self, text: &str) -> bool {
        if self.steps.len() < 128 {
            return self.matches_short(text);
        }
        let mut reached = vec![false; self.steps.len() + 1];
        let mut next = reached.clone();
        reached[0] = true;
        self.close(&mut reached);
        for c in text.chars() {
            next.fill(false);
            for (at, step) in self.steps.iter().enumerate() {
                if reached[at] && self.takes(step, c) {
                    next[if step.repeats { at } else { at + 1 }] = true;
                }
            }
            self.close(&mut next);
            std::mem::swap(&mut reached, &mut next);
        }
        reached[self.steps.len()]
    }

    /// The same with the positions as bits, visiting only those that are reached.
    fn matches_short(&self, text: &str) -> bool {
        let closed = |mut bits: u128| {
            let mut pending = bits;
            while pending != 0 {
                let at = pending.trailing_zeros() as usize;
                pending &= pending - 1;
                if self.steps.get(at).is_some_and(|step| step.repeats) && bits >> (at + 1) & 1 == 0
                {
                    bits |= 1 << (at + 1);
                    pending |= 1 << (at + 1);
                }
            }
            bits
        };
        let mut reached = closed(1);
        for c in text.chars() {
            let mut next = 0;
            let mut pending = reached;
            while pending != 0 {
                let at = pending.trailing_zeros() as usize;
                pending &= pending - 1;
                if let Some(step) = self.steps.get(at)
                    && self.takes(step, c)
                {
                    next |= 1 << if step.repeats { at } else { at + 1 };
                }
            }
            if next == 0 {
                return false;
            }
            reached = closed(next);
        }
        reached >> self.steps.len() & 1 == 1
    }

    fn close(&self, reached: &mut [bool]) {
        for (at, step) in self.steps.iter().enumerate() {
            if step.repeats && reached[at] {
                reached[at + 1] = true;
            }
        }
    }

    #[inline]
    fn takes(&self, step: &Step, c: char) -> bool {
        if !self.folds {
            return step.set.takes(c);
        }
        step.set.takes(if self.folds {
            c.to_lowercase().next().unwrap_or(c)
        } else {
            c
        })
    }

    /// A text that it matches, `filler` standing for what is open.
    fn sample(&self, filler: char, fill_stars: bool) -> String {
        self.steps
            .iter()
            .filter(|step| !step.repeats || fill_stars)
            .map(|step| match step.set {
                Set::One(c) => c,
                set if set.takes(filler) => filler,
                Set::UpperAlphanumeric => 'A',
                _ => '7',
            })
            .collect()
    }

    /// Whether it matches every text that the other matches. May say no where the answer is yes.
    fn includes(&self, other: &Glob) -> bool {
        if self.folds != other.folds {
            return false;
        }
        let mut reached = vec![false; self.steps.len() + 1];
        let mut next = reached.clone();
        reached[0] = true;
        self.close(&mut reached);
        for read in &other.steps {
            next.fill(false);
            let mut alive = false;
            for (at, step) in self.steps.iter().enumerate() {
                // What the other repeats any number of times, none included, must stay in place.
                if reached[at] && step.set.includes(read.set) && (step.repeats || !read.repeats) {
                    next[if step.repeats { at } else { at + 1 }] = true;
                    alive = true;
                }
            }
            if !alive {
                return false;
            }
            self.close(&mut next);
            std::mem::swap(&mut reached, &mut next);
        }
        reached[self.steps.len()]
    }

    /// Whether a run in this position accepts whatever follows.
    fn accepts_all_from(&self, position: usize) -> bool {
        position < self.steps.len()
            && self.steps[position..]
                .iter()
                .all(|s| s.repeats && s.set == Set::Any)
    }
}

/// The automata of a problem side by side. A state is the set of positions of each, as bits; every
/// automaton begins a word of its own.
struct Product<'p> {
    problem: &'p TextProblem,
    spans: Vec<Range<usize>>,
    start: Vec<u64>,
    /// For each character of the alphabet, the positions that take it.
    takes: Vec<Vec<u64>>,
    /// For each automaton and step, the one character that it takes, if it is one.
    singles: Vec<Vec<Option<usize>>>,
    repeats: Vec<u64>,
    /// The position behind the last step.
    ends: Vec<u64>,
    /// Positions from which whatever follows is accepted.
    accepts_all: Vec<u64>,
}

impl<'p> Product<'p> {
    fn new(problem: &'p TextProblem, alphabet: &[char]) -> Product<'p> {
        let mut spans = Vec::new();
        let mut words = 0;
        for glob in problem.globs() {
            let length = glob.steps.len() / 64 + 1;
            spans.push(words..words + length);
            words += length;
        }
        let bits = |wanted: &dyn Fn(&Glob, usize) -> bool| {
            let mut bits = vec![0; words];
            for (glob, span) in problem.globs().zip(&spans) {
                for at in 0..=glob.steps.len() {
                    if wanted(glob, at) {
                        bits[span.start + at / 64] |= 1 << (at % 64);
                    }
                }
            }
            bits
        };
        let mut takes = vec![vec![0; words]; alphabet.len()];
        for (glob, span) in problem.globs().zip(&spans) {
            for (at, step) in glob.steps.iter().enumerate() {
                for (row, c) in takes.iter_mut().zip(alphabet) {
                    if glob.takes(step, *c) {
                        row[span.start + at / 64] |= 1 << (at % 64);
                    }
                }
            }
        }
        let mut product = Product {
            problem,
            start: bits(&|_, at| at == 0),
            takes,
            singles: problem
                .globs()
                .map(|glob| {
                    let single = |step: &Step| match step.set {
                        Set::One(c) if !glob.folds => alphabet.iter().position(|a| *a == c),
                        _ => None,
                    };
                    glob.steps.iter().map(single).collect()
                })
                .collect(),
            repeats: bits(&|glob, at| glob.steps.get(at).is_some_and(|s| s.repeats)),
            ends: bits(&|glob, at| at == glob.steps.len()),
            accepts_all: bits(&|glob, at| glob.accepts_all_from(at)),
            spans,
        };
        let mut start = product.start.clone();
        product.close(&mut start);
        product.start = start;
        product
    }

    /// The characters that some group does not rule out at a glance: where all that it waits for is
    /// single characters, only these.
    fn possible(&self, state: &[u64], possible: &mut Vec<usize>) {
        possible.clear();
        let (groups, _) = self.groups();
        for group in groups {
            let mut waited_for = Vec::new();
            let mut single = true;
            'group: for automaton in group {
                let span = self.spans[automaton].clone();
                for word in span.clone() {
                    let mut pending = state[word] & !self.ends[word];
                    while pending != 0 {
                        let at = (word - span.start) * 64 + pending.trailing_zeros() as usize;
                        pending &= pending - 1;
                        match self.singles[automaton][at] {
                            Some(character) => waited_for.push(character),
                            None => {
                                single = false;
                                break 'group;
                            }
                        }
                    }
                }
            }
            if single && (possible.is_empty() || waited_for.len() < possible.len()) {
                waited_for.sort_unstable();
                waited_for.dedup();
                if waited_for.is_empty() {
                    return;
                }
                *possible = waited_for;
            }
        }
        if possible.is_empty() {
            possible.extend(0..self.takes.len());
        }
    }

    /// Whether each group has an automaton that takes the character here.
    fn can_step(&self, state: &[u64], character: usize) -> bool {
        let (mut groups, _) = self.groups();
        groups.all(|mut group| group.any(|at| self.has(at, state, &self.takes[character])))
    }

    fn step(&self, state: &[u64], character: usize, next: &mut [u64]) {
        let takes = &self.takes[character];
        for span in &self.spans {
            let mut carry = 0;
            for at in span.clone() {
                let taken = state[at] & takes[at];
                let moving = taken & !self.repeats[at];
                next[at] = (moving << 1) | carry | (taken & self.repeats[at]);
                carry = moving >> 63;
            }
        }
        self.close(next);
    }

    /// A step that repeats may be left at once.
    fn close(&self, state: &mut [u64]) {
        for span in &self.spans {
            loop {
                let mut changed = false;
                let mut carry = 0;
                for at in span.clone() {
                    let leaving = state[at] & self.repeats[at];
                    let reached = (leaving << 1) | carry;
                    carry = leaving >> 63;
                    changed |= reached & !state[at] != 0;
                    state[at] |= reached;
                }
                if !changed {
                    break;
                }
            }
        }
    }

    /// Whether one of these automata has one of the marked positions.
    fn has(&self, automaton: usize, state: &[u64], marked: &[u64]) -> bool {
        self.spans[automaton]
            .clone()
            .any(|at| state[at] & marked[at] != 0)
    }

    /// The automata of each group, and those of the excluded globs.
    fn groups(&self) -> (impl Iterator<Item = Range<usize>>, Range<usize>) {
        let mut first = 0;
        let sizes = self.problem.any_of.iter().map(|group| group.len());
        let required: usize = sizes.clone().sum();
        let groups = sizes.map(move |size| {
            first += size;
            first - size..first
        });
        (groups, required..self.spans.len())
    }

    fn accepts(&self, state: &[u64]) -> bool {
        let (mut groups, mut excluded) = self.groups();
        groups.all(|mut group| group.any(|at| self.has(at, state, &self.ends)))
            && !excluded.any(|at| self.has(at, state, &self.ends))
    }

    /// Whether no continuation is accepted: a group has died, or an excluded glob takes them all.
    fn is_hopeless(&self, state: &[u64]) -> bool {
        let (mut groups, mut excluded) = self.groups();
        groups.any(|mut group| group.all(|at| self.spans[at].clone().all(|word| state[word] == 0)))
            || excluded.any(|at| self.has(at, state, &self.accepts_all))
    }
}

/// The positions of all automata, and the state and character that led here.
type State = (Vec<u64>, Option<(usize, char)>);

/// Every group must have a glob that matches, and none of the others may match.
#[derive(Clone, Debug, Default)]
pub(crate) struct TextProblem {
    pub(crate) any_of: Vec<Rc<[Glob]>>,
    pub(crate) none_of: Vec<Rc<Glob>>,
    /// Texts to try first, since people understand them best.
    pub(crate) preferred: Vec<String>,
}

/// What the search for a text came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TextSolution {
    Found(String),
    Empty,
    OverBudget,
}

impl TextProblem {
    pub(crate) fn accepts(&self, text: &str) -> bool {
        self.any_of
            .iter()
            .all(|group| group.iter().any(|glob| glob.matches(text)))
            && !self.none_of.iter().any(|glob| glob.matches(text))
    }

    /// Finds a text, or proves that there is none.
    pub(crate) fn solve(&self, doubts: &mut Doubts) -> TextSolution {
        if let Some(text) = self.preferred.iter().find(|text| self.accepts(text)) {
            return TextSolution::Found(text.clone());
        }
        if self.any_of.iter().any(|group| group.is_empty())
            || self.none_of.iter().any(|glob| glob.takes_everything())
        {
            return TextSolution::Empty;
        }
        if let Some(texts) = self.only_texts() {
            return match texts.into_iter().find(|text| self.accepts(text)) {
                Some(text) => TextSolution::Found(text),
                None => TextSolution::Empty,
            };
        }
        if let Some(text) = self.blended().into_iter().find(|text| self.accepts(text)) {
            return TextSolution::Found(text);
        }
        let is_excluded = |glob: &Glob| self.none_of.iter().any(|none| none.includes(glob));
        if self
            .any_of
            .iter()
            .any(|group| group.iter().all(is_excluded))
        {
            return TextSolution::Empty;
        }
        for group in &self.any_of {
            for glob in group.iter() {
                for (filler, fill_stars) in [('a', true), ('a', false), ('7', true)] {
                    let text = glob.sample(filler, fill_stars);
                    if self.accepts(&text) {
                        return TextSolution::Found(text);
                    }
                }
            }
        }
        self.search(doubts)
    }

    fn globs(&self) -> impl Iterator<Item = &Glob> {
        self.any_of
            .iter()
            .flat_map(|group| group.iter())
            .chain(self.none_of.iter().map(Rc::as_ref))
    }

    /// The only texts that can fit, if some group names nothing but fixed ones.
    fn only_texts(&self) -> Option<Vec<String>> {
        self.any_of.iter().find_map(|group| {
            group
                .iter()
                .map(Glob::exact)
                .collect::<Option<Vec<String>>>()
        })
    }

    /// Texts that follow a pattern's parts between colons where it fixes something, and a preferred
    /// text's where it does not.
    fn blended(&self) -> Vec<String> {
        let mut texts = Vec::new();
        for preferred in &self.preferred {
            let own: Vec<&str> = preferred.splitn(6, ':').collect();
            for glob in self.any_of.iter().flat_map(|group| group.iter()) {
                let parts: Vec<&[Step]> = glob
                    .steps
                    .splitn(6, |step| step.set == Set::One(':'))
                    .collect();
                if parts.len() != own.len() || own.len() < 2 {
                    continue;
                }
                let blend = |(steps, own): (&&[Step], &&str)| {
                    let part = Glob {
                        steps: steps.to_vec(),
                        folds: false,
                    };
                    if part.matches(own) {
                        (*own).to_owned()
                    } else {
                        part.sample('a', false)
                    }
                };
                let parts: Vec<String> = parts.iter().zip(&own).map(blend).collect();
                texts.push(parts.join(":"));
            }
        }
        texts
    }

    fn search(&self, doubts: &mut Doubts) -> TextSolution {
        let alphabet = self.alphabet();
        let product = Product::new(self, &alphabet);
        let mut states: Vec<State> = vec![(product.start.clone(), None)];
        let mut seen = HashSet::from([product.start.clone()]);
        let mut next = product.start.clone();
        let mut possible = Vec::new();
        let mut at = 0;
        while at < states.len() {
            if product.accepts(&states[at].0) {
                return TextSolution::Found(spell(&states, at));
            }
            product.possible(&states[at].0, &mut possible);
            for &index in &possible {
                if !product.can_step(&states[at].0, index) {
                    continue;
                }
                let c = alphabet[index];
                product.step(&states[at].0, index, &mut next);
                if product.is_hopeless(&next) || seen.contains(&next) {
                    continue;
                }
                if !doubts.spend(1) {
                    return TextSolution::OverBudget;
                }
                seen.insert(next.clone());
                states.push((next.clone(), Some((at, c))));
            }
            at += 1;
        }
        TextSolution::Empty
    }

    /// The characters that are told apart, and one of each kind that is not.
    fn alphabet(&self) -> Vec<char> {
        let mut mentioned: Vec<char> = Vec::new();
        for glob in self.globs() {
            for step in &glob.steps {
                if let Set::One(c) = step.set {
                    mentioned.push(c);
                    if glob.folds {
                        mentioned.extend(c.to_uppercase());
                    }
                }
            }
        }
        mentioned.sort_unstable();
        mentioned.dedup();
        let fresh = |mut kind: Box<dyn Iterator<Item = char>>| {
            kind.find(|c| mentioned.binary_search(c).is_err())
        };
        let mut alphabet: Vec<char> = [
            fresh(Box::new('a'..='z')),
            fresh(Box::new('0'..='9')),
            fresh(Box::new('A'..='Z')),
            fresh(Box::new(
                "-_.~!$&'()+,;=@ %#\"<>[]{}|^`\u{e9}\u{4e00}".chars(),
            )),
            fresh(Box::new("/".chars())),
            fresh(Box::new(":".chars())),
        ]
        .into_iter()
        .flatten()
        .collect();
        alphabet.extend(mentioned);
        alphabet
    }
}

fn spell(states: &[State], mut at: usize) -> String {
    let mut backwards = Vec::new();
    while let Some((before, c)) = states[at].1 {
        backwards.push(c);
        at = before;
    }
    backwards.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Reading;

    fn glob(text: &str) -> Glob {
        match Glob::new(&Pattern::new(text, Reading::Wildcards, false), false) {
            Some(glob) => glob,
            None => unreachable!("no variables are read"),
        }
    }

    #[track_caller]
    fn check(any_of: &[&[&str]], none_of: &[&str], satisfiable: bool) {
        let problem = TextProblem {
            any_of: any_of
                .iter()
                .map(|g| g.iter().map(|p| glob(p)).collect())
                .collect(),
            none_of: none_of.iter().map(|p| Rc::new(glob(p))).collect(),
            preferred: Vec::new(),
        };
        match problem.search(&mut Doubts::default()) {
            TextSolution::Found(text) => {
                assert!(satisfiable, "found {text:?}");
                assert!(problem.accepts(&text), "{text:?} does not fit");
            }
            TextSolution::Empty => assert!(!satisfiable, "found nothing"),
            TextSolution::OverBudget => unreachable!("so few patterns are within the budget"),
        }
        assert_eq!(
            matches!(
                problem.solve(&mut Doubts::default()),
                TextSolution::Found(_)
            ),
            satisfiable
        );
    }

    #[test]
    fn finds_a_text_or_proves_that_there_is_none() {
        check(&[&["a*"], &["*b"]], &[], true);
        check(&[&["a*"]], &["a*"], false);
        check(&[&["secret/*"]], &["secret*"], false);
        check(&[&["*"]], &["private/*", "p*"], true);
        check(&[&["a?c"]], &["abc"], true);
        check(&[&["*"]], &["?*"], true);
        check(&[&["?*"]], &["?", "??*"], false);
        check(&[&["a*", "b*"], &["?x"]], &["ax"], true);
        check(&[&["*a*b*c*"]], &["*abc*", "*a?b*"], true);
    }

    #[test]
    fn formats_leave_the_identifying_part_open() {
        let account = Glob::format("############");
        let problem = TextProblem {
            any_of: vec![[account.clone()].into(), [glob("1111*")].into()],
            none_of: vec![Rc::new(Glob::exactly("111122223333"))],
            preferred: Vec::new(),
        };
        assert!(matches!(
            problem.solve(&mut Doubts::default()),
            TextSolution::Found(_)
        ));
        let fixed = TextProblem {
            any_of: vec![[account].into(), [glob("111122223333")].into()],
            none_of: vec![Rc::new(Glob::exactly("111122223333"))],
            preferred: Vec::new(),
        };
        assert_eq!(fixed.solve(&mut Doubts::default()), TextSolution::Empty);
    }
}
