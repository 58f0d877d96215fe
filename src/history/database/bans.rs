//! Keeps bans, so that they survive a store that lost everything.

use async_trait::async_trait;
use sqlx::{Row, any::AnyRow};

use crate::{
    history::error::HistoryError,
    moderation::{BanPosition, BanRecord, BanRecords, RecordError},
    presence::{Ban, Identity, RoomName, StoreTime},
};

use super::{Database, OPEN, identity_key, stored_text};

const COLUMNS: &str = "room, identity_key, identity, until, banned_at, banned_by, reason";
const OF_PERSON: &str = "WHERE room = $1 AND identity_key = $2 AND identity = $3";

#[async_trait]
impl BanRecords for Database {
    async fn save(&self, record: &BanRecord) -> Result<(), RecordError> {
        Ok(self.save_ban(record).await?)
    }

    async fn delete(
        &self,
        room: &RoomName,
        identity: &Identity,
    ) -> Result<Option<Ban>, RecordError> {
        Ok(self.delete_ban(room, identity).await?)
    }

    async fn has(&self, record: &BanRecord) -> Result<bool, RecordError> {
        Ok(self.has_ban(record).await?)
    }

    async fn page(
        &self,
        after: Option<&BanPosition>,
        max: usize,
    ) -> Result<(Vec<BanRecord>, Option<BanPosition>), RecordError> {
        Ok(self.page_of_bans(after, max).await?)
    }

    async fn delete_ended(&self, now: StoreTime) -> Result<(), RecordError> {
        Ok(self.delete_ended_bans(now).await?)
    }
}

impl From<HistoryError> for RecordError {
    fn from(error: HistoryError) -> Self {
        Self::new(error)
    }
}

impl Database {
    async fn save_ban(&self, record: &BanRecord) -> Result<(), HistoryError> {
        let BanRecord { room, identity, ban } = record;
        let mut transaction = self.begin().await?;
        let delete = format!("DELETE FROM bans {OF_PERSON}");
        of_person(&delete, room, identity).execute(&mut *transaction).await?;
        let insert = format!("INSERT INTO bans ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)");
        of_person(&insert, room, identity)
            .bind(ban.until.map_or(OPEN, millis))
            .bind(millis(ban.at))
            .bind(stored_text(&ban.by).into_owned())
            .bind(ban.reason.as_deref().map(|reason| stored_text(reason).into_owned()))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn delete_ban(
        &self,
        room: &RoomName,
        identity: &Identity,
    ) -> Result<Option<Ban>, HistoryError> {
        let mut transaction = self.begin().await?;
        let select = format!("SELECT {COLUMNS} FROM bans {OF_PERSON}");
        let row = of_person(&select, room, identity).fetch_optional(&mut *transaction).await?;
        let delete = format!("DELETE FROM bans {OF_PERSON}");
        of_person(&delete, room, identity).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(row.as_ref().map(ban_of).transpose()?)
    }

    async fn has_ban(&self, record: &BanRecord) -> Result<bool, HistoryError> {
        self.prepare().await?;
        let select = format!("SELECT 1 FROM bans {OF_PERSON} AND banned_at = $4 AND until = $5");
        let found = of_person(&select, &record.room, &record.identity)
            .bind(millis(record.ban.at))
            .bind(record.ban.until.map_or(OPEN, millis))
            .fetch_optional(&self.pools.writing)
            .await?;
        Ok(found.is_some())
    }

    async fn page_of_bans(
        &self,
        after: Option<&BanPosition>,
        max: usize,
    ) -> Result<(Vec<BanRecord>, Option<BanPosition>), HistoryError> {
        self.prepare().await?;
        let select = format!(
            "SELECT {COLUMNS} FROM bans WHERE room > $1 OR room = $1 AND identity_key > $2 \
             ORDER BY room, identity_key LIMIT $3"
        );
        // No room has an empty name.
        let (room, key) = after.map_or(("", 0), |after| (&*after.room, after.identity_key));
        let rows = sqlx::query(sqlx::AssertSqlSafe(select))
            .bind(room.to_owned())
            .bind(key)
            .bind(i64::try_from(max).unwrap_or(i64::MAX))
            .fetch_all(&self.pools.writing)
            .await?;
        let next = rows.last().filter(|_| rows.len() == max);
        let next = next.map(position_of).transpose()?;
        // A row that cannot be read, because a later release wrote it, is none of this one's.
        Ok((rows.iter().filter_map(record_of).collect(), next))
    }

    async fn delete_ended_bans(&self, now: StoreTime) -> Result<(), HistoryError> {
        self.prepare().await?;
        sqlx::query("DELETE FROM bans WHERE until <= $1")
            .bind(millis(now))
            .execute(&self.pools.writing)
            .await?;
        Ok(())
    }
}

type Query<'query> = sqlx::query::Query<'query, sqlx::Any, sqlx::any::AnyArguments>;

/// A statement whose first three values name a person in a room.
fn of_person<'query>(sql: &str, room: &RoomName, identity: &Identity) -> Query<'query> {
    sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()))
        .bind(room.as_str().to_owned())
        .bind(identity_key(identity.as_str()))
        .bind(written(identity))
}

/// An identity may hold a NUL, which `PostgreSQL` takes only if it is escaped.
fn written(identity: &Identity) -> String {
    serde_json::Value::from(identity.as_str()).to_string()
}

fn record_of(row: &AnyRow) -> Option<BanRecord> {
    let room: String = row.try_get(0).ok()?;
    let identity: String = row.try_get(2).ok()?;
    let identity: String = serde_json::from_str(&identity).ok()?;
    Some(BanRecord {
        room: RoomName::parse(&room).ok()?,
        identity: Identity::new(identity),
        ban: ban_of(row).ok()?,
    })
}

fn position_of(row: &AnyRow) -> sqlx::Result<BanPosition> {
    Ok(BanPosition { room: row.try_get(0)?, identity_key: row.try_get(1)? })
}

fn ban_of(row: &AnyRow) -> sqlx::Result<Ban> {
    let until: i64 = row.try_get(3)?;
    Ok(Ban {
        until: (until != OPEN).then(|| time(until)),
        at: time(row.try_get(4)?),
        by: row.try_get(5)?,
        reason: row.try_get(6)?,
    })
}

fn millis(time: StoreTime) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(OPEN)
}

fn time(millis: i64) -> StoreTime {
    StoreTime::from_millis(millis.unsigned_abs())
}
