//! A recording reads everything that it is asked for, what has access first and at once, and says of
//! each part what became of it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use guard::error::{CallError, Hopeless};
use guard::gather::Lost;
use guard::operation::Operation;
use guard::pace::{Pace, PaceSettings};
use guard::ports::Page;
use guard::ports::record::{
    BucketPart, CredentialReport, RecordAccount, ReportProgress, VirtualMfaDevice, Volume,
};
use guard::record::account::{root_sources, volumes};
use guard::record::{Reading, Recorder, record};
use policy::bucket::Acl;
use policy::observed::{Observed, Unread};
use serde_json::json;
use support::*;
use tokio::sync::Barrier;

fn one_bucket() -> Memory {
    let state = State {
        acl: Acl {
            owner: Some("owner".to_owned()),
            grants: vec![owner_grant()],
        },
        ..State::default()
    };
    let memory = Memory::with([("logs", state)]);
    memory.parts.lock().unwrap().extend([
        (
            ("logs".to_owned(), BucketPart::Tags),
            json!({"tagSets": [{"tags": {"team": "web"}}]}),
        ),
        (
            ("logs".to_owned(), BucketPart::Versioning),
            json!({"status": "Enabled", "isMfaDeleteEnabled": null}),
        ),
    ]);
    memory
}

