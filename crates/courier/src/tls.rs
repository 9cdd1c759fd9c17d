//! Whom we believe that they are who they say: the system's certificate authorities, and more if
//! configured.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

/// Which certificate authorities are believed.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    extra: Vec<CertificateDer<'static>>,
}

/// Why there is nobody to believe.
#[derive(Debug, Error)]
pub enum TrustError {
    /// The file cannot be read, or holds no certificate.
    #[error("{path}: {detail}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// The system has no usable certificates, and none was configured.
    #[error(
        "this system has no certificate authorities that could be read ({detail}); \
         install its package of them (Debian: ca-certificates), or name a file of your own"
    )]
    None {
        /// Why.
        detail: String,
    },
}

impl Trust {
    /// The system's, and the certificates of a PEM file.
    pub fn with_file(path: &Path) -> Result<Trust, TrustError> {
        let wrong = |detail: String| TrustError::File {
            path: path.to_owned(),
            detail,
        };
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        Trust::with_pem(&pem).map_err(wrong)
    }

    /// The system's, and these certificates. The error says what is wrong with them.
    pub fn with_pem(pem: &[u8]) -> Result<Trust, String> {
        let extra: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| format!("not a PEM certificate: {error}"))?;
        if extra.is_empty() {
            return Err("there is no PEM certificate in it".to_owned());
        }
        let mut store = RootCertStore::empty();
        for certificate in &extra {
            store
                .add(certificate.clone())
                .map_err(|error| format!("not an authority's certificate: {error}"))?;
        }
        Ok(Trust { extra })
    }

    /// The certificates beside the system's.
    pub(crate) fn extra(&self) -> &[CertificateDer<'static>] {
        &self.extra
    }

    /// A client's configuration for TLS 1.2 and 1.3.
    pub(crate) fn client(&self) -> Result<Arc<ClientConfig>, TrustError> {
        let system = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        // A system's bundle may hold some that are not understood; the others do.
        roots.add_parsable_certificates(system.certs);
        roots.add_parsable_certificates(self.extra.iter().cloned());
        if roots.is_empty() {
            let detail = match system.errors.first() {
                Some(error) => error.to_string(),
                None => "none was found".to_owned(),
            };
            return Err(TrustError::None { detail });
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TrustError::None {
                detail: error.to_string(),
            })?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}
