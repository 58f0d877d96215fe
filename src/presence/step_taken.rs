//! What a step on a room says to the room's history.
//!
//! The times of three clocks meet here: a join has LiveKit's, a leave that of the instance which took its webhook, and what a
//! comparison found the store's. They are taken for one.

use std::collections::HashSet;

use super::{
    event::{Event, EventKind, RoomLifecycle},
    name::{ParticipantSid, RoomSid},
    opening::Opening,
    participant::{Participant, SessionInfo},
    record::{Closed, Left, LeftWhy, Media, Moment, Opened, Record, Shown, Stay, ToldBy},
    reduce::Applied,
    repaired::Repaired,
    room::Room,
    session::OpeningOf,
    time::{LiveKitTime, StoreTime},
    transition::{Ending, Entrance, Transition},
};

/// LiveKit gives the time of an event in whole seconds. A webhook that arrives within this time of it was not delayed, and then its
/// arrival is the better time.
const PROMPT_MILLIS: u64 = 2_000;

/// A step that was taken on a room, as far as the room's history is concerned.
#[derive(Clone, Copy, Debug)]
pub struct StepTaken<'step> {
    /// The room after the step; at least the sessions of everybody whom the step was about.
    pub room: &'step Room,
    pub transitions: &'step [Transition],
    /// The people whom the list shows otherwise than before.
    pub updated: &'step [Participant],
    /// The webhook behind it, unless it had been applied before; none where it is a comparison's repair.
    pub event: Option<&'step Event>,
    /// Whether it found that the room has ended, which no webhook had said.
    pub found_ended: bool,
    pub now: StoreTime,
    /// Whether metadata is kept.
    pub metadata: bool,
}

impl<'step> StepTaken<'step> {
    /// The step that applied a webhook.
    pub fn of_event(
        room: &'step Room,
        event: &'step Event,
        applied: &'step Applied,
        transitions: &'step [Transition],
        now: StoreTime,
        metadata: bool,
    ) -> Self {
        let updated = applied.change().map_or(&[][..], |change| &change.updated);
        let event = Some(event).filter(|_| !applied.is_duplicate());
        Self { room, transitions, updated, event, found_ended: false, now, metadata }
    }

    /// The step that applied repairs.
    pub fn of_repair(
        room: &'step Room,
        repaired: &'step Repaired,
        transitions: &'step [Transition],
        now: StoreTime,
        metadata: bool,
    ) -> Self {
        let updated = repaired.change.as_ref().map_or(&[][..], |change| &change.updated);
        let found_ended = repaired.found_ended;
        Self { room, transitions, updated, event: None, found_ended, now, metadata }
    }

    /// The step that set or lifted a ban.
    pub fn of_ban(
        room: &'step Room,
        transitions: &'step [Transition],
        now: StoreTime,
        metadata: bool,
    ) -> Self {
        Self { room, transitions, updated: &[], event: None, found_ended: false, now, metadata }
    }

    /// What the history has to know of it, in order.
    pub fn records(&self) -> Vec<Record> {
        let told: HashSet<_> = self.transitions.iter().map(Transition::sid).collect();
        // Where one session replaces another, it comes right after it.
        let next = self.transitions.iter().skip(1).map(Some).chain([None]);
        let mut records: Vec<_> = self
            .transitions
            .iter()
            .zip(next)
            .map(|(one, next)| self.of_transition(one, next))
            .collect();
        let updated = self.updated.iter().filter(|participant| !told.contains(&participant.sid));
        records.extend(updated.map(|participant| Record::Shown(self.shown(participant))));
        records.extend(self.unseen(&told));
        records.extend(self.opened());
        records.extend(self.closed());
        records
    }

    fn of_transition(&self, transition: &Transition, next: Option<&Transition>) -> Record {
        match transition {
            Transition::Joined(participant, Entrance::Joined) => {
                Record::Shown(self.shown(participant))
            }
            Transition::Joined(participant, Entrance::Revealed | Entrance::Unbanned) => {
                let shown = self.shown(participant);
                Record::Shown(Shown { since: shown.at, is_revealed: true, ..shown })
            }
            Transition::Left(participant, ending) => {
                let (at, why) = self.end(participant, *ending, next);
                let room_sid = match ending {
                    Ending::Finished => self.event.and_then(|event| event.room_sid.as_ref()),
                    _ => None,
                };
                Record::Left(self.left(participant, at, why, room_sid))
            }
        }
    }

