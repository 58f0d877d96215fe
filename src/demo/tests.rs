//! What the simulated LiveKit tells is possible, and clients see exactly what it simulates.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::Value;

use crate::{
    clock::Clock,
    livekit::{Keys, WebhookToken},
    presence::{Event, EventKind, HostTime, Participant, Room, RoomLifecycle, Rules},
};

use super::{
    room::SimulatedRoom,
    session::Session,
    simulation::{ROOMS, keys},
};

/// A simulated room beside the service's view of it, on a clock that only they move.
struct Scenario {
    simulated: SimulatedRoom,
    room: Room,
    now_ms: Arc<AtomicU64>,
    keys: Keys,
}

impl Scenario {
    fn new(seed: u64) -> Self {
        let (name, people) = ROOMS[usize::try_from(seed).unwrap() % ROOMS.len()];
        let now_ms = Arc::new(AtomicU64::new(1_795_391_850_000));
        let clock = {
            let now_ms = Arc::clone(&now_ms);
            Clock::new(move || HostTime::from_millis(now_ms.load(Ordering::Relaxed)))
        };
        let rng = fastrand::Rng::with_seed(seed);
        let simulated = SimulatedRoom::new(name, people, clock, rng);
        Self { simulated, room: Room::default(), now_ms, keys: Keys::new(&keys()) }
    }

    /// Something happens, and the service is told. Returns the events, and how long nothing happens afterwards.
    fn act(&mut self) -> (Vec<Event>, Duration) {
        let webhooks = self.simulated.act();
        let events: Vec<_> = webhooks.iter().map(|webhook| self.receive(webhook)).collect();
        for event in &events {
            self.room.apply(event, self.simulated.clock.now().as_store_time(), &Rules::default());
        }
        let pause = self.simulated.pause();
        let millis = u64::try_from(pause.as_millis()).unwrap();
        self.now_ms.fetch_add(millis, Ordering::Relaxed);
        (events, pause)
    }

    /// From the wire, as the service does.
    fn receive(&self, webhook: &Value) -> Event {
        let body = webhook.to_string();
        let now = self.simulated.clock.now();
        let token = WebhookToken::sign(body.as_bytes(), &self.keys, now.as_secs()).unwrap();
        let token = WebhookToken::verify(&token, &self.keys, now.as_secs()).unwrap();
        let verified = token.vouch_for(body.as_bytes()).unwrap();
        verified.parse(now).unwrap().event.expect("it is about who is in the room")
    }

    /// Who is inside and what they send, as the simulation has it.
    fn inside(&self) -> BTreeMap<String, BTreeSet<String>> {
        let sources = |session: &Session| -> BTreeSet<String> {
            let sources = session.tracks.iter().map(|track| &track["source"]);
            sources.map(|source| source.as_str().unwrap().to_owned()).collect()
        };
        let inside = self.simulated.inside.iter();
        inside.map(|session| (session.sid.clone(), sources(session))).collect()
    }

    /// The same, as clients see it.
    fn shown(&self) -> BTreeMap<String, BTreeSet<String>> {
        let sources = |one: &Participant| -> BTreeSet<String> {
            one.tracks.iter().map(|track| track.source.as_str().to_owned()).collect()
        };
        let list = self.room.list();
        list.iter().map(|one| (one.sid.as_str().to_owned(), sources(one))).collect()
    }
}

#[test]
fn clients_see_exactly_who_is_inside_whatever_happens() {
    for seed in 0..200 {
        let mut scenario = Scenario::new(seed);
        for step in 0..300 {
            scenario.act();
            assert_eq!(scenario.shown(), scenario.inside(), "seed {seed}, step {step}");
        }
    }
}

#[test]
fn every_webhook_is_possible_after_those_before_it() {
    for seed in 0..200 {
        let mut scenario = Scenario::new(seed);
        let mut is_open = false;
        let mut inside = BTreeMap::new();
        let mut sids = BTreeSet::new();
        let events = std::iter::repeat_with(|| scenario.act().0).take(300).flatten();
        for event in events {
            assert!(is_open || event.kind == EventKind::Room(RoomLifecycle::Started));
            match event.kind {
                EventKind::Room(RoomLifecycle::Started) => {
                    assert!(!is_open && inside.is_empty());
                    is_open = true;
                }
                EventKind::Room(RoomLifecycle::Finished) => {
                    assert!(inside.is_empty());
                    is_open = false;
                }
                EventKind::Joined(info) => {
                    assert!(sids.insert(info.sid.clone()), "a session's sid is its own");
                    assert!(inside.values().all(|identity| *identity != info.identity));
                    inside.insert(info.sid, info.identity);
                }
                EventKind::Left { sid, was_active } => {
                    assert!(was_active && inside.remove(&sid).is_some());
                }
                EventKind::TrackPublished { sid, .. } | EventKind::TrackUnpublished { sid, .. } => {
                    assert!(inside.contains_key(&sid));
                }
            }
        }
    }
}

#[test]
fn people_talk_in_every_room_within_two_seconds() {
    for seed in 0..1_000 {
        let mut scenario = Scenario::new(seed);
        let mut passed = Duration::ZERO;
        let mut is_alive = false;
        while passed < Duration::from_secs(2) && !is_alive {
            passed += scenario.act().1;
            let shown = scenario.shown();
            is_alive = shown.len() >= 2 && shown.values().any(|sources| !sources.is_empty());
        }
        assert!(is_alive, "seed {seed}: {:?}", scenario.shown());
    }
}

#[test]
fn everything_there_is_to_see_happens_within_some_minutes() {
    let mut scenario = Scenario::new(0);
    let mut passed = Duration::ZERO;
    let (mut sessions, mut came_back, mut finished) = (BTreeMap::new(), 0, 0);
    while passed < Duration::from_mins(30) {
        let (events, pause) = scenario.act();
        passed += pause;
        for event in events {
            match event.kind {
                EventKind::Joined(info) => {
                    let before = sessions.insert(info.identity, info.sid);
                    came_back += usize::from(before.is_some());
                }
                EventKind::Room(RoomLifecycle::Finished) => {
                    finished += 1;
                    assert!(pause > Duration::from_secs(6), "an end can be seen");
                }
                _ => {}
            }
        }
    }
    assert!(came_back > 20 && finished > 3, "{came_back} came back, {finished} ends");
}
