//! What a database keeps of bans. Implemented by the history's.

use async_trait::async_trait;

use crate::presence::{Ban, Identity, RoomName, StoreTime};

use super::error::RecordError;

/// A ban as the database has it. Its times are whole milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanRecord {
    pub room: RoomName,
    pub identity: Identity,
    pub ban: Ban,
}

/// A place among all records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanPosition {
    pub room: String,
    pub identity_key: i64,
}

/// Where bans are kept.
#[async_trait]
pub trait BanRecords: Send + Sync + 'static {
    /// Keeps a ban, in place of an earlier one of the same person in the same room.
    async fn save(&self, record: &BanRecord) -> Result<(), RecordError>;

    /// Deletes a person's ban, and returns it if there was one.
    async fn delete(
        &self,
        room: &RoomName,
        identity: &Identity,
    ) -> Result<Option<Ban>, RecordError>;

    /// Whether this very ban is kept.
    async fn has(&self, record: &BanRecord) -> Result<bool, RecordError>;

    /// At most `max` bans after a position, in order, and the position after them if there may be more.
    async fn page(
        &self,
        after: Option<&BanPosition>,
        max: usize,
    ) -> Result<(Vec<BanRecord>, Option<BanPosition>), RecordError>;

    /// Deletes the bans that ended at or before this time.
    async fn delete_ended(&self, now: StoreTime) -> Result<(), RecordError>;
}
