//! The labelled bucket configurations, each really set up and really asked.
//!
//! The labels were set by hand from AWS's documentation, so they are an authority that the sandbox had
//! no part in. A witness must be let in; where the label says that no anonymous caller (no stranger)
//! gets in, none of a handful of requests may be. Cases that rest on inference do not count.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::sync::Arc;

use hyper::StatusCode;
use jiff::Timestamp;
use sandbox::client::{Answer, Client};
use sandbox::{Account, Config, NewBuckets, Sandbox};
use serde_json::Value;

const CASES: &str = include_str!("../../policy/tests/data/bucket-cases.json");
const OWNER_ID: &str = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be";
const STRANGER: &str = "999988887777";
const STRANGER_ID: &str = "9999999999999999999999999999999999999999999999999999999999999999";
const SOURCE: &str = "x-test-source";
/// A public address that no case names.
const SOMEWHERE: &str = "192.0.2.99";

struct World {
    sandbox: Sandbox,
    bucket: String,
}

impl World {
    /// The case set up; `Err` says which part S3 itself would refuse.
    async fn of(case: &Value) -> Result<World, String> {
        let as_of: Timestamp = case["as_of"].as_str().unwrap().parse().unwrap();
        let time = witnesses(case)
            .filter_map(|witness| witness["context"]["aws:currenttime"].as_str())
            .next()
            .map_or(as_of, |time| time.parse().unwrap());
        let account = case["owner_account"].as_str().unwrap();
        let config = Config {
            new_buckets: NewBuckets::AclsInForce,
            source_header: Some(SOURCE.to_owned()),
            clock: Arc::new(move || time),
            ..Config::new(vec![
                Account::new(account, OWNER_ID).with_user("owner", "OWNER", "owner-secret"),
                // A stranger names his users as he likes.
                Account::new(STRANGER, STRANGER_ID).with_user(
                    witnesses(case)
                        .find_map(|witness| witness["context"]["aws:username"].as_str())
                        .unwrap_or("mallory"),
                    "MALLORY",
                    "m-secret",
                ),
            ])
        };
        let world = World {
            sandbox: Sandbox::start(config).await.unwrap(),
            bucket: case["bucket"].as_str().unwrap().to_owned(),
        };
        let bucket = format!("/{}", world.bucket);
        world.set(&bucket, "").await.unwrap();
        world
            .set(&format!("{bucket}/present"), "data")
            .await
            .unwrap();
        for witness in witnesses(case) {
            // What is to be read must be there; what is to be written must not be somebody else's.
            if let Some(key) = key_of(witness)
                && witness["action"] != "s3:PutObject"
            {
                world.set(&format!("{bucket}/{key}"), "data").await.unwrap();
            }
        }
        world.set(&format!("{bucket}?acl"), &acl(case)).await?;
        if let Some(ownership) = case["ownership"].as_str() {
            let body = format!(
                "<OwnershipControls><Rule><ObjectOwnership>{ownership}</ObjectOwnership></Rule></OwnershipControls>"
            );
            world
                .set(&format!("{bucket}?ownershipControls"), &body)
                .await?;
        }
        // A policy can lock its own author out of all else, so it comes last; but where it would be
        // refused then, it was there before the block.
        let refuses = |level: &str| case["bpa"][level]["BlockPublicPolicy"] == true;
        let policy_first = refuses("bucket") || refuses("account");
        if policy_first {
            world.set_policy(case).await?;
        }
        let block = block(&case["bpa"]["bucket"]);
        world
            .set(&format!("{bucket}?publicAccessBlock"), &block)
            .await?;
        let answer = world
            .client(Some("owner"))
            .send(
                "PUT",
                "/v20180820/configuration/publicAccessBlock",
                &[("x-amz-account-id", account)],
                self::block(&case["bpa"]["account"]),
            )
            .await
            .unwrap();
        assert!(answer.status.is_success(), "{}", answer.text());
        if !policy_first {
            world.set_policy(case).await?;
        }
        Ok(world)
    }

    async fn set_policy(&self, case: &Value) -> Result<(), String> {
        if case["policy"].is_null() {
            return Ok(());
        }
        let target = format!("/{}?policy", self.bucket);
        self.set(&target, &case["policy"].to_string()).await
    }

    fn client(&self, who: Option<&str>) -> Client {
        let endpoint = self.sandbox.endpoint();
        match who {
            None => Client::anonymous(&endpoint),
            Some("owner") => Client::signed(&endpoint, "OWNER", "owner-secret"),
            Some(_) => Client::signed(&endpoint, "MALLORY", "m-secret"),
        }
    }

