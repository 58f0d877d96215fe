//! LiveKit crashes. It tells nobody who left, and with Redis its own list shows the dead from then on.

use std::time::Duration;

use futures_util::future::join_all;

use super::scenario::{Client, Guest, Plan, Scenario, Watch};

/// A ghost is gone within 45 s; a busy machine needs a little more.
const EVICTED_WITHIN: Duration = Duration::from_secs(75);

/// LiveKit without Redis has forgotten everybody, so one comparison is enough.
const RECONCILED: Duration = Duration::from_secs(40);

/// Longer than the time between two comparisons.
const NEXT_COMPARISONS: Duration = Duration::from_secs(35);

/// A crash with three people inside: alice in a process of her own, and two who die with LiveKit and do not come back.
async fn crash(plan: Plan) -> Option<(Scenario, Client)> {
    crash_after(plan, Duration::ZERO).await
}

/// As [`crash`], after this long in which nothing happens.
async fn crash_after(plan: Plan, quiet: Duration) -> Option<(Scenario, Client)> {
    let mut scenario = plan.start().await?;
    let alice = scenario.join("alice").await;
    let bob = scenario.join_apart("bob").await;
    let carol =
        Client::beside(&bob, &scenario.livekit.url(), &Scenario::guest("carol")).await.unwrap();
    scenario.settles(&[&alice, &bob, &carol]).await;
    scenario.time_passes(quiet).await;
    bob.kill().await;
    scenario.livekit.kill().await;
    scenario.acts();
    Some((scenario, alice))
}

#[tokio::test]
async fn nobody_comes_back_to_a_livekit_without_redis() {
    let plan = Plan::named("crash without Redis, nobody comes back");
    let Some((mut scenario, alice)) = crash(plan).await else { return };
    alice.kill().await;
    scenario.livekit.start_again().await;
    scenario.becomes_right("", &[], RECONCILED).await;
}

#[tokio::test]
async fn nobody_comes_back_to_a_livekit_with_redis() {
    nobody_comes_back(Plan { redis: true, ..Plan::named("crash with Redis, nobody comes back") })
        .await;
}

#[tokio::test]
async fn nobody_comes_back_to_a_livekit_with_redis_whose_nodes_are_asked_for_lists() {
    let plan = Plan::named("crash with Redis, psrpc lists, nobody comes back");
    nobody_comes_back(Plan { redis: true, psrpc_lists: true, ..plan }).await;
}

#[tokio::test]
async fn nobody_comes_back_to_a_livekit_whose_redis_is_read() {
    let plan = Plan::named("crash with Redis, which is read, nobody comes back");
    nobody_comes_back(Plan { redis: true, reads_redis: true, ..plan }).await;
}

async fn nobody_comes_back(plan: Plan) {
    let Some((mut scenario, alice)) = crash(plan).await else { return };
    alice.kill().await;
    scenario.livekit.start_again().await;
    scenario.becomes_right("", &[], EVICTED_WITHIN).await;
    scenario.stays_right("from then on", &[], NEXT_COMPARISONS).await;
}

/// Living people in another room prove that LiveKit answers, so its silence about the dead counts.
#[tokio::test]
async fn nobody_comes_back_to_this_room_but_others_live() {
    let plan = Plan::named("crash with Redis, life in another room only");
    let Some((mut scenario, alice)) = crash(Plan { redis: true, ..plan }).await else { return };
    alice.kill().await;
    scenario.livekit.start_again().await;
    let driver = scenario.new_driver().await;
    let elsewhere = Guest { room: "elsewhere".to_owned(), ..Scenario::guest("erin") };
    let _erin = Client::join(&driver, &scenario.livekit.url(), &elsewhere).await.unwrap();
    scenario.becomes_right("", &[], EVICTED_WITHIN).await;
    scenario.stays_right("from then on", &[], NEXT_COMPARISONS).await;
}

#[tokio::test]
async fn nobody_comes_back_beside_living_rooms_with_subscribers() {
    let plan = Plan::named("crash with Redis, three living rooms with subscribers");
    nobody_comes_back_beside_living_rooms(Plan { redis: true, ..plan }).await;
}

#[tokio::test]
async fn nobody_comes_back_beside_living_rooms_with_subscribers_and_redis_is_read() {
    let plan = Plan::named("crash with Redis, which is read, three living rooms with subscribers");
    nobody_comes_back_beside_living_rooms(Plan { redis: true, reads_redis: true, ..plan }).await;
}

