//! The classes of untrusted callers, and what each can have for a condition key.

use std::rc::Rc;

use jiff::Timestamp;

use crate::action::AccessClass;
use crate::bucket::Bucket;
use crate::document::{Principal, PrincipalClause};
use crate::key::{CallerKind, Key, KeyDomain, KeyNetwork, Presence};

use super::glob::Glob;
use super::names::{Names, beginning_with, exactly};
use super::text::TextProblem;
use super::value::{Domain, Range};

/// What is asked of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Can an untrusted request do something of this class?
    Headline(AccessClass),
    /// The same, narrow source addresses counted like any other.
    Literal(AccessClass),
    /// AWS's policy status: every key free for every action, time free, unsupported actions counted.
    AwsStatus,
}

impl Question {
    pub(crate) fn class(self) -> Option<AccessClass> {
        match self {
            Question::Headline(class) | Question::Literal(class) => Some(class),
            Question::AwsStatus => None,
        }
    }

    pub(crate) fn drops_narrow(self) -> bool {
        !matches!(self, Question::Literal(_))
    }
}

/// Which of the untrusted callers are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Callers {
    Anonymous,
    All,
}

/// An untrusted caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Anonymous,
    Signed(PrincipalType),
    Service,
    Web(String),
}

/// The type of a principal of a foreign account, as `aws:PrincipalType` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PrincipalType {
    User,
    AssumedRole,
    Account,
    FederatedUser,
}

/// The way of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Internet,
    VpcEndpoint,
    /// Keys of both ways are free (AWS's policy status).
    Free,
}

/// One class of requests.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    pub(crate) who: Who,
    pub(crate) network: Network,
    /// `None`: either way.
    pub(crate) tls: Option<bool>,
    pub(crate) not_before: Option<Timestamp>,
}

/// Providers of web identities that anyone can sign up with; the first stands for a wildcard.
const OPEN_PROVIDERS: &[&str] = &[
    "cognito-identity.amazonaws.com",
    "accounts.google.com",
    "graph.facebook.com",
    "www.amazon.com",
];

/// Services that act for anybody who sets them up; one that no policy names stands for the class.
const SERVICES: &[&str] = &[
    "delivery.logs.amazonaws.com",
    "sns.amazonaws.com",
    "config.amazonaws.com",
    "cloudtrail.amazonaws.com",
    "logging.s3.amazonaws.com",
];

/// Makes a range of texts from formats, excluded patterns and preferred texts.
type TextRange<'a> = dyn Fn(&[&str], Vec<Rc<Glob>>, &[&str]) -> Option<Range> + 'a;

