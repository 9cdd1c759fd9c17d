//! For one field: from a value to what it means.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Range as Span;

use foldhash::fast::FixedState;

use super::super::address::masked;
use super::super::condition::Condition;
use super::super::number::{Number, Range};
use super::super::wildcard::Wildcard;
use super::affixes::{Affixes, End};
use super::ranges::Ranges;
use super::wildcards::Wildcards;
use super::work::worked;
use crate::pattern::fold;

type Map<K, V> = HashMap<K, V, FixedState>;

/// What a value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// It meets this predicate.
    Meets(u32),
    /// It is among what this `anything-but` excludes.
    Hits(u32),
}

/// A value of an event.
#[derive(Clone, Debug)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(&'a str),
}

/// The facts of one thing: a part of [`Values::facts`].
type Facts = Span<u32>;

/// The index.
#[derive(Debug)]
pub(super) struct Values {
    facts: Vec<Fact>,
    texts: Map<Box<str>, Facts>,
    numbers: Map<Number, Facts>,
    null: Facts,
    yes: Facts,
    no: Facts,
    prefixes: Affixes<Facts>,
    suffixes: Affixes<Facts>,
    folded: Map<Box<str>, Facts>,
    folded_prefixes: Affixes<Facts>,
    folded_suffixes: Affixes<Facts>,
    wildcards: Wildcards<Facts>,
    ranges: Ranges<Facts>,
    blocks: Vec<Blocks>,
    /// Whether texts are looked at other than as they are.
    more: bool,
    folds: bool,
}

/// Address blocks of one size.
#[derive(Debug)]
struct Blocks {
    bits: u8,
    ipv4: bool,
    firsts: Map<IpAddr, Facts>,
}

impl Values {
    /// From conditions to facts. [`Condition::AnythingBut`], [`Condition::Present`] and
    /// [`Condition::Absent`] are not among them: they speak of all values of a field.
    pub(super) fn new(conditions: impl IntoIterator<Item = (Condition, Fact)>) -> Values {
        let mut grouped: HashMap<Condition, Vec<Fact>> = HashMap::new();
        for (condition, fact) in conditions {
            let facts = grouped.entry(simpler(condition)).or_default();
            if !facts.contains(&fact) {
                facts.push(fact);
            }
        }
        let mut parts = Parts::default();
        for (condition, facts) in grouped {
            let start = super::seen::index(parts.facts.len());
            parts.facts.extend(facts);
            parts.add(condition, start..super::seen::index(parts.facts.len()));
        }
        let mut values = Values {
            facts: parts.facts,
            texts: parts.texts,
            numbers: parts.numbers,
            null: parts.null,
            yes: parts.yes,
            no: parts.no,
            prefixes: Affixes::new(End::Start, parts.prefixes),
            suffixes: Affixes::new(End::Finish, parts.suffixes),
            folded: parts.folded,
            folded_prefixes: Affixes::new(End::Start, parts.folded_prefixes),
            folded_suffixes: Affixes::new(End::Finish, parts.folded_suffixes),
            wildcards: Wildcards::new(parts.wildcards),
            ranges: Ranges::new(parts.ranges),
            blocks: parts.blocks,
            more: false,
            folds: false,
        };
        values.folds = !values.folded.is_empty()
            || !values.folded_prefixes.is_empty()
            || !values.folded_suffixes.is_empty();
        values.more = values.folds
            || !values.prefixes.is_empty()
            || !values.suffixes.is_empty()
            || !values.wildcards.is_empty()
            || !values.blocks.is_empty();
        values
    }

    /// Whether the value of a number matters.
    pub(super) fn compares_numbers(&self) -> bool {
        !self.numbers.is_empty() || !self.ranges.is_empty()
    }

    /// Whether texts are looked at without their case.
    pub(super) fn folds(&self) -> bool {
        self.folds
    }

