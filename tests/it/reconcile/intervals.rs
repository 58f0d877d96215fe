//! Rooms in which comparisons find what no webhook told are compared more often, and quiet ones less often.

use crate::harness::{WebhookBody, eventually, joined, started};

use super::with_api;

const SETTINGS: [(&str, &str); 2] = [("LKP__RECONCILE__EVERY", "1s"), ("LKP__PRESENCE__TTL", "3s")];
const QUIET: [&str; 6] = ["quiet-1", "quiet-2", "quiet-3", "quiet-4", "quiet-5", "quiet-6"];

/// Alice, whose attributes have changed this many times, and two others who do nothing.
fn people(changes: u32) -> [WebhookBody; 3] {
    let alice = joined("alice").version(2 + changes);
    let alice = alice.with("attributes", serde_json::json!({"changes": changes.to_string()}));
    [alice, joined("bob"), joined("carol")]
}

#[tokio::test]
async fn a_room_whose_people_change_is_compared_more_often_than_quiet_ones() {
    let (app, livekit) = with_api(&SETTINGS).await;
    for room in QUIET.iter().chain(&["busy"]) {
        livekit.list(room, &people(0));
        app.webhook(started().room(room)).await;
        app.webhooks(people(0).map(|one| one.room(room))).await;
    }
    let mut subscriber = app.subscriber("busy").await;
    subscriber.next().await.unwrap();
    let _others = app.rooms_subscriber(&QUIET).await;
    let calls = |method: &str, room: &str| livekit.calls(method, Some(room));
    for changes in 1..=16 {
        let compared = calls("ListParticipants", "busy");
        livekit.list("busy", &people(changes));
        let shown = subscriber.next().await.unwrap().json();
        assert_eq!(shown[0]["attributes"]["changes"], changes.to_string());
        eventually("a comparison", async || calls("ListParticipants", "busy") > compared).await;
    }
    let compared = calls("ListParticipants", "busy");
    for room in QUIET {
        let others = calls("ListParticipants", room);
        assert!(others * 3 <= compared * 2, "{room} {others} times, the busy one {compared} times");
    }
    // One who is silent is asked for a sign of life as often as before, and not with every comparison.
    let probes = calls("UpdateSubscriptions", "busy");
    assert!(probes * 4 <= compared * 3, "{probes} probes in {compared} comparisons");
    // Rooms that wait longer are trusted all the same.
    assert_eq!(app.metric("rooms_hot{state=\"confirmed\"}").await, 7.0);
    assert_eq!(
        app.metric("comparisons_total{reason=\"suspicious\",outcome=\"confirmed\"}").await,
        0.0
    );
}
