//! A room in plain parts, for stores that keep it outside this process.

use std::{collections::HashMap, sync::Arc};

use super::{
    GoneBecause, Identity, Life, LiveKitTime, Opening, OpeningOf, ParticipantSid, Profile, Room,
    RoomSid, Session, Standing, Started, StoreTime, Track, TrackSid, Version, session::Tracks,
};

/// What a store read of a room: enough to show it, and to compare it with LiveKit's list. Steps are applied where it is kept,
/// so what only they need is left out: the ids of applied events, and tracks that wait for their session.
#[derive(Clone, Debug)]
pub struct RoomParts {
    pub version: Version,
    pub sid: Option<RoomSid>,
    pub epoch: u64,
    pub is_whole: bool,
    pub is_torn: bool,
    pub opening: Opening,
    pub trusted_until: StoreTime,
    pub compared_at: StoreTime,
    pub started: Option<Started>,
    pub condemned_at: Option<StoreTime>,
    pub sessions: Vec<SessionParts>,
    /// Of the sessions that were asked for, those that are gone: when, and why.
    pub gone: Vec<(ParticipantSid, StoreTime, GoneBecause)>,
}

/// A session in plain parts.
#[derive(Clone, Debug)]
pub struct SessionParts {
    pub sid: ParticipantSid,
    pub identity: Identity,
    pub joined_at: LiveKitTime,
    pub version: u32,
    pub visible: bool,
    pub profile: Arc<Profile>,
    /// With the time of the webhook that published it, if there was one.
    pub published: Vec<(Track, Option<StoreTime>)>,
    pub removed: Vec<(TrackSid, StoreTime)>,
    pub opening: OpeningOf,
    pub recorded_at: StoreTime,
    pub heard_at: Option<StoreTime>,
    pub standing: Standing,
    pub life: Life,
}

impl Room {
    pub fn from_parts(parts: RoomParts) -> Self {
        let mut room = Self {
            version: parts.version,
            sid: parts.sid,
            epoch: parts.epoch,
            is_whole: parts.is_whole,
            is_torn: parts.is_torn,
            opening: parts.opening,
            trusted_until: parts.trusted_until,
            compared_at: parts.compared_at,
            started: parts.started,
            condemned_at: parts.condemned_at,
            ..Self::default()
        };
        let mut sids_of: HashMap<Identity, Vec<ParticipantSid>> = HashMap::new();
        for session in &parts.sessions {
            sids_of.entry(session.identity.clone()).or_default().push(session.sid.clone());
        }
        room.sids_of = Arc::new(sids_of);
        let sessions = parts.sessions.into_iter();
        let sessions = sessions.map(|one| (one.sid.clone(), Session::from_parts(one)));
        room.sessions = Arc::new(sessions.collect());
        room.recount();
        room.visible =
            room.sids_of.keys().filter(|identity| room.shown(identity).is_some()).count();
        let gone = Arc::make_mut(&mut room.gone);
        for (sid, at, because) in parts.gone {
            gone.insert(sid, because, at);
        }
        room
    }
}

impl Session {
    fn from_parts(parts: SessionParts) -> Self {
        Self {
            sid: parts.sid,
            identity: parts.identity,
            joined_at: parts.joined_at,
            version: parts.version,
            visible: parts.visible,
            profile: parts.profile,
            tracks: Tracks::from_parts(parts.published, parts.removed),
            opening: parts.opening,
            recorded_at: parts.recorded_at,
            heard_at: parts.heard_at,
            standing: parts.standing,
            life: parts.life,
        }
    }
}
