//! Where a store does not do as AWS documents: each difference by its name, and as a model.
//!
//! A difference changes the [`Situation`] so that our decision about it becomes the store's. All of a
//! store's differences together must predict every answer that it gives.

use ipnet::{IpNet, Ipv4Net};
use policy::bucket::{ANONYMOUS_CANONICAL_ID, Grantee, LOG_DELIVERY, ObjectOwnership, Permission};
use policy::condition::{Operator, SetOperator, Value};
use policy::document::{Policy, Statement};
use policy::evaluate::{Matches, statement_matches};
use policy::request::{Context, Request};

use crate::configuration::Configuration;
use crate::decision::Situation;
use crate::store::{Kind, NotInstalled, Step};

/// A known difference of a store.
#[derive(Debug)]
pub struct Difference {
    /// Its name.
    pub name: &'static str,
    /// Where it is documented or was seen.
    pub source: &'static str,
    /// What the store decides about instead.
    pub apply: fn(&mut Situation),
}

/// A configuration that a store refuses to hold though AWS documents it.
#[derive(Debug)]
pub struct Refusal {
    /// Its name.
    pub name: &'static str,
    /// Where it is documented or was seen.
    pub source: &'static str,
    /// The step that is refused.
    pub step: Step,
    /// The store's error code.
    pub code: &'static str,
    /// Which configurations it is about.
    pub applies: fn(&Configuration) -> bool,
}

impl Refusal {
    /// Whether it explains that a configuration was not installed.
    pub fn explains(&self, configuration: &Configuration, refused: &NotInstalled) -> bool {
        self.step == refused.step && self.code == refused.code && (self.applies)(configuration)
    }
}

/// The differences of a store, in the order in which they apply.
pub fn of(kind: Kind) -> &'static [Difference] {
    match kind {
        Kind::CephRgw => CEPH_RGW,
        Kind::MiniStack => MINISTACK,
    }
}

/// What a store refuses to hold.
pub fn refusals_of(kind: Kind) -> &'static [Refusal] {
    match kind {
        Kind::CephRgw => CEPH_RGW_REFUSALS,
        Kind::MiniStack => MINISTACK_REFUSALS,
    }
}

const RGW_POLICY: &str = "Ceph 16, src/rgw/rgw_iam_policy.cc";
const RGW_OPERATIONS: &str = "Ceph 16, src/rgw/rgw_op.cc and rgw_common.cc";
const SEEN_RGW: &str = "seen with Ceph 16.2";

