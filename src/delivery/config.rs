//! How connections are treated.

use std::time::Duration;

#[derive(Clone, Debug)]
pub struct DeliveryConfig {
    /// The number of workers. Zero starts one for each processor.
    pub threads: usize,
    pub heartbeat: Duration,
    /// A frame must be finished within this time, even if the client takes it in small pieces.
    pub write_timeout: Duration,
}
