//! Unsigned requests: as they go over the wire, and as a policy sees them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use jiff::Timestamp;
use policy::bucket::{Acl, Grant, Grantee, Permission};
use policy::condition::{Condition, Value};
use policy::document::Policy;
use policy::pattern::Element;
use policy::request::{Caller, Context, Request};

use crate::configuration::OWNER_ACCOUNT;

/// Keys of the objects that every test bucket holds.
pub const PRIVATE_OBJECTS: &[&str] = &["a", "public/page", "secret/x"];
/// The object whose own ACL lets everybody read it.
pub const SHARED_OBJECT: &str = "shared";

/// The address of a client on the internet.
pub const PUBLIC_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));

/// What a client chooses about itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Client {
    /// From which address it comes.
    pub source: IpAddr,
    /// `Referer`.
    pub referer: Option<String>,
    /// `User-Agent`.
    pub user_agent: String,
}

/// One unsigned request to a bucket.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The IAM action that it needs.
    pub action: &'static str,
    /// The HTTP method.
    pub method: &'static str,
    /// The object's key; `None` for the bucket itself.
    pub key: Option<String>,
    /// The query, names and values as they are.
    pub query: Vec<(&'static str, String)>,
    /// Headers beside the client's.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The body.
    pub body: &'static str,
    /// Who sends it.
    pub client: Client,
    /// Whether it changes the bucket when it is let in.
    pub changes_configuration: bool,
}

impl Probe {
    fn new(
        action: &'static str,
        method: &'static str,
        key: Option<&str>,
        client: &Client,
    ) -> Probe {
        Probe {
            action,
            method,
            key: key.map(str::to_owned),
            query: Vec::new(),
            headers: Vec::new(),
            body: "",
            client: client.clone(),
            changes_configuration: false,
        }
    }

    fn query(mut self, name: &'static str, value: &str) -> Probe {
        self.query.push((name, value.to_owned()));
        self
    }

    fn body(mut self, body: &'static str) -> Probe {
        self.body = body;
        self
    }

    fn private_acl(mut self) -> Probe {
        self.headers.push(("x-amz-acl", "private"));
        self.changes_configuration = true;
        self
    }

    /// A request of the analysis as one that can be sent: `None` if it is signed, if it is none of
    /// the actions that are tried, or if it needs what an HTTP client cannot choose.
    pub fn of(request: &Request, bucket: &str, fixed_source: Option<IpAddr>) -> Option<Probe> {
        if request.caller != Caller::Anonymous {
            return None;
        }
        let (action, method, body, sub_resource) = match request.action.as_str() {
            "s3:GetObject" => ("s3:GetObject", "GET", "", None),
            "s3:ListBucket" => ("s3:ListBucket", "GET", "", None),
            "s3:PutObject" => ("s3:PutObject", "PUT", "uploaded", None),
            "s3:DeleteObject" => ("s3:DeleteObject", "DELETE", "", None),
            "s3:GetBucketAcl" => ("s3:GetBucketAcl", "GET", "", Some("acl")),
            "s3:GetBucketLocation" => ("s3:GetBucketLocation", "GET", "", Some("location")),
            "s3:GetObjectAcl" => ("s3:GetObjectAcl", "GET", "", Some("acl")),
            "s3:GetObjectTagging" => ("s3:GetObjectTagging", "GET", "", Some("tagging")),
            "s3:ListBucketVersions" => ("s3:ListBucketVersions", "GET", "", Some("versions")),
            "s3:ListBucketMultipartUploads" => {
                ("s3:ListBucketMultipartUploads", "GET", "", Some("uploads"))
            }
            _ => return None,
        };
        let path = request
            .resource
            .strip_prefix(&format!("arn:aws:s3:::{bucket}"))?;
        let key = match path.strip_prefix('/') {
            Some("") => return None,
            Some(key) => Some(key),
            None => None,
        };
        let client = &clients(None, fixed_source)[0];
        let mut probe = Probe::new(action, method, key, client).body(body);
        if let Some(sub_resource) = sub_resource {
            probe = probe.query(sub_resource, "");
        }
        let has = |probe: &Probe, name: &str, value: &str| {
            let sent = probe.request(bucket, Timestamp::UNIX_EPOCH);
            sent.context.get(name) == Some(&[value.to_owned()])
        };
        for (name, values) in request.context.iter() {
            let [value] = values else { return None };
            match name {
                "aws:referer" => probe.client.referer = Some(value.clone()),
                "aws:useragent" => probe.client.user_agent.clone_from(value),
                "aws:sourceip" => {
                    let source = value.parse().ok()?;
                    if fixed_source.is_some_and(|fixed| fixed != source) {
                        return None;
                    }
                    probe.client.source = source;
                }
                "s3:prefix" => probe = probe.query("prefix", value),
                "s3:max-keys" => probe = probe.query("max-keys", value),
                "s3:delimiter" => probe = probe.query("delimiter", value),
                // The moment passes before the request arrives.
                "aws:currenttime" | "aws:epochtime" => {}
                _ if has(&probe, name, value) => {}
                _ => return None,
            }
        }
        Some(probe)
    }

