//! A plain HTTP client that sends one request as `curl` does, unsigned or signed with an access key: what
//! a caller really gets.

use std::fmt;
use std::io;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
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

/// One caller of one endpoint.
#[derive(Clone)]
pub struct Client {
    endpoint: String,
    credentials: Option<Credentials>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.endpoint)
            .field("signs", &self.credentials.is_some())
            .finish()
    }
}

impl Client {
    /// A caller that does not sign. `endpoint` is `http://host:port`.
    pub fn anonymous(endpoint: &str) -> Client {
        Client {
            endpoint: endpoint.to_owned(),
            credentials: None,
        }
    }

    /// A caller that signs with an access key.
    pub fn signed(endpoint: &str, access_key: &str, secret_key: &str) -> Client {
        Client {
            endpoint: endpoint.to_owned(),
            credentials: Some(Credentials::new(
                access_key, secret_key, None, None, "given",
            )),
        }
    }

    /// Sends one request to S3 over a connection of its own and reads the whole answer. `target` is the
    /// path with its query.
    ///
    /// # Errors
    ///
    /// The endpoint or the target is malformed, nobody answers there, or the answer is not HTTP or
    /// too large.
    pub async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> io::Result<Answer> {
        self.send_to("s3", method, target, headers, body).await
    }

    /// The same to another service at the endpoint, such as `sts`: the signature names it.
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn send_to(
        &self,
        service: &str,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> io::Result<Answer> {
        let authority = self
            .endpoint
            .strip_prefix("http://")
            .ok_or_else(|| invalid(format!("`{}` does not start with http://", self.endpoint)))?
            .trim_end_matches('/');
        let body = body.into();
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, authority);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for (name, value) in self.signature(service, method, target, headers, &body)? {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).map_err(invalid)?;
        exchange(authority, request).await
    }

    /// The headers that sign a request; none for an anonymous caller.
    fn signature(
        &self,
        service: &str,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Vec<(String, String)>> {
        let Some(credentials) = &self.credentials else {
            return Ok(Vec::new());
        };
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let identity = credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name(service)
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(invalid)?
            .into();
        let request = SignableRequest::new(
            method,
            format!("{}{target}", self.endpoint.trim_end_matches('/')),
            headers.iter().copied(),
            SignableBody::Bytes(body),
        )
        .map_err(invalid)?;
        let (instructions, _) = sign(request, &params).map_err(invalid)?.into_parts();
        Ok(instructions
            .headers()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }
}

fn invalid(why: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why.to_string())
}

async fn exchange(authority: &str, request: Request<Full<Bytes>>) -> io::Result<Answer> {
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