impl Environment {
    /// Every class of requests that the used keys and the principal clauses can tell apart.
    pub(crate) fn all<'p>(
        question: Question,
        callers: Callers,
        bucket: &Bucket,
        names: &Names,
        keys: &[(&str, Option<&Key>)],
        principals: impl Iterator<Item = &'p PrincipalClause>,
        needs_signed: bool,
    ) -> Vec<Environment> {
        let whos = whos(callers, names, keys, principals, needs_signed);
        let free = question == Question::AwsStatus;
        let uses_network = keys
            .iter()
            .any(|(_, k)| k.is_some_and(|k| k.network != KeyNetwork::Any));
        let networks: &[Network] = match (free, uses_network) {
            (true, _) => &[Network::Free],
            (false, true) => &[Network::Internet, Network::VpcEndpoint],
            (false, false) => &[Network::Internet],
        };
        let uses_tls = keys.iter().any(|(name, _)| *name == "s3:tlsversion");
        let tls: &[Option<bool>] = if uses_tls && !free {
            &[Some(true), Some(false)]
        } else {
            &[None]
        };
        let mut environments = Vec::with_capacity(whos.len() * networks.len() * tls.len());
        for who in whos {
            for network in networks {
                for tls in tls {
                    environments.push(Environment {
                        who: who.clone(),
                        network: *network,
                        tls: *tls,
                        not_before: (!free).then_some(bucket.as_of),
                    });
                }
            }
        }
        environments
    }

    /// The values that this caller can have for a key of the table, or one that it does not know,
    /// whichever the action. `is_text`: the policy
    /// tests a key that the table does not know as a text.
    pub(crate) fn domain(
        &self,
        key: Option<&Key>,
        untabled: KeyDomain,
        bucket: &Bucket,
        names: &Names,
    ) -> Domain {
        let free = self.network == Network::Free;
        let Some(key) = key else {
            return Domain {
                absent: true,
                present: Some(plain_range(untabled)),
            };
        };
        if !self.sends(key) {
            return Domain::NEVER;
        }
        let domain = match key.domain {
            KeyDomain::Text => untabled,
            other => other,
        };
        let present = self.range(domain, key, bucket, names);
        let always = key.presence == Presence::Always && !(free && key.network != KeyNetwork::Any);
        Domain {
            absent: !always || present.is_none(),
            present,
        }
    }

    fn sends(&self, key: &Key) -> bool {
        let network = match (key.network, self.network) {
            (_, Network::Free) | (KeyNetwork::Any, _) => true,
            (KeyNetwork::Internet, network) => network == Network::Internet,
            (KeyNetwork::Vpc, network) => network == Network::VpcEndpoint,
        };
        let caller = key.callers.is_empty()
            || key.callers.iter().any(|kind| match (kind, &self.who) {
                (CallerKind::Anonymous, who) => *who == Who::Anonymous,
                (CallerKind::Signed, who) => matches!(who, Who::Signed(_)),
                (CallerKind::User, who) => *who == Who::Signed(PrincipalType::User),
                (CallerKind::Role, who) => *who == Who::Signed(PrincipalType::AssumedRole),
                (CallerKind::Service, who) => *who == Who::Service,
                (CallerKind::Web, who) => matches!(who, Who::Web(_)),
            });
        network && caller
    }

    fn range(&self, domain: KeyDomain, key: &Key, bucket: &Bucket, names: &Names) -> Option<Range> {
        let partition = &bucket.partition;
        let one_of = |values: &[&str]| {
            Some(Range::OneOf(
                values.iter().map(|v| (*v).to_owned()).collect(),
            ))
        };
        let text = |formats: &[&str], excluded: Vec<Rc<Glob>>, preferred: &[&str]| {
            Some(Range::Text {
                problem: TextProblem {
                    any_of: if formats.is_empty() {
                        Vec::new()
                    } else {
                        vec![formats.iter().map(|f| Glob::format(f)).collect()]
                    },
                    none_of: excluded,
                    preferred: preferred.iter().map(|p| (*p).to_owned()).collect(),
                    longest: None,
                },
                multivalued: key.multivalued,
            })
        };
        match domain {
            KeyDomain::Text | KeyDomain::Untested => text(&[], Vec::new(), &["mallory"]),
            KeyDomain::Number => Some(Range::Numbers {
                any: key.domain != KeyDomain::Number,
            }),
            KeyDomain::Date => Some(Range::Dates),
            KeyDomain::Bool => one_of(&["true", "false"]),
            KeyDomain::Values => Some(Range::OneOf(key.values.clone())),
            KeyDomain::Time => Some(Range::Time {
                not_before: self.not_before,
            }),
            KeyDomain::SourceAddress => Some(Range::Addresses {
                public: self.network != Network::Free,
            }),
            KeyDomain::Address => Some(Range::Addresses { public: false }),
            KeyDomain::Account => {
                text(&["############"], names.exact_accounts(), &["999988887777"])
            }
            KeyDomain::Organization => {
                text(&["o-!"], exactly(&names.organizations), &["o-9attacker9"])
            }
            KeyDomain::OrganizationPath => text(
                &["o-!/*"],
                names
                    .organizations
                    .iter()
                    .map(|o| Rc::new(beginning_with(&format!("{o}/"))))
                    .collect(),
                &["o-9attacker9/r-9999/ou-9999-99999999/"],
            ),
            KeyDomain::Vpc => text(&["vpc-!"], exactly(&names.vpcs), &["vpc-0attacker"]),
            KeyDomain::VpcEndpoint => {
                text(&["vpce-!"], exactly(&names.endpoints), &["vpce-0attacker"])
            }
            KeyDomain::PrincipalArn => {
                let (formats, preferred) = self.principal_arns(partition)?;
                let formats: Vec<&str> = formats.iter().map(String::as_str).collect();
                text(&formats, names.arns_of_accounts(), &[&preferred])
            }
            KeyDomain::PrincipalType => match &self.who {
                Who::Anonymous => one_of(&["Anonymous"]),
                Who::Signed(PrincipalType::User) => one_of(&["User"]),
                Who::Signed(PrincipalType::AssumedRole) => one_of(&["AssumedRole"]),
                Who::Signed(PrincipalType::Account) => one_of(&["Account"]),
                Who::Signed(PrincipalType::FederatedUser) => one_of(&["FederatedUser"]),
                Who::Service | Who::Web(_) => None,
            },
            KeyDomain::UserId => self.user_ids(names, &text),
            KeyDomain::IsService => one_of(if self.who == Who::Service {
                &["true"]
            } else {
                &["false"]
            }),
            KeyDomain::ViaService => match &self.who {
                Who::Signed(_) => one_of(&["false", "true"]),
                _ => one_of(&["false"]),
            },
            KeyDomain::ServiceName => {
                text(&["+.amazonaws.com"], exactly(&names.services), SERVICES)
            }
            KeyDomain::Provider => match &self.who {
                Who::Web(provider) => one_of(&[provider]),
                _ => text(&[], Vec::new(), OPEN_PROVIDERS),
            },
            KeyDomain::SourceArn => {
                let mut excluded = names.arns_of_accounts();
                excluded.extend(names.resources.iter().cloned().map(Rc::new));
                text(
                    &[
                        &format!("arn:{partition}:;:;:############:+"),
                        &format!("arn:{partition}:s3:::+"),
                    ],
                    excluded,
                    &[
                        &format!("arn:{partition}:s3:::attacker-bucket"),
                        &format!("arn:{partition}:sns:us-east-1:999988887777:attacker"),
                    ],
                )
            }
            KeyDomain::AccessPointArn => text(
                &[&format!("arn:{partition}:s3:;:############:accesspoint/+")],
                names.arns_of_accounts(),
                &[&format!(
                    "arn:{partition}:s3:us-west-2:999988887777:accesspoint/ap"
                )],
            ),
            KeyDomain::OwnerAccount => match &bucket.owner_account {
                Some(account) if self.network != Network::Free => one_of(&[account]),
                _ => text(&["############"], Vec::new(), &[]),
            },
            KeyDomain::OwnerOrganization => text(&["o-!"], Vec::new(), &[]),
            KeyDomain::OwnerOrganizationPath => text(&["o-!/*"], Vec::new(), &[]),
            KeyDomain::SecureTransport => match self.tls {
                None => one_of(&["true", "false"]),
                Some(true) => one_of(&["true"]),
                Some(false) => one_of(&["false"]),
            },
            KeyDomain::TlsVersion => match self.tls {
                Some(false) => None,
                _ => one_of(&["1.2", "1.3", "1.1", "1.0"]),
            },
        }
    }

    fn principal_arns(&self, partition: &str) -> Option<(Vec<String>, String)> {
        let Who::Signed(kind) = self.who else {
            return None;
        };
        // With and without a path.
        let (service, formats, preferred): (_, &[&str], _) = match kind {
            PrincipalType::User => ("iam", &["user/%", "user/+/%"], "user/mallory"),
            PrincipalType::AssumedRole => ("iam", &["role/%", "role/+/%"], "role/mallory"),
            PrincipalType::Account => ("iam", &["root"], "root"),
            PrincipalType::FederatedUser => {
                ("sts", &["federated-user/%"], "federated-user/mallory")
            }
        };
        let formats = formats
            .iter()
            .map(|resource| format!("arn:{partition}:{service}::############:{resource}"))
            .collect();
        Some((
            formats,
            format!("arn:{partition}:{service}::999988887777:{preferred}"),
        ))
    }

    fn user_ids(&self, names: &Names, text: &TextRange<'_>) -> Option<Range> {
        let named = names.unique_ids();
        match &self.who {
            Who::Anonymous => Some(Range::OneOf(vec!["anonymous".to_owned()])),
            Who::Signed(PrincipalType::User) => text(&["AIDA^"], named, &["AIDAATTACKERATTACKER"]),
            Who::Signed(PrincipalType::AssumedRole) => {
                text(&["AROA^:+"], named, &["AROAATTACKERATTACKER:mallory"])
            }
            Who::Signed(PrincipalType::Account) => {
                text(&["############"], named, &["999988887777"])
            }
            Who::Signed(PrincipalType::FederatedUser) => {
                text(&["############:+"], named, &["999988887777:mallory"])
            }
            Who::Web(_) => text(&["AROA^:+"], named, &["AROAATTACKERATTACKER:mallory"]),
            Who::Service => None,
        }
    }

    /// A principal of this class that nothing names, when no condition chose one.
    pub(crate) fn service(names: &Names) -> String {
        let unnamed = |s: &&&str| !names.services.iter().any(|named| named == **s);
        match SERVICES.iter().find(unnamed) {
            Some(service) => (*service).to_owned(),
            None => "any-other-service.amazonaws.com".to_owned(),
        }
    }

    /// Whether a principal element takes this caller in. Untrusted callers are never named
    /// themselves.
    pub(crate) fn is_taken_by(&self, clause: &PrincipalClause) -> bool {
        let listed = clause.entries.iter().any(|entry| match entry {
            Principal::Everyone => true,
            Principal::Service(name) => name == "*" && self.who == Who::Service,
            Principal::Federated(name) => match &self.who {
                Who::Web(provider) => name == "*" || name == provider,
                _ => false,
            },
            Principal::CanonicalUser(id) => {
                id == crate::bucket::ANONYMOUS_CANONICAL_ID && self.who == Who::Anonymous
            }
            Principal::Account(_)
            | Principal::Arn(_)
            | Principal::UniqueId(_)
            | Principal::Nobody(_) => false,
        });
        listed != clause.negated
    }
}

