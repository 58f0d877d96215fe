//! What `livekit-presence doctor` says: of deployments with one mistake each it names that one and no other, and of one without it
//! says so. The parts are real.

mod around;
mod deployment;
mod livekit;
mod proxies;
mod well;

use deployment::{Deployment, Said};
