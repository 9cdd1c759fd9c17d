//! What stands behind the links in a mail: confirm, unsubscribe, acknowledge.
//!
//! A token is an HMAC-SHA256 over what it is for, so nothing is stored, and one link opens nothing
//! else: neither another subscription, nor another purpose, nor the same one after its address
//! changed. It proves that whoever has it got the mail, and nothing more.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

/// The key that tokens are made with. It does not print.
#[derive(Clone)]
pub struct TokenKey(Vec<u8>);

impl TokenKey {
    /// The least bytes of a key: as many as the hash gives (RFC 2104, section 3).
    pub const LEAST_BYTES: usize = 32;

    /// Takes a key. `None`: it is shorter than [`TokenKey::LEAST_BYTES`].
    pub fn new(key: impl Into<Vec<u8>>) -> Option<TokenKey> {
        let key = key.into();
        (key.len() >= TokenKey::LEAST_BYTES).then_some(TokenKey(key))
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(…)")
    }
}

/// What a link does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// Confirms the subscription.
    Confirm,
    /// Ends the subscription.
    Unsubscribe,
    /// Says that the subscriber looks after this finding.
    Acknowledge {
        /// The finding's id.
        finding_id: &'a str,
    },
}

/// Why a token does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not one, or it is for something else.
    #[error("the link is not valid; it may have been cut, or the address has changed since")]
    Invalid,
    /// Its time is over.
    #[error("the link has expired; ask for a new one")]
    Expired,
}

/// The token for a purpose of a subscription at an endpoint, good until `expires`.
pub fn derive(
    key: &TokenKey,
    purpose: Purpose<'_>,
    subscription_id: &str,
    endpoint: &str,
    expires: Option<Timestamp>,
) -> String {
    let expires = expires.map_or(i64::MAX, Timestamp::as_second).to_be_bytes();
    let mac = mac(key, purpose, subscription_id, endpoint, expires);
    let mut bytes = expires.to_vec();
    bytes.extend_from_slice(&mac.finalize().into_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Whether a token is the one for this purpose, subscription and endpoint, and still good. The
/// comparison takes the same time wherever they differ.
pub fn verify(
    key: &TokenKey,
    purpose: Purpose<'_>,
    subscription_id: &str,
    endpoint: &str,
    token: &str,
    now: Timestamp,
) -> Result<(), TokenError> {
    // Eight bytes of time and 32 of HMAC: 54 characters.
    if token.len() > 64 {
        return Err(TokenError::Invalid);
    }
    let bytes = URL_SAFE_NO_PAD
        .decode(token)
        .map_err(|_| TokenError::Invalid)?;
    let Some((expires, tag)) = bytes.split_first_chunk::<8>() else {
        return Err(TokenError::Invalid);
    };
    mac(key, purpose, subscription_id, endpoint, *expires)
        .verify_slice(tag)
        .map_err(|_| TokenError::Invalid)?;
    if i64::from_be_bytes(*expires) <= now.as_second() {
        return Err(TokenError::Expired);
    }
    Ok(())
}

fn mac(
    key: &TokenKey,
    purpose: Purpose<'_>,
    subscription_id: &str,
    endpoint: &str,
    expires: [u8; 8],
) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.0).expect("a key of any length");
    let (purpose, about) = match purpose {
        Purpose::Confirm => ("confirm", ""),
        Purpose::Unsubscribe => ("unsubscribe", ""),
        Purpose::Acknowledge { finding_id } => ("acknowledge", finding_id),
    };
    // With its length before each part, no two sequences of parts are the same bytes.
    for part in [
        "portcullis link 1",
        purpose,
        about,
        subscription_id,
        endpoint,
    ] {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac.update(&expires);
    mac
}
