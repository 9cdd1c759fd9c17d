//! Reads a policy document from its JSON tree.
//!
//! Every doubt is read wide: an element that is missing, repeated or of a wrong type could mean
//! anything, so the statement is taken to apply as far as its other elements let it, and says in
//! [`Statement::not_understood`] that it may not. For an Allow and a Deny alike the analysis then
//! decides both ways.

use super::{Diagnostic, ParseError, Policy, Severity, Statement, Version};
use crate::json::{self, Json, JsonError, JsonErrorKind, Member, Node, Path, Shown};
use crate::spelling::did_you_mean;

/// How many diagnostics one document gets; a hostile one could have a million.
const MAX_DIAGNOSTICS: usize = 100;
/// How many doubts one statement lists.
const MAX_DOUBTS: usize = 20;

const POLICY_ELEMENTS: &[&str] = &["Version", "Id", "Statement"];

pub(super) fn policy(text: &str) -> Result<Policy, ParseError> {
    let mut reader = Reader {
        text,
        version: Version::V2008,
        fatal: Vec::new(),
        diagnostics: Vec::new(),
        doubts: Vec::new(),
        doubted: 0,
    };
    let read = reader.document();
    if reader.fatal.is_empty()
        && let Some((id, statements)) = read
    {
        return Ok(Policy {
            version: reader.version,
            id,
            statements,
            diagnostics: reader.diagnostics,
            text: text.to_owned(),
        });
    }
    let mut diagnostics = reader.fatal;
    diagnostics.append(&mut reader.diagnostics);
    diagnostics.truncate(MAX_DIAGNOSTICS);
    Err(ParseError { diagnostics })
}

/// The state of reading one document.
pub(super) struct Reader<'t> {
    text: &'t str,
    version: Version,
    /// What makes the document unreadable.
    fatal: Vec<Diagnostic>,
    diagnostics: Vec<Diagnostic>,
    /// The doubts about the statement that is being read.
    doubts: Vec<String>,
    /// How many doubts there were, those over the limit included.
    doubted: usize,
}

/// A place in the text, for diagnostics.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) path: Path<'a>,
    pub(super) at: usize,
}

/// How often a member occurs.
pub(super) enum Occurrence<'n> {
    Absent,
    Once(&'n Member<'n>),
    /// The last of several.
    Repeated(&'n Member<'n>),
}

