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
    Done,
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
        }
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
        ];
        arguments.extend(self.absent.iter().chain(&self.deleted).map(String::as_bytes));
        arguments.extend(self.set.iter().flat_map(|(field, value)| [field.as_bytes(), value]));
        let sent = Instant::now();
        let answer = link.invoke(connection, &scripts.commit.call(&keys, &arguments)).await?;
        let (time, conflict) = parse(answer).ok_or(Unreadable::Malformed)?;
        Ok((self.outcome(conflict)?, sent, time))
    }

    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// What became of it. `conflict` has the fields as they are, if nothing was written.
    fn outcome(&self, conflict: Option<Vec<Field>>) -> Result<Committed, Unreadable> {
        Ok(match conflict {
            None => Committed::Done,
            // The library sent the command again, because the answer to the first attempt was lost.
            Some(fields) if self.is_ours(&fields) => Committed::Done,
            Some(fields) => Committed::Conflict(Box::new(HeldRows::from_fields(fields)?)),
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

/// The time, and the fields as they are if nothing was written.
fn parse(answer: Value) -> Option<(StoreTime, Option<Vec<Field>>)> {
    let (micros, fields) = match answer {
        Value::Int(micros) => (micros, None),
        conflict => {
            let (micros, fields) = redis::from_redis_value(conflict).ok()?;
            (micros, Some(fields))
        }
    };
    Some((StoreTime::from_micros(micros.try_into().ok()?), fields))
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

    #[test]
    fn a_commit_whose_answer_was_lost_is_recognised_when_it_is_sent_again() {
        let commit = commit();
        let again = commit.outcome(Some(fields(commit.revision()))).unwrap();
        assert!(matches!(again, Committed::Done));
    }

    #[test]
    fn somebody_elses_write_in_the_same_microsecond_is_a_conflict() {
        let (ours, theirs) = (commit(), commit());
        assert_eq!(ours.revision().split('-').next(), theirs.revision().split('-').next());
        let outcome = ours.outcome(Some(fields(theirs.revision()))).unwrap();
        let Committed::Conflict(held) = outcome else { panic!("it was taken for ours") };
        assert_eq!(held.revision, theirs.revision());
    }

    #[test]
    fn an_answer_tells_the_time_and_what_was_there_if_somebody_else_wrote() {
        let (time, fields) = parse(Value::Int(1_764_428_000_123_456)).unwrap();
        assert_eq!((time.as_micros(), fields), (1_764_428_000_123_456, None));
        let field = Value::Array(vec![Value::BulkString(b"r".to_vec()), Value::Nil]);
        let conflict = Value::Array(vec![Value::Int(7), Value::Array(vec![field])]);
        let (time, fields) = parse(conflict).unwrap();
        assert_eq!((time.as_micros(), fields), (7, Some(vec![(b"r".to_vec(), None)])));
        assert!(parse(Value::Okay).is_none());
    }
}
