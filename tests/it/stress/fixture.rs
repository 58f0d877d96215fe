//! What a run is made of: instances of the service with their Redis, a LiveKit with its own, and the links between them.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use livekit_presence::presence::{RoomName, Rules};
use tokio::{net::TcpListener, sync::Mutex, time::timeout};

use crate::harness::{PROCESS_KEYS, RedisServer, RoomService, TcpProxy, url_of, wire};

use super::{
    api::SimulatedRooms, balancer::Balancer, counter::Counter, fleet::Fleet, journal::Journal,
    kept::Kept, livekit::LiveKit, snapshots::Snapshots,
};

pub const INSTANCES: usize = 3;
pub const ROOMS: usize = 24;

const RECONCILE_EVERY: Duration = Duration::from_secs(5);
pub const MAX_GET: Duration = Duration::from_secs(5);

/// Everything that actions and faults affect.
pub struct Fixture {
    pub journal: Arc<Journal>,
    pub snapshots: Arc<Snapshots>,
    pub livekit: Arc<LiveKit>,
    pub api: RoomService,
    pub balancer: Arc<Balancer>,
    pub fleet: Arc<Fleet>,
    /// The link of each instance to Redis.
    pub links: Vec<TcpProxy>,
    pub redis: Mutex<RedisServer>,
    /// The link to LiveKit's own Redis of each instance that reads it.
    pub livekits_links: Vec<TcpProxy>,
    pub livekits_redis: Mutex<RedisServer>,
    /// Follows the log of events.
    pub counter: Arc<Counter>,
}

/// How many of the instances read LiveKit's own Redis: all, some or none, and two with the seed that `make test` plays.
fn readers(seed: u64) -> usize {
    usize::try_from(seed.wrapping_add(1) % 4).unwrap()
}

impl Fixture {
    pub async fn start(
        seed: u64,
        random: &mut fastrand::Rng,
        journal: &Arc<Journal>,
    ) -> (Arc<Self>, Vec<RoomName>) {
        let names: Vec<_> = (0..ROOMS).map(|number| format!("room-{number}")).collect();
        let rooms: Vec<_> = names.iter().map(|name| RoomName::parse(name).unwrap()).collect();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let api_port = listener.local_addr().unwrap().port();
        let redis = RedisServer::with(&["--appendonly", "yes"]).await;
        let links = links_to(&redis, INSTANCES).await;
        let livekits_redis = RedisServer::with(&["--appendonly", "yes"]).await;
        let kept = Kept::connect(&livekits_redis.url());
        let livekits_links = links_to(&livekits_redis, readers(seed)).await;
        let environments = environments(api_port, &links, &livekits_links);
        let fleet = Arc::new(Fleet::start(environments, journal).await);
        let balancer = Balancer::new(Arc::clone(&fleet), Arc::clone(journal), random.fork());
        let balancer = Arc::new(balancer);
        let livekit =
            LiveKit::new(&rooms, kept, Arc::clone(&balancer), Arc::clone(journal), random);
        let livekit = Arc::new(livekit);
        let rooms_of_api =
            SimulatedRooms { livekit: Arc::clone(&livekit), journal: Arc::clone(journal) };
        let api = RoomService::serve(listener, None, PROCESS_KEYS, Arc::new(rooms_of_api));
        let counter = Counter::new(Arc::clone(journal));
        counter.count(redis.store(Rules::default(), None).0).await;
        let journal = Arc::clone(journal);
        let snapshots = Arc::new(Snapshots::new(Arc::clone(&journal)));
        let (redis, livekits_redis) = (Mutex::new(redis), Mutex::new(livekits_redis));
        let fixture = Self {
            journal,
            snapshots,
            livekit,
            api,
            balancer,
            fleet,
            links,
            redis,
            livekits_links,
            livekits_redis,
            counter,
        };
        (Arc::new(fixture), rooms)
    }

    /// The instances that should follow LiveKit's own Redis, and do not.
    pub async fn not_following(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let readers = self.fleet.instances().iter().take(self.livekits_links.len());
        for (number, instance) in readers.enumerate() {
            let answer = timeout(MAX_GET, wire::get(instance.port(), "/metrics")).await;
            let follows = matches!(answer, Ok(Ok((200, body))) if is_up(&body));
            if !follows {
                wrong.push(format!("instance {number} does not follow LiveKit's Redis"));
            }
        }
        wrong
    }
}

fn is_up(metrics: &[u8]) -> bool {
    let metrics = String::from_utf8_lossy(metrics);
    metrics.lines().any(|line| line == "livekit_presence_livekit_redis_up 1")
}

async fn links_to(redis: &RedisServer, count: usize) -> Vec<TcpProxy> {
    let mut links = Vec::new();
    for _ in 0..count {
        links.push(TcpProxy::start(redis.port).await);
    }
    links
}

/// The environment of each instance. The first ones read LiveKit's own Redis.
fn environments(
    api_port: u16,
    links: &[TcpProxy],
    livekits_links: &[TcpProxy],
) -> Vec<Vec<(String, String)>> {
    let environment = |(number, link): (usize, &TcpProxy)| {
        let mut variables = vec![
            ("REDIS_URL".to_owned(), url_of(link.port)),
            ("LIVEKIT_URL".to_owned(), format!("ws://127.0.0.1:{api_port}")),
            ("LKP__RECONCILE__EVERY".to_owned(), format!("{}s", RECONCILE_EVERY.as_secs())),
        ];
        let livekits_url = livekits_links.get(number).map(|link| url_of(link.port));
        variables.extend(livekits_url.map(|url| ("LIVEKIT_REDIS_URL".to_owned(), url)));
        variables
    };
    links.iter().enumerate().map(environment).collect()
}
