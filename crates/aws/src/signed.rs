//! Calls to services that have no SDK crate here, because one call is not worth minutes of compiling.
//!
//! As in `admin_ops`, the request is one of the SDK's own with another address and body: a call of STS
//! whose endpoint resolver names the other service. So credentials, signature (with the correction of
//! a wrong clock), TLS, proxies and time-outs are the SDK's, and there is one HTTP client for all.

use aws_config::{Region, SdkConfig};
use aws_sdk_sts::config::endpoint::{Endpoint, EndpointFuture, Params, ResolveEndpoint};
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_types::Document;
use aws_smithy_types::body::SdkBody;
use aws_types::service_config::ServiceConfigKey;
use guard::error::CallError;
use guard::operation::Operation;

use crate::admin_ops::Captured;
use crate::dialect;
use crate::failure::{Answer, answer_meaning, meaning};

/// A service that is called this way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Service {
    /// Volumes.
    Ec2,
    /// The root user's MFA.
    Iam,
    /// Functions.
    Lambda,
}

impl Service {
    /// Its name in signatures and endpoints.
    fn name(self) -> &'static str {
        match self {
            Service::Ec2 => "ec2",
            Service::Iam => "iam",
            Service::Lambda => "lambda",
        }
    }

    /// Its id in the configuration: `AWS_ENDPOINT_URL_IAM`.
    fn id(self) -> &'static str {
        match self {
            Service::Ec2 => "EC2",
            Service::Iam => "IAM",
            Service::Lambda => "Lambda",
        }
    }

    /// The region that it is called in: IAM has one for a whole partition (AWS general reference, "AWS
    /// Identity and Access Management endpoints and quotas").
    fn region(self, region: &str) -> &str {
        match self {
            Service::Iam => match crate::connect::partition_of(region) {
                "aws-cn" => "cn-north-1",
                "aws-us-gov" => "us-gov-west-1",
                _ => "us-east-1",
            },
            Service::Ec2 | Service::Lambda => region,
        }
    }

    /// Where AWS has it.
    fn default_url(self, region: &str) -> String {
        let partition = crate::connect::partition_of(region);
        match (self, partition) {
            (Service::Iam, "aws") => "https://iam.amazonaws.com".to_owned(),
            (Service::Iam, "aws-us-gov") => "https://iam.us-gov.amazonaws.com".to_owned(),
            (Service::Iam, _) => "https://iam.cn-north-1.amazonaws.com.cn".to_owned(),
            (_, "aws-cn") => format!("https://{}.{region}.amazonaws.com.cn", self.name()),
            (_, _) => format!("https://{}.{region}.amazonaws.com", self.name()),
        }
    }

    /// Where it is: as given, as the user's AWS configuration says, or where AWS has it.
    pub(crate) fn url(self, config: &SdkConfig, given: Option<&str>, region: &str) -> String {
        let key = ServiceConfigKey::builder()
            .service_id(self.id())
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build();
        let configured = || config.service_config()?.load_config(key.ok()?);
        given
            .map(str::to_owned)
            .or_else(configured)
            .or_else(|| config.endpoint_url().map(str::to_owned))
            .unwrap_or_else(|| self.default_url(region))
    }
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// To which service.
    pub(crate) service: Service,
    /// Where it is.
    pub(crate) url: String,
    /// The region that the service is asked about.
    pub(crate) region: String,
    /// The path after the endpoint, percent-encoded.
    pub(crate) path: String,
    /// The body's type.
    pub(crate) content_type: &'static str,
    /// Further headers.
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A call of the Query protocol: `Action`, `Version` and parameters as a form.
    pub(crate) fn query(
        service: Service,
        url: String,
        region: &str,
        version: &str,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Request {
        let mut form = format!("Action={action}&Version={version}");
        for (name, value) in parameters {
            form.push('&');
            form.push_str(&encoded(name));
            form.push('=');
            form.push_str(&encoded(value));
        }
        Request {
            service,
            url,
            region: region.to_owned(),
            path: "/".to_owned(),
            content_type: "application/x-www-form-urlencoded",
            headers: Vec::new(),
            body: form.into_bytes(),
        }
    }
}

/// Everything but unreserved characters as `%XX` (RFC 3986, section 2.3).
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// A successful answer.
#[derive(Debug)]
pub(crate) struct Answered {
    /// The value of a header, in small letters.
    headers: aws_smithy_runtime_api::http::Headers,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Answered {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }
}

