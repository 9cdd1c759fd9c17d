//! All of many prefixes that a text starts with, or suffixes that it ends with.
//!
//! The prefixes are sorted. The last one that is not greater than a text is the only place to look: each
//! prefix of the text is either that one or a prefix of it, and each knows the longest other one that it
//! starts with. Where all are of a few lengths, as they often are, hashing that much of the text is
//! faster; and comparing each, where there are only a few.

use std::cmp::Ordering;
use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::names::NONE;
use super::short::{ends, starts};
use super::work::worked;

/// Up to so many lengths, hashing is faster; up to so many affixes, comparing each.
const FEW: usize = 6;

/// At which end of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Start,
    Finish,
}

/// Prefixes or suffixes, each with what it means.
#[derive(Debug)]
pub(super) struct Affixes<T> {
    end: End,
    /// From the end of the text inwards, sorted.
    sorted: Vec<Affix<T>>,
    /// Their lengths, the shortest first, and their places in `sorted`, if the lengths are few.
    lengths: Vec<usize>,
    places: HashMap<Box<[u8]>, usize, FixedState>,
    /// All as they stand in a text, if they are few.
    few: Vec<(Box<[u8]>, usize)>,
}

#[derive(Debug)]
struct Affix<T> {
    bytes: Box<[u8]>,
    /// The place of the longest other one that it starts with, or [`NONE`].
    shorter: u32,
    meaning: T,
}

impl<T> Affixes<T> {
    pub(super) fn new(end: End, affixes: impl IntoIterator<Item = (String, T)>) -> Affixes<T> {
        let inwards = |text: String| {
            let mut bytes = text.into_bytes();
            if end == End::Finish {
                bytes.reverse();
            }
            bytes.into_boxed_slice()
        };
        let mut sorted: Vec<Affix<T>> = affixes
            .into_iter()
            .map(|(text, meaning)| Affix {
                bytes: inwards(text),
                shorter: NONE,
                meaning,
            })
            .collect();
        sorted.sort_by(|a, b| a.bytes.cmp(&b.bytes));
        // Those that the one at hand starts with, the longest last.
        let mut open: Vec<u32> = Vec::new();
        for at in 0..sorted.len() {
            while let Some(&last) = open.last() {
                if sorted[at].bytes.starts_with(&sorted[last as usize].bytes) {
                    break;
                }
                open.pop();
            }
            sorted[at].shorter = open.last().copied().unwrap_or(NONE);
            open.push(u32::try_from(at).unwrap_or(NONE));
        }
        let mut lengths: Vec<usize> = sorted.iter().map(|affix| affix.bytes.len()).collect();
        lengths.sort_unstable();
        lengths.dedup();
        let mut places = HashMap::default();
        let mut few = Vec::new();
        if lengths.len() <= FEW {
            for (at, affix) in sorted.iter().enumerate() {
                let mut bytes = affix.bytes.clone();
                if end == End::Finish {
                    bytes.reverse();
                }
                if sorted.len() <= FEW {
                    few.push((bytes, at));
                } else {
                    places.insert(bytes, at);
                }
            }
        }
        Affixes {
            end,
            sorted,
            lengths,
            places,
            few,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// What the affixes of a text mean.
    pub(super) fn of<'a>(&'a self, text: &str, mut each: impl FnMut(&'a T)) {
        if self.sorted.len() <= FEW {
            for (affix, at) in &self.few {
                worked(1);
                let has = match self.end {
                    End::Start => starts(text.as_bytes(), affix),
                    End::Finish => ends(text.as_bytes(), affix),
                };
                if has {
                    each(&self.sorted[*at].meaning);
                }
            }
            return;
        }
        if self.lengths.len() <= FEW {
            let text = text.as_bytes();
            for length in self
                .lengths
                .iter()
                .take_while(|length| **length <= text.len())
            {
                worked(1);
                let part = match self.end {
                    End::Start => &text[..*length],
                    End::Finish => &text[text.len() - length..],
                };
                if let Some(at) = self.places.get(part) {
                    each(&self.sorted[*at].meaning);
                }
            }
            return;
        }
        let after = self.sorted.partition_point(|affix| {
            worked(1);
            self.compare(&affix.bytes, text.as_bytes()) != Ordering::Greater
        });
        let Some(mut at) = after.checked_sub(1) else {
            return;
        };
        let shared = self.shared(&self.sorted[at].bytes, text.as_bytes());
        loop {
            worked(1);
            let affix = &self.sorted[at];
            if affix.bytes.len() <= shared {
                each(&affix.meaning);
            }
            if affix.shorter == NONE {
                return;
            }
            at = affix.shorter as usize;
        }
    }

    fn compare(&self, affix: &[u8], text: &[u8]) -> Ordering {
        match self.end {
            End::Start => affix.cmp(text),
            End::Finish => affix.iter().cmp(text.iter().rev()),
        }
    }

    /// How many bytes they have in common, from the end inwards.
    fn shared(&self, affix: &[u8], text: &[u8]) -> usize {
        let same = |(a, b): &(&u8, &u8)| a == b;
        match self.end {
            End::Start => affix.iter().zip(text).take_while(same).count(),
            End::Finish => affix.iter().zip(text.iter().rev()).take_while(same).count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Affixes, End};

    fn found(end: End, affixes: &[&str], text: &str) -> Vec<String> {
        let affixes = Affixes::new(
            end,
            affixes.iter().map(|a| ((*a).to_owned(), (*a).to_owned())),
        );
        let mut found = Vec::new();
        affixes.of(text, |affix| found.push(affix.clone()));
        found.sort();
        found
    }

    #[test]
    fn every_prefix_is_found() {
        let prefixes = [
            "", "a", "ab", "abc", "abd", "b", "aa", "abcdef", "abcde", "abce-", "abcefgh",
        ];
        assert_eq!(found(End::Start, &prefixes, "abce"), ["", "a", "ab", "abc"]);
        assert_eq!(found(End::Start, &prefixes, "abz"), ["", "a", "ab"]);
        assert_eq!(found(End::Start, &prefixes, ""), [""]);
        // Few, and more of few lengths.
        let few = ["ab", "abc", "abd"];
        let more = ["ab", "abc", "abd", "xy", "xyz", "yz", "zy", "zyx"];
        for prefixes in [&few[..], &more] {
            assert_eq!(found(End::Start, prefixes, "abce"), ["ab", "abc"]);
            assert_eq!(found(End::Start, prefixes, "a"), [""; 0]);
            assert_eq!(found(End::Finish, prefixes, "xabc"), ["abc"]);
        }
        assert_eq!(found(End::Start, &["b"], "a"), [""; 0]);
        assert_eq!(found(End::Start, &["a", "b"], "c"), [""; 0]);
    }

    #[test]
    fn every_suffix_is_found() {
        let suffixes = [
            ".png",
            "png",
            "g",
            ".PNG",
            "",
            "ä.png",
            "longer.png",
            "xx",
            "x.xx.xxx",
        ];
        assert_eq!(
            found(End::Finish, &suffixes, "ä.png"),
            ["", ".png", "g", "png", "ä.png"]
        );
        assert_eq!(found(End::Finish, &suffixes, "x.PNG"), ["", ".PNG"]);
    }
}
