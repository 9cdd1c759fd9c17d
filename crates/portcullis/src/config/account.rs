//! `[[account]]`, `[recorder]`, `[delivery-channel]`: what is watched, and what is kept of it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::value::{Part, Period, ResourceType, SecretRef, Text, Wildcard};

/// One account whose buckets are watched: of AWS, or an S3-compatible store.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Account {
    /// The account's twelve digits. For an S3-compatible store, whose accounts have no number, any
    /// name.
    pub(crate) id: String,
    /// What people call it, in notices and on screens. [default: the id]
    #[serde(default)]
    pub(crate) label: Option<String>,
    /// The profile of the AWS configuration files whose credentials read it. [default: the standard
    /// chain of credentials]
    #[serde(default)]
    pub(crate) profile: Option<String>,
    /// A role to read it with, which is assumed with those credentials or with the access key; of an
    /// S3-compatible store, by STS at the same endpoint.
    #[serde(default)]
    pub(crate) role_arn: Option<String>,
    /// The external id that the roles' trust policies ask for.
    #[serde(default)]
    pub(crate) external_id: Option<Text>,
    /// A second role, which writes when the responder closes a bucket. [default: the one that reads]
    #[serde(default)]
    pub(crate) enforcement_role_arn: Option<String>,
    /// The endpoint of an S3-compatible store. [default: AWS's]
    #[serde(default)]
    pub(crate) endpoint_url: Option<String>,
    /// An access key's id, instead of a profile. What files hold of the key is read again every half
    /// minute, and when the store refuses it.
    #[serde(default)]
    pub(crate) access_key_id: Option<Text>,
    /// Where its secret is.
    #[serde(default)]
    pub(crate) secret_access_key: Option<SecretRef>,
    /// Where its session token is, if it is a temporary one.
    #[serde(default)]
    pub(crate) session_token: Option<SecretRef>,
    /// The region to begin with; buckets of other regions are found all the same.
    #[serde(default)]
    pub(crate) region: Option<String>,
    /// Regions whose EBS volumes are recorded. [default: none]
    #[serde(default)]
    pub(crate) volume_regions: Vec<String>,
    /// Never more calls a second than this. [default: as `[recorder]` says]
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub(crate) calls_per_second: Option<u32>,
    /// How long a call may take.
    #[serde(default = "call_timeout")]
    pub(crate) call_timeout: Period,
    /// How often a call is tried that is throttled, not answered, or answered with an error of the
    /// store's own.
    #[serde(default = "call_attempts")]
    #[schemars(range(min = 1, max = 20))]
    pub(crate) call_attempts: u32,
    /// How often it is gone through for its verdicts. [default: as `[recorder]` says]
    #[serde(default)]
    pub(crate) sweep_interval: Option<Period>,
    /// How often everything of each of its buckets is recorded. [default: as `[recorder]` says]
    #[serde(default)]
    pub(crate) record_interval: Option<Period>,
}

fn call_timeout() -> Period {
    Period::seconds(15)
}

fn call_attempts() -> u32 {
    5
}

impl Account {
    /// What people call it.
    pub(crate) fn label(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.id)
    }

    /// How often it is gone through.
    pub(crate) fn sweep_interval(&self, recorder: &Recorder) -> Period {
        self.sweep_interval.unwrap_or(recorder.sweep_interval)
    }

    /// How many calls a second are the most, if there is a bound.
    pub(crate) fn calls_per_second(&self, recorder: &Recorder) -> Option<u32> {
        self.calls_per_second.or(recorder.calls_per_second)
    }

    /// Whether this is its id or its label.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.id == name || self.label.as_deref() == Some(name)
    }
}

