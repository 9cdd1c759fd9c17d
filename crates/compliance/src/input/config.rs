//! AWS Config: configuration items, snapshots and history files.
//!
//! Recorded items differ in how often a value is wrapped into text, and in spelling (`ARN` and
//! `arn`, `awsAccountId` and `accountId`); each value is accepted as text or object at every level.
//! The bucket's item holds the bucket's own block; the account's is an item of its own,
//! `AWS::S3::AccountPublicAccessBlock`, and counts if it is in the same file. Whether a bucket's item
//! shows Object Ownership is not documented: where it does not, ownership is unknown.

use std::collections::HashMap;

use jiff::Timestamp;
use policy::bucket::PublicAccessBlock;
use policy::observed::{Observed, Unread};

use super::json::{self, Place};
use super::members::{self, Found};
use super::node::Node;
use super::{InputBucket, Kind, Problem, Reader, Reading, layers};

const BUCKET: &str = "AWS::S3::Bucket";
const ACCOUNT_BLOCK: &str = "AWS::S3::AccountPublicAccessBlock";

/// Whether a node is an item, or a message that carries one.
pub(super) fn is_item(node: &Node) -> bool {
    node.get("resourceType").is_some()
        || node.get("configurationItem").is_some()
        || node.get("invokingEvent").is_some()
        || node.get("configurationItems").is_some()
        || node.get("configurationItemSummary").is_some()
}

/// Reads a file that is one item, or one message.
pub(super) fn read_one(reader: &Reader<'_>, node: &Node) -> Reading {
    let mut items = Items::new(reader);
    if node.get("configurationItemSummary").is_some() {
        items.problems.push(
            Problem::of_file(
                reader.file,
                "the message says of an item that it is too large to be in it",
            )
            .hint("fetch the item: `aws configservice get-resource-config-history`"),
        );
        return items.finish();
    }
    for item in carried(node) {
        items.take(&item);
    }
    items.finish()
}

/// The items that a message carries: a custom rule's event holds its message as text.
fn carried(node: &Node) -> Vec<Node> {
    if let Some(event) = node.get("invokingEvent") {
        let event = members::unwrapped(event);
        return event
            .get("configurationItem")
            .cloned()
            .into_iter()
            .collect();
    }
    if let Some(item) = node.get("configurationItem") {
        return vec![members::unwrapped(item).into_owned()];
    }
    if let Some(items) = node.get("configurationItems") {
        return items.elements().to_vec();
    }
    vec![node.clone()]
}

/// Reads the items of a snapshot or history, one at a time.
pub(super) fn read(reader: &Reader<'_>, places: &[Place]) -> Reading {
    let mut items = Items::new(reader);
    for place in places {
        match json::parse_at(reader.text, place) {
            Ok(node) => items.take(&node),
            Err(wrong) => items.problems.push(Problem::syntax(reader.file, wrong)),
        }
    }
    items.finish()
}

/// The items of one file as they come.
struct Items<'a> {
    reader: &'a Reader<'a>,
    /// The newest item of each bucket, by account and name, in the order of first sight.
    newest: Vec<Recorded>,
    index: HashMap<(Option<String>, String), usize>,
    account_blocks: HashMap<String, (Option<Timestamp>, Observed<PublicAccessBlock>)>,
    problems: Vec<Problem>,
}

struct Recorded {
    captured: Option<Timestamp>,
    /// `None`: the newest item says that the bucket is gone.
    bucket: Option<InputBucket>,
    problems: Vec<Problem>,
}

impl<'a> Items<'a> {
    fn new(reader: &'a Reader<'a>) -> Items<'a> {
        Items {
            reader,
            newest: Vec::new(),
            index: HashMap::new(),
            account_blocks: HashMap::new(),
            problems: Vec::new(),
        }
    }

    fn take(&mut self, item: &Node) {
        let account = account(item);
        let captured = item
            .get_any(&["configurationItemCaptureTime", "captureTime"])
            .and_then(Node::as_str)
            .and_then(|text| text.parse().ok());
        match item.get_str("resourceType") {
            Some(BUCKET) => self.bucket(item, account, captured),
            Some(ACCOUNT_BLOCK) => self.account_block(item, account, captured),
            Some(_) => {}
            None => self.problems.push(Problem {
                line: Some(item.line),
                ..Problem::of_file(
                    self.reader.file,
                    "an element is not a configuration item: it has no resourceType",
                )
            }),
        }
    }

    fn bucket(&mut self, item: &Node, account: Option<String>, captured: Option<Timestamp>) {
        let name = item
            .get_any(&["resourceName", "resourceId"])
            .and_then(Node::as_str)
            .or_else(|| {
                let arn = item.get_any(&["arn", "ARN"])?.as_str()?;
                arn.rsplit(':').next()
            });
        let Some(name) = name else {
            self.problems.push(Problem {
                line: Some(item.line),
                ..Problem::of_file(
                    self.reader.file,
                    "a bucket's item has neither resourceName nor resourceId",
                )
            });
            return;
        };
        let status = item
            .get_any(&["configurationItemStatus", "status"])
            .and_then(Node::as_str)
            .unwrap_or("OK");
        // `ResourceNotRecorded` says that Config stopped looking, `ResourceDeleted…` that it is gone.
        let gone = status.starts_with("ResourceDeleted") || status == "ResourceNotRecorded";
        let mut problems = Vec::new();
        let recorded = Recorded {
            captured,
            bucket: (!gone).then(|| recorded_bucket(self.reader, name, item, &mut problems)),
            problems,
        };
        match self.index.get(&(account.clone(), name.to_owned())) {
            Some(&at) => {
                if recorded.captured >= self.newest[at].captured {
                    self.newest[at] = recorded;
                }
            }
            None => {
                self.index
                    .insert((account, name.to_owned()), self.newest.len());
                self.newest.push(recorded);
            }
        }
    }

    fn account_block(&mut self, item: &Node, account: Option<String>, captured: Option<Timestamp>) {
        let account = account.or_else(|| item.get_str("resourceId").map(str::to_owned));
        let Some(account) = account else {
            return;
        };
        let status = item
            .get_any(&["configurationItemStatus", "status"])
            .and_then(Node::as_str)
            .unwrap_or("OK");
        let block = if status.starts_with("ResourceDeleted") {
            Observed::Absent
        } else {
            let found = match item.get("configuration") {
                Some(configuration) => members::public_access_block(configuration),
                None => Found::of(Observed::Absent),
            };
            if let Some((message, line)) = found.wrong {
                self.problems.push(Problem {
                    line: Some(line),
                    ..Problem::of_file(self.reader.file, format!("account {account}: {message}"))
                });
            }
            found.observed
        };
        let newer = self
            .account_blocks
            .get(&account)
            .is_none_or(|(before, _)| captured >= *before);
        if newer {
            self.account_blocks.insert(account, (captured, block));
        }
    }

    fn finish(mut self) -> Reading {
        let mut buckets = Vec::new();
        for recorded in self.newest {
            let Some(mut input) = recorded.bucket else {
                continue;
            };
            self.problems.extend(recorded.problems);
            let block = input
                .bucket
                .owner_account
                .as_ref()
                .and_then(|account| self.account_blocks.get(account));
            // An item of ours says itself what stood above the bucket when it was taken.
            if let Some((_, block)) = block
                && input.bucket.public_access_block.account.is_unknown()
            {
                input.bucket.public_access_block.account = block.clone();
            }
            buckets.push(input);
        }
        Reading {
            kind: Kind::ConfigurationItems,
            buckets,
            problems: self.problems,
        }
    }
}

