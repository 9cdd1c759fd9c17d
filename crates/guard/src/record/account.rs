//! Reads an account: what its sources say about the root user's MFA, its Block Public Access, its
//! volumes.
//!
//! Each source is an observation of its own, since they can contradict each other and each can be
//! refused; what follows from them together is a rule's to say.

use std::time::Duration;

use compliance::item::account::{CredentialReport as RecordedReport, RootFacts, VirtualDevice};
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

/// Asks each source. Only what ends everything is an error.
pub async fn root_sources<R: RecordAccount>(
    reader: &R,
    pace: &Pace,
) -> Result<RootFacts, Hopeless> {
    let summary = async {
        let operation = Operation::GetAccountSummary;
        let answer = pace.call(operation, || reader.account_summary()).await;
        observe(answer.map(Some))
    };
    let devices = async {
        let operation = Operation::ListVirtualMfaDevices;
        let listed = pages(pace, operation, |token| reader.virtual_mfa_devices(token)).await;
        observe(listed.map(|devices| Some(devices.into_iter().map(recorded_device).collect())))
    };
    let (summary, report, virtual_devices) =
        tokio::try_join!(summary, root_report(reader, pace), devices)?;
    Ok(RootFacts {
        summary,
        report,
        virtual_devices,
        // Whether the organization manages root credentials is not asked here.
        central: Observed::Unknown(Unread::NotGiven),
    })
}

fn recorded_device(device: VirtualMfaDevice) -> VirtualDevice {
    VirtualDevice {
        serial_number: device.serial_number,
        user_arn: device.user_arn,
    }
}

/// Has a report made, and waits for it.
async fn root_report<R: RecordAccount>(
    reader: &R,
    pace: &Pace,
) -> Result<Observed<RecordedReport>, Hopeless> {
    Ok(match observe(report(reader, pace).await)? {
        Observed::Present(report) => Observed::Present(RecordedReport {
            generated: report.generated_at,
            text: report.text,
        }),
        Observed::Absent => Observed::Unknown(Unread::Failed(
            "the credential report was not ready in time".to_owned(),
        )),
        Observed::Unknown(unread) => Observed::Unknown(unread),
    })
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
