//! The metadata of rooms, which only LiveKit's Redis tells. An instance that reads it follows the rooms that are watched there, and has
//! the store tell all others.

use livekit_presence::presence::RoomName;
use serde_json::Value;
use tokio::time::timeout;

use crate::harness::wire;

use super::{fixture::MAX_GET, fleet::Instance, run::Run};

impl Run {
    /// Instances that answer another metadata of a room than LiveKit has.
    pub(super) async fn wrong_metadata(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for room in self.fixture.livekit.names().filter(|room| self.is_followed(room)) {
            let Some(expected) = self.fixture.livekit.metadata(room) else { continue };
            for (number, instance) in self.fixture.fleet.instances().iter().enumerate() {
                let shown = metadata(instance, room).await;
                if shown.as_ref() != Some(&expected) {
                    wrong.push(format!(
                        "instance {number} answers the metadata {shown:?} of {room}, and LiveKit has {expected:?}"
                    ));
                }
                self.fixture.journal.count("checks of metadata");
            }
        }
        wrong
    }

    /// Whether a page watches a room at an instance that reads LiveKit's own Redis.
    fn is_followed(&self, room: &RoomName) -> bool {
        let instances = self.fixture.fleet.instances().iter();
        let readers = instances.take(self.fixture.livekits_links.len());
        let readers: Vec<_> = readers.map(Instance::port).collect();
        self.pages.iter().any(|page| page.rooms.contains(room) && readers.contains(&page.port()))
    }
}

/// What an instance says; none if it does not.
async fn metadata(instance: &Instance, room: &RoomName) -> Option<String> {
    let target = format!("/api/livekit/rooms/{room}");
    let (status, body) = timeout(MAX_GET, wire::get(instance.port(), &target)).await.ok()?.ok()?;
    let answer: Value = serde_json::from_slice(&body).ok()?;
    let said = || answer["metadata"].as_str().unwrap_or_default().to_owned();
    (status == 200).then(said)
}
