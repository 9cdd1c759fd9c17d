//! Who and what a configuration names: a fixed value that AWS assigns cannot be forged, so an
//! untrusted caller is one whose values are none of these.

use std::cell::OnceCell;
use std::rc::Rc;

use crate::bucket::Bucket;
use crate::condition::Value;
use crate::document::{Policy, Principal};
use crate::key::{self, KeyDomain};
use crate::pattern::Pattern;

use super::glob::Glob;

/// Stands for the owner's account where the input does not name it.
pub(crate) const UNKNOWN_OWNER: &str = "000000000000";
/// Stands for the owner's organization, which no input names.
pub(crate) const UNKNOWN_ORGANIZATION: &str = "o-0000000000";

/// Everything that policies, access points and the input itself name.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) accounts: Vec<String>,
    pub(crate) organizations: Vec<String>,
    pub(crate) vpcs: Vec<String>,
    pub(crate) endpoints: Vec<String>,
    pub(crate) user_ids: Vec<String>,
    pub(crate) services: Vec<String>,
    pub(crate) providers: Vec<String>,
    /// Patterns on the ARNs of single resources that are named in full.
    pub(crate) resources: Vec<Glob>,
    exact_accounts: OnceCell<Globs>,
    arns_of_accounts: OnceCell<Globs>,
    unique_ids: OnceCell<Globs>,
}

/// Patterns that many problems share.
type Globs = Vec<Rc<Glob>>;

impl Names {
    pub(crate) fn new<'p>(bucket: &Bucket, policies: impl Iterator<Item = &'p Policy>) -> Names {
        let mut names = Names::default();
        names.accounts.push(
            bucket
                .owner_account
                .clone()
                .unwrap_or_else(|| UNKNOWN_OWNER.to_owned()),
        );
        names.organizations.push(UNKNOWN_ORGANIZATION.to_owned());
        for statement in policies.flat_map(|policy| &policy.statements) {
            for principal in &statement.principal.entries {
                names.add_principal(principal);
            }
            for condition in &statement.conditions {
                let Some(key) = key::lookup(&condition.key) else {
                    continue;
                };
                for value in &condition.values {
                    if let Value::Pattern(pattern) = value {
                        names.add_value(key.domain, pattern);
                    }
                }
            }
        }
        if let Some(points) = bucket.access_points.present() {
            names
                .accounts
                .extend(points.iter().filter_map(|p| account_of(&p.arn)));
        }
        names
    }

    /// The named accounts, each as a pattern.
    pub(crate) fn exact_accounts(&self) -> Globs {
        self.exact_accounts
            .get_or_init(|| exactly(&self.accounts))
            .clone()
    }

    /// The ARNs of the named accounts' principals and resources.
    pub(crate) fn arns_of_accounts(&self) -> Globs {
        let arns = |account: &String| {
            let mut glob = Glob::format("arn:;:;:;:");
            glob.push_text(account);
            glob.steps.extend(Glob::format(":*").steps);
            Rc::new(glob)
        };
        self.arns_of_accounts
            .get_or_init(|| self.accounts.iter().map(arns).collect())
            .clone()
    }

    /// The named unique ids and accounts, alone and with what follows a colon.
    pub(crate) fn unique_ids(&self) -> Globs {
        let both = |id: &String| {
            [
                Rc::new(Glob::exactly(id)),
                Rc::new(beginning_with(&format!("{id}:"))),
            ]
        };
        let ids = || self.user_ids.iter().chain(&self.accounts);
        self.unique_ids
            .get_or_init(|| ids().flat_map(both).collect())
            .clone()
    }

    fn add_principal(&mut self, principal: &Principal) {
        match principal {
            Principal::Account(id) => self.accounts.push(id.clone()),
            Principal::Arn(arn) => self.accounts.extend(account_of(arn)),
            Principal::UniqueId(id) => self.user_ids.push(id.clone()),
            Principal::Service(name) if name != "*" => self.services.push(name.clone()),
            Principal::Federated(name) if !name.starts_with("arn:") => {
                self.providers.push(name.clone());
            }
            Principal::Federated(arn) => self.accounts.extend(account_of(arn)),
            Principal::Everyone
            | Principal::Service(_)
            | Principal::CanonicalUser(_)
            | Principal::Nobody(_) => {}
        }
    }

    fn add_value(&mut self, domain: KeyDomain, pattern: &Pattern) {
        if pattern.has_variables() {
            return;
        }
        let text = pattern.text();
        match domain {
            KeyDomain::Account | KeyDomain::OwnerAccount => self.accounts.extend(pattern.exact()),
            KeyDomain::Organization | KeyDomain::OwnerOrganization => {
                self.organizations.extend(pattern.exact());
            }
            KeyDomain::OrganizationPath | KeyDomain::OwnerOrganizationPath => {
                self.organizations.extend(fixed(text.split('/').next()));
            }
            KeyDomain::Vpc => self.vpcs.extend(pattern.exact()),
            KeyDomain::VpcEndpoint => self.endpoints.extend(pattern.exact()),
            KeyDomain::UserId => {
                if let Some(id) = fixed(text.split(':').next()) {
                    let list = if is_account(&id) {
                        &mut self.accounts
                    } else {
                        &mut self.user_ids
                    };
                    list.push(id);
                }
            }
            KeyDomain::PrincipalArn | KeyDomain::AccessPointArn => {
                self.accounts.extend(account_of(text));
            }
            KeyDomain::SourceArn => {
                self.accounts.extend(account_of(text));
                self.resources
                    .extend(pattern.exact().map(|arn| Glob::exactly(&arn)));
                self.add_named_bucket(text);
            }
            _ => {}
        }
    }

    /// The ARN of a bucket has no account: the bucket's name identifies it.
    fn add_named_bucket(&mut self, arn: &str) {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        if let ["arn", _, "s3", "", "", resource] = parts[..]
            && let Some(bucket) = fixed(resource.split('/').next())
        {
            for tail in ["", "/*"] {
                let mut glob = Glob::format("arn:;:s3:::");
                glob.push_text(&bucket);
                glob.steps.extend(Glob::format(tail).steps);
                self.resources.push(glob);
            }
        }
    }
}

/// Texts as patterns.
pub(crate) fn exactly(texts: &[String]) -> Vec<Rc<Glob>> {
    texts
        .iter()
        .map(|text| Rc::new(Glob::exactly(text)))
        .collect()
}

/// Texts that begin with a text.
pub(crate) fn beginning_with(text: &str) -> Glob {
    let mut glob = Glob::exactly(text);
    glob.steps.extend(Glob::format("*").steps);
    glob
}

/// A part of a pattern that is neither empty nor open.
fn fixed(part: Option<&str>) -> Option<String> {
    part.filter(|p| !p.is_empty() && !p.contains(['*', '?']))
        .map(str::to_owned)
}

pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

pub(crate) fn account_of(arn: &str) -> Option<String> {
    arn.split(':')
        .nth(4)
        .filter(|part| is_account(part))
        .map(str::to_owned)
}