    /// What a webhook says of its own session where the list does not show that it came. If the session was hidden in the end, it
    /// says nothing, even if LiveKit describes it as visible: that would tell of the time when nobody could see it.
    fn unseen(&self, told: &HashSet<&ParticipantSid>) -> Option<Record> {
        let event = self.event?;
        let is_told = event.sid().is_none_or(|sid| told.contains(sid));
        if is_told || self.room.keeps_unseen(event, self.now) {
            return None;
        }
        match &event.kind {
            EventKind::Joined(info) if info.is_visible() => self.unseen_join(info, event),
            // Its join was lost, or it was taken for gone before.
            EventKind::Left { was_active: true, .. } => {
                let participant = event.details.participant.as_ref()?;
                let at = said_at(event);
                Some(Record::Left(self.left(participant, at, LeftWhy::Said, None)))
            }
            EventKind::Joined(_)
            | EventKind::Left { was_active: false, .. }
            | EventKind::TrackPublished { .. }
            | EventKind::TrackUnpublished { .. }
            | EventKind::Room(_) => None,
        }
    }

    /// A join that the list had shown before, or one that came too late for the list.
    fn unseen_join(&self, info: &SessionInfo, event: &Event) -> Option<Record> {
        if let Some(held) = self.room.held(&info.sid) {
            // It may be doubted or hidden, and a webhook that gives it to somebody else is not believed.
            let is_its_own = held.identity == info.identity;
            let is_told = self.updated.iter().any(|one| one.sid == info.sid);
            let shown = self.room.shown_session(&info.sid).filter(|_| is_its_own && !is_told);
            return shown.map(|shown| Record::Shown(self.shown(&shown)));
        }
        let newer = self.room.held_of(&info.identity).map(|other| other.joined_at);
        let replaced_at = newer.filter(|joined_at| *joined_at > info.joined_at).min();
        let at = guess(replaced_at.unwrap_or_else(|| said_at(event).at));
        Some(Record::Left(self.left(&info.as_participant(), at, LeftWhy::Concluded, None)))
    }

    fn opened(&self) -> Option<Record> {
        let event = self.event?;
        let EventKind::Room(RoomLifecycle::Started) = event.kind else { return None };
        let created_at = event.room_created_at.unwrap_or(event.created_at);
        let sid = event.room_sid.clone()?;
        Some(Record::Opened(Opened { sid, created_at, at: event.created_at }))
    }

    fn closed(&self) -> Option<Record> {
        if self.found_ended {
            let (sid, at) = (self.room.sid().cloned()?, guess(self.now()));
            let told_by = ToldBy::Comparison;
            return Some(Record::Closed(Closed { sid, at, reason: None, told_by }));
        }
        let event = self.event?;
        let EventKind::Room(RoomLifecycle::Finished) = event.kind else { return None };
        let sid = event.room_sid.clone()?;
        let reason = event.details.room_end_reason.clone();
        Some(Record::Closed(Closed { sid, at: said_at(event), reason, told_by: ToldBy::Webhook }))
    }

    fn shown(&self, participant: &Participant) -> Shown {
        let own = self.own(participant);
        let said = own.and_then(|event| event.room_sid.as_ref());
        let at = own.map_or(self.now(), |event| said_at(event).at).max(participant.joined_at);
        let stay = self.stay(participant, said.or_else(|| self.opening_of(&participant.sid)), at);
        let since = stay.joined_at;
        let (media, told_by) = (Media::of(participant), told_by(own));
        Shown { stay, since, is_revealed: false, media, at, told_by }
    }

    fn left(
        &self,
        participant: &Participant,
        at: Moment,
        why: LeftWhy,
        room_sid: Option<&RoomSid>,
    ) -> Left {
        let own = self.own(participant);
        let said = own.filter(|_| why == LeftWhy::Said);
        let room_sid = own.and_then(|event| event.room_sid.as_ref()).or(room_sid);
        Left {
            stay: self.stay(participant, room_sid, at.at),
            at: at.not_before(participant.joined_at),
            reason: said.and_then(|event| event.details.disconnect_reason.clone()),
            why,
            told_by: told_by(own.filter(|_| why != LeftWhy::Concluded)),
        }
    }

