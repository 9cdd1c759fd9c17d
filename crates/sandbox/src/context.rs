//! The condition keys that accompany a request.
//!
//! Which keys there are, and with which actions: IAM user guide, "AWS global condition context keys", and
//! service authorization reference, "Condition keys for Amazon S3".

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderName, REFERER, USER_AGENT};
use jiff::Timestamp;
use policy::action::ActionTable;
use policy::request::Context;

use crate::account::Identity;
use crate::state::BucketState;

/// What the edge knows about a request beside its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// The source address, real or pretended.
    pub(crate) source: IpAddr,
    /// The sandbox's clock.
    pub(crate) time: Timestamp,
}

/// Request headers that are condition keys under `s3:` and their own name.
const HEADER_KEYS: &[&str] = &[
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-object-ownership",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
];

/// Query parameters that are condition keys under `s3:` and their own name.
const QUERY_KEYS: &[&str] = &["delimiter", "max-keys", "prefix"];

/// The keys of one request for one action.
pub(crate) fn context(
    arrival: Arrival,
    caller: Option<&Identity>,
    bucket: Option<&BucketState>,
    action: &str,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Context {
    let mut context = Context::new();
    let mut set = |key: &str, value: &str| context.set(key, vec![value.to_owned()]);

    set("aws:SourceIp", &arrival.source.to_string());
    set("aws:SecureTransport", "false");
    set("aws:CurrentTime", &arrival.time.to_string());
    set("aws:EpochTime", &arrival.time.as_second().to_string());
    set("aws:PrincipalIsAWSService", "false");
    set("aws:ViaAWSService", "false");
    for (key, header) in [("aws:UserAgent", USER_AGENT), ("aws:Referer", REFERER)] {
        if let Some(value) = text(headers, &header) {
            set(key, value);
        }
    }
    if let Some(bucket) = bucket {
        set("aws:ResourceAccount", &bucket.account);
        set("s3:ResourceAccount", &bucket.account);
        set("aws:RequestedRegion", &bucket.region);
    }
    match caller {
        None => {
            set("aws:userid", "anonymous");
            set("aws:PrincipalType", "Anonymous");
        }
        Some(identity) => {
            set("aws:userid", &identity.user_id);
            set("aws:PrincipalArn", &identity.arn);
            set("aws:PrincipalAccount", &identity.account);
            let by_header = headers.contains_key(AUTHORIZATION);
            set("s3:signatureversion", "AWS4-HMAC-SHA256");
            set(
                "s3:authType",
                if by_header {
                    "REST-HEADER"
                } else {
                    "REST-QUERY-STRING"
                },
            );
            match &identity.user_name {
                None => set("aws:PrincipalType", "Account"),
                Some(name) => {
                    set("aws:PrincipalType", "User");
                    set("aws:username", name);
                }
            }
        }
    }
    for name in HEADER_KEYS {
        let key = format!("s3:{name}");
        if accompanies(&key, action)
            && let Some(value) = text(headers, &HeaderName::from_static(name))
        {
            set(&key, value);
        }
    }
    for (name, value) in query_pairs(query) {
        let key = format!("s3:{name}");
        if QUERY_KEYS.contains(&name.as_str()) && accompanies(&key, action) {
            set(&key, &value);
        }
    }
    context
}

/// Whether a key of the service's own comes with an action. For an action that is not in the table
/// (CreateBucket) every key does.
fn accompanies(key: &str, action: &str) -> bool {
    let table = ActionTable::get();
    table
        .index_of(action)
        .is_none_or(|index| table.action(index).keys.iter().any(|known| known == key))
}

/// The decoded pairs of a query.
pub(crate) fn query_pairs(query: Option<&str>) -> impl Iterator<Item = (String, String)> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned()
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn arrival() -> Arrival {
        Arrival {
            source: "192.0.2.7".parse().unwrap(),
            time: "2026-01-02T03:04:05Z".parse().unwrap(),
        }
    }

    fn value(context: &Context, key: &str) -> Option<String> {
        context.get(key).map(|values| values.join(","))
    }

    #[test]
    fn an_anonymous_listing() {
        let query = Some("list-type=2&prefix=a%2Fb&delimiter=/");
        let context = context(
            arrival(),
            None,
            None,
            "s3:ListBucket",
            query,
            &HeaderMap::new(),
        );
        assert_eq!(value(&context, "s3:prefix").unwrap(), "a/b");
        assert_eq!(value(&context, "s3:delimiter").unwrap(), "/");
        assert_eq!(value(&context, "aws:sourceip").unwrap(), "192.0.2.7");
        assert_eq!(
            value(&context, "aws:currenttime").unwrap(),
            "2026-01-02T03:04:05Z"
        );
        assert_eq!(value(&context, "aws:principaltype").unwrap(), "Anonymous");
        assert_eq!(value(&context, "aws:principalarn"), None);
        assert_eq!(value(&context, "s3:authtype"), None);
        assert_eq!(value(&context, "s3:tlsversion"), None);
    }

    #[test]
    fn keys_come_only_with_their_actions() {
        let query = Some("prefix=a");
        let context = context(
            arrival(),
            None,
            None,
            "s3:GetObject",
            query,
            &HeaderMap::new(),
        );
        assert_eq!(value(&context, "s3:prefix"), None);
    }
}
