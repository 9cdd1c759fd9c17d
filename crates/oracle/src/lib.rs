//! Independent authorities over the verdict, for tests only.
//!
//! Everything here is written from the definition of the question ("does some untrusted request get
//! in?") and from AWS's documentation, not from the engine: where the engine and one of these
//! disagree, one of the two is wrong, and the test says where to look.
//!
//! - [`brute`]: many concrete requests.
//! - [`case`]: labelled bucket configurations, read from JSON.
//! - [`untrusted`]: whether a concrete request can be sent at all, and whether its sender is one
//!   whom nobody trusted.
//! - [`generate`]: random policy documents.
//! - `smt` (feature `smt`): the question as a formula for Z3.
//! - [`replay`]: whether a concrete request gets in through the policy or the ACL.

pub mod brute;
pub mod case;
pub mod generate;
pub mod replay;
#[cfg(feature = "smt")]
pub mod smt;
pub mod untrusted;
