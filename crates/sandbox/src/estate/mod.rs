//! An example estate: the buckets of a small company, some open by mistake, some that only look open.
//!
//! The demo shows it, and tests hold verdicts and remediations against it: each bucket says what an
//! outsider gets from it and which access of others must survive a remediation.

mod buckets;

use std::io;

use crate::client::{Answer, Client};
use crate::{Account, Config, NewBuckets, Sandbox};

pub use self::buckets::{closed, later, open};

/// The account that owns the estate.
pub const OWNER: &str = "111122223333";
/// Its canonical user id.
pub const OWNER_ID: &str = "3c5e9f0d7b1a4826a1d0f7c2b94e6850d3f18b6ea27c49503fd2e8a6c17b9054";
/// An account that the company works with: some buckets name it.
pub const PARTNER: &str = "444455556666";
/// Its canonical user id.
pub const PARTNER_ID: &str = "9a7d2e4c6b8f01358ce2a5d7f0b3469170e5c8d2a4b6f918375ad0e2c4f6b8a1";
/// An account that nobody here knows.
pub const STRANGER: &str = "999988887777";
const STRANGER_ID: &str = "e1d2c3b4a5968778695a4b3c2d1e0ff0e1d2c3b4a5968778695a4b3c2d1e0ff0";

/// An access key of the estate. It is good for this sandbox only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The access key.
    pub id: &'static str,
    /// Its secret.
    pub secret: &'static str,
}

/// Somebody who sends requests to the estate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    /// Nobody in particular: does not sign.
    Anonymous,
    /// The user `mallory` of an account that nobody here knows.
    Stranger,
    /// The user `pat` of the partner's account.
    Partner,
    /// The user `dana` of the owner's account, who works with the buckets.
    Developer,
    /// The user `portcullis` of the owner's account.
    Guard,
}

impl Person {
    /// What the person signs with.
    pub fn key(self) -> Option<Key> {
        let (id, secret) = match self {
            Person::Anonymous => return None,
            Person::Stranger => ("demo-mallory", "mallory-demo-only"),
            Person::Partner => ("demo-pat", "pat-demo-only"),
            Person::Developer => ("demo-dana", "dana-demo-only"),
            Person::Guard => ("demo-portcullis", "portcullis-demo-only"),
        };
        Some(Key { id, secret })
    }

    /// The person's client.
    pub fn client(self, endpoint: &str) -> Client {
        match self.key() {
            None => Client::anonymous(endpoint),
            Some(key) => Client::signed(endpoint, key.id, key.secret),
        }
    }
}

/// How a sandbox for the estate is set up: its accounts, and buckets made as before 2023.
pub fn config(port: u16) -> Config {
    let user = |account: Account, name: &str, person: Person| match person.key() {
        None => account,
        Some(key) => account.with_user(name, key.id, key.secret),
    };
    let owner = Account::new(OWNER, OWNER_ID);
    let owner = user(owner, "dana", Person::Developer);
    let owner = user(owner, "portcullis", Person::Guard);
    let partner = user(Account::new(PARTNER, PARTNER_ID), "pat", Person::Partner);
    let stranger = Account::new(STRANGER, STRANGER_ID);
    let stranger = user(stranger, "mallory", Person::Stranger);
    Config {
        port,
        new_buckets: NewBuckets::AclsInForce,
        ..Config::new(vec![owner, partner, stranger])
    }
}

/// A request, and who sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Who.
    pub person: Person,
    /// The path with its query.
    pub target: String,
    /// Headers that the request needs.
    pub headers: Vec<(&'static str, &'static str)>,
    /// What the answer holds if the request is let in.
    pub shows: &'static str,
}

impl Probe {
    /// Sends it (a GET).
    ///
    /// # Errors
    ///
    /// The endpoint does not answer.
    pub async fn send(&self, endpoint: &str) -> io::Result<Answer> {
        self.person
            .client(endpoint)
            .send("GET", &self.target, &self.headers, "")
            .await
    }
}

