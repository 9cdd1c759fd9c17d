//! `portcullis deploy`.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, Subcommand};
use guard::operation::{Operation, Scope};
use serde_json::json;

use crate::exit::{ExitStatus, Failure};

/// Arguments of `portcullis deploy`.
#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The IAM policy with the least privileges.
    Policy(PolicyArgs),
}

/// Arguments of `portcullis deploy policy`.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct PolicyArgs {
    /// For `scan` and `explain`: reads, and changes nothing.
    #[arg(long)]
    reader: bool,

    /// For `fix` and `undo`: that, the changes, and a look at object ACLs.
    #[arg(long)]
    responder: bool,
}

/// Runs the command.
pub(crate) fn run(args: &DeployArgs) -> Result<ExitStatus, Failure> {
    let What::Policy(policy) = &args.what;
    let document = iam_policy(|operation| policy.responder || operation.is_of_reader());
    println!("{document:#}");
    Ok(ExitStatus::Closed)
}

/// The policy that allows these operations: a statement for each kind of resource.
fn iam_policy(included: impl Fn(Operation) -> bool) -> serde_json::Value {
    let mut actions: BTreeMap<Scope, BTreeSet<&str>> = BTreeMap::new();
    for operation in Operation::ALL.into_iter().filter(|o| included(*o)) {
        if let Some(action) = operation.iam_action() {
            actions.entry(operation.scope()).or_default().insert(action);
        }
    }
    let statements: Vec<_> = actions
        .into_iter()
        .map(|(scope, actions)| {
            // No partition has another form for the wildcard: `arn:*` is taken in all of them.
            let (sid, resource) = match scope {
                Scope::Account => ("Account", "*"),
                Scope::Bucket => ("Buckets", "arn:*:s3:::*"),
                Scope::Object => ("Objects", "arn:*:s3:::*/*"),
                Scope::AccessPoint => ("AccessPoints", "arn:*:s3:*:*:accesspoint/*"),
            };
            json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource})
        })
        .collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn actions(included: impl Fn(Operation) -> bool) -> BTreeSet<String> {
        let policy = iam_policy(included);
        policy["Statement"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|statement| statement["Action"].as_array().unwrap().clone())
            .map(|action| action.as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_reader_changes_nothing_and_sees_no_object() {
        let actions = actions(Operation::is_of_reader);
        assert!(!actions.is_empty());
        for action in &actions {
            let verb = action.strip_prefix("s3:").unwrap();
            assert!(
                verb.starts_with("Get") || verb.starts_with("List"),
                "{action}"
            );
            assert!(!verb.contains("Object") && verb != "ListBucket", "{action}");
        }
    }

    #[test]
    fn the_policies_are_policies_that_we_understand() {
        for document in [iam_policy(Operation::is_of_reader), iam_policy(|_| true)] {
            // An identity policy has no principal; for our parser it gets one.
            let mut document = document;
            for statement in document["Statement"].as_array_mut().unwrap() {
                statement["Principal"] = "*".into();
            }
            let policy = policy::document::Policy::parse(&document.to_string()).unwrap();
            assert_eq!(policy.diagnostics, []);
        }
    }
}
