//! What a change of a roster writes. No I/O and no clock.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};

use crate::{
    history::{RosterRow, RosterRows, RosterWrite},
    livekit::Roles,
};

use super::{entry::UNWRITTEN, error::RosterError};

/// Entries that a room can have. Those who come uninvited are not counted.
pub const MAX_ENTRIES: usize = 10_000;
/// Everybody who watches a roster is sent all notes.
const MAX_NOTE_BYTES: usize = 1_000;
/// LiveKit takes 256 bytes by default.
const MAX_IDENTITY_BYTES: usize = 1_024;

/// What a moderator says of one person. What is null is as if it was never said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct RosterEdit {
    pub role: Said<String>,
    pub can_speak: Said<bool>,
    pub can_video: Said<bool>,
    pub note: Said<String>,
}

/// What a moderator says of a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Said<T> {
    #[default]
    Nothing,
    Null,
    Value(T),
}

/// What a moderator says of many people, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectionEdit {
    pub entries: Vec<(String, RosterEdit)>,
}

/// On which version of an entry a change builds (RFC 9110, 13.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    pub if_match: Option<Tags>,
    pub if_none_match: Option<Tags>,
}

/// Versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tags {
    Any,
    These(Vec<String>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Said<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
    }
}

impl<T> Said<T> {
    /// What is kept, after `before`.
    fn after(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Nothing => before,
            Self::Null => None,
            Self::Value(value) => Some(value),
        }
    }
}

impl Preconditions {
    /// Whether they hold for what is written of somebody, and for somebody who is in the room.
    pub fn hold(&self, row: Option<&RosterRow>, is_inside: bool) -> bool {
        let version = row.map_or(UNWRITTEN, |row| row.version).to_string();
        let matches = match &self.if_match {
            None => true,
            Some(Tags::Any) => row.is_some() || is_inside,
            Some(Tags::These(tags)) => tags.contains(&version),
        };
        let is_known = match &self.if_none_match {
            None => false,
            // Whether the moderators know of them counts.
            Some(Tags::Any) => row.is_some(),
            Some(Tags::These(tags)) => tags.contains(&version),
        };
        matches && !is_known
    }
}

impl RosterEdit {
    /// A voice and a camera, as somebody was given them by name.
    pub fn of_rights(can_speak: bool, can_video: bool) -> Self {
        Self {
            can_speak: Said::Value(can_speak),
            can_video: Said::Value(can_video),
            ..Self::default()
        }
    }

    /// Whether it says what the person may do.
    pub fn names_rights(&self) -> bool {
        let Self { role, can_speak, can_video, note: _ } = self;
        *role != Said::Nothing || *can_speak != Said::Nothing || *can_video != Said::Nothing
    }

    /// The row that replaces the one before, with an invitation if there was none.
    pub(super) fn put(
        self,
        identity: &str,
        before: Option<&RosterRow>,
        roles: &Roles,
        now: i64,
    ) -> Result<RosterRow, RosterError> {
        let invitation = before.filter(|before| before.invited);
        let empty = RosterRow {
            identity: identity.to_owned(),
            role: roles.default_role().to_owned(),
            can_speak: None,
            can_video: None,
            note: None,
            invited: true,
            since: invitation.map_or(now, |before| before.since),
            version: before.map_or(UNWRITTEN, |before| before.version),
        };
        self.patch(&empty, roles)
    }

    /// The row of somebody who came uninvited.
    pub(super) fn of_uninvited(
        self,
        identity: &str,
        roles: &Roles,
        now: i64,
    ) -> Result<RosterRow, RosterError> {
        Ok(RosterRow { invited: false, ..self.put(identity, None, roles, now)? })
    }

