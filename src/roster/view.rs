//! Merges what moderators wrote with who is in the room and who was. No I/O and no clock.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crate::{
    history::{ReadRoster, Rfc3339, RosterRow, Stayed},
    livekit::{Grants, Roles},
    presence::Participant,
};

use super::entry::{RosterEntry, RosterStatus, UNWRITTEN};

/// The history has a leave after this time at the latest, or it never will.
const HISTORY_DELAY_MILLIS: i64 = 60_000;
/// LiveKit tells when somebody left in whole seconds, and so perhaps a second before it was.
const WHOLE_SECOND: i64 = 1_000;

/// A room's roster.
#[derive(Clone, Debug)]
pub struct RosterView {
    roles: Arc<Roles>,
    rows: HashMap<String, RosterRow>,
    inside: HashMap<String, Inside>,
    stays: HashMap<String, Stayed>,
    /// Who was seen leaving, and when. The history may not have it yet.
    seen_leaving: HashMap<String, i64>,
}

/// Somebody in the room.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Inside {
    name: String,
    joined_at: i64,
    is_agent: bool,
    /// Whether LiveKit lets them publish, subscribe and send data.
    rights: (bool, bool, bool),
}

/// What a change of the list did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListChange {
    /// Whose entries may be different.
    pub touched: BTreeSet<String>,
    /// Whether the history will have something new: somebody left, or the first one entered.
    pub is_history: bool,
}

