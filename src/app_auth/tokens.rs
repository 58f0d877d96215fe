//! The app's own tokens: JWTs whose `sub` is somebody's identity.

use serde::Deserialize;

use crate::{
    jwt::{NotVerified, Signature, TokenHeader, VerifyingKey},
    livekit::{ApiKey, LEEWAY_SECS, NumericDate, Object},
    presence::Identity,
};

use super::{error::AppTokenError, key_cache::Lookup, key_source::KeySource};

/// Who may sign tokens, and for whom they must be.
pub struct AppTokens {
    secrets: Vec<VerifyingKey>,
    public: Option<KeySource>,
    audience: Option<String>,
    issuer: Option<String>,
}

/// Somebody whom the app knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppUser {
    pub identity: Identity,
    pub name: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    name: Option<String>,
    iss: Option<String>,
    aud: Option<Audience>,
    exp: Option<NumericDate>,
    nbf: Option<NumericDate>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn names(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(several) => several.iter().any(|one| one == audience),
        }
    }
}

impl AppTokens {
    /// Where an audience or an issuer is given, every token has to name it.
    pub fn new(
        keys: &[ApiKey],
        public: Option<KeySource>,
        audience: Option<String>,
        issuer: Option<String>,
    ) -> Self {
        let secrets = keys.iter().map(ApiKey::verifying).collect();
        Self { secrets, public, audience, issuer }
    }

    /// Who shows a token at `now`, in seconds since the Unix epoch.
    ///
    /// # Errors
    /// What makes it invalid, or why nobody can tell.
    pub async fn verify(&self, token: &str, now: u64) -> Result<AppUser, AppTokenError> {
        let header = TokenHeader::read(token).ok_or(AppTokenError::Malformed)?;
        let Object(claims): Object<Claims> = match header.signature {
            Signature::Hs256 => self.verify_by_secret(token)?,
            Signature::Rs256 | Signature::Es256 | Signature::EdDsa => {
                let key = self.public_key(&header).await?;
                key.verify(token).map_err(AppTokenError::from)?
            }
        };
        self.check(claims, now)
    }

    /// Its key need not be named: there are few, and each may sign.
    fn verify_by_secret(&self, token: &str) -> Result<Object<Claims>, AppTokenError> {
        let mut error = AppTokenError::UnknownKey;
        for key in &self.secrets {
            match key.verify(token) {
                Ok(claims) => return Ok(claims),
                Err(NotVerified::Signature) => error = AppTokenError::BadSignature,
                Err(NotVerified::Malformed) => return Err(AppTokenError::Malformed),
            }
        }
        Err(error)
    }

    async fn public_key(&self, header: &TokenHeader) -> Result<VerifyingKey, AppTokenError> {
        let source = self.public.as_ref().ok_or(AppTokenError::UnknownKey)?;
        match source.key(header).await {
            Lookup::Known(key) => Ok(key),
            Lookup::Unknown => Err(AppTokenError::UnknownKey),
            Lookup::Away(why) => Err(AppTokenError::KeysAway(why)),
        }
    }

    fn check(&self, claims: Claims, now: u64) -> Result<AppUser, AppTokenError> {
        let expires_at = claims.exp.ok_or(AppTokenError::NoExpiry)?.as_secs();
        if now > expires_at.saturating_add(LEEWAY_SECS) {
            return Err(AppTokenError::Expired);
        }
        if claims.nbf.is_some_and(|nbf| nbf.as_secs() > now + LEEWAY_SECS) {
            return Err(AppTokenError::NotYetValid);
        }
        // RFC 7519, 4.1.3: a token that is for others is not for us, also where none has to name us.
        let is_for_us = match (&claims.aud, &self.audience) {
            (None, None) => true,
            (Some(audience), Some(own)) => audience.names(own),
            (None, Some(_)) | (Some(_), None) => false,
        };
        if !is_for_us {
            return Err(AppTokenError::WrongAudience);
        }
        if self.issuer.is_some() && claims.iss != self.issuer {
            return Err(AppTokenError::WrongIssuer);
        }
        let not_empty = |text: &String| !text.is_empty();
        let identity = claims.sub.filter(not_empty).ok_or(AppTokenError::NoSubject)?;
        Ok(AppUser { identity: Identity::new(identity), name: claims.name.filter(not_empty) })
    }
}

impl From<NotVerified> for AppTokenError {
    fn from(error: NotVerified) -> Self {
        match error {
            NotVerified::Signature => Self::BadSignature,
            NotVerified::Malformed => Self::Malformed,
        }
    }
}
