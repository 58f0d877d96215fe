//! One simulated room: who is inside, and what happens next. No I/O and no waiting.

use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::Clock;

/// Joins as an agent: not everybody in a room is a person.
const AGENT: &str = "Concierge";

/// What can be published, and as what; the microphone most often.
const SOURCES: [(&str, &str); 4] = [
    ("MICROPHONE", "AUDIO"),
    ("MICROPHONE", "AUDIO"),
    ("CAMERA", "VIDEO"),
    ("SCREEN_SHARE", "VIDEO"),
];

pub(super) struct SimulatedRoom {
    name: &'static str,
    /// Who comes here. Nobody comes to two rooms.
    people: &'static [&'static str],
    phase: Phase,
    /// The room object's sid while there is one.
    sid: Option<String>,
    inside: Vec<Session>,
    /// Whose connection broke, and who comes back with a new session.
    returning: Option<&'static str>,
    rng: fastrand::Rng,
    clock: Clock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It opens: half of its people come, one close behind the other, and somebody starts to talk.
    Filling,
    /// People come and go, speak and fall silent.
    Busy,
    /// It ended.
    Closed,
}

struct Session {
    sid: String,
    person: &'static str,
    joined_at_ms: u64,
    version: u32,
    tracks: Vec<Value>,
}

impl SimulatedRoom {
    pub fn new(
        name: &'static str,
        people: &'static [&'static str],
        clock: Clock,
        rng: fastrand::Rng,
    ) -> Self {
        Self {
            name,
            people,
            phase: Phase::Filling,
            sid: None,
            inside: Vec::new(),
            returning: None,
            rng,
            clock,
        }
    }

    /// How long until something happens again.
    pub fn pause(&mut self) -> Duration {
        let millis = match self.phase {
            Phase::Filling => 40..200,
            Phase::Busy if self.returning.is_some() => 150..2_500,
            Phase::Busy => 500..3_000,
            // Longer than the page goes on showing a room that ended.
            Phase::Closed => 8_000..15_000,
        };
        Duration::from_millis(self.rng.u64(millis))
    }

    /// Something happens; these are the webhooks about it, in LiveKit's order.
    pub fn act(&mut self) -> Vec<Value> {
        let webhooks = match self.phase {
            Phase::Closed => {
                self.phase = Phase::Filling;
                self.join_somebody()
            }
            Phase::Filling if self.is_half_full() => self.publish(),
            Phase::Filling => self.join_somebody(),
            Phase::Busy => self.go_on(),
        };
        let is_talking = self.inside.iter().any(|session| !session.tracks.is_empty());
        if self.phase == Phase::Filling && self.is_half_full() && is_talking {
            self.phase = Phase::Busy;
        }
        webhooks
    }

    fn go_on(&mut self) -> Vec<Value> {
        if let Some(person) = self.returning.take() {
            return self.join(person);
        }
        match self.rng.u8(..100) {
            _ if self.inside.len() < 2 => self.join_somebody(),
            0..30 if self.inside.len() < self.people.len() => self.join_somebody(),
            0..44 => self.leave(),
            44..76 => self.publish(),
            76..91 => self.unpublish(),
            91..99 => self.lose_connection(),
            _ => self.end(),
        }
    }

    fn is_half_full(&self) -> bool {
        self.inside.len() >= self.people.len().div_ceil(2)
    }

    fn join_somebody(&mut self) -> Vec<Value> {
        let is_inside = |person| self.inside.iter().any(|session| session.person == person);
        let absent: Vec<_> =
            self.people.iter().copied().filter(|person| !is_inside(*person)).collect();
        match self.rng.choice(absent) {
            Some(person) => self.join(person),
            None => Vec::new(),
        }
    }

    fn join(&mut self, person: &'static str) -> Vec<Value> {
        let mut webhooks = Vec::new();
        if self.sid.is_none() {
            self.sid = Some(self.fresh_id("RM"));
            webhooks.push(self.webhook("room_started", Value::Null, Value::Null));
        }
        let session = Session {
            sid: self.fresh_id("PA"),
            person,
            joined_at_ms: self.clock.now().as_millis(),
            version: 2,
            tracks: Vec::new(),
        };
        webhooks.push(self.webhook("participant_joined", session.full("ACTIVE"), Value::Null));
        self.inside.push(session);
        webhooks
    }

    fn leave(&mut self) -> Vec<Value> {
        match self.pick_somebody() {
            Some(index) => {
                let session = self.inside.swap_remove(index);
                self.end_session(session)
            }
            None => Vec::new(),
        }
    }

    /// A connection breaks. LiveKit does not always say that the tracks ended, and the same person comes back soon with a new
    /// session.
    fn lose_connection(&mut self) -> Vec<Value> {
        let Some(index) = self.pick_somebody() else { return Vec::new() };
        let mut session = self.inside.swap_remove(index);
        self.returning = Some(session.person);
        if self.rng.bool() {
            session.tracks.clear();
        }
        self.end_session(session)
    }

    fn end_session(&mut self, mut session: Session) -> Vec<Value> {
        let tracks = std::mem::take(&mut session.tracks);
        let mut webhooks: Vec<_> = tracks
            .into_iter()
            .map(|track| self.webhook("track_unpublished", session.short(), track))
            .collect();
        session.version += 1;
        webhooks.push(self.webhook("participant_left", session.full("DISCONNECTED"), Value::Null));
        webhooks
    }

    /// Somebody turns on what they had not turned on.
    fn publish(&mut self) -> Vec<Value> {
        let Some((source, kind)) = self.rng.choice(SOURCES) else { return Vec::new() };
        let sid = self.fresh_id("TR");
        let candidates: Vec<_> =
            self.inside.iter_mut().filter(|session| session.may_turn_on(source)).collect();
        let Some(session) = self.rng.choice(candidates) else { return Vec::new() };
        let track =
            json!({"sid": sid, "source": source, "type": kind, "name": source.to_lowercase()});
        session.tracks.push(track.clone());
        session.version += 1;
        let participant = session.short();
        vec![self.webhook("track_published", participant, track)]
    }

    fn unpublish(&mut self) -> Vec<Value> {
        let talking: Vec<_> =
            self.inside.iter_mut().filter(|session| !session.tracks.is_empty()).collect();
        let Some(session) = self.rng.choice(talking) else { return Vec::new() };
        let track = session.tracks.remove(self.rng.usize(..session.tracks.len()));
        session.version += 1;
        let participant = session.short();
        vec![self.webhook("track_unpublished", participant, track)]
    }

    /// Everybody is sent home.
    fn end(&mut self) -> Vec<Value> {
        let mut webhooks = Vec::new();
        for session in std::mem::take(&mut self.inside) {
            webhooks.extend(self.end_session(session));
        }
        webhooks.push(self.webhook("room_finished", Value::Null, Value::Null));
        self.sid = None;
        self.phase = Phase::Closed;
        webhooks
    }

    fn pick_somebody(&mut self) -> Option<usize> {
        self.rng.choice(0..self.inside.len())
    }

    fn webhook(&mut self, event: &str, participant: Value, track: Value) -> Value {
        let mut webhook = json!({
            "event": event,
            "room": {"sid": self.sid, "name": self.name},
            "id": self.fresh_id("EV"),
            "createdAt": (self.clock.now().as_millis() / 1000).to_string(),
        });
        if !participant.is_null() {
            webhook["participant"] = participant;
        }
        if !track.is_null() {
            webhook["track"] = track;
        }
        webhook
    }

    fn fresh_id(&mut self, prefix: &str) -> String {
        let random: String = (0..12).map(|_| self.rng.alphanumeric()).collect();
        format!("{prefix}_{random}")
    }
}

