//! Pages that are generated from the definitions of the command line, the configuration and the rules.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::install;
use crate::process::Supervisor;

/// Writes `docs/cli.md`, `docs/configuration.md` and `docs/rules.md`.
pub(crate) fn reference(supervisor: &Supervisor, root: &Path) -> Result<(), String> {
    let mut cli = portcullis(root);
    cli.arg("reference");
    page(supervisor, cli, &root.join("docs/cli.md"))?;
    let mut configuration = portcullis(root);
    configuration.args(["config", "reference"]);
    page(
        supervisor,
        configuration,
        &root.join("docs/configuration.md"),
    )?;
    let mut rules = cargo_run(root);
    rules.args(["--package", "compliance", "--example", "rules_page"]);
    page(supervisor, rules, &root.join("docs/rules.md"))
}

/// Writes what a command prints.
fn page(supervisor: &Supervisor, mut command: Command, page: &Path) -> Result<(), String> {
    command.stdout(Stdio::piped());
    let output = supervisor
        .start(&mut command)
        .and_then(crate::process::Step::output)
        .map_err(|error| format!("cannot print {}: {error}", page.display()))?;
    if !output.status.success() {
        return Err(format!(
            "printing {} failed ({}): {}",
            page.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    fs::write(page, output.stdout).map_err(|e| format!("cannot write {}: {e}", page.display()))
}

/// Writes man pages to `target/man`.
pub(crate) fn man(supervisor: &Supervisor, root: &Path) -> Result<(), String> {
    let directory = root.join("target/man");
    install::run(supervisor, portcullis(root).arg("man").arg(&directory))?;
    eprintln!("xtask: man pages are in {}", directory.display());
    Ok(())
}

fn portcullis(root: &Path) -> Command {
    let mut command = cargo_run(root);
    command.args(["--package", "portcullis", "--"]);
    command
}

fn cargo_run(root: &Path) -> Command {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    command.args(["run", "--quiet"]).current_dir(root);
    command
}
