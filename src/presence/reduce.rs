//! What one webhook does to a room.

use std::sync::Arc;

use super::{
    change::{Change, ViewDiff},
    event::{Event, EventKind, RoomLifecycle},
    gone::GoneBecause,
    name::{EventId, Identity, ParticipantSid, RoomSid, TrackSid},
    opening::{Opening, Started, start_horizon},
    participant::{SessionInfo, SessionState, Track},
    room::{EVENT_MEMORY, Room},
    rules::Rules,
    session::{OpeningOf, Session},
    time::{LiveKitTime, StoreTime},
    tracks::Tracks,
    transition::{Entrance, Transition},
};

/// What an event did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It had been applied before.
    Duplicate,
    /// Nothing that a client sees is different.
    Unchanged,
    /// Nothing that a client sees is different, but it shows that something was missed, so LiveKit has to be asked.
    Unexpected,
    Changed(Change),
    /// It shows that a banned person's session is inside, and did this. Clients do not see the session.
    OfBanned(Box<Applied>),
}

impl Room {
    /// Applies one event, at most once.
    pub fn apply(&mut self, event: &Event, now: StoreTime, rules: &Rules) -> Applied {
        self.apply_noting(event, now, rules, &mut Vec::new())
    }

    /// As [`Self::apply`]. Adds who entered and who left the list to `transitions`.
    pub fn apply_noting(
        &mut self,
        event: &Event,
        now: StoreTime,
        rules: &Rules,
        transitions: &mut Vec<Transition>,
    ) -> Applied {
        if let Some(id) = &event.id
            && self.has_seen(id, now)
        {
            return self.seen_with_ban(event, Applied::Duplicate);
        }
        self.forget(now);
        if let Some(id) = &event.id {
            Arc::make_mut(&mut self.seen).insert(id.clone(), (), now);
        }
        self.knowledge.lapse(now, rules.extra_trust);
        let is_unexpected = self.is_unexpected(&event.kind);
        let leaves_hole = is_unexpected
            && self.knowledge.is_lost()
            && matches!(event.kind, EventKind::Left { .. });
        let mut diff = ViewDiff::default();
        self.lapse_ban_of(event, now, &mut diff);
        self.take(event, now, &mut diff);
        self.hear_metadata(event, now);
        self.knowledge.heard(now + rules.trust);
        self.heard_at = now;
        if leaves_hole {
            // Hubs may show the session that left: a gap in the versions makes all of them read the room again.
            self.version = self.version.next(now);
        }
        let change = self.end_step(diff, leaves_hole, Some(event.received_at), now, transitions);
        let applied = match change {
            Some(change) => Applied::Changed(change),
            None if is_unexpected => Applied::Unexpected,
            None => Applied::Unchanged,
        };
        self.seen_with_ban(event, applied)
    }

    /// Does what an event says.
    fn take(&mut self, event: &Event, now: StoreTime, diff: &mut ViewDiff) {
        match &event.kind {
            EventKind::Room(RoomLifecycle::Started) => self.start(event, now, diff),
            EventKind::Room(RoomLifecycle::Finished) => self.finish(event, now, diff),
            EventKind::Joined(info) => self.join(info, event, now, diff),
            EventKind::Left { sid, .. } => {
                self.take_waiting(sid);
                self.remove(sid, GoneBecause::Left, now, diff);
            }
            EventKind::TrackPublished { sid, track } => self.publish(sid, track, now, diff),
            EventKind::TrackUnpublished { sid, track } => self.unpublish(sid, track, now, diff),
        }
    }

    fn has_seen(&self, id: &EventId, now: StoreTime) -> bool {
        self.seen.get(id).is_some_and(|(seen_at, ())| *seen_at >= now - EVENT_MEMORY)
    }

    /// Whether it is about a session whose join was missed, or that was wrongly taken for gone.
    fn is_unexpected(&self, kind: &EventKind) -> bool {
        match kind {
            EventKind::Left { sid, was_active: true } => {
                self.held(sid).is_none() && !self.gone.contains(sid)
            }
            EventKind::TrackPublished { sid, .. } | EventKind::TrackUnpublished { sid, .. } => {
                self.held(sid).is_none() && (!self.gone.contains(sid) || self.is_missing(sid))
            }
            EventKind::Joined(info) => self.is_missing(&info.sid),
            EventKind::Left { was_active: false, .. } | EventKind::Room(_) => false,
        }
    }

    /// Whether it counts as gone only because LiveKit's lists omitted it.
    fn is_missing(&self, sid: &ParticipantSid) -> bool {
        self.gone_because(sid) == Some(GoneBecause::Missing)
    }

