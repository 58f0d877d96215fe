//! People whom LiveKit's list omits although they are connected, and people of whom no webhook told.

use std::time::Duration;

use serde_json::json;

use crate::harness::{
    ApiFault, ScriptedLiveKit, TestApp, eventually, identities, joined, published, started,
};

use super::{beside, with_api};

const OFTEN: (&str, &str) = ("LKP__RECONCILE__EVERY", "100ms");
/// Every GET has the room compared, and there is no grace.
const UNTRUSTED: [(&str, &str); 2] =
    [("LKP__PRESENCE__TTL", "1ms"), ("LKP__RECONCILE__GRACE", "0ms")];

/// Alice and Bob are inside, and LiveKit lists Bob alone.
async fn without_alice(settings: &[(&str, &str)]) -> (TestApp, ScriptedLiveKit) {
    let (app, livekit) = with_api(settings).await;
    let people = ["alice", "bob"].map(joined);
    app.webhook(started()).await;
    app.webhooks(people.clone()).await;
    livekit.list("general", &people[1..]);
    (app, livekit)
}

async fn shown(app: &TestApp) -> Vec<String> {
    identities(&app.participants("general").await.json())
}

#[tokio::test]
async fn a_living_session_is_shown_throughout_whatever_the_list_says() {
    let settings = [OFTEN, ("LKP__RECONCILE__GRACE", "0ms")];
    let (app, livekit) = without_alice(&settings).await;
    livekit.keep_alive("alice");
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await, ["alice", "bob"]);
    let before = livekit.calls("ListParticipants", Some("general"));
    livekit.until_called("ListParticipants", before + 8).await;
    assert!(livekit.calls("UpdateSubscriptions", Some("general")) >= 7);
    assert_eq!(app.participants("general").await.header("x-cache"), "hot");
    app.webhook(published("alice", "TR_1")).await;
    // Clients see nothing before her track.
    let event = subscriber.next().await.unwrap();
    assert_eq!(identities(&event.json()), ["alice", "bob"]);
    assert_eq!(event.json()[0]["tracks"][0]["sid"], "TR_1");
    assert_eq!(app.metric("repairs_total{kind=\"missed_leave\"}").await, 0.0);
}

#[tokio::test]
async fn a_get_of_a_cold_room_waits_for_the_probe_too() {
    let (app, livekit) = without_alice(&[]).await;
    livekit.keep_alive("alice");
    app.clock.set(app.clock.clock().now() + Duration::from_secs(61));
    let answer = app.participants("general").await;
    assert_eq!(identities(&answer.json()), ["alice", "bob"]);
    assert_eq!(answer.header("x-cache"), "livekit");
    assert_eq!(livekit.calls("ListParticipants", None), 1);
    assert!(livekit.calls("UpdateSubscriptions", None) >= 1);
}

#[tokio::test]
async fn a_session_that_is_gone_goes_within_one_comparison() {
    for is_known_to_a_node in [true, false] {
        let (app, livekit) = without_alice(&UNTRUSTED).await;
        if is_known_to_a_node {
            livekit.forget("alice");
        }
        eventually("alice to be gone", async || shown(&app).await == ["bob"]).await;
        assert_eq!(app.metric("repairs_total{kind=\"missed_leave\"}").await, 1.0);
    }
}

#[tokio::test]
async fn while_it_is_not_known_whether_somebody_is_gone_they_are_shown_and_the_list_is_stale() {
    let settings = [OFTEN, ("LKP__RECONCILE__GRACE", "0ms")];
    let (app, livekit) = without_alice(&settings).await;
    livekit.set_probe_fault(ApiFault::Fails);
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await, ["alice", "bob"]);
    eventually("the list to count as stale", async || {
        app.participants("general").await.header("x-cache") == "stale"
    })
    .await;
    assert_eq!(shown(&app).await, ["alice", "bob"]);
    let rooms = json!([{"name": "general", "numParticipants": 2, "exact": false}]);
    assert_eq!(app.rooms_in_short().await, rooms);
    livekit.set_probe_fault(ApiFault::None);
    subscriber.until_list(&["bob"]).await;
    eventually("the list to be right", async || {
        app.participants("general").await.header("x-cache") == "hot"
    })
    .await;
}

#[tokio::test]
async fn a_session_that_was_taken_for_gone_comes_back_by_a_webhook_as_it_was() {
    let (app, livekit) = without_alice(&[OFTEN]).await;
    app.webhook(joined("alice").version(3).metadata("busy")).await;
    let mut subscriber = app.subscriber("general").await;
    livekit.forget("alice");
    subscriber.until_list(&["bob"]).await;
    let compared = livekit.calls("ListParticipants", None);
    livekit.keep_alive("alice");
    livekit.remember("alice");
    app.webhook(published("alice", "TR_1")).await;
    let event = subscriber.next().await.unwrap();
    assert_eq!(identities(&event.json()), ["bob", "alice"]);
    assert_eq!(event.json()[1]["metadata"], "busy");
    livekit.until_called("ListParticipants", compared + 1).await;
    assert_eq!(shown(&app).await, ["bob", "alice"]);
}

