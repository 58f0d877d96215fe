//! Events, the list of rooms, numbers, and rooms over a WebSocket, as the package brings them to a tab.

use std::time::Duration;

use livekit_presence::livekit::VideoGrant;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::harness::{DEADLINE, finished, joined, left, published, started};

use super::fixture::{Fixture, token_of};

const LOOKS_EVERY: Duration = Duration::from_millis(10);

/// Runs in a tab: watches something, and notes what is shown and what goes over WebSockets.
const WATCH: &str = r#"
    globalThis.sent = [];
    globalThis.answers = [];
    globalThis.sockets = 0;
    globalThis.WebSocket = class extends WebSocket {
        constructor(address) {
            super(address);
            sockets += 1;
            this.addEventListener("message", ({ data }) => {
                const { event } = JSON.parse(data);
                if (event === "watching" || event === "error") answers.push(event);
            });
        }
        send(text) {
            sent.push(Object.keys(JSON.parse(text))[0]);
            super.send(text);
        }
    };
    const { what, tokens, ...options } = argument;
    if (tokens) options.token = async () => (tokens.length > 1 ? tokens.shift() : tokens[0]);
    globalThis.told = [];
    options.onEvent = ({ event, room, data }) => told.push(`${event} ${data.participant?.identity ?? room}`);
    options.onGap = () => told.push("gap");
    globalThis.watch = (await import("/page/livekit-presence.js"))[what](options);
    globalThis.statuses = [];
    globalThis.numbers = [];
    const note = () => {
        const { status, counts } = watch.snapshot();
        if (status !== statuses.at(-1)) statuses.push(status);
        const number = counts && `${counts.people} ${counts.agents} ${counts.publishers}`;
        if (number && number !== numbers.at(-1)) numbers.push(number);
    };
    watch.subscribe(note);
    note();
"#;

const LOOK: &str = r#"
    const { status, rooms } = watch.snapshot();
    const ofRoom = ([name, { participants }]) => [name, ...participants.map(({ identity }) => identity)].join(" ");
    const ofList = ({ name, people, agents, publishers }) => `${name} ${people} ${agents} ${publishers}`;
    const shown = rooms instanceof Map ? [...rooms].map(ofRoom) : (rooms ?? []).map(ofList);
    const asked = performance.getEntriesByType("resource")
        .filter(({ initiatorType, name }) => initiatorType === "fetch" && name.includes("/api/")).length;
    return { status, statuses, told, rooms: shown.sort(), numbers, sent, answers, sockets, asked };
"#;

/// What a tab shows.
#[derive(Clone, Debug, Deserialize)]
struct Shown {
    status: String,
    statuses: Vec<String>,
    /// The events, with whom or which room each is about, and `gap`.
    told: Vec<String>,
    /// With who is inside, or in the list of rooms how many people, agents and publishers.
    rooms: Vec<String>,
    /// All numbers of people, agents and publishers so far.
    numbers: Vec<String>,
    /// The kinds of messages that it sent over WebSockets.
    sent: Vec<String>,
    answers: Vec<String>,
    sockets: usize,
    /// How many plain requests there were.
    asked: usize,
}

async fn watching(fixture: &mut Fixture, options: Value) -> usize {
    let tab = fixture.tab().await;
    fixture.browser.run::<()>(tab, WATCH, options).await;
    tab
}

async fn until(
    fixture: &mut Fixture,
    tab: usize,
    what: &str,
    is_shown: impl Fn(&Shown) -> bool,
) -> Shown {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let shown: Shown = fixture.browser.run(tab, LOOK, ()).await;
        if is_shown(&shown) {
            return shown;
        }
        assert!(Instant::now() < deadline, "waited {DEADLINE:?} for {what}; saw {shown:#?}");
        sleep(LOOKS_EVERY).await;
    }
}

async fn until_live(fixture: &mut Fixture, tab: usize, rooms: &[&str]) -> Shown {
    let what = format!("{rooms:?}, live");
    until(fixture, tab, &what, |shown| shown.status == "live" && shown.rooms == rooms).await
}

fn token_that_lists(seconds: i64) -> String {
    token_of(&VideoGrant { room_list: true, ..VideoGrant::default() }, seconds)
}

#[tokio::test]
async fn events_that_happen_while_the_stream_is_cut_come_later_and_once() {
    let mut fixture = Fixture::with(&[]).await;
    let tab = watching(&mut fixture, json!({ "what": "watchEvents" })).await;
    until_live(&mut fixture, tab, &[]).await;
    fixture.webhooks([started(), joined("alice")]).await;
    let mut told = vec!["room_started general".to_owned(), "participant_joined alice".to_owned()];
    until(&mut fixture, tab, "alice", |shown| shown.told == told).await;
    for round in 1..=2 {
        let (missed, next) = (format!("missed {round}"), format!("next {round}"));
        fixture.stop_nginx();
        until(&mut fixture, tab, "the loss", |shown| shown.status != "live").await;
        fixture.webhooks([joined(&missed), left(&missed)]).await;
        fixture.start_nginx().await;
        until_live(&mut fixture, tab, &[]).await;
        fixture.webhooks([joined(&next)]).await;
        told.push(format!("participant_joined {missed}"));
        told.push(format!("participant_left {missed}"));
        told.push(format!("participant_joined {next}"));
        until(&mut fixture, tab, "what was missed, once", |shown| shown.told == told).await;
    }
}

