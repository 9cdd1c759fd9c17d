//! Whether a bucket policy denies a class of requests to everybody.
//!
//! The question is answered exactly, by the analysis: the policy's Deny statements that are about
//! everybody and ask about nothing but the given keys are put behind one statement that allows
//! everybody exactly those requests; if somebody still gets in, the request is shown. A Deny that
//! spares somebody, or asks about anything else, does not deny the request to everybody and is left
//! out.
//!
//! The analysis asks about callers whom nobody trusts. That is enough here: the statements that are
//! kept do not tell callers apart. What it leaves out because outsiders are always refused (Get-,
//! Put- and DeleteBucketPolicy …) is asked of the plain reading, one action at a time.

use policy::action::{AccessClass, ActionTable};
use policy::bucket::{BlockLevels, Bucket, Enforcement};
use policy::document::{Effect, Policy, Principal, Statement, Version};
use policy::evaluate::{Decision, evaluate};
use policy::observed::Observed;
use policy::public::{Answer, judge};
use policy::request::{Caller, Context, Request};
use serde_json::json;

/// A class of requests.
pub(super) struct Requests<'a> {
    /// The actions, as in a statement.
    pub(super) actions: &'a str,
    /// What the requests have in common, as in a statement: operator, key, value.
    pub(super) condition: (&'a str, &'a str, &'a str),
    /// The same as values of a request; `None`: the key is not there.
    pub(super) value: Option<&'a str>,
    /// The condition keys, in lower case, that tell the requests from others; a Deny may ask about
    /// these and no others.
    pub(super) keys: &'a [&'a str],
    /// Which classes of access to look at.
    pub(super) classes: &'a [AccessClass],
}

/// What a policy does with a class of requests.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Denial {
    /// Everybody is denied all of them.
    Whole,
    /// This one is not denied to everybody.
    Gap {
        /// The action.
        action: String,
        /// What it acts on.
        resource: String,
    },
    /// It cannot be decided.
    Undecided(String),
}

/// Decides it.
pub(super) fn denial(bucket: &Bucket, policy: &Policy, requests: &Requests<'_>) -> Denial {
    let arn = format!("arn:{}:s3:::{}", bucket.partition, bucket.name);
    let (operator, key, value) = requests.condition;
    let allow = json!({
        "Effect": "Allow", "Principal": "*", "Action": requests.actions,
        "Resource": [arn, format!("{arn}/*")], "Condition": {operator: {key: value}},
    });
    let denies: Vec<&str> = policy
        .statements
        .iter()
        .enumerate()
        .filter(|(_, statement)| is_for_everybody(statement, requests.keys))
        .map(|(index, _)| policy.statement_text(index))
        .collect();
    let version = match policy.version {
        Version::V2012 => "2012-10-17",
        Version::V2008 => "2008-10-17",
    };
    let allow = allow.to_string();
    let statements = std::iter::once(allow.as_str()).chain(denies);
    let text = format!(
        r#"{{"Version":"{version}","Statement":[{}]}}"#,
        statements.collect::<Vec<_>>().join(",")
    );
    let question = match Policy::parse(&text) {
        Ok(question) => question,
        Err(wrong) => return Denial::Undecided(wrong.to_string()),
    };

    let verdict = judge(&Bucket {
        name: bucket.name.clone(),
        partition: bucket.partition.clone(),
        owner_account: bucket.owner_account.clone(),
        as_of: bucket.as_of,
        policy: Observed::Present(question.clone()),
        acl: Observed::Absent,
        public_access_block: BlockLevels {
            bucket: Observed::Absent,
            account: Observed::Absent,
            organization: Observed::Absent,
        },
        ownership: Observed::Absent,
        access_points: Observed::Absent,
        resource_control_policies: Observed::Absent,
        enforcement: Enforcement::Aws,
    });
    for class in requests.classes {
        match &verdict.access(*class).policy {
            Answer::Open(witness) => {
                return Denial::Gap {
                    action: witness.request.action.clone(),
                    resource: witness.request.resource.clone(),
                };
            }
            Answer::Undecided(reasons) => return Denial::Undecided(reasons.join("; ")),
            Answer::Closed(_) => {}
        }
    }
    of_owners(&question, &arn, bucket, requests).unwrap_or(Denial::Whole)
}

/// Whether a Deny statement applies to everybody alike, and only asks about these keys.
fn is_for_everybody(statement: &Statement, keys: &[&str]) -> bool {
    statement.effect == Effect::Deny
        && !statement.principal.negated
        && statement.principal.entries.contains(&Principal::Everyone)
        && statement
            .conditions
            .iter()
            .all(|condition| keys.contains(&condition.key.as_str()))
}

/// The actions that outsiders never get: asked of the owner's own account.
fn of_owners(
    question: &Policy,
    arn: &str,
    bucket: &Bucket,
    requests: &Requests<'_>,
) -> Option<Denial> {
    let owner = bucket.owner_account.as_deref().unwrap_or("111122223333");
    let caller = Caller::Principal(format!("arn:{}:iam::{owner}:root", bucket.partition));
    let table = ActionTable::get();
    for action in table.owner_only().iter().map(|index| table.action(index)) {
        let mut context = Context::new();
        if let Some(value) = requests.value {
            context.set(requests.condition.1, vec![value.to_owned()]);
        }
        let request = Request {
            caller: caller.clone(),
            action: action.name.clone(),
            resource: arn.to_owned(),
            context,
        };
        if let Decision::Allowed { .. } = evaluate(&[question], &request) {
            return Some(Denial::Gap {
                action: request.action,
                resource: request.resource,
            });
        }
    }
    None
}
