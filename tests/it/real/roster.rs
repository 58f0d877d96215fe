//! Real people and the roster of their room: what it says of them is what LiveKit lets them do, and what every stream shows.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::patiently;

use super::scenario::{Guest, Moderator, Plan, ROOM, Scenario, Source, say};

/// Until the roster, LiveKit's own list, and the list of the room agree. Comparisons would take some 20 s.
const SEEN_WITHIN: Duration = Duration::from_secs(5);

/// Waits until the roster has this status of Alice, and she may speak or not, in LiveKit too where she is inside.
async fn agrees(scenario: &Scenario, maria: &Moderator, status: &str, can_speak: bool) {
    let since = Instant::now();
    loop {
        let entry = maria.entry("alice").await;
        let listed = scenario.api().list_participants(ROOM).await.done().body;
        let listed = listed["participants"].as_array().cloned().unwrap_or_default();
        let alice = listed.iter().find(|one| one["identity"] == "alice");
        let shown = scenario.read(ROOM).await.unwrap_or_default();
        let is_shown = shown.iter().any(|one| one.identity == "alice");
        let is_inside = status == "JOINED";
        let may_publish = alice.is_some_and(|alice| alice["permission"]["can_publish"] == true);
        if entry["status"] == status
            && entry["canSpeak"] == can_speak
            && (alice.is_some(), is_shown) == (is_inside, is_inside)
            && (!is_inside || may_publish == can_speak)
        {
            return say(&format!("roster: {status} after {:?}", since.elapsed()));
        }
        assert!(since.elapsed() < SEEN_WITHIN, "{entry:#}\n{listed:#?}\n{}", scenario.story());
    }
}

#[tokio::test]
async fn the_roster_livekit_and_the_list_agree_from_the_invitation_to_the_ban() {
    let plan = Plan { roster: true, ..Plan::named("roster") };
    let Some(scenario) = plan.start().await else { return };
    let maria = scenario.moderator("maria");
    maria.invites("alice", json!({"note": "opens"})).await.done();
    agrees(&scenario, &maria, "INVITED", false).await;
    let alice = scenario.join_as(Guest { only_watches: true, ..Scenario::guest("alice") }).await;
    let bob = scenario.join("bob").await;
    agrees(&scenario, &maria, "JOINED", false).await;
    let came = maria.entry("bob").await;
    assert_eq!((&came["invited"], &came["role"]), (&json!(false), &json!("viewer")));

    maria.changes_entry("alice", json!({"role": "speaker"})).await.done();
    agrees(&scenario, &maria, "JOINED", true).await;
    patiently("her to publish", async || alice.try_publish(Source::Microphone).await.is_ok()).await;
    scenario.settles(&[&alice, &bob]).await;
    maria.changes_entry("alice", json!({"role": null})).await.done();
    agrees(&scenario, &maria, "JOINED", false).await;
    patiently("her track to end", async || {
        let shown = scenario.read(ROOM).await.unwrap_or_default();
        shown.iter().any(|one| one.identity == "alice" && one.tracks.is_empty())
    })
    .await;

    maria.may_publish("alice", true).await.done();
    agrees(&scenario, &maria, "JOINED", true).await;
    maria.bans("alice").await.done();
    agrees(&scenario, &maria, "LEFT", true).await;
}
