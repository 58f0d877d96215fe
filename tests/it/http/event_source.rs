//! The browser's own EventSource, for an identity that has more streams than it may.

use livekit_presence::{
    clock::Clock,
    livekit::{AccessToken, ApiKey, Keys, VideoGrant},
};

use crate::harness::{Browser, Nginx, PROCESS_KEYS, Process, eventually, joined};

const SOURCES: usize = 8;

const OPEN: &str = r#"
    globalThis.sources = [];
    for (let number = 0; number < argument.count; number++) {
        const source = new EventSource(argument.url);
        const seen = { opened: 0, reasons: [], people: [] };
        source.onopen = () => seen.opened++;
        source.addEventListener("end", ({ data }) => seen.reasons.push(JSON.parse(data).reason));
        source.addEventListener("participants:update", ({ data }) => {
            seen.people = JSON.parse(data).map(({ identity }) => identity);
        });
        sources.push({ source, seen });
        // One after the other, so that the test knows which is the oldest.
        await new Promise((resolve) => source.addEventListener("open", resolve, { once: true }));
    }
"#;

const LOOK: &str = r"
    return sources.map(({ source, seen }) => ({ state: source.readyState, ...seen }));
";

#[derive(Debug, serde::Deserialize)]
struct Source {
    /// 1 is open, 2 is closed for good.
    state: u8,
    opened: usize,
    reasons: Vec<String>,
    people: Vec<String>,
}

#[tokio::test]
async fn of_eight_sources_of_one_person_the_five_newest_stay_and_the_others_stop_for_good() {
    let settings = [("LKP__AUTH__MODE", "livekit")];
    let (app, mut browser) = tokio::join!(Process::start(&settings), Browser::start());
    let nginx = Nginx::before(&[app.address.port()]).await;
    let origin = format!("https://localhost:{}", nginx.tls_port);
    let keys = Keys::new(&ApiKey::parse_lines(PROCESS_KEYS).unwrap());
    let video = VideoGrant { room_list: true, ..VideoGrant::default() };
    let expires_at = Clock::system().now().as_secs() + 600;
    let token = AccessToken::sign("alice", video, expires_at, &keys).unwrap();
    let url = format!("{origin}/api/livekit/participants/stream?room=general&access_token={token}");
    let tab = browser.open_tab(&format!("{origin}/healthz")).await;
    let argument = serde_json::json!({ "url": url, "count": SOURCES });
    browser.run::<()>(tab, OPEN, argument).await;
    eventually("the three oldest to have stopped", async || {
        let seen: Vec<Source> = browser.run(tab, LOOK, ()).await;
        seen.iter().filter(|source| source.state == 2).count() == 3
    })
    .await;
    app.webhooks([joined("bob")]).await;
    eventually("the five newest to show who came", async || {
        let seen: Vec<Source> = browser.run(tab, LOOK, ()).await;
        seen[3..].iter().all(|source| source.people == ["bob"])
    })
    .await;
    let seen: Vec<Source> = browser.run(tab, LOOK, ()).await;
    for (number, source) in seen.iter().enumerate() {
        let is_old = number < 3;
        assert_eq!(source.opened, 1, "nobody came back: {seen:#?}");
        assert_eq!(source.state, if is_old { 2 } else { 1 }, "{seen:#?}");
        assert_eq!(source.reasons, if is_old { vec!["replaced"] } else { vec![] }, "{seen:#?}");
    }
    let metrics = app.get("/metrics").await;
    let counts = |line: &str| metrics.text().contains(&format!("livekit_presence_{line}\n"));
    assert!(counts("streams_opened_total 8"), "no cascade: {}", metrics.text());
    // A stream counts as open until the client has closed its side too.
    eventually("five streams", async || {
        app.get("/metrics").await.text().contains("livekit_presence_streams_open 5\n")
    })
    .await;
}
