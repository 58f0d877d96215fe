//! The only way a room is written: all of a change if the room still has the revision that was read, otherwise nothing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::Value;

use crate::{
    presence::{Identity, RoomName, StoreTime},
    store::StoreError,
};

use super::{
    index,
    keys::KeyFormat,
    link::Link,
    rows::{Field, HeldRows, REVISION, ROOM, Unreadable, field_of, to_json},
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
    /// It is written.
    Done(Logged),
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
        let revision = next_revision(&held.revision, now);
        set.push((REVISION.to_owned(), revision.clone().into_bytes()));
        set.push((ROOM.to_owned(), to_json(&held.slice.row())));
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
        }
    }

    /// With this for the log of events.
    pub fn logging(self, log: ToLog) -> Self {
        Self { log, ..self }
    }

    /// Takes a room that Redis does not hold out of its bucket's index.
    pub fn unlist(now: StoreTime) -> Self {
        Self {
            expected: String::new(),
            revision: next_revision("", now),
            absent: Vec::new(),
            deleted: Vec::new(),
            set: Vec::new(),
            entry: Vec::new(),
            keep_secs: None,
            message: Vec::new(),
            log: ToLog::Nothing,
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
        let keys = keys.of_room(room);
        let keep = self.keep_secs.map_or(String::new(), |secs| secs.to_string());
        let reserve = reserve.as_micros().to_string();
        let (absent, deleted) = (self.absent.len().to_string(), self.deleted.len().to_string());
        let entries = self.entries();
        let logged = match self.log {
            ToLog::Unmade => "-1".to_owned(),
            ToLog::Nothing | ToLog::Entries(_) => entries.len().to_string(),
        };
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
        arguments.extend(entries.iter().map(Vec::as_slice));
        arguments.extend(self.absent.iter().chain(&self.deleted).map(String::as_bytes));
        arguments.extend(self.set.iter().flat_map(|(field, value)| [field.as_bytes(), value]));
        let sent = Instant::now();
        let answer = link.invoke(connection, &scripts.commit.call(&keys, &arguments)).await?;
        let (time, answer) = Answer::parse(answer).ok_or(Unreadable::Malformed)?;
        Ok((self.outcome(answer)?, sent, time))
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

    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// What became of it.
    fn outcome(&self, answer: Answer) -> Result<Committed, Unreadable> {
        Ok(match answer {
            Answer::Written if self.entries().is_empty() => Committed::Done(Logged::Nothing),
            Answer::Written => Committed::Done(Logged::Ended),
            Answer::Logged { id, count } => Committed::Done(Logged::Outbox { id, count }),
            Answer::LogRefused(reason) => Committed::Done(Logged::Refused(reason)),
            Answer::NotWritten { fields, is_wanted: true } => {
                Committed::Wanted(Box::new(HeldRows::from_fields(fields)?))
            }
            // The library sent the command again, because the answer to the first attempt was lost.
            Answer::NotWritten { fields, .. } if self.is_ours(&fields) => {
                Committed::Done(Logged::Perhaps)
            }
            Answer::NotWritten { fields, .. } => {
                Committed::Conflict(Box::new(HeldRows::from_fields(fields)?))
            }
        })
    }

    fn is_ours(&self, fields: &[Field]) -> bool {
        let held = fields.iter().find(|(field, _)| field == REVISION.as_bytes());
        held.and_then(|(_, value)| value.as_deref()) == Some(self.revision.as_bytes())
    }
}

/// A later revision than `before`. The nonce makes it unique: a revision that was lost in a failover must never come again.
fn next_revision(before: &str, now: StoreTime) -> String {
    let before = before.split_once('-').and_then(|(micros, _)| micros.parse().ok());
    let micros = before.map_or(0, |before: u64| before + 1).max(now.as_micros());
    format!("{micros}-{:08x}", fastrand::u32(..))
}

/// What the script answers beside the time.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Written,
    Logged {
        id: String,
        count: usize,
    },
    LogRefused(String),
    /// The fields are as they are.
    NotWritten {
        fields: Vec<Field>,
        is_wanted: bool,
    },
}

impl Answer {
    /// The time, and the answer.
    fn parse(answer: Value) -> Option<(StoreTime, Self)> {
        let (micros, answer) = match answer {
            Value::Int(micros) => (micros, Self::Written),
            Value::Array(mut parts) if (2..=3).contains(&parts.len()) => {
                let number = if parts.len() == 3 { Some(parts.pop()?) } else { None };
                let number: Option<usize> = number.map(redis::from_redis_value).transpose().ok()?;
                let (what, micros) = (parts.pop()?, parts.pop()?);
                let answer = match (what, number) {
                    (fields @ Value::Array(_), Some(wanted)) => Self::NotWritten {
                        fields: redis::from_redis_value(fields).ok()?,
                        is_wanted: wanted == 1,
                    },
                    (id, Some(count)) => {
                        Self::Logged { id: redis::from_redis_value(id).ok()?, count }
                    }
                    (reason, None) => Self::LogRefused(redis::from_redis_value(reason).ok()?),
                };
                (redis::from_redis_value(micros).ok()?, answer)
            }
            _ => return None,
        };
        Some((StoreTime::from_micros(u64::try_from(micros).ok()?), answer))
    }
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

    fn not_written(revision: &str) -> Answer {
        Answer::NotWritten { fields: fields(revision), is_wanted: false }
    }

    #[test]
    fn a_commit_whose_answer_was_lost_is_recognised_when_it_is_sent_again() {
        let commit = commit();
        let again = commit.outcome(not_written(commit.revision())).unwrap();
        assert!(matches!(again, Committed::Done(Logged::Perhaps)));
    }

    #[test]
    fn somebody_elses_write_in_the_same_microsecond_is_a_conflict() {
        let (ours, theirs) = (commit(), commit());
        assert_eq!(ours.revision().split('-').next(), theirs.revision().split('-').next());
        let outcome = ours.outcome(not_written(theirs.revision())).unwrap();
        let Committed::Conflict(held) = outcome else { panic!("it was taken for ours") };
        assert_eq!(held.revision, theirs.revision());
    }

    #[test]
    fn an_answer_tells_the_time_and_what_became_of_the_write() {
        let (time, answer) = Answer::parse(Value::Int(1_764_428_000_123_456)).unwrap();
        assert_eq!((time.as_micros(), answer), (1_764_428_000_123_456, Answer::Written));
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let of = |parts: Vec<Value>| Answer::parse(Value::Array(parts)).map(|(_, answer)| answer);
        let field = Value::Array(vec![text("r"), Value::Nil]);
        assert_eq!(
            of(vec![Value::Int(7), Value::Array(vec![field]), Value::Int(1)]),
            Some(Answer::NotWritten { fields: vec![(b"r".to_vec(), None)], is_wanted: true })
        );
        assert_eq!(
            of(vec![Value::Int(7), text("5-0"), Value::Int(2)]),
            Some(Answer::Logged { id: "5-0".to_owned(), count: 2 })
        );
        let refused = of(vec![Value::Int(7), text("NOPERM")]);
        assert_eq!(refused, Some(Answer::LogRefused("NOPERM".to_owned())));
        assert!(Answer::parse(Value::Okay).is_none());
    }
}
