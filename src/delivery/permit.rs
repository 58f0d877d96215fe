//! What a connection holds until it is closed.

use std::{fmt, sync::Arc};

/// Gives permits, and takes them back.
pub trait PermitIssuer: Send + Sync {
    /// The holder of permit `key` is gone.
    fn take_back(&self, key: u32);

    /// Whether the holder of permit `key` has to end.
    fn is_revoked(&self, key: u32) -> bool;
}

/// Counts its holder until it is dropped. The issuer knows for what; here it is a number, so that ten thousand holders
/// cost no allocation each.
pub struct Permit {
    given_by: Arc<dyn PermitIssuer>,
    key: u32,
}

impl Permit {
    pub fn new(given_by: Arc<dyn PermitIssuer>, key: u32) -> Self {
        Self { given_by, key }
    }

    /// Its number; no other that is held has the same.
    pub fn key(&self) -> u32 {
        self.key
    }

    pub fn is_revoked(&self) -> bool {
        self.given_by.is_revoked(self.key)
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({})", self.key)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.given_by.take_back(self.key);
    }
}
