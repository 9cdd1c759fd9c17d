//! A proxy before an HTTP server that breaks what a test has planned to break.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::door::Door;
use crate::fault::{Answer, Fault, Moment};
use crate::log::{Log, NotSeen};
use crate::request::{Outcome, Request};
use crate::wire::{Breaking, Wire};

/// No test sends more, in either direction.
const LARGEST_BODY: usize = 64 << 20;

/// Of one hop only: RFC 9110, section 7.6.1.
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// A proxy on 127.0.0.1 before one HTTP server. Without a plan it changes nothing: the `Host` header
/// stays too, so signatures hold.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use faults::{Fault, FaultProxy};
///
/// let proxy = FaultProxy::start("http://127.0.0.1:8000").await?;
/// proxy.on(|request| request.is("PUT", "acl")).times(2, Fault::slow_down());
/// // … a client of `proxy.endpoint()` puts an ACL, is told to slow down twice, and tries again …
/// proxy.requests().wait_for(|all| all.iter().filter(|r| r.is("PUT", "acl")).count() == 3).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FaultProxy {
    door: Door,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: Authority,
    client: Client<HttpConnector, Full<Bytes>>,
    plan: Mutex<Vec<Rule>>,
    requests: Log<Request>,
}

struct Rule {
    such: Box<dyn Fn(&Request) -> bool + Send + Sync>,
    first: VecDeque<Fault>,
    then: Option<Fault>,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, then {:?}", self.first, self.then)
    }
}

impl FaultProxy {
    /// Starts one before the server at `upstream`, an URL as `http://127.0.0.1:8000`.
    ///
    /// # Errors
    ///
    /// If `upstream` is not such an URL, or there is no port to listen on.
    #[expect(clippy::unused_async, reason = "it needs a runtime around it")]
    pub async fn start(upstream: &str) -> io::Result<FaultProxy> {
        let shared = Arc::new(Shared {
            upstream: authority(upstream)?,
            client: Client::builder(TokioExecutor::new())
                // A connection for each request: none of them is stale.
                .pool_max_idle_per_host(0)
                .retry_canceled_requests(false)
                .build_http(),
            plan: Mutex::default(),
            requests: Log::new(),
        });
        let door = {
            let shared = shared.clone();
            Door::open(move |stream| serve(stream, shared.clone()))?
        };
        Ok(FaultProxy { door, shared })
    }

    /// Its URL, to be given to the client instead of the server's.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.door.address())
    }

    /// Plans what becomes of requests that are such. Earlier plans come first, and one that has
    /// nothing left to do lets later ones decide; a request that nothing is planned for passes.
    #[must_use = "nothing is planned until it is said what"]
    pub fn on(&self, such: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Planning<'_> {
        Planning {
            proxy: self,
            such: Box::new(such),
        }
    }

    /// Drops every plan: all requests pass from now on.
    pub fn clear(&self) {
        self.shared.plan().clear();
    }

    /// Every request so far, in the order of arrival, and what became of it.
    #[must_use]
    pub fn requests(&self) -> &Log<Request> {
        &self.shared.requests
    }

    /// Waits until the requests so far are as `enough` says: [`Log::wait_for`].
    ///
    /// # Errors
    ///
    /// [`NotSeen`] after a minute.
    pub async fn wait_for(
        &self,
        enough: impl FnMut(&[Request]) -> bool,
    ) -> Result<Vec<Request>, NotSeen> {
        self.shared.requests.wait_for(enough).await
    }

    /// Refuses connections, and ends those that there are, as if no server were running.
    ///
    /// # Errors
    ///
    /// If the proxy's runtime has ended.
    pub async fn refuse(&self) -> io::Result<()> {
        self.door.close().await
    }

    /// Is back, on the same port.
    ///
    /// # Errors
    ///
    /// If the port cannot be listened on.
    pub async fn come_back(&self) -> io::Result<()> {
        self.door.open_again().await
    }
}

/// What becomes of some requests, about to be said: [`FaultProxy::on`].
pub struct Planning<'a> {
    proxy: &'a FaultProxy,
    such: Box<dyn Fn(&Request) -> bool + Send + Sync>,
}

impl Planning<'_> {
    /// The next one.
    pub fn once(self, fault: Fault) {
        self.plan(VecDeque::from([fault]), None);
    }

    /// The next `count`.
    pub fn times(self, count: usize, fault: Fault) {
        self.plan(std::iter::repeat_n(fault, count).collect(), None);
    }

    /// The next ones, each its own.
    pub fn sequence(self, faults: impl IntoIterator<Item = Fault>) {
        self.plan(faults.into_iter().collect(), None);
    }

    /// All, until the plans are cleared.
    pub fn always(self, fault: Fault) {
        self.plan(VecDeque::new(), Some(fault));
    }

    fn plan(self, first: VecDeque<Fault>, then: Option<Fault>) {
        self.proxy.shared.plan().push(Rule {
            such: self.such,
            first,
            then,
        });
    }
}

fn authority(upstream: &str) -> io::Result<Authority> {
    let invalid = || {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "not an URL of a plain HTTP server",
        )
    };
    let parts = upstream.parse::<Uri>().map_err(|_| invalid())?.into_parts();
    match (parts.scheme, parts.authority, parts.path_and_query) {
        (Some(scheme), Some(authority), path)
            if scheme == Scheme::HTTP && path.as_ref().is_none_or(|path| path == "/") =>
        {
            Ok(authority)
        }
        _ => Err(invalid()),
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let breaking = Arc::new(Breaking::default());
    let wire = Wire::new(stream, breaking.clone());
    let service = service_fn(move |request| answer(request, shared.clone(), breaking.clone()));
    // It ends with an error whenever it is broken, here or by the client: the list of requests says so.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(wire), service)
        .await;
}