    /// What a value means. `folded` is memory for a text without its case.
    pub(super) fn facts(
        &self,
        value: &Scalar<'_>,
        folded: &mut String,
        mut each: impl FnMut(Fact),
    ) {
        worked(1);
        let mut tell = |facts: &Facts| {
            worked(facts.len());
            for fact in &self.facts[facts.start as usize..facts.end as usize] {
                each(*fact);
            }
        };
        match value {
            Scalar::Null => tell(&self.null),
            Scalar::Bool(true) => tell(&self.yes),
            Scalar::Bool(false) => tell(&self.no),
            Scalar::Number(number) => {
                if let Some(facts) = self.numbers.get(number) {
                    tell(facts);
                }
                if let Number::Comparable(millionths) = number {
                    self.ranges.of(*millionths, tell);
                }
            }
            Scalar::Text(text) => {
                if let Some(facts) = self.texts.get(*text) {
                    tell(facts);
                }
                if self.more {
                    self.more(text, folded, tell);
                }
            }
        }
    }

    fn more(&self, text: &str, folded: &mut String, mut tell: impl FnMut(&Facts)) {
        self.prefixes.of(text, &mut tell);
        self.suffixes.of(text, &mut tell);
        if self.folds {
            fold::into(text, folded);
            if let Some(facts) = self.folded.get(folded.as_str()) {
                tell(facts);
            }
            self.folded_prefixes.of(folded, &mut tell);
            self.folded_suffixes.of(folded, &mut tell);
        }
        if !self.wildcards.is_empty() {
            self.wildcards.of(text, &mut tell);
        }
        if !self.blocks.is_empty()
            && let Ok(address) = text.parse::<IpAddr>()
        {
            for blocks in &self.blocks {
                worked(1);
                if blocks.ipv4 == address.is_ipv4()
                    && let Some(facts) = blocks.firsts.get(&masked(address, blocks.bits))
                {
                    tell(facts);
                }
            }
        }
    }
}

/// The same condition in its cheapest form.
fn simpler(condition: Condition) -> Condition {
    match condition {
        Condition::Numeric(Range { low, high }) if low == high => {
            Condition::Number(Number::Comparable(low))
        }
        Condition::Wildcard(Wildcard { pieces }) => match pieces.as_slice() {
            [text] => Condition::Text(text.clone()),
            [start, end] if end.is_empty() => Condition::Prefix(start.clone()),
            [start, end] if start.is_empty() => Condition::Suffix(end.clone()),
            _ => Condition::Wildcard(Wildcard { pieces }),
        },
        other => other,
    }
}

#[derive(Default)]
struct Parts {
    facts: Vec<Fact>,
    texts: Map<Box<str>, Facts>,
    numbers: Map<Number, Facts>,
    null: Facts,
    yes: Facts,
    no: Facts,
    prefixes: Vec<(String, Facts)>,
    suffixes: Vec<(String, Facts)>,
    folded: Map<Box<str>, Facts>,
    folded_prefixes: Vec<(String, Facts)>,
    folded_suffixes: Vec<(String, Facts)>,
    wildcards: Vec<(Wildcard, Facts)>,
    ranges: Vec<(Range, Facts)>,
    blocks: Vec<Blocks>,
}

impl Parts {
    fn add(&mut self, condition: Condition, facts: Facts) {
        match condition {
            Condition::Text(text) => {
                self.texts.insert(text.into(), facts);
            }
            Condition::Number(number) => {
                self.numbers.insert(number, facts);
            }
            Condition::Bool(true) => self.yes = facts,
            Condition::Bool(false) => self.no = facts,
            Condition::Null => self.null = facts,
            Condition::Prefix(text) => self.prefixes.push((text, facts)),
            Condition::Suffix(text) => self.suffixes.push((text, facts)),
            Condition::Folded(text) => {
                self.folded.insert(text.into(), facts);
            }
            Condition::FoldedPrefix(text) => self.folded_prefixes.push((text, facts)),
            Condition::FoldedSuffix(text) => self.folded_suffixes.push((text, facts)),
            Condition::Wildcard(wildcard) => self.wildcards.push((wildcard, facts)),
            Condition::Numeric(range) => self.ranges.push((range, facts)),
            Condition::Cidr(block) => {
                let (first, bits) = (block.first(), block.bits());
                let ipv4 = first.is_ipv4();
                let same = self
                    .blocks
                    .iter()
                    .position(|b| (b.bits, b.ipv4) == (bits, ipv4));
                let place = same.unwrap_or_else(|| {
                    self.blocks.push(Blocks {
                        bits,
                        ipv4,
                        firsts: Map::default(),
                    });
                    self.blocks.len() - 1
                });
                self.blocks[place].firsts.insert(first, facts);
            }
            Condition::AnythingBut(_) | Condition::Present | Condition::Absent => {}
        }
    }
}
