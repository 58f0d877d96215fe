//! `GET /api/livekit/figures`.

use livekit_presence::livekit::VideoGrant;
use serde_json::{Value, json};

use crate::harness::{TestApp, eventually, joined, started};

async fn figures(app: &TestApp, since: u64) -> Value {
    app.get_as_operator(&format!("/api/livekit/figures?since={since}")).await.json()
}

#[tokio::test]
async fn a_step_of_five_seconds_shows_what_happened_in_it_and_the_next_one_is_new() {
    let app = TestApp::start().await;
    app.webhooks([started(), joined("alice"), joined("alice"), joined("bob")]).await;
    eventually("a step", async || figures(&app, 0).await["times"] != json!([])).await;
    let first = figures(&app, 0).await;
    let at = |name: &str| first["series"][name][0].as_f64();
    assert_eq!(first["stepSeconds"], 5);
    // The first reading may have come after some of them, and the first step may be half as long as the others.
    assert!(at("webhooks").is_some_and(|rate| rate <= 4.0 / 2.4), "{first}");
    assert!(at("memoryBytes").is_some_and(|bytes| bytes > 1_000_000.0), "{first}");
    assert_eq!((at("streams"), at("livekitUp"), at("subscriberMs.p50")), (Some(0.0), None, None));
    let newest = first["times"].as_array().unwrap().last().unwrap().as_u64().unwrap();
    let later = figures(&app, newest).await;
    let times: Vec<_> = later["times"].as_array().unwrap().iter().map(Value::as_u64).collect();
    assert!(times.iter().all(|time| *time > Some(newest)), "{later}");
    assert_eq!(later["series"]["webhooks"].as_array().unwrap().len(), times.len());
}

#[tokio::test]
async fn without_redis_one_instance_is_all_there_are() {
    let app = TestApp::start().await;
    eventually("a step", async || figures(&app, 0).await["times"] != json!([])).await;
    let all = app.get_as_operator("/api/livekit/figures?instances=all").await.json();
    assert_eq!(all["times"].as_array().unwrap().len(), 1);
    assert_eq!(all.get("instances"), None);
}

#[tokio::test]
async fn only_who_may_list_rooms_sees_them_and_a_wrong_time_is_told() {
    let app = TestApp::start().await;
    let target = "/api/livekit/figures";
    app.get(target, &[]).await.problem(401);
    let of_room = VideoGrant { room: "general".into(), room_join: true, ..VideoGrant::default() };
    let bearer = format!("Bearer {}", app.token_with(of_room, "alice", 60));
    let refused = app.get(target, &[("Authorization", &bearer)]).await.problem(403);
    assert!(refused.contains("`roomList`"), "{refused}");
    for wrong in ["since=soon", "since=-1", "since=1&since=2"] {
        let answer = app.get_as_operator(&format!("{target}?{wrong}")).await;
        assert!(answer.problem(400).contains("`since`"), "{wrong}");
    }
    for wrong in ["one", "", "all&instances=all"] {
        let answer = app.get_as_operator(&format!("{target}?instances={wrong}")).await;
        assert!(answer.problem(400).contains("`instances`"), "{wrong}");
    }
    let open = TestApp::with(&[("LKP__AUTH__MODE", "open")]).await;
    let answer = open.get(target, &[]).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
}
