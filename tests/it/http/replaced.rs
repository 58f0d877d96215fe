//! When an identity has too many streams, the newest works and the oldest ends for good.

use livekit_presence::livekit::VideoGrant;

use crate::harness::{StoreFault, TestApp, eventually, joined};

const STREAM: &str = "/api/livekit/participants/stream?room=general";
const MANY: &str = "/api/livekit/rooms/stream?room=general";

fn all_rooms() -> VideoGrant {
    VideoGrant { room_list: true, ..VideoGrant::default() }
}

#[tokio::test]
async fn the_newest_stream_of_an_identity_works_and_the_oldest_ends() {
    let app = TestApp::with(&[("LKP__LIMITS__STREAMS_PER_IDENTITY", "2")]).await;
    let bearer = |identity: &str| format!("Bearer {}", app.token_with(all_rooms(), identity, 60));
    let (alice, bob) = (bearer("alice"), bearer("bob"));
    let bobs = app.open_stream(STREAM, &[("Authorization", &bob)]).await;
    let mut streams = Vec::new();
    for number in 0..6 {
        let target = if number % 2 == 0 { STREAM } else { MANY };
        streams.push(app.open_stream(target, &[("Authorization", &alice)]).await);
    }
    for stream in &mut streams[..4] {
        assert_eq!(stream.end().await, "replaced");
    }
    let replaced = "streams_closed_total{reason=\"replaced\"}";
    eventually("four to be closed", async || app.metric(replaced).await == 4.0).await;
    assert_eq!(app.metric("streams_open").await, 3.0);
    streams.push(bobs);
    for stream in &mut streams[4..] {
        assert!(stream.next().await.is_some(), "these stay");
    }
}

/// `EventSource` reconnects with the last id that it was sent, and stops for good at 204 (HTML standard, 9.2.3).
#[tokio::test]
async fn a_replaced_stream_that_comes_back_by_itself_is_told_to_stop_and_replaces_nobody() {
    let app = TestApp::with(&[("LKP__LIMITS__STREAMS_PER_IDENTITY", "1")]).await;
    let alice = format!("Bearer {}", app.token_with(all_rooms(), "alice", 60));
    for target in [STREAM, MANY] {
        let mut first = app.open_stream(target, &[("Authorization", &alice)]).await;
        let _second = app.open_stream(target, &[("Authorization", &alice)]).await;
        let last = loop {
            let event = first.next().await.expect("an end");
            if event.name == "end" {
                break event;
            }
        };
        let id = last.id.expect("an id to be recognised by");
        let headers = [("Authorization", alice.as_str()), ("Last-Event-ID", id.as_str())];
        assert_eq!(app.get(target, &headers).await.status, 204);
        let in_address = format!("{target}&last_event_id={id}");
        assert_eq!(app.get(&in_address, &headers[..1]).await.status, 204);
    }
    // The two pairs above, and no stream that came back.
    assert_eq!(app.metric("streams_opened_total").await, 4.0);
}

/// A client that renews its token closes one stream and opens the next. Through a proxy, the end of the first may arrive after
/// the request for the second.
#[tokio::test]
async fn a_stream_in_place_of_one_that_is_being_closed_ends_no_other() {
    let app = TestApp::with(&[("LKP__LIMITS__STREAMS_PER_IDENTITY", "2")]).await;
    let alice = format!("Bearer {}", app.token_with(all_rooms(), "alice", 60));
    let mut other = app.open_stream(STREAM, &[("Authorization", &alice)]).await;
    let outdated = app.open_stream(STREAM, &[("Authorization", &alice)]).await;
    let mut renewed = app.open_stream(STREAM, &[("Authorization", &alice)]).await;
    drop(outdated);
    eventually("it to be closed", async || app.metric("streams_open").await == 2.0).await;
    app.webhook(joined("bob")).await;
    other.until_list(&["bob"]).await;
    renewed.until_list(&["bob"]).await;
    let _one_more = app.open_stream(STREAM, &[("Authorization", &alice)]).await;
    assert_eq!(other.end().await, "replaced", "now there are three, and they stay");
}

#[tokio::test]
async fn a_stream_that_cannot_be_opened_ends_no_other() {
    let app = TestApp::with(&[("LKP__LIMITS__STREAMS_PER_IDENTITY", "1")]).await;
    let alice = format!("Bearer {}", app.token_with(all_rooms(), "alice", 60));
    let mut first = app.open_stream(STREAM, &[("Authorization", &alice)]).await;
    first.next_list().await;
    app.store.set_fault(StoreFault::Fails);
    let cold = "/api/livekit/participants/stream?room=cold";
    app.get(cold, &[("Authorization", &alice)]).await.problem(503);
    app.store.set_fault(StoreFault::None);
    app.webhook(joined("bob")).await;
    first.until_list(&["bob"]).await;
}

#[tokio::test]
async fn the_refusals_that_remain_name_the_limit_and_its_key() {
    let settings = [
        ("LKP__LIMITS__STREAMS_PER_ADDRESS", "1"),
        ("LKP__LIMITS__STREAMS", "2"),
        ("LKP__AUTH__MODE", "open"),
        ("LKP__HTTP__TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let app = TestApp::with(&settings).await;
    let _first = app.open_stream(STREAM, &[]).await;
    let refused = app.get(STREAM, &[]).await;
    assert!(refused.problem(429).contains("`limits.streams_per_address` (1)"));
    let _second = app.open_stream(STREAM, &[("X-Forwarded-For", "198.51.100.1")]).await;
    let refused = app.get(STREAM, &[("X-Forwarded-For", "198.51.100.2")]).await;
    assert!(refused.problem(503).contains("`limits.streams` (2)"));
}
