//! The time of day, handed down from the top, so that tests can set it.

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::presence::HostTime;

/// Tells the time since the Unix epoch. Only `app` makes one; everything below is given it.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> HostTime + Send + Sync>);

impl Clock {
    /// The machine's own.
    pub fn system() -> Self {
        Self::new(|| {
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            HostTime::from_micros(u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX))
        })
    }

    pub fn new(now: impl Fn() -> HostTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub fn now(&self) -> HostTime {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({:?})", self.now())
    }
}
