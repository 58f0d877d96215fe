//! The package in Firefox.

use serde_json::json;

use crate::harness::{eventually, joined, left, started};

use super::fixture::Fixture;

#[tokio::test]
async fn in_firefox_two_tabs_share_a_connection_and_come_back_after_the_service_did() {
    let Some(mut fixture) = Fixture::in_firefox().await else { return };
    fixture.webhooks([started(), joined("alice")]).await;
    let tabs = [fixture.watching(json!({})).await, fixture.watching(json!({})).await];
    for tab in tabs {
        fixture.until_live(tab, &["alice"]).await;
    }
    assert_eq!(fixture.streams_open().await, 1.0);
    fixture.webhooks([joined("bob"), left("alice")]).await;
    for tab in tabs {
        fixture.until_live(tab, &["bob"]).await;
    }

    fixture.kill_service().await;
    fixture.restart_service().await;
    fixture.webhooks([started(), joined("carol")]).await;
    for tab in tabs {
        fixture.until_live(tab, &["carol"]).await;
    }
    fixture.browser.close_tab(tabs[0]).await;
    fixture.webhooks([joined("dave")]).await;
    fixture.until_live(tabs[1], &["carol", "dave"]).await;
    eventually("one stream", async || fixture.streams_open().await == 1.0).await;
}
