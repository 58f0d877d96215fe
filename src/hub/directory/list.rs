//! The list of rooms as it is held here, and what changed in it.
//!
//! A room is listed because the store lists it, or because LiveKit does and the store does not.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use crate::{presence::RoomName, store::RoomSummary};

use super::listed_room::ListedRoom;

/// For this long a room that the store has taken out of its list is not put in because LiveKit has it: LiveKit's own list may be
/// from before.
const GONE_MEMORY: Duration = Duration::from_secs(30);

/// Rooms in the order of their names.
pub(super) type Rooms = Arc<[Arc<ListedRoom>]>;

#[derive(Debug, Default)]
pub(super) struct RoomList {
    by_name: BTreeMap<RoomName, Arc<ListedRoom>>,
    /// The same for snapshots, which share it until the list changes.
    shared: Rooms,
    /// LiveKit's rooms by its last answer, as they are listed if the store does not list them. Without those that the store has
    /// taken out of its list since.
    of_livekit: HashMap<RoomName, RoomSummary>,
    /// When the store took rooms out of its list.
    gone_at: HashMap<RoomName, Instant>,
}

/// What changed in the list: each room once, as it is now; none where it is gone.
#[derive(Debug, Default)]
pub(super) struct RoomsDelta(BTreeMap<RoomName, Option<Arc<ListedRoom>>>);

impl RoomList {
    pub fn rooms(&self) -> Rooms {
        Arc::clone(&self.shared)
    }

    /// Takes in the store's whole list.
    pub fn replace_stored(&mut self, stored: Vec<RoomSummary>, now: Instant) -> RoomsDelta {
        self.gone_at.retain(|_, at| now.duration_since(*at) < GONE_MEMORY);
        let stored: HashMap<_, _> =
            stored.into_iter().map(|summary| (summary.name.clone(), summary)).collect();
        for (name, room) in &self.by_name {
            if room.is_stored && !stored.contains_key(name) {
                self.of_livekit.remove(name);
            }
        }
        self.become_list_of(stored)
    }

    /// Takes in the whole list of LiveKit.
    pub fn replace_livekits(&mut self, rooms: Vec<RoomSummary>, now: Instant) -> RoomsDelta {
        self.gone_at.retain(|_, at| now.duration_since(*at) < GONE_MEMORY);
        self.of_livekit =
            rooms.into_iter().map(|summary| (summary.name.clone(), summary)).collect();
        let stored = self.by_name.values().filter(|room| room.is_stored);
        let stored = stored.map(|room| (room.name().clone(), room.summary.clone())).collect();
        self.become_list_of(stored)
    }

    /// Takes in what the store lists of these rooms.
    pub fn update(
        &mut self,
        touched: &HashSet<RoomName>,
        found: Vec<RoomSummary>,
        now: Instant,
    ) -> RoomsDelta {
        let mut delta = RoomsDelta::default();
        let mut unlisted: HashSet<_> = touched.iter().collect();
        for summary in found {
            if let Some(name) = touched.get(&summary.name) {
                unlisted.remove(name);
                self.gone_at.remove(name);
            }
            self.put(summary, true, &mut delta);
        }
        for name in unlisted {
            if self.by_name.get(name).is_some_and(|room| room.is_stored) {
                // It has most likely ended since LiveKit's last answer. An answer that is on its way may be from before as well.
                self.of_livekit.remove(name);
                self.gone_at.insert(name.clone(), now);
                self.take_out(name, &mut delta);
            }
        }
        self.share(&delta);
        delta
    }

