//! The parts of a bucket's configuration in the shapes that people have them in: our own, the AWS
//! CLI's, AWS Config's, CloudFormation's and Terraform's.

use std::borrow::Cow;

use policy::bucket::{
    ALL_USERS, AUTHENTICATED_USERS, Acl, Grant, Grantee, LOG_DELIVERY, ObjectOwnership, Permission,
    PublicAccessBlock,
};
use policy::document::Policy;
use policy::observed::{Observed, Unread};

use super::json;
use super::node::{Kind, Node};

/// A part as it was found, and what was wrong with it.
///
/// A part that cannot be understood is never taken for absent: it is `Unknown`, and the sentence
/// goes to the user.
pub(crate) struct Found<T> {
    /// The part.
    pub(crate) observed: Observed<T>,
    /// What is wrong with it, and the line in the file.
    pub(crate) wrong: Option<(String, usize)>,
}

impl<T> Found<T> {
    pub(crate) fn of(observed: Observed<T>) -> Found<T> {
        Found {
            observed,
            wrong: None,
        }
    }

    pub(crate) fn wrong(message: String, line: usize) -> Found<T> {
        Found {
            observed: Observed::Unknown(Unread::Failed(message.clone())),
            wrong: Some((message, line)),
        }
    }
}

/// What every part may be instead of itself: `null`, or `"unknown"`.
fn missing<T>(node: &Node) -> Option<Observed<T>> {
    match &node.kind {
        Kind::Null => Some(Observed::Absent),
        Kind::String(text) if text == "unknown" => Some(Observed::Unknown(Unread::SaidUnknown)),
        _ => None,
    }
}

/// The value behind texts that hold JSON, however often wrapped (recorded items wrap twice).
pub(crate) fn unwrapped(node: &Node) -> Cow<'_, Node> {
    let mut current = Cow::Borrowed(node);
    for _ in 0..4 {
        let Some(text) = current.as_str().map(str::trim_start) else {
            break;
        };
        if !text.starts_with(['{', '[', '"']) && text.trim_end() != "null" {
            break;
        }
        let Ok(mut inner) = json::parse(text) else {
            break;
        };
        inner.line = node.line;
        inner.span = 0..0;
        current = Cow::Owned(inner);
    }
    current
}

/// A bucket policy: the document itself, a text that holds it, or `{"Policy": …}` and
/// `{"policyText": …}` around it. `source` is the text that the node's span points into.
pub(crate) fn bucket_policy(node: &Node, source: &str) -> (Found<Policy>, Option<usize>) {
    if let Some(missing) = missing(node) {
        return (Found::of(missing), None);
    }
    match &node.kind {
        Kind::String(text) => {
            let text = text.trim();
            if text.is_empty() || text == "null" {
                return (Found::of(Observed::Absent), None);
            }
            // A text that holds a text that holds a policy: take one wrapping off and look again.
            if text.starts_with('"')
                && let Ok(inner) = json::parse(text)
            {
                let inner = Node::text_at(inner.as_str().unwrap_or_default(), node);
                return bucket_policy(&inner, "");
            }
            (parse_policy(text, node.line), None)
        }
        Kind::Mapping(_) => {
            let wrapper = ["Policy", "policyText", "PolicyText"];
            if let Some(inner) = node
                .get_any(&wrapper)
                .filter(|_| node.get("Statement").is_none() && node.get("statement").is_none())
            {
                return bucket_policy(inner, source);
            }
            if node.members().is_empty() {
                return (Found::of(Observed::Absent), None);
            }
            let (text, line) = match source.get(node.span.clone()) {
                Some(text) if !text.is_empty() => (Cow::Borrowed(text), Some(node.line)),
                _ => (Cow::Owned(node.to_json()), None),
            };
            (parse_policy(&text, node.line), line)
        }
        _ => (
            Found::wrong(
                format!("the policy is {}, not a policy document", node.describe()),
                node.line,
            ),
            None,
        ),
    }
}

fn parse_policy(text: &str, line: usize) -> Found<Policy> {
    match Policy::parse(text) {
        Ok(policy) => Found::of(Observed::Present(policy)),
        Err(wrong) => match wrong.diagnostics.first() {
            Some(first) => Found::wrong(
                format!(
                    "the policy cannot be read: {} (at {})",
                    first.message, first.path
                ),
                line + first.line.saturating_sub(1),
            ),
            None => Found::wrong(wrong.to_string(), line),
        },
    }
}

