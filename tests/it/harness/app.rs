//! The service in this process, on a port of its own.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use livekit_presence::{
    app::App,
    clock::Clock,
    config::{Config, StartMode},
    livekit::{AccessToken, ApiKey, Keys, VideoGrant, WebhookToken},
    presence::{HostTime, StoreTime},
    store::{EventLogSettings, MemoryStore, Outbox, OutboxSettings, Store},
};
use serde_json::Value;
use tokio::{sync::oneshot, task::JoinHandle};

use super::{
    Connection, FlakyStore, RedisServer, Response, Subscriber, WebSocket, WebhookBody,
    client::request_head, eventually, within_deadline,
};

const KEYS: &str = "APItest: secret-of-the-tests-0123456789abcdef\nAPIother: another-secret-0123456789abcdef012345";

/// A running service.
pub struct TestApp {
    pub address: SocketAddr,
    pub store: Arc<FlakyStore>,
    pub clock: TestClock,
    keys: Keys,
    shutdown: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

/// A clock that a test can set. Until then it is the machine's, with the difference that the test chose.
#[derive(Clone, Default)]
pub struct TestClock {
    micros: Arc<AtomicU64>,
    secs_ahead: i64,
}

impl TestClock {
    /// A clock that is ahead of the machine's, or behind where `secs` is negative.
    pub fn ahead_by(secs: i64) -> Self {
        Self { secs_ahead: secs, ..Self::default() }
    }

    /// Sets the clock, which then stands still.
    pub fn set(&self, now: HostTime) {
        self.micros.store(now.as_micros(), Ordering::Relaxed);
    }

    /// Sets the clock where it stands for a store's.
    pub fn set_as_stores(&self, now: StoreTime) {
        self.set(HostTime::from_micros(now.as_micros()));
    }

    pub fn clock(&self) -> Clock {
        let set = Arc::clone(&self.micros);
        let system = Clock::system();
        let ahead = self.secs_ahead * 1_000_000;
        Clock::new(move || {
            HostTime::from_micros(match set.load(Ordering::Relaxed) {
                0 => system.now().as_micros().saturating_add_signed(ahead),
                micros => micros,
            })
        })
    }
}

impl TestApp {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts with settings as the environment has them. There is no heartbeat within the test's time, unless one is set.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        Self::with_keys(settings, KEYS).await
    }

    pub async fn with_keys(settings: &[(&str, &str)], keys: &str) -> Self {
        Self::on(None, settings, keys).await
    }

    /// Starts on Redis, or in memory where there is none.
    pub async fn over_store(redis: Option<&RedisServer>) -> Self {
        Self::on(redis, &[], KEYS).await
    }

    /// Keeps rooms in Redis, by the test's clock unless there is a history, or in memory where there is none.
    #[expect(clippy::unused_async, reason = "callers await the start, whatever it takes")]
    pub async fn on(redis: Option<&RedisServer>, settings: &[(&str, &str)], keys: &str) -> Self {
        let config = config(settings, keys);
        let clock = TestClock::default();
        let Some(redis) = redis else { return Self::in_memory(&config, clock, keys) };
        if let Some(history) = config.history.outbox() {
            let store = redis.store_keeping_history(history);
            let outbox = store.outbox();
            return Self::over(Arc::new(store), outbox, &config, clock, keys);
        }
        let kept = Arc::new(redis.store(config.rules(), Some(clock.clock())).0);
        Self::over(kept, None, &config, clock, keys)
    }

    fn in_memory(config: &Config, clock: TestClock, keys: &str) -> Self {
        let log = EventLogSettings { keep: config.events.keep, max: config.events.max };
        let store = MemoryStore::with_log(config.rules(), clock.clock(), log);
        match config.history.outbox() {
            None => Self::over(Arc::new(store), None, config, clock, keys),
            Some(settings) => {
                let (store, outbox) = store.keeping_history(settings);
                Self::over(Arc::new(store), Some(outbox), config, clock, keys)
            }
        }
    }

