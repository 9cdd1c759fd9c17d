//! `portcullis serve` as a process of its own, and what it is walked through with.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "shared by several tests, each of which uses a part"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

/// The name under which the watched account stands in the configuration.
pub const ACCOUNT: &str = "111122223333";

/// Nothing that is waited for takes so long, on whatever machine.
const PATIENCE: Duration = Duration::from_secs(90);

pub fn needed(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: run this by cargo xtask test"))
}

/// A folder that goes with the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("portcullis-{name}-{}", unique()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    format!(
        "{:x}-{:x}-{:x}",
        std::process::id(),
        now.as_micros() & 0xffff_ffff,
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

/// What a guard is set up with: a configuration file and the environment.
#[derive(Clone)]
pub struct Setup {
    pub config: PathBuf,
    pub environment: Vec<(String, String)>,
}

impl Setup {
    pub fn new(folder: &Folder, config: &str, environment: &[(&str, &str)]) -> Setup {
        let path = folder.path().join("portcullis.toml");
        std::fs::write(&path, config).unwrap();
        Setup {
            config: path,
            environment: environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command
            .args(arguments)
            .env("PORTCULLIS_CONFIG", &self.config)
            .env_remove("AWS_PROFILE")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs another command on the same configuration.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command prints as JSON, whatever its exit code.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.extend(["--format", "json"]);
        let output = self.run(&all);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!(
                "{arguments:?}: {error}\n{}\n{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            )
        })
    }

    /// Starts the guard.
    pub fn serve(&self) -> Serve {
        Serve::start(self.command(&["serve"]))
    }

    /// Starts the guard so that a limit on its files ([`Serve::limit_files`]) fails its writes and does
    /// not end it.
    pub fn serve_to_be_limited(&self) -> Serve {
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
        Serve::start(self.run_by(shell, &["serve"]))
    }

    /// Starts the guard where `localhost` has an address of each family, that of IPv6 first.
    pub fn serve_where_localhost_has_both_families(&self) -> Serve {
        use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs};
        let both = [
            IpAddr::from(Ipv6Addr::LOCALHOST),
            Ipv4Addr::LOCALHOST.into(),
        ];
        let here = ("localhost", 1).to_socket_addrs();
        let here: Vec<IpAddr> = here.unwrap().map(|address| address.ip()).collect();
        if here == both {
            return self.serve();
        }
        // Elsewhere: where only the file of hosts is another one. That needs no root.
        let hosts = self.config.with_file_name("hosts");
        std::fs::write(&hosts, "::1 localhost\n127.0.0.1 localhost\n").unwrap();
        let there = || {
            let mut shell = Command::new("unshare");
            shell
                .args(["--map-root-user", "--mount", "sh", "-c"])
                .arg("mount --bind \"$0\" /etc/hosts && exec \"$@\"")
                .arg(&hosts);
            shell
        };
        let found = there().args(["getent", "ahosts", "localhost"]).output();
        let found = found.expect("unshare is there with util-linux");
        assert!(
            found.stdout.starts_with(b"::1 "),
            "neither has localhost both addresses on this machine (/etc/hosts: `::1 localhost`), nor may it \
             have them in a mount namespace of its own (unprivileged user namespaces): {}",
            String::from_utf8_lossy(&found.stderr)
        );
        Serve::start(self.run_by(there(), &["serve"]))
    }

    /// A command that another program ends up in.
    fn run_by(&self, mut other: Command, arguments: &[&str]) -> Command {
        let own = self.command(arguments);
        other.arg(own.get_program()).args(own.get_args());
        for (name, value) in own.get_envs() {
            match value {
                Some(value) => other.env(name, value),
                None => other.env_remove(name),
            };
        }
        other
    }

    /// The answers of a rule about a bucket, the oldest first.
    pub fn compliance(&self, bucket: &str, rule: &str) -> Vec<String> {
        let history = self.json(&["history", bucket]);
        let mut answers: Vec<String> = history["evaluations"]
            .as_array()
            .unwrap_or_else(|| panic!("{history}"))
            .iter()
            .filter(|evaluation| evaluation["rule"] == rule)
            .map(|evaluation| evaluation["compliance_type"].as_str().unwrap().to_owned())
            .collect();
        // The newest stands first.
        answers.reverse();
        answers
    }
}

type Lines = Arc<(Mutex<Vec<String>>, Condvar)>;

/// The resident set of a process.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub resident_kib: u64,
    /// The most that it ever was.
    pub peak_kib: u64,
}

/// A guard that runs.
pub struct Serve {
    child: Option<Child>,
    log: Lines,
}

