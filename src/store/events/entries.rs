//! What one step on a room adds to the log: who entered and who left the list, whatever the cause, and after that the webhook
//! itself, unless it says only that.

use serde::Serialize;

use crate::presence::{
    Applied, Ending, Entrance, Event, EventId, EventKind, MetadataDigest, Participant,
    ParticipantSid, RepairCause, Room, RoomDetails, RoomLifecycle, RoomName, RoomSid, StoreTime,
    Track, Transition, Version,
};

use super::event::{EventSource, FeedEvent, raw};

/// Ours: LiveKit has no event for it.
const METADATA_CHANGED: &str = "room_metadata_changed";

/// A step that was taken on a room, as far as the log is concerned.
pub(in crate::store) struct Happened<'step> {
    pub room: &'step RoomName,
    /// LiveKit's id of the room, if it is known.
    pub sid: Option<&'step RoomSid>,
    /// The room's version after the step.
    pub version: Version,
    pub now: StoreTime,
    pub transitions: &'step [Transition],
    /// The room's metadata, if the step made it another; empty if the room ended.
    pub metadata: Option<&'step str>,
    pub origin: Origin<'step>,
}

/// What is behind a step.
#[derive(Clone, Copy)]
pub(in crate::store) enum Origin<'step> {
    Webhook {
        event: &'step Event,
        /// Whether the webhook itself is an entry. See [`passes`].
        passes: bool,
    },
    Repairs(RepairCause),
}

/// The data of an entry, as subscribers get it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'data> {
    room: &'data RoomDetails,
    #[serde(skip_serializing_if = "Option::is_none")]
    participant: Option<DataParticipant<'data>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    track: Option<&'data Track>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room_end_reason: Option<&'data str>,
}

#[derive(Serialize)]
struct DataParticipant<'data> {
    #[serde(flatten)]
    participant: &'data Participant,
    #[serde(rename = "disconnectReason", skip_serializing_if = "Option::is_none")]
    disconnect_reason: Option<&'data str>,
}

/// Whether a webhook is an entry by itself. Joins and leaves are not: what they change of the list is. Nothing is said of sessions
/// that clients do not see. `room` is the room after the step, with at least the person whom the event is about.
pub(in crate::store) fn passes(
    event: &Event,
    applied: &Applied,
    room: &Room,
    now: StoreTime,
) -> bool {
    if applied.is_duplicate() {
        return false;
    }
    match &event.kind {
        EventKind::Room(_) => true,
        EventKind::Joined(_) | EventKind::Left { was_active: true, .. } => false,
        EventKind::Left { was_active: false, .. } => {
            event.details.participant.is_some() && !room.keeps_unseen(event, now)
        }
        EventKind::TrackPublished { sid, .. } | EventKind::TrackUnpublished { sid, .. } => {
            room.shown_session(sid).is_some()
        }
    }
}

impl<'step> Happened<'step> {
    /// The step that set or lifted a ban.
    pub fn of_ban(
        name: &'step RoomName,
        room: &'step Room,
        transitions: &'step [Transition],
        now: StoreTime,
    ) -> Self {
        let (sid, version) = (room.sid(), room.version());
        Self {
            room: name,
            sid,
            version,
            now,
            transitions,
            metadata: None,
            origin: Origin::Repairs(RepairCause::Moderation),
        }
    }

    /// The step that took over what LiveKit says of the room's metadata. `before` is of the metadata before it.
    pub fn of_metadata(
        name: &'step RoomName,
        room: &'step Room,
        before: &MetadataDigest,
        now: StoreTime,
    ) -> Self {
        Self {
            room: name,
            sid: room.sid(),
            version: room.version(),
            now,
            transitions: &[],
            metadata: room.metadata_unless(before),
            origin: Origin::Repairs(RepairCause::Comparison),
        }
    }

    /// Whether there is anything to log.
    pub fn is_something(&self) -> bool {
        self.passing().is_some() || !self.transitions.is_empty() || self.metadata.is_some()
    }

    /// The entries in order. `shown` is the participant that clients see of a session.
    pub fn entries(
        &self,
        shown: impl FnOnce(&ParticipantSid) -> Option<Participant>,
    ) -> Vec<FeedEvent> {
        let said = self.event().and_then(|event| event.details.room.as_ref());
        let sid = said.and_then(|room| room.sid.as_ref()).or(self.sid);
        let named = RoomDetails::named(self.room.clone(), sid.cloned());
        // What the webhook says of the room goes only with what it is about: thousands may leave when a room ends.
        let said = said.unwrap_or(&named);
        let of_transition = |one| {
            let is_own = self.is_own(one);
            self.of_transition(one, if is_own { said } else { &named })
        };
        let mut entries: Vec<_> = self.transitions.iter().map(of_transition).collect();
        if let Some(event) = self.passing() {
            entries.push(self.of_webhook(event, said, shown));
        }
        entries.extend(self.metadata.map(|metadata| self.of_changed_metadata(metadata, sid)));
        entries
    }

    fn of_transition(&self, transition: &Transition, room: &RoomDetails) -> FeedEvent {
        let (name, participant) = match transition {
            Transition::Left(participant, _) => ("participant_left", participant),
            Transition::Joined(participant, _) => ("participant_joined", participant),
        };
        let own = self.event().filter(|_| self.is_own(transition));
        let own_id = own.filter(|event| event.name() == name).and_then(|event| event.id.as_ref());
        let reason = own.and_then(|event| event.details.disconnect_reason.as_deref());
        let data = Data {
            room,
            participant: Some(DataParticipant {
                participant,
                disconnect_reason: reason.filter(|_| matches!(transition, Transition::Left(..))),
            }),
            track: None,
            room_end_reason: None,
        };
        FeedEvent {
            id: own_id
                .map_or_else(|| self.id_of(name, participant.sid.as_str()), ToString::to_string),
            source: Some(self.source_of(transition)),
            ..self.entry(name, &data)
        }
    }

