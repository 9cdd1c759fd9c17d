//! Fetches a document by HTTPS: the certificates of SNS, and the address that confirms a subscription.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use axum::http::{Request, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// Fetches documents.
pub trait Fetch: Send + Sync + 'static {
    /// The document at an address, if it is not larger than `largest`. The error says why not, without the
    /// address: that may hold a token.
    fn get(
        &self,
        address: &str,
        largest: usize,
    ) -> impl Future<Output = Result<Vec<u8>, String>> + Send;
}

/// Fetches by HTTPS and nothing else. Follows no redirection: the address was checked, where it leads was
/// not.
#[derive(Clone, Debug)]
pub struct HttpsFetch {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    timeout: Duration,
}

impl HttpsFetch {
    /// Believes the system's authorities, and these. An error: there is nobody to believe.
    pub fn new(more: &[CertificateDer<'static>], timeout: Duration) -> Result<HttpsFetch, String> {
        let system = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(system.certs);
        roots.add_parsable_certificates(more.iter().cloned());
        if roots.is_empty() {
            return Err(
                "this system has no certificate authorities; install its package of them (Debian: \
                 ca-certificates)"
                    .to_owned(),
            );
        }
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        // An IPv6 address that is announced and dead costs no more than this (RFC 8305).
        connector.set_happy_eyeballs_timeout(Some(Duration::from_millis(300)));
        connector.set_connect_timeout(Some(timeout));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_only()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(1)
            .build(https);
        Ok(HttpsFetch { client, timeout })
    }

    async fn fetch(&self, address: &str, largest: usize) -> Result<Vec<u8>, String> {
        let uri: Uri = address.parse().map_err(|_| "not an address".to_owned())?;
        let request = Request::get(uri).header("user-agent", "Portcullis");
        let request = request
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        let answer = self.client.request(request).await;
        let answer = answer.map_err(|error| causes(&error))?;
        let status = answer.status();
        if status != 200 {
            return Err(format!("the answer was {status}"));
        }
        let body = Limited::new(answer.into_body(), largest).collect().await;
        let body = body.map_err(|error| format!("the answer was not read: {error}"))?;
        Ok(body.to_bytes().to_vec())
    }
}

impl Fetch for HttpsFetch {
    async fn get(&self, address: &str, largest: usize) -> Result<Vec<u8>, String> {
        match tokio::time::timeout(self.timeout, self.fetch(address, largest)).await {
            Ok(fetched) => fetched,
            Err(_) => Err(format!("no answer within {} s", self.timeout.as_secs_f32())),
        }
    }
}

/// An error with its causes; the client's own first line says nothing more.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
