//! `[enforcement]`: where the responder may close buckets, and what holds it back.

use compliance::remediation::{AclRemedy, ObjectsRemedy, PolicyRemedy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{Period, Wildcard};

/// The responder. It closes nothing until a scope says `enabled = true`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Enforcement {
    /// Stops enforcement in an account when too much changes there at once.
    pub(crate) breaker: Breaker,
    /// Holds back where somebody opens a bucket again and again.
    pub(crate) loop_guard: Loop,
    /// Where enforcement is on. The first scope that covers a bucket decides.
    pub(crate) scope: Vec<Scope>,
}

/// The circuit breaker.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Breaker {
    /// So many buckets may be changed in an hour.
    #[schemars(range(min = 1))]
    pub(crate) buckets_per_hour: u32,
    /// Or this share of an account's buckets (0 to 1), if that is less, once a sweep has counted them …
    #[schemars(range(min = 0, max = 1))]
    pub(crate) share: f64,
    /// … but never fewer than this.
    pub(crate) at_least: u32,
}

impl Default for Breaker {
    fn default() -> Breaker {
        let breaker = guard::responder::CircuitBreaker::default();
        Breaker {
            buckets_per_hour: breaker.buckets_per_hour,
            share: breaker.share_of_estate,
            at_least: breaker.at_least,
        }
    }
}

/// The loop guard.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Loop {
    /// A bucket that was closed so often …
    #[schemars(range(min = 1))]
    pub(crate) times: u32,
    /// … within this time is not closed again before it has passed.
    pub(crate) within: Period,
}

impl Default for Loop {
    fn default() -> Loop {
        let guard = guard::responder::LoopGuard::default();
        Loop {
            times: guard.times,
            within: Period(guard.within),
        }
    }
}

/// Some buckets, and what may be done to them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Scope {
    /// Its name.
    pub(crate) name: String,
    /// Only in these accounts, by id or label. [default: in all]
    #[serde(default)]
    pub(crate) accounts: Vec<Wildcard>,
    /// Only in these regions. [default: in all]
    #[serde(default)]
    pub(crate) regions: Vec<Wildcard>,
    /// Only buckets of these names. [default: all]
    #[serde(default)]
    pub(crate) buckets: Vec<Wildcard>,
    /// Only buckets with this tag: `KEY`, or `KEY=VALUE`.
    #[serde(default)]
    pub(crate) tag: Option<String>,
    /// Whether buckets that it covers are closed. `false` takes them out of the scopes behind it.
    pub(crate) enabled: bool,
    /// What is done about a public ACL.
    #[serde(default)]
    pub(crate) acl: Acl,
    /// What is done about a public bucket policy.
    #[serde(default)]
    pub(crate) policy: Policy,
    /// What is done about objects that are public by ACLs of their own.
    #[serde(default)]
    pub(crate) objects: Objects,
    /// How long it is waited, with a notice first.
    #[serde(default = "at_once")]
    pub(crate) grace: Period,
}

fn at_once() -> Period {
    Period::seconds(0)
}

/// What is done about a public ACL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Acl {
    /// Exactly the public grants are removed.
    #[default]
    Strip,
    /// It is overwritten with `private`: other accounts' grants and log delivery are lost.
    Private,
}

/// What is done about a public bucket policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Policy {
    /// Nothing: people are told, with the policy, the statement and a request that gets in.
    #[default]
    Notify,
    /// The bucket's own RestrictPublicBuckets and BlockPublicPolicy are switched on.
    Block,
    /// The Allow statements that let strangers in are removed.
    RemoveStatement,
}

/// What is done about public objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Objects {
    /// People are told.
    #[default]
    Report,
    /// The bucket's own IgnorePublicAcls is switched on.
    IgnorePublicAcls,
}

impl From<Acl> for AclRemedy {
    fn from(acl: Acl) -> AclRemedy {
        match acl {
            Acl::Strip => AclRemedy::Strip,
            Acl::Private => AclRemedy::Private,
        }
    }
}

impl From<Policy> for PolicyRemedy {
    fn from(policy: Policy) -> PolicyRemedy {
        match policy {
            Policy::Notify => PolicyRemedy::Notify,
            Policy::Block => PolicyRemedy::Block,
            Policy::RemoveStatement => PolicyRemedy::RemoveStatement,
        }
    }
}

impl From<Objects> for ObjectsRemedy {
    fn from(objects: Objects) -> ObjectsRemedy {
        match objects {
            Objects::Report => ObjectsRemedy::Report,
            Objects::IgnorePublicAcls => ObjectsRemedy::IgnorePublicAcls,
        }
    }
}
