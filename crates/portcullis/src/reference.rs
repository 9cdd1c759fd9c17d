//! What is generated from the definition of the command line: shell completions, man pages and the
//! reference page.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Arg, Args, Command};

use crate::exit::{ExitStatus, Failure};

/// Arguments of `portcullis completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell that asks
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Arguments of `portcullis man`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Where the pages go; made if it is not there
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
}

/// Prints the completion script of a shell.
pub(crate) fn completions(args: &CompletionsArgs, mut cli: Command) -> Result<ExitStatus, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli, "portcullis", &mut script);
    print(&script)
}

/// Writes a man page for each command.
pub(crate) fn man(args: &ManArgs, mut cli: Command) -> Result<ExitStatus, Failure> {
    // Gives each subcommand its full name.
    cli.build();
    write_pages(&args.directory, &cli).map_err(|error| {
        Failure::usage(format!(
            "cannot write man pages to {}: {error}",
            args.directory.display()
        ))
    })?;
    Ok(ExitStatus::Closed)
}

fn write_pages(directory: &Path, cli: &Command) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let name = cli.get_display_name().unwrap_or(cli.get_name()).to_owned();
    let mut page = Vec::new();
    clap_mangen::Man::new(cli.clone().disable_help_subcommand(true))
        .title(&name)
        .render(&mut page)?;
    fs::write(directory.join(format!("{name}.1")), page)?;
    for subcommand in shown(cli) {
        write_pages(directory, subcommand)?;
    }
    Ok(())
}

/// Prints the reference page, in Markdown.
pub(crate) fn reference(mut cli: Command) -> Result<ExitStatus, Failure> {
    cli.build();
    print(markdown(&cli).as_bytes())
}

fn markdown(cli: &Command) -> String {
    let mut page = String::from(
        "# Command line\n\n\
         Generated from the program's own definitions by `cargo xtask docs`; do not edit.\n\n\
         Exit codes of every command: 0 everything is closed, 1 something is open, with a witness, \
         2 wrong usage, configuration or input, 3 nothing is known open but something could not be \
         read or decided.\n",
    );
    for subcommand in shown(cli) {
        command(&mut page, subcommand);
    }
    page
}

fn command(page: &mut String, of: &Command) {
    let name = of.get_bin_name().unwrap_or(of.get_name());
    let usage = of.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    page.push_str(&format!("\n## `{name}`\n\n"));
    if let Some(about) = of.get_long_about().or(of.get_about()) {
        page.push_str(&format!("{about}\n\n"));
    }
    page.push_str(&format!("```text\n{usage}\n```\n\n"));
    let arguments: Vec<&Arg> = of
        .get_arguments()
        .filter(|a| !a.is_hide_set() && a.get_id() != "help")
        .collect();
    for argument in arguments {
        page.push_str(&format!("- {}\n", line(argument)));
    }
    for subcommand in shown(of) {
        command(page, subcommand);
    }
}

fn line(argument: &Arg) -> String {
    let mut names = Vec::new();
    if let Some(short) = argument.get_short() {
        names.push(format!("-{short}"));
    }
    if let Some(long) = argument.get_long() {
        names.push(format!("--{long}"));
    }
    let takes_value = argument.get_action().takes_values();
    let value = argument
        .get_value_names()
        .filter(|_| takes_value)
        .map(|names| {
            let names: Vec<String> = names.iter().map(|name| format!("<{name}>")).collect();
            names.join(" ")
        });
    let shown = match (names.is_empty(), value) {
        (true, Some(value)) => value,
        (true, None) => argument.get_id().to_string(),
        (false, Some(value)) => format!("{} {value}", names.join(", ")),
        (false, None) => names.join(", "),
    };
    let mut text = format!("`{shown}`");
    if let Some(help) = argument.get_long_help().or(argument.get_help()) {
        let help = help.to_string();
        let help: Vec<&str> = help.split_whitespace().collect();
        text.push_str(&format!(": {}", help.join(" ")));
    }
    let mut notes = Vec::new();
    let possible: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|value| takes_value && !value.is_hide_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !possible.is_empty() {
        notes.push(format!("one of {}", possible.join(", ")));
    }
    let defaults: Vec<String> = argument
        .get_default_values()
        .iter()
        .filter(|_| takes_value)
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    if !defaults.is_empty() {
        notes.push(format!("default {}", defaults.join(", ")));
    }
    if let Some(variable) = argument.get_env() {
        notes.push(format!("environment `{}`", variable.to_string_lossy()));
    }
    if !notes.is_empty() {
        text.push_str(&format!(" ({})", notes.join("; ")));
    }
    text
}

fn shown(cli: &Command) -> impl Iterator<Item = &Command> {
    cli.get_subcommands()
        .filter(|c| !c.is_hide_set() && c.get_name() != "help")
}

fn print(bytes: &[u8]) -> Result<ExitStatus, Failure> {
    match io::stdout().lock().write_all(bytes) {
        // A reader that has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::usage(format!(
            "cannot write to standard output: {error}"
        ))),
        _ => Ok(ExitStatus::Closed),
    }
}
