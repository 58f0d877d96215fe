//! The instances of the service, and a subscriber of each.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::Value;

use crate::{
    harness::{Process, patiently},
    real::scenario::{Client, ROOM, Scenario, Watch},
};

/// The scenario's own instance, which gets the webhooks, and two more on its store.
pub struct Instances {
    _others: Vec<Process>,
    ports: Vec<u16>,
    watches: Vec<Watch>,
}

impl Instances {
    /// Starts two more, and opens a stream at each.
    pub async fn beside(scenario: &Scenario) -> Self {
        let others = vec![scenario.another_service().await, scenario.another_service().await];
        let mut ports = vec![scenario.service_address().port()];
        ports.extend(others.iter().map(|other| other.address.port()));
        let watches = ports.iter().map(|port| Watch::open(*port, ROOM)).collect();
        Self { _others: others, ports, watches }
    }

    pub fn watches(&self) -> impl Iterator<Item = &Watch> {
        self.watches.iter()
    }

    pub fn frame_counts(&self) -> Vec<usize> {
        self.watches().map(Watch::frame_count).collect()
    }

    /// Waits until every subscriber is shown such a list.
    pub async fn show(&self, wanted: impl Fn(&Value) -> bool) {
        for watch in self.watches() {
            patiently("every subscriber to be shown it", async || {
                watch.changed_within(Duration::from_millis(50)).await;
                watch.seen().frames.last().is_some_and(|frame| wanted(&frame.list))
            })
            .await;
        }
    }

    /// Waits until every subscriber is shown these clients alone, as they describe themselves. Returns since when all are.
    pub async fn are_right(&self, inside: &[&Client]) -> Instant {
        let mut since = None;
        patiently("every subscriber to be right", async || {
            let truth = join_all(inside.iter().map(|client| client.person())).await;
            let Some(mut truth) = truth.into_iter().collect::<Option<Vec<_>>>() else {
                return false;
            };
            truth.sort();
            let right = self.watches().map(|watch| watch.right_since(&truth));
            since = right.collect::<Option<Vec<_>>>().and_then(|right| right.into_iter().max());
            since.is_some()
        })
        .await;
        since.unwrap()
    }

    /// Waits until every instance follows LiveKit's Redis.
    pub async fn are_up(&self) {
        patiently("every instance to follow LiveKit's Redis", async || {
            self.number_up().await == self.ports.len() as f64
        })
        .await;
    }

    /// Waits until no instance does.
    pub async fn are_down(&self) {
        patiently("no instance to follow LiveKit's Redis", async || self.number_up().await == 0.0)
            .await;
    }

    async fn number_up(&self) -> f64 {
        self.sum("livekit_presence_livekit_redis_up").await
    }

    /// How often LiveKit's API was asked for the people of a room, or for its rooms.
    pub async fn lists_asked_for(&self) -> f64 {
        let calls = "livekit_presence_livekit_calls_total";
        self.sum(&format!("{calls}{{method=\"list_participants\"")).await
            + self.sum(&format!("{calls}{{method=\"list_rooms\"")).await
    }

    /// The sum of the metrics whose lines begin so, of all instances.
    async fn sum(&self, begin: &str) -> f64 {
        let of_one = async |port: &u16| {
            let (status, body) = crate::harness::wire::get(*port, "/metrics").await.unwrap();
            assert_eq!(status, 200);
            let text = String::from_utf8(body.to_vec()).unwrap();
            let lines = text.lines().filter(|line| line.starts_with(begin));
            lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum::<f64>()
        };
        join_all(self.ports.iter().map(of_one)).await.into_iter().sum()
    }
}
