//! Reads rooms from the store. If the store does not know everybody in a room, LiveKit is asked first.

use std::{sync::Arc, time::Instant};

use crate::{
    presence::{Completeness, Room, RoomName, StoreTime, Version},
    reconcile::{Confirmation, Reconciler, Watched},
    store::{Position, RoomAbout, Store, StoreError},
};

use super::{
    kept_lists::{KeptList, KeptLists},
    room_topic::RoomTopic,
};

/// Where a room's list came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The room is watched on this instance.
    Hot,
    Store,
    /// LiveKit was asked first.
    LiveKit,
}

/// The store, and LiveKit's API where it is configured.
pub(super) struct Lookup {
    pub store: Arc<dyn Store>,
    pub reconciler: Option<Reconciler>,
}

impl Lookup {
    /// Reads a room from the store. If the store does not know everybody in it, LiveKit is asked first. `may_look_up` is called
    /// before LiveKit is asked about a room that neither the store nor LiveKit's list of rooms has.
    pub async fn read_or_ask(
        &self,
        room: &RoomName,
        may_look_up: impl FnOnce() -> bool,
    ) -> Result<(Option<Arc<Room>>, Source), StoreError> {
        let kind = Kind {
            position: |stored: &Arc<Room>| Position::of(stored),
            is_outdated: |stored, now| Reconciler::is_outdated(stored, now),
        };
        self.ask_unless_known(room, || self.store.read(room), kind, may_look_up).await
    }

    /// As [`Self::read_or_ask`], for a room's list. Of a room whose list is kept at the version that the store has, only the position
    /// is read.
    pub async fn list_or_ask(
        &self,
        room: &RoomName,
        kept: &KeptLists,
        may_look_up: impl FnOnce() -> bool,
    ) -> Result<(Option<StoredList>, Source), StoreError> {
        let kind = Kind {
            position: StoredList::position,
            is_outdated: |list, now| match list {
                StoredList::Read(room) => Reconciler::is_outdated(room, now),
                // How a call ends is seen of its person alone, so that such a list is not kept.
                StoredList::Kept(..) => false,
            },
        };
        let read = || async {
            if let Some(list) = kept.get(room)
                && let Some(position) = self.store.position(room).await?
                && position.version == list.version
            {
                return Ok(Some(StoredList::Kept(list, position)));
            }
            Ok(self.store.read(room).await?.map(StoredList::Read))
        };
        self.ask_unless_known(room, read, kind, may_look_up).await
    }

    /// As [`Self::read_or_ask`], without the room's people.
    pub async fn about_or_ask(
        &self,
        room: &RoomName,
        may_look_up: impl FnOnce() -> bool,
    ) -> Result<(Option<RoomAbout>, Source), StoreError> {
        let kind = Kind {
            position: |about: &RoomAbout| about.position,
            // How a call ends is seen of its person alone.
            is_outdated: |_, _| false,
        };
        self.ask_unless_known(room, || self.store.about(room), kind, may_look_up).await
    }

    async fn ask_unless_known<T, F>(
        &self,
        room: &RoomName,
        read: impl Fn() -> F,
        kind: Kind<T>,
        may_look_up: impl FnOnce() -> bool,
    ) -> Result<(Option<T>, Source), StoreError>
    where
        F: Future<Output = Result<Option<T>, StoreError>>,
    {
        let asked_at = Instant::now();
        let stored = read().await?;
        match &self.reconciler {
            Some(reconciler) if !self.is_known(room, stored.as_ref(), &kind) => {
                let asking = Asking { lookup: self, reconciler, room, asked_at };
                // On the heap, because this future is large and rarely needed.
                Box::pin(asking.ask(stored, read, kind, may_look_up)).await
            }
            Some(_) | None => Ok((stored, Source::Store)),
        }
    }

    /// Whether nobody has to be asked about a room as it was read.
    fn is_known<T>(&self, room: &RoomName, stored: Option<&T>, kind: &Kind<T>) -> bool {
        let is_outdated = stored.zip(self.store.estimated_now());
        let is_outdated = is_outdated.is_some_and(|(stored, now)| (kind.is_outdated)(stored, now));
        self.is_complete(self.completeness(room, stored.map(kind.position))) && !is_outdated
    }

