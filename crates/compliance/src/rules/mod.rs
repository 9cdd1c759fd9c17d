//! Rules and their evaluations, in the words of AWS Config.
//!
//! One rule, one file: what it asks, what it reads, how it decides.

mod public_access;
mod s3_bucket_public_read_prohibited;
mod s3_bucket_public_write_prohibited;

use std::fmt;

use policy::action::AccessClass;

use crate::assessment::Assessment;

pub use s3_bucket_public_read_prohibited::S3BucketPublicReadProhibited;
pub use s3_bucket_public_write_prohibited::S3BucketPublicWriteProhibited;

/// A managed rule about one bucket.
pub trait Rule: Sync {
    /// The rule's name, such as `s3-bucket-public-read-prohibited`.
    fn name(&self) -> &'static str;
    /// The identifier of the AWS Config managed rule that it answers like.
    fn identifier(&self) -> &'static str;
    /// What it asks, in a sentence.
    fn description(&self) -> &'static str;
    /// The class of access that it is about.
    fn class(&self) -> AccessClass;
    /// How severe a failure is, from 0 to 10 as CVSS counts, for tools that want a number.
    fn severity_score(&self) -> &'static str;
    /// The IAM actions that a reader needs for it.
    fn reads(&self) -> &'static [&'static str];
    /// Its answer about one bucket.
    fn evaluate(&self, assessment: &Assessment) -> Evaluation;
}

/// Every rule.
pub const ALL: &[&dyn Rule] = &[
    &S3BucketPublicReadProhibited,
    &S3BucketPublicWriteProhibited,
];

/// The answers of all rules about one bucket.
pub fn evaluate(assessment: &Assessment) -> Vec<Evaluation> {
    ALL.iter().map(|rule| rule.evaluate(assessment)).collect()
}

/// A rule's answer about one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// The managed rule's identifier.
    pub identifier: &'static str,
    /// The answer.
    pub compliance_type: ComplianceType,
    /// Why, unless compliant.
    pub annotation: Option<Annotation>,
}

/// What a configured rule says about one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleEvaluation {
    /// The rule's configured name.
    pub rule_name: String,
    /// The managed rule's identifier.
    pub identifier: String,
    /// The answer.
    pub compliance_type: ComplianceType,
    /// Why, unless compliant.
    pub annotation: Option<Annotation>,
}

/// How a resource stands to a rule (AWS Config API reference, `Evaluation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComplianceType {
    /// It complies.
    Compliant,
    /// It does not comply.
    NonCompliant,
    /// The rule is not about it.
    NotApplicable,
    /// It could not be decided.
    InsufficientData,
}

impl ComplianceType {
    /// AWS Config's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            ComplianceType::Compliant => "COMPLIANT",
            ComplianceType::NonCompliant => "NON_COMPLIANT",
            ComplianceType::NotApplicable => "NOT_APPLICABLE",
            ComplianceType::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

/// A text of at most 256 characters (AWS Config API reference, `Evaluation`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation(String);

impl Annotation {
    /// The longest annotation, in characters.
    pub const MAX: usize = 256;

    /// Takes a text and cuts it where it would be too long.
    pub fn new(text: impl Into<String>) -> Annotation {
        let mut text = text.into();
        if text.chars().count() > Annotation::MAX {
            text = text.chars().take(Annotation::MAX - 1).collect();
            text.push('…');
        }
        Annotation(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Annotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
