//! The package under load: its times, and what it holds in memory. The figures are printed; `--nocapture` shows them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::json;

use crate::harness::{eventually, joined, left, started};

use super::fixture::{Fixture, alone};

/// Draws the room as a list, as an app does: a person keeps their element.
const DRAW: &str = r#"
    const list = document.body.appendChild(document.createElement("ul"));
    const rows = new Map();
    const draw = () => {
        const { participants } = room.snapshot();
        const here = new Set(participants.map(({ identity }) => identity));
        for (const [identity, row] of rows) if (!here.has(identity)) row.remove(), rows.delete(identity);
        for (const { identity, name } of participants) {
            if (rows.has(identity)) continue;
            const row = list.appendChild(document.createElement("li"));
            row.textContent = name;
            row.dataset.identity = identity;
            rows.set(identity, row);
        }
    };
    room.subscribe(draw);
    draw();
    globalThis.drawnAt = {};
    new MutationObserver((records) => {
        const now = performance.timeOrigin + performance.now();
        for (const { addedNodes } of records) for (const row of addedNodes) drawnAt[row.dataset.identity] = now;
    }).observe(list, { childList: true });
"#;

/// Notes how long the tab takes from one frame to the next.
const RECORD: &str = r#"
    globalThis.frames = { between: [], long: [] };
    new PerformanceObserver((tasks) => {
        for (const { duration } of tasks.getEntries()) frames.long.push(duration);
    }).observe({ type: "longtask" });
    let last = performance.now();
    const onFrame = (now) => {
        frames.between.push(now - last);
        last = now;
        requestAnimationFrame(onFrame);
    };
    requestAnimationFrame(onFrame);
"#;

fn now_millis() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() * 1_000.0
}

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

#[tokio::test]
async fn from_webhook_to_document() {
    const GUESTS: usize = 200;
    /// More than `stream.coalesce`, so that no change waits for it.
    const APART: Duration = Duration::from_millis(50);
    for options in [json!({}), alone()] {
        let mut fixture = Fixture::with(&[]).await;
        fixture.webhooks([started(), joined("alice")]).await;
        let tab = fixture.watching(options.clone()).await;
        fixture.until_live(tab, &["alice"]).await;
        fixture.browser.run::<()>(tab, DRAW, ()).await;
        let mut took = Vec::new();
        let mut due = tokio::time::interval(APART);
        for number in 0..GUESTS {
            due.tick().await;
            let guest = format!("guest {number}");
            let sent = now_millis();
            fixture.webhooks([joined(&guest)]).await;
            let script = "while (!drawnAt[argument]) await new Promise((done) => setTimeout(done, 5)); \
                return drawnAt[argument]";
            let drawn: f64 = fixture.browser.run(tab, script, &guest).await;
            took.push(drawn - sent);
        }
        took.sort_by(f64::total_cmp);
        println!(
            "{options}: webhook sent to element in the document, {GUESTS} times: p50 {:.1} ms, p99 {:.1} ms",
            percentile(&took, 50),
            percentile(&took, 99)
        );
        assert_eq!(fixture.look(tab).await.people.len(), GUESTS + 1);
    }
}

#[derive(Debug, Deserialize)]
struct Frames {
    /// From one to the next, in milliseconds.
    between: Vec<f64>,
    /// Tasks of more than 50 ms.
    long: Vec<f64>,
}

impl Frames {
    fn in_words(mut self) -> String {
        self.between.sort_by(f64::total_cmp);
        format!(
            "{} frames, p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms; tasks over 50 ms: {:?}",
            self.between.len(),
            percentile(&self.between, 50),
            percentile(&self.between, 99),
            self.between.last().unwrap(),
            self.long
        )
    }
}

#[tokio::test]
async fn a_thousand_changes_in_ten_seconds_are_shown_without_a_stutter() {
    const CROWD: usize = 200;
    const CHANGES: u32 = 1_000;
    /// The time that the tab may compute for each change, in milliseconds. Four changes then fit into a frame.
    const MAX_MILLIS_EACH: f64 = 4.0;
    let mut fixture = Fixture::with(&[]).await;
    let crowd: Vec<_> = (0..CROWD).map(|number| joined(&format!("person {number:03}"))).collect();
    fixture.webhooks([started()].into_iter().chain(crowd)).await;
    let tab = fixture.watching(json!({})).await;
    fixture.until(tab, "the crowd", |shown| shown.people.len() == CROWD).await;
    fixture.browser.run::<()>(tab, DRAW, ()).await;
    fixture.browser.run::<()>(tab, RECORD, ()).await;
    let before = fixture.browser.holds(tab).await["TaskDuration"];
    let mut due = tokio::time::interval(Duration::from_secs(10) / CHANGES);
    for number in 0..CHANGES / 2 {
        for change in [joined(&format!("guest {number}")), left(&format!("guest {number}"))] {
            due.tick().await;
            fixture.webhooks([change]).await;
        }
    }
    fixture.webhooks([joined("the last")]).await;
    fixture.until(tab, "the last", |shown| shown.people.iter().any(|one| one == "the last")).await;
    let computed = (fixture.browser.holds(tab).await["TaskDuration"] - before) * 1_000.0;
    let frames: Frames = fixture.browser.run(tab, "return frames", ()).await;
    println!(
        "{CHANGES} changes with {CROWD} people: {}; {:.2} ms computed for each change",
        frames.in_words(),
        computed / f64::from(CHANGES)
    );
    // The tab's own processor time is compared, since the length of a frame depends on other processes, too.
    assert!(computed / f64::from(CHANGES) < MAX_MILLIS_EACH, "{computed} ms");
    let rows: usize =
        fixture.browser.run(tab, "return document.querySelectorAll('li').length", ()).await;
    assert_eq!(rows, CROWD + 1);
    assert_eq!(fixture.look(tab).await.statuses, ["connecting", "live"]);
}

/// The tab's time runs a thousand times faster than the service's, so that the stream seems dead to it again and again.
#[tokio::test]
async fn an_hour_leaves_nothing_behind() {
    let mut fixture = Fixture::with(&[]).await;
    fixture.webhooks([started(), joined("alice")]).await;
    let tab = fixture.watching_out_of_time().await;
    fixture.until_live(tab, &["alice"]).await;
    let mut held = Vec::new();
    for minute in 0..110 {
        let guest = format!("guest {minute}");
        fixture.webhooks([joined(&guest)]).await;
        fixture.browser.pass_time(tab, Duration::from_secs(30)).await;
        fixture.hide(tab, minute % 7 == 3).await;
        fixture.browser.pass_time(tab, Duration::from_secs(30)).await;
        fixture.hide(tab, false).await;
        fixture.webhooks([left(&guest)]).await;
        if minute % 10 == 9 {
            let reconnect = "room.reconnect()";
            fixture.browser.run::<()>(tab, reconnect, ()).await;
            fixture.until_live(tab, &["alice"]).await;
            held.push(fixture.browser.holds(tab).await);
        }
    }
    println!("streams opened in that time: {}", fixture.metric("streams_opened_total").await);
    for what in ["JSHeapUsedSize", "JSEventListeners", "Nodes"] {
        let over_time: Vec<_> = held.iter().map(|held| held[what]).collect();
        println!("{what} every ten minutes: {over_time:?}");
        // The browser goes on compiling for as long as an hour, if the machine is busy.
        let (warm, last) = (over_time[6], over_time[over_time.len() - 1]);
        assert!(last <= warm * 1.03, "{what} grows: {over_time:?}");
    }
    eventually("one stream", async || fixture.streams_open().await == 1.0).await;
}
