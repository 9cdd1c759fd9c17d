//! From patterns to the [`Tables`] of a rule set.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use super::super::EventPattern;
use super::super::condition::Condition;
use super::Tables;
use super::decide::{Branch, Decisions, Group, Next, Node, Predicate};
use super::names::{NONE, Names};
use super::seen::index;
use super::values::{Fact, Values};

/// A predicate before it has its number.
type Draft = (u32, Arc<[Condition]>);

/// The tables of the patterns.
pub(super) fn tables(patterns: &[EventPattern]) -> Tables {
    let mut names = Names::new();
    let mut fields = 0;
    let mut drafts: Vec<Draft> = Vec::new();
    let mut numbers: HashMap<Draft, u32> = HashMap::new();
    let mut branches: Vec<Branch> = Vec::new();
    for (pattern, rule) in patterns.iter().zip(0..) {
        for branch in &pattern.branches {
            let predicates = branch.fields.iter().map(|field| {
                let name = names.insert(&field.steps);
                if names.get(name).field == NONE {
                    names.set_field(name, fields);
                    fields += 1;
                }
                let draft = (names.get(name).field, field.conditions.clone());
                *numbers.entry(draft.clone()).or_insert_with(|| {
                    drafts.push(draft);
                    index(drafts.len() - 1)
                })
            });
            let predicates = predicates.collect();
            branches.push(Branch {
                rule,
                predicates,
                decided: 0,
            });
        }
    }
    renumber(&mut drafts, &mut branches);
    let (values, predicates, exclusions) = index_values(&drafts, fields);
    let mut decisions = Decisions {
        predicates,
        branches,
        exclusions,
        ..Decisions::default()
    };
    order(&mut decisions, fields);
    tree(&mut decisions);
    Tables {
        names,
        values,
        decisions,
    }
}

/// Gives the predicates of one field numbers in a row.
fn renumber(drafts: &mut Vec<Draft>, branches: &mut [Branch]) {
    let mut numbered: Vec<(usize, Draft)> = drafts.drain(..).enumerate().collect();
    numbered.sort_by_key(|(_, (field, _))| *field);
    let mut new = vec![0; numbered.len()];
    for ((old, draft), at) in numbered.into_iter().zip(0..) {
        new[old] = at;
        drafts.push(draft);
    }
    for predicate in branches
        .iter_mut()
        .flat_map(|branch| &mut branch.predicates)
    {
        *predicate = new[*predicate as usize];
    }
}

fn index_values(drafts: &[Draft], fields: u32) -> (Vec<Values>, Vec<Predicate>, usize) {
    let mut facts: Vec<Vec<(Condition, Fact)>> = vec![Vec::new(); fields as usize];
    let mut predicates = Vec::new();
    let mut exclusions = 0;
    for ((field, conditions), number) in drafts.iter().zip(0..) {
        let facts = &mut facts[*field as usize];
        let mut predicate = Predicate {
            field: *field,
            present: false,
            may_miss: false,
            exclusions: Vec::new(),
        };
        for condition in conditions.iter() {
            match condition {
                Condition::Present => predicate.present = true,
                Condition::Absent => predicate.may_miss = true,
                Condition::AnythingBut(excluded) => {
                    let exclusion = index(exclusions);
                    exclusions += 1;
                    predicate.exclusions.push(exclusion);
                    facts.extend(excluded.iter().map(|c| (c.clone(), Fact::Hits(exclusion))));
                }
                direct => facts.push((direct.clone(), Fact::Meets(number))),
            }
        }
        predicates.push(predicate);
    }
    (
        facts.into_iter().map(Values::new).collect(),
        predicates,
        exclusions,
    )
}

/// Puts the predicates of each branch into the order of the tree: fields that tell branches apart first.
fn order(decisions: &mut Decisions, fields: u32) {
    let mut kinds = vec![0_usize; fields as usize];
    for predicate in &decisions.predicates {
        kinds[predicate.field as usize] += usize::from(predicate.is_direct());
    }
    let predicates = &decisions.predicates;
    for branch in &mut decisions.branches {
        branch.predicates.sort_by_key(|id| {
            let predicate = &predicates[*id as usize];
            (
                !predicate.is_direct(),
                Reverse(kinds[predicate.field as usize]),
                predicate.field,
            )
        });
    }
}

/// Builds the tree from the branches.
fn tree(decisions: &mut Decisions) {
    let branches = &decisions.branches;
    let mut sorted: Vec<u32> = (0..index(branches.len())).collect();
    sorted.sort_by(|a, b| {
        let predicates = |branch: &u32| branches[*branch as usize].predicates.as_slice();
        predicates(a).cmp(predicates(b))
    });
    decisions.root = below(decisions, &sorted, 0);
}

/// Builds what leads to some branches, sorted, whose first predicates are the same: so many.
fn below(decisions: &mut Decisions, branches: &[u32], decided: usize) -> Next {
    if let [branch] = branches {
        decisions.branches[*branch as usize].decided = decided;
        return Next::Branch(*branch);
    }
    let at = decisions.nodes.len();
    decisions.nodes.push(Node::default());
    let next = |decisions: &Decisions, branch: u32| {
        let predicates = &decisions.branches[branch as usize].predicates;
        predicates.get(decided).copied()
    };
    // Those without a next predicate are first.
    let ended = branches.partition_point(|branch| next(decisions, *branch).is_none());
    let (ended, others) = branches.split_at(ended);
    let first_end = index(decisions.ends.len());
    for branch in ended {
        decisions.branches[*branch as usize].decided = decided;
        decisions.ends.push(*branch);
    }
    let mut edges: Vec<(u32, u32, &[u32])> = Vec::new();
    for same in others.chunk_by(|a, b| next(decisions, *a) == next(decisions, *b)) {
        if let Some(predicate) = same.first().and_then(|one| next(decisions, *one)) {
            let field = decisions.predicates[predicate as usize].field;
            edges.push((field, predicate, same));
        }
    }
    // Each field's edges come in a row: its predicates have numbers in a row.
    let first_group = index(decisions.groups.len());
    let mut place = index(decisions.edges.len());
    for group in edges.chunk_by(|(a, ..), (b, ..)| a == b) {
        let is_direct = |(_, predicate, _): &&(u32, u32, &[u32])| {
            decisions.predicates[*predicate as usize].is_direct()
        };
        let (direct, others): (Vec<_>, Vec<_>) = group.iter().partition(is_direct);
        let middle = place + index(direct.len());
        let end = middle + index(others.len());
        for (_, predicate, _) in direct.iter().chain(&others) {
            decisions.edges.push((*predicate, Next::Node(0)));
        }
        decisions.groups.push(Group {
            field: group.first().map_or(NONE, |(field, ..)| *field),
            direct: place..middle,
            others: middle..end,
        });
        place = end;
    }
    decisions.nodes[at] = Node {
        groups: first_group..index(decisions.groups.len()),
        ends: first_end..index(decisions.ends.len()),
    };
    // What is below comes behind, and then the edges to it are known.
    for group in first_group..index(decisions.groups.len()) {
        let Group { direct, others, .. } = &decisions.groups[group as usize];
        for edge in direct.start..others.end {
            let (predicate, _) = decisions.edges[edge as usize];
            let found = edges.binary_search_by_key(&predicate, |(_, of, _)| *of);
            let branches = found.map_or(&[][..], |place| edges[place].2);
            let next = below(decisions, branches, decided + 1);
            decisions.edges[edge as usize].1 = next;
        }
    }
    Next::Node(index(at))
}
