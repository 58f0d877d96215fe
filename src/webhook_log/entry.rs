//! One webhook, as the log has it.

use serde::Serialize;
use serde_json::Value;

use crate::{
    livekit::Webhook,
    presence::{Applied, Change, Event, EventKind, HostTime, Identity, RoomName},
};

use super::clean::{MAX_BODY_BYTES, clean, cleaned_before};

/// People who are named of those whom a step concerned.
const MAX_NAMED: usize = 10;
/// Longer identities than LiveKit takes are not kept.
const MAX_IDENTITY_BYTES: usize = 1_024;

/// What is noted of a webhook while it is taken.
#[derive(Debug, Default)]
pub struct Noted {
    /// LiveKit's name of the event; empty if it was not read.
    pub event: &'static str,
    pub room: Option<RoomName>,
    /// Whom it is about, if they are known to be in the list: nobody else is named.
    pub who: Option<Identity>,
    pub changed: Option<Changed>,
    /// Whether LiveKit's token vouched for the body, or came without one.
    pub is_vouched_for: bool,
    pub body: Option<Vec<u8>>,
}

impl Noted {
    /// Notes what the webhook says.
    pub fn read(&mut self, webhook: &Webhook, body: Vec<u8>) {
        self.event = webhook.name.as_str();
        self.body = Some(body);
        if let Some(event) = &webhook.event {
            self.room = Some(event.room.clone());
            self.who = listed(event);
        } else if let Some(report) = &webhook.report {
            self.room.clone_from(&report.room);
        }
    }

    /// Notes what the webhook did to its person, and to the list. Who is banned is not named.
    pub fn did(&mut self, applied: &Applied, person: Option<&Identity>, is_of_banned: bool) {
        self.changed = applied.change().map(Changed::of);
        if is_of_banned {
            self.who = None;
        } else if self.who.is_none() {
            // A track is told without saying whether its owner is hidden. What changes in the list is not.
            let in_list = |person: &&Identity| applied.change().is_some_and(|it| names(it, person));
            self.who = person.filter(in_list).cloned();
        }
    }

    /// The body as it is kept: as it came, or cleaned if it is too large for that; none if it still is.
    pub(super) fn kept_body(&mut self) -> Option<KeptBody> {
        let bytes = self.body.take()?;
        if bytes.len() <= MAX_BODY_BYTES {
            return Some(KeptBody { bytes: bytes.into(), is_cut: false });
        }
        let cleaned = serde_json::to_vec(&clean(&bytes, true)?).ok()?;
        let fits = cleaned.len() <= MAX_BODY_BYTES;
        fits.then(|| KeptBody { bytes: cleaned.into(), is_cut: true })
    }
}

/// A body that is kept. What of it may be shown, [`Entry::shown_body`] says.
#[derive(Clone, Debug)]
pub(super) struct KeptBody {
    bytes: Box<[u8]>,
    is_cut: bool,
}

/// A webhook that was taken or refused.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub at_ms: u64,
    pub event: &'static str,
    pub room: Option<RoomName>,
    pub who: Option<Identity>,
    pub outcome: &'static str,
    pub changed: Option<Changed>,
    /// Why it was refused.
    pub why: Option<String>,
    #[serde(skip)]
    pub(super) body: Option<KeptBody>,
}

impl Entry {
    pub(super) fn new(
        at: HostTime,
        mut noted: Noted,
        outcome: &'static str,
        why: Option<String>,
    ) -> Self {
        let body = noted.kept_body();
        let Noted { event, room, who, changed, is_vouched_for: _, body: _ } = noted;
        let who = who.filter(is_short);
        Self { at_ms: at.as_millis(), event, room, who, outcome, changed, why, body }
    }

    /// The body without what may not be shown; none if it was too large to be kept.
    pub fn shown_body(&self) -> Option<Value> {
        let (KeptBody { bytes, is_cut }, shows_person) = (self.body.as_ref()?, self.who.is_some());
        if *is_cut { cleaned_before(bytes, shows_person) } else { clean(bytes, shows_person) }
    }

    /// The body to be played again, and whether something of it was cut.
    pub fn played_body(&self) -> Option<(&[u8], bool)> {
        self.body.as_ref().map(|body| (&*body.bytes, body.is_cut))
    }
}

/// What a webhook changed in the list of its room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    version: u64,
    joined: People,
    updated: People,
    left: People,
}

/// Some people, of whom the first are named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct People {
    count: usize,
    first: Vec<Identity>,
}

impl Changed {
    pub fn of(change: &Change) -> Self {
        Self {
            version: change.version.as_u64(),
            joined: People::of(change.joined.iter().map(|one| &one.identity)),
            updated: People::of(change.updated.iter().map(|one| &one.identity)),
            left: People::of(change.left.iter().map(|one| &one.identity)),
        }
    }
}

impl People {
    fn of<'one>(all: impl ExactSizeIterator<Item = &'one Identity>) -> Self {
        Self {
            count: all.len(),
            first: all.filter(|one| is_short(one)).take(MAX_NAMED).cloned().collect(),
        }
    }
}

/// Whom an event is about, if it says itself that clients may see them.
fn listed(event: &Event) -> Option<Identity> {
    match &event.kind {
        EventKind::Joined(info) => info.is_visible().then(|| info.identity.clone()),
        EventKind::Left { .. } => {
            event.details.participant.as_ref().map(|one| one.identity.clone())
        }
        EventKind::Room(_)
        | EventKind::TrackPublished { .. }
        | EventKind::TrackUnpublished { .. } => None,
    }
}

fn names(change: &Change, person: &Identity) -> bool {
    let joined = change.joined.iter().chain(&change.updated).map(|one| &one.identity);
    joined.chain(change.left.iter().map(|one| &one.identity)).any(|one| one == person)
}

fn is_short(identity: &Identity) -> bool {
    identity.as_str().len() <= MAX_IDENTITY_BYTES
}
