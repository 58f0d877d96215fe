//! The rows that some items touch, and what the items do to them.

use std::collections::{BTreeSet, HashMap};

use crate::{
    history::row::{InstanceRow, SessionRow},
    presence::{
        Closed, Left, LiveKitTime, Opened, Record, RoomSid, START_TOLERANCE_MILLIS, Shown, Stay,
        ToldBy,
    },
    store::{HistoryItem, RoomOpening},
};

use super::keys::Keys;

/// The rows that some items touch, by sid.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    sessions: HashMap<String, SessionRow>,
    instances: HashMap<String, InstanceRow>,
    /// Open sessions of which no life of their room is known.
    homeless: BTreeSet<String>,
    changed_sessions: BTreeSet<String>,
    changed_instances: BTreeSet<String>,
}

/// The rows that items have changed, in order of their sids.
#[derive(Clone, Debug, Default)]
pub struct Changed<'rows> {
    pub sessions: Vec<&'rows SessionRow>,
    pub instances: Vec<&'rows InstanceRow>,
}

impl Rows {
    /// The rows of [`Self::keys_of`] as they were loaded.
    pub fn new(
        sessions: impl IntoIterator<Item = SessionRow>,
        instances: impl IntoIterator<Item = InstanceRow>,
    ) -> Self {
        let sessions: HashMap<_, _> =
            sessions.into_iter().map(|row| (row.sid.clone(), row)).collect();
        let is_homeless = |row: &&SessionRow| row.instance.is_none() && row.is_open();
        Self {
            homeless: sessions.values().filter(is_homeless).map(|row| row.sid.clone()).collect(),
            sessions,
            instances: instances.into_iter().map(|row| (row.sid.clone(), row)).collect(),
            ..Self::default()
        }
    }

    /// Which rows must be loaded for these items.
    pub fn keys_of(items: &[HistoryItem]) -> Keys {
        Keys::of(items)
    }

    pub fn sessions(&self) -> impl Iterator<Item = &SessionRow> {
        self.sessions.values()
    }

    pub fn instances(&self) -> impl Iterator<Item = &InstanceRow> {
        self.instances.values()
    }

    pub fn session(&self, sid: &str) -> Option<&SessionRow> {
        self.sessions.get(sid)
    }

    pub fn instance(&self, sid: &str) -> Option<&InstanceRow> {
        self.instances.get(sid)
    }

    /// Applies an item to each of its rows that has not seen it, or a newer one.
    pub fn apply(&mut self, item: &HistoryItem) {
        let seq = i64::try_from(item.seq).unwrap_or(i64::MAX);
        Step { item, seq, rows: self, touched: BTreeSet::new() }.take();
    }

    /// What must be saved.
    pub fn changed(&self) -> Changed<'_> {
        let session = |sid: &String| self.sessions.get(sid);
        let instance = |sid: &String| self.instances.get(sid);
        Changed {
            sessions: self.changed_sessions.iter().filter_map(session).collect(),
            instances: self.changed_instances.iter().filter_map(instance).collect(),
        }
    }
}

/// An item on its way into rows.
struct Step<'step> {
    item: &'step HistoryItem,
    seq: i64,
    rows: &'step mut Rows,
    /// The rows that this item has changed so far.
    touched: BTreeSet<String>,
}

