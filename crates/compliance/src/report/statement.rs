//! A statement as it was written, with the parts that let the witness in marked.

use std::ops::Range;

use policy::document::Policy;
use policy::pattern::{Pattern, Reading};
use policy::public::Witness;
use policy::request::Caller;

use crate::input::node::Node;
use crate::input::parse_json;

/// The text of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// The text, its indentation reduced; a statement on one line is laid out anew.
    pub(crate) text: String,
    /// The bytes of the parts that let the witness in, in order.
    pub(crate) guilty: Vec<Range<usize>>,
}

/// The statement at an index.
pub(crate) fn written(policy: &Policy, at: usize, witness: Option<&Witness>) -> Option<Written> {
    let statement = policy.statements.get(at)?;
    let raw = policy.text.get(statement.span.clone())?;
    let text = if raw.contains('\n') {
        without_indentation(raw)
    } else {
        parse_json(raw)?.to_json()
    };
    let mut guilty = Vec::new();
    if let (Some(node), Some(witness)) = (parse_json(&text), witness) {
        mark(&node, witness, &mut guilty);
        guilty.sort_by_key(|range| range.start);
    }
    Some(Written { text, guilty })
}

fn without_indentation(raw: &str) -> String {
    let indentation = raw
        .lines()
        .skip(1)
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start_matches([' ', '\t']).len())
        .min()
        .unwrap_or(0);
    let mut lines = raw.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |mut text, line| {
        text.push('\n');
        // Indentation is ASCII, so the cut never falls into a character.
        text.push_str(line.get(indentation..).unwrap_or_default());
        text
    })
}

fn mark(statement: &Node, witness: &Witness, guilty: &mut Vec<Range<usize>>) {
    let texts = |node: &Node| -> Vec<(String, Range<usize>)> {
        let mut found = Vec::new();
        collect(node, &mut found);
        found
    };
    for name in ["NotPrincipal", "NotAction"] {
        guilty.extend(statement.get(name).map(|node| node.span.clone()));
    }
    if let Some(principal) = statement.get("Principal") {
        let named = match &witness.request.caller {
            Caller::Service(name) | Caller::Federated(name) => Some(name),
            _ => None,
        };
        let found: Vec<Range<usize>> = texts(principal)
            .into_iter()
            .filter(|(text, _)| text == "*" || Some(text) == named)
            .map(|(_, span)| span)
            .collect();
        if found.is_empty() {
            guilty.push(principal.span.clone());
        } else {
            guilty.extend(found);
        }
    }
    if let Some(action) = statement.get("Action") {
        let wanted = witness.request.action.to_ascii_lowercase();
        guilty.extend(texts(action).into_iter().filter_map(|(text, span)| {
            let pattern = Pattern::new(&text.to_ascii_lowercase(), Reading::Wildcards, false);
            pattern.matches(&wanted).then_some(span)
        }));
    }
}

fn collect(node: &Node, found: &mut Vec<(String, Range<usize>)>) {
    if let Some(text) = node.as_str() {
        found.push((text.to_owned(), node.span.clone()));
    }
    for element in node.elements() {
        collect(element, found);
    }
    for (_, member) in node.members() {
        collect(member, found);
    }
}
