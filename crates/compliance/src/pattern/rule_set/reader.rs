//! Reads an event from its text, once, without building a tree.
//!
//! Only what patterns name is read; what they do not name is skipped by its brackets and quotes. Where
//! every name below an object has been met, the rest of the object is skipped, and where nothing at all
//! is left to be met, reading ends.

use super::super::number::{self, Number};
use super::names::{NONE, Step};
use super::seen::Seen;
use super::values::Scalar;
use super::walk::note;
use super::work::worked;
use super::{EventError, Tables};

/// How deep an event may be nested where it is read: as deep as `serde_json` reads.
const MAX_DEPTH: usize = 127;
/// How many names below one name are told apart when one stands twice.
const REMEMBERED: usize = 64;

/// Why reading ends early.
#[derive(Debug)]
pub(super) enum Stop {
    /// A member's name with dots leads to a named field: [`super::walk`] reads such events.
    Dotted,
    Malformed(EventError),
}

/// Whether there is anything left to read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Done,
}

/// That reading ends early; [`Reader::problem`] says why. Small, since every step may return it.
struct Halt;

/// Notes the values of an event.
pub(super) fn read(text: &str, rules: &Tables, seen: &mut Seen) -> Result<(), Stop> {
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        at: 0,
        depth: 0,
        problem: None,
        rules,
        seen,
    };
    let read = reader.event();
    worked(reader.at);
    match read {
        Ok(_) => Ok(()),
        Err(Halt) => Err(match reader.problem {
            Some(problem) => Stop::Malformed(EventError {
                problem,
                at: reader.at,
            }),
            None => Stop::Dotted,
        }),
    }
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    /// What is wrong at `at`.
    problem: Option<&'static str>,
    rules: &'a Tables,
    seen: &'a mut Seen,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        // Most events have none; what stands there instead comes behind the space in ASCII.
        while let Some(byte) = self.peek()
            && byte <= b' '
            && matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
        {
            self.at += 1;
        }
    }

    #[cold]
    fn wrong<T>(&mut self, problem: &'static str) -> Result<T, Halt> {
        self.problem = Some(problem);
        Err(Halt)
    }

    fn event(&mut self) -> Result<Flow, Halt> {
        self.space();
        if self.peek() != Some(b'{') {
            return self.wrong("it does not start with a brace");
        }
        self.object(0, 0, true)
    }

    /// An object below a name. `last`: nothing is left to be met behind it.
    fn object(&mut self, name: u32, element: u32, last: bool) -> Result<Flow, Halt> {
        self.deeper()?;
        let rules = self.rules;
        let below = &rules.names.get(name).below;
        let mut left = below.len();
        let mut met = 0_u64;
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            self.depth -= 1;
            return Ok(Flow::On);
        }
        loop {
            let step = self.member(name)?;
            let place = match step {
                Step::To(place) if place >= REMEMBERED => Some(place),
                Step::To(place) if met >> place & 1 == 0 => {
                    met |= 1 << place;
                    left -= 1;
                    Some(place)
                }
                _ => None,
            };
            match place {
                Some(place) => {
                    let last = last && left == 0;
                    if self.value(below[place].1, element, last)? == Flow::Done {
                        return Ok(Flow::Done);
                    }
                    if last {
                        return Ok(Flow::Done);
                    }
                    if left == 0 {
                        self.depth -= 1;
                        self.skip_rest()?;
                        return Ok(Flow::On);
                    }
                }
                None if self.peek() == Some(b'"') => {
                    self.string()?;
                }
                None => self.skip()?,
            }
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    self.depth -= 1;
                    return Ok(Flow::On);
                }
                _ => return self.wrong("a comma or a closing brace is missing"),
            }
            self.space();
        }
    }

    /// A member's name and the colon behind it: where it leads.
    fn member(&mut self, name: u32) -> Result<Step, Halt> {
        let rules = self.rules;
        if self.peek() != Some(b'"') {
            return self.wrong("a member's name is missing");
        }
        let (member, escaped) = self.string()?;
        let step = if escaped {
            let member = self.unescape(member)?;
            let step = rules.names.step(name, &member);
            self.seen.unescaped = member;
            step
        } else {
            rules.names.step(name, &self.text[member])
        };
        if step == Step::Dotted {
            return Err(Halt);
        }
        self.space();
        if self.peek() != Some(b':') {
            return self.wrong("a colon is missing");
        }
        self.at += 1;
        self.space();
        Ok(step)
    }

    fn array(&mut self, name: u32, element: u32) -> Result<Flow, Halt> {
        self.deeper()?;
        let mut array = None;
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            self.depth -= 1;
            return Ok(Flow::On);
        }
        loop {
            match self.peek() {
                Some(b'{' | b'[') => {
                    let inner = self.seen.open(element, array);
                    array.get_or_insert(inner);
                    self.value(name, inner, false)?;
                    self.seen.close(inner);
                }
                _ => {
                    self.value(name, element, false)?;
                }
            }
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    self.depth -= 1;
                    return Ok(Flow::On);
                }
                _ => return self.wrong("a comma or a closing bracket is missing"),
            }
            self.space();
        }
    }

    fn deeper(&mut self) -> Result<(), Halt> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.wrong("values are nested too deep");
        }
        Ok(())
    }

    /// A value below a name.
    fn value(&mut self, name: u32, element: u32, last: bool) -> Result<Flow, Halt> {
        let rules = self.rules;
        let here = rules.names.get(name);
        match self.peek() {
            Some(b'{') if here.below.is_empty() => self.skip()?,
            Some(b'{') => return self.object(name, element, last),
            Some(b'[') => return self.array(name, element),
            _ if here.field == NONE => self.skip()?,
            _ => self.scalar(here.field, element)?,
        }
        Ok(Flow::On)
    }

    fn scalar(&mut self, field: u32, element: u32) -> Result<(), Halt> {
        match self.peek() {
            Some(b'"') => {
                let (text, escaped) = self.string()?;
                if escaped {
                    let text = self.unescape(text)?;
                    self.note(field, element, &Scalar::Text(&text));
                    self.seen.unescaped = text;
                } else {
                    let text = &self.text[text];
                    self.note(field, element, &Scalar::Text(text));
                }
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => self.number(field, element),
            Some(b't') => self.literal("true", field, element, &Scalar::Bool(true)),
            Some(b'f') => self.literal("false", field, element, &Scalar::Bool(false)),
            Some(b'n') => self.literal("null", field, element, &Scalar::Null),
            _ => self.wrong("a value is missing"),
        }
    }

    fn literal(
        &mut self,
        text: &str,
        field: u32,
        element: u32,
        scalar: &Scalar<'_>,
    ) -> Result<(), Halt> {
        if !self.bytes[self.at..].starts_with(text.as_bytes()) {
            return self.wrong("a value is malformed");
        }
        self.at += text.len();
        self.note(field, element, scalar);
        Ok(())
    }

    fn number(&mut self, field: u32, element: u32) -> Result<(), Halt> {
        let start = self.at;
        while let Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') = self.peek() {
            self.at += 1;
        }
        if !self.rules.values[field as usize].compares_numbers() {
            self.seen.leaf(field, element);
            return Ok(());
        }
        let text = &self.text[start..self.at];
        let number = match number::plain(text) {
            Some(millionths) => Number::Comparable(millionths),
            None => match Number::read(text) {
                Some(number) => number,
                None => {
                    self.at = start;
                    return self.wrong("a number is malformed");
                }
            },
        };
        self.note(field, element, &Scalar::Number(number));
        Ok(())
    }

    fn note(&mut self, field: u32, element: u32, scalar: &Scalar<'_>) {
        note(self.rules, self.seen, field, element, scalar);
    }

    /// Passes a string, and gives what stands between its quotes and whether it has escapes.
    #[inline]
    fn string(&mut self) -> Result<(std::ops::Range<usize>, bool), Halt> {
        let start = self.at + 1;
        let mut at = start;
        let mut escaped = false;
        loop {
            match quote_or_backslash(self.bytes, at) {
                Some((found, true)) => {
                    self.at = found + 1;
                    return Ok((start..found, escaped));
                }
                Some((found, false)) => {
                    escaped = true;
                    at = found + 2;
                }
                None => return self.wrong("a string does not end"),
            }
        }
    }

    /// A string with its escapes resolved, in memory that is kept.
    fn unescape(&mut self, inside: std::ops::Range<usize>) -> Result<String, Halt> {
        let quoted = &self.text[inside.start - 1..inside.end + 1];
        let mut text = std::mem::take(&mut self.seen.unescaped);
        let mut json = serde_json::Deserializer::from_str(quoted);
        match serde::Deserialize::deserialize_in_place(&mut json, &mut text) {
            Ok(()) => Ok(text),
            Err(_) => self.wrong("a string is malformed"),
        }
    }

    /// Passes a value.
    fn skip(&mut self) -> Result<(), Halt> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'{' | b'[') => {
                self.at += 1;
                self.skip_rest()
            }
            _ => {
                let start = self.at;
                while let Some(byte) = self.peek() {
                    if matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t') {
                        break;
                    }
                    self.at += 1;
                }
                if self.at == start {
                    return self.wrong("a value is missing");
                }
                Ok(())
            }
        }
    }

    /// Passes what is left of an object or array.
    fn skip_rest(&mut self) -> Result<(), Halt> {
        let mut open = 1_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => open += 1,
                b'}' | b']' => {
                    open -= 1;
                    if open == 0 {
                        self.at += 1;
                        return Ok(());
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        self.wrong("the text ends within a value")
    }
}

/// The place of the next quote or backslash, and whether it is a quote; eight bytes at a time.
#[inline]
fn quote_or_backslash(bytes: &[u8], from: usize) -> Option<(usize, bool)> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);
    const QUOTES: u64 = u64::from_le_bytes([b'"'; 8]);
    const BACKSLASHES: u64 = u64::from_le_bytes([b'\\'; 8]);
    // The lowest byte that is zero keeps its high bit; those above it may be wrong.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let mut at = from;
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        let (quotes, backslashes) = (zeros(word ^ QUOTES), zeros(word ^ BACKSLASHES));
        let found = quotes | backslashes;
        if found != 0 {
            let first = found & found.wrapping_neg();
            let place = at + (found.trailing_zeros() / 8) as usize;
            return Some((place, quotes & first != 0));
        }
        at += 8;
    }
    let rest = bytes.get(at..)?.iter();
    rest.zip(at..)
        .find(|(byte, _)| matches!(byte, b'"' | b'\\'))
        .map(|(byte, at)| (at, *byte == b'"'))
}
