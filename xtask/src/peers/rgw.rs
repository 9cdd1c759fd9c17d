//! Ceph's RADOS gateway on a cluster of one monitor and one storage daemon in memory.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Peers, START_LIMIT, answers, free_ports};
use crate::process::{Server, Supervisor};

// Two clusters never meet, since each has its own ports: the same ids serve every run.
const CLUSTER_ID: &str = "6f0a2c1e-5d43-4b7a-9c58-2e1f7d90b3a4";
const STORAGE_ID: &str = "b1d7e3f2-08c6-4e59-a4b3-97c5d2806e1f";

/// A user of the gateway.
struct User {
    name: &'static str,
    access_key: &'static str,
    secret_key: &'static str,
    /// What it may do through the Admin Ops API.
    capabilities: Option<&'static str>,
    variable: &'static str,
}

// The store listens on loopback, holds nothing and lives as long as the run: its keys are no secret.
const USERS: &[User] = &[
    User {
        name: "owner",
        access_key: "RGWOWNER",
        secret_key: "rgw-owner-secret",
        // As an operator's own user: it sees that there are others.
        capabilities: Some("users=read;buckets=read;metadata=read"),
        variable: "PORTCULLIS_TEST_RGW_OWNER",
    },
    User {
        name: "other",
        access_key: "RGWOTHER",
        secret_key: "rgw-other-secret",
        capabilities: None,
        variable: "PORTCULLIS_TEST_RGW_OTHER",
    },
    User {
        name: "admin",
        access_key: "RGWADMIN",
        secret_key: "rgw-admin-secret",
        capabilities: Some("users=*;buckets=*;metadata=*;usage=*;roles=*;user-policy=*"),
        variable: "PORTCULLIS_TEST_RGW_ADMIN",
    },
];

/// Starts the cluster and the gateway, and makes the users. The gateway's socket lies in `short`.
pub(super) fn start(
    supervisor: &Supervisor,
    directory: &Path,
    short: &Path,
    peers: &mut Peers,
) -> Result<(), String> {
    let [gateway_port, monitor_port] = free_ports()?;
    let cluster = Cluster {
        supervisor,
        directory,
    };
    let ops_log = short.join("ops.sock");
    cluster.configure(gateway_port, monitor_port, &ops_log)?;
    let monitor = cluster.start_monitor(monitor_port)?;
    let storage = cluster.start_storage()?;
    let gateway = cluster.start_gateway(gateway_port)?;
    for user in USERS {
        cluster.create_user(user)?;
        peers.environment.push((
            user.variable,
            format!("{}:{}", user.access_key, user.secret_key),
        ));
    }
    peers.environment.push((
        "PORTCULLIS_TEST_RGW",
        format!("http://127.0.0.1:{gateway_port}"),
    ));
    peers
        .environment
        .push(("PORTCULLIS_TEST_RGW_OPS_LOG", ops_log.display().to_string()));
    peers._servers.extend([gateway, storage, monitor]);
    Ok(())
}

/// The cluster's directory is the working directory of all its programs, so names are relative.
struct Cluster<'a> {
    supervisor: &'a Supervisor,
    directory: &'a Path,
}