    /// When a session that the list does not show any more ended, and who says so. `next` is the transition after its own.
    fn end(
        &self,
        participant: &Participant,
        ending: Ending,
        next: Option<&Transition>,
    ) -> (Moment, LeftWhy) {
        let own = || self.own(participant).map_or(guess(self.now()), said_at);
        let concluded = |at| (guess(at), LeftWhy::Concluded);
        match ending {
            Ending::Said => (own(), LeftWhy::Said),
            Ending::Hidden | Ending::Banned => (own(), LeftWhy::Hidden),
            // Its own webhook may still come, and says more.
            Ending::Removed => concluded(self.now()),
            Ending::Superseded => concluded(self.joined_instead(participant, next)),
            Ending::Finished => concluded(self.event.map_or(self.now(), |event| said_at(event).at)),
            Ending::Missing { since } => concluded(as_livekits(since)),
            Ending::Restarted { last_sign } | Ending::Evicted { last_sign } => {
                concluded(as_livekits(last_sign))
            }
        }
    }

    /// When the session joined that replaced this one.
    fn joined_instead(&self, old: &Participant, next: Option<&Transition>) -> LiveKitTime {
        if let Some(Transition::Joined(newer, _)) = next
            && newer.identity == old.identity
        {
            return newer.joined_at;
        }
        match self.event.map(|event| &event.kind) {
            // A hidden one.
            Some(EventKind::Joined(newer)) if newer.identity == old.identity => newer.joined_at,
            Some(_) | None => self.event.map_or(self.now(), |event| said_at(event).at),
        }
    }

    fn stay(&self, participant: &Participant, room_sid: Option<&RoomSid>, at: LiveKitTime) -> Stay {
        let profile = &participant.profile;
        let metadata = self.metadata.then(|| profile.metadata.clone());
        let says_when = participant.joined_at > LiveKitTime::default();
        Stay {
            sid: participant.sid.clone(),
            identity: participant.identity.clone(),
            room_sid: room_sid.cloned(),
            joined_at: if says_when { participant.joined_at } else { at },
            name: profile.name.clone(),
            kind: profile.kind.clone(),
            agent: profile.is_agent(),
            metadata: metadata.filter(|metadata| !metadata.is_empty()),
        }
    }

    /// The life of the room that a session belongs to, if the room knows.
    fn opening_of(&self, sid: &ParticipantSid) -> Option<&'step RoomSid> {
        let session = self.room.held(sid)?;
        match &session.opening {
            OpeningOf::Said(said) => said.as_ref(),
            // A list showed it. The life that was known then may have been over.
            OpeningOf::Supposed(_) if self.room.opening == Opening::Closed => None,
            OpeningOf::Supposed(_)
                if self.room.created_at.is_some_and(|made| made <= session.joined_at) =>
            {
                self.room.sid()
            }
            OpeningOf::Supposed(supposed) => supposed.as_ref(),
        }
    }

    /// The webhook, if it is about this session.
    fn own(&self, participant: &Participant) -> Option<&'step Event> {
        self.event.filter(|event| event.sid() == Some(&participant.sid))
    }

    fn now(&self) -> LiveKitTime {
        as_livekits(self.now)
    }
}

impl Moment {
    /// The same, but no earlier than `beginning`. Where the clocks disagree so much, it is a guess.
    fn not_before(self, beginning: LiveKitTime) -> Self {
        if self.at < beginning { guess(beginning) } else { self }
    }
}

fn guess(at: LiveKitTime) -> Moment {
    Moment { at, exact: false }
}

fn told_by(own: Option<&Event>) -> ToldBy {
    if own.is_some() { ToldBy::Webhook } else { ToldBy::Comparison }
}

/// When an event happened: its webhook's arrival, if that was prompt; else LiveKit's whole second.
fn said_at(event: &Event) -> Moment {
    let arrived = i64::try_from(event.received_at.as_millis()).unwrap_or(i64::MAX);
    let said = event.created_at.as_millis();
    let is_prompt = arrived.abs_diff(said) <= PROMPT_MILLIS;
    let at = if is_prompt || said == 0 { arrived } else { said };
    Moment { at: LiveKitTime::from_millis(at), exact: is_prompt }
}

fn as_livekits(time: StoreTime) -> LiveKitTime {
    LiveKitTime::from_millis(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}
