//! One simulated room: who is inside, and what happens next. No I/O and no waiting.

use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::Clock;

use super::session::Session;

/// What people publish, and its kind. The microphone is listed twice, so it is picked most often.
const SOURCES: [(&str, &str); 4] = [
    ("MICROPHONE", "AUDIO"),
    ("MICROPHONE", "AUDIO"),
    ("CAMERA", "VIDEO"),
    ("SCREEN_SHARE", "VIDEO"),
];

pub(super) struct SimulatedRoom {
    name: &'static str,
    /// The people who come here. Nobody comes to two rooms.
    people: &'static [&'static str],
    phase: Phase,
    /// The room object's sid, while LiveKit has one.
    sid: Option<String>,
    pub inside: Vec<Session>,
    /// The person whose connection broke, and who comes back with a new session.
    returning: Option<&'static str>,
    rng: fastrand::Rng,
    pub clock: Clock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It opens: half of its people come, one soon after the other, and somebody starts to talk.
    Filling,
    /// People come and go, speak and fall silent.
    Busy,
    /// It ended.
    Closed,
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

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether LiveKit has a room object for it.
    pub fn is_open(&self) -> bool {
        self.sid.is_some()
    }

    /// How long nothing happens.
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

    /// Something happens. Returns the webhooks about it in LiveKit's order.
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
            _ => self.end("ROOM_CLOSED"),
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
        let session = Session::new(self.fresh_id("PA"), person, self.clock.now().as_millis());
        webhooks.push(self.webhook("participant_joined", session.full("ACTIVE"), Value::Null));
        self.inside.push(session);
        webhooks
    }

    fn leave(&mut self) -> Vec<Value> {
        match self.pick_somebody() {
            Some(index) => {
                let session = self.inside.swap_remove(index);
                self.end_session(session, "CLIENT_INITIATED")
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
        self.end_session(session, "SIGNAL_CLOSE")
    }

    pub fn end_session(&mut self, mut session: Session, reason: &str) -> Vec<Value> {
        let tracks = std::mem::take(&mut session.tracks);
        let mut webhooks: Vec<_> = tracks
            .into_iter()
            .map(|track| self.webhook("track_unpublished", session.short(), track))
            .collect();
        session.version += 1;
        let mut left = session.full("DISCONNECTED");
        left["disconnectReason"] = reason.into();
        webhooks.push(self.webhook("participant_left", left, Value::Null));
        webhooks
    }

    /// Somebody turns on a microphone, a camera or a screen that was off.
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

    /// The room ends, and everybody leaves.
    pub fn end(&mut self, reason: &str) -> Vec<Value> {
        let mut webhooks = Vec::new();
        for session in std::mem::take(&mut self.inside) {
            webhooks.extend(self.end_session(session, reason));
        }
        webhooks.push(self.webhook("room_finished", Value::Null, Value::Null));
        self.sid = None;
        self.phase = Phase::Closed;
        webhooks
    }

    fn pick_somebody(&mut self) -> Option<usize> {
        self.rng.choice(0..self.inside.len())
    }

    pub fn webhook(&mut self, event: &str, participant: Value, track: Value) -> Value {
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
