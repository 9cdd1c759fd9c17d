//! What a rule says about a resource.

use std::fmt;

use policy::observed::Unread;

/// A managed rule's answer about one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// The managed rule's identifier.
    pub identifier: &'static str,
    /// The answer.
    pub compliance_type: ComplianceType,
    /// Why, unless compliant.
    pub annotation: Option<Annotation>,
}

/// A rule's answer, without saying which rule's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The answer.
    pub compliance_type: ComplianceType,
    /// Why, unless there is nothing to say.
    pub annotation: Option<Annotation>,
}

impl Outcome {
    /// It complies.
    pub fn compliant() -> Outcome {
        Outcome {
            compliance_type: ComplianceType::Compliant,
            annotation: None,
        }
    }

    /// It does not comply, and why.
    pub fn non_compliant(why: impl Into<String>) -> Outcome {
        Outcome {
            compliance_type: ComplianceType::NonCompliant,
            annotation: Some(Annotation::new(why)),
        }
    }

    /// The rule is not about it.
    pub fn not_applicable() -> Outcome {
        Outcome {
            compliance_type: ComplianceType::NotApplicable,
            annotation: None,
        }
    }

    /// It could not be decided, and why.
    pub fn insufficient(why: impl Into<String>) -> Outcome {
        Outcome {
            compliance_type: ComplianceType::InsufficientData,
            annotation: Some(Annotation::new(format!("Not decided: {}", why.into()))),
        }
    }

    /// It could not be decided because `part` was not read (`part` brings its verb: `the tags were`);
    /// `action` is the IAM action that reads it.
    pub fn unread(part: &str, unread: &Unread, action: &str) -> Outcome {
        let why = match unread {
            // The reason names the missing action itself.
            Unread::AccessDenied { action } if !action.is_empty() => unread.to_string(),
            other => format!("{other}; {action} reads it"),
        };
        Outcome::insufficient(format!("{part} not read ({why})"))
    }
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
    /// All of them.
    pub const ALL: [ComplianceType; 4] = [
        ComplianceType::Compliant,
        ComplianceType::NonCompliant,
        ComplianceType::NotApplicable,
        ComplianceType::InsufficientData,
    ];

    /// AWS Config's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            ComplianceType::Compliant => "COMPLIANT",
            ComplianceType::NonCompliant => "NON_COMPLIANT",
            ComplianceType::NotApplicable => "NOT_APPLICABLE",
            ComplianceType::InsufficientData => "INSUFFICIENT_DATA",
        }
    }

    /// Reads AWS Config's spelling.
    pub fn parse(text: &str) -> Option<ComplianceType> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
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

/// What a configured rule says about one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleEvaluation {
    /// The rule's configured name.
    pub rule_name: String,
    /// The managed rule's identifier; `CUSTOM_POLICY` or `CUSTOM_LAMBDA` for one of the user's own.
    pub identifier: String,
    /// The answer.
    pub compliance_type: ComplianceType,
    /// Why, unless compliant.
    pub annotation: Option<Annotation>,
}
