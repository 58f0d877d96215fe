//! `GET /api/livekit/rooms`.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{TestApp, eventually, finished, joined, left, published, started};

#[tokio::test]
async fn rooms_are_listed_by_name_with_the_people_that_clients_see() {
    let app = TestApp::start().await;
    app.webhooks([
        started().room("music"),
        joined("alice").room("music"),
        joined("bob").room("music"),
        joined("spy").room("music").hidden(),
        joined("carol").room("general"),
        started().room("lobby"),
        joined("hidden").room("only-hidden").hidden(),
        joined("helper").room("music").kind("AGENT"),
        published("alice", "TR_1").room("music"),
        published("helper", "TR_2").room("music"),
        joined("dave").room("since").room_created_at_ms(1_795_000_000_123),
    ])
    .await;
    let started = 1_795_391_850_000_u64;
    let room =
        |name, [people, agents, publishers]: [u32; 3], exact: bool, started_at: Option<u64>| {
            let mut room = json!({
                "name": name, "numParticipants": people + agents, "exact": exact, "people": people,
                "agents": agents, "publishers": publishers, "startedAt": started_at,
            });
            if exact {
                room["recording"] = false.into();
            }
            room
        };
    let expected = json!([
        room("general", [1, 0, 0], false, None),
        room("lobby", [0, 0, 0], true, Some(started)),
        room("music", [2, 1, 1], true, Some(started)),
        room("since", [1, 0, 0], false, Some(1_795_000_000_123)),
    ]);
    assert_eq!(app.rooms().await, expected);
    assert_eq!(app.get_as_operator("/api/rooms").await.json(), expected);
}

#[tokio::test]
async fn a_room_is_recording_while_an_egress_is_inside() {
    let app = TestApp::start().await;
    app.webhooks([started(), joined("alice"), joined("egress").kind("EGRESS")]).await;
    let room = app.rooms().await[0].clone();
    assert_eq!((&room["recording"], &room["numParticipants"]), (&true.into(), &1.into()));
    app.webhook(left("egress")).await;
    eventually("the recording to end", async || app.rooms().await[0]["recording"] == false).await;
}

#[tokio::test]
async fn a_room_leaves_the_list_when_it_is_finished() {
    let app = TestApp::start().await;
    app.webhooks([started(), joined("alice"), left("alice")]).await;
    assert_eq!(app.rooms().await[0]["numParticipants"], 0);
    app.webhook(finished()).await;
    // One list serves everybody who asks within a second.
    eventually("it to be gone", async || app.rooms().await == json!([])).await;
}

#[tokio::test]
async fn the_list_of_rooms_can_be_asked_for_conditionally() {
    let app = TestApp::start().await;
    app.webhook(started()).await;
    let bearer = format!("Bearer {}", app.list_token());
    let first = app.get("/api/livekit/rooms", &[("Authorization", &bearer)]).await;
    assert_eq!(first.header("cache-control"), "no-cache");
    let headers = [("Authorization", bearer.as_str()), ("If-None-Match", first.header("etag"))];
    assert_eq!(app.get("/api/livekit/rooms", &headers).await.status, 304);
    app.webhook(joined("alice")).await;
    let ask = async || app.get("/api/livekit/rooms", &headers).await.status;
    eventually("another list", async || ask().await == 200).await;
}

/// An app with these rooms, each of which has started.
async fn with_rooms(names: &[&str]) -> TestApp {
    let app = TestApp::start().await;
    app.webhooks(names.iter().map(|name| started().room(name))).await;
    app
}

fn names(rooms: &Value) -> Vec<&str> {
    rooms.as_array().unwrap().iter().map(|room| room["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn pages_one_after_the_other_have_every_room_once_in_order() {
    // In the order of their bytes, and with names that JSON and URLs escape.
    let all = ["A", "a", "a b", "a\"q", "ab", "b", "c&d", "ä", "☕"];
    let app = with_rooms(&all).await;
    for limit in [1, 2, 8, 9, 1000] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let after_param = after.as_deref().map_or(String::new(), |after: &str| {
                format!(
                    "&after={}",
                    percent_encoding::utf8_percent_encode(
                        after,
                        percent_encoding::NON_ALPHANUMERIC
                    )
                )
            });
            let page =
                app.get_as_operator(&format!("/api/rooms?limit={limit}{after_param}")).await.json();
            let on_page = names(&page["rooms"]);
            assert!(!on_page.is_empty() && on_page.len() <= limit);
            seen.extend(on_page.iter().map(|name| (*name).to_owned()));
            let Some(next) = page.get("next") else { break };
            assert_eq!(next.as_str(), on_page.last().copied());
            after = next.as_str().map(str::to_owned);
        }
        assert_eq!(seen, all, "{limit} a page");
    }
    let array = app.rooms().await;
    assert_eq!(names(&array), all);
    let page = app.get_as_operator("/api/rooms?limit=2&after=a").await.json();
    assert_eq!(page["rooms"], json!([array[2], array[3]]), "the same as in the whole list");
}

