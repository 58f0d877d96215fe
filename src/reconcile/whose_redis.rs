//! Finds out whether LiveKit's Redis is that of the LiveKit that is asked, and whether it still is.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::{
    livekit::redis::Payment,
    presence::{ParticipantSid, Room, RoomName, SessionInfo, StoreTime},
};

use super::context::Context;

/// Once LiveKit's Redis is doubted, the room that a list of the API was of is asked about again after this time.
const NEXT_LIST_DELAY: Duration = Duration::from_secs(2);

impl Context {
    /// If it is not known yet whose LiveKit's Redis is: looks whether it has somebody of whom a webhook has told.
    pub async fn find_out_whose_redis_it_is(&self, room: &RoomName) {
        let Some(kept) = self.kept_rooms.as_ref().filter(|kept| kept.may_read()) else { return };
        if kept.is_trusted() {
            return;
        }
        let Ok(people) = kept.redis.participants(room, Payment::Waits).await else { return };
        if let Ok(Some(held)) = self.store.read(room).await {
            kept.compare(&held, &people.sessions);
        }
    }

    /// LiveKit's API listed these people. Finds out whether its Redis has one of them.
    pub async fn look_whose_redis_it_is(&self, room: &RoomName, listed: &[SessionInfo]) {
        let Some(kept) = self.kept_rooms.as_ref().filter(|kept| kept.may_read()) else { return };
        if kept.is_trusted() || listed.is_empty() {
            return;
        }
        let Ok(people) = kept.redis.participants(room, Payment::Waits).await else { return };
        let sids: Vec<ParticipantSid> = people.sessions.into_iter().map(|info| info.sid).collect();
        let (is_anothers, wants_lists) = {
            let mut trust = kept.trust();
            (trust.compared(listed, &sids, Instant::now()), trust.wants_lists())
        };
        if wants_lists {
            self.schedule().suspect(room, Instant::now() + NEXT_LIST_DELAY);
            self.wake.notify_one();
        }
        if is_anothers {
            kept.redis.leave_alone(true);
            warn!(
                room.name = %room,
                "the Redis in `livekit.redis_url` does not have the people whom LiveKit lists, so it is another LiveKit's, or another \
                 database, or LiveKit has been moved; it is not used for an hour, and LiveKit's API is asked instead: name the Redis \
                 that LiveKit's own configuration names (`redis:`), or none if it names none, and start this service again"
            );
        }
    }

    /// LiveKit says that these people live, whom the list that was asked for at `asked_at` omits. If its Redis does not have them
    /// now either, LiveKit may have been moved to another one.
    pub async fn look_for_the_living(
        &self,
        room: &RoomName,
        held: &Room,
        living: Vec<ParticipantSid>,
        asked_at: StoreTime,
    ) {
        let Some(redis) = self.kept() else { return };
        if living.is_empty() {
            return;
        }
        let Ok(people) = redis.participants(room, Payment::Waits).await else { return };
        let is_there = |sid: &ParticipantSid| {
            let Some(session) = held.sessions().find(|session| session.sid() == sid) else {
                return true;
            };
            // A probe names an identity, so it may tell of a newer session.
            people.sessions.iter().any(|info| {
                info.identity == *session.identity() && info.joined_at >= session.joined_at()
            })
        };
        let lacking: Vec<_> = living.into_iter().filter(|sid| !is_there(sid)).collect();
        let Some(kept) = &self.kept_rooms else { return };
        if kept.trust().lacks(&lacking, asked_at, Instant::now()) {
            info!(
                room.name = %room,
                "the Redis in `livekit.redis_url` does not have people who are in LiveKit's rooms; LiveKit's API is asked instead, \
                 until it is known whose Redis it is"
            );
            self.listed_rooms.changed();
            self.schedule().suspect(room, Instant::now());
            self.wake.notify_one();
        }
    }
}
