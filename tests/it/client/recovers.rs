//! When something breaks, a tab says so, and is right again by itself once it works.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{eventually, joined, left, published, started, within_deadline};

use super::fixture::{Fixture, alone, token_for};

#[tokio::test]
async fn a_list_and_what_changes_in_it_are_shown() {
    let mut fixture = Fixture::with(&[]).await;
    fixture.webhooks([started(), joined("alice")]).await;
    let tab = fixture.watching(json!({})).await;
    let first = fixture.until_live(tab, &["alice"]).await;
    assert_eq!(
        (&first.statuses[..], first.error),
        (&["connecting".into(), "live".into()][..], None)
    );
    fixture.webhooks([joined("bob"), published("bob", "TR_microphone")]).await;
    fixture.until_live(tab, &["alice", "bob"]).await;
    fixture.webhooks([left("alice")]).await;
    let last = fixture.until_live(tab, &["bob"]).await;
    assert!(last.version > first.version);
    assert_eq!(last.statuses, ["connecting", "live"]);
}

#[tokio::test]
async fn a_service_that_is_killed_and_comes_back_is_found() {
    let mut fixture = Fixture::with(&[]).await;
    fixture.webhooks([started(), joined("alice")]).await;
    let shared = fixture.watching(json!({})).await;
    let own = fixture.watching(alone()).await;
    for tab in [shared, own] {
        fixture.until_live(tab, &["alice"]).await;
    }
    fixture.kill_service().await;
    for tab in [shared, own] {
        let lost = fixture.until_status(tab, "disconnected").await;
        assert_eq!(lost.people, ["alice"], "what was known stays");
        assert_eq!(lost.error.unwrap().status, 502, "nginx is there, and nothing behind it");
    }
    fixture.restart_service().await;
    fixture.webhooks([started(), joined("carol")]).await;
    for tab in [shared, own] {
        let back = fixture.until_live(tab, &["carol"]).await;
        assert_eq!(back.error, None);
        assert_eq!(back.statuses[..4], ["connecting", "live", "connecting", "disconnected"]);
    }
}

#[tokio::test]
async fn a_proxy_that_is_restarted_loses_nothing() {
    let mut fixture = Fixture::with(&[]).await;
    fixture.webhooks([started(), joined("alice")]).await;
    let tab = fixture.watching(json!({})).await;
    fixture.until_live(tab, &["alice"]).await;
    fixture.stop_nginx();
    fixture.until(tab, "the loss", |shown| shown.status != "live").await;
    fixture.webhooks([joined("bob")]).await;
    fixture.start_nginx().await;
    fixture.until_live(tab, &["alice", "bob"]).await;
}

#[tokio::test]
async fn a_network_that_is_lost_is_noticed_at_once_and_used_again_at_once() {
    let mut fixture = Fixture::with(&[]).await;
    fixture.webhooks([started(), joined("alice")]).await;
    let tab = fixture.watching(alone()).await;
    fixture.until_live(tab, &["alice"]).await;
    fixture.browser.set_offline(true).await;
    let lost = fixture.look(tab).await;
    assert_ne!(lost.status, "live");
    fixture.until_status(tab, "disconnected").await;
    fixture.webhooks([joined("bob")]).await;
    fixture.browser.set_offline(false).await;
    fixture.within(Duration::from_secs(2), tab, "bob", &mut |shown| shown.people.len() == 2).await;
    fixture.until_live(tab, &["alice", "bob"]).await;
}

#[tokio::test]
async fn a_tab_that_is_hidden_for_a_minute_lets_go_and_is_right_when_it_is_shown() {
    let mut fixture = Fixture::with(&[]).await;
    fixture.webhooks([started(), joined("alice")]).await;
    let tab = fixture.watching_out_of_time().await;
    fixture.until_live(tab, &["alice"]).await;
    fixture.hide(tab, true).await;
    fixture.browser.pass_time(tab, Duration::from_secs(30)).await;
    assert_eq!(fixture.look(tab).await.status, "live");
    fixture.browser.pass_time(tab, Duration::from_secs(31)).await;
    fixture.until_status(tab, "disconnected").await;
    eventually("the stream to be closed", async || fixture.streams_open().await == 0.0).await;
    fixture.webhooks([joined("bob")]).await;
    fixture.hide(tab, false).await;
    fixture.until_live(tab, &["alice", "bob"]).await;
}

#[tokio::test]
async fn a_tab_that_is_hidden_stays_if_it_wants_to_and_goes_at_once_if_not() {
    let mut fixture = Fixture::with(&[]).await;
    fixture.webhooks([started(), joined("alice")]).await;
    let keeping = json!({ "share": false, "whenHidden": "keep" });
    let keeper = fixture.watching_out_of_time_as(keeping).await;
    let closing = json!({ "share": false, "whenHidden": "close" });
    let closer = fixture.watching_out_of_time_as(closing).await;
    for tab in [keeper, closer] {
        fixture.until_live(tab, &["alice"]).await;
        fixture.hide(tab, true).await;
        fixture.browser.pass_time(tab, Duration::from_millis(1)).await;
    }
    fixture.until_status(closer, "disconnected").await;
    eventually("one stream", async || fixture.streams_open().await == 1.0).await;
    // Longer than the minute for which other tabs stay, with a change before three heartbeats are missing.
    let mut people = vec!["alice"];
    for guest in ["bob", "carol", "dave"] {
        fixture.browser.pass_time(keeper, Duration::from_secs(30)).await;
        fixture.webhooks([joined(guest)]).await;
        people.push(guest);
        fixture.until_live(keeper, &people).await;
    }
    assert_eq!(fixture.look(keeper).await.statuses, ["connecting", "live"]);
    fixture.hide(closer, false).await;
    fixture.until_live(closer, &people).await;
}

