//! The item that a step writes into the outbox.

use crate::presence::{LiveKitTime, RoomName, RoomSid, StepTaken};

use super::item::{HistoryItem, RoomOpening};

/// What a step adds to the history of a room; none where it adds nothing. Its `seq` is zero until the store gives it one.
pub(in crate::store) fn item_of(room: &RoomName, step: &StepTaken<'_>) -> Option<HistoryItem> {
    let records = step.records();
    let opening = |(sid, created_at): (&RoomSid, Option<LiveKitTime>)| RoomOpening {
        sid: sid.clone(),
        created_at,
    };
    (!records.is_empty()).then(|| HistoryItem {
        room: room.clone(),
        seq: 0,
        opening: step.room.open_instance().map(opening),
        records,
    })
}
