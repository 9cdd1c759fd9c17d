//! The plain reading of policies: one request, one decision.
//!
//! This is IAM's evaluation as the user guide describes it ("Policy evaluation logic", "Condition
//! operators"), written down rule by rule and independently of the exact analysis in `symbolic`, whose
//! witnesses are replayed here before anybody sees them.
//!
//! It is strict about the context it is given: a key that is not in [`Request::context`] is absent.
//! What a statement holds that we do not understand makes it [`Matches::Unknown`] wherever the rest
//! of it applies, and the decision [`Decision::Undecided`] where that matters.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::condition::{self, Condition, Operator, SetOperator, Value};
use crate::document::{Effect, Policy, Principal, PrincipalClause, Statement};
use crate::pattern::Pattern;
use crate::request::{Caller, Context, Request};

/// What policies decide about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Some statement allows it and none denies it.
    Allowed {
        /// The Allow statements that match.
        by: Vec<StatementRef>,
    },
    /// Some statement denies it.
    Denied {
        /// The Deny statements that match.
        by: Vec<StatementRef>,
    },
    /// No statement allows or denies it.
    ImplicitlyDenied,
    /// It depends on something that is not understood.
    Undecided {
        /// What is not understood, each a sentence with its JSON path.
        reasons: Vec<String>,
    },
}

/// A statement of one of several policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatementRef {
    /// Index of the policy.
    pub policy: usize,
    /// Index of the statement in the policy.
    pub statement: usize,
}

/// Whether a statement applies to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matches {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// All that is understood of it does.
    Unknown,
}

/// Decides a request by all statements of the policies together: an explicit Deny wins over every
/// Allow, and what nothing allows is denied.
///
/// ```
/// use policy::document::Policy;
/// use policy::evaluate::{Decision, StatementRef, evaluate};
/// use policy::request::{Caller, Context, Request};
///
/// let policy = Policy::parse(
///     r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:Get*",
///         "Resource": "arn:aws:s3:::reports/*"}}"#,
/// )?;
/// let request = Request {
///     caller: Caller::Anonymous,
///     action: "s3:GetObject".to_owned(),
///     resource: "arn:aws:s3:::reports/2026/q1.pdf".to_owned(),
///     context: Context::new(),
/// };
/// let by = vec![StatementRef { policy: 0, statement: 0 }];
/// assert_eq!(evaluate(&[&policy], &request), Decision::Allowed { by });
/// # Ok::<(), policy::document::ParseError>(())
/// ```
pub fn evaluate(policies: &[&Policy], request: &Request) -> Decision {
    let action = request.action.to_lowercase();
    let mut allowing = Vec::new();
    let mut denying = Vec::new();
    let mut perhaps_allowing = Vec::new();
    let mut perhaps_denying = Vec::new();
    for (p, policy) in policies.iter().enumerate() {
        for (s, statement) in policy.statements.iter().enumerate() {
            let list = match (matches(statement, request, &action), statement.effect) {
                (Matches::No, _) => continue,
                (Matches::Yes, Effect::Allow) => &mut allowing,
                (Matches::Yes, Effect::Deny) => &mut denying,
                (Matches::Unknown, Effect::Allow) => &mut perhaps_allowing,
                (Matches::Unknown, Effect::Deny) => &mut perhaps_denying,
            };
            list.push(StatementRef {
                policy: p,
                statement: s,
            });
        }
    }
    if !denying.is_empty() {
        return Decision::Denied { by: denying };
    }
    if allowing.is_empty() && perhaps_allowing.is_empty() {
        return Decision::ImplicitlyDenied;
    }
    let mut open_questions = perhaps_denying;
    if allowing.is_empty() {
        open_questions.append(&mut perhaps_allowing);
    }
    if open_questions.is_empty() {
        return Decision::Allowed { by: allowing };
    }
    let statement = |r: &StatementRef| &policies[r.policy].statements[r.statement];
    let reasons = open_questions
        .iter()
        .flat_map(|r| statement(r).not_understood.iter().cloned())
        .collect();
    Decision::Undecided { reasons }
}

/// Whether one statement applies to a request, whatever its effect.
pub fn statement_matches(statement: &Statement, _policy: &Policy, request: &Request) -> Matches {
    matches(statement, request, &request.action.to_lowercase())
}

