//! Functions: AWS Lambda, by a signed call.

use guard::error::CallError;
use guard::operation::Operation;
use guard::ports::publish::{FunctionAnswer, Invocation, InvokeFunction};

use super::Services;
use crate::signed::{Request, Service, encoded};

impl InvokeFunction for Services {
    /// `POST /2015-03-31/functions/NAME/invocations` (AWS Lambda API reference, `Invoke`).
    async fn invoke(
        &self,
        function: &str,
        payload: &[u8],
        invocation: Invocation,
    ) -> Result<FunctionAnswer, CallError> {
        let region = self.region_of(function);
        let kind = match invocation {
            Invocation::Wait => "RequestResponse",
            Invocation::Event => "Event",
        };
        let request = Request {
            service: Service::Lambda,
            url: self.url(Service::Lambda, region),
            region: region.to_owned(),
            path: format!("/2015-03-31/functions/{}/invocations", encoded(function)),
            content_type: "application/json",
            headers: vec![("x-amz-invocation-type", kind)],
            body: payload.to_vec(),
        };
        let answered = self.send(Operation::InvokeFunction, request).await?;
        Ok(FunctionAnswer {
            error: answered.header("x-amz-function-error").map(str::to_owned),
            payload: answered.body,
        })
    }
}