impl Cluster<'_> {
    fn configure(
        &self,
        gateway_port: u16,
        monitor_port: u16,
        ops_log: &Path,
    ) -> Result<(), String> {
        let directory = self.directory.display();
        let ops_log = ops_log.display();
        let text = format!(
            "\
[global]
fsid = {CLUSTER_ID}
mon host = v2:127.0.0.1:{monitor_port}
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
keyring = {directory}/keyring
run dir = {directory}
# The path of a Unix socket has at most 107 bytes; a checkout may lie deeper.
admin socket =
log file = {directory}/$name.log
pid file =
crash dir = {directory}
chdir = {directory}
auth allow insecure global id reclaim = false

# One copy on one daemon, whatever the state of the disk below.
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 2000
mon data avail crit = 1
mon data avail warn = 2

# Decide at once: nobody else has a vote.
paxos propose interval = 0.05
paxos min wait = 0.01

[mon.a]
mon data = {directory}/mon

[osd]
osd data = {directory}/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd class update on start = false

[client.rgw.a]
rgw data = {directory}/gateway
rgw frontends = beast endpoint=127.0.0.1:{gateway_port} tcp_nodelay=1
rgw enable apis = s3, admin, sts, iam
rgw s3 auth use sts = true
rgw sts key = portcullis-tests
rgw run sync thread = false
rgw thread pool size = 32
# Lets a test say from which address an anonymous request comes.
rgw remote addr param = HTTP_X_FORWARDED_FOR
# Tells whoever reads the socket of each request.
rgw enable ops log = true
rgw ops log rados = false
rgw ops log socket path = {ops_log}
"
        );
        for made in ["mon", "osd", "gateway"] {
            let path = self.directory.join(made);
            fs::create_dir(&path).map_err(|e| format!("cannot make {}: {e}", path.display()))?;
        }
        self.write("ceph.conf", text.as_bytes())
    }

    fn start_monitor(&self, port: u16) -> Result<Server, String> {
        self.tool(
            "ceph-authtool",
            &[
                "keyring",
                "--create-keyring",
                "--gen-key",
                "--name=mon.",
                "--cap",
                "mon",
                "allow *",
            ],
        )?;
        self.tool(
            "ceph-authtool",
            &[
                "keyring",
                "--gen-key",
                "--name=client.admin",
                "--cap",
                "mon",
                "allow *",
                "--cap",
                "osd",
                "allow *",
                "--cap",
                "mgr",
                "allow *",
            ],
        )?;
        let address = format!("[v2:127.0.0.1:{port}]");
        self.tool(
            "monmaptool",
            &[
                "--create", "--fsid", CLUSTER_ID, "--addv", "a", &address, "monmap",
            ],
        )?;
        self.tool(
            "ceph-mon",
            &["--mkfs", "-i", "a", "--monmap=monmap", "--keyring=keyring"],
        )?;
        let mut monitor = self.serve("monitor", "ceph-mon", &["-f", "-i", "a"])?;
        monitor.wait_until(START_LIMIT, || self.ceph(&["mon", "stat"]).is_ok())?;
        Ok(monitor)
    }

    fn start_storage(&self) -> Result<Server, String> {
        self.ceph(&["osd", "new", STORAGE_ID])?;
        self.add_key(&["osd.0", "mon", "allow profile osd", "osd", "allow *"])?;
        self.add_key(&["client.rgw.a", "mon", "allow rw", "osd", "allow rwx"])?;
        self.tool("ceph-osd", &["--mkfs", "-i", "0", "--osd-uuid", STORAGE_ID])?;
        let mut storage = self.serve("storage", "ceph-osd", &["-f", "-i", "0"])?;
        storage.wait_until(START_LIMIT, || {
            self.ceph(&["osd", "stat"])
                .is_ok_and(|state| state.contains("1 up"))
        })?;
        Ok(storage)
    }

    fn start_gateway(&self, port: u16) -> Result<Server, String> {
        let arguments = ["-f", "-n", "client.rgw.a", "--no-mon-config"];
        let mut gateway = self.serve("gateway", "radosgw", &arguments)?;
        gateway.wait_until(START_LIMIT, || answers(port, "/"))?;
        Ok(gateway)
    }

    fn create_user(&self, user: &User) -> Result<(), String> {
        let mut arguments = vec![
            "-n",
            "client.rgw.a",
            "user",
            "create",
            "--uid",
            user.name,
            "--display-name",
            user.name,
            "--access-key",
            user.access_key,
            "--secret-key",
            user.secret_key,
        ];
        if let Some(capabilities) = user.capabilities {
            arguments.extend(["--caps", capabilities]);
        }
        self.tool("radosgw-admin", &arguments).map(|_| ())
    }

    /// Makes a key with capabilities and adds it to the keyring.
    fn add_key(&self, name_and_capabilities: &[&str]) -> Result<(), String> {
        let key = self.ceph(&[&["auth", "get-or-create"], name_and_capabilities].concat())?;
        let path = self.directory.join("keyring");
        fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(key.as_bytes()))
            .map_err(|e| format!("cannot write {}: {e}", path.display()))
    }

    fn ceph(&self, arguments: &[&str]) -> Result<String, String> {
        self.tool("ceph", &[&["--connect-timeout", "10"], arguments].concat())
    }

    /// Runs one of Ceph's tools to its end; its standard output.
    fn tool(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        let mut command = self.command(program, arguments);
        let step = self
            .supervisor
            .start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))
            .map_err(|error| format!("cannot run {program}: {error}"))?;
        let output = step
            .output()
            .map_err(|error| format!("cannot run {program}: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(format!(
            "{program} {} failed ({}): {}",
            // Not all of them: secrets come late.
            arguments
                .iter()
                .take(4)
                .copied()
                .collect::<Vec<_>>()
                .join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        ))
    }

    fn serve(
        &self,
        name: &'static str,
        program: &str,
        arguments: &[&str],
    ) -> Result<Server, String> {
        self.supervisor
            .serve(name, self.directory, &mut self.command(program, arguments))
            .map_err(|error| format!("cannot start {program}: {error}"))
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(["-c", "ceph.conf"])
            .args(arguments)
            .current_dir(self.directory);
        command
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<(), String> {
        let path = self.directory.join(name);
        fs::write(&path, content).map_err(|e| format!("cannot write {}: {e}", path.display()))
    }
}
