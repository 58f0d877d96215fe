//! Whatever breaks, a tab says so, and is right by itself once it is mended.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{eventually, joined, left, published, started, within_deadline};

use super::fixture::{Desk, alone, token_for};

#[tokio::test]
async fn a_list_and_what_changes_in_it_are_shown() {
    let mut desk = Desk::with(&[]).await;
    desk.webhooks([started(), joined("alice")]).await;
    let tab = desk.watching(json!({})).await;
    let first = desk.until_live(tab, &["alice"]).await;
    assert_eq!(
        (&first.statuses[..], first.error),
        (&["connecting".into(), "live".into()][..], None)
    );
    desk.webhooks([joined("bob"), published("bob", "TR_microphone")]).await;
    desk.until_live(tab, &["alice", "bob"]).await;
    desk.webhooks([left("alice")]).await;
    let last = desk.until_live(tab, &["bob"]).await;
    assert!(last.version > first.version);
    assert_eq!(last.statuses, ["connecting", "live"]);
}

#[tokio::test]
async fn a_service_that_is_killed_and_comes_back_is_found() {
    let mut desk = Desk::with(&[]).await;
    desk.webhooks([started(), joined("alice")]).await;
    let shared = desk.watching(json!({})).await;
    let own = desk.watching(alone()).await;
    for tab in [shared, own] {
        desk.until_live(tab, &["alice"]).await;
    }
    desk.kill_service().await;
    for tab in [shared, own] {
        let lost = desk.until_status(tab, "disconnected").await;
        assert_eq!(lost.people, ["alice"], "what was known stays");
        assert_eq!(lost.error.unwrap().status, 502, "nginx is there, and nothing behind it");
    }
    desk.restart_service().await;
    desk.webhooks([started(), joined("carol")]).await;
    for tab in [shared, own] {
        let back = desk.until_live(tab, &["carol"]).await;
        assert_eq!(back.error, None);
        assert_eq!(back.statuses[..4], ["connecting", "live", "connecting", "disconnected"]);
    }
}

#[tokio::test]
async fn a_proxy_that_is_restarted_loses_nothing() {
    let mut desk = Desk::with(&[]).await;
    desk.webhooks([started(), joined("alice")]).await;
    let tab = desk.watching(json!({})).await;
    desk.until_live(tab, &["alice"]).await;
    desk.stop_nginx();
    desk.until(tab, "the loss", |shown| shown.status != "live").await;
    desk.webhooks([joined("bob")]).await;
    desk.start_nginx().await;
    desk.until_live(tab, &["alice", "bob"]).await;
}

#[tokio::test]
async fn a_network_that_is_lost_is_noticed_at_once_and_used_again_at_once() {
    let mut desk = Desk::with(&[]).await;
    desk.webhooks([started(), joined("alice")]).await;
    let tab = desk.watching(alone()).await;
    desk.until_live(tab, &["alice"]).await;
    desk.browser.set_offline(true).await;
    let lost = desk.look(tab).await;
    assert_ne!(lost.status, "live");
    desk.until_status(tab, "disconnected").await;
    desk.webhooks([joined("bob")]).await;
    desk.browser.set_offline(false).await;
    desk.within(Duration::from_secs(2), tab, "bob", &mut |shown| shown.people.len() == 2).await;
    desk.until_live(tab, &["alice", "bob"]).await;
}

#[tokio::test]
async fn a_tab_that_is_hidden_for_a_minute_lets_go_and_is_right_when_it_is_shown() {
    let mut desk = Desk::with(&[]).await;
    desk.webhooks([started(), joined("alice")]).await;
    let tab = desk.watching_out_of_time().await;
    desk.until_live(tab, &["alice"]).await;
    desk.hide(tab, true).await;
    desk.browser.pass_time(tab, Duration::from_secs(30)).await;
    assert_eq!(desk.look(tab).await.status, "live");
    desk.browser.pass_time(tab, Duration::from_secs(31)).await;
    desk.until_status(tab, "disconnected").await;
    eventually("the stream to be closed", async || desk.streams_open().await == 0.0).await;
    desk.webhooks([joined("bob")]).await;
    desk.hide(tab, false).await;
    desk.until_live(tab, &["alice", "bob"]).await;
}

#[tokio::test]
async fn a_tab_that_is_hidden_stays_if_it_wants_to_and_goes_at_once_if_not() {
    let mut desk = Desk::with(&[]).await;
    desk.webhooks([started(), joined("alice")]).await;
    let keeping = json!({ "share": false, "whenHidden": "keep" });
    let keeper = desk.watching_out_of_time_as(keeping).await;
    let closing = json!({ "share": false, "whenHidden": "close" });
    let closer = desk.watching_out_of_time_as(closing).await;
    for tab in [keeper, closer] {
        desk.until_live(tab, &["alice"]).await;
        desk.hide(tab, true).await;
        desk.browser.pass_time(tab, Duration::from_millis(1)).await;
    }
    desk.until_status(closer, "disconnected").await;
    eventually("one stream", async || desk.streams_open().await == 1.0).await;
    // More than the minute for which others stay, with a sign of life before three heartbeats are missing.
    let mut people = vec!["alice"];
    for guest in ["bob", "carol", "dave"] {
        desk.browser.pass_time(keeper, Duration::from_secs(30)).await;
        desk.webhooks([joined(guest)]).await;
        people.push(guest);
        desk.until_live(keeper, &people).await;
    }
    assert_eq!(desk.look(keeper).await.statuses, ["connecting", "live"]);
    desk.hide(closer, false).await;
    desk.until_live(closer, &people).await;
}

