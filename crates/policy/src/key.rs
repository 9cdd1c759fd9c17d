//! Condition keys: who sends them, and which values an untrusted caller can have for them.
//!
//! The table is data (`data/condition-keys.json`), with its sources in it. A key that is not in the
//! table is taken as a text that the caller chooses freely or leaves out.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::action::{ActionSet, ActionTable};

/// What a key's values are, seen from an untrusted caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KeyDomain {
    /// Free text.
    Text,
    /// A number.
    Number,
    /// A moment, unrelated to the moment of the request.
    Date,
    /// `true` or `false`.
    Bool,
    /// One of the listed values.
    Values,
    /// The moment of the request.
    Time,
    /// The public address that the request comes from.
    SourceAddress,
    /// Any address, private ones too.
    Address,
    /// An account id.
    Account,
    /// An organization id.
    Organization,
    /// A path of organization, root and units.
    OrganizationPath,
    /// A VPC id.
    Vpc,
    /// A VPC endpoint id.
    VpcEndpoint,
    /// The caller's own ARN.
    PrincipalArn,
    /// The kind of the caller.
    PrincipalType,
    /// The caller's unique id.
    UserId,
    /// Whether the caller is an AWS service.
    IsService,
    /// Whether an AWS service calls with the caller's credentials.
    ViaService,
    /// The name of the calling AWS service.
    ServiceName,
    /// The web identity provider of the session.
    Provider,
    /// The resource on whose behalf a service calls.
    SourceArn,
    /// The access point that the request came through.
    AccessPointArn,
    /// The bucket owner's account.
    OwnerAccount,
    /// The bucket owner's organization.
    OwnerOrganization,
    /// The bucket owner's place in the organization.
    OwnerOrganizationPath,
    /// Whether the request came over TLS.
    SecureTransport,
    /// The version of TLS; there is none without TLS.
    TlsVersion,
    /// Nothing is known: only its presence is tested.
    #[serde(skip)]
    Untested,
}

/// Which callers send a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CallerKind {
    /// Unsigned requests.
    Anonymous,
    /// Principals of an account, of whichever type.
    Signed,
    /// IAM users only.
    User,
    /// Role sessions only.
    Role,
    /// AWS services.
    Service,
    /// Sessions of web identity providers.
    Web,
}

/// The way on which requests carry a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyNetwork {
    /// Either way.
    #[default]
    Any,
    /// Requests that do not come through a VPC endpoint.
    Internet,
    /// Requests through a VPC endpoint.
    Vpc,
}

/// Whether a key is always there on the requests that can carry it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Presence {
    /// It may be absent.
    #[default]
    Optional,
    /// It is always there.
    Always,
}

/// Which part of another key's value a key repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LinkedPart {
    /// The account field of an ARN.
    Account,
    /// The name at the end of a user's ARN.
    UserName,
    /// The same moment in seconds since 1970.
    Epoch,
}

/// A key that repeats a part of another key's value.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Linked {
    pub(crate) to: String,
    pub(crate) part: LinkedPart,
}

/// What is known of a condition key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    pub(crate) key: String,
    pub(crate) domain: KeyDomain,
    /// Empty: all callers.
    #[serde(default)]
    pub(crate) callers: Vec<CallerKind>,
    #[serde(default)]
    pub(crate) network: KeyNetwork,
    #[serde(default)]
    pub(crate) presence: Presence,
    #[serde(default)]
    pub(crate) multivalued: bool,
    #[serde(default)]
    pub(crate) values: Vec<String>,
    #[serde(default)]
    pub(crate) linked: Option<Linked>,
    /// Accompanies actions that the service authorization reference does not list it for.
    #[serde(default)]
    pub(crate) every_action: bool,
}

#[derive(Deserialize)]
struct TableFile {
    keys: Vec<Key>,
}

static TABLE: LazyLock<HashMap<String, Key>> = LazyLock::new(|| {
    let file: TableFile = serde_json::from_str(include_str!("../data/condition-keys.json"))
        .unwrap_or_else(|error| unreachable!("data/condition-keys.json is compiled in: {error}"));
    file.keys
        .into_iter()
        .map(|key| (key.key.clone(), key))
        .collect()
});

/// What is known of a key, by its name in lower case.
pub(crate) fn lookup(name: &str) -> Option<&'static Key> {
    TABLE.get(name).or_else(|| {
        let slash = name.find('/')?;
        TABLE.get(&name[..=slash])
    })
}

/// Every name in the table; a tag key's ends in `/`.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.keys().map(String::as_str)
}

/// The actions that the service authorization reference lists each key for; tag keys by family.
static ACTIONS: LazyLock<HashMap<&'static str, ActionSet>> = LazyLock::new(|| {
    let mut actions: HashMap<&'static str, ActionSet> = HashMap::new();
    for (index, action) in ActionTable::get().iter() {
        for key in &action.keys {
            let listed = actions.entry(key).or_default();
            *listed = listed.with(index);
        }
    }
    actions
});

/// The actions whose requests can carry a key: those that it is listed for, or all if it is not a key
/// of Amazon S3 itself.
pub(crate) fn accompanied_actions(name: &str, key: Option<&Key>) -> ActionSet {
    if !name.starts_with("s3:") || key.is_some_and(|key| key.every_action) {
        return ActionTable::get().all();
    }
    let family = name.find('/').map_or(name, |slash| &name[..=slash]);
    let listed = |name| ACTIONS.get(name).copied().unwrap_or_default();
    listed(name).or(listed(family))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_keys_belong_to_their_family() {
        assert_eq!(
            lookup("aws:principaltag/team").map(|k| k.domain),
            Some(KeyDomain::Text)
        );
        let actions = |name| accompanied_actions(name, lookup(name));
        let index = |name| ActionTable::get().index_of(name);
        let get_object =
            index("s3:GetObject").map_or(ActionSet::EMPTY, |i| ActionSet::EMPTY.with(i));
        assert!(
            !actions("s3:existingobjecttag/public")
                .and(get_object)
                .is_empty()
        );
        assert!(actions("s3:prefix").and(get_object).is_empty());
        assert!(!actions("s3:dataaccesspointarn").and(get_object).is_empty());
    }
}
