//! `GET /api/livekit/webhooks[/{id}]`, and dry runs.

use livekit_presence::livekit::VideoGrant;
use serde_json::{Value, json};

use crate::harness::{
    Response, StoreFault, TestApp, WebhookBody, joined, left, published, started, webhook_request,
};

async fn log(app: &TestApp, query: &str) -> Value {
    app.get_as_operator(&format!("/api/livekit/webhooks?{query}")).await.json()
}

/// The newest webhook.
async fn newest(app: &TestApp) -> Value {
    log(app, "limit=1").await["webhooks"][0].clone()
}

async fn opened(app: &TestApp, webhook: &Value) -> Value {
    let id = webhook["id"].as_str().unwrap();
    app.get_as_operator(&format!("/api/livekit/webhooks/{id}")).await.json()
}

async fn ask_dry_run(app: &TestApp, id: &str) -> Response {
    let bearer = format!("Bearer {}", app.list_token());
    let target = format!("/api/livekit/webhooks/{id}/dry-run");
    app.ask("POST", &target, &[("Authorization", &bearer)]).await
}

async fn dry_run(app: &TestApp, webhook: &Value) -> Value {
    let answer = ask_dry_run(app, webhook["id"].as_str().unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn one(identity: &str) -> Value {
    json!({"count": 1, "first": [identity]})
}

fn nobody() -> Value {
    json!({"count": 0, "first": []})
}

#[tokio::test]
async fn the_newest_webhook_comes_first_with_what_it_changed() {
    let app = TestApp::start().await;
    let again = joined("bob");
    app.webhooks([started(), joined("alice"), again.clone(), again, left("alice")]).await;
    let webhooks = log(&app, "").await["webhooks"].clone();
    let summary: Vec<_> = webhooks
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["event"].as_str().unwrap(), one["who"].as_str(), one["outcome"].as_str()))
        .collect();
    assert_eq!(
        summary[..4],
        [
            ("participant_left", Some("alice"), Some("changed")),
            ("participant_joined", Some("bob"), Some("duplicate")),
            ("participant_joined", Some("bob"), Some("changed")),
            ("participant_joined", Some("alice"), Some("changed")),
        ]
    );
    assert_eq!((&webhooks[0]["room"], &webhooks[0]["why"]), (&json!("general"), &Value::Null));
    assert_eq!(webhooks[0]["changed"]["left"], one("alice"));
    assert_eq!(webhooks[2]["changed"]["joined"], one("bob"));
    assert_eq!(webhooks[2]["changed"]["left"], nobody());
}

