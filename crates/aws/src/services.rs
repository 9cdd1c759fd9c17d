//! The services around S3: where events come from, where messages go, and what is recorded of an
//! account.
//!
//! `queue` and `publish` speak through the SDK's crates, `account` and `volumes` by calls that are
//! signed by hand. Each service can be elsewhere than AWS has it: by [`ServiceEndpoints`], else by the
//! user's AWS configuration (`AWS_ENDPOINT_URL_SQS`, `endpoint_url` of a profile …), as in every AWS tool.

mod account;
mod function;
mod publish;
mod queue;
mod volumes;

use std::collections::HashMap;
use std::sync::Mutex;

use aws_config::{Region, SdkConfig};
use guard::error::{CallError, Hopeless};
use guard::operation::Operation;

use crate::connect::{ConnectOptions, check_url, load};
use crate::signed::{self, Answered, Request, Service};
use crate::store::{Store, locked};
use crate::xml::Element;

pub use queue::Queue;

/// Where services are, other than where AWS has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceEndpoints {
    /// Amazon SQS. Without it, a queue whose URL is not of AWS's is asked where its URL says.
    pub sqs: Option<String>,
    /// Amazon SNS.
    pub sns: Option<String>,
    /// Amazon EventBridge.
    pub events: Option<String>,
    /// AWS Lambda.
    pub lambda: Option<String>,
    /// Amazon EC2.
    pub ec2: Option<String>,
    /// AWS IAM.
    pub iam: Option<String>,
}

/// The services of one account.
pub struct Services {
    config: SdkConfig,
    endpoints: ServiceEndpoints,
    region: String,
    sns: Mutex<HashMap<String, aws_sdk_sns::Client>>,
    events: Mutex<HashMap<String, aws_sdk_eventbridge::Client>>,
    sqs: Mutex<HashMap<(String, Option<String>), aws_sdk_sqs::Client>>,
}

impl Services {
    /// Loads the configuration, as [`crate::connect()`] does. Nothing is called yet.
    pub async fn connect(
        options: &ConnectOptions,
        endpoints: ServiceEndpoints,
    ) -> Result<Services, Hopeless> {
        Services::new(load(options).await?, endpoints)
    }

    /// With a configuration at hand.
    pub fn new(config: SdkConfig, endpoints: ServiceEndpoints) -> Result<Services, Hopeless> {
        let ServiceEndpoints {
            sqs,
            sns,
            events,
            lambda,
            ec2,
            iam,
        } = &endpoints;
        for url in [sqs, sns, events, lambda, ec2, iam].into_iter().flatten() {
            check_url(url)?;
        }
        let region = config.region().map(|region| region.as_ref().to_owned());
        Ok(Services {
            region: region.unwrap_or_else(|| "us-east-1".to_owned()),
            config,
            endpoints,
            sns: Mutex::default(),
            events: Mutex::default(),
            sqs: Mutex::default(),
        })
    }

    /// The region of the configuration.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The region that an ARN names, else the configuration's.
    fn region_of<'a>(&'a self, arn: &'a str) -> &'a str {
        arn.strip_prefix("arn:")
            .and_then(|rest| rest.split(':').nth(2))
            .filter(|region| !region.is_empty())
            .unwrap_or(&self.region)
    }

    fn sns(&self, region: &str) -> aws_sdk_sns::Client {
        let mut clients = locked(&self.sns);
        let client = clients.entry(region.to_owned()).or_insert_with(|| {
            let mut config = aws_sdk_sns::config::Builder::from(&self.config)
                .region(Region::new(region.to_owned()));
            if let Some(url) = &self.endpoints.sns {
                config = config.endpoint_url(url);
            }
            aws_sdk_sns::Client::from_conf(config.build())
        });
        client.clone()
    }

    fn events(&self, region: &str) -> aws_sdk_eventbridge::Client {
        let mut clients = locked(&self.events);
        let client = clients.entry(region.to_owned()).or_insert_with(|| {
            let mut config = aws_sdk_eventbridge::config::Builder::from(&self.config)
                .region(Region::new(region.to_owned()));
            if let Some(url) = &self.endpoints.events {
                config = config.endpoint_url(url);
            }
            aws_sdk_eventbridge::Client::from_conf(config.build())
        });
        client.clone()
    }

    /// The client of the queue with this URL.
    fn sqs(&self, queue_url: &str) -> aws_sdk_sqs::Client {
        let place = queue::place(queue_url);
        let region = place.region.unwrap_or(&self.region).to_owned();
        let url = self
            .endpoints
            .sqs
            .clone()
            .or_else(|| place.endpoint.map(str::to_owned));
        let mut clients = locked(&self.sqs);
        let client = clients
            .entry((region.clone(), url.clone()))
            .or_insert_with(|| {
                let mut config =
                    aws_sdk_sqs::config::Builder::from(&self.config).region(Region::new(region));
                if let Some(url) = url {
                    config = config.endpoint_url(url);
                }
                aws_sdk_sqs::Client::from_conf(config.build())
            });
        client.clone()
    }

    /// Where a service that is called without its SDK is.
    fn url(&self, service: Service, region: &str) -> String {
        let given = match service {
            Service::Ec2 => &self.endpoints.ec2,
            Service::Iam => &self.endpoints.iam,
            Service::Lambda => &self.endpoints.lambda,
        };
        service.url(&self.config, given.as_deref(), region)
    }

    async fn send(&self, operation: Operation, request: Request) -> Result<Answered, CallError> {
        signed::send(&self.config, operation, request).await
    }

    /// Makes a call of the Query protocol, and checks that its answer is the one of that call.
    async fn query(
        &self,
        service: Service,
        region: &str,
        operation: Operation,
        version: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Element, CallError> {
        let action = operation.name();
        let url = self.url(service, region);
        let request = Request::query(service, url, region, version, action, parameters);
        let answered = self.send(operation, request).await?;
        read(operation, &answered.body)
    }
}

/// The document that answers a Query call: its root is the call's name and `Response`.
fn read(operation: Operation, body: &[u8]) -> Result<Element, CallError> {
    let expected = format!("{}Response", operation.name());
    if let crate::dialect::Found::Xml(root) = crate::dialect::look_at(body)
        && root == expected
    {
        // It breaks off, or was not written by such a service.
        return Element::parse(body).map_err(|error| CallError::Passing {
            operation,
            detail: format!("the answer could not be read: {error}"),
        });
    }
    match crate::dialect::look_at(body) {
        crate::dialect::Found::Nothing => Err(CallError::Passing {
            operation,
            detail: "the answer could not be read, or has no content".to_owned(),
        }),
        found => Err(CallError::Unsupported {
            operation,
            detail: format!("it answered {found} instead of <{expected}>"),
        }),
    }
}

impl Store {
    /// The services of the same account, with the same configuration.
    pub fn services(&self, endpoints: ServiceEndpoints) -> Result<Services, Hopeless> {
        Services::new(self.config().clone(), endpoints)
    }
}
