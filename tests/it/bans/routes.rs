//! What the routes answer, and what followers are told.

use serde_json::{Value, json};

use crate::harness::{PROCESS_KEYS, Process, TestApp, eventually, joined, started};

use super::{admin_of, ask, moderate, token, with_api};

#[tokio::test]
async fn a_ban_is_answered_listed_replaced_and_lifted() {
    let (app, _livekit) = with_api(&[]).await;
    let target = "bans/d%C3%A9%2Fja%20%F0%9F%9A%AA";
    let body = r#"{"until": "2126-12-01T00:00:00Z", "reason": "spam"}"#;
    let banned = moderate(&app, "PUT", target, body).await;
    assert_eq!(banned.status, 200, "{}", banned.text());
    let mut answer = banned.json();
    let banned_at = answer.as_object_mut().unwrap().remove("bannedAt").unwrap();
    assert!(banned_at.as_str().unwrap().ends_with('Z'), "{banned_at}");
    assert_eq!(
        answer,
        json!({
            "identity": "dé/ja 🚪", "until": "2126-12-01T00:00:00.000Z", "reason": "spam",
            "by": "moderator", "removed": true,
        })
    );
    assert_eq!(moderate(&app, "PUT", "bans/alice", "").await.status, 200);
    let list = moderate(&app, "GET", "bans", "").await.json();
    let told = |one: &Value| (one["identity"].clone(), one["until"].clone());
    let bans: Vec<_> = list["bans"].as_array().unwrap().iter().map(told).collect();
    assert_eq!(
        bans,
        [(json!("alice"), Value::Null), (json!("dé/ja 🚪"), json!("2126-12-01T00:00:00.000Z")),]
    );
    assert!(list["bans"][0].get("reason").is_none() && list["bans"][0].get("removed").is_none());

    let replaced = moderate(&app, "PUT", target, r#"{"until": null}"#).await.json();
    assert_eq!((&replaced["until"], replaced.get("reason")), (&Value::Null, None));
    assert_eq!(moderate(&app, "DELETE", target, "").await.status, 204);
    moderate(&app, "DELETE", target, "").await.problem(404);
    assert_eq!(moderate(&app, "DELETE", "bans/alice", "").await.status, 204);
    assert_eq!(moderate(&app, "GET", "bans", "").await.json(), json!({"bans": []}));
}

#[tokio::test]
async fn a_body_that_is_none_is_refused_with_a_sentence_that_helps() {
    let (app, _livekit) = with_api(&[]).await;
    let long = format!(r#"{{"reason": "{}"}}"#, "x".repeat(1_025));
    let cases = [
        (r#"{"until": "2020-01-01T00:00:00Z"}"#, "is over"),
        (r#"{"until": "2126-12-01"}"#, "RFC 3339"),
        (r#"{"until": "4900000000000"}"#, "RFC 3339"),
        (r#"{"until": "tomorrow"}"#, "RFC 3339"),
        (r#"{"until": 4900000000000}"#, "not what this route takes"),
        (r#"{"untill": "2126-12-01T00:00:00Z"}"#, "untill"),
        ("[]", "JSON object"),
        ("{", "not what this route takes"),
        (long.as_str(), "1024 bytes"),
    ];
    for (body, advice) in cases {
        let detail = moderate(&app, "PUT", "bans/alice", body).await.problem(400);
        assert!(detail.contains(advice), "{body}: {detail}");
    }
    let target = format!("bans/{}", "x".repeat(1_025));
    moderate(&app, "PUT", &target, "").await.problem(400);
    assert_eq!(moderate(&app, "GET", "bans", "").await.json(), json!({"bans": []}));
    let get = moderate(&app, "GET", "bans/alice", "").await;
    assert_eq!((get.status, get.header("allow")), (405, "PUT,DELETE"));
}

#[tokio::test]
async fn subscribers_and_followers_of_events_are_told_at_once() {
    let app = TestApp::start().await;
    app.webhooks([started(), joined("alice"), joined("bob")]).await;
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await, ["alice", "bob"]);
    let mut feed = app.feed("?room=general").await;
    let connected = feed.next_message().await.unwrap().json();
    assert_eq!(connected["event"], "connected");

    let began = std::time::Instant::now();
    let body = r#"{"reason": "for moderators alone"}"#;
    let banned = moderate(&app, "PUT", "bans/bob", body).await;
    assert_eq!(banned.json()["removed"], false, "nobody can tell LiveKit");
    assert_eq!(subscriber.next_list().await, ["alice"]);
    println!("a subscriber sees a ban after {:?}", began.elapsed());
    let left = feed.next_message().await.unwrap().json();
    assert_eq!(left["event"], "participant_left");
    assert_eq!(
        (&left["source"], &left["data"]["participant"]["sid"]),
        (&json!("moderation"), &json!("PA_bob"))
    );
    let moderation = feed.next_message().await.unwrap().json();
    assert_eq!(moderation["event"], "moderation");
    assert_eq!(
        moderation["data"],
        json!({
            "room": {"name": "general"}, "action": "participant_banned", "by": "moderator",
            "identity": "bob",
        })
    );

    assert_eq!(moderate(&app, "DELETE", "bans/bob", "").await.status, 204);
    assert_eq!(subscriber.next_list().await, ["alice", "bob"], "he was inside all the time");
    let joined = feed.next_message().await.unwrap().json();
    assert_eq!(
        (&joined["event"], &joined["source"]),
        (&json!("participant_joined"), &json!("moderation"))
    );
    let lifted = feed.next_message().await.unwrap().json();
    assert_eq!(lifted["data"]["action"], "ban_lifted");
}

#[tokio::test]
async fn bans_count_as_every_other_act_of_a_moderator_where_livekit_cannot_be_asked_too() {
    let app = TestApp::start().await;
    app.webhooks([started(), joined("bob")]).await;
    assert_eq!(moderate(&app, "PUT", "bans/bob", "").await.status, 200);
    assert_eq!(moderate(&app, "DELETE", "bans/bob", "").await.status, 204);
    moderate(&app, "DELETE", "bans/bob", "").await.problem(404);
    for (action, outcome) in
        [("participant_banned", "done"), ("ban_lifted", "done"), ("ban_lifted", "not_found")]
    {
        let name = format!("moderation_total{{action=\"{action}\",outcome=\"{outcome}\"}}");
        assert_eq!(app.metric(&name).await, 1.0, "{name}");
    }
}

#[tokio::test]
async fn a_banned_person_is_in_no_count_and_in_no_list() {
    let app = TestApp::start().await;
    assert_eq!(moderate(&app, "PUT", "bans/bob", "").await.status, 200);
    app.webhooks([started(), joined("alice"), joined("bob")]).await;
    let list = app.participants("general").await;
    assert_eq!(crate::harness::identities(&list.json()), ["alice"]);
    assert!(!list.text().contains("bob"));
    let count = app.get_as_operator("/api/livekit/participants?room=general&view=count").await;
    assert_eq!(count.json()["people"], 1, "{}", count.text());
    assert_eq!(app.rooms_in_short().await[0]["numParticipants"], 1);
}

#[tokio::test]
async fn followers_of_events_are_told_nothing_of_hidden_people_who_are_banned() {
    let app = TestApp::start().await;
    app.webhooks([started(), joined("alice"), joined("eve").hidden()]).await;
    let mut feed = app.feed("?room=general").await;
    feed.next_message().await.unwrap();
    assert_eq!(moderate(&app, "PUT", "bans/eve", "").await.status, 200);
    assert_eq!(moderate(&app, "DELETE", "bans/eve", "").await.status, 204);
    assert_eq!(moderate(&app, "PUT", "bans/zoe", "").await.status, 200);
    assert_eq!(feed.next_message().await.unwrap().json()["data"]["identity"], "zoe");
}

#[tokio::test]
async fn an_identity_cannot_write_lines_of_its_own_into_the_log() {
    let app = Process::start(&[("LKP__LOG__FORMAT", "human")]).await;
    let bearer = format!("Bearer {}", token(PROCESS_KEYS, admin_of("general"), "moderator"));
    let target = "/api/livekit/rooms/general/bans/x%0Aforged";
    let banned = ask(app.address, "PUT", target, &[("Authorization", &bearer)], "").await;
    assert_eq!(banned.status, 200, "{}", banned.text());
    eventually("the line", async || app.log().contains("a moderator acted on a room")).await;
    assert!(!app.log().lines().any(|line| line.starts_with("forged")), "{}", app.log());
}
