//! The topics of all filters, by the rooms that these name, so that an event is held only against those that may let it pass.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crate::{presence::RoomName, store::LogId};

use super::{super::topic::Topic, entry::Entry, feed_topic::FeedTopic, filter::EventFilter};

/// Each event is held against each filter that names no room, and against each that names its room. There are at most this many
/// of the former, and for each room of the latter. How many there are in all is bounded by the number of streams.
pub(super) const MAX_FILTERS: usize = 1_000;

/// The topics of all filters that somebody asked for, by the topics' ids.
#[derive(Default)]
pub(super) struct Topics {
    topics: HashMap<u64, FeedTopic>,
    ids: HashMap<EventFilter, u64>,
    /// Of filters that name no room.
    of_all_rooms: BTreeSet<u64>,
    /// Of filters that name this room.
    of_room: HashMap<RoomName, BTreeSet<u64>>,
    /// Messages wait in these.
    pending: BTreeSet<u64>,
}

impl Topics {
    pub fn get(&self, filter: &EventFilter) -> Option<&FeedTopic> {
        self.topics.get(self.ids.get(filter)?)
    }

    pub fn len(&self) -> usize {
        self.topics.len()
    }

    /// Whether an event would have to be held against too many filters if there were this one as well.
    pub fn are_too_many_with(&self, filter: &EventFilter) -> bool {
        let is_full = |ids: &BTreeSet<u64>| ids.len() >= MAX_FILTERS;
        if filter.rooms.is_empty() {
            return is_full(&self.of_all_rooms);
        }
        filter.rooms.iter().filter_map(|room| self.of_room.get(room)).any(is_full)
    }

    /// The topic of a filter that had none.
    pub fn insert(&mut self, topic: FeedTopic) {
        let (id, filter) = (topic.topic().id(), topic.filter());
        self.ids.insert(filter.clone(), id);
        if filter.rooms.is_empty() {
            self.of_all_rooms.insert(id);
        }
        for room in &filter.rooms {
            self.of_room.entry(room.clone()).or_default().insert(id);
        }
        self.topics.insert(id, topic);
    }

    /// Takes in a message. `followed` is how far the log was followed before it.
    pub fn offer(&mut self, entry: &Arc<Entry>, followed: LogId) {
        let Self { topics, of_all_rooms, of_room, pending, .. } = self;
        let mut offer = |id: u64, topic: &mut FeedTopic| {
            if topic.offer(entry, followed) {
                pending.insert(id);
            }
        };
        let Some(event) = entry.event() else {
            return topics.iter_mut().for_each(|(id, topic)| offer(*id, topic));
        };
        let of_its_room = event.room.as_ref().and_then(|room| of_room.get(room));
        for id in of_all_rooms.iter().chain(of_its_room.into_iter().flatten()) {
            if let Some(topic) = topics.get_mut(id) {
                offer(*id, topic);
            }
        }
    }

    pub fn have_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Publishes what waits. Returns the topics of whose new content the workers have to be told, and how many subscribers they
    /// have.
    pub fn publish(&mut self, followed: LogId, floor: LogId) -> (Vec<Arc<Topic>>, usize) {
        let (mut changed, mut subscribers) = (Vec::new(), 0);
        for id in std::mem::take(&mut self.pending) {
            let Some(topic) = self.topics.get_mut(&id) else { continue };
            topic.publish(followed, floor);
            changed.push(Arc::clone(topic.topic()));
            subscribers += topic.subscribers();
        }
        (changed, subscribers)
    }

    pub fn refresh(&mut self, followed: LogId, floor: LogId) {
        self.topics.values_mut().for_each(|topic| topic.refresh(followed, floor));
    }

