//! What the rest of the service has of rosters: reads them, changes them, and lets subscribers follow them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use tracing::{info, warn};

use crate::{
    abort_on_panic,
    clock::Clock,
    error_chain::Chain,
    history::{History, ReadRoster, RosterRow, RosterRows, RosterSubject, RosterWrite},
    hub::{Hub, RosterTopics, Subscription},
    livekit::{Grants, Roles},
    presence::{EventId, Identity, RoomName},
    store::{FeedEvent, Store},
};

use super::{
    edit::{CollectionEdit, Preconditions, RosterEdit, write_of},
    entry::RosterEntry,
    error::RosterError,
    event::{Happened, ROSTER_UPDATED},
    live::LiveRoster,
    view::{RosterView, grants_of},
};

/// Each entry that a change touches is an event, up to this number. A larger change is one event, without an entry.
const MAX_EVENTS: usize = 100;

/// What rosters are made of.
pub struct RosterParts {
    pub history: Arc<History>,
    pub store: Arc<dyn Store>,
    pub hub: Hub,
    pub topics: RosterTopics,
    pub roles: Roles,
    pub clock: Clock,
}

/// The rosters of rooms.
#[derive(Clone)]
pub struct Roster(Arc<Shared>);

/// What rosters and their tasks share.
pub(super) struct Shared {
    pub history: Arc<History>,
    pub store: Arc<dyn Store>,
    pub hub: Hub,
    topics: RosterTopics,
    pub roles: Arc<Roles>,
    pub clock: Clock,
}

/// What a change did to one person's entry.
#[derive(Clone, Debug)]
pub struct Edited {
    pub entry: RosterEntry,
    /// Whether nothing was written of them before.
    pub is_new: bool,
    /// What they may do from now on, if they are in the room and that may be different.
    pub to_apply: Option<(Identity, Grants)>,
}

/// What the roster says of what somebody may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterRole {
    pub role: String,
    pub grants: Grants,
}

/// What a change has of one person.
struct Person {
    /// None if nothing was written of them.
    before: Option<RosterRow>,
    after: Option<RosterRow>,
}

impl Roster {
    pub fn new(parts: RosterParts) -> Self {
        let RosterParts { history, store, hub, topics, roles, clock } = parts;
        let roles = Arc::new(roles);
        Self(Arc::new(Shared { history, store, hub, topics, roles, clock }))
    }

    /// The roster of a room.
    ///
    /// # Errors
    /// The database or the store cannot be read.
    pub async fn read(&self, room: &RoomName) -> Result<RosterView, RosterError> {
        let read = self.0.history.reader().roster(room).await?;
        self.view(room, read).await
    }

    /// One person's entry; none if nothing is known of them.
    ///
    /// # Errors
    /// The database or the store cannot be read.
    pub async fn entry(
        &self,
        room: &RoomName,
        identity: &str,
    ) -> Result<Option<RosterEntry>, RosterError> {
        let read = self.0.history.reader().roster_of(room, identity).await?;
        Ok(self.view(room, read).await?.entry(identity))
    }

