//! A program as a target: an event on its standard input, no shell in between.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use compliance::notice::Outcome;
use rustix::process::{Pid, Signal, kill_process_group};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;

use crate::quoted;

/// The most of a program's output that is kept; the rest is read and dropped, so that it does not wait.
const LONGEST_OUTPUT: usize = 4 * 1024;
/// `EX_DATAERR` of sysexits.h: the input is no good, and will not get better.
const DATA_ERROR: i32 = 65;

/// A program to run for each event.
#[derive(Clone, Debug)]
pub struct Command {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(String, OsString)>,
    timeout: Duration,
}

/// Why a command cannot be used.
#[derive(Debug, Error)]
pub enum CommandError {
    /// It is looked for nowhere, so its path must be whole.
    #[error("{0:?} is not an absolute path of a program")]
    NotAbsolute(PathBuf),
}

impl Command {
    /// A program by its absolute path, with fixed arguments. Its environment has `PATH` and what is
    /// named here; ours, with its secrets, is not handed down.
    pub fn new(
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = OsString>,
        environment: impl IntoIterator<Item = (String, OsString)>,
        timeout: Duration,
    ) -> Result<Command, CommandError> {
        let program = program.into();
        if !program.is_absolute() {
            return Err(CommandError::NotAbsolute(program));
        }
        Ok(Command {
            program,
            arguments: arguments.into_iter().collect(),
            environment: environment.into_iter().collect(),
            timeout,
        })
    }

    /// Runs it once with `input` on its standard input. Exit code 0: accepted; 65 (`EX_DATAERR`):
    /// refused for good; anything else, and one that takes too long, is tried again. One that takes too
    /// long is killed, with everything that it started.
    pub async fn run(&self, input: &[u8]) -> Outcome {
        let name = self.program.display();
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own, to end what it may have started with it.
            .process_group(0)
            .kill_on_drop(true);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return Outcome::passing(format!("{name} cannot be run: {error}")),
        };
        let mut group = Group::of(&child);
        let ended = tokio::time::timeout(self.timeout, talk(&mut child, input)).await;
        if let Ok(Ok(_)) = ended {
            group.0 = None;
        }
        drop(group);
        let (status, output) = match ended {
            Ok(Ok(ended)) => ended,
            Ok(Err(error)) => return Outcome::passing(format!("{name}: {error}")),
            Err(_) => {
                return Outcome::passing(format!(
                    "{name} did not end within {} s and was killed",
                    self.timeout.as_secs_f32()
                ));
            }
        };
        let said = quoted(&String::from_utf8_lossy(&output));
        if status.success() {
            return Outcome::Accepted { answer: said };
        }
        let why = match said.as_str() {
            "" => format!("{name}: {status}"),
            said => format!("{name}: {status}: {said}"),
        };
        match status.code() {
            Some(DATA_ERROR) => Outcome::refused(why),
            _ => Outcome::passing(why),
        }
    }
}

/// Feeds the program, reads what it says (the last word on standard error, or else standard output),
/// and waits for its end.
async fn talk(
    child: &mut Child,
    input: &[u8],
) -> std::io::Result<(std::process::ExitStatus, Vec<u8>)> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A program need not read what it is given.
            let _ = stdin.write_all(input).await;
            let _ = stdin.shutdown().await;
        }
    };
    // Waited for last: until then its id, and with it that of its group, is nobody else's.
    let (_, out, err) = tokio::join!(feed, bounded(stdout), bounded(stderr));
    let status = child.wait().await?;
    Ok((status, if err.is_empty() { out } else { err }))
}

async fn bounded(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut pipe) = pipe else {
        return kept;
    };
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
        let room = LONGEST_OUTPUT.saturating_sub(kept.len()).min(read);
        kept.extend_from_slice(&buffer[..room]);
    }
    kept
}

/// A program that has not ended, and all that it started: killed when this is dropped.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Group {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Group(id.and_then(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended by itself just now.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
