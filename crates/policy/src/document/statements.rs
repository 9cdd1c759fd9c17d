//! Reads one statement: its effect, and the elements that are a string or a list of strings.

use super::read::{Occurrence, Place, Reader, occurrence, unknown_elements};
use super::{ActionClause, Effect, ResourceClause, Statement};
use crate::action::{ActionSet, ActionTable};
use crate::json::{Json, Member, Node, Path, Shown};
use crate::pattern::{Element, Pattern, Reading};
use crate::spelling::did_you_mean;

const STATEMENT_ELEMENTS: &[&str] = &[
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

/// `Action` or `NotAction` and the like, as far as it is beyond doubt.
pub(super) struct Clause<'n> {
    pub(super) negated: bool,
    pub(super) name: &'static str,
    pub(super) node: &'n Node<'n>,
}

impl Reader<'_> {
    pub(super) fn statement(&mut self, node: &Node<'_>, path: Path<'_>) -> Option<Statement> {
        let place = Place {
            path,
            at: node.span.start,
        };
        let Json::Object(members) = &node.value else {
            let message = format!(
                "a statement is a JSON object, this is {}",
                node.value.kind()
            );
            self.fatal("wrong-type", message, None, place);
            return None;
        };
        for (message, help, place) in
            unknown_elements(members, STATEMENT_ELEMENTS, "statement", &path)
        {
            self.doubt("unknown-element", message, help, place);
        }
        let sid = self.text_of(members, "Sid", path);
        let effect = self.effect(members, place);
        let principal = self.principals(members, place);
        let action = self.actions(members, place);
        let resource = self.resources(members, place);
        let conditions = match occurrence(members, "Condition") {
            Occurrence::Absent => Vec::new(),
            Occurrence::Once(member) => self.conditions(&member.value, path.key("Condition")),
            Occurrence::Repeated(member) => {
                self.repeated(member, path);
                Vec::new()
            }
        };
        Some(Statement {
            sid,
            effect: effect?,
            principal,
            action,
            resource,
            conditions,
            not_understood: self.take_doubts(),
            path: path.to_string(),
            span: node.span.clone(),
        })
    }

    fn effect(&mut self, members: &[Member<'_>], statement: Place<'_>) -> Option<Effect> {
        let path = statement.path.key("Effect");
        let mut effect = None;
        for member in members.iter().filter(|m| m.key == "Effect") {
            let place = Place {
                path,
                at: member.value.span.start,
            };
            let read = match &member.value.value {
                Json::String(text) if text == "Allow" => Effect::Allow,
                Json::String(text) if text == "Deny" => Effect::Deny,
                other => {
                    let (shown, help) = match other {
                        Json::String(text) => (
                            format!("`{}`", Shown(text)),
                            did_you_mean(text, ["Allow", "Deny"]),
                        ),
                        other => (other.kind().to_owned(), None),
                    };
                    self.fatal(
                        "unknown-effect",
                        format!("`Effect` is `Allow` or `Deny`, not {shown}"),
                        help.map(|name| format!("did you mean `{name}`?")),
                        place,
                    );
                    return None;
                }
            };
            match effect {
                None => effect = Some(read),
                Some(before) => {
                    let message = "`Effect` occurs more than once".to_owned();
                    let place = Place {
                        path,
                        at: member.key_span.start,
                    };
                    if before == read {
                        self.doubt("duplicate-key", message, None, place);
                    } else {
                        let help = "readers differ in which one counts: keep one".to_owned();
                        self.fatal("duplicate-key", message, Some(help), place);
                        return None;
                    }
                }
            }
        }
        if effect.is_none() {
            self.fatal(
                "missing-element",
                "the statement has no `Effect`".to_owned(),
                Some("say `Allow` or `Deny`".to_owned()),
                statement,
            );
        }
        effect
    }

    fn actions(&mut self, members: &[Member<'_>], statement: Place<'_>) -> ActionClause {
        let table = ActionTable::get();
        let anything = ActionClause {
            negated: true,
            patterns: Vec::new(),
            known: table.all(),
        };
        let Some(clause) = self.clause(members, ["Action", "NotAction"], statement) else {
            return anything;
        };
        let path = statement.path.key(clause.name);
        let Some(texts) = self.texts(&clause, path) else {
            return anything;
        };
        let patterns: Vec<Pattern> = texts
            .iter()
            .map(|(text, _)| Pattern::new(text, Reading::Wildcards, false).to_lowercase())
            .collect();
        let named = patterns.iter().fold(ActionSet::EMPTY, |set, pattern| {
            set.or(table.matching(pattern))
        });
        ActionClause {
            negated: clause.negated,
            patterns,
            known: if clause.negated {
                table.all().without(named)
            } else {
                named
            },
        }
    }

    fn resources(&mut self, members: &[Member<'_>], statement: Place<'_>) -> ResourceClause {
        let anything = ResourceClause {
            negated: true,
            patterns: Vec::new(),
        };
        let Some(clause) = self.clause(members, ["Resource", "NotResource"], statement) else {
            return anything;
        };
        let path = statement.path.key(clause.name);
        let Some(texts) = self.texts(&clause, path) else {
            return anything;
        };
        let patterns: Vec<Pattern> = texts
            .iter()
            .map(|(text, _)| Pattern::new(text, Reading::Wildcards, self.variables()))
            .collect();
        for (pattern, (_, at)) in patterns.iter().zip(&texts) {
            if variable_before_sixth_part(pattern) {
                self.doubt(
                    "variable-in-arn-prefix",
                    format!(
                        "`{}` has a policy variable before the last part of the ARN",
                        Shown(pattern.text())
                    ),
                    Some("variables are recognised only behind the fifth colon".to_owned()),
                    Place { path, at: *at },
                );
            }
        }
        ResourceClause {
            negated: clause.negated,
            patterns,
        }
    }

    /// An element or its `Not…` twin; `None` if it is in doubt which, and then it was said.
    pub(super) fn clause<'n>(
        &mut self,
        members: &'n [Member<'n>],
        [plain, not]: [&'static str; 2],
        statement: Place<'_>,
    ) -> Option<Clause<'n>> {
        let path = statement.path;
        let (negated, member) = match (occurrence(members, plain), occurrence(members, not)) {
            (Occurrence::Once(member), Occurrence::Absent) => (false, member),
            (Occurrence::Absent, Occurrence::Once(member)) => (true, member),
            (Occurrence::Absent, Occurrence::Absent) => {
                let help = match plain {
                    "Principal" => Some("a bucket policy names a principal in every statement; a policy without one is attached to a user or role and grants nothing to others".to_owned()),
                    _ => None,
                };
                self.doubt(
                    "missing-element",
                    format!("the statement has neither `{plain}` nor `{not}`"),
                    help,
                    statement,
                );
                return None;
            }
            (Occurrence::Repeated(member), _) | (_, Occurrence::Repeated(member)) => {
                self.repeated(member, path);
                return None;
            }
            (Occurrence::Once(_), Occurrence::Once(member)) => {
                let place = Place {
                    path: path.key(not),
                    at: member.key_span.start,
                };
                self.doubt(
                    "conflicting-elements",
                    format!("the statement has both `{plain}` and `{not}`"),
                    Some("keep one of them".to_owned()),
                    place,
                );
                return None;
            }
        };
        Some(Clause {
            negated,
            name: if negated { not } else { plain },
            node: &member.value,
        })
    }

    /// The strings of an element that is a string or a list of strings, each with its place; `None`
    /// if there is something else in it.
    pub(super) fn texts<'n>(
        &mut self,
        clause: &Clause<'n>,
        path: Path<'_>,
    ) -> Option<Vec<(&'n str, usize)>> {
        let single = std::slice::from_ref(clause.node);
        let (items, listed) = match &clause.node.value {
            Json::Array(items) => (items.as_slice(), true),
            _ => (single, false),
        };
        if items.is_empty() {
            let place = Place {
                path,
                at: clause.node.span.start,
            };
            let message = format!("`{}` is an empty list", clause.name);
            if clause.negated {
                self.doubt("empty-list", message, None, place);
            } else {
                self.note(
                    "empty-list",
                    message,
                    Some("the statement applies to nothing".to_owned()),
                    place,
                );
            }
        }
        let mut texts = Vec::with_capacity(items.len());
        let mut whole = true;
        for (index, item) in items.iter().enumerate() {
            if let Json::String(text) = &item.value {
                texts.push((text.as_ref(), item.span.start));
            } else {
                whole = false;
                let path = if listed { path.item(index) } else { path };
                let place = Place {
                    path,
                    at: item.span.start,
                };
                let message = format!(
                    "`{}` is a string or a list of strings, here is {}",
                    clause.name,
                    item.value.kind()
                );
                self.doubt("wrong-type", message, None, place);
            }
        }
        whole.then_some(texts)
    }

    /// Says that a member that matters occurs more than once.
    pub(super) fn repeated(&mut self, member: &Member<'_>, path: Path<'_>) {
        let place = Place {
            path: path.key(&member.key),
            at: member.key_span.start,
        };
        self.doubt(
            "duplicate-key",
            format!(
                "`{}` occurs more than once, and readers differ in which one counts",
                Shown(&member.key)
            ),
            Some("keep one of them".to_owned()),
            place,
        );
    }
}

fn variable_before_sixth_part(pattern: &Pattern) -> bool {
    pattern
        .elements()
        .iter()
        .scan(0, |colons, element| {
            *colons += usize::from(*element == Element::Char(':'));
            Some((*colons, element))
        })
        .any(|(colons, element)| colons < 5 && matches!(element, Element::Variable { .. }))
}
