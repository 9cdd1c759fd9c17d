//! The HTTP server under the routes: TLS, time-outs, bounds, and a stop that lets answers finish.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

/// Where and how to listen.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// The address.
    pub listen: SocketAddr,
    /// The certificate and its key; they are read again when the files change.
    pub tls: Option<TlsFiles>,
    /// Proxies that speak TLS in our place: without TLS, and not on loopback, nobody else may connect.
    pub proxies: Vec<IpNet>,
    /// For TLS, and for the head of a request, also of the next one on the same connection.
    pub head_timeout: Duration,
    /// For the rest of a request and its answer.
    pub request_timeout: Duration,
    /// How many connections there may be at once; more wait to be taken up.
    pub connections: usize,
    /// How long what is being answered may take when the server is told to stop.
    pub stop_timeout: Duration,
}

impl ServerSettings {
    /// On this address without TLS, and everything else as it usually is.
    pub fn new(listen: SocketAddr) -> ServerSettings {
        ServerSettings {
            listen,
            tls: None,
            proxies: Vec::new(),
            head_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(15),
            connections: 512,
            stop_timeout: Duration::from_secs(10),
        }
    }
}

/// The addresses that a text names: one, or those of a network such as `10.0.0.0/24`.
pub fn network(text: &str) -> Option<IpNet> {
    let one = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(one)
}

/// PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, followed by those that lead to its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why the server does not start.
#[derive(Debug, Error)]
pub enum ServerError {
    /// Keys and links would go over the network in the clear.
    #[error(
        "listening on {listen} without TLS would show API keys and the links of mails to the network: \
         name a certificate and its key, listen on 127.0.0.1, or name the proxies that speak TLS for us"
    )]
    Plain {
        /// The address.
        listen: SocketAddr,
    },
    /// The address is taken, not ours, or not allowed.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("{path}: {why}", path = path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// A server that listens.
pub struct Server {
    settings: ServerSettings,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Whether the settings may be used: what `config check` asks, without listening.
pub fn check(settings: &ServerSettings) -> Result<(), ServerError> {
    let listen = settings.listen;
    if settings.tls.is_none() && !listen.ip().is_loopback() && settings.proxies.is_empty() {
        return Err(ServerError::Plain { listen });
    }
    Ok(())
}

impl Server {
    /// Listens. From here on connections are made, and answered as soon as [`Server::serve`] runs.
    pub async fn bind(settings: ServerSettings) -> Result<Server, ServerError> {
        check(&settings)?;
        let tls = match &settings.tls {
            Some(files) => Some(Arc::new(Tls::read(files.clone()).await?)),
            None => None,
        };
        let listen = settings.listen;
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|source| ServerError::Listen { listen, source })?;
        Ok(Server {
            settings,
            listener,
            tls,
        })
    }

    /// The address, with the port that the system chose if it was to.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` turns true (or its sender is gone); then takes up no connection any more and
    /// lets those that are being answered finish.
    pub async fn serve(self, routes: Router, mut stop: watch::Receiver<bool>) {
        let connections = Arc::new(Semaphore::new(self.settings.connections.max(1)));
        let routes = bounded(routes, &self.settings);
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                accepted = self.accept(&connections) => accepted,
            };
            let (socket, peer, permit) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // No file handles left, most likely: connections that end give some back.
                    tracing::warn!(%error, "a connection could not be taken up");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            if !self.may_connect(peer.ip()) {
                tracing::warn!(%peer, "somebody connected who is not one of the proxies");
                continue;
            }
            let connection = Connection {
                tls: self.tls.clone(),
                head_timeout: self.settings.head_timeout,
                routes: routes.clone(),
                watcher: graceful.watcher(),
            };
            tokio::spawn(async move {
                connection.serve(socket).await;
                drop(permit);
            });
        }
        drop(self.listener);
        let ended = tokio::time::timeout(self.settings.stop_timeout, graceful.shutdown());
        if ended.await.is_err() {
            tracing::warn!("some requests were not answered before the server stopped");
        }
    }

    async fn accept(
        &self,
        connections: &Arc<Semaphore>,
    ) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
        let permit = Arc::clone(connections).acquire_owned().await;
        let permit = permit.map_err(io::Error::other)?;
        let (socket, peer) = self.listener.accept().await?;
        // Answers are one small packet each.
        let _ = socket.set_nodelay(true);
        Ok((socket, peer, permit))
    }

    fn may_connect(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.tls.is_some()
            || peer.is_loopback()
            || self.settings.proxies.iter().any(|net| net.contains(&peer))
    }
}

struct Connection {
    tls: Option<Arc<Tls>>,
    head_timeout: Duration,
    routes: Router,
    watcher: hyper_util::server::graceful::Watcher,
}

impl Connection {
    async fn serve(self, socket: TcpStream) {
        let Some(tls) = &self.tls else {
            return self.http(socket).await;
        };
        let acceptor = TlsAcceptor::from(tls.current().await);
        match tokio::time::timeout(self.head_timeout, acceptor.accept(socket)).await {
            Ok(Ok(stream)) => self.http(stream).await,
            Ok(Err(error)) => tracing::debug!(%error, "no TLS"),
            Err(_) => tracing::debug!("no TLS in time"),
        }
    }

