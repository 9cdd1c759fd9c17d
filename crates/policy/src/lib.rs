//! The IAM policy language, and exact answers about who can get into a bucket, each with a witness
//! or a proof.
//!
//! - [`document`] parses a policy; [`evaluate`] is the plain reading of it: one request, one decision.
//! - [`lint`] says what in a policy is probably not what its author meant.
//! - [`public`] asks our question about a [`bucket::Bucket`]; `symbolic` is the exact reading behind
//!   it: all requests at once.
//!
//! The crate does no I/O, reads no clock and knows nothing of AWS Config, rules or cloud clients.

pub mod action;
pub mod bucket;
pub mod condition;
pub mod document;
pub mod evaluate;
pub mod json;
mod key;
pub mod lint;
pub mod observed;
pub mod pattern;
pub mod public;
pub mod request;
mod spelling;
mod symbolic;
