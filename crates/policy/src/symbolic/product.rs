//! The automata of several patterns side by side, on bits.

use std::ops::Range;

use super::glob::Glob;
use super::text::TextProblem;

/// The size of alphabet up to which sets of characters are kept as bits.
const MASKED: usize = 128;

/// The automata of a problem side by side. A state is the set of positions of each, as bits; every
/// automaton begins a word of its own.
pub(crate) struct Product<'p> {
    problem: &'p TextProblem,
    spans: Vec<Range<usize>>,
    pub(crate) start: Vec<u64>,
    /// For each character of the alphabet, the positions that take it.
    takes: Vec<Vec<u64>>,
    /// For each automaton and step, the characters that it takes, as bits of their index; empty for
    /// a large alphabet.
    masks: Vec<Vec<u128>>,
    repeats: Vec<u64>,
    /// The position behind the last step.
    ends: Vec<u64>,
    /// Positions from which whatever follows is accepted.
    accepts_all: Vec<u64>,
}

impl<'p> Product<'p> {
    pub(crate) fn new(problem: &'p TextProblem, alphabet: &[char]) -> Product<'p> {
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
        let mut masks = Vec::with_capacity(spans.len());
        for (glob, span) in problem.globs().zip(&spans) {
            let mut of_steps = vec![0; glob.steps.len()];
            for (at, step) in glob.steps.iter().enumerate() {
                for (index, (row, c)) in takes.iter_mut().zip(alphabet).enumerate() {
                    if glob.takes(step, *c) {
                        row[span.start + at / 64] |= 1 << (at % 64);
                        of_steps[at] |= 1u128.checked_shl(index as u32).unwrap_or(0);
                    }
                }
            }
            masks.push(of_steps);
        }
        let mut product = Product {
            problem,
            start: bits(&|_, at| at == 0),
            takes,
            masks,
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

    /// The characters that each group has an automaton for here.
    pub(crate) fn possible(&self, state: &[u64], possible: &mut Vec<usize>) {
        possible.clear();
        let (groups, _) = self.groups();
        if self.takes.len() > MASKED {
            let takes = |character: &usize| {
                let (mut groups, _) = self.groups();
                groups.all(|mut group| group.any(|at| self.has(at, state, &self.takes[*character])))
            };
            possible.extend((0..self.takes.len()).filter(takes));
            return;
        }
        let mut left = u128::MAX >> (MASKED - self.takes.len());
        for group in groups {
            let mut taken = 0;
            for automaton in group {
                let span = self.spans[automaton].clone();
                for word in span.clone() {
                    let mut pending = state[word] & !self.ends[word];
                    while pending != 0 {
                        let at = (word - span.start) * 64 + pending.trailing_zeros() as usize;
                        pending &= pending - 1;
                        taken |= self.masks[automaton][at];
                    }
                }
            }
            left &= taken;
        }
        while left != 0 {
            possible.push(left.trailing_zeros() as usize);
            left &= left - 1;
        }
    }

    pub(crate) fn step(&self, state: &[u64], character: usize, next: &mut [u64]) {
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

    pub(crate) fn accepts(&self, state: &[u64]) -> bool {
        let (mut groups, mut excluded) = self.groups();
        groups.all(|mut group| group.any(|at| self.has(at, state, &self.ends)))
            && !excluded.any(|at| self.has(at, state, &self.ends))
    }

    /// Whether no continuation is accepted: a group has died, or an excluded glob takes them all.
    pub(crate) fn is_hopeless(&self, state: &[u64]) -> bool {
        let (mut groups, mut excluded) = self.groups();
        groups.any(|mut group| group.all(|at| self.spans[at].clone().all(|word| state[word] == 0)))
            || excluded.any(|at| self.has(at, state, &self.accepts_all))
    }
}
