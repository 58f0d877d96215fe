//! What steps on a room add to its history, and all rows of a database.

use livekit_presence::{
    history::{
        Database, INSTANCE_COLUMNS, InstanceRow, SESSION_COLUMNS, SessionRow, instance_of,
        session_of,
    },
    presence::{
        Closed, Identity, Left, LeftWhy, LiveKitTime, Media, Moment, Opened, ParticipantKind,
        ParticipantSid, Record, RoomName, RoomSid, Shown, Stay, ToldBy,
    },
    store::HistoryItem,
};
use sqlx::Row;

use crate::harness::patiently;

pub const ROOM: &str = "general";
pub const INSTANCE: &str = "RM_1";

pub fn item(seq: u64, record: Record) -> HistoryItem {
    item_of(ROOM, seq, vec![record])
}

pub fn item_of(room: &str, seq: u64, records: Vec<Record>) -> HistoryItem {
    HistoryItem { room: RoomName::parse(room).unwrap(), seq, opening: None, records }
}

pub fn opened(at: i64) -> Record {
    let at = LiveKitTime::from_millis(at);
    Record::Opened(Opened { sid: RoomSid::new(INSTANCE), created_at: at, at })
}

pub fn closed(at: i64) -> Record {
    let at = Moment { at: LiveKitTime::from_millis(at), exact: true };
    Record::Closed(Closed {
        sid: RoomSid::new(INSTANCE),
        at,
        reason: None,
        told_by: ToldBy::Webhook,
    })
}

/// Somebody with a microphone joins.
pub fn joined(sid: &str, identity: &str, at: i64) -> Record {
    Record::Shown(Shown {
        stay: stay(sid, identity, at),
        since: LiveKitTime::from_millis(at),
        is_revealed: false,
        media: Media { microphone: true, ..Media::default() },
        at: LiveKitTime::from_millis(at),
        told_by: ToldBy::Webhook,
    })
}

pub fn left(sid: &str, identity: &str, joined_at: i64, at: i64) -> Record {
    Record::Left(Left {
        stay: stay(sid, identity, joined_at),
        at: Moment { at: LiveKitTime::from_millis(at), exact: true },
        reason: Some("CLIENT_INITIATED".to_owned()),
        why: LeftWhy::Said,
        told_by: ToldBy::Webhook,
    })
}

fn stay(sid: &str, identity: &str, joined_at: i64) -> Stay {
    Stay {
        sid: ParticipantSid::new(sid),
        identity: Identity::new(identity),
        room_sid: Some(RoomSid::new(INSTANCE)),
        joined_at: LiveKitTime::from_millis(joined_at),
        name: identity.to_uppercase(),
        kind: ParticipantKind::Standard,
        agent: false,
        metadata: None,
    }
}

/// All sessions, in order of their sids, once they have what lies in the journal.
pub async fn sessions(database: &Database) -> Vec<SessionRow> {
    journal_is_empty(database).await;
    let sql = format!("SELECT {SESSION_COLUMNS} FROM sessions ORDER BY sid");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(database.reader().await.unwrap());
    rows.await.unwrap().iter().map(|row| session_of(row).unwrap()).collect()
}

/// All lives of rooms, in order of their sids, once they have what lies in the journal.
pub async fn instances(database: &Database) -> Vec<InstanceRow> {
    journal_is_empty(database).await;
    let sql = format!("SELECT {INSTANCE_COLUMNS} FROM room_instances ORDER BY sid");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(database.reader().await.unwrap());
    rows.await.unwrap().iter().map(|row| instance_of(row).unwrap()).collect()
}

async fn journal_is_empty(database: &Database) {
    patiently("the journal to be empty", async || {
        let entries = "SELECT COUNT(*) FROM journal";
        let entries = sqlx::query(entries).fetch_one(database.reader().await.unwrap()).await;
        entries.unwrap().get::<i64, _>(0) == 0
    })
    .await;
}

/// Who has a session, and how often, in order of the sids.
pub async fn identities(database: &Database) -> Vec<String> {
    sessions(database).await.into_iter().map(|row| row.identity).collect()
}
