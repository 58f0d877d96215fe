//! LiveKit's Redis is lost, or only the connection to it, while people change.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::real::scenario::{Client, Plan, Scenario, Source, say};

use super::instances::Instances;

/// The connections are cut for this long.
const CUT_FOR: Duration = Duration::from_secs(4);

/// Between two cuts, or two changes, at most.
const APART_MS: u64 = 200;

/// The goal, from the last cut or the last change.
const RIGHT_WITHIN: Duration = Duration::from_secs(1);

/// A scenario, its instances, and somebody inside who publishes this microphone.
async fn start(scenario: &'static str) -> Option<(Scenario, Instances, Client, String)> {
    let plan = Plan { redis: true, reads_redis: true, breaks_redis: true, ..Plan::named(scenario) };
    let scenario = plan.start().await?;
    let instances = Instances::beside(&scenario).await;
    let alice = scenario.join("alice").await;
    let microphone = alice.publish(Source::Microphone).await;
    instances.are_right(&[&alice]).await;
    instances.are_up().await;
    Some((scenario, instances, alice, microphone))
}

#[tokio::test]
async fn what_changes_while_the_connection_is_cut_again_and_again_is_shown_within_a_second() {
    let started = start("the connection to LiveKit's Redis is cut at random").await;
    let Some((scenario, instances, alice, microphone)) = started else { return };
    let link = scenario.redis_link.as_ref().unwrap();
    let until = Instant::now() + CUT_FOR;
    let cutting = async {
        let mut cuts = 0;
        while Instant::now() < until {
            scenario.time_passes(Duration::from_millis(fastrand::u64(..APART_MS))).await;
            link.cut();
            cuts += 1;
        }
        cuts
    };
    let changing = async {
        let mut number = 0;
        while Instant::now() < until {
            scenario.time_passes(Duration::from_millis(fastrand::u64(..APART_MS))).await;
            change(&alice, &microphone, number).await;
            number += 1;
        }
        number
    };
    let (cuts, changes) = tokio::join!(cutting, changing);
    change(&alice, &microphone, changes).await;
    link.cut();
    let last = Instant::now();
    // Until LiveKit has told her, too, she does not say so of herself.
    let hand = changes.to_string();
    alice.until("her last change", |me| me.attributes.get("hand") == Some(&hand)).await;
    let right_after = instances.are_right(&[&alice]).await.saturating_duration_since(last);
    say(&format!(
        "{changes} changes, {cuts} cuts: right {} ms after the last of them",
        right_after.as_millis()
    ));
    assert!(right_after <= RIGHT_WITHIN, "{right_after:?}\n{}", scenario.story());
}

async fn change(alice: &Client, microphone: &str, number: usize) {
    alice.mute(microphone, number.is_multiple_of(2)).await;
    alice.update(json!({"attributes": {"hand": number.to_string()}})).await;
}

#[tokio::test]
async fn livekits_redis_dies_and_comes_back_with_its_data() {
    let started = start("LiveKit's Redis is killed, and comes back with its data").await;
    let Some((mut scenario, instances, alice, microphone)) = started else { return };
    let asked_before = instances.lists_asked_for().await;
    scenario.redis.as_mut().unwrap().kill().await;
    instances.are_down().await;
    let counts = instances.frame_counts();
    scenario.time_passes(RIGHT_WITHIN).await;
    assert_eq!(instances.frame_counts(), counts, "a Redis that is away is no news of a room");
    scenario.redis.as_mut().unwrap().start_again().await;
    let back_at = Instant::now();
    instances.are_up().await;
    let up_after = back_at.elapsed();
    change(&alice, &microphone, 0).await;
    alice.until("her change", |me| me.attributes.contains_key("hand")).await;
    let right_after = instances.are_right(&[&alice]).await.saturating_duration_since(back_at);
    let asked = instances.lists_asked_for().await - asked_before;
    say(&format!(
        "Redis is back: followed after {} ms, right after {} ms; {asked} lists asked for meanwhile",
        up_after.as_millis(),
        right_after.as_millis()
    ));
    is_shown_without_lists(&instances, &alice, &microphone).await;
}

#[tokio::test]
async fn while_livekits_redis_cannot_be_reached_its_api_is_asked_and_only_then() {
    let started = start("LiveKit's Redis cannot be reached").await;
    let Some((scenario, instances, alice, microphone)) = started else { return };
    let link = scenario.redis_link.as_ref().unwrap();
    let asked_before = instances.lists_asked_for().await;
    link.refuse();
    instances.are_down().await;
    let changed_at = Instant::now();
    change(&alice, &microphone, 0).await;
    alice.until("her change", |me| me.attributes.contains_key("hand")).await;
    let shown_at = instances.are_right(&[&alice]).await;
    let after = shown_at.saturating_duration_since(changed_at).as_secs_f64();
    let asked = instances.lists_asked_for().await - asked_before;
    assert!(asked > 0.0, "LiveKit's API was not asked");
    link.accept();
    instances.are_up().await;
    say(&format!(
        "without LiveKit's Redis a change is shown after {after:.1} s, and {asked} lists are asked for"
    ));
    is_shown_without_lists(&instances, &alice, &microphone).await;
}

/// Each change is shown within a second again.
pub async fn is_shown_without_lists(instances: &Instances, alice: &Client, microphone: &str) {
    let asked_before = instances.lists_asked_for().await;
    for number in 1..5 {
        let changed_at = Instant::now();
        change(alice, microphone, number).await;
        let hand = number.to_string();
        instances.show(|list| list[0]["attributes"]["hand"] == *hand).await;
        assert!(changed_at.elapsed() <= RIGHT_WITHIN, "{:?}", changed_at.elapsed());
    }
    let asked = instances.lists_asked_for().await - asked_before;
    assert!(asked == 0.0, "{asked} lists were asked for with Redis back");
}
