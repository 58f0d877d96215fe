//! LiveKit's tokens, signed here and not by the code that is tested.

use std::time::{Duration, SystemTime};

use jsonwebtoken::{EncodingKey, Header};
use livekit_presence::livekit::{ApiKey, Keys};
use serde_json::{Value, json};

use super::livekit_server::Key;

const LIFE: Duration = Duration::from_hours(6);

/// Signs `claims`, and adds the issuer and the times of validity.
pub fn sign(key: Key, mut claims: Value) -> String {
    // Installs the process's HS256.
    let _ = Keys::new(&[ApiKey::new(key.name(), key.secret()).unwrap()]);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    claims["iss"] = json!(key.name());
    claims["nbf"] = json!(now.as_secs() - 10);
    claims["exp"] = json!((now + LIFE).as_secs());
    let secret = EncodingKey::from_secret(key.secret().as_bytes());
    jsonwebtoken::encode(&Header::default(), &claims, &secret).unwrap()
}
