//! Our answers against stores that really enforce.
//!
//! A [`configuration::Configuration`] (from the labelled corpus, or from [`generate`]) is installed on
//! a store, and unsigned requests ([`probe`]) are sent over HTTP. Each answer is compared with two of
//! ours: the [`decision`] about that very request, and the verdict about the bucket.
//!
//! Where a store is known not to do as AWS documents, the [`difference`] has a name, a source, and is
//! *modelled*: our decision with all of a store's differences applied must predict every answer. So a
//! difference cannot excuse more than it says, and one that changes no answer any more is reported.
//!
//! The crate is for tests only; nothing depends on it.

pub mod compare;
pub mod configuration;
pub mod decision;
pub mod difference;
pub mod generate;
pub mod probe;
pub mod store;
