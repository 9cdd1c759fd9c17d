//! From what has been seen of an event to the rules that match.
//!
//! Each branch of each pattern is a list of predicates, in one order for all: fields that tell patterns
//! apart come first. The lists are the paths of a tree; patterns that begin alike share the beginning.
//! A node is reached at most once for an event, and only if everything on its path is met.

use super::elements;
use super::seen::Seen;

/// Up to here, asking each predicate is faster than looking for those that are met.
const FEW: usize = 8;

/// The tree and its predicates.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    /// The root is node 0.
    pub(super) nodes: Vec<Node>,
    pub(super) predicates: Vec<Predicate>,
    pub(super) branches: Vec<Branch>,
    /// How many `anything-but` there are.
    pub(super) exclusions: usize,
}

/// A node of the tree.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) groups: Vec<Group>,
    /// The branches that end here.
    pub(super) branches: Vec<u32>,
}

/// The predicates on one field that go on from a node, with the nodes that they lead to.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) field: u32,
    /// Those that a single value decides, sorted.
    pub(super) direct: Vec<(u32, u32)>,
    /// Those that may also be met otherwise.
    pub(super) others: Vec<(u32, u32)>,
}

/// A field with its list of conditions.
#[derive(Debug)]
pub(super) struct Predicate {
    pub(super) field: u32,
    /// Whether any value will do.
    pub(super) present: bool,
    /// Whether the field may be missing.
    pub(super) may_miss: bool,
    /// Its `anything-but`: a value that one of them does not exclude will do.
    pub(super) exclusions: Vec<u32>,
}

impl Predicate {
    /// Whether single values decide it, each by its facts.
    pub(super) fn is_direct(&self) -> bool {
        !self.present && !self.may_miss && self.exclusions.is_empty()
    }
}

/// One branch of a rule's pattern.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) rule: u32,
    pub(super) predicates: Vec<u32>,
}

impl Decisions {
    /// The rules that match, in order.
    pub(super) fn matching<'s>(&self, seen: &'s mut Seen) -> &'s [u32] {
        let mut rules = std::mem::take(&mut seen.rules);
        self.follow(0, seen, &mut rules);
        if rules.len() > 1 {
            rules.sort_unstable();
            rules.dedup();
        }
        seen.rules = rules;
        &seen.rules
    }

    fn follow(&self, node: u32, seen: &mut Seen, rules: &mut Vec<u32>) {
        let node = &self.nodes[node as usize];
        for branch in &node.branches {
            let branch = &self.branches[*branch as usize];
            if seen.elements.len() == 1 || elements::consistent(self, branch, seen) {
                rules.push(branch.rule);
            }
        }
        for group in &node.groups {
            if group.direct.len() <= FEW {
                for (predicate, next) in &group.direct {
                    if seen.meets(*predicate).0 {
                        self.follow(*next, seen, rules);
                    }
                }
            } else {
                let mut met = seen.met(group.field);
                while let Some((predicate, others)) = seen.next_met(met) {
                    met = others;
                    if let Some(next) = find(&group.direct, predicate) {
                        self.follow(next, seen, rules);
                    }
                }
            }
            for (predicate, next) in &group.others {
                if self.holds(*predicate, seen) {
                    self.follow(*next, seen, rules);
                }
            }
        }
    }

    /// Whether a predicate holds, arrays aside: if its field may be missing and all its values stand in
    /// elements of arrays, it may hold for some of them.
    fn holds(&self, id: u32, seen: &Seen) -> bool {
        let predicate = &self.predicates[id as usize];
        if seen.meets(id).0 {
            return true;
        }
        let (leaves, free) = seen.leaves(predicate.field);
        (predicate.may_miss && free == 0)
            || (predicate.present && leaves > 0)
            || predicate.exclusions.iter().any(|e| seen.hits(*e) < leaves)
    }
}

/// Looks a predicate up. Those of one field have numbers in a row, so that the place is usually known.
fn find(sorted: &[(u32, u32)], predicate: u32) -> Option<u32> {
    let (first, _) = *sorted.first()?;
    let guess = sorted.get(predicate.checked_sub(first)? as usize);
    match guess {
        Some((found, next)) if *found == predicate => Some(*next),
        _ => {
            let place = sorted
                .binary_search_by_key(&predicate, |(id, _)| *id)
                .ok()?;
            Some(sorted[place].1)
        }
    }
}
