//! What cases are about.

use std::{fmt, str::FromStr};

use serde::Serialize;

macro_rules! groups {
    ($($(#[$doc:meta])* $group:ident $name:literal),+ $(,)?) => {
        /// What a case is about. In the order of the report.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        pub enum Group {
            $($(#[$doc])* #[serde(rename = $name)] $group,)+
        }

        impl Group {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$group,)+];

            /// Its name in the command line and in reports.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$group => $name,)+
                }
            }
        }
    };
}

groups! {
    /// Who may tell of a room.
    Signatures "signatures",
    /// Webhooks that come in another order than things happened.
    Order "order",
    /// Webhooks that never come.
    Loss "loss",
    /// Webhooks that come more than once.
    Duplicates "duplicates",
    /// People whom nobody may see.
    Hidden "hidden",
    /// What is said of people.
    Details "details",
    /// Who may read.
    Tokens "tokens",
    /// The bytes of a stream.
    Sse "sse",
    /// Clients that come back.
    Reconnects "reconnects",
    /// Lists by GET, and what caches do with them.
    Get "get",
    /// Webhooks of a real LiveKit.
    Captured "captured",
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Group {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|group| group.as_str() == text.trim());
        found.copied().ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|group| group.as_str()).collect();
            format!("write some of {}", names.join(", "))
        })
    }
}
