//! What a moderator had LiveKit do, as repairs of a room: they apply LiveKit's answer at once, because it sends no webhook for most
//! of it, and the others come later.

use std::sync::Arc;

use super::{
    change::ViewDiff,
    gone::{Gone, GoneBecause},
    name::{Identity, ParticipantSid},
    opening::Opening,
    participant::{SessionInfo, SessionState, Track},
    repaired::Effect,
    repairs::{Repair, RepairCause, Repairs},
    room::Room,
    rules::Rules,
    session::Session,
    time::StoreTime,
    transition::Ending,
};

impl Repairs {
    /// What LiveKit answered to a moderator who asked at `asked_at`. The room was read before that.
    pub fn moderated(room: &Room, asked_at: StoreTime, steps: Vec<Repair>) -> Self {
        Self {
            asked_at,
            epoch: room.epoch,
            version: room.version,
            confirms: false,
            unlisted_at: None,
            cause: RepairCause::Moderation,
            steps,
        }
    }

    /// The sessions that LiveKit has removed, held by the room or not.
    pub(super) fn ended(&self) -> impl Iterator<Item = (&Identity, &ParticipantSid)> {
        self.steps.iter().filter_map(|step| match step {
            Repair::Ended { sid, identity } => Some((identity, sid)),
            _ => None,
        })
    }
}

impl Room {
    /// LiveKit has changed a participant, and answered with how they are now. Only the node that holds a session can do that, so
    /// the session lives.
    pub fn after_update(&self, info: &SessionInfo) -> Vec<Repair> {
        let alive = self.sessions.contains_key(&info.sid).then(|| Repair::Alive(info.sid.clone()));
        let described = match info.state {
            SessionState::Active => Repair::Add { session: info.clone(), suspect: false },
            SessionState::Connecting | SessionState::Disconnected => Repair::Update(info.clone()),
        };
        alive.into_iter().chain([described]).collect()
    }

    /// LiveKit has muted a track of this person, or has it heard again. Nothing if the track's session is not known.
    pub fn after_mute(&self, identity: &Identity, track: &Track) -> Vec<Repair> {
        let of_person: Vec<_> = self.of_person(identity).collect();
        let is_its =
            |session: &&&Session| session.tracks.published().any(|one| one.sid == track.sid);
        let owner = match &*of_person {
            // Its webhook may still be on its way.
            [only] => Some(*only),
            several => several.iter().find(is_its).copied(),
        };
        let steps = |session: &Session| {
            let muted = Repair::Muted { sid: session.sid.clone(), track: track.clone() };
            vec![Repair::Alive(session.sid.clone()), muted]
        };
        owner.map(steps).unwrap_or_default()
    }

    /// LiveKit has removed this person. The sessions that the room held before LiveKit was asked are gone, whichever of them it
    /// was: LiveKit ends an older one before a newer one begins.
    pub fn after_removal(&self, identity: &Identity) -> Vec<Repair> {
        self.of_person(identity).map(Session::as_ended).collect()
    }

    /// LiveKit has ended the room, and removed everybody.
    pub fn after_end(&self) -> Vec<Repair> {
        let mut sessions: Vec<_> = self.sessions.values().collect();
        sessions.sort_unstable_by_key(|session| (session.joined_at, &session.sid));
        sessions.into_iter().map(Session::as_ended).chain([Repair::Closed]).collect()
    }

    /// Whether the room has a session of this person, hidden or doubted ones too.
    pub fn knows(&self, identity: &Identity) -> bool {
        self.of_person(identity).next().is_some()
    }

    /// Whether the room has a session of this person that clients may not see.
    pub fn hides(&self, identity: &Identity) -> bool {
        self.of_person(identity).any(|session| !session.visible)
    }

    fn of_person(&self, identity: &Identity) -> impl Iterator<Item = &Session> {
        let sids = self.sids_of.get(identity).map(Vec::as_slice).unwrap_or_default();
        sids.iter().filter_map(|sid| self.sessions.get(sid))
    }

    /// A list, an update or a reading that was asked for later says more of the track.
    pub(super) fn mute(
        &mut self,
        sid: &ParticipantSid,
        track: &Track,
        asked_at: StoreTime,
        now: StoreTime,
        diff: &mut ViewDiff,
    ) -> Effect {
        let Some(held) = self.held(sid) else { return Effect::Outdated };
        let is_same = held.tracks.published().any(|one| one == track);
        let is_listed_since = held.life.listed.is_some_and(|listed| listed.asked_at > asked_at);
        let is_described_since = held.described_at > asked_at;
        let is_older = is_listed_since || is_described_since || self.compared_at > asked_at;
        if is_older && !is_same {
            return Effect::Outdated;
        }
        self.touch(&held.identity.clone(), diff);
        let mut is_newest = false;
        self.amend(sid, |held| is_newest = held.tracks.answer(track, asked_at, now));
        match (is_newest, is_same) {
            (true, true) => Effect::Noted,
            (true, false) => Effect::Updated,
            (false, _) => Effect::Outdated,
        }
    }

    /// It is remembered as its own leave, so that its webhooks that are still on their way change nothing.
    pub(super) fn end(
        &mut self,
        sid: &ParticipantSid,
        now: StoreTime,
        diff: &mut ViewDiff,
    ) -> Effect {
        self.take_waiting(sid);
        if self.sessions.contains_key(sid) {
            self.remove(sid, GoneBecause::Left, now, diff);
            diff.ended(sid, Ending::Removed);
            return Effect::Removed;
        }
        if self.gone.contains(sid) {
            return Effect::Outdated;
        }
        let gone = Gone { because: GoneBecause::Left, was_hidden: false };
        Arc::make_mut(&mut self.gone).insert(sid.clone(), gone, now);
        Effect::Noted
    }

    /// Closes the room as its `room_finished` does, unless somebody has joined since: then that webhook decides.
    pub(super) fn close(&mut self, now: StoreTime, rules: &Rules) -> Effect {
        if self.opening == Opening::Closed || !self.inside.is_empty() {
            return Effect::Outdated;
        }
        self.epoch += 1;
        self.opening = Opening::Closed;
        self.knowledge.finished(now);
        self.knowledge.heard(now + rules.trust);
        Effect::Noted
    }
}

impl Session {
    fn as_ended(&self) -> Repair {
        Repair::Ended { sid: self.sid.clone(), identity: self.identity.clone() }
    }
}