#[tokio::test]
async fn a_prefix_chooses_rooms_with_and_without_pages() {
    let app = with_rooms(&["game", "game-1", "game-2", "games", "gamf", "lobby"]).await;
    for (query, expected) in [
        ("prefix=game-", &["game-1", "game-2"][..]),
        ("prefix=", &["game", "game-1", "game-2", "games", "gamf", "lobby"]),
        ("prefix=game&after=game-1", &["game-2", "games"]),
        ("prefix=game&after=a", &["game", "game-1", "game-2", "games"]),
        ("prefix=game&after=z", &[]),
        ("prefix=nothing", &[]),
        ("after=game-15", &["game-2", "games", "gamf", "lobby"]),
    ] {
        let rooms = app.get_as_operator(&format!("/api/livekit/rooms?{query}")).await.json();
        assert_eq!(names(&rooms), expected, "{query}");
    }
    let page = app.get_as_operator("/api/rooms?prefix=game&limit=2&after=game").await.json();
    assert_eq!(
        (names(&page["rooms"]), &page["next"]),
        (vec!["game-1", "game-2"], &"game-2".into())
    );
    let page = app.get_as_operator("/api/rooms?prefix=x&limit=2").await.text().to_owned();
    assert_eq!(page, r#"{"rooms":[]}"#);
}

#[tokio::test]
async fn each_part_of_the_list_has_a_tag_of_its_own() {
    let app = with_rooms(&["a", "b"]).await;
    let bearer = format!("Bearer {}", app.list_token());
    let mut tags = Vec::new();
    for query in ["", "?limit=1", "?limit=1&after=a", "?prefix=b", "?limit=2"] {
        let target = format!("/api/rooms{query}");
        let tag = app.get_as_operator(&target).await.header("etag").to_owned();
        let headers = [("Authorization", &*bearer), ("If-None-Match", &*tag)];
        assert_eq!(app.get(&target, &headers).await.status, 304, "{query}");
        assert!(!tags.contains(&tag), "{query}");
        tags.push(tag);
    }
    app.webhook(joined("alice").room("b")).await;
    let ask = async |query: &str, tag: &str| {
        let headers = [("Authorization", &*bearer), ("If-None-Match", tag)];
        app.get(&format!("/api/rooms{query}"), &headers).await.status
    };
    eventually("another list", async || ask("", &tags[0]).await == 200).await;
    assert_eq!(ask("?limit=1&after=a", &tags[2]).await, 200);
}

#[tokio::test]
async fn a_view_of_counts_changes_nothing() {
    let app = with_rooms(&["a", "b"]).await;
    for query in ["limit=1&", "prefix=b&", ""] {
        let rooms = app.get_as_operator(&format!("/api/rooms?{query}")).await;
        let counts = app.get_as_operator(&format!("/api/rooms?{query}view=count")).await;
        assert_eq!((counts.status, counts.text()), (200, rooms.text()), "{query}");
    }
}

#[tokio::test]
async fn wrong_values_are_refused_by_their_names() {
    let app = TestApp::start().await;
    for (query, expected) in [
        ("limit=0", "`limit` must be a whole number from 1 to 1000"),
        ("limit=1001", "`limit` must be a whole number from 1 to 1000"),
        ("limit=", "`limit` must be a whole number from 1 to 1000"),
        ("limit=ten", "`limit` must be a whole number from 1 to 1000"),
        ("limit=1&limit=2", "give `limit` once"),
        ("prefix=%FF", "`prefix` is not UTF-8"),
        ("after=a&after=b", "give `after` once"),
        ("view=counts", "`view` can be `count`, once; leave it out to see who is inside"),
    ] {
        let refused = app.get_as_operator(&format!("/api/livekit/rooms?{query}")).await;
        assert_eq!(refused.problem(400), expected, "{query}");
    }
}

#[tokio::test]
async fn however_many_ask_the_list_is_made_once_a_second() {
    let app =
        TestApp::with(&[("LKP__AUTH__MODE", "open"), ("LKP__LIMITS__READS_PER_ADDRESS", "0")])
            .await;
    app.webhooks([started(), joined("alice")]).await;
    let asked_at = std::time::Instant::now();
    let first = app.get("/api/livekit/rooms", &[]).await;
    let known = [("If-None-Match", first.header("etag"))];
    join_all((0..100).map(async |_| {
        assert_eq!(app.get("/api/livekit/rooms", &[]).await.text(), first.text());
        assert_eq!(app.get("/api/livekit/rooms", &known).await.status, 304);
    }))
    .await;
    let made = app.metric("store_calls_total{kind=\"rooms\",outcome=\"ok\"}").await;
    let secs = asked_at.elapsed().as_secs_f64();
    assert!((1.0..=secs + 1.0).contains(&made), "made {made} times within {secs} s");
}
