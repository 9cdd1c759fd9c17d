//! What `check` and `scan` do with what they judged: exceptions, baseline, format, exit code.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use compliance::assessment::Assessment;
use compliance::exceptions::Exceptions;
use compliance::input::Problem;
use compliance::report::baseline::Baseline;
use compliance::report::{Format, Report, Standing, Style};
use jiff::Timestamp;

use crate::exit::{ExitStatus, Failure};

/// Where the result goes and what counts.
#[derive(Clone, Debug, Args)]
pub(crate) struct OutputArgs {
    /// How the result is written
    #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = format())]
    format: Format,
    /// Write the result to a file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// An earlier output of `--format json`: only what is new fails
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// The exceptions file: buckets that are open on purpose, for a while
    #[arg(long, value_name = "FILE")]
    exceptions: Option<PathBuf>,
    /// What makes the command fail
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',',
          default_values_t = [FailOn::Read, FailOn::Write, FailOn::Undecided, FailOn::Problem])]
    fail_on: Vec<FailOn>,
    /// Show everything: closed buckets, advice, parts that the verdict does not need
    #[arg(long)]
    pub(crate) full: bool,
    /// When to use colours
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    color: Color,
}

/// What makes a command fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// A bucket is open for reading (exit code 1).
    Read,
    /// A bucket is open for writing (exit code 1).
    Write,
    /// A bucket is undecided (exit code 3).
    Undecided,
    /// A part of a bucket could not be read (exit code 3).
    Problem,
    /// Nothing that is found.
    Nothing,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// The style for standard output.
    pub(crate) fn style(self) -> Style {
        let color = match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                !refused && io::stdout().is_terminal()
            }
        };
        Style { color }
    }
}

fn format() -> impl clap::builder::TypedValueParser<Value = Format> {
    use clap::builder::TypedValueParser;
    let names = Format::ALL.iter().map(|(_, name)| *name);
    clap::builder::PossibleValuesParser::new(names).map(|chosen| {
        let found = Format::ALL.iter().find(|(_, name)| *name == chosen);
        // The parser lets only these names through.
        found.map_or(Format::Table, |(format, _)| *format)
    })
}

/// The files that the result needs, read before any work is done.
#[derive(Debug)]
pub(crate) struct Output<'a> {
    args: &'a OutputArgs,
    baseline: Option<Baseline>,
    exceptions: Exceptions,
}

/// What a command found.
#[derive(Debug)]
pub(crate) struct Found {
    /// The command's name.
    pub(crate) command: &'static str,
    /// When it ran.
    pub(crate) at: Timestamp,
    /// The judged buckets.
    pub(crate) assessments: Vec<Assessment>,
    /// What could not be read.
    pub(crate) problems: Vec<Problem>,
    /// Whether an input as a whole is wrong (exit code 2).
    pub(crate) broken: bool,
}

impl OutputArgs {
    /// Reads baseline and exceptions.
    pub(crate) fn prepare(&self) -> Result<Output<'_>, Failure> {
        let named =
            |path: &Path, wrong: String| Failure::usage(format!("{}: {wrong}", path.display()));
        let text = |path: &PathBuf| {
            fs::read_to_string(path).map_err(|why| named(path, format!("cannot be read: {why}")))
        };
        let baseline = match &self.baseline {
            Some(path) => Some(Baseline::parse(&text(path)?).map_err(|wrong| {
                named(path, format!("not a baseline: {wrong}"))
                    .hint("make one with `--format json --output FILE`")
            })?),
            None => None,
        };
        let exceptions = match &self.exceptions {
            Some(path) => Exceptions::parse(&text(path)?)
                .map_err(|wrong| named(path, format!("not an exceptions file: {wrong}")))?,
            None => Exceptions::default(),
        };
        Ok(Output {
            args: self,
            baseline,
            exceptions,
        })
    }
}

impl Output<'_> {
    /// Applies the exceptions, writes the report, says what was wrong, and gives the exit status.
    pub(crate) fn finish(&self, mut found: Found) -> Result<ExitStatus, Failure> {
        for assessment in &mut found.assessments {
            self.exceptions.apply(assessment, found.at);
        }
        let report = Report {
            assessments: &found.assessments,
            problems: &found.problems,
            baseline: self.baseline.as_ref(),
            command: found.command,
            version: env!("CARGO_PKG_VERSION"),
            at: found.at,
            full: self.args.full,
        };
        for problem in &found.problems {
            complain(problem);
        }
        let format = self.args.format;
        match &self.args.output {
            Some(path) => {
                let write = || {
                    let mut file = BufWriter::new(File::create(path)?);
                    report.write(format, Style::default(), &mut file)?;
                    file.flush()
                };
                write().map_err(|why| {
                    Failure::usage(format!("{}: cannot be written: {why}", path.display()))
                })?;
            }
            None => to_standard_output(|out| report.write(format, self.args.color.style(), out))?,
        }
        Ok(self.status(&report, found.broken))
    }

    fn status(&self, report: &Report<'_>, broken: bool) -> ExitStatus {
        let fails = |what| self.args.fail_on.contains(&what);
        if broken {
            return ExitStatus::Usage;
        }
        let mut incomplete = fails(FailOn::Problem) && !report.problems.is_empty();
        for assessment in report.assessments {
            let standing = report.standing(assessment);
            if !matches!(standing, Standing::Open | Standing::Undecided) {
                continue;
            }
            let verdict = &assessment.verdict;
            if fails(FailOn::Read) && verdict.read.is_open()
                || fails(FailOn::Write) && verdict.write.is_open()
            {
                return ExitStatus::Open;
            }
            let undecided = verdict.read.is_undecided() || verdict.write.is_undecided();
            incomplete |= fails(FailOn::Undecided) && undecided;
        }
        if incomplete {
            ExitStatus::Incomplete
        } else {
            ExitStatus::Closed
        }
    }
}

fn complain(problem: &Problem) {
    let shown = problem.to_string();
    eprintln!("warning: {}", compliance::report::visible(&shown));
    if let Some(hint) = problem.hint {
        eprintln!("hint: {hint}");
    }
}

/// Writes a text to standard output.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    to_standard_output(|out| out.write_all(text.as_bytes()))
}

/// Writes to standard output. A reader that has seen enough is no failure.
fn to_standard_output(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(why) if why.kind() != io::ErrorKind::BrokenPipe => Err(Failure::usage(format!(
            "standard output cannot be written: {why}"
        ))),
        _ => Ok(()),
    }
}
