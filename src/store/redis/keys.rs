//! The names of everything in Redis. Rooms are hashed into buckets; a bucket is a Cluster's hash tag, so that all a script
//! touches lies in one slot, and has one channel, so that an instance follows at most that many however many rooms are hot.

use crate::presence::RoomName;

/// A constant of the key format: another number would make every room a new one.
pub(super) const BUCKETS: u16 = 1024;

/// A bucket of rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Bucket(u16);

impl Bucket {
    /// CRC-32 of the name, mod 1024.
    #[expect(clippy::cast_possible_truncation, reason = "it is below BUCKETS")]
    pub fn of(room: &str) -> Self {
        Self((crc32fast::hash(room.as_bytes()) % u32::from(BUCKETS)) as u16)
    }

    pub fn all() -> impl Iterator<Item = Self> {
        (0..BUCKETS).map(Self)
    }
}

/// Makes names.
#[derive(Clone, Debug)]
pub(super) struct KeyFormat {
    prefix: String,
    /// Pub/sub knows no databases, so a channel's name has its number.
    database: i64,
}

impl KeyFormat {
    pub fn new(prefix: &str, database: i64) -> Self {
        Self { prefix: prefix.to_owned(), database }
    }

    /// The keys of a room in the order in which scripts expect them: meta, participants, tracks, identities, gone, reasons,
    /// waiting, seen, the bucket's index, its channel.
    pub fn of_room(&self, room: &RoomName) -> Vec<String> {
        let bucket = Bucket::of(room.as_str());
        let base = format!("{}:{room}", self.tag(bucket));
        let parts =
            ["meta", "participants", "tracks", "identities", "gone", "reasons", "waiting", "seen"];
        let mut keys: Vec<_> = parts.iter().map(|part| format!("{base}:{part}")).collect();
        keys.extend([self.index(bucket), self.channel(bucket)]);
        keys
    }

    /// What is kept of a room as a whole.
    pub fn meta(&self, room: &RoomName) -> String {
        format!("{}:{room}:meta", self.tag(Bucket::of(room.as_str())))
    }

    /// Held by the instance that compares a room.
    pub fn lease(&self, room: &RoomName) -> String {
        format!("{}:{room}:lease", self.tag(Bucket::of(room.as_str())))
    }

    /// A bucket's rooms, by when they are forgotten.
    pub fn index(&self, bucket: Bucket) -> String {
        format!("{}:rooms", self.tag(bucket))
    }

    /// Where a bucket's changes are published.
    pub fn channel(&self, bucket: Bucket) -> String {
        format!("{}:{}", self.tag(bucket), self.database)
    }

    /// What instances share that is no room's.
    pub fn shared(&self, what: &str) -> String {
        format!("{}{{shared}}:{what}", self.prefix)
    }

    /// Where an instance hears itself, to know that it would hear others.
    pub fn probe(&self, instance: &str) -> String {
        format!("{}{{shared}}:probe:{instance}", self.prefix)
    }

    fn tag(&self, bucket: Bucket) -> String {
        format!("{}{{b{}}}", self.prefix, bucket.0)
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
        assert_eq!(all[0], format!("lkp:{tag}:general:meta"));
        assert_eq!(keys.meta(&room), all[0]);
        assert_eq!(all[8], format!("lkp:{tag}:rooms"));
        assert_eq!(all[9], format!("lkp:{tag}:2"));
        assert_eq!(keys.lease(&room), format!("lkp:{tag}:general:lease"));
        assert_eq!(keys.index(bucket), all[8]);
        // Whatever the room's name holds, the first tag counts.
        let odd = keys.of_room(&RoomName::parse("{a}:rooms").unwrap());
        assert!(odd.iter().all(|key| key.starts_with("lkp:{b")));
    }
}
