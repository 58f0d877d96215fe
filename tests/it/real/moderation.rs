//! Moderators act through the service on real people: afterwards the stream, a GET and LiveKit's own list agree. Each prints how long
//! the stream took. Comparisons would take some 20 s.

use std::time::{Duration, Instant};

use crate::harness::patiently;

use super::scenario::{Guest, Moderator, Person, Plan, ROOM, Scenario, Source, say};

/// What an act changes is seen long before the next comparison.
const SEEN_WITHIN: Duration = Duration::from_secs(5);
/// A watched room is compared every 20 s, or 30 s if it is quiet.
const COMPARED_WITHIN: Duration = Duration::from_secs(40);

/// Waits until everybody sees what `holds` says: the stream, a GET, and LiveKit's own list, which are equal. Prints how long it took
/// from `acted_at` until the stream showed that.
async fn is_seen(
    scenario: &Scenario,
    what: &str,
    acted_at: Instant,
    holds: impl Fn(&[Person]) -> bool,
) {
    is_seen_within(SEEN_WITHIN, scenario, what, acted_at, holds).await;
}

async fn is_seen_within(
    within: Duration,
    scenario: &Scenario,
    what: &str,
    acted_at: Instant,
    holds: impl Fn(&[Person]) -> bool,
) {
    let deadline = acted_at + within;
    loop {
        let livekit = scenario.api().list_participants(ROOM).await.people();
        let got = scenario.read(ROOM).await;
        if let Ok(people) = &livekit
            && holds(people)
            && got.as_ref() == Ok(people)
            && let Some(shown_since) = scenario.watch.right_since(people)
        {
            let seen_after = shown_since.saturating_duration_since(acted_at);
            return scenario.reports(what, seen_after, "agrees");
        }
        assert!(
            Instant::now() < deadline,
            "{what}: not agreed\nLiveKit: {livekit:#?}\nGET: {got:#?}\nstream: {:#?}\n{}",
            scenario.watch.seen().frames.last(),
            scenario.story(),
        );
        scenario.watch.changed_within(Duration::from_millis(10)).await;
    }
}

fn of<'list>(people: &'list [Person], identity: &str) -> Option<&'list Person> {
    people.iter().find(|one| one.identity == identity)
}

fn has_track(people: &[Person], identity: &str, muted: bool) -> bool {
    let tracks = of(people, identity).map(|one| one.tracks.values().cloned().collect::<Vec<_>>());
    tracks.is_some_and(|tracks| tracks.len() == 1 && tracks[0].1 == muted)
}

#[tokio::test]
async fn a_viewer_is_promoted_and_publishes_and_is_demoted_and_loses_the_track() {
    let Some(scenario) = Plan::named("promoted and demoted").start().await else { return };
    let maria = scenario.moderator("maria");
    let alice = scenario.join_as(Guest { only_watches: true, ..Scenario::guest("alice") }).await;
    scenario.settles(&[&alice]).await;
    let acted_at = Instant::now();
    let promoted = maria.may_publish("alice", true).await.done();
    assert_eq!(promoted.body["identity"], "alice");
    is_seen(&scenario, "promoted", acted_at, |people| of(people, "alice").is_some()).await;
    // Her SDK hears of it by itself, a moment later.
    patiently("her to publish", async || alice.try_publish(Source::Microphone).await.is_ok()).await;
    scenario.settles(&[&alice]).await;
    let acted_at = Instant::now();
    let demoted = maria.may_publish("alice", false).await.done();
    assert_eq!(demoted.body["permission"]["canPublish"], false);
    let is_silent = |people: &[Person]| of(people, "alice").is_some_and(|me| me.tracks.is_empty());
    is_seen(&scenario, "demoted", acted_at, is_silent).await;
}

