//! Random policy documents, rich in what decides: values that meet, overlap and exclude each other.
//!
//! A [`Document`] is the policy in our own words, so that an oracle need not read it through the
//! parser that it is to check; [`Document::to_json`] writes it out.

use std::collections::BTreeSet;

use policy::bucket::{BlockLevels, Bucket, Enforcement, PublicAccessBlock};
use policy::document::{ParseError, Policy};
use policy::observed::Observed;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

/// The account that owns the bucket of every generated document.
pub const OWNER: &str = "111122223333";
/// The bucket that generated documents are about.
pub const BUCKET: &str = "example-bucket";
/// The moment that questions about generated documents are about.
pub const AS_OF: &str = "2026-01-01T00:00:00Z";

/// A policy document.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Whether it says `2012-10-17`; otherwise it has no version.
    pub current: bool,
    /// The statements.
    pub statements: Vec<Statement>,
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Allow, or else Deny.
    pub allow: bool,
    /// `Principal` or `NotPrincipal`.
    pub who: Who,
    /// `NotAction` instead of `Action`.
    pub not_action: bool,
    /// The patterns of actions.
    pub actions: Vec<String>,
    /// `NotResource` instead of `Resource`.
    pub not_resource: bool,
    /// The patterns of resources.
    pub resources: Vec<String>,
    /// The conditions; no two have the same operator and key.
    pub tests: Vec<Test>,
}

/// Whom a statement is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Who {
    /// `*`.
    Everyone,
    /// Accounts and services by name: all of them trusted.
    Named(Value),
    /// Everyone else.
    AllBut(Value),
}

/// A condition: one operator on one key.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// `ForAllValues`, `ForAnyValue` or nothing.
    pub set: Option<&'static str>,
    /// The operator without prefix and suffix.
    pub operator: &'static str,
    /// Whether `IfExists` follows.
    pub if_exists: bool,
    /// The key as written.
    pub key: &'static str,
    /// The values.
    pub values: Vec<String>,
}

impl Test {
    /// The operator as policies write it, with prefix and suffix.
    pub fn operator(&self) -> String {
        let prefix = self.set.map_or(String::new(), |set| format!("{set}:"));
        let suffix = if self.if_exists { "IfExists" } else { "" };
        format!("{prefix}{}{suffix}", self.operator)
    }
}

impl Document {
    /// The document as JSON.
    pub fn to_json(&self) -> Value {
        let mut document = Map::new();
        if self.current {
            document.insert("Version".to_owned(), json!("2012-10-17"));
        }
        let statements: Vec<Value> = self.statements.iter().map(Statement::to_json).collect();
        document.insert("Statement".to_owned(), Value::Array(statements));
        Value::Object(document)
    }

    /// The bucket with this policy and nothing else: no grants, no blocks.
    pub fn bucket(&self) -> Result<Bucket, ParseError> {
        Ok(bare_bucket(Policy::parse(&self.to_json().to_string())?))
    }
}

/// The bucket with this policy and nothing else: no grants, no blocks.
pub fn bare_bucket(policy: Policy) -> Bucket {
    let none = || Observed::<PublicAccessBlock>::Absent;
    Bucket {
        name: BUCKET.to_owned(),
        partition: "aws".to_owned(),
        owner_account: Some(OWNER.to_owned()),
        as_of: AS_OF.parse().unwrap_or(jiff::Timestamp::UNIX_EPOCH),
        policy: Observed::Present(policy),
        acl: Observed::Absent,
        public_access_block: BlockLevels {
            bucket: none(),
            account: none(),
            organization: none(),
        },
        ownership: Observed::Absent,
        access_points: Observed::Absent,
        resource_control_policies: Observed::Absent,
        enforcement: Enforcement::Aws,
    }
}

impl Statement {
    fn to_json(&self) -> Value {
        let mut s = Map::new();
        let effect = if self.allow { "Allow" } else { "Deny" };
        s.insert("Effect".to_owned(), json!(effect));
        match &self.who {
            Who::Everyone => s.insert("Principal".to_owned(), json!("*")),
            Who::Named(names) => s.insert("Principal".to_owned(), names.clone()),
            Who::AllBut(names) => s.insert("NotPrincipal".to_owned(), names.clone()),
        };
        let action = if self.not_action {
            "NotAction"
        } else {
            "Action"
        };
        s.insert(action.to_owned(), json!(self.actions));
        let resource = if self.not_resource {
            "NotResource"
        } else {
            "Resource"
        };
        s.insert(resource.to_owned(), json!(self.resources));
        if !self.tests.is_empty() {
            let mut conditions = Map::new();
            for test in &self.tests {
                let keys = conditions
                    .entry(test.operator())
                    .or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(keys) = keys {
                    keys.insert(test.key.to_owned(), json!(test.values));
                }
            }
            s.insert("Condition".to_owned(), Value::Object(conditions));
        }
        Value::Object(s)
    }
}

