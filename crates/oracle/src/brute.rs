//! Concrete requests, many of them: callers × actions × resources × condition values.
//!
//! The values come from the document's own texts, their neighbours, and fresh ones. Whatever the
//! plain reading allows here and the checker calls untrusted, the engine must call open.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use policy::action::{AccessClass, ActionTable, ResourceType};
use policy::bucket::Bucket;
use policy::public::Via;
use policy::request::{Caller, Context, Request};

use crate::generate::{BUCKET, Document};
use crate::replay::admitted;
use crate::untrusted::{stranger, untrusted};

/// Requests that are tried for one document and class at most.
const MOST: usize = 4_000;

/// An untrusted request of a class that the bucket's policy allows, if the universe holds one.
///
/// With `literal`, narrow source addresses are counted like any other.
pub fn find(
    document: &Document,
    bucket: &Bucket,
    class: AccessClass,
    literal: bool,
) -> Option<Request> {
    requests(document, class).find(|request| {
        admitted(bucket, request, &Via::Policy).is_ok()
            && if literal {
                stranger(bucket, request, &Via::Policy).is_ok()
            } else {
                untrusted(bucket, request, &Via::Policy).is_ok()
            }
    })
}

/// The requests that are tried: every combination, or evenly chosen ones where there are too many.
fn requests(document: &Document, class: AccessClass) -> impl Iterator<Item = Request> {
    let texts = Texts::of(document);
    let table = ActionTable::get();
    let mut targets = Vec::new();
    for (_, action) in table.iter() {
        let telling = [
            "s3:GetObject",
            "s3:GetObjectVersion",
            "s3:ListBucket",
            "s3:GetBucketLocation",
            "s3:PutObject",
            "s3:DeleteObject",
            "s3:RestoreObject",
            "s3:PutBucketAcl",
            "s3:DeleteBucket",
        ];
        if action.class() != class || !telling.contains(&action.name.as_str()) {
            continue;
        }
        let resources = match action.resource {
            ResourceType::Bucket => vec![format!("arn:aws:s3:::{BUCKET}")],
            ResourceType::Object => texts.objects.clone(),
        };
        targets.extend(resources.into_iter().map(|r| (action.name.clone(), r)));
    }
    let mut worlds: Vec<World> = Vec::new();
    for caller in callers() {
        for through_endpoint in [false, true] {
            worlds.push(World::new(&texts, caller.clone(), through_endpoint));
        }
    }
    let contexts: Vec<usize> = worlds.iter().map(World::size).collect();
    let all = contexts
        .iter()
        .fold(0_usize, |sum, n| sum.saturating_add(*n))
        .saturating_mul(targets.len());
    // Steps that share no factor with the usual sizes spread over all of them.
    let step = (all / MOST).max(1) | 1;
    (0..all).step_by(step).take(MOST * 2).map(move |index| {
        let (action, resource) = &targets[index % targets.len()];
        let mut rest = index / targets.len();
        let mut world = 0;
        while rest >= contexts[world] {
            rest -= contexts[world];
            world += 1;
        }
        Request {
            caller: worlds[world].caller.clone(),
            action: action.clone(),
            resource: resource.clone(),
            context: worlds[world].context(rest),
        }
    })
}

fn callers() -> Vec<Caller> {
    let mut callers = vec![
        Caller::Anonymous,
        Caller::Service("any-other-service.amazonaws.com".to_owned()),
    ];
    for account in ["999988887777", "444477777777"] {
        for name in [
            "iam::{}:user/alice",
            "iam::{}:user/bob",
            "iam::{}:root",
            "sts::{}:assumed-role/app/alice",
        ] {
            let name = name.replace("{}", account);
            callers.push(Caller::Principal(format!("arn:aws:{name}")));
        }
    }
    callers
}

/// What the document mentions: keys with the texts of their values, and object ARNs.
struct Texts {
    keys: BTreeSet<String>,
    values: Vec<(String, String)>,
    objects: Vec<String>,
}

impl Texts {
    fn of(document: &Document) -> Texts {
        let mut keys = BTreeSet::new();
        let mut values = Vec::new();
        let start = format!("arn:aws:s3:::{BUCKET}/");
        let mut objects: BTreeSet<String> = ["a", "ab", "zzz", "alice/x", "x.key"]
            .map(|k| format!("{start}{k}"))
            .into();
        for statement in &document.statements {
            for test in &statement.tests {
                let key = test.key.to_lowercase();
                keys.insert(key.clone());
                values.extend(test.values.iter().map(|v| (key.clone(), v.clone())));
            }
            for resource in &statement.resources {
                let text = filled(resource, "z");
                if text.starts_with(&start) && text.len() > start.len() {
                    objects.insert(text);
                }
            }
            let texts = statement.tests.iter().flat_map(|t| &t.values);
            for text in texts.chain(&statement.resources) {
                for part in text.split("${").skip(1) {
                    let end = part.find([',', '}']).unwrap_or(part.len());
                    keys.insert(part[..end].trim().to_lowercase());
                }
            }
        }
        for plain in ["*", "?", "$"] {
            keys.remove(plain);
        }
        Texts {
            keys,
            values,
            objects: objects.into_iter().collect(),
        }
    }

