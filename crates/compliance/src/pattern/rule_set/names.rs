//! The names of the fields, as a tree of steps.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::short::same;

/// No field, no name.
pub(super) const NONE: u32 = u32::MAX;
/// Up to here, comparing with each name is faster than hashing.
const FEW: usize = 8;

/// The tree; its root is name 0.
#[derive(Debug)]
pub(super) struct Names {
    names: Vec<Name>,
}

/// One step of a name.
#[derive(Debug, Default)]
pub(super) struct Name {
    /// The field that ends here, or [`NONE`].
    pub(super) field: u32,
    /// The next steps.
    pub(super) below: Vec<(Box<str>, u32)>,
    /// Places in `below`, if there are many.
    places: HashMap<Box<str>, u32, FixedState>,
    /// The bytes that the next steps start with.
    starts: [u64; 4],
    /// Whether a next step is the empty text.
    has_empty: bool,
}

/// Where a member's name leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To the next step at this place in `below`.
    To(usize),
    /// To a name further down: the member's name has dots.
    Dotted,
    /// To nothing that a pattern names.
    Nowhere,
}

impl Names {
    pub(super) fn new() -> Names {
        Names {
            names: vec![Name::new()],
        }
    }

    pub(super) fn get(&self, name: u32) -> &Name {
        &self.names[name as usize]
    }

    /// The name of these steps, made if it is not there.
    pub(super) fn insert(&mut self, steps: &[String]) -> u32 {
        let mut at = 0;
        for step in steps {
            at = match self.get(at).find(step) {
                Some(place) => self.get(at).below[place].1,
                None => {
                    // Patterns are bounded, and memory ends long before this number does.
                    let made = u32::try_from(self.names.len()).unwrap_or(NONE);
                    self.names.push(Name::new());
                    self.names[at as usize].add(step, made);
                    made
                }
            };
        }
        at
    }

    /// Says which field ends at a name.
    pub(super) fn set_field(&mut self, name: u32, field: u32) {
        self.names[name as usize].field = field;
    }

    /// Where a member's name leads from a name.
    pub(super) fn step(&self, from: u32, member: &str) -> Step {
        let name = self.get(from);
        if !name.may_start(member) {
            return Step::Nowhere;
        }
        if let Some(place) = name.find(member) {
            return Step::To(place);
        }
        match member.split_once('.') {
            Some((step, rest)) if self.leads(name, step, rest) => Step::Dotted,
            _ => Step::Nowhere,
        }
    }

    /// Whether steps joined with dots lead to a name.
    fn leads(&self, from: &Name, step: &str, rest: &str) -> bool {
        let mut name = from;
        let mut steps = std::iter::once(step).chain(rest.split('.'));
        steps.all(|step| match name.find(step) {
            Some(place) => {
                name = self.get(name.below[place].1);
                true
            }
            None => false,
        })
    }
}

impl Name {
    fn new() -> Name {
        Name {
            field: NONE,
            ..Name::default()
        }
    }

    fn add(&mut self, step: &str, name: u32) {
        match step.as_bytes().first() {
            Some(byte) => self.starts[usize::from(byte >> 6)] |= 1 << (byte & 63),
            None => self.has_empty = true,
        }
        self.below.push((step.into(), name));
        if self.below.len() > FEW {
            let places = self.below.iter().zip(0..);
            self.places = places
                .map(|((step, _), place)| (step.clone(), place))
                .collect();
        }
    }

    /// Whether a member of that name could lead somewhere, at a glance.
    fn may_start(&self, member: &str) -> bool {
        self.has_empty
            || member
                .as_bytes()
                .first()
                .is_some_and(|byte| self.starts[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1)
    }

    /// The place of a next step in `below`.
    pub(super) fn find(&self, step: &str) -> Option<usize> {
        if self.below.len() > FEW {
            self.places.get(step).map(|place| *place as usize)
        } else {
            self.below
                .iter()
                .position(|(name, _)| same(name.as_bytes(), step.as_bytes()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Names, Step};

    fn steps(name: &str) -> Vec<String> {
        name.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn names_lead_where_patterns_named_something() {
        let mut names = Names::new();
        names.insert(&steps("detail.state.status"));
        names.insert(&steps("detail.n"));
        for at in 0..20 {
            names.insert(&steps(&format!("detail.many{at}")));
        }
        let Step::To(place) = names.step(0, "detail") else {
            unreachable!("it was inserted")
        };
        let detail = names.get(0).below[place].1;
        assert!(matches!(names.step(detail, "n"), Step::To(_)));
        assert!(matches!(names.step(detail, "many7"), Step::To(_)));
        assert_eq!(names.step(detail, "state.status"), Step::Dotted);
        assert_eq!(names.step(0, "detail.state"), Step::Dotted);
        assert_eq!(names.step(0, "detail.state.other"), Step::Nowhere);
        assert_eq!(names.step(0, "other"), Step::Nowhere);
        assert_eq!(names.step(0, ""), Step::Nowhere);
    }
}
