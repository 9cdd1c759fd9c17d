//! Values of the configuration file that have a form of their own: durations, references to secrets,
//! names from a closed list.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use compliance::item;
use compliance::notice::{NoticeKind, Severity, Zone};
use guard::ports::record::BucketPart;
use jiff::SignedDuration;
use jiff::civil::{Time, Weekday};
use policy::pattern::{Pattern, Reading};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

/// A duration: `"90s"`, `"5m"`, `"1h 30m"`, `"400d"`, `"2w"`. A day is 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Period(pub(crate) SignedDuration);

impl Period {
    pub(crate) const fn seconds(seconds: i64) -> Period {
        Period(SignedDuration::from_secs(seconds))
    }

    pub(crate) fn parse(text: &str) -> Option<Period> {
        let mut total: i64 = 0;
        let mut any = false;
        let mut rest = text.trim();
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: i64 = rest[..digits].parse().ok()?;
            rest = rest[digits..].trim_start();
            let unit = match rest.bytes().next()? {
                b's' => 1,
                b'm' => 60,
                b'h' => 3_600,
                b'd' => 86_400,
                b'w' => 604_800,
                _ => return None,
            };
            rest = rest[1..].trim_start();
            total = total.checked_add(number.checked_mul(unit)?)?;
            any = true;
        }
        // A hundred years: what is added to a time has to be one.
        (any && total <= 36_525 * 86_400).then(|| Period::seconds(total))
    }

    pub(crate) fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// For the standard library's timers.
    pub(crate) fn unsigned(self) -> std::time::Duration {
        self.0.unsigned_abs()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.0.as_secs();
        if left == 0 {
            return f.write_str("0s");
        }
        let mut first = true;
        for (unit, name) in [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')] {
            let count = left / unit;
            left %= unit;
            if count > 0 {
                let space = if first { "" } else { " " };
                write!(f, "{space}{count}{name}")?;
                first = false;
            }
        }
        Ok(())
    }
}

struct Words<T> {
    expected: &'static str,
    parse: fn(&str) -> Result<T, String>,
}

impl<T> Visitor<'_> for Words<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).map_err(E::custom)
    }
}

/// As it would be written, which the schema shows as a default.
impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Period, D::Error> {
        const FORM: &str =
            "a duration with its unit, such as \"90s\", \"5m\", \"1h 30m\" or \"400d\"";
        deserializer.deserialize_str(Words {
            expected: FORM,
            parse: |text| Period::parse(text).ok_or_else(|| format!("this is not {FORM}")),
        })
    }
}

/// Where a secret is. The file itself never holds one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file, relative to the configuration file's folder.
    File(PathBuf),
}

const SECRET_FORM: &str =
    "`env:NAME` (an environment variable) or `file:PATH`; a secret itself is not taken here";

impl SecretRef {
    fn parse(text: &str) -> Option<SecretRef> {
        match text.split_once(':') {
            Some(("env", name))
                if !name.is_empty()
                    && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') =>
            {
                Some(SecretRef::Env(name.to_owned()))
            }
            Some(("file", path)) if !path.is_empty() => Some(SecretRef::File(path.into())),
            _ => None,
        }
    }

    /// The reference with a path that does not depend on the working directory.
    pub(crate) fn under(&self, folder: &Path) -> SecretRef {
        match self {
            SecretRef::File(path) => SecretRef::File(folder.join(path)),
            SecretRef::Env(_) => self.clone(),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRef::Env(name) => write!(f, "env:{name}"),
            SecretRef::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SecretRef, D::Error> {
        deserializer.deserialize_str(Words {
            expected: SECRET_FORM,
            parse: |text| {
                SecretRef::parse(text).ok_or_else(|| format!("a secret is given as {SECRET_FORM}"))
            },
        })
    }
}

/// A text that may be a secret, as an address with a password in its path: given plainly, or by
/// reference.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Text {
    /// As it is.
    Plain(String),
    /// Elsewhere.
    Secret(SecretRef),
}

impl Text {
    /// The text, if it stands in the file.
    pub(crate) fn plain(&self) -> Option<&str> {
        match self {
            Text::Plain(text) => Some(text),
            Text::Secret(_) => None,
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Text::Plain(_) => f.write_str("Plain(…)"),
            Text::Secret(reference) => write!(f, "Secret({reference})"),
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        deserializer.deserialize_str(Words {
            expected: "a text, `env:NAME` or `file:PATH`",
            parse: |text| match SecretRef::parse(text) {
                Some(reference) => Ok(Text::Secret(reference)),
                None if text.starts_with("env:") || text.starts_with("file:") => Err(
                    "this refers to nothing: write `env:NAME` with letters, digits and _, or \
                     `file:PATH`"
                        .to_owned(),
                ),
                None if text.is_empty() => Err("this is empty".to_owned()),
                None => Ok(Text::Plain(text.to_owned())),
            },
        })
    }
}

/// A name with the wildcards `*` and `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wildcard(pub(crate) String);

impl Wildcard {
    pub(crate) fn pattern(&self) -> Pattern {
        Pattern::new(&self.0, Reading::Wildcards, false)
    }

