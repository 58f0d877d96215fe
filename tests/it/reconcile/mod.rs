//! What LiveKit's API makes up for, and what happens when it does not work: which room is asked about when, and what clients see
//! meanwhile. The rules are tested in `presence` and `rules`, a real LiveKit in `real`.

mod api;
mod budget;
mod calls;
mod cold_rooms;
mod crashes;
mod feeds;
mod ghosts;
mod intervals;
mod livekit_redis;
mod lost_rooms;
mod many_rooms;
mod metadata;
mod moved_livekit;
mod omitted;
mod one_rooms_trouble;
mod other_livekit;
mod proxy;
mod redis_budget;
mod rooms_list;
mod sweeps;
mod watched_rooms;

use crate::harness::{ScriptedLiveKit, TestApp};

const KEYS: &str = "APItest: secret-of-the-tests-0123456789abcdef";

/// The service beside a scripted LiveKit.
async fn with_api(settings: &[(&str, &str)]) -> (TestApp, ScriptedLiveKit) {
    let livekit = ScriptedLiveKit::start(KEYS).await;
    let app = beside(&livekit, settings).await;
    (app, livekit)
}

async fn beside(livekit: &ScriptedLiveKit, settings: &[(&str, &str)]) -> TestApp {
    let url = livekit.url();
    let mut all = vec![("LIVEKIT_URL", url.as_str()), ("LKP__RECONCILE__EVERY", "1h")];
    all.extend(settings);
    TestApp::with_keys(&all, KEYS).await
}
