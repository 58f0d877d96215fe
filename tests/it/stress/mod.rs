//! A run that checks itself: instances of the service, a LiveKit that is simulated down to its queues of webhooks and its Redis,
//! which some of the instances read, pages that fold what they are sent, and random faults everywhere. Whatever happens, versions rise, one version is one list, and after
//! each phase of load everybody shows the people inside, and so do those who count joins and leaves in the log of events.
//!
//! `make stress SECONDS=600` runs it longer. A failure names its seed, with which `STRESS_SEED` repeats the same actions and
//! faults, though processes take their own time.

mod api;
mod balancer;
mod client_view;
mod counter;
mod faults;
mod fixture;
mod fleet;
mod journal;
mod kept;
mod livekit;
mod metadata;
mod page;
mod queue;
mod run;
mod snapshots;
mod wording;

use std::{str::FromStr, time::Duration};

use run::Settings;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_fails_everybody_shows_the_people_inside() {
    let settings = Settings {
        seed: from_environment("STRESS_SEED").unwrap_or_else(|| fastrand::u64(..)),
        time: Duration::from_secs(from_environment("STRESS_SECONDS").unwrap_or(60)),
    };
    run::run(&settings).await;
}

fn from_environment<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}
