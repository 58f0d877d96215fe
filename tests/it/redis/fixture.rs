//! The service on a Redis with its clients, and the people inside its rooms.

use std::time::{Duration, Instant};

use crate::harness::{
    Answer, Follower, PROCESS_KEYS, Process, Response, ScriptedLiveKit, Sender, WebhookBody,
    eventually, joined, left, started,
};

/// The room where people come and go.
pub const ROOM: &str = "general";
/// A room of which no webhook tells anything.
pub const QUIET: &str = "quiet";

/// LiveKit waits no longer for an answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// One instance, three streams on it, and a LiveKit that knows who is inside.
pub struct Fixture {
    pub livekit: Option<ScriptedLiveKit>,
    pub service: Process,
    pub sender: Sender,
    /// One stream of a room's lists, and two of both rooms.
    pub followers: Vec<Follower>,
    redis_url: String,
    inside: Vec<WebhookBody>,
}

/// An instance of the service on a Redis.
pub async fn instance(redis_url: &str, settings: &[(&str, &str)]) -> Process {
    let mut variables = vec![
        ("REDIS_URL", redis_url),
        ("LKP__RECONCILE__EVERY", "3s"),
        ("LKP__RECONCILE__GRACE", "1s"),
        ("LKP__LOG__LEVEL", "info,livekit_presence=debug"),
    ];
    variables.extend(settings);
    Process::start(&variables).await
}

impl Fixture {
    /// Starts the service on a Redis beside a LiveKit that it can ask.
    pub async fn on(redis_url: &str) -> Self {
        Self::start(redis_url, Some(ScriptedLiveKit::start(PROCESS_KEYS).await)).await
    }

    /// Starts the service on a Redis without LiveKit's API: only webhooks tell it who is inside.
    pub async fn without_livekits_api(redis_url: &str) -> Self {
        Self::start(redis_url, None).await
    }

    async fn start(redis_url: &str, livekit: Option<ScriptedLiveKit>) -> Self {
        let livekit_url = livekit.as_ref().map(ScriptedLiveKit::url).unwrap_or_default();
        let service = instance(redis_url, &[("LIVEKIT_URL", &livekit_url)]).await;
        let port = service.address.port();
        let mut fixture = Self {
            livekit,
            service,
            sender: Sender::to(&[port]),
            followers: Vec::new(),
            redis_url: redis_url.to_owned(),
            inside: Vec::new(),
        };
        fixture.is_back().await;
        fixture.opens(ROOM).await;
        fixture.opens(QUIET).await;
        fixture.enters(&joined("quentin").room(QUIET)).await;
        fixture.enters(&joined("alice")).await;
        fixture.followers = vec![
            Follower::of_room(port, ROOM),
            Follower::of_rooms(port, &[ROOM, QUIET]),
            Follower::of_rooms(port, &[QUIET, ROOM]),
        ];
        fixture.becomes_right().await;
        fixture
    }

    async fn opens(&self, room: &str) {
        self.list(room);
        self.sender.deliver(&started().room(room)).await;
    }

    /// Lets somebody in, whom LiveKit lists from now on. The caller sends the webhook.
    pub fn lets_in(&mut self, webhook: &WebhookBody) {
        self.inside.push(webhook.clone());
        self.list(room_of(webhook));
    }

    /// Lets somebody in, and sends the webhook until it is taken.
    pub async fn enters(&mut self, webhook: &WebhookBody) {
        self.lets_in(webhook);
        self.sender.deliver(webhook).await;
    }

    /// Lets somebody out, and returns the webhook for the caller to send.
    pub fn lets_out(&mut self, identity: &str) -> WebhookBody {
        let is_it = |one: &WebhookBody| one.0["participant"]["identity"] == identity;
        let index = self.inside.iter().position(is_it).expect("who leaves is inside");
        let room = room_of(&self.inside.remove(index)).to_owned();
        self.list(&room);
        left(identity).room(&room)
    }

    /// Lets somebody out, and sends the webhook until it is taken.
    pub async fn leaves(&mut self, identity: &str) {
        let webhook = self.lets_out(identity);
        self.sender.deliver(&webhook).await;
    }

