//! The lists of rooms that are not hot, encoded once per version and shared by everybody who asks for them. A list is used only
//! while the store has the version that it was made of, so what is kept cannot be wrong; it can only be of no more use.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard},
};

use crate::{
    json,
    presence::{Counts, Participant, Room, RoomName, Version},
    sse::{Frame, encode_chunk},
};

/// The lists that were asked for lately, and those before them, take at most this much memory each.
const GENERATION_BYTES: usize = 8 * 1024 * 1024;
/// About what a list takes beside its bytes and the name of its room.
const OVERHEAD_BYTES: usize = 256;

/// A room's list at a version, encoded.
#[derive(Debug)]
pub(super) struct KeptList {
    pub version: Version,
    pub counts: Counts,
    pub frame: Arc<Frame>,
}

/// The lists that were asked for last, within a bound.
///
/// They are in two generations. A list that is asked for moves to the younger one. When that is full it becomes the older one, whose
/// lists nobody has asked for meanwhile, and which are dropped.
pub(super) struct KeptLists {
    lists: Mutex<Generations>,
    generation_bytes: usize,
}

#[derive(Default)]
struct Generations {
    young: HashMap<RoomName, Arc<KeptList>>,
    old: HashMap<RoomName, Arc<KeptList>>,
    young_bytes: usize,
}

impl KeptList {
    fn of(version: Version, list: &[Participant]) -> Self {
        let frame = encode_chunk(|out| json::write_line(out, &list));
        Self { version, counts: Counts::of(list), frame: Arc::new(frame) }
    }
}

impl Default for KeptLists {
    fn default() -> Self {
        Self::within(GENERATION_BYTES)
    }
}

impl KeptLists {
    fn within(generation_bytes: usize) -> Self {
        Self { lists: Mutex::default(), generation_bytes }
    }

    /// The list that is kept of a room, of whichever version.
    pub fn get(&self, room: &RoomName) -> Option<Arc<KeptList>> {
        let mut lists = self.lock();
        if let Some(list) = lists.young.get(room) {
            return Some(Arc::clone(list));
        }
        let (room, list) = lists.old.remove_entry(room)?;
        self.put(&mut lists, room, Arc::clone(&list));
        Some(list)
    }

    /// Encodes the list of a room, and keeps it. A list with somebody who is being called is not kept: how that ends must be looked
    /// for, whatever its version.
    pub fn encode(&self, name: &RoomName, room: Arc<Room>) -> Arc<KeptList> {
        let (version, has_somebody_called) = (room.version(), room.has_somebody_called());
        let list = room.list();
        // While the room is held, a write would have to copy it.
        drop(room);
        let list = Arc::new(KeptList::of(version, &list));
        if !has_somebody_called {
            self.keep(name, &list);
        }
        list
    }

    /// Keeps a list instead of an older one of its room.
    fn keep(&self, room: &RoomName, list: &Arc<KeptList>) {
        let mut lists = self.lock();
        lists.old.remove(room);
        self.put(&mut lists, room.clone(), Arc::clone(list));
    }

    fn put(&self, lists: &mut Generations, room: RoomName, list: Arc<KeptList>) {
        let name_bytes = room.as_str().len();
        let bytes_of = |list: &KeptList| list.frame.kept_bytes() + name_bytes + OVERHEAD_BYTES;
        let bytes = bytes_of(&list);
        if let Some(before) = lists.young.remove(&room) {
            lists.young_bytes -= bytes_of(&before);
        }
        if bytes > self.generation_bytes {
            return;
        }
        if lists.young_bytes + bytes > self.generation_bytes {
            lists.old = mem::take(&mut lists.young);
            lists.young_bytes = 0;
        }
        lists.young_bytes += bytes;
        lists.young.insert(room, list);
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.lists.lock().expect("nothing panics while it is locked")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        livekit::{ApiKey, Keys, WebhookToken},
        presence::{HostTime, Rules, StoreTime},
    };