    fn of_key(&self, key: &str) -> impl Iterator<Item = &str> {
        self.values
            .iter()
            .filter(move |(k, _)| k == key)
            .map(|(_, value)| value.as_str())
    }

    /// Texts of the key's values with wildcards filled in, their neighbours, and a fresh one.
    fn nearby(&self, key: &str) -> BTreeSet<String> {
        let mut near = BTreeSet::new();
        for value in self.of_key(key) {
            near.insert(filled(value, ""));
            near.insert(filled(value, "z"));
            near.insert(format!("{}z", filled(value, "")));
            near.insert(filled(value, "").to_uppercase());
        }
        near
    }
}

/// A pattern with its stars and variables replaced; a question mark becomes one character.
fn filled(pattern: &str, star: &str) -> String {
    let mut text = String::new();
    let mut rest = pattern;
    while let Some(start) = rest.find("${") {
        let end = rest[start..]
            .find('}')
            .map_or(rest.len(), |e| start + e + 1);
        text.push_str(&rest[..start]);
        text.push_str("alice");
        rest = &rest[end..];
    }
    text.push_str(rest);
    text.replace('*', star).replace('?', "z")
}

/// The condition values that one caller may bring along, by key; `None`: the key is left out.
struct World {
    caller: Caller,
    choices: Vec<(String, Vec<Option<String>>)>,
}

impl World {
    fn new(texts: &Texts, caller: Caller, through_endpoint: bool) -> World {
        let choices = texts
            .keys
            .iter()
            .map(|key| (key.clone(), choices(texts, &caller, through_endpoint, key)))
            .collect();
        World { caller, choices }
    }

    fn size(&self) -> usize {
        self.choices.iter().fold(1, |product, (_, values)| {
            product.saturating_mul(values.len())
        })
    }

    fn context(&self, mut index: usize) -> Context {
        let mut context = Context::new();
        for (key, values) in &self.choices {
            let value = &values[index % values.len()];
            index /= values.len();
            if let Some(value) = value {
                context.set(key, vec![value.clone()]);
            }
        }
        context
    }
}