/// `action` is the request's in lower case: action names ignore case.
fn matches(statement: &Statement, request: &Request, action: &str) -> Matches {
    let context = &request.context;
    let acts = any_pattern(&statement.action.patterns, action, context);
    if acts == statement.action.negated {
        return Matches::No;
    }
    if !principal_matches(&statement.principal, &request.caller) {
        return Matches::No;
    }
    let on = any_pattern(&statement.resource.patterns, &request.resource, context);
    if on == statement.resource.negated {
        return Matches::No;
    }
    let mut result = Matches::Yes;
    for condition in &statement.conditions {
        match condition_holds(condition, context) {
            Matches::Yes => {}
            Matches::No => return Matches::No,
            Matches::Unknown => result = Matches::Unknown,
        }
    }
    if statement.not_understood.is_empty() {
        result
    } else {
        Matches::Unknown
    }
}

fn any_pattern(patterns: &[Pattern], text: &str, context: &Context) -> bool {
    patterns.iter().any(|pattern| {
        if pattern.has_variables() {
            pattern.resolve(context).is_some_and(|p| p.matches(text))
        } else {
            pattern.matches(text)
        }
    })
}

fn principal_matches(clause: &PrincipalClause, caller: &Caller) -> bool {
    let named = |principal: &Principal| names(principal, caller, clause.negated);
    clause.entries.iter().any(named) != clause.negated
}

/// Whether a principal element's entry means the caller.
fn names(principal: &Principal, caller: &Caller, negated: bool) -> bool {
    match (principal, caller) {
        (Principal::Everyone, _) => true,
        (Principal::Account(id), Caller::Principal(arn)) => account_of(arn) == Some(id),
        // A role stands for its sessions, too; `NotPrincipal` must name the session itself (IAM
        // user guide, "AWS JSON policy elements: NotPrincipal").
        (Principal::Arn(name), Caller::Principal(arn)) => {
            name == arn || (!negated && is_session_of(arn, name))
        }
        (Principal::CanonicalUser(id), Caller::Principal(name)) => id == name,
        (Principal::Service(name), Caller::Service(service)) => name == "*" || name == service,
        (Principal::Federated(name), Caller::Federated(provider)) => name == provider,
        _ => false,
    }
}

/// The account in an ARN.
fn account_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(4)
}

/// Whether `arn:…:sts::ID:assumed-role/NAME/SESSION` is a session of `arn:…:iam::ID:role/PATH/NAME`.
fn is_session_of(session: &str, role: &str) -> bool {
    let parts = |arn| {
        let mut parts = str::splitn(arn, 6, ':').skip(1);
        Some([parts.next()?, parts.next()?, parts.nth(1)?, parts.next()?])
    };
    let (Some(session), Some(role)) = (parts(session), parts(role)) else {
        return false;
    };
    let ([partition, "sts", account, session], [role_partition, "iam", role_account, role]) =
        (session, role)
    else {
        return false;
    };
    let assumed = session
        .strip_prefix("assumed-role/")
        .and_then(|rest| rest.split_once('/'));
    let name = role
        .strip_prefix("role/")
        .and_then(|path| path.rsplit('/').next());
    partition == role_partition
        && account == role_account
        && assumed.is_some_and(|(role, _)| Some(role) == name)
}

/// Whether a condition holds for the values that the request has.
pub(crate) fn condition_holds(condition: &Condition, context: &Context) -> Matches {
    let given = context.get(&condition.key).unwrap_or_default();
    let absent = given.is_empty();
    let negated = condition.operator.is_negated();
    if condition.operator == Operator::Null {
        return any(condition.values.iter().map(|value| match value {
            Value::Bool(wanted) => (*wanted == absent).into(),
            _ => Matches::Unknown,
        }));
    }
    if absent {
        let holds = match condition.set {
            _ if condition.if_exists => true,
            Some(SetOperator::ForAllValues) => true,
            Some(SetOperator::ForAnyValue) => false,
            None => negated,
        };
        return holds.into();
    }
    // Whether one value of the request is among the condition's, and whether that satisfies it.
    let among = |given: &String| value_among(condition, given, context);
    let satisfies = |given: &String| {
        if negated {
            not(among(given))
        } else {
            among(given)
        }
    };
    match condition.set {
        Some(SetOperator::ForAllValues) => all(given.iter().map(satisfies)),
        Some(SetOperator::ForAnyValue) => any(given.iter().map(satisfies)),
        None if negated => not(any(given.iter().map(among))),
        None => any(given.iter().map(among)),
    }
}

