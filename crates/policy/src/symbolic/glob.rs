//! Patterns over sets of characters.

use crate::pattern::{Element, Pattern};

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
    pub(crate) fn exact(&self) -> Option<String> {
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
    pub(crate) fn takes(&self, step: &Step, c: char) -> bool {
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
    pub(crate) fn sample(&self, filler: char, fill_stars: bool) -> String {
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
    pub(crate) fn includes(&self, other: &Glob) -> bool {
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
    pub(crate) fn accepts_all_from(&self, position: usize) -> bool {
        position < self.steps.len()
            && self.steps[position..]
                .iter()
                .all(|s| s.repeats && s.set == Set::Any)
    }
}
