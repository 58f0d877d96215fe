//! The tracks of a session: those that are published, and those that were removed not long ago.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{name::TrackSid, participant::Track, time::StoreTime};

/// How long a removed track is remembered, so that a late `track_published` does not bring it back.
pub const TRACK_MEMORY: Duration = Duration::from_mins(10);

/// How many removed tracks of a session are remembered, the newest. Without a limit, each step of somebody who publishes and
/// unpublishes all day would cost more than the one before.
pub const MAX_REMOVED_TRACKS: usize = 32;

/// The tracks of a session, or those that wait for a session that is not known yet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Tracks {
    #[serde(with = "published", skip_serializing_if = "BTreeMap::is_empty")]
    published: BTreeMap<TrackSid, HeldTrack>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    removed: Vec<(TrackSid, StoreTime)>,
    /// Published tracks that LiveKit described when it muted one, or had it heard again, and when that was applied. Releases that
    /// do not know this field drop it when they write the row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    answered: Vec<(TrackSid, StoreTime)>,
}

#[derive(Clone, Debug)]
struct HeldTrack {
    track: Track,
    /// When a webhook published it; none where only a description of the session had it.
    heard_at: Option<StoreTime>,
}

/// Published tracks as a row has them: each with the time of its webhook.
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

    pub fn has_published(&self) -> bool {
        !self.published.is_empty()
    }

    /// Those that are published, in order of their sids.
    pub fn published(&self) -> impl Iterator<Item = &Track> {
        self.published.values().map(|held| &held.track)
    }

    /// Adds a track, unless it was unpublished before.
    pub fn publish(&mut self, track: &Track, now: StoreTime) {
        self.forget(now);
        if self.removed.iter().any(|(sid, _)| *sid == track.sid) {
            return;
        }
        // Its webhook is as old as the track, and says nothing of what a moderator did since.
        if self.answered_at(&track.sid).is_some() {
            return;
        }
        let held = HeldTrack { track: track.clone(), heard_at: Some(now) };
        self.published.insert(track.sid.clone(), held);
    }

    pub fn unpublish(&mut self, track: &TrackSid, now: StoreTime) {
        self.forget(now);
        self.published.remove(track);
        self.answered.retain(|(sid, _)| sid != track);
        self.removed.retain(|(sid, _)| sid != track);
        self.removed.push((track.clone(), now));
        if self.removed.len() > MAX_REMOVED_TRACKS {
            self.removed.remove(0);
        }
    }

    /// Adds the tracks of a `participant_joined`. Track webhooks take precedence.
    pub fn join(&mut self, described: &[Track]) {
        for track in described {
            if self.removed.iter().all(|(sid, _)| *sid != track.sid) {
                self.published
                    .entry(track.sid.clone())
                    .or_insert_with(|| HeldTrack { track: track.clone(), heard_at: None });
            }
        }
    }

    /// Takes over a track as LiveKit answered it to a moderator who asked at `asked_at`. Returns whether that is the newest that is
    /// known of it.
    pub fn answer(&mut self, track: &Track, asked_at: StoreTime, now: StoreTime) -> bool {
        self.forget(now);
        let is_same = self.published.get(&track.sid).is_some_and(|held| held.track == *track);
        // Of two answers that were asked for at the same time nobody knows which is newer.
        let overlaps = self.answered_at(&track.sid).is_some_and(|at| at >= asked_at);
        if overlaps && !is_same || self.removed.iter().any(|(sid, _)| *sid == track.sid) {
            return false;
        }
        let held = HeldTrack { track: track.clone(), heard_at: Some(now) };
        self.published.insert(track.sid.clone(), held);
        self.answered.retain(|(sid, _)| *sid != track.sid);
        self.answered.push((track.sid.clone(), now));
        true
    }

    fn answered_at(&self, track: &TrackSid) -> Option<StoreTime> {
        self.answered.iter().find(|(sid, _)| sid == track).map(|(_, at)| *at)
    }

    /// Takes over the tracks of a list that was asked for at `asked_at`, except over what webhooks did since.
    pub fn replace(&mut self, listed: &[Track], asked_at: StoreTime) {
        self.published.retain(|_, held| held.heard_at.is_some_and(|heard| heard >= asked_at));
        self.answered.retain(|(_, at)| *at >= asked_at);
        self.removed.retain(|(_, removed_at)| *removed_at >= asked_at);
        self.join(listed);
    }

    /// Whether [`Self::replace`] would change what clients see.
    pub fn differ_from(&self, listed: &[Track], asked_at: StoreTime) -> bool {
        let mut replaced = self.clone();
        replaced.replace(listed, asked_at);
        !replaced.published().eq(self.published())
    }

    fn forget(&mut self, now: StoreTime) {
        self.removed.retain(|(_, at)| now.since(*at) < TRACK_MEMORY);
    }
}