/// An ACL: a list of grants, the AWS CLI's `{Owner, Grants}`, Config's `{owner, grantList}`, or the
/// name of a canned ACL. `owner` is whom a canned ACL gives full control, if that is known.
pub(crate) fn acl(node: &Node) -> Found<Acl> {
    if let Some(missing) = missing(node) {
        return Found::of(missing);
    }
    let node = unwrapped(node);
    match &node.kind {
        Kind::Null => Found::of(Observed::Absent),
        Kind::String(name) => match canned(name) {
            Some(acl) => Found::of(Observed::Present(acl)),
            None => Found::wrong(format!("{name:?} is not a canned ACL"), node.line),
        },
        Kind::Sequence(grants) => match grants_of(grants) {
            Ok(grants) => Found::of(Observed::Present(Acl {
                owner: None,
                grants,
            })),
            Err((message, line)) => Found::wrong(message, line),
        },
        Kind::Mapping(_) => {
            let owner = node
                .get_any(&["Owner", "owner"])
                .and_then(|owner| owner.get_any(&["ID", "Id", "id"]))
                .and_then(Node::as_str)
                .map(str::to_owned);
            let list = ["Grants", "grants", "grantList", "grantSet"]
                .iter()
                .filter_map(|name| node.get(name))
                .find(|list| !list.is_null());
            let Some(list) = list else {
                return Found::wrong(
                    "the ACL has neither Grants nor grantList".to_owned(),
                    node.line,
                );
            };
            match grants_of(list.elements()) {
                Ok(grants) => Found::of(Observed::Present(Acl { owner, grants })),
                Err((message, line)) => Found::wrong(message, line),
            }
        }
        _ => Found::wrong(
            format!("the ACL is {}, not a list of grants", node.describe()),
            node.line,
        ),
    }
}

fn grants_of(nodes: &[Node]) -> Result<Vec<Grant>, (String, usize)> {
    nodes
        .iter()
        .enumerate()
        .map(|(at, node)| {
            grant(node).map_err(|why| (format!("grant {at} of the ACL: {why}"), node.line))
        })
        .collect()
}

fn grant(node: &Node) -> Result<Grant, String> {
    let permission = node
        .get_any(&["permission", "Permission"])
        .and_then(Node::as_str)
        .ok_or("it has no permission")?;
    let permission = Permission::parse(permission)
        .ok_or_else(|| format!("{permission:?} is not a permission"))?;
    let grantee = node
        .get_any(&["grantee", "Grantee"])
        .ok_or("it has no grantee")?;
    Ok(Grant {
        grantee: grantee_of(grantee)?,
        permission,
    })
}

