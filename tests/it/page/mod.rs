//! The page, in a real browser.

mod api;
mod firefox;
mod inside;
mod past;
mod roster;

use livekit_presence::{
    clock::Clock,
    livekit::{AccessToken, ApiKey, Keys, VideoGrant},
};

use crate::harness::{
    Browser, PROCESS_KEYS, Process, Window, eventually, finished, joined, left, published, started,
};

/// A running service, and a browser that shows its page.
async fn service_and_browser(variables: &[(&str, &str)]) -> (Process, Browser) {
    tokio::join!(Process::start(variables), Browser::start())
}

fn page_of(app: &Process) -> String {
    format!("http://{}/", app.address)
}

/// The address of the page with a token that has this grant, and the token.
fn page_with_token(app: &Process, video: VideoGrant) -> (String, String) {
    let keys = Keys::new(&ApiKey::parse_lines(PROCESS_KEYS).unwrap());
    let expires_at = Clock::system().now().as_secs() + 600;
    let token = AccessToken::sign("operator", video, expires_at, &keys).unwrap();
    (format!("{}#access_token={token}", page_of(app)), token)
}

#[tokio::test]
async fn joins_tracks_and_leaves_are_shown_without_a_reload() {
    let (app, mut browser) = service_and_browser(&[]).await;
    app.webhooks([started(), joined("alice")]).await;
    browser.open(&page_of(&app)).await;
    let first = browser.until_people("general", &["alice"]).await;
    assert_eq!(first.link, "Live");
    assert_eq!(first.announced, "Live");
    assert_eq!(first.room("general").unwrap().count, "1 person");

    app.webhooks([joined("bob")]).await;
    browser.until_people("general", &["alice", "bob"]).await;
    app.webhooks([published("bob", "TR_microphone")]).await;
    browser
        .until("bob's microphone", |sight| {
            sight.person("bob").is_some_and(|bob| bob.sources == ["microphone on"])
        })
        .await;
    app.webhooks([left("alice")]).await;
    browser.until_people("general", &["bob"]).await;
    let happened =
        ["alice left general", "bob turned the microphone on in general", "bob joined general"];
    // It comes on another stream than the list.
    let last = browser.until("what happened", |sight| sight.activity == happened).await;
    assert_eq!(last.loaded_at, first.loaded_at, "the page was not loaded again");
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn kinds_of_participants_and_tracks_can_be_told_apart() {
    let (app, mut browser) = service_and_browser(&[]).await;
    app.webhooks([
        started(),
        joined("alice"),
        joined("helper").kind("AGENT").name("Concierge"),
        joined("phone").kind("SIP"),
        published("alice", "TR_1").muted(),
        published("alice", "TR_2").video_of("CAMERA"),
        published("alice", "TR_3").video_of("SCREEN_SHARE"),
    ])
    .await;
    browser.open(&page_of(&app)).await;
    let sight = browser.until_people("general", &["alice", "Concierge", "phone"]).await;
    let alice = sight.person("alice").unwrap();
    assert_eq!(alice.kind, "");
    assert_eq!(alice.sources, ["microphone muted", "camera on", "screen on"]);
    assert_eq!(sight.person("Concierge").unwrap().kind, "AGENT");
    assert_eq!(sight.person("phone").unwrap().kind, "SIP");
}

#[tokio::test]
async fn rooms_come_and_go_by_themselves() {
    let (app, mut browser) = service_and_browser(&[]).await;
    browser.open(&page_of(&app)).await;
    let empty = browser.until_link("Live").await;
    assert!(empty.rooms.is_empty());
    assert!(empty.hints[0].starts_with("Nobody is in a room."), "{:?}", empty.hints);

    app.webhooks([started().room("first"), joined("alice").room("first")]).await;
    let sight = browser.until_people("first", &["alice"]).await;
    assert!(!sight.hints.iter().any(|hint| hint.starts_with("Nobody")), "{:?}", sight.hints);
    app.webhooks([started().room("second"), joined("bob").room("second")]).await;
    browser.until_people("second", &["bob"]).await;
    app.webhooks([left("alice").room("first"), finished().room("first")]).await;
    let sight = browser.until("the first room to go", |sight| sight.room("first").is_none()).await;
    assert_eq!(sight.people("second"), ["bob"]);
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn a_service_that_dies_and_comes_back_is_shown_as_it_is() {
    let (mut app, mut browser) = service_and_browser(&[]).await;
    app.webhooks([started(), joined("alice"), joined("bob")]).await;
    browser.open(&page_of(&app)).await;
    browser.until_people("general", &["alice", "bob"]).await;
    let live = browser.look().await;

    app.signal("KILL");
    app.ended().await;
    let connecting = browser.until_link("Connecting…").await;
    let lost = browser.until_link("Disconnected").await;
    assert!(lost.problem.starts_with("The service cannot be reached."), "{}", lost.problem);
    assert!(lost.problem.contains("What you see is from "), "{}", lost.problem);
    assert_eq!(lost.link_history[..4], ["Connecting…", "Live", "Connecting…", "Disconnected"]);
    assert!(lost.announced.starts_with("Disconnected The service cannot"), "{}", lost.announced);
    assert_eq!(lost.people("general"), ["alice", "bob"], "what was known stays");
    let colors = [&live.link_color, &connecting.link_color, &lost.link_color];
    assert!(colors[0] != colors[1] && colors[1] != colors[2] && colors[0] != colors[2]);

    // The new process has an empty store.
    let again = Process::start(&[("LKP__HTTP__BIND", &app.address.to_string())]).await;
    again.webhooks([started(), joined("carol")]).await;
    let back = browser.until_people("general", &["carol"]).await;
    assert_eq!((back.link.as_str(), back.problem.as_str()), ("Live", ""));
    assert_eq!(back.loaded_at, live.loaded_at);
    again.webhooks([joined("dave")]).await;
    browser.until_people("general", &["carol", "dave"]).await;
    let complaints = browser.complaints().await;
    assert!(
        complaints.iter().all(|complaint| complaint.contains("net::ERR_")),
        "nothing but failed requests: {complaints:#?}"
    );
}

#[tokio::test]
async fn a_visitor_can_cut_the_connection_and_see_it_recover() {
    let (app, mut browser) = service_and_browser(&[]).await;
    app.webhooks([started(), joined("alice")]).await;
    browser.open(&page_of(&app)).await;
    browser.until_people("general", &["alice"]).await;
    browser.click("#cut").await;
    let cut = browser.until_link("Disconnected").await;
    assert_eq!(cut.people("general"), ["alice"]);
    app.webhooks([joined("bob")]).await;
    let back = browser.until_people("general", &["alice", "bob"]).await;
    assert_eq!(back.link, "Live");
    assert_eq!(back.link_history[..3], ["Connecting…", "Live", "Disconnected"]);
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn names_are_text_whatever_is_in_them() {
    const MARKUP: &str = "<img src=x onerror=\"document.title='taken over'\">";
    let long = "Maximiliane-".repeat(17);
    let names = [MARKUP, "👩🏽‍🚀 Ünïcødé ☕", "مرحبا بالعالم", "&lt;b&gt;", &long[..200]];
    let (app, mut browser) = service_and_browser(&[]).await;
    let rooms = [MARKUP, "קבוצה", &"w".repeat(512)];
    for room in rooms {
        let people = (0..).zip(names).map(|(number, name)| {
            let identity = format!("{number} in {}", room.len());
            joined(&identity).name(name).kind("<i>KIND</i>").room(room)
        });
        app.webhooks([started().room(room)].into_iter().chain(people)).await;
    }
    for window in [Window::phone(), Window::default()] {
        browser.open_in(window, &page_of(&app)).await;
        for room in rooms {
            browser.until_people(room, &names).await;
        }
        let guest = format!("guest at {} pixels", window.width);
        app.webhooks([joined(&guest).name(MARKUP).room(MARKUP)]).await;
        let told = format!("{MARKUP} joined {MARKUP}");
        let sight = browser.until(&told, |sight| sight.activity.contains(&told)).await;
        assert_eq!(sight.markup_in_names, 0);
        assert_eq!(sight.content_width, sight.width, "nothing sticks out to the side");
        assert_eq!(browser.complaints().await, [""; 0]);
        app.webhooks([left(&guest).room(MARKUP)]).await;
    }
}

#[tokio::test]
async fn on_a_phone_nothing_sticks_out_to_the_side() {
    let (app, mut browser) = service_and_browser(&[]).await;
    for room in 0..12 {
        let name = format!("room {room}");
        let people = (0..room).map(|person| joined(&format!("{room} {person}")).room(&name));
        app.webhooks([started().room(&name)].into_iter().chain(people)).await;
    }
    for width in [320, 360, 768, 1000, 1920] {
        browser.open_in(Window { width, ..Window::phone() }, &page_of(&app)).await;
        let sight = browser.until("all rooms", |sight| sight.rooms.len() == 12).await;
        assert_eq!(sight.content_width, width);
    }
}

#[tokio::test]
async fn light_and_dark_are_both_easy_to_read_and_to_hear() {
    let (app, mut browser) = service_and_browser(&[]).await;
    let crowd = (0..20).map(|number| joined(&format!("person {number}")));
    let tracks = [published("person 1", "TR_1"), published("person 2", "TR_2").muted()];
    let agent = joined("helper").kind("AGENT");
    app.webhooks([started(), agent].into_iter().chain(crowd).chain(tracks)).await;
    let still = Window { reduced_motion: "reduce", ..Window::default() };
    let windows = [("light", 200..=255, "guest 1"), ("dark", 0..=60, "guest 2")];
    for (color_scheme, brightness, guest) in windows {
        browser.open_in(Window { color_scheme, ..still }, &page_of(&app)).await;
        browser.until("everybody", |sight| sight.person("person 19").is_some()).await;
        app.webhooks([joined(guest)]).await;
        let sight = browser.until("an activity", |sight| !sight.activity.is_empty()).await;
        for part in rgb(&sight.background) {
            assert!(brightness.contains(&part), "{} in {color_scheme}", sight.background);
        }
        assert_eq!(browser.audit().await, [""; 0], "{color_scheme}");
    }
}

/// The parts of `rgb(1, 2, 3)`.
fn rgb(color: &str) -> Vec<u8> {
    let parts = color.trim_start_matches("rgb(").trim_end_matches(')').split(", ");
    parts.map(|part| part.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_visitor_who_asks_for_less_motion_sees_none() {
    let (app, mut browser) = service_and_browser(&[]).await;
    app.webhooks([started(), joined("alice")]).await;
    let windows = [("no-preference", true), ("reduce", false)];
    for ((reduced_motion, moves), newcomer) in windows.into_iter().zip(["bob", "carol"]) {
        browser.open_in(Window { reduced_motion, ..Window::default() }, &page_of(&app)).await;
        browser.until_people("general", &["alice"]).await;
        app.webhooks([joined(newcomer)]).await;
        let sight = browser.until_people("general", &["alice", newcomer]).await;
        assert_eq!(sight.animations > 0, moves, "{reduced_motion}: {}", sight.animations);
        app.webhooks([left(newcomer)]).await;
    }
}

#[tokio::test]
async fn without_a_token_the_page_says_what_to_do() {
    let (app, mut browser) = service_and_browser(&[("LKP__AUTH__MODE", "livekit")]).await;
    browser.open(&page_of(&app)).await;
    let sight = browser.until_link("Error").await;
    assert_eq!(
        sight.problem,
        format!(
            "This service asks for a LiveKit access token with the roomList grant: \
             open {}#access_token=TOKEN, with yours in place of TOKEN.",
            page_of(&app)
        )
    );
    assert_eq!(browser.audit().await, [""; 0]);
    browser.press("Tab").await;
    assert_eq!(browser.look().await.focus, "retry", "the first thing that the keyboard reaches");

    let video = VideoGrant { room: "general".into(), room_join: true, ..VideoGrant::default() };
    let (page, _) = page_with_token(&app, video);
    browser.open(&page).await;
    let sight = browser.until_link("Error").await;
    assert!(sight.problem.starts_with("This token does not list rooms"), "{}", sight.problem);
    assert!(sight.problem.contains("#access_token="), "{}", sight.problem);
}

#[tokio::test]
async fn a_token_behind_the_address_opens_the_page_and_goes_nowhere_else() {
    let variables = [("LKP__AUTH__MODE", "livekit"), ("LKP__LOG__LEVEL", "trace")];
    let (app, mut browser) = service_and_browser(&variables).await;
    app.webhooks([started(), joined("alice")]).await;
    let video = VideoGrant { room_list: true, ..VideoGrant::default() };
    let (page, token) = page_with_token(&app, video);
    browser.open(&page).await;
    let sight = browser.until_people("general", &["alice"]).await;
    assert_eq!(sight.link, "Live");
    assert_eq!(sight.address, page_of(&app), "it is not passed on with the address");
    browser.reload().await;
    browser.until_people("general", &["alice"]).await;
    assert_eq!(browser.complaints().await, [""; 0]);
    let stream = "/api/livekit/participants/stream";
    eventually("the stream to be logged", async || app.log().contains(stream)).await;
    let log = app.log();
    let signature = token.rsplit('.').next().unwrap();
    assert!(!log.contains(signature) && !log.contains("access_token"), "{log}");
}

#[tokio::test]
async fn more_rooms_than_one_stream_takes_are_counted() {
    let (app, mut browser) = service_and_browser(&[]).await;
    let rooms: Vec<_> = (0..105).map(|number| format!("room {number:03}")).collect();
    for room in &rooms {
        app.webhooks([started().room(room), joined(&format!("in {room}")).room(room)]).await;
    }
    browser.open(&page_of(&app)).await;
    let all = "100 of 105 rooms are shown.";
    let sight = browser.until(all, |sight| sight.hints.iter().any(|hint| hint == all)).await;
    assert_eq!(sight.rooms.len(), 100);
    let sight = browser
        .until("everybody", |sight| sight.rooms.iter().all(|room| room.people.len() == 1))
        .await;
    assert_eq!(sight.link, "Live");
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn a_crowded_room_is_cut_short_and_reached_by_keyboard() {
    let (app, mut browser) = service_and_browser(&[]).await;
    let crowd = (0..300).map(|number| joined(&format!("person {number:03}")));
    app.webhooks([started()].into_iter().chain(crowd)).await;
    browser.open(&page_of(&app)).await;
    let sight = browser.until("a hundred", |sight| sight.people("general").len() == 100).await;
    let room = sight.room("general").unwrap();
    assert_eq!((room.count.as_str(), room.hint.as_str()), ("300 people", "and 200 more"));
    browser.press("Tab").await;
    assert_eq!(browser.look().await.focus, "cut");
    browser.press("Tab").await;
    assert_eq!(browser.look().await.focus, "ul", "the list can be scrolled");
    app.webhooks([left("person 000")]).await;
    let sight = browser
        .until("the first to go", |sight| sight.people("general").first() == Some(&"person 001"))
        .await;
    assert_eq!(sight.room("general").unwrap().hint, "and 199 more");
}

#[tokio::test]
async fn the_demo_is_alive() {
    let demo = Process::start_as(&["demo"], &[("LIVEKIT_KEYS", "")]);
    let (app, mut browser) = tokio::join!(demo, Browser::start());
    let where_it_is = format!("open {} in a browser", page_of(&app));
    eventually("the way to the page", async || app.log().contains(&where_it_is)).await;
    browser.open(&page_of(&app)).await;
    let first = browser.until("some rooms", |sight| sight.rooms.len() >= 3).await;
    let mut kinds_seen = [false; 3];
    browser
        .until("people to come, go and publish", |sight| {
            assert!(!sight.has_doubles(), "{sight:#?}");
            let is_told = |what: &str| sight.activity.iter().any(|told| told.contains(what));
            for (seen, what) in kinds_seen.iter_mut().zip([" joined ", " left ", " turned the "]) {
                *seen |= is_told(what);
            }
            kinds_seen == [true; 3]
        })
        .await;
    let last = browser.look().await;
    assert_eq!(last.loaded_at, first.loaded_at);
    assert_eq!(last.link, "Live");
    assert_eq!(browser.complaints().await, [""; 0]);
}
