//! Exceptions as tags on the bucket itself, where the configuration lets tags except.
//!
//! | tag | value |
//! |---|---|
//! | `portcullis:public-until` | the expiry, the fingerprint, and if there is room the owner |
//! | `portcullis:public-owner` | who answers for it, if it does not stand there |
//! | `portcullis:public-reason` | why the bucket is open |
//!
//! Values have up to 256 characters: letters, digits, spaces and `+ - = . _ : / @` (Amazon S3 user
//! guide, "Using cost allocation S3 bucket tags"); expiry and fingerprint take 82 of them.

use std::collections::BTreeMap;

use policy::pattern::{Pattern, Reading};

use super::{Exception, is_fingerprint, moment};

/// The tag that makes an exception; also the exception's id.
pub const TAG: &str = "portcullis:public-until";
/// The tag that names its owner.
pub const OWNER_TAG: &str = "portcullis:public-owner";
/// The tag that says why.
pub const REASON_TAG: &str = "portcullis:public-reason";

/// The value of [`TAG`] for an expiry such as `2026-12-31` and a fingerprint.
pub fn tag_value(expires: &str, fingerprint: &str) -> String {
    format!("{expires} {fingerprint}")
}

impl Exception {
    /// The exception that a bucket's tags make; `None`: they make none. The error says why the tag
    /// does not count.
    pub fn of_tags(
        bucket: &str,
        tags: &BTreeMap<String, String>,
    ) -> Option<Result<Exception, String>> {
        let value = tags.get(TAG)?;
        let mut words = value.split_whitespace();
        let (until, fingerprint) = (words.next().unwrap_or_default(), words.next());
        let Some(expires) = moment(&toml::Value::from(until)) else {
            return Some(Err(format!(
                "the tag {TAG} does not count: it does not begin with a date like 2026-12-31 or a time with a zone"
            )));
        };
        let Some(fingerprint) = fingerprint.filter(|text| is_fingerprint(text)) else {
            return Some(Err(format!(
                "the tag {TAG} does not count: after the date stands no fingerprint (sha256: and 64 \
                 hexadecimal digits; `portcullis check --print-exception BUCKET` prints it)"
            )));
        };
        let named: Vec<&str> = words.collect();
        let text = |tag: &str| tags.get(tag).map(|text| text.trim().to_owned());
        let owner = text(OWNER_TAG).unwrap_or_else(|| named.join(" "));
        Some(Ok(Exception {
            id: TAG.to_owned(),
            bucket: Pattern::new(bucket, Reading::Literal, false),
            account: None,
            owner: match owner.is_empty() {
                true => "nobody named".to_owned(),
                false => owner,
            },
            reason: text(REASON_TAG).unwrap_or_default(),
            expires,
            fingerprint: fingerprint.to_ascii_lowercase(),
        }))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn of(tags: &[(&str, &str)]) -> Option<Result<Exception, String>> {
        let tags = tags
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Exception::of_tags("www", &tags.collect())
    }

    #[test]
    fn a_tag_carries_expiry_fingerprint_and_owner() {
        let fingerprint = format!("sha256:{}", "0A".repeat(32));
        let value = tag_value("2026-12-31", &fingerprint);
        assert!(value.len() <= 256);
        let long = format!("{value} web team");
        let exception = of(&[(TAG, &long)]).unwrap().unwrap();
        assert_eq!(exception.expires.to_string(), "2027-01-01T00:00:00Z");
        assert_eq!(exception.fingerprint, fingerprint.to_ascii_lowercase());
        assert_eq!(exception.owner, "web team");
        assert!(exception.bucket.matches("www") && !exception.bucket.matches("www2"));
        let tags = [
            (TAG, value.as_str()),
            (OWNER_TAG, "ops"),
            (REASON_TAG, "the site"),
        ];
        let exception = of(&tags).unwrap().unwrap();
        assert_eq!(
            (exception.owner, exception.reason),
            ("ops".to_owned(), "the site".to_owned())
        );
        assert!(of(&[(OWNER_TAG, "ops")]).is_none());
    }

    #[test]
    fn a_tag_without_a_date_or_fingerprint_does_not_count() {
        for (value, part) in [
            ("", "date"),
            ("soon", "date"),
            ("2026-12-31", "fingerprint"),
            ("2026-12-31 sha256:12", "fingerprint"),
            ("2026-12-31 yes", "fingerprint"),
        ] {
            let wrong = of(&[(TAG, value)]).unwrap().unwrap_err();
            assert!(wrong.contains(part), "{value:?}: {wrong}");
        }
    }
}
