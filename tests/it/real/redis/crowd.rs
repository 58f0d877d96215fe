//! Many people at once.

use std::time::Instant;

use futures_util::future::join_all;

use crate::real::scenario::{Client, Plan, Scenario, say};

use super::instances::Instances;

const PEOPLE: usize = 30;

#[tokio::test]
async fn thirty_who_join_at_once_are_shown_without_asking_for_a_list() {
    let plan = Plan { redis: true, reads_redis: true, ..Plan::named("thirty join at once") };
    let Some(scenario) = plan.start().await else { return };
    let instances = Instances::beside(&scenario).await;
    instances.are_up().await;
    // From somebody whom its webhooks name, too, the service knows that this is LiveKit's Redis.
    let alice = scenario.join("alice").await;
    instances.are_right(&[&alice]).await;
    let asked_before = instances.lists_asked_for().await;
    let guests: Vec<_> =
        (0..PEOPLE).map(|index| Scenario::guest(&format!("person-{index}"))).collect();
    let joined = join_all(guests.iter().map(|guest| scenario.try_join(guest))).await;
    let joined: Vec<_> = joined.into_iter().map(Result::unwrap).collect();
    let last_joined_at = Instant::now();
    let people: Vec<&Client> = joined.iter().map(|(client, _)| client).chain([&alice]).collect();
    let shown_at = instances.are_right(&people).await;
    let asked = instances.lists_asked_for().await - asked_before;
    let after = shown_at.saturating_duration_since(last_joined_at);
    say(&format!(
        "{PEOPLE} joined at once: all are shown {} ms after the last was inside; {asked} lists asked for",
        after.as_millis()
    ));
    assert!(asked == 0.0, "{asked} lists were asked for");
}
