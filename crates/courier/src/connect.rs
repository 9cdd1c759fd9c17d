//! Connections: the address of the other family is tried after 300 ms (RFC 8305), so that an IPv6
//! address that is announced and dead costs no more than that.

use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::GaiResolver;

/// How long the preferred family of addresses has before the other is tried beside it.
const HAPPY_EYEBALLS: Duration = Duration::from_millis(300);

/// A connector for HTTP and, since it hands out the bare connection, for SMTP too.
pub(crate) fn connector(timeout: Duration) -> HttpConnector {
    connector_with(GaiResolver::new(), timeout)
}

fn connector_with<R>(resolver: R, timeout: Duration) -> HttpConnector<R> {
    let mut connector = HttpConnector::new_with_resolver(resolver);
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_happy_eyeballs_timeout(Some(HAPPY_EYEBALLS));
    connector.set_connect_timeout(Some(timeout));
    connector
}

/// Whether a host of an address is this machine: what is said to it passes no wire.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => bare.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::convert::Infallible;
    use std::io::ErrorKind;
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

    use hyper::Uri;
    use hyper_util::client::legacy::connect::dns::Name;
    use tokio::net::{TcpListener, TcpSocket, TcpStream};
    use tower_service::Service;

    use super::*;

    /// Two listeners of one port: one on IPv6 whose queue is full, so that a connection to it neither
    /// comes about nor fails, and one on IPv4 that is well. `None`: this machine has no IPv6.
    async fn dead_and_alive() -> Option<(TcpListener, Vec<TcpStream>, TcpListener)> {
        loop {
            let alive = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let port = alive.local_addr().unwrap().port();
            let address = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
            let bound = TcpSocket::new_v6().and_then(|socket| {
                socket.bind(address)?;
                socket.listen(0)
            });
            let dead = match bound {
                Ok(dead) => dead,
                Err(error) if error.kind() == ErrorKind::AddrInUse => continue,
                Err(error) => {
                    eprintln!("no IPv6 on this machine, nothing tested: {error}");
                    return None;
                }
            };
            let mut waiting = Vec::new();
            // The queue is full when a connection is not made at once.
            while let Ok(Ok(stream)) =
                tokio::time::timeout(Duration::from_millis(500), TcpStream::connect(address)).await
            {
                waiting.push(stream);
            }
            return Some((dead, waiting, alive));
        }
    }

    #[tokio::test]
    async fn a_dead_address_of_one_family_does_not_keep_the_other_waiting() {
        let Some((_dead, _waiting, alive)) = dead_and_alive().await else {
            return;
        };
        let port = alive.local_addr().unwrap().port();
        let addresses = vec![
            SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
            SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        ];
        let resolver = Function(move |_: Name| {
            let addresses = addresses.clone();
            async move { Ok::<_, Infallible>(addresses.into_iter()) }
        });
        // Waiting for the first to time out would take hours.
        let mut connector = connector_with(resolver, Duration::from_secs(10_000));
        let uri: Uri = format!("smtp://mail.example.com:{port}/").parse().unwrap();
        let limit = Duration::from_secs(60);
        let stream = tokio::time::timeout(limit, connector.call(uri)).await;
        let stream = stream.unwrap().unwrap().into_inner();
        assert_eq!(stream.peer_addr().unwrap(), alive.local_addr().unwrap());
    }

    /// A function as a resolver.
    #[derive(Clone)]
    struct Function<F>(F);

    impl<F, R> Service<Name> for Function<F>
    where
        F: Fn(Name) -> R,
        R: Future<Output = Result<std::vec::IntoIter<SocketAddr>, Infallible>>,
    {
        type Response = std::vec::IntoIter<SocketAddr>;
        type Error = Infallible;
        type Future = R;

        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Infallible>> {
            std::task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, name: Name) -> R {
            (self.0)(name)
        }
    }

    #[test]
    fn loopback_is_this_machine_and_nothing_that_looks_like_it() {
        for host in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "[::1]",
            "localhost",
            "LOCALHOST",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "0.0.0.0",
            "[::]",
            "192.0.2.1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
