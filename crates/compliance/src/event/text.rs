//! Values of events, held to what they can be.

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::EventError;

/// The longest id that is kept as it is: CloudTrail's and EventBridge's have 36 characters.
const LONGEST_ID: usize = 128;
/// The longest text of a description (actor, address, user agent); the rest is cut.
const LONGEST_TEXT: usize = 1024;
/// S3's keys have at most so many bytes.
const LONGEST_KEY: usize = 1024;
/// Buckets have at most 63 characters, old ones of us-east-1 and those of other stores 255.
const LONGEST_BUCKET: usize = 255;

/// The text of a member, found by its path.
pub(super) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    path.iter()
        .try_fold(value, |value, name| value.get(name))?
        .as_str()
        .filter(|text| !text.is_empty())
}

/// A description: cut where it is too long, and without control characters (PostgreSQL keeps no
/// text with a NUL in it).
pub(super) fn described(text: Option<&str>) -> Option<String> {
    let text = text.filter(|text| !text.is_empty() && *text != "-")?;
    let visible = |c: char| {
        if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    Some(text.chars().take(LONGEST_TEXT).map(visible).collect())
}

/// An id, or a digest of one that is too long or has characters that no id has.
pub(super) fn id(text: &str) -> String {
    let fits = text.len() <= LONGEST_ID && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { text.to_owned() } else { digest(text) }
}

/// The id of what has none: the same text has the same one.
pub(super) fn digest(text: &str) -> String {
    let mut hex = String::from("sha256:");
    for byte in Sha256::digest(text.as_bytes()) {
        hex.push_str(&format!("{byte:02x}"));
    }
    hex
}

/// A bucket's name. It is asked for and shown, so it is what a name can be: letters, digits, `.`, `-`
/// and `_`, and on Ceph the tenant and `:` before it.
pub(super) fn bucket(document: &'static str, text: &str) -> Result<String, EventError> {
    let fits = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
    };
    if text.len() <= LONGEST_BUCKET && text.splitn(2, ':').all(fits) {
        return Ok(text.to_owned());
    }
    Err(impossible(document, "the bucket's name", text))
}

/// The name of an access point, or a volume's id.
pub(super) fn name(
    document: &'static str,
    member: &'static str,
    text: &str,
) -> Result<String, EventError> {
    let fits = (1..=LONGEST_BUCKET).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    if fits {
        return Ok(text.to_owned());
    }
    Err(impossible(document, member, text))
}

/// An object's key.
pub(super) fn key(document: &'static str, text: &str) -> Result<String, EventError> {
    if (1..=LONGEST_KEY).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err(impossible(document, "the object's key", text))
}

/// A key as S3's notifications and request lines write it: percent-encoded; in notifications a space
/// is `+`.
pub(super) fn decoded(text: &str, plus_is_space: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex = |byte: u8| char::from(byte).to_digit(16);
        match byte {
            b'+' if plus_is_space => bytes.push(b' '),
            b'%' => {
                let mut ahead = rest.clone();
                match (ahead.next().and_then(hex), ahead.next().and_then(hex)) {
                    // Two hexadecimal digits make at most 255.
                    (Some(high), Some(low)) => {
                        bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
                        rest = ahead;
                    }
                    _ => bytes.push(b'%'),
                }
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An account's twelve digits; anything else is not told.
pub(super) fn account(text: Option<&str>) -> Option<String> {
    text.filter(|text| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .map(str::to_owned)
}

/// A region's name; anything else is not told.
pub(super) fn region(text: Option<&str>) -> Option<String> {
    text.filter(|text| {
        (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    })
    .map(str::to_owned)
}

/// A point in time.
pub(super) fn time(
    document: &'static str,
    member: &'static str,
    text: Option<&str>,
) -> Result<Timestamp, EventError> {
    let text = text.ok_or(EventError::Member { document, member })?;
    text.parse().map_err(|_| impossible(document, member, text))
}

/// A value that cannot be; a few characters of it are enough.
pub(super) fn impossible(document: &'static str, member: &'static str, value: &str) -> EventError {
    EventError::Value {
        document,
        member,
        value: value.chars().take(80).collect(),
    }
}

/// The bucket's name in `arn:PARTITION:s3:::NAME` or the name of an object's bucket there.
pub(super) fn bucket_of_arn(arn: &str) -> Option<&str> {
    let rest = arn.strip_prefix("arn:")?;
    let (_, rest) = rest.split_once(":s3:::")?;
    let name = rest.split('/').next()?;
    (!name.is_empty()).then_some(name)
}

/// The access point's name in `arn:PARTITION:s3:REGION:ACCOUNT:accesspoint/NAME`.
pub(super) fn access_point_of_arn(arn: &str) -> Option<&str> {
    let (_, rest) = arn.strip_prefix("arn:")?.split_once(":accesspoint")?;
    let name = rest.strip_prefix(['/', ':'])?.split('/').next()?;
    (!name.is_empty()).then_some(name)
}