    /// What moderators have said of what somebody may do in a room; none if they have said nothing.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn role_of(
        &self,
        room: &RoomName,
        identity: &str,
    ) -> Result<Option<RosterRole>, RosterError> {
        let row = self.0.history.reader().roster_row(room, identity).await?;
        Ok(row.map(|row| {
            let grants = grants_of(&self.0.roles, Some(&row));
            RosterRole { role: row.role, grants }
        }))
    }

    /// Subscribes to the roster of a room. Returns once it is known; from then on the subscriber misses no change.
    ///
    /// # Errors
    /// The database or the store cannot be read.
    pub async fn subscribe(&self, room: &RoomName) -> Result<Subscription, RosterError> {
        let serve = |topic| {
            let task = LiveRoster::run(Arc::clone(&self.0), topic);
            tokio::spawn(abort_on_panic::task("the task of a roster", task));
        };
        Ok(self.0.topics.subscribe(room, serve).await?)
    }

    /// Invites somebody, or replaces what is written of them.
    ///
    /// # Errors
    /// Nothing was changed, because the database cannot be used, the change is none, or its preconditions do not hold.
    pub async fn put(
        &self,
        room: &RoomName,
        identity: &str,
        edit: RosterEdit,
        preconditions: &Preconditions,
    ) -> Result<Edited, RosterError> {
        let is_inside = self.is_inside(room, identity).await?;
        let (roles, now) = (&*self.0.roles, self.now());
        let decide = |rows: &RosterRows| {
            let before = rows.rows.first();
            check(preconditions, before, is_inside)?;
            write_of(rows, edit.put(identity, before, roles, now)?)
        };
        self.change_one(room, identity, true, decide).await
    }

    /// Changes a part of what is written of somebody, or of somebody who is in the room uninvited.
    ///
    /// # Errors
    /// As [`Self::put`]; or nothing is known of them.
    pub async fn patch(
        &self,
        room: &RoomName,
        identity: &str,
        edit: RosterEdit,
        preconditions: &Preconditions,
    ) -> Result<Edited, RosterError> {
        let is_inside = self.is_inside(room, identity).await?;
        let (roles, now) = (&*self.0.roles, self.now());
        let names_rights = edit.names_rights();
        let decide = |rows: &RosterRows| {
            let before = rows.rows.first();
            check(preconditions, before, is_inside)?;
            let after = match before {
                Some(before) => edit.patch(before, roles)?,
                None if is_inside => edit.of_uninvited(identity, roles, now)?,
                None => return Err(RosterError::Absent),
            };
            write_of(rows, after)
        };
        self.change_one(room, identity, names_rights, decide).await
    }

    /// Deletes what is written of somebody. None if they are not in the roster any more then.
    ///
    /// # Errors
    /// As [`Self::put`]; or nothing was written of them.
    pub async fn remove(
        &self,
        room: &RoomName,
        identity: &str,
        preconditions: &Preconditions,
    ) -> Result<Option<Edited>, RosterError> {
        let decide = |rows: &RosterRows| {
            let before = rows.rows.first().ok_or(RosterError::Absent)?;
            check(preconditions, Some(before), false)?;
            let removed = vec![before.identity.clone()];
            Ok(RosterWrite { removed, ..RosterWrite::default() })
        };
        let people = self.change(room, RosterSubject::One(identity), decide).await?;
        self.told(room, people).await
    }

    /// Replaces the roster, or with `merges` adds to it.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn change_all(
        &self,
        room: &RoomName,
        edit: CollectionEdit,
        merges: bool,
    ) -> Result<(RosterView, Vec<Edited>), RosterError> {
        let (roles, now) = (&*self.0.roles, self.now());
        let named = edit.names_rights_of();
        let decide = |rows: &RosterRows| match merges {
            true => edit.patch(rows, roles, now),
            false => edit.put(rows, roles, now),
        };
        let people = self.change(room, RosterSubject::Everybody, decide).await?;
        let view = self.read(room).await?;
        self.log(room, &people, &view).await;
        let mut edited: Vec<_> =
            people.iter().filter_map(|person| self.edited(person, &view)).collect();
        let is_edited: HashSet<_> = edited.iter().map(|one| one.entry.identity.clone()).collect();
        let again = named.into_iter().filter(|identity| !is_edited.contains(identity));
        // Nothing new is written of them, but the call before may have failed after it was.
        edited.extend(again.filter_map(|identity| {
            let grants = view.grants_that_livekit_lacks(&identity)?;
            let entry = view.entry(&identity)?;
            Some(Edited { entry, is_new: false, to_apply: Some((Identity::new(identity), grants)) })
        }));
        Ok((view, edited))
    }

    /// Whether somebody is in a room.
    async fn is_inside(&self, room: &RoomName, identity: &str) -> Result<bool, RosterError> {
        Ok(self.view(room, ReadRoster::default()).await?.is_inside(identity))
    }

    async fn view(&self, room: &RoomName, read: ReadRoster) -> Result<RosterView, RosterError> {
        let list = self.0.hub.read(room, || false).await?;
        let list = list.snapshot.as_ref().into_iter().flat_map(|list| list.participants());
        Ok(RosterView::new(Arc::clone(&self.0.roles), read, list))
    }

    /// Changes what is written of one person. Where the change `names_rights`, LiveKit gets them even if they are written already:
    /// the call before may have failed after that.
    async fn change_one(
        &self,
        room: &RoomName,
        identity: &str,
        names_rights: bool,
        decide: impl FnOnce(&RosterRows) -> Result<RosterWrite, RosterError> + Send,
    ) -> Result<Edited, RosterError> {
        let people = self.change(room, RosterSubject::One(identity), decide).await?;
        if let Some(edited) = self.told(room, people).await? {
            return Ok(edited);
        }
        let read = self.0.history.reader().roster_of(room, identity).await?;
        let view = self.view(room, read).await?;
        let entry = view.entry(identity).ok_or(RosterError::Absent)?;
        let applies = names_rights && view.is_inside(identity);
        let role = if applies { self.role_of(room, identity).await? } else { None };
        let to_apply = role.map(|role| (Identity::new(identity), role.grants));
        Ok(Edited { entry, is_new: false, to_apply })
    }

    /// Changes rows, and tells the followers of the room on every instance.
    async fn change(
        &self,
        room: &RoomName,
        subject: RosterSubject<'_>,
        decide: impl FnOnce(&RosterRows) -> Result<RosterWrite, RosterError> + Send,
    ) -> Result<Vec<Person>, RosterError> {
        let mut before = Vec::new();
        let noted = |rows: &RosterRows| {
            before.clone_from(&rows.rows);
            decide(rows)
        };
        let database = self.0.history.database();
        let now_micros = self.0.clock.now().as_micros();
        let write = database.change_roster(room, subject, now_micros, noted).await?;
        if write == RosterWrite::default() {
            return Ok(Vec::new());
        }
        if let Err(error) = self.0.store.tell_roster(room).await {
            // They find it with their next reading.
            warn!(room.name = %room, error = %Chain(&error), "cannot tell other instances that a roster has changed");
        }
        Ok(people_of(before, write))
    }

    /// Logs the event of a change of one person, and says what it did to their entry. None if it did nothing, or they have none now.
    async fn told(
        &self,
        room: &RoomName,
        people: Vec<Person>,
    ) -> Result<Option<Edited>, RosterError> {
        let Some(person) = people.first() else { return Ok(None) };
        let row = person.after.as_ref().or(person.before.as_ref());
        let identity = row.map(|row| row.identity.clone()).unwrap_or_default();
        let read = self.0.history.reader().roster_of(room, &identity).await?;
        let view = self.view(room, read).await?;
        self.log(room, &people, &view).await;
        Ok(self.edited(person, &view))
    }

    fn edited(&self, Person { before, after }: &Person, view: &RosterView) -> Option<Edited> {
        let identity = &after.as_ref().or(before.as_ref())?.identity;
        let grants = grants_of(&self.0.roles, after.as_ref());
        let is_other = before.is_none() || grants != grants_of(&self.0.roles, before.as_ref());
        let applies = is_other && view.is_inside(identity);
        Some(Edited {
            entry: view.entry(identity)?,
            is_new: before.is_none(),
            to_apply: applies.then(|| (Identity::new(&**identity), grants)),
        })
    }

    async fn log(&self, room: &RoomName, people: &[Person], view: &RosterView) {
        info!(room.name = %room, entries = people.len(), "a roster was changed");
        let version = people.iter().filter_map(|one| one.after.as_ref()).map(|row| row.version);
        let version = version.max().unwrap_or_else(|| self.now());
        if people.len() > MAX_EVENTS {
            return self.log_one(room, "", version, &Happened::of(room)).await;
        }
        for Person { before, after } in people {
            let Some(row) = after.as_ref().or(before.as_ref()) else { continue };
            let entry = after.as_ref().and_then(|row| view.entry(&row.identity));
            let removed = entry.is_none().then_some(&*row.identity);
            let happened = Happened { entry, removed, ..Happened::of(room) };
            self.log_one(room, &row.identity, version, &happened).await;
        }
    }

    async fn log_one(&self, room: &RoomName, whom: &str, version: i64, happened: &Happened<'_>) {
        let parts = [room.as_str(), whom, &version.to_string(), ROSTER_UPDATED];
        let id = EventId::of_parts(parts.map(str::as_bytes)).to_string();
        let named = ROSTER_UPDATED.to_owned();
        let event = FeedEvent::new(id, named, Some(room.clone()), happened, self.now());
        if let Err(error) = self.0.store.log_event(event).await {
            warn!(room.name = %room, error = %Chain(&error), "cannot log that a roster has changed");
        }
    }

    fn now(&self) -> i64 {
        self.0.now()
    }
}

impl Shared {
    /// In milliseconds since the Unix epoch.
    pub fn now(&self) -> i64 {
        i64::try_from(self.clock.now().as_millis()).unwrap_or(i64::MAX)
    }
}

fn check(
    preconditions: &Preconditions,
    row: Option<&RosterRow>,
    is_inside: bool,
) -> Result<(), RosterError> {
    preconditions.hold(row, is_inside).then_some(()).ok_or(RosterError::Changed)
}

/// Whom a change was about, each with what was written of them before and after.
fn people_of(before: Vec<RosterRow>, write: RosterWrite) -> Vec<Person> {
    let mut known: HashMap<_, _> =
        before.into_iter().map(|row| (row.identity.clone(), row)).collect();
    let RosterWrite { put, removed } = write;
    let put = put.into_iter().map(|row| (row.identity.clone(), Some(row)));
    let removed = removed.into_iter().map(|identity| (identity, None));
    let all = put.chain(removed);
    all.map(|(identity, after)| Person { before: known.remove(&identity), after }).collect()
}
