//! Texts: is there one that matches these patterns and none of those?
//!
//! An exact decision. The patterns run side by side as nondeterministic automata over an alphabet of
//! the characters that they mention and one representative of each kind that they do not tell
//! apart; a breadth-first search over their joint states finds a shortest text or proves that there
//! is none. The number of states is bounded by the budget of the question; beyond it the answer is
//! [`TextSolution::OverBudget`].

use std::collections::HashSet;
use std::rc::Rc;

use super::doubts::Doubts;
use super::glob::{Glob, Set, Step};
use super::product::Product;

/// The positions of all automata, and the state and character that led here.
type State = (Vec<u64>, Option<(usize, char)>);

/// Every group must have a glob that matches, and none of the others may match.
#[derive(Clone, Debug, Default)]
pub(crate) struct TextProblem {
    pub(crate) any_of: Vec<Rc<[Glob]>>,
    pub(crate) none_of: Vec<Rc<Glob>>,
    /// Texts to try first, since people understand them best.
    pub(crate) preferred: Vec<String>,
    /// How many bytes the text may have.
    pub(crate) longest: Option<usize>,
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
        self.longest.is_none_or(|longest| text.len() <= longest)
            && self
                .any_of
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
        let is_excluded = |glob: &Glob| self.none_of.iter().any(|none| none.includes(glob));
        if self
            .any_of
            .iter()
            .any(|group| group.iter().all(is_excluded))
        {
            return TextSolution::Empty;
        }
        if let Some(text) = self.blended().find(|text| self.accepts(text)) {
            return TextSolution::Found(text);
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

    pub(crate) fn globs(&self) -> impl Iterator<Item = &Glob> {
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
    fn blended(&self) -> impl Iterator<Item = String> {
        let colon = |step: &&Step| step.set == Set::One(':');
        self.preferred
            .iter()
            .filter(|text| text.contains(':'))
            .flat_map(move |preferred| {
                let colons = preferred.bytes().filter(|b| *b == b':').count().min(5);
                let globs = self.any_of.iter().flat_map(|group| group.iter());
                globs
                    .filter(move |glob| glob.steps.iter().filter(colon).count() >= colons)
                    .map(move |glob| {
                        let own = preferred.splitn(colons + 1, ':');
                        let steps = glob
                            .steps
                            .splitn(colons + 1, |step| step.set == Set::One(':'));
                        let parts: Vec<String> = steps
                            .zip(own)
                            .map(|(steps, own)| {
                                let part = Glob {
                                    steps: steps.to_vec(),
                                    folds: false,
                                };
                                if part.matches(own) {
                                    own.to_owned()
                                } else {
                                    part.sample('a', false)
                                }
                            })
                            .collect();
                        parts.join(":")
                    })
            })
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
                let text = spell(&states, at);
                // A shortest text comes first: if it is too long, all are.
                return if self.longest.is_none_or(|longest| text.len() <= longest) {
                    TextSolution::Found(text)
                } else {
                    TextSolution::Empty
                };
            }
            product.possible(&states[at].0, &mut possible);
            for &index in &possible {
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
    use crate::pattern::{Pattern, Reading};

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
            ..TextProblem::default()
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
            ..TextProblem::default()
        };
        assert!(matches!(
            problem.solve(&mut Doubts::default()),
            TextSolution::Found(_)
        ));
        let fixed = TextProblem {
            any_of: vec![[account].into(), [glob("111122223333")].into()],
            none_of: vec![Rc::new(Glob::exactly("111122223333"))],
            ..TextProblem::default()
        };
        assert_eq!(fixed.solve(&mut Doubts::default()), TextSolution::Empty);
    }
}
