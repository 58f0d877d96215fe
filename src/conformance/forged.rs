//! Tokens that are wrong on purpose, which no library makes.

use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::livekit::ApiKey;

use super::target::Target;

/// A token by its parts.
#[derive(Clone, Debug)]
pub(super) struct Forged {
    pub header: Value,
    pub claims: Value,
}

impl Forged {
    /// What LiveKit signs for a webhook with this body. As a beginning.
    pub fn of_webhook(target: &Target, body: &[u8]) -> Self {
        Self::of_claims(json!({
            "iss": target.key.name(),
            "nbf": target.now_secs(),
            "exp": target.now_secs() + 300,
            "sha256": BASE64_STANDARD.encode(Sha256::digest(body)),
        }))
    }

    /// A token by which somebody reads a room.
    pub fn of_reader(target: &Target, room: &str) -> Self {
        Self::of_claims(json!({
            "iss": target.key.name(),
            "sub": "conformance",
            "exp": target.now_secs() + 300,
            "video": {"room": room, "roomJoin": true},
        }))
    }

    fn of_claims(claims: Value) -> Self {
        Self { header: json!({ "alg": "HS256", "typ": "JWT" }), claims }
    }

    pub fn claim(mut self, name: &str, value: Value) -> Self {
        self.claims[name] = value;
        self
    }

    pub fn without_claim(mut self, name: &str) -> Self {
        if let Value::Object(claims) = &mut self.claims {
            claims.remove(name);
        }
        self
    }

    pub fn header(mut self, header: Value) -> Self {
        self.header = header;
        self
    }

    /// What a signature is over.
    pub fn unsigned(&self) -> String {
        parts(&self.header.to_string(), &self.claims.to_string())
    }

    /// Signed by HS256, whatever its header says.
    pub fn signed(&self, key: &ApiKey) -> String {
        signed(&self.unsigned(), key)
    }
}

/// The first two parts of a token.
pub(super) fn parts(header: &str, claims: &str) -> String {
    let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}", encode(header), encode(claims))
}

pub(super) fn signed(unsigned: &str, key: &ApiKey) -> String {
    format!("{unsigned}.{}", key.signature(unsigned))
}

/// A key of the same name with another secret.
pub(super) fn key_with_another_secret(key: &ApiKey) -> ApiKey {
    let secret = "conformance-another-secret-0123456789abcdef";
    ApiKey::new(key.name(), secret).expect("a key's name is not empty")
}