/// One value of a request, read once for all values of a condition. A text that the operator cannot
/// read is equal to nothing.
enum Given<'a> {
    Text(&'a str),
    Folded(String),
    Number(f64),
    Date(Timestamp),
    Bool(bool),
    Binary(Vec<u8>),
    Address(IpAddr),
    Unreadable,
}

impl Given<'_> {
    fn read(operator: Operator, text: &str) -> Given<'_> {
        use Operator as O;
        let read = match operator {
            O::StringEquals | O::StringNotEquals | O::StringLike | O::StringNotLike => {
                Some(Given::Text(text))
            }
            O::ArnEquals | O::ArnLike | O::ArnNotEquals | O::ArnNotLike => Some(Given::Text(text)),
            O::StringEqualsIgnoreCase | O::StringNotEqualsIgnoreCase => {
                Some(Given::Folded(fold(text)))
            }
            O::NumericEquals
            | O::NumericNotEquals
            | O::NumericLessThan
            | O::NumericLessThanEquals
            | O::NumericGreaterThan
            | O::NumericGreaterThanEquals => condition::number(text).map(Given::Number),
            O::DateEquals
            | O::DateNotEquals
            | O::DateLessThan
            | O::DateLessThanEquals
            | O::DateGreaterThan
            | O::DateGreaterThanEquals => condition::date(text).map(Given::Date),
            O::Bool | O::Null => condition::boolean(text).map(Given::Bool),
            O::BinaryEquals => condition::binary(text).map(Given::Binary),
            O::IpAddress | O::NotIpAddress => text.parse().ok().map(Given::Address),
        };
        read.unwrap_or(Given::Unreadable)
    }
}

/// Lower case, character by character, as [`Pattern::to_lowercase`] does it.
fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Whether a value of the request matches one of a condition's values. For a negated operator this
/// is what it denies.
fn value_among(condition: &Condition, text: &str, context: &Context) -> Matches {
    let operator = condition.operator;
    let given = Given::read(operator, text);
    any(condition.values.iter().map(|value| match (value, &given) {
        (Value::NotUnderstood(_), _) => Matches::Unknown,
        (Value::Pattern(pattern), Given::Text(text)) => {
            any_pattern(std::slice::from_ref(pattern), text, context).into()
        }
        (Value::Pattern(pattern), Given::Folded(text)) => {
            if pattern.has_variables() {
                let resolved = pattern.resolve(context).map(|p| p.to_lowercase());
                resolved.is_some_and(|p| p.matches(text)).into()
            } else {
                pattern.matches(text).into()
            }
        }
        (Value::Number(value), Given::Number(given)) => ordered(operator, given, value),
        (Value::Date(value), Given::Date(given)) => ordered(operator, given, value),
        (Value::Bool(value), Given::Bool(given)) => (given == value).into(),
        (Value::Binary(value), Given::Binary(given)) => (given == value).into(),
        (Value::Cidr(value), Given::Address(given)) => value.contains(given).into(),
        _ => Matches::No,
    }))
}

fn ordered<T: PartialOrd>(operator: Operator, given: &T, value: &T) -> Matches {
    use Operator as O;
    match operator {
        O::NumericLessThan | O::DateLessThan => given < value,
        O::NumericLessThanEquals | O::DateLessThanEquals => given <= value,
        O::NumericGreaterThan | O::DateGreaterThan => given > value,
        O::NumericGreaterThanEquals | O::DateGreaterThanEquals => given >= value,
        _ => given == value,
    }
    .into()
}

impl From<bool> for Matches {
    fn from(matches: bool) -> Matches {
        if matches { Matches::Yes } else { Matches::No }
    }
}

fn not(matches: Matches) -> Matches {
    match matches {
        Matches::Yes => Matches::No,
        Matches::No => Matches::Yes,
        Matches::Unknown => Matches::Unknown,
    }
}

fn any(all: impl Iterator<Item = Matches>) -> Matches {
    let mut result = Matches::No;
    for matches in all {
        match matches {
            Matches::Yes => return Matches::Yes,
            Matches::Unknown => result = Matches::Unknown,
            Matches::No => {}
        }
    }
    result
}

fn all(each: impl Iterator<Item = Matches>) -> Matches {
    not(any(each.map(not)))
}