impl Session {
    /// An agent has nothing but a voice.
    fn may_turn_on(&self, source: &str) -> bool {
        let is_off = self.tracks.iter().all(|track| track["source"] != source);
        is_off && (self.person != AGENT || source == "MICROPHONE")
    }

    fn full(&self, state: &str) -> Value {
        json!({
            "sid": self.sid,
            "identity": self.person.to_lowercase(),
            "name": self.person,
            "state": state,
            "joinedAt": (self.joined_at_ms / 1000).to_string(),
            "joinedAtMs": self.joined_at_ms.to_string(),
            "version": self.version,
            "kind": if self.person == AGENT { "AGENT" } else { "STANDARD" },
            "permission": {"canSubscribe": true, "canPublish": true},
        })
    }

    fn short(&self) -> Value {
        json!({"sid": self.sid, "identity": self.person.to_lowercase()})
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
    };

    use super::*;
    use crate::{
        demo::{ROOMS, keys},
        livekit::{Keys, WebhookToken},
        presence::{Event, EventKind, HostTime, Participant, Room, RoomLifecycle, Rules},
    };

    /// A simulated room beside the service's view of it, on a clock that only they move.
    struct Scene {
        simulated: SimulatedRoom,
        room: Room,
        now_ms: Arc<AtomicU64>,
        keys: Keys,
    }

    impl Scene {
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

        /// Something happens, and the service is told. Returns what it was told, and how long nothing happens after that.
        fn act(&mut self) -> (Vec<Event>, Duration) {
            let webhooks = self.simulated.act();
            let events: Vec<_> = webhooks.iter().map(|webhook| self.receive(webhook)).collect();
            for event in &events {
                self.room.apply(
                    event,
                    self.simulated.clock.now().as_store_time(),
                    &Rules::default(),
                );
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
            let mut scene = Scene::new(seed);
            for step in 0..300 {
                scene.act();
                assert_eq!(scene.shown(), scene.inside(), "seed {seed}, step {step}");
            }
        }
    }

    #[test]
    fn every_webhook_is_possible_after_those_before_it() {
        for seed in 0..200 {
            let mut scene = Scene::new(seed);
            let mut is_open = false;
            let mut inside = BTreeMap::new();
            let mut sids = BTreeSet::new();
            let events = std::iter::repeat_with(|| scene.act().0).take(300).flatten();
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
                    EventKind::TrackPublished { sid, .. }
                    | EventKind::TrackUnpublished { sid, .. } => {
                        assert!(inside.contains_key(&sid));
                    }
                }
            }
        }
    }

    #[test]
    fn people_talk_in_every_room_within_two_seconds() {
        for seed in 0..1_000 {
            let mut scene = Scene::new(seed);
            let mut passed = Duration::ZERO;
            let mut is_alive = false;
            while passed < Duration::from_secs(2) && !is_alive {
                passed += scene.act().1;
                let shown = scene.shown();
                is_alive = shown.len() >= 2 && shown.values().any(|sources| !sources.is_empty());
            }
            assert!(is_alive, "seed {seed}: {:?}", scene.shown());
        }
    }

    #[test]
    fn everything_there_is_to_see_happens_within_some_minutes() {
        let mut scene = Scene::new(0);
        let mut passed = Duration::ZERO;
        let (mut sessions, mut came_back, mut finished) = (BTreeMap::new(), 0, 0);
        while passed < Duration::from_mins(30) {
            let (events, pause) = scene.act();
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
}
