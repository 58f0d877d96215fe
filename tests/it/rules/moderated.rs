//! What moderators have the simulated LiveKit do, and what it answers.

use std::sync::Arc;

use livekit_presence::presence::{Identity, Profile, Repair, Room, SessionInfo, Track};

use super::simulated_livekit::SimulatedLiveKit;

/// What LiveKit did, and said of it.
pub enum Moderated {
    Updated(SessionInfo),
    Muted(Identity, Track),
    Removed(Identity),
    Ended,
}

impl SimulatedLiveKit {
    /// Does one thing for a moderator, chosen at random. None where there is nobody to do it to.
    pub fn moderate(&mut self, choice: u8) -> Option<Moderated> {
        if !self.has_room() {
            return None;
        }
        Some(match choice {
            0..5 => {
                // A room whose node is gone cannot be ended.
                self.someone()?;
                self.delete();
                Moderated::Ended
            }
            5..30 => {
                let identity = self.someone()?;
                self.end_session(&identity);
                Moderated::Removed(identity)
            }
            30..60 => {
                let mut info = self.some_active()?;
                let track = info.tracks.first_mut()?;
                track.muted = !track.muted;
                let track = track.clone();
                let identity = info.identity.clone();
                self.store(info);
                Moderated::Muted(identity, track)
            }
            _ => {
                let name = self.fresh("name");
                let mut info = self.some_active()?;
                info.profile = Arc::new(Profile { name, ..(*info.profile).clone() });
                info.version += 1;
                self.store(info.clone());
                Moderated::Updated(info)
            }
        })
    }
}

impl Moderated {
    /// What follows from it for a room as it was before.
    pub fn steps(&self, before: &Room) -> Vec<Repair> {
        match self {
            Self::Updated(info) => before.after_update(info),
            Self::Muted(identity, track) => before.after_mute(identity, track),
            Self::Removed(identity) => before.after_removal(identity),
            Self::Ended => before.after_end(),
        }
    }
}
