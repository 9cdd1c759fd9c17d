//! A plain HTTP request, as `curl` sends it: what an anonymous caller really gets.

use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderMap};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Answers are small here; a larger one is an error.
const LARGEST_ANSWER: usize = 32 * 1024 * 1024;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of an S3 error, such as `AccessDenied`.
    pub fn error_code(&self) -> Option<String> {
        let text = self.text();
        let (_, rest) = text.split_once("<Code>")?;
        let (code, _) = rest.split_once("</Code>")?;
        Some(code.to_owned())
    }
}

/// Sends one request over a connection of its own and reads the whole answer.
///
/// `endpoint` is `http://host:port`, `target` the path with its query.
///
/// # Errors
///
/// The endpoint is no such URL, nobody answers there, or the answer is not HTTP or too large.
pub async fn send(
    endpoint: &str,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> io::Result<Answer> {
    let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
    let authority = endpoint
        .strip_prefix("http://")
        .ok_or_else(|| invalid(format!("`{endpoint}` does not start with http://")))?
        .trim_end_matches('/');
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header(HOST, authority);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .body(Full::new(body.into()))
        .map_err(|error| invalid(error.to_string()))?;

    let stream = TcpStream::connect(authority).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let connection = tokio::spawn(connection);
    let answer = async {
        let answer = sender
            .send_request(request)
            .await
            .map_err(io::Error::other)?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, LARGEST_ANSWER)
            .collect()
            .await
            .map_err(io::Error::other)?;
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.to_bytes(),
        })
    }
    .await;
    drop(sender);
    // The connection ends with its only request; how, no longer matters.
    let _ = connection.await;
    answer
}