const CEPH_RGW: &[Difference] = &[
    Difference {
        name: "restrict-public-buckets-not-enforced",
        source: RGW_OPERATIONS,
        apply: |s| s.block.restrict_public_buckets = false,
    },
    Difference {
        name: "block-public-acls-refuses-anonymous-uploads",
        source: SEEN_RGW,
        apply: |s| {
            s.refused_outright |= s.block.block_public_acls && s.request.action == "s3:PutObject";
        },
    },
    Difference {
        name: "object-ownership-not-supported",
        source: RGW_OPERATIONS,
        apply: |s| s.ownership = ObjectOwnership::ObjectWriter,
    },
    Difference {
        name: "owner-only-actions-served",
        source: RGW_OPERATIONS,
        apply: |s| s.owner_only_enforced = false,
    },
    Difference {
        name: "acl-permissions-are-wider",
        source: RGW_OPERATIONS,
        apply: |s| {
            s.more_by_bucket_acl = &[
                (
                    Permission::Write,
                    &[
                        "s3:DeleteObject",
                        "s3:AbortMultipartUpload",
                        "s3:DeleteBucket",
                    ],
                ),
                (
                    Permission::ReadAcp,
                    &["s3:GetBucketPolicy", "s3:GetLifecycleConfiguration"],
                ),
            ];
        },
    },
    Difference {
        name: "keys-not-supplied",
        source: "Ceph 16, doc/radosgw/bucketpolicy.rst",
        apply: |s| {
            without_keys(
                s,
                &[
                    // Over plain HTTP.
                    "aws:securetransport",
                    "aws:userid",
                    "aws:epochtime",
                    "aws:requestedregion",
                    "aws:resourceaccount",
                    "s3:resourceaccount",
                    "aws:viaawsservice",
                    "aws:principalisawsservice",
                ],
            );
        },
    },
    Difference {
        name: "empty-prefix-is-no-key",
        source: SEEN_RGW,
        apply: |s| {
            if s.request.context.get("s3:prefix") == Some(&[String::new()]) {
                without_keys(s, &["s3:prefix"]);
            }
        },
    },
    Difference {
        name: "anonymous-has-principal-type-user",
        source: SEEN_RGW,
        apply: |s| set_key(s, "aws:PrincipalType", "User"),
    },
    Difference {
        name: "not-action-matches-nothing",
        source: RGW_POLICY,
        apply: |s| keep(s, |statement, _| !statement.action.negated),
    },
    Difference {
        name: "escaped-wildcards-in-resources-match-nothing",
        source: SEEN_RGW,
        apply: |s| {
            keep(s, |statement, _| {
                let patterns = &statement.resource.patterns;
                !patterns.iter().all(|p| p.text().contains("${*}"))
            });
        },
    },
    Difference {
        name: "null-ignores-its-value",
        source: RGW_POLICY,
        apply: |s| {
            change(s, |statement, _, _| {
                for condition in &mut statement.conditions {
                    if condition.operator == Operator::Null {
                        condition.values = vec![Value::Bool(true)];
                    }
                }
            });
        },
    },
    Difference {
        name: "negated-operators-need-the-key",
        source: RGW_POLICY,
        apply: |s| {
            keep(s, |statement, context| {
                !statement.conditions.iter().any(|c| {
                    c.operator.is_negated()
                        && !c.if_exists
                        && c.set != Some(SetOperator::ForAllValues)
                        && context.get(&c.key).is_none()
                })
            });
        },
    },
    Difference {
        name: "one-unequal-value-satisfies-negated-operators",
        source: RGW_POLICY,
        apply: |s| change(s, any_value_satisfies),
    },
    Difference {
        name: "ipv4-callers-match-every-ipv6-address",
        source: RGW_POLICY,
        apply: |s| {
            change(s, |statement, _, _| {
                for condition in &mut statement.conditions {
                    let all_ipv6 =
                        |v: &Value| matches!(v, Value::Cidr(IpNet::V6(n)) if n.prefix_len() == 0);
                    if condition.values.iter().any(all_ipv6) {
                        condition
                            .values
                            .push(Value::Cidr(IpNet::V4(Ipv4Net::default())));
                    }
                }
            });
        },
    },
];

const CEPH_RGW_REFUSALS: &[Refusal] = &[
    Refusal {
        name: "unknown-grantee",
        source: "it has no log delivery group and only users of its own",
        step: Step::Acl,
        code: "InvalidArgument",
        applies: |configuration| {
            configuration
                .grants
                .iter()
                .any(|grant| match &grant.grantee {
                    Grantee::Group(uri) => uri == LOG_DELIVERY,
                    Grantee::CanonicalUser(_) | Grantee::Email(_) => true,
                })
        },
    },
    Refusal {
        name: "unknown-action",
        source: RGW_POLICY,
        step: Step::Policy,
        code: "InvalidArgument",
        applies: |configuration| policy_text(configuration).contains("s3:NotASupportedAction"),
    },
    Refusal {
        name: "variable-in-resource",
        source: RGW_POLICY,
        step: Step::Policy,
        code: "InvalidArgument",
        applies: |configuration| policy_text(configuration).contains("/${aws:"),
    },
    Refusal {
        name: "deny-binds-the-owner",
        source: SEEN_RGW,
        step: Step::Block,
        code: "AccessDenied",
        applies: |configuration| policy_text(configuration).contains("\"Deny\""),
    },
];

const SEEN_MINISTACK: &str = "seen with MiniStack 1.5.33";

