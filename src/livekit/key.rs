//! LiveKit's API keys. Several can be valid at once, so that they can be rotated; a token's `iss` chooses.

use std::fmt;

use jsonwebtoken::{DecodingKey, EncodingKey};
use secrecy::{ExposeSecret, SecretString};

use super::hs256;

/// A shorter secret is taken, with a warning: LiveKit itself complains about it.
pub const WEAK_SECRET_BYTES: usize = 32;

/// A key's name and secret.
#[derive(Clone, Debug)]
pub struct ApiKey {
    name: String,
    secret: SecretString,
}

impl ApiKey {
    /// # Errors
    /// A name or a secret that is empty: HS256 verifies with an empty secret, and then anybody can sign.
    pub fn new(name: &str, secret: &str) -> Result<Self, InvalidKey> {
        if name.is_empty() {
            return Err(InvalidKey::NoName);
        }
        if secret.is_empty() {
            return Err(InvalidKey::NoSecret(name.to_owned()));
        }
        Ok(Self { name: name.to_owned(), secret: secret.into() })
    }

    /// Reads `key: secret` lines as LiveKit's own `LIVEKIT_KEYS` has them. Empty lines are skipped.
    ///
    /// # Errors
    /// The first line that is no `key: secret`.
    pub fn parse_lines(lines: &str) -> Result<Vec<Self>, InvalidKey> {
        lines
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .enumerate()
            .map(|(index, line)| {
                let (name, secret) =
                    line.split_once(':').ok_or(InvalidKey::NoColon { line: index + 1 })?;
                Self::new(name.trim(), secret.trim())
            })
            .collect()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether LiveKit would call the secret too short.
    pub fn is_weak(&self) -> bool {
        self.secret.expose_secret().len() < WEAK_SECRET_BYTES
    }
}

/// Why something is no API key. Never shows a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    #[error("line {line} is not of the form `key: secret`")]
    NoColon { line: usize },
    #[error("a key has no name")]
    NoName,
    #[error("the secret of key `{0}` is empty")]
    NoSecret(String),
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
        hs256::install();
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
    fn keys_are_read_from_lines() {
        let keys = ApiKey::parse_lines("APIone: secret-one\n\n  APItwo:secret:two  \n").unwrap();
        let names: Vec<_> = keys.iter().map(ApiKey::name).collect();
        assert_eq!(names, ["APIone", "APItwo"]);
        assert_eq!(keys[1].secret.expose_secret(), "secret:two");
    }

    #[test]
    fn what_is_no_key_is_refused_without_showing_the_secret() {
        let cases = [
            ("APIone: a\nhunter2", InvalidKey::NoColon { line: 2 }),
            (": hunter2", InvalidKey::NoName),
            ("APIone:", InvalidKey::NoSecret("APIone".into())),
        ];
        for (lines, expected) in cases {
            let error = ApiKey::parse_lines(lines).unwrap_err();
            assert_eq!(error, expected);
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn debug_output_has_no_secret() {
        let keys = ApiKey::parse_lines("APIone: hunter2").unwrap();
        assert!(!format!("{keys:?} {:?}", Keys::new(&keys)).contains("hunter2"));
    }
}