fn account(item: &Node) -> Option<String> {
    item.get_any(&["awsAccountId", "accountId"])
        .and_then(Node::scalar_text)
}

/// The bucket of one item: the parts that AWS Config records, and then what our member says.
pub(super) fn recorded_bucket(
    reader: &Reader<'_>,
    name: &str,
    item: &Node,
    problems: &mut Vec<Problem>,
) -> InputBucket {
    let mut input = parts_of_config(reader, name, item, problems);
    if let Some(member) = item.get("portcullis").filter(|member| !member.is_null()) {
        layers::complete(&mut input.bucket, member, &mut |message, line| {
            problems.push(reader.problem(name, message, line));
        });
    }
    input
}

fn parts_of_config(
    reader: &Reader<'_>,
    name: &str,
    item: &Node,
    problems: &mut Vec<Problem>,
) -> InputBucket {
    let mut input = reader.bucket(name, item);
    input.source.path = item
        .get_any(&["arn", "ARN"])
        .and_then(Node::as_str)
        .map(str::to_owned);
    input.region = item.get_str("awsRegion").map(str::to_owned);
    let found = &mut input.bucket;
    found.partition = reader.partition(input.region.as_deref());
    if let Some(account) = account(item) {
        found.owner_account = Some(account);
    }
    let mut take = |wrong: Option<(String, usize)>| {
        if let Some((message, line)) = wrong {
            problems.push(reader.problem(name, message, line));
        }
    };

    let supplementary = item
        .get("supplementaryConfiguration")
        .map(members::unwrapped);
    let Some(supplementary) = supplementary.as_deref().filter(|s| s.is_mapping()) else {
        let why = "the item has no supplementaryConfiguration".to_owned();
        take(Some((why.clone(), item.line)));
        let failed = || Unread::Failed(why.clone());
        found.policy = Observed::Unknown(failed());
        found.acl = Observed::Unknown(failed());
        found.public_access_block.bucket = Observed::Unknown(failed());
        found.ownership = Observed::Unknown(failed());
        return input;
    };

    // A missing policy or block is one that the bucket does not have.
    found.policy = Observed::Absent;
    found.public_access_block.bucket = Observed::Absent;
    if let Some(policy) = supplementary.get("BucketPolicy") {
        let policy = members::unwrapped(policy);
        let (policy, line) = members::bucket_policy(&policy, "");
        take(policy.wrong);
        input.source.policy_line = line;
        found.policy = policy.observed;
    }
    match supplementary.get("AccessControlList") {
        Some(acl) => {
            let acl = members::acl(acl);
            take(acl.wrong);
            found.acl = acl.observed;
        }
        // Every bucket has an ACL: an item without it did not record it.
        None => {
            found.acl = Observed::Unknown(Unread::Failed(
                "the configuration item does not show the ACL".to_owned(),
            ));
        }
    }
    if let Some(block) = supplementary.get("PublicAccessBlockConfiguration") {
        let block = members::public_access_block(block);
        take(block.wrong);
        found.public_access_block.bucket = block.observed;
    }
    let ownership = supplementary.get_any(&[
        "BucketOwnershipControls",
        "OwnershipControls",
        "ObjectOwnership",
    ]);
    found.ownership = match ownership {
        Some(ownership) => {
            let ownership = members::ownership(ownership);
            take(ownership.wrong);
            ownership.observed
        }
        None => Observed::Unknown(Unread::Failed(
            "the configuration item does not show Object Ownership".to_owned(),
        )),
    };
    input
}
