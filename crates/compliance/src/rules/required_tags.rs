//! Resources have the tags that they must have.
//!
//! Up to six keys, each with the values that it may have. Keys and values are compared with case, as
//! AWS compares tags.

use policy::observed::Unread;

use super::{
    About, Outcome, Parameter, ParameterKind, Parameters, Rule, Severity, Subject, Trigger,
};
use crate::item::{
    ACCOUNT, ACCOUNT_PUBLIC_ACCESS_BLOCK, BUCKET, ConfigurationItem, VOLUME, unread,
};

/// The rule `required-tags`.
#[derive(Clone, Copy, Debug)]
pub struct RequiredTags;

const KEYS: [(&str, &str); 6] = [
    ("tag1Key", "tag1Value"),
    ("tag2Key", "tag2Value"),
    ("tag3Key", "tag3Value"),
    ("tag4Key", "tag4Value"),
    ("tag5Key", "tag5Value"),
    ("tag6Key", "tag6Value"),
];

const fn key(name: &'static str, default: Option<&'static str>) -> Parameter {
    Parameter {
        name,
        description: "Key of a tag that must be there.",
        kind: ParameterKind::Text,
        default,
    }
}

const fn value(name: &'static str) -> Parameter {
    Parameter {
        name,
        description: "Values that this tag may have; without it, any.",
        kind: ParameterKind::List,
        default: None,
    }
}

const ABOUT: About = About {
    name: "required-tags",
    identifier: "REQUIRED_TAGS",
    description: "Resources have the tags that they must have.",
    detail: "A resource fails when one of the tags is missing or has another value. Any recorded type \
             is evaluated; an account and its Block Public Access have no tags and are not \
             applicable. Name types with `resource-types`.",
    resource_types: &[],
    trigger: Trigger::ConfigurationChanges,
    reads: &["s3:GetBucketTagging", "ec2:DescribeVolumes"],
    parameters: &[
        key("tag1Key", Some("CostCenter")),
        value("tag1Value"),
        key("tag2Key", None),
        value("tag2Value"),
        key("tag3Key", None),
        value("tag3Value"),
        key("tag4Key", None),
        value("tag4Value"),
        key("tag5Key", None),
        value("tag5Value"),
        key("tag6Key", None),
        value("tag6Value"),
    ],
    severity: Severity::Low,
    annotations: &[
        "Tags are missing: KEY, KEY.",
        "Tags are missing: KEY. Tags have other values: KEY.",
    ],
    source: "https://docs.aws.amazon.com/config/latest/developerguide/required-tags.html",
};

impl Rule for RequiredTags {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, parameters: &Parameters) -> Result<(), String> {
        match KEYS
            .iter()
            .find(|(key, value)| parameters.text(value).is_some() && parameters.text(key).is_none())
        {
            Some((key, value)) => Err(format!("`{value}` needs `{key}`")),
            None => Ok(()),
        }
    }

    fn decide(&self, subject: &Subject<'_>, parameters: &Parameters) -> Outcome {
        let item = subject.item;
        if matches!(
            item.key.resource_type.as_str(),
            ACCOUNT | ACCOUNT_PUBLIC_ACCESS_BLOCK
        ) {
            return Outcome::not_applicable();
        }
        if let Some(outcome) = unread(item) {
            return outcome;
        }
        let (mut missing, mut different) = (Vec::new(), Vec::new());
        for (key, values) in KEYS {
            let Some(key) = parameters.text(key) else {
                continue;
            };
            match item.tags.get(key) {
                None => missing.push(key),
                Some(found) => {
                    let any = parameters.text(values).is_none();
                    if !any && !parameters.list(values).any(|one| one == found) {
                        different.push(key);
                    }
                }
            }
        }
        let mut sentences = Vec::new();
        if !missing.is_empty() {
            sentences.push(format!("Tags are missing: {}.", missing.join(", ")));
        }
        if !different.is_empty() {
            sentences.push(format!("Tags have other values: {}.", different.join(", ")));
        }
        if sentences.is_empty() {
            Outcome::compliant()
        } else {
            Outcome::non_compliant(sentences.join(" "))
        }
    }
}