impl Reader<'_> {
    /// Whether policy variables are recognised.
    pub(super) fn variables(&self) -> bool {
        self.version == Version::V2012
    }

    /// How many doubts there were so far.
    pub(super) fn doubted(&self) -> usize {
        self.doubted
    }

    /// The doubts about the statement that was read.
    pub(super) fn take_doubts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.doubts)
    }

    fn diagnostic(
        &self,
        severity: Severity,
        code: &'static str,
        message: String,
        help: Option<String>,
        place: Place<'_>,
    ) -> Diagnostic {
        let (line, column) = json::position(self.text, place.at);
        Diagnostic {
            severity,
            code,
            message,
            help,
            path: place.path.to_string(),
            line,
            column,
        }
    }

    /// Something that does not leave open what the document means.
    pub(super) fn note(
        &mut self,
        code: &'static str,
        message: String,
        help: Option<String>,
        place: Place<'_>,
    ) {
        if self.diagnostics.len() < MAX_DIAGNOSTICS {
            let diagnostic = self.diagnostic(Severity::Error, code, message, help, place);
            self.diagnostics.push(diagnostic);
        }
    }

    /// Something that leaves open when the statement applies.
    pub(super) fn doubt(
        &mut self,
        code: &'static str,
        message: String,
        help: Option<String>,
        place: Place<'_>,
    ) {
        self.doubted += 1;
        if self.doubts.len() < MAX_DOUBTS {
            self.doubts.push(format!("{}: {message}", place.path));
        }
        self.note(code, message, help, place);
    }

    pub(super) fn fatal(
        &mut self,
        code: &'static str,
        message: String,
        help: Option<String>,
        place: Place<'_>,
    ) {
        if self.fatal.len() < MAX_DIAGNOSTICS {
            let diagnostic = self.diagnostic(Severity::Error, code, message, help, place);
            self.fatal.push(diagnostic);
        }
    }

    fn document(&mut self) -> Option<(Option<String>, Vec<Statement>)> {
        let root = match json::parse(self.text) {
            Ok(root) => root,
            Err(error) => {
                self.not_json(&error);
                return None;
            }
        };
        let path = Path::Root;
        let place = Place {
            path,
            at: root.span.start,
        };
        let members = match &root.value {
            Json::Object(members) => members,
            Json::String(_) => {
                let help = "parse the string's content: it was encoded twice";
                self.fatal(
                    "policy-is-a-string",
                    "the policy is a JSON string that holds JSON, not a JSON object".to_owned(),
                    Some(help.to_owned()),
                    place,
                );
                return None;
            }
            other => {
                let message = format!("a policy is a JSON object, this is {}", other.kind());
                self.fatal("not-an-object", message, None, place);
                return None;
            }
        };
        for (message, help, place) in unknown_elements(members, POLICY_ELEMENTS, "policy", &path) {
            self.note("unknown-element", message, help, place);
        }
        self.version(members);
        let id = self.text_of(members, "Id", path);
        let member = match occurrence(members, "Statement") {
            Occurrence::Absent => {
                let written = members.iter().map(|m| m.key.as_ref());
                let help = written
                    .filter_map(|key| Some((key, did_you_mean(key, ["Statement"])?)))
                    .map(|(key, name)| {
                        format!("did you mean `{name}` instead of `{}`?", Shown(key))
                    })
                    .next();
                let message = "the policy has no `Statement`".to_owned();
                self.fatal("missing-element", message, help, place);
                return None;
            }
            Occurrence::Once(member) => member,
            Occurrence::Repeated(member) => {
                let place = Place {
                    path: path.key("Statement"),
                    at: member.key_span.start,
                };
                self.doubt(
                    "duplicate-key",
                    "`Statement` occurs more than once, and readers differ in which one counts"
                        .to_owned(),
                    Some("put all statements into one list".to_owned()),
                    place,
                );
                member
            }
        };
        // A doubt about the document is one about every statement.
        let document_doubts = self.take_doubts();
        let mut statements = Vec::new();
        for member in members.iter().filter(|m| m.key == member.key) {
            self.statements(&member.value, &mut statements);
        }
        for statement in &mut statements {
            statement.not_understood.extend_from_slice(&document_doubts);
        }
        Some((id, statements))
    }

    fn not_json(&mut self, error: &JsonError) {
        let place = Place {
            path: Path::Root,
            at: error.at,
        };
        match &error.kind {
            JsonErrorKind::TooLarge => self.fatal(
                "too-large",
                format!(
                    "the text has {} bytes, more than the {} that are read",
                    self.text.len(),
                    json::MAX_BYTES
                ),
                Some("a bucket policy has at most 20 KB".to_owned()),
                place,
            ),
            JsonErrorKind::TooDeep => self.fatal(
                "too-deep",
                format!(
                    "the text is nested more than {} levels deep",
                    json::MAX_DEPTH
                ),
                Some("a policy needs six levels".to_owned()),
                place,
            ),
            JsonErrorKind::Syntax(wanted) => {
                let trimmed = self.text.trim_start();
                let help = if trimmed.is_empty() {
                    Some("the text is empty")
                } else if trimmed.starts_with('<') {
                    Some("this looks like HTML or XML: is it the answer of the right endpoint?")
                } else if wanted.starts_with("EOF") {
                    Some("the text ends too early: is it cut off?")
                } else {
                    None
                };
                self.fatal(
                    "not-json",
                    format!("not JSON: {wanted}"),
                    help.map(str::to_owned),
                    place,
                );
            }
        }
    }

    fn version(&mut self, members: &[Member<'_>]) {
        let path = Path::Root.key("Version");
        let mut found: Vec<&str> = Vec::new();
        for member in members.iter().filter(|m| m.key == "Version") {
            let place = Place {
                path,
                at: member.value.span.start,
            };
            match &member.value.value {
                Json::String(text) if text == "2012-10-17" => self.version = Version::V2012,
                Json::String(text) if text == "2008-10-17" => self.version = Version::V2008,
                other => {
                    let shown = match other {
                        Json::String(text) => format!("`{}`", Shown(text)),
                        other => other.kind().to_owned(),
                    };
                    self.doubt(
                        "unknown-version",
                        format!("the policy language has no version {shown}"),
                        Some("the versions are `2012-10-17` and `2008-10-17`".to_owned()),
                        place,
                    );
                }
            }
            if let Json::String(text) = &member.value.value {
                found.push(text);
            }
        }
        if found.len() > 1 {
            let at = members
                .iter()
                .rfind(|m| m.key == "Version")
                .map_or(0, |m| m.key_span.start);
            let place = Place { path, at };
            let message = "`Version` occurs more than once".to_owned();
            if found.iter().all(|text| *text == found[0]) {
                self.note("duplicate-key", message, None, place);
            } else {
                self.doubt(
                    "duplicate-key",
                    message,
                    Some("readers differ in which one counts".to_owned()),
                    place,
                );
            }
        }
    }

    fn statements(&mut self, node: &Node<'_>, statements: &mut Vec<Statement>) {
        let root = Path::Root;
        let path = root.key("Statement");
        match &node.value {
            Json::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    statements.extend(self.statement(item, path.item(index)));
                }
            }
            _ => statements.extend(self.statement(node, path)),
        }
    }

    /// The text of `Id` or `Sid`.
    pub(super) fn text_of(
        &mut self,
        members: &[Member<'_>],
        name: &'static str,
        path: Path<'_>,
    ) -> Option<String> {
        let member = match occurrence(members, name) {
            Occurrence::Absent => return None,
            Occurrence::Once(member) => member,
            Occurrence::Repeated(member) => {
                let place = Place {
                    path: path.key(name),
                    at: member.key_span.start,
                };
                self.note(
                    "duplicate-key",
                    format!("`{name}` occurs more than once"),
                    None,
                    place,
                );
                member
            }
        };
        if let Json::String(text) = &member.value.value {
            return Some(text.clone().into_owned());
        }
        let message = format!(
            "`{name}` is a string, this is {}",
            member.value.value.kind()
        );
        let place = Place {
            path: path.key(name),
            at: member.value.span.start,
        };
        self.note("wrong-type", message, None, place);
        None
    }
}

pub(super) fn occurrence<'n>(members: &'n [Member<'n>], name: &str) -> Occurrence<'n> {
    let mut found = members.iter().filter(|m| m.key == name);
    match (found.next(), found.next_back()) {
        (None, _) => Occurrence::Absent,
        (Some(member), None) => Occurrence::Once(member),
        (Some(_), Some(last)) => Occurrence::Repeated(last),
    }
}

/// Message, help and place for every member that is not one of the known elements.
pub(super) fn unknown_elements<'a>(
    members: &'a [Member<'a>],
    known: &'static [&'static str],
    of: &'static str,
    path: &'a Path<'a>,
) -> impl Iterator<Item = (String, Option<String>, Place<'a>)> {
    members
        .iter()
        .filter(move |m| !known.contains(&m.key.as_ref()))
        .map(move |m| {
            let help = did_you_mean(&m.key, known.iter().copied())
                .map(|name| format!("did you mean `{name}`?"));
            let place = Place {
                path: path.key(&m.key),
                at: m.key_span.start,
            };
            (
                format!("unknown {of} element `{}`", Shown(&m.key)),
                help,
                place,
            )
        })
}
