//! What the API of the simulated LiveKit answers from: the people in its lists, ghosts included, its rooms, and who is alive.

use std::{sync::Arc, time::Duration};

use livekit_presence::presence::{Identity, RoomName};
use serde_json::Value;

use crate::harness::{ProbeReply, Rooms, SpoiledList};

use super::{journal::Journal, livekit::LiveKit, wording};

/// LiveKit gives up after this time on a call that needs the node of a session, where there is no such node.
const NO_RESPONSE_AFTER: Duration = Duration::from_secs(3);

pub struct SimulatedRooms {
    pub livekit: Arc<LiveKit>,
    pub journal: Arc<Journal>,
}

impl Rooms for SimulatedRooms {
    fn is_up(&self) -> bool {
        self.livekit.is_up()
    }

    fn called(&self, method: &str, _request: &Value) {
        self.journal.count(format!("calls of LiveKit's API: {method}"));
    }

    fn participants(&self, room: &str) -> Result<Vec<Value>, SpoiledList> {
        let list = self.livekit.list_participants(&room_name(room));
        Ok(list.iter().map(wording::listed).collect())
    }

    fn names(&self) -> Vec<String> {
        let rooms = self.livekit.names().filter(|room| self.livekit.has_room(room));
        rooms.map(ToString::to_string).collect()
    }

    fn probe(&self, room: &str, identity: &str) -> ProbeReply {
        match self.livekit.answers(&room_name(room), &Identity::new(identity)) {
            true => ProbeReply::Alive,
            false => ProbeReply::NoResponse { after: NO_RESPONSE_AFTER },
        }
    }
}

fn room_name(name: &str) -> RoomName {
    RoomName::parse(name).expect("the service asks about rooms that have a name")
}