/// What a key's values look like.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    TextOrArn,
    Many,
    Address,
    Date,
    Number,
    Flag,
}

const TEXT: &[&str] = &[
    "StringEquals",
    "StringNotEquals",
    "StringLike",
    "StringNotLike",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
];
const TEXT_OR_ARN: &[&str] = &[
    "StringEquals",
    "StringNotEquals",
    "StringLike",
    "StringNotLike",
    "ArnLike",
    "ArnNotLike",
    "ArnEquals",
    "ArnNotEquals",
];
const NUMBER: &[&str] = &[
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
];
const DATE: &[&str] = &[
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
];
const ADDRESS: &[&str] = &["IpAddress", "NotIpAddress"];
const FLAG: &[&str] = &["Bool"];

const PLAIN_TEXT: &[&str] = &[
    "", "abc", "ABC", "a*", "*c", "a*c", "?bc", "*", "abd", "b?", "*b*",
];
const PRINCIPAL_ARNS: &[&str] = &[
    "arn:aws:iam::111122223333:role/app",
    "arn:aws:iam::444455556666:user/bob",
    "arn:aws:iam::*:role/app",
    "arn:aws:iam::*:user/*",
    "arn:aws:iam::4444*:user/bob",
    "arn:aws:iam::*:root",
    "arn:aws:iam::111122223333:*",
    "arn:aws:iam::*:role/team/*",
    "*",
];
const SOURCE_ARNS: &[&str] = &[
    "arn:aws:sns:us-east-1:444455556666:topic",
    "arn:aws:sns:*:*:topic",
    "arn:aws:s3:::*",
    "arn:aws:s3:::my-*",
    "arn:aws:s3:::src-bucket",
    "arn:aws:sns:us-east-1:4444*:*",
    "*",
];
const ADDRESSES: &[&str] = &[
    "52.0.0.0/8",
    "52.0.0.0/7",
    "53.0.0.0/8",
    "0.0.0.0/0",
    "0.0.0.0/1",
    "128.0.0.0/1",
    "::/0",
    "2600:1f00::/32",
    "2600:1f00::/31",
    "2600:1f00::7",
    "203.0.113.0/24",
    "203.0.113.7",
    "203.0.0.0/7",
    "10.0.0.0/8",
    "10.0.0.0/7",
];
const DATES: &[&str] = &[
    "2020-01-01T00:00:00Z",
    "2025-12-31T23:59:59Z",
    "2026-01-01T00:00:00Z",
    "2026-06-01T00:00:00Z",
    "2030-01-01T00:00:00Z",
];
const SECONDS: &[&str] = &["1577836800", "1767225600", "1893456000"];
const COUNTS: &[&str] = &["0", "5", "10", "1000"];
const FLAGS: &[&str] = &["true", "false"];

