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

/// Instances on one Redis, each on a port of its own.
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

    /// What one instance shows of a room, and its version.
    pub async fn read(&self, index: usize, room: &str) -> (Vec<String>, String) {
        let target = format!("/api/livekit/participants?room={room}");
        let answer = self.instances[index].get(&target).await;
        (sorted_identities(&answer), answer.header("etag").to_owned())
    }

    /// Waits until clients everywhere and all instances show the same, and these people.
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
        // A comparison may still raise the version, of which one of them hears first.
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

/// Two clients of each kind at each of these ports: of one room, and of all.
pub fn subscribers_at(ports: &[u16]) -> (Vec<Follower>, Vec<(&'static str, Follower)>) {
    let of_all = ports.iter().map(|port| Follower::of_rooms(*port, &ROOMS)).collect();
    let of_one = ports.iter().enumerate().map(|(index, port)| {
        let room = ROOMS[index % ROOMS.len()];
        (room, Follower::of_room(*port, room))
    });
    (of_all, of_one.collect())
}

/// One room's story: many come, publish and go, and some stay. Returns its webhooks, and who is inside in the end.
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

/// Tells the stories of all rooms at once, as LiveKit does: those of one room in turn, by a sender each.
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

    /// Who is inside when all is told.
    pub async fn end(self) -> Vec<(&'static str, Vec<String>)> {
        for told in join_all(self.0).await {
            told.expect("LiveKit drops nothing");
        }
        self.1
    }
}
