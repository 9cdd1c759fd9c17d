//! A mixed estate behind a stub S3 server on loopback, for the benchmarks.
//!
//! Every answer is made from the bucket's number, so that an estate of any size needs no memory.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared by several benchmarks, each of which uses a part"
)]

use super::stub::Answer;

/// What a bucket of the estate looks like. The shares are ours: most buckets are as AWS makes them
/// since April 2023, some are older, a few are open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// 60 %: all four settings on.
    Blocked,
    /// 15 %: no block, no policy, a private ACL.
    Plain,
    /// 10 %: IgnorePublicAcls on the bucket, and a policy that names accounts.
    AclsIgnored,
    /// 8 %: no block, and a policy with conditions.
    Conditions,
    /// 4 %: a public ACL.
    PublicAcl,
    /// 3 %: a public policy.
    PublicPolicy,
}

fn kind(index: usize) -> Kind {
    // 37 and 100 have no common factor: each hundred buckets has exactly the shares, mixed.
    match index * 37 % 100 {
        0..60 => Kind::Blocked,
        60..75 => Kind::Plain,
        75..85 => Kind::AclsIgnored,
        85..93 => Kind::Conditions,
        93..97 => Kind::PublicAcl,
        _ => Kind::PublicPolicy,
    }
}

/// An estate.
#[derive(Clone, Copy, Debug)]
pub struct Estate {
    /// How many buckets there are.
    pub buckets: usize,
    /// How many of them one page of the listing holds. S3 lists at most 10,000.
    pub page: usize,
}

impl Estate {
    /// What its server answers.
    pub fn answer(&self, target: &str) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match path.trim_matches('/') {
            "" => Answer::new(200, self.listing(query)),
            bucket => answer(bucket, query),
        }
    }

    /// A page; the token is the number of its first bucket.
    fn listing(&self, query: &str) -> String {
        let token = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("continuation-token="));
        let first: usize = token.and_then(|token| token.parse().ok()).unwrap_or(0);
        let behind = first.saturating_add(self.page).min(self.buckets);
        let mut text = format!(
            "<ListAllMyBucketsResult xmlns=\"{NAMESPACE}\"><Owner><ID>owner</ID></Owner><Buckets>"
        );
        for index in first..behind {
            text.push_str(&format!(
                "<Bucket><Name>{}</Name><CreationDate>2026-01-01T00:00:00.000Z</CreationDate></Bucket>",
                name(index)
            ));
        }
        text.push_str("</Buckets>");
        if behind < self.buckets {
            text.push_str(&format!("<ContinuationToken>{behind}</ContinuationToken>"));
        }
        text.push_str("</ListAllMyBucketsResult>");
        text
    }
}

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// A bucket's name.
pub fn name(index: usize) -> String {
    format!("estate-bucket-{index:05}")
}

fn answer(path: &str, query: &str) -> Answer {
    let Some(index) = path.rsplit('-').next().and_then(|n| n.parse().ok()) else {
        return error(404, "NoSuchBucket");
    };
    let kind = kind(index);
    match query.split('&').next().unwrap_or_default() {
        "publicAccessBlock" => match kind {
            Kind::Blocked => Answer::new(200, block([true; 4])),
            Kind::AclsIgnored => Answer::new(200, block([true, true, false, false])),
            _ => error(404, "NoSuchPublicAccessBlockConfiguration"),
        },
        "policy" => match kind {
            Kind::AclsIgnored => Answer::new(200, accounts_policy(path)),
            Kind::Conditions => Answer::new(200, conditions_policy(path)),
            Kind::PublicPolicy => Answer::new(200, public_policy(path)),
            _ => error(404, "NoSuchBucketPolicy"),
        },
        "acl" => Answer::new(200, acl(kind == Kind::PublicAcl)),
        "ownershipControls" => error(404, "OwnershipControlsNotFoundError"),
        // What a bucket has that nobody set up.
        "tagging" => error(404, "NoSuchTagSet"),
        "website" => error(404, "NoSuchWebsiteConfiguration"),
        "lifecycle" => error(404, "NoSuchLifecycleConfiguration"),
        "replication" => error(404, "ReplicationConfigurationNotFoundError"),
        "cors" => error(404, "NoSuchCORSConfiguration"),
        "object-lock" => error(404, "ObjectLockConfigurationNotFoundError"),
        "logging" => empty("BucketLoggingStatus"),
        "notification" => empty("NotificationConfiguration"),
        "accelerate" => empty("AccelerateConfiguration"),
        "versioning" => document("VersioningConfiguration", "<Status>Enabled</Status>"),
        "requestPayment" => document("RequestPaymentConfiguration", "<Payer>BucketOwner</Payer>"),
        "encryption" => document(
            "ServerSideEncryptionConfiguration",
            "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled></Rule>",
        ),
        _ => error(501, "NotImplemented"),
    }
}

