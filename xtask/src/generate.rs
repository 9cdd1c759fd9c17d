//! Pages that are generated from the definition of the command line.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::install;
use crate::process::Supervisor;

/// Writes `docs/cli.md`.
pub(crate) fn reference(supervisor: &Supervisor, root: &Path) -> Result<(), String> {
    let mut command = portcullis(root);
    command.arg("reference").stdout(Stdio::piped());
    let output = supervisor
        .start(&mut command)
        .and_then(crate::process::Step::output)
        .map_err(|error| format!("cannot run portcullis: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "portcullis reference failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    let page = root.join("docs/cli.md");
    fs::write(&page, output.stdout).map_err(|e| format!("cannot write {}: {e}", page.display()))
}

/// Writes man pages to `target/man`.
pub(crate) fn man(supervisor: &Supervisor, root: &Path) -> Result<(), String> {
    let directory = root.join("target/man");
    install::run(supervisor, portcullis(root).arg("man").arg(&directory))?;
    eprintln!("xtask: man pages are in {}", directory.display());
    Ok(())
}

fn portcullis(root: &Path) -> Command {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    command
        .args(["run", "--quiet", "--package", "portcullis", "--"])
        .current_dir(root);
    command
}
