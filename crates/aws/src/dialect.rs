//! Looks at raw answers before they are believed.
//!
//! Servers that speak S3 differ where an operation is unknown to them: Ceph's gateway lets an unknown
//! sub-resource fall through to the bucket and answers 200 with another document, which a lenient
//! parser reads as an empty one. So each answer's root element is checked, its size is bounded, and
//! an answer with another root counts as "not offered".

use std::fmt;

use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeDeserializationInterceptorContextMut,
};
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;
use policy::bucket::Enforcement;

/// No document that is asked for comes near this: ten thousand buckets in one listing are 2 MB.
pub(crate) const LARGEST_ANSWER: usize = 16 << 20;

/// What an answer must begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Document {
    /// An XML document with this root element.
    Xml(&'static str),
    /// A JSON document.
    Json,
    /// No content.
    Empty,
}

/// Checks that a successful answer is the document that was asked for.
#[derive(Debug)]
pub(crate) struct Expect(pub(crate) Document);

/// The answer was another document.
#[derive(Debug)]
pub(crate) struct WrongDocument {
    /// What was asked for.
    expected: Document,
    /// What came, in a few words.
    found: Found,
}

/// What an answer's body looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing, or white space.
    Nothing,
    /// An XML document with this root element, its namespace prefix taken off.
    Xml(String),
    /// A web page.
    Html,
    /// Something that begins as JSON does.
    Json,
    /// Something else.
    Other,
}

impl WrongDocument {
    /// Whether a web page came: a proxy, a login page, a wrong port.
    pub(crate) fn is_html(&self) -> bool {
        self.found == Found::Html
    }
}

impl fmt::Display for WrongDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = match self.expected {
            Document::Xml(root) => format!("<{root}>"),
            Document::Json => "JSON".to_owned(),
            Document::Empty => "nothing".to_owned(),
        };
        write!(f, "it answered {} instead of {expected}", self.found)
    }
}

impl std::error::Error for WrongDocument {}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Found::Nothing => f.write_str("nothing"),
            Found::Xml(root) => write!(f, "<{root}>"),
            Found::Html => f.write_str("a web page"),
            Found::Json => f.write_str("JSON"),
            Found::Other => f.write_str("something that is neither XML nor JSON"),
        }
    }
}

impl Intercept for Expect {
    fn name(&self) -> &'static str {
        "ExpectDocument"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        bound(context.response_mut().body_mut());
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        if !response.status().is_success() {
            return Ok(());
        }
        // Without bytes the body could not be read; the SDK's own error says how.
        let Some(bytes) = response.body().bytes() else {
            return Ok(());
        };
        let found = look_at(bytes);
        let fits = match (self.0, &found) {
            (Document::Xml(root), Found::Xml(found)) => root == found,
            // What is no JSON object is diagnosed by the policy's parser, with its place.
            (Document::Json, Found::Json | Found::Other | Found::Nothing) => true,
            (Document::Empty, _) => true,
            _ => false,
        };
        if fits {
            return Ok(());
        }
        Err(Box::new(WrongDocument {
            expected: self.0,
            found,
        }))
    }
}

/// Reading a body that is larger than any answer becomes an error.
pub(crate) fn bound(body: &mut SdkBody) {
    let whole = std::mem::replace(body, SdkBody::taken());
    *body = SdkBody::from_body_1_x(Limited::new(whole, LARGEST_ANSWER));
}

/// What a body looks like, from its first bytes.
pub(crate) fn look_at(body: &[u8]) -> Found {
    let start = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    let mut rest = start.trim_start_matches('\u{feff}').trim_start();
    loop {
        let skipped = if let Some(after) = rest.strip_prefix("<?") {
            after.split_once("?>")
        } else if let Some(after) = rest.strip_prefix("<!--") {
            after.split_once("-->")
        } else {
            break;
        };
        match skipped {
            Some((_, after)) => rest = after.trim_start(),
            None => return Found::Other,
        }
    }
    if rest.is_empty() {
        return Found::Nothing;
    }
    let Some(tag) = rest.strip_prefix('<') else {
        return if rest.starts_with(['{', '[', '"']) {
            Found::Json
        } else {
            Found::Other
        };
    };
    let name: String = tag
        .chars()
        .take_while(|c| !c.is_whitespace() && *c != '>' && *c != '/')
        .take(64)
        .collect();
    let folded = name.to_ascii_lowercase();
    if folded == "html" || folded == "!doctype" {
        return Found::Html;
    }
    let local = name.rsplit(':').next().unwrap_or_default();
    if local.is_empty()
        || !local
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
    {
        return Found::Other;
    }
    Found::Xml(local.to_owned())
}

/// Which store answers, from the headers of an answer.
///
/// Ceph's gateway numbers its requests `tx000001a2b…-0065f1c3d4-1015-default` (`rgw_common.cc`,
/// `req_info`), and newer releases name themselves in `Server`.
pub(crate) fn enforcement<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Enforcement {
    let ceph_server = header("server").is_some_and(|server| server.contains("Ceph"));
    let ceph_request = header("x-amz-request-id").is_some_and(|id| {
        id.strip_prefix("tx").is_some_and(|rest| {
            let mut parts = rest.split('-');
            let hex = |part: Option<&str>, at_least: usize| {
                part.is_some_and(|p| {
                    p.len() >= at_least && p.bytes().all(|b| b.is_ascii_hexdigit())
                })
            };
            hex(parts.next(), 16) && hex(parts.next(), 8) && hex(parts.next(), 1)
        })
    });
    if ceph_server || ceph_request {
        Enforcement::CephRgw
    } else {
        Enforcement::Aws
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_the_root_element() {
        for (body, found) in [
            ("", Found::Nothing),
            (" \n", Found::Nothing),
            (
                "<?xml version=\"1.0\"?>\n<A xmlns=\"x\"/>",
                Found::Xml("A".into()),
            ),
            ("\u{feff}<!-- hi --><s3:A>", Found::Xml("A".into())),
            ("<!DOCTYPE html><html>", Found::Html),
            ("<HTML><body>", Found::Html),
            ("{\"Version\":1}", Found::Json),
            ("<", Found::Other),
            ("<?xml never ends", Found::Other),
            ("hello", Found::Other),
        ] {
            assert_eq!(look_at(body.as_bytes()), found, "{body:?}");
        }
    }

    #[test]
    fn knows_ceph_by_its_request_numbers() {
        let of = |name: &'static str, value: &'static str| {
            enforcement(move |header| (header == name).then_some(value))
        };
        for (id, expected) in [
            (
                "tx0000065f1c3d4a2b3c4d5-0065f1c3d4-1015-default",
                Enforcement::CephRgw,
            ),
            (
                "tx000000000000000000001-0065f1c3d4-1015-default",
                Enforcement::CephRgw,
            ),
            ("79104EXAMPLEB723", Enforcement::Aws),
            ("tx1", Enforcement::Aws),
        ] {
            assert_eq!(of("x-amz-request-id", id), expected, "{id}");
        }
        assert_eq!(
            of("server", "Ceph Object Gateway (squid)"),
            Enforcement::CephRgw
        );
        assert_eq!(of("server", "AmazonS3"), Enforcement::Aws);
    }
}