    pub(crate) fn is_exact(&self) -> bool {
        !self.0.contains(['*', '?'])
    }
}

impl<'de> Deserialize<'de> for Wildcard {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Wildcard, D::Error> {
        deserializer.deserialize_str(Words {
            expected: "a name, or a pattern with * and ?",
            parse: |text| match text.len() {
                1..=256 => Ok(Wildcard(text.to_owned())),
                _ => Err("a name or a pattern has 1 to 256 characters".to_owned()),
            },
        })
    }
}

/// A type whose values have names.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident($inner:ty), $what:literal, $all:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct $name(pub(crate) $inner);

        impl $name {
            fn all() -> Vec<(Cow<'static, str>, $inner)> {
                $all
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                deserializer.deserialize_str(Words {
                    expected: $what,
                    parse: |text| one_of(text, $name::all()).map($name),
                })
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let names: Vec<_> = $name::all().into_iter().map(|(name, _)| name).collect();
                json_schema!({"type": "string", "enum": names, "description": $what})
            }
        }
    };
}

fn one_of<T>(text: &str, all: Vec<(Cow<'static, str>, T)>) -> Result<T, String> {
    let names: Vec<String> = all.iter().map(|(name, _)| format!("`{name}`")).collect();
    all.into_iter()
        .find(|(name, _)| name == text)
        .map(|(_, value)| value)
        // In serde's words, so that the nearest name is advised.
        .ok_or_else(|| {
            format!(
                "unknown name `{text}`, expected one of {}",
                names.join(", ")
            )
        })
}

named!(
    /// How severe a notice is.
    Severe(Severity),
    "a severity",
    [
        Severity::Informational,
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ]
    .map(|severity| (severity.as_str().into(), severity))
    .into()
);

named!(
    /// A kind of notice.
    Kind(NoticeKind),
    "a kind of notice",
    NoticeKind::ALL
        .map(|kind| (kind.as_str().replace('_', "-").into(), kind))
        .into()
);

named!(
    /// A part of a bucket.
    Part(BucketPart),
    "a part of a bucket",
    BucketPart::ALL.map(|part| (part.name().into(), part)).into()
);

named!(
    /// A day of the week.
    Day(Weekday),
    "a day of the week",
    [
        ("mon", Weekday::Monday),
        ("tue", Weekday::Tuesday),
        ("wed", Weekday::Wednesday),
        ("thu", Weekday::Thursday),
        ("fri", Weekday::Friday),
        ("sat", Weekday::Saturday),
        ("sun", Weekday::Sunday),
    ]
    .map(|(name, day)| (name.into(), day))
    .into()
);

named!(
    /// A type of resource that can be recorded.
    ResourceType(&'static str),
    "a resource type that is recorded",
    [
        item::BUCKET,
        item::ACCOUNT_PUBLIC_ACCESS_BLOCK,
        item::ACCOUNT,
        item::VOLUME,
    ]
    .map(|name| (name.into(), name))
    .into()
);

/// A time of the day: `"22:00"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeOfDay(pub(crate) Time);

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TimeOfDay, D::Error> {
        const FORM: &str = "a time of the day, such as \"22:00\"";
        deserializer.deserialize_str(Words {
            expected: FORM,
            parse: |text| {
                let time = text.parse::<Time>().ok().filter(|_| text.len() == 5);
                time.map(TimeOfDay)
                    .ok_or_else(|| format!("this is not {FORM}"))
            },
        })
    }
}

/// A time zone of the IANA database.
#[derive(Clone, Debug)]
pub(crate) struct ZoneName(pub(crate) Zone);

impl<'de> Deserialize<'de> for ZoneName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ZoneName, D::Error> {
        deserializer.deserialize_str(Words {
            expected: "the name of a time zone, such as \"Europe/Berlin\"",
            parse: |text| {
                Zone::named(text).map(ZoneName).ok_or_else(|| {
                    format!(
                        "the time zone database has no {text:?}; its names look like \
                         \"Europe/Berlin\" or \"UTC\""
                    )
                })
            },
        })
    }
}

