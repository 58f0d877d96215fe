//! What happened on this instance in the last hour, in steps of five seconds: the charts of the page are drawn from it, without
//! Prometheus. Instances that share a store also tell each other, so that each can show the sum.
//!
//! Counts nothing itself: each step is the difference of two readings of the metrics. Knows no metric but by its name, and no
//! HTTP. `app` hands in a reading at each step; `http` shows the ring.

mod fleet;
mod quantile;
mod reading;
mod ring;
mod series;
mod shared;
mod shown;
mod step;

pub use fleet::Fleet;
pub use ring::{Figures, STEP};
pub use series::Beside;
pub use shown::Shown;
pub use step::Step;
