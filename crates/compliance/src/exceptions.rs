//! Exceptions: buckets that are open on purpose, for a while.
//!
//! An exception names a bucket, an owner, a reason, an expiry, and the fingerprint of the very grant
//! that it covers ([`crate::fingerprint`]). Anything wider has another fingerprint and is not
//! covered; an expired exception covers nothing. Both are said on the bucket.
//!
//! ```toml
//! [[exception]]
//! id = "public-website"
//! bucket = "www-example-com"
//! account = "111122223333"
//! owner = "web team <web@example.com>"
//! reason = "The public website."
//! expires = 2026-12-31
//! fingerprint = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
//! ```

mod tag;

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use policy::pattern::{Pattern, Reading};
use policy::public::Advisory;
use serde::Deserialize;

use crate::assessment::Assessment;
use crate::fingerprint;

pub use tag::{OWNER_TAG, REASON_TAG, TAG, tag_value};

/// The exceptions that count.
#[derive(Clone, Debug, Default)]
pub struct Exceptions {
    list: Vec<Exception>,
}

/// One exception.
#[derive(Clone, Debug)]
pub struct Exception {
    /// Its id, unique.
    pub id: String,
    /// The buckets: `*` and `?` are wildcards.
    pub bucket: Pattern,
    /// The account, if it is limited to one.
    pub account: Option<String>,
    /// Who answers for it.
    pub owner: String,
    /// Why the bucket is open.
    pub reason: String,
    /// From this moment on it covers nothing.
    pub expires: Timestamp,
    /// The fingerprint of the grant that it covers.
    pub fingerprint: String,
}

/// Why an exceptions file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExceptionsError {
    /// Not TOML, or not the members that an exception has.
    #[error("{0}")]
    Syntax(String),
    /// A member has no usable value.
    #[error("exception {id:?}: {member} {wrong}")]
    Member {
        /// The exception's id.
        id: String,
        /// The member's name.
        member: &'static str,
        /// What is wrong with it.
        wrong: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    exception: Vec<ExceptionEntry>,
}

/// An exception as a file has it; [`Exceptions::new`] checks it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExceptionEntry {
    /// See [`Exception::id`].
    pub id: String,
    /// See [`Exception::bucket`].
    pub bucket: String,
    /// See [`Exception::account`].
    pub account: Option<String>,
    /// See [`Exception::owner`].
    pub owner: String,
    /// See [`Exception::reason`].
    pub reason: String,
    /// See [`Exception::expires`]: a date, which lasts until its end in UTC, or a time with a zone;
    /// either as TOML's own or as a text.
    pub expires: toml::Value,
    /// See [`Exception::fingerprint`].
    pub fingerprint: String,
}

impl ExceptionEntry {
    /// The exceptions of a file, not yet checked.
    pub fn parse(text: &str) -> Result<Vec<ExceptionEntry>, ExceptionsError> {
        toml::from_str::<File>(text)
            .map(|file| file.exception)
            .map_err(|wrong| ExceptionsError::Syntax(wrong.to_string().trim_end().to_owned()))
    }
}

impl Exceptions {
    /// Reads an exceptions file.
    pub fn parse(text: &str) -> Result<Exceptions, ExceptionsError> {
        Exceptions::new(ExceptionEntry::parse(text)?)
    }

    /// Checks exceptions, from one place or from several.
    pub fn new(entries: Vec<ExceptionEntry>) -> Result<Exceptions, ExceptionsError> {
        let mut list: Vec<Exception> = Vec::with_capacity(entries.len());
        for entry in entries {
            let wrong = |member, wrong: &str| ExceptionsError::Member {
                id: entry.id.clone(),
                member,
                wrong: wrong.to_owned(),
            };
            for (member, value) in [
                ("id", &entry.id),
                ("bucket", &entry.bucket),
                ("owner", &entry.owner),
                ("reason", &entry.reason),
            ] {
                if value.trim().is_empty() {
                    return Err(wrong(member, "is empty"));
                }
            }
            if list.iter().any(|before| before.id == entry.id) {
                return Err(wrong("id", "stands there twice"));
            }
            if !is_fingerprint(&entry.fingerprint) {
                return Err(wrong(
                    "fingerprint",
                    "is not sha256: and 64 hexadecimal digits; \
                     `portcullis check --print-exception BUCKET` prints it",
                ));
            }
            let expires = moment(&entry.expires).ok_or_else(|| {
                wrong(
                    "expires",
                    "is neither a date like 2026-12-31 nor a time with a zone",
                )
            })?;
            list.push(Exception {
                bucket: Pattern::new(&entry.bucket, Reading::Wildcards, false),
                id: entry.id,
                account: entry.account,
                owner: entry.owner,
                reason: entry.reason,
                expires,
                fingerprint: entry.fingerprint.to_ascii_lowercase(),
            });
        }
        Ok(Exceptions { list })
    }

