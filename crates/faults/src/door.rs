//! A listener on 127.0.0.1 that can be gone and back on the same port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};

/// A port of 127.0.0.1 that stays ours while nobody listens on it: connections to it are refused.
#[derive(Debug)]
pub(crate) struct Port {
    address: SocketAddr,
    // Bound and never listening. With SO_REUSEPORT a listener may come to it and go.
    _reserved: TcpSocket,
}

impl Port {
    pub(crate) fn reserve() -> io::Result<Port> {
        let reserved = TcpSocket::new_v4()?;
        reserved.set_reuseport(true)?;
        reserved.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Port {
            address: reserved.local_addr()?,
            _reserved: reserved,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(1024)
}

/// Accepts connections and serves each in a task of its own.
#[derive(Debug)]
pub(crate) struct Door {
    port: Port,
    commands: mpsc::UnboundedSender<(Command, oneshot::Sender<io::Result<()>>)>,
    keeper: AbortHandle,
}

#[derive(Clone, Copy, Debug)]
enum Command {
    Close,
    Open,
    Disconnect,
}

impl Door {
    /// Opens on any free port. Must be called within a runtime.
    pub(crate) fn open<F, Served>(serve: F) -> io::Result<Door>
    where
        F: Fn(TcpStream) -> Served + Send + 'static,
        Served: Future<Output = ()> + Send + 'static,
    {
        let port = Port::reserve()?;
        let listener = listen(port.address())?;
        let (commands, received) = mpsc::unbounded_channel();
        let keeper = tokio::spawn(keep(port.address(), listener, received, serve)).abort_handle();
        Ok(Door {
            port,
            commands,
            keeper,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Ends every connection and refuses new ones.
    pub(crate) async fn close(&self) -> io::Result<()> {
        self.command(Command::Close).await
    }

    /// Accepts again.
    pub(crate) async fn open_again(&self) -> io::Result<()> {
        self.command(Command::Open).await
    }

    /// Ends every connection; new ones are welcome.
    pub(crate) async fn disconnect(&self) -> io::Result<()> {
        self.command(Command::Disconnect).await
    }

    async fn command(&self, command: Command) -> io::Result<()> {
        let (done, is_done) = oneshot::channel();
        // The keeper ends only with its runtime.
        let gone = |_| io::Error::from(io::ErrorKind::NotConnected);
        self.commands
            .send((command, done))
            .map_err(|_| io::Error::from(io::ErrorKind::NotConnected))?;
        is_done.await.map_err(gone)?
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

async fn keep<F, Served>(
    address: SocketAddr,
    listener: TcpListener,
    mut commands: mpsc::UnboundedReceiver<(Command, oneshot::Sender<io::Result<()>>)>,
    serve: F,
) where
    F: Fn(TcpStream) -> Served + Send + 'static,
    Served: Future<Output = ()> + Send + 'static,
{
    let mut listener = Some(listener);
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // A command is obeyed before another connection is served.
            biased;
            command = commands.recv() => {
                let Some((command, done)) = command else { return };
                let result = match command {
                    Command::Open if listener.is_some() => Ok(()),
                    Command::Open => listen(address).map(|again| listener = Some(again)),
                    Command::Close => {
                        listener = None;
                        connections.shutdown().await;
                        Ok(())
                    }
                    Command::Disconnect => {
                        connections.shutdown().await;
                        Ok(())
                    }
                };
                // Whoever asked may have gone.
                let _ = done.send(result);
            }
            accepted = accept(listener.as_ref()) => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn echo(mut stream: TcpStream) {
        let mut byte = [0];
        while stream.read_exact(&mut byte).await.is_ok() {
            let _ = stream.write_all(&byte).await;
        }
    }

    async fn answers(stream: &mut TcpStream) -> bool {
        let mut byte = [0];
        stream.write_all(b"x").await.is_ok() && stream.read_exact(&mut byte).await.is_ok()
    }

    #[tokio::test]
    async fn it_is_gone_and_back_on_the_same_port() {
        let door = Door::open(echo).unwrap();
        let mut connection = TcpStream::connect(door.address()).await.unwrap();
        assert!(answers(&mut connection).await);
        for _ in 0..20 {
            door.close().await.unwrap();
            assert!(!answers(&mut connection).await);
            let refused = TcpStream::connect(door.address()).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            door.open_again().await.unwrap();
            connection = TcpStream::connect(door.address()).await.unwrap();
            assert!(answers(&mut connection).await);
        }
    }

    #[tokio::test]
    async fn all_connections_end_and_new_ones_are_welcome() {
        let door = Door::open(echo).unwrap();
        let mut first = TcpStream::connect(door.address()).await.unwrap();
        assert!(answers(&mut first).await);
        door.disconnect().await.unwrap();
        assert!(!answers(&mut first).await);
        let mut second = TcpStream::connect(door.address()).await.unwrap();
        assert!(answers(&mut second).await);
    }

    #[tokio::test]
    async fn a_dropped_door_is_shut() {
        let door = Door::open(echo).unwrap();
        let address = door.address();
        let mut connection = TcpStream::connect(address).await.unwrap();
        assert!(answers(&mut connection).await);
        drop(door);
        assert_eq!(connection.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_reserved_port_is_given_to_nobody_else() {
        let port = Port::reserve().unwrap();
        let refused = TcpStream::connect(port.address()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let taken = std::net::TcpListener::bind(port.address()).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }
}
