//! One concrete request: who, what, on what, and under which condition values.

use std::collections::BTreeMap;

/// A request, as a policy sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who asks.
    pub caller: Caller,
    /// The action with its service prefix, such as `s3:GetObject`.
    pub action: String,
    /// The ARN of the bucket or object.
    pub resource: String,
    /// The condition values that accompany the request.
    pub context: Context,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caller {
    /// Nobody: the request is not signed.
    Anonymous,
    /// An IAM principal by its ARN, such as `arn:aws:iam::999988887777:user/mallory`.
    Principal(String),
    /// An AWS service principal, such as `cloudtrail.amazonaws.com`.
    Service(String),
    /// A session of a web identity provider, such as `graph.facebook.com`.
    Federated(String),
}

impl Caller {
    /// `anonymous`, or the ARN or name: the `principal` of the documented JSON output.
    pub fn as_str(&self) -> &str {
        match self {
            Caller::Anonymous => "anonymous",
            Caller::Principal(name) | Caller::Service(name) | Caller::Federated(name) => name,
        }
    }
}

/// Condition keys and their values. Key names ignore case and are kept in lower case.
///
/// A key that is not here is absent from the request. A single-valued key has one value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context(BTreeMap<String, Vec<String>>);

impl Context {
    /// No values.
    pub fn new() -> Context {
        Context::default()
    }

    /// Sets the values of a key.
    pub fn set(&mut self, key: &str, values: Vec<String>) {
        self.0.insert(key.to_ascii_lowercase(), values);
    }

    /// The values of a key, `None` if it is absent. `key` must be in lower case.
    pub fn get(&self, key: &str) -> Option<&[String]> {
        self.0.get(key).map(Vec::as_slice)
    }

    /// All keys with their values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0
            .iter()
            .map(|(key, values)| (key.as_str(), values.as_slice()))
    }

    /// Whether no key is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: AsRef<str>, V: Into<String>> FromIterator<(K, V)> for Context {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Context {
        let mut context = Context::new();
        for (key, value) in pairs {
            context.set(key.as_ref(), vec![value.into()]);
        }
        context
    }
}