/// Signs, sends, and takes the answer; one with an error status is an error.
pub(crate) async fn send(
    config: &SdkConfig,
    operation: Operation,
    request: Request,
) -> Result<Answered, CallError> {
    let place = request.url.clone();
    let signing_region = request.service.region(&request.region).to_owned();
    let carrier = aws_sdk_sts::config::Builder::from(config)
        .region(Region::new(signing_region.clone()))
        .endpoint_resolver(At {
            url: request.url.clone(),
            name: request.service.name(),
            region: signing_region,
        })
        .build();
    let captured = Captured::default();
    let sent = aws_sdk_sts::Client::from_conf(carrier)
        .get_caller_identity()
        .customize()
        .interceptor(Replace(request))
        .interceptor(captured.clone())
        .send()
        .await;
    // The SDK takes the answer for STS's; what counts is what was captured.
    let Some((status, headers, body)) = captured.take() else {
        return Err(match sent {
            Err(error) => meaning(operation, &place, &error),
            Ok(_) => CallError::Failed {
                operation,
                detail: "no answer".to_owned(),
            },
        });
    };
    if !(200..300).contains(&status) {
        return Err(answer_meaning(
            operation,
            &place,
            Answer::read(status, headers.get("x-amzn-errortype"), &body),
        ));
    }
    Ok(Answered { headers, body })
}

/// Resolves to one place, signed for one service.
#[derive(Debug)]
struct At {
    url: String,
    name: &'static str,
    region: String,
}

impl ResolveEndpoint for At {
    fn resolve_endpoint<'a>(&'a self, _params: &'a Params) -> EndpointFuture<'a> {
        let scheme = [
            ("name", "sigv4"),
            ("signingName", self.name),
            ("signingRegion", self.region.as_str()),
        ]
        .map(|(name, value)| (name.to_owned(), Document::String(value.to_owned())))
        .into_iter()
        .collect();
        let endpoint = Endpoint::builder()
            .url(self.url.trim_end_matches('/').to_owned())
            .property(
                "authSchemes",
                Document::Array(vec![Document::Object(scheme)]),
            )
            .build();
        EndpointFuture::ready(Ok(endpoint))
    }
}

/// Makes the request the other one, before it is signed.
#[derive(Debug)]
struct Replace(Request);

impl Intercept for Replace {
    fn name(&self) -> &'static str {
        "OtherService"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let base = request.uri().split('?').next().unwrap_or_default();
        let uri = format!("{}{}", base.trim_end_matches('/'), self.0.path);
        request.set_uri(uri)?;
        let headers = request.headers_mut();
        headers.insert("content-type", self.0.content_type);
        headers.insert("content-length", self.0.body.len().to_string());
        for (name, value) in &self.0.headers {
            headers.insert(*name, *value);
        }
        *request.body_mut() = SdkBody::from(self.0.body.clone());
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        dialect::bound(context.response_mut().body_mut());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_each_partition() {
        for (service, region, url, signed_in) in [
            (
                Service::Ec2,
                "eu-central-1",
                "https://ec2.eu-central-1.amazonaws.com",
                "eu-central-1",
            ),
            (
                Service::Lambda,
                "cn-north-1",
                "https://lambda.cn-north-1.amazonaws.com.cn",
                "cn-north-1",
            ),
            (
                Service::Iam,
                "eu-central-1",
                "https://iam.amazonaws.com",
                "us-east-1",
            ),
            (
                Service::Iam,
                "cn-northwest-1",
                "https://iam.cn-north-1.amazonaws.com.cn",
                "cn-north-1",
            ),
            (
                Service::Iam,
                "us-gov-east-1",
                "https://iam.us-gov.amazonaws.com",
                "us-gov-west-1",
            ),
        ] {
            assert_eq!(service.default_url(region), url);
            assert_eq!(service.region(region), signed_in);
        }
    }

    #[test]
    fn what_is_given_comes_before_what_is_configured() {
        let config = SdkConfig::builder().endpoint_url("http://all.test").build();
        let url = |given| Service::Ec2.url(&config, given, "eu-central-1");
        assert_eq!(url(Some("http://ec2.test")), "http://ec2.test");
        assert_eq!(url(None), "http://all.test");
    }

    #[test]
    fn forms_are_encoded() {
        assert_eq!(encoded("a b&c=é:/~"), "a%20b%26c%3D%C3%A9%3A%2F~");
    }
}