/// One bucket of the estate.
#[derive(Clone, Debug)]
pub struct Example {
    /// Its name.
    pub name: &'static str,
    /// Its only object.
    pub key: &'static str,
    /// What the object holds.
    pub content: &'static str,
    /// The story of its configuration in half a sentence.
    pub story: &'static str,
    /// What is set, in order: sub-resource, headers, body.
    settings: Vec<Setting>,
    /// What an outsider tries. Whether it succeeds is what [`open`], [`closed`] and [`later`] tell apart.
    pub outsider: Probe,
    /// What must work before and after a remediation.
    pub keeps: Vec<Probe>,
}

#[derive(Clone, Debug)]
struct Setting {
    sub_resource: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Example {
    /// Makes the bucket with its object, as its owner, without the settings.
    ///
    /// # Errors
    ///
    /// The endpoint does not answer, or refuses.
    pub async fn make(&self, endpoint: &str) -> io::Result<()> {
        let dana = Person::Developer.client(endpoint);
        let bucket = format!("/{}", self.name);
        expect(&dana.send("PUT", &bucket, &[], "").await?, &bucket)?;
        let object = format!("{bucket}/{}", self.key);
        let kind = [("content-type", "text/plain; charset=utf-8")];
        expect(
            &dana.send("PUT", &object, &kind, self.content).await?,
            &object,
        )
    }

    /// Sets what the bucket is about: a real request of its owner for each setting.
    ///
    /// # Errors
    ///
    /// The endpoint does not answer, or refuses.
    pub async fn configure(&self, endpoint: &str) -> io::Result<()> {
        let dana = Person::Developer.client(endpoint);
        for setting in &self.settings {
            let target = format!("/{}?{}", self.name, setting.sub_resource);
            let headers: Vec<(&str, &str)> = setting
                .headers
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            let answer = dana
                .send("PUT", &target, &headers, setting.body.clone())
                .await?;
            expect(&answer, &target)?;
        }
        Ok(())
    }

    /// Everything that decides who gets in, as the endpoint tells it to the owner.
    ///
    /// # Errors
    ///
    /// The endpoint does not answer.
    pub async fn configuration(&self, endpoint: &str) -> io::Result<Vec<(&'static str, String)>> {
        let dana = Person::Developer.client(endpoint);
        let mut parts = Vec::new();
        for part in ["acl", "policy", "publicAccessBlock", "ownershipControls"] {
            let target = format!("/{}?{part}", self.name);
            let answer = dana.send("GET", &target, &[], "").await?;
            parts.push((part, answer.text()));
        }
        Ok(parts)
    }

    /// The command that does the same as the last setting with the AWS command line.
    pub fn command(&self) -> String {
        let Some(setting) = self.settings.last() else {
            return String::new();
        };
        let operation = match setting.sub_resource {
            "policy" => "put-bucket-policy",
            "publicAccessBlock" => "put-public-access-block",
            "ownershipControls" => "put-bucket-ownership-controls",
            _ => "put-bucket-acl",
        };
        let mut line = format!("aws s3api {operation} --bucket {}", self.name);
        for (name, value) in &setting.headers {
            let option = name.trim_start_matches("x-amz-");
            line.push_str(&format!(" --{option} {}", value.replace('"', "")));
        }
        if setting.sub_resource == "policy" {
            line.push_str(&format!(" --policy file://{}.json", self.name));
        }
        line
    }
}

fn expect(answer: &Answer, what: &str) -> io::Result<()> {
    if answer.status.is_success() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{what} was answered with {} {}",
        answer.status,
        answer.error_code().unwrap_or_default()
    )))
}

/// Starts a sandbox and makes the estate in it: [`open`] and [`closed`] as they are to be, [`later`] made
/// but not yet configured.
///
/// # Errors
///
/// The port is taken, or the sandbox refuses one of the settings.
pub async fn start(port: u16) -> io::Result<Sandbox> {
    let sandbox = Sandbox::start(config(port)).await?;
    let endpoint = sandbox.endpoint();
    for example in open().iter().chain(&closed()) {
        example.make(&endpoint).await?;
        example.configure(&endpoint).await?;
    }
    for example in later() {
        example.make(&endpoint).await?;
    }
    Ok(sandbox)
}
