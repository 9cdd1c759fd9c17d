//! What a managed rule says of itself: the reference page, the permissions and the checks on a
//! configuration are made from it.

use std::collections::BTreeMap;
use std::fmt;

/// What a managed rule says of itself.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The name that AWS Config gives the rule by default, such as
    /// `s3-bucket-public-read-prohibited`.
    pub name: &'static str,
    /// The identifier of the AWS Config managed rule that it answers like.
    pub identifier: &'static str,
    /// What it asks, in a sentence.
    pub description: &'static str,
    /// When it fails, and what is to be known beyond AWS's own description; a paragraph or more.
    pub detail: &'static str,
    /// The types of the resources that it is about. Empty: any recorded type.
    pub resource_types: &'static [&'static str],
    /// When it is evaluated.
    pub trigger: Trigger,
    /// The IAM actions that a reader needs for it.
    pub reads: &'static [&'static str],
    /// Its parameters.
    pub parameters: &'static [Parameter],
    /// How severe a failure is.
    pub severity: Severity,
    /// What its annotations look like, placeholders in capitals.
    pub annotations: &'static [&'static str],
    /// AWS's page about the rule.
    pub source: &'static str,
}

/// When a rule is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// When the configuration of a resource changes.
    ConfigurationChanges,
    /// On a schedule.
    Periodic,
    /// Both.
    ConfigurationChangesAndPeriodic,
}

impl Trigger {
    /// Whether a change makes it be evaluated.
    pub fn on_change(self) -> bool {
        self != Trigger::Periodic
    }

    /// Whether it has a schedule.
    pub fn on_schedule(self) -> bool {
        self != Trigger::ConfigurationChanges
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Trigger::ConfigurationChanges => "configuration changes",
            Trigger::Periodic => "periodic",
            Trigger::ConfigurationChangesAndPeriodic => "configuration changes and periodic",
        })
    }
}

/// How severe a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good order.
    Low,
    /// A line of defence is missing.
    Medium,
    /// Data can be read by people who must not.
    High,
    /// Data can be changed, or everything is at stake.
    Critical,
}

impl Severity {
    /// From 0 to 10 as CVSS 3.1 counts, for tools that want a number. High is network access without
    /// privileges that breaks confidentiality, critical one that breaks integrity and availability.
    pub fn score(self) -> &'static str {
        match self {
            Severity::Low => "3.1",
            Severity::Medium => "5.3",
            Severity::High => "7.5",
            Severity::Critical => "9.1",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        })
    }
}

/// A parameter of a managed rule.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// AWS Config's name for it.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub description: &'static str,
    /// What it holds.
    pub kind: ParameterKind,
    /// Its value where none is given.
    pub default: Option<&'static str>,
}

/// What a parameter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterKind {
    /// `true` or `false`, in any case.
    Flag,
    /// A text.
    Text,
    /// Texts with commas between them.
    List,
}

impl ParameterKind {
    /// What is allowed, for people.
    pub fn allowed(self) -> &'static str {
        match self {
            ParameterKind::Flag => "true or false",
            ParameterKind::Text => "a text that is not empty",
            ParameterKind::List => "texts with commas between them, none empty",
        }
    }

    /// Whether a value is allowed.
    pub(crate) fn allows(self, value: &str) -> bool {
        match self {
            ParameterKind::Flag => flag(value).is_some(),
            ParameterKind::Text => !value.trim().is_empty(),
            ParameterKind::List => value.split(',').all(|entry| !entry.trim().is_empty()),
        }
    }
}

fn flag(value: &str) -> Option<bool> {
    match value.trim() {
        text if text.eq_ignore_ascii_case("true") => Some(true),
        text if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// The values of a rule's parameters, checked, defaults filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// The defaults of a rule.
    pub fn defaults(about: &About) -> Parameters {
        Parameters(
            about
                .parameters
                .iter()
                .filter_map(|one| Some((one.name.to_owned(), one.default?.to_owned())))
                .collect(),
        )
    }

    /// The same with one value set. The value is one that the parameter's kind allows: `configured`
    /// checks it.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: &str) -> Parameters {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim())
    }

    /// A flag.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.text(name).and_then(flag)
    }

    /// The entries of a list; none if it is not given.
    pub fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        self.text(name)
            .into_iter()
            .flat_map(|list| list.split(','))
            .map(str::trim)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