impl Step<'_> {
    fn take(mut self) {
        if let Some(opening) = &self.item.opening {
            self.know(opening);
        }
        for record in &self.item.records {
            match record {
                Record::Opened(opened) => self.open(opened),
                Record::Closed(closed) => self.close(closed),
                Record::Shown(shown) => self.show(shown),
                Record::Left(left) => self.leave(left),
            }
        }
        self.find_homes();
    }

    /// When the store made the item, in milliseconds. A `seq` is microseconds.
    fn written_at(&self) -> i64 {
        self.seq / 1_000
    }

    /// Changes a session's row, if it has not seen this item.
    fn amend_session(&mut self, sid: &str, change: impl FnOnce(&mut SessionRow) -> bool) {
        let Some(row) = self.rows.sessions.get_mut(sid) else { return };
        let is_new = row.seq < self.seq || self.touched.contains(sid);
        if is_new && change(row) {
            row.seq = self.seq;
            let is_homeless = row.instance.is_none() && row.is_open();
            self.touched.insert(sid.to_owned());
            self.rows.changed_sessions.insert(sid.to_owned());
            if is_homeless {
                self.rows.homeless.insert(sid.to_owned());
            } else {
                self.rows.homeless.remove(sid);
            }
        }
    }

    /// Changes the row of a life of the room, if it has not seen this item.
    fn amend_instance(&mut self, sid: &str, change: impl FnOnce(&mut InstanceRow) -> bool) {
        let Some(row) = self.rows.instances.get_mut(sid) else { return };
        let is_new = row.seq < self.seq || self.touched.contains(sid);
        if is_new && change(row) {
            row.seq = self.seq;
            let is_open = row.is_open();
            self.touched.insert(sid.to_owned());
            self.rows.changed_instances.insert(sid.to_owned());
            if is_open {
                self.finish_older();
            }
        }
    }

    /// Makes a row of the room's life if there is none: its start was lost. It began when LiveKit made it, or else with the first
    /// that is known of it.
    fn know(&mut self, opening: &RoomOpening) {
        let created_at = opening.created_at.map(LiveKitTime::as_millis);
        let first = || self.item.records.iter().filter_map(|one| begun(one, &opening.sid)).min();
        if let Some(started_at) = created_at.or_else(first) {
            self.make_instance(&opening.sid, started_at);
        }
    }

    fn make_instance(&mut self, sid: &RoomSid, started_at: i64) {
        if self.rows.instances.contains_key(sid.as_str()) {
            return;
        }
        self.add_instance(InstanceRow::opened(&self.item.room, sid, started_at));
    }

    fn add_instance(&mut self, row: InstanceRow) {
        let sid = row.sid.clone();
        self.touched.insert(sid.clone());
        self.rows.instances.insert(sid.clone(), row);
        self.amend_instance(&sid, |_| true);
    }

    fn open(&mut self, opened: &Opened) {
        self.make_instance(&opened.sid, opened.created_at.as_millis());
        self.amend_instance(opened.sid.as_str(), |row| row.open(opened));
    }

    /// A room has one life at a time: all but the newest have ended, and their ends were lost.
    fn finish_older(&mut self) {
        let room = self.item.room.as_str();
        let is_open = |row: &&InstanceRow| row.room == room && row.is_open();
        let mut open: Vec<_> = self.rows.instances.values().filter(is_open).collect();
        open.sort_unstable_by_key(|row| (row.started_at, row.seq));
        let mut older: Vec<_> = open.iter().map(|row| (row.sid.clone(), row.started_at)).collect();
        let Some((_, mut next)) = older.pop() else { return };
        for (sid, started_at) in older.into_iter().rev() {
            self.amend_instance(&sid, |row| {
                row.close_by(next);
                true
            });
            next = started_at;
        }
    }

    fn close(&mut self, closed: &Closed) {
        let sid = closed.sid.as_str();
        // The end before a crash of LiveKit can come after the start that follows it, with the same sid.
        let goes_on = |opening: &RoomOpening| opening.sid == closed.sid;
        if closed.told_by == ToldBy::Webhook && self.item.opening.as_ref().is_some_and(goes_on) {
            return;
        }
        let is_its = |row: &&SessionRow| row.instance.as_deref() == Some(sid);
        let first = self.rows.sessions.values().filter(is_its).map(|row| row.joined_at).min();
        let first = first.unwrap_or(closed.at.at.as_millis());
        if self.rows.instances.contains_key(sid) {
            self.amend_instance(sid, |row| row.close(closed));
        } else {
            // It is never open, or it would seem to follow the one that goes on.
            let mut row = InstanceRow::opened(&self.item.room, &closed.sid, first);
            row.close(closed);
            self.add_instance(row);
        }
    }

    fn show(&mut self, shown: &Shown) {
        let sid = shown.stay.sid.as_str();
        if self.rows.sessions.contains_key(sid) {
            self.amend_session(sid, |row| {
                row.show(shown);
                true
            });
        } else {
            self.make_session(SessionRow::shown(&self.item.room, shown));
        }
        self.enter(&shown.stay, shown.told_by, Some(shown.at.as_millis()));
    }

    fn leave(&mut self, left: &Left) {
        let sid = left.stay.sid.as_str();
        if self.rows.sessions.contains_key(sid) {
            let written_at = self.written_at();
            self.amend_session(sid, |row| row.leave(left, written_at));
        } else {
            self.make_session(SessionRow::gone(&self.item.room, left));
        }
        self.enter(&left.stay, left.told_by, None);
    }

    fn make_session(&mut self, row: SessionRow) {
        let sid = row.sid.clone();
        self.touched.insert(sid.clone());
        self.rows.sessions.insert(sid.clone(), row);
        self.amend_session(&sid, |_| true);
    }

    /// Notes to which life of the room a session belongs. Only a webhook of its own says so. Otherwise it is the one that was
    /// known, which may have started after the session ended. `shown_at` is when the session was seen inside.
    fn enter(&mut self, stay: &Stay, told_by: ToldBy, shown_at: Option<i64>) {
        let Some(room_sid) = &stay.room_sid else { return };
        let (sid, joined_at) = (stay.sid.as_str(), stay.joined_at.as_millis());
        if !self.touched.contains(sid) {
            return;
        }
        let is_said = told_by == ToldBy::Webhook;
        if is_said {
            self.make_instance(room_sid, joined_at);
            self.amend_instance(room_sid.as_str(), |row| row.enter(joined_at, shown_at));
        }
        let may_be = is_said || self.may_have_joined(room_sid.as_str(), joined_at);
        self.amend_session(sid, |row| {
            let is_known = row.instance.as_deref() == Some(room_sid.as_str());
            let is_better = may_be && (is_said || row.instance.is_none());
            if !is_known && is_better {
                row.instance = Some(room_sid.to_string());
            }
            !is_known && is_better
        });
    }

    fn may_have_joined(&self, instance: &str, joined_at: i64) -> bool {
        let instance = self.rows.instances.get(instance);
        instance.is_none_or(|row| row.started_at <= joined_at + START_TOLERANCE_MILLIS)
    }

    /// Sessions of the room that are inside belong to its life, now that this is known.
    fn find_homes(&mut self) {
        let Some(opening) = &self.item.opening else { return };
        for sid in self.rows.homeless.clone() {
            let Some(row) = self.rows.sessions.get(&sid) else { continue };
            let is_here = row.room == self.item.room.as_str();
            if !is_here || !self.may_have_joined(opening.sid.as_str(), row.joined_at) {
                continue;
            }
            self.amend_session(&sid, |row| {
                row.instance = Some(opening.sid.to_string());
                true
            });
        }
    }
}

/// When a life of a room had begun, if a record says that. Those who leave in the same step may have been in another life.
fn begun(record: &Record, sid: &RoomSid) -> Option<i64> {
    match record {
        Record::Opened(opened) => (opened.sid == *sid).then(|| opened.created_at.as_millis()),
        Record::Shown(Shown { stay, .. }) => {
            (stay.room_sid.as_ref() == Some(sid)).then(|| stay.joined_at.as_millis())
        }
        Record::Left(_) | Record::Closed(_) => None,
    }
}