    /// The exceptions, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Exception> {
        self.list.iter()
    }

    /// Puts the exception that covers what is open on an assessment. One that names the bucket but is
    /// expired, or covers another grant, becomes an advisory instead.
    pub fn apply(&self, assessment: &mut Assessment, now: Timestamp) {
        self.apply_with(None, assessment, now);
    }

    /// The same, with what the bucket's tags except if the configuration lets tags except: then they
    /// are given.
    pub fn apply_with(
        &self,
        tags: Option<&BTreeMap<String, String>>,
        assessment: &mut Assessment,
        now: Timestamp,
    ) {
        let tagged = tags.and_then(|tags| Exception::of_tags(&assessment.bucket.name, tags));
        let mut naming: Vec<&Exception> =
            self.list.iter().filter(|e| e.names(assessment)).collect();
        if naming.is_empty() && tagged.is_none() {
            return;
        }
        let verdict = &assessment.verdict;
        if !verdict.read.counts_as_open() && !verdict.write.counts_as_open() {
            return;
        }
        let found = fingerprint::of(&assessment.bucket, verdict);
        let mut advisories = Vec::new();
        match &tagged {
            Some(Ok(exception)) => naming.push(exception),
            Some(Err(wrong)) => advisories.push(Advisory {
                code: "exception-tag",
                message: wrong.clone(),
                path: None,
            }),
            None => {}
        }
        let mut covering = None;
        for exception in naming {
            let covers = found.as_ref() == Some(&exception.fingerprint);
            if exception.covers(found.as_deref(), now) {
                covering = Some(exception.id.clone());
                break;
            }
            advisories.push(if covers {
                Advisory {
                    code: "exception-expired",
                    message: format!(
                        "exception {:?} of {} expired on {}",
                        exception.id, exception.owner, exception.expires
                    ),
                    path: None,
                }
            } else {
                let found = found.as_deref();
                Advisory {
                    code: "exception-void",
                    message: format!(
                        "exception {:?} of {} covers another grant: what is open now {}",
                        exception.id,
                        exception.owner,
                        match found {
                            Some(found) => format!("has the fingerprint {found}"),
                            None => "could not be read in full".to_owned(),
                        }
                    ),
                    path: None,
                }
            });
        }
        if covering.is_none() {
            assessment.verdict.advisories.extend(advisories);
        }
        assessment.exception = covering;
    }
}

impl Exception {
    /// Whether it covers what has this fingerprint, at this moment.
    pub fn covers(&self, fingerprint: Option<&str>, now: Timestamp) -> bool {
        fingerprint == Some(self.fingerprint.as_str()) && now < self.expires
    }

    fn names(&self, assessment: &Assessment) -> bool {
        let account = self.account.as_ref();
        self.bucket.matches(&assessment.bucket.name)
            && account.is_none_or(|own| assessment.bucket.owner_account.as_ref() == Some(own))
    }
}

fn is_fingerprint(text: &str) -> bool {
    let digits = text.strip_prefix("sha256:");
    digits.is_some_and(|d| d.len() == 64 && d.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// A time; a date alone lasts until its end in UTC.
fn moment(value: &toml::Value) -> Option<Timestamp> {
    let text = match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Datetime(value) => value.to_string(),
        _ => return None,
    };
    if let Ok(date) = text.parse::<Date>()
        && text.len() == 10
    {
        let next = date.checked_add(1.day()).ok()?;
        return format!("{next}T00:00:00Z").parse().ok();
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn file(member: &str, value: &str) -> String {
        let mut members = vec![
            ("id", "\"e1\"".to_owned()),
            ("bucket", "\"www-*\"".to_owned()),
            ("owner", "\"web\"".to_owned()),
            ("reason", "\"site\"".to_owned()),
            ("expires", "2026-12-31".to_owned()),
            ("fingerprint", format!("\"sha256:{}\"", "0a".repeat(32))),
        ];
        members.retain(|(name, _)| *name != member);
        members.push((member, value.to_owned()));
        members
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .fold("[[exception]]\n".to_owned(), |text, (name, value)| {
                format!("{text}{name} = {value}\n")
            })
    }

    #[test]
    fn a_date_lasts_until_its_end() {
        let parsed = Exceptions::parse(&file("expires", "2026-12-31")).unwrap();
        assert_eq!(parsed.list[0].expires.to_string(), "2027-01-01T00:00:00Z");
        let parsed = Exceptions::parse(&file("expires", "\"2026-12-31T12:00:00+01:00\"")).unwrap();
        assert_eq!(parsed.list[0].expires.to_string(), "2026-12-31T11:00:00Z");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (member, value, part) in [
            ("owner", "", "missing field `owner`"),
            ("expires", "", "missing field `expires`"),
            ("fingerprint", "", "missing field `fingerprint`"),
            ("reason", "\" \"", "reason is empty"),
            ("until", "1", "unknown field `until`"),
            ("fingerprint", "\"sha256:12\"", "--print-exception"),
            ("expires", "\"soon\"", "neither a date"),
            ("expires", "2026-13-31", "TOML parse error at line"),
            ("expires", "2026-12-31T00:00:00", "neither a date"),
        ] {
            let wrong = Exceptions::parse(&file(member, value))
                .unwrap_err()
                .to_string();
            assert!(wrong.contains(part), "{member} = {value}: {wrong}");
        }
        let twice = file("owner", "\"a\"") + &file("owner", "\"b\"");
        assert!(
            Exceptions::parse(&twice)
                .unwrap_err()
                .to_string()
                .contains("twice")
        );
    }
}
