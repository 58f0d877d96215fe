//! What the roster says of somebody's rights, LiveKit does, and tokens say. LiveKit is a fake that carries calls out.

use serde_json::{Value, json};

use crate::{
    harness::{ScriptedLiveKit, TestApp, TestDatabase, joined},
    http::tokens,
};

use super::{ROSTER, ask, next_roster, watch};

const KEYS: &str = "APItest: secret-of-the-tests-0123456789abcdef";
const ALICE: &str = "rooms/stage/roster/alice";
const ALICE_INSIDE: &str = "rooms/stage/participants/alice";

/// The service with a roster beside a LiveKit with Alice in the room, who may only listen.
struct Beside {
    app: TestApp,
    livekit: ScriptedLiveKit,
    _database: TestDatabase,
}

impl Beside {
    async fn start() -> Self {
        let (database, livekit) = (TestDatabase::sqlite(), ScriptedLiveKit::start(KEYS).await);
        let settings = [
            ("HISTORY_URL", database.url()),
            ("LIVEKIT_URL", livekit.url()),
            ("LKP__RECONCILE__EVERY", "1h".to_owned()),
            ("LKP__TOKENS__KEYS", tokens::APP_KEYS.to_owned()),
        ];
        let settings: Vec<_> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let app = TestApp::with_keys(&settings, KEYS).await;
        let listens = json!({"can_publish": false, "can_subscribe": true, "hidden": false});
        let alice = joined("alice").room("stage").with("permission", listens);
        livekit.list("stage", std::slice::from_ref(&alice));
        app.webhook(alice).await;
        Self { app, livekit, _database: database }
    }

    async fn patch(&self, target: &str, body: Value) -> Value {
        let answer = ask(&self.app, "PATCH", target, Some(body), &[]).await;
        assert!((200..300).contains(&answer.status), "{target}: {}", answer.text());
        answer.json()
    }

    fn permission(&self) -> Value {
        self.livekit.listed("stage", "alice")["permission"].clone()
    }
}

#[tokio::test]
async fn a_promotion_in_the_roster_is_one_in_livekit() {
    let beside = Beside::start().await;
    let entry = beside.patch(ALICE, json!({"role": "speaker"})).await;
    assert_eq!((&entry["status"], &entry["canSpeak"]), (&json!("JOINED"), &json!(true)));
    let sources = ["CAMERA", "MICROPHONE", "SCREEN_SHARE", "SCREEN_SHARE_AUDIO"];
    assert_eq!(
        beside.permission(),
        json!({
            "can_publish": true, "can_subscribe": true, "can_publish_data": true, "hidden": false,
            "can_update_metadata": false, "can_publish_sources": sources,
        })
    );
    beside.patch(ALICE, json!({"canSpeak": false, "canVideo": false})).await;
    let sources = &beside.permission()["can_publish_sources"];
    assert_eq!(*sources, json!(["SCREEN_SHARE", "SCREEN_SHARE_AUDIO"]));
    let list = beside.app.participants("stage").await.json();
    assert_eq!(list[0]["permission"], Value::Null, "everything that the list says is allowed");
    let calls = beside.livekit.acts();
    beside.patch(ALICE, json!({"note": "opens"})).await;
    assert_eq!(beside.livekit.acts(), calls, "a note is nothing to LiveKit");
    let removed = ask(&beside.app, "DELETE", ALICE, None, &[]).await;
    assert_eq!(removed.status, 204);
    assert_eq!(beside.permission()["can_publish"], false, "she is a viewer again");
}

#[tokio::test]
async fn what_livekit_did_not_take_is_taken_when_it_is_sent_again() {
    let beside = Beside::start().await;
    beside.livekit.kill("alice");
    let role = json!({"role": "speaker"});
    let failed = ask(&beside.app, "PATCH", ALICE, Some(role.clone()), &[]).await;
    let problem = failed.problem(503);
    assert!(problem.contains("the roster says so now, but not LiveKit yet"), "{problem}");
    beside.livekit.revive("alice");
    assert_eq!(beside.patch(ALICE, role).await["role"], "speaker");
    assert_eq!(beside.permission()["can_publish"], true);
}

