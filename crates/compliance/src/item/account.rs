//! An account as recorded resources: its Block Public Access, and its root user.
//!
//! [`public_access_block`] is `AWS::S3::AccountPublicAccessBlock` as AWS Config records it: the four
//! settings are the `configuration`. AWS Config has no such item of an account that never had a block;
//! here it has one whose `configuration` is `null`, so that rules can say so.
//!
//! [`account`] is `AWS::::Account`, which AWS Config evaluates but does not record. Its
//! `configuration` is ours:
//!
//! | member | holds | read by |
//! |---|---|---|
//! | `accountSummary` | numbers of IAM's summary: `AccountMFAEnabled`, `AccountAccessKeysPresent`, `AccountPasswordPresent`, `AccountSigningCertificatesPresent` | `iam:GetAccountSummary` |
//! | `credentialReport` | `{"generatedTime", "root": {column: value}}`: the row of the root user; `root` is `null` if the report has no such row | `iam:GenerateCredentialReport`, `iam:GetCredentialReport` |
//! | `virtualMFADevices` | `[{"serialNumber", "userArn"}]`: virtual devices that are assigned to the root user | `iam:ListVirtualMFADevices` |
//! | `rootCredentialsManagement` | `{"rootCredentialsManagement": bool, "rootSessions": bool}`: whether the organization manages root credentials centrally; `null` if the account is in none | `iam:ListOrganizationsFeatures` |
//!
//! What was not read is in `portcullis.unread` under the member's name. `generatedTime` is no part of
//! the content hash: IAM makes a new report every few hours, and an equal report is no change.

use std::collections::BTreeMap;

use jiff::Timestamp;
use policy::bucket::PublicAccessBlock;
use policy::observed::{Observed, Unread};
use serde_json::{Map, Value, json};

use super::bucket::block_member;
use super::{
    ACCOUNT, ACCOUNT_PUBLIC_ACCESS_BLOCK, ConfigurationItem, ItemStatus, ResourceKey, millis,
    unread,
};

/// The member that holds numbers of IAM's summary.
pub const SUMMARY: &str = "accountSummary";
/// The member that holds the root user's row of the credential report.
pub const REPORT: &str = "credentialReport";
/// The member that holds the root user's virtual MFA devices.
pub const VIRTUAL_DEVICES: &str = "virtualMFADevices";
/// The member that says whether root credentials are managed centrally.
pub const CENTRAL: &str = "rootCredentialsManagement";

/// The numbers of IAM's summary that an item keeps: others, such as how many users there are, change
/// all the time and say nothing about the root user.
pub const SUMMARY_KEYS: [&str; 4] = [
    "AccountMFAEnabled",
    "AccountAccessKeysPresent",
    "AccountPasswordPresent",
    "AccountSigningCertificatesPresent",
];

/// What was read about an account's root user.
#[derive(Clone, Debug)]
pub struct RootFacts {
    /// IAM's summary; whatever is in it, [`SUMMARY_KEYS`] are kept.
    pub summary: Observed<BTreeMap<String, i64>>,
    /// The credential report. `Absent`: there is none yet, or it is not ready.
    pub report: Observed<CredentialReport>,
    /// The virtual MFA devices that are assigned to anybody; the root user's are kept.
    pub virtual_devices: Observed<Vec<VirtualDevice>>,
    /// How the organization manages root credentials. `Absent`: the account is in no organization.
    pub central: Observed<CentralManagement>,
}

/// A credential report, and when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialReport {
    /// When IAM made it, if it said so.
    pub generated: Option<Timestamp>,
    /// The CSV text.
    pub text: String,
}

/// A virtual MFA device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualDevice {
    /// Its serial number.
    pub serial_number: String,
    /// Whose it is.
    pub user_arn: Option<String>,
}

/// Central management of root credentials (`iam:ListOrganizationsFeatures`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CentralManagement {
    /// `RootCredentialsManagement` is on.
    pub credentials: bool,
    /// `RootSessions` is on.
    pub sessions: bool,
}

/// The item of an account's Block Public Access. `Absent`: it has none.
pub fn public_access_block(
    account: &str,
    block: Observed<PublicAccessBlock>,
    at: Timestamp,
) -> ConfigurationItem {
    let (configuration, why) = match block {
        Observed::Present(block) => (block_member(&block), None),
        Observed::Absent => (Value::Null, None),
        Observed::Unknown(unread) => (Value::Null, Some(unread)),
    };
    let mut item = empty(account, ACCOUNT_PUBLIC_ACCESS_BLOCK, at);
    item.configuration = configuration;
    if let Some(why) = why {
        item.portcullis = json!({"unread": {"configuration": unread::to_json(&why)}});
    }
    item
}

