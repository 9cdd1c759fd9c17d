//! Beside S3 itself on the same endpoint: the account's Block Public Access (S3 Control), and who am I
//! (STS). Both answer errors in an envelope of their own.

use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::Extensions;
use hyper::{HeaderMap, Method, StatusCode, Uri};
use s3s::dto::PublicAccessBlockConfiguration;
use s3s::route::S3Route;
use s3s::xml;
use s3s::{Body, S3Request, S3Response, S3Result, s3_error};

use crate::access::access_denied;
use crate::account::Identity;
use crate::endpoint::Endpoint;
use crate::operations::{block_element, from_block_element, no_block};

const ACCOUNT_BLOCK: &str = "/v20180820/configuration/publicAccessBlock";
const S3_CONTROL: &str = "http://awss3control.amazonaws.com/doc/2018-08-20/";
const STS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
/// A form or a block document is small.
const LARGEST_BODY: usize = 8 * 1024;

/// Which of the two a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    AccountBlock,
    Sts,
}

impl Beside {
    /// Recognises a request that is not S3's own.
    pub(crate) fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Beside> {
        if uri.path() == ACCOUNT_BLOCK {
            return Some(Beside::AccountBlock);
        }
        let is_form = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
        (method == Method::POST && uri.path() == "/" && is_form).then_some(Beside::Sts)
    }

    /// The namespace of its documents.
    pub(crate) fn namespace(self) -> &'static str {
        match self {
            Beside::AccountBlock => S3_CONTROL,
            Beside::Sts => STS,
        }
    }
}

#[async_trait::async_trait]
impl S3Route for Endpoint {
    fn is_match(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        _extensions: &mut Extensions,
    ) -> bool {
        Beside::of(method, uri, headers).is_some()
    }

    // The signature is checked before; without one, the default answer is AccessDenied.
    async fn call(&self, mut request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let caller = self
            .caller(request.credentials.as_ref())
            .ok_or_else(access_denied)?;
        let body = request
            .input
            .store_all_limited(LARGEST_BODY)
            .await
            .map_err(|_| s3_error!(EntityTooLarge))?;
        match Beside::of(&request.method, &request.uri, &request.headers) {
            Some(Beside::AccountBlock) => {
                let account = request
                    .headers
                    .get("x-amz-account-id")
                    .and_then(|value| value.to_str().ok());
                if account != Some(caller.account.as_str()) {
                    return Err(access_denied());
                }
                self.account_block(&request.method, &body, caller)
            }
            Some(Beside::Sts) => who_am_i(&body, caller),
            None => Err(s3_error!(NotImplemented)),
        }
    }
}

impl Endpoint {
    fn account_block(
        &self,
        method: &Method,
        body: &[u8],
        caller: &Identity,
    ) -> S3Result<S3Response<Body>> {
        let account = caller.account.as_str();
        match *method {
            Method::GET => {
                let block = self.state().account_blocks.get(account).copied();
                let element = block_element(block.ok_or_else(no_block)?);
                let mut written = Vec::new();
                let mut serializer = xml::Serializer::new(&mut written);
                serializer
                    .content_with_ns("PublicAccessBlockConfiguration", S3_CONTROL, &element)
                    .map_err(|_| s3_error!(InternalError))?;
                Ok(xml_answer(StatusCode::OK, written))
            }
            Method::PUT => {
                let mut deserializer = xml::Deserializer::new(body);
                let element: PublicAccessBlockConfiguration = deserializer
                    .named_element("PublicAccessBlockConfiguration", xml::Deserializer::content)
                    .map_err(|_| {
                        s3_error!(MalformedXML, "The XML you provided was not well-formed")
                    })?;
                self.state()
                    .account_blocks
                    .insert(account.to_owned(), from_block_element(&element));
                self.changed("PutAccountPublicAccessBlock", account, None, Some(caller));
                Ok(xml_answer(StatusCode::OK, Vec::new()))
            }
            Method::DELETE => {
                self.state().account_blocks.remove(account);
                self.changed(
                    "DeleteAccountPublicAccessBlock",
                    account,
                    None,
                    Some(caller),
                );
                Ok(xml_answer(StatusCode::NO_CONTENT, Vec::new()))
            }
            _ => Err(s3_error!(MethodNotAllowed)),
        }
    }
}

fn who_am_i(form: &[u8], caller: &Identity) -> S3Result<S3Response<Body>> {
    let asks_who = form_urlencoded::parse(form)
        .any(|(name, value)| name == "Action" && value == "GetCallerIdentity");
    if !asks_who {
        return Err(s3_error!(
            NotImplemented,
            "Of STS only GetCallerIdentity is implemented"
        ));
    }
    let mut written = Vec::new();
    xml::Serializer::new(&mut written)
        .element_with_ns("GetCallerIdentityResponse", STS, |s| {
            s.element("GetCallerIdentityResult", |s| {
                s.content("Arn", &caller.arn)?;
                s.content("UserId", &caller.user_id)?;
                s.content("Account", &caller.account)
            })
        })
        .map_err(|_| s3_error!(InternalError))?;
    Ok(xml_answer(StatusCode::OK, written))
}

fn xml_answer(status: StatusCode, body: Vec<u8>) -> S3Response<Body> {
    let mut answer = S3Response::with_status(Body::from(body), status);
    answer
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    answer
}
