//! What the HTTP proxy does to a request.

use hyper::StatusCode;
use hyper::body::Bytes;

use crate::gate::Gate;

/// What becomes of one request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Nothing: it is forwarded, and so is the answer.
    Pass,
    /// This answer, and the server never hears of the request.
    Answer(Answer),
    /// It waits at the gate, then goes on as if nothing were.
    Hold(Moment, Gate),
    /// Nothing comes back, until the client gives up.
    NeverAnswer(Moment),
    /// The connection is reset (RST).
    Reset(Moment),
    /// The server's answer breaks off after half of its body, and the connection is closed. One that has no
    /// body does not come at all.
    HalfAnswer,
}

/// Before the server has heard of the request, or after it has done what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The server does not hear of it (yet).
    BeforeForwarding,
    /// The server has answered; the client does not know (yet).
    AfterForwarding,
}

/// An answer that the proxy gives by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Answer {
    /// An answer with a body of a media type.
    #[must_use]
    pub fn new(status: StatusCode, media_type: &str, body: impl Into<Bytes>) -> Answer {
        Answer {
            status,
            headers: vec![("content-type", media_type.to_owned())],
            body: body.into(),
        }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Answer {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// An error as S3 says it:
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.
    #[must_use]
    pub fn s3_error(status: StatusCode, code: &str, message: &str) -> Answer {
        Answer::s3_error_with(status, code, message, "")
    }

    fn s3_error_with(status: StatusCode, code: &str, message: &str, more: &str) -> Answer {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
             <Message>{message}</Message>{more}<RequestId>{ID}</RequestId></Error>"
        );
        Answer::new(status, "application/xml", body).header("x-amz-request-id", ID)
    }

    /// An error as services of the JSON protocols (SQS, Config …) say it:
    /// <https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html>.
    #[must_use]
    pub fn json_error(status: StatusCode, code: &str, message: &str) -> Answer {
        let body = serde_json::json!({"__type": code, "message": message}).to_string();
        Answer::new(status, "application/x-amz-json-1.0", body).header("x-amzn-requestid", ID)
    }

    /// An error as services of the Query protocol (SNS, IAM, STS …) say it:
    /// <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>.
    #[must_use]
    pub fn query_error(status: StatusCode, code: &str, message: &str) -> Answer {
        let kind = if status.is_server_error() {
            "Receiver"
        } else {
            "Sender"
        };
        let body = format!(
            "<ErrorResponse><Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message>\
             </Error><RequestId>{ID}</RequestId></ErrorResponse>"
        );
        Answer::new(status, "text/xml", body)
    }
}

/// Of every answer that the proxy gives by itself.
const ID: &str = "FAULTPROXY000000";

/// The usual answers of an S3 that has troubles of its own.
impl Fault {
    /// 503: too many requests.
    #[must_use]
    pub fn slow_down() -> Fault {
        Fault::Answer(Answer::s3_error(
            StatusCode::SERVICE_UNAVAILABLE,
            "SlowDown",
            "too many requests: send fewer",
        ))
    }

    /// 500.
    #[must_use]
    pub fn internal_error() -> Fault {
        Fault::Answer(Answer::s3_error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            "something broke on this side",
        ))
    }

    /// 400: the session of the credentials is over.
    #[must_use]
    pub fn expired_token() -> Fault {
        Fault::Answer(Answer::s3_error(
            StatusCode::BAD_REQUEST,
            "ExpiredToken",
            "the token has expired",
        ))
    }

    /// 403: the client's clock is wrong. The server's time is a day of 2015.
    #[must_use]
    pub fn request_time_too_skewed() -> Fault {
        let answer = Answer::s3_error_with(
            StatusCode::FORBIDDEN,
            "RequestTimeTooSkewed",
            "the clocks differ by too much",
            "<ServerTime>2015-10-21T07:28:00Z</ServerTime>\
             <MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>",
        );
        // The client takes the server's time from here.
        Fault::Answer(answer.header("date", "Wed, 21 Oct 2015 07:28:00 GMT"))
    }

    /// 403.
    #[must_use]
    pub fn access_denied() -> Fault {
        Fault::Answer(Answer::s3_error(
            StatusCode::FORBIDDEN,
            "AccessDenied",
            "not for you",
        ))
    }
}
