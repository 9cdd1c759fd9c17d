//! The HTTP side: a listener on loopback, and what is done around each request.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use hyper::http::{Request, Response};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3Error, s3_error};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::account::Signatures;
use crate::context::{Arrival, query_pairs};
use crate::control::Beside;
use crate::endpoint::Endpoint;

/// Policies, ACLs and the other documents are far smaller.
const LARGEST_DOCUMENT: usize = 256 * 1024;
/// How long requests under way may take to finish when the server stops.
const LONGEST_GOODBYE: Duration = Duration::from_secs(5);

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// What every connection needs.
#[derive(Clone)]
struct Edge {
    endpoint: Endpoint,
    s3: S3Service,
    source_header: Option<HeaderName>,
}

impl Server {
    pub(crate) async fn start(
        endpoint: Endpoint,
        port: u16,
        source_header: Option<HeaderName>,
    ) -> io::Result<Server> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let mut builder = S3ServiceBuilder::new(endpoint.clone());
        let mut limits = S3Config::default();
        limits.xml_max_body_size = LARGEST_DOCUMENT;
        limits.form_max_fields_size = LARGEST_DOCUMENT;
        limits.post_object_max_file_size = LARGEST_DOCUMENT as u64;
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(limits))));
        builder.set_auth(Signatures(endpoint.accounts.clone()));
        builder.set_access(endpoint.clone());
        builder.set_route(endpoint.clone());
        let edge = Edge {
            s3: builder.build(),
            endpoint,
            source_header,
        };
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listener, edge, stopped));
        Ok(Server {
            address,
            stop,
            task,
        })
    }

    /// Takes no more connections, lets the requests under way finish, and returns.
    pub(crate) async fn stop(self) {
        // Either error means that the task has ended already.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

async fn serve(listener: TcpListener, edge: Edge, mut stopped: oneshot::Receiver<()>) {
    let connections = GracefulShutdown::new();
    loop {
        let (stream, peer) = tokio::select! {
            _ = &mut stopped => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                // The peer is gone already, or we are out of descriptors: let others finish first.
                Err(_) => {
                    tokio::task::yield_now().await;
                    continue;
                }
            },
        };
        connect(stream, peer, &edge, &connections);
    }
    drop(listener);
    // Whoever sends half a request does not keep the server from ending.
    let _ = tokio::time::timeout(LONGEST_GOODBYE, connections.shutdown()).await;
}

fn connect(stream: TcpStream, peer: SocketAddr, edge: &Edge, connections: &GracefulShutdown) {
    // Small answers go out at once.
    let _ = stream.set_nodelay(true);
    let edge = edge.clone();
    let service = service_fn(move |request| {
        let edge = edge.clone();
        async move { Ok::<_, Infallible>(edge.answer(request, peer.ip()).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        // A peer that breaks off or does not speak HTTP harms only itself.
        let _ = connection.await;
    });
}

impl Edge {
    async fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> Response<Body> {
        let head = request.method() == Method::HEAD;
        let beside = Beside::of(request.method(), request.uri(), request.headers());
        let arrival = refuse_large_document(&request).and_then(|()| self.arrival(&request, peer));
        let mut response = match arrival {
            Ok(arrival) => {
                let mut request = request.map(Body::from);
                request.extensions_mut().insert(arrival);
                match self.s3.call(request).await {
                    Ok(response) => response,
                    Err(_) => refusal(s3_error!(InternalError)),
                }
            }
            Err(error) => refusal(error),
        };
        if let Some(beside) = beside
            && !response.status().is_success()
        {
            response = in_envelope(response, beside).await;
        }
        if head && !response.status().is_success() {
            // The answer to a HEAD has no body, so there is nothing that its length could be of.
            *response.body_mut() = Body::empty();
            response.headers_mut().remove(CONTENT_LENGTH);
        }
        if let Ok(id) = HeaderValue::from_str(&next_request_id()) {
            response.headers_mut().insert("x-amz-request-id", id);
        }
        response
    }

    /// When and from where a request comes; a trusted header may pretend another source.
    fn arrival(&self, request: &Request<Incoming>, peer: IpAddr) -> Result<Arrival, S3Error> {
        let pretended = self
            .source_header
            .as_ref()
            .and_then(|name| request.headers().get(name));
        let source = match pretended {
            None => peer,
            Some(value) => value
                .to_str()
                .ok()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| {
                    s3_error!(InvalidArgument, "The source address is not an address")
                })?,
        };
        Ok(Arrival {
            source,
            time: self.endpoint.now(),
        })
    }
}

/// A body that is no object's is a document, and those are small.
fn refuse_large_document(request: &Request<Incoming>) -> Result<(), S3Error> {
    let path = request.uri().path().trim_start_matches('/');
    let of_object = path.split_once('/').is_some_and(|(_, key)| !key.is_empty());
    let is_document =
        !of_object || query_pairs(request.uri().query()).any(|(name, _)| name == "acl");
    let length = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if is_document && length.is_some_and(|length| length > LARGEST_DOCUMENT) {
        return Err(s3_error!(
            MaxMessageLengthExceeded,
            "Your request was too large."
        ));
    }
    Ok(())
}

fn refusal(error: S3Error) -> Response<Body> {
    error.to_http_response().unwrap_or_else(|_| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

/// S3 answers a bare `Error`; the other two services answer it inside an `ErrorResponse`.
async fn in_envelope(response: Response<Body>, beside: Beside) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let Ok(body) = body.collect().await else {
        return refusal(s3_error!(InternalError));
    };
    let bytes = body.to_bytes();
    let text = String::from_utf8_lossy(&bytes);
    let error = text.find("<Error>").map_or("", |at| &text[at..]);
    let namespace = beside.namespace();
    let wrapped = format!("<ErrorResponse xmlns=\"{namespace}\">{error}</ErrorResponse>");
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::http_body(Full::from(wrapped)))
}

fn next_request_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{:016X}", NEXT.fetch_add(1, Ordering::Relaxed))
}
