//! `GET /api/livekit/rooms/ws`: many rooms on one WebSocket, which its client chooses while it is open.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{TestApp, WebSocket, identities, joined, left};

const ROOMS: &str = "/api/livekit/rooms/ws";

async fn error(socket: &mut WebSocket, status: u16) -> String {
    let answer = socket.next().await;
    assert_eq!(answer["event"], "error", "{answer}");
    assert_eq!(answer["data"]["status"], status, "{answer}");
    assert_eq!(answer["data"]["type"], "about:blank");
    answer["data"]["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn rooms_named_in_the_address_are_sent_as_on_a_stream() {
    let app = TestApp::start().await;
    app.webhook(joined("alice").room("a")).await;
    let mut socket = app.web_socket(&format!("{ROOMS}?room=a&room=b")).await;
    for (room, people) in [("a", vec!["alice"]), ("b", vec![])] {
        let snapshot = socket.next().await;
        assert_eq!((&snapshot["event"], snapshot.get("id")), (&json!("room:snapshot"), None));
        assert_eq!(snapshot["data"]["room"], room);
        assert_eq!(identities(&snapshot["data"]["participants"]), people);
    }
    app.webhook(joined("bob").room("b")).await;
    let delta = socket.next().await;
    assert_eq!(delta["event"], "room:delta");
    assert_eq!(identities(&delta["data"]["joined"]), ["bob"]);
}

#[tokio::test]
async fn a_client_adds_and_drops_rooms_and_each_message_is_answered() {
    let app = TestApp::start().await;
    app.webhooks([joined("alice").room("a"), joined("bob").room("b")]).await;
    let mut socket = app.web_socket(ROOMS).await;
    assert_eq!(socket.next_of_any_kind().await["event"], "heartbeat", "it is open");
    socket.send(r#"{"watch":["a","b"]}"#).await;
    assert_eq!(socket.next().await, json!({"event": "watching", "rooms": ["a", "b"]}));
    assert_eq!(socket.next().await["data"]["room"], "a");
    assert_eq!(socket.next().await["data"]["room"], "b");

    socket.send(r#"{"watch":["b","c","c"]}"#).await;
    assert_eq!(socket.next().await, json!({"event": "watching", "rooms": ["a", "b", "c"]}));
    assert_eq!(socket.next().await["data"]["room"], "c", "those watched before are not sent again");

    socket.send(r#"{"unwatch":["a","unknown"]}"#).await;
    assert_eq!(socket.next().await, json!({"event": "watching", "rooms": ["b", "c"]}));
    app.webhooks([left("alice").room("a"), joined("carol").room("c")]).await;
    let delta = socket.next().await;
    assert_eq!(delta["data"]["room"], "c", "the room that was dropped sends nothing more");

    socket.send(r#"{"watch":["a"]}"#).await;
    assert_eq!(socket.next().await, json!({"event": "watching", "rooms": ["b", "c", "a"]}));
    let snapshot = socket.next().await;
    assert_eq!(
        (&snapshot["event"], &snapshot["data"]["room"]),
        (&json!("room:snapshot"), &json!("a"))
    );
    assert_eq!(snapshot["data"]["participants"], json!([]));
    app.webhook(joined("dora").room("a")).await;
    assert_eq!(identities(&socket.next().await["data"]["joined"]), ["dora"]);
}

#[tokio::test]
async fn a_message_that_is_not_understood_is_answered_and_changes_nothing() {
    let app = TestApp::start().await;
    let mut socket = app.web_socket(&format!("{ROOMS}?room=a")).await;
    assert_eq!(socket.next().await["data"]["room"], "a");
    for message in ["", "hello", "[]", r#"{"shout":"a"}"#, r#"{"watch":"a"}"#] {
        socket.send(message).await;
        assert!(error(&mut socket, 400).await.contains(r#"{"watch":["a"]}"#), "{message}");
    }
    socket.send(&format!(r#"{{"watch":["{}"]}}"#, "x".repeat(513))).await;
    assert!(error(&mut socket, 400).await.contains("512"));
    socket.send(r#"{"watch":[]}"#).await;
    assert_eq!(socket.next().await["rooms"], json!(["a"]));
    app.webhook(joined("alice").room("a")).await;
    assert_eq!(identities(&socket.next().await["data"]["joined"]), ["alice"]);
}

#[tokio::test]
async fn a_room_that_the_token_does_not_open_is_refused_and_the_others_stay() {
    let app = TestApp::start().await;
    let bearer = format!("Bearer {}", app.token("own", 600));
    let mut socket =
        WebSocket::open(app.address, &format!("{ROOMS}?room=own"), &[("Authorization", &bearer)])
            .await;
    assert_eq!(socket.next().await["data"]["room"], "own");
    socket.send(r#"{"watch":["other"]}"#).await;
    assert!(error(&mut socket, 403).await.contains("does not open this room"));
    socket.send(r#"{"unwatch":["own"]}"#).await;
    assert_eq!(socket.next().await["rooms"], json!([]));
    socket.send(r#"{"watch":["own"]}"#).await;
    assert_eq!(socket.next().await["rooms"], json!(["own"]));
    assert_eq!(socket.next().await["event"], "room:snapshot");
}

#[tokio::test]
async fn a_hundred_rooms_fit_on_one_connection_and_no_more() {
    let app = TestApp::start().await;
    let mut socket = app.web_socket(ROOMS).await;
    let names: Vec<_> = (0..100).map(|number| format!("room-{number}")).collect();
    socket.send(&json!({ "watch": &names[..60] }).to_string()).await;
    socket.send(&json!({ "watch": &names[50..] }).to_string()).await;
    assert_eq!(socket.next().await["rooms"].as_array().unwrap().len(), 60);
    for room in &names[..60] {
        assert_eq!(socket.next().await["data"]["room"], *room);
    }
    assert_eq!(socket.next().await["rooms"], json!(names));
    for room in &names[60..] {
        assert_eq!(socket.next().await["data"]["room"], *room);
    }
    socket.send(r#"{"watch":["one more"]}"#).await;
    assert!(error(&mut socket, 400).await.contains("at most 100 rooms"));
    socket.send(r#"{"unwatch":["room-7"]}"#).await;
    socket.send(r#"{"watch":["one more"]}"#).await;
    assert_eq!(socket.next().await["rooms"].as_array().unwrap().len(), 99);
    assert_eq!(socket.next().await["rooms"][99], "one more");
}

#[tokio::test]
async fn a_watch_that_costs_too_many_reads_is_refused_and_the_connection_stays() {
    let settings = [("LKP__LIMITS__READS_PER_ADDRESS", "1")];
    let app = TestApp::with(&settings).await;
    let mut socket = app.web_socket(ROOMS).await;
    socket.send(r#"{"watch":["a","b","c","d","e","f"]}"#).await;
    assert_eq!(socket.next().await["event"], "watching");
    for _ in 0..6 {
        assert_eq!(socket.next().await["event"], "room:snapshot");
    }
    socket.send(r#"{"watch":["g","h","i","j","k","l"]}"#).await;
    assert!(error(&mut socket, 429).await.contains("too many requests"));
    app.webhook(joined("alice").room("a")).await;
    assert_eq!(socket.next().await["data"]["room"], "a");
}

#[tokio::test]
async fn a_connection_of_one_room_takes_no_others() {
    let app = TestApp::start().await;
    let mut socket = app.web_socket("/api/livekit/participants/ws?room=general").await;
    socket.next().await;
    socket.send(r#"{"watch":["a"]}"#).await;
    assert!(error(&mut socket, 400).await.contains("`rooms/ws`"));
}

/// What a client has of each room that it watches, folded from snapshots and deltas.
#[derive(Default)]
struct Seen(BTreeMap<String, (Value, Vec<String>)>);

impl Seen {
    fn fold(&mut self, message: &Value) {
        let data = &message["data"];
        let room = data["room"].as_str().unwrap().to_owned();
        if message["event"] == "room:snapshot" {
            self.0.insert(room, (data["version"].clone(), identities(&data["participants"])));
            return;
        }
        let (version, people) = self.0.get_mut(&room).expect("a snapshot comes first");
        assert_eq!(data["prev"], *version, "nothing was missed");
        version.clone_from(&data["version"]);
        people.extend(identities(&data["joined"]));
        let gone = identities(&data["left"]);
        people.retain(|one| !gone.contains(one));
    }
}

/// Watches a room, or drops it if it is watched, and reads on until that is done.
async fn toggle(socket: &mut WebSocket, seen: &mut Seen, room: &str) {
    let is_watched = seen.0.contains_key(room);
    let name = if is_watched { "unwatch" } else { "watch" };
    socket.send(&json!({ name: [room] }).to_string()).await;
    loop {
        let message = socket.next().await;
        if message["event"] != "watching" {
            // It was on its way before the answer, or is the snapshot after it.
            seen.fold(&message);
        } else if is_watched {
            seen.0.remove(room);
            return;
        }
        if !is_watched && seen.0.contains_key(room) {
            return;
        }
    }
}

#[tokio::test]
async fn connections_that_change_their_rooms_while_people_come_and_go_see_each_room_right() {
    const ROOM_COUNT: usize = 12;
    let settings = [("LKP__STREAM__COALESCE", "0ms"), ("LKP__AUTH__MODE", "open")];
    let app = TestApp::with(&settings).await;
    let mut random = fastrand::Rng::with_seed(14);
    let names: Vec<_> = (0..ROOM_COUNT).map(|number| format!("room-{number}")).collect();
    let mut sockets = Vec::new();
    for _ in 0..6 {
        sockets.push((WebSocket::open(app.address, ROOMS, &[]).await, Seen::default()));
    }
    for round in 0..25 {
        for (socket, seen) in &mut sockets {
            toggle(socket, seen, &names[random.usize(..ROOM_COUNT)]).await;
        }
        let webhooks = (0..8).map(|number| {
            joined(&format!("guest-{round}-{number}")).room(&names[random.usize(..ROOM_COUNT)])
        });
        app.webhooks(webhooks.collect::<Vec<_>>()).await;
    }
    for (socket, seen) in &mut sockets {
        for room in &names {
            let expected = identities(&app.participants(room).await.json());
            while seen.0.get(room).is_some_and(|(_, people)| people.len() != expected.len()) {
                let message = socket.next().await;
                seen.fold(&message);
            }
            let people = seen.0.get(room).map(|(_, people)| people);
            assert!(people.is_none_or(|people| *people == expected), "{room}: {people:?}");
        }
    }
    assert_eq!(app.metric("heartbeat_repairs_total").await, 0.0);
}
