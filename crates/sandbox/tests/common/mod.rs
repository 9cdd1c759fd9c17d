//! A sandbox with three accounts, and callers that send real HTTP requests to it.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

use sandbox::client::{Answer, Client};
use sandbox::{Account, Config, NewBuckets, Sandbox};

pub const OWNER: &str = "111122223333";
pub const OWNER_ID: &str = "1111111111111111111111111111111111111111111111111111111111111111";
pub const OTHER: &str = "444455556666";
pub const OTHER_ID: &str = "4444444444444444444444444444444444444444444444444444444444444444";
pub const SOURCE: &str = "x-test-source";

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    Anonymous,
    /// The owner's root user.
    Root,
    /// A user of the owner's account.
    Ann,
    /// The user `alice` of another account.
    Alice,
    /// Somebody with a key of the owner's, but not its secret.
    Forger,
    /// Somebody with a key that nobody gave out.
    Unknown,
}

impl Caller {
    fn keys(self) -> Option<(&'static str, &'static str)> {
        match self {
            Caller::Anonymous => None,
            Caller::Root => Some(("ROOTKEY", "root-secret")),
            Caller::Ann => Some(("ANNKEY", "ann-secret")),
            Caller::Alice => Some(("ALICEKEY", "alice-secret")),
            Caller::Forger => Some(("ANNKEY", "not-anns-secret")),
            Caller::Unknown => Some(("NOKEY", "secret")),
        }
    }
}

pub fn config() -> Config {
    Config {
        new_buckets: NewBuckets::AclsInForce,
        source_header: Some(SOURCE.to_owned()),
        ..Config::new(vec![
            Account::new(OWNER, OWNER_ID)
                .with_root("ROOTKEY", "root-secret")
                .with_user("ann", "ANNKEY", "ann-secret"),
            Account::new(OTHER, OTHER_ID).with_user("alice", "ALICEKEY", "alice-secret"),
        ])
    }
}

pub async fn start() -> World {
    World {
        sandbox: Sandbox::start(config()).await.unwrap(),
    }
}

pub struct World {
    pub sandbox: Sandbox,
}

impl World {
    pub async fn send(
        &self,
        caller: Caller,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        self.send_to_service("s3", caller, method, target, headers, body)
            .await
    }

    pub async fn send_to_service(
        &self,
        service: &str,
        caller: Caller,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let endpoint = self.sandbox.endpoint();
        let client = match caller.keys() {
            None => Client::anonymous(&endpoint),
            Some((key, secret)) => Client::signed(&endpoint, key, secret),
        };
        client
            .send_to(service, method, target, headers, body.to_owned())
            .await
            .unwrap()
    }

    /// Sends, and wants success.
    pub async fn done(
        &self,
        caller: Caller,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let answer = self.send(caller, method, target, headers, body).await;
        assert!(
            answer.status.is_success(),
            "{method} {target} by {caller:?}: {} {}",
            answer.status,
            answer.text()
        );
        answer
    }

    /// `200`, or status and code of the refusal.
    pub async fn outcome(&self, caller: Caller, method: &str, target: &str) -> String {
        outcome(&self.send(caller, method, target, &[], "").await)
    }

    /// A bucket of the owner's with the object `hello`.
    pub async fn bucket(&self, name: &str) {
        self.done(Caller::Ann, "PUT", &format!("/{name}"), &[], "")
            .await;
        self.done(Caller::Ann, "PUT", &format!("/{name}/hello"), &[], "hello")
            .await;
    }

    pub async fn acl(&self, name: &str, canned: &str) {
        let headers = [("x-amz-acl", canned)];
        self.done(Caller::Ann, "PUT", &format!("/{name}?acl"), &headers, "")
            .await;
    }

    pub async fn policy(&self, name: &str, policy: &str) {
        self.done(Caller::Ann, "PUT", &format!("/{name}?policy"), &[], policy)
            .await;
    }

    pub async fn bucket_block(&self, name: &str, on: &[&str]) {
        let target = format!("/{name}?publicAccessBlock");
        self.done(Caller::Ann, "PUT", &target, &[], &block(on))
            .await;
    }

    pub async fn account_block(&self, on: &[&str]) {
        let target = "/v20180820/configuration/publicAccessBlock";
        let headers = [("x-amz-account-id", OWNER)];
        self.done(Caller::Ann, "PUT", target, &headers, &block(on))
            .await;
    }
}

pub fn outcome(answer: &Answer) -> String {
    let status = answer.status.as_u16();
    match answer.error_code() {
        None => status.to_string(),
        Some(code) => format!("{status} {code}"),
    }
}

pub fn block(on: &[&str]) -> String {
    let settings: String = [
        "BlockPublicAcls",
        "IgnorePublicAcls",
        "BlockPublicPolicy",
        "RestrictPublicBuckets",
    ]
    .iter()
    .map(|name| format!("<{name}>{}</{name}>", on.contains(name)))
    .collect();
    format!("<PublicAccessBlockConfiguration>{settings}</PublicAccessBlockConfiguration>")
}
