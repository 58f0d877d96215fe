//! A token with which somebody joins a room (`auth/grants.go` of livekit/protocol).

use crate::presence::Identity;

use super::{
    key::Keys,
    object::Object,
    token::{self, Claims, NumericDate},
    video_grant::VideoGrant,
};

/// Who joins, as others see them, and what they may.
#[derive(Clone, Debug)]
pub struct JoinToken<'token> {
    pub identity: &'token Identity,
    pub name: Option<&'token str>,
    pub metadata: Option<&'token str>,
    pub video: VideoGrant,
    /// In seconds since the Unix epoch.
    pub expires_at: u64,
}

impl JoinToken<'_> {
    /// Signs with the first key. None if there are no keys.
    pub fn sign(self, keys: &Keys) -> Option<String> {
        let claims = Claims {
            sub: Some(self.identity.as_str().to_owned()),
            name: self.name.map(str::to_owned),
            metadata: self.metadata.map(str::to_owned),
            exp: Some(NumericDate::Whole(self.expires_at)),
            video: Some(Object(self.video)),
            ..Claims::default()
        };
        token::sign(claims, keys)
    }
}