    fn name(room: &str) -> RoomName {
        RoomName::parse(room).unwrap()
    }

    fn list(version: u64, bytes: usize) -> Arc<KeptList> {
        let frame = encode_chunk(|out| out.resize(out.len() + bytes, b'x'));
        let version = Version::from_u64(version);
        Arc::new(KeptList { version, counts: Counts::default(), frame: Arc::new(frame) })
    }

    fn room(status: &str) -> Arc<Room> {
        let mut room = Room::default();
        let caller = serde_json::json!({
            "event": "participant_joined", "id": "EV_1", "room": {"name": "general", "sid": "RM_1"},
            "participant": {
                "sid": "PA_1", "identity": "alice", "state": "ACTIVE", "kind": "SIP", "joinedAt": "1795391850",
                "attributes": {"sip.callStatus": status},
            },
        });
        let keys = Keys::new(&ApiKey::parse_lines("APIone: secret-one").unwrap());
        let body = caller.to_string().into_bytes();
        let token = WebhookToken::sign(&body, &keys, 0).unwrap();
        let token = WebhookToken::verify(&token, &keys, 0).unwrap();
        let webhook = token.vouch_for(&body).unwrap().parse(HostTime::default()).unwrap();
        room.apply(&webhook.event.unwrap(), StoreTime::from_micros(1), &Rules::default());
        Arc::new(room)
    }

    #[test]
    fn a_list_is_encoded_once_for_its_version_unless_somebody_is_being_called() {
        let lists = KeptLists::default();
        let active = room("active");
        let encoded = lists.encode(&name("general"), Arc::clone(&active));
        assert!(encoded.frame.plain().starts_with(br#"[{"sid":"PA_1","identity":"alice""#));
        assert_eq!((encoded.version, encoded.counts), (active.version(), active.counts()));
        assert!(Arc::ptr_eq(&encoded, &lists.get(&name("general")).unwrap()));
        lists.encode(&name("calling"), room("ringing"));
        assert!(lists.get(&name("calling")).is_none());
    }

    fn version_of(lists: &KeptLists, room: &str) -> Option<u64> {
        lists.get(&name(room)).map(|list| list.version.as_u64())
    }

    #[test]
    fn the_last_list_of_a_room_is_kept() {
        let lists = KeptLists::default();
        assert_eq!(version_of(&lists, "general"), None);
        lists.keep(&name("general"), &list(1, 100));
        lists.keep(&name("general"), &list(2, 100));
        assert_eq!(version_of(&lists, "general"), Some(2));
    }

    #[test]
    fn lists_that_nobody_asks_for_make_room_for_those_that_somebody_does() {
        let lists = KeptLists::within(10_000);
        lists.keep(&name("wanted"), &list(1, 1_000));
        lists.keep(&name("unwanted"), &list(2, 1_000));
        for version in 3..100 {
            lists.keep(&name(&format!("other-{version}")), &list(version, 1_000));
            assert_eq!(version_of(&lists, "wanted"), Some(1));
            let kept = lists.lock();
            assert!(kept.young_bytes <= 10_000 && kept.young.len() + kept.old.len() < 20);
        }
        assert_eq!(version_of(&lists, "unwanted"), None);
    }

    #[test]
    fn what_is_replaced_counts_no_longer() {
        let lists = KeptLists::within(10_000);
        lists.keep(&name("other"), &list(1, 1_000));
        for version in 2..100 {
            lists.keep(&name("general"), &list(version, 1_000));
        }
        assert!(lists.lock().old.is_empty(), "two lists fit");
    }

    #[test]
    fn a_list_that_is_too_large_is_not_kept() {
        let lists = KeptLists::within(10_000);
        lists.keep(&name("small"), &list(1, 1_000));
        lists.keep(&name("large"), &list(2, 20_000));
        assert_eq!(version_of(&lists, "large"), None);
        assert_eq!(version_of(&lists, "small"), Some(1));
    }
}
