//! Pages of sorted names, as every S3 listing works: prefix, delimiter, a limit, and where to go on.

use std::collections::BTreeMap;
use std::ops::Bound;

/// One page.
#[derive(Debug)]
pub(crate) struct Page<'a, T> {
    pub(crate) entries: Vec<(&'a str, &'a T)>,
    pub(crate) common_prefixes: Vec<String>,
    /// The last entry or common prefix of the page, if there is more behind it.
    pub(crate) next: Option<String>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) delimiter: &'a str,
    /// Only what sorts behind it; a common prefix stands for all that it holds.
    pub(crate) after: &'a str,
    pub(crate) most: usize,
}

/// Cuts one page out of all names.
pub(crate) fn page<'a, T>(all: &'a BTreeMap<String, T>, query: Query<'_>) -> Page<'a, T> {
    let mut page = Page {
        entries: Vec::new(),
        common_prefixes: Vec::new(),
        next: None,
    };
    let mut last = String::new();
    let from = if query.after > query.prefix {
        Bound::Excluded(query.after)
    } else {
        Bound::Included(query.prefix)
    };
    for (name, value) in all.range::<str, _>((from, Bound::Unbounded)) {
        let Some(rest) = name.strip_prefix(query.prefix) else {
            break;
        };
        let group = (!query.delimiter.is_empty())
            .then(|| rest.find(query.delimiter))
            .flatten()
            .map(|at| &name[..query.prefix.len() + at + query.delimiter.len()]);
        if let Some(group) = group
            && (group == query.after || page.common_prefixes.last().is_some_and(|p| p == group))
        {
            continue;
        }
        if page.entries.len() + page.common_prefixes.len() == query.most {
            page.next = (query.most > 0).then_some(last);
            break;
        }
        match group {
            Some(group) => {
                page.common_prefixes.push(group.to_owned());
                last = group.to_owned();
            }
            None => {
                page.entries.push((name, value));
                last.clone_from(name);
            }
        }
    }
    page
}

/// An opaque token for the place behind a name.
pub(crate) fn token_for(name: &str) -> String {
    name.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The name in a token; `None` if it is none of ours.
pub(crate) fn name_in_token(token: &str) -> Option<String> {
    if !token.len().is_multiple_of(2) || !token.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let bytes = (0..token.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(token.get(at..at + 2)?, 16).ok())
        .collect::<Option<Vec<u8>>>()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> BTreeMap<String, ()> {
        ["a", "b/1", "b/2", "c", "d/1", "e"]
            .map(|name| (name.to_owned(), ()))
            .into()
    }

    /// Every page of a listing, each as one line.
    fn pages(prefix: &str, delimiter: &str, most: usize) -> Vec<String> {
        let all = all();
        let mut lines = Vec::new();
        let mut after = String::new();
        loop {
            let page = page(
                &all,
                Query {
                    prefix,
                    delimiter,
                    after: &after,
                    most,
                },
            );
            let names: Vec<&str> = page.entries.iter().map(|(name, ())| *name).collect();
            lines.push(format!(
                "{} | {}",
                names.join(" "),
                page.common_prefixes.join(" ")
            ));
            match page.next {
                Some(next) => after = next,
                None => return lines,
            }
        }
    }

    #[test]
    fn a_delimiter_groups_and_pages_neither_repeat_nor_lose() {
        assert_eq!(pages("", "/", 1000), ["a c e | b/ d/"]);
        assert_eq!(pages("", "/", 2), ["a | b/", "c | d/", "e | "]);
        assert_eq!(pages("", "", 4), ["a b/1 b/2 c | ", "d/1 e | "]);
        assert_eq!(pages("b/", "/", 1), ["b/1 | ", "b/2 | "]);
        assert_eq!(pages("zz", "/", 1), [" | "]);
    }

    #[test]
    fn tokens_are_read_back_and_others_refused() {
        assert_eq!(name_in_token(&token_for("ä/b")).as_deref(), Some("ä/b"));
        for strange in ["x", "zz", "+1", "é", "ff"] {
            assert_eq!(name_in_token(strange), None, "{strange}");
        }
    }
}
