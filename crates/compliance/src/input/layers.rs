//! What our member `portcullis` of a configuration item says about a bucket: the layers above it, and
//! what was not read (`item::bucket` writes it, and documents it).
//!
//! What cannot be understood is unknown, never absent.

use policy::bucket::{AccessPoint, Bucket, Enforcement, PublicAccessBlock};
use policy::document::Policy;
use policy::observed::{Observed, Unread};

use super::members::{self, Found};
use super::node::{Kind, Node};
use crate::item::bucket as part;
use crate::item::unread;

/// Completes a bucket of which the parts that AWS Config has a place for are read. `said` takes what
/// is wrong with the member, and the line.
pub(super) fn complete(bucket: &mut Bucket, member: &Node, said: &mut dyn FnMut(String, usize)) {
    if let Some(partition) = member.get_str("partition") {
        bucket.partition = partition.to_owned();
    }
    if let Some(owner) = member.get("ownerAccount") {
        bucket.owner_account = owner.as_str().map(str::to_owned);
    }
    match member.get_str("enforcement") {
        Some("cephRgw") => bucket.enforcement = Enforcement::CephRgw,
        Some("aws") | None => {}
        Some(other) => said(
            format!("this version does not know the enforcement {other:?}; AWS's is taken"),
            member.line,
        ),
    }
    let levels = &mut bucket.public_access_block;
    layer(
        member,
        part::ACCOUNT_BLOCK,
        &mut levels.account,
        said,
        members::public_access_block,
    );
    layer(
        member,
        part::ORGANIZATION_BLOCK,
        &mut levels.organization,
        said,
        members::public_access_block,
    );
    layer(
        member,
        part::ACCESS_POINTS,
        &mut bucket.access_points,
        said,
        access_points,
    );
    layer(
        member,
        part::RESOURCE_CONTROL_POLICIES,
        &mut bucket.resource_control_policies,
        said,
        policies,
    );

    let not_read = |name: &str| why(member, name);
    if let Some(why) = not_read(part::POLICY) {
        bucket.policy = Observed::Unknown(why);
    }
    if let Some(why) = not_read(part::ACL) {
        bucket.acl = Observed::Unknown(why);
    }
    if let Some(why) = not_read(part::PUBLIC_ACCESS_BLOCK) {
        bucket.public_access_block.bucket = Observed::Unknown(why);
    }
    if let Some(why) = not_read(part::OWNERSHIP) {
        bucket.ownership = Observed::Unknown(why);
    }
}

/// Why a part was not read, if the member says that it was not.
fn why(member: &Node, name: &str) -> Option<Unread> {
    let unread = member.get("unread")?;
    if !unread.is_mapping() {
        return Some(Unread::Failed(format!(
            "the item's list of unread parts is {}",
            unread.describe()
        )));
    }
    let why = unread.get(name)?;
    Some(unread::from_members(|name| why.get_str(name)))
}

/// One layer: as it was observed, or why not. A layer that the member does not mention stays as it is.
fn layer<T>(
    member: &Node,
    name: &'static str,
    into: &mut Observed<T>,
    said: &mut dyn FnMut(String, usize),
    read: impl Fn(&Node) -> Found<T>,
) {
    if let Some(why) = why(member, name) {
        *into = Observed::Unknown(why);
        return;
    }
    let Some(node) = member.get(name) else {
        return;
    };
    if node.is_null() {
        *into = Observed::Absent;
        return;
    }
    let found = read(node);
    if let Some((message, line)) = found.wrong {
        said(format!("{name}: {message}"), line);
    }
    *into = found.observed;
}

fn policies(node: &Node) -> Found<Vec<Policy>> {
    let Kind::Sequence(elements) = &node.kind else {
        return Found::wrong(format!("it is {}, not a list", node.describe()), node.line);
    };
    let mut policies = Vec::new();
    for (at, element) in elements.iter().enumerate() {
        let (found, _) = members::bucket_policy(element, "");
        match found.observed {
            Observed::Present(policy) => policies.push(policy),
            Observed::Absent => {}
            Observed::Unknown(why) => {
                return Found::wrong(format!("policy {at}: {why}"), element.line);
            }
        }
    }
    Found::of(Observed::Present(policies))
}

fn access_points(node: &Node) -> Found<Vec<AccessPoint>> {
    let Kind::Sequence(elements) = &node.kind else {
        return Found::wrong(format!("it is {}, not a list", node.describe()), node.line);
    };
    let mut points = Vec::new();
    for (at, element) in elements.iter().enumerate() {
        let Some(arn) = element.get_str("arn") else {
            return Found::wrong(format!("access point {at} has no arn"), element.line);
        };
        let mut policy = Observed::Unknown(Unread::NotGiven);
        let mut block = Observed::<PublicAccessBlock>::Unknown(Unread::NotGiven);
        // What is wrong inside an access point makes that part of it unknown, which the verdict says.
        let mut said = |_: String, _: usize| {};
        layer(element, "policy", &mut policy, &mut said, |node| {
            members::bucket_policy(node, "").0
        });
        layer(
            element,
            "publicAccessBlock",
            &mut block,
            &mut said,
            members::public_access_block,
        );
        points.push(AccessPoint {
            arn: arn.to_owned(),
            vpc_origin: element.get("vpcOrigin").and_then(Node::as_bool) == Some(true),
            policy,
            public_access_block: block,
        });
    }
    Found::of(Observed::Present(points))
}
