//! Why a part was not read, in an item; and the parts of an item as observations.
//!
//! Our member `portcullis` of an item holds `unread`: the name of each part that was not read, and
//! why, as `{"reason": "accessDenied", "action": "s3:GetBucketPolicy"}`. A part that was looked for
//! and is not there is left out where AWS Config leaves it out, and is `null` elsewhere.

use std::borrow::Cow;

use policy::observed::{Observed, Unread};
use serde_json::{Map, Value, json};

use super::ConfigurationItem;

/// Why a part was not read, as items keep it. [`from_json`] is the way back.
pub fn to_json(unread: &Unread) -> Value {
    match unread {
        Unread::NotNeeded => json!({"reason": "notNeeded"}),
        Unread::NotGiven => json!({"reason": "notGiven"}),
        Unread::SaidUnknown => json!({"reason": "saidUnknown"}),
        Unread::AccessDenied { action } => json!({"reason": "accessDenied", "action": action}),
        Unread::KnownLater { attribute } => {
            json!({"reason": "knownLater", "attribute": attribute})
        }
        Unread::Unsupported { operation } => {
            json!({"reason": "unsupported", "operation": operation})
        }
        Unread::Passing(message) => json!({"reason": "passing", "message": message}),
        Unread::Failed(message) => json!({"reason": "failed", "message": message}),
    }
}

/// Reads what [`to_json`] wrote. What it does not know is [`Unread::Failed`]: the part was not read,
/// whatever the reason.
pub fn from_json(unread: &Value) -> Unread {
    from_members(|name| unread.get(name)?.as_str())
}

/// The same over any document: `text` gives the text of a member.
pub(crate) fn from_members<'a>(text: impl Fn(&str) -> Option<&'a str>) -> Unread {
    let reason = text("reason").unwrap_or_default();
    let detail = |name: &str| text(name).unwrap_or_default().to_owned();
    match reason {
        "notNeeded" => Unread::NotNeeded,
        "notGiven" => Unread::NotGiven,
        "saidUnknown" => Unread::SaidUnknown,
        "accessDenied" => Unread::AccessDenied {
            action: detail("action"),
        },
        "knownLater" => Unread::KnownLater {
            attribute: detail("attribute"),
        },
        "unsupported" => Unread::Unsupported {
            operation: detail("operation"),
        },
        "passing" => Unread::Passing(detail("message")),
        "failed" => Unread::Failed(detail("message")),
        other => Unread::Failed(format!(
            "it was not read, for a reason that this version does not know: {other:?}"
        )),
    }
}

impl ConfigurationItem {
    /// A further part of the resource by AWS Config's name, such as `BucketVersioningConfiguration`.
    ///
    /// `Absent` if the item says that there is none; `Unknown` with the recorded reason if it was not
    /// read, and also if the item does not show it: an item that says nothing about a part proves
    /// nothing about it. Texts that hold JSON, as AWS Config's API gives them, are taken apart.
    pub fn part(&self, name: &str) -> Observed<Cow<'_, Value>> {
        observed(&self.supplementary_configuration, &self.portcullis, name)
    }

    /// Whether the item says itself that a part was not read.
    pub fn is_unread(&self, name: &str) -> bool {
        self.portcullis
            .get("unread")
            .is_some_and(|unread| unread.get(name).is_some())
    }

    /// Whether anything of the resource, in whatever layer, could not be read in passing: the next
    /// look may well read it. The first such failure, for people.
    pub fn failed_in_passing(&self) -> Option<&str> {
        failed_in_passing(&self.portcullis)
    }

    /// A part of the main description, seen likewise.
    pub fn configuration_part(&self, name: &str) -> Observed<Cow<'_, Value>> {
        match self.configuration.as_object() {
            Some(members) => observed(members, &self.portcullis, name),
            None => Observed::Unknown(Unread::Failed(format!(
                "the configuration item does not show {name}"
            ))),
        }
    }
}

/// Layers stand in layers, as deep as a document may be that was read.
fn failed_in_passing(member: &Value) -> Option<&str> {
    match member {
        Value::Object(members) if members.get("reason").is_some_and(|is| is == "passing") => {
            let message = members.get("message").and_then(Value::as_str);
            Some(message.unwrap_or_default())
        }
        Value::Object(members) => members.values().find_map(failed_in_passing),
        Value::Array(entries) => entries.iter().find_map(failed_in_passing),
        _ => None,
    }
}

fn observed<'a>(
    members: &'a Map<String, Value>,
    portcullis: &Value,
    name: &str,
) -> Observed<Cow<'a, Value>> {
    if let Some(unread) = portcullis.get("unread").and_then(|unread| unread.get(name)) {
        return Observed::Unknown(from_json(unread));
    }
    match members.get(name).map(unwrapped) {
        Some(value) if value.is_null() => Observed::Absent,
        Some(value) => Observed::Present(value),
        None => Observed::Unknown(Unread::Failed(format!(
            "the configuration item does not show {name}"
        ))),
    }
}

/// The value behind texts that hold JSON, however often wrapped (recorded items wrap twice).
fn unwrapped(value: &Value) -> Cow<'_, Value> {
    let mut current = Cow::Borrowed(value);
    for _ in 0..4 {
        let inner = match current.as_str().map(str::trim_start) {
            Some(text) if text.starts_with(['{', '[', '"']) => serde_json::from_str(text).ok(),
            Some(text) if text.trim_end() == "null" => Some(Value::Null),
            _ => None,
        };
        match inner {
            Some(inner) => current = Cow::Owned(inner),
            None => break,
        }
    }
    current
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Every reason that there is; the match makes a new one a compiler error here.
    pub(crate) fn reasons() -> Vec<Unread> {
        let next = |unread: &Unread| match unread {
            Unread::NotNeeded => Some(Unread::NotGiven),
            Unread::NotGiven => Some(Unread::SaidUnknown),
            Unread::SaidUnknown => Some(Unread::AccessDenied {
                action: "s3:GetBucketAcl".to_owned(),
            }),
            Unread::AccessDenied { .. } => Some(Unread::KnownLater {
                attribute: "aws_s3_bucket_policy.logs.policy".to_owned(),
            }),
            Unread::KnownLater { .. } => Some(Unread::Unsupported {
                operation: "GetBucketOwnershipControls".to_owned(),
            }),
            Unread::Unsupported { .. } => Some(Unread::Passing("connection reset".to_owned())),
            Unread::Passing(_) => Some(Unread::Failed("a wrong request".to_owned())),
            Unread::Failed(_) => None,
        };
        std::iter::successors(Some(Unread::NotNeeded), next).collect()
    }

    #[test]
    fn every_reason_is_read_as_it_was_written() {
        assert_eq!(reasons().len(), 8);
        for reason in reasons() {
            assert_eq!(from_json(&to_json(&reason)), reason);
        }
    }

    #[test]
    fn an_unknown_reason_is_still_not_read() {
        for unread in [json!({"reason": "eclipse"}), json!(5), json!({})] {
            assert!(matches!(from_json(&unread), Unread::Failed(_)), "{unread}");
        }
    }

    #[test]
    fn texts_that_hold_json_are_taken_apart() {
        let plain = json!({"status": "Enabled"});
        let mut wrapped = plain.clone();
        for _ in 0..3 {
            assert_eq!(unwrapped(&wrapped).as_ref(), &plain);
            wrapped = Value::from(wrapped.to_string());
        }
        assert!(unwrapped(&json!(" null ")).is_null());
        assert_eq!(unwrapped(&json!("{broken")).as_ref(), &json!("{broken"));
    }
}
