//! What the simulated LiveKit keeps in its Redis: its rooms, and the people in each, ghosts included.

use std::collections::BTreeMap;

use livekit_presence::presence::{RoomName, SessionInfo};
use redis::{Client, Connection};

use crate::{
    harness::{kept_person, kept_room},
    rules::simulated_livekit::SimulatedLiveKit,
};

use super::wording;

/// An identity that nobody has.
const UNREADABLE: &str = "unreadable";

/// LiveKit's connection, and what was written by it. It waits for each answer, so that nothing else happens before a change is kept.
pub struct Kept {
    connection: Connection,
    people: BTreeMap<RoomName, BTreeMap<String, Vec<u8>>>,
    rooms: BTreeMap<RoomName, Vec<u8>>,
}

impl Kept {
    pub fn connect(url: &str) -> Self {
        let mut kept =
            Self { connection: connection(url), people: BTreeMap::new(), rooms: BTreeMap::new() };
        kept.run(redis::cmd("SET").arg("livekit_version").arg("1.13.5"));
        kept
    }

    /// Connects again to the Redis, which has its data still.
    pub fn connect_again(&mut self, url: &str) {
        self.connection = connection(url);
    }

    /// Writes what has changed in a room. Each change of a person is a write of its own, as LiveKit's are.
    pub fn keep(&mut self, room: &RoomName, model: &SimulatedLiveKit, metadata: &str) {
        let Some(sid) = model.kept_sid() else { return self.delete(room) };
        let message = |info: &SessionInfo| kept_person(&wording::listed(info));
        let people = model.kept();
        let people = people.iter().map(|info| (info.identity.to_string(), message(info)));
        let people: BTreeMap<_, _> = people.collect();
        let key = key(room);
        let old = self.people.insert(room.clone(), people.clone());
        let object = kept_room(room.as_str(), sid.as_str(), metadata, 0);
        if self.rooms.insert(room.clone(), object.clone()).as_ref() != Some(&object) {
            self.run(redis::cmd("HSET").arg("rooms").arg(room.as_str()).arg(object));
        }
        let old = old.unwrap_or_default();
        for identity in old.keys().filter(|identity| !people.contains_key(*identity)) {
            self.run(redis::cmd("HDEL").arg(&key).arg(identity));
        }
        for (identity, message) in people.iter().filter(|(who, now)| old.get(*who) != Some(now)) {
            self.run(redis::cmd("HSET").arg(&key).arg(identity).arg(message));
        }
    }

    /// Puts a value into a room that is no message, or takes it away.
    pub fn set_readable(&mut self, room: &RoomName, is_readable: bool) {
        let command = if is_readable { "HDEL" } else { "HSET" };
        let mut command = redis::cmd(command);
        command.arg(key(room)).arg(UNREADABLE);
        if !is_readable {
            command.arg(&b"\xff\xff\xff"[..]);
        }
        self.run(&command);
    }

    fn delete(&mut self, room: &RoomName) {
        self.rooms.remove(room);
        if self.people.remove(room).is_some() {
            self.run(redis::cmd("HDEL").arg("rooms").arg(room.as_str()));
            self.run(redis::cmd("DEL").arg(key(room)));
        }
    }

    fn run(&mut self, command: &redis::Cmd) {
        command.exec(&mut self.connection).expect("LiveKit's Redis runs");
    }
}

fn connection(url: &str) -> Connection {
    Client::open(url).unwrap().get_connection().unwrap()
}

fn key(room: &RoomName) -> String {
    format!("room_participants:{room}")
}
