//! LiveKit's API keys. Several can be valid at once, so that they can be rotated. A token's `iss` names its key.

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};
use secrecy::{ExposeSecret, SecretString};

use crate::jwt::{self, VerifyingKey};

/// A shorter secret is accepted with a warning, as LiveKit accepts it.
pub const WEAK_SECRET_BYTES: usize = 32;

/// A key's name and secret.
#[derive(Clone, Debug)]
pub struct ApiKey {
    pub(super) name: String,
    pub(super) secret: SecretString,
}

impl ApiKey {
    /// # Errors
    /// The name or the secret is empty. With an empty secret anybody could sign.
    pub fn new(name: &str, secret: &str) -> Result<Self, InvalidKey> {
        if name.is_empty() {
            return Err(InvalidKey::NoName);
        }
        if secret.is_empty() {
            return Err(InvalidKey::NoSecret(name.to_owned()));
        }
        Ok(Self { name: name.to_owned(), secret: secret.into() })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its secret verifies, for tokens that are not LiveKit's.
    pub(crate) fn verifying(&self) -> VerifyingKey {
        VerifyingKey::of_secret(self.secret.expose_secret().as_bytes())
    }

    /// The signature of a text by HS256, for tokens that are wrong on purpose: the library makes none.
    pub(crate) fn signature(&self, signed: &str) -> String {
        jwt::install();
        let key = EncodingKey::from_secret(self.secret.expose_secret().as_bytes());
        crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).unwrap_or_default()
    }

    /// Whether both have the same secret, so that a holder of one can sign with the other.
    pub fn has_secret_of(&self, other: &Self) -> bool {
        self.secret.expose_secret() == other.secret.expose_secret()
    }

    /// Compares its secret, which nothing outside can read.
    #[cfg(test)]
    pub(crate) fn has_secret(&self, secret: &str) -> bool {
        self.secret.expose_secret() == secret
    }

    /// Whether LiveKit would call the secret too short.
    pub fn is_weak(&self) -> bool {
        self.secret.expose_secret().len() < WEAK_SECRET_BYTES
    }
}

/// Why an API key cannot be read. Never shows a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    #[error("line {line} is not of the form `key: secret`")]
    NoColon { line: usize },
    #[error("a key has no name")]
    NoName,
    #[error("the secret of key `{0}` is empty")]
    NoSecret(String),
    #[error(
        "line {line} has no space after its colon, so LiveKit does not read it as a key and its secret"
    )]
    NoSpace { line: usize },
    #[error(
        "LiveKit reads the secret of key `{0}` as a number, a date, a switch or a collection instead of text, and drops the key"
    )]
    NotAText(String),
    #[error("line {line} is not YAML as LiveKit reads it, or is not a key and its secret")]
    NotYaml { line: usize },
}

impl InvalidKey {
    /// Tells the operator what to do.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::NotAText(_) => "put quotes around it: `key: \"secret\"`",
            _ => "write `key: secret`, one per line",
        }
    }
}

/// The keys that are valid now.
#[derive(Clone)]
pub struct Keys(Vec<ReadyKey>);

#[derive(Clone)]
struct ReadyKey {
    name: String,
    signing: EncodingKey,
    verifying: DecodingKey,
}

impl Keys {
    /// The first key signs what this process signs.
    pub fn new(keys: &[ApiKey]) -> Self {
        jwt::install();
        let ready = keys.iter().map(|key| {
            let secret = key.secret.expose_secret().as_bytes();
            ReadyKey {
                name: key.name.clone(),
                signing: EncodingKey::from_secret(secret),
                verifying: DecodingKey::from_secret(secret),
            }
        });
        Self(ready.collect())
    }

    pub(super) fn verifying(&self, name: &str) -> Option<&DecodingKey> {
        self.0.iter().find(|key| key.name == name).map(|key| &key.verifying)
    }

    /// Whether a key of this name is among them.
    pub fn contain(&self, name: &str) -> bool {
        self.verifying(name).is_some()
    }

    /// The name of the key that signs.
    pub fn signing_name(&self) -> Option<&str> {
        self.0.first().map(|key| key.name.as_str())
    }

    /// The name and the secret of the key that signs.
    pub(super) fn signing(&self) -> Option<(&str, &EncodingKey)> {
        self.0.first().map(|key| (key.name.as_str(), &key.signing))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_has_no_secret() {
        let keys = ApiKey::parse_lines("APIone: hunter2").unwrap();
        assert!(!format!("{keys:?} {:?}", Keys::new(&keys)).contains("hunter2"));
    }
}
