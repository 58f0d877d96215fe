//! The only way a room is written: all of a change if the room still has the revision that was read, otherwise nothing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    presence::{Identity, RoomName, RoomSlice, StoreTime, Version},
    store::{
        StoreError,
        events::Happened,
        outbox::{HistoryItem, OutboxSettings},
    },
};

use super::{
    answer::{Answer, Reply},
    history::{NewItem, Noted},
    index,
    keys::{Bucket, KeyFormat},
    link::Link,
    rows::{Field, HeldRows, METADATA, REVISION, ROOM, Unreadable, field_of, to_json},
    scripts::Scripts,
    steps::PendingLog,
};

/// A write of a room, and the condition for it.
pub(super) struct Commit {
    expected: String,
    revision: String,
    /// Fields that must not be there.
    absent: Vec<String>,
    deleted: Vec<String>,
    set: Vec<(String, Vec<u8>)>,
    entry: Vec<u8>,
    /// How long the room is kept from now on; none leaves its expiry unchanged.
    keep_secs: Option<u64>,
    message: Vec<u8>,
    log: ToLog,
    item: Option<NewItem>,
}

/// What a write adds to the log of events.
#[derive(Debug, Default)]
pub(super) enum ToLog {
    #[default]
    Nothing,
    /// Entries that were not made, because nothing is logged as far as is known.
    Unmade,
    /// Made entries; an empty one stands for a gap.
    Entries(Vec<Vec<u8>>),
}

impl ToLog {
    /// Entries are made only where they are known to be logged.
    pub fn of(happened: &Happened<'_>, slice: &RoomSlice, is_logged: bool) -> Self {
        if !happened.is_something() {
            return Self::Nothing;
        }
        if !is_logged {
            return Self::Unmade;
        }
        let entries = happened.entries(|sid| slice.shown_session(sid));
        Self::Entries(entries.iter().map(to_json).collect())
    }

    /// The number of entries, as the script is told it.
    fn count(&self) -> i64 {
        match self {
            Self::Nothing => 0,
            Self::Unmade => -1,
            Self::Entries(entries) => i64::try_from(entries.len()).unwrap_or(i64::MAX),
        }
    }

    /// The room lost what was logged before.
    pub fn after_gap(self, is_logged: bool) -> Self {
        let mut entries = vec![Vec::new()];
        match self {
            Self::Entries(more) => entries.extend(more),
            Self::Unmade => return Self::Unmade,
            Self::Nothing if !is_logged => return Self::Unmade,
            Self::Nothing => {}
        }
        Self::Entries(entries)
    }
}

/// What became of these entries.
#[derive(Debug)]
pub(super) enum Logged {
    /// There are none, or nothing is logged.
    Nothing,
    /// The log ended since the entries were made.
    Ended,
    /// They are in the outbox: the id of the last item, and how many are there.
    Outbox { id: String, count: usize },
    /// They may be in the outbox.
    Perhaps,
    /// Redis refused them, for this reason.
    Refused(String),
}

/// Writes rooms in the name of this instance.
pub(super) struct Writer {
    pub link: Arc<Link>,
    pub keys: KeyFormat,
    pub scripts: Scripts,
    /// This instance, among those on the same Redis.
    pub instance: String,
}

/// What became of a write.
pub(super) enum Committed {
    /// It is written, and this became of its entries for the log, and of its item for the history.
    Done(Logged, Noted),
    /// Nothing is written, because what happens is logged, and the entries have to be made. Has the rows as they are.
    Wanted(Box<HeldRows>),
    /// Another write came first, or the room waits for another instance. Has the current content of the rows that were to be
    /// written.
    Conflict(Box<HeldRows>),
}