    /// Drops the topics to which nobody subscribes.
    pub fn drop_idle(&mut self) {
        let is_idle = |(_, topic): &(&u64, &mut FeedTopic)| topic.subscribers() == 0;
        let idle: Vec<_> = self.topics.iter_mut().filter(is_idle).map(|(id, _)| *id).collect();
        for id in idle {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: u64) {
        let Some(topic) = self.topics.remove(&id) else { return };
        let filter = topic.filter();
        self.ids.remove(filter);
        self.of_all_rooms.remove(&id);
        self.pending.remove(&id);
        for room in &filter.rooms {
            let Some(ids) = self.of_room.get_mut(room) else { continue };
            ids.remove(&id);
            if ids.is_empty() {
                self.of_room.remove(room);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        hub::topic::Subscription,
        presence::{HostTime, Version},
        store::{FeedEvent, LoggedEvent},
    };

    fn filter(names: &[&str], rooms: &[&str], prefix: &str) -> EventFilter {
        EventFilter {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            rooms: rooms.iter().map(|room| RoomName::parse(room).unwrap()).collect(),
            prefix: prefix.to_owned(),
        }
    }

    fn enter(topics: &mut Topics, filter: EventFilter) -> Option<Subscription> {
        if topics.are_too_many_with(&filter) {
            return None;
        }
        let topic = FeedTopic::new(filter, LogId::default(), Vec::new());
        let subscription = topic.subscribe();
        topics.insert(topic);
        Some(subscription)
    }

    fn event(id: LogId, name: &str, room: Option<&str>) -> FeedEvent {
        let room = room.map(|room| RoomName::parse(room).unwrap());
        FeedEvent::new(id.to_string(), name.to_owned(), room, &"", 0)
    }

    #[test]
    fn filters_of_one_room_leave_those_of_other_rooms_and_of_all_rooms_theirs() {
        let mut topics = Topics::default();
        let mut held = Vec::new();
        for number in 0..MAX_FILTERS + 500 {
            let room = format!("room-{number}");
            held.push(enter(&mut topics, filter(&[], &[&room], "")).expect("a room of its own"));
        }
        for number in 0..MAX_FILTERS {
            let name = format!("invented-{number}");
            held.push(enter(&mut topics, filter(&[&name], &["general"], "")).unwrap());
        }
        assert!(enter(&mut topics, filter(&[], &["general"], "")).is_none());
        assert!(enter(&mut topics, filter(&[], &["lobby", "general"], "")).is_none());
        held.push(enter(&mut topics, filter(&[], &["lobby"], "")).unwrap());
        for number in 0..MAX_FILTERS {
            held.push(enter(&mut topics, filter(&[], &[], &format!("team-{number}"))).unwrap());
        }
        assert!(enter(&mut topics, filter(&[], &[], "")).is_none());
        held.clear();
        topics.drop_idle();
        assert_eq!(topics.len(), 0);
        assert!(topics.of_room.is_empty() && topics.of_all_rooms.is_empty());
        assert!(enter(&mut topics, filter(&[], &["general"], "")).is_some());
    }

    const NAMES: [&str; 3] = ["room_started", "participant_joined", "egress_started"];
    const ROOMS: [&str; 4] = ["team-a", "team-b", "lobby", "l"];

    fn random_filter(rng: &mut fastrand::Rng) -> EventFilter {
        let mut some = |of: &[&'static str]| -> Vec<_> {
            of.iter().copied().filter(|_| rng.u8(..3) == 0).collect()
        };
        let (names, rooms) = (some(&NAMES), some(&ROOMS));
        filter(&names, &rooms, rng.choice(["", "", "team-", "l"]).unwrap())
    }

    #[test]
    fn each_filter_gets_the_events_that_it_lets_pass_and_every_gap() {
        let mut rng = fastrand::Rng::with_seed(9);
        let mut topics = Topics::default();
        let mut wanted = HashMap::new();
        let mut place = LogId::default();
        for _ in 0..600 {
            if rng.u8(..4) == 0 {
                let filter = random_filter(&mut rng);
                wanted
                    .entry(filter.clone())
                    .or_insert_with(|| (enter(&mut topics, filter).expect("few filters"), 0_u64));
            }
            if rng.u8(..8) == 0 {
                wanted.retain(|_, _| rng.u8(..4) != 0);
                topics.drop_idle();
            }
            let followed = place;
            place = place.next(0);
            let room = rng.choice(ROOMS.iter()).copied().filter(|_| rng.u8(..8) != 0);
            let happened = event(place, rng.choice(NAMES.iter()).unwrap(), room);
            let is_gap = rng.u8(..20) == 0;
            for (filter, (_, count)) in &mut wanted {
                *count += u64::from(is_gap || filter.accepts(&happened));
            }
            let entry = if is_gap {
                Entry::gap(place, HostTime::default())
            } else {
                Entry::of(LoggedEvent { id: place, prev: followed, event: Arc::new(happened) })
            };
            topics.offer(&entry, followed);
            topics.publish(place, LogId::default());
            assert_eq!(topics.len(), wanted.len());
            for (filter, (_, count)) in &wanted {
                let (version, _) = topics.get(filter).unwrap().published(place);
                assert_eq!(version, Version::from_u64(*count), "{filter:?}");
            }
        }
    }
}
