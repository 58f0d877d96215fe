//! When descriptors run out, the service answers so and recovers.

use crate::harness::{Connection, Process, eventually};

/// Starts the service with at most `count` descriptors.
pub async fn with_descriptors(count: u32, variables: &[(&str, &str)]) -> Process {
    let mut command = tokio::process::Command::new("sh");
    command
        .arg("-c")
        .arg(format!("ulimit -n {count}; exec \"$0\""))
        .arg(env!("CARGO_BIN_EXE_livekit-presence"))
        .env_clear()
        .envs([
            ("LIVEKIT_KEYS", "APIprocess: secret-of-the-process-0123456789abcdef"),
            ("LKP__HTTP__BIND", "127.0.0.1:0"),
            ("LKP__AUTH__MODE", "open"),
            ("LKP__LOG__FORMAT", "json"),
            ("LKP__LIMITS__STREAMS_PER_ADDRESS", "0"),
        ])
        .envs(variables.iter().copied())
        .current_dir(std::env::temp_dir())
        .kill_on_drop(true);
    Process::spawn(command).await
}

#[tokio::test]
async fn streams_leave_descriptors_for_webhooks_and_reads() {
    // A trusted proxy may take all of them, any other address three quarters.
    let app = with_descriptors(256, &[("LKP__HTTP__TRUSTED_PROXIES", "127.0.0.1")]).await;
    let mut subscribers = Vec::new();
    for _ in 0..96 {
        subscribers.push(app.subscriber("general").await);
    }
    let refused = app.get("/api/livekit/participants/stream?room=general").await;
    assert!(refused.problem(503).contains("as many streams"));
    assert_eq!(app.get("/healthz").await.status, 200);
    drop(subscribers);
    eventually("streams to be possible again", async || {
        let mut connection = Connection::open(app.address).await;
        connection.request("GET", "/api/livekit/participants/stream?room=general", &[]).await;
        connection.head().await.status() == 200
    })
    .await;
}

#[tokio::test]
async fn too_many_connections_are_answered_503_and_then_it_recovers() {
    let app = with_descriptors(256, &[("LKP__LIMITS__STREAMS", "1000")]).await;
    // All connections that anybody may have. They are streams, since silent connections would make room.
    let mut streams = Vec::new();
    for number in 0..120 {
        let from = if number < 96 { "127.0.0.1" } else { "127.0.0.2" };
        let mut connection = Connection::from(from, app.address).await;
        let target = "/api/livekit/participants/stream?room=general";
        connection.request("GET", target, &[]).await;
        assert_eq!(connection.head().await.status(), 200);
        streams.push(connection);
    }
    let mut one_more = Connection::open(app.address).await;
    let refused = one_more.response().await;
    assert!(refused.problem(503).contains("as many connections"));
    assert_eq!(refused.header("retry-after"), "1");
    assert!(!app.log().contains("cannot accept"), "accepting works");
    eventually("the reason to be logged", async || app.log().contains("as many connections")).await;
    drop(streams);
    eventually("it to recover", async || {
        let mut connection = Connection::open(app.address).await;
        connection.request("GET", "/healthz", &[]).await;
        connection.response().await.status == 200
    })
    .await;
}

#[tokio::test]
async fn one_address_cannot_take_all_connections() {
    let app = with_descriptors(256, &[]).await;
    let mut silent = Vec::new();
    for _ in 0..96 {
        silent.push(Connection::open(app.address).await);
    }
    // More than the service tells the reason to.
    for _ in 0..64 {
        silent.push(Connection::open(app.address).await);
    }
    assert!(silent[96].response().await.problem(429).contains("from this address"));
    let mut other = Connection::from("127.0.0.2", app.address).await;
    other.request("GET", "/healthz", &[]).await;
    assert_eq!(other.response().await.status, 200);
}

#[tokio::test]
async fn when_accepting_fails_it_goes_on_trying() {
    let app = Process::start(&[]).await;
    let limit = |count: &str| {
        let set = std::process::Command::new("prlimit")
            .args(["--pid", &app.id().to_string(), &format!("--nofile={count}:20000")])
            .status()
            .unwrap();
        assert!(set.success());
    };
    let open = std::fs::read_dir(format!("/proc/{}/fd", app.id())).unwrap().count();
    limit(&open.to_string());
    let mut waiting = Connection::open(app.address).await;
    waiting.request("GET", "/healthz", &[]).await;
    eventually("accepting to fail", async || app.log().contains("cannot accept connections")).await;
    limit("20000");
    assert_eq!(waiting.response().await.status, 200, "who waited is served");
}