fn grantee_of(node: &Node) -> Result<Grantee, String> {
    if let Some(name) = node.as_str() {
        return Ok(named_grantee(name));
    }
    let text = |names: &[&str]| {
        node.get_any(names)
            .and_then(Node::as_str)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    if let Some(uri) = text(&["uri", "URI", "Uri"]) {
        Ok(named_grantee(&uri))
    } else if let Some(id) = text(&["id", "ID", "Id"]) {
        Ok(Grantee::CanonicalUser(id))
    } else if let Some(email) = text(&["email_address", "emailAddress", "EmailAddress"]) {
        Ok(Grantee::Email(email))
    } else {
        Err("its grantee has neither uri nor id nor email address".to_owned())
    }
}

/// AWS Config writes groups by their bare names.
fn named_grantee(name: &str) -> Grantee {
    match name {
        "AllUsers" => Grantee::Group(ALL_USERS.to_owned()),
        "AuthenticatedUsers" => Grantee::Group(AUTHENTICATED_USERS.to_owned()),
        "LogDelivery" => Grantee::Group(LOG_DELIVERY.to_owned()),
        name if name.contains("//") => Grantee::Group(name.to_owned()),
        name => Grantee::CanonicalUser(name.to_owned()),
    }
}

/// A canned ACL by the API's name (`public-read`) or CloudFormation's (`PublicRead`): Amazon S3 user
/// guide, "Access control list (ACL) overview", "Canned ACL". The owner's own grant is left out: it
/// opens nothing.
pub(crate) fn canned(name: &str) -> Option<Acl> {
    let folded: String = name
        .chars()
        .filter(|c| *c != '-')
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let group = |uri: &str, permission| Grant {
        grantee: Grantee::Group(uri.to_owned()),
        permission,
    };
    let grants = match folded.as_str() {
        "private" | "awsexecread" | "bucketownerread" | "bucketownerfullcontrol" => Vec::new(),
        "publicread" => vec![group(ALL_USERS, Permission::Read)],
        "publicreadwrite" => vec![
            group(ALL_USERS, Permission::Read),
            group(ALL_USERS, Permission::Write),
        ],
        "authenticatedread" => vec![group(AUTHENTICATED_USERS, Permission::Read)],
        "logdeliverywrite" => vec![
            group(LOG_DELIVERY, Permission::Write),
            group(LOG_DELIVERY, Permission::ReadAcp),
        ],
        _ => return None,
    };
    Some(Acl {
        owner: None,
        grants,
    })
}

/// Block Public Access at one level, spelled `BlockPublicAcls`, `blockPublicAcls` or
/// `block_public_acls`, bare or inside `PublicAccessBlockConfiguration`. A setting that is not there
/// is off.
pub(crate) fn public_access_block(node: &Node) -> Found<PublicAccessBlock> {
    if let Some(missing) = missing(node) {
        return Found::of(missing);
    }
    let node = unwrapped(node);
    if node.is_null() {
        return Found::of(Observed::Absent);
    }
    if !node.is_mapping() {
        return Found::wrong(
            format!(
                "the Block Public Access configuration is {}, not an object",
                node.describe()
            ),
            node.line,
        );
    }
    if let Some(inner) = node.get_any(&[
        "PublicAccessBlockConfiguration",
        "publicAccessBlockConfiguration",
    ]) {
        return public_access_block(inner);
    }
    let mut block = PublicAccessBlock::default();
    let settings: [(&str, &mut bool); 4] = [
        ("blockpublicacls", &mut block.block_public_acls),
        ("ignorepublicacls", &mut block.ignore_public_acls),
        ("blockpublicpolicy", &mut block.block_public_policy),
        ("restrictpublicbuckets", &mut block.restrict_public_buckets),
    ];
    for (folded, setting) in settings {
        let member = node.members().iter().rev().find(|(name, _)| {
            name.chars()
                .filter(|c| *c != '_')
                .map(|c| c.to_ascii_lowercase())
                .eq(folded.chars())
        });
        let Some((name, value)) = member else {
            continue;
        };
        if value.is_null() {
            continue;
        }
        match value.as_bool() {
            Some(value) => *setting = value,
            None => {
                return Found::wrong(
                    format!("{name} of Block Public Access is neither true nor false"),
                    value.line,
                );
            }
        }
    }
    Found::of(Observed::Present(block))
}

/// Object Ownership: its name, or the AWS CLI's and CloudFormation's rules around it.
pub(crate) fn ownership(node: &Node) -> Found<ObjectOwnership> {
    if let Some(missing) = missing(node) {
        return Found::of(missing);
    }
    let node = unwrapped(node);
    if let Some(name) = node.as_str() {
        return match ObjectOwnership::parse(name) {
            Some(ownership) => Found::of(Observed::Present(ownership)),
            None => Found::wrong(
                format!("{name:?} is not an Object Ownership setting"),
                node.line,
            ),
        };
    }
    if let Some(rule) = node.elements().first() {
        return ownership(rule);
    }
    if let Some(inner) = node.get_any(&["OwnershipControls", "ownershipControls"]) {
        return ownership(inner);
    }
    if let Some(inner) = node.get_any(&["ObjectOwnership", "objectOwnership", "object_ownership"]) {
        return ownership(inner);
    }
    match node.get_any(&["Rules", "rules", "rule"]) {
        Some(rules) => match rules.elements().first() {
            Some(rule) => ownership(rule),
            None => Found::of(Observed::Absent),
        },
        None if node.is_null() => Found::of(Observed::Absent),
        None => Found::wrong(
            "the ownership controls hold no ObjectOwnership".to_owned(),
            node.line,
        ),
    }
}
