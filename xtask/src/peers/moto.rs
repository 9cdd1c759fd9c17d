//! moto: the broadest emulator of AWS's control plane. It enforces nothing.
//!
//! It starts through `xtask/peers/moto_server.py`, which gives each account a root user.

use std::path::Path;
use std::process::Command;

use super::python::Environment;
use super::{Peers, START_LIMIT, answers, free_ports};
use crate::process::Supervisor;

pub(super) fn start(
    supervisor: &Supervisor,
    python: &Environment,
    root: &Path,
    directory: &Path,
    peers: &mut Peers,
) -> Result<(), String> {
    let [port] = free_ports()?;
    let mut server = supervisor
        .serve(
            "moto",
            directory,
            Command::new(python.program("python"))
                .arg(root.join("xtask/peers/moto_server.py"))
                .arg(port.to_string())
                .current_dir(directory)
                .env("MOTO_IAM_LOAD_MANAGED_POLICIES", "false")
                // It asks for some credentials, whichever.
                .env("AWS_ACCESS_KEY_ID", "testing")
                .env("AWS_SECRET_ACCESS_KEY", "testing"),
        )
        .map_err(|error| format!("cannot start moto: {error}"))?;
    server.wait_until(START_LIMIT, || answers(port, "/moto-api/"))?;
    peers
        .environment
        .push(("PORTCULLIS_TEST_MOTO", format!("http://127.0.0.1:{port}")));
    peers._servers.push(server);
    Ok(())
}
