//! Which texts patterns can match, as far as it shows without a search.

use crate::pattern::{Element, Pattern, repeats, takes};

/// Whether everything that `specific` matches is matched by `general`, too. `false` also where that
/// is true for a reason that does not show element by element.
pub(super) fn covers(general: &Pattern, specific: &Pattern) -> bool {
    let reached = reached(
        general.elements(),
        specific.elements(),
        |general, specific| match (general, specific) {
            (Element::Star, _) => true,
            (Element::AnyChar, e) => !repeats(e) && !matches!(e, Element::Variable { .. }),
            (Element::StarWithinArnPart, Element::StarWithinArnPart)
            | (
                Element::StarWithinArnPart | Element::AnyCharWithinArnPart,
                Element::AnyCharWithinArnPart,
            ) => true,
            (general, Element::Char(c)) => takes(general, *c),
            (general, specific) => general == specific,
        },
    );
    reached.last() == Some(&true)
}

/// Whether some text that starts with `prefix` is matched; a policy variable could stand for
/// anything.
pub(super) fn admits_prefix(pattern: &Pattern, prefix: &str) -> bool {
    admitted(pattern, prefix).contains(&true)
}

/// Whether `text` is matched; a policy variable could stand for anything.
pub(super) fn admits(pattern: &Pattern, text: &str) -> bool {
    admitted(pattern, text).last() == Some(&true)
}

fn admitted(pattern: &Pattern, text: &str) -> Vec<bool> {
    let elements: Vec<Element> = pattern
        .elements()
        .iter()
        .map(|element| match element {
            Element::Variable { .. } => Element::Star,
            other => other.clone(),
        })
        .collect();
    let chars: Vec<char> = text.chars().collect();
    reached(&elements, &chars, |element, c| takes(element, *c))
}

/// The positions in `elements` that reading `inputs` can lead to; the last is the end.
fn reached<T>(
    elements: &[Element],
    inputs: &[T],
    takes: impl Fn(&Element, &T) -> bool,
) -> Vec<bool> {
    let skip_stars = |reached: &mut Vec<bool>| {
        for (at, element) in elements.iter().enumerate() {
            if reached[at] && repeats(element) {
                reached[at + 1] = true;
            }
        }
    };
    let mut reached = vec![false; elements.len() + 1];
    reached[0] = true;
    skip_stars(&mut reached);
    for input in inputs {
        let mut next = vec![false; elements.len() + 1];
        for (at, element) in elements.iter().enumerate() {
            if reached[at] && takes(element, input) {
                next[if repeats(element) { at } else { at + 1 }] = true;
            }
        }
        skip_stars(&mut next);
        reached = next;
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Reading;

    fn wild(text: &str) -> Pattern {
        Pattern::new(text, Reading::Wildcards, true)
    }

    #[test]
    fn covering_is_shown_element_by_element() {
        let cases = [
            ("*", "", true),
            ("*", "a*b?${aws:username}", true),
            ("s3:*", "s3:get*", true),
            ("s3:get*", "s3:*", false),
            ("a?c", "abc", true),
            ("a?c", "a?c", true),
            ("a?c", "a*c", false),
            ("a*c", "a?*c", true),
            ("a?c", "a${k}c", false),
            ("a/${k}/*", "a/${k}/b", true),
            ("a/${k}/*", "a/${l}/b", false),
            ("*b*", "abab", true),
            ("*a", "*b", false),
        ];
        for (general, specific, expected) in cases {
            assert_eq!(
                covers(&wild(general), &wild(specific)),
                expected,
                "{general} {specific}"
            );
        }
        let arn = |text| Pattern::new(text, Reading::Arn, false);
        assert!(covers(&arn("arn:aws:*:*:*:*"), &arn("arn:aws:s?:*:1:a:b")));
        assert!(!covers(&arn("arn:aws:s3:*:*:x"), &wild("arn:aws:s3:*:x")));
    }

    #[test]
    fn prefixes() {
        for (pattern, prefix, expected) in [
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b/", true),
            ("arn:aws:s3:::b", "arn:aws:s3:::b/", false),
            ("arn:aws:s3:::b*", "arn:aws:s3:::b/", true),
            ("arn:aws:s3:::${k}", "arn:aws:s3:::b/", true),
            ("arn:aws:s3:::c/*", "arn:aws:s3:::b/", false),
        ] {
            assert_eq!(admits_prefix(&wild(pattern), prefix), expected, "{pattern}");
        }
        assert!(admits(&wild("arn:*:b?"), "arn:aws:bc"));
        assert!(!admits(&wild("arn:*:b?"), "arn:aws:b"));
    }
}