/// Every key with its kind, its values, and its weight.
const KEYS: &[(&str, Kind, &[&str], u32)] = &[
    ("aws:SourceIp", Kind::Address, ADDRESSES, 12),
    (
        "aws:SourceVpc",
        Kind::Text,
        &["vpc-1a2b3c4d", "vpc-*", "vpc-1a*", "vpc-1a2b3c4?", "*"],
        4,
    ),
    (
        "aws:SourceVpce",
        Kind::Text,
        &["vpce-1a2b3c4d", "vpce-*", "vpce-1a*", "*"],
        4,
    ),
    ("aws:Referer", Kind::Text, PLAIN_TEXT, 8),
    ("aws:UserAgent", Kind::Text, PLAIN_TEXT, 3),
    ("s3:prefix", Kind::Text, PLAIN_TEXT, 4),
    (
        "s3:x-amz-acl",
        Kind::Text,
        &["private", "public-read", "p*"],
        3,
    ),
    ("s3:ExistingObjectTag/env", Kind::Text, PLAIN_TEXT, 3),
    (
        "s3:RequestObjectTagKeys",
        Kind::Many,
        &["Owner", "Team", "T*", "*e*"],
        3,
    ),
    ("aws:SecureTransport", Kind::Flag, FLAGS, 4),
    ("aws:ViaAWSService", Kind::Flag, FLAGS, 2),
    ("aws:MultiFactorAuthPresent", Kind::Flag, FLAGS, 2),
    ("aws:PrincipalIsAWSService", Kind::Flag, FLAGS, 2),
    ("aws:CurrentTime", Kind::Date, DATES, 4),
    ("aws:EpochTime", Kind::Date, SECONDS, 2),
    ("s3:max-keys", Kind::Number, COUNTS, 3),
    ("s3:signatureAge", Kind::Number, COUNTS, 2),
    (
        "aws:PrincipalAccount",
        Kind::Text,
        &["444455556666", "111122223333", "4444*", "*"],
        4,
    ),
    (
        "aws:PrincipalOrgID",
        Kind::Text,
        &["o-aa111bb222", "o-*", "o-aa*", "*"],
        4,
    ),
    ("aws:PrincipalArn", Kind::TextOrArn, PRINCIPAL_ARNS, 6),
    (
        "aws:userid",
        Kind::Text,
        &[
            "*:alice",
            "AROAEXAMPLEID:*",
            "AIDAEXAMPLEUSERID",
            "AIDA*",
            "anonymous",
            "*",
        ],
        4,
    ),
    ("aws:username", Kind::Text, &["alice", "a*", "bob", "*"], 4),
    (
        "aws:PrincipalType",
        Kind::Text,
        &["Anonymous", "User", "AssumedRole", "Account", "A*"],
        4,
    ),
    ("aws:PrincipalTag/team", Kind::Text, PLAIN_TEXT, 3),
    ("aws:SourceArn", Kind::TextOrArn, SOURCE_ARNS, 3),
    (
        "aws:SourceAccount",
        Kind::Text,
        &["444455556666", "4444*", "*"],
        3,
    ),
    (
        "s3:DataAccessPointAccount",
        Kind::Text,
        &["444455556666", "111122223333", "4444*", "*"],
        2,
    ),
    (
        "s3:DataAccessPointArn",
        Kind::TextOrArn,
        &[
            "arn:aws:s3:us-east-1:444455556666:accesspoint/*",
            "arn:aws:s3:*:*:accesspoint/ap",
            "*",
        ],
        2,
    ),
    (
        "aws:ResourceAccount",
        Kind::Text,
        &["111122223333", "444455556666"],
        2,
    ),
];

/// Values that hold a policy variable, by key.
const VARIABLES: &[(&str, &[&str])] = &[
    (
        "aws:PrincipalAccount",
        &["${aws:ResourceAccount}", "${aws:PrincipalAccount}"],
    ),
    ("aws:username", &["${aws:PrincipalTag/team}"]),
    (
        "aws:Referer",
        &[
            "${aws:username}",
            "${aws:UserAgent}",
            "x${aws:username, 'abc'}",
        ],
    ),
    (
        "s3:prefix",
        &["${aws:username}", "${aws:PrincipalTag/team, 'abc'}"],
    ),
    ("aws:SourceVpc", &["${aws:PrincipalTag/team}"]),
    (
        "aws:PrincipalTag/team",
        &["${aws:username}", "${aws:PrincipalAccount}"],
    ),
];

const ACTIONS: &[&str] = &[
    "s3:GetObject",
    "s3:PutObject",
    "s3:ListBucket",
    "s3:GetObjectVersion",
    "s3:DeleteObject",
    "s3:PutBucketAcl",
    "s3:GetBucketPolicy",
    "s3:Get*",
    "s3:Put*",
    "s3:List*",
    "s3:*",
    "*",
    "s3:*Object",
    "S3:getobject",
    "s3:?etObject",
    "s3:NotASupportedAction",
];

const RESOURCES: &[&str] = &[
    "arn:aws:s3:::example-bucket",
    "arn:aws:s3:::example-bucket/*",
    "arn:aws:s3:::example-bucket*",
    "*",
    "arn:aws:s3:::example-bucket/a*",
    "arn:aws:s3:::example-bucket/ab*",
    "arn:aws:s3:::example-bucket/a",
    "arn:aws:s3:::example-bucket/?",
    "arn:aws:s3:::example-bucket/*.key",
    "arn:aws:s3:::example-bucket/??*",
    "arn:aws:s3:::other-bucket/*",
    "arn:aws:s3:::example-bucke?/*",
];

const VARIABLE_RESOURCES: &[&str] = &[
    "arn:aws:s3:::example-bucket/${aws:username}/*",
    "arn:aws:s3:::example-bucket/${aws:PrincipalTag/team, 'abc'}",
    "arn:aws:s3:::example-bucket/a${*}b",
];

/// How rich documents are to be.
#[derive(Clone, Copy, Debug)]
pub struct Richness {
    /// At most so many statements.
    pub statements: usize,
    /// At most so many conditions in each.
    pub tests: usize,
    /// Whether policy variables occur.
    pub variables: bool,
}

