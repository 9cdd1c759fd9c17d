//! A witness made concrete: a request that can be sent, and what it really gets.

use policy::document::Policy;
use policy::evaluate::{Decision, evaluate};
use policy::public::{Via, Witness};
use policy::request::{Caller, Request};
use sandbox::client::Answer;
use sandbox::estate::Person;

use crate::exit::Failure;

/// A request that proves a bucket open, or closed.
#[derive(Clone, Debug)]
pub(super) struct Proof {
    person: Person,
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, String)>,
}

/// What a request got.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) status: u16,
    /// The code of the refusal.
    pub(super) code: Option<String>,
    pub(super) body: String,
}

impl Outcome {
    pub(super) fn of(answer: &Answer) -> Outcome {
        Outcome {
            status: answer.status.as_u16(),
            code: answer.error_code(),
            body: answer.text(),
        }
    }

    pub(super) fn is_refusal(&self) -> bool {
        self.status == 403 && self.code.as_deref() == Some("AccessDenied")
    }

    /// `200` or `403 AccessDenied`.
    pub(super) fn summary(&self) -> String {
        match &self.code {
            Some(code) => format!("{} {code}", self.status),
            None => self.status.to_string(),
        }
    }

    /// The one line of the answer that a reader recognises: of a listing the first key.
    pub(super) fn shown(&self) -> String {
        let key = self
            .body
            .find("<Key>")
            .and_then(|at| Some(&self.body[at..at + self.body[at..].find("</Key>")? + 6]));
        let line = key.unwrap_or_else(|| self.body.lines().last().unwrap_or_default());
        compliance::remediation::diff::visible(line)
            .chars()
            .take(80)
            .collect()
    }
}

/// The object that a proof of writing leaves behind for a moment.
pub(super) const LEFT_BEHIND: &str = "left-by-a-stranger.txt";
/// What stands in it.
const LEFT_CONTENT: &str = "somebody was here\n";

impl Proof {
    /// The request of a witness on a bucket in which `key` exists. The witness names some object; the
    /// proof asks for a real one, after the policy was asked whether it lets that in as well. `None`
    /// for actions that the demo does not send.
    pub(super) fn of(
        witness: &Witness,
        policy: Option<&Policy>,
        bucket: &str,
        key: &str,
    ) -> Option<Proof> {
        let mut request = witness.request.clone();
        let method = match request.action.as_str() {
            "s3:GetObject" | "s3:ListBucket" => "GET",
            "s3:PutObject" => "PUT",
            _ => return None,
        };
        let key = if method == "PUT" { LEFT_BEHIND } else { key };
        if request.action != "s3:ListBucket" {
            request.resource = format!("arn:aws:s3:::{bucket}/{key}");
            // On a bucket's ACL every key is alike; a policy may have its own idea.
            if witness.via != Via::Acl && !allows(policy, &request) {
                request.clone_from(&witness.request);
            }
        }
        let object = request
            .resource
            .split_once(":::")
            .and_then(|(_, path)| path.split_once('/'))
            .map(|(_, object)| object);
        let mut query = Vec::new();
        if request.action == "s3:ListBucket" {
            query.push("list-type=2".to_owned());
        }
        let mut headers = Vec::new();
        for (name, values) in request.context.iter() {
            let Some(value) = values.first() else {
                continue;
            };
            match name {
                "s3:prefix" => query.push(format!("prefix={}", percent(value))),
                "s3:delimiter" => query.push(format!("delimiter={}", percent(value))),
                "s3:max-keys" => query.push(format!("max-keys={}", percent(value))),
                "aws:referer" => headers.push(("referer", value.clone())),
                "aws:useragent" => headers.push(("user-agent", value.clone())),
                _ => {}
            }
        }
        let mut target = format!("/{bucket}");
        if let Some(object) = object {
            target.push('/');
            target.push_str(&percent(object));
        }
        if !query.is_empty() {
            target.push('?');
            target.push_str(&query.join("&"));
        }
        Some(Proof {
            method,
            person: match request.caller {
                Caller::Anonymous => Person::Anonymous,
                Caller::Principal(_) | Caller::Service(_) | Caller::Federated(_) => {
                    Person::Stranger
                }
            },
            target,
            headers,
        })
    }

    /// Whether it writes.
    pub(super) fn writes(&self) -> bool {
        self.method == "PUT"
    }

    /// Sends it.
    pub(super) async fn send(&self, endpoint: &str) -> Result<Outcome, Failure> {
        let headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let body = if self.writes() { LEFT_CONTENT } else { "" };
        self.person
            .client(endpoint)
            .send(self.method, &self.target, &headers, body)
            .await
            .map(|answer| Outcome::of(&answer))
            .map_err(|error| Failure::incomplete(format!("the sandbox does not answer: {error}")))
    }

    /// Who sends it.
    pub(super) fn caller(&self) -> &'static str {
        match self.person {
            Person::Anonymous => "anonymous",
            _ => "signed by another account",
        }
    }

    /// The command line that sends the same.
    pub(super) fn command(&self, endpoint: &str) -> String {
        let mut line = "curl -s".to_owned();
        if let Some(key) = self.person.key() {
            line.push_str(&format!(
                " --aws-sigv4 aws:amz:us-east-1:s3 -u {}:{} -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD'",
                key.id, key.secret
            ));
        }
        if self.writes() {
            line.push_str(&format!(" -X PUT -d {}", quote(LEFT_CONTENT.trim_end())));
        }
        for (name, value) in &self.headers {
            line.push_str(&format!(" -H {}", quote(&format!("{name}: {value}"))));
        }
        format!("{line} {}", quote(&format!("{endpoint}{}", self.target)))
    }
}

fn allows(policy: Option<&Policy>, request: &Request) -> bool {
    policy.is_some_and(|policy| matches!(evaluate(&[policy], request), Decision::Allowed { .. }))
}

/// Percent-encodes what does not stand for itself in a path or query (RFC 3986), but for slashes.
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Quotes a word for a POSIX shell.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}
