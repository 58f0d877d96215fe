//! Mutes everybody in a room.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use crate::presence::{Identity, RoomName, TrackSid, TrackSource};

use super::{
    act::{Act, Action},
    calls::Before,
    error::{Absent, ModerationError},
    moderators::Moderation,
};

/// Tracks that are muted at once.
const MAX_AT_ONCE: usize = 4;
/// Within this time the moderator is told what was done. What is under way then goes on.
const ALL_TIMEOUT: Duration = Duration::from_millis(3_800);

/// Whom to mute.
#[derive(Clone, Debug)]
pub struct MuteAll {
    /// Not these people.
    pub except: BTreeSet<Identity>,
    /// Tracks of these sources.
    pub sources: Vec<TrackSource>,
}

/// Which tracks were muted, and which were not.
#[derive(Debug, Default)]
pub struct MutedAll {
    pub muted: Vec<(Identity, TrackSid)>,
    pub failed: Vec<(Identity, TrackSid, ModerationError)>,
}

impl Moderation {
    /// Mutes the tracks that the room's list shows, each as an act of its own.
    ///
    /// # Errors
    /// The room is not known, or cannot be read.
    pub async fn mute_all(
        self: &Arc<Self>,
        room: &RoomName,
        whom: &MuteAll,
        by: &str,
    ) -> Result<MutedAll, ModerationError> {
        let deadline = Instant::now() + ALL_TIMEOUT;
        let before = self.before_all(room).await?;
        let tracks = audible(&before, whom);
        let mut open: HashMap<TrackSid, Identity> =
            tracks.iter().map(|(identity, track)| (track.clone(), identity.clone())).collect();
        let calls = tracks.into_iter().map(|(identity, track)| {
            let before = before.clone();
            async move {
                let act = Act::new(room, Action::TrackMuted, by).about(&identity).of_track(&track);
                let muted =
                    self.mute_from(Some(before), act, identity.clone(), track.clone()).await;
                (identity, track, muted.map(drop))
            }
        });
        let mut calls = std::pin::pin!(stream::iter(calls).buffer_unordered(MAX_AT_ONCE));
        let mut all = MutedAll::default();
        while let Ok(Some((identity, track, muted))) = timeout_at(deadline, calls.next()).await {
            open.remove(&track);
            match muted {
                Ok(()) => all.muted.push((identity, track)),
                Err(error) => all.failed.push((identity, track, error)),
            }
        }
        let late = open.into_iter().map(|(track, who)| (who, track, ModerationError::TimedOut));
        all.failed.extend(late);
        all.muted.sort_unstable();
        all.failed.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        Ok(all)
    }

    /// The room, compared with LiveKit's list first if it may lack somebody.
    async fn before_all(&self, room: &RoomName) -> Result<Before, ModerationError> {
        let wanted_at = std::time::Instant::now();
        let mut before = self.before(room).await?;
        let completeness = before.room.completeness();
        let trusted = completeness.trusted_longer(self.reconciler.extra_trust());
        if !trusted.is_complete_at(before.asked_at) {
            self.reconciler.confirm(room, wanted_at).await;
            before = self.before(room).await?;
        }
        match before.room.is_active() {
            true => Ok(before),
            false => Err(ModerationError::Absent(Absent::Room)),
        }
    }
}

/// The tracks to mute.
fn audible(before: &Before, whom: &MuteAll) -> Vec<(Identity, TrackSid)> {
    let mut audible = Vec::new();
    for participant in before.room.list() {
        if whom.except.contains(&participant.identity) {
            continue;
        }
        let tracks = participant.tracks.iter();
        let tracks = tracks.filter(|track| !track.muted && whom.sources.contains(&track.source));
        audible.extend(tracks.map(|track| (participant.identity.clone(), track.sid.clone())));
    }
    audible
}
