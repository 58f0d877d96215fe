//! The table `[shutdown]`: how the service ends.

use std::time::Duration;

use super::{
    bounds::DAY,
    values::{Values, duration},
};

/// How the service ends.
#[derive(Clone, Debug)]
pub struct ShutdownConfig {
    /// Streams are ended spread over this time.
    pub drain: Duration,
}

impl ShutdownConfig {
    pub(super) fn take(values: &mut Values) -> Self {
        Self { drain: values.take("shutdown.drain", duration(Duration::ZERO..=DAY)) }
    }
}
