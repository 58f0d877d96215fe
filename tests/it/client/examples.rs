//! The examples in a browser.

use std::path::Path;

use crate::harness::{Browser, eventually, joined, left, published, started};

use super::fixture::Fixture;

pub const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
pub const TO_BUILD: &str =
    "`make test-client` builds it, and so does `npm run build` in examples/react";

/// The visible text of a tab.
async fn text(browser: &mut Browser, tab: usize) -> String {
    browser.run(tab, "return document.body.innerText", ()).await
}

pub async fn until_text(browser: &mut Browser, tab: usize, expected: &str) {
    eventually(expected, async || text(browser, tab).await.contains(expected)).await;
}

#[tokio::test]
async fn twenty_lines_without_a_package_show_a_room() {
    let mut fixture = Fixture::with(&[("LKP__HTTP__CORS_ORIGINS", "*")]).await;
    fixture.webhooks([started(), joined("alice")]).await;
    let url = format!("file://{EXAMPLES}/plain.html?room=general&url={}", fixture.origin());
    let tab = fixture.browser.open_tab(&url).await;
    until_text(&mut fixture.browser, tab, "general\n\nlive\n\nalice").await;
    fixture.webhooks([joined("bob").name("<b>Bob</b>"), left("alice")]).await;
    until_text(&mut fixture.browser, tab, "general\n\nlive\n\n<b>Bob</b>").await;
    assert_eq!(fixture.browser.audit_tab(tab).await, [""; 0]);
}

#[tokio::test]
async fn the_app_with_voice_channels_shows_them_and_how_it_is_in_touch() {
    let mut fixture = Fixture::with(&[]).await;
    let built = format!("{EXAMPLES}/react/dist");
    assert!(Path::new(&built).join("index.html").exists(), "the example is not built: {TO_BUILD}");
    fixture.webhooks([started(), joined("alice"), published("alice", "TR_microphone")]).await;
    fixture.webhooks([started().room("music"), joined("bob").room("music")]).await;
    let origin = fixture.origin();
    fixture.browser.serve(&origin, &built).await;
    let tab = fixture.browser.open_tab(&format!("{origin}/")).await;
    for expected in ["general", "music", "alice", "bob", "LIVE"] {
        until_text(&mut fixture.browser, tab, expected).await;
    }
    let streams = fixture.streams_open().await;
    assert_eq!(streams, 2.0, "the list of rooms is on one connection, and all rooms on another");
    fixture.webhooks([joined("carol")]).await;
    until_text(&mut fixture.browser, tab, "carol").await;
    assert_eq!(fixture.browser.audit_tab(tab).await, [""; 0]);

    fixture.kill_service().await;
    until_text(&mut fixture.browser, tab, "DISCONNECTED").await;
    assert!(text(&mut fixture.browser, tab).await.contains("carol"), "what was known stays");
    assert_eq!(fixture.browser.audit_tab(tab).await, [""; 0]);
    fixture.restart_service().await;
    fixture.webhooks([started(), joined("dave")]).await;
    let press = "document.querySelector('[role=status] ~ button')?.click()";
    fixture.browser.run::<()>(tab, press, ()).await;
    for expected in ["dave", "LIVE"] {
        until_text(&mut fixture.browser, tab, expected).await;
    }
}
