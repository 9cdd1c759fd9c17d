//! A witness's request as something to run: `curl` where it is unsigned, the AWS CLI otherwise.

use policy::bucket::Bucket;
use policy::public::{Via, Witness};
use policy::request::Caller;

/// A request to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Try {
    /// The command line.
    pub(crate) command: String,
    /// What the command line cannot do by itself, such as coming from an address.
    pub(crate) notes: Vec<String>,
}

/// How an action is asked for over HTTP (Amazon S3 API reference): action without its prefix, method,
/// sub-resource.
const HTTP: &[(&str, &str, &str)] = &[
    ("AbortMultipartUpload", "DELETE", "uploadId=ID"),
    ("DeleteBucket", "DELETE", ""),
    ("DeleteBucketPolicy", "DELETE", "policy"),
    ("DeleteBucketWebsite", "DELETE", "website"),
    ("DeleteObject", "DELETE", ""),
    ("DeleteObjectTagging", "DELETE", "tagging"),
    ("DeleteObjectVersion", "DELETE", "versionId=null"),
    (
        "DeleteObjectVersionTagging",
        "DELETE",
        "tagging&versionId=null",
    ),
    ("GetAccelerateConfiguration", "GET", "accelerate"),
    ("GetAnalyticsConfiguration", "GET", "analytics"),
    ("GetBucketAcl", "GET", "acl"),
    ("GetBucketCORS", "GET", "cors"),
    ("GetBucketLocation", "GET", "location"),
    ("GetBucketLogging", "GET", "logging"),
    ("GetBucketNotification", "GET", "notification"),
    ("GetBucketObjectLockConfiguration", "GET", "object-lock"),
    ("GetBucketOwnershipControls", "GET", "ownershipControls"),
    ("GetBucketPolicy", "GET", "policy"),
    ("GetBucketPolicyStatus", "GET", "policyStatus"),
    ("GetBucketPublicAccessBlock", "GET", "publicAccessBlock"),
    ("GetBucketRequestPayment", "GET", "requestPayment"),
    ("GetBucketTagging", "GET", "tagging"),
    ("GetBucketVersioning", "GET", "versioning"),
    ("GetBucketWebsite", "GET", "website"),
    ("GetEncryptionConfiguration", "GET", "encryption"),
    ("GetInventoryConfiguration", "GET", "inventory"),
    ("GetLifecycleConfiguration", "GET", "lifecycle"),
    ("GetMetricsConfiguration", "GET", "metrics"),
    ("GetObject", "GET", ""),
    ("GetObjectAcl", "GET", "acl"),
    ("GetObjectAttributes", "GET", "attributes"),
    ("GetObjectLegalHold", "GET", "legal-hold"),
    ("GetObjectRetention", "GET", "retention"),
    ("GetObjectTagging", "GET", "tagging"),
    ("GetObjectTorrent", "GET", "torrent"),
    ("GetObjectVersion", "GET", "versionId=null"),
    ("GetObjectVersionAcl", "GET", "acl&versionId=null"),
    ("GetObjectVersionTagging", "GET", "tagging&versionId=null"),
    ("GetReplicationConfiguration", "GET", "replication"),
    ("ListBucket", "GET", "list-type=2"),
    ("ListBucketMultipartUploads", "GET", "uploads"),
    ("ListBucketVersions", "GET", "versions"),
    ("ListMultipartUploadParts", "GET", "uploadId=ID"),
    ("PutBucketAcl", "PUT", "acl"),
    ("PutBucketPolicy", "PUT", "policy"),
    ("PutObject", "PUT", ""),
    ("PutObjectAcl", "PUT", "acl"),
    ("PutObjectTagging", "PUT", "tagging"),
    ("PutObjectVersionAcl", "PUT", "acl&versionId=null"),
    ("RestoreObject", "POST", "restore"),
];

/// Actions whose AWS CLI command is not simply their name.
const CLI: &[(&str, &str)] = &[
    (
        "GetAccelerateConfiguration",
        "get-bucket-accelerate-configuration",
    ),
    ("GetBucketCORS", "get-bucket-cors"),
    (
        "GetBucketNotification",
        "get-bucket-notification-configuration",
    ),
    (
        "GetBucketObjectLockConfiguration",
        "get-object-lock-configuration",
    ),
    ("GetBucketPublicAccessBlock", "get-public-access-block"),
    ("GetEncryptionConfiguration", "get-bucket-encryption"),
    (
        "GetLifecycleConfiguration",
        "get-bucket-lifecycle-configuration",
    ),
    ("GetObject", "get-object"),
    ("GetObjectVersion", "get-object --version-id null"),
    ("GetObjectVersionAcl", "get-object-acl --version-id null"),
    (
        "GetObjectVersionTagging",
        "get-object-tagging --version-id null",
    ),
    ("GetReplicationConfiguration", "get-bucket-replication"),
    ("ListBucket", "list-objects-v2"),
    ("ListBucketMultipartUploads", "list-multipart-uploads"),
    ("ListBucketVersions", "list-object-versions"),
    ("ListMultipartUploadParts", "list-parts --upload-id ID"),
    ("DeleteObjectVersion", "delete-object --version-id null"),
    ("PutBucketCORS", "put-bucket-cors"),
    ("PutBucketPublicAccessBlock", "put-public-access-block"),
    ("PutEncryptionConfiguration", "put-bucket-encryption"),
    (
        "PutLifecycleConfiguration",
        "put-bucket-lifecycle-configuration",
    ),
    ("PutObject", "put-object --body FILE"),
    ("PutReplicationConfiguration", "put-bucket-replication"),
];

