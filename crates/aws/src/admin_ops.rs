//! Ceph's Admin Ops API, as far as it is needed: every bucket of the store.
//!
//! ListBuckets shows one user's buckets; `GET /admin/bucket` shows all of them to credentials with
//! the capability `buckets=read` (Ceph documentation, "RADOS Gateway Admin Operations", "Get bucket
//! info"). The request is the SDK's listing with another path: so credentials, signature, TLS and
//! proxies are the SDK's too.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::http::Headers;
use guard::ports::BucketAddress;
use serde::Deserialize;

/// These credentials may not ask for every user's buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAdmin;

/// Keeps an answer's status, headers and body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Captured(Arc<Mutex<Option<Raw>>>);

/// Status, headers and body.
pub(crate) type Raw = (u16, Headers, Vec<u8>);

impl Captured {
    /// The headers of the last answer; none, if there was no answer.
    pub(crate) fn headers(&self) -> Headers {
        self.take()
            .map(|(_, headers, _)| headers)
            .unwrap_or_default()
    }

    /// The body of the last answer.
    pub(crate) fn body(&self) -> Vec<u8> {
        self.take().map(|(_, _, body)| body).unwrap_or_default()
    }

    /// Status, headers and body of the last answer.
    pub(crate) fn take(&self) -> Option<Raw> {
        // Only whole values are assigned under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Intercept for Captured {
    fn name(&self) -> &'static str {
        "CaptureAnswer"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let body = response.body().bytes().unwrap_or_default().to_vec();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((response.status().as_u16(), response.headers().clone(), body));
        Ok(())
    }
}

/// Turns the listing into the Admin Ops request before it is signed.
#[derive(Debug)]
struct AdminPath;

impl Intercept for AdminPath {
    fn name(&self) -> &'static str {
        "AdminOpsPath"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let base = request.uri().split('?').next().unwrap_or_default();
        let uri = format!(
            "{}/admin/bucket?format=json&stats=true",
            base.trim_end_matches('/')
        );
        request.set_uri(uri)?;
        Ok(())
    }
}

/// One bucket, as the Admin Ops API tells it.
#[derive(Debug, Deserialize)]
struct Told {
    bucket: String,
    #[serde(default)]
    tenant: String,
    #[serde(default)]
    owner: String,
}

/// Every bucket of the store, with tenants and owners.
pub(crate) async fn buckets(client: &Client) -> Result<Vec<BucketAddress>, NotAdmin> {
    let captured = Captured::default();
    // The answer is JSON, which the SDK takes for a broken listing; what counts is what was captured.
    let _ = client
        .list_buckets()
        .customize()
        .interceptor(AdminPath)
        .interceptor(captured.clone())
        .send()
        .await;
    match captured.take() {
        Some((200, _, body)) => read(&body).ok_or(NotAdmin),
        _ => Err(NotAdmin),
    }
}

fn read(body: &[u8]) -> Option<Vec<BucketAddress>> {
    let told: Vec<Told> = serde_json::from_slice(body).ok()?;
    Some(
        told.into_iter()
            .map(|told| BucketAddress {
                name: if told.tenant.is_empty() {
                    told.bucket
                } else {
                    format!("{}:{}", told.tenant, told.bucket)
                },
                region: None,
                owner: Some(told.owner).filter(|owner| !owner.is_empty()),
                created: None,
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_tenants_and_owners() {
        let body = br#"[{"bucket":"a","tenant":"","owner":"owner","zonegroup":"x","usage":{}},
                        {"bucket":"b","tenant":"acme","owner":"acme$bob"}]"#;
        let names: Vec<_> = read(body)
            .into_iter()
            .flatten()
            .map(|at| (at.name, at.owner))
            .collect();
        assert_eq!(
            names,
            [
                ("a".to_owned(), Some("owner".to_owned())),
                ("acme:b".to_owned(), Some("acme$bob".to_owned()))
            ]
        );
        assert_eq!(read(b"<html>"), None);
    }
}
