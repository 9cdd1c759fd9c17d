//! Which objects of one bucket, and whether the bucket itself, a statement's resources name.

use std::rc::Rc;

use crate::document::ResourceClause;
use crate::pattern::{Element, Pattern, repeats, takes};

use super::glob::Glob;

/// A resource clause, cut down to one bucket.
#[derive(Clone, Debug)]
pub(crate) struct ResourceSet {
    /// Whether the bucket's own ARN is in it.
    pub(crate) bucket: bool,
    /// The object keys in it.
    pub(crate) keys: KeySet,
}

/// A set of object keys.
#[derive(Clone, Debug)]
pub(crate) enum KeySet {
    None,
    All,
    /// Those that match one of the globs.
    Matching(Rc<[Glob]>),
    /// Those that match none of the globs.
    NotMatching(Rc<[Glob]>),
}

impl ResourceSet {
    /// The clause as far as it concerns `bucket_arn` and the objects whose ARN is `object_prefix`
    /// and a key. Patterns with unresolved variables match nothing.
    pub(crate) fn new(
        clause: &ResourceClause,
        bucket_arn: &str,
        object_prefix: &str,
    ) -> ResourceSet {
        let matches_bucket = clause.patterns.iter().any(|p| p.matches(bucket_arn));
        let mut globs = Vec::new();
        let mut everything = false;
        for pattern in &clause.patterns {
            everything |= residuals(pattern, object_prefix, &mut globs);
        }
        let keys = match (clause.negated, everything) {
            (false, true) => KeySet::All,
            (true, true) => KeySet::None,
            (false, false) if globs.is_empty() => KeySet::None,
            (true, false) if globs.is_empty() => KeySet::All,
            (false, false) => KeySet::Matching(globs.into()),
            (true, false) => KeySet::NotMatching(globs.into()),
        };
        ResourceSet {
            bucket: matches_bucket != clause.negated,
            keys,
        }
    }
}

impl KeySet {
    pub(crate) fn contains(&self, key: &str) -> bool {
        match self {
            KeySet::None => false,
            KeySet::All => true,
            KeySet::Matching(globs) => globs.iter().any(|g| g.matches(key)),
            KeySet::NotMatching(globs) => !globs.iter().any(|g| g.matches(key)),
        }
    }
}

/// Adds what is left of a pattern behind a fixed beginning of the text. True if it takes every key,
/// and nothing needs to be added.
fn residuals(pattern: &Pattern, prefix: &str, globs: &mut Vec<Glob>) -> bool {
    let elements = pattern.elements();
    // Without a wildcard before the end of the prefix there is one position to follow.
    let mut at = 0;
    let mut rest = prefix.chars();
    loop {
        match (elements.get(at), rest.clone().next()) {
            (_, None) => return add(&elements[at..], globs),
            (Some(Element::Char(c)), Some(next)) if *c == next => {
                rest.next();
                at += 1;
            }
            (Some(Element::Star), Some(_)) if at + 1 == elements.len() => return true,
            (Some(Element::Char(_)) | None, Some(_)) => return false,
            _ => break,
        }
    }
    let mut reached = vec![false; elements.len() + 1];
    reached[at] = true;
    for c in rest {
        close(elements, &mut reached);
        let mut next = vec![false; elements.len() + 1];
        for (at, element) in elements.iter().enumerate() {
            if reached[at] && takes(element, c) {
                next[if repeats(element) { at } else { at + 1 }] = true;
            }
        }
        reached = next;
    }
    let mut everything = false;
    for (at, _) in reached.iter().enumerate().filter(|(_, reached)| **reached) {
        everything |= add(&elements[at..], globs);
    }
    everything
}

fn close(elements: &[Element], reached: &mut [bool]) {
    for (at, element) in elements.iter().enumerate() {
        if reached[at] && repeats(element) {
            reached[at + 1] = true;
        }
    }
}

fn add(rest: &[Element], globs: &mut Vec<Glob>) -> bool {
    if rest == [Element::Star] {
        return true;
    }
    // A pattern that ends where the key begins names no object.
    if !rest.is_empty() {
        globs.extend(Glob::from_elements(rest, false));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Reading;

    fn set(patterns: &[&str], negated: bool) -> ResourceSet {
        let patterns = patterns
            .iter()
            .map(|p| Pattern::new(p, Reading::Wildcards, false))
            .collect();
        ResourceSet::new(
            &ResourceClause { negated, patterns },
            "arn:aws:s3:::b",
            "arn:aws:s3:::b/",
        )
    }

    #[test]
    fn resources_are_cut_down_to_the_bucket() {
        let cases: &[(&[&str], bool, bool, &str, bool)] = &[
            (&["arn:aws:s3:::b/*"], false, false, "x", true),
            (&["arn:aws:s3:::b"], false, true, "x", false),
            (&["*"], false, true, "x", true),
            (&["arn:aws:s3:::*"], false, true, "x/y", true),
            (&["arn:aws:s3:::b*"], false, true, "x/y", true),
            (
                &["arn:aws:s3:::b/public/*"],
                false,
                false,
                "private/a",
                false,
            ),
            (&["arn:aws:s3:::*/public/*"], false, false, "public/a", true),
            (
                &["arn:aws:s3:::*/public/*"],
                false,
                false,
                "x/public/a",
                true,
            ),
            (&["arn:aws:s3:::?/*.png"], false, false, "x.png", true),
            (&["arn:aws:s3:::other/*"], false, false, "x", false),
            (&["arn:aws:s3:::b/private/*"], true, true, "x", true),
            (
                &["arn:aws:s3:::b", "arn:aws:s3:::b/*"],
                true,
                false,
                "x",
                false,
            ),
        ];
        for (patterns, negated, bucket, key, object) in cases {
            let set = set(patterns, *negated);
            assert_eq!(set.bucket, *bucket, "{patterns:?} on the bucket");
            assert_eq!(set.keys.contains(key), *object, "{patterns:?} on {key}");
        }
    }
}
