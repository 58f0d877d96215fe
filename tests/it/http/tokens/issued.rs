//! The token that comes back, and the request's body.

use livekit_presence::{livekit::AccessToken, presence::RoomName};
use serde_json::json;

use crate::harness::{AppSigner, TestApp};

use super::{APP_SECRET, TOKEN, URL, app_token, ask, claims, in_secs, post, with_app_keys};

fn bearer(identity: &str) -> String {
    format!("Bearer {}", app_token(identity))
}

#[tokio::test]
async fn a_token_is_signed_by_livekits_key_and_grants_no_more_than_to_look() {
    let app = with_app_keys(&[]).await;
    let answer = ask(&app, &app_token("alice"), "general").await;
    let issued = answer.json();
    assert_eq!((&issued["url"], &issued["identity"]), (&json!(URL), &json!("alice")));
    assert_eq!(issued.get("role"), None);
    let claims = claims(&answer);
    // The names of livekit/protocol's auth/grants.go.
    assert_eq!(
        claims["video"],
        json!({
            "room": "general", "roomJoin": true, "roomAdmin": false, "roomList": false,
            "canPublish": false, "canSubscribe": true, "canPublishData": false,
            "canUpdateOwnMetadata": false,
        })
    );
    assert_eq!((&claims["sub"], &claims["iss"]), (&json!("alice"), &json!("APItest")));
    let life = claims["exp"].as_u64().unwrap() - in_secs(0);
    assert!((598..=600).contains(&life), "{life}");
    let shown = humantime::parse_rfc3339(issued["expiresAt"].as_str().unwrap()).unwrap();
    let shown = shown.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(json!(shown), claims["exp"]);
    // The same token opens the room's list here.
    let token = issued["token"].as_str().unwrap();
    let token = AccessToken::verify(token, app.keys(), in_secs(0)).unwrap();
    assert!(token.may_read(&RoomName::parse("general").unwrap()) && !token.may_list());
    assert!(!token.may_moderate(&RoomName::parse("general").unwrap()));
}

#[tokio::test]
async fn names_of_every_kind_come_through_whole() {
    let app = with_app_keys(&[]).await;
    for identity in [
        "a/b",
        "../..",
        "Ünïcödé",
        "🚪👩‍👩‍👧",
        "a\"b\\c",
        "{shared}",
        "a b+c%2F",
        "0",
        &"long".repeat(200),
    ] {
        let answer = ask(&app, &app_token(identity), "Zimmer 7/🚪").await;
        assert_eq!(claims(&answer)["sub"], json!(identity));
        assert_eq!(claims(&answer)["video"]["room"], "Zimmer 7/🚪");
        assert_eq!(answer.json()["identity"], json!(identity));
    }
}

#[tokio::test]
async fn a_name_is_the_apps_or_else_ones_own_and_metadata_comes_along() {
    let app = with_app_keys(&[]).await;
    let body = json!({"room": "general", "name": "Queen Alice", "metadata": "{\"seat\":7}"});
    let own = post(&app, &[("Authorization", &bearer("alice"))], &body.to_string()).await;
    let own = claims(&own);
    assert_eq!((&own["name"], &own["metadata"]), (&body["name"], &body["metadata"]));
    let named = json!({"sub": "alice", "name": "Alice A.", "exp": in_secs(60)});
    let named = AppSigner::secret(APP_SECRET).sign(None, &named);
    let of_the_app = [("Authorization", &*format!("Bearer {named}"))];
    let of_the_app = post(&app, &of_the_app, &body.to_string()).await;
    assert_eq!(claims(&of_the_app)["name"], "Alice A.");
    let nameless = claims(&ask(&app, &app_token("alice"), "general").await);
    assert_eq!((nameless.get("name"), nameless.get("metadata")), (None, None));
}

#[tokio::test]
async fn what_is_granted_by_default_can_be_set() {
    let app =
        with_app_keys(&[("LKP__TOKENS__DEFAULT_GRANTS", "microphone, camera subscribe")]).await;
    let video = claims(&ask(&app, &app_token("alice"), "general").await)["video"].clone();
    assert_eq!((&video["canPublish"], &video["roomAdmin"]), (&json!(true), &json!(false)));
    assert_eq!(video["canPublishSources"], json!(["camera", "microphone"]));
}

#[tokio::test]
async fn a_body_that_says_something_else_is_refused_with_what_is_wrong() {
    let app = with_app_keys(&[]).await;
    let authorization = bearer("alice");
    let long = format!(r#"{{"room":"{}"}}"#, "x".repeat(513));
    let cases = [
        ("", "missing field `room`"),
        ("{}", "missing field `room`"),
        ("[\"general\"]", "must be a JSON object"),
        ("{\"room\":\"general\"", "not what this route takes"),
        (r#"{"room":""}"#, "empty"),
        (r#"{"room":"a\u0007"}"#, "control"),
        (&long, "512"),
        (r#"{"room":7}"#, "invalid type"),
        (r#"{"room":"general","name":7}"#, "invalid type"),
        (r#"{"room":"general","identity":"bob"}"#, "unknown field `identity`"),
        (r#"{"room":"general","grants":["publish"]}"#, "unknown field `grants`"),
        (r#"{"room":"general","room":"other"}"#, "duplicate field `room`"),
    ];
    for (body, wrong) in cases {
        let answer = post(&app, &[("Authorization", &authorization)], body).await;
        let problem = answer.problem(400);
        assert!(problem.contains(wrong), "{body}: {problem}");
    }
    let huge = json!({"room": "general", "metadata": "x".repeat(1 << 20)}).to_string();
    post(&app, &[("Authorization", &authorization)], &huge).await.problem(413);
    // Who may not ask is told that first.
    assert_eq!(post(&app, &[], "{").await.status, 401);
}

#[tokio::test]
async fn a_token_that_was_issued_gets_no_other_token() {
    let app = with_app_keys(&[]).await;
    let issued = ask(&app, &app_token("alice"), "general").await.json();
    let again = ask(&app, issued["token"].as_str().unwrap(), "other").await;
    assert_eq!(again.problem(401), "the token's signature does not fit any key for it");
}

#[tokio::test]
async fn for_development_anybody_may_say_who_they_are() {
    let settings = [("LKP__TOKENS__INSECURE", "true"), ("LKP__TOKENS__URL", "ws://localhost:7880")];
    let app = TestApp::with(&settings).await;
    let answer = app.get(&format!("{TOKEN}?room=general&username=a%2Fb%20%F0%9F%9A%AA"), &[]).await;
    let claims = claims(&answer);
    assert_eq!((&claims["sub"], &claims["name"]), (&json!("a/b 🚪"), &json!("a/b 🚪")));
    assert_eq!(claims["video"]["roomJoin"], true);
    assert_eq!(answer.json()["url"], "ws://localhost:7880");
    for (target, wrong) in [
        ("?username=alice", "name a room"),
        ("?room=general", "say who you are"),
        ("?room=general&username=", "say who you are"),
        ("?room=general&username=a&username=b", "give `username` once"),
        ("?room=general&username=%FF", "`username` is not UTF-8"),
    ] {
        let problem = app.get(&format!("{TOKEN}{target}"), &[]).await.problem(400);
        assert!(problem.contains(wrong), "{target}: {problem}");
    }
    // By POST nobody may.
    let refused = post(&app, &[], r#"{"room":"general"}"#).await;
    assert!(refused.problem(404).starts_with("no tokens are issued here"));
}
