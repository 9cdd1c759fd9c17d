//! MiniStack: an emulator of AWS that enforces ACLs, policies, Block Public Access and Object
//! Ownership.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::python::Environment;
use super::{Peers, START_LIMIT, answers, free_ports};
use crate::process::Supervisor;

pub(super) fn start(
    supervisor: &Supervisor,
    python: &Environment,
    directory: &Path,
    peers: &mut Peers,
) -> Result<(), String> {
    let [port] = free_ports()?;
    let data = directory.join("data");
    let temporary = directory.join("tmp");
    for made in [&data, &temporary] {
        fs::create_dir(made).map_err(|e| format!("cannot make {}: {e}", made.display()))?;
    }
    let mut server = supervisor
        .serve(
            "ministack",
            directory,
            Command::new(python.program("ministack"))
                .current_dir(directory)
                // Without it nothing is enforced.
                .env("AUTH", "true")
                .env("GATEWAY_PORT", port.to_string())
                .env("BIND_HOST", "127.0.0.1")
                .env("MINISTACK_HOST", "127.0.0.1")
                .env("S3_DATA_DIR", &data)
                .env("TMPDIR", &temporary)
                // It would start containers for services that nobody here uses.
                .env("DOCKER_HOST", "unix:///nonexistent")
                .env("LOG_LEVEL", "WARNING"),
        )
        .map_err(|error| format!("cannot start MiniStack: {error}"))?;
    server.wait_until(START_LIMIT, || answers(port, "/_ministack/health"))?;
    peers.environment.push((
        "PORTCULLIS_TEST_MINISTACK",
        format!("http://127.0.0.1:{port}"),
    ));
    peers._servers.push(server);
    Ok(())
}
