//! Labelled bucket configurations: what the labels say, and the [`Bucket`] that they are about.

use std::collections::BTreeMap;

use policy::bucket::{
    Acl, BlockLevels, Bucket, Enforcement, Grant, Grantee, ObjectOwnership, Permission,
    PublicAccessBlock,
};
use policy::document::Policy;
use policy::observed::Observed;
use policy::public::Via;
use policy::request::{Caller, Context, Request};
use serde::Deserialize;
use serde_json::Value;

/// One labelled bucket configuration.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    /// A stable name, such as `cidr-02`.
    pub id: String,
    /// The bucket's name.
    pub bucket: String,
    /// The account that owns it.
    pub owner_account: String,
    /// The moment that the labels are about.
    pub as_of: jiff::Timestamp,
    /// The policy document, if there is one.
    pub policy: Option<Value>,
    /// The grants.
    pub acl: Vec<GrantEntry>,
    /// Block Public Access by level: `bucket`, `account`, and `organization` where it matters.
    pub bpa: BTreeMap<String, Block>,
    /// Object Ownership.
    pub ownership: String,
    /// The labels.
    pub expected: Labels,
    /// A valid request for each class that has one.
    pub witness: Option<Witnesses>,
    /// Why the labels are right.
    pub why: String,
    /// Where the labels come from.
    pub confidence: Confidence,
}

/// One grant of an ACL.
#[derive(Clone, Debug, Deserialize)]
pub struct GrantEntry {
    /// To whom.
    pub grantee: GranteeEntry,
    /// `READ`, `WRITE`, …
    pub permission: String,
}

/// To whom an ACL grants.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type")]
pub enum GranteeEntry {
    /// An account by its canonical id.
    CanonicalUser {
        /// The canonical id.
        id: String,
    },
    /// A predefined group.
    Group {
        /// The group's URI.
        uri: String,
    },
}

/// The four settings of one level.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the settings carry their AWS names")]
pub struct Block {
    pub block_public_acls: bool,
    pub ignore_public_acls: bool,
    pub block_public_policy: bool,
    pub restrict_public_buckets: bool,
}

/// What is right to say about the bucket.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "named as in the verdict")]
pub struct Labels {
    pub public_read: bool,
    pub public_write: bool,
    pub mechanism_read: Vec<String>,
    pub mechanism_write: Vec<String>,
    pub aws_is_public: bool,
    pub acl_is_public: bool,
    pub literal: LiteralLabels,
}

/// The literal flags.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in the verdict")]
pub struct LiteralLabels {
    pub anonymous_read: bool,
    pub anonymous_write: bool,
    pub stranger_read: bool,
    pub stranger_write: bool,
}

/// Where a label comes from.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// AWS's documentation states it.
    Documented,
    /// It follows from documented rules.
    Derived,
    /// It rests on an inference of ours.
    Inferred,
    /// The sources can be read both ways.
    Ambiguous,
}

impl Confidence {
    /// Whether a wrong answer fails a build.
    pub fn gates(self) -> bool {
        matches!(self, Confidence::Documented | Confidence::Derived)
    }
}

/// One valid request per class.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Witnesses {
    /// A read.
    pub read: Option<RequestEntry>,
    /// A write.
    pub write: Option<RequestEntry>,
}

/// A request as cases write it.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "named as in the documented JSON output")]
pub struct RequestEntry {
    pub principal: String,
    pub action: String,
    pub resource: String,
    pub context: BTreeMap<String, String>,
    pub via: String,
}

/// Providers of web identities that anyone can sign up with.
pub const OPEN_PROVIDERS: [&str; 4] = [
    "graph.facebook.com",
    "accounts.google.com",
    "www.amazon.com",
    "cognito-identity.amazonaws.com",
];

impl RequestEntry {
    /// The request, and the mechanism that lets it in.
    pub fn request(&self) -> (Request, Via) {
        let name = self.principal.clone();
        let caller = if name == "anonymous" {
            Caller::Anonymous
        } else if name.starts_with("arn:") {
            Caller::Principal(name)
        } else if OPEN_PROVIDERS.contains(&name.as_str()) {
            Caller::Federated(name)
        } else {
            Caller::Service(name)
        };
        let request = Request {
            caller,
            action: self.action.clone(),
            resource: self.resource.clone(),
            context: self.context.iter().collect_context(),
        };
        let via = if self.via == "acl" {
            Via::Acl
        } else {
            Via::Policy
        };
        (request, via)
    }
}

trait CollectContext {
    fn collect_context(self) -> Context;
}

impl<'a, I: Iterator<Item = (&'a String, &'a String)>> CollectContext for I {
    fn collect_context(self) -> Context {
        self.map(|(key, value)| (key, value.clone())).collect()
    }
}

/// Reads a file of cases.
pub fn read(text: &str) -> Result<Vec<Case>, serde_json::Error> {
    serde_json::from_str(text)
}

impl Case {
    /// The bucket that the labels are about. Access points and resource control policies are absent.
    ///
    /// The error says what cannot be read, with the case's id.
    pub fn bucket(&self) -> Result<Bucket, String> {
        let fail = |what: String| format!("case {}: {what}", self.id);
        let policy = match &self.policy {
            None => Observed::Absent,
            Some(document) => Observed::Present(
                Policy::parse(&document.to_string()).map_err(|e| fail(e.to_string()))?,
            ),
        };
        let grants = self
            .acl
            .iter()
            .map(|entry| {
                Ok(Grant {
                    grantee: match &entry.grantee {
                        GranteeEntry::CanonicalUser { id } => Grantee::CanonicalUser(id.clone()),
                        GranteeEntry::Group { uri } => Grantee::Group(uri.clone()),
                    },
                    permission: Permission::parse(&entry.permission)
                        .ok_or_else(|| fail(format!("permission {}", entry.permission)))?,
                })
            })
            .collect::<Result<Vec<_>, String>>()?;
        let level = |name: &str| match self.bpa.get(name) {
            None => Observed::Absent,
            Some(block) => Observed::Present(PublicAccessBlock {
                block_public_acls: block.block_public_acls,
                ignore_public_acls: block.ignore_public_acls,
                block_public_policy: block.block_public_policy,
                restrict_public_buckets: block.restrict_public_buckets,
            }),
        };
        Ok(Bucket {
            name: self.bucket.clone(),
            partition: "aws".to_owned(),
            owner_account: Some(self.owner_account.clone()),
            as_of: self.as_of,
            policy,
            acl: Observed::Present(Acl {
                owner: None,
                grants,
            }),
            public_access_block: BlockLevels {
                bucket: level("bucket"),
                account: level("account"),
                organization: level("organization"),
            },
            ownership: ObjectOwnership::parse(&self.ownership)
                .map(Observed::Present)
                .ok_or_else(|| fail(format!("ownership {}", self.ownership)))?,
            access_points: Observed::Absent,
            resource_control_policies: Observed::Absent,
            enforcement: Enforcement::Aws,
        })
    }
}
