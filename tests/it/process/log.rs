//! What the service logs, and what it never logs.

use livekit_presence::{
    clock::Clock,
    livekit::{AccessToken, ApiKey, Keys, VideoGrant},
};

use tokio::io::{AsyncBufReadExt, BufReader};

use crate::harness::{
    Connection, PROCESS_KEYS, PostgresServer, Process, eventually, joined, listening_address,
    webhook_request, within_deadline,
};

#[tokio::test]
async fn tokens_metadata_and_bodies_never_reach_the_log() {
    let app = Process::start(&[("LKP__LOG__LEVEL", "trace"), ("LKP__AUTH__MODE", "livekit")]).await;
    let keys = "APIprocess: secret-of-the-process-0123456789abcdef";
    let keys = Keys::new(&ApiKey::parse_lines(keys).unwrap());
    let grant = VideoGrant { room_list: true, ..VideoGrant::default() };
    let exp = Clock::system().now().as_secs() + 60;
    let token = AccessToken::sign("alice", grant, exp, &keys).unwrap();
    for target in ["participants?room=general", "participants/stream?room=general", "rooms?x=1"] {
        let mut connection = Connection::open(app.address).await;
        let target = format!("/api/livekit/{target}&access_token={token}");
        connection.request("GET", &target, &[]).await;
        connection.head().await;
        let mut connection = Connection::open(app.address).await;
        let bearer = format!("Bearer {token}x");
        connection.request("GET", &target, &[("Authorization", &bearer)]).await;
        assert_eq!(connection.response().await.status, 401);
    }
    app.webhooks([joined("alice").metadata("private-metadata")]).await;
    let mut connection = Connection::open(app.address).await;
    connection
        .send(&webhook_request(
            "/api/livekit/webhook",
            &[("Authorization", &token)],
            b"private-body",
        ))
        .await;
    connection.response().await.problem(401);
    // What a process logs is read from a pipe, and may come after its answer. This line is the last.
    eventually("the refusal to be logged", async || app.log().contains("refused a webhook")).await;
    let log = app.log();
    assert!(log.contains("received a webhook") && log.contains("/api/livekit/participants/stream"));
    let signature = token.rsplit('.').next().unwrap();
    for private in [signature, "private-metadata", "private-body", "access_token", "secret-of"] {
        assert!(!log.contains(private), "{private} is in the log:\n{log}");
    }
}

#[tokio::test]
async fn a_history_that_cannot_be_read_is_explained_once_with_its_cause() {
    let server = PostgresServer::not_running().await;
    let app = Process::start(&[("HISTORY_URL", &server.url())]).await;
    for _ in 0..2 {
        let mut connection = Connection::open(app.address).await;
        connection.request("GET", "/api/livekit/sessions/RM_1", &[]).await;
        connection.response().await.problem(503);
    }
    let line = |log: &str| {
        let lines = log.lines().filter(|line| line.contains("answered 503")).map(str::to_owned);
        lines.collect::<Vec<_>>()
    };
    eventually("the line", async || !line(&app.log()).is_empty()).await;
    let [line] = line(&app.log()).try_into().expect("one line");
    for part in [
        r#""level":"WARN""#,
        r#""http.route":"/api/livekit/sessions/{sid}""#,
        r#""reason":"the history's database cannot be reached at the moment; ask again""#,
        r#""error":"the history's database cannot be used at the moment: "#,
        r#""span":{"http.method":"GET","http.path":"/api/livekit/sessions/RM_1","name":"request","request.id":"#,
        r#""spans":[{"http.method":"GET","#,
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[tokio::test]
async fn a_weak_secret_is_taken_with_a_warning() {
    let app = Process::start(&[("LIVEKIT_KEYS", "devkey: secret")]).await;
    let log = app.log();
    assert!(
        log.contains("\"level\":\"WARN\"") && log.contains("fewer than 32 characters"),
        "{log}"
    );
    assert!(log.contains("devkey"), "{log}");
}

#[tokio::test]
async fn a_log_that_nobody_reads_any_more_ends_nothing() {
    let mut service = Process::command(
        &[],
        &[
            ("LIVEKIT_KEYS", PROCESS_KEYS),
            ("LKP__HTTP__BIND", "127.0.0.1:0"),
            ("LKP__LOG__FORMAT", "json"),
        ],
    )
    .stderr(std::process::Stdio::piped())
    .spawn()
    .unwrap();
    let mut lines = BufReader::new(service.stderr.take().unwrap()).lines();
    let address = loop {
        let line = within_deadline("it to listen", lines.next_line()).await.unwrap().unwrap();
        if let Some(address) = listening_address(&line) {
            break address;
        }
    };
    drop(lines);
    for _ in 0..3 {
        let mut connection = Connection::open(address).await;
        let unsigned = [("Authorization", "nobody's")];
        connection.send(&webhook_request("/api/livekit/webhook", &unsigned, b"{}")).await;
        assert_eq!(connection.response().await.status, 401, "which is logged");
    }
    let id = service.id().unwrap().to_string();
    std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap();
    let ended = within_deadline("it to end", service.wait()).await.unwrap();
    assert_eq!(ended.code(), Some(0));
}

/// Anybody can post to the webhook's path.
#[tokio::test]
async fn requests_of_strangers_make_few_lines() {
    let app = Process::start(&[]).await;
    let mut connection = Connection::open(app.address).await;
    for number in 0..150 {
        let token = if number % 2 == 0 { "no token" } else { "a.b.c" };
        let headers = [("Authorization", token), ("Content-Length", "0")];
        let headers = if number % 3 == 0 { &headers[1..] } else { &headers };
        connection.request("POST", "/api/livekit/webhook", headers).await;
        assert_eq!(connection.response().await.status, 401);
    }
    let lines = || app.log().matches("refused a webhook").count();
    eventually("both reasons to be said", async || lines() >= 2).await;
    assert_eq!(lines(), 2, "{}", app.log());
}
