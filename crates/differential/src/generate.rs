//! Generated configurations: ACLs, blocks, ownership and policies of every form that an unsigned
//! client can tell apart. The same seed gives the same ones.

use fastrand::Rng;
use policy::bucket::{
    ALL_USERS, AUTHENTICATED_USERS, Grant, Grantee, ObjectOwnership, Permission, PublicAccessBlock,
};
use serde_json::{Map, Value, json};

use crate::configuration::{Configuration, PLACEHOLDER};

/// So many configurations from a seed.
pub fn configurations(seed: u64, count: usize) -> Vec<Configuration> {
    let mut random = Rng::with_seed(seed);
    (0..count)
        .map(|number| configuration(&mut random, format!("generated-{seed}-{number}")))
        .collect()
}

fn configuration(random: &mut Rng, id: String) -> Configuration {
    Configuration {
        id,
        policy: (random.u8(..10) > 0).then(|| policy(random)),
        grants: grants(random),
        block: PublicAccessBlock {
            block_public_acls: random.u8(..4) == 0,
            ignore_public_acls: random.u8(..4) == 0,
            block_public_policy: random.u8(..4) == 0,
            restrict_public_buckets: random.u8(..4) == 0,
        },
        ownership: *pick(
            random,
            &[
                ObjectOwnership::ObjectWriter,
                ObjectOwnership::ObjectWriter,
                ObjectOwnership::ObjectWriter,
                ObjectOwnership::BucketOwnerPreferred,
                ObjectOwnership::BucketOwnerEnforced,
            ],
        ),
    }
}

fn grants(random: &mut Rng) -> Vec<Grant> {
    let mut grants = Vec::new();
    for _ in 0..*pick(random, &[0, 0, 1, 1, 2]) {
        grants.push(Grant {
            grantee: Grantee::Group(
                (*pick(random, &[ALL_USERS, ALL_USERS, AUTHENTICATED_USERS])).to_owned(),
            ),
            permission: *pick(
                random,
                &[
                    Permission::Read,
                    Permission::Read,
                    Permission::Write,
                    Permission::ReadAcp,
                    Permission::WriteAcp,
                    Permission::FullControl,
                ],
            ),
        });
    }
    grants
}