/// The request to try. `None` where neither tool can make it: a service's or an identity provider's
/// session, or an action without a request of its own.
pub(crate) fn to_try(
    bucket: &Bucket,
    region: Option<&str>,
    endpoint: Option<&str>,
    witness: &Witness,
) -> Option<Try> {
    let request = &witness.request;
    let action = request.action.split_once(':').map(|(_, name)| name)?;
    let arn = format!("arn:{}:s3:::{}", bucket.partition, bucket.name);
    let key = request
        .resource
        .strip_prefix(&arn)
        .and_then(|path| path.strip_prefix('/'));
    match &request.caller {
        Caller::Anonymous => curl(bucket, region, endpoint, witness, action, key),
        Caller::Principal(_) => Some(aws_cli(bucket, region, endpoint, witness, action, key)),
        Caller::Service(_) | Caller::Federated(_) => None,
    }
}

fn curl(
    bucket: &Bucket,
    region: Option<&str>,
    endpoint: Option<&str>,
    witness: &Witness,
    action: &str,
    key: Option<&str>,
) -> Option<Try> {
    let (_, method, sub_resource) = HTTP.iter().find(|(name, ..)| *name == action)?;
    let mut query: Vec<String> = Vec::new();
    if !sub_resource.is_empty() {
        query.push((*sub_resource).to_owned());
    }
    let mut options: Vec<String> = Vec::new();
    let mut notes: Vec<String> = Vec::new();
    let mut scheme = "https";
    for (name, values) in witness.request.context.iter() {
        let Some(value) = values.first() else {
            continue;
        };
        match name {
            "s3:prefix" if action == "ListBucket" || action == "ListBucketVersions" => {
                query.push(format!("prefix={}", percent(value, false)));
            }
            "s3:delimiter" => query.push(format!("delimiter={}", percent(value, false))),
            "s3:max-keys" => query.push(format!("max-keys={}", percent(value, false))),
            "aws:referer" => options.push(format!("-e {}", quote(value))),
            "aws:useragent" => options.push(format!("-A {}", quote(value))),
            "aws:securetransport" if value == "false" => scheme = "http",
            "aws:securetransport" => {}
            // The address of the access point says it.
            name if matches!(witness.via, Via::AccessPoint(_)) && is_of_access_point(name) => {}
            name if name.starts_with("s3:x-amz-") && !name.ends_with("x-amz-content-sha256") => {
                let header = format!("{}: {value}", &name["s3:".len()..]);
                options.push(format!("-H {}", quote(&header)));
            }
            name => notes.extend(circumstance(name, value)),
        }
    }
    if action.ends_with("Acl") && *method == "PUT" && options.is_empty() {
        options.push("-H 'x-amz-acl: private'".to_owned());
    }
    let method = match *method {
        "GET" => String::new(),
        "PUT" if action == "PutObject" => " -T FILE".to_owned(),
        method => format!(" -X {method}"),
    };
    let options: String = options.iter().map(|option| format!(" {option}")).collect();
    let mut url = match &witness.via {
        Via::AccessPoint(arn) => access_point_address(bucket, arn, scheme)?,
        _ => address(bucket, region, endpoint, scheme),
    };
    url.push_str(&percent(key.unwrap_or_default(), true));
    if !query.is_empty() {
        url.push('?');
        url.push_str(&query.join("&"));
    }
    Some(Try {
        command: format!("curl -iL{method}{options} {}", quote(&url)),
        notes,
    })
}

fn is_of_access_point(key: &str) -> bool {
    key.starts_with("s3:dataaccesspoint") || key == "s3:accesspointnetworkorigin"
}

/// The URL of an access point, with a slash at its end (Amazon S3 user guide, "Using Amazon S3 access
/// points"): `arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME`.
fn access_point_address(bucket: &Bucket, arn: &str, scheme: &str) -> Option<String> {
    let mut parts = arn.splitn(6, ':').skip(3);
    let (region, account) = (parts.next()?, parts.next()?);
    let name = parts.next()?.strip_prefix("accesspoint/")?;
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let domain = domain(bucket);
    [name, account, region]
        .into_iter()
        .all(plain)
        .then(|| format!("{scheme}://{name}-{account}.s3-accesspoint.{region}.{domain}/"))
}