    fn become_list_of(&mut self, stored: HashMap<RoomName, RoomSummary>) -> RoomsDelta {
        let mut delta = RoomsDelta::default();
        let only_in_livekit = self.of_livekit.values().filter(|summary| {
            !stored.contains_key(&summary.name) && !self.gone_at.contains_key(&summary.name)
        });
        let only_in_livekit: Vec<_> = only_in_livekit.cloned().collect();
        let mut gone: HashSet<_> = self.by_name.keys().cloned().collect();
        let listed = stored.into_values().map(|summary| (summary, true));
        for (summary, is_stored) in
            listed.chain(only_in_livekit.into_iter().map(|summary| (summary, false)))
        {
            gone.remove(&summary.name);
            self.put(summary, is_stored, &mut delta);
        }
        for name in gone {
            self.take_out(&name, &mut delta);
        }
        self.share(&delta);
        delta
    }

    fn put(&mut self, summary: RoomSummary, is_stored: bool, delta: &mut RoomsDelta) {
        let before = self.by_name.get(&summary.name);
        if before.is_some_and(|room| room.summary == summary && room.is_stored == is_stored) {
            return;
        }
        let name = summary.name.clone();
        let room = ListedRoom::encode(summary, is_stored);
        delta.0.insert(name.clone(), Some(Arc::clone(&room)));
        self.by_name.insert(name, room);
    }

    fn take_out(&mut self, name: &RoomName, delta: &mut RoomsDelta) {
        if self.by_name.remove(name).is_some() {
            delta.0.insert(name.clone(), None);
        }
    }

    fn share(&mut self, delta: &RoomsDelta) {
        if !delta.is_empty() {
            self.shared = self.by_name.values().cloned().collect();
        }
    }
}

impl RoomsDelta {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What changed among the rooms whose names begin with a prefix.
    pub fn of(&self, prefix: &str) -> Self {
        let from =
            self.0.range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded));
        let of_prefix = from.take_while(|(name, _)| name.as_str().starts_with(prefix));
        Self(of_prefix.map(|(name, room)| (name.clone(), room.clone())).collect())
    }

    /// The rooms that are new or are listed differently.
    pub fn changed(&self) -> impl Iterator<Item = &Arc<ListedRoom>> {
        self.0.values().flatten()
    }

    pub fn gone(&self) -> impl Iterator<Item = &RoomName> {
        self.0.iter().filter(|(_, room)| room.is_none()).map(|(name, _)| name)
    }
}

