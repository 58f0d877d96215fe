//! The page in Firefox.

use crate::harness::{Browser, Process, Sight, joined, left, published, started};

use super::page_of;

#[tokio::test]
async fn in_firefox_people_come_and_go_charts_are_drawn_and_the_policy_holds() {
    let (app, browser) = tokio::join!(Process::start(&[]), Browser::firefox());
    let Some(mut browser) = browser else { return };
    app.webhooks([started(), joined("alice")]).await;
    browser.open(&page_of(&app)).await;
    let first = browser.until_people("general", &["alice"]).await;
    app.webhooks([joined("bob"), published("bob", "TR_microphone")]).await;
    browser.until_people("general", &["alice", "bob"]).await;
    browser
        .until("bob's microphone", |sight| {
            sight.person("bob").is_some_and(|bob| bob.sources == ["microphone on"])
        })
        .await;
    app.webhooks([left("alice")]).await;
    browser.until_people("general", &["bob"]).await;
    let is_drawn = |sight: &Sight| sight.charts.iter().all(|chart| chart.is_drawn);
    let sight = browser.until("charts", |sight| sight.charts.len() == 12 && is_drawn(sight)).await;
    assert_eq!(sight.loaded_at, first.loaded_at, "the page was not loaded again");
    browser.click("#webhooks-rows tr button").await;
    browser.until("a body", |sight| sight.webhook_body.contains("\"identity\"")).await;
    assert_eq!(browser.complaints().await, [""; 0]);
}
