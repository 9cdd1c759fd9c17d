//! What the tests need from Debian.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::Supervisor;

/// The packages, and why each.
const PACKAGES: &[(&str, &str)] = &[
    ("radosgw", "Ceph's S3 gateway, a store that really enforces"),
    ("ceph-mon", "the gateway's cluster"),
    ("ceph-osd", "the gateway's storage"),
    ("ceph-common", "radosgw-admin, which makes its users"),
    ("libz3-dev", "the SMT solver that checks the analysis"),
    ("postgresql", "the database that several workers share"),
    ("curl", "commands in the documents"),
];

/// Installs the packages that are missing.
pub(crate) fn debian_packages(supervisor: &Supervisor) -> Result<(), String> {
    let mut missing: Vec<&str> = PACKAGES
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !is_installed(name))
        .collect();
    if !python_can_make_environments() {
        missing.push("python3-venv");
    }
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = format!(
        "apt-get install --no-install-recommends {}",
        missing.join(" ")
    );
    if !is_available("apt-get") {
        return Err(format!(
            "these Debian packages are missing and there is no apt-get here: {}\n\
             hint: install what they hold by your system's own means, or run the tests that need \
             no server: cargo test --workspace",
            missing.join(" ")
        ));
    }
    if !rustix::process::geteuid().is_root() {
        return Err(format!(
            "these Debian packages are missing, and only root can install them: {}\n\
             hint: run `{by_hand}` as root once; nothing else needs root",
            missing.join(" ")
        ));
    }
    let _no_cluster = missing
        .contains(&"postgresql")
        .then(NoCluster::for_now)
        .transpose()?;
    eprintln!("xtask: {by_hand}");
    let quiet = ["-qq", "-o", "Dpkg::Use-Pty=0"];
    run(
        supervisor,
        Command::new("apt-get").args(quiet).arg("update"),
    )?;
    run(
        supervisor,
        Command::new("apt-get")
            .args(quiet)
            .args(["install", "--yes", "--no-install-recommends"])
            .args(&missing)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null()),
    )
}

/// While it lives, installing PostgreSQL does not also make a cluster of the whole machine's and
/// start it: nobody here would ever stop that one.
struct NoCluster;

impl NoCluster {
    /// Where Debian's postgresql-common looks for changes of its `createcluster.conf`.
    const DIRECTORY: &str = "/etc/postgresql-common/createcluster.d";
    const FILE: &str = "/etc/postgresql-common/createcluster.d/portcullis-xtask.conf";

    fn for_now() -> Result<NoCluster, String> {
        fs::create_dir_all(Self::DIRECTORY)
            .and_then(|()| fs::write(Self::FILE, "create_main_cluster = off\n"))
            .map_err(|error| format!("cannot write {}: {error}", Self::FILE))?;
        Ok(NoCluster)
    }
}

impl Drop for NoCluster {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(Path::new(Self::FILE)) {
            eprintln!("xtask: cannot remove {}: {error}", Self::FILE);
        }
    }
}

/// Runs a command that must succeed.
pub(crate) fn run(supervisor: &Supervisor, command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    match supervisor.run(command) {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{shown} failed ({status})")),
        Err(error) => Err(format!("cannot run {shown}: {error}")),
    }
}

fn is_installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}", package])
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|output| output.stdout == b"installed")
}

/// Whether a program can be started at all.
pub(crate) fn is_available(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

/// Debian ships Python without the module that puts pip into an environment.
fn python_can_make_environments() -> bool {
    Command::new("python3")
        .args(["-c", "import ensurepip, venv"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
