//! What steps on rooms add to the history, on its way there. A step writes it together with the room, and it lies here until the
//! history has it. So nothing that was acknowledged is missing from the history, whatever breaks in between.

mod drop_log;
mod item;
mod lost;
mod memory;
mod settings;
mod step;

pub(super) use drop_log::DropLog;
pub use item::{HistoryItem, ItemId, PendingItem, RoomOpening};
pub(super) use memory::MemoryOutbox;
pub use settings::OutboxSettings;
pub(super) use step::item_of;

use async_trait::async_trait;

use crate::presence::RoomName;

use super::error::StoreError;

/// Where items lie until the history has them.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// Waits until a step has added something. May return although there is nothing.
    async fn added(&self);

    /// Waits, after some items were written, until the next should be. At once, unless more of them are better written together.
    async fn gathered(&self) {}

    /// The oldest items that steps of this instance have added, at most about `max` of them, those of each room in order. They stay
    /// until they are [`done`](Self::done), and come again with the next call if they are not.
    async fn pending(&self, max: usize) -> Result<Vec<PendingItem>, StoreError>;

    /// Looks once for what instances left behind that were killed, or lost Redis, between two steps. Returns what is
    /// [`pending`](Self::pending) then, with the first of it; the rest is pending, too.
    async fn left_behind(&self, max: usize) -> Result<Vec<PendingItem>, StoreError>;

    /// Whether what lies here is there after this process has ended.
    fn outlives_process(&self) -> bool {
        true
    }

    /// The newest row that an item may change has this `seq`. Where this process numbers the items by its clock, which may have been
    /// set back, those that wait and those that come have newer numbers from now on. Called before the first of them is written.
    fn begin_above(&self, _seq: u64) {}

    /// The history has these items.
    async fn done(&self, items: &[PendingItem]) -> Result<(), StoreError>;

    /// This instance cannot bring these items into the history. They stay for others that can, and do not come again here. Where
    /// there are no others, they are dropped.
    async fn leave(&self, items: &[PendingItem]) -> Result<(), StoreError> {
        self.done(items).await
    }

    /// Waits until the history has what was added for a room before this call, or takes nothing any more. Resolves at once where
    /// items outlive this process. A webhook that is repeated asks about what its earlier attempts added.
    async fn kept(&self, room: &RoomName, is_repeated: bool) -> Kept;

    /// How many items lie here, as far as this instance knows, and how many were dropped because there was no room for more.
    fn counts(&self) -> OutboxCounts;
}

/// Whether the history has what was added for a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It has it, or it will, even if this process ends.
    Yes,
    /// Some of it was dropped, because there was no room for more.
    Lost,
    /// It does not have it, and takes nothing at the moment.
    NotNow,
}

/// For metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxCounts {
    pub waiting: u64,
    pub dropped: u64,
}
