//! Tokens: what is not signed opens nothing, and what is signed opens no more than its claims say.
//!
//! The input is a token as it comes, and also, where it has two lines, a JOSE header and claims that are then signed.
#![no_main]

use std::sync::LazyLock;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use livekit_presence::{
    livekit::{AccessToken, ApiKey, Keys, LEEWAY_SECS, WebhookToken},
    presence::RoomName,
};
use serde_json::Value;
use sha2::Sha256;

const NOW: u64 = 1_795_391_850;
const KEY: &str = "APIfuzz";
const SECRET: &str = "known-to-nobody-who-writes-inputs";

static KEYS: LazyLock<Keys> =
    LazyLock::new(|| Keys::new(&[ApiKey::new(KEY, SECRET).expect("it is a key")]));
static GENERAL: LazyLock<RoomName> =
    LazyLock::new(|| RoomName::parse("general").expect("it is a name"));

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    opens_nothing(text);
    if let Some((header, claims)) = text.split_once('\n') {
        opens_nothing(&sign(header, claims, "another-secret"));
        opens_what_it_says(header, claims);
    }
});

fn opens_nothing(token: &str) {
    assert!(AccessToken::verify(token, &KEYS, NOW).is_err(), "{token}");
    assert!(WebhookToken::verify(token, &KEYS, NOW).is_err(), "{token}");
}

fn opens_what_it_says(header: &str, claims: &str) {
    let token = sign(header, claims, SECRET);
    let webhook = WebhookToken::verify(&token, &KEYS, NOW);
    let Ok(access) = AccessToken::verify(&token, &KEYS, NOW) else { return };
    assert!(webhook.is_err(), "a client's token is no webhook's");
    // What is ignored may be beyond this parser, such as 1e999.
    let (Ok(header), Ok(claims)) = (parse(header), parse(claims)) else { return };
    assert!(!header.is_object() || header["alg"] == "HS256", "{header}");
    assert_eq!(claims["iss"], KEY);
    assert_eq!(claims["sha256"], Value::Null);
    let leeway = LEEWAY_SECS as f64 + 1.0;
    let expires_at = claims["exp"].as_f64().expect("an accepted token expires");
    assert!(expires_at + leeway > NOW as f64, "{claims}");
    assert!(claims["nbf"].as_f64().is_none_or(|nbf| nbf < NOW as f64 + leeway), "{claims}");
    let video = &claims["video"];
    assert!(video.is_object() || video.is_null(), "{video}");
    let room = video["room"].as_str().unwrap_or_default();
    let has = |right: &str| video[right] == true;
    let may_list = has("roomList") || has("roomAdmin") && room.is_empty();
    let may_read = may_list || room == "general" && (has("roomJoin") || has("roomAdmin"));
    assert_eq!((access.may_list(), access.may_read(&GENERAL)), (may_list, may_read), "{video}");
}

fn parse(json: &str) -> serde_json::Result<Value> {
    serde_json::from_str(json)
}

/// Signs with HS256, whatever the header says.
fn sign(header: &str, claims: &str, secret: &str) -> String {
    let encode = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(part);
    let message = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length is fit");
    mac.update(message.as_bytes());
    format!("{message}.{}", encode(&mac.finalize().into_bytes()))
}