    /// Keeps rooms in memory, and what the history has to know in an outbox that nobody empties but the test.
    #[expect(clippy::unused_async, reason = "callers await the start, whatever it takes")]
    pub async fn keeping_history(settings: &[(&str, &str)]) -> (Self, Arc<dyn Outbox>) {
        let config = config(settings, KEYS);
        let clock = TestClock::default();
        let settings = OutboxSettings { metadata: false, max: 100, keep: Duration::MAX };
        let store = MemoryStore::new(config.rules(), clock.clock());
        let (store, outbox) = store.keeping_history(settings);
        let app = Self::over(Arc::new(store), Some(Arc::clone(&outbox)), &config, clock, KEYS);
        (app, outbox)
    }

    /// Runs on a host whose clock differs from that of its Redis.
    pub async fn on_host(
        clock: TestClock,
        redis: &RedisServer,
        settings: &[(&str, &str)],
        keys: &str,
    ) -> Self {
        let config = config(settings, keys);
        let kept = Arc::new(redis.store(config.rules(), None).0);
        let app = Self::over(kept, None, &config, clock, keys);
        eventually("it to reach Redis", async || app.get("/readyz", &[]).await.status == 200).await;
        app
    }

    fn over(
        kept: Arc<dyn Store>,
        outbox: Option<Arc<dyn Outbox>>,
        config: &Config,
        clock: TestClock,
        keys: &str,
    ) -> Self {
        let store = FlakyStore::new(kept);
        let flaky = Arc::clone(&store) as Arc<dyn Store>;
        let app = App::with_outbox(config, flaky, outbox, clock.clock()).unwrap();
        let (shutdown, told) = oneshot::channel();
        Self {
            address: app.local_addr().unwrap(),
            store,
            clock,
            keys: Keys::new(&ApiKey::parse_lines(keys).unwrap()),
            shutdown: Some(shutdown),
            running: tokio::spawn(app.run(async move {
                let _ = told.await;
            })),
        }
    }

    /// Posts a webhook that must be taken.
    pub async fn webhook(&self, webhook: WebhookBody) {
        let response = self.post(&webhook).await;
        assert_eq!(response.status, 200, "{}", response.text());
    }

    /// Posts several webhooks, one after the other, on one connection.
    pub async fn webhooks(&self, webhooks: impl IntoIterator<Item = WebhookBody>) {
        let mut connection = self.connect().await;
        for webhook in webhooks {
            connection.send(&self.webhook_request(&webhook.bytes())).await;
            let response = connection.response().await;
            assert_eq!(response.status, 200, "{}", response.text());
        }
    }

    pub async fn post(&self, webhook: &WebhookBody) -> Response {
        self.send(&self.webhook_request(&webhook.bytes())).await
    }

    /// A signed webhook request, as LiveKit would send it.
    pub fn webhook_request(&self, body: &[u8]) -> Vec<u8> {
        let token = self.sign(body);
        webhook_request("/api/livekit/webhook", &[("Authorization", &token)], body)
    }

    pub fn sign(&self, body: &[u8]) -> String {
        let now = self.clock.clock().now().as_secs();
        WebhookToken::sign(body, &self.keys, now).unwrap()
    }

    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// A token that reads one room and is valid for `secs` seconds.
    pub fn token(&self, room: &str, secs: i64) -> String {
        let video = VideoGrant { room: room.to_owned(), room_join: true, ..VideoGrant::default() };
        self.token_with(video, "alice", secs)
    }

    /// A token that reads all rooms.
    pub fn list_token(&self) -> String {
        let video = VideoGrant { room_list: true, ..VideoGrant::default() };
        self.token_with(video, "operator", 3600)
    }

    pub fn token_with(&self, video: VideoGrant, identity: &str, secs: i64) -> String {
        let now = self.clock.clock().now().as_secs();
        AccessToken::sign(identity, video, now.saturating_add_signed(secs), &self.keys).unwrap()
    }

    /// Opens the stream of a room with a token for it.
    pub async fn subscriber(&self, room: &str) -> Subscriber {
        self.subscriber_with(room, &[]).await
    }

    pub async fn subscriber_with(&self, room: &str, headers: &[(&str, &str)]) -> Subscriber {
        let bearer = format!("Bearer {}", self.list_token());
        let mut headers = headers.to_vec();
        headers.push(("Authorization", &bearer));
        let target = format!("/api/livekit/participants/stream?room={room}");
        self.open_stream(&target, &headers).await
    }

    /// Opens a stream of many rooms.
    pub async fn rooms_subscriber(&self, rooms: &[&str]) -> Subscriber {
        let bearer = format!("Bearer {}", self.list_token());
        let target = format!("/api/livekit/rooms/stream?room={}", rooms.join("&room="));
        self.open_stream(&target, &[("Authorization", &bearer)]).await
    }

