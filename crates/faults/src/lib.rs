//! What goes wrong between the guard and its neighbours, on demand.
//!
//! - [`FaultProxy`] stands before an HTTP server (S3, SQS …) and, as a test has planned it for each kind of
//!   request, answers with an error, holds the request until the test lets it go, never answers, resets the
//!   connection, or breaks off in the middle of the answer.
//! - [`TcpProxy`] does what can be done without reading along, before a database or a mail server.
//! - [`Mailbox`] is a real mail server that keeps what it gets, and refuses or dies as told.
//! - [`DeadPort`] is an address that is announced and dead.
//!
//! The first three can be gone (connections are refused) and back on the same port. Everything listens on
//! loopback and any free port. Nothing here sleeps: what happened is a list that a test
//! waits on ([`Log::wait_for`]), and what must not go on yet waits for a [`Gate`].
//!
//! The sockets are real, so a test must not pause tokio's clock while it waits for one.
//!
//! The crate is for tests only; nothing depends on it but tests.

mod dead;
mod door;
mod fault;
mod gate;
mod http;
mod log;
mod mailbox;
mod message;
mod request;
mod tcp;
mod wire;

pub use dead::DeadPort;
pub use fault::{Answer, Fault, Moment};
pub use gate::Gate;
pub use http::{FaultProxy, Planning};
pub use log::{Log, NotSeen};
pub use mailbox::{Behaviour, Mailbox, Refusal, Stage};
pub use message::Message;
pub use request::{Outcome, Request};
pub use tcp::{Connection, ConnectionFault, Direction, End, TcpProxy};
