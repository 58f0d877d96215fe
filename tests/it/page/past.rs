//! Who was in a room, as the page draws it.

use std::time::Duration;

use crate::harness::{
    Browser, Folder, Process, Sight, WebhookBody, Window, joined_before, left, now, now_ms,
    published, started,
};

use super::page_of;

/// A running service that keeps a history in a file, and a browser.
async fn service_and_browser(folder: &Folder) -> (Process, Browser) {
    let url = format!("sqlite:{}", folder.path().join("history.db").display());
    let variables = [("LKP__HISTORY__URL", &*url)];
    tokio::join!(Process::start(&variables), Browser::start())
}

fn opens() -> WebhookBody {
    started().created_at_ms(now_ms() - 60_000).room_created_at_ms(now_ms() - 60_000)
}

fn comes(identity: &str) -> WebhookBody {
    joined_before(identity, Duration::ZERO)
}

fn people(sight: &Sight) -> Vec<&str> {
    sight.past.iter().map(|row| row.person.as_str()).collect()
}

async fn until_past(browser: &mut Browser, expected: &[&str]) -> Sight {
    let what = format!("bars of {expected:?}");
    browser.until(&what, |sight| people(sight) == expected).await
}

#[tokio::test]
async fn who_was_in_a_room_is_drawn_and_who_comes_and_goes_is_added_without_a_reload() {
    let folder = Folder::new("past");
    let (app, mut browser) = service_and_browser(&folder).await;
    let gone = [comes("early"), now(left("early"))];
    let staying = joined_before("alice", Duration::from_secs(40));
    app.webhooks([opens(), staying].into_iter().chain(gone)).await;
    browser.open(&page_of(&app)).await;
    let first = browser
        .until("the bars and the list", |sight| {
            people(sight) == ["alice", "early"] && sight.people("general") == ["alice"]
        })
        .await;
    assert_eq!(first.past[0].left, "still inside");
    assert_ne!(first.past[1].left, "still inside");
    assert!(first.past.iter().all(|row| row.bars == 1), "{:?}", first.past);

    app.webhooks([comes("bob"), now(published("bob", "TR_1"))]).await;
    let sight = browser
        .until("bob and his microphone", |sight| {
            sight.past.last().is_some_and(|bob| bob.person == "bob" && bob.microphones == 1)
        })
        .await;
    assert!(sight.past_numbers.starts_with("People: 2 now"), "{}", sight.past_numbers);
    app.webhooks([now(left("alice"))]).await;
    let last =
        browser.until("the end of alice's bar", |sight| sight.past[0].left != "still inside").await;
    assert_eq!(people(&last), ["alice", "early", "bob"], "who has left stays");
    assert!(last.past_numbers.starts_with("People: 1 now"), "{}", last.past_numbers);
    assert_eq!(last.loaded_at, first.loaded_at, "the page was not loaded again");
    browser.reload().await;
    let again = until_past(&mut browser, &["alice", "early", "bob"]).await;
    assert_ne!(again.past[0].left, "still inside", "the rows say the same");
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn the_same_is_a_table_for_those_who_look_and_it_is_all_easy_to_read_and_to_hear() {
    let folder = Folder::new("past-audit");
    let (app, mut browser) = service_and_browser(&folder).await;
    let webhooks = [opens(), comes("alice"), now(published("alice", "TR_1")), comes("bob")];
    app.webhooks(webhooks).await;
    let still = Window { reduced_motion: "reduce", ..Window::default() };
    let dark = Window { color_scheme: "dark", ..still };
    let windows = [still, dark, Window { width: 320, ..Window::phone() }];
    for window in windows {
        browser.open_in(window, &page_of(&app)).await;
        let drawn = until_past(&mut browser, &["alice", "bob"]).await;
        assert_eq!(drawn.content_width, window.width, "nothing sticks out to the side");
        if window.reduced_motion == "reduce" {
            assert_eq!(drawn.animations, 0);
            assert_eq!(browser.audit().await, [""; 0], "{window:?}");
        }
        browser.click("#past-as-table").await;
        let table =
            browser.until("the table", |sight| sight.past.iter().all(|row| row.bars == 0)).await;
        assert_eq!(people(&table), ["alice", "bob"]);
        assert_eq!(table.content_width, window.width);
        browser.press("Tab").await;
        assert_eq!(browser.look().await.focus, "past-scroll", "the keyboard scrolls it");
        if window.reduced_motion == "reduce" {
            assert_eq!(browser.audit().await, [""; 0], "{window:?}, as a table");
        }
    }
}

#[tokio::test]
async fn people_keep_their_rows_while_time_passes_and_others_come_and_go() {
    let folder = Folder::new("past-rows");
    let (app, mut browser) = service_and_browser(&folder).await;
    app.webhooks([opens(), joined_before("alice", Duration::from_secs(20)), comes("bob")]).await;
    browser.open(&page_of(&app)).await;
    let first = until_past(&mut browser, &["alice", "bob"]).await;
    browser.click("#past-as-table").await;
    browser.press("Tab").await;

    let inside = &first.past[0].inside;
    browser.until("time to pass", |sight| sight.past[0].inside != *inside).await;
    app.webhooks([comes("carol"), now(left("bob"))]).await;
    let last = browser
        .until("the join and the leave", |sight| {
            people(sight) == ["alice", "bob", "carol"] && sight.past[1].left != "still inside"
        })
        .await;
    let lines = |sight: &Sight| sight.past.iter().take(2).map(|row| row.line).collect::<Vec<_>>();
    assert_eq!(lines(&last), lines(&first), "a screen reader that reads them goes on");
    assert_eq!(last.focus, "past-scroll");
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn a_room_beyond_those_that_one_stream_takes_is_live_while_its_past_is_looked_at() {
    let folder = Folder::new("past-many");
    let (app, mut browser) = service_and_browser(&folder).await;
    let rooms: Vec<_> = (0..105).map(|number| format!("room {number:03}")).collect();
    for room in &rooms {
        app.webhooks([opens().room(room), comes(&format!("in {room}")).room(room)]).await;
    }
    browser.open(&page_of(&app)).await;
    let some = "100 of 105 rooms are shown.";
    let sight = browser.until(some, |sight| sight.hints.iter().any(|hint| hint == some)).await;
    let other = rooms.iter().find(|room| sight.room(room).is_none()).unwrap();
    let first = format!("in {other}");
    browser.choose("#past-room", other).await;
    until_past(&mut browser, &[&first]).await;
    browser.until_people(other, &[&first]).await;
    app.webhooks([comes("bob").room(other)]).await;
    let sight = until_past(&mut browser, &[&first, "bob"]).await;
    assert_eq!(sight.rooms.len(), 100);
    app.webhooks([now(left("bob")).room(other)]).await;
    browser.until("the leave", |sight| sight.past[1].left != "still inside").await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn a_room_that_is_empty_again_can_still_be_looked_at_and_so_can_the_last_day() {
    let folder = Folder::new("past-day");
    let (app, mut browser) = service_and_browser(&folder).await;
    let long_ago = joined_before("alice", Duration::from_hours(3));
    let opened = now_ms() - 4 * 3_600_000;
    let room = opens().room("music").created_at_ms(opened).room_created_at_ms(opened);
    let leave = now(left("alice")).room("music").created_at_ms(now_ms() - 2 * 3_600_000);
    app.webhooks([room, long_ago.room("music"), leave]).await;
    browser.open(&page_of(&app)).await;
    let hour = browser.until("the section", |sight| sight.has_past).await;
    assert_eq!(people(&hour), [""; 0]);
    browser.click("[data-range=day]").await;
    let day = until_past(&mut browser, &["alice"]).await;
    assert!(day.past_numbers.ends_with("0 now, at most 1"), "{}", day.past_numbers);
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn a_service_without_a_history_shows_nothing_of_it_and_no_roster() {
    let (app, mut browser) = tokio::join!(Process::start(&[]), Browser::start());
    app.webhooks([opens(), comes("alice")]).await;
    browser.open(&page_of(&app)).await;
    let sight = browser.until_people("general", &["alice"]).await;
    assert!(!sight.has_past && !sight.has_roster);
    assert_eq!(browser.complaints().await, [""; 0]);
}
