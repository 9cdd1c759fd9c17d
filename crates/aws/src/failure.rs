//! What a failed call means, from the SDK's error and the raw answer.

use std::borrow::Cow;
use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::http::Response;
use guard::error::{CallError, Hopeless};
use guard::operation::Operation;
use serde_json::Value;

use crate::dialect::{Found, WrongDocument, look_at};
use crate::xml::Element;

/// The parts of a failure that its meaning hangs on.
pub(crate) struct Answer<'a> {
    status: u16,
    code: Cow<'a, str>,
    message: Cow<'a, str>,
    html: bool,
}

impl Answer<'_> {
    /// What an answer with an error status says, as the services' protocols write it: `<Code>` and
    /// `<Message>` anywhere in a document, or JSON with `__type` or `code`, or the code in a header.
    pub(crate) fn read(status: u16, header: Option<&str>, body: &[u8]) -> Answer<'static> {
        let found = look_at(body);
        let (code, message) = match &found {
            Found::Xml(_) => {
                let document = Element::parse(body).unwrap_or_default();
                let text = |name| document.find(name).map(|element| element.text.clone());
                (text("Code"), text("Message"))
            }
            Found::Json => {
                let document: Value = serde_json::from_slice(body).unwrap_or_default();
                let text = |names: &[&str]| {
                    let text = names.iter().find_map(|name| document[*name].as_str());
                    text.map(str::to_owned)
                };
                (
                    text(&["__type", "code", "Code", "Type"]),
                    text(&["message", "Message"]),
                )
            }
            _ => (None, None),
        };
        let code = header.map(str::to_owned).or(code).unwrap_or_default();
        // `namespace#Code:address`
        let code = code.rsplit('#').next().unwrap_or_default();
        let code = code.split(':').next().unwrap_or_default().trim();
        Answer {
            status,
            code: code.to_owned().into(),
            message: message.unwrap_or_default().into(),
            html: found == Found::Html,
        }
    }

    /// A failure that stands inside a successful answer.
    pub(crate) fn within<'a>(code: &'a str, message: &'a str) -> Answer<'a> {
        Answer {
            status: 200,
            code: code.into(),
            message: message.into(),
            html: false,
        }
    }
}

/// What the failure of `operation` at `endpoint` means.
pub(crate) fn meaning<E>(
    operation: Operation,
    endpoint: &str,
    error: &SdkError<E, Response>,
) -> CallError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let Some(wrong) = in_chain::<WrongDocument>(error) {
        if wrong.is_html() && is_first_call(operation) {
            return not_s3(endpoint, wrong.to_string());
        }
        return CallError::Unsupported {
            operation,
            detail: wrong.to_string(),
        };
    }
    if let Some(credentials) = in_chain::<CredentialsError>(error) {
        return credentials_failure(credentials).into();
    }
    match error {
        SdkError::ServiceError(_) | SdkError::ResponseError(_) => {
            let Some(response) = error.raw_response() else {
                return passing(operation, chain(error));
            };
            let body = response.body().bytes().unwrap_or_default();
            let status = response.status().as_u16();
            if matches!(error, SdkError::ResponseError(_)) && response.status().is_success() {
                // 200 with a body that breaks off or is no such document: half an answer.
                return passing(
                    operation,
                    format!("the answer could not be read: {}", chain(error)),
                );
            }
            answer_meaning(
                operation,
                endpoint,
                Answer {
                    status,
                    code: error.code().unwrap_or_default().into(),
                    message: error.message().unwrap_or_default().into(),
                    html: look_at(body) == Found::Html,
                },
            )
        }
        SdkError::TimeoutError(_) => passing(operation, "no answer in time".to_owned()),
        SdkError::DispatchFailure(failure) if failure.is_user() => CallError::Failed {
            operation,
            detail: chain(error),
        },
        SdkError::DispatchFailure(_) => passing(operation, chain(error)),
        _ => CallError::Failed {
            operation,
            detail: chain(error),
        },
    }
}

