//! The processes that this program starts, and how it stops exactly those.
//!
//! Every child gets a process group of its own, so that Ctrl-C in a terminal reaches this program
//! alone, which then stops the step in progress first and the servers after it. A group is
//! signalled only while its leader has not been reaped: its number cannot have been given to
//! anybody else by then.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process_group, test_kill_process, waitid,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Starts processes and knows which of them are running.
#[derive(Clone)]
pub(crate) struct Supervisor(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    interrupted: bool,
    steps: BTreeSet<i32>,
    servers: BTreeSet<i32>,
}

impl Supervisor {
    /// Takes over Ctrl-C, termination and hang-up for the whole program.
    pub(crate) fn new() -> io::Result<Supervisor> {
        let supervisor = Supervisor(Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
        }));
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let listener = supervisor.clone();
        thread::spawn(move || {
            for _ in signals.forever() {
                listener.interrupt();
            }
        });
        Ok(supervisor)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A thread that panicked while it held the lock left two sets of numbers: still right.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn interrupt(&self) {
        let mut state = self.state();
        let again = state.interrupted;
        state.interrupted = true;
        for group in &state.steps {
            signal_group(*group, Signal::TERM);
        }
        if again {
            // Asked twice: no more patience, for anything.
            for group in state.steps.iter().chain(&state.servers) {
                signal_group(*group, Signal::KILL);
            }
        }
        self.0.changed.notify_all();
    }

    /// Whether somebody asked this program to stop.
    pub(crate) fn interrupted(&self) -> bool {
        self.state().interrupted
    }

    /// Blocks until somebody asks this program to stop.
    pub(crate) fn wait_for_interrupt(&self) {
        let mut state = self.state();
        while !state.interrupted {
            state = self
                .0
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Starts one step of the run. Its input is empty.
    pub(crate) fn start(&self, command: &mut Command) -> io::Result<Step> {
        // The lock is held over the start: an interrupt comes before it or sees the step.
        let mut state = self.state();
        if state.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let child = command.stdin(Stdio::null()).process_group(0).spawn()?;
        state.steps.insert(number(&child));
        drop(state);
        Ok(Step {
            child,
            supervisor: self.clone(),
        })
    }

    /// Runs one step to its end.
    pub(crate) fn run(&self, command: &mut Command) -> io::Result<ExitStatus> {
        self.start(command)?.wait()
    }

    /// Starts a server that runs until the value is dropped. It writes to `log` in `directory`,
    /// where its process number is left for the case that this program is killed.
    pub(crate) fn serve(
        &self,
        name: &'static str,
        directory: &Path,
        command: &mut Command,
    ) -> io::Result<Server> {
        let pid_file = directory.join(format!("{name}.pid"));
        let log = directory.join(format!("{name}.log"));
        let output = fs::File::create(&log)?;
        let mut state = self.state();
        if state.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()?;
        state.servers.insert(number(&child));
        drop(state);
        fs::write(&pid_file, child.id().to_string())?;
        Ok(Server {
            name,
            child,
            log,
            pid_file,
            supervisor: self.clone(),
        })
    }
}

fn number(child: &Child) -> i32 {
    Pid::from_child(child).as_raw_nonzero().get()
}

fn signal_group(group: i32, signal: Signal) {
    if let Some(group) = Pid::from_raw(group) {
        // Nobody left in the group is what we want.
        let _ = kill_process_group(group, signal);
    }
}

/// Blocks until the child has ended, without reaping it.
fn wait_unreaped(child: &Child) -> io::Result<()> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    loop {
        match waitid(WaitId::Pid(Pid::from_child(child)), options) {
            Err(rustix::io::Errno::INTR) => {}
            other => return other.map(|_| ()).map_err(io::Error::from),
        }
    }
}

/// A step in progress.
pub(crate) struct Step {
    /// The process, for its pipes.
    pub(crate) child: Child,
    supervisor: Supervisor,
}

impl Step {
    /// Waits for its end.
    pub(crate) fn wait(mut self) -> io::Result<ExitStatus> {
        self.forget_at_end()?;
        self.child.wait()
    }

    /// Collects what it writes until its end.
    pub(crate) fn output(mut self) -> io::Result<Output> {
        // Read first: a child that waits for room in a pipe never ends.
        let errors = self.child.stderr.take().map(|mut stderr| {
            thread::spawn(move || {
                let mut text = Vec::new();
                stderr.read_to_end(&mut text).map(|_| text)
            })
        });
        let mut stdout = Vec::new();
        if let Some(mut pipe) = self.child.stdout.take() {
            pipe.read_to_end(&mut stdout)?;
        }
        let stderr = match errors.map(thread::JoinHandle::join) {
            Some(Ok(read)) => read?,
            Some(Err(_)) | None => Vec::new(),
        };
        let status = self.wait()?;
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }

    /// Waits for its end and takes it off the list while its number is still its own.
    fn forget_at_end(&mut self) -> io::Result<()> {
        wait_unreaped(&self.child)?;
        self.supervisor.state().steps.remove(&number(&self.child));
        Ok(())
    }
}

/// A server that this program started; dropping it stops it.
pub(crate) struct Server {
    name: &'static str,
    child: Child,
    log: PathBuf,
    pid_file: PathBuf,
    supervisor: Supervisor,
}

