//! Commands over what the guard keeps: they open its store, while it runs or not.
//!
//! `--format json` of each is an object with `schema_version`; members are added to it, and never
//! change their meaning.

pub(crate) mod delivery_channel;
mod describe;
pub(crate) mod enforcement;
pub(crate) mod events;
pub(crate) mod exceptions;
pub(crate) mod findings;
mod functions;
pub(crate) mod history;
mod judge;
mod page;
pub(crate) mod replay;
pub(crate) mod rules;
pub(crate) mod status;
pub(crate) mod storage;
pub(crate) mod subscriptions;

use std::time::Duration;

use clap::{Args, ValueEnum};
use guard::repository::RepositoryError;
use store::{OpenError, Store};

use crate::config::load::{ConfigFileArgs, Loaded, load};
use crate::exit::Failure;

/// Which store.
#[derive(Clone, Debug, Args)]
pub(crate) struct KeptArgs {
    #[command(flatten)]
    pub(crate) config: ConfigFileArgs,

    /// The store, instead of the configuration's: a file, or a `postgres://` URL
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) store: Option<String>,
}

/// How the result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// Aligned columns.
    Table,
    /// JSON.
    Json,
}

/// How the result of these commands is written.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ShapeArgs {
    /// How the result is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Shape::Table)]
    pub(crate) format: Shape,
}

impl ShapeArgs {
    pub(crate) fn is_json(self) -> bool {
        self.format == Shape::Json
    }
}

impl KeptArgs {
    /// The configuration, if it is needed whatever store is named.
    pub(crate) fn loaded(&self) -> Result<Loaded, Failure> {
        load(&self.config.config)
    }

    /// Opens the store that is named, else the configuration's. One that is not there is not made: a
    /// command that asks would find an empty one and say that all is well.
    pub(crate) async fn open(&self) -> Result<Store, Failure> {
        match &self.store {
            Some(address) => existing(address).await,
            None => {
                let loaded = self.loaded()?;
                existing(&address(&loaded)?).await
            }
        }
    }
}

/// Opens the configuration's store, and makes it if it is not there.
pub(crate) async fn open_configured(loaded: &Loaded) -> Result<Store, Failure> {
    let timeout = loaded.config.store.timeout.unsigned();
    open_within(&address(loaded)?, timeout).await
}

/// Where the configuration's store is.
pub(crate) fn address(loaded: &Loaded) -> Result<String, Failure> {
    let store = &loaded.config.store;
    let read = |reference: &_| loaded.secret(reference);
    match (&store.url, &store.path) {
        (Some(url), _) => crate::config::settings::text(url, &read).map_err(Failure::usage),
        (None, Some(path)) => path
            .to_str()
            .map(str::to_owned)
            .ok_or_else(|| Failure::usage("store.path: this path is not text in UTF-8")),
        (None, None) => Ok(crate::config::DEFAULT_STORE.to_owned()),
    }
}

/// The file of a store that is one.
fn file(address: &str) -> Option<&str> {
    let path = address
        .strip_prefix("sqlite:")
        .map(|rest| rest.trim_start_matches("//"));
    (!address.starts_with("postgres")).then(|| path.unwrap_or(address))
}

/// Whether a store was made there. Of a database, only connecting to it tells.
fn is_there(address: &str) -> bool {
    file(address).is_none_or(|path| std::path::Path::new(path).exists())
}

pub(crate) async fn existing(address: &str) -> Result<Store, Failure> {
    if let Some(path) = file(address)
        && !is_there(address)
    {
        return Err(Failure::usage(format!("there is no store {path}"))
            .hint("`portcullis serve` makes it; name another with --store or --config"));
    }
    open(address).await
}

pub(crate) async fn open(address: &str) -> Result<Store, Failure> {
    open_within(address, store::CALL_TIMEOUT).await
}

async fn open_within(address: &str, timeout: Duration) -> Result<Store, Failure> {
    Store::open_within(address, timeout)
        .await
        .map_err(|error| match &error {
            OpenError::Database {
                source: RepositoryError::Unavailable { .. },
                ..
            } => Failure::incomplete(error.to_string()),
            _ => Failure::usage(error.to_string()),
        })
}

/// A failure of the store.
pub(crate) fn failed(error: RepositoryError) -> Failure {
    Failure::incomplete(error.to_string())
}

/// The one that an id, or the beginning of one, names.
fn one_of<'a, T>(
    what: &str,
    wanted: &str,
    all: &'a [T],
    id: impl Fn(&T) -> &str,
) -> Result<&'a T, Failure> {
    let exact = all.iter().find(|one| id(one) == wanted);
    let mut begin = all.iter().filter(|one| id(one).starts_with(wanted));
    match (exact, begin.next(), begin.next()) {
        (Some(one), _, _) => Ok(one),
        (None, Some(one), None) if !wanted.is_empty() => Ok(one),
        (None, Some(a), Some(b)) => Err(Failure::usage(format!(
            "several {what}s begin with {wanted:?}: {}, {} …",
            id(a),
            id(b)
        ))),
        _ => Err(Failure::usage(format!("there is no {what} {wanted:?}"))
            .hint(format!("`portcullis {what}s list` lists them"))),
    }
}
