//! The tabs of a browser share one connection, whichever of them is closed.

use std::time::Duration;

use livekit_presence::livekit::VideoGrant;
use serde_json::{Value, json};

use crate::harness::{eventually, joined, left, started};

use super::fixture::{Fixture, alone, token_of};

/// More than the six connections to a host that browsers have over HTTP/1.1.
const TABS: usize = 8;

async fn tabs_of(fixture: &mut Fixture, options: &Value) -> Vec<usize> {
    let mut tabs = Vec::new();
    for _ in 0..TABS {
        tabs.push(fixture.watching(options.clone()).await);
    }
    for tab in &tabs {
        fixture.until_live(*tab, &["alice"]).await;
    }
    tabs
}

#[tokio::test]
async fn eight_tabs_have_one_connection_and_lose_nothing_with_any_of_them() {
    for without in [Value::Null, "SharedWorker".into()] {
        let mut fixture = Fixture::with(&[]).await;
        fixture.webhooks([started(), joined("alice")]).await;
        let mut tabs = tabs_of(&mut fixture, &json!({ "without": without })).await;
        assert_eq!(fixture.streams_open().await, 1.0);
        assert_eq!(fixture.metric("streams_opened_total").await, 1.0);
        // Without a worker, the first tab leads.
        while tabs.len() > 2 {
            let gone = tabs.remove(0);
            fixture.browser.close_tab(gone).await;
            let guest = format!("guest {gone}");
            fixture.webhooks([joined(&guest)]).await;
            for tab in tabs.clone() {
                let what = format!("{guest} in tab {tab}");
                let within = Duration::from_secs(2);
                fixture
                    .within(within, tab, &what, &mut |shown| shown.people == ["alice", &guest])
                    .await;
            }
            fixture.webhooks([left(&guest)]).await;
            for tab in tabs.clone() {
                fixture.until_live(tab, &["alice"]).await;
            }
            eventually("one stream", async || fixture.streams_open().await == 1.0).await;
        }
        for tab in tabs {
            fixture.browser.close_tab(tab).await;
        }
        eventually("no stream", async || fixture.streams_open().await == 0.0).await;
    }
}

#[tokio::test]
async fn a_tab_that_is_frozen_lets_another_lead() {
    let mut fixture = Fixture::with(&[]).await;
    fixture.webhooks([started(), joined("alice")]).await;
    let leader = fixture.watching(json!({ "without": "SharedWorker" })).await;
    fixture.until_live(leader, &["alice"]).await;
    let other = fixture.watching(json!({ "without": "SharedWorker" })).await;
    fixture.until_live(other, &["alice"]).await;
    fixture.browser.freeze(leader, true).await;
    fixture.webhooks([joined("bob")]).await;
    let within = Duration::from_secs(2);
    fixture.within(within, other, "bob", &mut |shown| shown.people == ["alice", "bob"]).await;
    fixture.browser.freeze(leader, false).await;
    fixture.until_live(leader, &["alice", "bob"]).await;
    // The one that led before is live again before the service has heard that its own stream is gone.
    eventually("one stream", async || fixture.streams_open().await == 1.0).await;
}

#[tokio::test]
async fn a_worker_that_dies_is_replaced() {
    let mut fixture = Fixture::with(&[]).await;
    fixture.webhooks([started(), joined("alice")]).await;
    let tabs = tabs_of(&mut fixture, &json!({})).await;
    assert_eq!(fixture.browser.end_workers().await, 1);
    fixture.webhooks([joined("bob")]).await;
    for tab in tabs {
        fixture.until_live(tab, &["alice", "bob"]).await;
    }
    assert_eq!(fixture.metric("streams_opened_total").await, 2.0);
}

#[tokio::test]
async fn tabs_of_other_rooms_share_it_too_if_they_may_read_all() {
    let mut fixture = Fixture::with(&[("LKP__AUTH__MODE", "livekit")]).await;
    let all = VideoGrant { room_list: true, ..VideoGrant::default() };
    let rooms: Vec<_> = (0..TABS).map(|number| format!("room {number}")).collect();
    let mut tabs = Vec::new();
    for room in &rooms {
        fixture.webhooks([started().room(room), joined("alice").room(room)]).await;
        let options = json!({ "room": room, "token": token_of(&all, 600) });
        tabs.push(fixture.watching(options).await);
    }
    for (tab, room) in tabs.into_iter().zip(&rooms) {
        fixture.webhooks([joined(&format!("guest of {room}")).room(room)]).await;
        fixture.until_live(tab, &["alice", &format!("guest of {room}")]).await;
    }
    eventually("one stream", async || fixture.streams_open().await == 1.0).await;
}

#[tokio::test]
async fn tabs_whose_tokens_open_one_room_each_have_a_connection_for_each() {
    let mut fixture = Fixture::with(&[("LKP__AUTH__MODE", "livekit")]).await;
    for room in ["first", "second"] {
        fixture.webhooks([started().room(room), joined("alice").room(room)]).await;
        let own = VideoGrant { room: room.into(), room_join: true, ..VideoGrant::default() };
        for _ in 0..2 {
            let options = json!({ "room": room, "token": token_of(&own, 600) });
            let tab = fixture.watching(options).await;
            fixture.until_live(tab, &["alice"]).await;
        }
    }
    assert_eq!(fixture.streams_open().await, 2.0);
}

#[tokio::test]
async fn a_tab_that_does_not_share_has_a_connection_of_its_own() {
    let mut fixture = Fixture::with(&[]).await;
    fixture.webhooks([started(), joined("alice")]).await;
    for _ in 0..3 {
        let tab = fixture.watching(alone()).await;
        fixture.until_live(tab, &["alice"]).await;
    }
    assert_eq!(fixture.streams_open().await, 3.0);
}

#[tokio::test]
async fn over_http2_they_may_have_as_many_as_they_like() {
    let mut fixture = Fixture::with(&[]).await;
    fixture.webhooks([started(), joined("alice")]).await;
    let blank = format!("https://localhost:{}/healthz", fixture.nginx.as_ref().unwrap().tls_port);
    let mut tabs = Vec::new();
    for _ in 0..TABS {
        let tab = fixture.browser.open_tab(&blank).await;
        fixture.watch(tab, alone()).await;
        tabs.push(tab);
    }
    fixture.webhooks([joined("bob")]).await;
    for tab in tabs {
        fixture.until_live(tab, &["alice", "bob"]).await;
    }
    assert_eq!(fixture.streams_open().await, 8.0);
}
