//! The loops: gather, decide, plan, apply, verify, undo. Declares the ports that they need.
//!
//! - [`operation`] lists every call with the IAM action that it needs; [`ports`] is what a store
//!   must be able to do; [`error`] is how a call fails.
//! - [`pace`] keeps the calls of one account within a budget and repeats what failed in passing.
//! - [`gather`] asks in the order that settles a bucket soonest; [`sweep`] does it for an estate.
//! - [`record`] reads all of a bucket or an account, for configuration items.
//! - [`journal`] keeps what a remediation replaced; [`remediate`] applies a plan and takes it back.
//!
//! The crate does not know which cloud client stands behind a port. Time and randomness come in as
//! values.

pub mod account;
pub mod arrive;
pub mod clock;
pub mod coverage;
pub mod decide;
pub mod deliver;
pub mod enforcement;
pub mod error;
pub mod escalate;
pub mod event_rules;
pub mod expiry;
pub mod functions;
pub mod gather;
pub mod history;
pub mod intake;
pub mod journal;
pub mod look;
pub mod meter;
pub mod operation;
pub mod outbox;
pub mod pace;
pub mod ports;
mod receivers;
pub mod reconcile;
pub mod record;
pub mod remediate;
pub mod repository;
pub mod responder;
pub mod run;
pub mod schedule;
pub mod state;
pub mod subscribe;
pub mod sweep;
pub mod tell;
pub mod watch;
pub mod work;
