//! Holds the open rows of the history against the rooms. They differ only where items were lost: an outbox was full, a store that
//! keeps rooms in memory was restarted, a room was forgotten. Pure: the auditor reads rows and rooms, and writes what this returns.

use std::collections::{HashMap, HashSet};

use crate::{
    presence::{
        Closed, Identity, Left, LeftWhy, LiveKitTime, Moment, Opened, Participant, ParticipantKind,
        ParticipantSid, Record, Room, RoomName, RoomSid, Stay, StepTaken, StoreTime, ToldBy,
    },
    store::{HistoryItem, RoomOpening},
};

use super::row::{InstanceRow, SessionRow};

#[cfg(test)]
mod tests;

/// What the history knows of a room that may be wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuditedRows<'rows> {
    /// The room's open sessions, and the rows of those who are inside.
    pub sessions: &'rows [SessionRow],
    /// The room's lives that have not finished, and those of its open sessions.
    pub instances: &'rows [InstanceRow],
}

/// A row that does not agree with its room, in the state in which it does not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Finding {
    /// Of a session or a life of a room.
    sid: String,
    /// None where there is no row.
    seq: Option<i64>,
}

/// What audits found of a room.
pub type Findings = HashMap<Finding, Found>;

/// How far a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Not corrected yet. It happened at this time at the latest, in milliseconds since the Unix epoch.
    Since(i64),
    /// Corrected. If it is found again, the history does not want the correction: somebody inside was erased.
    Corrected,
}

/// A room, and what the history knows of it.
pub struct Audit<'audit> {
    pub name: &'audit RoomName,
    /// None if the store does not hold it.
    pub room: Option<&'audit Room>,
    pub rows: AuditedRows<'audit>,
    pub now: StoreTime,
    /// When what this audit finds first happened at the latest, in milliseconds since the Unix epoch.
    pub noticed_at: i64,
    /// Whether metadata is kept.
    pub metadata: bool,
    /// Whether the room is right, as far as anybody can say. Otherwise nothing is corrected yet.
    pub is_settled: bool,
}

/// A correction, given when the need of it was found first.
type Correction<'audit> = Box<dyn Fn(i64) -> Option<Record> + 'audit>;

