//! `GET /api/livekit/rooms/stream?all=true`: the list of rooms, live.

use livekit_presence::{hub::RoomBody, store::Store};
use serde_json::json;

use crate::harness::{
    Connection, RedisServer, ShownRooms, StoreFault, Subscriber, TestApp, eventually, finished,
    joined, left, published, started, within_deadline,
};

const ALL: &str = "/api/livekit/rooms/stream?all=true";

async fn subscriber(app: &TestApp, target: &str) -> Subscriber {
    let bearer = format!("Bearer {}", app.list_token());
    app.open_stream(target, &[("Authorization", &bearer)]).await
}

/// Reads the stream until its list is the store's, which GET answers too.
async fn agrees(app: &TestApp, subscriber: &mut Subscriber, shown: &mut ShownRooms) {
    let mut rooms = app.store.rooms_anew().await.unwrap();
    rooms.sort_by(|a, b| a.name.cmp(&b.name));
    let expected = json!(rooms.into_iter().map(RoomBody::from).collect::<Vec<_>>());
    while shown.list() != expected {
        let what = format!("{expected} after {}", shown.list());
        let next = within_deadline(&what, subscriber.next()).await;
        shown.take(&next.expect("the stream goes on"));
    }
    // One list serves all GETs for a second.
    eventually("GET to be as new", async || app.rooms().await == expected).await;
}

#[tokio::test]
async fn the_list_of_rooms_is_sent_and_then_what_changes_in_it() {
    let redis = RedisServer::start().await;
    for redis in [None, Some(&redis)] {
        let app = TestApp::over_store(redis).await;
        app.webhooks([started().room("lobby"), joined("alice").room("music")]).await;
        let mut subscriber = subscriber(&app, ALL).await;
        let snapshot = subscriber.next().await.unwrap();
        assert_eq!((snapshot.name.as_str(), snapshot.id.as_ref()), ("rooms:snapshot", None));
        assert_eq!(snapshot.json()["rooms"], app.rooms().await);
        let mut shown = ShownRooms::default();
        shown.take(&snapshot);

        app.webhook(joined("bob").room("music")).await;
        let delta = subscriber.next().await.unwrap();
        shown.take(&delta);
        let delta = delta.json();
        assert_eq!(delta["prev"], snapshot.json()["version"]);
        assert_eq!(delta["gone"], json!([]));
        assert_eq!(delta["changed"].as_array().unwrap().len(), 1, "{delta}");
        let music = &delta["changed"][0];
        assert_eq!((&music["name"], &music["numParticipants"]), (&json!("music"), &json!(2)));
        assert_eq!((&music["people"], &music["publishers"]), (&json!(2), &json!(0)));

        app.webhook(published("bob", "TR_1").room("music")).await;
        let delta = subscriber.next().await.unwrap();
        shown.take(&delta);
        assert_eq!(delta.json()["changed"][0]["publishers"], 1);

        // An empty room comes and goes, which nobody in a room sees.
        app.webhook(finished().room("lobby")).await;
        let delta = subscriber.next().await.unwrap();
        shown.take(&delta);
        assert_eq!(delta.json()["gone"], json!(["lobby"]));
        app.webhook(started().room("lobby")).await;
        shown.until(&mut subscriber, &[("lobby", 0), ("music", 2)]).await;
        app.webhooks([left("alice").room("music"), left("bob").room("music")]).await;
        shown.until(&mut subscriber, &[("lobby", 0)]).await;
        agrees(&app, &mut subscriber, &mut shown).await;
    }
}

#[tokio::test]
async fn folding_what_is_sent_gives_the_list() {
    let redis = RedisServer::start().await;
    for redis in [None, Some(&redis)] {
        let app = TestApp::over_store(redis).await;
        let (mut all, mut some) = (ShownRooms::default(), ShownRooms::default());
        let mut of_all = subscriber(&app, ALL).await;
        let mut of_some = subscriber(&app, &format!("{ALL}&prefix=b")).await;
        let mut random = fastrand::Rng::with_seed(3);
        for round in 0..150 {
            let room = format!("{}-{}", random.choice(["a", "b", "ba"]).unwrap(), random.u8(0..4));
            let person = format!("user-{}", random.u8(0..3));
            let webhook = match random.u8(0..8) {
                0 => started(),
                1 => finished(),
                2..=4 => left(&person),
                _ => joined(&person).sid(&format!("PA_{person}_{round}")),
            };
            app.webhook(webhook.room(&room)).await;
        }
        agrees(&app, &mut of_all, &mut all).await;
        let expected: Vec<_> =
            all.counts().into_iter().filter(|(name, _)| name.starts_with('b')).collect();
        some.until(&mut of_some, &expected).await;
        assert!(!expected.is_empty() && expected.len() < all.counts().len(), "{all:?}");
    }
}

