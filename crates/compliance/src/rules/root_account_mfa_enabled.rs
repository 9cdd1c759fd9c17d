//! The root user of an account signs in with an MFA device, or cannot sign in at all.
//!
//! Sources are IAM's account summary, which is fresh, and the root user's row of the credential
//! report, which can be hours old. The answer is four-valued:
//!
//! - `COMPLIANT` needs both, and both say yes; or both show that the root user has neither password
//!   nor access key, and no source says otherwise.
//! - `NON_COMPLIANT`: any source says that there is no MFA device. Sources that contradict each other
//!   are never taken for a yes.
//! - `INSUFFICIENT_DATA`: no source says no, and one of them was not read or does not say.
//!
//! A virtual device that is assigned to the root user is a third source, which can only say yes. How
//! many devices there are, and of what kind, is another question.

use policy::observed::Observed;
use serde_json::Value;

use super::{About, Annotation, Outcome, Parameters, Rule, Severity, Subject, Trigger};
use crate::item::account::{REPORT, SUMMARY, VIRTUAL_DEVICES};
use crate::item::{ACCOUNT, ConfigurationItem};

/// The rule `root-account-mfa-enabled`.
#[derive(Clone, Copy, Debug)]
pub struct RootAccountMfaEnabled;

const READS_SUMMARY: &str = "iam:GetAccountSummary";
const READS_REPORT: &str = "iam:GetCredentialReport";
const NO_CREDENTIALS: &str = "The root user has no credentials.";

const ABOUT: About = About {
    name: "root-account-mfa-enabled",
    identifier: "ROOT_ACCOUNT_MFA_ENABLED",
    description: "The root user signs in with an MFA device, or cannot sign in at all.",
    detail: "An account complies when its summary and its credential report both say that the root user \
             has an MFA device, or both show that it has neither password nor access key (central \
             management of root credentials). It fails as soon as one source says that there is no \
             device: what sources contradict each other about is never taken for a yes. What was not \
             read is INSUFFICIENT_DATA. A credential report can be four hours old, so a new device may \
             take as long to show.",
    resource_types: &[ACCOUNT],
    trigger: Trigger::Periodic,
    reads: &[
        READS_SUMMARY,
        "iam:GenerateCredentialReport",
        READS_REPORT,
        "iam:ListVirtualMFADevices",
    ],
    parameters: &[],
    severity: Severity::Critical,
    annotations: &[
        "The root user has no MFA device (account summary: no; credential report of TIME: no).",
        "Sources contradict each other about the root user's MFA device (account summary: yes; credential report of TIME: no).",
        NO_CREDENTIALS,
    ],
    source: "https://docs.aws.amazon.com/config/latest/developerguide/root-account-mfa-enabled.html",
};

impl Rule for RootAccountMfaEnabled {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn decide(&self, subject: &Subject<'_>, _: &Parameters) -> Outcome {
        let sources = Sources::of(subject.item);
        let (summary, report) = (sources.summary_mfa(), sources.report_mfa());
        let says_no = summary == Some(false) || report == Some(false);
        if let Some(unread) = &sources.unread {
            // A no counts whatever else was not read, but without all sources nobody can tell whether
            // the root user has credentials at all.
            return if says_no && sources.has_credentials() == Some(true) {
                sources.no(summary, report)
            } else {
                unread.clone()
            };
        }
        if summary == Some(true) && report == Some(true) {
            return Outcome::compliant();
        }
        if sources.has_credentials() == Some(false) && !sources.virtual_device {
            return Outcome {
                annotation: Some(Annotation::new(NO_CREDENTIALS)),
                ..Outcome::compliant()
            };
        }
        if says_no {
            return sources.no(summary, report);
        }
        Outcome::insufficient(format!(
            "the {} does not say whether the root user has an MFA device; {} reads it",
            if summary.is_none() {
                "account summary"
            } else {
                "credential report"
            },
            if summary.is_none() {
                READS_SUMMARY
            } else {
                READS_REPORT
            },
        ))
    }
}

/// What the sources say.
struct Sources {
    summary: Option<Value>,
    root: Option<Value>,
    generated: Option<String>,
    virtual_device: bool,
    /// The answer if a source is missing and nothing else says no.
    unread: Option<Outcome>,
}

