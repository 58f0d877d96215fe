//! Reads rooms: some rows of one, or all.

use std::sync::Arc;

use redis::Cmd;

use crate::{
    presence::{Identity, RoomName},
    store::StoreError,
};

use super::{
    keys::KeyFormat,
    link::Link,
    rows::{HeldRows, METADATA, REVISION, ROOM, field_of},
};

pub(super) struct RowReader {
    link: Arc<Link>,
    keys: KeyFormat,
}

impl RowReader {
    pub fn new(link: Arc<Link>, keys: KeyFormat) -> Self {
        Self { link, keys }
    }

    /// Reads the room's own row and those of some persons.
    pub async fn rows(
        &self,
        room: &RoomName,
        persons: &[Identity],
    ) -> Result<HeldRows, StoreError> {
        let mut fields = vec![REVISION.to_owned(), ROOM.to_owned()];
        fields.extend(persons.iter().map(field_of));
        self.fields(room, fields).await
    }

    /// Reads the room's own row and its metadata.
    pub async fn about(&self, room: &RoomName) -> Result<HeldRows, StoreError> {
        self.fields(room, [REVISION, ROOM, METADATA].map(ToOwned::to_owned).to_vec()).await
    }

    async fn fields(&self, room: &RoomName, fields: Vec<String>) -> Result<HeldRows, StoreError> {
        let values: Vec<Option<Vec<u8>>> = self.link.query(&self.some(room, &fields)).await?;
        Ok(HeldRows::from_fields(fields.into_iter().map(String::into_bytes).zip(values))?)
    }

    pub async fn everybody(&self, room: &RoomName) -> Result<HeldRows, StoreError> {
        let mut read = redis::cmd("HGETALL");
        read.arg(self.keys.room(room));
        let fields: Vec<(Vec<u8>, Vec<u8>)> = self.link.query(&read).await?;
        let fields = fields.into_iter().map(|(field, value)| (field, Some(value)));
        Ok(HeldRows::from_all_fields(fields)?)
    }

    /// Adds the rows of further persons. If somebody has written since the others were read, reads the room's own row again with
    /// these, and drops the others.
    pub async fn more(
        &self,
        room: &RoomName,
        persons: &[Identity],
        held: &mut HeldRows,
    ) -> Result<(), StoreError> {
        let mut fields = vec![REVISION.to_owned()];
        fields.extend(persons.iter().map(field_of));
        let values: Vec<Option<Vec<u8>>> = self.link.query(&self.some(room, &fields)).await?;
        let mut values = values.into_iter();
        let revision = values.next().flatten().unwrap_or_default();
        if revision != held.revision.as_bytes() {
            *held = self.rows(room, persons).await?;
            return Ok(());
        }
        for (identity, row) in persons.iter().zip(values) {
            held.load(identity, row.as_deref())?;
        }
        Ok(())
    }

    fn some(&self, room: &RoomName, fields: &[String]) -> Cmd {
        let mut read = redis::cmd("HMGET");
        read.arg(self.keys.room(room)).arg(fields);
        read
    }
}
