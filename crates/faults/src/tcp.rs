//! A proxy that does not read along: before a mail server, a database, anything.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::door::Door;
use crate::gate::Gate;
use crate::log::{Log, NotSeen};

/// What becomes of one connection.
#[derive(Clone, Debug)]
pub enum ConnectionFault {
    /// Nothing: it is forwarded.
    Pass,
    /// It is accepted, and waits at the gate before anything is forwarded.
    Hold(Gate),
    /// It is accepted, and nothing ever comes.
    Silence,
    /// It is accepted and reset (RST).
    Reset,
    /// It ends when this many bytes have gone in this direction, both ways at once. With a reset,
    /// what the client has not read by then is lost as well.
    Cut(Direction, u64, End),
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    ToServer,
    /// From the server.
    ToClient,
}

/// How a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In order (FIN).
    Close,
    /// Not (RST).
    Reset,
}

/// A connection that a client has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Bytes forwarded to the server so far.
    pub to_server: u64,
    /// Bytes forwarded to the client so far.
    pub to_client: u64,
    /// Whether it is over.
    pub ended: bool,
}

/// A proxy on 127.0.0.1 before one server. Without a plan it forwards what comes.
#[derive(Debug)]
pub struct TcpProxy {
    door: Door,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    plan: Mutex<Plan>,
    connections: Log<Connection>,
    /// Counts how often everything fell silent.
    silences: watch::Sender<u64>,
}

#[derive(Debug)]
struct Plan {
    first: VecDeque<ConnectionFault>,
    then: ConnectionFault,
}

impl TcpProxy {
    /// Starts one before the server at `upstream`.
    ///
    /// # Errors
    ///
    /// If there is no port to listen on.
    #[expect(clippy::unused_async, reason = "it needs a runtime around it")]
    pub async fn start(upstream: SocketAddr) -> io::Result<TcpProxy> {
        let shared = Arc::new(Shared {
            upstream,
            plan: Mutex::new(Plan {
                first: VecDeque::new(),
                then: ConnectionFault::Pass,
            }),
            connections: Log::new(),
            silences: watch::Sender::new(0),
        });
        let door = {
            let shared = shared.clone();
            Door::open(move |stream| serve(stream, shared.clone()))?
        };
        Ok(TcpProxy { door, shared })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// Plans what becomes of the next `count` connections that nothing is planned for yet.
    pub fn next(&self, count: usize, fault: &ConnectionFault) {
        let more = std::iter::repeat_n(fault.clone(), count);
        self.shared.plan().first.extend(more);
    }

    /// Plans what becomes of all connections that nothing else is planned for.
    pub fn always(&self, fault: ConnectionFault) {
        self.shared.plan().then = fault;
    }

    /// Every connection so far.
    #[must_use]
    pub fn connections(&self) -> &Log<Connection> {
        &self.shared.connections
    }

    /// Waits until the connections so far are as `enough` says: [`Log::wait_for`].
    ///
    /// # Errors
    ///
    /// [`NotSeen`] after a minute.
    pub async fn wait_for(
        &self,
        enough: impl FnMut(&[Connection]) -> bool,
    ) -> Result<Vec<Connection>, NotSeen> {
        self.shared.connections.wait_for(enough).await
    }

    /// Ends every connection that there is; new ones are served.
    ///
    /// # Errors
    ///
    /// If the proxy's runtime has ended.
    pub async fn disconnect(&self) -> io::Result<()> {
        self.door.disconnect().await
    }

    /// Lets every connection that there is fall silent for ever: it stays, and nothing comes through any
    /// more, as when a firewall has forgotten it. New ones become what is planned for them.
    pub fn silence(&self) {
        self.shared.silences.send_modify(|count| *count += 1);
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

impl Shared {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        // Nothing that can panic happens under the lock.
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place in the list, which says when it is over, however that came.
struct Entry<'a> {
    connections: &'a Log<Connection>,
    place: usize,
}

impl Entry<'_> {
    fn forwarded(&self, direction: Direction, bytes: u64) {
        self.connections
            .change(self.place, |connection| match direction {
                Direction::ToServer => connection.to_server += bytes,
                Direction::ToClient => connection.to_client += bytes,
            });
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.connections
            .change(self.place, |connection| connection.ended = true);
    }
}

async fn serve(mut client: TcpStream, shared: Arc<Shared>) {
    let mut silences = shared.silences.subscribe();
    silences.mark_unchanged();
    let fault = {
        let mut plan = shared.plan();
        plan.first.pop_front().unwrap_or_else(|| plan.then.clone())
    };
    let entry = Entry {
        place: shared.connections.push(Connection {
            to_server: 0,
            to_client: 0,
            ended: false,
        }),
        connections: &shared.connections,
    };
    let served = tokio::select! {
        end = become_of(fault, &mut client, &shared, &entry) => Some(end),
        // Never an error: the sender is in `shared`.
        _ = silences.changed() => None,
    };
    let end = match served {
        Some(end) => end,
        None => silence(&mut client).await,
    };
    if end == End::Reset {
        // On a socket that the client has reset there is nothing left to do.
        let _ = client.set_zero_linger();
    }
    // The client sees the end before the list says so.
    drop(client);
    drop(entry);
}

async fn become_of(
    fault: ConnectionFault,
    client: &mut TcpStream,
    shared: &Shared,
    entry: &Entry<'_>,
) -> End {
    match fault {
        ConnectionFault::Silence => silence(client).await,
        ConnectionFault::Reset => End::Reset,
        ConnectionFault::Pass => forward(client, shared, entry, None).await,
        ConnectionFault::Hold(gate) => {
            gate.pass().await;
            forward(client, shared, entry, None).await
        }
        ConnectionFault::Cut(direction, bytes, end) => {
            match forward(client, shared, entry, Some((direction, bytes))).await {
                End::Reset => End::Reset,
                End::Close => end,
            }
        }
    }
}

/// Reads what the client sends until it gives up.
async fn silence(client: &mut TcpStream) -> End {
    let _ = tokio::io::copy(client, &mut tokio::io::sink()).await;
    End::Close
}

/// Forwards both ways until both sides have ended, or one has failed, or the limit is reached.
async fn forward(
    client: &mut TcpStream,
    shared: &Shared,
    entry: &Entry<'_>,
    limit: Option<(Direction, u64)>,
) -> End {
    let Ok(mut server) = TcpStream::connect(shared.upstream).await else {
        // As near as a proxy comes to the refusal that the client would have got.
        return End::Reset;
    };
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let limit_of = |direction| match limit {
        Some((limited, bytes)) if limited == direction => bytes,
        _ => u64::MAX,
    };
    let up = Direction::ToServer;
    let down = Direction::ToClient;
    let forwarded = tokio::try_join!(
        pump(from_client, to_server, limit_of(up), |n| entry
            .forwarded(up, n)),
        pump(from_server, to_client, limit_of(down), |n| entry
            .forwarded(down, n)),
    );
    match forwarded {
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => End::Reset,
        _ => End::Close,
    }
}

/// Forwards one way, and the end of it. An error if the limit is reached.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    limit: u64,
    forwarded: impl Fn(u64),
) -> io::Result<()> {
    let mut left = limit;
    let mut buffer = vec![0; 16 << 10];
    while left > 0 {
        let room = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = from.read(&mut buffer[..room]).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
        left -= read as u64;
        forwarded(read as u64);
    }
    Err(io::ErrorKind::WriteZero.into())
}
