//! Third-party servers that tests run against, on loopback, started from scratch each time.
//!
//! Everything they write stays in `target/peers`, but for what cannot lie there: see `scratch`.

mod ministack;
mod moto;
mod postgres;
mod python;
mod rgw;
mod scratch;

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::scratch::Scratch;
use crate::install;
use crate::process::{Server, Supervisor, stop_leftovers};

/// How long one server may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(120);

/// The running servers. Dropping the value stops them.
pub(crate) struct Peers {
    /// What tests read: names and values of environment variables.
    pub(crate) environment: Vec<(&'static str, String)>,
    // In the order of stopping: a gateway before what it stands on.
    _servers: Vec<Server>,
    // After them: they write there.
    _scratch: Scratch,
}

/// Installs what is missing, then starts every server.
pub(crate) fn start(supervisor: &Supervisor, root: &Path) -> Result<Peers, String> {
    let directory = root.join("target/peers");
    install::debian_packages(supervisor)?;
    let python = python::Environment::prepare(supervisor, root, &directory)?;

    let scratch = Scratch::prepare(root)?;
    let short = scratch.path().to_owned();

    let mut peers = Peers {
        environment: [
            ("PORTCULLIS_TEST_AWS_CLI", "aws"),
            ("PORTCULLIS_TEST_PYTHON", "python"),
        ]
        .map(|(variable, program)| (variable, python.program(program).display().to_string()))
        .to_vec(),
        _servers: Vec::new(),
        _scratch: scratch,
    };
    postgres::start(supervisor, &directory, &short, &mut peers)?;
    rgw::start(
        supervisor,
        &fresh(&directory, "rgw")?,
        &fresh(&short, "rgw")?,
        &mut peers,
    )?;
    ministack::start(
        supervisor,
        &python,
        &fresh(&directory, "ministack")?,
        &mut peers,
    )?;
    moto::start(
        supervisor,
        &python,
        root,
        &fresh(&directory, "moto")?,
        &mut peers,
    )?;
    Ok(peers)
}

/// An empty directory for one server, after what an earlier run left there was stopped.
fn fresh(peers: &Path, name: &str) -> Result<PathBuf, String> {
    let directory = peers.join(name);
    let prepared = stop_leftovers(&directory).and_then(|()| {
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir_all(&directory)
    });
    prepared.map_err(|error| format!("cannot prepare {}: {error}", directory.display()))?;
    Ok(directory)
}

/// Ports of 127.0.0.1 that nobody listens on, all different.
fn free_ports<const N: usize>() -> Result<[u16; N], String> {
    let mut held = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .map_err(|error| format!("no free port on 127.0.0.1: {error}"))?;
        *port = listener.local_addr().map_err(|e| e.to_string())?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// Whether an HTTP server answers `GET path` there with a status below 500.
fn answers(port: u16, path: &str) -> bool {
    status_of(port, path).is_ok_and(|status| status < 500)
}

fn status_of(port: u16, path: &str) -> io::Result<u16> {
    let limit = Duration::from_secs(2);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    )?;
    // `HTTP/1.1 200`
    let mut start = [0; 12];
    stream.read_exact(&mut start)?;
    std::str::from_utf8(&start[9..])
        .ok()
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn one_answer(answer: &'static str) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // All of it: what is unread at the end makes the system reset the connection.
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            stream.write_all(answer.as_bytes()).unwrap();
        });
        port
    }

    #[test]
    fn a_server_counts_as_up_when_it_answers_for_itself() {
        assert!(answers(one_answer("HTTP/1.1 403 Forbidden\r\n\r\n"), "/"));
        assert!(!answers(one_answer("HTTP/1.1 503 Not Yet\r\n\r\n"), "/"));
        assert!(!answers(one_answer("+OK POP3 ready\r\n"), "/"));
        assert!(!answers(free_ports::<1>().unwrap()[0], "/"));
    }

    #[test]
    fn ports_differ() {
        let [a, b, c] = free_ports::<3>().unwrap();
        assert!(a != b && b != c && a != c);
    }
}
