//! EBS volumes that are attached are encrypted.

use policy::observed::Observed;

use super::{
    About, Outcome, Parameter, ParameterKind, Parameters, Rule, Severity, Subject, Trigger,
};
use crate::item::VOLUME;

/// The rule `encrypted-volumes`.
#[derive(Clone, Copy, Debug)]
pub struct EncryptedVolumes;

const READS: &str = "ec2:DescribeVolumes";

const ABOUT: About = About {
    name: "encrypted-volumes",
    identifier: "ENCRYPTED_VOLUMES",
    description: "EBS volumes that are attached are encrypted.",
    detail: "A volume that is attached to an instance fails when it is not encrypted, or is encrypted \
             with another key than `kmsId` names. One that is not attached is not applicable.",
    resource_types: &[VOLUME],
    trigger: Trigger::ConfigurationChanges,
    reads: &[READS],
    parameters: &[Parameter {
        name: "kmsId",
        description: "Ids or ARNs of the KMS keys that volumes may be encrypted with.",
        kind: ParameterKind::List,
        default: None,
    }],
    severity: Severity::Medium,
    annotations: &[
        "The EBS volume is not encrypted.",
        "The EBS volume is encrypted with another key: ARN.",
    ],
    source: "https://docs.aws.amazon.com/config/latest/developerguide/encrypted-volumes.html",
};

impl Rule for EncryptedVolumes {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn decide(&self, subject: &Subject<'_>, parameters: &Parameters) -> Outcome {
        let item = subject.item;
        let attachments = match item.configuration_part("attachments") {
            Observed::Unknown(unread) => {
                return Outcome::unread("the volume's attachments were", &unread, READS);
            }
            Observed::Absent => 0,
            Observed::Present(attachments) => attachments.as_array().map_or(0, Vec::len),
        };
        if attachments == 0 {
            return Outcome::not_applicable();
        }
        let encrypted = match item.configuration_part("encrypted") {
            Observed::Unknown(unread) => {
                return Outcome::unread("the volume's encryption was", &unread, READS);
            }
            Observed::Absent => false,
            Observed::Present(value) => value.as_bool().unwrap_or(false),
        };
        if !encrypted {
            return Outcome::non_compliant("The EBS volume is not encrypted.");
        }
        if parameters.text("kmsId").is_none() {
            return Outcome::compliant();
        }
        match item.configuration_part("kmsKeyId") {
            Observed::Unknown(unread) => Outcome::unread("the volume's key was", &unread, READS),
            key => {
                let key = key
                    .present()
                    .and_then(|value| value.as_str().map(str::to_owned))
                    .unwrap_or_default();
                if parameters.list("kmsId").any(|wanted| names(wanted, &key)) {
                    Outcome::compliant()
                } else {
                    Outcome::non_compliant(format!(
                        "The EBS volume is encrypted with another key: {key}."
                    ))
                }
            }
        }
    }
}

/// Whether an id or ARN names the key of an ARN.
fn names(wanted: &str, key: &str) -> bool {
    wanted == key || key.rsplit_once(":key/").is_some_and(|(_, id)| id == wanted)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::item::ConfigurationItem;
    use crate::item::volume::{self, Attachment, VolumeFacts};
    use crate::rules::testing::{check, parameters, undecided_without};

    const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd";

    fn volume(encrypted: bool, key: Option<&str>, attached: bool) -> ConfigurationItem {
        let facts = VolumeFacts {
            id: "vol-1".to_owned(),
            encrypted,
            kms_key: key.map(str::to_owned),
            attachments: vec![Attachment::default(); usize::from(attached)],
            ..VolumeFacts::default()
        };
        volume::item(
            "aws",
            "111122223333",
            "us-east-1",
            &facts,
            Timestamp::UNIX_EPOCH,
        )
    }

    #[test]
    fn attached_volumes_are_encrypted() {
        let any = parameters(&EncryptedVolumes, &[]);
        check(
            &EncryptedVolumes,
            &volume(true, Some(KEY), true),
            &any,
            "COMPLIANT",
        );
        check(
            &EncryptedVolumes,
            &volume(false, None, true),
            &any,
            "NON_COMPLIANT The EBS volume is not encrypted.",
        );
        check(
            &EncryptedVolumes,
            &volume(false, None, false),
            &any,
            "NOT_APPLICABLE",
        );
    }

    #[test]
    fn the_key_is_one_of_those_named() {
        for wanted in ["1234abcd", KEY, "x, 1234abcd"] {
            let named = parameters(&EncryptedVolumes, &[("kmsId", wanted)]);
            check(
                &EncryptedVolumes,
                &volume(true, Some(KEY), true),
                &named,
                "COMPLIANT",
            );
        }
        for wanted in ["abcd", "key/1234abcd", "1234ABCD"] {
            let named = parameters(&EncryptedVolumes, &[("kmsId", wanted)]);
            check(
                &EncryptedVolumes,
                &volume(true, Some(KEY), true),
                &named,
                &format!("NON_COMPLIANT The EBS volume is encrypted with another key: {KEY}."),
            );
        }
    }

    #[test]
    fn what_was_not_read_decides_nothing() {
        let named = parameters(&EncryptedVolumes, &[("kmsId", "1234abcd")]);
        for part in ["attachments", "encrypted", "kmsKeyId"] {
            undecided_without(
                &EncryptedVolumes,
                &volume(true, Some(KEY), true),
                &named,
                part,
                READS,
            );
        }
    }
}
