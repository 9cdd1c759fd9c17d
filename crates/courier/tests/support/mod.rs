//! Servers on loopback that do as they are told, good or bad, and remember what they were told.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests; each test file uses a part"
)]

pub(crate) mod post_office;
pub(crate) mod web;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use compliance::item::ResourceKey;
use compliance::notice::{Access, Links, Mechanism, Notice, NoticeKind, Severity, WayIn};
use jiff::Timestamp;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub(crate) fn now() -> Timestamp {
    "2026-01-01T00:00:05Z".parse().unwrap()
}

pub(crate) fn notice() -> Notice {
    Notice {
        topics: vec!["security".to_owned()],
        finding_id: Some("f00d".to_owned()),
        occurrence: 1,
        key: Some(ResourceKey::bucket(
            "111122223333",
            "eu-central-1",
            "backups",
        )),
        severity: Severity::High,
        mechanisms: vec![WayIn {
            via: Mechanism::Policy,
            access: Access::Read,
        }],
        policy: Some(r#"{"Statement":[{"Sid":"Open"}]}"#.to_owned()),
        links: Links {
            unsubscribe: Some("https://guard.example.com/unsubscribe/t".to_owned()),
            ..Links::default()
        },
        ..Notice::new(
            "n-1",
            NoticeKind::Opened,
            "2026-01-01T00:00:03Z".parse().unwrap(),
        )
    }
}

/// A certificate for `localhost` and its server's side.
pub(crate) struct Identity {
    pub(crate) pem: String,
    pub(crate) acceptor: TlsAcceptor,
}

pub(crate) fn identity() -> Identity {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
    Identity {
        pem: cert.pem(),
        acceptor: TlsAcceptor::from(Arc::new(config)),
    }
}

/// A server's side of a connection.
pub(crate) enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Wire::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Wire::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Wire::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(stream) => Pin::new(stream).poll_flush(context),
            Wire::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Wire::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