    async fn http<IO>(self, stream: IO)
    where
        IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head_timeout)
            .max_buf_size(64 * 1024)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(self.routes));
        if let Err(error) = self.watcher.watch(connection).await {
            tracing::debug!(%error, "a connection broke off");
        }
    }
}

/// The routes with a time for each request, and the headers that every answer has. How many are worked at at
/// once is each route's own.
fn bounded(routes: Router, settings: &ServerSettings) -> Router {
    let timeout = settings.request_timeout;
    routes.layer(from_fn(move |request: Request, next: Next| async move {
        let answer = tokio::time::timeout(timeout, next.run(request));
        let mut answer = answer.await.unwrap_or_else(|_| unavailable("busy"));
        let headers = answer.headers_mut();
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
        ] {
            headers
                .entry(name)
                .or_insert(axum::http::HeaderValue::from_static(value));
        }
        answer
    }))
}

/// Come again: what EventBridge and SNS repeat.
pub(crate) fn unavailable(why: &'static str) -> Response {
    (
        StatusCode::SERVICE_UNAVAILABLE,
        [("retry-after", "5")],
        Body::from(why),
    )
        .into_response()
}

/// The certificate in use, and the bytes that it was read from.
struct Tls {
    files: TlsFiles,
    current: Mutex<Current>,
}

struct Current {
    config: Arc<ServerConfig>,
    certificate: Vec<u8>,
    key: Vec<u8>,
    looked_at: Instant,
}

/// How often the files are looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(60);

impl Tls {
    async fn read(files: TlsFiles) -> Result<Tls, ServerError> {
        let certificate = read(&files.certificate).await?;
        let key = read(&files.key).await?;
        let current = Current {
            config: config(&files, &certificate, &key)?,
            certificate,
            key,
            looked_at: Instant::now(),
        };
        Ok(Tls {
            files,
            current: Mutex::new(current),
        })
    }

    /// The configuration, read again if the files have changed. What cannot be used is said, and what
    /// was used before stays.
    async fn current(&self) -> Arc<ServerConfig> {
        let mut current = self.current.lock().await;
        if current.looked_at.elapsed() >= LOOK_EVERY {
            current.looked_at = Instant::now();
            match self.again(&current).await {
                Ok(None) => {}
                Ok(Some(changed)) => {
                    tracing::info!("the server's certificate was read again");
                    *current = changed;
                }
                Err(error) => {
                    tracing::error!(%error, "the server's certificate has changed and cannot be used; the one before stays in use");
                }
            }
        }
        Arc::clone(&current.config)
    }

    async fn again(&self, current: &Current) -> Result<Option<Current>, ServerError> {
        let certificate = read(&self.files.certificate).await?;
        let key = read(&self.files.key).await?;
        if certificate == current.certificate && key == current.key {
            return Ok(None);
        }
        Ok(Some(Current {
            config: config(&self.files, &certificate, &key)?,
            certificate,
            key,
            looked_at: current.looked_at,
        }))
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, ServerError> {
    tokio::fs::read(path)
        .await
        .map_err(|error| wrong(path, error.to_string()))
}

fn wrong(path: &Path, why: String) -> ServerError {
    ServerError::Tls {
        path: path.to_owned(),
        why,
    }
}

fn config(
    files: &TlsFiles,
    certificate: &[u8],
    key: &[u8],
) -> Result<Arc<ServerConfig>, ServerError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(|error| {
            wrong(
                &files.certificate,
                format!("not a PEM certificate: {error}"),
            )
        })?;
    if chain.is_empty() {
        let why = "there is no PEM certificate in it".to_owned();
        return Err(wrong(&files.certificate, why));
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|error| wrong(&files.key, format!("not a PEM private key: {error}")))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&files.certificate, error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| {
            wrong(
                &files.key,
                format!("does not go with the certificate: {error}"),
            )
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;

    fn write(files: &TlsFiles) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&files.certificate, cert.pem()).unwrap();
        std::fs::write(&files.key, signing_key.serialize_pem()).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewed_certificate_is_used_and_a_broken_one_is_not() {
        let folder =
            std::env::temp_dir().join(format!("portcullis-renewed-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let files = TlsFiles {
            certificate: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
        };
        write(&files);
        let tls = Tls::read(files.clone()).await.unwrap();
        let first = tls.current().await;
        write(&files);
        assert!(
            Arc::ptr_eq(&tls.current().await, &first),
            "not looked at each time"
        );
        tokio::time::advance(LOOK_EVERY).await;
        let second = tls.current().await;
        assert!(!Arc::ptr_eq(&second, &first));
        // Half written, as while it is renewed.
        std::fs::write(&files.certificate, "-----BEGIN").unwrap();
        tokio::time::advance(LOOK_EVERY).await;
        assert!(Arc::ptr_eq(&tls.current().await, &second));
        write(&files);
        tokio::time::advance(LOOK_EVERY).await;
        assert!(!Arc::ptr_eq(&tls.current().await, &second));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
