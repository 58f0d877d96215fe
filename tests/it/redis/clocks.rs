//! A host whose clock is two minutes off. The service compares what the store stamps with the store's clock, so nobody notices.

use crate::harness::{
    RedisServer, ScriptedLiveKit, TestApp, TestClock, eventually, joined, started,
};

const KEYS: &str = "APItest: secret-of-the-tests-0123456789abcdef";
const TWO_MINUTES: i64 = 120;

/// Hosts, and the error of their clocks in seconds.
const HOSTS: [(&str, i64); 2] = [("ahead", TWO_MINUTES), ("behind", -TWO_MINUTES)];

async fn cache(app: &TestApp, room: &str) -> String {
    app.participants(room).await.header("x-cache").to_owned()
}

#[tokio::test]
async fn a_confirmed_room_counts_as_confirmed_on_a_host_whose_clock_is_off() {
    let redis = RedisServer::start().await;
    let livekit = ScriptedLiveKit::start(KEYS).await;
    let url = livekit.url();
    let settings = [
        ("LIVEKIT_URL", url.as_str()),
        ("LKP__RECONCILE__EVERY", "1h"),
        ("LKP__PRESENCE__TTL", "60s"),
    ];
    for (room, secs) in HOSTS {
        let app = TestApp::on_host(TestClock::ahead_by(secs), &redis, &settings, KEYS).await;
        app.webhooks([started().room(room), joined("alice").room(room)]).await;
        livekit.list(room, &[joined("alice").room(room)]);
        assert_eq!(cache(&app, room).await, "store", "{room}");
        // Redis' list of rooms is read once a second.
        eventually(&format!("{room} to be exact"), async || {
            let listed = app.rooms().await;
            let listed = listed.as_array().unwrap().iter().find(|one| one["name"] == room);
            listed.is_some_and(|listed| listed["exact"] == true)
        })
        .await;
        let mut subscriber = app.subscriber(room).await;
        assert_eq!(subscriber.next_list().await, ["alice"]);
        assert_eq!(cache(&app, room).await, "hot", "{room}");
        assert_eq!(app.metric("rooms_hot{state=\"confirmed\"}").await, 1.0, "{room}");
    }
}

#[tokio::test]
async fn a_room_loses_its_confirmation_in_time_on_a_host_whose_clock_is_off() {
    let redis = RedisServer::start().await;
    let livekit = ScriptedLiveKit::start(KEYS).await;
    let url = livekit.url();
    let settings = [
        ("LIVEKIT_URL", url.as_str()),
        ("LKP__RECONCILE__EVERY", "1h"),
        ("LKP__PRESENCE__TTL", "1s"),
    ];
    for (room, secs) in HOSTS {
        let app = TestApp::on_host(TestClock::ahead_by(secs), &redis, &settings, KEYS).await;
        app.webhooks([started().room(room), joined("alice").room(room)]).await;
        livekit.list(room, &[joined("alice").room(room)]);
        // LiveKit is asked once a second has passed by the store's clock.
        eventually(room, async || cache(&app, room).await == "livekit").await;
        assert_eq!(cache(&app, room).await, "store", "{room}: for another second");
    }
}

#[tokio::test]
async fn a_list_that_the_client_has_is_not_repeated_on_a_host_whose_clock_is_off() {
    let redis = RedisServer::start().await;
    for (room, secs) in HOSTS {
        let app = TestApp::on_host(TestClock::ahead_by(secs), &redis, &[], KEYS).await;
        app.webhooks([started().room(room), joined("alice").room(room)]).await;
        let version = app.subscriber(room).await.next().await.unwrap().version().to_string();
        let mut subscriber = app.subscriber_with(room, &[("Last-Event-ID", &version)]).await;
        let first = subscriber.next_of_any_kind().await.unwrap();
        assert_eq!(first.name, "heartbeat", "{room}: the list is not repeated");
    }
}
