//! A room without its people, and what LiveKit says of its metadata.

use crate::{
    presence::{MetadataTold, RoomName, ToldMetadata},
    store::{Position, RoomAbout, StoreError, events::Happened},
};

use super::{
    super::{
        commit::ToLog,
        rows::{self, room_row},
        steps::{Effect, Taken, Wanted},
    },
    RedisStore,
};

impl RedisStore {
    pub(super) async fn take_metadata(
        &self,
        room: &RoomName,
        told: &ToldMetadata,
    ) -> Result<MetadataTold, StoreError> {
        let wanted = Wanted { room, persons: &[], may_be_unread: true, keeps: false };
        self.steps
            .step(wanted, |slice, now, is_logged| {
                let before = slice.as_held().metadata_digest();
                let outcome = slice.tell_metadata(told);
                let happened = Happened::of_metadata(room, slice.as_held(), &before, now);
                let log = ToLog::of(&happened, slice, is_logged);
                let effect = match outcome {
                    MetadataTold::Changed => Effect::Written,
                    MetadataTold::Same | MetadataTold::Outdated => Effect::NothingIfRead,
                };
                Ok(Taken { outcome, touched: Vec::new(), effect, log, item: None })
            })
            .await
    }

    pub(super) async fn read_about(
        &self,
        room: &RoomName,
    ) -> Result<Option<RoomAbout>, StoreError> {
        let held = self.steps.reader.about(room).await?;
        // Callers compare the position with the store's estimated time, so that has to be known.
        self.steps.time.now().await?;
        Ok((!held.revision.is_empty()).then(|| RoomAbout::of(held.slice.as_held())))
    }

    pub(super) async fn read_position(
        &self,
        room: &RoomName,
    ) -> Result<Option<Position>, StoreError> {
        let mut read = redis::cmd("HGET");
        read.arg(self.keys.room(room)).arg(rows::ROOM);
        let row: Option<Vec<u8>> = self.link.query(&read).await?;
        // Callers compare the position with the store's estimated time, so that has to be known.
        self.steps.time.now().await?;
        let Some(row) = row else { return Ok(None) };
        let row = room_row(&row)?;
        Ok(Some(Position {
            version: row.version,
            completeness: row.completeness(),
            compared_at: row.compared_at,
        }))
    }
}
