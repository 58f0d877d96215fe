//! The names of everything in Redis. Rooms are hashed into buckets. A bucket is a Cluster's hash tag, so that everything that a
//! script touches lies in one slot, and it has one channel, so that an instance never follows more channels than there are
//! buckets.

use std::fmt;

use crate::presence::{ParticipantSid, RoomName};

/// A constant of the key format: with another number, rooms in Redis would no longer be found.
pub(super) const BUCKETS: u16 = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Bucket(u16);

impl Bucket {
    /// CRC-32 of the name, mod 1024.
    #[expect(clippy::cast_possible_truncation, reason = "it is below BUCKETS")]
    pub fn of(room: &str) -> Self {
        Self((crc32fast::hash(room.as_bytes()) % u32::from(BUCKETS)) as u16)
    }

    pub fn number(self) -> u16 {
        self.0
    }

    pub fn numbered(number: u16) -> Option<Self> {
        (number < BUCKETS).then_some(Self(number))
    }

    pub fn all() -> impl Iterator<Item = Self> {
        (0..BUCKETS).map(Self)
    }
}

#[derive(Clone, Debug)]
pub(super) struct KeyFormat {
    prefix: String,
    /// Pub/sub is the same for all databases, so a channel's name has the number of its database.
    database: i64,
}

impl KeyFormat {
    pub fn new(prefix: &str, database: i64) -> Self {
        Self { prefix: prefix.to_owned(), database }
    }

    /// Everything that is kept of a room.
    pub fn room(&self, room: &RoomName) -> String {
        self.of_room_in(Bucket::of(room.as_str()), room)
    }

    /// The keys that every commit is given: the room, its bucket's index, its channel, and two for the log of events.
    pub fn of_room(&self, room: &RoomName) -> Vec<String> {
        let bucket = Bucket::of(room.as_str());
        vec![
            self.of_room_in(bucket, room),
            self.index(bucket),
            self.channel(bucket),
            self.log_on(bucket),
            self.outbox(bucket),
        ]
    }

    /// There while what happens in a bucket's rooms is logged.
    pub fn log_on(&self, bucket: Bucket) -> String {
        self.of("log:on", bucket, format_args!(""))
    }

    /// What happened in a bucket's rooms, on its way into the log of events.
    pub fn outbox(&self, bucket: Bucket) -> String {
        self.of("outbox", bucket, format_args!(""))
    }

    /// What steps on a bucket's rooms add to the history, until the history has it.
    pub fn history(&self, bucket: Bucket) -> String {
        self.of("history", bucket, format_args!(""))
    }

    /// The keys that the log of events is written with: the log, its state, its channel.
    pub fn event_log(&self) -> Vec<String> {
        vec![self.shared("log"), self.shared("log:state"), self.events_channel()]
    }

    /// Where the log of events is published.
    pub fn events_channel(&self) -> String {
        self.shared(&format!("events:{}", self.database))
    }

    fn of_room_in(&self, bucket: Bucket, room: &RoomName) -> String {
        self.of("room", bucket, format_args!(":{room}"))
    }

    /// Held by the instance that compares a room.
    pub fn lease(&self, room: &RoomName) -> String {
        self.of("lease", Bucket::of(room.as_str()), format_args!(":{room}"))
    }

    /// Held by the instance that has a banned person's session removed.
    pub fn removal_lease(&self, room: &RoomName, sid: &ParticipantSid) -> String {
        self.of("removal", Bucket::of(room.as_str()), format_args!(":{sid}:{room}"))
    }

    /// A bucket's rooms, with what the list of rooms says of each.
    pub fn index(&self, bucket: Bucket) -> String {
        self.of("index", bucket, format_args!(""))
    }

    /// Where a bucket's changes are published.
    pub fn channel(&self, bucket: Bucket) -> String {
        self.of("changes", bucket, format_args!(":{}", self.database))
    }

    /// What instances share beside rooms.
    pub fn shared(&self, what: &str) -> String {
        format!("{}{{shared}}:{what}", self.prefix)
    }

    /// What an instance told of itself.
    pub fn told(&self, instance: &str) -> String {
        self.shared(&format!("told:{instance}"))
    }

    /// When somebody took turns lately. Each lies in a slot of its own, so that a Cluster's nodes share them.
    pub fn turns(&self, who: &str) -> String {
        format!("{}turns:{{{who}}}", self.prefix)
    }

    /// The channel on which an instance hears itself, to know that it would hear others.
    pub fn probe(&self, instance: &str) -> String {
        format!("{}{{shared}}:probe:{instance}", self.prefix)
    }

    /// The kind comes first. Keys of releases that kept a room in several keys began with the bucket, so no key has two meanings.
    fn of(&self, kind: &str, bucket: Bucket, rest: fmt::Arguments<'_>) -> String {
        format!("{}{kind}:{{b{}}}{rest}", self.prefix, bucket.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_documented_and_a_room_lies_in_one_slot() {
        let keys = KeyFormat::new("lkp:", 2);
        let room = RoomName::parse("general").unwrap();
        let bucket = Bucket::of("general");
        let tag = format!("{{b{}}}", crc32fast::hash(b"general") % 1024);
        let all = keys.of_room(&room);
        assert_eq!(all[0], format!("lkp:room:{tag}:general"));
        assert_eq!(all[1], format!("lkp:index:{tag}"));
        assert_eq!(all[2], format!("lkp:changes:{tag}:2"));
        assert_eq!(all[3..], [format!("lkp:log:on:{tag}"), format!("lkp:outbox:{tag}")]);
        assert_eq!(keys.history(bucket), format!("lkp:history:{tag}"));
        let log = ["lkp:{shared}:log", "lkp:{shared}:log:state", "lkp:{shared}:events:2"];
        assert_eq!(keys.event_log(), log);
        assert_eq!(keys.lease(&room), format!("lkp:lease:{tag}:general"));
        assert_eq!(keys.turns("0123ab"), "lkp:turns:{0123ab}");
        assert_eq!((keys.room(&room), keys.index(bucket)), (all[0].clone(), all[1].clone()));
        // Whatever the room's name holds, the first tag counts.
        let odd = keys.room(&RoomName::parse("{a}:rooms").unwrap());
        assert!(odd.starts_with("lkp:room:{b"), "{odd}");
    }
}
