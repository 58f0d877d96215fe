//! A simulated LiveKit with one room: who is truly inside, what its API lists, and which webhooks it sends.
//!
//! Follows `livekit-server` 1.13 on one node: a room object is built when somebody enters; a newer session of an identity
//! ends the older one first; a crash sends nothing; with Redis the list and the room sid survive a crash, ghosts included.

use std::{collections::BTreeMap, sync::Arc};

use livekit_presence::presence::{
    Event, EventDetails, EventId, EventKind, HostTime, Identity, LiveKitTime, Participant,
    ParticipantKind, ParticipantSid, Profile, RoomLifecycle, RoomName, RoomSid, SessionInfo,
    SessionState, Track, TrackKind, TrackSid, TrackSource,
};

use super::truth::as_clients_see;

const AGENT: ParticipantKind = ParticipantKind::Agent;
const STANDARD: ParticipantKind = ParticipantKind::Standard;
pub(super) const IDENTITIES: [&str; 6] = ["alice", "bob", "carol", "dave", "erin", "frank"];

pub struct SimulatedLiveKit {
    room: RoomName,
    rng: fastrand::Rng,
    keeps_rooms_in_redis: bool,
    now_ms: i64,
    is_up: bool,
    /// The room object's sid, while there is one.
    open: Option<RoomSid>,
    /// The sid in the store, which outlives a crash where the store does.
    stored_sid: Option<RoomSid>,
    inside: BTreeMap<Identity, SessionInfo>,
    pub(super) listed: BTreeMap<Identity, SessionInfo>,
    /// Lists lag until these times: they omit somebody who lives, or stay as they were.
    omitted: BTreeMap<Identity, i64>,
    frozen: Option<(i64, BTreeMap<Identity, SessionInfo>)>,
    outbox: Vec<Event>,
    /// The identity of every session so far.
    owners: BTreeMap<ParticipantSid, Identity>,
    next_id: u64,
}

impl SimulatedLiveKit {
    pub fn new(seed: u64, keeps_rooms_in_redis: bool) -> Self {
        let room = RoomName::parse("simulated").unwrap();
        Self::of_room(room, seed, keeps_rooms_in_redis)
    }

    pub fn of_room(room: RoomName, seed: u64, keeps_rooms_in_redis: bool) -> Self {
        Self {
            room,
            rng: fastrand::Rng::with_seed(seed),
            keeps_rooms_in_redis,
            now_ms: 1_700_000_000_000,
            is_up: true,
            open: None,
            stored_sid: None,
            inside: BTreeMap::new(),
            listed: BTreeMap::new(),
            omitted: BTreeMap::new(),
            frozen: None,
            outbox: Vec::new(),
            owners: BTreeMap::new(),
            next_id: 0,
        }
    }

    /// Does one thing, chosen at random.
    pub fn act(&mut self) {
        self.tick(1);
        if !self.is_up {
            self.is_up = self.rng.u8(..) < 128;
            return;
        }
        match self.rng.u8(..100) {
            97.. => self.crash(),
            hundredth => self.happen(hundredth),
        }
    }

    /// Does one thing other than a crash, chosen at random.
    pub fn live(&mut self) {
        let hundredth = self.rng.u8(..97);
        self.happen(hundredth);
    }

    fn happen(&mut self, hundredth: u8) {
        match hundredth {
            0..30 => self.join(),
            30..45 => self.leave(),
            45..58 => self.publish(),
            58..66 => self.unpublish(),
            66..78 => self.update_in_silence(),
            78..83 => self.abort(),
            83..88 => self.delete(),
            88..93 => self.close_if_empty(),
            _ => self.restart_signalling(),
        }
    }

    pub fn tick(&mut self, millis: i64) {
        self.now_ms += millis;
    }

    /// Its clock, in milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Sets the clock, in milliseconds since the Unix epoch. It never runs back.
    pub fn set_clock(&mut self, now_ms: i64) {
        self.now_ms = self.now_ms.max(now_ms);
    }

    pub fn bring_up(&mut self) {
        self.is_up = true;
    }

    /// For a while, its lists omit somebody who is inside, or everybody, or stay as they are. Replicated stores and several
    /// nodes do this (livekit/livekit#4373, #4316).
    pub fn let_lists_lag(&mut self) {
        let until = self.now_ms + self.rng.i64(..90_000);
        match self.rng.u8(..10) {
            0 => self.omitted.extend(self.inside.keys().map(|identity| (identity.clone(), until))),
            1..4 => self.frozen = Some((until, self.listed.clone())),
            _ => {
                if let Some(identity) = self.someone() {
                    self.omitted.insert(identity, until);
                }
            }
        }
    }

