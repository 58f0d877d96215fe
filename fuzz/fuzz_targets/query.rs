//! Query strings that name rooms.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use livekit_presence::{http::fuzzing, presence::RoomName};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(room) = RoomName::parse(text) {
        assert_eq!(fuzzing::rooms(&naming(&[room.clone()])), Some(vec![room]));
    }
    if let Some(rooms) = fuzzing::rooms(text) {
        assert!((1..=100).contains(&rooms.len()));
        assert_eq!(rooms.iter().collect::<HashSet<_>>().len(), rooms.len(), "each once");
        assert!(rooms.iter().all(|room| RoomName::parse(room.as_str()).is_ok()));
        assert_eq!(fuzzing::rooms(&naming(&rooms)), Some(rooms));
    }
});

fn naming(rooms: &[RoomName]) -> String {
    let pair =
        |room: &RoomName| format!("room={}", utf8_percent_encode(room.as_str(), NON_ALPHANUMERIC));
    rooms.iter().map(pair).collect::<Vec<_>>().join("&")
}
