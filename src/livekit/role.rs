//! Roles: what somebody may do in a room, by a name. Their grants become LiveKit's: in a token (`auth/grants.go` of
//! livekit/protocol), or as the permission of somebody who is inside.

use std::collections::BTreeMap;

use crate::presence::RoomName;

use super::{api::PermissionUpdate, video_grant::VideoGrant};

/// Longer names fit no table of roles.
const MAX_NAME_BYTES: usize = 64;

/// What somebody may do in a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent")]
pub struct Grants {
    /// Whether sources that have no name here may be published too. Those named below need their own grant.
    pub any_source: bool,
    pub microphone: bool,
    pub camera: bool,
    /// A screen, and its sound.
    pub screen: bool,
    pub subscribe: bool,
    pub data: bool,
    /// May change their own name, metadata and attributes.
    pub metadata: bool,
    /// May moderate the room.
    pub admin: bool,
}

impl Grants {
    /// Reads the names of grants, with spaces between them.
    ///
    /// # Errors
    /// The name that is none.
    pub fn parse(names: &str) -> Result<Self, InvalidRoles> {
        let mut grants = Self::default();
        for name in names.split_whitespace() {
            match name {
                "publish" => {
                    let all = Self { any_source: true, microphone: true, ..grants };
                    grants = Self { camera: true, screen: true, ..all };
                }
                "microphone" => grants.microphone = true,
                "camera" => grants.camera = true,
                "screen" => grants.screen = true,
                "subscribe" => grants.subscribe = true,
                "data" => grants.data = true,
                "metadata" => grants.metadata = true,
                "admin" => grants.admin = true,
                other => return Err(InvalidRoles::NoGrant(other.to_owned())),
            }
        }
        Ok(grants)
    }

    /// The same, with the rights to speak and to show a camera as somebody was given them by name.
    #[must_use]
    pub fn with(self, can_speak: Option<bool>, can_video: Option<bool>) -> Self {
        Self {
            microphone: can_speak.unwrap_or(self.microphone),
            camera: can_video.unwrap_or(self.camera),
            ..self
        }
    }

    pub fn can_publish(&self) -> bool {
        self.any_source || self.microphone || self.camera || self.screen
    }

    /// The sources that may be published, by LiveKit's names in lower case; empty: any, if anything.
    pub fn sources(&self) -> Vec<String> {
        if self.any_source && self.microphone && self.camera && self.screen {
            return Vec::new();
        }
        let named = [
            (self.camera, "camera"),
            (self.microphone, "microphone"),
            (self.screen, "screen_share"),
            (self.screen, "screen_share_audio"),
        ];
        named.into_iter().filter(|(granted, _)| *granted).map(|(_, name)| name.to_owned()).collect()
    }

    /// What a token grants that joins a room with these.
    pub fn video_grant(&self, room: &RoomName) -> VideoGrant {
        VideoGrant {
            room: room.as_str().to_owned(),
            room_join: true,
            room_admin: self.admin,
            can_publish: Some(self.can_publish()),
            can_subscribe: Some(self.subscribe),
            can_publish_data: Some(self.data),
            can_publish_sources: self.sources(),
            can_update_own_metadata: Some(self.metadata),
            ..VideoGrant::default()
        }
    }

    /// What changes about the permission of somebody who is inside and gets these.
    pub fn permission(&self) -> PermissionUpdate {
        PermissionUpdate {
            can_publish: Some(self.can_publish()),
            can_subscribe: Some(self.subscribe),
            can_publish_data: Some(self.data),
            can_publish_sources: Some(self.sources()),
            can_update_metadata: Some(self.metadata),
        }
    }
}

/// The roles that there are, and the one of whoever has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    grants: BTreeMap<String, Grants>,
    default: String,
}

/// Why a table of roles cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoles {
    #[error(
        "{0:?} is no grant; there are publish, microphone, camera, screen, subscribe, data, metadata and admin"
    )]
    NoGrant(String),
    #[error(
        "{0:?} is not `role: grant grant …`; roles stand on lines, or have commas between them"
    )]
    NoRole(String),
    #[error("there is no role {0:?} among those of `roles.grants`")]
    NoDefault(String),
}

impl Roles {
    /// Reads roles on lines or with commas between them, each `name: grant grant …`.
    ///
    /// # Errors
    /// A line is no role, or `default` is none of them.
    pub fn parse(lines: &str, default: &str) -> Result<Self, InvalidRoles> {
        let mut grants = BTreeMap::new();
        for line in lines.split(['\n', ',']).map(str::trim).filter(|line| !line.is_empty()) {
            let role = line.split_once(':').map(|(name, grants)| (name.trim(), grants));
            let is_name = |name: &str| {
                (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.contains(char::is_whitespace)
            };
            let Some((name, names)) = role.filter(|(name, _)| is_name(name)) else {
                return Err(InvalidRoles::NoRole(line.to_owned()));
            };
            grants.insert(name.to_owned(), Grants::parse(names)?);
        }
        if !grants.contains_key(default) {
            return Err(InvalidRoles::NoDefault(default.to_owned()));
        }
        Ok(Self { grants, default: default.to_owned() })
    }

    pub fn grants(&self, role: &str) -> Option<Grants> {
        self.grants.get(role).copied()
    }

    /// The role of whoever has none.
    pub fn default_role(&self) -> &str {
        &self.default
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.grants.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "host: publish subscribe data metadata admin\nspeaker: microphone camera subscribe\nviewer: subscribe";

    fn grants(role: &str) -> Grants {
        Roles::parse(LINES, "viewer").unwrap().grants(role).unwrap()
    }

    #[test]
    fn a_role_grants_what_its_line_names() {
        let cases = [
            ("host", true, vec![]),
            ("speaker", true, vec!["camera", "microphone"]),
            ("viewer", false, vec![]),
        ];
        for (role, can_publish, sources) in cases {
            let grants = grants(role);
            assert_eq!((grants.can_publish(), grants.sources()), (can_publish, owned(&sources)));
            assert!(grants.subscribe);
        }
        assert!(grants("host").admin && !grants("speaker").admin);
    }

    #[test]
    fn somebody_may_be_given_a_voice_or_lose_it_whatever_their_role() {
        let viewer = grants("viewer").with(Some(true), None);
        assert_eq!((viewer.can_publish(), viewer.sources()), (true, owned(&["microphone"])));
        let host = grants("host").with(Some(false), None);
        assert_eq!(host.sources(), owned(&["camera", "screen_share", "screen_share_audio"]));
        let muted = grants("speaker").with(Some(false), Some(false));
        assert_eq!((muted.can_publish(), muted.sources()), (false, vec![]));
    }

    #[test]
    fn what_is_no_role_is_named() {
        let of = |lines| Roles::parse(lines, "viewer").unwrap_err().to_string();
        assert!(of("viewer: subscribe fly").contains("\"fly\" is no grant"));
        assert!(of("viewer subscribe").contains("is not `role: grant grant …`"));
        assert!(of(": subscribe").contains("is not `role: grant grant …`"));
        assert!(of("host: publish").contains("no role \"viewer\""));
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }
}
