//! LiveKit gets a connection even if clients take all the others.

use livekit_presence::{
    clock::Clock,
    livekit::{AccessToken, ApiKey, Keys, VideoGrant},
};

use crate::harness::{Connection, PROCESS_KEYS, Process, Subscriber, eventually, joined};

use super::descriptors::with_descriptors;

const STREAM: &str = "/api/livekit/participants/stream?room=general";
/// Of 256 descriptors 128 are for connections, and of these eight for webhooks.
const PLACES: usize = 120;
/// The connections that one address may have.
const OF_ADDRESS: usize = 96;

async fn ask(app: &Process, from: &str) -> u16 {
    let mut connection = Connection::from(from, app.address).await;
    connection.request("GET", "/healthz", &[]).await;
    connection.response().await.status
}

async fn post(app: &Process, from: &str) -> (u16, Connection) {
    let mut connection = Connection::from(from, app.address).await;
    connection.send(&app.webhook_request(&joined("alice").bytes())).await;
    (connection.response().await.status, connection)
}

/// Opens streams, which hold their places until they end.
async fn fill_with_streams(app: &Process, from: &[&str]) -> Vec<Subscriber> {
    let mut subscribers = Vec::new();
    for number in 0..PLACES {
        let from = from[number / OF_ADDRESS % from.len()];
        let mut connection = Connection::from(from, app.address).await;
        connection.request("GET", STREAM, &[]).await;
        subscribers.push(Subscriber::of(connection).await);
    }
    subscribers
}

#[tokio::test]
async fn two_addresses_that_say_nothing_lock_nobody_out() {
    let app = with_descriptors(256, &[]).await;
    let mut silent = Vec::new();
    for number in 0..PLACES {
        let from = if number < OF_ADDRESS { "127.0.0.1" } else { "127.0.0.2" };
        let mut connection = Connection::from(from, app.address).await;
        if number % 2 == 0 {
            connection.send(b"GET /healthz HTTP/1.1\r\n").await;
        }
        silent.push(connection);
    }
    for _ in 0..40 {
        assert_eq!(post(&app, "127.0.0.9").await.0, 200);
        assert_eq!(ask(&app, "127.0.0.3").await, 200);
    }
    assert!(silent[0].is_closed().await, "the first that said nothing made room");
    assert!(!app.log().contains("cannot accept"), "{}", app.log());
}

#[tokio::test]
async fn an_idle_connection_makes_room_before_anybody_is_refused() {
    let app = with_descriptors(256, &[]).await;
    let mut idle = Vec::new();
    for number in 0..PLACES {
        let from = if number < OF_ADDRESS { "127.0.0.1" } else { "127.0.0.2" };
        let mut connection = Connection::from(from, app.address).await;
        connection.request("GET", "/healthz", &[]).await;
        assert_eq!(connection.response().await.status, 200);
        idle.push(connection);
    }
    assert_eq!(ask(&app, "127.0.0.3").await, 200);
    assert!(idle[0].is_closed().await);
    idle[PLACES - 1].request("GET", "/healthz", &[]).await;
    assert_eq!(idle[PLACES - 1].response().await.status, 200, "the others stay");
}

#[tokio::test]
async fn a_share_of_the_connections_is_kept_for_peers_that_have_sent_a_verified_webhook() {
    // LiveKit comes directly, or through the proxy that clients come through as well.
    for (livekit, proxy) in [("127.0.0.9", "10.0.0.1"), ("127.0.0.1", "127.0.0.1")] {
        let settings = [("LKP__LIMITS__STREAMS", "1000"), ("LKP__HTTP__TRUSTED_PROXIES", proxy)];
        let app = with_descriptors(256, &settings).await;
        assert_eq!(post(&app, livekit).await.0, 200);
        let _full = fill_with_streams(&app, &["127.0.0.1", "127.0.0.2"]).await;
        let mut stranger = Connection::from("127.0.0.3", app.address).await;
        let refused = stranger.response().await;
        assert!(refused.problem(503).contains("as many connections"));
        let (status, mut kept) = post(&app, livekit).await;
        assert_eq!(status, 200);
        kept.send(&app.webhook_request(&joined("bob").bytes())).await;
        assert_eq!(kept.response().await.status, 200, "it is used again");
        assert_eq!(ask(&app, livekit).await, 503, "it is for webhooks alone");
        // Connections that send nothing leave the place to the next webhook.
        let mut silent = Vec::new();
        for _ in 0..20 {
            silent.push(Connection::from(livekit, app.address).await);
        }
        assert_eq!(post(&app, livekit).await.0, 200);
    }
}

