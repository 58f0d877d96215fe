//! A part of a room: the room's own row, and the rows of some persons. A store outside this process runs the rules on it, so that
//! a join does not read the ten thousand others.
//!
//! A slice has no list and no sessions to look through. A step that needs everybody says so, and is taken again on a slice that
//! has everybody. Most starts and ends of a room end no session, which the room's own row can tell.

mod bans;
mod metadata;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

pub use self::metadata::MetadataRow;

use super::{
    counts::{Counts, MAX_COUNTED_BY_EVENT, RunningCounts},
    event::Event,
    knowledge::Completeness,
    metadata::{Metadata, MetadataDigest},
    name::{Identity, ParticipantSid, RoomSid},
    participant::Participant,
    reduce::Applied,
    repaired::Repaired,
    repairs::Repairs,
    room::Room,
    row::{PersonRow, ROW_FORMAT, RoomRow},
    rules::Rules,
    session::Session,
    slice_person::Person,
    time::{LiveKitTime, StoreTime, Version},
    transition::Transition,
};

/// A part of a room.
#[derive(Clone, Debug, Default)]
pub struct RoomSlice {
    /// The room, with the sessions of only those persons whose rows are held. Its counts include everybody.
    room: Room,
    persons: HashMap<Identity, Person>,
    nameless: Person,
    kept_until: StoreTime,
    has_everybody: bool,
    /// Of the metadata that the store holds.
    stored_metadata: MetadataDigest,
}

/// What a step needs that this slice does not have. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Needs {
    /// This person's row.
    Person(Identity),
    /// All rows of the room.
    Everybody,
}

/// A step that was taken.
#[derive(Debug)]
pub struct Step<T> {
    pub outcome: T,
    /// Whose rows it changed, apart from the room's own.
    pub touched: Vec<Identity>,
    /// Who entered and who left the list.
    pub transitions: Vec<Transition>,
}

impl RoomSlice {
    /// A slice with the room's own row alone; none where the store does not hold the room, and then nobody is in it.
    pub fn new(row: Option<RoomRow>) -> Self {
        let Some(row) = row else {
            return Self { has_everybody: true, ..Self::default() };
        };
        let mut slice = Self {
            room: Room {
                version: row.version,
                sid: row.sid,
                created_at: row.created_at,
                epoch: row.epoch,
                knowledge: row.knowledge,
                opening: row.opening,
                compared_at: row.compared_at,
                started: row.started,
                metadata: Metadata { mark: row.metadata, text: None },
                heard_at: row.heard_at,
                evicted_at: row.evicted_at,
                counts: RunningCounts::restore(row.visible, row.counts),
                inside: row.inside,
                banned_until: row.banned_until,
                ..Room::default()
            },
            kept_until: row.kept_until,
            ..Self::default()
        };
        slice.nameless = Person::recall(row.nameless, &mut slice.room);
        slice.stored_metadata = slice.room.metadata_digest();
        slice
    }

    /// Takes in a person's row, unless it is held already; none where the store has none.
    pub fn load(&mut self, identity: &Identity, row: Option<PersonRow>) {
        if self.persons.contains_key(identity) {
            return;
        }
        let mut person = Person::default();
        if let Some(mut row) = row {
            let sessions = std::mem::take(&mut row.sessions);
            if let Some(ban) = row.ban.take() {
                self.room.restore_ban(identity, ban);
            }
            person = Person::recall(row, &mut self.room);
            for mut session in sessions {
                session.identity = identity.clone();
                person.sids.insert(session.sid.clone());
                self.room.restore(session);
            }
        }
        self.persons.insert(identity.clone(), person);
    }

    /// Every row was loaded: a person who is not held is not in the room.
    pub fn loaded_everybody(&mut self) {
        let room = &mut self.room;
        room.recount();
        room.find_end_of_bans();
        room.counts = room.counts_of(room.sids_of.keys()).into();
        self.has_everybody = true;
    }

    pub fn holds(&self, identity: &Identity) -> bool {
        self.has_everybody || self.persons.contains_key(identity)
    }

    pub fn has_everybody(&self) -> bool {
        self.has_everybody
    }

    pub fn version(&self) -> Version {
        self.room.version
    }

    /// LiveKit's id of the room as it is open now.
    pub fn sid(&self) -> Option<&RoomSid> {
        self.room.sid()
    }

    /// The room with what is held of it. It has no list and no sessions to look through, unless everybody is held.
    pub fn as_held(&self) -> &Room {
        &self.room
    }