/// The recorded block of an account.
pub(crate) fn recorded_block(item: &ConfigurationItem) -> Observed<&Value> {
    if let Some(why) = item
        .portcullis
        .get("unread")
        .and_then(|unread| unread.get("configuration"))
    {
        return Observed::Unknown(unread::from_json(why));
    }
    match &item.configuration {
        Value::Null => Observed::Absent,
        block => Observed::Present(block),
    }
}

/// The item of an account.
pub fn account(id: &str, facts: RootFacts, at: Timestamp) -> ConfigurationItem {
    let mut configuration = Map::new();
    let mut why = Map::new();
    let mut put = |name: &str, value: Observed<Value>| match value {
        Observed::Present(value) => {
            configuration.insert(name.to_owned(), value);
        }
        Observed::Absent => {
            configuration.insert(name.to_owned(), Value::Null);
        }
        Observed::Unknown(unread) => {
            why.insert(name.to_owned(), unread::to_json(&unread));
        }
    };
    put(
        SUMMARY,
        facts.summary.map(|summary| {
            SUMMARY_KEYS
                .iter()
                .filter_map(|key| Some(((*key).to_owned(), json!(summary.get(*key)?))))
                .collect::<Map<String, Value>>()
                .into()
        }),
    );
    let report = match facts.report {
        Observed::Absent => Observed::Unknown(Unread::Failed(
            "the credential report is not ready yet".to_owned(),
        )),
        other => other,
    };
    put(
        REPORT,
        report.map(|report| {
            json!({
                "generatedTime": report.generated.map(millis),
                "root": root_row(&report.text),
            })
        }),
    );
    put(
        VIRTUAL_DEVICES,
        facts.virtual_devices.map(|devices| {
            devices
                .iter()
                .filter(|device| is_roots(device))
                .map(|device| json!({"serialNumber": device.serial_number, "userArn": device.user_arn}))
                .collect()
        }),
    );
    put(
        CENTRAL,
        facts.central.map(|central| {
            json!({
                "rootCredentialsManagement": central.credentials,
                "rootSessions": central.sessions,
            })
        }),
    );
    let mut item = empty(id, ACCOUNT, at);
    item.configuration = Value::Object(configuration);
    if !why.is_empty() {
        item.portcullis = json!({"unread": why});
    }
    item
}

fn empty(account: &str, resource_type: &str, at: Timestamp) -> ConfigurationItem {
    ConfigurationItem {
        key: ResourceKey {
            account: account.to_owned(),
            region: "global".to_owned(),
            resource_type: resource_type.to_owned(),
            resource_id: account.to_owned(),
        },
        status: ItemStatus::Ok,
        capture_time: at,
        resource_name: None,
        arn: String::new(),
        creation_time: None,
        tags: BTreeMap::new(),
        related_events: Vec::new(),
        relationships: Vec::new(),
        configuration: Value::Null,
        supplementary_configuration: Map::new(),
        portcullis: Value::Null,
    }
}

/// Whether a virtual device is the root user's: it is assigned to the account's root in whatever
/// partition, or has the name that the console gives root's device.
fn is_roots(device: &VirtualDevice) -> bool {
    device
        .user_arn
        .as_deref()
        .is_some_and(|arn| arn.ends_with(":root"))
        || device
            .serial_number
            .ends_with(":mfa/root-account-mfa-device")
}

