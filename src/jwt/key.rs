//! A key with the one algorithm that it is for.

use std::collections::HashSet;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode_header, errors::ErrorKind};
use serde::de::DeserializeOwned;

use super::provider::install;

/// RSA keys of fewer bytes are not safe, and more would only take time.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;
/// The coordinates of points on both curves.
const POINT_BYTES: usize = 32;

/// The algorithms that are known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signature {
    Hs256,
    Rs256,
    Es256,
    EdDsa,
}

impl Signature {
    fn of(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::HS256 => Some(Self::Hs256),
            Algorithm::RS256 => Some(Self::Rs256),
            Algorithm::ES256 => Some(Self::Es256),
            Algorithm::EdDSA => Some(Self::EdDsa),
            _ => None,
        }
    }

    fn algorithm(self) -> Algorithm {
        match self {
            Self::Hs256 => Algorithm::HS256,
            Self::Rs256 => Algorithm::RS256,
            Self::Es256 => Algorithm::ES256,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }
}

/// What a token says about its signature. Nobody vouches for it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenHeader {
    pub signature: Signature,
    pub key_id: Option<String>,
}

impl TokenHeader {
    /// None if this is no token, or is signed in a way that is not known here.
    pub fn read(token: &str) -> Option<Self> {
        let header = decode_header(token).ok()?;
        // RFC 7515, 4.1.11: who does not know what a token calls critical must refuse it.
        if header.crit.is_some() {
            return None;
        }
        Some(Self { signature: Signature::of(header.alg)?, key_id: header.kid })
    }
}

/// Verifies tokens of one algorithm.
#[derive(Clone)]
pub struct VerifyingKey {
    signature: Signature,
    key: DecodingKey,
}

/// Why a key does not vouch for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotVerified {
    /// Another key has signed it, or nobody.
    Signature,
    /// It is no token of this key's algorithm, or its claims have other types.
    Malformed,
}

impl VerifyingKey {
    pub fn of_secret(secret: &[u8]) -> Self {
        Self::new(Signature::Hs256, DecodingKey::from_secret(secret))
    }

    /// None for a key that is too small or too large.
    pub fn of_rsa(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        // Some programs write a zero before a modulus whose first bit is set, and `ring` takes none.
        let [modulus, exponent] = [modulus, exponent].map(|number| {
            let zeros = number.iter().take_while(|byte| **byte == 0).count();
            &number[zeros..]
        });
        let is_fit = RSA_BYTES.contains(&modulus.len()) && (1..=8).contains(&exponent.len());
        let key = || DecodingKey::from_rsa_raw_components(modulus, exponent);
        is_fit.then(|| Self::new(Signature::Rs256, key()))
    }

    /// None for what is no point of P-256.
    pub fn of_p256(x: &[u8], y: &[u8]) -> Option<Self> {
        let is_fit = x.len() == POINT_BYTES && y.len() == POINT_BYTES;
        // SEC 1, 2.3.3: an uncompressed point.
        let point = [&[4], x, y].concat();
        is_fit.then(|| Self::new(Signature::Es256, DecodingKey::from_ec_der(&point)))
    }

    /// None for what is no point of Ed25519.
    pub fn of_ed25519(x: &[u8]) -> Option<Self> {
        let is_fit = x.len() == POINT_BYTES;
        is_fit.then(|| Self::new(Signature::EdDsa, DecodingKey::from_ed_der(x)))
    }

    fn new(signature: Signature, key: DecodingKey) -> Self {
        install();
        Self { signature, key }
    }

    pub fn signature(&self) -> Signature {
        self.signature
    }

    /// The claims of a token that this key has signed. Whether the token is valid now, and for us, is the caller's to check.
    ///
    /// # Errors
    /// This key does not vouch for it.
    pub fn verify<C: DeserializeOwned>(&self, token: &str) -> Result<C, NotVerified> {
        let mut validation = Validation::new(self.signature.algorithm());
        validation.required_spec_claims = HashSet::new();
        validation.validate_exp = false;
        validation.validate_aud = false;
        match jsonwebtoken::decode::<C>(token, &self.key, &validation) {
            Ok(token) => Ok(token.claims),
            Err(error) if *error.kind() == ErrorKind::InvalidSignature => {
                Err(NotVerified::Signature)
            }
            Err(_) => Err(NotVerified::Malformed),
        }
    }
}
