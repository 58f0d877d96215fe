//! The version of the LiveKit that is tested, and what versions differ in (`docs/livekit-behaviour.md`).

use std::{fmt, path::Path};

use tokio::process::Command;

/// The version of a livekit-server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Version {
    /// Asks the program.
    pub async fn of(program: &Path) -> Self {
        let output = Command::new(program).arg("--version").output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let last = text.split_whitespace().last();
        last.and_then(Self::parse).unwrap_or_else(|| panic!("no version in {text:?}"))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(|number| number.parse().ok());
        let mut next = || numbers.next().flatten();
        Some(Self { major: next()?, minor: next()?, patch: next()? })
    }

    /// The version of a server in which something is new, as far as versions were looked at.
    fn is_since(self, major: u32, minor: u32) -> bool {
        (self.major, self.minor) >= (major, minor)
    }

    /// Whether participants can publish tracks of data.
    pub fn has_data_tracks(self) -> bool {
        self.is_since(1, 11)
    }

    /// Whether `ListParticipants` can ask the node of the room. Otherwise it reads the store, and its lists have ghosts.
    pub fn can_ask_nodes_for_lists(self) -> bool {
        self.is_since(1, 11)
    }

    /// The reason with which somebody leaves whose process was killed.
    pub fn reason_of_the_killed(self) -> &'static str {
        if self.is_since(1, 11) { "CONNECTION_TIMEOUT" } else { "STATE_MISMATCH" }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}
