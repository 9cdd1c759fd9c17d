//! All of many wildcards that a text fits.
//!
//! Only those are tried whose rarest sure piece the text has: its start, its end, or one in the middle.
//! A wildcard is tried from left to right: its first piece is at the start, its last at the end, each
//! other at the first place behind the one before. Nothing is gone over twice, and searching for a piece
//! takes time in proportion to the text (`memchr::memmem`, two-way).

use std::collections::HashMap;
use std::ops::Range;

use aho_corasick::automaton::Automaton;
use aho_corasick::{Anchored, dfa, nfa};
use memchr::memmem::Finder;

use super::super::wildcard::Wildcard;
use super::affixes::{Affixes, End};
use super::short::{ends, starts};
use super::work::worked;

/// Wildcards, each with what it means.
#[derive(Debug)]
pub(super) struct Wildcards<T> {
    all: Vec<(Pieces, T)>,
    /// Wildcards by the piece that they start with.
    starts: Affixes<Vec<u32>>,
    /// Wildcards by the piece that they end with.
    ends: Affixes<Vec<u32>>,
    /// Wildcards by a piece in the middle.
    middles: Option<Middles>,
    /// Wildcards without any piece.
    stars: Vec<u32>,
}

/// One wildcard, ready to be tried.
#[derive(Debug)]
struct Pieces {
    first: Box<str>,
    middle: Vec<Finder<'static>>,
    last: Box<str>,
}

/// Wildcards by a piece in the middle, all pieces searched for at once.
#[derive(Debug)]
struct Middles {
    searcher: Searcher,
    /// For each piece.
    wildcards: Vec<Vec<u32>>,
}

#[derive(Debug)]
enum Searcher {
    /// The faster, for few pieces.
    Small(dfa::DFA),
    Large(nfa::contiguous::NFA),
}

/// Pieces of up to so many bytes together are searched for by the faster searcher.
const SMALL: usize = 4096;

/// Up to so many bytes a text is short.
const SHORT: usize = 32;

/// How far a piece's wildcards are decided.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tried {
    Not,
    /// Those for which it matters where the piece stands are open.
    Once,
    Decided,
}

impl Pieces {
    /// A wildcard with at least one star.
    fn new(wildcard: &Wildcard) -> Pieces {
        let (first, rest) = wildcard
            .pieces
            .split_first()
            .map_or(("", &[][..]), |(f, r)| (f, r));
        let (last, middle) = rest.split_last().map_or(("", &[][..]), |(l, m)| (l, m));
        Pieces {
            first: first.into(),
            middle: middle
                .iter()
                .map(|piece| Finder::new(piece.as_bytes()).into_owned())
                .collect(),
            last: last.into(),
        }
    }

    /// Whether a place leaves room for the first and the last piece.
    fn leave(&self, place: &Range<usize>, length: usize) -> bool {
        place.start >= self.first.len() && place.end + self.last.len() <= length
    }

    /// Whether a text starts with the first piece and ends with the last.
    fn frame(&self, text: &str) -> bool {
        worked(1 + self.first.len() + self.last.len());
        starts(text.as_bytes(), self.first.as_bytes())
            && ends(text.as_bytes(), self.last.as_bytes())
    }

    /// Whether a text fits. `walked` is told how many bytes each search went over.
    fn fit(&self, text: &str, mut walked: impl FnMut(usize)) -> bool {
        let inside = self.first.len()..text.len().saturating_sub(self.last.len());
        let Some(mut rest) = text.as_bytes().get(inside).filter(|_| self.frame(text)) else {
            return false;
        };
        for finder in &self.middle {
            let Some(at) = find(finder, rest) else {
                walked(rest.len());
                return false;
            };
            let behind = at + finder.needle().len();
            walked(behind);
            rest = &rest[behind..];
        }
        true
    }
}