impl Server {
    /// Asks `ready` again and again until it says yes.
    ///
    /// Fails when the server ends before, when `limit` has passed, or on an interrupt; the message
    /// names the log.
    pub(crate) fn wait_until(
        &mut self,
        limit: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<(), String> {
        let started = Instant::now();
        loop {
            if ready() {
                return Ok(());
            }
            let log = self.log.display();
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    return Err(format!(
                        "{} ended while starting ({status}); see {log}",
                        self.name
                    ));
                }
                Err(error) => return Err(format!("cannot watch {}: {error}", self.name)),
                Ok(None) => {}
            }
            if self.supervisor.interrupted() {
                return Err(format!("interrupted while {} was starting", self.name));
            }
            if started.elapsed() > limit {
                return Err(format!(
                    "{} was not ready within {} s; see {log}",
                    self.name,
                    limit.as_secs()
                ));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Its process number.
    #[cfg(test)]
    fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let group = number(&self.child);
        if matches!(self.child.try_wait(), Ok(None)) {
            signal_group(group, Signal::TERM);
            let asked = Instant::now();
            // Not reaped here, so that the group is still ours when it has to be killed.
            while !ended(&self.child) && asked.elapsed() < Duration::from_secs(5) {
                thread::sleep(Duration::from_millis(20));
            }
            signal_group(group, Signal::KILL);
        }
        self.supervisor.state().servers.remove(&group);
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.pid_file);
    }
}

fn ended(child: &Child) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    !matches!(
        waitid(WaitId::Pid(Pid::from_child(child)), options),
        Ok(None)
    )
}

/// Stops the servers that an earlier run left in `directory` because it was killed.
///
/// A process counts as ours only if its working directory lies in
/// `directory`: the number alone may belong to somebody else by now.
pub(crate) fn stop_leftovers(directory: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|e| e != "pid") {
            continue;
        }
        let pid = fs::read_to_string(&path)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let working = fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero()));
            if working.is_ok_and(|cwd| cwd.starts_with(directory)) {
                let _ = kill_process_group(pid, Signal::TERM);
                let asked = Instant::now();
                while test_kill_process(pid).is_ok() && asked.elapsed() < Duration::from_secs(5) {
                    thread::sleep(Duration::from_millis(20));
                }
                let _ = kill_process_group(pid, Signal::KILL);
            }
        }
        fs::remove_file(&path)?;
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path.canonicalize().unwrap()
    }

    fn supervisor() -> Supervisor {
        // Without the signal thread: the tests interrupt by hand.
        Supervisor(Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
        }))
    }

    fn alive(pid: u32) -> bool {
        fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.rsplit(") ").next().unwrap().starts_with('Z'))
    }

    #[test]
    fn a_dropped_server_and_its_children_are_gone() {
        let directory = directory("drop");
        let supervisor = supervisor();
        let child = directory.join("child");
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!(
            "sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait",
            child.display()
        ));
        let mut server = supervisor
            .serve("server", &directory, &mut command)
            .unwrap();
        server
            .wait_until(Duration::from_secs(20), || child.exists())
            .unwrap();
        let grandchild: u32 = fs::read_to_string(&child).unwrap().trim().parse().unwrap();
        assert!(alive(server.id()) && alive(grandchild));
        let id = server.id();
        drop(server);
        assert!(!alive(id));
        let started = Instant::now();
        while alive(grandchild) {
            // It was signalled with its group; its new parent reaps it when it pleases.
            assert!(started.elapsed() < Duration::from_secs(20));
            thread::yield_now();
        }
        assert!(!directory.join("server.pid").exists());
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn an_interrupt_ends_the_step_and_refuses_the_next() {
        let supervisor = supervisor();
        let step = supervisor.start(Command::new("sleep").arg("1000")).unwrap();
        supervisor.interrupt();
        assert!(!step.wait().unwrap().success());
        let refused = supervisor.run(&mut Command::new("true")).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::Interrupted);
    }

    #[test]
    fn a_server_that_ends_early_is_said_with_its_log() {
        let directory = directory("early");
        let supervisor = supervisor();
        let mut server = supervisor
            .serve("early", &directory, &mut Command::new("false"))
            .unwrap();
        let error = server
            .wait_until(Duration::from_secs(20), || false)
            .unwrap_err();
        assert!(error.contains("early ended while starting"), "{error}");
        assert!(error.contains("early.log"), "{error}");
        drop(server);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_leftover_is_stopped_only_if_it_runs_in_our_directory() {
        let ours = directory("ours");
        let theirs = directory("theirs");
        let mut in_ours = Command::new("sleep")
            .arg("1000")
            .current_dir(&ours)
            .process_group(0)
            .spawn()
            .unwrap();
        let mut elsewhere = Command::new("sleep")
            .arg("1000")
            .current_dir(&theirs)
            .process_group(0)
            .spawn()
            .unwrap();
        fs::write(ours.join("a.pid"), in_ours.id().to_string()).unwrap();
        fs::write(ours.join("b.pid"), elsewhere.id().to_string()).unwrap();
        // Reaps the first one, as its parent must.
        let reaper = thread::spawn(move || in_ours.wait().unwrap());
        stop_leftovers(&ours).unwrap();
        assert!(!reaper.join().unwrap().success());
        assert!(elsewhere.try_wait().unwrap().is_none());
        elsewhere.kill().unwrap();
        elsewhere.wait().unwrap();
        assert!(!ours.join("a.pid").exists() && !ours.join("b.pid").exists());
        fs::remove_dir_all(ours).unwrap();
        fs::remove_dir_all(theirs).unwrap();
    }
}