impl Serve {
    fn start(mut command: Command) -> Serve {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let stderr = child.stderr.take().unwrap();
        let lines = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let Ok(line) = line else { break };
                lines.0.lock().unwrap().push(line);
                lines.1.notify_all();
            }
        });
        Serve {
            child: Some(child),
            log,
        }
    }

    /// Lets no file of the process grow beyond so many bytes, as if the disk were full. `None`: there is
    /// room again.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let bytes = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
        let pid = self.child.as_ref().unwrap().id().to_string();
        let limited = Command::new("prlimit")
            .args(["--pid", &pid, &format!("--fsize={bytes}:unlimited")])
            .status()
            .expect("prlimit is there with util-linux");
        assert!(limited.success());
    }

    /// Waits until a line of the log holds all of these, and so many of such lines.
    pub fn wait_for_log(&self, parts: &[&str], count: usize) {
        let (lines, changed) = &*self.log;
        let lines = lines.lock().unwrap();
        let seen = |lines: &[String]| {
            lines
                .iter()
                .filter(|line| parts.iter().all(|part| line.contains(part)))
                .count()
        };
        let (lines, timeout) = changed
            .wait_timeout_while(lines, PATIENCE, |lines| seen(lines) < count)
            .unwrap();
        assert!(
            !timeout.timed_out(),
            "no {count} lines with {parts:?} in the log:\n{}",
            lines.join("\n")
        );
    }

    /// How many lines of the log hold all of these, so far.
    pub fn count_log(&self, parts: &[&str]) -> usize {
        let lines = self.log.0.lock().unwrap();
        lines
            .iter()
            .filter(|line| parts.iter().all(|part| line.contains(part)))
            .count()
    }

    /// How much memory it has, and had at most.
    pub fn memory(&self) -> Memory {
        let id = self.child.as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let rest = line.unwrap_or_else(|| panic!("no {name} in\n{status}"));
            rest.trim().trim_end_matches(" kB").parse().unwrap()
        };
        Memory {
            resident_kib: kib("VmRSS:"),
            peak_kib: kib("VmHWM:"),
        }
    }

    pub fn log(&self) -> String {
        // Also of a test that failed while it looked into it.
        let lines = self.log.0.lock();
        lines.unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to stop, as systemd does, and waits until it has.
    pub fn stop(mut self) -> (ExitStatus, String) {
        let mut child = self.child.take().unwrap();
        let stopped = Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status()
            .unwrap();
        assert!(stopped.success());
        let status = child.wait().unwrap();
        (status, self.log())
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
            if std::thread::panicking() {
                eprintln!("--- the guard's log\n{}", self.log());
            }
        }
    }
}

/// A call as CloudTrail tells EventBridge of it.
pub fn cloudtrail_event(name: &str, bucket: &str) -> String {
    let now = jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    json!({
        "version": "0",
        "id": unique(),
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.s3",
        "account": ACCOUNT,
        "time": now,
        "region": "us-east-1",
        "resources": [],
        "detail": {
            "eventVersion": "1.09",
            "userIdentity": {
                "type": "IAMUser",
                "arn": format!("arn:aws:iam::{ACCOUNT}:user/mallory"),
                "accountId": ACCOUNT,
            },
            "eventTime": now,
            "eventSource": "s3.amazonaws.com",
            "eventName": name,
            "awsRegion": "us-east-1",
            "sourceIPAddress": "203.0.113.7",
            "requestParameters": {"bucketName": bucket},
            "eventID": unique(),
            "eventType": "AwsApiCall",
            "recipientAccountId": ACCOUNT,
        },
    })
    .to_string()
}

/// Enforcement everywhere, without the bounds that an estate of a few buckets opened thousands of times
/// would run into.
pub const UNBOUNDED_ENFORCEMENT: &str = r#"
[enforcement.breaker]
buckets-per-hour = 1000000
share = 1.0

[enforcement.loop-guard]
times = 1000000
within = "1h"

[[enforcement.scope]]
name = "everything"
enabled = true
"#;

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The status of an unsigned GET.
pub fn anonymous(endpoint: &str, path: &str) -> u16 {
    fetch(endpoint, path).0
}

/// The status of an unsigned GET, and everything that was answered.
pub fn fetch(endpoint: &str, path: &str) -> (u16, String) {
    let authority = endpoint.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(authority).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let text = String::from_utf8_lossy(&answer).into_owned();
    (text.split(' ').nth(1).unwrap().parse().unwrap(), text)
}

/// A database of this test's own.
pub async fn database() -> String {
    let url = needed("PORTCULLIS_TEST_POSTGRES");
    let name = format!("walk_{}", unique().replace('-', "_"));
    let made = Command::new("psql")
        .args([&url, "-c", &format!("create database {name}")])
        .output()
        .expect("psql is there with PostgreSQL");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let (server, _) = url.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}