    /// Takes out the tracks that wait for a session.
    pub(super) fn take_waiting(&mut self, sid: &ParticipantSid) -> Option<Tracks> {
        if !self.waiting.contains(sid) {
            return None;
        }
        Arc::make_mut(&mut self.waiting).remove(sid)
    }

    /// Whether it may end a session. False is certain, and then the sessions need not be looked through.
    pub(super) fn may_end_somebody(&self, event: &Event) -> bool {
        match event.kind {
            EventKind::Room(RoomLifecycle::Started) => {
                self.inside.may_predate(start_horizon(event.created_at))
            }
            EventKind::Room(RoomLifecycle::Finished) => {
                self.inside.may_end_with(event.room_sid.as_ref(), event.created_at)
            }
            EventKind::Joined(_)
            | EventKind::Left { .. }
            | EventKind::TrackPublished { .. }
            | EventKind::TrackUnpublished { .. } => false,
        }
    }

    /// A node opened this room, empty: everybody who joined before is gone. This cleans up after a crash of LiveKit.
    fn start(&mut self, event: &Event, now: StoreTime, diff: &mut ViewDiff) {
        let is_older = self.started.is_some_and(|known| event.created_at < known.created_at);
        if is_older {
            return;
        }
        let started = Started { created_at: event.created_at, applied_at: now };
        let mut removed = 0;
        if self.may_end_somebody(event) {
            let horizon = started.horizon();
            let is_over = |session: &Session| session.joined_at < horizon;
            removed = self.remove_where(GoneBecause::Restarted, now, diff, is_over);
            diff.restarted(self.heard_at);
        }
        self.knowledge.started(removed > 0, now);
        self.opening = Opening::Open;
        self.epoch += 1;
        self.started = Some(started);
        self.learn_opening(event);
    }

    /// The room object with this sid closed, which ends the sessions in it.
    fn finish(&mut self, event: &Event, now: StoreTime, diff: &mut ViewDiff) {
        let finished = event.room_sid.as_ref();
        if self.may_end_somebody(event) {
            self.remove_where(GoneBecause::Finished, now, diff, |session| {
                session.opening.ended_with(finished, event.created_at, session.joined_at)
            });
        }
        self.epoch += 1;
        if self.is_the_end(finished, event.created_at) {
            self.opening = Opening::Closed;
            self.knowledge.finished(now);
        }
    }

    /// Whether a `room_finished` is about the opening that is known now, and not about an earlier one of the same name.
    fn is_the_end(&self, finished: Option<&RoomSid>, created_at: LiveKitTime) -> bool {
        let is_current = self.sid.is_none() || self.sid.as_ref() == finished;
        let is_later = self.started.is_none_or(|started| started.created_at <= created_at);
        is_current && is_later && self.inside.is_empty()
    }

    fn join(&mut self, info: &SessionInfo, event: &Event, now: StoreTime, diff: &mut ViewDiff) {
        // A `participant_joined` can come after the end of its session, and then its state says so.
        let is_missing = self.is_missing(&info.sid);
        let is_gone = self.gone.contains(&info.sid) && !is_missing;
        if info.state == SessionState::Disconnected || is_gone {
            return;
        }
        // A session belongs to one identity. A webhook that says otherwise is not believed.
        if self.sessions.get(&info.sid).is_some_and(|held| held.identity != info.identity) {
            return;
        }
        if self.is_superseded(&info.sid, &info.identity, info.joined_at) {
            self.take_waiting(&info.sid);
            self.remove(&info.sid, GoneBecause::Superseded, now, diff);
            return;
        }
        self.springs_up(event);
        if is_missing {
            self.list_was_wrong();
            Arc::make_mut(&mut self.gone).remove(&info.sid);
        }
        self.supersede_older(info, now, diff);
        self.take_in(info, event.room_sid.as_ref(), now, diff);
    }

    /// Adds the session of a `participant_joined`, or takes over what that says of one that is there.
    fn take_in(
        &mut self,
        info: &SessionInfo,
        room_sid: Option<&RoomSid>,
        now: StoreTime,
        diff: &mut ViewDiff,
    ) {
        self.touch(&info.identity, diff);
        if let Some(held) = self.sessions.get(&info.sid) {
            if info.version > held.version && !held.visible && info.is_visible() {
                diff.revealed(&info.sid, Entrance::Revealed);
            }
            self.amend(&info.sid, |session| {
                if info.version > session.version {
                    session.describe(info);
                    session.tracks.join(&info.tracks);
                }
                session.opening = OpeningOf::Said(room_sid.cloned());
                session.heard(now);
            });
            return;
        }
        let waiting = self.take_waiting(&info.sid);
        let mut session = Session::new(info, waiting, OpeningOf::Said(room_sid.cloned()), now);
        session.tracks.join(&info.tracks);
        session.heard(now);
        self.insert(session, diff);
    }

