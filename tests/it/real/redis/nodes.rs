//! Several servers of LiveKit share a Redis, and one of them crashes: those whose API is asked go on.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    harness::RedisServer,
    real::scenario::{Client, Guest, Inside, Plan, Scenario, Watch, Watched},
};

/// As for the only server of a LiveKit.
const EVICTED_WITHIN: Duration = Duration::from_secs(75);
/// LiveKit chooses a server for each room, at random.
const MAX_ROOMS: usize = 20;

#[tokio::test]
async fn one_of_two_servers_crashes_with_a_room_that_was_quiet() {
    let plan = Plan {
        redis: true,
        reads_redis: true,
        ..Plan::named("crash of one of two servers, Redis is read")
    };
    let Some(mut scenario) = plan.start().await else { return };
    let first = nodes(scenario.redis.as_ref().unwrap()).await;
    let mut second = scenario.livekit.another().await;
    let mut living = Vec::new();
    let (guest, erin, watch) = loop {
        let (guest, erin, watch) = room_number(&scenario, living.len()).await;
        let ask = ["HGET", "room_node_map", guest.room.as_str()];
        let node = scenario.redis.as_ref().unwrap().ask(&ask).await.text();
        if !first.contains(&node) {
            break (guest, erin, watch);
        }
        living.push((erin, watch));
        assert!(living.len() < MAX_ROOMS, "no room is at the second server");
    };
    scenario.time_passes(Duration::from_secs(30)).await;
    erin.kill().await;
    second.kill().await;
    scenario.acts();
    let watched = Watched { room: &guest.room, watch: &watch };
    let (right_after, meanwhile) =
        scenario.wait_until_right(watched, Inside::These(&[]), EVICTED_WITHIN).await;
    scenario.reports("", right_after, &meanwhile);
    for (erin, watch) in &living {
        let truth = erin.person().await.unwrap();
        assert!(watch.right_since(&[truth]).is_some(), "{} is not shown", erin.room);
    }
}

async fn nodes(redis: &RedisServer) -> BTreeSet<String> {
    redis.ask(&["HKEYS", "nodes"]).await.texts().into_iter().collect()
}

/// Somebody in a room of their own, in a process of their own, and its stream.
async fn room_number(scenario: &Scenario, number: usize) -> (Guest, Client, Watch) {
    let guest = Guest { room: format!("room-{number}"), ..Scenario::guest("erin") };
    let driver = scenario.new_driver().await;
    let (erin, _) = Client::join(&driver, &scenario.livekit.url(), &guest).await.unwrap();
    let watch = scenario.watch_room(&guest.room);
    let watched = Watched { room: &guest.room, watch: &watch };
    scenario.wait_until_right(watched, Inside::These(&[&erin]), EVICTED_WITHIN).await;
    (guest, erin, watch)
}