#[tokio::test]
async fn a_prefix_has_its_rooms_alone() {
    let app = TestApp::start().await;
    app.webhooks([joined("alice").room("tenant-1/a"), joined("bob").room("tenant-2/a")]).await;
    let mut first = subscriber(&app, &format!("{ALL}&prefix=tenant-1/")).await;
    let mut second = subscriber(&app, &format!("{ALL}&prefix=tenant-2%2F")).await;
    let (mut of_first, mut of_second) = (ShownRooms::default(), ShownRooms::default());
    of_first.until(&mut first, &[("tenant-1/a", 1)]).await;
    of_second.until(&mut second, &[("tenant-2/a", 1)]).await;
    for number in 0..5 {
        app.webhook(joined(&format!("user-{number}")).room("tenant-1/a")).await;
    }
    of_first.until(&mut first, &[("tenant-1/a", 6)]).await;
    app.webhook(started().room("tenant-2/b")).await;
    let next = second.next().await.unwrap();
    assert_eq!(next.json()["prev"], 1, "nothing came in between");
    of_second.take(&next);
    assert_eq!(of_second.counts(), [("tenant-2/a", 1), ("tenant-2/b", 0)]);
    // The same prefix again.
    let mut again = subscriber(&app, &format!("{ALL}&prefix=tenant-2/")).await;
    assert_eq!(again.next().await.unwrap().json()["rooms"], of_second.list());
    assert_eq!(app.metric("all_rooms_prefixes").await, 2.0);
    assert_eq!(app.metric("all_rooms_readings_total{cause=\"first\"}").await, 1.0);
}

#[tokio::test]
async fn a_burst_is_sent_in_few_deltas() {
    let app = TestApp::with(&[("LKP__STREAM__COALESCE", "500ms")]).await;
    let mut subscriber = subscriber(&app, ALL).await;
    let mut shown = ShownRooms::default();
    let names: Vec<_> = (0..200).map(|number| format!("room-{number:03}")).collect();
    app.webhooks(names.iter().map(|name| joined("alice").room(name))).await;
    let expected: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let mut events = 0;
    while shown.counts() != expected {
        shown.take(&subscriber.next().await.unwrap());
        events += 1;
    }
    assert!(events < 20, "{events} events");
}

#[tokio::test]
async fn what_is_asked_for_must_be_clear() {
    let app = TestApp::start().await;
    let refusals = [
        ("", "name a room: add `?room=` and its name to the URL, or `?all=true` for all rooms"),
        ("?all=false", "`?all=true` for all rooms"),
        ("?all=yes", "`all` must be `true` or `false`"),
        ("?all=true&all=true", "`all` must be `true` or `false`, once"),
        ("?all=true&room=general", "`all=true` has every room; leave out `room`"),
        ("?room=general&prefix=g", "add `all=true`"),
        ("?all=true&prefix=%FF", "not UTF-8"),
        ("?all=true&prefix=a&prefix=b", "give `prefix` once"),
    ];
    for (query, words) in refusals {
        let answer = app.get_as_operator(&format!("/api/livekit/rooms/stream{query}")).await;
        assert!(answer.problem(400).contains(words), "{query}: {}", answer.text());
    }
    let long = format!("{ALL}&prefix={}", "x".repeat(513));
    assert!(app.get_as_operator(&long).await.problem(400).contains("at most 512 bytes"));
    let mut with_counts = subscriber(&app, &format!("{ALL}&view=count")).await;
    assert_eq!(with_counts.next().await.unwrap().name, "rooms:snapshot");
    let mut named = subscriber(&app, "/api/livekit/rooms/stream?room=general&all=false").await;
    assert_eq!(named.next().await.unwrap().name, "room:snapshot");
}

