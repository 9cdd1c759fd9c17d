//! From what has been seen of an event to the rules that match.
//!
//! Each branch of each pattern is a list of predicates, in one order for all: fields that tell patterns
//! apart come first. The lists are the paths of a tree; patterns that begin alike share the beginning.
//! A node is reached at most once for an event, and only if everything on its path is met. Where a path
//! leads to one branch only, it ends, and what is left of the branch is asked in a row.

use super::elements;
use super::seen::Seen;
use super::work::worked;

/// Up to here, asking each predicate is faster than looking for those that are met.
const FEW: usize = 8;

/// A part of a list.
pub(super) type Part = std::ops::Range<u32>;

/// The tree and its predicates. The tree lies flat in a few lists, so that a path through it touches
/// little memory.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    pub(super) root: Next,
    pub(super) nodes: Vec<Node>,
    pub(super) groups: Vec<Group>,
    /// Predicates with what they lead to.
    pub(super) edges: Vec<(u32, Next)>,
    /// Branches, by the nodes at which they end.
    pub(super) ends: Vec<u32>,
    pub(super) predicates: Vec<Predicate>,
    pub(super) branches: Vec<Branch>,
    /// How many `anything-but` there are.
    pub(super) exclusions: usize,
}

/// What a predicate leads to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    Node(u32),
    /// The only branch that goes on from there.
    Branch(u32),
}

impl Default for Next {
    fn default() -> Next {
        Next::Node(0)
    }
}

/// A node of the tree.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Its part of [`Decisions::groups`].
    pub(super) groups: Part,
    /// Its part of [`Decisions::ends`].
    pub(super) ends: Part,
}

/// The predicates on one field that go on from a node: parts of [`Decisions::edges`].
#[derive(Debug)]
pub(super) struct Group {
    pub(super) field: u32,
    /// Those that a single value decides, sorted.
    pub(super) direct: Part,
    /// Those that may also be met otherwise.
    pub(super) others: Part,
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
    /// How many of them the path to it has decided.
    pub(super) decided: usize,
}

impl Decisions {
    /// The rules that match, in order.
    pub(super) fn matching<'s>(&self, seen: &'s mut Seen) -> &'s [u32] {
        let mut rules = std::mem::take(&mut seen.rules);
        self.follow(self.root, seen, &mut rules);
        if rules.len() > 1 {
            rules.sort_unstable();
            rules.dedup();
        }
        seen.rules = rules;
        &seen.rules
    }

    fn follow(&self, next: Next, seen: &mut Seen, rules: &mut Vec<u32>) {
        worked(1);
        let node = match next {
            Next::Node(node) => &self.nodes[node as usize],
            Next::Branch(branch) => return self.end(branch, seen, rules),
        };
        for branch in part(&self.ends, &node.ends) {
            self.end(*branch, seen, rules);
        }
        for group in part(&self.groups, &node.groups) {
            let direct = part(&self.edges, &group.direct);
            if direct.len() <= FEW {
                for (predicate, next) in direct {
                    worked(1);
                    if seen.meets(*predicate).0 {
                        self.follow(*next, seen, rules);
                    }
                }
            } else {
                let mut met = seen.met(group.field);
                while let Some((predicate, others)) = seen.next_met(met) {
                    worked(1);
                    met = others;
                    if let Some(next) = find(direct, predicate) {
                        self.follow(next, seen, rules);
                    }
                }
            }
            for (predicate, next) in part(&self.edges, &group.others) {
                worked(1);
                if self.holds(*predicate, seen) {
                    self.follow(*next, seen, rules);
                }
            }
        }
    }

    /// Asks for what is left of a branch.
    fn end(&self, branch: u32, seen: &mut Seen, rules: &mut Vec<u32>) {
        let branch = &self.branches[branch as usize];
        let left = &branch.predicates[branch.decided..];
        worked(left.len());
        let holds = left.iter().all(|predicate| self.holds(*predicate, seen));
        if holds && (seen.elements.len() == 1 || elements::consistent(self, branch, seen)) {
            rules.push(branch.rule);
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

fn part<'a, T>(list: &'a [T], part: &Part) -> &'a [T] {
    &list[part.start as usize..part.end as usize]
}

/// Looks a predicate up. Those of one field have numbers in a row, so that the place is usually known.
fn find(sorted: &[(u32, Next)], predicate: u32) -> Option<Next> {
    let (first, _) = *sorted.first()?;
    let guess = sorted.get(predicate.checked_sub(first)? as usize);
    match guess {
        Some((found, next)) if *found == predicate => Some(*next),
        _ => {
            worked(sorted.len().ilog2() as usize + 1);
            let place = sorted
                .binary_search_by_key(&predicate, |(id, _)| *id)
                .ok()?;
            Some(sorted[place].1)
        }
    }
}
