//! `portcullis deploy`.

mod events;
mod systemd;

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, Subcommand};
use guard::operation::{Operation, Role, Scope};
use serde_json::{Value, json};

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
    /// The CloudFormation template of the queue that AWS's events come by.
    ///
    /// Deploy it in each region that is watched; `QueueUrl` among its outputs goes into the configuration
    /// of `portcullis serve`. A CloudTrail trail must log management events there.
    Events,
    /// The systemd unit of `serve`, with the least privileges.
    Systemd,
}

/// Arguments of `portcullis deploy policy`.
#[derive(Debug, Args)]
struct PolicyArgs {
    #[command(flatten)]
    role: RoleArgs,
    #[command(flatten)]
    places: PlacesArgs,
}

/// Whose policy it is.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct RoleArgs {
    /// For `scan` and `explain`: reads, and changes nothing.
    #[arg(long)]
    reader: bool,

    /// For `fix` and `undo`: that, the changes, and a look at object ACLs.
    #[arg(long)]
    responder: bool,

    /// For `serve`: reads everything that is recorded, takes events and sends messages where --queue
    /// and --target say, and changes no bucket.
    #[arg(long)]
    recorder: bool,
}

/// What the recorder's policy names.
#[derive(Debug, Args)]
struct PlacesArgs {
    /// The ARN of the queue that events are taken from.
    #[arg(long, value_name = "ARN", conflicts_with_all = ["reader", "responder"])]
    queue: Option<String>,

    /// The ARN of a topic, queue, event bus or function that messages go to; may be repeated.
    #[arg(long, value_name = "ARN", conflicts_with_all = ["reader", "responder"])]
    target: Vec<String>,

    /// The ARN of the bucket that history and snapshots are delivered to.
    #[arg(long, value_name = "ARN", conflicts_with_all = ["reader", "responder"])]
    delivery_bucket: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &DeployArgs) -> Result<ExitStatus, Failure> {
    let document = match &args.what {
        What::Systemd => {
            crate::output::print(systemd::UNIT)?;
            return Ok(ExitStatus::Closed);
        }
        What::Events => events::template(),
        What::Policy(PolicyArgs { role, places }) => {
            if role.recorder {
                recorder_policy(places).map_err(Failure::usage)?
            } else if role.responder {
                iam_policy(Operation::is_of_responder)
            } else {
                iam_policy(Operation::is_of_reader)
            }
        }
    };
    println!("{document:#}");
    Ok(ExitStatus::Closed)
}

/// The policy that allows these operations on everything that they are about.
fn iam_policy(included: impl Fn(Operation) -> bool) -> Value {
    document(statements(included, |_| None))
}

/// The policy of the guard itself. Queues, topics, buses, functions and the bucket that files are
/// delivered to are the named ones and no others; without a name there is no statement.
fn recorder_policy(places: &PlacesArgs) -> Result<Value, String> {
    let mut named: BTreeMap<Scope, Vec<String>> = BTreeMap::new();
    if let Some(queue) = &places.queue {
        match target_scope(queue) {
            Some(Scope::Queue) => named
                .entry(Scope::EventQueue)
                .or_default()
                .push(queue.clone()),
            _ => return Err(format!("`{queue}` is not the ARN of an SQS queue")),
        }
    }
    for target in &places.target {
        let scope = target_scope(target).ok_or_else(|| {
            format!("`{target}` is not the ARN of an SNS topic, an SQS queue, an event bus or a Lambda function")
        })?;
        named.entry(scope).or_default().push(target.clone());
    }
    if let Some(bucket) = &places.delivery_bucket {
        if !is_bucket(bucket) {
            return Err(format!("`{bucket}` is not the ARN of a bucket"));
        }
        named.insert(Scope::DeliveryBucket, vec![bucket.clone()]);
        named.insert(Scope::DeliveredFile, vec![format!("{bucket}/*")]);
    }
    let included = |operation: Operation| match operation.role() {
        Role::Listener | Role::Publisher | Role::Archivist => {
            named.contains_key(&operation.scope())
        }
        _ => operation.is_of_recorder(),
    };
    Ok(document(statements(included, |scope| {
        named.get(&scope).map(|arns| json!(arns))
    })))
}

/// Whether it is `arn:PARTITION:s3:::BUCKET`.
fn is_bucket(arn: &str) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    match parts.as_slice() {
        ["arn", _, "s3", "", "", name] => !name.is_empty() && !name.contains(['/', '*', '?']),
        _ => false,
    }
}