/// An attacker may have seen a webhook under way, and send it again.
#[tokio::test]
async fn a_repeated_webhook_keeps_no_place_for_its_sender() {
    let app = with_descriptors(256, &[("LKP__LIMITS__STREAMS", "1000")]).await;
    let seen = app.webhook_request(&joined("alice").bytes());
    let send = async |from: &str| {
        let mut connection = Connection::from(from, app.address).await;
        connection.send(&seen).await;
        connection.response().await.status
    };
    assert_eq!(send("127.0.0.9").await, 200);
    assert_eq!(send("127.0.0.3").await, 200, "LiveKit repeats webhooks, too");
    let _full = fill_with_streams(&app, &["127.0.0.1", "127.0.0.2"]).await;
    assert_eq!(send("127.0.0.3").await, 503);
    assert_eq!(send("127.0.0.9").await, 200);
}

/// After its last answer a connection is read for a moment, so that the answer arrives.
#[tokio::test]
async fn connections_that_their_clients_do_not_close_keep_nobody_away() {
    let app = with_descriptors(256, &[]).await;
    let mut over = Vec::new();
    for number in 0..PLACES {
        let from = if number < OF_ADDRESS { "127.0.0.1" } else { "127.0.0.2" };
        let mut connection = Connection::from(from, app.address).await;
        connection.request("GET", "/healthz", &[("Connection", "close")]).await;
        over.push(connection);
    }
    for connection in &mut over {
        assert_eq!(connection.response().await.status, 200);
    }
    let mut newcomers = Vec::new();
    for _ in 0..60 {
        let mut connection = Connection::from("127.0.0.3", app.address).await;
        connection.request("GET", STREAM, &[]).await;
        assert_eq!(connection.head().await.status(), 200);
        newcomers.push(connection);
    }
}

/// Behind a proxy that is not in the configuration, all clients have one address.
#[tokio::test]
async fn an_address_of_many_people_is_told_to_the_operator_once() {
    let settings = [("LKP__AUTH__MODE", "livekit"), ("LKP__LIMITS__STREAMS_PER_ADDRESS", "10")];
    let app = Process::start(&settings).await;
    let keys = Keys::new(&ApiKey::parse_lines(PROCESS_KEYS).unwrap());
    let expires_at = Clock::system().now().as_secs() + 600;
    let ask = async |identity: usize| {
        let video = VideoGrant { room_list: true, ..VideoGrant::default() };
        let token = AccessToken::sign(&identity.to_string(), video, expires_at, &keys).unwrap();
        let mut connection = Connection::open(app.address).await;
        let bearer = format!("Bearer {token}");
        connection.request("GET", STREAM, &[("Authorization", &bearer)]).await;
        connection
    };
    let mut streams = Vec::new();
    for identity in 0..10 {
        streams.push(Subscriber::of(ask(identity).await).await);
    }
    for identity in 10..14 {
        let refused = ask(identity).await.response().await;
        assert!(refused.problem(429).contains("`limits.streams_per_address` (10)"));
    }
    let told = || app.log().matches("`http.trusted_proxies`").count();
    eventually("the log to say so", async || told() > 0).await;
    assert_eq!(told(), 1, "{}", app.log());
}
