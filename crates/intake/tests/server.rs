//! The server: TLS or loopback, bounded in time and number, and a stop that lets answers finish.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use intake::fetch::{Fetch, HttpsFetch};
use intake::server::{Server, ServerError, ServerSettings, TlsFiles, check};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use support::http::{Answer, loopback, serve, serve_with};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

const GET: &[u8] = b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// `/slow` answers when it is let; counts those that have begun.
struct Slow {
    gate: Arc<Semaphore>,
    begun: Arc<AtomicU32>,
    routes: Router,
}

fn slow() -> Slow {
    let gate = Arc::new(Semaphore::new(0));
    let begun = Arc::new(AtomicU32::new(0));
    let (held, count) = (Arc::clone(&gate), Arc::clone(&begun));
    let answer = move || async move {
        count.fetch_add(1, Ordering::SeqCst);
        held.acquire().await.unwrap().forget();
        "done"
    };
    Slow {
        gate,
        begun,
        routes: Router::new()
            .route("/slow", get(answer))
            .route("/quick", get(|| async { "here" })),
    }
}

impl Slow {
    async fn until_begun(&self, count: u32) {
        while self.begun.load(Ordering::SeqCst) < count {
            tokio::task::yield_now().await;
        }
    }
}

#[test]
fn plain_http_is_for_loopback_and_for_named_proxies() {
    let everywhere = ServerSettings::new(([0, 0, 0, 0], 8443).into());
    let error = check(&everywhere).unwrap_err();
    assert!(matches!(error, ServerError::Plain { .. }));
    let text = error.to_string();
    assert!(
        text.contains("0.0.0.0:8443") && text.contains("127.0.0.1"),
        "{text}"
    );
    let mut behind = everywhere.clone();
    behind.proxies = vec!["10.0.0.0/8".parse().unwrap()];
    assert!(check(&behind).is_ok());
    assert!(check(&ServerSettings::new(([127, 0, 0, 1], 80).into())).is_ok());
    let v6 = "[::1]:80".parse().unwrap();
    assert!(check(&ServerSettings::new(v6)).is_ok());
}

#[tokio::test]
async fn an_address_that_is_taken_is_said() {
    let served = serve(Router::new()).await;
    let error = Server::bind(ServerSettings::new(served.address))
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&served.address.to_string()), "{text}");
    served.end().await;
}

#[tokio::test]
async fn a_stop_lets_answers_finish_and_takes_up_no_more() {
    let slow = slow();
    let served = serve(slow.routes.clone()).await;
    let mut socket = TcpStream::connect(served.address).await.unwrap();
    // Kept open by its client, with nothing asked.
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    idle.write_all(b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    socket.write_all(GET).await.unwrap();
    slow.until_begun(1).await;
    served.stop.send(true).unwrap();
    // The listener goes at once.
    while TcpStream::connect(served.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!served.task.is_finished());
    slow.gate.add_permits(1);
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    assert_eq!(Answer::read(&answer).body, "done");
    served.task.await.unwrap();
}

#[tokio::test]
async fn who_sends_no_request_is_not_waited_for() {
    let mut settings = loopback();
    settings.head_timeout = Duration::from_millis(100);
    settings.connections = 1;
    let served = serve_with(slow().routes, settings).await;
    // One takes the only place, and sends a head that never ends.
    let mut stuck = TcpStream::connect(served.address).await.unwrap();
    stuck
        .write_all(b"GET /quick HTTP/1.1\r\nHost: a\r\nX: ")
        .await
        .unwrap();
    let answer = served
        .send(b"GET /quick HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!((answer.status, &*answer.body), (200, "here"));
    let mut rest = Vec::new();
    let _ = stuck.read_to_end(&mut rest).await;
    assert!(matches!(Answer::read(&rest).status, 0 | 408), "{rest:?}");
    served.end().await;
}

#[tokio::test]
async fn a_request_has_its_time() {
    let slow = slow();
    let mut settings = loopback();
    settings.request_timeout = Duration::from_millis(300);
    let served = serve_with(slow.routes.clone(), settings).await;
    let answer = served.send(GET).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("5"));
    // Heads are bounded too.
    let large = format!(
        "GET /quick HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(1 << 20)
    );
    assert_eq!(served.send(large.as_bytes()).await.status, 431);
    served.end().await;
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path =
            std::env::temp_dir().join(format!("portcullis-tls-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An authority's certificate, and a certificate for this machine with its key.
fn certificates() -> (CertificateDer<'static>, String, String) {
    let ca_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).unwrap().der().clone();
    let issuer = Issuer::new(params, ca_key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    (ca, certificate.pem(), key.serialize_pem())
}

#[tokio::test]
async fn with_a_certificate_it_speaks_tls() {
    let folder = Folder::new("speaks");
    let (ca, certificate, key) = certificates();
    let mut settings = loopback();
    settings.tls = Some(TlsFiles {
        certificate: folder.write("certificate.pem", &certificate),
        key: folder.write("key.pem", &key),
    });
    let served = serve_with(slow().routes, settings).await;
    let address = format!("https://localhost:{}/quick", served.address.port());
    let timeout = Duration::from_secs(20);
    let fetch = HttpsFetch::new(std::slice::from_ref(&ca), timeout).unwrap();
    assert_eq!(fetch.get(&address, 100).await.unwrap(), b"here");
    // Too large, not there, plain, of an authority that nobody knows.
    assert!(fetch.get(&address, 3).await.is_err());
    let missing = address.replace("quick", "missing");
    assert!(fetch.get(&missing, 100).await.unwrap_err().contains("404"));
    assert!(
        fetch
            .get(&address.replace("https", "http"), 100)
            .await
            .is_err()
    );
    let (other, ..) = certificates();
    let stranger = HttpsFetch::new(&[other], timeout).unwrap();
    let error = stranger.get(&address, 100).await.unwrap_err();
    assert!(
        error.contains("invalid peer certificate") && !error.contains("quick"),
        "{error}"
    );
    // Who speaks no TLS gets nothing.
    let plain = served.send(b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(plain.status, 0);
    served.end().await;
}

#[tokio::test]
async fn files_that_are_no_certificate_are_said() {
    let folder = Folder::new("said");
    let (_, certificate, key) = certificates();
    let (_, _, other_key) = certificates();
    let file = |name: &str, text: &str| folder.write(name, text);
    for (tls, part) in [
        (
            TlsFiles {
                certificate: folder.0.join("missing.pem"),
                key: file("key.pem", &key),
            },
            "missing.pem: No such file",
        ),
        (
            TlsFiles {
                certificate: file("text.pem", "hello"),
                key: file("key.pem", &key),
            },
            "text.pem: there is no PEM certificate in it",
        ),
        (
            TlsFiles {
                certificate: file("certificate.pem", &certificate),
                key: file("text.pem", "hello"),
            },
            "text.pem: not a PEM private key",
        ),
        (
            TlsFiles {
                certificate: file("certificate.pem", &certificate),
                key: file("other.pem", &other_key),
            },
            "other.pem: does not go with the certificate",
        ),
    ] {
        let mut settings = loopback();
        settings.tls = Some(tls);
        let error = Server::bind(settings).await.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
