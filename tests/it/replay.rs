//! The captured webhooks, posted to the service over HTTP. Where webhooks alone lead to LiveKit's own list, clients get that
//! list.

use std::collections::BTreeMap;

use livekit_presence::presence::{ParticipantSid, TrackSid};
use serde_json::Value;

use crate::{
    captures::{Capture, CapturedWebhook, Checkpoint, Moment, People},
    harness::{RedisServer, TestApp, webhook_request},
};

/// Scenarios, each with the number of checkpoints at which webhooks alone do not lead to LiveKit's list: webhooks were late,
/// lost or never sent, the list has ghosts, or (`updates-by-api`) the API hid somebody, for which LiveKit sends no webhook. All
/// other checkpoints must be equal.
const DIFFERENT: [(&str, usize); 8] = [
    ("crash-memory", 7),
    ("crash-redis", 3),
    ("receiver-down-40s", 4),
    ("receiver-down-5s", 1),
    ("receiver-slow", 1),
    ("sigterm-twice", 1),
    ("sigterm-twice-redis", 1),
    ("updates-by-api", 1),
];

#[tokio::test]
async fn the_captured_webhooks_lead_clients_to_livekits_list() {
    replay_all(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_captured_webhooks_lead_clients_to_livekits_list_with_rooms_in_redis() {
    replay_all(Some(&RedisServer::start().await)).await;
}

async fn replay_all(redis: Option<&RedisServer>) {
    let different: BTreeMap<_, _> = DIFFERENT.into();
    let mut equal = 0;
    for capture in Capture::all() {
        let differences = replay(redis, &capture, &mut equal).await;
        let expected = different.get(capture.name.as_str()).copied().unwrap_or_default();
        assert_eq!(differences.len(), expected, "{}: {differences:#?}", capture.name);
    }
    println!("equal at {equal} checkpoints");
    assert_eq!(equal, 167);
}

/// Posts the webhooks in their order, and compares at each checkpoint. Returns what differed.
async fn replay(redis: Option<&RedisServer>, capture: &Capture, equal: &mut usize) -> Vec<String> {
    let keys: Vec<_> = capture.key_lines();
    if let Some(redis) = redis {
        // Scenarios share the names of rooms and the ids of events.
        redis.ask(&["FLUSHALL"]).await;
    }
    let app = TestApp::on(redis, &[], &keys.join("\n")).await;
    let mut differences = Vec::new();
    for moment in &capture.moments {
        match moment {
            Moment::Webhook(webhook) => post(&app, webhook).await,
            Moment::Checkpoint(checkpoint) => {
                app.clock.set_as_stores(checkpoint.at);
                let Some(listed) = checkpoint.people() else { continue };
                let shown = shown(&app, checkpoint).await;
                if shown == listed {
                    *equal += 1;
                } else {
                    differences.push(format!("{:?}: {shown:?} but {listed:?}", checkpoint.at));
                }
            }
            Moment::Action { .. } => {}
        }
    }
    differences
}

/// Posts a webhook as it was captured, at the time at which it was.
async fn post(app: &TestApp, webhook: &CapturedWebhook) {
    app.clock.set(webhook.at);
    let headers = [("Authorization", webhook.authorization())];
    let request = webhook_request("/api/livekit/webhook", &headers, &webhook.body);
    let response = app.send(&request).await;
    assert_eq!(response.status, 200, "{}", response.text());
}

async fn shown(app: &TestApp, checkpoint: &Checkpoint) -> People {
    let list = app.participants(&percent_encode(&checkpoint.room)).await.json();
    let person = |one: &Value| {
        let sid = ParticipantSid::new(one["sid"].as_str().unwrap());
        let tracks = one["tracks"].as_array().unwrap().iter();
        (sid, tracks.map(|track| TrackSid::new(track["sid"].as_str().unwrap())).collect())
    };
    list.as_array().unwrap().iter().map(person).collect()
}

fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::new(), |encoded, byte| format!("{encoded}%{byte:02X}"))
}
