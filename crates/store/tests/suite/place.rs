//! A database for one test.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{Connection, Executor, PgConnection};

/// Where the private PostgreSQL is that tests make their databases on.
pub(crate) const SERVER: &str = "PORTCULLIS_TEST_POSTGRES";

/// A database of one test's own.
pub(crate) enum Place {
    Sqlite { folder: PathBuf },
    Postgres { server: String, name: String },
}

fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(
        "store_{}_{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

impl Place {
    pub(crate) fn sqlite() -> Place {
        // Set for integration tests only.
        let below =
            option_env!("CARGO_TARGET_TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let folder = below.join(unique());
        let _ = std::fs::remove_dir_all(&folder);
        Place::Sqlite { folder }
    }

    pub(crate) async fn postgres() -> Place {
        let server = std::env::var(SERVER)
            .unwrap_or_else(|_| panic!("{SERVER} is not set: run cargo xtask test"));
        let name = unique();
        let mut connection = PgConnection::connect(&server).await.unwrap();
        let make = format!("CREATE DATABASE {name}");
        connection.execute(sqlx::AssertSqlSafe(make)).await.unwrap();
        connection.close().await.unwrap();
        Place::Postgres { server, name }
    }

    /// What a user would write to name it.
    pub(crate) fn address(&self) -> String {
        match self {
            Place::Sqlite { folder } => folder.join("portcullis.db").display().to_string(),
            Place::Postgres { server, name } => {
                let (before, parameters) = match server.split_once('?') {
                    Some((before, parameters)) => (before, format!("?{parameters}")),
                    None => (server.as_str(), String::new()),
                };
                let (host, _) = before.rsplit_once('/').expect("the URL names a database");
                format!("{host}/{name}{parameters}")
            }
        }
    }

    pub(crate) async fn remove(&self) {
        match self {
            Place::Sqlite { folder } => std::fs::remove_dir_all(folder).unwrap(),
            Place::Postgres { server, name } => {
                let mut connection = PgConnection::connect(server).await.unwrap();
                let drop = format!("DROP DATABASE {name} WITH (FORCE)");
                connection.execute(sqlx::AssertSqlSafe(drop)).await.unwrap();
            }
        }
    }
}