    /// The row before with what is said here.
    pub(super) fn patch(self, before: &RosterRow, roles: &Roles) -> Result<RosterRow, RosterError> {
        check_identity(&before.identity)?;
        let role = match self.role {
            Said::Nothing => before.role.clone(),
            Said::Null => roles.default_role().to_owned(),
            Said::Value(role) => known(role, roles)?,
        };
        let note = self.note.after(before.note.clone()).filter(|note| !note.is_empty());
        if note.as_ref().is_some_and(|note| note.len() > MAX_NOTE_BYTES) {
            return Err(RosterError::Invalid(format!(
                "a `note` has at most {MAX_NOTE_BYTES} bytes"
            )));
        }
        Ok(RosterRow {
            role,
            note,
            can_speak: self.can_speak.after(before.can_speak),
            can_video: self.can_video.after(before.can_video),
            ..before.clone()
        })
    }
}

impl CollectionEdit {
    /// Of whom it says what they may do.
    pub(super) fn names_rights_of(&self) -> Vec<String> {
        let named = self.entries.iter().filter(|(_, edit)| edit.names_rights());
        named.map(|(identity, _)| identity.clone()).collect()
    }

    /// What replaces everybody.
    pub(super) fn put(
        self,
        before: &RosterRows,
        roles: &Roles,
        now: i64,
    ) -> Result<RosterWrite, RosterError> {
        let mut gone = by_identity(before);
        let mut write = RosterWrite::default();
        for (identity, edit) in self.entries {
            let before = gone.remove(&*identity);
            add(&mut write, before, edit.put(&identity, before, roles, now)?);
        }
        write.removed = gone.into_keys().map(str::to_owned).collect();
        write.removed.sort_unstable();
        bounded(write, before.count)
    }

    /// What is added to everybody, or merged with those who are there.
    pub(super) fn patch(
        self,
        before: &RosterRows,
        roles: &Roles,
        now: i64,
    ) -> Result<RosterWrite, RosterError> {
        let known = by_identity(before);
        let mut write = RosterWrite::default();
        for (identity, edit) in self.entries {
            let before = known.get(&*identity).copied();
            let after = match before {
                Some(before) => edit.patch(before, roles)?,
                None => edit.put(&identity, None, roles, now)?,
            };
            add(&mut write, before, after);
        }
        bounded(write, before.count)
    }
}

/// A write of one row; of none if it would change nothing.
pub(super) fn write_of(before: &RosterRows, after: RosterRow) -> Result<RosterWrite, RosterError> {
    let mut write = RosterWrite::default();
    add(&mut write, before.rows.first(), after);
    bounded(write, before.count)
}

fn add(write: &mut RosterWrite, before: Option<&RosterRow>, after: RosterRow) {
    if before != Some(&after) {
        write.put.push(after);
    }
}

/// Refuses what would make a roster too large.
fn bounded(write: RosterWrite, count: usize) -> Result<RosterWrite, RosterError> {
    let new = write.put.iter().filter(|row| row.version == UNWRITTEN).count();
    if count + new > MAX_ENTRIES + write.removed.len() {
        return Err(RosterError::Full);
    }
    Ok(write)
}

fn by_identity(rows: &RosterRows) -> HashMap<&str, &RosterRow> {
    rows.rows.iter().map(|row| (&*row.identity, row)).collect()
}

fn known(role: String, roles: &Roles) -> Result<String, RosterError> {
    if roles.grants(&role).is_some() {
        return Ok(role);
    }
    let there: Vec<_> = roles.names().collect();
    Err(RosterError::Invalid(format!(
        "there is no role {role:?}; there are {} (`roles.grants`)",
        there.join(", ")
    )))
}

fn check_identity(identity: &str) -> Result<(), RosterError> {
    let fits = (1..=MAX_IDENTITY_BYTES).contains(&identity.len()) && !identity.contains('\0');
    fits.then_some(()).ok_or_else(|| {
        RosterError::Invalid(format!(
            "an identity has 1 to {MAX_IDENTITY_BYTES} bytes here, and no NUL"
        ))
    })
}