/// The rooms whose names begin with a prefix: neighbours, since the list is in the order of names.
pub(super) fn with_prefix(rooms: &Rooms, prefix: &str) -> Rooms {
    if prefix.is_empty() {
        return Arc::clone(rooms);
    }
    let start = rooms.partition_point(|room| room.name().as_str() < prefix);
    let count = rooms[start..].partition_point(|room| room.name().as_str().starts_with(prefix));
    rooms[start..start + count].into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::Counts;

    fn room(name: &str, count: usize) -> RoomSummary {
        RoomSummary {
            name: RoomName::parse(name).unwrap(),
            counts: Counts { people: count, ..Counts::default() },
            started_at: None,
            recording: None,
            is_complete: true,
        }
    }

    fn names(list: &RoomList) -> Vec<String> {
        list.rooms().iter().map(|room| room.name().to_string()).collect()
    }

    fn told(delta: &RoomsDelta) -> (Vec<String>, Vec<String>) {
        let changed = delta.changed().map(|room| room.name().to_string()).collect();
        (changed, delta.gone().map(ToString::to_string).collect())
    }

    fn touched(names: &[&str]) -> HashSet<RoomName> {
        names.iter().map(|name| RoomName::parse(name).unwrap()).collect()
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn only_what_differs_is_told_in_the_order_of_names() {
        let (mut list, now) = (RoomList::default(), Instant::now());
        let delta = list.replace_stored(vec![room("b", 1), room("a", 0), room("c", 2)], now);
        assert_eq!(told(&delta), (owned(&["a", "b", "c"]), owned(&[])));
        let delta = list.replace_stored(vec![room("c", 2), room("b", 3), room("d", 0)], now);
        assert_eq!(told(&delta), (owned(&["b", "d"]), owned(&["a"])));
        let delta = list.update(&touched(&["c", "d", "x"]), vec![room("c", 2)], now);
        assert_eq!(told(&delta), (owned(&[]), owned(&["d"])), "c is as it was, x was never there");
        assert_eq!(names(&list), ["b", "c"]);
    }

    #[test]
    fn rooms_that_only_livekit_has_are_listed_once_and_stay_while_it_has_them() {
        let (mut list, now) = (RoomList::default(), Instant::now());
        list.replace_stored(vec![room("stored", 2)], now);
        let livekits = || vec![room("stored", 0), room("other", 0)];
        let delta = list.replace_livekits(livekits(), now);
        assert_eq!(told(&delta), (owned(&["other"]), owned(&[])));
        assert_eq!(list.rooms()[1].summary.count(), 2, "the store's word counts");
        assert!(list.update(&touched(&["other"]), Vec::new(), now).is_empty());
        assert!(list.replace_stored(vec![room("stored", 2)], now).is_empty());
        // The store has lost its rooms; LiveKit, asked again, still has one of them.
        let delta = list.replace_stored(Vec::new(), now);
        assert_eq!(told(&delta), (owned(&[]), owned(&["stored"])));
        assert_eq!(names(&list), ["other"]);
        let delta = list.replace_livekits(vec![room("stored", 0)], now);
        assert_eq!(told(&delta), (owned(&["stored"]), owned(&["other"])));
    }

    #[test]
    fn a_room_that_has_ended_does_not_come_back_while_livekit_cannot_be_asked() {
        let livekits = || vec![room("general", 0), room("lobby", 0)];
        let (mut list, start) = (RoomList::default(), Instant::now());
        list.replace_livekits(livekits(), start);
        list.replace_stored(vec![room("general", 1), room("lobby", 1)], start);
        list.update(&touched(&["general"]), Vec::new(), start);
        let later = start + Duration::from_secs(31);
        assert!(list.replace_stored(vec![room("lobby", 1)], later).is_empty());
        // The end of this one was missed.
        let delta = list.replace_stored(Vec::new(), later);
        assert_eq!(told(&delta), (owned(&[]), owned(&["lobby"])));
    }

    #[test]
    fn a_room_that_has_just_ended_does_not_come_back_by_an_old_list_of_livekits() {
        let (mut list, start) = (RoomList::default(), Instant::now());
        list.replace_stored(vec![room("general", 1)], start);
        list.update(&touched(&["general"]), Vec::new(), start);
        let livekits = || vec![room("general", 0)];
        assert!(list.replace_livekits(livekits(), start + Duration::from_secs(20)).is_empty());
        assert!(list.replace_stored(Vec::new(), start + Duration::from_secs(25)).is_empty());
        let delta = list.replace_livekits(livekits(), start + Duration::from_secs(31));
        assert_eq!(told(&delta), (owned(&["general"]), owned(&[])), "it really is there");
    }

    #[test]
    fn a_prefix_has_the_rooms_whose_names_begin_with_it() {
        let (mut list, now) = (RoomList::default(), Instant::now());
        let all = ["a", "ab", "ab-1", "ab-2", "ac", "é", "éa"];
        let delta = list.replace_stored(all.iter().map(|name| room(name, 0)).collect(), now);
        for (prefix, expected) in [
            ("", &all[..]),
            ("ab", &["ab", "ab-1", "ab-2"]),
            ("ab-", &["ab-1", "ab-2"]),
            ("é", &["é", "éa"]),
            ("b", &[]),
            ("zz", &[]),
        ] {
            let rooms = with_prefix(&list.rooms(), prefix);
            let names: Vec<_> = rooms.iter().map(|room| room.name().as_str()).collect();
            assert_eq!(names, expected, "{prefix}");
            assert_eq!(told(&delta.of(prefix)).0, expected, "{prefix}");
        }
    }
}
