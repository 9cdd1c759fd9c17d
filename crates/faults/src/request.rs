//! What the HTTP proxy has seen of a request.

use std::fmt;

use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName};
use hyper::{Method, Uri};

/// A request, and what became of it.
#[derive(Clone)]
pub struct Request {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    outcome: Outcome,
}

/// How a request ended, seen from the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has not ended.
    InProgress,
    /// With an answer of this status. It may have broken off.
    Answered(u16),
    /// Without one: the connection broke, or the client gave up.
    NotAnswered,
    /// With a 502 of the proxy's own, for it could not reach the server.
    Unreachable(String),
}

impl Request {
    pub(crate) fn new(method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Request {
        Request {
            method,
            uri,
            headers,
            body,
            outcome: Outcome::InProgress,
        }
    }

    /// The request again, as it came.
    pub(crate) fn to_send(&self) -> hyper::Request<Bytes> {
        let mut request = hyper::Request::new(self.body.clone());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }

    pub(crate) fn ended(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        self.method.as_str()
    }

    /// The path, as it was sent.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The bucket in a path-style request to S3.
    #[must_use]
    pub fn bucket(&self) -> Option<&str> {
        let first = self.path().trim_start_matches('/').split('/').next();
        first.filter(|bucket| !bucket.is_empty())
    }

    /// Whether the query has this key, with or without a value: `acl`, `policy`, `list-type`.
    #[must_use]
    pub fn has_query(&self, key: &str) -> bool {
        let query = self.uri.query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == key)
    }

    /// Whether it is this method on this sub-resource of S3's: `request.is("PUT", "acl")`.
    #[must_use]
    pub fn is(&self, method: &str, sub_resource: &str) -> bool {
        self.method() == method && self.has_query(sub_resource)
    }

    /// The operation, in the protocols that name it: `X-Amz-Target` of the JSON ones (without the
    /// service before the dot), `Action` of the Query one.
    #[must_use]
    pub fn operation(&self) -> Option<String> {
        if let Some(target) = self.header("x-amz-target") {
            return target.rsplit('.').next().map(str::to_owned);
        }
        form_urlencoded::parse(self.uri.query().unwrap_or_default().as_bytes())
            .chain(form_urlencoded::parse(&self.body))
            .find(|(name, _)| name == "Action")
            .map(|(_, action)| action.into_owned())
    }

    /// The value of a header, if it has it and it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let name: HeaderName = name.parse().ok()?;
        self.headers.get(name)?.to_str().ok()
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }
}

/// Without headers and body: credentials are in there.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} → {:?}", self.method, self.uri, self.outcome)
    }
}
