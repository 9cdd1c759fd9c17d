//! Signatures of webhooks, after the Standard Webhooks specification (standardwebhooks.com, "Signature
//! scheme"): HMAC-SHA256 over id, time and body, so that a receiver can tell that it is from here, is
//! whole, and is not an old one sent again.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use thiserror::Error;

use crate::secret::Secret;

/// A key that webhooks are signed with. It does not print.
#[derive(Clone)]
pub struct SigningKey(Vec<u8>);

/// Why a secret is not a signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// It is not Base64, with or without the prefix.
    #[error("a signing key is `whsec_` and Base64, such as `openssl rand -base64 32` makes")]
    NotBase64,
    /// It is too short or too long.
    #[error("a signing key has 24 to 64 bytes; this one has {0}")]
    Size(usize),
}

impl SigningKey {
    /// Reads a key: Base64 of 24 to 64 bytes, mostly with `whsec_` before it.
    pub fn parse(secret: &Secret) -> Result<SigningKey, KeyError> {
        let text = secret.expose().trim();
        let text = text.strip_prefix("whsec_").unwrap_or(text);
        let key = STANDARD.decode(text).map_err(|_| KeyError::NotBase64)?;
        if !(24..=64).contains(&key.len()) {
            return Err(KeyError::Size(key.len()));
        }
        Ok(SigningKey(key))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// The value of `webhook-signature`: one signature for each key, so that a receiver can change from one
/// to the next while both are in use.
pub fn signature(keys: &[SigningKey], id: &str, at: Timestamp, body: &[u8]) -> String {
    let signatures: Vec<String> = keys
        .iter()
        .map(|key| {
            #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
            let mut mac = Hmac::<Sha256>::new_from_slice(&key.0).expect("a key of any length");
            mac.update(id.as_bytes());
            mac.update(b".");
            mac.update(at.as_second().to_string().as_bytes());
            mac.update(b".");
            mac.update(body);
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        })
        .collect();
    signatures.join(" ")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// The example of the specification, "Signature scheme" (its reference libraries test the same).
    #[test]
    fn the_specification_s_example_comes_out() {
        let key =
            SigningKey::parse(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        let at = Timestamp::from_second(1_614_265_330).unwrap();
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            signature(&[key], "msg_p5jXN8AQM9LWM0D4loKWxJek", at, body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn several_keys_sign_beside_each_other() {
        let key = |byte: u8| SigningKey::parse(&Secret::new(STANDARD.encode([byte; 32]))).unwrap();
        let at = Timestamp::UNIX_EPOCH;
        let both = signature(&[key(1), key(2)], "n-1", at, b"{}");
        let (one, two) = both.split_once(' ').unwrap();
        assert_eq!(one, signature(&[key(1)], "n-1", at, b"{}"));
        assert_eq!(two, signature(&[key(2)], "n-1", at, b"{}"));
        assert_ne!(one, two);
        assert_ne!(one, signature(&[key(1)], "n-2", at, b"{}"));
        assert_eq!(signature(&[], "n-1", at, b"{}"), "");
    }

    #[test]
    fn what_is_no_key_is_said_without_it() {
        for (text, wrong) in [
            ("hunter2!", KeyError::NotBase64),
            ("whsec_aGVsbG8=", KeyError::Size(5)),
            ("", KeyError::Size(0)),
        ] {
            assert_eq!(SigningKey::parse(&Secret::new(text)).unwrap_err(), wrong);
        }
        let key = SigningKey::parse(&Secret::new(STANDARD.encode([7; 32]))).unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey(…)");
    }
}
