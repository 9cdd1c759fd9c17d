//! Array consistency: whether the fields of a branch hold with one element chosen of each array.
//!
//! Elements are numbered in the order of the event, so that those within one are a range of numbers.
//! Below an element, the fields whose values stand in the same array have to agree on one element of
//! it; those in other arrays are independent. So the choice is made array by array, from the outside
//! inwards, and only among elements in which a field that must be there is met.

use super::decide::{Branch, Decisions};
use super::seen::{Element, Seen};

/// How some fields fare within an element, as in the plain reading.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Fails,
    Missing,
    Found,
}

/// A field of the branch: the elements in which it has values, and those in which one is right.
struct Claim {
    any: Vec<u32>,
    right: Vec<u32>,
    may_miss: bool,
}

/// A claim within some element.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    claim: &'a Claim,
    may_miss: bool,
}

/// Whether the branch holds. Arrays aside it does.
pub(super) fn consistent(decisions: &Decisions, branch: &Branch, seen: &mut Seen) -> bool {
    if settled(decisions, branch, seen) {
        return true;
    }
    if seen.is_flat()
        && let Some(consistent) = flat(decisions, branch, seen)
    {
        return consistent;
    }
    sort(seen);
    let predicates = branch.predicates.iter();
    let claims: Vec<Claim> = predicates.map(|id| claim(decisions, *id, seen)).collect();
    let wanted: Vec<Wanted<'_>> = claims
        .iter()
        .map(|claim| Wanted {
            claim,
            may_miss: claim.may_miss,
        })
        .collect();
    within(&seen.elements, 0, &wanted) != Outcome::Fails
}

/// Whether no two fields can be in each other's way: at most one needs a value in an element.
fn settled(decisions: &Decisions, branch: &Branch, seen: &Seen) -> bool {
    let mut bound = 0;
    for id in &branch.predicates {
        let predicate = &decisions.predicates[*id as usize];
        let (leaves, free) = seen.leaves(predicate.field);
        let (met, met_free) = seen.meets(*id);
        if met_free || leaves == 0 || (predicate.present && free > 0) {
            continue;
        }
        let missing_only = predicate.may_miss && !met;
        if missing_only {
            return false;
        }
        bound += 1;
    }
    bound <= 1
}

/// The same where no element is within another and single values decide: each array then needs an
/// element that all its predicates share. None if values do not decide alone.
fn flat(decisions: &Decisions, branch: &Branch, seen: &Seen) -> Option<bool> {
    // The arrays met so far, by the elements that are left of them.
    let mut shared: [(u32, u64); 8] = [(0, 0); 8];
    for id in &branch.predicates {
        if !decisions.predicates[*id as usize].is_direct() {
            return None;
        }
        if seen.meets(*id).1 {
            continue;
        }
        let met = seen.met_in(*id);
        let array = seen.elements.get(met.trailing_zeros() as usize)?.array;
        let (at, left) = shared.iter_mut().find(|(at, _)| *at == array || *at == 0)?;
        *left = if *at == 0 { met } else { *left & met };
        *at = array;
        if *left == 0 {
            return Some(false);
        }
    }
    Some(true)
}

fn sort(seen: &mut Seen) {
    if !seen.sorted {
        seen.met_within.sort_unstable();
        seen.hit_within.sort_unstable();
        seen.sorted = true;
    }
}

fn claim(decisions: &Decisions, id: u32, seen: &Seen) -> Claim {
    let predicate = &decisions.predicates[id as usize];
    let mut any = Vec::new();
    let mut right = Vec::new();
    let leaves = seen.leaves.iter().zip(0_u32..);
    for (leaf, at) in leaves.filter(|(leaf, _)| leaf.field == predicate.field) {
        any.push(leaf.element);
        let allowed = |exclusion: &u32| !excluded(seen, *exclusion, at, leaf.element);
        if predicate.present || predicate.exclusions.iter().any(allowed) {
            right.push(leaf.element);
        }
    }
    if seen.meets(id).1 {
        right.push(0);
    }
    let from = seen.met_within.partition_point(|(met, _)| *met < id);
    let met = seen.met_within[from..]
        .iter()
        .take_while(|(met, _)| *met == id);
    right.extend(met.map(|(_, element)| *element));
    any.sort_unstable();
    any.dedup();
    right.sort_unstable();
    right.dedup();
    Claim {
        any,
        right,
        may_miss: predicate.may_miss,
    }
}

