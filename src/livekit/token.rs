//! What every LiveKit token has in common: HS256, signed by one of our keys, valid now.
//!
//! livekit/protocol's `auth/verifier.go`: `iss` names the key, 60 s leeway on `exp` and `nbf`, unknown claims are ignored.

use jsonwebtoken::{
    Algorithm, DecodingKey, Header, crypto, dangerous::insecure_decode_claims, decode_header,
};
use serde::{Deserialize, Serialize};

use super::{key::Keys, object::Object, video_grant::VideoGrant};

/// How far the clocks of signer and verifier may be apart, in seconds.
pub const LEEWAY_SECS: u64 = 60;

/// The headers of nearly all tokens, which need not be read: `{"alg":"HS256","typ":"JWT"}` is LiveKit's.
const PLAIN_HEADERS: [&str; 2] =
    ["eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9"];

/// The claims that matter here, of webhook tokens and of access tokens alike.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Claims {
    pub iss: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// This and `metadata` are written for LiveKit, and say nothing here.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<NumericDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<NumericDate>,
    /// Standard base64 of the SHA-256 of a webhook's body. Only webhook tokens have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video: Option<Object<VideoGrant>>,
}

/// Seconds since the Unix epoch; RFC 7519 allows a fraction.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum NumericDate {
    Whole(u64),
    Fractional(f64),
}

impl NumericDate {
    pub fn as_secs(self) -> u64 {
        match self {
            Self::Whole(secs) => secs,
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "saturates, and cutting the fraction is what is wanted"
            )]
            Self::Fractional(secs) => secs as u64,
        }
    }
}

/// Why a token is not accepted. The texts go to its sender: they say what to mend, and nothing about our keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token is not a JWT signed with HS256 whose claims have the right types")]
    Malformed,
    #[error("the token is signed with an API key that is not configured here")]
    UnknownKey,
    #[error("the token's signature does not fit its API key")]
    BadSignature,
    #[error("the token has expired")]
    Expired,
    #[error("the token has no expiry (`exp`)")]
    NoExpiry,
    #[error("the token is not valid yet; the signer's clock may be ahead")]
    NotYetValid,
    #[error("the token has no body hash (`sha256`), so it is not a webhook's")]
    NotForWebhooks,
    #[error("the token is a webhook's and reads nothing")]
    NotForClients,
}

/// Verifies what both kinds of token share. `now` is in seconds since the Unix epoch.
pub(super) fn verify(token: &str, keys: &Keys, now: u64) -> Result<Claims, TokenError> {
    // Nobody vouches for the claims before the signature is verified with the key that they name.
    let Object(claims): Object<Claims> =
        insecure_decode_claims(token).map_err(|_| TokenError::Malformed)?;
    let key = keys.verifying(&claims.iss).ok_or(TokenError::UnknownKey)?;
    verify_signature(token, key)?;
    let expires_at = claims.exp.ok_or(TokenError::NoExpiry)?.as_secs();
    if now > expires_at.saturating_add(LEEWAY_SECS) {
        return Err(TokenError::Expired);
    }
    if claims.nbf.is_some_and(|nbf| nbf.as_secs() > now + LEEWAY_SECS) {
        return Err(TokenError::NotYetValid);
    }
    Ok(claims)
}

/// What the library's own `decode` does, which reads headers twice and claims three times, and checks times only by the machine's
/// clock.
fn verify_signature(token: &str, key: &DecodingKey) -> Result<(), TokenError> {
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let header = signed.rsplit_once('.').map(|(header, _)| header);
    let is_plain = header.is_some_and(|header| PLAIN_HEADERS.contains(&header));
    if !is_plain && !decode_header(token).is_ok_and(|header| header.alg == Algorithm::HS256) {
        return Err(TokenError::Malformed);
    }
    let verified = crypto::verify(signature, signed.as_bytes(), key, Algorithm::HS256);
    match verified {
        Ok(true) => Ok(()),
        Ok(false) => Err(TokenError::BadSignature),
        Err(_) => Err(TokenError::Malformed),
    }
}

/// Signs with the first key. None if there are no keys.
pub(super) fn sign(mut claims: Claims, keys: &Keys) -> Option<String> {
    let (name, key) = keys.signing()?;
    name.clone_into(&mut claims.iss);
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, key).ok()
}