#[tokio::test]
async fn of_many_each_is_told_to_livekit_also_when_they_are_sent_again() {
    let beside = Beside::start().await;
    let listens = json!({"can_publish": false, "can_subscribe": true, "hidden": false});
    let zoe = joined("zoe").room("stage").with("permission", listens.clone());
    let alice = joined("alice").room("stage").with("permission", listens);
    beside.livekit.list("stage", &[alice, zoe.clone()]);
    beside.app.webhook(zoe).await;
    beside.livekit.kill("alice");
    let speakers = json!({"entries": [
        {"identity": "alice", "role": "speaker"}, {"identity": "zoe", "role": "speaker"},
    ]});
    let failed = ask(&beside.app, "PUT", ROSTER, Some(speakers.clone()), &[]).await;
    failed.problem(503);
    assert_eq!(beside.livekit.listed("stage", "zoe")["permission"]["can_publish"], true);
    assert_eq!(beside.permission()["can_publish"], false);
    beside.livekit.revive("alice");
    assert_eq!(ask(&beside.app, "PUT", ROSTER, Some(speakers), &[]).await.status, 200);
    assert_eq!(beside.permission()["can_publish"], true);
}

#[tokio::test]
async fn the_roster_does_not_say_more_than_livekit_permits() {
    let beside = Beside::start().await;
    let microphone = json!({"canPublish": false, "canPublishSources": ["microphone"]});
    beside.patch(ALICE_INSIDE, json!({ "permission": microphone })).await;
    beside.patch(ALICE_INSIDE, json!({"permission": {"canPublish": true}})).await;
    assert_eq!(beside.permission()["can_publish_sources"], json!(["MICROPHONE"]));
    let entry = ask(&beside.app, "GET", ALICE, None, &[]).await.json();
    assert_eq!((&entry["canSpeak"], &entry["canVideo"]), (&json!(true), &json!(false)));
}

#[tokio::test]
async fn a_permission_that_a_moderator_gives_is_in_the_roster() {
    let beside = Beside::start().await;
    let mut subscriber = watch(&beside.app).await;
    assert_eq!(next_roster(&mut subscriber).await["entries"][0]["canSpeak"], false);
    let speaks = json!({"canPublish": true, "canPublishSources": ["microphone"]});
    beside.patch(ALICE_INSIDE, json!({ "permission": speaks })).await;
    let changed = loop {
        let roster = next_roster(&mut subscriber).await;
        if let Some(entry) = roster["changed"].get(0) {
            break entry.clone();
        }
    };
    assert_eq!((&changed["canSpeak"], &changed["canVideo"]), (&json!(true), &json!(false)));
    assert_eq!((&changed["invited"], &changed["role"]), (&json!(false), &json!("viewer")));
    beside.patch(ALICE_INSIDE, json!({"permission": {"canPublish": false}})).await;
    let roster = ask(&beside.app, "GET", ROSTER, None, &[]).await.json();
    assert_eq!(roster["entries"][0]["canSpeak"], false);
    beside.patch(ALICE_INSIDE, json!({"name": "Alice B."})).await;
    let calls = beside.livekit.acts();
    assert_eq!(calls, 3, "each is one call, and the roster asks for none");
}

#[tokio::test]
async fn a_token_grants_what_the_roster_says() {
    let beside = Beside::start().await;
    let body = json!({"role": "speaker", "canVideo": false});
    assert_eq!(
        ask(&beside.app, "PUT", "rooms/stage/roster/bob", Some(body), &[]).await.status,
        201
    );
    let answer = tokens::ask(&beside.app, &tokens::app_token("bob"), "stage").await;
    assert_eq!(answer.json()["role"], "speaker");
    let video = &tokens::claims(&answer)["video"];
    assert_eq!((&video["canPublish"], &video["roomAdmin"]), (&json!(true), &json!(false)));
    let sources = ["microphone", "screen_share", "screen_share_audio"];
    assert_eq!(video["canPublishSources"], json!(sources));
    let elsewhere = tokens::ask(&beside.app, &tokens::app_token("bob"), "other").await;
    assert_eq!(elsewhere.json().get("role"), None);
    assert_eq!(tokens::claims(&elsewhere)["video"]["canPublish"], false);
    let host = json!({"role": "host"});
    ask(&beside.app, "PATCH", "rooms/stage/roster/bob", Some(host), &[]).await;
    let answer = tokens::ask(&beside.app, &tokens::app_token("bob"), "stage").await;
    assert_eq!(tokens::claims(&answer)["video"]["roomAdmin"], true);
}
