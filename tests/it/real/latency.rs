//! The time from a client's action until its subscribers see it.

use std::time::{Duration, SystemTime};

use super::scenario::{Plan, ROOM, Scenario, percentiles, say};

const TIMES: usize = 100;

/// A webhook takes milliseconds. Only a fault takes longer than this.
const LATE: Duration = Duration::from_secs(5);

/// LiveKit takes 20 s to find that somebody is dead.
const DEAD: Duration = Duration::from_secs(40);

#[tokio::test]
async fn subscribers_know_within_milliseconds() {
    let plan = Plan { alone: true, without_proxy: true, ..Plan::named("latency") };
    let Some(scenario) = plan.start().await else { return };
    let mut times = Times::default();
    let mut number = 0;
    while times.leave.len() < TIMES {
        come_and_go(&scenario, &format!("guest-{number}"), &mut times).await;
        number += 1;
    }
    say(&format!(
        "latency of {TIMES} | connect called to frame: {} | leave called to frame: {} | beside it, connect called to \
         returned in the client: {}; leaves of which the SDK did not tell LiveKit: {:.1?}",
        percentiles(&mut times.connect),
        percentiles(&mut times.leave),
        percentiles(&mut times.connected),
        times.untold,
    ));
}

#[derive(Default)]
struct Times {
    connect: Vec<Duration>,
    leave: Vec<Duration>,
    /// Leaves that the SDK did not tell LiveKit.
    untold: Vec<Duration>,
    connected: Vec<Duration>,
}

async fn come_and_go(scenario: &Scenario, identity: &str, times: &mut Times) {
    let seen = scenario.watch.frame_count();
    let (client, called) = scenario.try_join(&Scenario::guest(identity)).await.unwrap();
    let frame = scenario
        .watch
        .frame(seen, LATE, |frame| frame.people.iter().any(|one| one.identity == identity))
        .await
        .unwrap_or_else(|| panic!("the subscriber does not see {identity}\n{}", scenario.story()));
    times.connect.push(since(called.at, frame.wall));
    times.connected.push(since(called.at, called.returned_at));
    let seen = scenario.watch.frame_count();
    let called = client.leave().await;
    match scenario.watch.frame(seen, LATE, |frame| frame.people.is_empty()).await {
        Some(frame) => times.leave.push(since(called.at, frame.wall)),
        None => times.untold.push(untold_leave(scenario, seen, identity, called.at).await),
    }
}

/// Now and then the SDK closes its socket before its leave is written. LiveKit then notices only by a timeout, as for a dead
/// client, and nobody can know earlier.
async fn untold_leave(
    scenario: &Scenario,
    seen: usize,
    identity: &str,
    left_at: SystemTime,
) -> Duration {
    let listed = scenario.api().list_participants(ROOM).await.people().unwrap();
    let story = || format!("the subscriber does not see {identity} go\n{}", scenario.story());
    assert!(listed.iter().any(|one| one.identity == identity), "LiveKit knows; {}", story());
    let gone = scenario.watch.frame(seen, DEAD, |frame| frame.people.is_empty()).await;
    since(left_at, gone.unwrap_or_else(|| panic!("{}", story())).wall)
}

fn since(earlier: SystemTime, later: SystemTime) -> Duration {
    later.duration_since(earlier).unwrap_or_default()
}