    /// As [`Room::shown_session`], if the row of its person is held.
    pub fn shown_session(&self, sid: &ParticipantSid) -> Option<Participant> {
        self.room.shown_session(sid)
    }

    pub fn completeness(&self) -> Completeness {
        self.room.completeness()
    }

    pub fn is_active(&self) -> bool {
        self.room.is_active()
    }

    /// The numbers of the list.
    pub fn counts(&self) -> Counts {
        self.room.counts()
    }

    pub fn has_recorder(&self) -> Option<bool> {
        self.room.has_recorder()
    }

    pub fn started_at(&self) -> Option<LiveKitTime> {
        self.room.started_at()
    }

    pub fn kept_until(&self) -> StoreTime {
        self.kept_until
    }

    pub fn keep_until(&mut self, time: StoreTime) {
        self.kept_until = time;
    }

    /// The room as it is remembered at `now`, if everybody is held.
    pub fn into_room(mut self, now: StoreTime) -> Option<Room> {
        self.room.forget(now);
        self.has_everybody.then_some(self.room)
    }

    /// At most `limit` persons whose rows can be deleted, because nothing in them has to be remembered any more.
    pub fn forget_some(&mut self, limit: usize, now: StoreTime) -> Vec<Identity> {
        self.room.forget(now);
        let room = &self.room;
        let is_over = |identity: &Identity, person: &Person| {
            let is_banned = room.ban_of(identity).is_some_and(|ban| ban.holds_at(now));
            let is_remembered = is_banned || person.sids.iter().any(|sid| room.remembers(sid));
            !is_remembered && person.has_forgotten_events(now)
        };
        let over = self.persons.iter().filter(|(identity, person)| is_over(identity, person));
        let over: Vec<_> = over.map(|(identity, _)| identity.clone()).take(limit).collect();
        for identity in &over {
            self.room.forget_ban(identity);
            self.persons.insert(identity.clone(), Person::default());
        }
        over
    }

    /// As [`Room::apply`].
    ///
    /// # Errors
    /// [`Needs`] says which rows are missing.
    pub fn apply(
        &mut self,
        event: &Event,
        now: StoreTime,
        rules: &Rules,
    ) -> Result<Step<Applied>, Needs> {
        let owner = self.owner_of(event)?;
        let is_to_count = self.lacks_counts() && self.room.count() <= MAX_COUNTED_BY_EVENT;
        if !self.has_everybody && (is_to_count || self.room.may_end_somebody(event)) {
            return Err(Needs::Everybody);
        }
        let mut transitions = Vec::new();
        let (outcome, touched) = match event.sid() {
            Some(sid) => {
                self.person(owner.as_ref()).sids.insert(sid.clone());
                let held_by = self.room.sessions.get(sid).map(|session| session.identity.clone());
                let touched: BTreeSet<_> = owner.iter().cloned().chain(held_by).collect();
                let touched = Vec::from_iter(touched);
                let take = |room: &mut Room| room.apply_noting(event, now, rules, &mut transitions);
                (self.step(&touched, take), touched)
            }
            None => self.apply_to_all(event, now, rules, &mut transitions),
        };
        if let Some(id) = event.id.as_ref().filter(|_| !outcome.is_duplicate()) {
            self.person(owner.as_ref()).remember(id, now);
        }
        Ok(Step { outcome, touched, transitions })
    }

    /// As [`Room::repair`]. `persons` are all those whom the repairs are about; none where that is not known of each repair.
    ///
    /// # Errors
    /// [`Needs`] says which rows are missing.
    pub fn repair(
        &mut self,
        repairs: &Repairs,
        persons: Option<&[Identity]>,
        now: StoreTime,
        rules: &Rules,
    ) -> Result<Step<Repaired>, Needs> {
        if repairs.confirms && self.lacks_counts() {
            return Err(Needs::Everybody);
        }
        let touched: BTreeSet<Identity> = match persons {
            Some(persons) => persons.iter().cloned().collect(),
            None if !self.has_everybody => return Err(Needs::Everybody),
            None => repairs.whom(&self.room),
        };
        if let Some(missing) = touched.iter().find(|one| !self.holds(one)) {
            return Err(Needs::Person(missing.clone()));
        }
        for (identity, sid) in repairs.ended() {
            self.person(Some(identity)).sids.insert(sid.clone());
        }
        let touched: Vec<_> = touched.into_iter().collect();
        let mut transitions = Vec::new();
        let outcome =
            self.step(&touched, |room| room.repair_noting(repairs, now, rules, &mut transitions));
        Ok(Step { outcome, touched, transitions })
    }

