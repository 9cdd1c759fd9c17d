//! Where a file of the delivery channel lies: AWS Config's object keys.
//!
//! `[prefix/]AWSLogs/<account>/Config/<region>/<Y>/<M>/<D>/ConfigHistory/<file>`, months and days
//! without a leading zero (AWS Config developer guide, "Example Configuration History Delivery
//! Notification"). Accounts and regions of S3-compatible stores are names that somebody chose, so each
//! is spelled in characters that cannot leave its place.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::Offset;
use sha2::{Digest, Sha256};
use thiserror::Error;

/// How many bytes of a key one name may take. With the longest prefix and three such names a key stays
/// below the 1,024 bytes that S3 allows (Amazon S3 user guide, "Naming Amazon S3 objects").
const LONGEST_NAME: usize = 96;
const LONGEST_PREFIX: usize = 256;

/// What stands before `AWSLogs/` in every key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPrefix(String);

/// Why a text cannot be a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the prefix {prefix:?} {wrong}")]
pub struct KeyPrefixError {
    prefix: String,
    wrong: &'static str,
}

impl KeyPrefix {
    /// Takes a prefix such as `config` or `audit/config`. Empty: none.
    ///
    /// ```
    /// use compliance::delivery_channel::KeyPrefix;
    ///
    /// assert_eq!(KeyPrefix::parse("audit/config/").unwrap().to_string(), "audit/config");
    /// assert!(KeyPrefix::parse("../other").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<KeyPrefix, KeyPrefixError> {
        let wrong = |wrong| KeyPrefixError {
            prefix: text.chars().take(LONGEST_PREFIX).collect(),
            wrong,
        };
        if text.len() > LONGEST_PREFIX {
            return Err(wrong("is longer than 256 bytes"));
        }
        let prefix = text.strip_suffix('/').unwrap_or(text);
        if prefix.is_empty() {
            return match text.is_empty() {
                true => Ok(KeyPrefix::default()),
                false => Err(wrong("is a slash alone; leave it out")),
            };
        }
        if !prefix.chars().all(|c| is_safe(c) || c == '/') {
            return Err(wrong(
                "has other characters than letters, digits, `/`, `-`, `_`, `.` and `:`",
            ));
        }
        if prefix
            .split('/')
            .any(|part| matches!(part, "" | "." | ".."))
        {
            return Err(wrong("has an empty part, `.` or `..` in it"));
        }
        Ok(KeyPrefix(prefix.to_owned()))
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key of a history file.
pub(super) fn history(
    prefix: &KeyPrefix,
    account: &str,
    region: &str,
    resource_type: &str,
    span: (Timestamp, Timestamp),
    part: u32,
) -> String {
    let (from, to) = span;
    let file = format!(
        "ConfigHistory_{}_{}_{}_{part}",
        name(resource_type),
        compact(from),
        compact(to)
    );
    key(prefix, account, region, to, "ConfigHistory", &file)
}

/// The key of a snapshot file.
pub(super) fn snapshot(
    prefix: &KeyPrefix,
    account: &str,
    region: &str,
    at: Timestamp,
    id: &str,
) -> String {
    let file = format!("ConfigSnapshot_{}_{id}", compact(at));
    key(prefix, account, region, at, "ConfigSnapshot", &file)
}

fn key(
    prefix: &KeyPrefix,
    account: &str,
    region: &str,
    day: Timestamp,
    folder: &str,
    file: &str,
) -> String {
    let (account, region) = (name(account), name(region));
    let date = Offset::UTC.to_datetime(day).date();
    let before = match prefix.0.as_str() {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    };
    format!(
        "{before}AWSLogs/{account}/Config/{region}/{}/{}/{}/{folder}/{account}_Config_{region}_{file}.json.gz",
        date.year(),
        date.month(),
        date.day(),
    )
}

/// `20260101T000000Z`
fn compact(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn is_safe(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':')
}

/// A name as a part of a key: other characters as `%` and hexadecimal digits, so that two names never
/// become one; too long ones end in a digest.
fn name(text: &str) -> String {
    if text.is_empty() {
        return "%".to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for (index, byte) in text.bytes().enumerate() {
        // A name of dots alone would be a way up, for whoever takes the key for a path.
        let leading_dot = index == 0 && byte == b'.';
        if is_safe(char::from(byte)) && !leading_dot {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    if out.len() > LONGEST_NAME {
        let digest = Sha256::digest(text);
        let digest: String = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
        // What is spelled here is ASCII.
        out.truncate(LONGEST_NAME - digest.len() - 1);
        out.push('~');
        out.push_str(&digest);
    }
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn keys_are_as_config_makes_them() {
        let span = (at("2016-09-27T13:58:18.7Z"), at("2016-09-27T19:58:18Z"));
        assert_eq!(
            history(
                &KeyPrefix::default(),
                "123456789012",
                "us-east-2",
                "AWS::CloudTrail::Trail",
                span,
                1
            ),
            "AWSLogs/123456789012/Config/us-east-2/2016/9/27/ConfigHistory/123456789012_Config_us-east-2_ConfigHistory_AWS::CloudTrail::Trail_20160927T135818Z_20160927T195818Z_1.json.gz"
        );
        assert_eq!(
            snapshot(
                &KeyPrefix::parse("audit").unwrap(),
                "123456789012",
                "us-east-2",
                at("2026-01-02T03:04:05Z"),
                "id"
            ),
            "audit/AWSLogs/123456789012/Config/us-east-2/2026/1/2/ConfigSnapshot/123456789012_Config_us-east-2_ConfigSnapshot_20260102T030405Z_id.json.gz"
        );
    }

    #[test]
    fn no_name_leaves_its_place() {
        for (text, spelled) in [
            ("..", "%2E."),
            ("a/../b", "a%2F..%2Fb"),
            ("", "%"),
            ("%", "%25"),
            ("a\n\u{202e}", "a%0A%E2%80%AE"),
            ("~", "%7E"),
        ] {
            assert_eq!(name(text), spelled);
        }
        let (one, other) = (name(&"é".repeat(100)), name(&"é".repeat(101)));
        assert_eq!(one.len(), LONGEST_NAME);
        assert_ne!(one, other);
        let long = "x".repeat(LONGEST_PREFIX);
        let key = history(
            &KeyPrefix::parse(&long).unwrap(),
            &"a/".repeat(500),
            &"b/".repeat(500),
            &"c/".repeat(500),
            (at("2016-09-27T13:58:18Z"), at("2016-09-27T19:58:18Z")),
            u32::MAX,
        );
        assert!(key.len() < 1024, "{}", key.len());
    }

    #[test]
    fn a_prefix_that_cannot_be_is_said() {
        for (text, part) in [
            ("/", "slash alone"),
            ("/a", "empty part"),
            ("a//b", "empty part"),
            ("a/../b", "`..`"),
            ("a b", "other characters"),
            ("a\u{0}", "other characters"),
        ] {
            let wrong = KeyPrefix::parse(text).unwrap_err().to_string();
            assert!(wrong.contains(part), "{text:?}: {wrong}");
        }
        assert!(KeyPrefix::parse(&"x".repeat(257)).is_err());
        assert_eq!(KeyPrefix::parse("").unwrap(), KeyPrefix::default());
    }
}