    async fn set(&self, target: &str, body: &str) -> Result<(), String> {
        let answer = self
            .client(Some("owner"))
            .send("PUT", target, &[], body.to_owned())
            .await
            .unwrap();
        if answer.status.is_success() {
            return Ok(());
        }
        Err(format!(
            "{target}: {}",
            answer.error_code().unwrap_or_default()
        ))
    }

    /// Requests that read (write) if anything does, from some public address.
    async fn tries(&self, who: Option<&str>, class: &str) -> Vec<(String, Answer)> {
        let bucket = format!("/{}", self.bucket);
        let requests: &[(&str, &str)] = match class {
            "read" => &[
                ("GET", "/present"),
                ("GET", "?list-type=2"),
                ("GET", "?acl"),
            ],
            _ => &[("PUT", "/new"), ("DELETE", "/present"), ("PUT", "?acl")],
        };
        let mut all = Vec::new();
        for (method, rest) in requests {
            let target = format!("{bucket}{rest}");
            let mut headers = vec![(SOURCE, SOMEWHERE)];
            if *rest == "?acl" && *method == "PUT" {
                headers.push(("x-amz-acl", "private"));
            }
            let answer = self
                .client(who)
                .send(method, &target, &headers, "")
                .await
                .unwrap();
            all.push((format!("{method} {target}"), answer));
        }
        all
    }
}

fn witnesses(case: &Value) -> impl Iterator<Item = &Value> {
    ["read", "write"]
        .into_iter()
        .filter_map(|class| case["witness"].get(class))
        .filter(|w| !w.is_null())
}

fn key_of(witness: &Value) -> Option<&str> {
    let (_, path) = witness["resource"].as_str()?.split_once(":::")?;
    path.split_once('/').map(|(_, key)| key)
}

fn acl(case: &Value) -> String {
    let grants: String = case["acl"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|grant| {
            let grantee = &grant["grantee"];
            let of = match grantee["uri"].as_str() {
                Some(uri) => format!("<URI>{uri}</URI>"),
                None => format!("<ID>{}</ID>", grantee["id"].as_str().unwrap()),
            };
            format!(
                r#"<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="{}">{of}</Grantee><Permission>{}</Permission></Grant>"#,
                grantee["type"].as_str().unwrap(),
                grant["permission"].as_str().unwrap(),
            )
        })
        .collect();
    format!(
        "<AccessControlPolicy><Owner><ID>{OWNER_ID}</ID></Owner><AccessControlList>{grants}</AccessControlList></AccessControlPolicy>"
    )
}

fn block(settings: &Value) -> String {
    let settings: String = settings
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, on)| format!("<{name}>{on}</{name}>"))
        .collect();
    format!("<PublicAccessBlockConfiguration>{settings}</PublicAccessBlockConfiguration>")
}

