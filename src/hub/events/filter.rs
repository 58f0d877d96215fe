//! Which events a subscriber asks for.

use std::collections::BTreeSet;

use crate::{presence::RoomName, store::FeedEvent};

/// Which events a subscriber asks for. What is empty excludes nothing; an event must pass all three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EventFilter {
    /// LiveKit's names of events.
    pub names: BTreeSet<String>,
    pub rooms: BTreeSet<RoomName>,
    /// The beginning of the room's name.
    pub prefix: String,
}

impl EventFilter {
    /// An event that names no room passes only where none is asked for.
    pub(super) fn accepts(&self, event: &FeedEvent) -> bool {
        let room = event.room.as_ref().map_or("", RoomName::as_str);
        (self.names.is_empty() || self.names.contains(&event.name))
            && (self.rooms.is_empty()
                || event.room.as_ref().is_some_and(|room| self.rooms.contains(room)))
            && room.starts_with(&self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn event(name: &str, room: Option<&str>) -> FeedEvent {
        FeedEvent {
            id: "EV_1".to_owned(),
            name: name.to_owned(),
            room: room.map(|room| RoomName::parse(room).unwrap()),
            data: RawValue::from_string("{}".to_owned()).unwrap(),
            timestamp: 0,
            source: None,
        }
    }

    #[test]
    fn an_event_passes_if_its_name_its_room_and_the_rooms_beginning_are_asked_for() {
        let filter = |names: &[&str], rooms: &[&str], prefix: &str| EventFilter {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            rooms: rooms.iter().map(|room| RoomName::parse(room).unwrap()).collect(),
            prefix: prefix.to_owned(),
        };
        let joined = event("participant_joined", Some("team-a"));
        let egress = event("egress_started", None);
        let cases = [
            (filter(&[], &[], ""), true, true),
            (filter(&["participant_joined", "room_started"], &[], ""), true, false),
            (filter(&["egress_started"], &[], ""), false, true),
            (filter(&[], &["team-a", "team-b"], ""), true, false),
            (filter(&[], &["team"], ""), false, false),
            (filter(&[], &[], "team-"), true, false),
            (filter(&[], &[], "tea-"), false, false),
            (filter(&["participant_joined"], &["team-a"], "team"), true, false),
            (filter(&["participant_left"], &["team-a"], "team"), false, false),
        ];
        for (filter, joined_passes, egress_passes) in cases {
            assert_eq!(filter.accepts(&joined), joined_passes, "{filter:?}");
            assert_eq!(filter.accepts(&egress), egress_passes, "{filter:?}");
        }
    }
}
