//! What happened on this instance in the last hour, in steps of five seconds: the charts of the page are drawn from it, without
//! Prometheus.
//!
//! Counts nothing itself: each step is the difference of two readings of the metrics. Knows no metric but by its name, and no
//! HTTP. `app` hands in a reading at each step; `http` shows the ring.

mod quantile;
mod reading;
mod ring;
mod series;

pub use ring::{Figures, STEP, Shown};
pub use series::Beside;