    /// The request as a policy of AWS's sees it at this moment: every key that AWS documents for an
    /// unsigned request over plain HTTP.
    pub fn request(&self, bucket: &str, now: Timestamp) -> Request {
        let mut context: Context = [
            ("aws:CurrentTime", now.to_string()),
            ("aws:EpochTime", now.as_second().to_string()),
            ("aws:SecureTransport", "false".to_owned()),
            ("aws:SourceIp", self.client.source.to_string()),
            ("aws:UserAgent", self.client.user_agent.clone()),
            ("aws:userid", "anonymous".to_owned()),
            ("aws:PrincipalType", "Anonymous".to_owned()),
            ("aws:PrincipalIsAWSService", "false".to_owned()),
            ("aws:ViaAWSService", "false".to_owned()),
            ("aws:RequestedRegion", "us-east-1".to_owned()),
            ("aws:ResourceAccount", OWNER_ACCOUNT.to_owned()),
            ("s3:ResourceAccount", OWNER_ACCOUNT.to_owned()),
        ]
        .into_iter()
        .collect();
        if let Some(referer) = &self.client.referer {
            context.set("aws:Referer", vec![referer.clone()]);
        }
        for (name, value) in &self.query {
            if matches!(*name, "prefix" | "max-keys" | "delimiter") {
                context.set(&format!("s3:{name}"), vec![value.clone()]);
            }
            if *name == "versionId" {
                context.set("s3:versionid", vec![value.clone()]);
            }
        }
        for (name, value) in &self.headers {
            context.set(&format!("s3:{name}"), vec![(*value).to_owned()]);
        }
        let resource = match &self.key {
            Some(key) => format!("arn:aws:s3:::{bucket}/{key}"),
            None => format!("arn:aws:s3:::{bucket}"),
        };
        Request {
            caller: Caller::Anonymous,
            action: self.action.to_owned(),
            resource,
            context,
        }
    }

    /// The ACL of the object that it is about, if that lets anybody in.
    pub fn object_acl(&self) -> Acl {
        let mut acl = Acl::default();
        if self.key.as_deref() == Some(SHARED_OBJECT) {
            acl.grants.push(Grant {
                grantee: Grantee::Group(policy::bucket::ALL_USERS.to_owned()),
                permission: Permission::Read,
            });
        }
        acl
    }
}

impl std::fmt::Display for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} /{}", self.method, self.key.as_deref().unwrap_or(""))?;
        for (at, (name, value)) in self.query.iter().enumerate() {
            let separator = if at == 0 { '?' } else { '&' };
            write!(f, "{separator}{name}={value}")?;
        }
        for (name, value) in &self.headers {
            write!(f, " {name}: {value}")?;
        }
        write!(f, " ({}) from {}", self.action, self.client.source)?;
        if let Some(referer) = &self.client.referer {
            write!(f, ", referer {referer}")?;
        }
        write!(f, ", {}", self.client.user_agent)
    }
}