#[tokio::test]
async fn the_list_of_rooms_is_streamed_and_right_again_after_a_loss() {
    for transport in ["sse", "websocket"] {
        let mut fixture = Fixture::with(&[]).await;
        let options = json!({ "what": "watchRoomList", "transport": transport });
        let tab = watching(&mut fixture, options).await;
        until_live(&mut fixture, tab, &[]).await;
        fixture.webhooks([started(), joined("alice"), joined("helper").kind("AGENT")]).await;
        fixture.webhooks([started().room("music"), published("alice", "TR_1")]).await;
        let shown = until_live(&mut fixture, tab, &["general 1 1 1", "music 0 0 0"]).await;
        assert_eq!((shown.asked, &shown.statuses[1..]), (0, &["live".to_owned()][..]));
        fixture.stop_nginx();
        until(&mut fixture, tab, "the loss", |shown| shown.status != "live").await;
        fixture.webhooks([finished().room("music"), left("helper")]).await;
        fixture.start_nginx().await;
        until_live(&mut fixture, tab, &["general 1 0 1"]).await;
    }
}

#[tokio::test]
async fn numbers_come_only_when_one_of_them_changes() {
    for transport in ["sse", "websocket"] {
        let mut fixture = Fixture::with(&[]).await;
        fixture.webhooks([started(), joined("alice")]).await;
        let options = json!({
            "what": "watchRoom", "room": "general", "view": "count", "transport": transport,
        });
        let tab = watching(&mut fixture, options).await;
        until(&mut fixture, tab, "alice", |shown| shown.numbers == ["1 0 0"]).await;
        fixture.webhooks([joined("helper").kind("AGENT")]).await;
        until(&mut fixture, tab, "the agent", |shown| shown.numbers.len() == 2).await;
        fixture.webhooks([published("alice", "TR_1")]).await;
        until(&mut fixture, tab, "a publisher", |shown| shown.numbers.len() == 3).await;
        fixture.webhooks([published("alice", "TR_2"), joined("bob")]).await;
        let shown = until(&mut fixture, tab, "bob", |shown| shown.numbers.len() == 4).await;
        assert_eq!(shown.numbers, ["1 0 0", "1 1 0", "1 1 1", "2 1 1"]);
        assert_eq!((shown.statuses, shown.asked), (vec!["connecting".into(), "live".into()], 0));
    }
}

#[tokio::test]
async fn over_a_web_socket_rooms_change_and_a_token_is_renewed_on_one_connection() {
    let mut fixture = Fixture::with(&[("LKP__AUTH__MODE", "livekit")]).await;
    fixture.webhooks([started(), joined("alice")]).await;
    fixture.webhooks([started().room("music"), joined("bob").room("music")]).await;
    let blank = fixture.blank();
    let tab = fixture.browser.open_tab_out_of_time(&blank).await;
    let options = json!({
        "what": "watchRooms", "rooms": ["general"], "transport": "websocket", "share": false,
        "tokens": [token_that_lists(30), token_that_lists(600)],
    });
    fixture.browser.run::<()>(tab, WATCH, options).await;
    until_live(&mut fixture, tab, &["general alice"]).await;
    let set_rooms = "watch.setRooms(argument)";
    fixture.browser.run::<()>(tab, set_rooms, ["general", "music"]).await;
    until_live(&mut fixture, tab, &["general alice", "music bob"]).await;
    fixture.browser.run::<()>(tab, set_rooms, ["music"]).await;
    fixture.browser.pass_time(tab, Duration::from_secs(28)).await;
    fixture.webhooks([joined("carol"), joined("dave").room("music")]).await;
    until_live(&mut fixture, tab, &["music bob dave"]).await;
    let shown = until(&mut fixture, tab, "all answers", |shown| shown.answers.len() == 4).await;
    assert_eq!(shown.sent, ["token", "watch", "unwatch", "token"]);
    assert_eq!(shown.answers, ["watching"; 4]);
    assert_eq!((shown.sockets, shown.asked), (1, 0));
    assert_eq!(fixture.metric("streams_opened_total").await, 1.0);
}

#[tokio::test]
async fn over_a_web_socket_a_token_that_is_refused_is_an_error_also_after_a_list_was_shown() {
    let mut fixture = Fixture::with(&[("LKP__AUTH__MODE", "livekit")]).await;
    fixture.webhooks([started(), joined("alice")]).await;
    let options = json!({
        "what": "watchRooms", "rooms": ["general"], "transport": "websocket", "share": false,
        "tokens": [token_that_lists(-600), token_that_lists(600), token_that_lists(-600)],
    });
    let tab = watching(&mut fixture, options).await;
    // The first one is refused, so another one is shown at once.
    until_live(&mut fixture, tab, &["general alice"]).await;
    let renew_early = "const now = Date.now; Date.now = () => now() + 1e6; watch.reconnect()";
    fixture.browser.run::<()>(tab, renew_early, ()).await;
    let shown = until(&mut fixture, tab, "error", |shown| shown.status == "error").await;
    assert_eq!(shown.rooms, ["general alice"], "what was known stays");
    assert_eq!((shown.sockets, shown.asked), (4, 0));
}
