//! What an audit reads and writes.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Row};

use crate::{
    history::{
        auditor::AuditedHistory,
        error::HistoryError,
        row::{InstanceRow, SessionRow},
    },
    presence::RoomName,
    store::HistoryItem,
};

use super::{Database, OPEN, load};

#[async_trait]
impl AuditedHistory for Database {
    async fn open_rooms(&self) -> Result<HashMap<String, usize>, HistoryError> {
        self.count_open().await
    }

    async fn rows_of(
        &self,
        room: &RoomName,
        sids: &BTreeSet<String>,
    ) -> Result<(Vec<SessionRow>, Vec<InstanceRow>), HistoryError> {
        self.load_open(room, sids).await
    }

    async fn last_told(&self, before: i64) -> Result<Option<i64>, HistoryError> {
        self.load_last_told(before).await
    }

    async fn correct(&self, corrections: Vec<HistoryItem>) -> Result<(), HistoryError> {
        self.write(corrections).await
    }
}

impl Database {
    /// By the ends, and by when open sessions were written last: the indexes have both.
    async fn load_last_told(&self, before: i64) -> Result<Option<i64>, HistoryError> {
        let of_open = format!(
            "SELECT MAX(seq) / 1000 FROM sessions WHERE left_at = {OPEN} AND seq / 1000 < $1"
        );
        let mut last = None;
        for newest in [
            "SELECT MAX(left_at) FROM sessions WHERE left_at < $1",
            "SELECT MAX(finished_at) FROM room_instances WHERE finished_at < $1",
            &of_open,
        ] {
            let newest = sqlx::query(AssertSqlSafe(newest)).bind(before);
            let newest = newest.fetch_one(self.reader().await?).await?;
            last = last.max(newest.try_get::<Option<i64>, _>(0)?);
        }
        Ok(last)
    }

    async fn count_open(&self) -> Result<HashMap<String, usize>, HistoryError> {
        let mut rooms = HashMap::new();
        for of_room in [
            "SELECT room, COUNT(*) FROM sessions WHERE left_at = $1 GROUP BY room",
            "SELECT room, CAST(0 AS BIGINT) FROM room_instances WHERE finished_at = $1 GROUP BY room",
        ] {
            let counts = sqlx::query(of_room).bind(OPEN).fetch_all(self.reader().await?).await?;
            for count in counts {
                let (room, open): (String, i64) = (count.try_get(0)?, count.try_get(1)?);
                let room = rooms.entry(room).or_insert(0);
                *room += usize::try_from(open).unwrap_or_default();
            }
        }
        Ok(rooms)
    }

    /// The newest `seq` of an open row; zero if there is none.
    ///
    /// # Errors
    /// The database cannot be used.
    pub async fn newest_open(&self) -> Result<u64, HistoryError> {
        let mut newest = 0;
        for of_open in [
            "SELECT COALESCE(MAX(seq), 0) FROM sessions WHERE left_at = $1",
            "SELECT COALESCE(MAX(seq), 0) FROM room_instances WHERE finished_at = $1",
        ] {
            let row = sqlx::query(of_open).bind(OPEN).fetch_one(self.reader().await?).await?;
            newest = newest.max(row.try_get::<i64, _>(0)?);
        }
        Ok(newest.unsigned_abs())
    }

    async fn load_open(
        &self,
        room: &RoomName,
        sids: &BTreeSet<String>,
    ) -> Result<(Vec<SessionRow>, Vec<InstanceRow>), HistoryError> {
        let mut connection = self.reader().await?.acquire().await?;
        let (is_open, is_unfinished) =
            (format!("AND left_at = {OPEN}"), format!("AND finished_at = {OPEN}"));
        let mut sessions =
            load::sessions(&mut connection, "room", [room.as_str()], &is_open).await?;
        let is_other = format!("AND left_at <> {OPEN}");
        sessions.extend(load::sessions(&mut connection, "sid", sids, &is_other).await?);
        let mut instances =
            load::instances(&mut connection, "room", [room.as_str()], &is_unfinished).await?;
        let of_sessions: BTreeSet<_> =
            sessions.iter().filter_map(|row| row.instance.as_ref()).collect();
        let has_ended = format!("AND finished_at <> {OPEN}");
        instances.extend(load::instances(&mut connection, "sid", of_sessions, &has_ended).await?);
        Ok((sessions, instances))
    }
}
