//! What LiveKit sends no webhook for, read from its Redis: three instances of the service share a store, and each has a
//! subscriber. The time is from the call, of the client or of the backend, until the frame at a subscriber.
//!
//! `make test` does each of these a few times. `LIVEKIT_TIMES=100 cargo test --test it real::redis -- --nocapture` does each a
//! hundred times, alone on the machine, and holds the times against the goal.

mod acts;
mod crowd;
mod failover;
mod instances;
mod losses;
mod moved;
mod nodes;
mod webhooks;

use std::{
    ops::Range,
    time::{Duration, SystemTime},
};

use super::scenario::{Plan, Source, percentiles, say};

use acts::{Act, By, Step};
use instances::Instances;

/// What is not shown until then is lost: it would have waited for a regular comparison.
const LATE: Duration = Duration::from_secs(10);

const GOAL: Duration = Duration::from_millis(50);

/// What people do in a room is further apart than this. A room is read at most once in 50 ms, so that what comes right after
/// another change waits for that.
const APART: Duration = Duration::from_millis(100);

#[tokio::test]
async fn what_has_no_webhook_is_shown_within_milliseconds() {
    let times: Option<usize> =
        std::env::var("LIVEKIT_TIMES").ok().map(|times| times.parse().expect("a number"));
    let plan = Plan {
        redis: true,
        reads_redis: true,
        alone: times.is_some(),
        ..Plan::named("changes read from LiveKit's Redis")
    };
    let Some(scenario) = plan.start().await else { return };
    let instances = Instances::beside(&scenario).await;
    let alice = scenario.join("alice").await;
    let microphone = alice.publish(Source::Microphone).await;
    instances.show(|list| list[0]["tracks"][0]["sid"] == *microphone).await;
    instances.are_up().await;
    let asked_before = instances.lists_asked_for().await;
    let step = Step { scenario: &scenario, alice: &alice, microphone: &microphone, number: 0 };
    let numbers = 0..times.unwrap_or(2);
    let mut slow = Vec::new();
    for act in Act::ALL.into_iter().filter(|act| act.is_known_to(scenario.livekit.version)) {
        let (p99, line) = see(&instances, step, act, numbers.clone(), APART).await;
        say(&line);
        slow.extend((p99 > GOAL).then_some(line));
    }
    let others = 1_000..1_000 + numbers.end;
    let (_, line) =
        see(&instances, step, Act::Attributes(By::Client), others, Duration::ZERO).await;
    say(&format!("one right after the other: {line}"));
    let asked = instances.lists_asked_for().await - asked_before;
    say(&format!("LiveKit was asked for {asked} lists meanwhile"));
    assert!(asked == 0.0, "{asked} lists were asked for");
    assert!(times.is_none() || slow.is_empty(), "slower than {GOAL:?}: {slow:#?}");
}

/// Does it as often as there are numbers, and says how long it took until each subscriber saw it: what 99 of 100 are below, and
/// in words.
async fn see(
    instances: &Instances,
    step: Step<'_>,
    act: Act,
    numbers: Range<usize>,
    apart: Duration,
) -> (Duration, String) {
    let mut took = Vec::new();
    for number in numbers {
        let step = Step { number, ..step };
        act.prepare(instances, &step).await;
        step.scenario.time_passes(apart).await;
        took.extend(see_once(instances, &step, act).await);
    }
    let line = format!("{} at three subscribers: {}", act.name(), percentiles(&mut took));
    (took[(took.len() * 99 / 100).min(took.len() - 1)], line)
}

/// Does it, and returns after which time each subscriber saw it.
async fn see_once(instances: &Instances, step: &Step<'_>, act: Act) -> Vec<Duration> {
    let counts = instances.frame_counts();
    let called_at = act.call(step).await;
    let mut took = Vec::new();
    for (watch, count) in instances.watches().zip(counts) {
        let frame = watch.frame(count, LATE, |frame| act.is_shown(&frame.list, step)).await;
        let frame = frame.unwrap_or_else(|| {
            panic!(
                "{} ({}) is not shown after {LATE:?}; last: {:?}\n{}",
                act.name(),
                step.number,
                watch.seen().frames.last(),
                step.scenario.story()
            )
        });
        took.push(since(called_at, frame.wall));
    }
    took
}

fn since(earlier: SystemTime, later: SystemTime) -> Duration {
    later.duration_since(earlier).unwrap_or_default()
}
