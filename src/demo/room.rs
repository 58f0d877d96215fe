//! One simulated room: who is inside, and what happens next.

use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::Clock;

/// Joins as an agent: not everybody in a room is a person.
const AGENT: &str = "Concierge";

pub(super) struct SimulatedRoom {
    name: &'static str,
    /// Who comes here. Nobody comes to two rooms.
    people: &'static [&'static str],
    /// The room object's sid while there is one.
    sid: Option<String>,
    inside: Vec<Session>,
    /// Those whose connection broke, and who come back with a new session.
    returning: Vec<&'static str>,
    rng: fastrand::Rng,
    clock: Clock,
}

struct Session {
    sid: String,
    person: &'static str,
    joined_at_ms: u64,
    version: u32,
    tracks: Vec<Value>,
}

impl SimulatedRoom {
    pub fn new(name: &'static str, people: &'static [&'static str], clock: Clock) -> Self {
        Self {
            name,
            people,
            sid: None,
            inside: Vec::new(),
            returning: Vec::new(),
            rng: fastrand::Rng::new(),
            clock,
        }
    }

    /// How long until something happens again.
    pub fn pause(&mut self) -> Duration {
        let is_filling = self.inside.len() < 2;
        Duration::from_millis(if is_filling {
            self.rng.u64(200..900)
        } else {
            self.rng.u64(500..4_000)
        })
    }

    /// Something happens; these are the webhooks about it, in LiveKit's order.
    pub fn act(&mut self) -> Vec<Value> {
        if let Some(person) = self.returning.pop() {
            return self.join(person);
        }
        let is_crowded = self.inside.len() == self.people.len();
        match self.rng.u8(..100) {
            _ if self.inside.len() < 2 => self.join_somebody(),
            0..30 if !is_crowded => self.join_somebody(),
            0..45 => self.leave(),
            45..75 => self.publish(),
            75..90 => self.unpublish(),
            90..98 => self.reconnect(),
            _ => self.end(),
        }
    }

    fn join_somebody(&mut self) -> Vec<Value> {
        let absent: Vec<_> = self
            .people
            .iter()
            .copied()
            .filter(|person| self.inside.iter().all(|session| session.person != *person))
            .collect();
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
        if self.inside.is_empty() {
            return Vec::new();
        }
        let index = self.rng.usize(..self.inside.len());
        let session = self.inside.swap_remove(index);
        self.end_session(session)
    }

    /// The connection breaks: the old session leaves, and a new one joins soon after.
    fn reconnect(&mut self) -> Vec<Value> {
        let Some(session) = self.inside.pop() else { return Vec::new() };
        self.returning.push(session.person);
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

    fn publish(&mut self) -> Vec<Value> {
        let (source, kind) = *self
            .rng
            .choice(&[
                ("MICROPHONE", "AUDIO"),
                ("MICROPHONE", "AUDIO"),
                ("CAMERA", "VIDEO"),
                ("SCREEN_SHARE", "VIDEO"),
            ])
            .expect("there are some");
        let sid = self.fresh_id("TR");
        let silent = self
            .inside
            .iter_mut()
            .find(|session| session.tracks.iter().all(|track| track["source"] != source));
        let Some(session) = silent else { return Vec::new() };
        let track =
            json!({"sid": sid, "source": source, "type": kind, "name": source.to_lowercase()});
        session.tracks.push(track.clone());
        session.version += 1;
        let participant = session.short();
        vec![self.webhook("track_published", participant, track)]
    }

    fn unpublish(&mut self) -> Vec<Value> {
        let talking = self.inside.iter_mut().find(|session| !session.tracks.is_empty());
        let Some(session) = talking else { return Vec::new() };
        let track = session.tracks.remove(0);
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
        self.returning.clear();
        if self.sid.is_some() {
            webhooks.push(self.webhook("room_finished", Value::Null, Value::Null));
            self.sid = None;
        }
        webhooks
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
