//! One room: its sessions, what it remembers of sessions that are gone, and the list that clients see.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{
    bans::Ban,
    change::{Change, Difference, ViewDiff},
    counts::{Counts, RunningCounts},
    gone::{Gone, GoneBecause},
    inside::Inside,
    knowledge::{Completeness, Knowledge},
    metadata::Metadata,
    name::{EventId, Identity, ParticipantSid, RoomSid},
    opening::{Opening, Started},
    participant::Participant,
    remembered::Remembered,
    session::{Session, Standing},
    time::{HostTime, LiveKitTime, StoreTime, Version},
    tracks::{TRACK_MEMORY, Tracks},
    transition::Transition,
};

/// How long an event's id is remembered: longer than a webhook's token lives (5 min) plus the leeway.
pub const EVENT_MEMORY: Duration = Duration::from_mins(10);

/// How long a session that is gone is remembered.
pub const GONE_MEMORY: Duration = Duration::from_hours(24);

/// How long a room is kept after its last write.
pub const ROOM_MEMORY: Duration = Duration::from_hours(24);

/// The state of one room. What a store keeps, and what the rules change.
///
/// Copies share what grows with the people inside until one of them changes it, so that a copy that only confirms the room costs
/// the same for any number of people.
#[derive(Clone, Debug, Default)]
pub struct Room {
    pub(super) version: Version,
    pub(super) sid: Option<RoomSid>,
    /// When LiveKit made the room object with this sid, by its clock.
    pub(super) created_at: Option<LiveKitTime>,
    /// Raised by every start and finish: repairs computed before it do not apply after it.
    pub(super) epoch: u64,
    pub(super) knowledge: Knowledge,
    pub(super) opening: Opening,
    /// When LiveKit was asked for the newest list that the room was brought into line with.
    pub(super) compared_at: StoreTime,
    pub(super) started: Option<Started>,
    pub(super) metadata: Metadata,
    /// When the newest webhook of this room was applied; zero if none is known.
    pub(super) heard_at: StoreTime,
    /// When the rules last evicted a session: sessions that have shown no life since are probed.
    pub(super) evicted_at: Option<StoreTime>,
    /// Those that are in the room or may be, and those that are kept as missing.
    pub(super) sessions: Arc<HashMap<ParticipantSid, Session>>,
    pub(super) sids_of: Arc<HashMap<Identity, Vec<ParticipantSid>>>,
    pub(super) counts: RunningCounts,
    pub(super) inside: Inside,
    pub(super) gone: Arc<Remembered<ParticipantSid, Gone>>,
    /// Tracks of sessions that are not known yet.
    pub(super) waiting: Arc<Remembered<ParticipantSid, Tracks>>,
    pub(super) seen: Arc<Remembered<EventId>>,
    /// Those whose time is over stay until the next step about that person.
    pub(super) bans: Arc<HashMap<Identity, Ban>>,
    /// None of them ends later. The one that ended then may have been lifted.
    pub(super) banned_until: StoreTime,
}

impl Room {
    /// Zero for a room that no event or comparison ever touched.
    pub fn version(&self) -> Version {
        self.version
    }

    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether its list is everybody, and until when.
    pub fn completeness(&self) -> Completeness {
        self.knowledge.completeness_with(&self.inside)
    }

    /// When LiveKit was asked for the newest list that the room was brought into line with; zero if it never was.
    pub fn compared_at(&self) -> StoreTime {
        self.compared_at
    }

    /// Whether hubs may show people in it whom the store does not know, or knows no longer. See [`Knowledge`].
    pub fn is_lost(&self) -> bool {
        self.knowledge.is_lost()
    }

    /// Whether it remembers that a session is gone.
    pub fn is_gone(&self, sid: &ParticipantSid) -> bool {
        self.gone.contains(sid)
    }

    /// Whether a webhook has told, at `since` or later, of a session that is in the room or may be.
    pub fn has_heard_of(&self, sid: &ParticipantSid, since: StoreTime) -> bool {
        self.held(sid).is_some_and(|held| held.heard_at.is_some_and(|at| at >= since))
    }

    /// LiveKit's id of the room as it is open now.
    pub fn sid(&self) -> Option<&RoomSid> {
        self.sid.as_ref()
    }

    /// The life of the room that is known to go on: LiveKit's id of it, and when LiveKit made the room object, if it said so.
    pub fn open_instance(&self) -> Option<(&RoomSid, Option<LiveKitTime>)> {
        let sid = self.sid.as_ref().filter(|_| self.opening != Opening::Closed)?;
        Some((sid, self.created_at))
    }

    /// Whether the room belongs in the list of rooms: somebody is visible in it, or LiveKit said that it exists.
    pub fn is_active(&self) -> bool {
        self.count() > 0 || self.opening == Opening::Open
    }

    /// Whether the list has a caller whose call will soon be answered or given up.
    pub fn has_somebody_called(&self) -> bool {
        let is_shown = |session: &&Session| {
            let is_there = session.visible && session.standing == Standing::Present;
            is_there && !self.is_banned(&session.identity)
        };
        self.sessions.values().filter(is_shown).any(|session| session.profile.is_being_called())
    }

