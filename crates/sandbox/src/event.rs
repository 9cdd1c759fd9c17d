//! What the sandbox tells about changes, as CloudTrail's management events would.

use jiff::Timestamp;

/// A change to the configuration of a bucket, an object's ACL, or an account, just after it was made.
///
/// It says that something changed, not what it is now: a reader asks the endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When the change was made, by the sandbox's clock.
    pub time: Timestamp,
    /// The bucket; `None` for a change to a whole account.
    pub bucket: Option<String>,
    /// The account that owns the bucket, or that was changed.
    pub account: String,
    /// The API operation, such as `PutBucketAcl`.
    pub operation: &'static str,
    /// The ARN of the caller, or `anonymous`.
    pub caller: String,
}
