//! Cuts statements out of a policy's text and leaves the rest as its author wrote it.

use std::ops::Range;

/// The text without the list elements at these places, each with one of the commas beside it.
pub(super) fn cut(text: &str, places: &[Range<usize>]) -> Result<String, String> {
    let mut places = places.to_vec();
    places.sort_by_key(|place| place.start);
    let mut text = text.to_owned();
    // From the end, so that earlier places stay where they are.
    for place in places.into_iter().rev() {
        if text.get(place.clone()).is_none() {
            return Err("a statement's place is outside its text".to_owned());
        }
        let white = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
        let rest = &text[place.end..];
        let after = rest.trim_start_matches(white);
        if let Some(next) = after.strip_prefix(',') {
            // Up to the next element, which takes this one's place.
            let next = next.trim_start_matches(white);
            let end = text.len() - next.len();
            text.replace_range(place.start..end, "");
            continue;
        }
        let before = text[..place.start].trim_end_matches(white);
        let start = match before.strip_suffix(',') {
            Some(before) => before.len(),
            None => place.start,
        };
        text.replace_range(start..place.end, "");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn check(text: &str, remove: &[&str], expected: &str) {
        let places: Vec<_> = remove
            .iter()
            .map(|part| {
                let start = text.find(part).unwrap();
                start..start + part.len()
            })
            .collect();
        assert_eq!(cut(text, &places).unwrap(), expected);
    }

    #[test]
    fn takes_one_comma_along() {
        check(
            r#"[{"a"}, {"b"}, {"c"}]"#,
            &[r#"{"a"}"#],
            r#"[{"b"}, {"c"}]"#,
        );
        check(
            r#"[{"a"}, {"b"}, {"c"}]"#,
            &[r#"{"b"}"#],
            r#"[{"a"}, {"c"}]"#,
        );
        check(
            r#"[{"a"}, {"b"}, {"c"}]"#,
            &[r#"{"c"}"#],
            r#"[{"a"}, {"b"}]"#,
        );
        check(
            r#"[{"a"}, {"b"}, {"c"}]"#,
            &[r#"{"a"}"#, r#"{"b"}"#],
            r#"[{"c"}]"#,
        );
        check(
            r#"[{"a"}, {"b"}, {"c"}]"#,
            &[r#"{"c"}"#, r#"{"a"}"#],
            r#"[{"b"}]"#,
        );
        check(
            "[\n  {\"a\"},\n  {\"b\"}\n]",
            &["{\"b\"}"],
            "[\n  {\"a\"}\n]",
        );
        check(
            "[\n  {\"a\"}\n  ,\n  {\"b\"}\n]",
            &["{\"a\"}"],
            "[\n  {\"b\"}\n]",
        );
    }
}