impl RosterView {
    pub fn new<'list>(
        roles: Arc<Roles>,
        read: ReadRoster,
        list: impl IntoIterator<Item = &'list Participant>,
    ) -> Self {
        let mut view = Self {
            roles,
            rows: HashMap::new(),
            inside: HashMap::new(),
            stays: HashMap::new(),
            seen_leaving: HashMap::new(),
        };
        view.set_inside(list, 0);
        view.set_read(read, 0);
        view
    }

    /// Takes over who is in the room. Those who are no longer have left `now`.
    pub fn set_inside<'list>(
        &mut self,
        list: impl IntoIterator<Item = &'list Participant>,
        now: i64,
    ) -> ListChange {
        let entered = |one: &Participant| (one.identity.to_string(), Inside::of(one));
        let inside: HashMap<_, _> = list.into_iter().map(entered).collect();
        let was_empty = self.inside.is_empty();
        let before = std::mem::replace(&mut self.inside, inside);
        let mut change = ListChange {
            touched: different(&before, &self.inside),
            is_history: was_empty && !self.inside.is_empty(),
        };
        for (identity, Inside { name, joined_at, is_agent, rights: _ }) in before {
            let is_known = !is_agent || self.rows.contains_key(&identity);
            if is_known && !self.inside.contains_key(&identity) {
                change.is_history = true;
                self.stays.insert(identity.clone(), Stayed { name, joined_at, left_at: Some(now) });
                self.seen_leaving.insert(identity, now);
            }
        }
        change
    }

    /// Takes over what the database has. Returns whose entries may be different.
    pub fn set_read(&mut self, read: ReadRoster, now: i64) -> BTreeSet<String> {
        let ReadRoster { rows, mut stays } = read;
        let rows: HashMap<_, _> = rows.into_iter().map(|row| (row.identity.clone(), row)).collect();
        let kept_from = now - HISTORY_DELAY_MILLIS;
        let known = &self.stays;
        self.seen_leaving.retain(|identity, at| {
            let Some(seen) = known.get(identity) else { return false };
            let is_newer =
                |read: &Stayed| read.joined_at >= seen.joined_at && read.left_at.is_some();
            if *at < kept_from || stays.get(identity).is_some_and(is_newer) {
                return false;
            }
            stays.insert(identity.clone(), seen.clone());
            true
        });
        let mut touched = different(&self.rows, &rows);
        touched.append(&mut different(&self.stays, &stays));
        (self.rows, self.stays) = (rows, stays);
        touched
    }

    /// Everybody in it, in the order of their identities.
    pub fn identities(&self) -> BTreeSet<&str> {
        let all = self.rows.keys().chain(self.inside.keys()).chain(self.stays.keys());
        all.map(String::as_str).collect()
    }

    /// Everybody in it, in the order of their identities.
    pub fn entries(&self) -> Vec<RosterEntry> {
        self.identities().into_iter().filter_map(|identity| self.entry(identity)).collect()
    }

    /// Whether a person is in the room.
    pub fn is_inside(&self, identity: &str) -> bool {
        self.inside.contains_key(identity)
    }

    /// What the roster lets somebody in the room do, if LiveKit's list says otherwise. The list does not name the sources that may be
    /// published, only whether there is one.
    pub fn grants_that_livekit_lacks(&self, identity: &str) -> Option<Grants> {
        let inside = self.inside.get(identity)?;
        let grants = grants_of(&self.roles, self.rows.get(identity));
        let wanted = (grants.can_publish(), grants.subscribe, grants.data);
        (inside.rights != wanted).then_some(grants)
    }

    /// A person's entry; none if nothing is to be said of them.
    pub fn entry(&self, identity: &str) -> Option<RosterEntry> {
        let row = self.rows.get(identity);
        let inside = self.inside.get(identity);
        if row.is_none() && inside.is_some_and(|inside| inside.is_agent) {
            return None;
        }
        // A stay that ended before the invitation is another story.
        let counts = |stay: &&Stayed| {
            row.is_none_or(|row| stay.left_at.is_none_or(|left| left > row.since - WHOLE_SECOND))
        };
        let stay = self.stays.get(identity).filter(counts);
        let status = match (inside, stay, row) {
            (Some(_), _, _) => RosterStatus::Joined,
            (None, None, Some(row)) if row.invited => RosterStatus::Invited,
            // Without a stay they came uninvited, and the history does not know when they left.
            (None, Some(_), _) | (None, None, Some(_)) => RosterStatus::Left,
            (None, None, None) => return None,
        };
        let joined_at = inside.map(|inside| inside.joined_at).or(stay.map(|stay| stay.joined_at));
        let left_at = stay.filter(|_| inside.is_none()).and_then(|stay| stay.left_at);
        let name = inside.map(|inside| &inside.name).or(stay.map(|stay| &stay.name));
        let grants = grants_of(&self.roles, row);
        Some(RosterEntry {
            identity: identity.to_owned(),
            name: name.cloned().unwrap_or_default(),
            role: row.map_or_else(|| self.roles.default_role(), |row| &row.role).to_owned(),
            can_speak: grants.microphone,
            can_video: grants.camera,
            invited: row.is_some_and(|row| row.invited),
            invited_at: row.filter(|row| row.invited).map(|row| Rfc3339(row.since)),
            note: row.and_then(|row| row.note.clone()),
            status,
            joined_at: joined_at.map(Rfc3339),
            left_at: left_at.map(Rfc3339),
            version: row.map_or(UNWRITTEN, |row| row.version).to_string(),
        })
    }
}

impl Inside {
    fn of(participant: &Participant) -> Self {
        let may = participant.profile.permission;
        Self {
            rights: (may.can_publish, may.can_subscribe, may.can_publish_data),
            name: participant.profile.name.clone(),
            joined_at: participant.joined_at.as_millis(),
            is_agent: participant.profile.is_agent(),
        }
    }
}

/// What somebody may do with this row, or without one. A role that is no longer configured grants what the default role does.
pub fn grants_of(roles: &Roles, row: Option<&RosterRow>) -> Grants {
    let by_default = roles.grants(roles.default_role()).unwrap_or_default();
    row.map_or(by_default, |row| {
        roles.grants(&row.role).unwrap_or(by_default).with(row.can_speak, row.can_video)
    })
}

/// The keys whose values differ.
fn different<V: PartialEq>(
    before: &HashMap<String, V>,
    after: &HashMap<String, V>,
) -> BTreeSet<String> {
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let new = after.iter().filter(|(key, value)| before.get(*key) != Some(value));
    gone.chain(new.map(|(key, _)| key)).cloned().collect()
}