fn parts(parts: impl IntoIterator<Item = BucketPart>) -> BTreeSet<BucketPart> {
    parts.into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn what_has_access_is_asked_for_at_once() {
    let memory = Arc::new(Memory {
        together: Some(Barrier::new(5)),
        ..one_bucket()
    });
    let gatherer = gatherer(&memory, facts(None));
    let reading = Reading::Access { tags: false };
    // Asked for one after the other, the first would wait for the second and time out.
    let recorded = record(&gatherer, address("logs"), reading).await.unwrap();
    let bucket = &recorded.judged.assessment.bucket;
    assert!(matches!(bucket.policy, Observed::Absent));
    assert!(matches!(bucket.access_points, Observed::Absent));
    assert_eq!(recorded.owner.as_deref(), Some("owner"));
    assert_eq!(recorded.parts, BTreeMap::new());
    assert_eq!(recorded.tags, Observed::Unknown(Unread::NotNeeded));
    assert_eq!(recorded.calls, 4);
    assert_eq!(gatherer.pace().spent().repeated, 0);
}

#[tokio::test]
async fn tags_come_with_the_access_where_something_hangs_on_them() {
    let memory = Arc::new(one_bucket());
    let gatherer = gatherer(&memory, facts(None));
    let reading = Reading::Access { tags: true };
    let recorded = record(&gatherer, address("logs"), reading).await.unwrap();
    let tags = BTreeMap::from([("team".to_owned(), "web".to_owned())]);
    assert_eq!(recorded.tags, Observed::Present(tags));
    assert_eq!(recorded.calls, 5);
}

#[tokio::test]
async fn everything_is_everything_and_each_part_says_what_became_of_it() {
    let memory = Arc::new(one_bucket());
    let refused = CallError::AccessDenied {
        operation: Operation::GetBucketLogging,
    };
    memory.fail(Operation::GetBucketLogging, "logs", vec![refused]);
    let gatherer = gatherer(&memory, facts(None));
    let all = parts(BucketPart::ALL);
    let recorded = record(&gatherer, address("logs"), Reading::Everything(&all))
        .await
        .unwrap();
    let names: BTreeSet<&str> = recorded.parts.keys().map(String::as_str).collect();
    assert_eq!(names, BucketPart::ALL.map(BucketPart::config_name).into());
    assert_eq!(
        recorded.parts["BucketVersioningConfiguration"],
        Observed::Present(json!({"status": "Enabled", "isMfaDeleteEnabled": null}))
    );
    assert_eq!(
        recorded.parts["BucketLoggingConfiguration"],
        Observed::Unknown(Unread::AccessDenied {
            action: "s3:GetBucketLogging".to_owned()
        })
    );
    assert_eq!(
        recorded.parts["BucketWebsiteConfiguration"],
        Observed::Absent
    );
    assert_eq!(recorded.calls, 4 + 12);
    // What has access was asked for before the rest.
    let asked = memory.asked("logs");
    let first_of_rest = asked
        .iter()
        .position(|operation| *operation == Operation::GetBucketVersioning)
        .unwrap();
    for operation in [Operation::GetBucketPolicy, Operation::GetBucketAcl] {
        assert!(asked[..first_of_rest].contains(&operation), "{asked:?}");
    }
}

#[tokio::test]
async fn only_what_is_wanted_is_asked_for() {
    let memory = Arc::new(one_bucket());
    let gatherer = gatherer(&memory, facts(None));
    let wanted = parts([BucketPart::Versioning]);
    let recorded = record(&gatherer, address("logs"), Reading::Everything(&wanted))
        .await
        .unwrap();
    assert_eq!(recorded.parts.len(), 1);
    assert!(!memory.asked("logs").contains(&Operation::GetBucketTagging));
}

#[tokio::test]
async fn what_a_compatible_store_does_not_offer_it_does_not_have() {
    let unsupported = || CallError::Unsupported {
        operation: Operation::GetBucketEncryption,
        detail: "it answered <ListBucketResult>".to_owned(),
    };
    for (compatible_store, observed) in [
        (true, Observed::Absent),
        (
            false,
            Observed::Unknown(Unread::Unsupported {
                operation: "GetBucketEncryption".to_owned(),
            }),
        ),
    ] {
        let memory = Arc::new(one_bucket());
        memory.fail(Operation::GetBucketEncryption, "logs", vec![unsupported()]);
        let mut facts = facts(None);
        facts.compatible_store = compatible_store;
        let gatherer = gatherer(&memory, facts);
        let wanted = parts([BucketPart::Encryption]);
        let recorded = record(&gatherer, address("logs"), Reading::Everything(&wanted))
            .await
            .unwrap();
        assert_eq!(
            recorded.parts["ServerSideEncryptionConfiguration"],
            observed
        );
    }
}

#[tokio::test]
async fn a_bucket_that_goes_away_meanwhile_is_gone() {
    let memory = Arc::new(one_bucket());
    memory.fail(
        Operation::GetBucketVersioning,
        "logs",
        vec![CallError::NoSuchBucket],
    );
    let gatherer = gatherer(&memory, facts(None));
    let all = parts(BucketPart::ALL);
    let lost = record(&gatherer, address("logs"), Reading::Everything(&all)).await;
    assert_eq!(lost.unwrap_err(), Lost::Gone);
    let lost = record(&gatherer, address("never"), Reading::Access { tags: false }).await;
    assert_eq!(lost.unwrap_err(), Lost::Gone);
}

#[test]
fn the_recorder_picks_types_buckets_and_parts() {
    let recorder = Recorder::everything();
    assert!(recorder.records_bucket("anything") && recorder.records("AWS::EC2::Volume"));
    let recorder = recorder
        .with_buckets(["prod-*", "one"])
        .without_buckets(["*-tmp"])
        .with_parts([BucketPart::Tags]);
    for (name, recorded) in [
        ("prod-a", true),
        ("one", true),
        ("one2", false),
        ("prod-a-tmp", false),
    ] {
        assert_eq!(recorder.records_bucket(name), recorded, "{name}");
    }
    let recorder = recorder.with_types(["AWS::::Account".to_owned()]);
    assert!(!recorder.records_bucket("one") && recorder.records("AWS::::Account"));
    for part in BucketPart::ALL {
        assert_eq!(BucketPart::parse(part.name()), Some(part));
    }
}

/// An account in memory: what is answered, in order.
#[derive(Default)]
struct Account {
    progress: Mutex<Vec<ReportProgress>>,
    report: Option<CredentialReport>,
    devices_denied: bool,
    asked: Mutex<Vec<Operation>>,
}

impl Account {
    fn ask(&self, operation: Operation) {
        self.asked.lock().unwrap().push(operation);
    }
}

impl RecordAccount for Account {
    async fn account_summary(&self) -> Result<BTreeMap<String, i64>, CallError> {
        self.ask(Operation::GetAccountSummary);
        Ok(BTreeMap::from([("AccountMFAEnabled".to_owned(), 1)]))
    }

    async fn generate_credential_report(&self) -> Result<ReportProgress, CallError> {
        self.ask(Operation::GenerateCredentialReport);
        let mut progress = self.progress.lock().unwrap();
        Ok(match progress.len() {
            0 => ReportProgress::InProgress,
            _ => progress.remove(0),
        })
    }

    async fn credential_report(&self) -> Result<Option<CredentialReport>, CallError> {
        self.ask(Operation::GetCredentialReport);
        Ok(self.report.clone())
    }

    async fn virtual_mfa_devices(
        &self,
        token: Option<String>,
    ) -> Result<Page<VirtualMfaDevice>, CallError> {
        let operation = Operation::ListVirtualMfaDevices;
        self.ask(operation);
        if self.devices_denied {
            return Err(CallError::AccessDenied { operation });
        }
        let device = |name: &str| VirtualMfaDevice {
            serial_number: format!("arn:aws:iam::111122223333:mfa/{name}"),
            user_arn: None,
        };
        Ok(match token.as_deref() {
            None => Page {
                entries: vec![device("a")],
                next: Some("more".to_owned()),
            },
            Some(_) => Page {
                entries: vec![device("b")],
                next: None,
            },
        })
    }

    async fn volumes(&self, _: &str, _: Option<String>) -> Result<Page<Volume>, CallError> {
        // A server that gives the same token for ever.
        Ok(Page {
            entries: Vec::new(),
            next: Some("again".to_owned()),
        })
    }

    async fn volume(&self, _: &str, _: &str) -> Result<Option<Volume>, CallError> {
        Ok(None)
    }
}

fn report(rows: &str) -> CredentialReport {
    CredentialReport {
        text: format!(
            "user,arn,user_creation_time,password_enabled,password_last_used,mfa_active,access_key_1_active,access_key_2_active\n{rows}"
        ),
        generated_at: Some(now()),
    }
}

fn pace() -> Pace {
    Pace::new(PaceSettings::default(), 7)
}

#[tokio::test(start_paused = true)]
async fn each_source_about_the_root_user_is_told_apart() {
    let account = Account {
        progress: Mutex::new(vec![ReportProgress::InProgress, ReportProgress::Complete]),
        report: Some(report(
            "alice,arn:aws:iam::111122223333:user/alice,2020-01-01T00:00:00+00:00,true,N/A,true,true,true\n\
             <root_account>,arn:aws:iam::111122223333:root,2020-01-01T00:00:00+00:00,not_supported,no_information,false,FALSE,true\n",
        )),
        ..Account::default()
    };
    let sources = root_sources(&account, &pace()).await.unwrap();
    assert_eq!(sources.summary.present().unwrap()["AccountMFAEnabled"], 1);
    let report = sources.report.present().unwrap();
    assert_eq!(report.generated, Some(now()));
    assert!(report.text.contains("<root_account>"));
    assert_eq!(sources.virtual_devices.present().unwrap().len(), 2);
    let asked = account.asked.lock().unwrap();
    let generated = asked
        .iter()
        .filter(|operation| **operation == Operation::GenerateCredentialReport);
    assert_eq!(generated.count(), 2, "asked again until it was ready");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_leaves_the_others() {
    let account = Account {
        devices_denied: true,
        ..Account::default()
    };
    let sources = root_sources(&account, &pace()).await.unwrap();
    assert!(sources.summary.present().is_some());
    assert_eq!(
        sources.report,
        Observed::Unknown(Unread::Failed(
            "the credential report was not ready in time".to_owned()
        ))
    );
    assert_eq!(
        sources.virtual_devices,
        Observed::Unknown(Unread::AccessDenied {
            action: "iam:ListVirtualMFADevices".to_owned()
        })
    );
}

#[tokio::test]
async fn a_listing_that_repeats_itself_ends() {
    let listed = volumes(&Account::default(), &pace(), "eu-central-1").await;
    assert_eq!(listed, Ok(Vec::new()));
}

#[tokio::test]
async fn what_ends_everything_ends_the_recording() {
    let memory = Arc::new(one_bucket());
    let hopeless = Hopeless::ExpiredCredentials;
    memory.fail(
        Operation::GetBucketTagging,
        "logs",
        vec![hopeless.clone().into()],
    );
    let gatherer = gatherer(&memory, facts(None));
    let lost = record(&gatherer, address("logs"), Reading::Access { tags: true }).await;
    assert_eq!(lost.unwrap_err(), Lost::Hopeless(hopeless));
}