/// Alice and Bob joined before the room started again, and LiveKit lists them.
async fn with_suspects(settings: &[(&str, &str)], fault: ApiFault) -> (TestApp, ScriptedLiveKit) {
    let (app, livekit) = with_api(settings).await;
    livekit.set_probe_fault(fault);
    let people = ["alice", "bob"].map(joined);
    livekit.list("general", &people);
    app.webhook(started()).await;
    app.webhooks(people).await;
    let later = started();
    let created_at: u64 = later.0["createdAt"].as_str().unwrap().parse().unwrap();
    app.webhook(later.created_at_ms((created_at + 60) * 1_000)).await;
    (app, livekit)
}

#[tokio::test]
async fn a_room_in_which_suspects_wait_for_an_answer_is_marked_so_everywhere() {
    let (app, livekit) = with_suspects(&[OFTEN], ApiFault::Fails).await;
    let answer = app.participants("general").await;
    assert_eq!((answer.text(), answer.header("x-cache")), ("[]", "stale"));
    let rooms = |count: usize, exact: bool| json!([{"name": "general", "numParticipants": count, "exact": exact}]);
    assert_eq!(app.rooms_in_short().await, rooms(0, false));
    let mut subscriber = app.rooms_subscriber(&["general"]).await;
    assert_eq!(subscriber.next().await.unwrap().json()["participants"], json!([]));
    assert_eq!(app.participants("general").await.header("x-cache"), "stale", "a watched room too");
    livekit.set_probe_fault(ApiFault::None);
    eventually("both to be shown", async || app.rooms_in_short().await == rooms(2, true)).await;
    assert_eq!(app.participants("general").await.header("x-cache"), "hot");
}

#[tokio::test]
async fn without_probes_suspects_are_believed_when_two_lists_name_them() {
    let settings = [OFTEN, ("LKP__RECONCILE__PROVE_LIFE", "false")];
    let (app, livekit) = with_suspects(&settings, ApiFault::None).await;
    let mut subscriber = app.subscriber("general").await;
    subscriber.until_list(&["alice", "bob"]).await;
    assert_eq!(livekit.calls("UpdateSubscriptions", None), 0);
    eventually("the room to be complete", async || {
        app.participants("general").await.header("x-cache") == "hot"
    })
    .await;
}

/// A room of 60 people, of whom LiveKit lists nobody.
async fn unlisted_crowd(settings: &[(&str, &str)]) -> (TestApp, ScriptedLiveKit, Vec<String>) {
    let livekit = ScriptedLiveKit::start(super::KEYS).await;
    livekit.list("general", &[]);
    let app = beside(&livekit, settings).await;
    let names: Vec<_> = (0..60).map(|number| format!("user-{number}")).collect();
    app.webhook(started()).await;
    app.webhooks(names.iter().map(|name| joined(name))).await;
    (app, livekit, names)
}

#[tokio::test]
async fn where_a_list_omits_most_of_a_room_a_sample_is_probed_and_nobody_is_hidden() {
    let (app, livekit, names) = unlisted_crowd(&[]).await;
    for name in &names {
        livekit.keep_alive(name);
    }
    app.clock.set(app.clock.clock().now() + Duration::from_secs(61));
    for _ in 0..3 {
        let answer = app.participants("general").await;
        assert_eq!(answer.json().as_array().unwrap().len(), 60);
        assert_eq!(answer.header("x-cache"), "stale", "not everybody was asked");
    }
    let lists = livekit.calls("ListParticipants", None);
    let probes = livekit.calls("UpdateSubscriptions", None);
    assert!((16..=17 * lists).contains(&probes), "{probes} probes for {lists} lists");
}

#[tokio::test]
async fn a_room_that_livekit_does_not_have_empties_after_a_sample() {
    let (app, livekit, _) = unlisted_crowd(&UNTRUSTED).await;
    livekit.close("general");
    eventually("the room to be empty", async || app.participants("general").await.text() == "[]")
        .await;
    let probes = livekit.calls("UpdateSubscriptions", None);
    assert!(probes <= 64, "{probes} probes for 60 people");
}

#[tokio::test]
async fn a_comparison_lets_go_of_the_room_before_it_repairs_it() {
    let (app, livekit) = without_alice(&[OFTEN]).await;
    livekit.list("general", &["alice", "bob", "carol"].map(joined));
    let mut subscriber = app.subscriber("general").await;
    subscriber.until_list(&["alice", "bob", "carol"]).await;
    let before = livekit.calls("ListParticipants", None);
    livekit.until_called("ListParticipants", before + 4).await;
    assert_eq!(app.store.repairs_of_a_room_in_use(), 0, "the store would copy the whole room");
}