impl Commit {
    /// Writes the room's own row and those of the `touched` persons, as they are held now. `absent` persons are supposed to have
    /// no row.
    pub fn new(
        held: &mut HeldRows,
        touched: &[Identity],
        absent: &[Identity],
        now: StoreTime,
        keep_secs: Option<u64>,
        message: Vec<u8>,
    ) -> Self {
        let (mut set, mut deleted) = (Vec::with_capacity(touched.len() + 2), Vec::new());
        let revision = next_revision(&held.revision, held.slice.version(), now);
        set.push((REVISION.to_owned(), revision.clone().into_bytes()));
        set.push((ROOM.to_owned(), to_json(&held.slice.row())));
        match held.slice.take_metadata_row() {
            Some(Some(row)) => set.push((METADATA.to_owned(), to_json(&row))),
            Some(None) => deleted.push(METADATA.to_owned()),
            None => {}
        }
        for identity in touched {
            match held.person(identity) {
                Some(row) => set.push((field_of(identity), row)),
                None => deleted.push(field_of(identity)),
            }
        }
        Self {
            expected: held.revision.clone(),
            revision,
            absent: absent.iter().map(field_of).collect(),
            deleted,
            set,
            entry: index::entry_of(&held.slice),
            keep_secs,
            message,
            log: ToLog::Nothing,
            item: None,
        }
    }

    /// With this for the log of events.
    pub fn logging(self, log: ToLog) -> Self {
        Self { log, ..self }
    }

    /// With this for the history, whose outbox is set up so.
    pub fn noting(self, item: HistoryItem, settings: OutboxSettings) -> Self {
        let seq = micros_of(&self.revision).unwrap_or_default();
        Self { item: Some(NewItem::new(HistoryItem { seq, ..item }, settings)), ..self }
    }

    /// Takes a room that Redis does not hold out of its bucket's index.
    pub fn unlist(now: StoreTime) -> Self {
        Self {
            expected: String::new(),
            revision: next_revision("", Version::ZERO, now),
            absent: Vec::new(),
            deleted: Vec::new(),
            set: Vec::new(),
            entry: Vec::new(),
            keep_secs: None,
            message: Vec::new(),
            log: ToLog::Nothing,
            item: None,
        }
    }

    /// Sends it. If it cannot be written now, the room waits for this writer for `reserve`.
    pub async fn send(
        &self,
        writer: &Writer,
        room: &RoomName,
        reserve: Duration,
    ) -> Result<(Committed, Instant, StoreTime), StoreError> {
        let Writer { link, keys, scripts, instance } = writer;
        let connection = link.connection().await?;
        let named = self.keys(keys, room);
        let keep = self.keep_secs.map_or(String::new(), |secs| secs.to_string());
        let reserve = reserve.as_micros().to_string();
        let (absent, deleted) = (self.absent.len().to_string(), self.deleted.len().to_string());
        let logged = self.log.count().to_string();
        let mut arguments: Vec<&[u8]> = vec![
            self.expected.as_bytes(),
            room.as_str().as_bytes(),
            &self.entry,
            keep.as_bytes(),
            connection.publish_command(),
            &self.message,
            instance.as_bytes(),
            reserve.as_bytes(),
            absent.as_bytes(),
            deleted.as_bytes(),
            logged.as_bytes(),
        ];
        match &self.item {
            Some(item) => arguments.extend(item.arguments()),
            None => arguments.push(b""),
        }
        arguments.extend(self.entries().iter().map(Vec::as_slice));
        arguments.extend(self.absent.iter().chain(&self.deleted).map(String::as_bytes));
        arguments.extend(self.set.iter().flat_map(|(field, value)| [field.as_bytes(), value]));
        let sent = Instant::now();
        let answer = link.invoke(connection, &scripts.commit.call(&named, &arguments)).await?;
        let Answer { time, reply, noted } = Answer::parse(answer).ok_or(Unreadable::Malformed)?;
        Ok((self.outcome(reply, noted)?, sent, time))
    }

    fn keys(&self, keys: &KeyFormat, room: &RoomName) -> Vec<String> {
        let mut of_room = keys.of_room(room);
        if self.item.is_some() {
            of_room.push(keys.history(Bucket::of(room.as_str())));
        }
        of_room
    }

    /// The entries for the log.
    pub fn entries(&self) -> &[Vec<u8>] {
        match &self.log {
            ToLog::Entries(entries) => entries,
            ToLog::Nothing | ToLog::Unmade => &[],
        }
    }