/// What an answer with an error status means. Codes: Amazon S3 API reference, "Error responses",
/// and the codes common to all services.
pub(crate) fn answer_meaning(
    operation: Operation,
    endpoint: &str,
    answer: Answer<'_>,
) -> CallError {
    let said = || {
        let text = format!("{} {} {}", answer.status, answer.code, answer.message);
        plain(text.trim())
    };
    // The services that are not S3 say it so, in words (AWS IAM user guide, "Troubleshoot signature
    // errors").
    if answer.message.starts_with("Signature expired")
        || answer.message.starts_with("Signature not yet current")
    {
        return Hopeless::ClockSkew.into();
    }
    match answer.code.as_ref() {
        "AccessDenied"
        | "AllAccessDisabled"
        | "AccessDeniedException"
        | "AuthorizationError"
        | "UnauthorizedAccess"
        | "UnauthorizedOperation" => CallError::AccessDenied { operation },
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "RequestExpired" => {
            Hopeless::ExpiredCredentials.into()
        }
        "RequestTimeTooSkewed" => Hopeless::ClockSkew.into(),
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "InvalidToken"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "AuthFailure"
        | "InvalidSecurity"
        | "NotSignedUp" => Hopeless::WrongCredentials { detail: said() }.into(),
        "NoSuchBucket" => CallError::NoSuchBucket,
        "SlowDown"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestLimitExceeded"
        | "TooManyRequests"
        | "TooManyRequestsException"
        | "RequestThrottled"
        | "EC2ThrottledException"
        | "KMSThrottling"
        | "KMSThrottlingException"
        | "OverLimit"
        | "ServiceUnavailable" => CallError::Throttled { operation },
        "InternalError" | "InternalFailure" | "InternalException" | "RequestTimeout"
        | "OperationAborted" => passing(operation, said()),
        "NotImplemented" | "MethodNotAllowed" | "XNotImplemented" | "UnsupportedOperation" => {
            CallError::Unsupported {
                operation,
                detail: said(),
            }
        }
        // A request without a body that is called malformed was taken for another operation.
        "MalformedXML" if !operation.writes() => CallError::Unsupported {
            operation,
            detail: said(),
        },
        _ => match answer.status {
            429 | 503 => CallError::Throttled { operation },
            405 | 501 => CallError::Unsupported {
                operation,
                detail: said(),
            },
            500..=599 => passing(operation, said()),
            _ if answer.html && is_first_call(operation) => {
                not_s3(endpoint, format!("{} with a web page", answer.status))
            }
            401 | 403 if answer.code.is_empty() => CallError::AccessDenied { operation },
            _ if answer.code.is_empty() && is_first_call(operation) => {
                not_s3(endpoint, format!("{} without an S3 error", answer.status))
            }
            _ => CallError::Failed {
                operation,
                detail: said(),
            },
        },
    }
}

/// The call by which the endpoint is met: a web page here means that nothing else can work.
fn is_first_call(operation: Operation) -> bool {
    operation == Operation::ListBuckets
}

fn not_s3(endpoint: &str, detail: String) -> CallError {
    Hopeless::NotS3 {
        endpoint: endpoint.to_owned(),
        detail,
    }
    .into()
}

fn passing(operation: Operation, detail: String) -> CallError {
    CallError::Passing { operation, detail }
}

/// The providers' errors name files, profiles and addresses, never secrets.
pub(crate) fn credentials_failure(error: &CredentialsError) -> Hopeless {
    let detail = plain(&chain(error));
    let folded = detail.to_ascii_lowercase();
    if folded.contains("expired") {
        Hopeless::ExpiredCredentials
    } else if matches!(error, CredentialsError::InvalidConfiguration(_)) {
        Hopeless::Configuration { detail }
    } else if matches!(error, CredentialsError::CredentialsNotLoaded(_)) {
        Hopeless::NoCredentials {
            detail: "neither the environment, the profile, a web identity, nor the metadata of a container or an instance has any".to_owned(),
        }
    } else {
        Hopeless::CredentialsWithheld { detail }
    }
}

/// The first error of this type among the causes.
fn in_chain<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// All causes in one line, repeated words left out.
fn chain(error: &dyn Error) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let said = error.to_string();
        if !text.contains(&said) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&said);
        }
        next = error.source();
    }
    plain(&text)
}

/// A server's words without control characters, and not too many of them.
fn plain(text: &str) -> String {
    let mut plain: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(300)
        .collect();
    if text.chars().count() > 300 {
        plain.push('…');
    }
    plain
}
