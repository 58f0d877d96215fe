//! Whether a Redis is one that LiveKit uses, and in a layout that is known here.

/// The major version of LiveKit whose keys and values are known.
const KNOWN_MAJOR: &str = "1";

/// What `livekit_version` says: the newest LiveKit that ever used this Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Known,
    /// No LiveKit has used this Redis, or this database of it.
    Missing,
    /// Another version, or something else.
    Other(String),
}

impl Layout {
    pub fn of(version: Option<&str>) -> Self {
        match version {
            None | Some("") => Self::Missing,
            Some(version) if version.split('.').next() == Some(KNOWN_MAJOR) => Self::Known,
            Some(version) => Self::Other(version.chars().take(40).collect()),
        }
    }

    /// Why it cannot be read, and what an operator can do.
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Known => None,
            Self::Missing => Some(
                "it has no `livekit_version`, so LiveKit does not use it: configure LiveKit with this Redis (`redis.address` in its configuration), or put the database number (`redis.db`) at the end of `livekit.redis_url`"
                    .to_owned(),
            ),
            Self::Other(version) => Some(format!(
                "its `livekit_version` is {version:?}, and only the layout of LiveKit {KNOWN_MAJOR} is known: update this service"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_version_with_a_known_major_number_is_known() {
        for (version, layout) in [
            (Some("1.13.5"), Layout::Known),
            (Some("1.8.0-rc.1"), Layout::Known),
            (Some("2.0.0"), Layout::Other("2.0.0".to_owned())),
            (Some("10.0.0"), Layout::Other("10.0.0".to_owned())),
            (Some("v1"), Layout::Other("v1".to_owned())),
            (Some(""), Layout::Missing),
            (None, Layout::Missing),
        ] {
            assert_eq!(Layout::of(version), layout, "{version:?}");
        }
    }
}
