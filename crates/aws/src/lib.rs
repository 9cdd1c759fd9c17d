//! The ports of `guard` over the AWS SDK: AWS itself and S3-compatible endpoints.
//!
//! - [`connect`] finds credentials, region and endpoint as every AWS tool does, and learns which
//!   store answers; [`store`] makes the calls to it, [`services`] those to queues, topics, buses,
//!   functions, IAM and EC2.
//! - `dialect` looks at each raw answer before it is believed; `shape` turns answers into the
//!   vocabulary of `policy`; `failure` says what a failed call means; `signed` and `xml` are for services
//!   whose SDK is not worth its compiling.
//!
//! The crate alone names the SDK. It does not know rules, plans or verdicts.

mod admin_ops;
pub mod connect;
mod dialect;
mod failure;
mod renewal;
pub mod services;
mod shape;
mod signed;
pub mod store;
mod xml;

/// An access key; its secret does not print.
pub use aws_credential_types::Credentials;
pub use connect::{
    AssumedRole, ConnectOptions, connect, connect_with_key, prepare, prepare_with_key,
};
pub use renewal::KeptKey;
pub use services::{Queue, ServiceEndpoints, Services};
pub use store::Store;
