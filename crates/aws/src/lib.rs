//! The ports of `guard` over the AWS SDK: AWS itself and S3-compatible endpoints.
//!
//! - [`connect`] finds credentials, region and endpoint as every AWS tool does, and learns which
//!   store answers; [`store`] makes the calls.
//! - `dialect` looks at each raw answer before it is believed; `shape` turns answers into the
//!   vocabulary of `policy`; `failure` says what a failed call means.
//!
//! The crate alone names the SDK. It does not know rules, plans or verdicts.

mod admin_ops;
pub mod connect;
mod dialect;
mod failure;
mod shape;
pub mod store;

/// An access key; its secret does not print.
pub use aws_credential_types::Credentials;
pub use connect::{ConnectOptions, connect, connect_with_key};
pub use store::Store;