#[tokio::test]
async fn a_track_is_muted_and_heard_again() {
    let Some(scenario) = Plan::named("muted by a moderator").start().await else { return };
    let maria = scenario.moderator("maria");
    let alice = scenario.join("alice").await;
    let microphone = alice.publish(Source::Microphone).await;
    scenario.settles(&[&alice]).await;
    for (what, muted) in [("muted", true), ("heard again", false), ("muted again", true)] {
        let acted_at = Instant::now();
        let answer = maria.mute("alice", &microphone, muted).await.done();
        let said = (answer.body["sid"].as_str(), &answer.body["muted"]);
        assert_eq!(said, (Some(&*microphone), &muted.into()));
        is_seen(&scenario, what, acted_at, |people| has_track(people, "alice", muted)).await;
        alice.until_muted(&microphone, muted).await;
        // Her SDK repeats to LiveKit what it was told, which may undo a next act that comes right away. This comes after it.
        let camera = alice.publish(Source::Camera).await;
        scenario.settles(&[&alice]).await;
        alice.unpublish(&camera).await;
        scenario.settles(&[&alice]).await;
    }
}

#[tokio::test]
async fn where_livekit_lets_nobody_unmute_others_that_is_said() {
    let plan = Plan { remote_unmute: false, ..Plan::named("unmuting is not allowed") };
    let Some(scenario) = plan.start().await else { return };
    let maria = scenario.moderator("maria");
    let alice = scenario.join("alice").await;
    let microphone = alice.publish(Source::Microphone).await;
    scenario.settles(&[&alice]).await;
    maria.mute("alice", &microphone, true).await.done();
    let refused = maria.mute("alice", &microphone, false).await.refused(409);
    assert!(refused.contains("`room.enable_remote_unmute`"), "{refused}");
    is_seen(&scenario, "still muted", Instant::now(), |people| has_track(people, "alice", true))
        .await;
}

#[tokio::test]
async fn all_are_muted_but_one() {
    let Some(scenario) = Plan::named("all muted").start().await else { return };
    let maria = scenario.moderator("maria");
    let mut people = Vec::new();
    for identity in ["alice", "bob", "carol"] {
        let one = scenario.join(identity).await;
        one.publish(Source::Microphone).await;
        people.push(one);
    }
    scenario.settles(&people.iter().collect::<Vec<_>>()).await;
    let acted_at = Instant::now();
    let answer = maria.mute_all(&["bob"]).await.done();
    assert_eq!(answer.body["muted"].as_array().unwrap().len(), 2, "{answer:?}");
    is_seen(&scenario, "but one", acted_at, |people| {
        [("alice", true), ("bob", false), ("carol", true)]
            .into_iter()
            .all(|(identity, muted)| has_track(people, identity, muted))
    })
    .await;
}

#[tokio::test]
async fn who_was_removed_is_gone_and_may_come_back() {
    let Some(scenario) = Plan::named("removed").start().await else { return };
    let maria = scenario.moderator("maria");
    let alice = scenario.join("alice").await;
    let bob = scenario.join("bob").await;
    alice.publish(Source::Microphone).await;
    scenario.settles(&[&alice, &bob]).await;
    let acted_at = Instant::now();
    maria.remove("alice").await.done();
    let is_gone = |people: &[Person]| of(people, "alice").is_none() && people.len() == 1;
    is_seen(&scenario, "gone", acted_at, is_gone).await;
    patiently("her to notice", async || alice.has_given_up().await).await;
    let again = scenario.join("alice").await;
    scenario.settles(&[&again, &bob]).await;
}

