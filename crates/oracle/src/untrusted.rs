//! Whether a concrete request can be sent at all, and whether its sender is one whom nobody trusted.
//!
//! *Can be sent*: every condition value is one that this kind of caller can bring about. He chooses
//! what a client chooses (headers, TLS, the time from now on, names and tags of his own principals);
//! he never has an account, organization, VPC, endpoint or unique id that the policy writes out,
//! since AWS assigns those. *Absent* keys are judged only if a statement that could turn the decision
//! mentions them: a context need not list what nobody asks for.
//!
//! *Trusted* is also a caller whom every granting statement lets in because of a narrow source
//! address ("The meaning of public": at most /8 for IPv4 and /32 for IPv6, or RFC 1918).

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use policy::action::ActionTable;
use policy::bucket::Bucket;
use policy::condition::{Condition, Operator, Value};
use policy::document::{Effect, Policy, Statement};
use policy::evaluate::{Matches, statement_matches};
use policy::pattern::Pattern;
use policy::public::Via;
use policy::request::{Caller, Request};

use crate::replay::matching_allows;

/// Keys that describe a principal; a request without a signature has none of them.
const PRINCIPAL_KEYS: &[&str] = &[
    "aws:principalarn",
    "aws:principalaccount",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:username",
    "aws:multifactorauthpresent",
    "aws:multifactorauthage",
    "aws:tokenissuetime",
    "aws:sourceidentity",
    "aws:federatedprovider",
    "aws:calledvia",
    "aws:calledviafirst",
    "aws:calledvialast",
];

/// Keys that only a service sets, about the resource on whose behalf it acts.
const SOURCE_KEYS: &[&str] = &[
    "aws:sourcearn",
    "aws:sourceaccount",
    "aws:sourceowner",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
];

/// Keys that only a request through a VPC endpoint has.
const ENDPOINT_KEYS: &[&str] = &["aws:sourcevpc", "aws:sourcevpce", "aws:vpcsourceip"];

/// Keys that only a request through an access point has.
const ACCESS_POINT_KEYS: &[&str] = &[
    "s3:dataaccesspointarn",
    "s3:dataaccesspointaccount",
    "s3:accesspointnetworkorigin",
];

/// Checks that the request can be sent, by somebody untrusted, and is not merely from a narrow source
/// address. The error says what is impossible or trusted about it.
pub fn untrusted(bucket: &Bucket, request: &Request, via: &Via) -> Result<(), String> {
    stranger(bucket, request, via)?;
    if let Some(policy) = bucket.policy.present() {
        narrow(policy, request, via)?;
    }
    Ok(())
}

/// The same without the clause about narrow source addresses: what the literal flags are about.
pub fn stranger(bucket: &Bucket, request: &Request, via: &Via) -> Result<(), String> {
    Sender {
        bucket,
        request,
        named: &Named::of(bucket),
        asked: &asked_keys(bucket, request, via),
    }
    .check()
}

/// What the configuration writes out, and a stranger therefore never has.
struct Named {
    /// Runs of twelve digits anywhere in the policy, and the owner.
    accounts: BTreeSet<String>,
    /// Values without wildcards, in lower case, by key.
    values: BTreeSet<(String, String)>,
}

impl Named {
    fn of(bucket: &Bucket) -> Named {
        let mut named = Named {
            accounts: bucket.owner_account.iter().cloned().collect(),
            values: BTreeSet::new(),
        };
        let Some(policy) = bucket.policy.present() else {
            return named;
        };
        let digits = policy.text.split(|c: char| !c.is_ascii_digit());
        named
            .accounts
            .extend(digits.filter(|run| run.len() == 12).map(str::to_owned));
        for condition in policy.statements.iter().flat_map(|s| &s.conditions) {
            for value in &condition.values {
                if let Value::Pattern(pattern) = value
                    && let Some(text) = pattern.exact()
                {
                    named
                        .values
                        .insert((condition.key.clone(), text.to_lowercase()));
                }
            }
        }
        named
    }

