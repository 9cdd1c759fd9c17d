//! Texts: is there one that matches these patterns and none of those?
//!
//! An exact decision. The patterns run side by side as nondeterministic automata over an alphabet of
//! the characters that they mention and one representative of each kind that they do not tell
//! apart; a breadth-first search over their joint states finds a shortest text or proves that there
//! is none. The number of states is bounded; beyond it the answer is [`TextSolution::OverBudget`].

use std::collections::HashSet;

use crate::pattern::{Element, Pattern};

/// Joint states after which the search gives up. A policy of 20 KB stays far below.
const STATE_BUDGET: usize = 40_000;

/// A set of characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Set {
    One(char),
    Any,
    NotColon,
    NotSlash,
    Digit,
    LowerAlphanumeric,
    UpperAlphanumeric,
}

impl Set {
    fn takes(self, c: char) -> bool {
        match self {
            Set::One(one) => one == c,
            Set::Any => true,
            Set::NotColon => c != ':',
            Set::NotSlash => c != '/' && c != ':',
            Set::Digit => c.is_ascii_digit(),
            Set::LowerAlphanumeric => c.is_ascii_digit() || c.is_ascii_lowercase(),
            Set::UpperAlphanumeric => c.is_ascii_digit() || c.is_ascii_uppercase(),
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

    /// A text with the format's own short notation, for the tables of formats: `#` is a digit, `~`
    /// one or more lower-case letters or digits, `^` the same in upper case, `;` any characters but
    /// a colon, `*` any characters, `+` one or more characters.
    pub(crate) fn format(notation: &str) -> Glob {
        let mut glob = Glob {
            steps: Vec::new(),
            folds: false,
        };
        for c in notation.chars() {
            match c {
                '#' => glob.push(Set::Digit, 1),
                '~' => {
                    glob.push(Set::LowerAlphanumeric, 1);
                    glob.push_many(Set::LowerAlphanumeric);
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

    /// Whether it matches the text.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let mut run = Run::new(self);
        for c in text.chars() {
            run.step(self, c);
            if run.is_dead() {
                return false;
            }
        }
        run.accepts(self)
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

    /// Whether a run in this position accepts whatever follows.
    fn accepts_all_from(&self, position: usize) -> bool {
        position < self.steps.len()
            && self.steps[position..]
                .iter()
                .all(|s| s.repeats && s.set == Set::Any)
    }
}

/// The positions that a glob's automaton is in, as bits.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Run(Vec<u64>);

impl Run {
    fn new(glob: &Glob) -> Run {
        let mut run = Run(vec![0; glob.steps.len() / 64 + 1]);
        run.set(0);
        run.close(glob);
        run
    }
    fn set(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }
    fn has(&self, at: usize) -> bool {
        self.0[at / 64] >> (at % 64) & 1 == 1
    }
    fn close(&mut self, glob: &Glob) {
        for (at, step) in glob.steps.iter().enumerate() {
            if step.repeats && self.has(at) {
                self.set(at + 1);
            }
        }
    }
    fn step(&mut self, glob: &Glob, c: char) {
        let mut next = Run(vec![0; self.0.len()]);
        let folded = if glob.folds {
            c.to_lowercase().next().unwrap_or(c)
        } else {
            c
        };
        for (at, step) in glob.steps.iter().enumerate() {
            if self.has(at) && step.set.takes(folded) {
                next.set(if step.repeats { at } else { at + 1 });
            }
        }
        next.close(glob);
        *self = next;
    }
    fn is_dead(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
    fn accepts(&self, glob: &Glob) -> bool {
        self.has(glob.steps.len())
    }
    fn accepts_all(&self, glob: &Glob) -> bool {
        (0..glob.steps.len()).any(|at| self.has(at) && glob.accepts_all_from(at))
    }
}

/// The positions of all automata, and the state and character that led here.
type State = (Vec<Run>, Option<(usize, char)>);

/// Every group must have a glob that matches, and none of the others may match.
#[derive(Clone, Debug, Default)]
pub(crate) struct TextProblem {
    pub(crate) any_of: Vec<Vec<Glob>>,
    pub(crate) none_of: Vec<Glob>,
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
    pub(crate) fn solve(&self) -> TextSolution {
        if let Some(text) = self.preferred.iter().find(|text| self.accepts(text)) {
            return TextSolution::Found(text.clone());
        }
        if self.any_of.iter().any(Vec::is_empty) || self.none_of.iter().any(Glob::takes_everything)
        {
            return TextSolution::Empty;
        }
        for group in &self.any_of {
            for glob in group {
                for (filler, fill_stars) in [('a', true), ('a', false), ('7', true)] {
                    let text = glob.sample(filler, fill_stars);
                    if self.accepts(&text) {
                        return TextSolution::Found(text);
                    }
                }
            }
        }
        self.search()
    }

    fn globs(&self) -> impl Iterator<Item = &Glob> {
        self.any_of.iter().flatten().chain(&self.none_of)
    }

    fn search(&self) -> TextSolution {
        let alphabet = self.alphabet();
        let start: Vec<Run> = self.globs().map(Run::new).collect();
        let mut states: Vec<State> = vec![(start.clone(), None)];
        let mut seen = HashSet::from([start]);
        let mut at = 0;
        while at < states.len() {
            if self.accepting(&states[at].0) {
                return TextSolution::Found(spell(&states, at));
            }
            for &c in &alphabet {
                let mut next = states[at].0.clone();
                for (run, glob) in next.iter_mut().zip(self.globs()) {
                    run.step(glob, c);
                }
                if self.is_hopeless(&next) || !seen.insert(next.clone()) {
                    continue;
                }
                if states.len() >= STATE_BUDGET {
                    return TextSolution::OverBudget;
                }
                states.push((next, Some((at, c))));
            }
            at += 1;
        }
        TextSolution::Empty
    }

    /// The runs, split as the globs are: one slice for each group, then the excluded ones.
    fn split<'r>(&self, runs: &'r [Run]) -> (Vec<&'r [Run]>, &'r [Run]) {
        let mut rest = runs;
        let groups = self
            .any_of
            .iter()
            .map(|group| {
                let (these, behind) = rest.split_at(group.len());
                rest = behind;
                these
            })
            .collect();
        (groups, rest)
    }

    fn accepting(&self, runs: &[Run]) -> bool {
        let (groups, excluded) = self.split(runs);
        groups
            .iter()
            .zip(&self.any_of)
            .all(|(runs, globs)| runs.iter().zip(globs).any(|(run, glob)| run.accepts(glob)))
            && !excluded
                .iter()
                .zip(&self.none_of)
                .any(|(run, glob)| run.accepts(glob))
    }

    fn is_hopeless(&self, runs: &[Run]) -> bool {
        let (groups, excluded) = self.split(runs);
        groups.iter().any(|runs| runs.iter().all(Run::is_dead))
            || excluded
                .iter()
                .zip(&self.none_of)
                .any(|(run, glob)| run.accepts_all(glob))
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
            none_of: none_of.iter().map(|p| glob(p)).collect(),
            preferred: Vec::new(),
        };
        match problem.search() {
            TextSolution::Found(text) => {
                assert!(satisfiable, "found {text:?}");
                assert!(problem.accepts(&text), "{text:?} does not fit");
            }
            TextSolution::Empty => assert!(!satisfiable, "found nothing"),
            TextSolution::OverBudget => unreachable!("so few patterns are within the budget"),
        }
        assert_eq!(
            matches!(problem.solve(), TextSolution::Found(_)),
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
            any_of: vec![vec![account.clone()], vec![glob("1111*")]],
            none_of: vec![Glob::exactly("111122223333")],
            preferred: Vec::new(),
        };
        assert!(matches!(problem.solve(), TextSolution::Found(_)));
        let fixed = TextProblem {
            any_of: vec![vec![account], vec![glob("111122223333")]],
            none_of: vec![Glob::exactly("111122223333")],
            preferred: Vec::new(),
        };
        assert_eq!(fixed.solve(), TextSolution::Empty);
    }
}
