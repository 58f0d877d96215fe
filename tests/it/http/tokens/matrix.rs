//! Everything that somebody could show, and what it gets them.

use livekit_presence::livekit::{AccessToken, ApiKey, Keys, VideoGrant};
use serde_json::{Value, json};

use crate::harness::{AppReply, AppServer, AppSigner, TestApp};

use super::{APP_KEYS, APP_SECRET, AUDIENCE, TOKEN, URL, ask, in_secs, post};

const READER: &str = "APIreader: secret-of-readers-0123456789abcdef";
const ISSUER: &str = "https://login.example.com";

/// What an app's token says when nothing is wrong with it.
fn right() -> Value {
    json!({
        "sub": "alice", "exp": in_secs(300), "nbf": in_secs(-10), "aud": AUDIENCE, "iss": ISSUER,
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut claims = right();
    claims[field] = value;
    claims
}

fn without(field: &str) -> Value {
    let mut claims = right();
    claims.as_object_mut().unwrap().remove(field);
    claims
}

/// The keys of an app, and the set that has their public ones.
struct AppKeys {
    secret: AppSigner,
    rsa: AppSigner,
    p256: AppSigner,
    ed25519: AppSigner,
}

impl AppKeys {
    fn new() -> Self {
        Self {
            secret: AppSigner::secret(APP_SECRET),
            rsa: AppSigner::rsa(),
            p256: AppSigner::p256(),
            ed25519: AppSigner::ed25519(),
        }
    }

    fn set(&self) -> Value {
        let mut encrypting = self.rsa.jwk("enc");
        encrypting["use"] = json!("enc");
        let mut pss = self.rsa.jwk("pss");
        pss["alg"] = json!("PS256");
        json!({"keys": [
            self.rsa.jwk("rsa"), self.p256.jwk("p256"), self.ed25519.jwk("ed25519"), encrypting, pss,
            {"kty": "oct", "kid": "oct", "k": "c2VjcmV0LW9mLXRoZS1qd2tzLTAxMjM0NTY3ODlhYmNkZWY"},
        ]})
    }
}

async fn service(jwks: &AppServer) -> TestApp {
    TestApp::with(&[
        ("LKP__TOKENS__KEYS", APP_KEYS),
        ("LKP__TOKENS__JWKS_URL", &jwks.url()),
        ("LKP__TOKENS__AUDIENCE", AUDIENCE),
        ("LKP__TOKENS__ISSUER", ISSUER),
        ("LKP__TOKENS__URL", URL),
        ("LKP__TOKENS__PER_MINUTE", "0"),
        ("LKP__AUTH__KEYS", READER),
    ])
    .await
}

const OK: (u16, &str) = (200, "");
const NO_TOKEN: (u16, &str) = (401, "a token of the app is needed, as `Authorization: Bearer`");
const MALFORMED: (u16, &str) = (
    401,
    "the token is not a JWT signed with HS256, RS256, ES256 or EdDSA whose claims have the right types",
);
const UNKNOWN_KEY: (u16, &str) = (401, "the token is signed with a key that is not known here");
const BAD_SIGNATURE: (u16, &str) = (401, "the token's signature does not fit any key for it");
const EXPIRED: (u16, &str) = (401, "the token has expired");
const NO_EXPIRY: (u16, &str) = (401, "the token has no expiry (`exp`)");
const NOT_YET: (u16, &str) = (401, "the token is not valid yet; the signer's clock may be ahead");
const NOBODY: (u16, &str) = (401, "the token names nobody (`sub`)");
const NOT_FOR_US: (u16, &str) = (401, "the token is not for this service (`aud`)");
const OTHER_ISSUER: (u16, &str) = (401, "the token is not of the issuer that counts here (`iss`)");

/// What is wrong with a token's claims, whoever signed it.
fn wrong_claims() -> Vec<(&'static str, Value, (u16, &'static str))> {
    vec![
        ("nothing", right(), OK),
        ("several audiences", with("aud", json!(["others", AUDIENCE])), OK),
        ("just expired", with("exp", json!(in_secs(-30))), OK),
        ("a fraction", with("exp", json!(in_secs(300) as f64 + 0.5)), OK),
        ("expired", with("exp", json!(in_secs(-61))), EXPIRED),
        ("expired before time began", with("exp", json!(-1)), EXPIRED),
        ("not yet valid", with("nbf", json!(in_secs(90))), NOT_YET),
        ("no expiry", without("exp"), NO_EXPIRY),
        ("null expiry", with("exp", Value::Null), NO_EXPIRY),
        ("an expiry in words", with("exp", json!("never")), MALFORMED),
        ("no audience", without("aud"), NOT_FOR_US),
        ("another audience", with("aud", json!("https://other.example.com")), NOT_FOR_US),
        ("no audience in the list", with("aud", json!([])), NOT_FOR_US),
        ("an audience of numbers", with("aud", json!([7])), MALFORMED),
        ("no issuer", without("iss"), OTHER_ISSUER),
        ("another issuer", with("iss", json!("https://evil.example.com")), OTHER_ISSUER),
        ("nobody", without("sub"), NOBODY),
        ("an empty name", with("sub", json!("")), NOBODY),
        ("a number for a name", with("sub", json!(7)), MALFORMED),
        ("a list for claims", json!(["alice"]), MALFORMED),
        ("text for claims", json!("alice"), MALFORMED),
    ]
}

/// What a token is, the token, and what it gets.
type Row = (&'static str, String, (u16, &'static str));