/// What is recorded, and how often it is gone through.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Recorder {
    /// The resource types that are recorded. [default: all]
    pub(crate) types: Option<Vec<ResourceType>>,
    /// Only buckets that one of these names. [default: all]
    pub(crate) buckets: Vec<Wildcard>,
    /// And not those that one of these names. They are not watched at all.
    pub(crate) exclude_buckets: Vec<Wildcard>,
    /// The parts of a bucket that are recorded beside what decides who has access. [default: all]
    pub(crate) parts: Option<Vec<Part>>,
    /// Of up to how many objects of a bucket the ACLs are read each time that everything of it is recorded,
    /// where ACLs of objects have an effect. 0: of none. An object that an event tells of is read all the
    /// same. Without s3:ListBucket, S3 does not say that an object is gone, and it counts as undecided.
    #[schemars(range(max = 1000))]
    pub(crate) sample_objects: u16,
    /// How often each account is gone through for its verdicts, whatever events come.
    pub(crate) sweep_interval: Period,
    /// How often everything of every bucket is recorded.
    pub(crate) record_interval: Period,
    /// Never more calls a second to one account than this. [default: as many as it answers without
    /// throttling]
    #[schemars(range(min = 1))]
    pub(crate) calls_per_second: Option<u32>,
    /// How many buckets of one account a sweep asks about at the same time.
    #[schemars(range(min = 1, max = 1024))]
    pub(crate) concurrency: u16,
    /// How long a bucket of which something is not answered (throttling, time-outs, errors of the store)
    /// is tried again before it is recorded, and told, that it cannot be decided. One that is seen to be
    /// open is closed at once all the same.
    pub(crate) undecided_after: Period,
}

impl Default for Recorder {
    fn default() -> Recorder {
        Recorder {
            types: None,
            buckets: Vec::new(),
            exclude_buckets: Vec::new(),
            parts: None,
            sample_objects: 8,
            sweep_interval: Period::seconds(15 * 60),
            record_interval: Period::seconds(24 * 60 * 60),
            calls_per_second: None,
            concurrency: 32,
            undecided_after: Period::seconds(60),
        }
    }
}

/// History and snapshots in an S3 bucket, in AWS Config's layout.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct DeliveryChannel {
    /// The bucket.
    pub(crate) bucket: String,
    /// What the names of the files begin with, before `AWSLogs`.
    #[serde(default)]
    pub(crate) prefix: Option<String>,
    /// The account whose credentials write there, by id or label. [default: the first]
    #[serde(default)]
    pub(crate) account: Option<String>,
    /// The bucket's region. [default: the account's]
    #[serde(default)]
    pub(crate) region: Option<String>,
    /// The twelve digits of the account that owns the bucket: if another does, nothing is put there.
    #[serde(default)]
    pub(crate) expected_bucket_owner: Option<String>,
    /// How files are encrypted at rest. [default: as the bucket says]
    #[serde(default)]
    pub(crate) encryption: Option<Encryption>,
    /// `aws:kms`: the key's id, ARN or alias.
    #[serde(default)]
    pub(crate) kms_key_id: Option<String>,
    /// Whether the bucket is made if there is none of its name: with Block Public Access on and without
    /// ACLs, before anything is in it.
    #[serde(default)]
    pub(crate) create_bucket: bool,
    /// How often a snapshot of everything is delivered.
    #[serde(default = "a_day")]
    pub(crate) snapshot_interval: Period,
    /// How often what changed is delivered.
    #[serde(default = "six_hours")]
    pub(crate) history_interval: Period,
    /// A target that gets each change and each delivery, as AWS Config's topic does.
    #[serde(default)]
    pub(crate) topic: Option<String>,
}

/// How delivered files are encrypted at rest, in S3's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub(crate) enum Encryption {
    /// With keys of S3's own.
    #[serde(rename = "AES256")]
    Aes256,
    /// With a key of KMS.
    #[serde(rename = "aws:kms")]
    Kms,
}

fn a_day() -> Period {
    Period::seconds(24 * 60 * 60)
}

fn six_hours() -> Period {
    Period::seconds(6 * 60 * 60)
}
