//! Accounts, their principals, and the keys with which they sign.

use std::collections::HashMap;

use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Result, s3_error};

/// An account that may own buckets or call as a stranger.
///
/// Each of its principals has every permission that an identity-based policy can give: what a request
/// may do is decided by the bucket's side alone.
#[derive(Clone, Debug)]
pub struct Account {
    id: String,
    canonical_id: String,
    principals: Vec<(Identity, AccessKey)>,
}

/// An access key. Its secret does not print.
#[derive(Clone, Debug)]
struct AccessKey {
    id: String,
    secret: SecretKey,
}

/// Who signed a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The twelve digits of the account.
    pub(crate) account: String,
    /// The account's canonical user id: what ACLs name.
    pub(crate) canonical_id: String,
    /// The principal's ARN.
    pub(crate) arn: String,
    /// `aws:userid`: the account id for a root user, else a unique id.
    pub(crate) user_id: String,
    /// `aws:username`; a root user has none.
    pub(crate) user_name: Option<String>,
}

impl Identity {
    pub(crate) fn is_root(&self) -> bool {
        self.user_name.is_none()
    }
}

impl Account {
    /// An account by its twelve digits and the canonical user id that ACLs use for it. It has no
    /// principals yet.
    pub fn new(id: impl Into<String>, canonical_id: impl Into<String>) -> Account {
        Account {
            id: id.into(),
            canonical_id: canonical_id.into(),
            principals: Vec::new(),
        }
    }

    /// The same account with keys for its root user.
    #[must_use]
    pub fn with_root(mut self, access_key: &str, secret_key: &str) -> Account {
        let identity = Identity {
            account: self.id.clone(),
            canonical_id: self.canonical_id.clone(),
            arn: format!("arn:aws:iam::{}:root", self.id),
            user_id: self.id.clone(),
            user_name: None,
        };
        self.principals
            .push((identity, AccessKey::new(access_key, secret_key)));
        self
    }

    /// The same account with an IAM user and its keys.
    #[must_use]
    pub fn with_user(mut self, name: &str, access_key: &str, secret_key: &str) -> Account {
        let identity = Identity {
            account: self.id.clone(),
            canonical_id: self.canonical_id.clone(),
            arn: format!("arn:aws:iam::{}:user/{name}", self.id),
            user_id: unique_id(&self.id, name),
            user_name: Some(name.to_owned()),
        };
        self.principals
            .push((identity, AccessKey::new(access_key, secret_key)));
        self
    }

    /// The twelve digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The canonical user id that ACLs use for the account.
    pub fn canonical_id(&self) -> &str {
        &self.canonical_id
    }
}

impl AccessKey {
    fn new(id: &str, secret: &str) -> AccessKey {
        AccessKey {
            id: id.to_owned(),
            secret: SecretKey::from(secret),
        }
    }
}

/// A user's unique id in AWS's form, `AIDA` and sixteen characters, always the same for the same user.
fn unique_id(account: &str, name: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    // FNV-1a, over and over: nothing secret hangs on it, and it must not change between releases.
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in account.bytes().chain([b'/']).chain(name.bytes()) {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let tail = (0..16).map(|_| {
        state = (state ^ (state >> 29)).wrapping_mul(0x0100_0000_01b3);
        char::from(ALPHABET[(state >> 40) as usize % ALPHABET.len()])
    });
    "AIDA".chars().chain(tail).collect()
}

/// All accounts of a sandbox, by key and by canonical id.
#[derive(Debug)]
pub(crate) struct Accounts {
    by_key: HashMap<String, (Identity, SecretKey)>,
    by_canonical_id: HashMap<String, String>,
}

impl Accounts {
    pub(crate) fn new(accounts: &[Account]) -> Accounts {
        Accounts {
            by_key: accounts
                .iter()
                .flat_map(|account| &account.principals)
                .map(|(identity, key)| (key.id.clone(), (identity.clone(), key.secret.clone())))
                .collect(),
            by_canonical_id: accounts
                .iter()
                .map(|account| (account.canonical_id.clone(), account.id.clone()))
                .collect(),
        }
    }

    /// Who signs with this access key.
    pub(crate) fn identity(&self, access_key: &str) -> Option<&Identity> {
        self.by_key.get(access_key).map(|(identity, _)| identity)
    }

    /// The account with this canonical user id.
    pub(crate) fn by_canonical_id(&self, canonical_id: &str) -> Option<&str> {
        self.by_canonical_id.get(canonical_id).map(String::as_str)
    }

    fn secret(&self, access_key: &str) -> S3Result<SecretKey> {
        match self.by_key.get(access_key) {
            Some((_, secret)) => Ok(secret.clone()),
            None => Err(s3_error!(
                InvalidAccessKeyId,
                "The AWS Access Key Id you provided does not exist in our records."
            )),
        }
    }
}

/// The side of [`Accounts`] that checks signatures.
#[derive(Debug)]
pub(crate) struct Signatures(pub(crate) std::sync::Arc<Accounts>);

#[async_trait::async_trait]
impl S3Auth for Signatures {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        self.0.secret(access_key)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn secrets_do_not_print() {
        let account = Account::new("111122223333", "c0ffee").with_user("ann", "AKID", "hunter2");
        assert!(!format!("{account:?}").contains("hunter2"));
        assert!(!format!("{:?}", Accounts::new(&[account])).contains("hunter2"));
    }

    #[test]
    fn unique_ids_differ_by_user_and_stay() {
        let ann = unique_id("111122223333", "ann");
        assert_eq!(ann, unique_id("111122223333", "ann"));
        assert_ne!(ann, unique_id("111122223333", "bob"));
        assert_ne!(ann, unique_id("444455556666", "ann"));
        assert_eq!(ann.len(), 20);
    }

    #[test]
    fn keys_lead_to_principals() {
        let accounts = Accounts::new(&[Account::new("111122223333", "c0ffee")
            .with_root("ROOT", "s")
            .with_user("ann", "ANN", "s")]);
        assert!(accounts.identity("ROOT").unwrap().is_root());
        assert_eq!(
            accounts.identity("ANN").unwrap().arn,
            "arn:aws:iam::111122223333:user/ann"
        );
        assert_eq!(accounts.by_canonical_id("c0ffee"), Some("111122223333"));
        assert!(accounts.secret("NOBODY").is_err());
    }
}
