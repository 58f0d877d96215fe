//! The room's metadata in a slice. Its text is in a row of its own, which a step reads only if it reads everything, and writes only
//! if it becomes another.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::presence::{
    metadata::{MetadataTold, ToldMetadata},
    row::ROW_FORMAT,
};

use super::RoomSlice;

/// The row of a room's metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataRow {
    pub format: u32,
    pub metadata: Arc<str>,
}

impl RoomSlice {
    /// Takes in the row of the metadata. It counts only beside a room's own row that tells of it.
    pub fn load_metadata(&mut self, row: MetadataRow) {
        let metadata = &mut self.room.metadata;
        metadata.text = metadata.mark.is_some().then_some(row.metadata);
    }

    /// As [`Room::tell_metadata`](crate::presence::Room::tell_metadata). Needs no row but the room's own.
    pub fn tell_metadata(&mut self, told: &ToldMetadata) -> MetadataTold {
        self.room.tell_metadata(told)
    }

    /// What has to become of the row of the metadata, which is then taken for written: nothing, or to be written, or, where there
    /// is none any more, to be deleted.
    pub fn take_metadata_row(&mut self) -> Option<Option<MetadataRow>> {
        let row = self.room.metadata_unless(&self.stored_metadata).map(|text| {
            let row = || MetadataRow { format: ROW_FORMAT, metadata: text.into() };
            (!text.is_empty()).then(row)
        });
        if row.is_some() {
            self.stored_metadata = self.room.metadata_digest();
            // Slices are kept, and few steps need the text.
            self.room.metadata.text = None;
        }
        row
    }
}
