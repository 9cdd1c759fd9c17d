//! An account's other services in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;

use guard::error::CallError;
use guard::operation::Operation;
use guard::ports::Page;
use guard::ports::record::{
    CredentialReport, RecordAccount, ReportProgress, VirtualMfaDevice, Volume,
};

/// IAM's summary, and the volumes. Of credential reports there are none, and nobody may make one.
#[derive(Default)]
pub struct Services {
    pub summary: Mutex<BTreeMap<String, i64>>,
    pub volumes: Mutex<Vec<Volume>>,
}

fn denied<T>(operation: Operation) -> Result<T, CallError> {
    Err(CallError::AccessDenied { operation })
}

impl RecordAccount for Services {
    async fn account_summary(&self) -> Result<BTreeMap<String, i64>, CallError> {
        Ok(self.summary.lock().unwrap().clone())
    }

    async fn generate_credential_report(&self) -> Result<ReportProgress, CallError> {
        denied(Operation::GenerateCredentialReport)
    }

    async fn credential_report(&self) -> Result<Option<CredentialReport>, CallError> {
        denied(Operation::GetCredentialReport)
    }

    async fn virtual_mfa_devices(
        &self,
        _: Option<String>,
    ) -> Result<Page<VirtualMfaDevice>, CallError> {
        denied(Operation::ListVirtualMfaDevices)
    }

    async fn volumes(&self, region: &str, _: Option<String>) -> Result<Page<Volume>, CallError> {
        let volumes = self.volumes.lock().unwrap();
        let here = volumes.iter().filter(|volume| volume.region == region);
        Ok(Page {
            entries: here.cloned().collect(),
            next: None,
        })
    }

    async fn volume(&self, region: &str, id: &str) -> Result<Option<Volume>, CallError> {
        let volumes = self.volumes.lock().unwrap();
        let mut here = volumes.iter().filter(|volume| volume.region == region);
        Ok(here.find(|volume| volume.id == id).cloned())
    }
}
