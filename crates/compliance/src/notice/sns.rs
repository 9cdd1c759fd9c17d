//! A notice as the message of an SNS topic.

use super::{Notice, text};

/// The most bytes of a message (Amazon SNS API reference, `Publish`, `Message`: "at most 262,144
/// bytes").
pub const SNS_MESSAGE_LIMIT: usize = 262_144;

/// What stands in the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SnsFormat {
    /// Text for people.
    #[default]
    Text,
    /// Config's compliance-change event, for programs that read Config's own notifications. A notice
    /// that comes from no compliance change is text all the same.
    ComplianceChange,
}

/// The message, within the limit of SNS.
pub fn sns_message(notice: &Notice, format: SnsFormat) -> String {
    let change = notice
        .compliance_change
        .as_ref()
        .filter(|_| format == SnsFormat::ComplianceChange)
        .map(ToString::to_string)
        // Half a JSON document is worth nothing.
        .filter(|change| change.len() <= SNS_MESSAGE_LIMIT);
    let mut message = change.unwrap_or_else(|| text(notice));
    const CUT: &str = "\n[cut: longer than SNS allows]\n";
    if message.len() > SNS_MESSAGE_LIMIT {
        let mut end = SNS_MESSAGE_LIMIT - CUT.len();
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        message.push_str(CUT);
    }
    message
}