    /// Opens the feed of events with these parameters, such as `?room=general`, as somebody who may read all rooms.
    pub async fn feed(&self, parameters: &str) -> Subscriber {
        self.feed_after(parameters, None).await
    }

    /// Opens it as an EventSource that comes back does.
    pub async fn feed_after(&self, parameters: &str, last_id: Option<&str>) -> Subscriber {
        let bearer = format!("Bearer {}", self.list_token());
        let mut headers = vec![("Authorization", bearer.as_str())];
        headers.extend(last_id.map(|id| ("Last-Event-ID", id)));
        self.open_stream(&format!("/api/events{parameters}"), &headers).await
    }

    pub async fn open_stream(&self, target: &str, headers: &[(&str, &str)]) -> Subscriber {
        let mut connection = self.connect().await;
        connection.request("GET", target, headers).await;
        Subscriber::of(connection).await
    }

    /// Opens a WebSocket with a token for every room.
    pub async fn web_socket(&self, target: &str) -> WebSocket {
        let bearer = format!("Bearer {}", self.list_token());
        WebSocket::open(self.address, target, &[("Authorization", &bearer)]).await
    }

    /// Reads the list of a room.
    pub async fn participants(&self, room: &str) -> Response {
        self.get_as_operator(&format!("/api/livekit/participants?room={room}")).await
    }

    pub async fn get_as_operator(&self, target: &str) -> Response {
        let bearer = format!("Bearer {}", self.list_token());
        self.get(target, &[("Authorization", &bearer)]).await
    }

    pub async fn get(&self, target: &str, headers: &[(&str, &str)]) -> Response {
        self.ask("GET", target, headers).await
    }

    pub async fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Response {
        let mut connection = self.connect().await;
        connection.request(method, target, headers).await;
        connection.response_to(method).await
    }

    /// Sends these bytes on a connection of their own.
    pub async fn send(&self, request: &[u8]) -> Response {
        let mut connection = self.connect().await;
        connection.send(request).await;
        connection.response().await
    }

    pub async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    /// A counter or gauge of `/metrics`, by its name without prefix and with its labels.
    pub async fn metric(&self, name: &str) -> f64 {
        let metrics = self.get("/metrics", &[]).await;
        assert_eq!(metrics.status, 200, "{}", metrics.text());
        let wanted = format!("livekit_presence_{name} ");
        let value = metrics.text().lines().find_map(|line| line.strip_prefix(&wanted));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    /// Tells the service to end.
    pub fn tell_to_end(&mut self) {
        let _ = self.shutdown.take().expect("it was not told before").send(());
    }

    /// Waits until the service has ended.
    pub async fn ended(self) {
        within_deadline("the service's end", self.running).await.unwrap();
    }

    pub async fn rooms(&self) -> Value {
        self.get_as_operator("/api/livekit/rooms").await.json()
    }

    /// The list of rooms, with how many are in each and whether that is exact.
    pub async fn rooms_in_short(&self) -> Value {
        let mut rooms = self.rooms().await;
        for room in rooms.as_array_mut().unwrap() {
            let fields = room.as_object_mut().unwrap();
            fields.retain(|field, _| matches!(&**field, "name" | "numParticipants" | "exact"));
        }
        rooms
    }
}

fn config(settings: &[(&str, &str)], keys: &str) -> Config {
    let defaults = [
        ("LIVEKIT_KEYS", keys),
        ("LKP__HTTP__BIND", "127.0.0.1:0"),
        ("LKP__STREAM__HEARTBEAT", "1h"),
        // A test may look at the metrics as often as it likes.
        ("LKP__LIMITS__READS_PER_ADDRESS", "0"),
    ];
    let variables = defaults.iter().chain(settings);
    let variables = variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_variables(variables, StartMode::Serve).unwrap()
}

/// The bytes of a webhook request.
pub fn webhook_request(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let length = body.len().to_string();
    let mut all = vec![
        ("User-Agent", "Go-http-client/1.1"),
        ("Content-Length", length.as_str()),
        ("Content-Type", "application/webhook+json"),
    ];
    all.extend(headers);
    let mut request = request_head("POST", path, &all);
    request.extend_from_slice(body);
    request
}
