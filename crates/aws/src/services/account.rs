//! What IAM tells of an account, and its volumes: the port of the recorder.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use guard::error::CallError;
use guard::operation::Operation;
use guard::ports::Page;
use guard::ports::record::{
    CredentialReport, RecordAccount, ReportProgress, VirtualMfaDevice, Volume,
};

use super::{Services, volumes};
use crate::signed::Service;
use crate::xml::Element;

/// The version of IAM's API.
const VERSION: &str = "2010-05-08";

impl Services {
    /// Asks IAM, and takes the part of the answer that holds the result.
    async fn iam(
        &self,
        operation: Operation,
        parameters: &[(&str, &str)],
    ) -> Result<Element, CallError> {
        let answer = self
            .query(Service::Iam, &self.region, operation, VERSION, parameters)
            .await?;
        let result = format!("{}Result", operation.name());
        answer.child(&result).cloned().ok_or(CallError::Failed {
            operation,
            detail: format!("the answer has no <{result}>"),
        })
    }
}

impl RecordAccount for Services {
    async fn account_summary(&self) -> Result<BTreeMap<String, i64>, CallError> {
        let operation = Operation::GetAccountSummary;
        let result = self.iam(operation, &[]).await?;
        let summary: BTreeMap<String, i64> = result
            .list(&["SummaryMap"], "entry")
            .filter_map(|entry| {
                let value = entry.text_at(&["value"])?.parse().ok()?;
                Some((entry.text_at(&["key"])?.to_owned(), value))
            })
            .collect();
        if summary.is_empty() {
            return Err(CallError::Failed {
                operation,
                detail: "the summary is empty".to_owned(),
            });
        }
        Ok(summary)
    }

    async fn generate_credential_report(&self) -> Result<ReportProgress, CallError> {
        let operation = Operation::GenerateCredentialReport;
        let result = self.iam(operation, &[]).await?;
        match result.text_at(&["State"]) {
            Some("COMPLETE") => Ok(ReportProgress::Complete),
            Some("STARTED" | "INPROGRESS") => Ok(ReportProgress::InProgress),
            other => Err(CallError::Failed {
                operation,
                detail: format!("the unknown state {other:?}"),
            }),
        }
    }

    async fn credential_report(&self) -> Result<Option<CredentialReport>, CallError> {
        let operation = Operation::GetCredentialReport;
        let result = match self.iam(operation, &[]).await {
            Ok(result) => result,
            // ReportNotPresent, ReportInProgress, ReportExpired (IAM API reference); status 410 or 404.
            Err(CallError::Failed { detail, .. })
                if [
                    "ReportNotPresent",
                    "ReportInProgress",
                    "ReportNotReady",
                    "ReportExpired",
                ]
                .iter()
                .any(|code| detail.contains(code)) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let failed = |detail: &str| CallError::Failed {
            operation,
            detail: detail.to_owned(),
        };
        let content: String = result
            .text_at(&["Content"])
            .unwrap_or_default()
            .split_ascii_whitespace()
            .collect();
        let bytes = STANDARD
            .decode(content)
            .map_err(|_| failed("the report is not Base64"))?;
        let text = String::from_utf8(bytes).map_err(|_| failed("the report is not UTF-8"))?;
        Ok(Some(CredentialReport {
            text,
            generated_at: result
                .text_at(&["GeneratedTime"])
                .and_then(|time| time.parse().ok()),
        }))
    }

    async fn virtual_mfa_devices(
        &self,
        token: Option<String>,
    ) -> Result<Page<VirtualMfaDevice>, CallError> {
        let mut parameters = vec![("AssignmentStatus", "Assigned")];
        if let Some(token) = &token {
            parameters.push(("Marker", token));
        }
        let result = self
            .iam(Operation::ListVirtualMfaDevices, &parameters)
            .await?;
        let entries = result
            .list(&["VirtualMFADevices"], "member")
            .filter_map(|device| {
                Some(VirtualMfaDevice {
                    serial_number: device.text_at(&["SerialNumber"])?.to_owned(),
                    user_arn: device.text_at(&["User", "Arn"]).map(str::to_owned),
                })
            })
            .collect();
        let more = result.text_at(&["IsTruncated"]) == Some("true");
        Ok(Page {
            entries,
            next: result
                .text_at(&["Marker"])
                .filter(|_| more)
                .map(str::to_owned),
        })
    }

    async fn volumes(
        &self,
        region: &str,
        token: Option<String>,
    ) -> Result<Page<Volume>, CallError> {
        volumes::page(self, region, token).await
    }

    async fn volume(&self, region: &str, id: &str) -> Result<Option<Volume>, CallError> {
        volumes::one(self, region, id).await
    }
}