    /// As [`Room::advance`].
    pub fn advance(&mut self, shown: Version, now: StoreTime) -> bool {
        self.room.advance(shown, now)
    }

    /// The room's own row.
    pub fn row(&self) -> RoomRow {
        let room = &self.room;
        RoomRow {
            format: ROW_FORMAT,
            version: room.version,
            sid: room.sid.clone(),
            created_at: room.created_at,
            epoch: room.epoch,
            knowledge: room.knowledge,
            opening: room.opening,
            compared_at: room.compared_at,
            started: room.started,
            metadata: room.metadata.mark.clone(),
            heard_at: room.heard_at,
            evicted_at: room.evicted_at,
            visible: room.counts.participants(),
            counts: room.counts.parts(),
            inside: room.inside.clone(),
            nameless: self.nameless.row(&self.room),
            banned_until: room.banned_until,
            kept_until: self.kept_until,
        }
    }

    /// A person's row; empty where nothing is known of them.
    pub fn person_row(&self, identity: &Identity) -> PersonRow {
        let person = self.persons.get(identity);
        PersonRow {
            sessions: sessions_of(&self.room, identity).cloned().collect(),
            ban: self.room.ban_of(identity).cloned(),
            ..person.map_or_else(PersonRow::default, |person| person.row(&self.room))
        }
    }

    fn lacks_counts(&self) -> bool {
        self.room.counts.parts().is_none()
    }

    /// Whose row an event changes; none where it is about the room, or where no row has its session.
    fn owner_of(&self, event: &Event) -> Result<Option<Identity>, Needs> {
        match (event.whose(), event.sid()) {
            (Some(identity), _) if self.holds(identity) => Ok(Some(identity.clone())),
            (Some(identity), _) => Err(Needs::Person(identity.clone())),
            (None, None) => Ok(None),
            (None, Some(_)) if !self.has_everybody => Err(Needs::Everybody),
            (None, Some(sid)) => {
                let mut persons = self.persons.iter();
                let owner = persons.find(|(_, person)| person.sids.contains(sid));
                Ok(owner.map(|(identity, _)| identity.clone()))
            }
        }
    }

    /// Applies a start or an end of the room. Also returns the persons whose sessions it ended.
    fn apply_to_all(
        &mut self,
        event: &Event,
        now: StoreTime,
        rules: &Rules,
        transitions: &mut Vec<Transition>,
    ) -> (Applied, Vec<Identity>) {
        let before = if self.room.may_end_somebody(event) {
            Arc::clone(&self.room.sessions)
        } else {
            Arc::default()
        };
        let outcome = self.step(&[], |room| room.apply_noting(event, now, rules, transitions));
        let mut ended = BTreeSet::new();
        for (sid, session) in &*before {
            if !self.room.sessions.contains_key(sid) {
                self.person(Some(&session.identity)).sids.insert(sid.clone());
                ended.insert(session.identity.clone());
            }
        }
        (outcome, ended.into_iter().collect())
    }

    /// Takes a step that changes the rows of these persons and no others, and notes which sessions their rows have.
    fn step<T>(&mut self, persons: &[Identity], take: impl FnOnce(&mut Room) -> T) -> T {
        let learn = |slice: &mut Self| {
            for identity in persons {
                let person = slice.persons.entry(identity.clone()).or_default();
                let sids = slice.room.sids_of.get(identity).into_iter().flatten();
                person.sids.extend(sids.cloned());
            }
        };
        learn(self);
        let outcome = take(&mut self.room);
        learn(self);
        let room = &self.room;
        for identity in persons {
            if let Some(person) = self.persons.get_mut(identity) {
                person.sids.retain(|sid| room.remembers(sid));
            }
        }
        self.nameless.sids.retain(|sid| room.remembers(sid));
        outcome
    }

    /// A person whose row is held; the nameless one for none.
    fn person(&mut self, identity: Option<&Identity>) -> &mut Person {
        match identity {
            Some(identity) => self.persons.entry(identity.clone()).or_default(),
            None => &mut self.nameless,
        }
    }
}

fn sessions_of<'room>(
    room: &'room Room,
    identity: &Identity,
) -> impl Iterator<Item = &'room Session> {
    let sids = room.sids_of.get(identity).into_iter().flatten();
    sids.filter_map(|sid| room.sessions.get(sid))
}
