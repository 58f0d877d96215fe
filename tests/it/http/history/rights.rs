//! Who may read the history, and erase from it.

use livekit_presence::livekit::{AccessToken, ApiKey, Keys};

use super::*;

fn grant(room: &str, grant: fn(&mut VideoGrant)) -> VideoGrant {
    let mut video = VideoGrant { room: room.to_owned(), ..VideoGrant::default() };
    grant(&mut video);
    video
}

#[tokio::test]
async fn a_room_admin_reads_the_attendance_of_the_room_and_only_an_operator_the_rest() {
    let with = WithPast::of(&[]).await;
    let join = |video: &mut VideoGrant| video.room_join = true;
    let admin = |video: &mut VideoGrant| video.room_admin = true;
    let list = |video: &mut VideoGrant| video.room_list = true;
    let cases = [
        (grant("general", join), 403, 403),
        (grant("general", admin), 200, 403),
        (grant("other", admin), 403, 403),
        (grant("", join), 403, 403),
        (grant("", admin), 200, 200),
        (grant("", list), 200, 200),
    ];
    for (video, attendance, others) in cases {
        let bearer = format!("Bearer {}", with.app.token_with(video.clone(), "alice", 60));
        let ask = async |target: &str| {
            with.app
                .get(&format!("/api/livekit/{target}"), &[("Authorization", &bearer)])
                .await
                .status
        };
        assert_eq!(ask("rooms/general/attendance").await, attendance, "{video:?}");
        for target in ["sessions", "sessions/RM_1", "people/alice", "analytics"] {
            assert_eq!(ask(target).await, others, "{target} {video:?}");
        }
    }
    with.app.get("/api/livekit/rooms/general/attendance", &[]).await.problem(401);
}

#[tokio::test]
async fn a_person_is_erased_by_the_admin_of_all_rooms() {
    let sessions = [
        past("PA_1", "general", "a/b", 0, Some(1_000)),
        past("PA_2", "general", "a/b", 0, None),
        past("PA_3", "general", "bob", 0, None),
    ];
    let with = WithPast::of(&sessions).await;
    let target = "/api/livekit/people/a%2Fb/history";
    let erase = async |video: VideoGrant| {
        let bearer = format!("Bearer {}", with.app.token_with(video, "operator", 60));
        with.app.ask("DELETE", target, &[("Authorization", &bearer)]).await
    };
    erase(grant("general", |video| video.room_admin = true)).await.problem(403);
    erase(grant("", |video| video.room_list = true)).await.problem(403);
    let erased = erase(grant("", |video| video.room_admin = true)).await;
    assert_eq!((erased.status, erased.json()), (200, json!({"sessions": 2})));
    let left = with.json(&format!("rooms/general/attendance?{ON_THE_DAY}")).await;
    assert_eq!(left["people"].as_array().unwrap().len(), 1);
    let again = erase(grant("", |video| video.room_admin = true)).await;
    assert_eq!(again.json(), json!({"sessions": 0}));
    let get = with.app.get_as_operator(target).await;
    assert_eq!((get.status, get.header("allow")), (405, "DELETE"));
}

#[tokio::test]
async fn a_key_for_pages_that_only_look_reads_the_history_and_erases_nobody() {
    const PAGES: &str = "pages: secret-of-the-pages-0123456789abcdef0123";
    let kind = TestDatabase::sqlite();
    insert(&kind.connect().await, &[past("PA_1", "general", "alice", 0, None)]).await;
    for mode in ["livekit", "open"] {
        let settings =
            [("HISTORY_URL", &*kind.url()), ("LKP__AUTH__KEYS", PAGES), ("LKP__AUTH__MODE", mode)];
        let app = TestApp::with(&settings).await;
        let expires_at = app.clock.clock().now().as_secs() + 60;
        let video = grant("", |video| video.room_admin = true);
        let keys = Keys::new(&ApiKey::parse_lines(PAGES).unwrap());
        let token = AccessToken::sign("page", video, expires_at, &keys).unwrap();
        let headers = [("Authorization", &*format!("Bearer {token}"))];
        let erase = "/api/livekit/people/alice/history";
        let refused = app.ask("DELETE", erase, &headers).await.problem(403);
        assert!(refused.contains("`livekit.keys`"), "{refused}");
        let target = format!("/api/livekit/people/alice?{ON_THE_DAY}");
        let read = app.get(&target, &headers).await.json();
        assert_eq!(read["sessions"][0]["sid"], "PA_1", "{mode}");
    }
}

#[tokio::test]
async fn where_anybody_may_read_erasing_still_needs_a_token() {
    let kind = TestDatabase::sqlite();
    let app = TestApp::with(&[("HISTORY_URL", &kind.url()), ("LKP__AUTH__MODE", "open")]).await;
    for target in ["rooms/general/attendance", "sessions", "people/alice", "analytics"] {
        assert_eq!(app.get(&format!("/api/livekit/{target}"), &[]).await.status, 200, "{target}");
    }
    let target = "/api/livekit/people/alice/history";
    app.ask("DELETE", target, &[]).await.problem(401);
    let admin = app.token_with(grant("", |video| video.room_admin = true), "operator", 60);
    let bearer = format!("Bearer {admin}");
    assert_eq!(app.ask("DELETE", target, &[("Authorization", &bearer)]).await.status, 200);
}

#[tokio::test]
async fn pages_of_other_origins_may_ask_to_erase_and_read_where_the_next_page_is() {
    let kind = TestDatabase::sqlite();
    let origin = "https://app.example.com";
    let settings = [("HISTORY_URL", &*kind.url()), ("LKP__HTTP__CORS_ORIGINS", origin)];
    let app = TestApp::with(&settings).await;
    let target = "/api/livekit/people/alice/history";
    let headers = [("Origin", origin), ("Access-Control-Request-Method", "DELETE")];
    let preflight = app.ask("OPTIONS", target, &headers).await;
    assert_eq!(preflight.header("access-control-allow-origin"), origin);
    assert!(preflight.header("access-control-allow-methods").contains("DELETE"));
    let read = app.get("/api/livekit/analytics", &[("Origin", origin)]).await;
    assert!(read.header("access-control-expose-headers").contains("x-next-cursor"));
}

#[tokio::test]
async fn without_a_history_the_answer_names_the_setting() {
    let app = TestApp::start().await;
    for target in
        ["rooms/general/attendance", "sessions", "sessions/RM_1", "people/alice", "analytics"]
    {
        let answer = app.get_as_operator(&format!("/api/livekit/{target}")).await;
        assert!(answer.problem(404).contains("history.url"), "{target}");
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_a_503_that_says_when_to_ask_again() {
    let TestDatabase::Postgres(mut server) = TestDatabase::postgres().await else {
        panic!("it is one")
    };
    let app = TestApp::with(&[("HISTORY_URL", &server.url())]).await;
    assert_eq!(app.get_as_operator("/api/livekit/sessions").await.status, 200);
    server.kill().await;
    let away = app.get_as_operator("/api/livekit/sessions").await;
    assert!(away.problem(503).contains("database"));
    assert_eq!(away.header("retry-after"), "5");
}