/// The root user's row of a credential report, column by column (IAM user guide, "Getting credential
/// reports"). No field of the report holds a comma; `null`: there is no such row.
fn root_row(text: &str) -> Value {
    let mut lines = text.lines().map(str::trim_end);
    let Some(header) = lines.next() else {
        return Value::Null;
    };
    let columns: Vec<&str> = header.split(',').collect();
    for line in lines {
        let values: Vec<&str> = line.split(',').collect();
        if values.first() == Some(&"<root_account>") && values.len() == columns.len() {
            return columns
                .iter()
                .zip(values)
                .map(|(column, value)| ((*column).to_owned(), Value::from(value)))
                .collect::<Map<String, Value>>()
                .into();
        }
    }
    Value::Null
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT_TEXT: &str = "user,arn,password_enabled,mfa_active,access_key_1_active\n\
        <root_account>,arn:aws:iam::111122223333:root,not_supported,true,false\r\n\
        alice,arn:aws:iam::111122223333:user/alice,true,false,true\n";

    fn facts() -> RootFacts {
        RootFacts {
            summary: Observed::Present(BTreeMap::from([
                ("AccountMFAEnabled".to_owned(), 1),
                ("Users".to_owned(), 12),
            ])),
            report: Observed::Present(CredentialReport {
                generated: Some(Timestamp::UNIX_EPOCH),
                text: REPORT_TEXT.to_owned(),
            }),
            virtual_devices: Observed::Present(vec![
                VirtualDevice {
                    serial_number: "arn:aws:iam::111122223333:mfa/alice".to_owned(),
                    user_arn: Some("arn:aws:iam::111122223333:user/alice".to_owned()),
                },
                VirtualDevice {
                    serial_number: "arn:aws-cn:iam::111122223333:mfa/x".to_owned(),
                    user_arn: Some("arn:aws-cn:iam::111122223333:root".to_owned()),
                },
            ]),
            central: Observed::Absent,
        }
    }

    #[test]
    fn an_account_keeps_what_is_the_root_users() {
        let item = account("111122223333", facts(), Timestamp::UNIX_EPOCH);
        assert_eq!(
            item.configuration,
            json!({
                "accountSummary": {"AccountMFAEnabled": 1},
                "credentialReport": {"generatedTime": "1970-01-01T00:00:00.000Z", "root": {
                    "user": "<root_account>", "arn": "arn:aws:iam::111122223333:root",
                    "password_enabled": "not_supported", "mfa_active": "true",
                    "access_key_1_active": "false"}},
                "virtualMFADevices": [{"serialNumber": "arn:aws-cn:iam::111122223333:mfa/x",
                    "userArn": "arn:aws-cn:iam::111122223333:root"}],
                "rootCredentialsManagement": null,
            })
        );
        assert!(item.portcullis.is_null());
    }

    #[test]
    fn a_report_without_the_row_or_not_ready_is_told_apart() {
        let mut without = facts();
        without.report = Observed::Present(CredentialReport {
            generated: None,
            text: "user,mfa_active\nalice,true\n<root_account>,true,false\n".to_owned(),
        });
        let item = account("111122223333", without, Timestamp::UNIX_EPOCH);
        assert!(
            item.configuration[REPORT]["root"].is_null(),
            "a row that does not fit is none"
        );
        let mut pending = facts();
        pending.report = Observed::Absent;
        let item = account("111122223333", pending, Timestamp::UNIX_EPOCH);
        assert!(item.configuration_part(REPORT).is_unknown());
    }

    #[test]
    fn a_newer_report_that_says_the_same_is_no_change() {
        let one = account("111122223333", facts(), Timestamp::UNIX_EPOCH);
        let mut later = facts();
        if let Observed::Present(report) = &mut later.report {
            report.generated = "2026-01-01T00:00:00Z".parse().ok();
        }
        let two = account("111122223333", later, Timestamp::UNIX_EPOCH);
        assert_ne!(one.configuration, two.configuration);
        assert_eq!(one.content_hash(), two.content_hash());
        assert_eq!(super::super::diff(&one, &two), []);
        let mut other = facts();
        if let Observed::Present(report) = &mut other.report {
            report.text = report
                .text
                .replace("not_supported,true", "not_supported,false");
        }
        let three = account("111122223333", other, Timestamp::UNIX_EPOCH);
        assert_ne!(one.content_hash(), three.content_hash());
    }

    #[test]
    fn a_block_is_there_or_not_or_not_read() {
        let at = Timestamp::UNIX_EPOCH;
        let block = |block| public_access_block("1", block, at);
        let on = block(Observed::Present(PublicAccessBlock::ALL));
        assert_eq!(on.configuration["restrictPublicBuckets"], json!(true));
        assert!(matches!(
            recorded_block(&block(Observed::Absent)),
            Observed::Absent
        ));
        let denied = block(Observed::Unknown(Unread::AccessDenied {
            action: "s3:GetAccountPublicAccessBlock".to_owned(),
        }));
        assert!(recorded_block(&denied).is_unknown());
    }
}