impl Sources {
    fn of(item: &ConfigurationItem) -> Sources {
        let mut unread = None;
        let summary = match item.configuration_part(SUMMARY) {
            Observed::Present(summary) => Some(summary.into_owned()),
            Observed::Absent => None,
            Observed::Unknown(why) => {
                unread = Some(Outcome::unread(
                    "the account summary was",
                    &why,
                    READS_SUMMARY,
                ));
                None
            }
        };
        let report = match item.configuration_part(REPORT) {
            Observed::Present(report) => Some(report.into_owned()),
            Observed::Absent => None,
            Observed::Unknown(why) => {
                let why = Outcome::unread("the credential report was", &why, READS_REPORT);
                unread = unread.or(Some(why));
                None
            }
        };
        let member = |name: &str| report.as_ref()?.get(name).filter(|v| !v.is_null()).cloned();
        let root = member("root");
        if root.is_none() && unread.is_none() {
            unread = Some(Outcome::insufficient(format!(
                "the credential report has no row of the root user; {READS_REPORT} reads it"
            )));
        }
        let virtual_device = item
            .configuration_part(VIRTUAL_DEVICES)
            .present()
            .and_then(|devices| devices.as_array().map(|devices| !devices.is_empty()))
            .unwrap_or(false);
        Sources {
            summary,
            root,
            generated: member("generatedTime").and_then(|time| time.as_str().map(str::to_owned)),
            virtual_device,
            unread,
        }
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.summary.as_ref()?.get(name)?.as_i64()
    }

    /// A column of the report. Of its values only yes and no say something: `N/A`, `not_supported`
    /// and `no_information` do not.
    fn column(&self, name: &str) -> Option<bool> {
        let value = self.root.as_ref()?.get(name)?.as_str()?;
        if value.eq_ignore_ascii_case("true") {
            Some(true)
        } else if value.eq_ignore_ascii_case("false") {
            Some(false)
        } else {
            None
        }
    }