/// A witness as an HTTP request: who, method, target, headers. `None`: no client can send it here (through
/// a VPC, by a service, to a tagged object, for an operation that the sandbox lacks).
type Sent = (
    Option<&'static str>,
    &'static str,
    String,
    Vec<(&'static str, String)>,
);

fn request(bucket: &str, witness: &Value) -> Option<Sent> {
    let who = match witness["principal"].as_str()? {
        "anonymous" => None,
        principal if principal.ends_with(":user/mallory") => Some("mallory"),
        _ => return None,
    };
    let (method, sub_resource) = match witness["action"].as_str()? {
        "s3:GetObject" => ("GET", ""),
        "s3:PutObject" => ("PUT", ""),
        "s3:DeleteObject" => ("DELETE", ""),
        "s3:ListBucket" => ("GET", "list-type=2"),
        "s3:GetBucketAcl" => ("GET", "acl"),
        "s3:PutBucketAcl" | "s3:PutObjectAcl" => ("PUT", "acl"),
        "s3:GetBucketLocation" => ("GET", "location"),
        _ => return None,
    };
    let mut query = vec![sub_resource.to_owned()];
    let mut headers: Vec<(&'static str, String)> = Vec::new();
    let mut source = SOMEWHERE.to_owned();
    for (key, value) in witness["context"].as_object()? {
        let value = value.as_str()?.to_owned();
        match key.as_str() {
            "aws:sourceip" => source = value,
            "aws:referer" => headers.push(("referer", value)),
            "aws:useragent" => headers.push(("user-agent", value)),
            "s3:x-amz-acl" => headers.push(("x-amz-acl", value)),
            "s3:x-amz-server-side-encryption-aws-kms-key-id" => {
                headers.push(("x-amz-server-side-encryption-aws-kms-key-id", value));
            }
            "s3:prefix" | "s3:delimiter" | "s3:max-keys" => {
                query.push(format!("{}={value}", &key["s3:".len()..]));
            }
            // As the request has them by itself.
            "aws:currenttime" => {}
            "aws:principalarn" if value.ends_with(":user/mallory") => {}
            "aws:username" if who.is_some() => {}
            "aws:principaltype" if who.is_some() && value == "User" => {}
            "aws:principaltype" if value == "Anonymous" => {}
            "aws:securetransport" | "aws:viaawsservice" | "aws:principalisawsservice"
                if value == "false" => {}
            "aws:requestedregion" if value == "us-east-1" => {}
            _ => return None,
        }
    }
    headers.push((SOURCE, source));
    if sub_resource == "acl" && method == "PUT" && !headers.iter().any(|(n, _)| *n == "x-amz-acl") {
        headers.push(("x-amz-acl", "private".to_owned()));
    }
    let mut target = format!("/{bucket}");
    if let Some(key) = key_of(witness) {
        target = format!("{target}/{key}");
    }
    query.retain(|part| !part.is_empty());
    if !query.is_empty() {
        target = format!("{target}?{}", query.join("&"));
    }
    Some((who, method, target, headers))
}

fn cases() -> Vec<Value> {
    let cases: Vec<Value> = serde_json::from_str(CASES).unwrap();
    cases
        .into_iter()
        .filter(|case| matches!(case["confidence"].as_str(), Some("documented" | "derived")))
        .collect()
}

#[tokio::test]
async fn witnesses_are_let_in() {
    let (mut sent, mut wrong, mut refused) = (0, Vec::new(), Vec::new());
    for case in cases() {
        let id = case["id"].as_str().unwrap().to_owned();
        let world = match World::of(&case).await {
            Ok(world) => world,
            Err(why) => {
                refused.push(format!("{id} ({why})"));
                continue;
            }
        };
        for witness in witnesses(&case) {
            let Some((who, method, target, headers)) = request(&world.bucket, witness) else {
                continue;
            };
            let through_a_vpc = case["policy"].to_string().contains("aws:SourceIp")
                && witness["context"]["aws:sourceip"].is_null();
            if through_a_vpc {
                continue;
            }
            if method == "PUT" && witness["via"] == "acl" && !target.contains('?') {
                let owner = world.client(Some("owner"));
                owner.send("DELETE", &target, &[], "").await.unwrap();
            }
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
            let answer = world
                .client(who)
                .send(method, &target, &headers, "")
                .await
                .unwrap();
            sent += 1;
            if !answer.status.is_success() {
                wrong.push(format!(
                    "{id}: {who:?} {method} {target}: {} {}",
                    answer.status,
                    answer.text()
                ));
            }
        }
        world.sandbox.stop().await;
    }
    println!("{sent} witnesses sent; not configurable: {refused:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(sent >= 85, "only {sent} witnesses could be sent");
    // S3 does not take a public ACL and BucketOwnerEnforced together.
    let impossible =
        "acl-bpa-01 (/example-bucket?ownershipControls: InvalidBucketAclWithObjectOwnership)";
    assert_eq!(refused, [impossible]);
}

#[tokio::test]
async fn where_nobody_gets_in_nobody_does() {
    let (mut sent, mut wrong) = (0, Vec::new());
    for case in cases() {
        let id = case["id"].as_str().unwrap().to_owned();
        for (label, who, class) in [
            ("anonymous_read", None, "read"),
            ("anonymous_write", None, "write"),
            ("stranger_read", Some("mallory"), "read"),
            ("stranger_write", Some("mallory"), "write"),
        ] {
            if case["expected"]["literal"][label] != false {
                continue;
            }
            let Ok(world) = World::of(&case).await else {
                continue;
            };
            for (request, answer) in world.tries(who, class).await {
                sent += 1;
                if answer.status != StatusCode::FORBIDDEN {
                    wrong.push(format!("{id}: {who:?} {request}: {}", answer.status));
                }
            }
            world.sandbox.stop().await;
        }
    }
    println!("{sent} requests sent");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(sent >= 500, "only {sent} requests could be sent");
}
