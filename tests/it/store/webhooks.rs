//! What webhooks say, as the stores are given it.

use std::sync::Arc;

use livekit_presence::presence::{
    Event, EventDetails, EventKind, HostTime, Identity, LiveKitTime, Participant, ParticipantKind,
    ParticipantSid, Profile, RoomLifecycle, RoomName, RoomSid, SessionInfo, SessionState, Track,
    TrackKind, TrackSid, TrackSource,
};

pub fn room(name: &str) -> RoomName {
    RoomName::parse(name).unwrap()
}

pub fn started(room: &RoomName) -> Event {
    event(room, EventKind::Room(RoomLifecycle::Started))
}

pub fn finished(room: &RoomName) -> Event {
    event(room, EventKind::Room(RoomLifecycle::Finished))
}

/// The event with the room sid of one opening.
pub fn in_opening(event: Event, sid: &str) -> Event {
    Event { room_sid: Some(RoomSid::new(sid)), ..event }
}

pub fn joined(room: &RoomName, identity: &str, joined_at_ms: i64) -> Event {
    event(room, EventKind::Joined(session(identity, joined_at_ms)))
}

pub fn agent_joined(room: &RoomName, identity: &str, joined_at_ms: i64) -> Event {
    let mut info = session(identity, joined_at_ms);
    info.profile = Arc::new(Profile { kind: ParticipantKind::Agent, ..Profile::default() });
    event(room, EventKind::Joined(info))
}

/// A newer session of somebody.
pub fn joined_as(room: &RoomName, identity: &str, sid: &str, joined_at_ms: i64) -> Event {
    let sid = ParticipantSid::new(sid);
    event(room, EventKind::Joined(SessionInfo { sid, ..session(identity, joined_at_ms) }))
}

/// A session that ended before it was active, and how LiveKit describes it.
pub fn aborted(room: &RoomName, identity: &str, participant: Option<Participant>) -> Event {
    let sid = ParticipantSid::new(format!("PA_{identity}"));
    let details = EventDetails {
        participant,
        disconnect_reason: Some("JOIN_FAILURE".to_owned()),
        ..EventDetails::default()
    };
    let aborted = event(room, EventKind::Left { sid, was_active: false });
    Event { details: Arc::new(details), ..aborted }
}

pub fn left(room: &RoomName, identity: &str) -> Event {
    event(
        room,
        EventKind::Left { sid: ParticipantSid::new(format!("PA_{identity}")), was_active: true },
    )
}

/// A leave of somebody whom LiveKit describes as visible.
pub fn left_visible(room: &RoomName, identity: &str) -> Event {
    let participant = Some(session(identity, 1).as_participant());
    let details = EventDetails { participant, ..EventDetails::default() };
    Event { details: Arc::new(details), ..left(room, identity) }
}

pub fn joined_hidden(room: &RoomName, identity: &str) -> Event {
    event(room, EventKind::Joined(SessionInfo { hidden: true, ..session(identity, 1) }))
}

pub fn unpublished(room: &RoomName, identity: &str, track: &str) -> Event {
    let sid = ParticipantSid::new(format!("PA_{identity}"));
    event(room, EventKind::TrackUnpublished { sid, track: TrackSid::new(track) })
}

pub fn published_as(room: &RoomName, identity: &str, track: &str) -> Event {
    let track = Track {
        sid: TrackSid::new(track),
        source: TrackSource::Microphone,
        kind: TrackKind::Audio,
        muted: false,
        name: String::new(),
    };
    let sid = ParticipantSid::new(format!("PA_{identity}"));
    event(room, EventKind::TrackPublished { sid, track })
}

pub fn give_metadata(event: &mut Event, metadata: &str) {
    let EventKind::Joined(info) = &mut event.kind else { panic!("only who joins has some") };
    info.profile = Arc::new(Profile { metadata: metadata.to_owned(), ..Profile::default() });
}

pub fn event(room: &RoomName, kind: EventKind) -> Event {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    Event {
        id: Some(livekit_presence::presence::EventId::new(format!("EV_{next}"))),
        room: room.clone(),
        room_sid: None,
        room_created_at: None,
        identity: whose(&kind),
        created_at: LiveKitTime::from_secs(1),
        received_at: HostTime::default(),
        kind,
        details: Arc::default(),
    }
}

pub fn whose(kind: &EventKind) -> Option<Identity> {
    let sid = match kind {
        EventKind::Room(_) => return None,
        EventKind::Joined(info) => return Some(info.identity.clone()),
        EventKind::Left { sid, .. }
        | EventKind::TrackPublished { sid, .. }
        | EventKind::TrackUnpublished { sid, .. } => sid,
    };
    sid.as_str().strip_prefix("PA_").map(Identity::new)
}

pub fn session(identity: &str, joined_at_ms: i64) -> SessionInfo {
    SessionInfo {
        sid: ParticipantSid::new(format!("PA_{identity}")),
        identity: Identity::new(identity),
        state: SessionState::Active,
        joined_at: LiveKitTime::from_millis(joined_at_ms),
        version: 2,
        hidden: false,
        recorder: false,
        profile: Arc::default(),
        tracks: Vec::new(),
    }
}
