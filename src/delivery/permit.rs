//! What a connection holds until it is closed.

use std::{fmt, sync::Arc};

/// Gives permits, and takes them back.
pub trait PermitIssuer: Send + Sync {
    /// The holder of permit `key` is gone.
    fn take_back(&self, key: u32);

    /// Whether the stream that holds permit `key` has to end.
    fn is_revoked(&self, key: u32) -> bool;
}

/// Counts its holder until it is dropped. Only the issuer knows what it counts. A permit is a number, so that ten thousand
/// holders need no allocation each.
pub struct Permit {
    /// None once it was let go.
    issuer: Option<Arc<dyn PermitIssuer>>,
    key: u32,
}

impl Permit {
    pub fn new(issuer: Arc<dyn PermitIssuer>, key: u32) -> Self {
        Self { issuer: Some(issuer), key }
    }

    /// Unique among the permits that are held now.
    pub fn key(&self) -> u32 {
        self.key
    }

    pub fn is_revoked(&self) -> bool {
        self.issuer.as_ref().is_some_and(|issuer| issuer.is_revoked(self.key))
    }

    /// Leaves the permit to its issuer, who takes it back without being told. Returns its key.
    pub fn let_go(mut self) -> u32 {
        self.issuer = None;
        self.key
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({})", self.key)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(issuer) = &self.issuer {
            issuer.take_back(self.key);
        }
    }
}
