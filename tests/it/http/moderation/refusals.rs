//! What a moderator is told where nothing was done, or not yet shown.

use crate::harness::{ApiFault, StoreFault, eventually};

use super::*;

#[tokio::test]
async fn what_livekit_does_not_have_is_not_found() {
    let with = Moderated::start().await;
    let nobody = format!("{ROOM}/participants/nobody");
    let cases = [
        ("PATCH", nobody.clone(), json!({"name": "x"}), "no such participant"),
        ("DELETE", nobody.clone(), Value::Null, "no such participant"),
        ("PATCH", format!("{nobody}/tracks/TR_1"), json!({"muted": true}), "no such participant"),
        ("PATCH", format!("{ALICE}/tracks/TR_1"), json!({"muted": true}), "no such track"),
    ];
    for (method, target, body, says) in cases {
        let problem = with.ask(method, &target, &body).await.problem(404);
        assert!(problem.contains(says), "{method} {target}: {problem}");
    }
    assert_eq!(with.ask("DELETE", ROOM, &Value::Null).await.status, 204);
    let again = with.ask("DELETE", ROOM, &Value::Null).await.problem(404);
    assert!(again.contains("no such room"), "{again}");
}

#[tokio::test]
async fn somebody_whom_livekit_does_not_have_any_more_is_found_out_and_compared() {
    let with = Moderated::start().await;
    let _subscriber = with.subscriber().await;
    with.livekit.list("general", &[speaker("bob")]);
    with.livekit.forget("alice");
    with.ask("PATCH", ALICE, &json!({"name": "x"})).await.problem(404);
    eventually("her to go", async || {
        let list = with.app.participants("general").await.json();
        crate::harness::identities(&list) == ["bob"]
    })
    .await;
}

#[tokio::test]
async fn unmuting_is_a_conflict_where_livekit_does_not_allow_it() {
    let with = Moderated::start().await;
    let problem = with.ask("PATCH", MICROPHONE, &json!({"muted": false})).await.problem(409);
    assert!(problem.contains("`room.enable_remote_unmute`"), "{problem}");
}

#[tokio::test]
async fn what_livekit_declines_is_told_in_its_words() {
    let with = Moderated::start().await;
    let problem = with.ask("PATCH", ALICE, &json!({"metadata": "x".repeat(65_000)})).await;
    assert!(problem.problem(400).contains("metadata exceeds limits"));
}

#[tokio::test]
async fn a_body_that_the_route_does_not_take_is_told_what_is_wrong() {
    let with = Moderated::start().await;
    let cases = [
        ("PATCH", ALICE, json!({"nam": "x"}), "`nam`"),
        ("PATCH", ALICE, json!({"permission": {"canFly": true}}), "`canFly`"),
        ("PATCH", ALICE, json!({"permission": {"canPublishSources": ["mouth"]}}), "\"mouth\""),
        ("PATCH", ALICE, json!({"name": ""}), "`name`"),
        ("PATCH", ALICE, json!({"metadata": ""}), "`metadata`"),
        ("PATCH", ALICE, json!({}), "nothing to change"),
        ("PATCH", ALICE, json!({"permission": {}}), "nothing to change"),
        ("PATCH", ALICE, json!([]), "must be a JSON object"),
        ("PATCH", MICROPHONE, json!({}), "`muted`"),
        ("PATCH", MICROPHONE, json!({"muted": "yes"}), "invalid type"),
        (
            "DELETE",
            "/api/livekit/rooms/general/participants/alice?revoke=yes",
            Value::Null,
            "`revoke`",
        ),
        ("POST", "/api/livekit/rooms/general/mute-all", json!({"expect": []}), "`expect`"),
    ];
    for (method, target, body, says) in cases {
        let problem = with.ask(method, target, &body).await.problem(400);
        assert!(problem.contains(says), "{method} {target} {body}: {problem}");
    }
    let large = json!({"metadata": "x".repeat(2 * 1024 * 1024)});
    with.ask("PATCH", ALICE, &large).await.problem(413);
    assert_eq!(with.livekit.acts(), 0);
}

