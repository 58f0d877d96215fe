//! A value of LiveKit's Redis: of a participant, or of a room.
#![no_main]

use libfuzzer_sys::fuzz_target;
use livekit_presence::livekit::redis;

fuzz_target!(|data: &[u8]| {
    if let Ok(people) = redis::participants([("somebody", data)]) {
        let [person] = &people[..] else { panic!("one value is one session") };
        assert!(!person.sid.as_str().is_empty() && !person.identity.as_str().is_empty());
        assert!(person.profile.data_tracks.is_sorted_by(|a, b| a.sid <= b.sid));
        serde_json::to_vec(&person.as_participant()).expect("it is representable in JSON");
        // A second value of a hash is read for itself.
        let twice = redis::participants([("one", data), ("two", data)]).expect("each was read");
        assert_eq!(twice[1..], people);
    }
    if let Ok(room) = redis::room(data) {
        assert!(!room.name.as_str().is_empty());
    }
});
