//! The links of mails: confirm, unsubscribe, acknowledge.
//!
//! What a link is worth, and the pages, are [`compliance::notice::links`]'s. A GET shows a page with a
//! button and changes nothing, because programs that inspect mail follow every link; a POST acts, from the
//! button or as a mail reader's one-click request (RFC 8058, section 3.2). Tokens are in no log: an address
//! is not written down here at all.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use compliance::notice::Subscription;
use compliance::notice::links::{LinkAction, LinkRequest, PAGE_HEADERS, refusal};
use compliance::notice::token::{TokenError, TokenKey};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::Now;

/// Where subscriptions are kept.
pub trait SubscriptionDesk: Send + Sync + 'static {
    /// The subscriptions of the configuration, as it is now.
    fn subscriptions(&self) -> Arc<[Subscription]>;

    /// The receiver wants the notices at this endpoint. May be said again.
    fn confirm(
        &self,
        id: &str,
        endpoint_digest: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), DeskError>> + Send;

    /// The receiver wants no more of them. May be said again.
    fn unsubscribe(
        &self,
        id: &str,
        endpoint_digest: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), DeskError>> + Send;

    /// The receiver of this subscription looks after a finding.
    fn acknowledge(
        &self,
        finding_id: &str,
        id: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), DeskError>> + Send;
}

/// Why nothing came of a link.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// What it is about is not there any more.
    #[error("{0}")]
    Gone(String),
    /// The store is away: worth repeating.
    #[error("the store is not available: {0}")]
    Unavailable(String),
}

/// What the routes need.
pub struct LinksRoute<D> {
    /// What tokens are made with.
    pub key: TokenKey,
    /// Acts.
    pub desk: Arc<D>,
    /// Tells the time.
    pub now: Now,
}

impl<D> fmt::Debug for LinksRoute<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinksRoute")
    }
}

pub(crate) async fn follow<D: SubscriptionDesk>(
    State(route): State<Arc<LinksRoute<D>>>,
    request: Request,
) -> Response {
    let uri = request.uri();
    let query = uri.query().unwrap_or_default();
    let Some(link) = LinkRequest::parse(uri.path(), query) else {
        return page(StatusCode::NOT_FOUND, refusal(TokenError::Invalid));
    };
    let now = (route.now)();
    let subscriptions = route.desk.subscriptions();
    let subscription = match link.check(&route.key, &subscriptions, now) {
        Ok(subscription) => subscription,
        Err(error @ TokenError::Invalid) => return page(StatusCode::NOT_FOUND, refusal(error)),
        Err(error @ TokenError::Expired) => return page(StatusCode::GONE, refusal(error)),
    };
    if request.method() != Method::POST {
        return page(StatusCode::OK, link.question(subscription));
    }
    let id = &subscription.id;
    let digest = subscription.endpoint.digest();
    let done = match &link.action {
        LinkAction::Confirm => route.desk.confirm(id, &digest, now).await,
        LinkAction::Unsubscribe => route.desk.unsubscribe(id, &digest, now).await,
        LinkAction::Acknowledge { finding_id } => route.desk.acknowledge(finding_id, id, now).await,
    };
    match done {
        Ok(()) => {
            tracing::info!(subscription = id, action = ?link.action, "a link was followed");
            page(StatusCode::OK, link.done(subscription))
        }
        Err(error) => {
            tracing::warn!(subscription = id, action = ?link.action, %error, "nothing came of a link");
            match error {
                DeskError::Gone(_) => page(StatusCode::GONE, refusal(TokenError::Invalid)),
                DeskError::Unavailable(_) => crate::server::unavailable(
                    "This could not be done now. Try again in a minute.\n",
                ),
            }
        }
    }
}

fn page(status: StatusCode, html: String) -> Response {
    let policy = policy(&html);
    let mut answer = (status, html).into_response();
    let headers = answer.headers_mut();
    for (name, value) in PAGE_HEADERS {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    // Base64 and words: always a header's value.
    if let Ok(value) = HeaderValue::from_str(&policy) {
        headers.insert("content-security-policy", value);
    }
    answer
}

/// The content security policy of a page: its own style by its hash, forms to this server, nothing else.
fn policy(html: &str) -> String {
    let style = html
        .split_once("<style>")
        .and_then(|(_, rest)| rest.split_once("</style>"))
        .map_or("", |(style, _)| style);
    let hash = STANDARD.encode(Sha256::digest(style));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
}
