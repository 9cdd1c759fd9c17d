//! Where a store is: a file, or a PostgreSQL database by URL. Passwords are not shown.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use crate::error::OpenError;

/// Where a store is.
#[derive(Clone)]
pub(crate) enum Address {
    Sqlite(PathBuf),
    Postgres {
        options: Box<PgConnectOptions>,
        shown: String,
    },
}

impl Address {
    /// Reads `postgres://…` and `postgresql://…`, `sqlite:PATH` and `sqlite://PATH`; anything without
    /// a scheme is a path.
    pub(crate) fn parse(text: &str) -> Result<Address, OpenError> {
        let wrong = |why: &str| OpenError::Address {
            address: redacted(text),
            why: why.to_owned(),
        };
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            // The parser's own message may repeat parts of the URL.
            let options = PgConnectOptions::from_str(text).map_err(|_| {
                wrong("this is no PostgreSQL URL: postgres://USER:PASSWORD@HOST:PORT/DATABASE")
            })?;
            return Ok(Address::Postgres {
                options: Box::new(options),
                shown: redacted(text),
            });
        }
        let path = match text.strip_prefix("sqlite:") {
            Some(path) => path.strip_prefix("//").unwrap_or(path),
            None if text.contains("://") => {
                return Err(wrong(
                    "a store is a file, or a PostgreSQL database (postgres://…)",
                ));
            }
            None => text,
        };
        if path.is_empty() {
            return Err(wrong("the path of the store's file is empty"));
        }
        if path == ":memory:" {
            return Err(wrong(
                "a store in memory forgets what it promised: name a file",
            ));
        }
        Ok(Address::Sqlite(PathBuf::from(path)))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Sqlite(path) => path.display().fmt(f),
            Address::Postgres { shown, .. } => f.write_str(shown),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// A URL without its password and its parameters, which may hold one; anything else as it is.
fn redacted(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    // A password may hold `@` or `/` though it should not: what follows the last `@` is the host.
    let Some((credentials, place)) = rest.rsplit_once('@') else {
        return format!("{scheme}://{rest}");
    };
    match credentials.split_once(':') {
        Some((user, _)) => format!("{scheme}://{user}:***@{place}"),
        None => format!("{scheme}://{credentials}@{place}"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            (
                "postgres://guard:hunter2@db.example:5432/portcullis",
                "postgres://guard:***@db.example:5432/portcullis",
            ),
            (
                "postgres://guard:hunter2%40x@db/portcullis?password=hunter2",
                "postgres://guard:***@db/portcullis",
            ),
            (
                "postgresql:///portcullis?host=/run/postgresql&password=hunter2",
                "postgresql:///portcullis",
            ),
        ] {
            let address = Address::parse(url).unwrap();
            assert_eq!(address.to_string(), shown);
            assert!(!format!("{address:?}").contains("hunter2"));
        }
        for wrong in [
            "postgres://guard:hunter2@db:port/portcullis",
            "mysql://guard:hunter2@db/portcullis",
            "postgres://guard:hunter2/@@db:x/y",
        ] {
            let error = Address::parse(wrong).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_path_is_a_file() {
        for text in [
            "portcullis.db",
            "sqlite:portcullis.db",
            "sqlite://portcullis.db",
        ] {
            assert!(
                matches!(Address::parse(text).unwrap(), Address::Sqlite(path) if path.as_os_str() == "portcullis.db"),
                "{text}"
            );
        }
        for text in ["", "sqlite:", "sqlite::memory:"] {
            Address::parse(text).unwrap_err();
        }
    }
}