/// No tokens, and those that are for something else.
fn for_something_else(app: &TestApp) -> Vec<Row> {
    let video = VideoGrant { room: "general".into(), room_join: true, ..VideoGrant::default() };
    let reader = Keys::new(&ApiKey::parse_lines(READER).unwrap());
    let read_only = AccessToken::sign("alice", video, in_secs(300), &reader).unwrap();
    vec![
        ("garbage", "garbage".into(), MALFORMED),
        ("dots", "..".into(), MALFORMED),
        ("five parts", "a.b.c.d.e".into(), MALFORMED),
        ("a token of LiveKit", app.token("general", 300), BAD_SIGNATURE),
        ("an operator's", app.list_token(), BAD_SIGNATURE),
        ("a token of auth.keys", read_only, BAD_SIGNATURE),
    ]
}

/// Tokens that nobody has signed, or that were changed since.
fn without_a_signature(keys: &AppKeys) -> Vec<Row> {
    let none = |algorithm: &str| AppSigner::None.sign_with(&json!({"alg": algorithm}), &right());
    let rsa = keys.rsa.sign(Some("rsa"), &right());
    let others = keys.rsa.sign(Some("rsa"), &with("sub", json!("mallory")));
    let (ours, others): (Vec<_>, Vec<_>) = (rsa.split('.').collect(), others.split('.').collect());
    vec![
        ("alg none", none("none"), MALFORMED),
        ("alg None", none("None"), MALFORMED),
        ("HS256 without a signature", none("HS256"), BAD_SIGNATURE),
        ("RS256 without a signature", format!("{}.{}.", ours[0], ours[1]), BAD_SIGNATURE),
        ("another's claims", [ours[0], others[1], ours[2]].join("."), BAD_SIGNATURE),
        ("another's header", [&*none("none"), ours[1], ours[2]].join("."), MALFORMED),
    ]
}

/// Secrets that everybody knows.
fn with_a_public_secret(keys: &AppKeys) -> Vec<Row> {
    let with = |secret: &str, id| AppSigner::secret(secret).sign(Some(id), &right());
    let field = |key: &AppSigner, field: &str| key.jwk("x")[field].as_str().unwrap().to_owned();
    let published = "secret-of-the-jwks-0123456789abcdef";
    vec![
        ("a modulus", with(&field(&keys.rsa, "n"), "rsa"), BAD_SIGNATURE),
        ("a point", with(&field(&keys.p256, "x"), "p256"), BAD_SIGNATURE),
        ("a whole public key", with(&keys.rsa.jwk("rsa").to_string(), "rsa"), BAD_SIGNATURE),
        ("a secret in the key set", with(published, "oct"), BAD_SIGNATURE),
        ("no secret", with("", "rsa"), BAD_SIGNATURE),
    ]
}

/// Keys that are for another algorithm, for something else, or for nobody here.
fn with_another_key(keys: &AppKeys) -> Vec<Row> {
    let ours = right();
    let sign_as = |key: &AppSigner, algorithm: &str, id: &str| {
        key.sign_with(&json!({"alg": algorithm, "kid": id}), &ours)
    };
    let own_key = json!({"alg": "ES256", "jwk": keys.p256.jwk("p256")});
    let critical = json!({"alg": "RS256", "kid": "rsa", "crit": ["b64"], "b64": false});
    vec![
        ("ES256 with an RSA key", sign_as(&keys.p256, "ES256", "rsa"), UNKNOWN_KEY),
        ("RS256 with a point", sign_as(&keys.rsa, "RS256", "p256"), UNKNOWN_KEY),
        ("EdDSA with P-256", sign_as(&keys.ed25519, "EdDSA", "p256"), UNKNOWN_KEY),
        ("RS256 in EdDSA's name", sign_as(&keys.rsa, "EdDSA", "ed25519"), BAD_SIGNATURE),
        ("a key for encryption", keys.rsa.sign(Some("enc"), &ours), UNKNOWN_KEY),
        ("a key for PS256", keys.rsa.sign(Some("pss"), &ours), UNKNOWN_KEY),
        ("PS256", sign_as(&keys.rsa, "PS256", "pss"), MALFORMED),
        ("RS512", sign_as(&keys.rsa, "RS512", "rsa"), MALFORMED),
        ("HS512", sign_as(&keys.secret, "HS512", "x"), MALFORMED),
        ("another key of its kind", AppSigner::p256().sign(Some("p256"), &ours), BAD_SIGNATURE),
        ("an unknown key", keys.ed25519.sign(Some("rotated"), &ours), UNKNOWN_KEY),
        ("its own key", AppSigner::p256().sign_with(&own_key, &ours), BAD_SIGNATURE),
        ("something critical", keys.rsa.sign_with(&critical, &ours), MALFORMED),
    ]
}