    /// Ends the lag of its lists.
    pub fn let_lists_catch_up(&mut self) {
        self.omitted.clear();
        self.frozen = None;
    }

    /// The living sessions: all that are inside while the server is up.
    pub fn living(&self) -> impl Iterator<Item = &ParticipantSid> {
        self.inside.values().filter(|_| self.is_up).map(|info| &info.sid)
    }

    /// The webhooks made since the last call, in LiveKit's order.
    pub fn take_webhooks(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.outbox)
    }

    /// What `ListParticipants` answers, in no particular order; nothing while the server is down.
    pub fn list_participants(&mut self) -> Option<Vec<SessionInfo>> {
        let listed = match &self.frozen {
            Some((until, listed)) if *until > self.now_ms => listed,
            _ => &self.listed,
        };
        let is_omitted = |info: &&SessionInfo| {
            self.omitted.get(&info.identity).is_some_and(|until| *until > self.now_ms)
        };
        let mut list: Vec<_> = listed.values().filter(|info| !is_omitted(info)).cloned().collect();
        self.rng.shuffle(&mut list);
        self.is_up.then_some(list)
    }

    /// Whether the session answers a call that its node must carry out; nothing while the server is down.
    pub fn answers(&self, identity: &Identity) -> Option<bool> {
        self.is_up.then(|| self.inside.contains_key(identity))
    }

    /// Whether `ListRooms` has the room.
    pub fn has_room(&self) -> bool {
        self.is_up && self.stored_sid.is_some()
    }

    /// The sid in its Redis, which keeps it while the server is down too.
    pub fn kept_sid(&self) -> Option<&RoomSid> {
        self.stored_sid.as_ref()
    }

    pub fn has_ghosts(&self) -> bool {
        self.listed.keys().any(|identity| !self.inside.contains_key(identity))
    }

    /// The people who are truly inside and visible, as clients should see them.
    pub fn people_inside(&self) -> Vec<Participant> {
        let mut people: Vec<_> = self
            .inside
            .values()
            .filter(|info| info.state == SessionState::Active && info.is_visible())
            .map(as_clients_see)
            .collect();
        people.sort_by(|a, b| a.order().cmp(&b.order()));
        people
    }

    fn join(&mut self) {
        let identity = Identity::new(*self.rng.choice(&IDENTITIES).unwrap());
        self.enter(&identity, SessionState::Active);
    }

    /// A session that is listed, but never becomes active.
    fn abort(&mut self) {
        let identity = Identity::new(*self.rng.choice(&IDENTITIES).unwrap());
        self.enter(&identity, SessionState::Connecting);
    }

    /// A new session of the same person: `left` of the old one, then `joined` of the new one.
    fn restart_signalling(&mut self) {
        if let Some(identity) = self.someone() {
            self.enter(&identity, SessionState::Active);
        }
    }

    fn enter(&mut self, identity: &Identity, state: SessionState) {
        self.open_room();
        self.end_session(identity);
        let info = SessionInfo {
            sid: ParticipantSid::new(self.fresh("PA")),
            identity: identity.clone(),
            state,
            joined_at: LiveKitTime::from_millis(self.now_ms),
            version: if state == SessionState::Active { 2 } else { 1 },
            hidden: self.rng.u8(..100) < 10,
            recorder: false,
            profile: Arc::new(Profile {
                name: self.fresh("name"),
                kind: if self.next_id.is_multiple_of(5) { AGENT } else { STANDARD },
                ..Profile::default()
            }),
            tracks: Vec::new(),
        };
        self.tick(1);
        self.store(info.clone());
        if state == SessionState::Active {
            self.send(EventKind::Joined(info));
        }
    }

    fn leave(&mut self) {
        if let Some(identity) = self.someone() {
            self.end_session(&identity);
        }
    }

    pub(super) fn end_session(&mut self, identity: &Identity) {
        let Some(mut info) = self.inside.remove(identity) else { return };
        self.listed.remove(identity);
        for track in std::mem::take(&mut info.tracks) {
            // Sometimes LiveKit ends a session without unpublishing its tracks.
            if self.rng.u8(..100) < 90 {
                self.send(EventKind::TrackUnpublished { sid: info.sid.clone(), track: track.sid });
            }
        }
        let was_active = info.state == SessionState::Active;
        let participant = info.is_visible().then(|| info.as_participant());
        let details = EventDetails { participant, ..EventDetails::default() };
        self.send_with(details, EventKind::Left { sid: info.sid, was_active });
    }

    fn publish(&mut self) {
        let track = Track {
            sid: TrackSid::new(self.fresh("TR")),
            source: TrackSource::Microphone,
            kind: TrackKind::Audio,
            muted: false,
            name: String::new(),
        };
        if let Some(mut info) = self.some_active() {
            info.tracks.push(track.clone());
            info.version += 1;
            self.store(info.clone());
            self.send(EventKind::TrackPublished { sid: info.sid, track });
        }
    }

    fn unpublish(&mut self) {
        if let Some(mut info) = self.some_active()
            && let Some(track) = info.tracks.pop()
        {
            info.version += 1;
            self.store(info.clone());
            self.send(EventKind::TrackUnpublished { sid: info.sid, track: track.sid });
        }
    }

    /// Makes a change for which LiveKit sends no webhook. Muting does not even raise the session's version.
    fn update_in_silence(&mut self) {
        let text = self.fresh("text");
        let Some(mut info) = self.some_active() else { return };
        let (change, profile) = (self.rng.u8(..5), Arc::make_mut(&mut info.profile));
        match change {
            0 => profile.name = text,
            1 => profile.metadata = text,
            2 => drop(profile.attributes.insert("hand".to_owned(), text)),
            3 => info.hidden = !info.hidden,
            _ => info.tracks.iter_mut().take(1).for_each(|track| track.muted = !track.muted),
        }
        info.version += u32::from(change < 4);
        self.store(info);
    }

    pub(super) fn delete(&mut self) {
        let everybody: Vec<_> = self.inside.keys().cloned().collect();
        for identity in everybody {
            self.end_session(&identity);
        }
        self.close_if_empty();
    }

    fn close_if_empty(&mut self) {
        if self.open.is_some() && self.inside.is_empty() {
            self.send(EventKind::Room(RoomLifecycle::Finished));
            self.open = None;
            self.stored_sid = None;
            self.listed.clear();
        }
    }

    /// Ends the process with everybody in it.
    pub fn crash(&mut self) {
        self.is_up = false;
        self.open = None;
        self.inside.clear();
        // Webhooks that were queued and not sent are lost.
        let sent = self.rng.usize(..=self.outbox.len());
        self.outbox.truncate(sent);
        if !self.keeps_rooms_in_redis {
            self.listed.clear();
            self.stored_sid = None;
        }
    }

    fn open_room(&mut self) {
        if self.open.is_some() {
            return;
        }
        let fresh = self.fresh("RM");
        let sid = self.stored_sid.get_or_insert_with(|| RoomSid::new(fresh)).clone();
        self.open = Some(sid);
        self.send(EventKind::Room(RoomLifecycle::Started));
        self.tick(1);
    }

    pub(super) fn store(&mut self, info: SessionInfo) {
        self.owners.insert(info.sid.clone(), info.identity.clone());
        self.listed.insert(info.identity.clone(), info.clone());
        self.inside.insert(info.identity.clone(), info);
    }

    fn send(&mut self, kind: EventKind) {
        self.send_with(EventDetails::default(), kind);
    }

    fn send_with(&mut self, details: EventDetails, kind: EventKind) {
        let event = Event {
            id: Some(EventId::new(self.fresh("EV"))),
            room: self.room.clone(),
            room_sid: self.open.clone(),
            room_created_at: None,
            identity: self.whose(&kind),
            created_at: LiveKitTime::from_secs(self.now_ms / 1000),
            received_at: HostTime::from_millis(self.now_ms.unsigned_abs()),
            kind,
            details: Arc::new(details),
        };
        self.outbox.push(event);
    }

    /// The identity of an event's session. Some events leave it out, which no LiveKit does; the rules must hold all the same.
    fn whose(&self, kind: &EventKind) -> Option<Identity> {
        let sid = match kind {
            EventKind::Room(_) => return None,
            EventKind::Joined(info) => return Some(info.identity.clone()),
            EventKind::Left { sid, .. }
            | EventKind::TrackPublished { sid, .. }
            | EventKind::TrackUnpublished { sid, .. } => sid,
        };
        self.owners.get(sid).filter(|_| !self.next_id.is_multiple_of(8)).cloned()
    }

    pub(super) fn someone(&mut self) -> Option<Identity> {
        let inside: Vec<_> = self.inside.keys().cloned().collect();
        self.rng.choice(inside)
    }

    pub(super) fn some_active(&mut self) -> Option<SessionInfo> {
        let active: Vec<_> = self
            .inside
            .values()
            .filter(|info| info.state == SessionState::Active)
            .cloned()
            .collect();
        self.rng.choice(active)
    }

    pub(super) fn fresh(&mut self, prefix: &str) -> String {
        self.next_id += 1;
        format!("{prefix}_{}_{}", self.room, self.next_id)
    }
}
