//! Secrets: where they come from, and that they do not print.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// A secret. It neither prints nor formats.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret.
    pub fn new(secret: impl Into<String>) -> Secret {
        Secret(secret.into())
    }

    /// The secret, for the one who uses it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where a secret is: `env:NAME` or `file:PATH`, so that a configuration file never holds one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file; a line feed at its end does not count.
    File(PathBuf),
}

/// Why there is no secret.
#[derive(Debug, Error)]
pub enum SecretError {
    /// It is not written as a source. What is written may be the secret itself, so it is not said.
    #[error(
        "a secret is written as `env:NAME` (an environment variable) or `file:PATH`, never itself"
    )]
    NotASource,
    /// The variable is not set, empty, or not text.
    #[error("the environment variable {name} is not set, or is empty")]
    Env {
        /// The variable.
        name: String,
    },
    /// The file cannot be read.
    #[error("the secret cannot be read from {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file has nothing in it, or too much.
    #[error("the file {path} is empty, or longer than 64 KiB: not a secret")]
    Size {
        /// The file.
        path: PathBuf,
    },
}

impl FromStr for SecretSource {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<SecretSource, SecretError> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(SecretSource::Env(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(SecretSource::File(path.into())),
            _ => Err(SecretError::NotASource),
        }
    }
}

impl SecretSource {
    /// Reads the secret. Call it again to get one that was rotated.
    pub fn read(&self) -> Result<Secret, SecretError> {
        match self {
            SecretSource::Env(name) => match std::env::var(name) {
                Ok(value) if !value.is_empty() => Ok(Secret(value)),
                _ => Err(SecretError::Env { name: name.clone() }),
            },
            SecretSource::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|source| SecretError::File {
                    path: path.clone(),
                    source,
                })?;
                let text = text.trim_end_matches(['\n', '\r']);
                if text.is_empty() || text.len() > 64 * 1024 {
                    return Err(SecretError::Size { path: path.clone() });
                }
                Ok(Secret(text.to_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_secret_comes_from_elsewhere_and_does_not_print() {
        let path = std::env::temp_dir().join(format!("portcullis-secret-{}", std::process::id()));
        std::fs::write(&path, "hunter2\n").unwrap();
        let source: SecretSource = format!("file:{}", path.display()).parse().unwrap();
        let secret = source.read().unwrap();
        assert_eq!(secret.expose(), "hunter2");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(source.read(), Err(SecretError::Size { .. })));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(source.read(), Err(SecretError::File { .. })));
        let unset: SecretSource = "env:PORTCULLIS_TEST_NEVER_SET".parse().unwrap();
        assert!(matches!(unset.read(), Err(SecretError::Env { .. })));
        for wrong in ["hunter2", "env:", "file:", "https://hunter2", ""] {
            let error = wrong.parse::<SecretSource>().unwrap_err();
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