    /// Whether LiveKit's list of rooms has a room that the store does not hold.
    pub async fn is_listed(&self, room: &RoomName) -> bool {
        match &self.reconciler {
            Some(reconciler) => reconciler.is_real(room).await,
            None => false,
        }
    }

    /// Has a room compared regularly while the result lives; none without LiveKit's API.
    pub fn watch(&self, room: &RoomName) -> Option<Watched> {
        self.reconciler.as_ref().map(|reconciler| reconciler.watch(room))
    }

    /// Has a room compared soon, because something about it was missed.
    pub fn suspect(&self, room: &RoomName) {
        if let Some(reconciler) = &self.reconciler {
            reconciler.suspect(room);
        }
    }

    pub fn somebody_is_called(&self, room: &RoomName) {
        if let Some(reconciler) = &self.reconciler {
            reconciler.somebody_is_called(room);
        }
    }

    /// Whether a room's list has everybody, and until when, given what the store holds of it.
    pub fn completeness(&self, name: &RoomName, stored: Option<Position>) -> Completeness {
        match (stored, &self.reconciler) {
            (Some(stored), _) => stored.completeness,
            (None, Some(reconciler)) => reconciler.completeness_of_empty(name),
            (None, None) => Completeness::Partial,
        }
    }

    /// Whether a list is complete now. The store's clock decides and not this host's, because the store stamped the end of that
    /// time. While rooms have to wait for calls to LiveKit, they are trusted for longer.
    pub fn is_complete(&self, completeness: Completeness) -> bool {
        let reconciler = self.reconciler.as_ref().filter(|_| !completeness.is_partial());
        let extra_trust = reconciler.map(Reconciler::extra_trust).unwrap_or_default();
        let trusted = completeness.trusted_longer(extra_trust);
        self.store.estimated_now().is_some_and(|now| trusted.is_complete_at(now))
    }

    /// Whether the store does not hold a room and LiveKit said that nobody is in it. Such a room may never have a later version.
    pub fn is_empty_room(&self, room: &RoomTopic) -> bool {
        let is_unknown = room.newest().is_some_and(|newest| newest.version() == Version::ZERO);
        is_unknown && self.is_complete(room.completeness())
    }
}

/// A room's list, as the store has it.
pub(super) enum StoredList {
    Kept(Arc<KeptList>, Position),
    Read(Arc<Room>),
}

impl StoredList {
    pub fn position(&self) -> Position {
        match self {
            Self::Kept(_, position) => *position,
            Self::Read(room) => Position::of(room),
        }
    }
}

/// What is asked of a room as it was read.
struct Kind<T> {
    position: fn(&T) -> Position,
    is_outdated: fn(&T, StoreTime) -> bool,
}

/// A question to LiveKit about a room that is not known.
struct Asking<'lookup> {
    lookup: &'lookup Lookup,
    reconciler: &'lookup Reconciler,
    room: &'lookup RoomName,
    asked_at: Instant,
}

impl Asking<'_> {
    async fn ask<T, F>(
        self,
        mut stored: Option<T>,
        read: impl Fn() -> F,
        kind: Kind<T>,
        may_look_up: impl FnOnce() -> bool,
    ) -> Result<(Option<T>, Source), StoreError>
    where
        F: Future<Output = Result<Option<T>, StoreError>>,
    {
        let Self { lookup, reconciler, room, asked_at } = self;
        if stored.is_none() {
            let is_real = reconciler.is_real(room).await;
            // Another caller may have had the room compared meanwhile.
            stored = read().await?;
            let is_known = lookup.is_known(room, stored.as_ref(), &kind);
            if is_known || !is_real && !may_look_up() {
                return Ok((stored, Source::Store));
            }
        }
        let source = match reconciler.confirm(room, asked_at).await {
            Confirmation::Confirmed => Source::LiveKit,
            Confirmation::Unknown => Source::Store,
        };
        // Webhooks may have come meanwhile.
        Ok((read().await?, source))
    }
}
