//! What both databases are held to.

pub(crate) mod events;
pub(crate) mod findings;
pub(crate) mod jobs;
pub(crate) mod kill;
pub(crate) mod looks;
pub(crate) mod place;
pub(crate) mod rest;
pub(crate) mod samples;
pub(crate) mod transfer;

impl place::Place {
    /// Opens it: once more, where it was opened before.
    pub(crate) async fn open(&self) -> store::Store {
        store::Store::open(&self.address()).await.unwrap()
    }
}
