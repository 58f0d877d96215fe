//! How long after a client does something its readers know.

use std::time::{Duration, SystemTime};

use super::rig::{Plan, Stage, say};

const TIMES: usize = 100;

/// A webhook takes milliseconds; only a fault takes so long.
const LATE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn readers_know_within_milliseconds() {
    let plan = Plan { alone: true, without_proxy: true, ..Plan::named("latency") };
    let Some(stage) = plan.set().await else { return };
    let mut times = Times::default();
    for number in 0..TIMES {
        come_and_go(&stage, &format!("guest-{number}"), &mut times).await;
    }
    say(&format!(
        "latency of {TIMES} | connect called to frame: {} | leave called to frame: {} | beside it, connect called to \
         returned in the client: {}",
        percentiles(&mut times.connect),
        percentiles(&mut times.leave),
        percentiles(&mut times.connected),
    ));
}

#[derive(Default)]
struct Times {
    connect: Vec<Duration>,
    leave: Vec<Duration>,
    connected: Vec<Duration>,
}

async fn come_and_go(stage: &Stage, identity: &str, times: &mut Times) {
    let seen = stage.watch.frame_count();
    let (client, called) = stage.try_join(&Stage::guest(identity)).await.unwrap();
    let frame = stage
        .watch
        .frame(seen, LATE, |frame| frame.people.iter().any(|one| one.identity == identity))
        .await
        .expect("the reader sees them");
    times.connect.push(since(called.at, frame.wall));
    times.connected.push(since(called.at, called.returned_at));
    let seen = stage.watch.frame_count();
    let called = client.leave().await;
    let frame = stage
        .watch
        .frame(seen, LATE, |frame| frame.people.is_empty())
        .await
        .expect("the reader sees them go");
    times.leave.push(since(called.at, frame.wall));
}

fn since(earlier: SystemTime, later: SystemTime) -> Duration {
    later.duration_since(earlier).unwrap_or_default()
}

fn percentiles(times: &mut [Duration]) -> String {
    times.sort();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    format!("p50 {:.1} ms, p99 {:.1} ms", millis(at(50)), millis(at(99)))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
