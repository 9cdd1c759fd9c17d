//! The exact reading of a bucket's configuration: all requests at once.
//!
//! The answer is sound in the sense that every witness is a request which the concrete evaluator
//! allows and which is untrusted by definition: it is replayed before it is returned. It is complete
//! in the sense that "closed" is said only where the search exhausted every untrusted request; where
//! it could not, because something is not understood, not read or beyond the budget, the answer is
//! "undecided".
//!
//! - `glob`, `product` and `text` decide patterns; `ordered` numbers, moments and addresses; `atom`
//!   is one condition and `value` decides one condition key.
//! - `resource` cuts a statement down to one bucket; `space` holds what lets in and what refuses;
//!   `search` looks for a request that the one lets in and the other does not refuse.
//! - `caller` and `names` say who is untrusted and what he can have; `untrusted` says it again for
//!   one concrete request.
//! - `variables` takes policy variables out; `layers` sets up policy, ACL and access points;
//!   `judgement`, `access_points` and `literal` combine them with Block Public Access and Object
//!   Ownership; `reasons` and `advice` say why and what else.

mod access_points;
mod advice;
mod atom;
mod caller;
mod doubts;
mod glob;
mod judgement;
mod layers;
mod literal;
mod names;
mod ordered;
mod product;
mod reasons;
mod resource;
mod search;
mod space;
mod text;
mod untrusted;
mod value;
mod variables;

pub(crate) use judgement::{judge, judge_object};