#[tokio::test]
async fn pages_follow_each_other_and_a_client_that_has_one_gets_304() {
    let app = TestApp::start().await;
    app.webhooks((0..5).map(|number| joined(&format!("user-{number}")))).await;
    let who = |page: &Value| {
        let webhooks = page["webhooks"].as_array().unwrap();
        webhooks.iter().map(|one| one["who"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = log(&app, "limit=3").await;
    assert_eq!(who(&first), ["user-4", "user-3", "user-2"]);
    let next = first["next"].as_str().unwrap();
    let second = log(&app, &format!("limit=3&before={next}")).await;
    assert_eq!(who(&second), ["user-1", "user-0"]);
    assert_eq!((&second["next"], second.get("refused")), (&Value::Null, None));
    let answer = app.get_as_operator("/api/livekit/webhooks?limit=3").await;
    let bearer = format!("Bearer {}", app.list_token());
    let known = [("Authorization", &*bearer), ("If-None-Match", answer.header("etag"))];
    assert_eq!(app.get("/api/livekit/webhooks?limit=3", &known).await.status, 304);
    assert_eq!(app.get("/api/livekit/webhooks?limit=2", &known).await.status, 200);
    app.webhook(joined("user-5")).await;
    assert_eq!(app.get("/api/livekit/webhooks?limit=3", &known).await.status, 200);
}

#[tokio::test]
async fn a_body_is_shown_without_what_is_private() {
    let app = TestApp::start().await;
    let private = json!({"seat": "PRIVATE"});
    app.webhook(joined("alice").metadata("PRIVATE").with("attributes", private)).await;
    let shown = opened(&app, &newest(&app).await).await;
    assert_eq!(shown["body"]["participant"]["identity"], "alice");
    assert_eq!(shown["body"]["participant"]["metadata"], "(7 bytes)");
    assert_eq!(shown["body"]["participant"]["attributes"], json!({"seat": "(7 bytes)"}));
    assert_eq!(shown["body"]["room"]["turnPassword"], "(cut)");
    let text = shown.to_string();
    assert!(!text.contains("PRIVATE") && !text.contains("never-shown"), "{text}");
    app.webhook(joined("bob").metadata(&"x".repeat(20_000))).await;
    let large = newest(&app).await;
    assert_eq!(opened(&app, &large).await["body"]["participant"]["metadata"], "(20000 bytes)");
    assert_eq!(dry_run(&app, &large).await["bodyWasCut"], true);
}

#[tokio::test]
async fn nobody_is_named_whom_the_list_hides() {
    let app = TestApp::start().await;
    let hidden: [WebhookBody; 3] =
        [joined("spy").hidden(), published("spy", "TR_spy"), left("spy").hidden()];
    let egress = br#"{"event":"egress_started","id":"EV_e","egressInfo":{"participant":{"identity":"spy"}}}"#;
    for body in hidden.map(|webhook| webhook.bytes()).into_iter().chain([egress.to_vec()]) {
        assert_eq!(app.send(&app.webhook_request(&body)).await.status, 200);
        let entry = newest(&app).await;
        assert_eq!(entry["who"], Value::Null, "{entry}");
        let opened = opened(&app, &entry).await;
        let played = dry_run(&app, &entry).await;
        assert!(!format!("{opened} {played}").contains("spy"), "{opened} {played}");
    }
}

#[tokio::test]
async fn a_refusal_says_why_and_strangers_push_out_nothing() {
    let app = TestApp::with(&[("LKP__LIMITS__REFUSED_WEBHOOKS_PER_ADDRESS", "0")]).await;
    app.webhook(joined("alice")).await;
    for _ in 0..150 {
        let unsigned = webhook_request("/api/livekit/webhook", &[], b"{\"event\":\"SPAM\"}");
        app.send(&unsigned).await.problem(401);
    }
    let page = log(&app, "").await;
    assert_eq!(page["webhooks"].as_array().unwrap().len(), 1);
    assert_eq!(page["refused"].as_array().unwrap().len(), 1);
    assert_eq!(page["refused"][0]["count"], 150);
    assert_eq!(page["refused"][0]["why"], "a webhook needs LiveKit's token in `Authorization`");
    assert!(!page.to_string().contains("SPAM"));

    app.store.set_fault(StoreFault::Fails);
    app.post(&joined("bob")).await.problem(503);
    app.store.set_fault(StoreFault::None);
    let entry = newest(&app).await;
    assert_eq!((&entry["who"], &entry["outcome"]), (&json!("bob"), &json!("unavailable")));
    assert!(entry["why"].as_str().unwrap().contains("send it again"), "{entry}");
    let body = br#"{"event":"room_started"}"#;
    app.send(&app.webhook_request(body)).await.problem(400);
    let entry = newest(&app).await;
    assert_eq!(entry["why"], "the webhook has no `room`");
    ask_dry_run(&app, entry["id"].as_str().unwrap()).await.problem(409);
    let note = opened(&app, &entry).await["note"].as_str().unwrap().to_owned();
    assert!(note.contains("could not be read as a webhook"), "{note}");
    let token = app.sign(b"{}");
    app.get("/hook", &[("Authorization", &token)]).await;
    let page = log(&app, "").await;
    assert_eq!(page["refused"].as_array().unwrap().len(), 1, "a redirect made it, and no stranger");
    assert_eq!(page["webhooks"][0]["outcome"], "misdirected");
    assert!(page["webhooks"][0]["why"].as_str().unwrap().contains("a redirect"), "{page}");
    let misdirected = joined("carol").bytes();
    let token = app.sign(&misdirected);
    app.send(&webhook_request("/hook", &[("Authorization", &token)], &misdirected)).await;
    let entry = newest(&app).await;
    assert_eq!((&entry["who"], &entry["outcome"]), (&json!("carol"), &json!("misdirected")));
}

#[tokio::test]
async fn a_dry_run_says_what_would_change_and_changes_nothing() {
    let app = TestApp::start().await;
    app.webhooks([started(), joined("alice")]).await;
    let join = newest(&app).await;
    app.store.set_fault(StoreFault::Fails);
    app.post(&joined("bob")).await.problem(503);
    app.store.set_fault(StoreFault::None);
    let lost = newest(&app).await;
    let before = app.participants("general").await;

    let played = dry_run(&app, &lost).await;
    assert_eq!((&played["outcome"], &played["alreadyApplied"]), (&json!("changed"), &json!(false)));
    assert_eq!(played["changed"]["joined"], one("bob"));
    let played = dry_run(&app, &join).await;
    assert_eq!(
        (&played["outcome"], &played["alreadyApplied"]),
        (&json!("unchanged"), &json!(true))
    );
    assert_eq!((&played["changed"], &played["roomKnown"]), (&Value::Null, &json!(true)));

    let after = app.participants("general").await;
    assert_eq!((after.text(), after.header("etag")), (before.text(), before.header("etag")));
    assert_eq!(newest(&app).await["id"], lost["id"], "a dry run is no webhook");
    app.webhook(left("alice")).await;
    assert_eq!(dry_run(&app, &lost).await["changed"]["joined"], one("bob"), "it is played anew");
    app.webhook(joined("bob")).await;
    assert_eq!(app.participants("general").await.json()[0]["identity"], "bob");
}

#[tokio::test]
async fn only_who_may_list_rooms_reads_the_log_and_what_is_not_kept_is_told() {
    let app = TestApp::start().await;
    app.webhook(joined("alice")).await;
    let id = newest(&app).await["id"].as_str().unwrap().to_owned();
    let of_room = VideoGrant { room: "general".into(), room_admin: true, ..VideoGrant::default() };
    let bearer = format!("Bearer {}", app.token_with(of_room, "alice", 60));
    let routes = [
        ("GET", "/api/livekit/webhooks".to_owned()),
        ("GET", format!("/api/livekit/webhooks/{id}")),
        ("POST", format!("/api/livekit/webhooks/{id}/dry-run")),
    ];
    for (method, target) in &routes {
        app.ask(method, target, &[]).await.problem(401);
        let refused = app.ask(method, target, &[("Authorization", &bearer)]).await.problem(403);
        assert!(refused.contains("`roomList`"), "{refused}");
    }
    for target in ["webhooks/none", "webhooks?before=none"] {
        let answer = app.get_as_operator(&format!("/api/livekit/{target}")).await;
        assert!(answer.problem(404).contains("not kept here any more"), "{target}");
    }
    ask_dry_run(&app, "none").await.problem(404);
    app.get_as_operator("/api/livekit/webhooks?limit=0").await.problem(400);
    let get = app.get_as_operator(&routes[2].1).await;
    assert_eq!((get.status, get.header("allow")), (405, "POST"));
}
