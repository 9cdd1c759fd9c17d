//! The whole store as JSON lines, and back: from one database to another, or to whatever else.
//!
//! The first line says what follows and of which schema; each further line is one row of one table, the
//! tables in an order in which each refers to earlier ones only; the last line says how many rows there
//! were, so that a file that was cut off is noticed. Two stores with the same contents give the same
//! lines, whatever the database.

use std::collections::BTreeMap;
use std::io;

use guard::repository::RepositoryError;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::error::Failure;
use crate::open::Store;
use crate::schema;
use crate::sql::{Arg, Cell, Dialect, Query, Row, Session};
use crate::tables::{Kind, TABLES, Table};

/// The version of the lines' own shape.
const FORMAT: u64 = 1;
/// Rows that are held at a time.
const PAGE: u32 = 256;
/// The longest line that is read, in bytes. A row that is written is a small part of it.
const LONGEST_LINE: u64 = 64 << 20;

/// Why a store was not exported or imported.
#[derive(Debug, Error)]
pub enum TransferError {
    /// The store.
    #[error(transparent)]
    Store(#[from] RepositoryError),
    /// What is read from or written to.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The store that is imported into holds something.
    #[error("the store is not empty (there are {table}): import into a new one")]
    NotEmpty {
        /// The first table that has rows.
        table: &'static str,
    },
    /// The export was made by a newer Portcullis.
    #[error(
        "the export is of schema version {found}, and this Portcullis knows versions up to {known}"
    )]
    Newer {
        /// The version of the export.
        found: i64,
        /// The newest version that is known here.
        known: i64,
    },
    /// A line that is not what was written. Nothing was imported.
    #[error("line {line}: {why}")]
    Line {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    portcullis_store: u64,
    schema: i64,
}

#[derive(Serialize)]
struct Line<'a> {
    table: &'a str,
    #[serde(serialize_with = "row")]
    row: &'a Row,
}

