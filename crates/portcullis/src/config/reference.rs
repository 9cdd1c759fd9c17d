//! The reference page of the configuration file, from its schema.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::{EXAMPLE, schema};

/// The page, in Markdown.
pub(super) fn page() -> String {
    let schema = schema();
    let mut page = String::from(
        "# The configuration file\n\n\
         Generated from the program's own definitions by `cargo xtask docs`; do not edit.\n\n\
         One TOML file says what is watched, what may be changed, and who is told. It is looked for at \
         `/etc/portcullis/portcullis.toml`, or where `--config` or `PORTCULLIS_CONFIG` say. \
         `portcullis config check` checks it and says what it means; `portcullis config schema` prints its \
         JSON schema for editors. Secrets never stand in it: `env:NAME` names an environment variable, \
         `file:PATH` a file. Paths are relative to the file's folder. Durations have units: `90s`, `15m`, \
         `1h 30m`, `400d`.\n",
    );
    let definitions = schema["$defs"].as_object().cloned().unwrap_or_default();
    let context = Context { definitions };
    let root = object(&schema);
    let mut plain = Vec::new();
    for (name, member) in &root {
        match context.table(member) {
            Some((table, array)) => {
                let header = if array {
                    format!("[[{name}]]")
                } else {
                    format!("[{name}]")
                };
                context.section(&mut page, name, &header, member, table);
            }
            None => plain.push((name, member)),
        }
    }
    page.push_str("\n## Members outside of sections\n\nThey stand above the first section.\n\n");
    for (name, member) in plain {
        let _ = writeln!(page, "- {}", context.line(name, member, false));
    }
    let _ = write!(
        page,
        "\n## Example\n\nWhat `portcullis config example` prints:\n\n```toml\n{EXAMPLE}```\n"
    );
    page
}

struct Context {
    definitions: Map<String, Value>,
}

fn object(schema: &Value) -> Map<String, Value> {
    schema["properties"]
        .as_object()
        .cloned()
        .unwrap_or_default()
}

impl Context {
    /// A schema with its references followed, and `null` left out of alternatives.
    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let mut schema = schema;
        for _ in 0..8 {
            let name = schema["$ref"]
                .as_str()
                .and_then(|path| path.rsplit('/').next());
            if let Some(found) = name.and_then(|name| self.definitions.get(name)) {
                schema = found;
                continue;
            }
            let alternatives = schema["anyOf"].as_array();
            let real = alternatives.and_then(|all| all.iter().find(|one| one["type"] != "null"));
            match real {
                Some(real) => schema = real,
                None => break,
            }
        }
        schema
    }

    /// The table that a member is, and whether it is an array of tables.
    fn table<'a>(&'a self, member: &'a Value) -> Option<(&'a Value, bool)> {
        let own = self.resolved(member);
        if own["properties"].is_object() {
            return Some((own, false));
        }
        let items = self.resolved(&own["items"]);
        items["properties"].is_object().then_some((items, true))
    }

    fn section(&self, page: &mut String, path: &str, header: &str, member: &Value, table: &Value) {
        let _ = write!(page, "\n## `{header}`\n\n");
        let about = table["description"]
            .as_str()
            .or(member["description"].as_str());
        if let Some(about) = about {
            let _ = write!(page, "{}\n\n", one_line(about));
        }
        let required: Vec<&str> = table["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut below = Vec::new();
        for (name, member) in &object(table) {
            let _ = writeln!(
                page,
                "- {}",
                self.line(name, member, required.contains(&name.as_str()))
            );
            if let Some((table, array)) = self.table(member) {
                below.push((name.clone(), member.clone(), table.clone(), array));
            }
        }
        for (name, member, table, array) in below {
            let path = format!("{path}.{name}");
            let header = if array {
                format!("[[{path}]]")
            } else {
                format!("[{path}]")
            };
            self.section(page, &path, &header, &member, &table);
        }
    }

    fn line(&self, name: &str, member: &Value, required: bool) -> String {
        let own = self.resolved(member);
        let mut text = format!("`{name}`");
        let about = member["description"]
            .as_str()
            .or(own["description"].as_str());
        if let Some(about) = about {
            text.push_str(&format!(": {}", one_line(about)));
        }
        let mut notes = Vec::new();
        if required {
            notes.push("required".to_owned());
        }
        let values = self.values(own);
        let values = if values.is_empty() {
            self.values(self.resolved(&own["items"]))
        } else {
            values
        };
        if !values.is_empty() {
            notes.push(format!("one of {}", values.join(", ")));
        }
        let default = &member["default"];
        if !default.is_null() && !default.is_object() && *default != Value::Array(Vec::new()) {
            let shown = default
                .as_str()
                .map_or_else(|| default.to_string(), str::to_owned);
            notes.push(format!("default `{shown}`"));
        }
        if !notes.is_empty() {
            text.push_str(&format!(" ({})", notes.join("; ")));
        }
        text
    }

    /// The names that a member can have.
    fn values(&self, schema: &Value) -> Vec<String> {
        let quoted = |value: &Value| value.as_str().map(|text| format!("`{text}`"));
        if let Some(all) = schema["enum"].as_array() {
            return all.iter().filter_map(quoted).collect();
        }
        schema["oneOf"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| {
                let name = quoted(&one["const"])?;
                let about = one["description"].as_str().map(one_line);
                Some(match about {
                    Some(about) => format!("{name} ({})", about.trim_end_matches('.')),
                    None => name,
                })
            })
            .collect()
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
