//! Webhooks in a row, one per line, through all that a webhook goes through apart from HTTP and the store.
#![no_main]

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
    time::Duration,
};

use libfuzzer_sys::fuzz_target;
use livekit_presence::{
    livekit::{ApiKey, Keys, WebhookToken},
    presence::{
        Applied, Change, Event, EventKind, HostTime, Identity, Participant, Room, RoomName, Rules,
        StoreTime,
    },
};
use serde_json::Value;

const START: HostTime = HostTime::from_millis(1_795_391_850_000);
const BETWEEN_WEBHOOKS: Duration = Duration::from_millis(700);

static KEYS: LazyLock<Keys> =
    LazyLock::new(|| Keys::new(&ApiKey::parse_lines("APIfuzz: any-secret").expect("it is a key")));
static RULES: LazyLock<Rules> = LazyLock::new(Rules::default);

fuzz_target!(|data: &[u8]| {
    let mut rooms: HashMap<RoomName, WatchedRoom> = HashMap::new();
    let mut now = START;
    for body in data.split(|byte| *byte == b'\n') {
        now = now + BETWEEN_WEBHOOKS;
        if let Some(event) = receive(body, now) {
            rooms.entry(event.room.clone()).or_default().apply(&event, now.as_store_time());
        }
    }
});

/// Signs a body as LiveKit does, and takes it as the service does.
fn receive(body: &[u8], now: HostTime) -> Option<Event> {
    let signed = WebhookToken::sign(body, &KEYS, now.as_secs()).expect("there is a key");
    let token =
        WebhookToken::verify(&signed, &KEYS, now.as_secs()).expect("it was signed just now");
    let other_body = [body, b" "].concat();
    assert!(token.clone().vouch_for(&other_body).is_err(), "it was not signed for that");
    let event = token.vouch_for(body).expect("it was signed for this").parse(now).ok()?.event?;
    // What is ignored may be beyond this parser, such as 1e999.
    if let Ok(json) = serde_json::from_slice::<Value>(body) {
        for part in ["room", "participant", "track"].map(|part| &json[part]) {
            assert!(part.is_object() || part.is_null(), "{part}");
        }
        assert_eq!(json["room"]["name"], event.room.as_str());
    }
    Some(event)
}

/// A room beside the list of a client who saw nothing but its changes.
#[derive(Default)]
struct WatchedRoom {
    room: Room,
    seen: BTreeMap<Identity, Participant>,
}

impl WatchedRoom {
    fn apply(&mut self, event: &Event, now: StoreTime) {
        let before = self.room.version();
        // Somebody leaves whom the room has lost: a hole in the versions has everybody read it again.
        let may_leave_hole = self.room.is_lost() && matches!(event.kind, EventKind::Left { .. });
        match self.room.apply(event, now, &RULES) {
            Applied::Changed(change) => {
                assert!(
                    change.prev == before || (may_leave_hole && change.prev > before),
                    "a hole"
                );
                assert_eq!(change.version, self.room.version());
                assert!(change.version > before, "versions only rise");
                self.see(change);
            }
            Applied::Unchanged
            | Applied::Unexpected
            | Applied::Duplicate
            | Applied::OfBanned(_) => {
                assert_eq!(self.room.version(), before);
            }
        }
        if event.id.is_some() {
            assert_eq!(self.room.apply(event, now, &RULES), Applied::Duplicate);
        }
        self.check();
    }

    fn see(&mut self, change: Change) {
        for participant in change.joined {
            let known = self.seen.insert(participant.identity.clone(), participant);
            assert_eq!(known, None, "who joins was not there");
        }
        for participant in change.updated {
            let known = self.seen.insert(participant.identity.clone(), participant);
            assert!(known.is_some(), "who is updated was there");
        }
        for departure in change.left {
            let known = self.seen.remove(&departure.identity).expect("who leaves was there");
            assert_eq!(known.sid, departure.sid);
        }
    }

    fn check(&self) {
        let list = self.room.list();
        assert!(list.is_sorted_by(|a, b| a.order() < b.order()), "lists are in order");
        assert_eq!(self.room.count(), list.len());
        let mut seen: Vec<_> = self.seen.values().cloned().collect();
        seen.sort_by(|a, b| a.order().cmp(&b.order()));
        assert_eq!(seen, list, "the changes add up to the list");
        serde_json::to_vec(&list).expect("a list is representable in JSON");
    }
}
