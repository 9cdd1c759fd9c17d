//! `POST /events`: what EventBridge's API destinations send.
//!
//! The sender proves itself by an API key in a header (a connection of type `API_KEY`). What each answer
//! makes of the event follows from Amazon EventBridge's user guide, "API destinations", section "API
//! destination error codes": 429 and 5xx are repeated, for a day and up to 185 times, with regard to
//! `Retry-After`; every other status is final, a success and a refusal alike. EventBridge waits five
//! seconds for an answer.
//!
//! | answer | when |
//! |---|---|
//! | 200 | it is stored. Also: it came from the right sender and cannot be understood. It is counted and kept as rejected; a 4xx would lose it as well, and a 5xx would bring the same text 185 times |
//! | 401 | no key, or not one of ours |
//! | 413 | larger than any event |
//! | 503 | the store is away or slow, or the text came too slowly: come again |
//! | 500 | the store refuses it: come again, somebody has to repair it |

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use guard::intake::{Arrival, EventSink, SinkError};
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;

use crate::Now;
use crate::places::Places;
use crate::server::unavailable;
use crate::sources::SourceWatch;

/// One key that opens the intake. Several at once let one be replaced without losing an event. It does
/// not print.
#[derive(Clone)]
pub struct ApiKey {
    name: String,
    /// Compared in place of the key: all are of one length then, and a comparison tells nothing of it.
    digest: [u8; 32],
}

/// Why a key will not do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ApiKeyError {
    /// It could be guessed.
    #[error(
        "the API key {name:?} has {length} characters; {least} are the least (`openssl rand -hex 32` makes one)"
    )]
    Short {
        /// Its name.
        name: String,
        /// Its length.
        length: usize,
        /// The least.
        least: usize,
    },
    /// No header can carry it.
    #[error(
        "the API key {name:?} has characters other than the visible ones of ASCII, which a header cannot carry"
    )]
    Characters {
        /// Its name.
        name: String,
    },
}

impl ApiKey {
    /// The least length of a key.
    pub const LEAST: usize = 24;

    /// A key, with the name that logs have for it.
    pub fn new(name: &str, key: &str) -> Result<ApiKey, ApiKeyError> {
        let name = name.to_owned();
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ApiKeyError::Characters { name });
        }
        if key.len() < ApiKey::LEAST {
            return Err(ApiKeyError::Short {
                name,
                length: key.len(),
                least: ApiKey::LEAST,
            });
        }
        Ok(ApiKey {
            name,
            digest: Sha256::digest(key).into(),
        })
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({:?}, …)", self.name)
    }
}

/// What the route needs.
pub struct EventsRoute<S> {
    /// The header with the key; `x-api-key` if nothing else was agreed.
    pub header: HeaderName,
    /// The keys.
    pub keys: Vec<ApiKey>,
    /// The source that the events are of.
    pub watch: SourceWatch,
    /// Takes them.
    pub sink: Arc<S>,
    /// How long it may take, so that an answer is there before EventBridge gives up after five seconds.
    pub within: Duration,
    /// Tells the time.
    pub now: Now,
}

impl<S> fmt::Debug for EventsRoute<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventsRoute")
            .field("header", &self.header)
            .field("keys", &self.keys)
            .field("source", self.watch.source())
            .finish_non_exhaustive()
    }
}

/// The header that has the key if nothing else was agreed.
pub const API_KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");

/// The header of this name. `None`: no header is called so, or it is one that says how the request itself is
/// to be read, or that proxies change.
pub fn api_key_header(name: &str) -> Option<HeaderName> {
    const TAKEN: [HeaderName; 10] = [
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::EXPECT,
        header::HOST,
        header::TE,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::USER_AGENT,
    ];
    let header = HeaderName::from_bytes(name.as_bytes()).ok()?;
    (!TAKEN.contains(&header)).then_some(header)
}

/// How long the sink may take.
pub const ANSWER_WITHIN: Duration = Duration::from_millis(4_000);

/// The name of the key that a request has, if it is one of these. Every key is compared, and every byte.
fn known<'k>(keys: &'k [ApiKey], header: &HeaderName, headers: &HeaderMap) -> Option<&'k str> {
    let mut values = headers.get_all(header).iter();
    // Two headers are no proof of either.
    let (given, None) = (values.next()?, values.next()) else {
        return None;
    };
    let digest: [u8; 32] = Sha256::digest(given.as_bytes()).into();
    let mut found = None;
    for key in keys {
        let same: Choice = key.digest.ct_eq(&digest);
        if bool::from(same) {
            found = Some(key.name.as_str());
        }
    }
    found
}

pub(crate) async fn take<S: EventSink>(
    State((route, places)): State<(Arc<EventsRoute<S>>, Places)>,
    request: Request,
) -> Response {
    let Some(key) = known(&route.keys, &route.header, request.headers()) else {
        route.watch.rejected("unauthorized", 1);
        return (StatusCode::UNAUTHORIZED, "this needs one of the API keys\n").into_response();
    };
    let whole = match places.whole(request.into_body()).await {
        Ok(whole) => whole,
        Err(why) => {
            route.watch.rejected(why.reason(), 1);
            return why.answer();
        }
    };
    let _place = places.take().await;
    tracing::debug!(key, bytes = whole.text.len(), "an event came");
    route.watch.heard((route.now)());
    store(&*route.sink, &route.watch, &whole.text, route.within).await
}

/// Stores a text, and answers when that is done.
pub(crate) async fn store<S: EventSink>(
    sink: &S,
    watch: &SourceWatch,
    text: &str,
    within: Duration,
) -> Response {
    match tokio::time::timeout(within, sink.arrive(text, watch.source())).await {
        Ok(Ok(arrival)) => {
            watch.arrived(&arrival);
            stored(&arrival)
        }
        Ok(Err(error)) => {
            watch.not_stored(&error.to_string());
            match error {
                SinkError::Unavailable { .. } => unavailable("not stored; come again\n"),
                SinkError::Broken { .. } => {
                    let answer = (StatusCode::INTERNAL_SERVER_ERROR, "not stored\n");
                    answer.into_response()
                }
            }
        }
        Err(_) => {
            watch.not_stored("the store did not answer in time");
            unavailable("not stored in time; come again\n")
        }
    }
}

fn stored(arrival: &Arrival) -> Response {
    let body = json!({
        "new": arrival.new,
        "duplicate": arrival.duplicate,
        "idle": arrival.idle,
        "rejected": arrival.rejected,
    });
    let headers = [("content-type", "application/json")];
    (headers, format!("{body}\n")).into_response()
}
