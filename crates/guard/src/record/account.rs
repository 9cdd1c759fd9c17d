//! Reads an account: what its sources say about the root user's MFA, its Block Public Access, its
//! volumes.
//!
//! Each source is an observation of its own, since they can contradict each other and each can be
//! refused; what follows from them together is a rule's to say.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use policy::bucket::PublicAccessBlock;
use policy::observed::{Observed, Unread};

use crate::error::{CallError, Hopeless};
use crate::operation::Operation;
use crate::pace::Pace;
use crate::ports::Page;
use crate::ports::record::{
    CredentialReport, RecordAccount, ReportProgress, VirtualMfaDevice, Volume,
};

/// How often it is asked whether a credential report is ready: IAM makes one within seconds.
const POLLS: u32 = 15;
/// The pause between.
const POLL_PAUSE: Duration = Duration::from_secs(2);
/// More pages than any account has; a server that never ends its listing is stopped here.
const MOST_PAGES: usize = 10_000;
/// The first line of a report names its columns, the next is the root user's.
const ROOT: &str = "<root_account>";

/// What a credential report says of the root user. Columns that it does not have, or that are `N/A`
/// or `not_supported` there, are not told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RootRow {
    /// Whether an MFA device is active.
    pub mfa_active: Option<bool>,
    /// Whether it has a password.
    pub password_enabled: Option<bool>,
    /// Whether the first access key is active.
    pub access_key_1_active: Option<bool>,
    /// Whether the second is.
    pub access_key_2_active: Option<bool>,
    /// When the report was made.
    pub generated_at: Option<Timestamp>,
}

/// What there is to know about an account's root user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootSources {
    /// IAM's summary: `AccountMFAEnabled`, `AccountPasswordPresent`, `AccountAccessKeysPresent`.
    pub summary: Observed<BTreeMap<String, i64>>,
    /// The root user's row of the credential report; absent, if the report has none.
    pub report: Observed<RootRow>,
    /// The virtual MFA devices that are assigned to somebody.
    pub virtual_devices: Observed<Vec<VirtualMfaDevice>>,
}

/// Asks each source. Only what ends everything is an error.
pub async fn root_sources<R: RecordAccount>(
    reader: &R,
    pace: &Pace,
) -> Result<RootSources, Hopeless> {
    let summary = async {
        let operation = Operation::GetAccountSummary;
        let answer = pace.call(operation, || reader.account_summary()).await;
        observe(answer.map(Some))
    };
    let devices = async {
        let operation = Operation::ListVirtualMfaDevices;
        let listed = pages(pace, operation, |token| reader.virtual_mfa_devices(token)).await;
        observe(listed.map(Some))
    };
    let (summary, report, virtual_devices) =
        tokio::try_join!(summary, root_row(reader, pace), devices)?;
    Ok(RootSources {
        summary,
        report,
        virtual_devices,
    })
}

/// Has a report made, waits for it, and takes the root user's row out of it.
async fn root_row<R: RecordAccount>(
    reader: &R,
    pace: &Pace,
) -> Result<Observed<RootRow>, Hopeless> {
    match observe(report(reader, pace).await)? {
        Observed::Present(report) => Ok(match read_root_row(&report) {
            Some(row) => Observed::Present(row),
            None => Observed::Absent,
        }),
        Observed::Absent => Ok(Observed::Unknown(Unread::Failed(
            "the credential report was not ready in time".to_owned(),
        ))),
        Observed::Unknown(unread) => Ok(Observed::Unknown(unread)),
    }
}

async fn report<R: RecordAccount>(
    reader: &R,
    pace: &Pace,
) -> Result<Option<CredentialReport>, CallError> {
    for _ in 0..POLLS {
        let progress = pace
            .call(Operation::GenerateCredentialReport, || {
                reader.generate_credential_report()
            })
            .await?;
        if progress == ReportProgress::Complete {
            let report = pace
                .call(Operation::GetCredentialReport, || {
                    reader.credential_report()
                })
                .await?;
            // One that grew too old between the two questions is made again.
            if report.is_some() {
                return Ok(report);
            }
        }
        tokio::time::sleep(POLL_PAUSE).await;
    }
    Ok(None)
}

/// The root user's row (IAM user guide, "Generate credential reports", "Understanding the report
/// format"). No value of it holds a comma, so that neither quoting nor the users' names matter.
fn read_root_row(report: &CredentialReport) -> Option<RootRow> {
    let mut lines = report.text.lines();
    let columns: Vec<&str> = lines.next()?.split(',').map(str::trim).collect();
    let row = lines.find(|line| line.split(',').next() == Some(ROOT))?;
    let values: Vec<&str> = row.split(',').map(str::trim).collect();
    let told = |name: &str| {
        let at = columns.iter().position(|column| *column == name)?;
        match values.get(at)?.to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    };
    Some(RootRow {
        mfa_active: told("mfa_active"),
        password_enabled: told("password_enabled"),
        access_key_1_active: told("access_key_1_active"),
        access_key_2_active: told("access_key_2_active"),
        generated_at: report.generated_at,
    })
}

/// The account's Block Public Access.
pub async fn account_block<R: crate::ports::ReadBuckets>(
    reader: &R,
    pace: &Pace,
) -> Result<Observed<PublicAccessBlock>, Hopeless> {
    let operation = Operation::GetAccountPublicAccessBlock;
    observe(pace.call(operation, || reader.account_block()).await)
}

/// All volumes of a region.
pub async fn volumes<R: RecordAccount>(
    reader: &R,
    pace: &Pace,
    region: &str,
) -> Result<Vec<Volume>, CallError> {
    pages(pace, Operation::DescribeVolumes, |token| {
        reader.volumes(region, token)
    })
    .await
}

/// One volume; `None` if it is gone.
pub async fn volume<R: RecordAccount>(
    reader: &R,
    pace: &Pace,
    region: &str,
    id: &str,
) -> Result<Option<Volume>, CallError> {
    pace.call(Operation::DescribeVolumes, || reader.volume(region, id))
        .await
}

/// Page after page, until there is no next one.
async fn pages<T, F>(
    pace: &Pace,
    operation: Operation,
    ask: impl Fn(Option<String>) -> F,
) -> Result<Vec<T>, CallError>
where
    F: Future<Output = Result<Page<T>, CallError>>,
{
    let mut all = Vec::new();
    let mut token: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let page = pace.call(operation, || ask(token.clone())).await?;
        all.extend(page.entries);
        match page.next {
            Some(next) if Some(&next) != token.as_ref() => token = Some(next),
            _ => return Ok(all),
        }
    }
    Err(CallError::Failed {
        operation,
        detail: format!("the listing does not end after {MOST_PAGES} pages"),
    })
}

/// An answer as an observation.
fn observe<T>(answer: Result<Option<T>, CallError>) -> Result<Observed<T>, Hopeless> {
    match answer {
        Ok(Some(value)) => Ok(Observed::Present(value)),
        Ok(None) => Ok(Observed::Absent),
        Err(CallError::Hopeless(hopeless)) => Err(hopeless),
        Err(error) => Ok(Observed::Unknown(error.unread())),
    }
}