fn policy(random: &mut Rng) -> Value {
    let statements: Vec<Value> = (0..random.usize(1..=3))
        .map(|_| statement(random))
        .collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn statement(random: &mut Rng) -> Value {
    let mut statement = Map::new();
    let effect = if random.u8(..10) < 7 { "Allow" } else { "Deny" };
    statement.insert("Effect".to_owned(), effect.into());
    let principal = pick_value(
        random,
        &[
            (8, json!("*")),
            (3, json!({"AWS": "*"})),
            (1, json!({"AWS": ["arn:aws:iam::444455556666:root", "*"]})),
            (1, json!({"AWS": "arn:aws:iam::444455556666:root"})),
        ],
    );
    statement.insert("Principal".to_owned(), principal);
    let element = if random.u8(..12) == 0 {
        "NotAction"
    } else {
        "Action"
    };
    statement.insert(element.to_owned(), actions(random));
    statement.insert("Resource".to_owned(), resources(random));
    let mut conditions = Map::new();
    for _ in 0..*pick(random, &[0, 0, 1, 1, 1, 2]) {
        let (operator, key, value) = condition(random);
        let keys = conditions
            .entry(operator)
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(keys) = keys {
            keys.insert(key.to_owned(), value);
        }
    }
    if !conditions.is_empty() {
        statement.insert("Condition".to_owned(), Value::Object(conditions));
    }
    Value::Object(statement)
}

fn actions(random: &mut Rng) -> Value {
    let one = |random: &mut Rng| {
        *pick(
            random,
            &[
                "s3:GetObject",
                "s3:GetObject",
                "s3:ListBucket",
                "s3:ListBucket",
                "s3:PutObject",
                "s3:DeleteObject",
                "s3:GetBucketAcl",
                "s3:GetBucketLocation",
                "s3:ListBucketVersions",
                "s3:GetObjectAcl",
                "s3:GetBucketPolicy",
                "s3:PutBucketAcl",
                "s3:Get*",
                "s3:List*",
                "s3:Put*",
                "s3:*Object",
                "s3:?etObject",
                "s3:*",
                "*",
            ],
        )
    };
    match random.u8(..3) {
        0 => one(random).into(),
        1 => json!([one(random)]),
        _ => json!([one(random), one(random)]),
    }
}

fn resources(random: &mut Rng) -> Value {
    let bucket = format!("arn:aws:s3:::{PLACEHOLDER}");
    pick_value(
        random,
        &[
            (2, json!(bucket)),
            (4, json!(format!("{bucket}/*"))),
            (8, json!([bucket, format!("{bucket}/*")])),
            (1, json!(format!("{bucket}*"))),
            (1, json!(format!("{bucket}/public/*"))),
            (1, json!(format!("{bucket}/?"))),
            (1, json!([bucket, format!("{bucket}/secret/x")])),
            (1, json!("*")),
        ],
    )
}

/// Operator, key and value of a condition.
fn condition(random: &mut Rng) -> (String, &'static str, Value) {
    let (operators, key, values): (&[&str], _, &[Value]) = match random.u8(..12) {
        0 | 1 => (
            &[
                "StringLike",
                "StringNotLike",
                "StringEquals",
                "StringNotEquals",
            ],
            "aws:Referer",
            &[
                json!("https://www.example.com/*"),
                json!("https://www.example.com/page"),
                json!(["https://a.example/?", "https://b.example/*"]),
            ],
        ),
        2 => (
            &[
                "StringLike",
                "StringEquals",
                "StringNotEquals",
                "StringEqualsIgnoreCase",
            ],
            "aws:UserAgent",
            &[json!("portcullis"), json!("Portcullis"), json!("special-*")],
        ),
        3 | 4 => (
            &["IpAddress", "NotIpAddress"],
            "aws:SourceIp",
            &[
                json!("198.51.100.0/24"),
                json!("203.0.113.0/24"),
                json!("127.0.0.0/8"),
                json!(["10.0.0.0/8", "2001:db8::/32"]),
                json!("0.0.0.0/0"),
                json!("::/0"),
            ],
        ),
        5 | 6 => (
            &[
                "StringEquals",
                "StringNotEquals",
                "StringLike",
                "StringNotLike",
            ],
            "s3:prefix",
            &[
                json!("public/"),
                json!(""),
                json!("p*"),
                json!(["", "public/"]),
            ],
        ),
        7 => (
            &[
                "NumericLessThanEquals",
                "NumericGreaterThan",
                "NumericEquals",
            ],
            "s3:max-keys",
            &[json!("5"), json!("10"), json!(1)],
        ),
        8 => (
            &["Bool"],
            "aws:SecureTransport",
            &[json!("true"), json!("false")],
        ),
        9 => (
            &["DateGreaterThan", "DateLessThan"],
            "aws:CurrentTime",
            &[json!("2020-01-01T00:00:00Z"), json!("2099-01-01T00:00:00Z")],
        ),
        10 => {
            let key = *pick(
                random,
                &[
                    "aws:Referer",
                    "aws:PrincipalArn",
                    "aws:SourceIp",
                    "s3:prefix",
                ],
            );
            return (
                "Null".to_owned(),
                key,
                pick(random, &[json!("true"), json!("false")]).clone(),
            );
        }
        _ => (
            &[
                "StringEquals",
                "StringNotEquals",
                "StringLike",
                "ForAllValues:StringEquals",
                "ForAnyValue:StringEquals",
            ],
            "aws:PrincipalOrgID",
            &[json!("o-aa111bb222"), json!("o-*")],
        ),
    };
    let mut operator = (*pick(random, operators)).to_owned();
    if random.u8(..5) == 0 {
        operator.push_str("IfExists");
    }
    let value = pick(random, values).clone();
    (operator, key, value)
}

fn pick<'a, T>(random: &mut Rng, from: &'a [T]) -> &'a T {
    &from[random.usize(..from.len())]
}

/// Picks by weight.
fn pick_value(random: &mut Rng, from: &[(usize, Value)]) -> Value {
    let total: usize = from.iter().map(|(weight, _)| weight).sum();
    let mut at = random.usize(..total);
    for (weight, value) in from {
        if at < *weight {
            return value.clone();
        }
        at -= weight;
    }
    unreachable!("the weights add up to the total")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_configurations() {
        let texts = |seed| -> Vec<String> {
            configurations(seed, 50)
                .iter()
                .map(|c| format!("{c:?}"))
                .collect()
        };
        assert_eq!(texts(1)[7], texts(1)[7]);
        assert_ne!(
            texts(1)[7],
            texts(2)[7].replace("generated-2", "generated-1")
        );
    }
}