    /// Somebody is in a closed room, so its start was missed, and webhooks of others in it may have been lost too.
    fn springs_up(&mut self, event: &Event) {
        if self.opening == Opening::Closed {
            self.opening = Opening::Unknown;
            self.knowledge.missed_something();
        }
        self.learn_opening(event);
    }

    fn learn_opening(&mut self, event: &Event) {
        if event.room_sid.is_none() {
            return;
        }
        if event.room_created_at.is_some() || event.room_sid != self.sid {
            self.created_at = event.room_created_at;
        }
        self.sid.clone_from(&event.room_sid);
    }

    /// Whether the room holds a session of the identity that is newer than one that joined at `joined_at`.
    pub(super) fn is_superseded(
        &self,
        sid: &ParticipantSid,
        identity: &Identity,
        joined_at: LiveKitTime,
    ) -> bool {
        self.held_of(identity).any(|other| other.sid != *sid && other.joined_at > joined_at)
    }

    /// Removes older sessions of the identity: LiveKit ends an older session before a newer one begins.
    pub(super) fn supersede_older(
        &mut self,
        info: &SessionInfo,
        now: StoreTime,
        diff: &mut ViewDiff,
    ) {
        let sids = self.sids_of.get(&info.identity).cloned().unwrap_or_default();
        for sid in sids {
            let is_older = |other: &Session| other.joined_at < info.joined_at;
            if sid != info.sid && self.sessions.get(&sid).is_some_and(is_older) {
                self.remove(&sid, GoneBecause::Superseded, now, diff);
            }
        }
    }

    fn publish(
        &mut self,
        sid: &ParticipantSid,
        track: &Track,
        now: StoreTime,
        diff: &mut ViewDiff,
    ) {
        if let Some(tracks) = self.tracks_of(sid, now, diff) {
            tracks.publish(track, now);
        }
    }

    fn unpublish(
        &mut self,
        sid: &ParticipantSid,
        track: &TrackSid,
        now: StoreTime,
        diff: &mut ViewDiff,
    ) {
        if let Some(tracks) = self.tracks_of(sid, now, diff) {
            tracks.unpublish(track, now);
        }
    }

    /// The tracks that a track webhook of this session changes: its own, those that wait for it, or none once it is gone.
    fn tracks_of(
        &mut self,
        sid: &ParticipantSid,
        now: StoreTime,
        diff: &mut ViewDiff,
    ) -> Option<&mut Tracks> {
        let gone = self.gone_because(sid);
        let identity = self.sessions.get(sid).map(|session| session.identity.clone());
        let is_missing = gone == Some(GoneBecause::Missing);
        if is_missing {
            self.list_was_wrong();
        }
        let yields = gone.is_some_and(GoneBecause::yields_to_a_webhook);
        if is_missing || yields && identity.is_some() {
            Arc::make_mut(&mut self.gone).remove(sid);
        }
        if let Some(identity) = identity {
            self.touch(&identity, diff);
            self.amend(sid, |session| match gone {
                Some(because) if !because.yields_to_a_webhook() => session.heard_at = Some(now),
                Some(_) | None => session.heard(now),
            });
            let sessions = Arc::make_mut(&mut self.sessions);
            return sessions.get_mut(sid).map(|session| &mut session.tracks);
        }
        if gone.is_some() && !is_missing {
            return None;
        }
        let waiting = Arc::make_mut(&mut self.waiting);
        if !waiting.contains(sid) {
            waiting.insert(sid.clone(), Tracks::default(), now);
        }
        waiting.get_mut(sid)
    }

    /// Looks through all held sessions. Returns how many it removed.
    fn remove_where(
        &mut self,
        because: GoneBecause,
        now: StoreTime,
        diff: &mut ViewDiff,
        is_over: impl Fn(&Session) -> bool,
    ) -> usize {
        let over: Vec<ParticipantSid> = self
            .sessions
            .values()
            .filter(|session| session.is_held() && is_over(session))
            .map(|session| session.sid.clone())
            .collect();
        for sid in &over {
            self.remove(sid, because, now, diff);
        }
        self.recount();
        over.len()
    }
}