#[tokio::test]
async fn faults_of_livekit_are_told_apart() {
    let with = Moderated::start().await;
    let remove = async || with.ask("DELETE", ALICE, &Value::Null).await;
    with.livekit.set_fault(ApiFault::Refuses);
    let problem = remove().await.problem(403);
    assert!(problem.contains("`livekit.keys`"), "{problem}");
    with.livekit.set_fault(ApiFault::Fails);
    remove().await.problem(502);
    with.livekit.set_fault(ApiFault::Limits(7));
    let limited = remove().await;
    assert_eq!(limited.header("retry-after"), "7");
    limited.problem(429);
    let before = with.livekit.acts();
    let waits = remove().await;
    assert!((1..=7).contains(&waits.header("retry-after").parse::<u32>().unwrap()));
    waits.problem(429);
    assert_eq!(with.livekit.acts(), before, "LiveKit is left alone for that time");
}

#[tokio::test]
async fn an_answer_that_says_nothing_is_a_bad_gateway_and_has_the_room_compared() {
    let with = Moderated::start().await;
    let _subscriber = with.subscriber().await;
    with.livekit.garble();
    let problem = with.ask("PATCH", ALICE, &json!({"name": "Alice B."})).await.problem(502);
    assert!(problem.contains("may have done it"), "{problem}");
    eventually("her name to be shown", async || {
        with.app.participants("general").await.json()[0]["name"] == "Alice B."
    })
    .await;
}

#[tokio::test]
async fn a_ghost_cannot_be_moderated() {
    let with = Moderated::start().await;
    with.livekit.kill("alice");
    let problem = with.ask("DELETE", ALICE, &Value::Null).await.problem(503);
    assert!(problem.contains("no server of LiveKit answers"), "{problem}");
}

#[tokio::test]
async fn a_livekit_that_cannot_be_reached_is_asked_again_at_once() {
    let settings = [("LIVEKIT_URL", "http://127.0.0.1:1")];
    let with = Moderated::with(&settings, &[speaker("alice")]).await;
    for _ in 0..4 {
        let refused = with.ask("DELETE", ALICE, &Value::Null).await;
        assert_eq!(refused.header("retry-after"), "2");
        assert!(refused.problem(503).contains("cannot be reached"));
    }
    let tried = "livekit_calls_total{method=\"remove_participant\",outcome=\"unreachable\"}";
    assert_eq!(with.app.metric(tried).await, 4.0, "a backoff does not keep people waiting");
}

#[tokio::test]
async fn a_budget_that_is_used_up_says_when_to_come_back() {
    let settings = [("LKP__LIVEKIT__CALLS_PER_MINUTE", "2")];
    let with = Moderated::with(&settings, &[speaker("alice"), speaker("bob")]).await;
    let mut refused = None;
    for _ in 0..4 {
        let answer = with.ask("PATCH", ALICE, &json!({"name": "x"})).await;
        if answer.status != 200 {
            refused = Some(answer);
        }
    }
    let refused = refused.expect("two calls a minute are fewer than four");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(refused.problem(429).contains("`livekit.calls_per_minute`"));
}

#[tokio::test]
async fn a_store_that_fails_is_found_before_livekit_is_asked() {
    let with = Moderated::start().await;
    with.app.store.set_fault(StoreFault::Fails);
    with.ask("DELETE", ALICE, &Value::Null).await.problem(503);
    assert_eq!(with.livekit.acts(), 0);
}

#[tokio::test]
async fn without_livekits_address_nothing_can_be_moderated() {
    let app = TestApp::with_keys(&[], KEYS).await;
    let with = Moderated { app, livekit: ScriptedLiveKit::start(KEYS).await };
    let problem = with.ask("DELETE", ROOM, &Value::Null).await.problem(404);
    assert!(problem.contains("`livekit.url`"), "{problem}");
}

#[tokio::test]
async fn methods_that_a_route_does_not_take_are_named() {
    let with = Moderated::start().await;
    for (target, allowed) in [
        (ROOM, "DELETE,GET,HEAD"),
        (ALICE, "DELETE,PATCH"),
        (MICROPHONE, "PATCH"),
        ("/api/livekit/rooms/general/mute-all", "POST"),
    ] {
        let answer = with.ask("PUT", target, &json!({})).await;
        let mut methods: Vec<_> = answer.header("allow").split(',').map(str::trim).collect();
        methods.sort_unstable();
        assert_eq!(methods.join(","), allowed, "{target}");
        answer.problem(405);
    }
}
