//! The reference page of the rules, `docs/rules.md`, made from what they say of themselves.

use std::fmt::Write as _;

use super::{ALL, About};

/// The whole page. A test holds the file to it.
pub fn page() -> String {
    let mut page = include_str!("reference.md").to_owned();
    page.push_str("\n## Managed rules\n\n| identifier | trigger | severity |\n|---|---|---|\n");
    for rule in ALL {
        let about = rule.about();
        // Writing to a String never fails.
        let _ = writeln!(
            page,
            "| [{}](#{}) | {} | {} |",
            about.identifier, about.name, about.trigger, about.severity
        );
    }
    for rule in ALL {
        section(rule.about(), &mut page);
    }
    page
}

fn section(about: &About, page: &mut String) {
    let types = if about.resource_types.is_empty() {
        "any recorded type".to_owned()
    } else {
        quoted(about.resource_types)
    };
    let _ = write!(
        page,
        "\n### {}\n\n{}\n\n{}\n\n\
         - Identifier: `{}`\n- Resource types: {types}\n- Trigger: {}\n- Severity: {}\n- Permissions: {}\n- AWS: <{}>\n",
        about.name,
        about.description,
        about.detail,
        about.identifier,
        about.trigger,
        about.severity,
        quoted(about.reads),
        about.source,
    );
    if !about.parameters.is_empty() {
        page.push_str("\n| parameter | holds | default | |\n|---|---|---|---|\n");
        for one in about.parameters {
            let default = one
                .default
                .map_or(String::new(), |text| format!("`{text}`"));
            let _ = writeln!(
                page,
                "| `{}` | {} | {default} | {} |",
                one.name,
                one.kind.allowed(),
                one.description
            );
        }
    }
    page.push_str("\nAnnotations:\n\n");
    for text in about.annotations {
        let _ = writeln!(page, "- `{text}`");
    }
}

fn quoted(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
