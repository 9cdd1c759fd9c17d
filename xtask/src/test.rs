//! `cargo xtask test`: everything that a change has to pass, in one run.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::documents;
use crate::install::is_available;
use crate::peers::{self, Peers};
use crate::process::Supervisor;
use crate::tally::Tally;

/// Runs every stage, also after one that failed, and says at the end how each went.
pub(crate) fn run(supervisor: &Supervisor, root: &Path) -> Result<(), String> {
    let mut run = Run {
        supervisor,
        root,
        peers: None,
        tally: Tally::default(),
        stages: Vec::new(),
        started: Instant::now(),
    };
    run.stages()?;
    run.summary()
}

struct Run<'a> {
    supervisor: &'a Supervisor,
    root: &'a Path,
    peers: Option<Peers>,
    tally: Tally,
    stages: Vec<Stage>,
    started: Instant,
}

struct Stage {
    name: &'static str,
    outcome: Result<Outcome, String>,
    seconds: f64,
}

enum Outcome {
    Passed,
    /// Not run, and why.
    LeftOut(String),
}

impl Run<'_> {
    /// An error only on an interrupt: a stage that fails is written down.
    fn stages(&mut self) -> Result<(), String> {
        self.stage("format", |run| run.cargo(&["fmt", "--all", "--check"]))?;
        self.stage("clippy", |run| {
            run.cargo(&[
                "clippy",
                "--workspace",
                "--all-targets",
                "--features",
                "oracle/smt",
                "--locked",
                "--",
                "--deny=warnings",
            ])
        })?;
        self.stage("servers", |run| {
            run.peers = Some(peers::start(run.supervisor, run.root)?);
            Ok(Outcome::Passed)
        })?;
        self.stage("tests", |run| {
            // The targets by kind: with doc tests among them, `--include-ignored` would compile
            // what is marked as not to be compiled.
            run.cargo_test(&[
                "test",
                "--workspace",
                "--features",
                "oracle/smt",
                "--locked",
                "--no-fail-fast",
                "--lib",
                "--bins",
                "--tests",
                "--examples",
                "--",
                "--include-ignored",
            ])
        })?;
        self.stage("doc tests", |run| {
            run.cargo_test(&["test", "--workspace", "--locked", "--no-fail-fast", "--doc"])
        })?;
        self.stage("documented commands", Run::documented_commands)?;
        self.stage("licences, bans and sources", |run| {
            run.tool(
                "cargo-deny",
                &["deny", "check", "licenses", "bans", "sources"],
            )
        })?;
        self.stage("unused dependencies", |run| {
            run.tool("cargo-machete", &["machete"])
        })?;
        // Here, so that nobody waits for them with the summary already printed.
        self.peers = None;
        Ok(())
    }

    fn stage(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&mut Self) -> Result<Outcome, String>,
    ) -> Result<(), String> {
        eprintln!("\n=== {name}");
        let started = Instant::now();
        let outcome = work(self);
        if self.supervisor.interrupted() {
            return Err(format!("interrupted during: {name}"));
        }
        let seconds = started.elapsed().as_secs_f64();
        match &outcome {
            Ok(Outcome::Passed) => eprintln!("=== {name}: passed in {seconds:.1} s"),
            Ok(Outcome::LeftOut(why)) => eprintln!("=== {name}: left out: {why}"),
            Err(why) => eprintln!("=== {name}: FAILED after {seconds:.1} s: {why}"),
        }
        self.stages.push(Stage {
            name,
            outcome,
            seconds,
        });
        Ok(())
    }

    fn cargo(&mut self, arguments: &[&str]) -> Result<Outcome, String> {
        let mut command = self.command(&cargo(), arguments);
        let status = self
            .supervisor
            .run(&mut command)
            .map_err(|error| format!("cannot run cargo: {error}"))?;
        passed(status, "cargo", arguments)
    }

    /// Runs tests and counts them, passing their output on as it comes.
    fn cargo_test(&mut self, arguments: &[&str]) -> Result<Outcome, String> {
        if self.peers.is_none() {
            return Err("not run: the servers did not start".to_owned());
        }
        let mut command = self.command(&cargo(), arguments);
        let mut step = self
            .supervisor
            .start(command.stdout(Stdio::piped()))
            .map_err(|error| format!("cannot run cargo: {error}"))?;
        if let Some(pipe) = step.child.stdout.take() {
            let mut out = io::stdout().lock();
            for line in BufReader::new(pipe).split(b'\n') {
                let Ok(line) = line else { break };
                self.tally.read(&String::from_utf8_lossy(&line));
                // A reader that went away must not stop the tests.
                let _ = out.write_all(&line).and_then(|()| out.write_all(b"\n"));
            }
            let _ = out.flush();
        }
        let status = step
            .wait()
            .map_err(|error| format!("cannot wait for cargo: {error}"))?;
        passed(status, "cargo", arguments)
    }

    fn documented_commands(&mut self) -> Result<Outcome, String> {
        if self.peers.is_none() {
            return Err("not run: the servers did not start".to_owned());
        }
        // Where this program stands, the tests have just left `portcullis` too. Building it here again
        // would build half of everything anew: without the tests, features of dependencies differ.
        let ours = std::env::current_exe()
            .ok()
            .and_then(|program| Some(program.parent()?.to_owned()))
            .filter(|directory| directory.join("portcullis").exists())
            .ok_or("portcullis was not built")?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(ours).chain(std::env::split_paths(&path));
        let path =
            std::env::join_paths(paths).map_err(|error| format!("cannot extend PATH: {error}"))?;
        let mut failed = Vec::new();
        for block in documents::commands(self.root)? {
            let place = block.place();
            let documents::Marker::Run { exit } = block.marker else {
                continue;
            };
            eprintln!("--- {place}");
            let script = ["-euo", "pipefail", "-c", &block.text];
            let mut command = self.command("bash", &script);
            let status = self
                .supervisor
                .run(command.env("PATH", &path))
                .map_err(|error| format!("cannot run bash: {error}"))?;
            let as_written = status.code() == Some(exit);
            self.tally.count(as_written);
            if !as_written {
                failed.push(format!("{place} ended with {status}, not exit code {exit}"));
            }
        }
        if failed.is_empty() {
            Ok(Outcome::Passed)
        } else {
            Err(failed.join("; "))
        }
    }

    /// Runs a cargo subcommand that takes minutes to compile: only where it is there already.
    fn tool(&mut self, program: &str, arguments: &[&str]) -> Result<Outcome, String> {
        if is_available(program) {
            self.cargo(arguments)
        } else {
            Ok(Outcome::LeftOut(format!(
                "{program} is not installed (cargo install --locked {program})"
            )))
        }
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.root);
        if let Some(peers) = &self.peers {
            command.envs(peers.environment.iter().map(|(name, value)| (name, value)));
        }
        command
    }

    fn summary(&self) -> Result<(), String> {
        eprintln!();
        for stage in &self.stages {
            let (word, why) = match &stage.outcome {
                Ok(Outcome::Passed) => ("passed", ""),
                Ok(Outcome::LeftOut(why)) => ("left out", why.as_str()),
                Err(why) => ("FAILED", why.as_str()),
            };
            eprintln!("{:>8.1} s  {word:<8}  {}  {why}", stage.seconds, stage.name);
        }
        eprintln!("{:>8.1} s  in all", self.started.elapsed().as_secs_f64());
        let failed: Vec<&str> = self
            .stages
            .iter()
            .filter(|stage| stage.outcome.is_err())
            .map(|stage| stage.name)
            .collect();
        println!("{}", self.tally);
        if !failed.is_empty() {
            return Err(format!("failed: {}", failed.join(", ")));
        }
        if self.tally.is_empty() {
            return Err("no test ran".to_owned());
        }
        Ok(())
    }
}

/// The cargo that runs this program.
fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

fn passed(
    status: std::process::ExitStatus,
    program: &str,
    arguments: &[&str],
) -> Result<Outcome, String> {
    if status.success() {
        Ok(Outcome::Passed)
    } else {
        Err(format!("{program} {} ({status})", arguments.join(" ")))
    }
}