/// Whether an `anything-but` excludes a leaf. Of leaves outside of elements only the number is known.
fn excluded(seen: &Seen, exclusion: u32, leaf: u32, element: u32) -> bool {
    if element == 0 {
        let within = seen
            .hit_within
            .partition_point(|(hit, _)| *hit <= exclusion)
            - seen.hit_within.partition_point(|(hit, _)| *hit < exclusion);
        let field = seen.leaves[leaf as usize].field;
        let (_, free) = seen.leaves(field);
        return seen.hits(exclusion) as usize - within >= free as usize;
    }
    seen.hit_within.binary_search(&(exclusion, leaf)).is_ok()
}

/// How claims fare within an element.
fn within(elements: &[Element], element: u32, wanted: &[Wanted<'_>]) -> Outcome {
    let end = elements[element as usize].end;
    let mut outcome = Outcome::Missing;
    let mut open: Vec<(u32, Wanted<'_>)> = Vec::new();
    for field in wanted {
        let any = part(&field.claim.any, element, end);
        let right = part(&field.claim.right, element, end);
        let Some(last) = any.last() else {
            if field.may_miss {
                continue;
            }
            return Outcome::Fails;
        };
        if right.first() == Some(&element) {
            outcome = Outcome::Found;
            continue;
        }
        // A value that is not right stands here: then the field is not missing either.
        let may_miss = field.may_miss && any.first() != Some(&element);
        if *last == element || (right.is_empty() && !may_miss) {
            return Outcome::Fails;
        }
        let array = elements[child(elements, element, *last) as usize].array;
        let claim = field.claim;
        open.push((array, Wanted { claim, may_miss }));
    }
    open.sort_by_key(|(array, _)| *array);
    for group in open.chunk_by(|(a, _), (b, _)| a == b) {
        let group: Vec<Wanted<'_>> = group.iter().map(|(_, wanted)| *wanted).collect();
        if !chosen(elements, element, end, &group) {
            return Outcome::Fails;
        }
        outcome = Outcome::Found;
    }
    outcome
}

/// Whether one element of an array within `element` holds all of these.
fn chosen(elements: &[Element], element: u32, end: u32, group: &[Wanted<'_>]) -> bool {
    let required = group.iter().filter(|field| !field.may_miss);
    let rarest = required.min_by_key(|field| part(&field.claim.right, element, end).len());
    // If none has to be there, each in turn says where it could be.
    let leaders = match rarest {
        Some(field) => std::slice::from_ref(field),
        None => group,
    };
    leaders.iter().any(|leader| {
        let mut candidates = part(&leader.claim.right, element + 1, end);
        while let Some(first) = candidates.first() {
            let candidate = child(elements, element, *first);
            if within(elements, candidate, group) == Outcome::Found {
                return true;
            }
            let behind = elements[candidate as usize].end;
            candidates = part(candidates, behind, end);
        }
        false
    })
}

/// The part of a sorted list from one number to before another.
fn part(sorted: &[u32], from: u32, to: u32) -> &[u32] {
    let start = sorted.partition_point(|at| *at < from);
    let stop = sorted.partition_point(|at| *at < to);
    &sorted[start..stop.max(start)]
}

/// The element directly within `outer` that holds `inner`.
fn child(elements: &[Element], outer: u32, inner: u32) -> u32 {
    let mut at = inner;
    while elements[at as usize].parent != outer && at != 0 {
        at = elements[at as usize].parent;
    }
    at
}