    fn list(&self, room: &str) {
        if let Some(livekit) = &self.livekit {
            let people = self.inside.iter().filter(|one| room_of(one) == room);
            livekit.list(room, &people.cloned().collect::<Vec<_>>());
        }
    }

    /// The people in a room, in the order of their names.
    pub fn inside(&self, room: &str) -> Vec<String> {
        let people = self.inside.iter().filter(|one| room_of(one) == room);
        let identity =
            |one: &WebhookBody| one.0["participant"]["identity"].as_str().unwrap().to_owned();
        let mut people: Vec<_> = people.map(identity).collect();
        people.sort();
        people
    }

    /// Waits until every stream and a GET show exactly the people inside, and checks that no stream was cut.
    pub async fn becomes_right(&self) {
        for room in [ROOM, QUIET] {
            let inside = self.inside(room);
            let inside: Vec<_> = inside.iter().map(String::as_str).collect();
            for follower in &self.followers {
                if follower.seen().rooms.contains_key(room) || room == ROOM {
                    follower.until_people(room, &inside).await;
                }
            }
            eventually("a GET to show who is inside, confirmed", async || {
                let answer = self.read(room).await;
                let is_right = answer.status == 200 && sorted_identities(&answer) == inside;
                is_right && answer.header("x-cache") != "stale"
            })
            .await;
        }
        self.streams_stayed_open();
    }

    pub fn streams_stayed_open(&self) {
        for follower in &self.followers {
            follower.was_never_cut();
        }
    }

    /// Checks that a webhook is refused in time, and so that LiveKit sends it again.
    pub async fn refuses(&self, webhook: &WebhookBody) {
        let answer = self.sender.try_once(webhook).await.expect("an answer");
        let Answer { status, after, .. } = answer;
        assert_eq!(status, 503);
        assert!(answer.retry_after().is_some(), "no Retry-After");
        assert!(after < ANSWERED_WITHIN, "answered after {after:?}");
    }

    /// Checks what clients see while Redis is away: webhooks are refused, lists are stale, and no stream is cut or emptied.
    pub async fn is_away(&self, webhook: &WebhookBody) {
        self.refuses(webhook).await;
        eventually("it to be unfit", async || self.service.get("/readyz").await.status == 503)
            .await;
        eventually("lists to count as stale", async || {
            let answer = self.read(ROOM).await;
            answer.status == 200 && answer.header("x-cache") == "stale"
        })
        .await;
        assert!(!sorted_identities(&self.read(ROOM).await).is_empty(), "nobody vanishes");
        // A new client is shown what is known, and not an empty room.
        let port = self.service.address.port();
        let newcomer = Follower::of_room(port, ROOM);
        newcomer.until("what is known", |seen| !seen.shown(ROOM).people.is_empty()).await;
        assert_eq!(newcomer.shown(ROOM), self.followers[1].shown(ROOM));
        let asked_at = Instant::now();
        assert_eq!(self.read("unheard-of").await.status, 503);
        assert!(asked_at.elapsed() < ANSWERED_WITHIN, "{:?}", asked_at.elapsed());
        self.streams_stayed_open();
    }

    /// Another instance on the same Redis, beside the same LiveKit.
    pub async fn other_instance(&self) -> Process {
        let livekit_url = self.livekit.as_ref().map(ScriptedLiveKit::url).unwrap_or_default();
        let other = instance(&self.redis_url, &[("LIVEKIT_URL", &livekit_url)]).await;
        eventually("it to be fit", async || other.get("/readyz").await.status == 200).await;
        other
    }

    pub async fn is_back(&self) {
        eventually("it to be fit", async || self.service.get("/readyz").await.status == 200).await;
    }

    pub async fn read(&self, room: &str) -> Response {
        self.service.get(&format!("/api/livekit/participants?room={room}")).await
    }
}

fn room_of(webhook: &WebhookBody) -> &str {
    webhook.0["room"]["name"].as_str().unwrap()
}

pub fn sorted_identities(answer: &Response) -> Vec<String> {
    let mut identities = crate::harness::identities(&answer.json());
    identities.sort();
    identities
}
