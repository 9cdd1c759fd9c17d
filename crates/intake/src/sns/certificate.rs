//! The certificates that SNS signs with: fetched, checked, kept for a while.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::Uri;
use jiff::{SignedDuration, Timestamp};
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use thiserror::Error;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::message::{Message, SignatureVersion};
use crate::fetch::Fetch;

/// On whose word a certificate is SNS's.
#[derive(Clone, Debug)]
pub enum Authority {
    /// On that of the host that it was fetched from, which has proved by TLS to be SNS's. SNS publishes the
    /// certificate without those that lead to its authority, and AWS's own libraries do likewise.
    Host,
    /// The certificates that come with it must lead to one of these authorities, besides.
    Anchors(Vec<TrustAnchor<'static>>),
}

/// Why a signature is not believed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// It could not be fetched: worth repeating.
    #[error("the certificate could not be fetched: {0}")]
    Fetch(String),
    /// So many were asked for that no more are fetched for a while: worth repeating.
    #[error("too many different certificates were asked for")]
    TooOften,
    /// What was fetched is no certificate of an RSA key.
    #[error("what was fetched is no certificate of an RSA key")]
    NotOne,
    /// It is for somebody else.
    #[error("the certificate is not for SNS")]
    Name,
    /// It is not valid yet, or not any more.
    #[error("the certificate is not valid now")]
    Time,
    /// It does not lead to an authority that is believed.
    #[error("the certificate does not lead to an authority that is believed: {0}")]
    Chain(String),
    /// The signature is not made over this message with the certificate's key.
    #[error("the signature does not fit")]
    Signature,
}

/// The certificates that were fetched so far.
#[derive(Debug)]
pub struct Certificates<F> {
    fetch: Arc<F>,
    authority: Authority,
    kept: Mutex<Kept>,
    /// Held by the one who fetches what was never there; messages whose certificate is there do not wait for
    /// it.
    fetching: tokio::sync::Mutex<()>,
    /// Held by the one who fetches again.
    fetching_again: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Those that were found to be SNS's, by their addresses: fresh ones, and those to be fetched again.
    certificates: BTreeMap<String, Certificate>,
    /// When addresses were tried, lately, where no certificate of SNS's was (or is not yet).
    failed: VecDeque<Timestamp>,
}

/// What is kept of a certificate.
#[derive(Clone, Debug)]
struct Certificate {
    /// The RSA key (RFC 8017, `RSAPublicKey`).
    key: Vec<u8>,
    not_before: i64,
    not_after: i64,
    fetched_at: Timestamp,
    /// When it was fetched again, last.
    tried_again_at: Option<Timestamp>,
}

/// SNS has one certificate for each region at a time.
const MOST_KEPT: usize = 64;
/// After this, one is fetched again: it may have been revoked.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(24);
/// Whoever knows the name of a topic can have certificates asked for that are not there. So many, in this
/// span. Those that were there before are not among them.
const MOST_FAILED: usize = 20;
const FAILED_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// How often one that was there before is asked for again, at most.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(5);
/// A certificate and those above it.
const LARGEST: usize = 64 * 1024;

impl Kept {
    fn fresh(&self, name: &str, now: Timestamp) -> Option<Certificate> {
        let certificate = self.certificates.get(name)?;
        let age = now.duration_since(certificate.fetched_at);
        (age < KEPT_FOR).then(|| certificate.clone())
    }

    /// Whether one more may be tried that was never there.
    fn may_try(&mut self, now: Timestamp) -> bool {
        while let Some(at) = self.failed.front()
            && now.duration_since(*at) >= FAILED_WITHIN
        {
            self.failed.pop_front();
        }
        self.failed.len() < MOST_FAILED
    }

    /// Whether one that was there before may be tried again; if so, that is remembered.
    fn may_try_again(&mut self, name: &str, now: Timestamp) -> bool {
        let Some(certificate) = self.certificates.get_mut(name) else {
            return false;
        };
        let before = certificate.tried_again_at;
        let may = before.is_none_or(|before| now.duration_since(before) >= AGAIN_AFTER);
        if may {
            certificate.tried_again_at = Some(now);
        }
        may
    }

    fn keep(&mut self, name: String, certificate: Certificate) {
        if self.certificates.len() >= MOST_KEPT {
            let all = self.certificates.iter();
            let oldest = all.min_by_key(|(_, certificate)| certificate.fetched_at);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.certificates.remove(&oldest);
            }
        }
        self.certificates.insert(name, certificate);
    }
}

