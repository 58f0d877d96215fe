//! A client's access token: who its holder is to LiveKit, and which rooms they may read here.

use crate::presence::RoomName;

use super::{
    key::Keys,
    object::Object,
    token::{self, Claims, LEEWAY_SECS, NumericDate, TokenError},
    video_grant::VideoGrant,
};

/// A verified access token.
#[derive(Clone, Debug)]
pub struct AccessToken {
    issuer: String,
    identity: Option<String>,
    expires_at: u64,
    video: VideoGrant,
}

impl AccessToken {
    /// Verifies a token at `now`, in seconds since the Unix epoch.
    ///
    /// # Errors
    /// What makes it invalid. A webhook's token is refused too, although the same keys sign it.
    pub fn verify(token: &str, keys: &Keys, now: u64) -> Result<Self, TokenError> {
        let claims = token::verify(token, keys, now)?;
        if claims.sha256.is_some() {
            return Err(TokenError::NotForClients);
        }
        let not_empty = |text: &String| !text.is_empty();
        Ok(Self {
            issuer: claims.iss,
            identity: claims.sub.filter(not_empty).or_else(|| claims.jti.filter(not_empty)),
            expires_at: claims.exp.map_or(0, NumericDate::as_secs),
            video: claims.video.map(|Object(video)| video).unwrap_or_default(),
        })
    }

    /// Signs a token with the first key. None if there are no keys.
    pub fn sign(identity: &str, video: VideoGrant, expires_at: u64, keys: &Keys) -> Option<String> {
        let claims = Claims {
            sub: Some(identity.to_owned()),
            exp: Some(NumericDate::Whole(expires_at)),
            video: Some(Object(video)),
            ..Claims::default()
        };
        token::sign(claims, keys)
    }

    /// Whether the holder may see who is in `room`. A `roomJoin` that names no room opens none here, although LiveKit lets its
    /// holder join any.
    pub fn may_read(&self, room: &RoomName) -> bool {
        self.may_list() || self.room() == Some(room.as_str())
    }

    /// The one room that the holder may see, if it is one.
    pub fn room(&self) -> Option<&str> {
        (self.video.room_join || self.video.room_admin).then_some(self.video.room.as_str())
    }

    /// Whether the holder may see all rooms.
    pub fn may_list(&self) -> bool {
        self.video.room_list || self.video.room_admin && self.video.room.is_empty()
    }

    /// Whether the holder may see who was in `room`. Being allowed to join does not tell of the past.
    pub fn may_read_past(&self, room: &RoomName) -> bool {
        self.may_list() || self.video.room_admin && self.video.room == room.as_str()
    }

    /// Whether the holder may change what is kept of people in all rooms.
    pub fn may_erase(&self) -> bool {
        self.video.room_admin && self.video.room.is_empty()
    }

    /// Whether the holder may act on `room` and those in it. As for LiveKit, the token must name this room
    /// (`pkg/service/auth.go`).
    pub fn may_moderate(&self, room: &RoomName) -> bool {
        self.video.room_admin && self.video.room == room.as_str()
    }

    /// The name of the key that signed it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The key that signed it, and the identity of its holder, which is unique under that key.
    pub fn holder(&self) -> Option<(&str, &str)> {
        self.identity.as_deref().map(|identity| (self.issuer.as_str(), identity))
    }

    /// When a stream that was opened with this token at `now` must end, in seconds since the Unix epoch: when the token expires,
    /// or, if it has expired already, when the leeway ends.
    pub fn ends_at(&self, now: u64) -> u64 {
        if now < self.expires_at { self.expires_at } else { self.expires_at + LEEWAY_SECS }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::livekit::key::ApiKey;

    const NOW: u64 = 1_795_391_850;

    fn keys() -> Keys {
        Keys::new(&ApiKey::parse_lines("APIone: secret-one\nAPItwo: secret-two").unwrap())
    }

    /// A token as another program makes it.
    fn jwt(algorithm: jsonwebtoken::Algorithm, secret: &str, claims: &Value) -> String {
        keys();
        let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&jsonwebtoken::Header::new(algorithm), claims, &key).unwrap()
    }

    fn hs256(secret: &str, claims: &Value) -> String {
        jwt(jsonwebtoken::Algorithm::HS256, secret, claims)
    }

    fn verify(token: &str) -> Result<AccessToken, TokenError> {
        AccessToken::verify(token, &keys(), NOW)
    }

    #[test]
    fn the_issuer_chooses_the_key() {
        for (name, secret) in [("APIone", "secret-one"), ("APItwo", "secret-two")] {
            let token = hs256(secret, &json!({"iss": name, "exp": NOW, "sub": "alice"}));
            assert_eq!(verify(&token).unwrap().holder(), Some((name, "alice")));
        }
    }