/// The part of a bucket's item under which it stands that its tags were not read.
const BUCKET_TAGS: &str = "BucketTaggingConfiguration";
/// The same of any other resource.
const TAGS: &str = "tags";

/// The answer where the tags of a resource were not read; `None` if they were.
pub(super) fn unread(item: &ConfigurationItem) -> Option<Outcome> {
    let unread: Unread = [BUCKET_TAGS, TAGS].iter().find_map(|name| {
        let why = item.portcullis.get("unread")?.get(*name)?;
        Some(unread::from_json(why))
    })?;
    let action = match item.key.resource_type.as_str() {
        BUCKET => "s3:GetBucketTagging",
        VOLUME => "ec2:DescribeVolumes",
        _ => "tag:GetResources",
    };
    Some(Outcome::unread("the tags were", &unread, action))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;
    use crate::rules::testing::{check, denied, item, parameters};

    fn tagged(tags: &[(&str, &str)]) -> ConfigurationItem {
        let mut tagged = item(BUCKET);
        tagged.tags = tags
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        tagged
    }

    #[test]
    fn each_tag_must_be_there_with_one_of_its_values() {
        let two = parameters(
            &RequiredTags,
            &[
                ("tag1Key", "team"),
                ("tag1Value", "web, ops"),
                ("tag2Key", "owner"),
            ],
        );
        for (tags, expected) in [
            (&[("team", "ops"), ("owner", "")][..], "COMPLIANT"),
            (&[("team", "ops")], "NON_COMPLIANT Tags are missing: owner."),
            (
                &[("Team", "ops"), ("owner", "x")],
                "NON_COMPLIANT Tags are missing: team.",
            ),
            (
                &[("team", "Ops")],
                "NON_COMPLIANT Tags are missing: owner. Tags have other values: team.",
            ),
            (&[], "NON_COMPLIANT Tags are missing: team, owner."),
        ] {
            check(&RequiredTags, &tagged(tags), &two, expected);
        }
        let default = parameters(&RequiredTags, &[]);
        check(
            &RequiredTags,
            &tagged(&[("CostCenter", "7")]),
            &default,
            "COMPLIANT",
        );
    }

    #[test]
    fn tags_that_were_not_read_decide_nothing() {
        let default = parameters(&RequiredTags, &[]);
        check(
            &RequiredTags,
            &denied(tagged(&[]), BUCKET_TAGS, "s3:GetBucketTagging"),
            &default,
            "INSUFFICIENT_DATA Not decided: the tags were not read (access denied: s3:GetBucketTagging is missing)",
        );
        let mut failed = tagged(&[]);
        failed.portcullis =
            json!({"unread": {"tags": {"reason": "failed", "message": "connection reset"}}});
        check(
            &RequiredTags,
            &failed,
            &default,
            "INSUFFICIENT_DATA Not decided: the tags were not read (connection reset; s3:GetBucketTagging reads it)",
        );
    }

    #[test]
    fn what_has_no_tags_is_not_applicable() {
        let default = parameters(&RequiredTags, &[]);
        for resource_type in [ACCOUNT, ACCOUNT_PUBLIC_ACCESS_BLOCK] {
            check(
                &RequiredTags,
                &item(resource_type),
                &default,
                "NOT_APPLICABLE",
            );
        }
        check(
            &RequiredTags,
            &item(VOLUME),
            &default,
            "NON_COMPLIANT Tags are missing: CostCenter.",
        );
    }

    #[test]
    fn values_need_their_key() {
        let wrong = RequiredTags
            .check(&parameters(&RequiredTags, &[("tag3Value", "x")]))
            .unwrap_err();
        assert_eq!(wrong, "`tag3Value` needs `tag3Key`");
    }
}
