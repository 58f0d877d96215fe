//! The browser's own WebSocket, through nginx with the shipped configuration.

use livekit_presence::{
    clock::Clock,
    livekit::{AccessToken, ApiKey, Keys, VideoGrant},
};
use serde_json::{Value, json};

use crate::harness::{Browser, Nginx, PROCESS_KEYS, Process, eventually, joined};

const OPEN: &str = r"
    globalThis.seen = { messages: [], closed: null };
    globalThis.socket = new WebSocket(argument.url);
    socket.onmessage = ({ data }) => seen.messages.push(JSON.parse(data));
    socket.onclose = ({ code, reason, wasClean }) => (seen.closed = { code, reason, wasClean });
    await new Promise((resolve) => socket.addEventListener('open', resolve, { once: true }));
    if (argument.message) socket.send(JSON.stringify(argument.message));
";
const SEND: &str = "socket.send(JSON.stringify(argument));";
const LOOK: &str = "return seen;";
const CLOSE: &str = "socket.close(1000, 'done');";

fn token(secs: u64) -> String {
    let keys = Keys::new(&ApiKey::parse_lines(PROCESS_KEYS).unwrap());
    let video = VideoGrant { room_list: true, ..VideoGrant::default() };
    let expires_at = Clock::system().now().as_secs() + secs;
    AccessToken::sign("alice", video, expires_at, &keys).unwrap()
}

fn events(seen: &Value) -> Vec<String> {
    let messages = seen["messages"].as_array().unwrap().iter();
    messages
        .filter(|message| message["event"] != "heartbeat")
        .map(|message| format!("{} {}", message["event"], message["data"]["room"]).replace('"', ""))
        .collect()
}

#[tokio::test]
async fn a_page_watches_rooms_over_one_web_socket_and_learns_why_it_was_closed() {
    let settings = [("LKP__AUTH__MODE", "livekit")];
    let (app, mut browser) = tokio::join!(Process::start(&settings), Browser::start());
    let nginx = Nginx::before(&[app.address.port()]).await;
    let origin = format!("localhost:{}", nginx.tls_port);
    let url = format!("wss://{origin}/api/livekit/rooms/ws");
    let tab = browser.open_tab(&format!("https://{origin}/healthz")).await;
    let begin = json!({ "url": url, "message": { "token": token(600) } });
    browser.run::<()>(tab, OPEN, begin).await;
    browser.run::<()>(tab, SEND, json!({ "watch": ["a", "b"] })).await;
    eventually("both rooms", async || {
        let seen: Value = browser.run(tab, LOOK, ()).await;
        events(&seen).len() == 4
    })
    .await;
    app.webhooks([joined("bob").room("b")]).await;
    eventually("who came", async || {
        let seen: Value = browser.run(tab, LOOK, ()).await;
        events(&seen).len() == 5
    })
    .await;
    let seen: Value = browser.run(tab, LOOK, ()).await;
    let expected =
        ["watching null", "watching null", "room:snapshot a", "room:snapshot b", "room:delta b"];
    assert_eq!(events(&seen), expected);
    assert_eq!(seen["closed"], Value::Null);
    browser.run::<()>(tab, CLOSE, ()).await;
    closes(&mut browser, tab, json!({ "code": 1000, "reason": "", "wasClean": true })).await;

    let refused = json!({ "url": url, "message": { "token": "nonsense" } });
    browser.run::<()>(tab, OPEN, refused).await;
    let reason = "the token is not a JWT signed with HS256 whose claims have the right types";
    closes(&mut browser, tab, json!({ "code": 4401, "reason": reason, "wasClean": true })).await;

    let url = format!("{url}?access_token={}", token(2));
    browser.run::<()>(tab, OPEN, json!({ "url": url })).await;
    closes(&mut browser, tab, json!({ "code": 4401, "reason": "expired", "wasClean": true })).await;

    let url = format!("wss://{origin}/api/livekit/participants/ws?access_token={}", token(600));
    browser.run::<()>(tab, OPEN, json!({ "url": url })).await;
    let reason = "name a room: add `?room=` and its name to the URL";
    closes(&mut browser, tab, json!({ "code": 4400, "reason": reason, "wasClean": true })).await;
}

async fn closes(browser: &mut Browser, tab: usize, expected: Value) {
    let mut last = Value::Null;
    eventually("the close", async || {
        last = browser.run::<Value>(tab, LOOK, ()).await["closed"].take();
        !last.is_null()
    })
    .await;
    assert_eq!(last, expected);
}
