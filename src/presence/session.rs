//! One session that a room holds: LiveKit's newest description of it, its tracks, and what is known about its being alive.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    Identity, LiveKitTime, Participant, ParticipantSid, Profile, RoomSid, SessionInfo, StoreTime,
    Track, TrackSid, participant::is_default,
};

/// A removed track is remembered this long, so that a late `track_published` does not bring it back.
pub const TRACK_MEMORY: Duration = Duration::from_mins(10);

/// Removed tracks that are remembered of a session, the newest: somebody who goes on and off all day must not make each time
/// dearer than the one before.
pub const MAX_REMOVED_TRACKS: usize = 32;

/// A session that was removed because LiveKit's lists omit it is kept this long, as it was.
pub const MISSING_MEMORY: Duration = Duration::from_mins(10);

/// How many such sessions of a room are kept, the newest. Of the others only their being gone is remembered; a webhook of
/// theirs has the room compared.
pub const MAX_MISSING: usize = 64;

/// Whether a session counts as being in the room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    #[default]
    Present,
    /// LiveKit lists it, and there is reason to doubt it: hidden until it answers a probe or has a webhook of its own.
    Suspect,
    /// LiveKit lists it, and its liveness probes failed: a ghost of a crashed LiveKit.
    /// Rows have its former name.
    #[serde(rename = "condemned")]
    Evicted,
    /// It counts as gone: LiveKit's lists omit it, and its liveness probe failed. It is kept for [`MISSING_MEMORY`], because
    /// lists can be wrong: a webhook of its own brings it back as it was.
    Missing,
}

/// A session held by a room. Serializes to what a store keeps of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    pub(super) sid: ParticipantSid,
    /// The row that a session stands in names its identity.
    #[serde(skip, default = "nobody")]
    pub(super) identity: Identity,
    pub(super) joined_at: LiveKitTime,
    pub(super) version: u32,
    #[serde(default = "shown", skip_serializing_if = "is_shown")]
    pub(super) visible: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) profile: Arc<Profile>,
    #[serde(default, skip_serializing_if = "Tracks::is_empty")]
    pub(super) tracks: Tracks,
    pub(super) opening: OpeningOf,
    pub(super) recorded_at: StoreTime,
    /// When the last webhook about it was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) heard_at: Option<StoreTime>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) standing: Standing,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) life: Life,
}

fn nobody() -> Identity {
    Identity::new("")
}

const fn shown() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_shown(visible: &bool) -> bool {
    *visible
}

impl Session {
    pub(super) fn new(
        info: &SessionInfo,
        waiting: Option<Tracks>,
        opening: OpeningOf,
        now: StoreTime,
    ) -> Self {
        Self {
            sid: info.sid.clone(),
            identity: info.identity.clone(),
            joined_at: info.joined_at,
            version: info.version,
            visible: info.is_visible(),
            profile: Arc::clone(&info.profile),
            tracks: waiting.unwrap_or_default(),
            opening,
            recorded_at: now,
            heard_at: None,
            standing: Standing::Present,
            life: Life::default(),
        }
    }

    pub fn sid(&self) -> &ParticipantSid {
        &self.sid
    }

    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Takes over LiveKit's description, except for the tracks.
    pub(super) fn describe(&mut self, info: &SessionInfo) {
        self.joined_at = info.joined_at;
        self.version = info.version;
        self.visible = info.is_visible();
        if self.profile != info.profile {
            self.profile = Arc::clone(&info.profile);
        }
    }

    /// A webhook of its own is a sign of life.
    pub(super) fn heard(&mut self, now: StoreTime) {
        self.heard_at = Some(now);
        self.shows_life(now);
    }

    pub(super) fn shows_life(&mut self, at: StoreTime) {
        self.standing = Standing::Present;
        self.life.alive_at = self.life.alive_at.max(at);
        self.life.missing_since = None;
        self.life.failures = 0;
        self.life.witnessed = false;
    }

    /// Whether it is held as one that may be in the room, and not only kept in case that it comes back.
    pub(super) fn is_held(&self) -> bool {
        self.standing != Standing::Missing
    }

    /// Whether it is not known if it is in the room: an answer is waited for.
    pub(super) fn is_undecided(&self) -> bool {
        match self.standing {
            Standing::Present => self.life.missing_since.is_some(),
            Standing::Suspect => true,
            Standing::Evicted | Standing::Missing => false,
        }
    }

    /// The last webhook, list or probe that showed it alive, or the time at which it was recorded.
    pub(super) fn last_sign(&self) -> StoreTime {
        self.heard_at.unwrap_or_default().max(self.recorded_at).max(self.life.alive_at)
    }

    /// Whether a webhook about it came at or after `moment`.
    pub(super) fn heard_since(&self, moment: StoreTime) -> bool {
        self.heard_at.is_some_and(|heard| heard >= moment)
    }

    pub(super) fn as_participant(&self) -> Participant {
        Participant {
            sid: self.sid.clone(),
            identity: self.identity.clone(),
            joined_at: self.joined_at,
            profile: Arc::clone(&self.profile),
            tracks: self.tracks.published.values().map(|held| held.track.clone()).collect(),
        }
    }
}

/// The opening of the room that a session belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OpeningOf {
    /// Its own webhook said so.
    Said(Option<RoomSid>),
    /// A list showed it, which names no opening; this was the one known then.
    Supposed(Option<RoomSid>),
}

