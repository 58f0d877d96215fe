//! Collects what steps on a room add to its history, as a store does, beside the truth.

use livekit_presence::{
    history::{Rows, SessionRow},
    presence::{Applied, Event, Repaired, Room, RoomName, StepTaken, StoreTime, Transition},
    store::{HistoryItem, RoomOpening},
};

use super::truth::Truth;

/// The history of one room.
pub struct Past {
    room: RoomName,
    pub truth: Truth,
    /// What the steps added, in order.
    pub items: Vec<HistoryItem>,
    /// What it comes to.
    pub rows: Rows,
}

impl Past {
    pub fn of(room: &str) -> Self {
        let room = RoomName::parse(room).expect("it is valid");
        Self { room, truth: Truth::default(), items: Vec::new(), rows: Rows::default() }
    }

    pub fn note_event(
        &mut self,
        room: &Room,
        event: &Event,
        applied: &Applied,
        transitions: &[Transition],
        now: StoreTime,
    ) {
        self.add(&StepTaken::of_event(room, event, applied, transitions, now, false));
    }

    pub fn note_repairs(
        &mut self,
        room: &Room,
        repaired: &Repaired,
        transitions: &[Transition],
        now: StoreTime,
    ) {
        self.add(&StepTaken::of_repair(room, repaired, transitions, now, false));
    }

    fn add(&mut self, step: &StepTaken) {
        let records = step.records();
        if records.is_empty() {
            return;
        }
        let last = self.items.last().map_or(0, |item| item.seq);
        let opening = step.room.open_instance();
        let item = HistoryItem {
            room: self.room.clone(),
            seq: step.now.as_micros().max(last + 1),
            opening: opening.map(|(sid, created_at)| RoomOpening { sid: sid.clone(), created_at }),
            records,
        };
        self.rows.apply(&item);
        self.items.push(item);
    }

    /// Fails unless the sessions that are open are those in the list.
    pub fn check_open(&self, room: &Room) -> Result<(), String> {
        let mut open: Vec<_> =
            self.rows.sessions().filter(|row| row.is_open()).map(|row| row.sid.clone()).collect();
        let mut listed: Vec<_> = room.list().iter().map(|one| one.sid.to_string()).collect();
        open.sort_unstable();
        listed.sort_unstable();
        if open == listed { Ok(()) } else { Err(format!("open {open:?}, in the list {listed:?}")) }
    }
}

/// Fails unless a row makes sense by itself.
pub fn check_row(row: &SessionRow) -> Result<(), String> {
    let spans = &row.spans;
    let (first, last) = (spans.inside.first(), spans.inside.last());
    let is_whole = first.is_some_and(|first| first.from == row.joined_at)
        && last.is_some_and(|last| last.to == row.left_at)
        && row.is_open() == row.left_why.is_none();
    let lists = [&spans.inside, &spans.microphone, &spans.camera, &spans.screen];
    let is_right = lists.into_iter().all(|list| {
        let is_forward = list.iter().all(|span| span.to.is_none_or(|to| span.from <= to));
        let is_in_order = list.windows(2).all(|two| two[0].to.is_some_and(|end| end < two[1].from));
        let is_within = list.iter().all(|span| {
            let end = |to: Option<i64>| to.unwrap_or(i64::MAX);
            let holds = |outer: &&livekit_presence::history::Span| {
                outer.from <= span.from && end(span.to) <= end(outer.to)
            };
            spans.inside.iter().any(|outer| holds(&outer))
        });
        is_forward && is_in_order && is_within
    });
    if is_whole && is_right { Ok(()) } else { Err(format!("{row:#?}")) }
}
