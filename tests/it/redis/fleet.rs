//! Instances of the service on one Redis, and the load that they share.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::task::JoinHandle;

use crate::harness::{
    Follower, Process, RedisServer, Sender, WebhookBody, eventually, free_port, joined, left,
    published, started,
};

use super::fixture::{instance, sorted_identities};

pub const ROOMS: [&str; 4] = ["atrium", "balcony", "cellar", "den"];

/// Instances on one Redis, each on its own port.
pub struct Fleet {
    pub redis: RedisServer,
    pub ports: Vec<u16>,
    pub instances: Vec<Process>,
    settings: Vec<(&'static str, String)>,
}

impl Fleet {
    pub async fn of(count: usize, settings: &[(&'static str, &str)]) -> Self {
        let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let mut fleet = Self {
            redis: RedisServer::start().await,
            ports: (0..count).map(|_| free_port()).collect(),
            instances: Vec::new(),
            settings,
        };
        for index in 0..count {
            let one = fleet.start(index).await;
            fleet.instances.push(one);
        }
        fleet
    }

    pub async fn start(&self, index: usize) -> Process {
        let bind = format!("127.0.0.1:{}", self.ports[index]);
        let mut settings = vec![("LKP__HTTP__BIND", bind.as_str())];
        settings.extend(self.settings.iter().map(|(name, value)| (*name, value.as_str())));
        let one = instance(&self.redis.url(), &settings).await;
        eventually("it to be fit", async || one.get("/readyz").await.status == 200).await;
        one
    }

    /// The people whom one instance shows in a room, and the version.
    pub async fn read(&self, index: usize, room: &str) -> (Vec<String>, String) {
        let target = format!("/api/livekit/participants?room={room}");
        let answer = self.instances[index].get(&target).await;
        (sorted_identities(&answer), answer.header("etag").to_owned())
    }

    /// Waits until all followers and all instances show these people in one version.
    pub async fn agrees(&self, followers: &[Follower], room: &str, inside: &[String]) {
        let inside: Vec<_> = inside.iter().map(String::as_str).collect();
        for follower in followers {
            follower.until_people(room, &inside).await;
            follower.is_content();
        }
        eventually("all to show the same version", async || {
            let shown: Vec<_> = followers.iter().map(|one| one.shown(room)).collect();
            shown.windows(2).all(|pair| pair[0] == pair[1])
        })
        .await;
        // A comparison may still raise the version, and one instance hears of it first.
        eventually("all instances to answer with it", async || {
            let version = followers[0].shown(room).version.to_string();
            for index in 0..self.instances.len() {
                let (people, etag) = self.read(index, room).await;
                if people != inside || etag.trim_matches('"') != version {
                    return false;
                }
            }
            true
        })
        .await;
    }
}

/// For each of these ports, a subscriber of all rooms and one of a single room.
pub fn subscribers_at(ports: &[u16]) -> (Vec<Follower>, Vec<(&'static str, Follower)>) {
    let of_all = ports.iter().map(|port| Follower::of_rooms(*port, &ROOMS)).collect();
    let of_one = ports.iter().enumerate().map(|(index, port)| {
        let room = ROOMS[index % ROOMS.len()];
        (room, Follower::of_room(*port, room))
    });
    (of_all, of_one.collect())
}

/// The webhooks of a room in which many come, publish and go, and those who are inside in the end.
fn story(room: &str, people: usize) -> (Vec<WebhookBody>, Vec<String>) {
    let mut webhooks = vec![started().room(room)];
    let mut inside = Vec::new();
    for number in 0..people {
        let name = format!("{room}-{number:03}");
        webhooks.push(joined(&name).room(room));
        webhooks.push(published(&name, &format!("TR_{name}")).room(room));
        if number % 3 == 0 {
            webhooks.push(left(&name).room(room));
        } else {
            inside.push(name);
        }
    }
    (webhooks, inside)
}

/// Sends the webhooks of all rooms at once, those of one room in turn, as LiveKit does.
pub struct Load(Vec<JoinHandle<()>>, Vec<(&'static str, Vec<String>)>);

impl Load {
    pub fn begin(sender: &Arc<Sender>, people: usize) -> Self {
        let mut telling = Vec::new();
        let mut inside = Vec::new();
        for room in ROOMS {
            let (webhooks, stay) = story(room, people);
            let sender = Arc::clone(sender);
            inside.push((room, stay));
            telling.push(tokio::spawn(async move {
                for webhook in webhooks {
                    sender.deliver(&webhook).await;
                }
            }));
        }
        Self(telling, inside)
    }

    pub fn goes_on(&self) -> bool {
        self.0.iter().any(|one| !one.is_finished())
    }

    /// The people inside when all webhooks are sent.
    pub async fn end(self) -> Vec<(&'static str, Vec<String>)> {
        for told in join_all(self.0).await {
            told.expect("LiveKit drops nothing");
        }
        self.1
    }
}
