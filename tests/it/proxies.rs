//! The service behind the proxies whose configurations are shipped, as browsers see it: over TLS and HTTP/2.

use axum::body::Body;
use hyper::Request;

use crate::harness::{
    Caddy, Connection, CurlStreams, Folder, Nginx, Process, Sender, StoreFault, Subscriber,
    TcpProxy, TestApp, eventually, joined, left, wire,
};

const STREAMS: usize = 20;
const LIST: &str = "/api/livekit/participants?room=general";

/// Starts the service without heartbeats, which would push out what a proxy holds back.
async fn instance() -> Process {
    Process::start(&[("LKP__STREAM__HEARTBEAT", "1h")]).await
}

/// Many streams over one connection to a proxy's TLS port.
struct Page {
    link: TcpProxy,
    streams: CurlStreams,
}

impl Page {
    async fn open(tls_port: u16) -> Self {
        let link = TcpProxy::start(tls_port).await;
        let port = link.port;
        let url = format!("https://localhost:{port}/api/livekit/participants/stream?room=general");
        Self { streams: CurlStreams::open(&url, STREAMS), link }
    }

    /// Waits until each stream shows these people, and checks that none was ever cut.
    async fn shows(&mut self, expected: &[&str]) {
        self.streams.until_people(expected).await;
        assert!(self.streams.are_open());
        assert_eq!(self.link.connections(), 1);
    }
}

#[tokio::test]
async fn many_streams_share_one_connection_through_nginx_and_nothing_is_held_back() {
    let service = instance().await;
    let nginx = Nginx::before(&[service.address.port()]).await;
    let livekit = Sender::to(&[nginx.port]);
    livekit.deliver(&joined("alice")).await;
    let mut page = Page::open(nginx.tls_port).await;
    page.shows(&["alice"]).await;
    livekit.deliver(&joined("bob")).await;
    page.shows(&["alice", "bob"]).await;
    livekit.deliver(&left("alice")).await;
    page.shows(&["bob"]).await;
}

#[tokio::test]
async fn many_streams_share_one_connection_through_caddy_and_outlive_its_configuration() {
    let service = instance().await;
    let caddy = Caddy::before(&[service.address.port()]).await;
    let livekit = Sender::to(&[caddy.port]);
    livekit.deliver(&joined("alice")).await;
    let mut page = Page::open(caddy.tls_port).await;
    page.shows(&["alice"]).await;
    livekit.deliver(&joined("bob")).await;
    page.shows(&["alice", "bob"]).await;
    caddy.reload().await;
    livekit.deliver(&left("alice")).await;
    page.shows(&["bob"]).await;
}

#[tokio::test]
async fn caddy_asks_the_other_instance_when_one_is_killed() {
    let (mut first, second) = (instance().await, instance().await);
    let caddy = Caddy::before(&[first.address.port(), second.address.port()]).await;
    let livekit = Sender::to(&[caddy.port]);
    let has_everything = async || {
        assert_eq!(wire::get(caddy.port, LIST).await.unwrap().0, 200);
        livekit.deliver(&joined("alice")).await;
        let taken = async |one: &Process| {
            let metrics = one.get("/metrics").await;
            let text = metrics.text().to_owned();
            text.contains("webhooks_total{") && text.contains("reads_total{")
        };
        taken(&first).await && taken(&second).await
    };
    eventually("both to be asked and told", has_everything).await;
    first.kill().await;
    for _ in 0..10 {
        assert_eq!(wire::get(caddy.port, LIST).await.unwrap().0, 200);
        livekit.deliver(&joined("bob")).await;
    }
}

#[tokio::test]
async fn caddy_shows_no_metrics_and_logs_no_token() {
    let mut service = instance().await;
    let caddy = Caddy::before(&[service.address.port()]).await;
    assert_eq!(wire::get(caddy.port, "/metrics").await.unwrap().0, 404);
    let ask = async || {
        let request = Request::get(format!("{LIST}&access_token=in-the-query"))
            .header("authorization", "Bearer in-a-header")
            .header("referer", "https://presence.example.com/?access_token=in-the-referer")
            .header("cookie", "access_token=in-a-cookie");
        wire::fetch(caddy.port, request.body(Body::empty()).unwrap()).await.unwrap().0
    };
    assert_eq!(ask().await, 200);
    service.kill().await;
    let failed = ask().await;
    assert!(matches!(failed, 502 | 503), "{failed}");
    let logged = |status: u16| {
        let wanted = format!("\"status\":{status}");
        caddy.log().lines().any(|line| line.contains("/participants") && line.contains(&wanted))
    };
    eventually("both to be logged", async || logged(200) && logged(failed)).await;
    let log = caddy.log();
    for token in ["in-the-query", "in-a-header", "in-the-referer", "in-a-cookie"] {
        assert!(!log.contains(token), "{token} in {log}");
    }
}

