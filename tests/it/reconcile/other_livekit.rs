//! Webhooks of a second LiveKit: the one that the service asks does not have its people.

use livekit_presence::{
    clock::Clock,
    livekit::{ApiKey, Keys, WebhookToken},
};

use crate::harness::{
    Connection, PROCESS_KEYS, Process, ScriptedLiveKit, WebhookBody, eventually, joined, started,
    webhook_request,
};

const OTHER_KEY: &str = "APIstaging: secret-of-another-livekit-0123456789";
const SAID: &str = "of another LiveKit";

async fn with_two_keys(livekit: &ScriptedLiveKit) -> Process {
    let keys = format!("{PROCESS_KEYS}\n{OTHER_KEY}");
    Process::start(&[
        ("LIVEKIT_URL", &livekit.url()),
        ("LIVEKIT_KEYS", &keys),
        ("LKP__RECONCILE__EVERY", "100ms"),
        ("LKP__RECONCILE__GRACE", "0ms"),
    ])
    .await
}

async fn signed_with_the_other_key(app: &Process, webhook: &WebhookBody) {
    let keys = Keys::new(&ApiKey::parse_lines(OTHER_KEY).unwrap());
    let body = webhook.bytes();
    let token = WebhookToken::sign(&body, &keys, Clock::system().now().as_secs()).unwrap();
    let mut connection = Connection::open(app.address).await;
    connection
        .send(&webhook_request("/api/livekit/webhook", &[("Authorization", &token)], &body))
        .await;
    assert_eq!(connection.response().await.status, 200);
}

#[tokio::test]
async fn people_whom_only_webhooks_of_another_key_name_are_reported_in_the_log_once() {
    let livekit = ScriptedLiveKit::start(PROCESS_KEYS).await;
    let app = with_two_keys(&livekit).await;
    app.webhooks([started(), joined("alice")]).await;
    livekit.list("general", &[joined("alice")]);
    let _subscriber = app.subscriber("general").await;
    for name in ["bob", "carol", "dave", "erin"] {
        livekit.kill(name);
        signed_with_the_other_key(&app, &joined(name)).await;
    }
    eventually("a line in the log", async || app.log().contains(SAID)).await;
    let log = app.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains(SAID)).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("APIstaging") && lines[0].contains("WARN"), "{lines:?}");
}

#[tokio::test]
async fn a_second_key_of_the_same_livekit_is_not_reported() {
    let livekit = ScriptedLiveKit::start(PROCESS_KEYS).await;
    let app = with_two_keys(&livekit).await;
    app.webhooks([started()]).await;
    let bob = joined("bob");
    livekit.list("general", std::slice::from_ref(&bob));
    let _subscriber = app.subscriber("general").await;
    signed_with_the_other_key(&app, &bob).await;
    let comparisons = async || livekit.calls("ListParticipants", Some("general"));
    let before = comparisons().await;
    eventually("a comparison", async || comparisons().await > before + 1).await;
    // People whose leaves were lost.
    for name in ["carol", "dave", "erin", "frank"] {
        livekit.kill(name);
        signed_with_the_other_key(&app, &joined(name)).await;
    }
    let before = comparisons().await;
    eventually("comparisons", async || comparisons().await > before + 3).await;
    assert!(!app.log().contains(SAID), "{}", app.log());
}