    fn summary_mfa(&self) -> Option<bool> {
        match self.number("AccountMFAEnabled")? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn report_mfa(&self) -> Option<bool> {
        self.column("mfa_active")
    }

    /// Whether the root user has a password or an access key: yes if any source says so, no if there
    /// is a no about each of them and nothing else. `None`: nobody can tell.
    fn has_credentials(&self) -> Option<bool> {
        let keys = [
            self.number("AccountAccessKeysPresent").map(|n| n > 0),
            self.column("access_key_1_active"),
            self.column("access_key_2_active"),
        ];
        let passwords = [
            self.number("AccountPasswordPresent").map(|n| n > 0),
            self.column("password_enabled"),
        ];
        if keys.contains(&Some(true)) || passwords.contains(&Some(true)) {
            return Some(true);
        }
        (keys[0] == Some(false) && passwords.contains(&Some(false))).then_some(false)
    }

    /// The answer where some source says no.
    fn no(&self, summary: Option<bool>, report: Option<bool>) -> Outcome {
        let word = |said: Option<bool>| match said {
            Some(true) => "yes",
            Some(false) => "no",
            None => "does not say",
        };
        let contradict = summary == Some(true) || report == Some(true) || self.virtual_device;
        let what = if contradict {
            "Sources contradict each other about the root user's MFA device"
        } else {
            "The root user has no MFA device"
        };
        let device = if self.virtual_device {
            "; a virtual device is assigned"
        } else {
            ""
        };
        Outcome::non_compliant(format!(
            "{what} (account summary: {}; credential report of {}: {}{device}).",
            word(summary),
            self.generated.as_deref().unwrap_or("unknown time"),
            word(report),
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rules::testing::{check, denied, item, parameters, undecided_without};

    /// An account: MFA, keys and password by summary (`-1`: not said), then MFA and password by report.
    fn account(summary: [i64; 3], mfa: &str, password: &str) -> ConfigurationItem {
        let mut account = item(ACCOUNT);
        let names = [
            "AccountMFAEnabled",
            "AccountAccessKeysPresent",
            "AccountPasswordPresent",
        ];
        let numbers: serde_json::Map<String, Value> = names
            .iter()
            .zip(summary)
            .filter(|(_, number)| *number >= 0)
            .map(|(name, number)| ((*name).to_owned(), json!(number)))
            .collect();
        account.configuration = json!({
            "accountSummary": numbers,
            "credentialReport": {"generatedTime": "2026-01-01T00:00:00.000Z", "root": {
                "user": "<root_account>", "password_enabled": password, "mfa_active": mfa,
                "access_key_1_active": "false", "access_key_2_active": "false"}},
            "virtualMFADevices": [],
            "rootCredentialsManagement": null,
        });
        account
    }

    #[track_caller]
    fn answers(account: &ConfigurationItem, expected: &str) {
        check(
            &RootAccountMfaEnabled,
            account,
            &parameters(&RootAccountMfaEnabled, &[]),
            expected,
        );
    }

    #[test]
    fn both_sources_say_yes() {
        answers(&account([1, 0, 1], "true", "true"), "COMPLIANT");
        answers(&account([1, 0, -1], "TRUE", "not_supported"), "COMPLIANT");
        answers(&account([1, 2, 1], "true", "TRUE"), "COMPLIANT");
    }

    #[test]
    fn one_source_says_no() {
        answers(
            &account([0, 0, 1], "false", "true"),
            "NON_COMPLIANT The root user has no MFA device (account summary: no; credential report of \
             2026-01-01T00:00:00.000Z: no).",
        );
        answers(
            &account([1, 0, 1], "false", "true"),
            "NON_COMPLIANT Sources contradict each other about the root user's MFA device (account \
             summary: yes; credential report of 2026-01-01T00:00:00.000Z: no).",
        );
        answers(
            &account([0, 0, 1], "true", "true"),
            "NON_COMPLIANT Sources contradict each other about the root user's MFA device (account \
             summary: no; credential report of 2026-01-01T00:00:00.000Z: yes).",
        );
        let mut device = account([0, 0, 0], "false", "false");
        device.configuration["virtualMFADevices"] =
            json!([{"serialNumber": "arn:aws:iam::1:mfa/root-account-mfa-device"}]);
        answers(
            &device,
            "NON_COMPLIANT Sources contradict each other about the root user's MFA device (account \
             summary: no; credential report of 2026-01-01T00:00:00.000Z: no; a virtual device is assigned).",
        );
    }

    #[test]
    fn a_root_user_without_credentials_needs_no_device() {
        let without = "COMPLIANT The root user has no credentials.";
        answers(&account([0, 0, 0], "false", "FALSE"), without);
        answers(&account([0, 0, 0], "false", "not_supported"), without);
        answers(&account([0, 0, -1], "false", "false"), without);
        // An old report that does not say, and a summary that does not either: nobody knows.
        let unknown = account([0, 0, -1], "false", "not_supported");
        answers(
            &unknown,
            "NON_COMPLIANT The root user has no MFA device (account summary: no; credential report of \
             2026-01-01T00:00:00.000Z: no).",
        );
        // A source that shows a password or a key.
        for contradicted in [
            account([0, 0, 0], "false", "true"),
            account([0, 0, 1], "false", "false"),
            account([0, 1, 0], "false", "false"),
        ] {
            answers(
                &contradicted,
                "NON_COMPLIANT The root user has no MFA device (account summary: no; credential report \
                 of 2026-01-01T00:00:00.000Z: no).",
            );
        }
        let mut key = account([0, 0, 0], "false", "false");
        key.configuration["credentialReport"]["root"]["access_key_2_active"] = json!("true");
        answers(
            &key,
            "NON_COMPLIANT The root user has no MFA device (account summary: no; credential report of \
             2026-01-01T00:00:00.000Z: no).",
        );
    }

    #[test]
    fn what_was_not_read_is_never_a_yes() {
        let none = parameters(&RootAccountMfaEnabled, &[]);
        let yes = account([1, 0, 1], "true", "true");
        undecided_without(&RootAccountMfaEnabled, &yes, &none, SUMMARY, READS_SUMMARY);
        undecided_without(&RootAccountMfaEnabled, &yes, &none, REPORT, READS_REPORT);
        let without_credentials = account([0, 0, 0], "false", "false");
        undecided_without(
            &RootAccountMfaEnabled,
            &without_credentials,
            &none,
            REPORT,
            READS_REPORT,
        );
        // A no is a no, whatever else was not read.
        answers(
            &denied(account([0, 0, 1], "true", "true"), REPORT, READS_REPORT),
            "NON_COMPLIANT The root user has no MFA device (account summary: no; credential report of \
             unknown time: does not say).",
        );
        // Virtual devices can only say yes: without them nothing is missing.
        answers(
            &denied(yes.clone(), VIRTUAL_DEVICES, "iam:ListVirtualMFADevices"),
            "COMPLIANT",
        );
        answers(
            &account([-1, 0, 1], "true", "true"),
            "INSUFFICIENT_DATA Not decided: the account summary does not say whether the root user has \
             an MFA device; iam:GetAccountSummary reads it",
        );
        answers(
            &account([1, 0, 1], "N/A", "true"),
            "INSUFFICIENT_DATA Not decided: the credential report does not say whether the root user \
             has an MFA device; iam:GetCredentialReport reads it",
        );
        let mut without_row = yes;
        without_row.configuration["credentialReport"]["root"] = Value::Null;
        answers(
            &without_row,
            "INSUFFICIENT_DATA Not decided: the credential report has no row of the root user; \
             iam:GetCredentialReport reads it",
        );
    }
}
