//! The guard's store over SQL: one SQLite file, or a PostgreSQL database for several workers.
//!
//! One schema ([`schema`]) and one set of statements serve both; [`sql`] says where they differ. Each
//! call of [`guard::repository::Repository`] is one transaction:
//!
//! - SQLite: one connection writes, one transaction at a time, begun *immediate*, so that none fails
//!   half-way because another process wrote meanwhile; a few connections read, and are never held up
//!   (write-ahead log). What is committed is on disk (`synchronous=FULL`). Several processes may open
//!   the file; they learn of each other's work by looking.
//! - PostgreSQL: who changes a resource locks its row first; jobs are locked in the order of their
//!   keys; claims skip what is locked. Workers tell each other of work by `NOTIFY`.
//!
//! No secret is ever stored.

mod address;
mod check;
mod error;
mod events;
#[cfg(test)]
mod faults;
mod findings;
mod jobs;
mod look;
mod notices;
mod open;
mod port;
mod remediations;
mod resources;
mod retention;
mod schema;
mod signal;
mod sql;
mod tables;
mod tally;
#[cfg(test)]
mod testing;
mod totals;
mod transfer;
mod watch;

pub use check::Check;
pub use error::OpenError;
pub use open::{CALL_TIMEOUT, Store};
pub use transfer::TransferError;
