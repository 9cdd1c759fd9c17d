//! Ids that follow from what they name: the same thing has the same id, however often it is made.

use sha2::{Digest, Sha256};

/// An id in the form of a UUID (RFC 9562, "UUID Version 8": the bits are the application's own), taken
/// from the SHA-256 of a text. Whoever makes one begins the text with what it is an id of.
///
/// ```
/// let id = compliance::stable_id::uuid("portcullis example 1\nbackups\n");
/// assert_eq!(id.len(), 36);
/// assert_eq!(&id[14..15], "8");
/// ```
pub fn uuid(of: &str) -> String {
    uuid_of(Sha256::digest(of).as_slice())
}

/// The same from the first sixteen bytes of a digest.
pub(crate) fn uuid_of(digest: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in digest.iter().take(16).enumerate() {
        let byte = match index {
            6 => (byte & 0x0f) | 0x80,
            8 => (byte & 0x3f) | 0x80,
            _ => *byte,
        };
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
