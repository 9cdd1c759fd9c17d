//! An address that is announced and dead.

use std::io;
use std::net::{Ipv6Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// A port of `::1` that neither takes nor refuses connections: whoever connects waits, as for an address
/// that is announced and leads nowhere. (Its queue is full, and Linux drops what comes beyond.)
#[derive(Debug)]
pub struct DeadPort {
    address: SocketAddr,
    _listener: TcpListener,
    _queued: TcpStream,
    waiting: JoinHandle<io::Result<TcpStream>>,
}

impl DeadPort {
    /// The same port as a living address of IPv4 has. `None`: this machine has no IPv6.
    ///
    /// # Errors
    ///
    /// If somebody has the port already.
    pub async fn beside(living: SocketAddr) -> io::Result<Option<DeadPort>> {
        let address = SocketAddr::from((Ipv6Addr::LOCALHOST, living.port()));
        let bound = TcpSocket::new_v6().and_then(|socket| {
            socket.bind(address)?;
            socket.listen(0)
        });
        let listener = match bound {
            Ok(listener) => listener,
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            Err(_) => return Ok(None),
        };
        // The queue has room for one.
        let queued = TcpStream::connect(address).await?;
        Ok(Some(DeadPort {
            address,
            _listener: listener,
            _queued: queued,
            waiting: tokio::spawn(TcpStream::connect(address)),
        }))
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether somebody who has waited from the beginning waits still, or has given up.
    pub async fn is_dead(&mut self) -> bool {
        !self.waiting.is_finished() || !matches!((&mut self.waiting).await, Ok(Ok(_)))
    }
}

impl Drop for DeadPort {
    fn drop(&mut self) {
        self.waiting.abort();
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[tokio::test]
    async fn it_takes_nobody_and_refuses_nobody() {
        let living = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let living = living.local_addr().unwrap();
        let Some(mut dead) = DeadPort::beside(living).await.unwrap() else {
            eprintln!("no IPv6 on this machine, nothing tested");
            return;
        };
        let later = tokio::spawn(TcpStream::connect(dead.address()));
        // Others get through meanwhile.
        for _ in 0..10 {
            let other = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.unwrap();
            let address = other.local_addr().unwrap();
            TcpStream::connect(address).await.unwrap();
        }
        assert!(dead.is_dead().await);
        assert!(!later.is_finished());
        later.abort();
    }
}