/// What kind of place an ARN names: `arn:PARTITION:SERVICE:REGION:ACCOUNT:…`.
fn target_scope(arn: &str) -> Option<Scope> {
    let mut parts = arn.splitn(6, ':');
    let (Some("arn"), Some(_), Some(service)) = (parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    let (Some(_), Some(_), Some(resource)) = (parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    match service {
        "sns" => Some(Scope::Topic),
        "sqs" => Some(Scope::Queue),
        "events" if resource.starts_with("event-bus/") => Some(Scope::Bus),
        "lambda" if resource.starts_with("function:") => Some(Scope::Function),
        _ => None,
    }
    .filter(|_| !resource.is_empty())
}

/// A statement for each kind of resource.
fn statements(
    included: impl Fn(Operation) -> bool,
    named: impl Fn(Scope) -> Option<Value>,
) -> Vec<Value> {
    let mut actions: BTreeMap<Scope, BTreeSet<&str>> = BTreeMap::new();
    for operation in Operation::ALL.into_iter().filter(|o| included(*o)) {
        if let Some(action) = operation.iam_action() {
            actions.entry(operation.scope()).or_default().insert(action);
        }
    }
    actions
        .into_iter()
        .map(|(scope, actions)| {
            // No partition has another form for the wildcard: `arn:*` is taken in all of them.
            let (sid, resource) = match scope {
                Scope::Account => ("Account", "*"),
                Scope::Bucket => ("Buckets", "arn:*:s3:::*"),
                Scope::Object => ("Objects", "arn:*:s3:::*/*"),
                Scope::AccessPoint => ("AccessPoints", "arn:*:s3:*:*:accesspoint/*"),
                Scope::EventQueue => ("EventQueue", "arn:*:sqs:*:*:*"),
                Scope::Topic => ("Topics", "arn:*:sns:*:*:*"),
                Scope::Bus => ("EventBuses", "arn:*:events:*:*:event-bus/*"),
                Scope::Queue => ("Queues", "arn:*:sqs:*:*:*"),
                Scope::Function => ("Functions", "arn:*:lambda:*:*:function:*"),
                Scope::DeliveryBucket => ("DeliveryBucket", "arn:*:s3:::*"),
                Scope::DeliveredFile => ("DeliveredFiles", "arn:*:s3:::*/*"),
            };
            let resource = named(scope).unwrap_or_else(|| resource.into());
            json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource})
        })
        .collect()
}

fn document(statements: Vec<Value>) -> Value {
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
        for document in [
            iam_policy(Operation::is_of_reader),
            iam_policy(Operation::is_of_responder),
            iam_policy(Operation::is_of_recorder),
        ] {
            // An identity policy has no principal; for our parser it gets one.
            let mut document = document;
            for statement in document["Statement"].as_array_mut().unwrap() {
                statement["Principal"] = "*".into();
            }
            let policy = policy::document::Policy::parse(&document.to_string()).unwrap();
            assert_eq!(policy.diagnostics, []);
        }
    }

    fn places(queue: Option<&str>, target: &[&str]) -> PlacesArgs {
        PlacesArgs {
            queue: queue.map(str::to_owned),
            target: target.iter().map(|arn| (*arn).to_owned()).collect(),
            delivery_bucket: None,
        }
    }

    #[test]
    fn the_recorder_reads_everything_and_writes_to_named_places_only() {
        let actions = actions(Operation::is_of_recorder);
        for wanted in [
            "s3:GetBucketVersioning",
            "iam:GetAccountSummary",
            "ec2:DescribeVolumes",
        ] {
            assert!(actions.contains(wanted), "{wanted}");
        }
        for action in &actions {
            let (_, verb) = action.split_once(':').unwrap();
            let reads = ["Get", "List", "Describe"]
                .iter()
                .any(|start| verb.starts_with(start));
            assert!(
                reads || action == "iam:GenerateCredentialReport",
                "{action}"
            );
        }
        let queue = "arn:aws:sqs:eu-central-1:111122223333:events";
        let topic = "arn:aws:sns:eu-central-1:111122223333:alerts";
        let policy = recorder_policy(&places(Some(queue), &[topic])).unwrap();
        let of = |sid: &str| {
            let statements = policy["Statement"].as_array().unwrap();
            statements
                .iter()
                .find(|statement| statement["Sid"] == sid)
                .cloned()
        };
        assert_eq!(of("EventQueue").unwrap()["Resource"], json!([queue]));
        assert_eq!(of("Topics").unwrap()["Resource"], json!([topic]));
        assert_eq!(of("Topics").unwrap()["Action"], json!(["sns:Publish"]));
        assert_eq!(
            (of("Queues"), of("EventBuses"), of("Functions")),
            (None, None, None)
        );
        let none = recorder_policy(&places(None, &[])).unwrap();
        assert_eq!(none, iam_policy(Operation::is_of_recorder));
    }

    #[test]
    fn files_are_delivered_to_one_bucket() {
        let with = |arn: &str| {
            recorder_policy(&PlacesArgs {
                delivery_bucket: Some(arn.to_owned()),
                ..places(None, &[])
            })
        };
        let policy = with("arn:aws:s3:::archive").unwrap();
        let statements = policy["Statement"].as_array().unwrap();
        let files = statements.iter().find(|s| s["Sid"] == "DeliveredFiles");
        assert_eq!(
            files.unwrap()["Resource"],
            json!(["arn:aws:s3:::archive/*"])
        );
        assert_eq!(files.unwrap()["Action"], json!(["s3:PutObject"]));
        let bucket = statements.iter().find(|s| s["Sid"] == "DeliveryBucket");
        assert_eq!(bucket.unwrap()["Resource"], json!(["arn:aws:s3:::archive"]));
        for wrong in [
            "archive",
            "arn:aws:s3:::",
            "arn:aws:s3:::*",
            "arn:aws:s3:::a/b",
        ] {
            assert!(with(wrong).unwrap_err().contains(wrong));
        }
    }

    #[test]
    fn a_place_that_is_no_place_is_refused() {
        for wrong in [
            "alerts",
            "arn:aws:s3:::backups",
            "arn:aws:events:eu-central-1:111122223333:rule/x",
        ] {
            let error = recorder_policy(&places(None, &[wrong])).unwrap_err();
            assert!(error.contains(wrong), "{error}");
        }
        assert!(recorder_policy(&places(Some("arn:aws:sns:eu-central-1:1:x"), &[])).is_err());
    }
}