    /// What is left to do for the log of events once it is written.
    pub fn into_pending(self, logged: Logged) -> Option<PendingLog> {
        match self.log {
            ToLog::Entries(entries) => Some(PendingLog { entries, logged }),
            ToLog::Nothing | ToLog::Unmade => None,
        }
    }

    /// Its item for the history, once it is written.
    pub fn take_item(&mut self) -> Option<NewItem> {
        self.item.take()
    }

    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// What became of it.
    fn outcome(&self, reply: Reply, noted: Noted) -> Result<Committed, Unreadable> {
        let logged = match reply {
            Reply::Written if self.entries().is_empty() => Logged::Nothing,
            Reply::Written => Logged::Ended,
            Reply::Logged { id, count } => Logged::Outbox { id, count },
            Reply::LogRefused(reason) => Logged::Refused(reason),
            Reply::NotWritten { fields, is_wanted: true } => {
                return Ok(Committed::Wanted(Box::new(HeldRows::from_fields(fields)?)));
            }
            // The library sent the command again, because the answer to the first attempt was lost.
            Reply::NotWritten { fields, .. } if self.is_ours(&fields) => {
                return Ok(Committed::Done(Logged::Perhaps, Noted::Perhaps));
            }
            Reply::NotWritten { fields, .. } => {
                return Ok(Committed::Conflict(Box::new(HeldRows::from_fields(fields)?)));
            }
        };
        Ok(Committed::Done(logged, noted))
    }

    fn is_ours(&self, fields: &[Field]) -> bool {
        let held = fields.iter().find(|(field, _)| field == REVISION.as_bytes());
        held.and_then(|(_, value)| value.as_deref()) == Some(self.revision.as_bytes())
    }
}

/// A later revision than `before`, and than the version, by which the room goes on where Redis lost it. The nonce makes it unique: a
/// revision that was lost in a failover must never come again.
fn next_revision(before: &str, version: Version, now: StoreTime) -> String {
    let after = micros_of(before).map_or(0, |before| before + 1);
    let micros = after.max(now.as_micros()).max(version.as_u64());
    format!("{micros}-{:08x}", fastrand::u32(..))
}

fn micros_of(revision: &str) -> Option<u64> {
    revision.split_once('-').and_then(|(micros, _)| micros.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABSENT: &str = r#"{"format":1,"version":7,"epoch":0,"isWhole":true,"isTorn":false,"opening":"unknown","trustedUntil":0,"visible":0,"inside":{},"keptUntil":0}"#;

    fn commit() -> Commit {
        let now = StoreTime::from_micros(5_000_000);
        Commit::new(&mut HeldRows::default(), &[], &[], now, None, Vec::new())
    }

    fn fields(revision: &str) -> Vec<Field> {
        let value = |text: &str| Some(text.as_bytes().to_vec());
        vec![
            (REVISION.as_bytes().to_vec(), value(revision)),
            (ROOM.as_bytes().to_vec(), value(ABSENT)),
        ]
    }

    fn not_written(revision: &str) -> Reply {
        Reply::NotWritten { fields: fields(revision), is_wanted: false }
    }

    #[test]
    fn a_commit_whose_answer_was_lost_is_recognised_when_it_is_sent_again() {
        let commit = commit();
        let again = commit.outcome(not_written(commit.revision()), Noted::Nothing).unwrap();
        assert!(matches!(again, Committed::Done(Logged::Perhaps, Noted::Perhaps)));
    }

    #[test]
    fn somebody_elses_write_in_the_same_microsecond_is_a_conflict() {
        let (ours, theirs) = (commit(), commit());
        assert_eq!(ours.revision().split('-').next(), theirs.revision().split('-').next());
        let outcome = ours.outcome(not_written(theirs.revision()), Noted::Nothing).unwrap();
        let Committed::Conflict(held) = outcome else { panic!("it was taken for ours") };
        assert_eq!(held.revision, theirs.revision());
    }
}
