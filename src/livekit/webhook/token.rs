//! A webhook's token: a signature over the hash of its body.

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    livekit::{
        key::Keys,
        token::{self, Claims, NumericDate, TokenError},
    },
    presence::HostTime,
};

use super::body::{MalformedWebhook, Webhook};

/// A webhook's token lives this long (`webhook/resource_url_notifier.go` of livekit/protocol).
const TOKEN_LIFE_SECS: u64 = 300;

/// A verified `Authorization` header: somebody with one of our keys vouches for a body with this hash.
#[derive(Clone, Debug)]
pub struct WebhookToken {
    key_name: String,
    sha256: [u8; 32],
}

impl WebhookToken {
    /// Verifies the value of `Authorization` at `now`, in seconds since the Unix epoch. LiveKit sends the raw JWT. Some proxies
    /// put `Bearer ` before it, which is accepted too.
    ///
    /// # Errors
    /// What makes the token invalid. A client's access token is refused too, because it has no body hash.
    pub fn verify(authorization: &str, keys: &Keys, now: u64) -> Result<Self, TokenError> {
        let token = match authorization.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => authorization,
        };
        let claims = token::verify(token, keys, now)?;
        let sha256 = claims.sha256.ok_or(TokenError::NotForWebhooks)?;
        let sha256 = BASE64_STANDARD.decode(sha256).map_err(|_| TokenError::Malformed)?;
        let sha256 = sha256.try_into().map_err(|_| TokenError::Malformed)?;
        Ok(Self { key_name: claims.iss, sha256 })
    }

    /// The name of the key that signed it.
    pub fn key_name(&self) -> &str {
        &self.key_name
    }

    /// Signs a body with the first key, as LiveKit does. None if there are no keys.
    pub fn sign(body: &[u8], keys: &Keys, now: u64) -> Option<String> {
        let claims = Claims {
            exp: Some(NumericDate::Whole(now + TOKEN_LIFE_SECS)),
            nbf: Some(NumericDate::Whole(now)),
            sha256: Some(BASE64_STANDARD.encode(Sha256::digest(body))),
            ..Claims::default()
        };
        token::sign(claims, keys)
    }

    /// Compares the body with the hash, in constant time.
    ///
    /// # Errors
    /// The body is not the one that was signed.
    pub fn vouch_for(self, body: &[u8]) -> Result<VerifiedWebhook<'_>, BodyMismatch> {
        let digest: [u8; 32] = Sha256::digest(body).into();
        if bool::from(digest.ct_eq(&self.sha256)) {
            Ok(VerifiedWebhook { body })
        } else {
            Err(BodyMismatch)
        }
    }
}

/// The body is not the one whose hash was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the body is not the one that was signed; something between LiveKit and here may have changed it"
)]
pub struct BodyMismatch;

/// A body that LiveKit signed. Only [`WebhookToken::vouch_for`] makes one, and [`Self::kept`] one that it once made.
#[derive(Clone, Copy, Debug)]
pub struct VerifiedWebhook<'body> {
    body: &'body [u8],
}

impl<'body> VerifiedWebhook<'body> {
    /// A body that [`WebhookToken::vouch_for`] let pass when it arrived, and that was kept since, perhaps with less in it.
    pub fn kept(body: &'body [u8]) -> Self {
        Self { body }
    }

    /// Reads the body. `received_at` is when it arrived, for measurements.
    ///
    /// # Errors
    /// [`MalformedWebhook`] says what is missing. Unknown events, fields and enum members are no error.
    pub fn parse(&self, received_at: HostTime) -> Result<Webhook, MalformedWebhook> {
        Webhook::parse(self.body, received_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::livekit::{AccessToken, ApiKey, VideoGrant};

    const NOW: u64 = 1_795_391_850;

    fn keys() -> Keys {
        Keys::new(&ApiKey::parse_lines("APIone: secret-one").unwrap())
    }

    #[test]
    fn a_signed_body_is_vouched_for_and_no_other() {
        let token = WebhookToken::sign(b"{}", &keys(), NOW).unwrap();
        for authorization in [token.clone(), format!("Bearer {token}"), format!("bearer  {token}")]
        {
            let verified = WebhookToken::verify(&authorization, &keys(), NOW).unwrap();
            assert!(verified.clone().vouch_for(b"{}").is_ok());
            assert_eq!(verified.vouch_for(b"{} ").err(), Some(BodyMismatch));
        }
        let basic = format!("Basic {token}");
        assert!(WebhookToken::verify(&basic, &keys(), NOW).is_err());
    }

    #[test]
    fn a_token_lives_five_minutes_and_the_leeway() {
        let token = WebhookToken::sign(b"{}", &keys(), NOW).unwrap();
        assert!(WebhookToken::verify(&token, &keys(), NOW + 360).is_ok());
        let late = WebhookToken::verify(&token, &keys(), NOW + 361);
        assert_eq!(late.err(), Some(TokenError::Expired));
    }

    #[test]
    fn a_clients_token_is_refused_as_a_webhooks() {
        let token = AccessToken::sign("alice", VideoGrant::default(), NOW + 60, &keys()).unwrap();
        let verified = WebhookToken::verify(&token, &keys(), NOW);
        assert_eq!(verified.err(), Some(TokenError::NotForWebhooks));
    }

    #[test]
    fn a_hash_must_be_standard_base64_with_padding() {
        let digest = Sha256::digest(b"4");
        let standard = BASE64_STANDARD.encode(digest);
        let wrong = [
            base64::prelude::BASE64_STANDARD_NO_PAD.encode(digest),
            base64::prelude::BASE64_URL_SAFE.encode(digest),
            "4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a".to_owned(),
            BASE64_STANDARD.encode(b"short"),
        ];
        assert!(standard.contains('/') || standard.contains('+'), "or url-safe would be the same");
        for sha256 in wrong {
            let claims = Claims {
                exp: Some(NumericDate::Whole(NOW)),
                sha256: Some(sha256),
                ..Claims::default()
            };
            let token = token::sign(claims, &keys()).unwrap();
            let verified = WebhookToken::verify(&token, &keys(), NOW);
            assert_eq!(verified.err(), Some(TokenError::Malformed));
        }
    }
}
