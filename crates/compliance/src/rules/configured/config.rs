//! A rule as the configuration file has it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A rule as the configuration file has it; [`super::RuleSet::new`] checks it.
///
/// ```
/// use compliance::rules::configured::{RuleConfig, RuleSet};
///
/// let config: RuleConfig = toml::from_str(
///     r#"
///     name = "buckets-say-whose-they-are"
///     identifier = "REQUIRED_TAGS"
///     parameters = { tag1Key = "team", tag1Value = "web, ops" }
///     resource-types = ["AWS::S3::Bucket"]
///     "#,
/// )?;
/// assert!(RuleSet::new(vec![config]).is_ok());
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RuleConfig {
    /// Its name, unique among the rules: what events and findings call it.
    pub name: String,
    /// Where its decision comes from.
    #[serde(default)]
    pub source: RuleSource,
    /// The identifier of a managed rule.
    #[serde(default)]
    pub identifier: Option<String>,
    /// Its parameters.
    #[serde(default)]
    pub parameters: BTreeMap<String, ParameterValue>,
    /// The types that it is about; empty: all that a managed rule knows, else buckets.
    #[serde(default)]
    pub resource_types: Vec<String>,
    /// Only resources with a tag of this key.
    #[serde(default)]
    pub tag_key: Option<String>,
    /// Only resources whose tag of that key has this value.
    #[serde(default)]
    pub tag_value: Option<String>,
    /// How often it is evaluated, if it has a schedule.
    #[serde(default)]
    pub frequency: Option<Frequency>,
    /// The text of a Guard rule.
    #[serde(default)]
    pub guard: Option<String>,
    /// The file that holds it; whoever reads the configuration reads it, and puts its text into
    /// `guard`.
    #[serde(default)]
    pub guard_file: Option<String>,
    /// The ARN or URL of a Lambda function.
    #[serde(default)]
    pub lambda: Option<String>,
    /// Whether it is evaluated.
    #[serde(default = "enabled")]
    pub enabled: bool,
}

fn enabled() -> bool {
    true
}

/// Where a rule's decision comes from (AWS Config API reference, `Source`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleSource {
    /// A rule of the catalogue.
    #[default]
    Managed,
    /// A custom policy in the Guard language.
    Guard,
    /// A Lambda function, or a server that answers like one.
    Lambda,
}

impl RuleSource {
    /// The name in the configuration file.
    pub fn as_str(self) -> &'static str {
        match self {
            RuleSource::Managed => "managed",
            RuleSource::Guard => "guard",
            RuleSource::Lambda => "lambda",
        }
    }
}

/// The value of a parameter. AWS Config's own are all texts; here `true` and `30` need no quotes, and
/// a list needs no commas.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum ParameterValue {
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
    /// Texts.
    List(Vec<String>),
}

impl ParameterValue {
    /// As AWS Config has it.
    pub fn to_text(&self) -> String {
        match self {
            ParameterValue::Flag(value) => value.to_string(),
            ParameterValue::Number(value) => value.to_string(),
            ParameterValue::Text(text) => text.clone(),
            ParameterValue::List(entries) => entries.join(","),
        }
    }
}

/// How often a rule with a schedule is evaluated (AWS Config API reference,
/// `MaximumExecutionFrequency`). `1h` and `One_Hour` are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub enum Frequency {
    /// Every hour.
    #[serde(rename = "One_Hour", alias = "1h")]
    OneHour,
    /// Every three hours.
    #[serde(rename = "Three_Hours", alias = "3h")]
    ThreeHours,
    /// Every six hours.
    #[serde(rename = "Six_Hours", alias = "6h")]
    SixHours,
    /// Every twelve hours.
    #[serde(rename = "Twelve_Hours", alias = "12h")]
    TwelveHours,
    /// Every day.
    #[default]
    #[serde(rename = "TwentyFour_Hours", alias = "24h")]
    TwentyFourHours,
}

impl Frequency {
    /// All of them, the most frequent first.
    pub const ALL: [Frequency; 5] = [
        Frequency::OneHour,
        Frequency::ThreeHours,
        Frequency::SixHours,
        Frequency::TwelveHours,
        Frequency::TwentyFourHours,
    ];

    /// AWS Config's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Frequency::OneHour => "One_Hour",
            Frequency::ThreeHours => "Three_Hours",
            Frequency::SixHours => "Six_Hours",
            Frequency::TwelveHours => "Twelve_Hours",
            Frequency::TwentyFourHours => "TwentyFour_Hours",
        }
    }

    /// How many hours lie between two evaluations.
    pub fn hours(self) -> u32 {
        match self {
            Frequency::OneHour => 1,
            Frequency::ThreeHours => 3,
            Frequency::SixHours => 6,
            Frequency::TwelveHours => 12,
            Frequency::TwentyFourHours => 24,
        }
    }
}
