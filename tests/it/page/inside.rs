//! What the service does, as the page shows it: charts of the last hour, and the last webhooks.

use livekit_presence::livekit::VideoGrant;

use crate::harness::{Sight, Window, joined, left, started};

use super::{page_of, page_with_token, service_and_browser};

/// The texts of the newest webhook that is shown.
fn newest(sight: &Sight) -> Vec<&str> {
    sight.webhooks.first().into_iter().flatten().map(String::as_str).collect()
}

#[tokio::test]
async fn charts_of_the_last_hour_are_drawn_and_say_their_newest_values() {
    let (app, mut browser) = service_and_browser(&[("LKP__AUTH__MODE", "livekit")]).await;
    app.webhooks([started(), joined("alice")]).await;
    let video = VideoGrant { room_list: true, ..VideoGrant::default() };
    browser.open(&page_with_token(&app, video).0).await;
    let is_drawn = |sight: &Sight| sight.charts.iter().all(|chart| chart.is_drawn);
    let sight = browser.until("charts", |sight| sight.charts.len() == 12 && is_drawn(sight)).await;
    let chart = |title: &str| sight.charts.iter().find(|chart| chart.title == title).unwrap();
    let memory = &chart("Memory, MB").values;
    let megabytes = memory.trim_start_matches("resident ").parse::<f64>().unwrap();
    assert!((5.0..5_000.0).contains(&megabytes), "{memory}");
    assert!(chart("Webhooks by event, /s").values.starts_with("joined "), "{:?}", sight.charts);
    assert_eq!(browser.complaints().await, [""; 0], "the content security policy holds");
}

#[tokio::test]
async fn a_webhook_opens_by_keyboard_shows_its_body_and_says_what_it_would_do_now() {
    let (app, mut browser) = service_and_browser(&[]).await;
    app.webhooks([started(), joined("alice").metadata("PRIVATE")]).await;
    browser.open(&page_of(&app)).await;
    let sight = browser.until("both webhooks", |sight| sight.webhooks.len() == 2).await;
    assert_eq!(
        newest(&sight)[1..],
        ["participant_joined", "general", "alice", "changed", "alice joined"]
    );
    app.webhooks([left("alice")]).await;
    browser.until("the third", |sight| sight.webhooks.len() == 3).await;

    browser.click("#webhooks-rows tr:nth-child(2) button").await;
    let sight = browser.until("the body", |sight| sight.webhook_body.contains("PA_alice")).await;
    assert!(sight.webhook_body.contains("(7 bytes)"), "{}", sight.webhook_body);
    assert!(!sight.webhook_body.contains("PRIVATE"), "{}", sight.webhook_body);
    browser.press("Tab").await;
    browser.press("Tab").await;
    browser.press("Enter").await;
    let told = "It would change nothing that people see. If LiveKit repeated it as it is, nothing would happen.";
    browser.until("the dry run", |sight| sight.dry_run == told).await;
    app.webhooks([joined("bob")]).await;
    browser.press("Escape").await;
    let sight = browser.until("it to close", |sight| sight.webhook_body.is_empty()).await;
    assert_eq!(sight.focus, "button", "the focus returns to where it came from");
    assert_eq!(sight.webhooks.len(), 3, "nothing moves under somebody who reads");
    browser.press("Enter").await;
    browser.until("the body again", |sight| sight.webhook_body.contains("PA_alice")).await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn on_a_phone_in_the_dark_and_without_motion_it_is_easy_to_read_and_to_hear() {
    let (app, mut browser) = service_and_browser(&[]).await;
    let long = "w".repeat(200);
    app.webhooks([started(), joined(&long), joined("alice")]).await;
    let phone = Window { color_scheme: "dark", reduced_motion: "reduce", ..Window::phone() };
    for window in [phone, Window { width: 320, ..Window::phone() }, Window::default()] {
        let width = window.width;
        browser.open_in(window, &page_of(&app)).await;
        browser.until("the webhooks", |sight| sight.webhooks.len() == 3).await;
        browser.click("#webhooks-rows tr:nth-child(2) button").await;
        browser.until("the body", |sight| sight.webhook_body.contains("PA_w")).await;
        let sight =
            browser.until("charts", |sight| sight.charts.iter().all(|chart| chart.is_drawn)).await;
        assert_eq!(sight.content_width, width, "nothing sticks out to the side");
        assert_eq!(browser.audit().await, [""; 0], "{width}");
    }
}

#[tokio::test]
async fn who_may_not_list_rooms_is_asked_for_a_token_and_sees_nothing_of_the_service() {
    let (app, mut browser) = service_and_browser(&[("LKP__AUTH__MODE", "livekit")]).await;
    app.webhooks([joined("alice")]).await;
    browser.open(&page_of(&app)).await;
    let sight = browser.until_link("Error").await;
    assert_eq!((sight.charts.len(), sight.webhooks.len()), (0, 0));
}
