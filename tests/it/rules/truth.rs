//! Who was truly inside the simulated LiveKit, and when: what the history should say if nothing was lost.

use std::collections::BTreeMap;

use livekit_presence::{
    history::Span,
    presence::{
        Event, EventKind, Identity, Participant, ParticipantSid, RoomLifecycle, RoomSid,
        SessionInfo,
    },
};

/// Every session that clients could see, and every life of the room, so far.
#[derive(Default)]
pub struct Truth {
    sessions: BTreeMap<ParticipantSid, TrueSession>,
    /// When each began, in the second that its webhook names, and when it finished.
    pub lives: BTreeMap<RoomSid, (i64, Option<i64>)>,
}

pub struct TrueSession {
    pub identity: Identity,
    pub life: Option<RoomSid>,
    pub joined_at: i64,
    pub inside: Vec<Span>,
    pub microphone: Vec<Span>,
    /// Whether something happened of which no webhook told, such as a mute or a crash.
    pub is_silent: bool,
    seen: Participant,
}

impl Truth {
    pub fn session(&self, sid: &str) -> Option<&TrueSession> {
        self.sessions.get(sid)
    }

    pub fn sessions(&self) -> impl Iterator<Item = (&ParticipantSid, &TrueSession)> {
        self.sessions.iter()
    }

    /// Notes who is inside after LiveKit did something, given the webhooks that it made of it. What no webhook says happened now.
    pub fn see(&mut self, people: &[Participant], webhooks: &[Event], now: i64) {
        for event in webhooks {
            self.see_room(event);
        }
        for person in people {
            let joins = |kind: &EventKind| matches!(kind, EventKind::Joined(_));
            let event = newest(webhooks, &person.sid, joins);
            let joined = event.map(|_| person.joined_at.as_millis());
            let session = self.sessions.entry(person.sid.clone()).or_insert_with(|| TrueSession {
                identity: person.identity.clone(),
                life: event.and_then(|event| event.room_sid.clone()),
                joined_at: joined.unwrap_or(now),
                inside: Vec::new(),
                microphone: Vec::new(),
                is_silent: false,
                seen: Participant { tracks: [].into(), ..person.clone() },
            });
            if !is_on(&session.inside) {
                session.is_silent |= joined.is_none();
                session.inside.push(Span::open(joined.unwrap_or(now)));
            }
            session.look(person, webhooks, now);
        }
        let is_gone = |sid: &ParticipantSid| people.iter().all(|person| person.sid != *sid);
        for (sid, session) in self.sessions.iter_mut().filter(|(sid, _)| is_gone(sid)) {
            if !is_on(&session.inside) {
                continue;
            }
            let left = when(webhooks, sid, |kind| matches!(kind, EventKind::Left { .. }));
            session.is_silent |= left.is_none();
            end(&mut session.inside, left.unwrap_or(now));
            end(&mut session.microphone, left.unwrap_or(now));
        }
    }

    fn see_room(&mut self, event: &Event) {
        let (EventKind::Room(what), Some(sid)) = (&event.kind, &event.room_sid) else { return };
        let started_at = event.created_at.as_millis();
        let life = self.lives.entry(sid.clone()).or_insert((started_at, None));
        life.1 = (*what == RoomLifecycle::Finished).then(|| made_at(event));
    }
}

impl TrueSession {
    /// Notes what it sends.
    fn look(&mut self, person: &Participant, webhooks: &[Event], now: i64) {
        let is_of_track = |kind: &EventKind| {
            matches!(kind, EventKind::TrackPublished { .. } | EventKind::TrackUnpublished { .. })
        };
        let said = when(webhooks, &person.sid, is_of_track);
        self.is_silent |= said.is_none() && person.tracks != self.seen.tracks;
        let at = said.unwrap_or(now);
        let sends = person.tracks.iter().any(|track| !track.muted);
        match (is_on(&self.microphone), sends) {
            (false, true) => self.microphone.push(Span::open(at)),
            (true, false) => end(&mut self.microphone, at),
            (true, true) | (false, false) => {}
        }
        self.seen = person.clone();
    }
}

/// When LiveKit made the newest of these webhooks about a session.
fn when(
    webhooks: &[Event],
    sid: &ParticipantSid,
    is_it: impl Fn(&EventKind) -> bool,
) -> Option<i64> {
    newest(webhooks, sid, is_it).map(made_at)
}

fn newest<'webhook>(
    webhooks: &'webhook [Event],
    sid: &ParticipantSid,
    is_it: impl Fn(&EventKind) -> bool,
) -> Option<&'webhook Event> {
    webhooks.iter().rfind(|event| event.sid() == Some(sid) && is_it(&event.kind))
}

/// To the millisecond: it has not been on its way yet.
fn made_at(event: &Event) -> i64 {
    event.received_at.as_millis().cast_signed()
}

fn is_on(spans: &[Span]) -> bool {
    spans.last().is_some_and(|span| span.to.is_none())
}

fn end(spans: &mut [Span], at: i64) {
    if let Some(last) = spans.last_mut().filter(|last| last.to.is_none()) {
        last.to = Some(at);
    }
}

/// A session as clients should see it.
pub(super) fn as_clients_see(info: &SessionInfo) -> Participant {
    let mut tracks = info.tracks.clone();
    tracks.sort_by(|a, b| a.sid.cmp(&b.sid));
    Participant { tracks: tracks.into(), ..info.as_participant() }
}
