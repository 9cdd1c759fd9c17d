//! A policy document: its statements, as written and as understood.
//!
//! [`Policy::parse`] reads the JSON text (IAM user guide, "IAM JSON policy elements reference").
//! What cannot be a policy at all is an error; what a policy may hold but we do not understand is
//! kept as [`Statement::not_understood`], so that the analysis can decide it both ways.

use std::fmt;

use crate::action::ActionSet;
use crate::condition::Condition;
use crate::pattern::Pattern;

mod conditions;
mod principals;
mod read;
mod statements;

/// A parsed policy document.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `Version`. A document without one is read as `2008-10-17`.
    pub version: Version,
    /// `Id`.
    pub id: Option<String>,
    /// The statements in the order of the document.
    pub statements: Vec<Statement>,
    /// What the parser has to say about a document that it could read: duplicate keys, unknown
    /// elements, unknown operators.
    pub diagnostics: Vec<Diagnostic>,
    /// The text that it was parsed from, to show statements as they were written.
    pub text: String,
}

impl Policy {
    /// Parses the JSON text of a policy.
    ///
    /// The result may hold doubts: [`Policy::diagnostics`] has every one of them, and
    /// [`Statement::not_understood`] those that leave open when a statement applies. Wherever such a
    /// doubt is about an element, the element is read as wide as it could be meant.
    ///
    /// # Errors
    ///
    /// If the text is not JSON, is longer than [`crate::json::MAX_BYTES`] or nested deeper than
    /// [`crate::json::MAX_DEPTH`]; if it is not an object with statements, or a statement does not
    /// say whether it allows or denies.
    ///
    /// ```
    /// use policy::document::{Effect, Policy, Principal};
    ///
    /// let policy = Policy::parse(
    ///     r#"{
    ///         "Version": "2012-10-17",
    ///         "Statement": {
    ///             "Effect": "Allow",
    ///             "Principal": "*",
    ///             "Action": "s3:GetObject",
    ///             "Resource": "arn:aws:s3:::reports/*"
    ///         }
    ///     }"#,
    /// )?;
    /// assert_eq!(policy.statements[0].effect, Effect::Allow);
    /// assert_eq!(policy.statements[0].principal.entries, [Principal::Everyone]);
    ///
    /// let error = Policy::parse(r#"{"Statement": {"Efect": "Allow"}}"#).unwrap_err();
    /// assert!(error.to_string().contains("$.Statement"), "{error}");
    /// # Ok::<(), policy::document::ParseError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Policy, ParseError> {
        read::policy(text)
    }

    /// A statement as it is written; empty if there is no such statement.
    pub fn statement_text(&self, index: usize) -> &str {
        self.statements
            .get(index)
            .and_then(|statement| self.text.get(statement.span.clone()))
            .unwrap_or_default()
    }
}

/// A text that cannot be a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ParseError {
    /// What is wrong, what makes it unreadable first.
    pub diagnostics: Vec<Diagnostic>,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.diagnostics.first() {
            Some(first) => write!(f, "{first}"),
            None => f.write_str("the policy cannot be read"),
        }
    }
}

/// The version of the policy language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `2008-10-17`, and documents without a version: no policy variables.
    V2008,
    /// `2012-10-17`.
    V2012,
}

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Grants.
    Allow,
    /// Refuses, whatever else grants.
    Deny,
}

/// One statement.
#[derive(Clone, Debug)]
pub struct Statement {
    /// `Sid`.
    pub sid: Option<String>,
    /// `Effect`.
    pub effect: Effect,
    /// `Principal` or `NotPrincipal`.
    pub principal: PrincipalClause,
    /// `Action` or `NotAction`.
    pub action: ActionClause,
    /// `Resource` or `NotResource`.
    pub resource: ResourceClause,
    /// `Condition`: every one must hold.
    pub conditions: Vec<Condition>,
    /// What the statement holds that we do not understand, each a sentence with its JSON path. The
    /// statement may or may not apply where the rest of it does.
    pub not_understood: Vec<String>,
    /// Where it stands: `$.Statement[2]`.
    pub path: String,
    /// Its bytes in [`Policy::text`].
    pub span: std::ops::Range<usize>,
}

/// `Principal` or `NotPrincipal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrincipalClause {
    /// `NotPrincipal`: everybody but these.
    pub negated: bool,
    /// The entries.
    pub entries: Vec<Principal>,
}

/// One entry of a principal element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// `"*"` or `{"AWS": "*"}`: everybody, signed or not.
    Everyone,
    /// A whole account: twelve digits, or its root ARN.
    Account(String),
    /// One user, role, session or federated user by ARN.
    Arn(String),
    /// A unique id (`AIDA…`, `AROA…`) that a deleted principal left behind: nobody.
    UniqueId(String),
    /// An AWS service, such as `cloudtrail.amazonaws.com`; `*` is every service.
    Service(String),
    /// An identity provider: a domain such as `graph.facebook.com`, or a provider's ARN.
    Federated(String),
    /// An account by its canonical user id.
    CanonicalUser(String),
    /// Something that can name nobody, such as an ARN with a wildcard in it.
    Nobody(String),
}

/// `Action` or `NotAction`.
#[derive(Clone, Debug)]
pub struct ActionClause {
    /// `NotAction`: every action but these.
    pub negated: bool,
    /// The patterns in lower case; their `text` is as written.
    pub patterns: Vec<Pattern>,
    /// The known bucket and object actions to which the clause applies, negation considered.
    pub known: ActionSet,
}

/// `Resource` or `NotResource`.
#[derive(Clone, Debug)]
pub struct ResourceClause {
    /// `NotResource`: every resource but these.
    pub negated: bool,
    /// The patterns.
    pub patterns: Vec<Pattern>,
}

/// Something to say about a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A short stable name, such as `unknown-operator`.
    pub code: &'static str,
    /// What is wrong, for people.
    pub message: String,
    /// What to do about it, if there is something.
    pub help: Option<String>,
    /// The JSON path of the place, such as `$.Statement[0].Condition.StringEqual`.
    pub path: String,
    /// Line and column of the place, both from 1.
    pub line: usize,
    /// See `line`.
    pub column: usize,
}

/// Message, path, line and column, on one line.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (at {}, line {}, column {})",
            self.message, self.path, self.line, self.column
        )
    }
}

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Probably not what the author meant.
    Warning,
    /// AWS would refuse it, or we cannot understand it.
    Error,
}
