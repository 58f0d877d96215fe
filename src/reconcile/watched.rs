//! A room that somebody watches.

use std::sync::Arc;

use tokio::sync::watch;

use crate::presence::RoomName;

use super::context::Context;

/// A room that is compared regularly, until this is dropped.
pub struct Watched {
    context: Arc<Context>,
    room: RoomName,
    confirmed: watch::Receiver<()>,
}

impl Watched {
    pub(super) fn new(
        context: Arc<Context>,
        room: RoomName,
        confirmed: watch::Receiver<()>,
    ) -> Self {
        Self { context, room, confirmed }
    }

    /// A webhook about the room has come. It may be older than what was read of LiveKit's Redis, so that is read again.
    pub fn heard(&self) {
        self.context.readings.read_again(&self.room);
    }

    /// Waits until the next comparison of the room has ended. The room may be confirmed then, or still have undecided sessions.
    pub async fn confirmed(&mut self) {
        if self.confirmed.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut schedule = self.context.schedule();
        schedule.unwatch(&self.room);
        if !schedule.queue.is_watched(&self.room) {
            self.context.readings.unwatch(&self.room);
        }
    }
}