/// Addresses of the webhook with extra slashes, as people write them.
const SPARE_SLASHES: [&str; 5] = [
    "/api/livekit/webhook/",
    "//api/livekit/webhook",
    "/api//livekit/webhook//",
    "/api/webhooks/livekit/",
    "//api/webhooks//livekit",
];

async fn post_webhook(port: u16, path: &str, app: &TestApp, identity: &str) -> u16 {
    let body = joined(identity).bytes();
    let request = Request::post(path).header("authorization", app.sign(&body));
    wire::fetch(port, request.body(Body::from(body)).unwrap()).await.unwrap().0
}

#[tokio::test]
async fn nginx_takes_a_webhook_with_slashes_too_many_to_an_instance_that_can_store_it() {
    let (fails, works) = (TestApp::start().await, TestApp::start().await);
    fails.store.set_fault(StoreFault::Fails);
    let nginx = Nginx::before(&[fails.address.port(), works.address.port()]).await;
    for round in 0..2 {
        for (number, path) in SPARE_SLASHES.into_iter().enumerate() {
            let identity = format!("user-{round}-{number}");
            assert_eq!(post_webhook(nginx.port, path, &works, &identity).await, 200, "{path}");
        }
    }
    let list = works.participants("general").await.json();
    assert_eq!(list.as_array().unwrap().len(), 2 * SPARE_SLASHES.len());
}

#[tokio::test]
async fn caddy_has_a_webhook_with_slashes_too_many_take_turns_as_any_other() {
    let (first, second) = (TestApp::start().await, TestApp::start().await);
    let caddy = Caddy::before(&[first.address.port(), second.address.port()]).await;
    let taken = "webhooks_total{event=\"participant_joined\",outcome=\"changed\"}";
    eventually("both to be in turn", async || {
        post_webhook(caddy.port, "/api/livekit/webhook", &first, "early").await;
        first.participants("general").await.text().contains("early")
            && second.participants("general").await.text().contains("early")
    })
    .await;
    let counts = async || [first.metric(taken).await, second.metric(taken).await];
    for round in 0..2 {
        for (number, path) in SPARE_SLASHES.into_iter().enumerate() {
            let before = counts().await;
            for turn in 0..2 {
                let identity = format!("user-{round}-{number}-{turn}");
                assert_eq!(post_webhook(caddy.port, path, &first, &identity).await, 200, "{path}");
            }
            assert_eq!(counts().await, before.map(|count| count + 1.0), "{path}");
        }
    }
}

#[tokio::test]
async fn a_stream_opens_behind_a_password_of_nginx() {
    let app = TestApp::start().await;
    app.webhook(joined("alice")).await;
    let folder = Folder::new("password");
    let passwords = folder.path().join("passwords");
    std::fs::write(&passwords, "user:{PLAIN}password\n").unwrap();
    let lines = format!("auth_basic presence;\nauth_basic_user_file {};", passwords.display());
    let nginx = Nginx::with(&lines, &[app.address.port()]).await;
    let token = app.token("general", 60);
    let target = format!("/api/livekit/participants/stream?room=general&access_token={token}");
    let stranger = wire::get(nginx.port, &target).await.unwrap();
    assert_eq!(stranger.0, 401, "nginx asks for its password");
    // As a browser does once its user has typed it in.
    let mut connection = Connection::open(([127, 0, 0, 1], nginx.port).into()).await;
    let password = [("Authorization", "Basic dXNlcjpwYXNzd29yZA==")];
    connection.request("GET", &target, &password).await;
    let mut subscriber = Subscriber::of(connection).await;
    assert_eq!(subscriber.next_list().await, ["alice"]);
}