    #[test]
    fn an_error_names_what_is_wrong_with_a_token() {
        let ok = json!({"iss": "APIone", "exp": NOW + 60});
        let with = |name: &str, value: Value| {
            let mut claims = ok.clone();
            claims[name] = value;
            hs256("secret-one", &claims)
        };
        let none =
            "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJpc3MiOiJBUElvbmUiLCJleHAiOjk5OTk5OTk5OTl9.";
        let cases = [
            (String::new(), TokenError::Malformed),
            ("a.b.c".into(), TokenError::Malformed),
            (none.into(), TokenError::Malformed),
            (with("iss", json!("APIthree")), TokenError::UnknownKey),
            (with("iss", Value::Null), TokenError::Malformed),
            (with("iss", json!("APItwo")), TokenError::BadSignature),
            (with("exp", json!(NOW - 61)), TokenError::Expired),
            (with("exp", Value::Null), TokenError::NoExpiry),
            (with("exp", json!("soon")), TokenError::Malformed),
            (with("nbf", json!(NOW + 61)), TokenError::NotYetValid),
            (with("sha256", json!("abc")), TokenError::NotForClients),
        ];
        for (token, expected) in cases {
            assert_eq!(verify(&token).err(), Some(expected), "{token}");
        }
    }

    // Serde's derive reads a struct from an array of its fields too.
    #[test]
    fn an_array_is_never_taken_for_claims_or_a_grant() {
        let claims = [
            json!(["APIone", "alice", null, NOW, null, null, null]),
            json!({"iss": "APIone", "exp": NOW, "video": ["general", true, true, true]}),
            json!({"iss": "APIone", "exp": NOW, "video": []}),
        ];
        for claims in claims {
            let token = hs256("secret-one", &claims);
            assert_eq!(verify(&token).err(), Some(TokenError::Malformed), "{claims}");
        }
    }

    #[test]
    fn clocks_may_be_a_minute_apart_and_unknown_claims_are_ignored() {
        let claims = json!({
            "iss": "APIone", "exp": NOW - 60, "nbf": NOW + 60, "aud": "somebody", "video": null,
            "roomConfig": {"x": [1]}, "kind": "standard",
        });
        assert!(verify(&hs256("secret-one", &claims)).is_ok());
        let fractional = json!({"iss": "APIone", "exp": 1_795_391_850.75});
        assert!(verify(&hs256("secret-one", &fractional)).is_ok());
    }

    #[test]
    fn a_token_reads_the_room_it_joins_or_administers_and_lists_only_with_the_right() {
        let general = RoomName::parse("general").unwrap();
        let cases = [
            (json!({"room": "general", "roomJoin": true}), true, false),
            (json!({"room": "general", "roomAdmin": true}), true, false),
            (json!({"room": "general"}), false, false),
            (json!({"room": "other", "roomJoin": true}), false, false),
            (json!({"roomJoin": true}), false, false),
            (json!({"room": "", "roomAdmin": true}), true, true),
            (json!({"roomList": true}), true, true),
            (json!({"room": null, "roomList": null}), false, false),
            (json!({"canPublish": false, "hidden": true}), false, false),
            (Value::Null, false, false),
        ];
        for (video, may_read, may_list) in cases {
            let claims = json!({"iss": "APIone", "exp": NOW, "video": video});
            let token = verify(&hs256("secret-one", &claims)).unwrap();
            assert_eq!(
                (token.may_read(&general), token.may_list()),
                (may_read, may_list),
                "{video}"
            );
        }
    }

    #[test]
    fn the_past_of_a_room_is_read_by_its_admin_and_erased_by_the_admin_of_all() {
        let general = RoomName::parse("general").unwrap();
        let cases = [
            (json!({"room": "general", "roomJoin": true}), false, false),
            (json!({"room": "general", "roomAdmin": true}), true, false),
            (json!({"room": "other", "roomAdmin": true}), false, false),
            (json!({"room": "", "roomAdmin": true}), true, true),
            (json!({"roomList": true}), true, false),
            (json!({"room": "general", "roomList": true, "roomAdmin": true}), true, false),
            (json!({"room": "general"}), false, false),
            (json!({}), false, false),
        ];
        for (video, may_read, may_erase) in cases {
            let claims = json!({"iss": "APIone", "exp": NOW, "video": video});
            let token = verify(&hs256("secret-one", &claims)).unwrap();
            assert_eq!(
                (token.may_read_past(&general), token.may_erase()),
                (may_read, may_erase),
                "{video}"
            );
        }
    }

    #[test]
    fn a_stream_ends_at_the_expiry_or_with_the_leeway() {
        let ends_at = |exp: u64| {
            let claims = json!({"iss": "APIone", "exp": exp});
            verify(&hs256("secret-one", &claims)).unwrap().ends_at(NOW)
        };
        assert_eq!(ends_at(NOW + 10), NOW + 10);
        assert_eq!(ends_at(NOW - 10), NOW + 50);
    }
}
