//! What in a policy is probably not what its author meant.
//!
//! Lint is advice about the text of one bucket policy; it decides nothing. What the parser already
//! said ([`Policy::diagnostics`]) is not repeated. Severity [`Severity::Error`] is for what Amazon S3
//! refuses to store; other stores may take it.
//!
//! Each finding has a code that stays the same between releases:
//!
//! | code | what it finds |
//! |---|---|
//! | `duplicate-sid` | two statements with one `Sid` |
//! | `dead-allow` | an Allow that one unconditional Deny takes back completely |
//! | `allow-not-principal`, `allow-not-action`, `allow-not-resource` | an Allow of everything but a list |
//! | `deleted-principal` | the unique id that a deleted user or role left behind |
//! | `invalid-action`, `unsupported-action`, `action-of-other-service`, `action-not-on-buckets` | actions that no request to the bucket has |
//! | `action-without-resource` | actions that fit none of the statement's resources |
//! | `not-an-arn`, `other-bucket` | resources that are not in this bucket |
//! | `variable-in-old-version` | `${…}` in a document whose version has no policy variables |
//! | `wildcard-in-literal` | `*` or `?` under an operator that takes them literally |
//! | `negated-on-multivalued`, `for-all-values-in-allow`, `for-any-value-in-deny`, `if-exists-in-allow` | operators that let a request in for what it lacks |
//! | `private-source-ip`, `source-ip-everybody`, `deny-only-ipv4`, `allow-every-ipv6` | source addresses that do not do what they seem to |
//! | `forgeable-key` | protection by a header that the client writes |
//! | `contradictory-conditions` | conditions that no request satisfies together |
//! | `key-not-with-action`, `unknown-key` | condition keys that the requests never have |

use std::collections::HashMap;

use crate::document::{Diagnostic, Policy, Severity, Statement};
use crate::json::{self, Node, Shown};

mod actions;
mod conditions;
mod contradiction;
mod covering;
mod keys;
mod resources;
mod statements;

/// How many findings one policy gets.
const MAX_FINDINGS: usize = 100;

/// The bucket that a policy is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketName {
    /// The AWS partition in its ARN: `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// Its name.
    pub name: String,
}

/// Looks through the policy of a bucket. Without `bucket`, resources are not compared with it.
///
/// The findings are sorted by their place in the text.
///
/// ```
/// use policy::document::Policy;
/// use policy::lint::lint;
///
/// let policy = Policy::parse(
///     r#"{"Version": "2012-10-17", "Statement": {
///         "Effect": "Allow", "Principal": "*", "Action": "s3:GetObjects",
///         "Resource": "arn:aws:s3:::reports/*"}}"#,
/// )?;
/// let findings = lint(&policy, None);
/// assert_eq!(findings[0].code, "unsupported-action");
/// assert_eq!(findings[0].help.as_deref(), Some("did you mean `s3:GetObject`?"));
/// # Ok::<(), policy::document::ParseError>(())
/// ```
pub fn lint(policy: &Policy, bucket: Option<&BucketName>) -> Vec<Diagnostic> {
    let root = json::parse(&policy.text).ok();
    let mut linter = Linter {
        policy,
        root: root.as_ref(),
        findings: Vec::new(),
    };
    duplicate_sids(&mut linter);
    statements::dead_allows(&mut linter);
    for statement in &policy.statements {
        statements::lint(&mut linter, statement);
        actions::lint(&mut linter, statement);
        resources::lint(&mut linter, statement, bucket);
        conditions::lint(&mut linter, statement);
    }
    linter
        .findings
        .sort_by_key(|finding| (finding.line, finding.column));
    linter.findings
}

/// The policy that is looked through, and what was found.
struct Linter<'p> {
    policy: &'p Policy,
    root: Option<&'p Node<'p>>,
    findings: Vec<Diagnostic>,
}

impl Linter<'_> {
    /// Adds a finding at a JSON path.
    fn say(
        &mut self,
        severity: Severity,
        code: &'static str,
        path: String,
        message: String,
        help: impl Into<Option<String>>,
    ) {
        if self.is_full() {
            return;
        }
        let at = self.root.and_then(|root| json::locate(root, &path));
        let (line, column) = json::position(&self.policy.text, at.unwrap_or_default());
        self.findings.push(Diagnostic {
            severity,
            code,
            message,
            help: help.into(),
            path,
            line,
            column,
        });
    }

    /// Whether there are so many findings that more are not kept.
    fn is_full(&self) -> bool {
        self.findings.len() >= MAX_FINDINGS
    }

    /// The path of one of the entries of an element: an item of its list, or the element itself.
    fn entry(&self, element: &str, index: usize) -> String {
        let item = format!("{element}[{index}]");
        match self.root.and_then(|root| json::locate(root, &item)) {
            Some(_) => item,
            None => element.to_owned(),
        }
    }
}

/// The path of an element or of its negated twin.
fn element(statement: &Statement, name: &str, negated: bool) -> String {
    let not = if negated { "Not" } else { "" };
    format!("{}.{not}{name}", statement.path)
}

fn duplicate_sids(linter: &mut Linter<'_>) {
    let mut first = HashMap::new();
    for statement in &linter.policy.statements {
        let Some(sid) = &statement.sid else { continue };
        match first.get(sid.as_str()) {
            None => {
                first.insert(sid.as_str(), statement.path.as_str());
            }
            Some(earlier) => linter.say(
                Severity::Error,
                "duplicate-sid",
                format!("{}.Sid", statement.path),
                format!("`{}` is also the Sid of {earlier}", Shown(sid)),
                "a Sid is unique within its policy".to_owned(),
            ),
        }
    }
}
