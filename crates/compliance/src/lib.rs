//! Configuration documents, rules, evaluations, exceptions, remediation plans and reports: pure
//! functions over plain data.

pub mod assessment;
pub mod compliance_change;
pub mod delivery_channel;
pub mod event;
pub mod exceptions;
pub mod fingerprint;
pub mod input;
pub mod item;
pub mod notice;
pub mod pattern;
pub mod remediation;
pub mod report;
pub mod rules;
pub mod stable_id;