#[tokio::test]
async fn only_tokens_that_list_rooms_open_it() {
    let app = TestApp::start().await;
    let bearer = format!("Bearer {}", app.token("general", 3600));
    let refused = app.get(ALL, &[("Authorization", &bearer)]).await;
    assert!(refused.problem(403).contains("`roomList`"));
    assert_eq!(app.get(ALL, &[]).await.status, 401);
    let bearer = format!("Bearer {}", app.list_token());
    let head = app.ask("HEAD", ALL, &[("Authorization", &bearer)]).await;
    assert_eq!(head.status, 200);
    assert_eq!(app.metric("all_rooms_prefixes").await, 0.0, "a HEAD watches nothing");
}

#[tokio::test]
async fn while_the_store_is_away_the_last_list_is_what_a_new_subscriber_gets() {
    let app = TestApp::start().await;
    app.store.set_fault(StoreFault::Fails);
    assert!(app.get_as_operator(ALL).await.problem(503).contains("the store"));
    app.store.set_fault(StoreFault::None);
    app.webhook(joined("alice").room("music")).await;
    let mut before = subscriber(&app, ALL).await;
    let mut shown = ShownRooms::default();
    shown.until(&mut before, &[("music", 1)]).await;
    app.store.set_fault(StoreFault::Fails);
    for target in [ALL.to_owned(), format!("{ALL}&prefix=mu")] {
        let mut newcomer = subscriber(&app, &target).await;
        assert_eq!(newcomer.next().await.unwrap().json()["rooms"], shown.list());
    }
    app.store.set_fault(StoreFault::None);
    app.webhook(joined("bob").room("music")).await;
    shown.until(&mut before, &[("music", 2)]).await;
}

#[tokio::test]
async fn a_slow_subscriber_gets_the_newest_and_not_the_backlog() {
    let app = TestApp::with(&[("LKP__STREAM__COALESCE", "0ms")]).await;
    // Together more than any socket takes.
    let names: Vec<_> =
        (0..1_500).map(|number| format!("{number:04}-{}", "x".repeat(400))).collect();
    app.webhooks(names.iter().map(|name| started().room(name))).await;
    let mut connection = Connection::with_receive_buffer(app.address, Some(4096)).await;
    let bearer = format!("Bearer {}", app.list_token());
    connection.request("GET", ALL, &[("Authorization", &bearer)]).await;
    let mut slow = Subscriber::of(connection).await;
    eventually("its socket to be full", async || app.metric("slow_subscribers_total").await >= 1.0)
        .await;
    let mut quick = subscriber(&app, ALL).await;
    let mut shown = ShownRooms::default();
    shown.take(&quick.next().await.unwrap());
    // One at a time, so that these are more changes than are kept for subscribers that are a little behind.
    for number in 0..100 {
        app.webhook(joined(&format!("user-{number}")).room(&names[0])).await;
        while shown.counts()[0].1 <= number {
            shown.take(&quick.next().await.unwrap());
        }
    }
    let mut late = ShownRooms::default();
    late.take(&slow.next().await.unwrap());
    assert_eq!(late.counts()[0].1, 0, "what was begun is finished");
    late.take(&slow.next().await.unwrap());
    assert_eq!(late.counts()[0].1, 100, "and then comes the newest");
}

#[tokio::test]
async fn the_number_of_different_prefixes_is_bounded() {
    let app =
        TestApp::with(&[("LKP__AUTH__MODE", "open"), ("LKP__LIMITS__STREAMS_PER_ADDRESS", "0")])
            .await;
    let mut open = Vec::new();
    for number in 0..256 {
        open.push(app.open_stream(&format!("{ALL}&prefix={number}"), &[]).await);
    }
    let refused = app.get(&format!("{ALL}&prefix=another"), &[]).await;
    assert!(refused.problem(503).contains("too many different prefixes"));
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    let mut known = app.open_stream(&format!("{ALL}&prefix=7"), &[]).await;
    assert_eq!(known.next().await.unwrap().name, "rooms:snapshot");
    open.pop();
    eventually("a place", async || {
        let mut connection = app.connect().await;
        connection.request("GET", &format!("{ALL}&prefix=another"), &[]).await;
        connection.head().await.status() == 200
    })
    .await;
}
