//! What has been seen of one event.
//!
//! The memory is kept from event to event. What belongs to an earlier one has an earlier generation's
//! mark and counts for nothing, so that beginning costs nothing.

use super::Tables;
use super::values::Fact;

/// The notes on one event.
#[derive(Debug, Default)]
pub(super) struct Seen {
    generation: u32,
    fields: Vec<Field>,
    predicates: Vec<Predicate>,
    exclusions: Vec<Exclusion>,
    /// The predicates that values of a field met, as one list for each field.
    met: Vec<Met>,
    /// Every value of a named field.
    pub(super) leaves: Vec<Leaf>,
    /// The elements of arrays that are objects or arrays themselves, where fields can be; the first is
    /// the event. The elements within one follow it.
    pub(super) elements: Vec<Element>,
    /// Predicates and exclusions whose values stand in elements, for [`super::elements`].
    pub(super) met_within: Vec<(u32, u32)>,
    pub(super) hit_within: Vec<(u32, u32)>,
    /// Whether the lists above are sorted.
    pub(super) sorted: bool,
    /// Whether there are elements within elements.
    nested: bool,
    /// The rules that match.
    pub(super) rules: Vec<u32>,
    /// A text without its escapes.
    pub(super) unescaped: String,
    /// A text without its case.
    pub(super) folded: String,
}

#[derive(Clone, Copy, Debug, Default)]
struct Field {
    generation: u32,
    leaves: u32,
    /// Those outside of elements.
    free: u32,
    /// Its list in `met`: one more than the place, 0 for none.
    met: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Predicate {
    generation: u32,
    /// Whether a value outside of elements met it.
    free: bool,
    /// The first 64 elements in which values met it.
    elements: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Exclusion {
    generation: u32,
    /// How many leaves it excludes.
    leaves: u32,
    /// The last of them.
    last: u32,
}

#[derive(Clone, Copy, Debug)]
struct Met {
    predicate: u32,
    /// The next of the list, as in [`Field::met`].
    next: u32,
}

/// A value of a named field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf {
    pub(super) field: u32,
    pub(super) element: u32,
}

/// An element of an array.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element {
    /// The element around it.
    pub(super) parent: u32,
    /// Its array: the first element of the same array.
    pub(super) array: u32,
    /// One more than the last element within it.
    pub(super) end: u32,
}

impl Seen {
    /// Forgets the event before.
    pub(super) fn begin(&mut self, rules: &Tables) {
        self.generation = self.generation.wrapping_add(1);
        if self.generation == 0 {
            *self = Seen {
                generation: 1,
                ..Seen::default()
            };
        }
        grow(&mut self.fields, rules.values.len());
        grow(&mut self.predicates, rules.decisions.predicates.len());
        grow(&mut self.exclusions, rules.decisions.exclusions);
        self.met.clear();
        self.leaves.clear();
        self.elements.clear();
        self.elements.push(Element {
            parent: 0,
            array: 0,
            end: u32::MAX,
        });
        self.met_within.clear();
        self.hit_within.clear();
        self.sorted = false;
        self.nested = false;
        self.rules.clear();
    }

    /// Notes a value of a field.
    pub(super) fn leaf(&mut self, field: u32, element: u32) {
        let noted = &mut self.fields[field as usize];
        if noted.generation != self.generation {
            *noted = Field {
                generation: self.generation,
                ..Field::default()
            };
        }
        noted.leaves += 1;
        noted.free += u32::from(element == 0);
        self.leaves.push(Leaf { field, element });
    }

    /// Notes what the last leaf means.
    pub(super) fn fact(&mut self, fact: Fact) {
        let Some(&Leaf { field, element }) = self.leaves.last() else {
            return;
        };
        let leaf = index(self.leaves.len() - 1);
        match fact {
            Fact::Meets(predicate) => {
                let noted = &mut self.predicates[predicate as usize];
                if noted.generation != self.generation {
                    *noted = Predicate {
                        generation: self.generation,
                        ..Predicate::default()
                    };
                    let list = &mut self.fields[field as usize].met;
                    self.met.push(Met {
                        predicate,
                        next: *list,
                    });
                    *list = index(self.met.len());
                }
                noted.free |= element == 0;
                if element != 0 {
                    noted.elements |= 1_u64.checked_shl(element).unwrap_or(0);
                    self.met_within.push((predicate, element));
                }
            }
            Fact::Hits(exclusion) => {
                let noted = &mut self.exclusions[exclusion as usize];
                if noted.generation != self.generation {
                    *noted = Exclusion {
                        generation: self.generation,
                        ..Exclusion::default()
                    };
                } else if noted.last == leaf {
                    return;
                }
                noted.leaves += 1;
                noted.last = leaf;
                if element != 0 {
                    self.hit_within.push((exclusion, leaf));
                }
            }
        }
    }

    /// Notes that an element of an array begins; `array` is the first element of the same array, if
    /// this is not it.
    pub(super) fn open(&mut self, parent: u32, array: Option<u32>) -> u32 {
        let element = index(self.elements.len());
        self.nested |= parent != 0;
        self.elements.push(Element {
            parent,
            array: array.unwrap_or(element),
            end: u32::MAX,
        });
        element
    }

    /// Notes that it ends.
    pub(super) fn close(&mut self, element: u32) {
        self.elements[element as usize].end = index(self.elements.len());
    }

    /// How many values a field has, and how many of them outside of elements.
    pub(super) fn leaves(&self, field: u32) -> (u32, u32) {
        let noted = &self.fields[field as usize];
        if noted.generation == self.generation {
            (noted.leaves, noted.free)
        } else {
            (0, 0)
        }
    }

    /// The list of the predicates that values of a field met, for [`Seen::next_met`].
    pub(super) fn met(&self, field: u32) -> u32 {
        let noted = &self.fields[field as usize];
        if noted.generation == self.generation {
            noted.met
        } else {
            0
        }
    }

    /// The first predicate of such a list, and the rest of it.
    pub(super) fn next_met(&self, list: u32) -> Option<(u32, u32)> {
        let met = self.met.get((list as usize).checked_sub(1)?)?;
        Some((met.predicate, met.next))
    }

    /// The elements in which values met a predicate, as bits; exact if [`Seen::is_flat`].
    pub(super) fn met_in(&self, predicate: u32) -> u64 {
        let noted = &self.predicates[predicate as usize];
        if noted.generation == self.generation {
            noted.elements
        } else {
            0
        }
    }

    /// Whether the elements are few and none is within another.
    pub(super) fn is_flat(&self) -> bool {
        !self.nested && self.elements.len() <= u64::BITS as usize
    }

    /// Whether a value met a predicate by itself, and whether one outside of elements did.
    pub(super) fn meets(&self, predicate: u32) -> (bool, bool) {
        let noted = &self.predicates[predicate as usize];
        let met = noted.generation == self.generation;
        (met, met && noted.free)
    }

    /// How many leaves an exclusion excludes.
    pub(super) fn hits(&self, exclusion: u32) -> u32 {
        let noted = &self.exclusions[exclusion as usize];
        if noted.generation == self.generation {
            noted.leaves
        } else {
            0
        }
    }
}

fn grow<T: Default + Clone>(list: &mut Vec<T>, len: usize) {
    if list.len() < len {
        list.resize(len, T::default());
    }
}

/// Places in the lists of one event: there are fewer than its bytes, and an event is far below 4 GB.
pub(super) fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