impl OpeningOf {
    /// Whether the end of the opening `finished`, in the second that begins at `second`, ended a session that joined at
    /// `joined_at`. Within that second a supposition does not count: a missing person is worse than one too many, whom
    /// the next reconcile removes.
    pub fn ended_with(
        &self,
        finished: Option<&RoomSid>,
        second: LiveKitTime,
        joined_at: LiveKitTime,
    ) -> bool {
        let (sid, end) = match self {
            Self::Said(sid) => (sid, second.plus_millis(1_000)),
            Self::Supposed(sid) => (sid, second),
        };
        (sid.is_none() || sid.as_ref() == finished) && joined_at < end
    }

    pub(super) fn sid(&self) -> Option<&RoomSid> {
        match self {
            Self::Said(sid) | Self::Supposed(sid) => sid.as_ref(),
        }
    }
}

/// What is known about a session's being alive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Life {
    /// The last sign of life: a webhook, a probe, a version that changed from one list to the next.
    #[serde(skip_serializing_if = "is_default")]
    pub alive_at: StoreTime,
    /// Its version in the last list that showed it, and when that list was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed: Option<LastListed>,
    /// When the first list in a row that omits it was asked for, while nothing has decided yet whether it is gone. Of a
    /// session that is kept as missing, when it was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<StoreTime>,
    /// Failed probes in a row, each made after the one before had ended.
    #[serde(skip_serializing_if = "is_default")]
    pub failures: u8,
    /// When the last failure had ended.
    #[serde(skip_serializing_if = "is_default")]
    pub failed_at: StoreTime,
    /// Whether another session has answered a probe since the first of these failures: LiveKit answers, this one does not.
    #[serde(skip_serializing_if = "is_default")]
    pub witnessed: bool,
}

/// A list that showed a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastListed {
    pub version: u32,
    pub asked_at: StoreTime,
}

/// A session's tracks, each with what webhooks said of it last. Also what waits for a session that is not known yet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Tracks {
    #[serde(with = "published", skip_serializing_if = "BTreeMap::is_empty")]
    published: BTreeMap<TrackSid, HeldTrack>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    removed: Vec<(TrackSid, StoreTime)>,
}

#[derive(Clone, Debug)]
struct HeldTrack {
    track: Track,
    /// When a webhook published it; none where only a description of the session showed it.
    heard_at: Option<StoreTime>,
}

/// Published tracks in a row: each with when a webhook told of it.
mod published {
    use serde::{Deserializer, Serializer};

    use super::{BTreeMap, Deserialize, HeldTrack, StoreTime, Track, TrackSid};

    pub fn serialize<S: Serializer>(
        published: &BTreeMap<TrackSid, HeldTrack>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(published.values().map(|held| (&held.track, held.heard_at)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<TrackSid, HeldTrack>, D::Error> {
        let published = Vec::<(Track, Option<StoreTime>)>::deserialize(deserializer)?;
        let held =
            |(track, heard_at): (Track, _)| (track.sid.clone(), HeldTrack { track, heard_at });
        Ok(published.into_iter().map(held).collect())
    }
}

impl Tracks {
    pub fn is_empty(&self) -> bool {
        self.published.is_empty() && self.removed.is_empty()
    }

    /// A track that was unpublished does not come back by a webhook.
    pub fn publish(&mut self, track: &Track, now: StoreTime) {
        self.forget(now);
        if self.removed.iter().any(|(sid, _)| *sid == track.sid) {
            return;
        }
        let held = HeldTrack { track: track.clone(), heard_at: Some(now) };
        self.published.insert(track.sid.clone(), held);
    }

    pub fn unpublish(&mut self, track: &TrackSid, now: StoreTime) {
        self.forget(now);
        self.published.remove(track);
        self.removed.retain(|(sid, _)| sid != track);
        self.removed.push((track.clone(), now));
        if self.removed.len() > MAX_REMOVED_TRACKS {
            self.removed.remove(0);
        }
    }

    /// Adds what a `participant_joined` carries to what track webhooks said; the latter know more.
    pub fn join(&mut self, described: &[Track]) {
        for track in described {
            if self.removed.iter().all(|(sid, _)| *sid != track.sid) {
                self.published
                    .entry(track.sid.clone())
                    .or_insert_with(|| HeldTrack { track: track.clone(), heard_at: None });
            }
        }
    }

    /// Takes over the tracks of a list asked for at `asked_at`, except over what webhooks did since.
    pub fn replace(&mut self, listed: &[Track], asked_at: StoreTime) {
        self.published.retain(|_, held| held.heard_at.is_some_and(|heard| heard >= asked_at));
        self.removed.retain(|(_, removed_at)| *removed_at >= asked_at);
        self.join(listed);
    }

    /// Whether [`Self::replace`] would change what clients see.
    pub fn differ_from(&self, listed: &[Track], asked_at: StoreTime) -> bool {
        let mut replaced = self.clone();
        replaced.replace(listed, asked_at);
        let tracks = |tracks: &Self| -> Vec<Track> {
            tracks.published.values().map(|held| held.track.clone()).collect()
        };
        tracks(&replaced) != tracks(self)
    }

    fn forget(&mut self, now: StoreTime) {
        self.removed.retain(|(_, at)| now.since(*at) < TRACK_MEMORY);
    }
}
