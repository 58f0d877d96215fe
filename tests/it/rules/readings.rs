//! Instances that read what LiveKit keeps of the people whenever it changes, in a schedule. They draw from numbers of their own, so
//! that the rest of a schedule is the same without them.

use livekit_presence::presence::{Listing, RepairCause, SessionInfo, StoreTime, plan_refresh};

use super::{
    schedule::{InFlight, Schedule, Step},
    simulated_livekit::SimulatedLiveKit,
};

/// What reading is made of: several instances read by themselves, each as slowly as it may be.
pub(super) struct Readers {
    rng: fastrand::Rng,
}

/// As [`record`](super::record), with instances that read what LiveKit keeps.
pub fn record_with_readings(seed: u64) -> Vec<(StoreTime, Step)> {
    let mut schedule = Schedule::with_readings(seed);
    for _ in 0..schedule.rng.usize(1..60) {
        schedule.step().expect("the rules hold");
    }
    schedule.done
}

impl SimulatedLiveKit {
    /// What it keeps in Redis, which is there while it is down too.
    pub fn kept(&self) -> Vec<SessionInfo> {
        self.listed.values().cloned().collect()
    }
}

impl Readers {
    fn delay(&mut self) -> u64 {
        match self.rng.u8(..10) {
            0..6 => self.rng.u64(..5),
            6..9 => self.rng.u64(..300),
            _ => self.rng.u64(..20_000),
        }
    }
}

impl Schedule {
    pub(super) fn with_readings(seed: u64) -> Self {
        let rng = fastrand::Rng::with_seed(seed ^ 0x5eed);
        let mut schedule = Self::new(seed);
        schedule.readers = Some(Readers { rng });
        schedule
    }

    /// Up to three instances read, mostly what LiveKit keeps, and sometimes a replica that lags.
    pub(super) fn read(&mut self) {
        let Some(mut readers) = self.readers.take() else { return };
        for _ in 0..readers.rng.u8(..4) {
            let sessions = match readers.rng.u8(..8) {
                0 => self.livekit.list_participants(),
                _ => Some(self.livekit.kept()),
            };
            if let Some(sessions) = sessions {
                let listing = Listing { asked_at: self.now, sessions };
                self.send(readers.delay(), InFlight::Reading(listing));
            }
        }
        self.readers = Some(readers);
    }

    /// An instance has read the room, and applies what follows from the list a while later.
    pub(super) fn refresh(&mut self, listing: &Listing) {
        let refresh = plan_refresh(&self.room, listing, &self.rules);
        let Some(readers) = &mut self.readers else { return };
        let delay = readers.delay();
        self.send(delay, InFlight::Repairs(refresh.repairs));
    }
}

impl Step {
    /// Whether it applies what an instance has read because it changed.
    pub fn is_refresh(&self) -> bool {
        match self {
            Self::Repair(repairs) => repairs.cause == RepairCause::Refresh,
            Self::Apply(_) | Self::Ban(..) => false,
        }
    }
}