#[tokio::test]
async fn a_name_metadata_and_attributes_are_changed() {
    let Some(scenario) = Plan::named("changed by a moderator").start().await else { return };
    let maria = scenario.moderator("maria");
    let attributes = vec![("hand".to_owned(), "up".to_owned())];
    let alice = scenario.join_as(Guest { attributes, ..Scenario::guest("alice") }).await;
    scenario.settles(&[&alice]).await;
    let changes = serde_json::json!({
        "name": "Alice B.", "metadata": "on stage", "attributes": {"hand": null, "seat": "1"},
    });
    let acted_at = Instant::now();
    let answer = maria.update("alice", changes).await.done();
    let is_so = |one: &Person| {
        one.name == "Alice B."
            && one.metadata == "on stage"
            && one.attributes.contains_key("seat")
            && one.attributes.len() == 1
    };
    assert!(is_so(&Person::read(&answer.body)), "{answer:?}");
    is_seen(&scenario, "", acted_at, |people| of(people, "alice").is_some_and(is_so)).await;
    alice.until("her new name", is_so).await;
}

#[tokio::test]
async fn a_room_is_ended_and_begins_anew() {
    let Some(scenario) = Plan::named("ended by a moderator").start().await else { return };
    let maria = scenario.moderator("maria");
    let alice = scenario.join("alice").await;
    let bob = scenario.join("bob").await;
    scenario.settles(&[&alice, &bob]).await;
    let acted_at = Instant::now();
    maria.end_room().await.done();
    is_seen(&scenario, "empty", acted_at, <[Person]>::is_empty).await;
    // Somebody enters the next life of the room, right after the end of the last.
    let carol = scenario.join("carol").await;
    scenario.settles(&[&carol]).await;
    let finished = scenario.proxy.deliveries().matching(|one| one.event == "room_finished");
    assert_eq!(finished.len(), 1);
}

#[tokio::test]
async fn what_livekit_does_not_have_is_not_found() {
    let Some(scenario) = Plan::named("not found").start().await else { return };
    let maria = scenario.moderator("maria");
    let alice = scenario.join("alice").await;
    let microphone = alice.publish(Source::Microphone).await;
    scenario.settles(&[&alice]).await;
    let nobody = maria.update("nobody", serde_json::json!({"name": "x"})).await;
    say(&format!("not found: a participant after {:?}", nobody.took));
    nobody.refused(404);
    maria.remove("nobody").await.refused(404);
    maria.mute("nobody", &microphone, true).await.refused(404);
    let track = maria.mute("alice", "TR_none", true).await;
    say(&format!("not found: a track after {:?}", track.took));
    track.refused(404);
    let too_long = serde_json::json!({"name": "x".repeat(300)});
    let declined = maria.update("alice", too_long).await.refused(400);
    assert!(declined.contains("LiveKit does not do this"), "{declined}");
    maria.end_room().await.done();
    maria.end_room().await.refused(404);
}

#[tokio::test]
async fn two_moderators_at_once_leave_what_livekit_has() {
    let Some(scenario) = Plan::named("two moderators").start().await else { return };
    let (maria, paul) = (scenario.moderator("maria"), scenario.moderator("paul"));
    let alice = scenario.join("alice").await;
    let bob = scenario.join("bob").await;
    let microphone = alice.publish(Source::Microphone).await;
    scenario.settles(&[&alice, &bob]).await;
    let act = async |moderator: &Moderator, muted: bool, name: &str| {
        for number in 0..10 {
            moderator.mute("alice", &microphone, muted == (number % 2 == 0)).await.done();
            let name = serde_json::json!({"name": format!("{name} {number}")});
            moderator.update("alice", name).await.done();
        }
    };
    tokio::join!(act(&maria, true, "Maria's"), act(&paul, false, "Paul's"));
    // Her SDK repeats each mute to LiveKit, late ones too, and no webhook tells: a comparison may be needed.
    let acted_at = Instant::now();
    let is_there = |people: &[Person]| people.len() == 2;
    is_seen_within(COMPARED_WITHIN, &scenario, "acts on one person", acted_at, is_there).await;
    let acted_at = Instant::now();
    let (one, other) = tokio::join!(maria.remove("bob"), paul.remove("bob"));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert!(matches!(statuses, [204, 204 | 404]), "{statuses:?}");
    is_seen(&scenario, "both remove somebody", acted_at, |people| people.len() == 1).await;
}