#[tokio::test]
async fn tabs_that_are_hidden_stay_for_the_one_that_wants_to() {
    for without in [Value::Null, "SharedWorker".into()] {
        let mut desk = Desk::with(&[]).await;
        desk.webhooks([started(), joined("alice")]).await;
        let mut tabs = Vec::new();
        for when_hidden in ["keep", "close"] {
            let options = json!({ "without": without, "whenHidden": when_hidden });
            tabs.push(desk.watching(options).await);
        }
        for tab in tabs.clone() {
            desk.until_live(tab, &["alice"]).await;
            desk.hide(tab, true).await;
        }
        desk.webhooks([joined("bob")]).await;
        for tab in tabs.clone() {
            desk.until_live(tab, &["alice", "bob"]).await;
        }
        desk.browser.close_tab(tabs.remove(0)).await;
        desk.until_status(tabs[0], "disconnected").await;
        eventually("no stream", async || desk.streams_open().await == 0.0).await;
    }
}

#[tokio::test]
async fn a_tab_that_is_left_holds_nothing_and_is_right_when_somebody_comes_back() {
    let mut desk = Desk::with(&[]).await;
    desk.webhooks([started(), joined("alice")]).await;
    let blank = desk.blank();
    let ways = [json!({}), json!({ "without": "SharedWorker" }), alone()];
    for (options, guest) in ways.into_iter().zip(["bob", "carol", "dave"]) {
        let tab = desk.watching(options.clone()).await;
        desk.until_live(tab, &["alice"]).await;
        let noted =
            "addEventListener('pageshow', ({ persisted }) => (globalThis.wasKept = persisted))";
        desk.browser.run::<()>(tab, noted, ()).await;
        desk.browser.go(tab, &blank.replace("healthz", "readyz")).await;
        eventually("the stream to be closed", async || desk.streams_open().await == 0.0).await;
        desk.webhooks([joined(guest)]).await;
        desk.browser.run::<()>(tab, "history.back()", ()).await;
        let kept = "return location.pathname === '/healthz' && (globalThis.wasKept ?? 'no')";
        let going_back = async {
            loop {
                let was_kept: Value = desk.browser.run(tab, kept, ()).await;
                if was_kept != false {
                    return was_kept;
                }
            }
        };
        let was_kept = within_deadline("the page of before", going_back).await;
        assert_eq!(was_kept, true, "{options}: nothing keeps it from the back-forward cache");
        let back = desk.until_live(tab, &["alice", guest]).await;
        assert_eq!(back.statuses[..2], ["connecting", "live"]);
        desk.webhooks([left(guest)]).await;
        desk.until_live(tab, &["alice"]).await;
        desk.browser.close_tab(tab).await;
        eventually("the stream to end", async || desk.streams_open().await == 0.0).await;
    }
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires_and_nobody_sees_it() {
    let mut desk = Desk::with(&[("LKP__AUTH__MODE", "livekit")]).await;
    desk.webhooks([started(), joined("alice")]).await;
    let tokens = [token_for(12), token_for(600)];
    let shared = desk.watching(json!({ "tokens": tokens })).await;
    desk.until_live(shared, &["alice"]).await;
    let before = desk.metric("streams_opened_total").await;
    eventually("another stream", async || desk.metric("streams_opened_total").await > before).await;
    desk.webhooks([joined("bob")]).await;
    let shown = desk.until_live(shared, &["alice", "bob"]).await;
    assert_eq!(shown.statuses, ["connecting", "live"]);
    let left: Vec<String> = desk.browser.run(shared, "return tokensLeft", ()).await;
    assert_eq!(left, [tokens[1].as_str()]);
}

#[tokio::test]
async fn a_token_that_expires_for_good_is_an_error() {
    let mut desk = Desk::with(&[("LKP__AUTH__MODE", "livekit")]).await;
    desk.webhooks([started(), joined("alice")]).await;
    // Within the leeway of a minute, long enough for a browser on a busy machine to begin, and then no more.
    let tab = desk.watching(json!({ "token": token_for(-48) })).await;
    desk.until_live(tab, &["alice"]).await;
    let refused = desk.until_status(tab, "error").await;
    assert_eq!(refused.error.unwrap().status, 401);
    assert_eq!(refused.people, ["alice"]);
    assert_eq!(refused.statuses, ["connecting", "live", "connecting", "error"]);
}