    fn writes_out(&self, key: &str, value: &str) -> bool {
        self.values
            .contains(&(key.to_owned(), value.to_lowercase()))
    }
}

/// One request under examination.
struct Sender<'a> {
    bucket: &'a Bucket,
    request: &'a Request,
    named: &'a Named,
    asked: &'a BTreeSet<String>,
}

type Check = Result<(), String>;

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(why()) }
}

impl Sender<'_> {
    fn one(&self, key: &str) -> Option<&str> {
        match self.request.context.get(key) {
            Some([value]) => Some(value),
            _ => None,
        }
    }

    fn present(&self, key: &str) -> bool {
        self.request.context.get(key).is_some()
    }

    /// Whether the key is there, or may be: nobody asked for it.
    fn present_or_unasked(&self, key: &str) -> bool {
        self.present(key) || !self.asked.contains(key)
    }

    fn check(&self) -> Check {
        self.action_and_resource()?;
        self.caller()?;
        self.network()?;
        self.access_point()?;
        self.time()?;
        for (key, values) in self.request.context.iter() {
            self.value(key, values)?;
        }
        for key in self.asked.iter().filter(|key| !self.present(key)) {
            self.absence(key)?;
        }
        Ok(())
    }

    fn action_and_resource(&self) -> Check {
        let table = ActionTable::get();
        let name = &self.request.action;
        let index = table
            .index_of(name)
            .ok_or_else(|| format!("{name} is no action on buckets or objects"))?;
        let action = table.action(index);
        ensure(!action.owner_only, || {
            format!("{name} is refused to outsiders")
        })?;
        let bucket = format!("arn:{}:s3:::{}", self.bucket.partition, self.bucket.name);
        let resource = &self.request.resource;
        let fits = match action.resource {
            policy::action::ResourceType::Bucket => *resource == bucket,
            policy::action::ResourceType::Object => resource
                .strip_prefix(&bucket)
                .and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(|key| !key.is_empty() && key.len() <= 1024),
        };
        ensure(fits, || format!("{resource} is no resource of {name}"))
    }

    fn caller(&self) -> Check {
        match &self.request.caller {
            Caller::Anonymous => {
                for key in PRINCIPAL_KEYS.iter().chain(SOURCE_KEYS) {
                    ensure(!self.present(key), || {
                        format!("an unsigned request has no {key}")
                    })?;
                }
                for key in ["s3:authtype", "s3:signatureversion", "s3:signatureage"] {
                    ensure(!self.present(key), || {
                        format!("an unsigned request has no {key}")
                    })?;
                }
                self.is("aws:userid", "anonymous")?;
                self.is("aws:principaltype", "Anonymous")?;
                self.is("aws:viaawsservice", "false")?;
                self.is("aws:principalisawsservice", "false")
            }
            Caller::Principal(arn) => self.principal(arn),
            Caller::Service(name) => {
                for key in PRINCIPAL_KEYS {
                    ensure(!self.present(key), || format!("a service has no {key}"))?;
                }
                ensure(name.ends_with(".amazonaws.com"), || {
                    format!("{name} is no service")
                })?;
                self.is("aws:principalisawsservice", "true")?;
                self.is("aws:principalservicename", name)?;
                self.is("aws:viaawsservice", "false")
            }
            Caller::Federated(name) => {
                // AWS knows four providers by a bare name. Of any other, nothing says that it is closed;
                // an ARN names the account that the provider belongs to.
                ensure(!name.starts_with("arn:"), || {
                    format!("not everyone can sign up with {name}")
                })?;
                for key in SOURCE_KEYS {
                    ensure(!self.present(key), || format!("a session has no {key}"))?;
                }
                self.is("aws:principalisawsservice", "false")
            }
        }
    }

    /// If the key is there, it has this one value.
    fn is(&self, key: &str, expected: &str) -> Check {
        match self.request.context.get(key) {
            None => Ok(()),
            Some([value]) if value == expected => Ok(()),
            Some(values) => Err(format!("{key} is {values:?}, not {expected}")),
        }
    }

    fn principal(&self, arn: &str) -> Check {
        for key in SOURCE_KEYS {
            ensure(!self.present(key), || {
                format!("only a service brings {key}, not {arn}")
            })?;
        }
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let [_, _, service, _, account, name] = parts[..] else {
            return Err(format!("{arn} is no ARN"));
        };
        self.foreign_account("the caller's account", account)?;
        self.is("aws:principalaccount", account)?;
        self.is("aws:principalisawsservice", "false")?;
        let (kind, own_arn) = match (service, name.split_once('/')) {
            ("iam", None) if name == "root" => ("Account", arn.to_owned()),
            ("iam", Some(("user", rest))) => {
                let last = rest.rsplit('/').next().unwrap_or_default();
                self.is("aws:username", last)?;
                ("User", arn.to_owned())
            }
            ("sts", Some(("assumed-role", rest))) => {
                let role = rest.split('/').next().unwrap_or_default();
                (
                    "AssumedRole",
                    format!("arn:{}:iam::{account}:role/{role}", parts[1]),
                )
            }
            ("iam", Some(("role", _))) => ("AssumedRole", arn.to_owned()),
            ("sts", Some(("federated-user", _))) => ("FederatedUser", arn.to_owned()),
            _ => return Err(format!("{arn} is no principal that signs requests")),
        };
        self.is("aws:principaltype", kind)?;
        ensure(kind == "User" || !self.present("aws:username"), || {
            format!("{arn} has no user name")
        })?;
        if let Some(told) = self.one("aws:principalarn") {
            // A role's ARN has the role's path, a session's has not.
            let same = told == own_arn
                || kind == "AssumedRole"
                    && told.starts_with(&format!("arn:{}:iam::{account}:role/", parts[1]))
                    && told.rsplit('/').next() == own_arn.rsplit('/').next();
            ensure(same, || format!("aws:PrincipalArn of {arn} is not {told}"))?;
        }
        if let Some(id) = self.one("aws:userid") {
            self.user_id(kind, account, id)?;
        }
        if let Some(via) = self.one("aws:viaawsservice") {
            ensure(via == "true" || !self.present("aws:calledvia"), || {
                "aws:CalledVia without a service between".to_owned()
            })?;
        }
        Ok(())
    }

    /// IAM user guide, "Principal key values": what `aws:userid` holds for each kind of principal.
    fn user_id(&self, kind: &str, account: &str, id: &str) -> Check {
        let unique = id.split(':').next().unwrap_or_default();
        let shape = match kind {
            "Account" => id == account,
            "User" => unique == id && id.starts_with("AIDA"),
            "AssumedRole" => id.starts_with("AROA") && id.contains(':'),
            _ => id.starts_with(account) && id.contains(':'),
        };
        ensure(shape, || format!("{id} is no user id of a {kind}"))?;
        let written_out = self.named.values.iter().any(|(key, value)| {
            key == "aws:userid" && value.split(':').next() == Some(&unique.to_lowercase())
        });
        ensure(!written_out, || {
            format!("{unique} is written out in the policy")
        })?;
        self.no_pattern_pins(unique)
    }

    /// A pattern such as `AROAEXAMPLEID:*` pins the unique id before the colon.
    fn no_pattern_pins(&self, unique: &str) -> Check {
        let Some(policy) = self.bucket.policy.present() else {
            return Ok(());
        };
        let pinned = conditions_on(policy, "aws:userid")
            .flat_map(|c| &c.values)
            .any(|value| match value {
                Value::Pattern(pattern) => pattern
                    .text()
                    .split_once(':')
                    .is_some_and(|(id, _)| id.eq_ignore_ascii_case(unique)),
                _ => false,
            });
        ensure(!pinned, || format!("{unique} is written out in the policy"))
    }

    fn foreign_account(&self, what: &str, account: &str) -> Check {
        ensure(
            account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()),
            || format!("{what}: {account:?} is no account"),
        )?;
        ensure(!self.named.accounts.contains(account), || {
            format!("{what}: {account} is the owner or written out in the policy")
        })
    }

    fn network(&self) -> Check {
        let through_endpoint = ENDPOINT_KEYS.iter().any(|key| self.present(key));
        ensure(!(through_endpoint && self.present("aws:sourceip")), || {
            "aws:SourceIp is absent through a VPC endpoint".to_owned()
        })?;
        // Without a source address the request comes through an endpoint, which has an id and is in
        // a VPC.
        if through_endpoint || !self.present_or_unasked("aws:sourceip") {
            for key in ENDPOINT_KEYS {
                ensure(self.present_or_unasked(key), || {
                    format!("a request through a VPC endpoint has {key}")
                })?;
            }
        }
        Ok(())
    }

    fn access_point(&self) -> Check {
        if !ACCESS_POINT_KEYS.iter().any(|key| self.present(key)) {
            return Ok(());
        }
        for key in ACCESS_POINT_KEYS {
            ensure(self.present_or_unasked(key), || {
                format!("a request through an access point has {key}")
            })?;
        }
        let account = self.one("s3:dataaccesspointaccount");
        if let Some(account) = account {
            self.foreign_account("the access point's account", account)?;
        }
        if let Some(arn) = self.one("s3:dataaccesspointarn") {
            let parts: Vec<&str> = arn.split(':').collect();
            let [_, _, "s3", _, of_arn, name] = parts[..] else {
                return Err(format!("{arn} is no access point"));
            };
            ensure(name.starts_with("accesspoint/"), || {
                format!("{arn} is no access point")
            })?;
            self.foreign_account("the access point's account", of_arn)?;
            ensure(account.is_none_or(|a| a == of_arn), || {
                format!("{arn} is not of the account {account:?}")
            })?;
        }
        Ok(())
    }

    fn time(&self) -> Check {
        let current = self
            .one("aws:currenttime")
            .map(|text| read_time(text).ok_or_else(|| format!("{text} is no time")))
            .transpose()?;
        let epoch = self
            .one("aws:epochtime")
            .map(|text| read_time(text).ok_or_else(|| format!("{text} is no time")))
            .transpose()?;
        for moment in [current, epoch].into_iter().flatten() {
            ensure(moment >= self.bucket.as_of, || {
                format!("{moment} is in the past")
            })?;
        }
        match (current, epoch) {
            (Some(a), Some(b)) => ensure(a.as_second() == b.as_second(), || {
                format!("two times at once: {a} and {b}")
            }),
            _ => Ok(()),
        }
    }

    /// Whether a stranger can bring about this value of a key.
    fn value(&self, key: &str, values: &[String]) -> Check {
        self.accompanies(key)?;
        for value in values {
            match key {
                "aws:principalorgid" | "aws:sourceorgid" | "aws:sourcevpc" | "aws:sourcevpce" => {
                    ensure(!self.named.writes_out(key, value), || {
                        format!("{key}: {value} is written out in the policy")
                    })?;
                }
                "aws:principalorgpaths" | "aws:sourceorgpaths" => {
                    let own = self.one("aws:principalorgid");
                    let id = value.split('/').next();
                    ensure(own.is_none() || own == id, || {
                        format!("{value} is not of the organization {own:?}")
                    })?;
                    let pinned = self.named.values.iter().any(|(k, v)| {
                        (k == key || k == "aws:principalorgid") && v.split('/').next() == id
                    });
                    ensure(!pinned, || format!("{value} is written out in the policy"))?;
                }
                "aws:sourceaccount" | "aws:sourceowner" => self.foreign_account(key, value)?,
                "aws:sourcearn" => {
                    let account = value.split(':').nth(4).unwrap_or_default();
                    if !account.is_empty() {
                        self.foreign_account(key, account)?;
                    }
                    ensure(!self.named.writes_out(key, value), || {
                        format!("{key}: {value} is written out in the policy")
                    })?;
                }
                "aws:sourceip" => {
                    let address: IpAddr = value
                        .parse()
                        .map_err(|_| format!("{value} is no address"))?;
                    ensure(public_address(address), || {
                        format!("{address} is no source of a request from the internet")
                    })?;
                }
                "aws:resourceaccount" | "s3:resourceaccount" => {
                    if let Some(owner) = &self.bucket.owner_account {
                        ensure(value == owner, || format!("{key} is {owner}, not {value}"))?;
                    }
                }
                "aws:securetransport"
                | "aws:viaawsservice"
                | "aws:principalisawsservice"
                | "aws:multifactorauthpresent" => {
                    ensure(value == "true" || value == "false", || {
                        format!("{key} is true or false, not {value}")
                    })?;
                }
                "s3:max-keys" | "s3:signatureage" | "aws:multifactorauthage" => {
                    ensure(value.parse::<u64>().is_ok(), || {
                        format!("{key} is a whole number, not {value}")
                    })?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Keys of the S3 service accompany the actions that the reference lists them for.
    fn accompanies(&self, key: &str) -> Check {
        if !key.starts_with("s3:")
            || ACCESS_POINT_KEYS.contains(&key)
            || key == "s3:resourceaccount"
        {
            return Ok(());
        }
        let table = ActionTable::get();
        let listed = table.index_of(&self.request.action).is_some_and(|index| {
            table.action(index).keys.iter().any(|listed| {
                listed == key || listed.ends_with('/') && key.starts_with(listed.as_str())
            })
        });
        ensure(listed, || {
            format!("{key} never accompanies {}", self.request.action)
        })
    }

    /// Whether a stranger can leave out a key that the policy asks for.
    fn absence(&self, key: &str) -> Check {
        let always = match key {
            "aws:securetransport"
            | "aws:currenttime"
            | "aws:epochtime"
            | "aws:requestedregion"
            | "aws:resourceaccount"
            | "aws:viaawsservice" => true,
            "aws:userid" | "aws:principaltype" => matches!(
                self.request.caller,
                Caller::Anonymous | Caller::Principal(_)
            ),
            "aws:principalarn" | "aws:principalaccount" | "aws:principalisawsservice" => {
                matches!(self.request.caller, Caller::Principal(_))
            }
            "aws:username" => {
                matches!(&self.request.caller, Caller::Principal(arn) if arn.contains(":user/"))
            }
            "aws:principalorgpaths" => self.present("aws:principalorgid"),
            _ => false,
        };
        ensure(!always, || format!("{key} is always there for this caller"))
    }
}

/// The keys that a condition or a variable mentions, of the statements that could turn the decision:
/// the Allows that match as things are, and the Denies that might.
fn asked_keys(bucket: &Bucket, request: &Request, via: &Via) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let Some(policy) = bucket.policy.present() else {
        return keys;
    };
    for statement in &policy.statements {
        if statement.effect == Effect::Allow && *via == Via::Acl {
            continue;
        }
        // A variable without value matches nothing: for an Allow's Resource, a value only adds.
        let only_adds = statement.effect == Effect::Allow && !statement.resource.negated;
        let of_resource: Vec<&str> = statement
            .resource
            .patterns
            .iter()
            .flat_map(Pattern::variables)
            .filter(|_| !only_adds)
            .collect();
        let mut rest = statement.clone();
        if statement.effect == Effect::Deny {
            rest.conditions.clear();
        }
        let unsettled = statement.effect == Effect::Deny && !of_resource.is_empty();
        if !unsettled && statement_matches(&rest, policy, request) == Matches::No {
            continue;
        }
        keys.extend(of_resource.into_iter().map(str::to_owned));
        for condition in &statement.conditions {
            keys.insert(condition.key.clone());
            for value in &condition.values {
                if let Value::Pattern(pattern) = value {
                    keys.extend(pattern.variables().map(str::to_owned));
                }
            }
        }
    }
    keys
}

fn conditions_on<'a>(policy: &'a Policy, key: &'a str) -> impl Iterator<Item = &'a Condition> {
    policy
        .statements
        .iter()
        .flat_map(|s| &s.conditions)
        .filter(move |c| c.key == key)
}

/// A time as condition values write it: ISO 8601, or seconds since 1970.
fn read_time(text: &str) -> Option<Timestamp> {
    text.parse()
        .ok()
        .or_else(|| Timestamp::from_second(text.parse().ok()?).ok())
}

/// Whether requests from the internet can have this source address.
pub fn public_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            !(v4.is_private() || v4.is_loopback() || v4.is_multicast() || v4.octets()[0] == 0)
        }
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_multicast() || v6.is_unspecified()),
    }
}

