//! Reports: judged buckets in the formats that people and programs read.
//!
//! `check` and `scan` give the same [`Report`]; each format is a function of it. Whatever stands in
//! a configuration may be written by an attacker, so each format escapes it in its own way.

mod asff;
pub mod baseline;
mod csv;
pub(crate) mod describe;
pub mod explain;
mod finding;
pub(crate) mod html;
mod json;
mod junit;
mod ocsf;
mod remedy;
pub(crate) mod request;
mod sarif;
mod standing;
pub(crate) mod statement;
mod table;

use std::{fmt, io};

use jiff::Timestamp;

use crate::assessment::Assessment;
use crate::input::Problem;

use self::baseline::Baseline;

pub use describe::visible;
pub use json::{SCHEMA_VERSION, request_json};
pub use standing::{Standing, Summary};
pub use table::Style;

/// What one run found.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The buckets, in the order in which they were read.
    pub assessments: &'a [Assessment],
    /// What could not be read.
    pub problems: &'a [Problem],
    /// An earlier run: what was open then already is known.
    pub baseline: Option<&'a Baseline>,
    /// The command that ran, such as `check`.
    pub command: &'a str,
    /// The version of Portcullis.
    pub version: &'a str,
    /// When it ran.
    pub at: Timestamp,
    /// Whether the user asked for everything.
    pub full: bool,
}

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns for a terminal.
    Table,
    /// The documented JSON output (`docs/output.schema.json`).
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// JUnit's XML, for CI systems.
    Junit,
    /// CSV, for spreadsheets.
    Csv,
    /// One self-contained page.
    Html,
    /// OCSF, class Compliance Finding.
    Ocsf,
    /// The AWS Security Finding Format.
    Asff,
}

impl Format {
    /// Every format with its name on the command line.
    pub const ALL: &'static [(Format, &'static str)] = &[
        (Format::Table, "table"),
        (Format::Json, "json"),
        (Format::Sarif, "sarif"),
        (Format::Junit, "junit"),
        (Format::Csv, "csv"),
        (Format::Html, "html"),
        (Format::Ocsf, "ocsf"),
        (Format::Asff, "asff"),
    ];
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Format::ALL.iter().find(|(format, _)| format == self);
        f.write_str(name.map_or("", |(_, name)| name))
    }
}

impl Report<'_> {
    /// The report in a format, as text that ends in a line feed.
    pub fn render(&self, format: Format, style: Style) -> String {
        let mut bytes = Vec::new();
        // Memory takes every byte, and every format is text.
        let _ = self.write(format, style, &mut bytes);
        String::from_utf8(bytes).unwrap_or_default()
    }

    /// Writes the report in a format; JSON, which programs ask for on large estates, as it comes.
    pub fn write(&self, format: Format, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
        let text = match format {
            Format::Json => return json::write(self, out),
            Format::Table => table::render(self, style),
            Format::Sarif => sarif::render(self),
            Format::Junit => junit::render(self),
            Format::Csv => csv::render(self),
            Format::Html => html::render(self),
            Format::Ocsf => ocsf::render(self),
            Format::Asff => asff::render(self),
        };
        out.write_all(text.as_bytes())
    }

    /// How a bucket stands.
    pub fn standing(&self, assessment: &Assessment) -> Standing {
        Standing::of(assessment, self.baseline)
    }

    /// The counts.
    pub fn summary(&self) -> Summary {
        Summary::of(self)
    }
}
