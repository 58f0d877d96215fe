//! Health, readiness, metrics, and the page.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::harness::{StoreFault, TestApp, eventually, joined};

#[tokio::test]
async fn a_service_that_runs_is_live_and_ready() {
    let app = TestApp::start().await;
    assert_eq!(app.get("/healthz", &[]).await.text(), "ok\n");
    assert_eq!(app.get("/readyz", &[]).await.text(), "ready\n");
}

#[tokio::test]
async fn without_its_store_it_is_live_and_not_ready() {
    let app = TestApp::start().await;
    for fault in [StoreFault::Fails, StoreFault::Hangs] {
        app.store.set_fault(fault);
        let response = app.get("/readyz", &[]).await;
        assert!(response.problem(503).contains("the store"));
        assert_eq!(app.get("/healthz", &[]).await.status, 200);
    }
    app.store.set_fault(StoreFault::None);
    assert_eq!(app.get("/readyz", &[]).await.status, 200);
}

#[tokio::test]
async fn metrics_tell_what_happened() {
    let app = TestApp::start().await;
    let mut subscriber = app.subscriber("general").await;
    subscriber.next_list().await;
    app.webhook(joined("alice")).await;
    subscriber.next_list().await;
    let response = app.get("/metrics", &[]).await;
    assert!(response.header("content-type").starts_with("application/openmetrics-text"));
    assert!(response.text().ends_with("# EOF\n"));
    // A worker counts what it has written after it has written it.
    for expected in [
        "webhooks_total{event=\"participant_joined\",outcome=\"changed\"} 1",
        "webhook_seconds_count 1",
        "webhook_to_subscriber_seconds_count 1",
        "webhook_to_reader_seconds_count 1",
        "store_calls_total{kind=\"apply\",outcome=\"ok\"} 1",
        "streams_open 1",
        "frames_written_total 2",
        "rooms_hot{state=\"stale\"} 1",
        "http_requests_total{route=\"/api/livekit/participants/stream\",status=\"200\"} 1",
        "heartbeat_repairs_total 0",
    ] {
        let line = format!("livekit_presence_{expected}\n");
        eventually(expected, async || app.get("/metrics", &[]).await.text().contains(&line)).await;
    }
}

/// The names come from the sources, since metrics show only what has happened.
#[test]
fn the_documentation_names_every_metric_and_no_other() {
    let base = |name: &str| {
        let endings = ["_total", "_seconds", "_bytes", "_info"];
        endings.iter().fold(name.to_owned(), |name, end| name.trim_end_matches(end).to_owned())
    };
    let sources = sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    let calls = sources.iter().flat_map(|source| {
        // A call may be broken into lines.
        let source: String = source.split_whitespace().collect();
        let calls = source.split("registry.register").skip(1);
        calls.filter_map(|call| Some(base(call.split('"').nth(1)?))).collect::<Vec<_>>()
    });
    let registered: BTreeSet<_> = calls.collect();
    let document = include_str!("../../../docs/metrics.md");
    let table = document.split("\n## All of them\n").nth(1).unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" |"));
    let names = rows.flat_map(|(names, _)| names.split(", "));
    let named: BTreeSet<_> = names.map(|name| base(name.trim_matches('`'))).collect();
    assert_eq!(registered, named);
}

fn sources(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let of = |path: PathBuf| match path.extension() {
        _ if path.is_dir() => sources(&path),
        Some(extension) if extension == "rs" => vec![std::fs::read_to_string(path).unwrap()],
        _ => Vec::new(),
    };
    entries.flat_map(of).collect()
}

#[tokio::test]
async fn requests_for_what_does_not_exist_make_no_new_series() {
    let app = TestApp::start().await;
    for number in 0..5 {
        app.get(&format!("/made-up-{number}"), &[]).await;
    }
    assert_eq!(app.metric("http_requests_total{route=\"none\",status=\"404\"}").await, 5.0);
}

#[tokio::test]
async fn the_page_takes_nothing_from_elsewhere() {
    let app = TestApp::start().await;
    let files = [
        ("/", "text/html; charset=utf-8"),
        ("/page/main.js", "text/javascript; charset=utf-8"),
        ("/page/style.css", "text/css; charset=utf-8"),
    ];
    for (target, content_type) in files {
        let response = app.get(target, &[]).await;
        assert_eq!((response.status, response.header("content-type")), (200, content_type));
        let policy = response.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(response.header("x-content-type-options"), "nosniff");
    }
}
