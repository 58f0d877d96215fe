//! One session that a room holds: LiveKit's newest description of it, its tracks, and its signs of life.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    name::{Identity, ParticipantSid, RoomSid},
    participant::{Participant, Profile, SessionInfo, is_default},
    time::{LiveKitTime, StoreTime},
    tracks::Tracks,
};

/// How long a session is kept as it was after it was removed because LiveKit's lists omit it.
pub const MISSING_MEMORY: Duration = Duration::from_mins(10);

/// How many such sessions of a room are kept, the newest. The others are only remembered as gone, and a webhook of one of them
/// has the room compared.
pub const MAX_MISSING: usize = 64;

/// Whether a session counts as being in the room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    #[default]
    Present,
    /// LiveKit lists it, but it may be dead: hidden until it shows life, by a probe, a webhook of its own, or a new version in a
    /// list. Without probes, two lists that name it are enough.
    Suspect,
    /// LiveKit lists it, but its liveness probes failed: a ghost of a crashed LiveKit. Rows of format 1 have its former name.
    #[serde(rename = "condemned")]
    Evicted,
    /// It counts as gone: LiveKit's lists omit it, and its liveness probe failed (or it could not be probed, or a newer session
    /// replaced it). It is kept for [`MISSING_MEMORY`] because lists can be wrong. A webhook of its own brings it back as it was.
    Missing,
}

/// A session held by a room. Serializes to what a store keeps of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    pub(super) sid: ParticipantSid,
    /// Not in the session's own JSON: the row that the session stands in names it.
    #[serde(skip, default = "nobody")]
    pub(super) identity: Identity,
    pub(super) joined_at: LiveKitTime,
    pub(super) version: u32,
    #[serde(default = "shown", skip_serializing_if = "is_shown")]
    pub(super) visible: bool,
    /// Whether it records the room.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) recorder: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) profile: Arc<Profile>,
    #[serde(default, skip_serializing_if = "Tracks::is_empty")]
    pub(super) tracks: Tracks,
    pub(super) opening: OpeningOf,
    pub(super) recorded_at: StoreTime,
    /// When LiveKit was asked for the newest description that was taken over from it; zero if only webhooks described it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) described_at: StoreTime,
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

impl SessionInfo {
    /// The participant that clients would see of it, without tracks.
    pub fn as_participant(&self) -> Participant {
        let opening = OpeningOf::Supposed(None);
        Session::new(self, None, opening, StoreTime::default()).as_participant()
    }
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
            recorder: info.is_recorder(),
            profile: Arc::clone(&info.profile),
            tracks: waiting.unwrap_or_default(),
            opening,
            recorded_at: now,
            described_at: StoreTime::default(),
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

    pub fn joined_at(&self) -> LiveKitTime {
        self.joined_at
    }

    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Its signs of life, and what speaks against it.
    pub fn life(&self) -> &Life {
        &self.life
    }

    /// Takes over LiveKit's description, except for the tracks.
    pub(super) fn describe(&mut self, info: &SessionInfo) {
        self.joined_at = info.joined_at;
        self.version = info.version;
        self.visible = info.is_visible();
        self.recorder = info.is_recorder();
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

    /// Whether it may be in the room. A missing one is only kept in case it comes back.
    pub(super) fn is_held(&self) -> bool {
        self.standing != Standing::Missing
    }

    /// Whether it may or may not be in the room, because a probe's answer is still to come.
    pub(super) fn is_undecided(&self) -> bool {
        match self.standing {
            Standing::Present => self.life.missing_since.is_some(),
            Standing::Suspect => true,
            Standing::Evicted | Standing::Missing => false,
        }
    }

    /// Whether it is in the room and records it.
    pub(super) fn records(&self) -> bool {
        self.recorder && self.standing == Standing::Present
    }

    /// The last webhook, list or probe that showed it alive, or the time at which it was recorded.
    pub(super) fn last_sign(&self) -> StoreTime {
        self.heard_at.unwrap_or_default().max(self.recorded_at).max(self.life.alive_at)
    }

    /// Whether a webhook about it came at or after `moment`.
    pub(super) fn heard_since(&self, moment: StoreTime) -> bool {
        self.heard_at.is_some_and(|heard| heard >= moment)
    }

    /// Whether a description from a list asked for at `asked_at` is newer than what is held. Not every change raises the version,
    /// so that of two descriptions with the same one, what was asked for later counts.
    pub(super) fn takes_over(&self, info: &SessionInfo, asked_at: StoreTime) -> bool {
        info.version > self.version
            || info.version == self.version && !self.is_described_since(asked_at)
    }

    /// Whether a webhook about it came at or after `moment`, or a description that was asked for after it.
    pub(super) fn is_described_since(&self, moment: StoreTime) -> bool {
        self.heard_since(moment) || self.described_at > moment
    }

    /// Whether anything showed it at or after `moment`: then what was asked for at that time says nothing of its end.
    pub(super) fn was_seen_since(&self, moment: StoreTime) -> bool {
        let is_listed = self.life.listed.is_some_and(|listed| listed.asked_at >= moment);
        self.last_sign() >= moment || is_listed
    }

    pub(super) fn as_participant(&self) -> Participant {
        Participant {
            sid: self.sid.clone(),
            identity: self.identity.clone(),
            joined_at: self.joined_at,
            profile: Arc::clone(&self.profile),
            tracks: self.tracks.published().cloned().collect(),
        }
    }
}

/// The opening of the room that a session belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OpeningOf {
    /// Its own webhook said so.
    Said(Option<RoomSid>),
    /// A list showed it, and lists name no opening. This is the one that was known then.
    Supposed(Option<RoomSid>),
}

impl OpeningOf {
    /// Whether the end of the opening `finished`, in the second that begins at `second`, ended a session that joined at
    /// `joined_at`. Within that second a supposed opening does not count: to miss a person is worse than to show one too many,
    /// whom the next comparison removes.
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

/// A session's signs of life, and what speaks against it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Life {
    /// The last sign of life: a webhook, a probe, a version that changed from one list to the next.
    #[serde(skip_serializing_if = "is_default")]
    pub alive_at: StoreTime,
    /// Its version in the last list that showed it, and when that list was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed: Option<LastListed>,
    /// For a held session: when the first of the successive lists that omit it was asked for. For one that is kept as missing:
    /// when it was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<StoreTime>,
    /// Failed probes in a row, each made after the one before had ended.
    #[serde(skip_serializing_if = "is_default")]
    pub failures: u8,
    /// When the last failure had ended.
    #[serde(skip_serializing_if = "is_default")]
    pub failed_at: StoreTime,
    /// Whether another session has answered a probe since the first of these failures: LiveKit answers, and this session does
    /// not.
    #[serde(skip_serializing_if = "is_default")]
    pub witnessed: bool,
}

/// The last list that showed a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastListed {
    pub version: u32,
    pub asked_at: StoreTime,
}
