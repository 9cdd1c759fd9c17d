//! One POST over HTTPS.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use compliance::notice::{Endpoint, Outcome};
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::connect::{connector, is_loopback};
use crate::tls::{Trust, TrustError};
use crate::{causes, quoted};

/// The most of an answer's body that is read.
const LONGEST_ANSWER: usize = 16 * 1024;
/// The same where the answer is what was asked for: as much as AWS Lambda lets a function return (AWS
/// Lambda developer guide, "Lambda quotas", synchronous invocation payload).
const LONGEST_ASKED_FOR: usize = 6 * 1024 * 1024;

/// How requests are made.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// For everything together: name, connection, TLS, request, answer.
    pub timeout: Duration,
    /// Who is believed.
    pub trust: Trust,
    /// The `User-Agent`.
    pub user_agent: String,
}

impl Default for HttpSettings {
    fn default() -> HttpSettings {
        HttpSettings {
            timeout: Duration::from_secs(20),
            trust: Trust::default(),
            user_agent: format!("Portcullis/{}", env!("CARGO_PKG_VERSION")),
        }
    }
}

/// Posts to web addresses: over HTTPS, or plainly to this machine; it follows no redirection, since
/// that would take a signed body to somebody else. Connections are kept and used again.
#[derive(Clone, Debug)]
pub struct Poster {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
    user_agent: HeaderValue,
}

impl Poster {
    /// A poster. An error: there are no certificate authorities to believe.
    pub fn new(settings: &HttpSettings) -> Result<Poster, TrustError> {
        let config = settings.trust.client()?;
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(config.as_ref().clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector(settings.timeout));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_max_idle_per_host(4)
            .build(https);
        Ok(Poster {
            client,
            timeout: settings.timeout,
            user_agent: HeaderValue::from_str(&settings.user_agent)
                .unwrap_or(HeaderValue::from_static("Portcullis")),
        })
    }

    /// Posts once. `now` is for an answer that names the time until which to wait.
    pub async fn post(
        &self,
        endpoint: &Endpoint,
        content_type: &'static str,
        headers: &[(&'static str, String)],
        body: Bytes,
        now: Timestamp,
    ) -> Outcome {
        let uri = match address(endpoint) {
            Ok(uri) => uri,
            Err(why) => return Outcome::refused(why),
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri.clone();
        let all = request.headers_mut();
        all.insert(USER_AGENT, self.user_agent.clone());
        all.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        for (name, value) in headers {
            let Ok(value) = HeaderValue::from_str(value) else {
                return Outcome::refused(format!("the value of the header {name} is not text"));
            };
            all.insert(HeaderName::from_static(name), value);
        }
        match tokio::time::timeout(self.timeout, self.exchange(request, LONGEST_ANSWER)).await {
            Ok(Ok(answer)) => judged(endpoint, &uri, answer, now),
            Ok(Err(why)) => Outcome::passing(format!("{endpoint}: {why}")),
            Err(_) => Outcome::passing(format!(
                "{endpoint}: no answer within {} s",
                self.timeout.as_secs_f32()
            )),
        }
    }

    /// Posts a JSON document and gives the answer's body, of a bounded size. `Err`: what became of the
    /// attempt, never [`Outcome::Accepted`].
    pub async fn ask(&self, endpoint: &Endpoint, document: &Value) -> Result<Bytes, Outcome> {
        let uri = address(endpoint).map_err(Outcome::refused)?;
        let mut request = Request::new(Full::new(Bytes::from(document.to_string())));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, self.user_agent.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let answer =
            match tokio::time::timeout(self.timeout, self.exchange(request, LONGEST_ASKED_FOR))
                .await
            {
                Ok(Ok(answer)) => answer,
                Ok(Err(why)) => return Err(Outcome::passing(format!("{endpoint}: {why}"))),
                Err(_) => {
                    return Err(Outcome::passing(format!(
                        "{endpoint}: no answer within {} s",
                        self.timeout.as_secs_f32()
                    )));
                }
            };
        if answer.status.is_success() && !answer.is_whole {
            Err(Outcome::passing(format!(
                "{endpoint}: its answer broke off, or has more than {} MiB",
                LONGEST_ASKED_FOR / (1024 * 1024)
            )))
        } else if answer.status.is_success() {
            Ok(answer.body)
        } else {
            // Whoever runs it may set it right.
            Err(Outcome::passing(format!(
                "{endpoint} answered {}",
                answer.status
            )))
        }
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        longest: usize,
    ) -> Result<Answer, String> {
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| causes(&error))?;
        let (head, body) = response.into_parts();
        // The status counts; a body that is too long or breaks off takes nothing from it.
        let body = match Limited::new(body, longest).collect().await {
            Ok(body) => Some(body.to_bytes()),
            Err(error) => {
                let error: Box<dyn Error + Send + Sync> = error;
                drop(error);
                None
            }
        };
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            is_whole: body.is_some(),
            body: body.unwrap_or_default(),
        })
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    /// Empty if it is not whole.
    body: Bytes,
    /// Whether it came to its end, within its bound.
    is_whole: bool,
}

/// The address, if it may be posted to.
fn address(endpoint: &Endpoint) -> Result<Uri, String> {
    let uri: Uri = endpoint
        .expose()
        .parse()
        .map_err(|_| format!("{endpoint} is not a web address"))?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(format!("{endpoint} is not a whole web address"));
    };
    if authority.as_str().contains('@') {
        return Err(format!(
            "{endpoint}: a name and password in an address are not sent; remove them"
        ));
    }
    match scheme {
        "https" => Ok(uri),
        "http" if is_loopback(authority.host()) => Ok(uri),
        _ => Err(format!(
            "{endpoint}: only https is allowed, except to this machine itself"
        )),
    }
}

fn judged(endpoint: &Endpoint, uri: &Uri, answer: Answer, now: Timestamp) -> Outcome {
    let status = answer.status;
    let said = said(uri, &answer.body);
    let line = match &said {
        Some(said) => format!("{status}: {said}"),
        None => status.to_string(),
    };
    if status.is_success() {
        return Outcome::Accepted { answer: line };
    }
    let why = format!("{endpoint} answered {line}");
    if status.is_redirection() {
        return Outcome::passing(format!(
            "{why}. Redirections are not followed: set the new address"
        ));
    }
    match status.as_u16() {
        410 => Outcome::Refused { why, gone: true },
        // The same request will never do. Everything else may be a deployment, a lost key, a limit.
        400 | 405 | 406 | 411 | 413 | 414 | 415 | 422 | 431 => Outcome::refused(why),
        _ => Outcome::Passing {
            why,
            retry_after: retry_after(&answer.headers, now),
        },
    }
}

/// What the answer's body says, unless that repeats parts of the address: they may be secret.
fn said(uri: &Uri, body: &[u8]) -> Option<String> {
    let text = quoted(str::from_utf8(body).ok()?);
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let repeats = path
        .split(['/', '?', '&', '=', ';', ','])
        .any(|piece| piece.len() >= 5 && text.contains(piece));
    (!text.is_empty() && !repeats).then_some(text)
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<SignedDuration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(SignedDuration::from_secs(i64::from(seconds)));
    }
    let until = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    let wait = until.duration_since(now);
    wait.is_positive().then_some(wait)
}