#[tokio::test]
async fn tabs_that_are_hidden_stay_for_the_one_that_wants_to() {
    for without in [Value::Null, "SharedWorker".into()] {
        let mut fixture = Fixture::with(&[]).await;
        fixture.webhooks([started(), joined("alice")]).await;
        let mut tabs = Vec::new();
        for when_hidden in ["keep", "close"] {
            let options = json!({ "without": without, "whenHidden": when_hidden });
            tabs.push(fixture.watching(options).await);
        }
        for tab in tabs.clone() {
            fixture.until_live(tab, &["alice"]).await;
            fixture.hide(tab, true).await;
        }
        fixture.webhooks([joined("bob")]).await;
        for tab in tabs.clone() {
            fixture.until_live(tab, &["alice", "bob"]).await;
        }
        fixture.browser.close_tab(tabs.remove(0)).await;
        fixture.until_status(tabs[0], "disconnected").await;
        eventually("no stream", async || fixture.streams_open().await == 0.0).await;
    }
}

#[tokio::test]
async fn a_tab_that_is_left_holds_nothing_and_is_right_when_somebody_comes_back() {
    let mut fixture = Fixture::with(&[]).await;
    fixture.webhooks([started(), joined("alice")]).await;
    let blank = fixture.blank();
    let ways = [json!({}), json!({ "without": "SharedWorker" }), alone()];
    for (options, guest) in ways.into_iter().zip(["bob", "carol", "dave"]) {
        let tab = fixture.watching(options.clone()).await;
        fixture.until_live(tab, &["alice"]).await;
        let noted =
            "addEventListener('pageshow', ({ persisted }) => (globalThis.wasKept = persisted))";
        fixture.browser.run::<()>(tab, noted, ()).await;
        fixture.browser.go(tab, &blank.replace("healthz", "readyz")).await;
        eventually("the stream to be closed", async || fixture.streams_open().await == 0.0).await;
        fixture.webhooks([joined(guest)]).await;
        fixture.browser.run::<()>(tab, "history.back()", ()).await;
        let kept = "return location.pathname === '/healthz' && (globalThis.wasKept ?? 'no')";
        let going_back = async {
            loop {
                let was_kept: Value = fixture.browser.run(tab, kept, ()).await;
                if was_kept != false {
                    return was_kept;
                }
            }
        };
        let was_kept = within_deadline("the page of before", going_back).await;
        assert_eq!(was_kept, true, "{options}: nothing keeps it from the back-forward cache");
        let back = fixture.until_live(tab, &["alice", guest]).await;
        assert_eq!(back.statuses[..2], ["connecting", "live"]);
        fixture.webhooks([left(guest)]).await;
        fixture.until_live(tab, &["alice"]).await;
        fixture.browser.close_tab(tab).await;
        eventually("the stream to end", async || fixture.streams_open().await == 0.0).await;
    }
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires_and_nobody_sees_it() {
    let mut fixture = Fixture::with(&[("LKP__AUTH__MODE", "livekit")]).await;
    fixture.webhooks([started(), joined("alice")]).await;
    // It is renewed ten seconds before it expires: enough for a busy machine.
    let tokens = [token_for(20), token_for(600)];
    let shared = fixture.watching(json!({ "tokens": tokens })).await;
    fixture.until_live(shared, &["alice"]).await;
    let before = fixture.metric("streams_opened_total").await;
    eventually("another stream", async || fixture.metric("streams_opened_total").await > before)
        .await;
    fixture.webhooks([joined("bob")]).await;
    let shown = fixture.until_live(shared, &["alice", "bob"]).await;
    assert_eq!(shown.statuses, ["connecting", "live"]);
    let left: Vec<String> = fixture.browser.run(shared, "return tokensLeft", ()).await;
    assert_eq!(left, [tokens[1].as_str()]);
}

#[tokio::test]
async fn a_token_that_expires_for_good_is_an_error() {
    let mut fixture = Fixture::with(&[("LKP__AUTH__MODE", "livekit")]).await;
    fixture.webhooks([started(), joined("alice")]).await;
    // The token expires within the leeway of a minute. That is long enough for a browser on a busy machine to begin.
    let tab = fixture.watching(json!({ "token": token_for(-48) })).await;
    fixture.until_live(tab, &["alice"]).await;
    let refused = fixture.until_status(tab, "error").await;
    assert_eq!(refused.error.unwrap().status, 401);
    assert_eq!(refused.people, ["alice"]);
    assert_eq!(refused.statuses, ["connecting", "live", "connecting", "error"]);
}
