//! What is published on a bucket's channel: the room's name as a JSON string, and after it the change. On a message without a
//! change, followers read the room again, unless it says that only the list of rooms is concerned. (Releases before that read the
//! room again on it.) Or it says that the roster was changed.

use crate::presence::{Change, RoomName};

use super::rows::to_json;

/// A bigger change is left out, and followers read the room again.
const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// The message that tells of a change.
pub(super) fn of_change(room: &RoomName, change: &Change) -> Vec<u8> {
    let change = to_json(change);
    let mut message = of_gap(room);
    if change.len() <= MAX_MESSAGE_BYTES {
        message.extend(change);
    }
    message
}

/// The message that makes followers read the room again.
pub(super) fn of_gap(room: &RoomName) -> Vec<u8> {
    to_json(room)
}

/// What follows the room where its list is as it was.
const ONLY_LISTED: &[u8] = b"\"listed\"";

/// The message that a room is listed differently although its own list is as it was. Only followers of all rooms hear it.
pub(super) fn of_list(room: &RoomName) -> Vec<u8> {
    [&of_gap(room), ONLY_LISTED].concat()
}

/// Whether this follows the room in a message for followers of all rooms alone.
pub(super) fn is_of_list(rest: &[u8]) -> bool {
    rest == ONLY_LISTED
}

/// What follows the room where its roster was changed, which is not kept here.
const ROSTER: &[u8] = b"\"roster\"";

/// The message that the roster of a room was changed.
pub(super) fn of_roster(room: &RoomName) -> Vec<u8> {
    [&of_gap(room), ROSTER].concat()
}

/// Whether this follows the room in a message about its roster.
pub(super) fn is_of_roster(rest: &[u8]) -> bool {
    rest == ROSTER
}

/// A message's room, and what follows it.
pub(super) fn parse(message: &[u8]) -> Option<(String, &[u8])> {
    let mut values = serde_json::Deserializer::from_slice(message).into_iter::<String>();
    let room = values.next()?.ok()?;
    let rest = &message[values.byte_offset()..];
    Some((room, rest))
}

/// The change of a message, if it has one.
pub(super) fn change(rest: &[u8]) -> Option<Change> {
    serde_json::from_slice(rest).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::{Completeness, Departure, Identity, ParticipantSid, StoreTime, Version};

    #[test]
    fn a_message_names_its_room_and_tells_what_changed() {
        let room = RoomName::parse("Zimmer \"7\" 🚪").unwrap();
        let change = Change {
            prev: Version::from_u64(1),
            version: Version::from_u64(2),
            completeness: StoreTime::from_micros(3).into(),
            is_lost: true,
            joined: Vec::new(),
            updated: Vec::new(),
            left: vec![Departure {
                sid: ParticipantSid::new("PA_1"),
                identity: Identity::new("alice"),
            }],
            received_at: None,
        };
        let message = of_change(&room, &change);
        let (name, rest) = parse(&message).unwrap();
        assert_eq!(name, room.as_str());
        assert_eq!(super::change(rest), Some(change));
    }

    // Instances of two releases follow the same room while one is being replaced by the other.
    #[test]
    fn a_change_is_written_as_it_always_was() {
        let json = r#"{"prev":1,"version":2,"confirmed_until":3,"joined":[],"updated":[],"left":[],"received_at":null}"#;
        let read = change(json.as_bytes()).unwrap();
        assert_eq!(read.completeness, Completeness::Complete { until: StoreTime::from_micros(3) });
        assert_eq!(String::from_utf8(to_json(&read)).unwrap(), json);
        let partial = json.replace(r#""confirmed_until":3"#, r#""confirmed_until":0"#);
        assert!(change(partial.as_bytes()).unwrap().completeness.is_partial());
        assert!(!read.is_lost, "an earlier release does not say, and then the room is read again");
    }

    #[test]
    fn a_message_about_the_list_alone_is_told_from_all_others() {
        let message = of_list(&RoomName::parse("general").unwrap());
        assert_eq!(message, br#""general""listed""#);
        let (name, rest) = parse(&message).unwrap();
        assert_eq!(name, "general");
        assert!(is_of_list(rest));
        assert_eq!(change(rest), None, "a release that does not know it reads the room again");
        assert!(!is_of_list(parse(&of_gap(&RoomName::parse("general").unwrap())).unwrap().1));
    }

    #[test]
    fn a_message_about_the_roster_is_told_from_all_others() {
        let message = of_roster(&RoomName::parse("general").unwrap());
        assert_eq!(message, br#""general""roster""#);
        let (name, rest) = parse(&message).unwrap();
        assert!(name == "general" && is_of_roster(rest) && !is_of_list(rest));
        assert_eq!(change(rest), None, "a release that does not know it reads the room again");
    }

    #[test]
    fn a_message_without_a_change_names_its_room_too() {
        let message = of_gap(&RoomName::parse("general").unwrap());
        let (name, rest) = parse(&message).unwrap();
        assert_eq!((name.as_str(), change(rest)), ("general", None));
        assert!(parse(b"not ours").is_none());
    }
}
