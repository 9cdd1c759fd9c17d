//! `[[exception]]`: buckets that are open on purpose, for a while.

use compliance::exceptions::ExceptionEntry;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// One bucket that is open on purpose. `portcullis check --print-exception BUCKET` prints one to fill
/// in.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Exception {
    /// Its id.
    pub(crate) id: String,
    /// The bucket; `*` and `?` are wildcards.
    pub(crate) bucket: String,
    /// Only in this account.
    #[serde(default)]
    pub(crate) account: Option<String>,
    /// Who answers for it.
    pub(crate) owner: String,
    /// Why it is open.
    pub(crate) reason: String,
    /// Until when: a date, which lasts until its end in UTC, or a time with a zone.
    #[schemars(schema_with = "moment")]
    pub(crate) expires: toml::Value,
    /// The fingerprint of what is open. Anything wider is not covered.
    #[schemars(regex(pattern = "^sha256:[0-9A-Fa-f]{64}$"))]
    pub(crate) fingerprint: String,
}

fn moment(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string"})
}

impl From<&Exception> for ExceptionEntry {
    fn from(exception: &Exception) -> ExceptionEntry {
        let exception = exception.clone();
        ExceptionEntry {
            id: exception.id,
            bucket: exception.bucket,
            account: exception.account,
            owner: exception.owner,
            reason: exception.reason,
            expires: exception.expires,
            fingerprint: exception.fingerprint,
        }
    }
}
