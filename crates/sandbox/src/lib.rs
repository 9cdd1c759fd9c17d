//! An S3 endpoint inside the process that really enforces, for the demo and for tests.
//!
//! It listens on loopback, keeps everything in memory, and answers as Amazon S3 documents it: it checks
//! signatures (version 4), and lets in whom bucket policy, ACLs of buckets and objects, Block Public
//! Access (of bucket and account) and Object Ownership together let in, anonymous callers included.
//! What it does not implement answers 501 `NotImplemented`; nothing is pretended.
//!
//! Beside S3 it answers the account's Block Public Access (S3 Control) and `GetCallerIdentity` (STS) on
//! the same address, so that ordinary clients find their way with one endpoint URL.
//!
//! Where it is simpler than AWS: every principal has all identity-based permissions of its account;
//! there are no versions, no multipart uploads, no access points, no organizations; and every request
//! travels over plain HTTP.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use sandbox::{Account, Config, Sandbox};
//!
//! let owner = Account::new("111122223333", "1".repeat(64)).with_root("AKIDEXAMPLE", "secret");
//! let sandbox = Sandbox::start(Config::new(vec![owner])).await?;
//! assert!(sandbox.endpoint().starts_with("http://127.0.0.1:"));
//! sandbox.stop().await;
//! # std::io::Result::Ok(())
//! # }).unwrap();
//! ```

mod access;
mod account;
mod acl;
mod authorize;
pub mod client;
mod context;
mod control;
mod endpoint;
pub mod estate;
mod event;
mod operations;
mod server;
mod state;

use std::io;
use std::sync::Arc;

use hyper::header::HeaderName;
use jiff::Timestamp;
use tokio::sync::broadcast;

pub use crate::account::Account;
pub use crate::endpoint::{Clock, NewBuckets};
pub use crate::event::Change;

use crate::account::Accounts;
use crate::endpoint::{Endpoint, Settings};
use crate::server::Server;

/// How a sandbox is set up.
#[derive(Clone)]
pub struct Config {
    /// The port on 127.0.0.1; 0 takes any that is free.
    pub port: u16,
    /// The accounts that can sign.
    pub accounts: Vec<Account>,
    /// The region of buckets that are created without one.
    pub region: String,
    /// How new buckets are made.
    pub new_buckets: NewBuckets,
    /// A request header that is believed to tell the source address. For tests: whoever can set it,
    /// can pretend to be anywhere.
    pub source_header: Option<String>,
    /// The largest object that is taken, in bytes.
    pub max_object_bytes: usize,
    /// The present moment. Signatures are checked against the system's clock.
    pub clock: Clock,
}

impl Config {
    /// A sandbox for these accounts on a free port, with AWS's defaults for new buckets.
    pub fn new(accounts: Vec<Account>) -> Config {
        Config {
            port: 0,
            accounts,
            region: "us-east-1".to_owned(),
            new_buckets: NewBuckets::default(),
            source_header: None,
            max_object_bytes: 16 * 1024 * 1024,
            clock: Arc::new(Timestamp::now),
        }
    }
}

/// A running sandbox. Dropping it leaves the server running until the runtime ends; [`Sandbox::stop`]
/// ends it in good order.
#[derive(Debug)]
pub struct Sandbox {
    endpoint: Endpoint,
    server: Server,
}

impl Sandbox {
    /// Starts listening.
    ///
    /// # Errors
    ///
    /// The port is taken, or `source_header` is no header name.
    pub async fn start(config: Config) -> io::Result<Sandbox> {
        let source_header = config
            .source_header
            .as_deref()
            .map(|name| HeaderName::from_bytes(name.as_bytes()))
            .transpose()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let endpoint = Endpoint::new(
            Accounts::new(&config.accounts),
            Settings {
                region: config.region,
                new_buckets: config.new_buckets,
                max_object_bytes: config.max_object_bytes,
                clock: config.clock,
            },
        );
        let server = Server::start(endpoint.clone(), config.port, source_header).await?;
        Ok(Sandbox { endpoint, server })
    }

    /// The endpoint URL, such as `http://127.0.0.1:9000`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// The changes from now on, each just after it was made. A receiver that lags more than a few
    /// thousand changes behind is told how many it missed.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.endpoint.subscribe()
    }

    /// Takes no more connections, lets the requests under way finish, and returns.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}