impl Richness {
    /// What most tests use.
    pub const USUAL: Richness = Richness {
        statements: 4,
        tests: 3,
        variables: true,
    };
}

/// Documents.
pub fn document(richness: Richness) -> impl Strategy<Value = Document> {
    let statements = vec(statement(richness), 1..=richness.statements);
    (prop::bool::weighted(0.9), statements).prop_map(|(current, statements)| Document {
        current,
        statements,
    })
}

/// Statements, two of three of them Allow.
pub fn statement(richness: Richness) -> impl Strategy<Value = Statement> {
    let resources: Vec<&'static str> = if richness.variables {
        [RESOURCES, VARIABLE_RESOURCES].concat()
    } else {
        RESOURCES.to_vec()
    };
    let resources = prop_oneof![
        3 => Just(vec![
            "arn:aws:s3:::example-bucket",
            "arn:aws:s3:::example-bucket/*",
        ]),
        2 => subsequence(resources, 1..=2),
    ];
    (
        prop::bool::weighted(0.62),
        who(),
        prop::bool::weighted(0.1),
        subsequence(ACTIONS, 1..=3),
        prop::bool::weighted(0.08),
        resources,
        vec(test(richness.variables), 0..=richness.tests),
    )
        .prop_map(
            |(allow, who, not_action, actions, not_resource, resources, mut tests)| {
                let mut seen = BTreeSet::new();
                tests.retain(|t| seen.insert((t.operator(), t.key)));
                let owned = |texts: Vec<&'static str>| texts.into_iter().map(str::to_owned);
                Statement {
                    allow,
                    who,
                    not_action,
                    actions: owned(actions).collect(),
                    not_resource,
                    resources: owned(resources).collect(),
                    tests,
                }
            },
        )
}

fn who() -> impl Strategy<Value = Who> {
    let named = select(vec![
        json!({"AWS": "arn:aws:iam::444455556666:root"}),
        json!({"AWS": ["444455556666", "arn:aws:iam::111122223333:user/admin"]}),
        json!({"Service": "cloudtrail.amazonaws.com"}),
    ]);
    prop_oneof![
        12 => Just(Who::Everyone),
        1 => Just(Who::Named(json!({"AWS": "*"}))),
        1 => named.clone().prop_map(Who::Named),
        1 => named.prop_map(Who::AllBut),
    ]
}

/// Conditions.
fn test(variables: bool) -> impl Strategy<Value = Test> {
    let weighted: Vec<(u32, usize)> = KEYS
        .iter()
        .enumerate()
        .map(|(index, (_, _, _, weight))| (*weight, index))
        .collect();
    let index = prop::strategy::Union::new_weighted(
        weighted
            .into_iter()
            .map(|(weight, index)| (weight, Just(index).boxed()))
            .collect(),
    );
    index.prop_flat_map(move |index| {
        let (key, kind, values, _) = KEYS[index];
        let operators = match kind {
            Kind::Text | Kind::Many => TEXT,
            Kind::TextOrArn => TEXT_OR_ARN,
            Kind::Address => ADDRESS,
            Kind::Date => DATE,
            Kind::Number => NUMBER,
            Kind::Flag => FLAG,
        };
        let mut pool = values.to_vec();
        let holds_variable = VARIABLES.iter().find(|(k, _)| *k == key);
        if variables && let Some((_, more)) = holds_variable {
            pool.extend_from_slice(more);
        }
        let most = if matches!(kind, Kind::Flag) {
            1
        } else {
            pool.len().min(3)
        };
        let set = match kind {
            Kind::Many => select(vec![Some("ForAllValues"), Some("ForAnyValue")]).boxed(),
            _ => prop_oneof![
                10 => Just(None),
                1 => Just(Some("ForAllValues")),
                1 => Just(Some("ForAnyValue")),
            ]
            .boxed(),
        };
        let plain = (
            set,
            select(operators),
            prop::bool::weighted(0.12),
            subsequence(pool, 1..=most),
        )
            .prop_map(move |(set, operator, if_exists, values)| Test {
                set,
                operator,
                // AWS's documents contradict each other on ForAnyValue with IfExists.
                if_exists: if_exists && set != Some("ForAnyValue"),
                key,
                values: values.into_iter().map(str::to_owned).collect(),
            });
        let null = select(FLAGS).prop_map(move |value| Test {
            set: None,
            operator: "Null",
            if_exists: false,
            key,
            values: vec![value.to_owned()],
        });
        prop_oneof![9 => plain, 1 => null]
    })
}