    fn of_webhook(
        &self,
        event: &Event,
        room: &RoomDetails,
        shown: impl FnOnce(&ParticipantSid) -> Option<Participant>,
    ) -> FeedEvent {
        let details = &event.details;
        let participant = match &event.kind {
            EventKind::Left { .. } => details.participant.clone(),
            EventKind::TrackPublished { sid, .. } | EventKind::TrackUnpublished { sid, .. } => {
                shown(sid)
            }
            EventKind::Room(_) | EventKind::Joined(_) => None,
        };
        let published = match &event.kind {
            EventKind::TrackPublished { track, .. } => Some(track),
            _ => details.track.as_ref(),
        };
        let data = Data {
            room,
            participant: participant.as_ref().map(|participant| DataParticipant {
                participant,
                disconnect_reason: details.disconnect_reason.as_deref(),
            }),
            track: published,
            room_end_reason: details.room_end_reason.as_deref(),
        };
        let id = event.id.as_ref().map(ToString::to_string);
        let id = id.unwrap_or_else(|| {
            self.id_of(event.name(), event.sid().map_or("", ParticipantSid::as_str))
        });
        FeedEvent { id, ..self.entry(event.name(), &data) }
    }

    /// The room's metadata is another one.
    fn of_changed_metadata(&self, metadata: &str, sid: Option<&RoomSid>) -> FeedEvent {
        let named = RoomDetails::named(self.room.clone(), sid.cloned());
        let room = RoomDetails { metadata: Some(metadata.to_owned()), ..named };
        let data = Data { room: &room, participant: None, track: None, room_end_reason: None };
        let source = match self.origin {
            Origin::Webhook { .. } => EventSource::Webhook,
            Origin::Repairs(RepairCause::Comparison | RepairCause::Refresh) => {
                EventSource::Comparison
            }
            Origin::Repairs(RepairCause::Moderation) => EventSource::Moderation,
        };
        FeedEvent {
            id: self.id_of(METADATA_CHANGED, metadata),
            source: Some(source),
            ..self.entry(METADATA_CHANGED, &data)
        }
    }

    /// An entry without its id.
    fn entry(&self, name: &str, data: &Data<'_>) -> FeedEvent {
        let by_store = i64::try_from(self.now.as_millis()).unwrap_or(i64::MAX);
        FeedEvent {
            id: String::new(),
            name: name.to_owned(),
            room: Some(self.room.clone()),
            data: raw(data),
            timestamp: self.event().map_or(by_store, |event| event.created_at.as_millis()),
            source: None,
        }
    }

    fn event(&self) -> Option<&Event> {
        match self.origin {
            Origin::Webhook { event, .. } => Some(event),
            Origin::Repairs(_) => None,
        }
    }

    /// The webhook, if it is an entry itself.
    fn passing(&self) -> Option<&Event> {
        match self.origin {
            Origin::Webhook { event, passes: true } => Some(event),
            Origin::Webhook { passes: false, .. } | Origin::Repairs(_) => None,
        }
    }

    /// Whether the webhook is about this session.
    fn is_own(&self, transition: &Transition) -> bool {
        self.event().is_some_and(|event| event.sid() == Some(&transition.participant().sid))
    }

    /// A webhook about a session that clients do not see is not named: that would tell them that the session is there.
    fn source_of(&self, transition: &Transition) -> EventSource {
        match transition {
            Transition::Left(_, Ending::Banned) | Transition::Joined(_, Entrance::Unbanned) => {
                return EventSource::Moderation;
            }
            Transition::Left(..) | Transition::Joined(..) => {}
        }
        let event = match self.origin {
            Origin::Webhook { event, .. } => event,
            Origin::Repairs(RepairCause::Comparison | RepairCause::Refresh) => {
                return EventSource::Comparison;
            }
            Origin::Repairs(RepairCause::Moderation) => return EventSource::Moderation,
        };
        let is_own = self.is_own(transition);
        let is_shown = self.transitions.iter().any(|one| self.is_own(one));
        match &event.kind {
            EventKind::Room(RoomLifecycle::Started) => EventSource::RoomStarted,
            EventKind::Room(RoomLifecycle::Finished) => EventSource::RoomFinished,
            EventKind::Joined(_) | EventKind::Left { .. } if !is_shown => EventSource::Comparison,
            EventKind::Joined(_) if !is_own => EventSource::ParticipantJoined,
            EventKind::Left { .. } if !is_own => EventSource::ParticipantLeft,
            EventKind::Joined(_)
            | EventKind::Left { .. }
            | EventKind::TrackPublished { .. }
            | EventKind::TrackUnpublished { .. } => EventSource::Webhook,
        }
    }

    /// An id for what no webhook of its own says. No two steps on a room have the same version where a list changes, so it is the
    /// same wherever the step is told of, and no other's.
    fn id_of(&self, name: &str, what: &str) -> String {
        let version = self.version.as_u64().to_string();
        let now = self.now.as_micros().to_string();
        let moment = if self.transitions.is_empty() { now } else { version };
        let parts = [self.room.as_str(), &moment, what, name];
        EventId::of_parts(parts.map(str::as_bytes)).to_string()
    }
}