fn domain(bucket: &Bucket) -> &'static str {
    match bucket.partition.as_str() {
        "aws-cn" => "amazonaws.com.cn",
        _ => "amazonaws.com",
    }
}

/// The URL of a bucket, with a slash at its end.
fn address(bucket: &Bucket, region: Option<&str>, endpoint: Option<&str>, scheme: &str) -> String {
    let name = percent(&bucket.name, false);
    if let Some(endpoint) = endpoint {
        return format!("{}/{name}/", endpoint.trim_end_matches('/'));
    }
    let domain = domain(bucket);
    let host = match region {
        Some(region) => format!("s3.{region}.{domain}"),
        None => format!("s3.{domain}"),
    };
    // A name with dots is not covered by the certificate of its own host, and old names fit no host.
    let is_host = bucket
        .name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if is_host && !bucket.name.is_empty() {
        format!("{scheme}://{name}.{host}/")
    } else {
        format!("{scheme}://{host}/{name}/")
    }
}

fn aws_cli(
    bucket: &Bucket,
    region: Option<&str>,
    endpoint: Option<&str>,
    witness: &Witness,
    action: &str,
    key: Option<&str>,
) -> Try {
    let command = match CLI.iter().find(|(name, _)| *name == action) {
        Some((_, command)) => (*command).to_owned(),
        None => kebab(action),
    };
    let through = match &witness.via {
        Via::AccessPoint(arn) => arn,
        _ => &bucket.name,
    };
    let mut line = format!("aws s3api {command} --bucket {}", quote(through));
    if let Some(key) = key {
        line.push_str(&format!(" --key {}", quote(key)));
    }
    let mut notes = vec!["with credentials of any AWS account outside yours".to_owned()];
    for (name, values) in witness.request.context.iter() {
        let Some(value) = values.first() else {
            continue;
        };
        match name {
            "s3:prefix" => line.push_str(&format!(" --prefix {}", quote(value))),
            "s3:delimiter" => line.push_str(&format!(" --delimiter {}", quote(value))),
            "s3:max-keys" => line.push_str(&format!(" --max-keys {}", quote(value))),
            "s3:x-amz-acl" => line.push_str(&format!(" --acl {}", quote(value))),
            "aws:securetransport" if value == "true" => {}
            name if matches!(witness.via, Via::AccessPoint(_)) && is_of_access_point(name) => {}
            // What follows from whose credentials they are.
            "aws:principalarn"
            | "aws:principalaccount"
            | "aws:principaltype"
            | "aws:userid"
            | "aws:username" => {}
            name => notes.extend(circumstance(name, value)),
        }
    }
    if action.starts_with("GetObject") && !action.ends_with("Acl") && !action.ends_with("Tagging") {
        line.push_str(" /dev/stdout");
    }
    if let Some(region) = region {
        line.push_str(&format!(" --region {}", quote(region)));
    }
    if let Some(endpoint) = endpoint {
        line.push_str(&format!(" --endpoint-url {}", quote(endpoint)));
    }
    Try {
        command: line,
        notes,
    }
}

/// A condition value that no option of the tools sets.
fn circumstance(name: &str, value: &str) -> Option<String> {
    Some(match name {
        // These say of the request what it is anyway.
        "aws:principaltype"
        | "aws:userid"
        | "aws:viaawsservice"
        | "aws:requestedregion"
        | "aws:resourceaccount"
        | "aws:epochtime"
        | "s3:signatureage"
        | "s3:authtype"
        | "s3:signatureversion"
        | "s3:resourceaccount" => return None,
        "aws:sourceip" => format!("from an address like {value}"),
        "aws:currenttime" => format!("at {value} or whenever the condition on the time holds"),
        name => format!("with {name} = {value}"),
    })
}

fn kebab(name: &str) -> String {
    let mut out = String::new();
    for (at, c) in name.chars().enumerate() {
        if c.is_ascii_uppercase() && at > 0 {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// Percent-encodes what does not stand for itself in a path or query (RFC 3986).
fn percent(text: &str, slashes: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            b'/' if slashes => out.push('/'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Quotes a word for a POSIX shell. Line feeds and other control characters cannot be pasted safely
/// into every terminal, so they are written as escapes.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", super::visible(word).replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_the_shell() {
        for (word, quoted) in [
            ("plain/key", "plain/key"),
            ("a b", "'a b'"),
            ("$(rm -rf x)", "'$(rm -rf x)'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
            ("a\nb", "'a\\u{a}b'"),
        ] {
            assert_eq!(quote(word), quoted);
        }
        assert_eq!(percent("a b/ü?", true), "a%20b/%C3%BC%3F");
        assert_eq!(kebab("GetBucketAcl"), "get-bucket-acl");
    }
}
