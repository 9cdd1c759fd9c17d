//! Configuration documents, rules, evaluations, exceptions, remediation plans and reports: pure
//! functions over plain data.

pub mod assessment;