fn document(root: &str, inside: &str) -> Answer {
    Answer::new(
        200,
        format!("<{root} xmlns=\"{NAMESPACE}\">{inside}</{root}>"),
    )
}

fn empty(root: &str) -> Answer {
    document(root, "")
}

fn error(status: u16, code: &str) -> Answer {
    Answer::new(
        status,
        format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>"),
    )
}

fn block(settings: [bool; 4]) -> String {
    let [a, b, c, d] = settings;
    format!(
        "<PublicAccessBlockConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><BlockPublicAcls>{a}</BlockPublicAcls><IgnorePublicAcls>{b}</IgnorePublicAcls><BlockPublicPolicy>{c}</BlockPublicPolicy><RestrictPublicBuckets>{d}</RestrictPublicBuckets></PublicAccessBlockConfiguration>"
    )
}

fn acl(public: bool) -> String {
    let grant = |grantee: &str, permission: &str| {
        format!(
            "<Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" {grantee}</Grantee><Permission>{permission}</Permission></Grant>"
        )
    };
    let mut grants = grant("xsi:type=\"CanonicalUser\"><ID>owner</ID>", "FULL_CONTROL");
    if public {
        grants.push_str(&grant(
            "xsi:type=\"Group\"><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>",
            "READ",
        ));
    }
    format!(
        "<AccessControlPolicy xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner><ID>owner</ID></Owner><AccessControlList>{grants}</AccessControlList></AccessControlPolicy>"
    )
}

fn accounts_policy(bucket: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"Partners","Effect":"Allow","Principal":{{"AWS":["arn:aws:iam::444455556666:root","arn:aws:iam::777788889999:role/reader"]}},"Action":["s3:GetObject","s3:GetObjectVersion","s3:ListBucket"],"Resource":["arn:aws:s3:::{bucket}","arn:aws:s3:::{bucket}/*"]}},{{"Sid":"Tls","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::{bucket}","arn:aws:s3:::{bucket}/*"],"Condition":{{"Bool":{{"aws:SecureTransport":"false"}}}}}}]}}"#
    )
}

fn conditions_policy(bucket: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"Organization","Effect":"Allow","Principal":"*","Action":["s3:GetObject","s3:ListBucket"],"Resource":["arn:aws:s3:::{bucket}","arn:aws:s3:::{bucket}/*"],"Condition":{{"StringEquals":{{"aws:PrincipalOrgID":"o-a1b2c3d4e5"}}}}}},{{"Sid":"Logs","Effect":"Allow","Principal":{{"Service":"logging.s3.amazonaws.com"}},"Action":"s3:PutObject","Resource":"arn:aws:s3:::{bucket}/logs/*","Condition":{{"ArnLike":{{"aws:SourceArn":"arn:aws:s3:::source-*"}},"StringEquals":{{"aws:SourceAccount":"111122223333"}}}}}},{{"Sid":"Endpoint","Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::{bucket}/*","Condition":{{"StringNotEquals":{{"aws:SourceVpce":["vpce-0a1b2c3d4e5f60718"]}},"ArnNotLike":{{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/deploy-*"}}}}}}]}}"#
    )
}

fn public_policy(bucket: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"Website","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::{bucket}/*"}}]}}"#
    )
}
