//! The browser's own EventSource on the feed, as dashboards use it.

use serde_json::json;

use crate::harness::{Browser, Process, eventually, joined, left};

/// A client of the kind that the feed is for: no package, no names of events, `onmessage` alone.
const OPEN: &str = r#"
    globalThis.seen = { opened: 0, system: [], rooms: [], events: [] };
    const source = new EventSource("/api/events");
    source.onopen = () => seen.opened++;
    source.onmessage = (e) => {
        const data = JSON.parse(e.data);
        if (data.type === "system") seen.system.push(data.event);
        if (data.type !== "livekit") return;
        seen.rooms.push(data.data.room.name);
        seen.events.push(`${data.event} ${data.data.participant.identity}`);
    };
    await new Promise((resolve) => source.addEventListener("message", resolve, { once: true }));
"#;

const LOOK: &str = "return seen;";

#[derive(Debug, serde::Deserialize)]
struct Seen {
    opened: usize,
    system: Vec<String>,
    rooms: Vec<String>,
    events: Vec<String>,
}

#[tokio::test]
async fn a_plain_event_source_reads_events_and_comes_back_without_a_loss() {
    let settings = [("LKP__STREAM__MAX_AGE", "1s"), ("LKP__STREAM__HEARTBEAT", "100ms")];
    let (app, mut browser) = tokio::join!(Process::start(&settings), Browser::start());
    let tab = browser.open_tab(&format!("http://{}/healthz", app.address)).await;
    browser.run::<()>(tab, OPEN, json!({})).await;
    // While the browser is away after the end of a stream, things go on.
    let mut expected = Vec::new();
    eventually("the browser to have come back twice", async || {
        let name = format!("user-{}", expected.len());
        app.webhooks([joined(&name), left(&name)]).await;
        expected.push(format!("participant_joined {name}"));
        expected.push(format!("participant_left {name}"));
        browser.run::<Seen>(tab, LOOK, ()).await.opened > 2
    })
    .await;
    eventually("the last event", async || {
        browser.run::<Seen>(tab, LOOK, ()).await.events.last() == expected.last()
    })
    .await;
    let seen: Seen = browser.run(tab, LOOK, ()).await;
    assert_eq!(seen.events, expected, "each once, in order");
    assert!(seen.rooms.iter().all(|room| room == "general"));
    assert_eq!(seen.system, vec!["connected"; seen.opened], "onmessage sees no heartbeat");
}