    /// How many participants the list has.
    pub fn count(&self) -> usize {
        self.counts.participants()
    }

    /// The numbers of the list.
    pub fn counts(&self) -> Counts {
        self.counts.counts()
    }

    /// Whether a recorder or egress is inside, by which LiveKit sets a room's `active_recording`. None where the row of an older
    /// release does not tell.
    pub fn has_recorder(&self) -> Option<bool> {
        self.counts.parts().map(|_| self.inside.has_recorder())
    }

    /// Since when the room is open, by LiveKit's clock: when LiveKit made the room object, or else its `room_started`. None if
    /// neither is known of this opening.
    pub fn started_at(&self) -> Option<LiveKitTime> {
        match self.opening {
            Opening::Open => self.created_at.or(self.started.map(|started| started.created_at)),
            Opening::Unknown => self.created_at,
            Opening::Closed => None,
        }
    }

    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values()
    }

    /// The list: one participant per identity, in order of join time, then identity.
    pub fn list(&self) -> Vec<Participant> {
        let mut list: Vec<_> =
            self.sids_of.keys().filter_map(|identity| self.shown(identity)).collect();
        list.sort_unstable_by(|a, b| a.order().cmp(&b.order()));
        list
    }

    /// What clients see of an identity: its newest session that is present, unless that one is hidden. Nothing of somebody who is
    /// banned.
    pub fn shown(&self, identity: &Identity) -> Option<Participant> {
        self.newest_shown(identity).map(Session::as_participant)
    }

    fn newest_shown(&self, identity: &Identity) -> Option<&Session> {
        let newest = self
            .sids_of
            .get(identity)?
            .iter()
            .filter_map(|sid| self.sessions.get(sid))
            .filter(|session| session.standing == Standing::Present)
            .max_by_key(|session| (session.joined_at, &session.sid))?;
        (newest.visible && !self.is_banned(identity)).then_some(newest)
    }

    /// The numbers of these identities, as the list has them.
    pub(super) fn counts_of<'one>(
        &self,
        identities: impl Iterator<Item = &'one Identity>,
    ) -> Counts {
        let mut counts = Counts::default();
        for session in identities.filter_map(|identity| self.newest_shown(identity)) {
            counts.add(session.profile.is_agent(), session.tracks.has_published());
        }
        counts
    }

    /// The participant that clients see of a session; none if they do not see it.
    pub fn shown_session(&self, sid: &ParticipantSid) -> Option<Participant> {
        let session = self.sessions.get(sid)?;
        self.shown(&session.identity).filter(|shown| shown.sid == *sid)
    }

    /// Whether a session is gone, and clients might not see it in the end.
    pub(super) fn was_hidden(&self, sid: &ParticipantSid) -> bool {
        self.gone.get(sid).is_some_and(|(_, gone)| gone.was_hidden)
    }

    /// Why a session is gone; none if it is not, or if that is not remembered.
    pub(super) fn gone_because(&self, sid: &ParticipantSid) -> Option<GoneBecause> {
        self.gone.get(sid).map(|(_, gone)| gone.because)
    }

    /// Whether this session joined before the room started anew, and has shown no life since.
    pub(super) fn predates_start(&self, joined_at: LiveKitTime, alive_at: StoreTime) -> bool {
        self.started
            .is_some_and(|started| joined_at < started.horizon() && alive_at <= started.applied_at)
    }

    /// Raises the version above `shown`, which was shown before, and marks the room as lost. Does nothing, and returns false, if
    /// the version is not below it.
    pub fn advance(&mut self, shown: Version, now: StoreTime) -> bool {
        let is_below = self.version < shown;
        if is_below {
            self.version = shown.next(now);
            self.knowledge.lose();
            self.epoch += 1;
        }
        is_below
    }

    /// Puts back a session that the counts already have.
    pub(super) fn restore(&mut self, session: Session) {
        let sids = Arc::make_mut(&mut self.sids_of).entry(session.identity.clone()).or_default();
        sids.push(session.sid.clone());
        Arc::make_mut(&mut self.sessions).insert(session.sid.clone(), session);
    }

    /// Whether anything is kept of a session.
    pub(super) fn remembers(&self, sid: &ParticipantSid) -> bool {
        self.sessions.contains_key(sid) || self.gone.contains(sid) || self.waiting.contains(sid)
    }

    /// A session, unless it is only kept as missing.
    pub(super) fn held(&self, sid: &ParticipantSid) -> Option<&Session> {
        self.sessions.get(sid).filter(|session| session.is_held())
    }

    /// The held sessions of an identity.
    pub(super) fn held_of(&self, identity: &Identity) -> impl Iterator<Item = &Session> {
        let sids = self.sids_of.get(identity).map(Vec::as_slice).unwrap_or_default();
        sids.iter().filter_map(|sid| self.held(sid))
    }

    pub(super) fn insert(&mut self, session: Session, diff: &mut ViewDiff) {
        self.touch(&session.identity, diff);
        let sids = Arc::make_mut(&mut self.sids_of).entry(session.identity.clone()).or_default();
        sids.push(session.sid.clone());
        self.inside.add(&session);
        Arc::make_mut(&mut self.sessions).insert(session.sid.clone(), session);
    }

    /// Changes a session if it is there, and updates the counts. The caller has touched the identity if clients may see the
    /// change.
    pub(super) fn amend(&mut self, sid: &ParticipantSid, change: impl FnOnce(&mut Session)) {
        if let Some(session) = Arc::make_mut(&mut self.sessions).get_mut(sid) {
            self.inside.take(session);
            change(session);
            self.inside.add(session);
        }
    }

    /// Counts all sessions again.
    pub(super) fn recount(&mut self) {
        self.inside = Inside::of(self.sessions.values());
    }

    /// Removes a session if it is there, and remembers it as gone. A missing one is kept as it was, unless it was evicted.
    pub(super) fn remove(
        &mut self,
        sid: &ParticipantSid,
        because: GoneBecause,
        now: StoreTime,
        diff: &mut ViewDiff,
    ) {
        let session = self.sessions.get(sid);
        let is_hidden = |held: &Session| !held.visible || self.is_banned(&held.identity);
        let was_hidden = session.map_or_else(|| self.was_hidden(sid), is_hidden);
        Arc::make_mut(&mut self.gone).insert(sid.clone(), Gone { because, was_hidden }, now);
        let Some(session) = session else { return };
        if session.standing == Standing::Present {
            diff.ended(sid, because.ending(session, now));
        }
        let is_ghost = session.standing == Standing::Evicted;
        self.touch(&session.identity, diff);
        if because == GoneBecause::Missing && !is_ghost {
            self.amend(sid, |session| {
                session.standing = Standing::Missing;
                session.life.missing_since = Some(now);
            });
        } else {
            self.drop_session(sid);
        }
    }

    /// Takes a session out, if it is there. Clients must not see it, or its identity must have been touched.
    pub(super) fn drop_session(&mut self, sid: &ParticipantSid) -> Option<Session> {
        let session = Arc::make_mut(&mut self.sessions).remove(sid)?;
        self.inside.take(&session);
        let sids_of = Arc::make_mut(&mut self.sids_of);
        if let Some(sids) = sids_of.get_mut(&session.identity) {
            sids.retain(|other| other != sid);
            if sids.is_empty() {
                sids_of.remove(&session.identity);
            }
        }
        Some(session)
    }

    /// A session that counted as missing shows life. The list that omitted it was wrong, perhaps about others too.
    pub(super) fn list_was_wrong(&mut self) {
        self.knowledge.missed_something();
        if self.opening == Opening::Closed {
            self.opening = Opening::Unknown;
        }
    }

    pub(super) fn touch(&self, identity: &Identity, diff: &mut ViewDiff) {
        diff.touch(identity, || self.shown(identity));
    }

    /// Forgets what is past its time.
    pub(super) fn forget(&mut self, now: StoreTime) {
        // What copies of the room share is copied only where something is forgotten.
        if self.seen.has_older_than(now - EVENT_MEMORY) {
            Arc::make_mut(&mut self.seen).forget_before(now - EVENT_MEMORY, now, |_| false);
        }
        if self.waiting.has_older_than(now - TRACK_MEMORY) {
            Arc::make_mut(&mut self.waiting).forget_before(now - TRACK_MEMORY, now, |_| false);
        }
        if self.gone.has_older_than(now - GONE_MEMORY) {
            let is_there = |sid: &ParticipantSid| self.sessions.contains_key(sid);
            Arc::make_mut(&mut self.gone).forget_before(now - GONE_MEMORY, now, is_there);
        }
    }

    /// Ends a step. Raises the version if clients see a difference, if the room is new, or if it `is_another`: hubs may show a
    /// list that differs. Adds who entered and who left the list to `transitions`.
    pub(super) fn end_step(
        &mut self,
        diff: ViewDiff,
        is_another: bool,
        received_at: Option<HostTime>,
        now: StoreTime,
        transitions: &mut Vec<Transition>,
    ) -> Option<Change> {
        let (before, after) = (diff.counts_before(), self.counts_of(diff.touched()));
        let Difference { joined, updated, left, transitions: more } =
            diff.finish(|identity| self.shown(identity));
        transitions.extend(more);
        let is_new = self.version == Version::ZERO;
        let is_same = joined.is_empty() && updated.is_empty() && left.is_empty();
        if is_same && !is_new && !is_another {
            return None;
        }
        if is_new {
            self.knowledge.first_known();
        }
        self.counts.step(before, after);
        let prev = self.version;
        self.version = prev.next(now);
        Some(Change {
            prev,
            version: self.version,
            completeness: self.completeness(),
            is_lost: self.is_lost(),
            joined,
            updated,
            left,
            received_at,
        })
    }
}
