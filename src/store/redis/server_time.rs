//! The time of Redis, by which the rules stamp what they apply.

use std::{sync::Arc, time::Instant};

use crate::{clock::Clock, presence::StoreTime, store::StoreError};

use super::{clock::StoreClock, link::Link};

/// Tells the time of Redis, and asks for it only if no recent answer told it.
pub(super) struct ServerTime {
    link: Arc<Link>,
    clock: StoreClock,
}

impl ServerTime {
    /// `injected` is a clock to use instead.
    pub fn new(link: Arc<Link>, injected: Option<Clock>) -> Self {
        Self { link, clock: StoreClock::new(injected) }
    }

    /// The time now.
    pub async fn now(&self) -> Result<StoreTime, StoreError> {
        match self.clock.now() {
            Some(now) => Ok(now),
            None => self.ask().await,
        }
    }

    /// Asks the server for its time, even if the last answer is recent.
    pub async fn ask(&self) -> Result<StoreTime, StoreError> {
        // Connecting is not a part of the call that is timed.
        self.link.connection().await?;
        let sent = Instant::now();
        let (seconds, micros): (u64, u64) = self.link.query(&redis::cmd("TIME")).await?;
        let time = StoreTime::from_micros(seconds * 1_000_000 + micros);
        self.clock.learn(sent, time);
        Ok(time)
    }

    /// A call that was sent at `sent` was answered with the server's time.
    pub fn learn(&self, sent: Instant, time: StoreTime) {
        self.clock.learn(sent, time);
    }

    /// The time of the clock that is used instead of the server's.
    pub fn injected(&self) -> Option<StoreTime> {
        self.clock.injected()
    }

    /// The time now by what was last heard, however long ago.
    pub fn estimate(&self) -> Option<StoreTime> {
        self.clock.estimate()
    }
}