/// Other rooms have subscribers before and after, and somebody comes into each once LiveKit runs again.
async fn nobody_comes_back_beside_living_rooms(plan: Plan) {
    let Some((mut scenario, alice)) = crash(plan).await else { return };
    let rooms = ["blue", "green", "red"];
    let watches: Vec<Watch> = rooms.iter().map(|room| scenario.watch_room(room)).collect();
    alice.kill().await;
    scenario.livekit.start_again().await;
    let driver = scenario.new_driver().await;
    let mut living = Vec::new();
    for room in rooms {
        let guest = Guest { room: room.to_owned(), ..Scenario::guest("erin") };
        living.push(Client::join(&driver, &scenario.livekit.url(), &guest).await.unwrap().0);
    }
    scenario.becomes_right("", &[], EVICTED_WITHIN).await;
    scenario.stays_right("from then on", &[], NEXT_COMPARISONS).await;
    for (watch, erin) in watches.iter().zip(&living) {
        let truth = erin.person().await.unwrap();
        assert!(watch.right_since(&[truth]).is_some(), "{} is not shown", erin.room);
    }
}

/// The people were probed not long before. With `LIVEKIT_TIMES` only, since it takes minutes.
#[tokio::test]
async fn nobody_comes_back_to_a_room_that_was_quiet() {
    if std::env::var("LIVEKIT_TIMES").is_err() {
        return;
    }
    let read = Plan { reads_redis: true, ..Plan::named("crash of a quiet room, Redis is read") };
    let runs = [Plan::named("crash of a quiet room"), read].map(|plan| async move {
        let plan = Plan { redis: true, ..plan };
        let Some((mut scenario, alice)) = crash_after(plan, Duration::from_mins(1)).await else {
            return;
        };
        alice.kill().await;
        scenario.livekit.start_again().await;
        scenario.becomes_right("", &[], EVICTED_WITHIN).await;
    });
    join_all(runs).await;
}

#[tokio::test]
async fn some_come_back_to_a_livekit_whose_redis_is_read() {
    let plan = Plan::named("crash with Redis, which is read, one of three comes back");
    some_come_back(Plan { redis: true, reads_redis: true, ..plan }).await;
}

#[tokio::test]
async fn some_come_back_to_a_livekit_with_redis() {
    some_come_back(Plan {
        redis: true,
        ..Plan::named("crash with Redis, one of three comes back")
    })
    .await;
}

#[tokio::test]
async fn some_come_back_to_a_livekit_with_redis_whose_nodes_are_asked_for_lists() {
    let plan = Plan::named("crash with Redis, psrpc lists, one of three comes back");
    some_come_back(Plan { redis: true, psrpc_lists: true, ..plan }).await;
}

#[tokio::test]
async fn some_come_back_to_a_livekit_without_redis() {
    some_come_back(Plan::named("crash without Redis, one of three comes back")).await;
}

/// Once subscribers are right they must stay right, whatever LiveKit's list says. The dead may have joined in the second of the
/// crash, too late for `room_started` to tell that they are gone.
async fn some_come_back(plan: Plan) {
    let Some((mut scenario, alice)) = crash(plan).await else { return };
    let reconnects = alice.reconnects().await;
    scenario.livekit.start_again().await;
    alice.until_reconnected(reconnects).await;
    scenario.becomes_right("", &[&alice], EVICTED_WITHIN).await;
    scenario.stays_right("from then on", &[&alice], NEXT_COMPARISONS).await;
}

/// A LiveKit that gets a second signal to end closes its rooms, and loses the last webhooks about that.
#[tokio::test]
async fn livekit_is_told_to_end() {
    for (name, redis) in [("SIGTERM twice", false), ("SIGTERM twice, with Redis", true)] {
        let Some(mut scenario) = Plan { redis, ..Plan::named(name) }.start().await else { return };
        let alice = scenario.join_apart("alice").await;
        let url = scenario.livekit.url();
        let bob = Client::beside(&alice, &url, &Scenario::guest("bob")).await.unwrap();
        let carol = Client::beside(&alice, &url, &Scenario::guest("carol")).await.unwrap();
        scenario.settles(&[&alice, &bob, &carol]).await;
        scenario.acts();
        scenario.livekit.terminate().await;
        // Otherwise they would come back by themselves.
        alice.kill().await;
        scenario.livekit.start_again().await;
        scenario.becomes_right("", &[], EVICTED_WITHIN).await;
    }
}
