//! PostgreSQL: a cluster of its own, on loopback, with one role that may create databases.
//!
//! PostgreSQL refuses to run as root. Where this program does, the cluster belongs to the user
//! `postgres`, whom Debian's package makes.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Peers, START_LIMIT, free_ports, fresh};
use crate::install;
use crate::process::Supervisor;

/// Where Debian keeps each release's programs.
const RELEASES: &str = "/usr/lib/postgresql";
/// Who runs the server if this program is root.
const SYSTEM_USER: &str = "postgres";
/// The role and the database of the tests.
const ROLE: &str = "portcullis";

/// Starts the cluster below `directory`, or below `scratch` if the system user cannot go there.
pub(super) fn start(
    supervisor: &Supervisor,
    directory: &Path,
    scratch: &Path,
    peers: &mut Peers,
) -> Result<(), String> {
    let programs = newest_release(Path::new(RELEASES))?;
    let user = rustix::process::geteuid().is_root().then_some(SYSTEM_USER);
    let above = match user {
        Some(user) if !can_go_to(user, directory) => scratch,
        _ => directory,
    };
    let cluster = Cluster {
        supervisor,
        programs,
        user,
        directory: fresh(above, "postgres")?,
        password: random_password()?,
    };
    cluster.initialize()?;

    let [port] = free_ports()?;
    let mut server = supervisor
        .serve(
            "postgres",
            &cluster.directory,
            cluster
                .command("postgres")
                .args(["-D", "data", "-c", "listen_addresses=127.0.0.1", "-p"])
                .arg(port.to_string())
                // The path of a Unix socket would be too long in a deep checkout.
                .args(["-c", "unix_socket_directories="])
                // Many tests at once, each with a pool or three.
                .args(["-c", "max_connections=300"])
                .args(["-c", "log_min_messages=warning"]),
        )
        .map_err(|error| format!("cannot start PostgreSQL: {error}"))?;
    server.wait_until(START_LIMIT, || cluster.accepts(port))?;
    cluster.create_role(port)?;
    peers.environment.push((
        "PORTCULLIS_TEST_POSTGRES",
        format!(
            "postgres://{ROLE}:{}@127.0.0.1:{port}/{ROLE}",
            cluster.password
        ),
    ));
    peers._servers.push(server);
    Ok(())
}

/// The directory of the cluster is the working directory of all its programs, so names are relative.
struct Cluster<'a> {
    supervisor: &'a Supervisor,
    programs: PathBuf,
    user: Option<&'static str>,
    directory: PathBuf,
    /// Of every role. Whoever knows it can run programs as the server's user.
    password: String,
}

impl Cluster<'_> {
    fn initialize(&self) -> Result<(), String> {
        let data = self.directory.join("data");
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&data)
            .map_err(|error| format!("cannot make {}: {error}", data.display()))?;
        let password = self.write_secret("password", &self.password)?;
        if let Some(user) = self.user {
            install::run(
                self.supervisor,
                Command::new("chown")
                    .arg("--recursive")
                    .arg(format!("{user}:"))
                    .arg(&self.directory),
            )?;
        }
        let log = self.directory.join("initdb.log");
        let log = File::create(&log)
            .map_err(|error| format!("cannot write {}: {error}", log.display()))?;
        install::run(
            self.supervisor,
            self.command("initdb")
                .args(["-D", "data", "--encoding=UTF8", "--locale=C"])
                .args(["--username=postgres", "--pwfile=password"])
                .arg("--auth=scram-sha-256")
                .stdout(log),
        )?;
        remove(&password)
    }

    /// Whether the server lets somebody in by now.
    fn accepts(&self, port: u16) -> bool {
        self.client("pg_isready", port)
            .arg("--quiet")
            .status()
            .is_ok_and(|status| status.success())
    }

    /// Makes the role of the tests: not a superuser, so that nothing comes to need one. What only a
    /// superuser may make, the extension that looks into the server's files, is in every database that
    /// the role makes.
    fn create_role(&self, port: u16) -> Result<(), String> {
        // In a file: everybody may read the arguments of a program.
        let script = self.write_secret(
            "role.sql",
            &format!(
                "CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{}';\n\
                 \\connect template1\n\
                 CREATE EXTENSION amcheck;\n\
                 GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {ROLE};\n\
                 CREATE DATABASE {ROLE} OWNER {ROLE};\n",
                self.password
            ),
        )?;
        install::run(
            self.supervisor,
            self.client("psql", port)
                .args(["--username=postgres", "--dbname=postgres", "--no-psqlrc"])
                .args(["--quiet", "--set=ON_ERROR_STOP=1", "--file"])
                .arg(&script)
                .env("PGPASSWORD", &self.password),
        )?;
        remove(&script)
    }

    /// A program that must run as the server's user.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = match self.user {
            // It becomes the program: the process number stays.
            Some(user) => as_user(user, &program),
            None => Command::new(program),
        };
        command.current_dir(&self.directory).env("LC_ALL", "C");
        command
    }

    /// A program that connects to the server.
    fn client(&self, program: &str, port: u16) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command
            .args(["--host=127.0.0.1", "--port"])
            .arg(port.to_string())
            .current_dir(&self.directory)
            .stdin(Stdio::null());
        command
    }

    fn write_secret(&self, name: &str, content: &str) -> Result<PathBuf, String> {
        let path = self.directory.join(name);
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, content.as_bytes()))
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(path)
    }
}

fn remove(path: &Path) -> Result<(), String> {
    fs::remove_file(path).map_err(|error| format!("cannot remove {}: {error}", path.display()))
}

fn as_user(user: &str, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", user, "--regid", user, "--init-groups", "--"])
        .arg(program);
    command
}

/// Whether another user can go to a directory: those above it may be closed to him.
fn can_go_to(user: &str, directory: &Path) -> bool {
    as_user(user, Path::new("test"))
        .arg("-x")
        .arg(directory)
        .status()
        .is_ok_and(|status| status.success())
}

/// The programs of the newest release that is installed.
fn newest_release(releases: &Path) -> Result<PathBuf, String> {
    fs::read_dir(releases)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let release: u32 = path.file_name()?.to_str()?.parse().ok()?;
            let programs = path.join("bin");
            programs
                .join("initdb")
                .exists()
                .then_some((release, programs))
        })
        .max()
        .map(|(_, programs)| programs)
        .ok_or_else(|| {
            format!(
                "no PostgreSQL server in {}\nhint: install the package `postgresql`",
                releases.display()
            )
        })
}

fn random_password() -> Result<String, String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(|error| format!("cannot read /dev/urandom: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_newest_release_is_found_by_number() {
        let releases = std::env::temp_dir().join(format!("xtask-releases-{}", std::process::id()));
        for (release, program) in [("9", "initdb"), ("15", "initdb"), ("17", "psql")] {
            let programs = releases.join(release).join("bin");
            fs::create_dir_all(&programs).unwrap();
            fs::write(programs.join(program), "").unwrap();
        }
        // 17 has the client alone.
        assert_eq!(newest_release(&releases).unwrap(), releases.join("15/bin"));
        fs::remove_dir_all(&releases).unwrap();
        let error = newest_release(&releases).unwrap_err();
        assert!(
            error.contains("install the package `postgresql`"),
            "{error}"
        );
    }
}