type AnswerBody = Either<Full<Bytes>, Half>;

/// Ends the connection without an answer.
#[derive(Debug)]
struct NoAnswer;

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no answer was planned")
    }
}

impl std::error::Error for NoAnswer {}

async fn answer(
    request: hyper::Request<Incoming>,
    shared: Arc<Shared>,
    breaking: Arc<Breaking>,
) -> Result<Response<AnswerBody>, NoAnswer> {
    let (parts, body) = request.into_parts();
    // The client broke off, or sends more than any test does.
    let body = collect(body).await.map_err(|_| NoAnswer)?;
    let request = Request::new(parts.method, parts.uri, parts.headers, body);
    // The plan first: whoever has seen a request in the list also sees its fault used up.
    let fault = shared.next_fault(&request);
    let mut entry = Entry::new(&shared.requests, request.clone());

    halt(&fault, Moment::BeforeForwarding, &breaking).await?;
    if let Fault::Answer(answer) = &fault {
        entry.ended(Outcome::Answered(answer.status.as_u16()));
        return Ok(answered(answer));
    }
    let (parts, body) = match shared.forward(&request).await {
        Ok(answer) => answer,
        Err(error) => {
            entry.ended(Outcome::Unreachable(error.clone()));
            let answer = Answer::new(StatusCode::BAD_GATEWAY, "text/plain", error);
            return Ok(answered(&answer));
        }
    };
    halt(&fault, Moment::AfterForwarding, &breaking).await?;
    let body = if matches!(fault, Fault::HalfAnswer) {
        Either::Right(Half::of(&body, breaking).ok_or(NoAnswer)?)
    } else {
        Either::Left(Full::new(body))
    };
    entry.ended(Outcome::Answered(parts.status.as_u16()));
    Ok(Response::from_parts(parts, body))
}

/// Does what the fault does at this moment to a request on its way.
async fn halt(fault: &Fault, moment: Moment, breaking: &Breaking) -> Result<(), NoAnswer> {
    match fault {
        Fault::Hold(when, gate) if *when == moment => gate.pass().await,
        Fault::NeverAnswer(when) if *when == moment => std::future::pending().await,
        Fault::Reset(when) if *when == moment => {
            breaking.reset();
            return Err(NoAnswer);
        }
        _ => {}
    }
    Ok(())
}

async fn collect(body: Incoming) -> Result<Bytes, String> {
    match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(format!("cannot read the body: {error}")),
    }
}

fn answered(answer: &Answer) -> Response<AnswerBody> {
    let mut response = Response::new(Either::Left(Full::new(answer.body.clone())));
    *response.status_mut() = answer.status;
    for (name, value) in &answer.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    response
}

impl Shared {
    fn plan(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        // A test's condition that panicked has not changed the plan.
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_fault(&self, request: &Request) -> Fault {
        self.plan()
            .iter_mut()
            .filter(|rule| (rule.such)(request))
            .find_map(|rule| rule.first.pop_front().or_else(|| rule.then.clone()))
            .unwrap_or(Fault::Pass)
    }

    async fn forward(
        &self,
        request: &Request,
    ) -> Result<(hyper::http::response::Parts, Bytes), String> {
        let (mut parts, body) = request.to_send().into_parts();
        let mut uri = parts.uri.into_parts();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = Some(self.upstream.clone());
        uri.path_and_query
            .get_or_insert(PathAndQuery::from_static("/"));
        parts.uri = Uri::from_parts(uri).map_err(|error| error.to_string())?;
        without_hop_by_hop(&mut parts.headers);
        let request = hyper::Request::from_parts(parts, Full::new(body));
        let answer = self
            .client
            .request(request)
            .await
            .map_err(|error| format!("cannot reach {}: {error}", self.upstream))?;
        let (mut parts, body) = answer.into_parts();
        let body = collect(body).await?;
        without_hop_by_hop(&mut parts.headers);
        Ok((parts, body))
    }
}

fn without_hop_by_hop(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// A request's place in the list. However it ends, the list says so: a task that is dropped because
/// its client has gone included.
struct Entry {
    requests: Log<Request>,
    place: usize,
    outcome: Outcome,
}

impl Entry {
    fn new(requests: &Log<Request>, request: Request) -> Entry {
        Entry {
            place: requests.push(request),
            requests: requests.clone(),
            outcome: Outcome::NotAnswered,
        }
    }

    fn ended(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut self.outcome, Outcome::NotAnswered);
        self.requests
            .change(self.place, |request| request.ended(outcome));
    }
}

/// The first half of a body. It never ends: the connection is cut once the half is on its way.
struct Half {
    half: Option<Bytes>,
    whole: u64,
    breaking: Arc<Breaking>,
}

impl Half {
    fn of(body: &Bytes, breaking: Arc<Breaking>) -> Option<Half> {
        (!body.is_empty()).then(|| Half {
            half: Some(body.slice(..body.len() / 2)).filter(|half| !half.is_empty()),
            whole: body.len() as u64,
            breaking,
        })
    }
}

impl Body for Half {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.half.take() {
            Some(half) => Poll::Ready(Some(Ok(Frame::data(half)))),
            None => {
                self.breaking.cut();
                Poll::Pending
            }
        }
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        // What the client is told to expect.
        hyper::body::SizeHint::with_exact(self.whole)
    }
}
