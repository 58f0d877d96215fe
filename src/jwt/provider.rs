//! The cryptography of `jsonwebtoken`: HS256 by `hmac`, and the signatures of public keys by `ring`, which TLS has brought along. All other
//! algorithms are refused.

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result},
};

use super::{hs256::Hs256, public_key::PublicKey};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| signer(*algorithm, key),
    verifier_factory: |algorithm, key| verifier(*algorithm, key),
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes this the provider of the process.
pub fn install() {
    let _ = PROVIDER.install_default();
}

/// Nothing is signed here but for LiveKit, which knows only HS256.
fn signer(algorithm: Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    if key.family() != AlgorithmFamily::Hmac {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    Ok(Box::new(Hs256::new(algorithm, key.as_bytes())?))
}

fn verifier(algorithm: Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    // The token names the algorithm. If a public key could be the secret of HS256, everybody who knows it could sign.
    if key.family() != algorithm.family() {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    match key.family() {
        AlgorithmFamily::Hmac => Ok(Box::new(Hs256::new(algorithm, key.try_get_as_bytes()?)?)),
        AlgorithmFamily::Rsa | AlgorithmFamily::Ec | AlgorithmFamily::Ed => {
            Ok(Box::new(PublicKey::new(algorithm, key)?))
        }
    }
}