impl Audit<'_> {
    /// What disagrees now, and the items that correct what disagreed before already, in the same state: items on their way to the
    /// history would have changed that.
    pub fn run(&self, before: &Findings) -> (Findings, Vec<HistoryItem>) {
        let (mut findings, mut corrections) = (Findings::new(), Vec::new());
        for (finding, correct) in self.all() {
            let mut found = before.get(&finding).copied();
            if let Some(Found::Since(first)) = found
                && self.is_settled
                && let Some(record) = correct(first)
            {
                corrections.push(self.item(finding.seq.unwrap_or_default() + 1, record));
                found = Some(Found::Corrected);
            }
            findings.insert(finding, found.unwrap_or(Found::Since(self.noticed_at)));
        }
        (findings, corrections)
    }

    fn all(&self) -> Vec<(Finding, Correction<'_>)> {
        let inside = self.room.map(Room::list).unwrap_or_default();
        let shown: HashSet<String> = inside.iter().map(|one| one.sid.to_string()).collect();
        let joins = self.joins(&inside);
        let mut all: Vec<(Finding, Correction<'_>)> = Vec::new();
        for row in self.rows.sessions.iter().filter(|row| row.is_open()) {
            if !shown.contains(&row.sid) {
                let finding = Finding { sid: row.sid.clone(), seq: Some(row.seq) };
                let of_identity = joins.get(&row.identity).into_iter().flatten().copied();
                let again = of_identity.filter(|at| *at > row.joined_at).min().unwrap_or(i64::MAX);
                all.push((finding, Box::new(move |first| Some(self.left(row, first.min(again))))));
            }
        }
        for person in inside {
            let row = self.rows.sessions.iter().find(|row| row.sid == person.sid.as_str());
            if row.is_none_or(|row| !row.is_open()) {
                let seq = row.map(|row| row.seq);
                let finding = Finding { sid: person.sid.to_string(), seq };
                all.push((finding, Box::new(move |_| self.shown(&person))));
            }
        }
        for row in self.rows.instances {
            let finding = Finding { sid: row.sid.clone(), seq: Some(row.seq) };
            if row.is_open() && !self.may_go_on(row) {
                all.push((finding, Box::new(|first| Some(Self::closed(row, first)))));
            } else if !row.is_open() && self.must_go_on(row, &shown) {
                all.push((finding, Box::new(|_| Some(self.opened(row)))));
            }
        }
        all
    }

    /// Whether a life of the room may be the one that the room is in. A comparison fills a room without telling which that is.
    fn may_go_on(&self, life: &InstanceRow) -> bool {
        let is_this = |sid: &RoomSid| sid.as_str() == life.sid;
        self.room.is_some_and(|room| room.is_active() && room.sid().is_none_or(is_this))
    }

    /// Whether somebody is inside of whom the history says that it is in this life, and no other life is known to go on.
    fn must_go_on(&self, life: &InstanceRow, shown: &HashSet<String>) -> bool {
        let is_in_it = |row: &SessionRow| {
            row.is_open() && row.instance.as_ref() == Some(&life.sid) && shown.contains(&row.sid)
        };
        self.may_go_on(life)
            && !self.rows.instances.iter().any(InstanceRow::is_open)
            && self.rows.sessions.iter().any(is_in_it)
    }

    /// When the sessions of each identity joined.
    fn joins(&self, inside: &[Participant]) -> HashMap<String, Vec<i64>> {
        let rows = self.rows.sessions.iter().map(|row| (row.identity.clone(), row.joined_at));
        let inside = inside.iter().map(|one| (one.identity.to_string(), one.joined_at.as_millis()));
        let mut joins: HashMap<String, Vec<i64>> = HashMap::new();
        for (identity, joined_at) in rows.chain(inside) {
            joins.entry(identity).or_default().push(joined_at);
        }
        joins
    }

    /// A session that is not in its room had ended by this time, and by the end of its life of the room if that is over.
    fn left(&self, row: &SessionRow, by: i64) -> Record {
        let is_its = |life: &&InstanceRow| Some(&life.sid) == row.instance.as_ref();
        let life = self.rows.instances.iter().find(is_its);
        let end = life.and_then(|life| life.finished_at).map_or(by, |end| end.min(by));
        Record::Left(Left {
            stay: Stay {
                sid: ParticipantSid::new(row.sid.as_str()),
                identity: Identity::new(row.identity.as_str()),
                room_sid: row.instance.as_deref().map(RoomSid::new),
                joined_at: LiveKitTime::from_millis(row.joined_at),
                name: row.name.clone(),
                kind: ParticipantKind::from_name(&row.kind),
                agent: row.agent,
                metadata: row.metadata.clone(),
            },
            at: guess(end.max(last_known(row))),
            reason: None,
            why: LeftWhy::Concluded,
            told_by: ToldBy::Comparison,
        })
    }

    /// A session without an open row is shown as it is now.
    fn shown(&self, person: &Participant) -> Option<Record> {
        let step = StepTaken {
            room: self.room?,
            transitions: &[],
            updated: std::slice::from_ref(person),
            event: None,
            found_ended: false,
            now: self.now,
            metadata: self.metadata,
        };
        step.records().pop()
    }

    /// A life that seemed to have ended goes on.
    fn opened(&self, row: &InstanceRow) -> Record {
        Record::Opened(Opened {
            sid: RoomSid::new(row.sid.as_str()),
            created_at: LiveKitTime::from_millis(row.started_at),
            at: LiveKitTime::from_millis(self.now_ms()),
        })
    }

    fn closed(row: &InstanceRow, first: i64) -> Record {
        Record::Closed(Closed {
            sid: RoomSid::new(row.sid.as_str()),
            at: guess(first.max(row.started_at)),
            reason: None,
            told_by: ToldBy::Comparison,
        })
    }

    /// Each correction is an item of its own, just newer than the row that it corrects: an item of the room itself is newer still.
    fn item(&self, seq: i64, record: Record) -> HistoryItem {
        let is_shown = matches!(record, Record::Shown(_));
        let opening = self.room.and_then(Room::open_instance).filter(|_| is_shown);
        HistoryItem {
            room: self.name.clone(),
            seq: seq.unsigned_abs(),
            opening: opening.map(|(sid, created_at)| RoomOpening { sid: sid.clone(), created_at }),
            records: vec![record],
        }
    }

    fn now_ms(&self) -> i64 {
        i64::try_from(self.now.as_millis()).unwrap_or(i64::MAX)
    }
}

/// The last moment at which the row shows that it was inside.
fn last_known(row: &SessionRow) -> i64 {
    let spans = &row.spans;
    let lists = [&spans.inside, &spans.microphone, &spans.camera, &spans.screen];
    let times = lists.into_iter().flatten().flat_map(|span| [Some(span.from), span.to]);
    times.flatten().max().unwrap_or(row.joined_at)
}

fn guess(at: i64) -> Moment {
    Moment { at: LiveKitTime::from_millis(at), exact: false }
}