/// Checks an answer to a token, and that GET gives nobody anything.
async fn answers(app: &TestApp, name: &str, token: &str, (status, sentence): (u16, &str)) {
    let answer = ask(app, token, "general").await;
    if status == 200 {
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    } else {
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        assert_eq!(answer.problem(status), sentence, "{name}");
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"livekit-presence\"");
        assert!(!answer.text().contains("eyJ"), "{name}: no token is shown");
    }
    let bearer = format!("Bearer {token}");
    let target = format!("{TOKEN}?room=general&username=alice");
    let by_get = app.get(&target, &[("Authorization", &bearer)]).await;
    assert!(by_get.problem(404).starts_with("ask for a token by POST"), "{name}");
}

#[tokio::test]
async fn every_token_that_somebody_could_show_gets_its_answer() {
    let keys = AppKeys::new();
    let jwks = AppServer::start(AppReply::Json(200, keys.set())).await;
    let app = service(&jwks).await;
    for signer in [&keys.secret, &keys.rsa, &keys.p256, &keys.ed25519] {
        let id = match signer {
            AppSigner::Rsa(_) => Some("rsa"),
            AppSigner::P256(_) => Some("p256"),
            AppSigner::Ed25519(_) => Some("ed25519"),
            AppSigner::Secret(_) | AppSigner::None => None,
        };
        for (name, claims, expected) in wrong_claims() {
            let name = format!("{} {name}", signer.algorithm());
            answers(&app, &name, &signer.sign(id, &claims), expected).await;
        }
    }
    let others = [
        for_something_else(&app),
        without_a_signature(&keys),
        with_a_public_secret(&keys),
        with_another_key(&keys),
    ];
    for (name, token, expected) in others.concat() {
        answers(&app, name, &token, expected).await;
    }
    // An unknown key has the set fetched once more, however many there are.
    assert_eq!(jwks.asked().len(), 2);
}

#[tokio::test]
async fn who_shows_nothing_that_counts_gets_nothing() {
    let keys = AppKeys::new();
    let jwks = AppServer::start(AppReply::Json(200, keys.set())).await;
    let app = service(&jwks).await;
    let right = keys.secret.sign(None, &right());
    let body = r#"{"room":"general"}"#;
    let cookie = format!("session={right}");
    let nothing: [&[(&str, &str)]; 5] = [
        &[],
        &[("Authorization", "Bearer")],
        &[("Authorization", "Basic YWxpY2U6c2VjcmV0")],
        &[("Authorization", &right)],
        &[("Cookie", &cookie)],
    ];
    for headers in nothing {
        let answer = post(&app, headers, body).await;
        assert_eq!((answer.status, &*answer.problem(401)), NO_TOKEN, "{headers:?}");
    }
    let in_the_address = format!("{TOKEN}?access_token={right}");
    let answer = app.ask("POST", &in_the_address, &[("Content-Length", "0")]).await;
    assert_eq!(answer.problem(401), NO_TOKEN.1);
    assert!(jwks.asked().is_empty(), "nobody's key was looked for");
    let both = [
        ("Authorization", "Basic YWxpY2U6c2VjcmV0"),
        ("Authorization", &*format!("bEARER  {right}")),
    ];
    assert_eq!(post(&app, &both, body).await.status, 200, "a proxy's password is passed over");
}

#[tokio::test]
async fn no_token_is_issued_where_nothing_says_who_asks() {
    let app = TestApp::start().await;
    let token = AppSigner::secret(APP_SECRET).sign(None, &right());
    for token in [token, app.list_token()] {
        let refused = ask(&app, &token, "general").await.problem(404);
        assert!(refused.starts_with("no tokens are issued here: set `tokens.keys`"), "{refused}");
    }
    let by_get = app.get(&format!("{TOKEN}?room=general&username=alice"), &[]).await;
    assert!(by_get.problem(404).starts_with("ask for a token by POST"));
    for method in ["PUT", "DELETE", "PATCH"] {
        let answer = app.ask(method, TOKEN, &[("Content-Length", "0")]).await;
        assert_eq!(answer.status, 405, "{method}");
    }
}