/// The place of a piece. In a short text, looking at each place is faster than the searcher, which
/// prepares itself first.
fn find(finder: &Finder<'_>, text: &[u8]) -> Option<usize> {
    let piece = finder.needle();
    match piece.split_first() {
        Some((first, rest)) if text.len() <= SHORT => {
            let places = text.iter().zip(1..).filter(|(byte, _)| *byte == first);
            let mut behind = places.map(|(_, behind)| behind);
            behind
                .find(|behind| {
                    worked(rest.len());
                    self::starts(&text[*behind..], rest)
                })
                .map(|behind| behind - 1)
        }
        _ => finder.find(text),
    }
}

impl<T> Wildcards<T> {
    /// Each has at least one star.
    pub(super) fn new(wildcards: impl IntoIterator<Item = (Wildcard, T)>) -> Wildcards<T> {
        let (wildcards, meanings): (Vec<Wildcard>, Vec<T>) = wildcards.into_iter().unzip();
        // How many wildcards have a piece in its place; the rarest says the most about a text.
        let mut shared: HashMap<Gate<'_>, u32> = HashMap::new();
        for wildcard in &wildcards {
            for gate in gates(wildcard) {
                *shared.entry(gate).or_default() += 1;
            }
        }
        let mut by_gate: HashMap<Gate<'_>, Vec<u32>> = HashMap::new();
        let mut stars = Vec::new();
        for (wildcard, at) in wildcards.iter().zip(0..) {
            let rarest = gates(wildcard).min_by_key(|gate| {
                let piece = gate.piece().len();
                (
                    shared[gate],
                    std::cmp::Reverse(piece),
                    matches!(gate, Gate::Middle(_)),
                )
            });
            match rarest {
                Some(gate) => by_gate.entry(gate).or_default().push(at),
                None => stars.push(at),
            }
        }
        let (mut starts, mut ends, mut pieces, mut middles) = (vec![], vec![], vec![], vec![]);
        for (gate, wildcards) in by_gate {
            match gate {
                Gate::Start(piece) => starts.push((piece.to_owned(), wildcards)),
                Gate::End(piece) => ends.push((piece.to_owned(), wildcards)),
                Gate::Middle(piece) => {
                    pieces.push(piece.to_owned());
                    middles.push(wildcards);
                }
            }
        }
        let (middles, untold) = match Searcher::new(&pieces) {
            Some(searcher) => (
                Some(Middles {
                    searcher,
                    wildcards: middles,
                }),
                vec![],
            ),
            // None, or too many for one searcher: then each is tried.
            None => (None, middles.concat()),
        };
        stars.extend(untold);
        Wildcards {
            all: wildcards.iter().map(Pieces::new).zip(meanings).collect(),
            starts: Affixes::new(End::Start, starts),
            ends: Affixes::new(End::Finish, ends),
            middles,
            stars,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What the wildcards mean that a text fits.
    pub(super) fn of<'a>(&'a self, text: &str, mut each: impl FnMut(&'a T)) {
        let mut attempt = |wildcards: &[u32]| {
            for at in wildcards {
                let (pieces, meaning) = &self.all[*at as usize];
                if pieces.fit(text, worked) {
                    each(meaning);
                }
            }
        };
        attempt(&self.stars);
        self.starts.of(text, |wildcards| attempt(wildcards));
        self.ends.of(text, |wildcards| attempt(wildcards));
        if let Some(middles) = &self.middles {
            match &middles.searcher {
                Searcher::Small(searcher) => self.within(middles, searcher, text, each),
                Searcher::Large(searcher) => self.within(middles, searcher, text, each),
            }
        }
    }

    /// Searches a text for the pieces in the middle, and tries their wildcards.
    fn within<'a>(
        &'a self,
        middles: &Middles,
        searcher: &impl Automaton,
        text: &str,
        mut each: impl FnMut(&'a T),
    ) {
        let Ok(mut state) = searcher.start_state(Anchored::No) else {
            return;
        };
        let count = middles.wildcards.len();
        let (mut few, mut many) = ([Tried::Not; 64], Vec::new());
        let tried = if count <= few.len() {
            &mut few[..count]
        } else {
            many.resize(count, Tried::Not);
            &mut many[..]
        };
        for (byte, end) in text.bytes().zip(1..) {
            worked(1);
            state = searcher.next_state(Anchored::No, state, byte);
            if !searcher.is_special(state) || !searcher.is_match(state) {
                continue;
            }
            for at in 0..searcher.match_len(state) {
                worked(1);
                let piece = searcher.match_pattern(state, at);
                let span = end - searcher.pattern_len(piece)..end;
                let tried = &mut tried[piece.as_usize()];
                if *tried == Tried::Decided {
                    continue;
                }
                let mut open = false;
                for at in &middles.wildcards[piece.as_usize()] {
                    worked(1);
                    let (pieces, meaning) = &self.all[*at as usize];
                    if pieces.middle.len() > 1 {
                        // Searched for once, wherever the piece was seen first.
                        if *tried == Tried::Not && pieces.fit(text, worked) {
                            each(meaning);
                        }
                    } else if pieces.leave(&span, text.len()) {
                        if pieces.frame(text) {
                            each(meaning);
                        }
                    } else {
                        open = true;
                    }
                }
                *tried = if open { Tried::Once } else { Tried::Decided };
            }
        }
    }
}

impl Searcher {
    fn new(pieces: &[String]) -> Option<Searcher> {
        if pieces.is_empty() {
            None
        } else if pieces.iter().map(String::len).sum::<usize>() <= SMALL {
            dfa::DFA::new(pieces).ok().map(Searcher::Small)
        } else {
            nfa::contiguous::NFA::new(pieces).ok().map(Searcher::Large)
        }
    }
}

/// A piece that a text must have to fit, and where.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Gate<'a> {
    Start(&'a str),
    End(&'a str),
    Middle(&'a str),
}

impl<'a> Gate<'a> {
    fn piece(&self) -> &'a str {
        match self {
            Gate::Start(piece) | Gate::End(piece) | Gate::Middle(piece) => piece,
        }
    }
}

fn gates(wildcard: &Wildcard) -> impl Iterator<Item = Gate<'_>> {
    let last = wildcard.pieces.len() - 1;
    let pieces = wildcard.pieces.iter().enumerate();
    pieces
        .map(move |(at, piece)| match at {
            0 => Gate::Start(piece),
            at if at == last => Gate::End(piece),
            _ => Gate::Middle(piece),
        })
        .filter(|gate| !gate.piece().is_empty())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::{Pieces, Wildcard, Wildcards};

    #[test]
    fn every_wildcard_is_found() {
        let patterns = [
            "*", "a*", "*a", "a*b", "*a*", "a*c*b", "*b*c*", "*x*y*z*", "ab*", "a*a", "*ab*ab*",
        ];
        let wildcards: Vec<Wildcard> = patterns
            .iter()
            .map(|p| Wildcard::parse(p).unwrap())
            .collect();
        let set = Wildcards::new(wildcards.iter().cloned().zip(patterns));
        for text in [
            "", "a", "b", "ab", "aa", "acb", "abab", "ababab", "xyz", "zyx", "abcabc", "äab",
            "x-y-z",
        ] {
            let mut found = Vec::new();
            set.of(text, |pattern| found.push(*pattern));
            found.sort_unstable();
            let mut expected: Vec<&str> = wildcards
                .iter()
                .zip(patterns)
                .filter(|(w, _)| w.matches(text))
                .map(|(_, p)| p)
                .collect();
            expected.sort_unstable();
            assert_eq!(found, expected, "{text}");
        }
    }

    /// However many stars there are and however the text tempts, no byte is gone over twice.
    #[test]
    fn a_wildcard_walks_a_text_once() {
        for stars in [1, 10, 100, 1000] {
            let pattern = format!("{}*b", "*a".repeat(stars));
            let pieces = Pieces::new(&Wildcard::parse(&pattern).unwrap());
            for length in [10, 1000, 100_000] {
                for text in [
                    "a".repeat(length),
                    format!("{}b", "a".repeat(length)),
                    "ab".repeat(length),
                ] {
                    let mut walked = 0;
                    let _ = pieces.fit(&text, |bytes| walked += bytes);
                    assert!(
                        walked <= text.len(),
                        "{stars} stars: {walked} steps for {} bytes",
                        text.len()
                    );
                }
            }
        }
    }
}