fn plain_range(domain: KeyDomain) -> Range {
    match domain {
        KeyDomain::Number => Range::Numbers { any: true },
        KeyDomain::Date => Range::Dates,
        KeyDomain::Address => Range::Addresses { public: false },
        KeyDomain::Bool => Range::OneOf(vec!["true".to_owned(), "false".to_owned()]),
        _ => Range::Text {
            problem: TextProblem {
                preferred: vec!["a".to_owned()],
                ..TextProblem::default()
            },
            multivalued: false,
        },
    }
}

fn whos<'p>(
    callers: Callers,
    names: &Names,
    keys: &[(&str, Option<&Key>)],
    principals: impl Iterator<Item = &'p PrincipalClause>,
    needs_signed: bool,
) -> Vec<Who> {
    let mut whos = vec![Who::Anonymous];
    if callers == Callers::Anonymous {
        return whos;
    }
    // Where no used key tells callers apart, what refuses the unsigned caller refuses all others
    // that come in by the same principal element.
    let tells_callers_apart = keys
        .iter()
        .filter_map(|(_, key)| *key)
        .any(|key| !key.callers.is_empty() || key.domain == KeyDomain::ViaService);
    let tells_types_apart = keys.iter().any(|(name, _)| {
        matches!(
            *name,
            "aws:principalarn"
                | "aws:userid"
                | "aws:username"
                | "aws:principaltype"
                | "aws:federatedprovider"
        )
    });
    let mut any_service = tells_callers_apart;
    let mut any_provider = keys
        .iter()
        .any(|(name, _)| *name == "aws:federatedprovider");
    let mut needs_signed = needs_signed || tells_callers_apart;
    for entry in principals.flat_map(|clause| &clause.entries) {
        match entry {
            Principal::Service(name) => any_service |= name == "*",
            Principal::Federated(name) => any_provider |= name == "*",
            Principal::CanonicalUser(_) => needs_signed = true,
            _ => {}
        }
    }
    if needs_signed {
        whos.push(Who::Signed(PrincipalType::User));
    }
    if tells_types_apart {
        whos.extend(
            [
                PrincipalType::AssumedRole,
                PrincipalType::Account,
                PrincipalType::FederatedUser,
            ]
            .map(Who::Signed),
        );
    }
    if any_service {
        whos.push(Who::Service);
    }
    whos.extend(
        names
            .providers
            .iter()
            .filter(|p| *p != "*")
            .map(|p| Who::Web(p.clone())),
    );
    if any_provider {
        whos.extend(OPEN_PROVIDERS.iter().map(|p| Who::Web((*p).to_owned())));
    }
    whos
}