/// Every request that is tried on a bucket with this policy, those that change it last.
///
/// `sources` says whether the store lets the client choose its address; otherwise it is this one.
pub fn probes(policy: Option<&Policy>, fixed_source: Option<IpAddr>) -> Vec<Probe> {
    let clients = clients(policy, fixed_source);
    let mut probes = Vec::new();
    for client in &clients {
        for key in PRIVATE_OBJECTS {
            probes.push(Probe::new("s3:GetObject", "GET", Some(key), client));
        }
        let list = Probe::new("s3:ListBucket", "GET", None, client);
        probes.push(list.clone());
        probes.push(list.clone().query("prefix", "public/"));
        probes.push(list.clone().query("prefix", ""));
        probes.push(list.query("max-keys", "5").query("delimiter", "/"));
    }
    let client = &clients[0];
    let read =
        |action, key, sub_resource| Probe::new(action, "GET", key, client).query(sub_resource, "");
    probes.extend([
        Probe::new("s3:GetObject", "GET", Some(SHARED_OBJECT), client),
        read("s3:GetObjectAcl", Some("a"), "acl"),
        read("s3:GetObjectAcl", Some(SHARED_OBJECT), "acl"),
        read("s3:GetObjectTagging", Some("a"), "tagging"),
        read("s3:GetBucketAcl", None, "acl"),
        read("s3:GetBucketLocation", None, "location"),
        read("s3:ListBucketVersions", None, "versions"),
        read("s3:ListBucketMultipartUploads", None, "uploads"),
        read("s3:GetBucketPolicy", None, "policy"),
        read("s3:GetBucketVersioning", None, "versioning"),
        read("s3:GetBucketCORS", None, "cors"),
        read("s3:GetLifecycleConfiguration", None, "lifecycle"),
        Probe::new("s3:PutObject", "PUT", Some("uploaded"), client).body("uploaded"),
        Probe::new("s3:PutObject", "PUT", Some("public/uploaded"), client).body("uploaded"),
        // Nothing is there: a store decides before it looks, and nothing is lost.
        Probe::new("s3:DeleteObject", "DELETE", Some("nothing"), client),
        Probe::new("s3:AbortMultipartUpload", "DELETE", Some("a"), client)
            .query("uploadId", "2~none"),
        // It is not empty: nothing is lost either.
        Probe::new("s3:DeleteBucket", "DELETE", None, client),
        Probe::new("s3:PutObjectAcl", "PUT", Some("a"), client)
            .query("acl", "")
            .private_acl(),
        Probe::new("s3:PutBucketAcl", "PUT", None, client)
            .query("acl", "")
            .private_acl(),
    ]);
    probes
}

/// An ordinary client first; then clients that have what the policy's conditions ask for.
fn clients(policy: Option<&Policy>, fixed_source: Option<IpAddr>) -> Vec<Client> {
    let ordinary = Client {
        source: fixed_source.unwrap_or(PUBLIC_ADDRESS),
        referer: None,
        user_agent: "portcullis".to_owned(),
    };
    let conditions: Vec<&Condition> = policy
        .iter()
        .flat_map(|policy| &policy.statements)
        .flat_map(|statement| &statement.conditions)
        .collect();
    let mut wanted = BTreeSet::new();
    for condition in &conditions {
        for value in &condition.values {
            let mut client = ordinary.clone();
            match (condition.key.as_str(), value) {
                ("aws:sourceip", Value::Cidr(block)) if fixed_source.is_none() => {
                    // Nobody comes from the unspecified address.
                    let source = inside(block);
                    if !source.is_unspecified() {
                        client.source = source;
                    }
                }
                ("aws:referer", Value::Pattern(pattern)) => {
                    client.referer = instance(pattern.elements());
                }
                ("aws:useragent", Value::Pattern(pattern)) => {
                    if let Some(text) = instance(pattern.elements()) {
                        client.user_agent = text;
                    }
                }
                _ => {}
            }
            wanted.insert(client);
        }
    }
    wanted.remove(&ordinary);
    // One that has everything at once: conditions of a statement hold together.
    let mut whole = ordinary.clone();
    for client in &wanted {
        if client.source != ordinary.source {
            whole.source = client.source;
        }
        if client.referer.is_some() {
            whole.referer.clone_from(&client.referer);
        }
        if client.user_agent != ordinary.user_agent {
            whole.user_agent.clone_from(&client.user_agent);
        }
    }
    let mut clients = vec![ordinary];
    clients.extend(wanted.into_iter().take(4));
    if !clients.contains(&whole) {
        clients.push(whole);
    }
    clients
}

/// An address in the block, not its first.
fn inside(block: &IpNet) -> IpAddr {
    block.hosts().nth(1).unwrap_or_else(|| block.addr())
}

/// A header value that the pattern matches, if one can be sent.
fn instance(elements: &[Element]) -> Option<String> {
    let mut text = String::new();
    for element in elements {
        match element {
            Element::Char(c) if c.is_ascii_graphic() || *c == ' ' => text.push(*c),
            Element::AnyChar | Element::AnyCharWithinArnPart => text.push('x'),
            Element::Star | Element::StarWithinArnPart => text.push_str("page"),
            Element::Char(_) | Element::Variable { .. } => return None,
        }
    }
    // Servers trim what surrounds a header's value, and drop an empty one.
    (!text.is_empty() && text.trim() == text).then_some(text)
}
