//! The four settings of Block Public Access, as rules compare them.

use serde_json::Value;

/// The settings by AWS's names, with those of recorded items beside them.
const SETTINGS: [(&str, &str); 4] = [
    ("BlockPublicAcls", "blockPublicAcls"),
    ("IgnorePublicAcls", "ignorePublicAcls"),
    ("BlockPublicPolicy", "blockPublicPolicy"),
    ("RestrictPublicBuckets", "restrictPublicBuckets"),
];

/// The settings of a recorded block, in the order of [`SETTINGS`]. One that is not there is off.
/// `None`: it cannot be understood.
pub(super) fn settings(block: &Value) -> Option<[bool; 4]> {
    let block = block.as_object()?;
    let mut found = [false; 4];
    for (setting, (capital, camel)) in found.iter_mut().zip(SETTINGS) {
        *setting = match block.get(camel).or_else(|| block.get(capital)) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(value)) => *value,
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => true,
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => false,
            Some(_) => return None,
        };
    }
    Some(found)
}

/// The names of the settings that are not as `wanted`.
pub(super) fn missing(found: &[bool; 4], wanted: impl Fn(&str) -> bool) -> Vec<&'static str> {
    found
        .iter()
        .zip(SETTINGS)
        .filter(|(setting, (name, _))| **setting != wanted(name))
        .map(|(_, (name, _))| name)
        .collect()
}
