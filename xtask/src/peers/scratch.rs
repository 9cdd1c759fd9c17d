//! A directory with a short path, for what cannot lie in `target/peers`.
//!
//! The path of a Unix socket has at most 107 bytes, and a checkout may lie deeper. A checkout may
//! also lie where another user cannot go, such as in root's home.

use std::fs::{self, DirBuilder};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::process::stop_leftovers;

/// An empty directory below the system's temporary one, gone when the value is dropped.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Makes the directory of the checkout at `root`: its name is always the same, so what a run
    /// that was killed has left there is found, stopped and removed by the next.
    pub(super) fn prepare(root: &Path) -> Result<Scratch, String> {
        let mut hasher = DefaultHasher::new();
        root.hash(&mut hasher);
        let name = format!("portcullis-{:016x}", hasher.finish());
        let scratch = Scratch(std::env::temp_dir().join(name));
        scratch
            .make()
            .map_err(|error| format!("cannot prepare {}: {error}", scratch.0.display()))?;
        Ok(scratch)
    }

    fn make(&self) -> io::Result<()> {
        if let Ok(servers) = fs::read_dir(&self.0) {
            for server in servers {
                stop_leftovers(&server?.path())?;
            }
            fs::remove_dir_all(&self.0)?;
        }
        // Others may go through to what is theirs, and look at nothing. Fails if somebody else has
        // made it: then it must not be used.
        DirBuilder::new().mode(0o711).create(&self.0)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_same_checkout_has_the_same_directory_and_finds_it_empty() {
        let root = Path::new("/no/such/checkout").join(std::process::id().to_string());
        let first = Scratch::prepare(&root).unwrap();
        let path = first.path().to_owned();
        fs::create_dir(path.join("server")).unwrap();
        fs::write(path.join("server/left"), "over").unwrap();
        // As if the run had been killed.
        std::mem::forget(first);
        let second = Scratch::prepare(&root).unwrap();
        assert_eq!(second.path(), path);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_in_it_has_a_path_that_fits() {
        let deep = PathBuf::from("/deep".repeat(60));
        let scratch = Scratch::prepare(&deep).unwrap();
        let socket = scratch.path().join("ops.sock");
        std::os::unix::net::UnixListener::bind(&socket).unwrap();
    }
}
