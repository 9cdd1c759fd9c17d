//! A Python environment of the project's own for the servers and clients that come from PyPI.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::install;
use crate::process::Supervisor;

/// `target/peers/venv`, holding exactly what `xtask/requirements.txt` pins.
pub(super) struct Environment {
    directory: PathBuf,
}

impl Environment {
    /// Makes the environment, unless the one that is there was made from the same requirements.
    pub(super) fn prepare(
        supervisor: &Supervisor,
        root: &Path,
        peers: &Path,
    ) -> Result<Environment, String> {
        let directory = peers.join("venv");
        let requirements = root.join("xtask/requirements.txt");
        let wanted = fs::read_to_string(&requirements)
            .map_err(|error| format!("cannot read {}: {error}", requirements.display()))?;
        // Written last: an interrupted installation is not taken for a finished one.
        let stamp = directory.join("requirements.txt");
        let environment = Environment { directory };
        if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == wanted) {
            return Ok(environment);
        }
        eprintln!("xtask: installing from PyPI: {}", requirements.display());
        if environment.directory.exists() {
            fs::remove_dir_all(&environment.directory)
                .map_err(|e| format!("cannot remove {}: {e}", environment.directory.display()))?;
        }
        fs::create_dir_all(peers)
            .map_err(|error| format!("cannot make {}: {error}", peers.display()))?;
        install::run(
            supervisor,
            Command::new("python3")
                .args(["-m", "venv"])
                .arg(&environment.directory),
        )?;
        install::run(
            supervisor,
            Command::new(environment.program("python"))
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                ])
                .arg("--requirement")
                .arg(&requirements),
        )?;
        fs::write(&stamp, wanted)
            .map_err(|error| format!("cannot write {}: {error}", stamp.display()))?;
        Ok(environment)
    }

    /// The path of an installed program.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.directory.join("bin").join(name)
    }
}
