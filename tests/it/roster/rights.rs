//! Who may read a roster, and who may write it: each route with each kind of token.

use livekit_presence::livekit::{AccessToken, ApiKey, Keys, VideoGrant};
use serde_json::{Value, json};

use crate::harness::TestDatabase;

use super::{ROSTER, Stage, everybody, send};

const PAGES: &str = "pages: secret-of-the-pages-0123456789abcdef0123";

/// A way to show who asks, and what reading and writing are answered then.
struct Case {
    name: &'static str,
    headers: Vec<(&'static str, String)>,
    reads: u16,
    writes: u16,
}

fn video(room: &str, grant: fn(&mut VideoGrant)) -> VideoGrant {
    let mut video = VideoGrant { room: room.to_owned(), ..VideoGrant::default() };
    grant(&mut video);
    video
}

fn cases(stage: &Stage) -> Vec<Case> {
    let join = |video: &mut VideoGrant| video.room_join = true;
    let admin = |video: &mut VideoGrant| video.room_admin = true;
    let list = |video: &mut VideoGrant| video.room_list = true;
    let app = &stage.app;
    let token = |video, secs| app.token_with(video, "somebody", secs);
    let bearer = |name, token: String, reads, writes| Case {
        name,
        headers: vec![("Authorization", format!("Bearer {token}"))],
        reads,
        writes,
    };
    let now = app.clock.clock().now().as_secs();
    let keys = Keys::new(&ApiKey::parse_lines(PAGES).unwrap());
    let of_a_page = AccessToken::sign("page", video("stage", admin), now + 600, &keys).unwrap();
    let cookie = |name, origin: Option<&str>, reads, writes| {
        let cookie = ("Cookie", format!("token={}", token(video("stage", admin), 600)));
        let origin = origin.map(|origin| ("Origin", origin.to_owned()));
        Case {
            name,
            headers: [Some(cookie), origin].into_iter().flatten().collect(),
            reads,
            writes,
        }
    };
    vec![
        bearer("the room's admin", token(video("stage", admin), 600), 200, 200),
        bearer("a participant", token(video("stage", join), 600), 200, 403),
        bearer("another room's admin", token(video("other", admin), 600), 403, 403),
        bearer("another room's participant", token(video("other", join), 600), 403, 403),
        bearer("an admin of no room", token(video("", admin), 600), 200, 403),
        bearer("one who lists rooms", token(video("", list), 600), 200, 403),
        bearer("one who joins any room", token(video("", join), 600), 403, 403),
        bearer("an expired admin", token(video("stage", admin), -600), 401, 401),
        bearer("a key for pages that only look", of_a_page, 200, 403),
        bearer("nonsense", "nonsense".to_owned(), 401, 401),
        Case { name: "nothing", headers: Vec::new(), reads: 401, writes: 401 },
        cookie("a cookie of our page", Some("https://app.example.com"), 200, 200),
        cookie("a cookie of nobody's page", None, 200, 403),
        cookie("a cookie of another page", Some("https://evil.example.com"), 403, 403),
    ]
}

#[tokio::test]
async fn readers_of_the_list_read_the_roster_and_only_moderators_of_the_room_write_it() {
    let settings = [
        ("LKP__AUTH__KEYS", PAGES),
        ("LKP__AUTH__COOKIE", "token"),
        ("LKP__HTTP__CORS_ORIGINS", "https://app.example.com"),
    ];
    for mode in ["livekit", "open"] {
        let settings = [&settings[..], &[("LKP__AUTH__MODE", mode)]].concat();
        let stage = Stage::with(TestDatabase::sqlite(), &settings).await;
        for Case { name, headers, reads, writes } in cases(&stage) {
            let reads = if mode == "open" { 200 } else { reads };
            check(&stage, &format!("{name}, {mode}"), &headers, reads, writes).await;
        }
    }
}

async fn check(stage: &Stage, name: &str, headers: &[(&str, String)], reads: u16, writes: u16) {
    let alice = format!("{ROSTER}/alice");
    // Alice is there for whoever may do it, and stays for whoever may not.
    stage.ok("PUT", ROSTER, Some(everybody(["alice".to_owned()]))).await;
    let before = stage.list().await;
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let ask = async |method: &str, target: &str, body: Option<Value>| {
        send(&stage.app, method, target, body, &headers).await.status
    };
    for target in [ROSTER, &alice] {
        assert_eq!(ask("GET", target, None).await, reads, "{name} reads {target}");
    }
    let written = |status: u16| if matches!(status, 201 | 204) { 200 } else { status };
    let host = || Some(json!({"role": "host"}));
    let all = || Some(json!({"entries": [{"identity": "alice", "role": "host"}]}));
    for (method, target, body) in [
        ("PUT", &*alice, host()),
        ("PATCH", &alice, host()),
        ("PUT", ROSTER, all()),
        ("PATCH", ROSTER, all()),
        ("DELETE", &alice, None),
        ("DELETE", ROSTER, None),
    ] {
        let status = written(ask(method, target, body).await);
        assert_eq!(status, writes, "{name}: {method} {target}");
    }
    if writes != 200 {
        assert_eq!(stage.list().await, before, "{name} changed nothing");
    }
}

#[tokio::test]
async fn a_stream_with_rosters_needs_a_token_that_reads_each_room() {
    let stage = Stage::new().await;
    let bearer = format!("Bearer {}", stage.app.token("stage", 600));
    let headers = [("Authorization", bearer.as_str())];
    let open = async |query: &str| {
        stage.app.get(&format!("/api/livekit/rooms/stream?{query}"), &headers).await
    };
    open("room=stage&room=other&roster=true").await.problem(403);
    for wrong in
        ["room=stage&roster=yes", "room=stage&roster=true&roster=true", "all=true&roster=true"]
    {
        open(wrong).await.problem(400);
    }
}
