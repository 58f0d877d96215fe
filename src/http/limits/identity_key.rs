//! Whose streams, or tokens, are counted together.

use std::fmt;

use sha2::{Digest, Sha256};

/// A short key for the holder of a token: identities can be long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::http) struct IdentityKey([u8; 16]);

impl IdentityKey {
    pub fn of(issuer: &str, identity: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update((issuer.len() as u64).to_le_bytes());
        hash.update(issuer);
        hash.update(identity);
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        Self(key)
    }
}

/// As it can stand in the name of something.
impl fmt::Display for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_in_letters_and_digits() {
        let key = IdentityKey::of("", "a/b {c} 🚪").to_string();
        assert_eq!(key.len(), 32);
        assert!(key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
    }

    #[test]
    fn an_identity_is_its_issuers_own() {
        assert_ne!(IdentityKey::of("a", "bc"), IdentityKey::of("ab", "c"));
    }
}