/// An event pattern: a table as in JSON, or JSON text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PatternValue {
    /// As a table of the file.
    Table(serde_json::Value),
    /// As JSON text, which is what AWS's tools print.
    Text(String),
}

impl<'de> Deserialize<'de> for PatternValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PatternValue, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(PatternValue::Text(text)),
            table @ serde_json::Value::Object(_) => Ok(PatternValue::Table(table)),
            _ => Err(D::Error::custom("a pattern is a table, or JSON text")),
        }
    }
}

/// The schema of a type that is written as a text.
macro_rules! textual {
    ($name:ident, $($schema:tt)+) => {
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($($schema)+)
            }
        }
    };
}

textual!(Period, {
    "type": "string",
    "pattern": "^\\s*([0-9]+\\s*[smhdw]\\s*)+$",
    "description": "A duration, such as \"90s\", \"5m\", \"1h 30m\" or \"400d\".",
});
textual!(SecretRef, {
    "type": "string",
    "pattern": "^(env:[A-Za-z0-9_]+|file:.+)$",
    "description": "Where a secret is: `env:NAME`, an environment variable, or `file:PATH`.",
});
textual!(Text, {
    "type": "string",
    "minLength": 1,
    "description": "A text, or where it is if it is a secret: `env:NAME` or `file:PATH`.",
});
textual!(Wildcard, {
    "type": "string",
    "minLength": 1,
    "maxLength": 256,
    "description": "A name, or a pattern with `*` and `?`.",
});
textual!(TimeOfDay, {
    "type": "string",
    "pattern": "^[0-2][0-9]:[0-5][0-9]$",
    "description": "A time of the day, such as \"22:00\".",
});
textual!(ZoneName, {
    "type": "string",
    "description": "A time zone of the IANA database, such as \"Europe/Berlin\" or \"UTC\".",
});
textual!(PatternValue, {
    "type": ["object", "string"],
    "description": "An EventBridge event pattern: a table, or JSON text.",
});

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, seconds, shown) in [
            ("90s", 90, "1m 30s"),
            ("1h 30m", 5_400, "1h 30m"),
            ("1h30m", 5_400, "1h 30m"),
            ("400d", 34_560_000, "400d"),
            ("2w", 1_209_600, "14d"),
            ("0s", 0, "0s"),
        ] {
            let period: Period = from_value(json!(text)).unwrap();
            assert_eq!(period, Period::seconds(seconds));
            assert_eq!(period.to_string(), shown);
        }
        for wrong in [
            "",
            "5",
            "5 years",
            "-5m",
            "m",
            "99999999999999999999s",
            "40000d",
        ] {
            let error = from_value::<Period>(json!(wrong)).unwrap_err();
            assert!(
                error.to_string().contains("with its unit"),
                "{wrong}: {error}"
            );
        }
    }

    #[test]
    fn a_secret_in_clear_is_refused_and_not_repeated() {
        for wrong in [
            "hunter2",
            "env:",
            "env:hunter 2",
            "file:",
            "https://hunter2",
        ] {
            let error = from_value::<SecretRef>(json!(wrong))
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("env:NAME") && !error.contains("hunter"),
                "{error}"
            );
        }
        let from_file: SecretRef = from_value(json!("file:smtp.password")).unwrap();
        assert_eq!(
            from_file.under(Path::new("/etc/portcullis")).to_string(),
            "file:/etc/portcullis/smtp.password"
        );
        let text: Text = from_value(json!("https://hooks.example.com/hunter2")).unwrap();
        assert!(!format!("{text:?}").contains("hunter2"));
    }

    #[test]
    fn names_are_from_their_lists() {
        assert_eq!(
            from_value::<Kind>(json!("remediation-held")).unwrap().0,
            NoticeKind::RemediationHeld
        );
        assert_eq!(
            from_value::<Part>(json!("object-lock")).unwrap().0,
            BucketPart::ObjectLock
        );
        let error = from_value::<Severe>(json!("hi")).unwrap_err().to_string();
        assert!(
            error.contains("unknown name `hi`, expected one of `informational`"),
            "{error}"
        );
        assert!(from_value::<ZoneName>(json!("Mars/Olympus")).is_err());
        assert!(from_value::<TimeOfDay>(json!("25:00")).is_err());
    }
}