/// Whether AWS counts a block as a fixed value. The private blocks of RFC 1918 are all among them.
pub fn is_narrow(block: IpNet) -> bool {
    match block {
        IpNet::V4(v4) => v4.prefix_len() >= 8,
        IpNet::V6(v6) => v6.prefix_len() >= 32,
    }
}

/// Refuses a request that every granting statement lets in because of a narrow source address, or
/// that some Deny spares because of one.
fn narrow(policy: &Policy, request: &Request, via: &Via) -> Check {
    let Some(address) = request
        .context
        .get("aws:sourceip")
        .and_then(|values| values.first())
        .and_then(|value| value.parse::<IpAddr>().ok())
    else {
        return Ok(());
    };
    if *via == Via::Policy {
        let granting = matching_allows(policy, request);
        let all_narrow = granting
            .iter()
            .all(|&index| held_narrowly(&policy.statements[index], Operator::IpAddress, address));
        ensure(!all_narrow, || {
            format!("{address} is in a narrow block of every granting statement {granting:?}")
        })?;
    }
    for (index, statement) in policy.statements.iter().enumerate() {
        if statement.effect != Effect::Deny
            || !held_narrowly(statement, Operator::NotIpAddress, address)
        {
            continue;
        }
        let mut rest = statement.clone();
        rest.conditions
            .retain(|c| !is_source_test(c, Operator::NotIpAddress));
        ensure(
            statement_matches(&rest, policy, request) != Matches::Yes,
            || format!("the Deny {index} spares {address} as a narrow block"),
        )?;
    }
    Ok(())
}

fn is_source_test(condition: &Condition, operator: Operator) -> bool {
    condition.operator == operator && condition.key == "aws:sourceip"
}

/// Whether a narrow value holds the address while no wider one does. The conditions of an Allow must
/// all hold, so one of them is enough to make the address narrow; those of a Deny's NotIpAddress spare
/// the address each for itself, so a wider value in any of them counts.
fn held_narrowly(statement: &Statement, operator: Operator, address: IpAddr) -> bool {
    let tests: Vec<&Condition> = statement
        .conditions
        .iter()
        .filter(|c| is_source_test(c, operator))
        .collect();
    let holding = |tests: &[&Condition], narrow: bool| {
        tests
            .iter()
            .flat_map(|c| &c.values)
            .any(|value| match value {
                Value::Cidr(block) => is_narrow(*block) == narrow && block.contains(&address),
                _ => false,
            })
    };
    let narrowly = |tests: &[&Condition]| holding(tests, true) && !holding(tests, false);
    if operator == Operator::NotIpAddress {
        narrowly(&tests)
    } else {
        tests.iter().any(|test| narrowly(&[*test]))
    }
}
