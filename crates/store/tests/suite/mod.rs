//! What both databases are held to.

pub(crate) mod events;
pub(crate) mod findings;
pub(crate) mod jobs;
pub(crate) mod looks;
pub(crate) mod place;
pub(crate) mod rest;
pub(crate) mod samples;
