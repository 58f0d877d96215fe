//! The app's keys, and the server that has them: rotated, away, or doing what no server should.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{AppReply, AppServer, AppSigner, TestApp, eventually};

use super::{AUDIENCE, URL, ask, in_secs};

fn claims() -> Value {
    json!({"sub": "alice", "exp": in_secs(300), "aud": AUDIENCE})
}

fn set(keys: &[Value]) -> AppReply {
    AppReply::Json(200, json!({ "keys": keys }))
}

async fn service(jwks_url: &str, settings: &[(&str, &str)]) -> TestApp {
    let own = [
        ("LKP__TOKENS__JWKS_URL", jwks_url),
        ("LKP__TOKENS__AUDIENCE", AUDIENCE),
        ("LKP__TOKENS__URL", URL),
        ("LKP__TOKENS__PER_MINUTE", "0"),
    ];
    TestApp::with(&[&own, settings].concat()).await
}

#[tokio::test]
async fn however_many_ask_at_once_the_keys_are_fetched_once() {
    let signer = AppSigner::ed25519();
    let jwks = AppServer::start(AppReply::Hangs).await;
    let app = service(&jwks.url(), &[]).await;
    let token = signer.sign(Some("first"), &claims());
    let asking = join_all((0..20).map(|_| ask(&app, &token, "general")));
    let answering = async {
        eventually("the keys to be fetched", async || !jwks.asked().is_empty()).await;
        jwks.replies(set(&[signer.jwk("first")]));
    };
    let (answers, ()) = tokio::join!(asking, answering);
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(ask(&app, &token, "general").await.status, 200);
    assert_eq!(jwks.asked().len(), 1);
    assert!(jwks.asked()[0].head.starts_with("GET /who HTTP/1.1\r\n"));
    assert!(jwks.asked()[0].values("authorization").is_empty());
}

#[tokio::test]
async fn a_rotated_key_counts_at_once_and_made_up_ones_cost_one_request() {
    let (old, new) = (AppSigner::p256(), AppSigner::p256());
    let jwks = AppServer::start(set(&[old.jwk("old")])).await;
    let app = service(&jwks.url(), &[]).await;
    assert_eq!(ask(&app, &old.sign(Some("old"), &claims()), "general").await.status, 200);
    jwks.replies(set(&[new.jwk("new")]));
    assert_eq!(ask(&app, &new.sign(Some("new"), &claims()), "general").await.status, 200);
    let gone = ask(&app, &old.sign(Some("old"), &claims()), "general").await;
    assert_eq!(gone.problem(401), "the token is signed with a key that is not known here");
    for number in 0..20 {
        let id = format!("made-up-{number}");
        assert_eq!(ask(&app, &new.sign(Some(&id), &claims()), "general").await.status, 401);
    }
    assert_eq!(jwks.asked().len(), 2);
    assert_eq!(app.metric("app_key_fetches_total{outcome=\"ok\"}").await, 2.0);
}

#[tokio::test]
async fn a_server_that_does_not_give_its_keys_lets_nobody_in() {
    let signer = AppSigner::ed25519();
    let keys = json!({"keys": [signer.jwk("first")]}).to_string();
    // What a redirect leads to would let somebody in.
    let inside = AppServer::start(set(&[signer.jwk("first")])).await;
    let location = format!("location: {}\r\n", inside.url()).leak();
    let many = vec![json!({"kty": "RSA", "n": "A".repeat(1000)}); 600];
    let faults = [
        AppReply::Hangs,
        AppReply::Endless,
        AppReply::Text(302, location, keys.clone()),
        AppReply::Text(307, location, String::new()),
        AppReply::Text(500, "", keys.clone()),
        AppReply::Text(404, "", keys),
        AppReply::Text(200, "", "<html>".to_owned()),
        AppReply::Text(200, "", "[]".to_owned()),
        set(&many),
    ];
    for fault in faults {
        let shown = format!("{fault:?}").chars().take(100).collect::<String>();
        let jwks = AppServer::start(fault).await;
        let app = service(&jwks.url(), &[("LKP__TOKENS__TIMEOUT", "300ms")]).await;
        let answer = ask(&app, &signer.sign(Some("first"), &claims()), "general").await;
        let problem = answer.problem(503);
        assert_eq!(problem, "the app's keys cannot be fetched at the moment; ask again", "{shown}");
        assert_eq!(answer.header("retry-after"), "2");
        assert_eq!(app.metric("app_key_fetches_total{outcome=\"failed\"}").await, 1.0, "{shown}");
    }
    assert!(inside.asked().is_empty(), "no redirect is followed");
    let nobody = service("http://127.0.0.1:9/", &[]).await;
    ask(&nobody, &signer.sign(Some("first"), &claims()), "general").await.problem(503);
}

#[tokio::test]
async fn keys_that_are_held_go_on_counting_while_their_server_is_away() {
    let signer = AppSigner::rsa();
    let jwks = AppServer::start(set(&[signer.jwk("first")])).await;
    let app = service(&jwks.url(), &[]).await;
    let token = signer.sign(Some("first"), &claims());
    assert_eq!(ask(&app, &token, "general").await.status, 200);
    jwks.replies(AppReply::Text(500, "", String::new()));
    let unknown = AppSigner::p256().sign(Some("second"), &claims());
    let unknown = ask(&app, &unknown, "general").await;
    assert_eq!(unknown.problem(401), "the token is signed with a key that is not known here");
    assert_eq!(jwks.asked().len(), 2);
    assert_eq!(ask(&app, &token, "general").await.status, 200);
}

#[tokio::test]
async fn a_secret_lets_in_beside_keys_that_cannot_be_fetched() {
    let jwks = AppServer::start(AppReply::Text(500, "", String::new())).await;
    let app = service(&jwks.url(), &[("LKP__TOKENS__KEYS", super::APP_KEYS)]).await;
    let token = AppSigner::secret(super::APP_SECRET).sign(None, &claims());
    assert_eq!(ask(&app, &token, "general").await.status, 200);
    assert!(jwks.asked().is_empty());
}