const MINISTACK: &[Difference] = &[
    Difference {
        name: "owner-only-actions-served",
        source: SEEN_MINISTACK,
        apply: |s| s.owner_only_enforced = false,
    },
    Difference {
        name: "acl-permissions-are-wider",
        source: SEEN_MINISTACK,
        apply: |s| {
            s.more_by_bucket_acl = &[(
                Permission::Write,
                &["s3:DeleteObject", "s3:AbortMultipartUpload"],
            )];
        },
    },
    Difference {
        name: "acls-win-over-deny",
        source: SEEN_MINISTACK,
        apply: |s| s.deny_overrides_acls = false,
    },
    Difference {
        name: "anonymous-canonical-id-is-somebody",
        source: SEEN_MINISTACK,
        apply: |s| {
            s.bucket_acl.grants.retain(|grant| {
                !matches!(&grant.grantee, Grantee::CanonicalUser(id) if id == ANONYMOUS_CANONICAL_ID)
            });
        },
    },
    Difference {
        name: "keys-not-supplied",
        source: SEEN_MINISTACK,
        apply: |s| {
            without_keys(
                s,
                &[
                    "aws:referer",
                    "aws:useragent",
                    "aws:userid",
                    "aws:resourceaccount",
                    "s3:resourceaccount",
                    "aws:viaawsservice",
                    "aws:principalisawsservice",
                ],
            );
        },
    },
    Difference {
        name: "anonymous-has-a-principal-arn",
        source: SEEN_MINISTACK,
        apply: |s| set_key(s, "aws:PrincipalArn", "*"),
    },
    Difference {
        name: "escaped-wildcards-in-resources-match-nothing",
        source: SEEN_MINISTACK,
        apply: |s| {
            keep(s, |statement, _| {
                let patterns = &statement.resource.patterns;
                !patterns.iter().all(|p| p.text().contains("${*}"))
            });
        },
    },
    Difference {
        name: "not-principal-matches-nobody",
        source: SEEN_MINISTACK,
        apply: |s| keep(s, |statement, _| !statement.principal.negated),
    },
];

const MINISTACK_REFUSALS: &[Refusal] = &[Refusal {
    name: "owner-enforced-wants-a-private-acl",
    source: "as AWS: Amazon S3 user guide, Controlling ownership of objects",
    step: Step::Ownership,
    code: "InvalidBucketAclWithObjectOwnership",
    applies: |configuration| {
        !configuration.grants.is_empty()
            && configuration.ownership == ObjectOwnership::BucketOwnerEnforced
    },
}];

fn policy_text(configuration: &Configuration) -> String {
    configuration
        .policy
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// Reads a negated operator with several values as satisfied by one of them: keeps that one.
fn any_value_satisfies(statement: &mut Statement, policy: &Policy, request: &Request) {
    for at in 0..statement.conditions.len() {
        let condition = &statement.conditions[at];
        if !condition.operator.is_negated()
            || condition.operator == Operator::NotIpAddress
            || condition.values.len() < 2
        {
            continue;
        }
        let alone = |value: &Value| {
            let mut condition = condition.clone();
            condition.values = vec![value.clone()];
            let mut statement = statement.clone();
            statement.conditions = vec![condition];
            statement_matches(&statement, policy, request) == Matches::Yes
        };
        let kept = condition.values.iter().find(|value| alone(value));
        let kept = kept.unwrap_or(&condition.values[0]).clone();
        statement.conditions[at].values = vec![kept];
    }
}

fn set_key(situation: &mut Situation, key: &str, value: &str) {
    situation.request.context.set(key, vec![value.to_owned()]);
}

fn without_keys(situation: &mut Situation, keys: &[&str]) {
    let kept = situation
        .request
        .context
        .iter()
        .filter(|(key, _)| !keys.contains(key));
    let mut context = Context::new();
    for (key, values) in kept {
        context.set(key, values.to_vec());
    }
    situation.request.context = context;
}

/// Takes away the statements that never apply for the store.
fn keep(situation: &mut Situation, wanted: impl Fn(&Statement, &Context) -> bool) {
    let context = &situation.request.context;
    if let Some(policy) = &mut situation.policy {
        policy
            .statements
            .retain(|statement| wanted(statement, context));
    }
}

/// Changes the statements to what the store reads in them.
fn change(situation: &mut Situation, to: impl Fn(&mut Statement, &Policy, &Request)) {
    let Some(policy) = &mut situation.policy else {
        return;
    };
    let before = policy.clone();
    for statement in &mut policy.statements {
        to(statement, &before, &situation.request);
    }
}