fn choices(
    texts: &Texts,
    caller: &Caller,
    through_endpoint: bool,
    key: &str,
) -> Vec<Option<String>> {
    let text = |value: &str| vec![Some(value.to_owned())];
    let texts_or_absent = |values: BTreeSet<String>| {
        let mut choices = vec![None];
        choices.extend(values.into_iter().map(Some));
        choices
    };
    let arn = match caller {
        Caller::Principal(arn) => arn.as_str(),
        _ => "",
    };
    let account = arn.split(':').nth(4).unwrap_or_default();
    let name = arn.rsplit('/').next().unwrap_or_default();
    match key {
        "aws:sourceip" if through_endpoint => vec![None],
        "aws:sourceip" => addresses(texts).into_iter().map(Some).collect(),
        "aws:sourcevpc" | "aws:sourcevpce" if !through_endpoint => vec![None],
        "aws:sourcevpc" | "aws:sourcevpce" => {
            let mut values = texts.nearby(key);
            values.insert(format!("{}-0zzz", &key["aws:source".len()..]));
            values.into_iter().map(Some).collect()
        }
        "aws:principalarn" => match arn.split_once(":assumed-role/") {
            Some(_) => vec![
                Some(format!("arn:aws:iam::{account}:role/app")),
                Some(format!("arn:aws:iam::{account}:role/team/app")),
            ],
            None if arn.is_empty() => vec![None],
            None => text(arn),
        },
        "aws:principalaccount" if arn.is_empty() => vec![None],
        "aws:principalaccount" => text(account),
        "aws:principalorgid" if arn.is_empty() => vec![None],
        "aws:principalorgid" => {
            let mut values = texts.nearby(key);
            values.insert("o-zz99zz99zz".to_owned());
            texts_or_absent(values)
        }
        "aws:username" if arn.contains(":user/") => text(name),
        "aws:username" => vec![None],
        "aws:userid" => match caller {
            Caller::Anonymous => text("anonymous"),
            Caller::Principal(_) if arn.contains(":user/") => text("AIDAZZZZZZZZZZZZZZZZ"),
            Caller::Principal(_) if arn.contains(":assumed-role/") => {
                vec![Some(format!("AROAZZZZZZZZZZZZZZZZ:{name}"))]
            }
            Caller::Principal(_) => text(account),
            _ => vec![None],
        },
        "aws:principaltype" => match caller {
            Caller::Anonymous => text("Anonymous"),
            Caller::Principal(_) if arn.contains(":user/") => text("User"),
            Caller::Principal(_) if arn.contains(":assumed-role/") => text("AssumedRole"),
            Caller::Principal(_) => text("Account"),
            _ => vec![None],
        },
        "aws:principalisawsservice" => match caller {
            Caller::Anonymous => vec![None],
            Caller::Service(_) => text("true"),
            _ => text("false"),
        },
        "aws:viaawsservice" if arn.is_empty() => text("false"),
        "aws:viaawsservice" | "aws:securetransport" => {
            vec![Some("false".to_owned()), Some("true".to_owned())]
        }
        "aws:multifactorauthpresent" if arn.is_empty() => vec![None],
        "aws:multifactorauthpresent" => {
            vec![None, Some("false".to_owned()), Some("true".to_owned())]
        }
        "s3:signatureage" if *caller == Caller::Anonymous => vec![None],
        "s3:signatureage" | "s3:max-keys" => ["0", "5", "6", "999", "1001"]
            .map(|n| Some(n.to_owned()))
            .into_iter()
            .chain([None])
            .collect(),
        "aws:currenttime" | "aws:epochtime" => {
            // One moment for both keys: a second choice would contradict the first.
            let both =
                texts.keys.contains("aws:currenttime") && texts.keys.contains("aws:epochtime");
            let moments = [
                ("2026-01-01T00:00:00Z", "1767225600"),
                ("2026-06-01T00:00:00Z", "1780272000"),
                ("2031-01-01T00:00:00Z", "1924992000"),
            ];
            let moments = if both { &moments[..1] } else { &moments[..] };
            let current = key == "aws:currenttime";
            let pick =
                |(iso, epoch): &(&str, &str)| (if current { *iso } else { *epoch }).to_owned();
            moments.iter().map(|moment| Some(pick(moment))).collect()
        }
        "aws:sourcearn" | "aws:sourceaccount" if !matches!(caller, Caller::Service(_)) => {
            vec![None]
        }
        "aws:sourcearn" => [
            "arn:aws:s3:::my-zzz",
            "arn:aws:s3:::zzz",
            "arn:aws:sns:us-east-1:444477777777:topic",
            "arn:aws:sns:eu-west-1:999988887777:zzz",
        ]
        .map(|a| Some(a.to_owned()))
        .into_iter()
        .chain([None])
        .collect(),
        "aws:sourceaccount" | "s3:dataaccesspointaccount" => ["444477777777", "999988887777"]
            .map(|a| Some(a.to_owned()))
            .into_iter()
            .chain([None])
            .collect(),
        "s3:dataaccesspointarn" => vec![
            None,
            Some("arn:aws:s3:us-east-1:444477777777:accesspoint/ap".to_owned()),
            Some("arn:aws:s3:us-east-1:999988887777:accesspoint/zzz".to_owned()),
        ],
        "aws:resourceaccount" => text(crate::generate::OWNER),
        key if key.starts_with("aws:principaltag/") && arn.is_empty() => vec![None],
        _ => {
            let mut values = texts.nearby(key);
            values.insert("zzz".to_owned());
            values.insert("alice".to_owned());
            texts_or_absent(values)
        }
    }
}

/// The ends of every block, the addresses behind them, and some from elsewhere.
fn addresses(texts: &Texts) -> BTreeSet<String> {
    let mut addresses: BTreeSet<String> = ["8.8.8.8", "198.18.77.7", "2620:fe::fe"]
        .map(str::to_owned)
        .into();
    for value in texts.of_key("aws:sourceip") {
        let block: Option<IpNet> = value
            .parse()
            .ok()
            .or_else(|| value.parse::<IpAddr>().ok().map(IpNet::from));
        let Some(block) = block else { continue };
        addresses.insert(block.network().to_string());
        addresses.insert(block.broadcast().to_string());
        let behind = match block.broadcast() {
            IpAddr::V4(v4) => IpAddr::from(v4.to_bits().wrapping_add(1).to_be_bytes()),
            IpAddr::V6(v6) => IpAddr::from(v6.to_bits().wrapping_add(1).to_be_bytes()),
        };
        addresses.insert(behind.to_string());
    }
    addresses
}
