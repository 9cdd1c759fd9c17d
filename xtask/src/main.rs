//! Repository tasks, run as `cargo xtask …`.

mod documents;
mod generate;
mod install;
mod peers;
mod process;
mod tally;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::process::Supervisor;

/// Tasks of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install and start what the tests need, and run everything that a change has to pass.
    Test,
    /// Start the third-party servers that tests need, and keep them up until Ctrl-C.
    Servers,
    /// Write docs/cli.md, docs/configuration.md and docs/rules.md from the definitions that they are about.
    Docs,
    /// Write man pages to target/man.
    Man,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let root = root();
    let done = Supervisor::new()
        .map_err(|error| format!("cannot listen for signals: {error}"))
        .and_then(|supervisor| match cli.task {
            Task::Test => test::run(&supervisor, &root),
            Task::Servers => servers(&supervisor, &root),
            Task::Docs => generate::reference(&supervisor, &root),
            Task::Man => generate::man(&supervisor, &root),
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the checkout that this program was built from.
fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

fn servers(supervisor: &Supervisor, root: &std::path::Path) -> Result<(), String> {
    let peers = peers::start(supervisor, root)?;
    for (name, value) in &peers.environment {
        println!("export {name}={value}");
    }
    eprintln!("xtask: servers are up; Ctrl-C stops them");
    supervisor.wait_for_interrupt();
    drop(peers);
    Ok(())
}
