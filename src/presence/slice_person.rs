//! What a slice keeps of one person beside their sessions.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    gone::Gone,
    name::{EventId, ParticipantSid},
    room::{EVENT_MEMORY, Room},
    row::{GoneRow, MAX_EVENT_IDS, PersonRow, WaitingRow},
    time::StoreTime,
};

/// What a person's row has beside its sessions, and [`Room`] keeps for all persons together.
#[derive(Clone, Debug, Default)]
pub(super) struct Person {
    /// Sessions that are held, gone, or that tracks wait for.
    pub sids: BTreeSet<ParticipantSid>,
    events: Vec<(EventId, StoreTime)>,
}

impl Person {
    /// Reads a row, and gives the room what it keeps for all persons.
    pub fn recall(row: PersonRow, room: &mut Room) -> Self {
        let mut person = Self::default();
        for GoneRow { sid, at, because, was_hidden } in row.gone {
            person.sids.insert(sid.clone());
            Arc::make_mut(&mut room.gone).restore(sid, Gone { because, was_hidden }, at);
        }
        for WaitingRow { sid, at, tracks } in row.waiting {
            person.sids.insert(sid.clone());
            Arc::make_mut(&mut room.waiting).restore(sid, tracks, at);
        }
        for (id, at) in &row.events {
            Arc::make_mut(&mut room.seen).restore(id.clone(), (), *at);
        }
        Self { events: row.events, ..person }
    }

    /// The row without its sessions.
    pub fn row(&self, room: &Room) -> PersonRow {
        let gone = |sid: &ParticipantSid| {
            let (at, Gone { because, was_hidden }) = *room.gone.get(sid)?;
            Some(GoneRow { sid: sid.clone(), at, because, was_hidden })
        };
        let waiting = |sid: &ParticipantSid| {
            let (at, tracks) = room.waiting.get(sid)?;
            Some(WaitingRow { sid: sid.clone(), at: *at, tracks: tracks.clone() })
        };
        PersonRow {
            gone: self.sids.iter().filter_map(gone).collect(),
            waiting: self.sids.iter().filter_map(waiting).collect(),
            events: self.events.clone(),
            ..PersonRow::default()
        }
    }

    /// Whether all its events are so old that they are not remembered any more.
    pub fn has_forgotten_events(&self, now: StoreTime) -> bool {
        self.events.iter().all(|(_, at)| *at < now - EVENT_MEMORY)
    }

    pub fn remember(&mut self, event: &EventId, now: StoreTime) {
        self.events.retain(|(_, at)| *at >= now - EVENT_MEMORY);
        if self.events.len() >= MAX_EVENT_IDS {
            self.events.remove(0);
        }
        self.events.push((event.clone(), now));
    }
}
