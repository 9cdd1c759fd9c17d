//! From patterns to the [`Tables`] of a rule set.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use super::super::EventPattern;
use super::super::condition::Condition;
use super::Tables;
use super::decide::{Branch, Decisions, Group, Node, Predicate};
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
            branches.push(Branch { rule, predicates });
        }
    }
    renumber(&mut drafts, &mut branches);
    let (values, predicates, exclusions) = index_values(&drafts, fields);
    let mut decisions = Decisions {
        nodes: Vec::new(),
        predicates,
        branches,
        exclusions,
    };
    order(&mut decisions, fields);
    decisions.nodes = tree(&decisions);
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

fn tree(decisions: &Decisions) -> Vec<Node> {
    let mut nodes = vec![Node::default()];
    let mut next: HashMap<(u32, u32), u32> = HashMap::new();
    for (branch, number) in decisions.branches.iter().zip(0..) {
        let mut at = 0;
        for predicate in &branch.predicates {
            at = *next.entry((at, *predicate)).or_insert_with(|| {
                nodes.push(Node::default());
                index(nodes.len() - 1)
            });
        }
        nodes[at as usize].branches.push(number);
    }
    let mut edges: Vec<(u32, u32, u32)> = next
        .into_iter()
        .map(|((from, p), to)| (from, p, to))
        .collect();
    // Sorted by predicate and so by field: each field's edges of a node come in a row.
    edges.sort_unstable();
    for (from, id, to) in edges {
        let predicate = &decisions.predicates[id as usize];
        let groups = &mut nodes[from as usize].groups;
        if groups
            .last()
            .is_none_or(|group| group.field != predicate.field)
        {
            groups.push(Group {
                field: predicate.field,
                direct: Vec::new(),
                others: Vec::new(),
            });
        }
        if let Some(group) = groups.last_mut() {
            let list = if predicate.is_direct() {
                &mut group.direct
            } else {
                &mut group.others
            };
            list.push((id, to));
        }
    }
    nodes
}