impl<F: Fetch> Certificates<F> {
    /// None yet.
    pub fn new(fetch: Arc<F>, authority: Authority) -> Certificates<F> {
        Certificates {
            fetch,
            authority,
            kept: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
            fetching_again: tokio::sync::Mutex::default(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether SNS has signed this message.
    pub async fn verify(&self, message: &Message, now: Timestamp) -> Result<(), CertificateError> {
        let certificate = self.certificate(message.certificate(), now).await?;
        let second = now.as_second();
        if second < certificate.not_before || second > certificate.not_after {
            return Err(CertificateError::Time);
        }
        let bytes = message.signed_bytes();
        let algorithm = match message.version() {
            SignatureVersion::One => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            SignatureVersion::Two => &RSA_PKCS1_2048_8192_SHA256,
        };
        UnparsedPublicKey::new(algorithm, &certificate.key)
            .verify(&bytes, message.signature())
            .map_err(|_| CertificateError::Signature)
    }

    /// The certificate at an address; one at a time is fetched, and one at a time is fetched again.
    async fn certificate(
        &self,
        address: &Uri,
        now: Timestamp,
    ) -> Result<Certificate, CertificateError> {
        let name = address.to_string();
        let known = {
            let mut kept = self.kept();
            if let Some(certificate) = kept.fresh(&name, now) {
                return Ok(certificate);
            }
            let known = kept.certificates.contains_key(&name);
            if !known && !kept.may_try(now) {
                // Without standing in line with the others.
                return Err(CertificateError::TooOften);
            }
            known
        };
        let _fetching = if known {
            self.fetching_again.lock().await
        } else {
            self.fetching.lock().await
        };
        {
            let mut kept = self.kept();
            if let Some(certificate) = kept.fresh(&name, now) {
                return Ok(certificate);
            }
            if known {
                if !kept.may_try_again(&name, now) {
                    return Err(CertificateError::TooOften);
                }
            } else if kept.may_try(now) {
                // It counts until it has succeeded: whoever asked may hang up meanwhile.
                kept.failed.push_back(now);
            } else {
                return Err(CertificateError::TooOften);
            }
        }
        let pem = self.fetch.get(&name, LARGEST).await;
        let pem = pem.map_err(CertificateError::Fetch)?;
        let certificate = self.read(&pem, address, now)?;
        let mut kept = self.kept();
        if !known {
            // One at a time: the last one is this one.
            kept.failed.pop_back();
        }
        kept.keep(name, certificate.clone());
        Ok(certificate)
    }

    /// Reads what was fetched: the certificate first, then those above it, if there are any.
    fn read(
        &self,
        pem: &[u8],
        address: &Uri,
        now: Timestamp,
    ) -> Result<Certificate, CertificateError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|_| CertificateError::NotOne)?;
        let (der, above) = chain.split_first().ok_or(CertificateError::NotOne)?;
        let (_, certificate) =
            X509Certificate::from_der(der).map_err(|_| CertificateError::NotOne)?;
        if certificate.is_ca() || !is_for_sns(&certificate, address) {
            return Err(CertificateError::Name);
        }
        let key = certificate.public_key();
        if key.algorithm.algorithm != x509_parser::oid_registry::OID_PKCS1_RSAENCRYPTION {
            return Err(CertificateError::NotOne);
        }
        if let Authority::Anchors(anchors) = &self.authority {
            leads_to(der, above, anchors, now)?;
        }
        let validity = certificate.validity();
        Ok(Certificate {
            key: key.subject_public_key.data.to_vec(),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
            fetched_at: now,
            tried_again_at: None,
        })
    }
}

/// Whether a certificate is for SNS: for the service's name or the host that it came from. The names of
/// hosts count; only a certificate without any has its common name read (RFC 6125, section 6.4.4).
fn is_for_sns(certificate: &X509Certificate<'_>, address: &Uri) -> bool {
    let is_sns = |name: &str| {
        name.eq_ignore_ascii_case("sns.amazonaws.com")
            || name.eq_ignore_ascii_case("sns.amazonaws.com.cn")
            || address
                .host()
                .is_some_and(|host| name.eq_ignore_ascii_case(host))
    };
    if let Ok(Some(names)) = certificate.subject_alternative_name() {
        return names
            .value
            .general_names
            .iter()
            .any(|name| matches!(name, GeneralName::DNSName(name) if is_sns(name)));
    }
    let mut common = certificate.subject().iter_common_name();
    common.any(|name| name.as_str().is_ok_and(is_sns))
}

fn leads_to(
    certificate: &CertificateDer<'_>,
    above: &[CertificateDer<'_>],
    anchors: &[TrustAnchor<'_>],
    now: Timestamp,
) -> Result<(), CertificateError> {
    let chain = |error: webpki::Error| CertificateError::Chain(error.to_string());
    let second = u64::try_from(now.as_second()).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(second));
    webpki::EndEntityCert::try_from(certificate)
        .map_err(chain)?
        .verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            anchors,
            above,
            now,
            webpki::KeyUsage::server_auth(),
            None,
            None,
        )
        .map_err(chain)?;
    Ok(())
}