/// The columns in their order.
fn row<S: serde::Serializer>(row: &&Row, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(row.columns().map(|(name, cell)| {
        let value = match cell {
            Cell::Null => Value::Null,
            Cell::Int(value) => Value::from(*value),
            Cell::Text(value) => Value::from(value.as_str()),
        };
        (name, value)
    }))
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum ReadLine {
    Row {
        table: String,
        row: BTreeMap<String, Value>,
    },
    End {
        rows: u64,
    },
}

#[derive(Serialize)]
struct End {
    rows: u64,
}

impl Store {
    /// Writes everything that the store holds at this moment, and returns how many rows that were. The
    /// guard may run meanwhile.
    pub async fn export<W: AsyncWrite + Unpin>(&self, to: &mut W) -> Result<u64, TransferError> {
        let mut session = self.snapshot().await.map_err(RepositoryError::from)?;
        let header = Header {
            portcullis_store: FORMAT,
            schema: schema::newest(),
        };
        write_line(to, &header).await?;
        let mut count = 0;
        for table in TABLES {
            let mut last: Option<Row> = None;
            loop {
                let page = session
                    .rows(page(table, last.as_ref()))
                    .await
                    .map_err(RepositoryError::from)?;
                for row in &page {
                    let table = table.name;
                    write_line(to, &Line { table, row }).await?;
                    count += 1;
                }
                match page.into_iter().next_back() {
                    Some(row) => last = Some(row),
                    None => break,
                }
            }
        }
        write_line(to, &End { rows: count }).await?;
        to.flush().await?;
        Ok(count)
    }

    /// Reads what [`Store::export`] wrote into this store, which must be empty, and returns how many
    /// rows that were. It is done whole or not at all.
    pub async fn import<R: AsyncBufRead + Unpin>(
        &self,
        from: &mut R,
    ) -> Result<u64, TransferError> {
        let mut session = self.write().await.map_err(RepositoryError::from)?;
        session.take_time().await.map_err(RepositoryError::from)?;
        empty(&mut session).await?;
        let mut lines = Lines { from, number: 0 };
        let header = lines.next().await?;
        let header: Header = match header.as_deref().map(serde_json::from_slice) {
            Some(Ok(header)) => header,
            Some(Err(_)) | None => {
                return Err(lines.wrong("this is no export of a Portcullis store"));
            }
        };
        if header.portcullis_store != FORMAT {
            let why = format!(
                "the export has format {}, and this Portcullis reads format {FORMAT}",
                header.portcullis_store
            );
            return Err(lines.wrong(why));
        }
        let known = schema::newest();
        if header.schema > known {
            return Err(TransferError::Newer {
                found: header.schema,
                known,
            });
        }
        let mut count = 0;
        loop {
            let Some(line) = lines.next().await? else {
                return Err(lines.wrong("the export is cut off: its last line is missing"));
            };
            match serde_json::from_slice(&line) {
                Ok(ReadLine::Row { table, row }) => {
                    let insert = insert(&table, row).map_err(|why| lines.wrong(why))?;
                    session.run(insert).await.map_err(|failure| {
                        match RepositoryError::from(failure) {
                            // The row breaks a rule of the schema.
                            RepositoryError::Broken { detail } => lines.wrong(detail),
                            other => other.into(),
                        }
                    })?;
                    count += 1;
                }
                Ok(ReadLine::End { rows }) if rows == count => break,
                Ok(ReadLine::End { rows }) => {
                    let why = format!("there were {count} rows, and there should be {rows}");
                    return Err(lines.wrong(why));
                }
                Err(error) if error.is_syntax() || error.is_eof() => {
                    return Err(lines.wrong(format!("this is no JSON: {error}")));
                }
                Err(_) => {
                    return Err(lines.wrong("this is neither a row of a table nor the last line"));
                }
            }
        }
        if lines.next().await?.is_some() {
            return Err(lines.wrong("there is more after the last line"));
        }
        renumber(&mut session)
            .await
            .map_err(RepositoryError::from)?;
        session.commit().await.map_err(RepositoryError::from)?;
        self.signal.raise();
        Ok(count)
    }
}

async fn write_line<W: AsyncWrite + Unpin>(to: &mut W, line: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    to.write_all(&text).await
}

/// The rows of a table after one, in the order of the key.
pub(crate) fn page(table: &Table, last: Option<&Row>) -> Query {
    let names: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let key = names[..table.key].join(", ");
    let mut text = format!("SELECT {} FROM {}", names.join(", "), table.name);
    if last.is_some() {
        let places: Vec<String> = (2..).take(table.key).map(|n| format!("${n}")).collect();
        text.push_str(&format!(" WHERE ({key}) > ({})", places.join(", ")));
    }
    text.push_str(&format!(" ORDER BY {key} LIMIT $1"));
    let mut statement = Query::composed(table.name, text).bind(PAGE);
    for cell in last.iter().flat_map(|row| row.cells.iter().take(table.key)) {
        statement = statement.bind(match cell {
            Cell::Null => Arg::Int(None),
            Cell::Int(value) => Arg::from(*value),
            Cell::Text(value) => Arg::from(value),
        });
    }
    statement
}

/// Whether nothing was ever put into the store.
async fn empty(session: &mut Session) -> Result<(), TransferError> {
    for table in TABLES {
        let text = format!("SELECT 1 AS n FROM {} LIMIT 1", table.name);
        let row = session
            .row(Query::composed(table.name, text))
            .await
            .map_err(RepositoryError::from)?;
        if row.is_some() {
            return Err(TransferError::NotEmpty { table: table.name });
        }
    }
    Ok(())
}

/// The statement that inserts a row. Columns that an older export does not have take what the schema
/// says; what the schema does not know is refused.
fn insert(table: &str, mut row: BTreeMap<String, Value>) -> Result<Query, String> {
    let table = TABLES
        .iter()
        .find(|known| known.name == table)
        .ok_or_else(|| format!("there is no table {table:?}"))?;
    let (mut names, mut places, mut args) = (Vec::new(), Vec::new(), Vec::new());
    for (name, kind) in table.columns {
        let Some(value) = row.remove(*name) else {
            continue;
        };
        args.push(arg(name, *kind, value)?);
        names.push(*name);
        places.push(format!("${}", args.len()));
    }
    if let Some(unknown) = row.keys().next() {
        return Err(format!("table {} has no column {unknown:?}", table.name));
    }
    if names.is_empty() {
        return Err("the row is empty".to_owned());
    }
    let text = format!(
        "INSERT INTO {} ({}) VALUES ({})",
        table.name,
        names.join(", "),
        places.join(", ")
    );
    let mut statement = Query::composed(table.name, text);
    for arg in args {
        statement = statement.bind(arg);
    }
    Ok(statement)
}

fn arg(name: &str, kind: Kind, value: Value) -> Result<Arg, String> {
    match (kind, value) {
        (Kind::Int, Value::Null) => Ok(Arg::Int(None)),
        (Kind::Text | Kind::Json, Value::Null) => Ok(Arg::Text(None)),
        (Kind::Int, value) => match value.as_i64() {
            Some(value) => Ok(Arg::from(value)),
            None => Err(format!("column {name} is no whole number")),
        },
        (Kind::Text, Value::String(value)) => Ok(Arg::from(&value)),
        (Kind::Json, Value::String(value)) => match serde_json::from_str::<IgnoredAny>(&value) {
            Ok(_) => Ok(Arg::from(&value)),
            Err(error) => Err(format!("column {name} holds no JSON: {error}")),
        },
        (Kind::Text | Kind::Json, _) => Err(format!("column {name} is no text")),
    }
}

/// Has PostgreSQL give further numbers after those that were imported; SQLite does so by itself.
async fn renumber(session: &mut Session) -> Result<(), Failure> {
    if session.dialect() == Dialect::Sqlite {
        return Ok(());
    }
    for table in TABLES.iter().filter(|table| table.numbered) {
        let (name, key) = (table.name, table.columns[0].0);
        let text = format!(
            "SELECT setval(pg_get_serial_sequence('{name}', '{key}'), \
             (SELECT COALESCE(max({key}), 0) + 1 FROM {name}), false) AS next"
        );
        session.rows(Query::composed(name, text)).await?;
    }
    Ok(())
}

struct Lines<'a, R> {
    from: &'a mut R,
    number: u64,
}

impl<R: AsyncBufRead + Unpin> Lines<'_, R> {
    /// The next line, of a bounded length.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, TransferError> {
        let mut line = Vec::new();
        let read = (&mut *self.from)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)
            .await?;
        self.number += 1;
        if read == 0 {
            return Ok(None);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() as u64 == LONGEST_LINE {
            return Err(self.wrong(format!("the line is longer than {LONGEST_LINE} bytes")));
        }
        Ok(Some(line))
    }

    fn wrong(&self, why: impl Into<String>) -> TransferError {
        TransferError::Line {
            line: self.number,
            why: why.into(),
        }
    }
}
