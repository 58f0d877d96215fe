//! `Last-Event-ID`: a version, or nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use livekit_presence::{http::fuzzing, presence::Version};

fuzz_target!(|data: &[u8]| {
    if let Some(version) = fuzzing::last_event_id(data) {
        let again = version.to_string();
        let digits = data.strip_prefix(b"+").unwrap_or(data);
        assert!(digits.ends_with(again.as_bytes()), "{version} was not what it said");
        assert!(digits.iter().all(u8::is_ascii_digit));
    }
    if let Some(bytes) = data.first_chunk() {
        let version = Version::from_u64(u64::from_le_bytes(*bytes));
        assert_eq!(fuzzing::last_event_id(version.to_string().as_bytes()), Some(version));
    }
});
