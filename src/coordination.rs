//! What the instances of this service agree on: which of them holds a lease, how many calls to LiveKit's API they have left
//! together, the list of LiveKit's rooms that one of them got, how often somebody did something lately, and what each tells of itself.
//!
//! Below `store`: this names what is shared, and the Redis that carries it implements [`Peers`] in `src/store/redis`. Knows only
//! `presence`. `reconcile`, `moderation`, `history`, `figures` and `http` use it.

mod single_instance;

use std::{error::Error, time::Duration};

pub use single_instance::SingleInstance;

use async_trait::async_trait;

use crate::presence::{ParticipantSid, RoomName, StoreTime};

/// The other instances.
#[async_trait]
pub trait Peers: Send + Sync + 'static {
    /// Takes a lease, unless another instance holds it. The lease ends by itself after `time`.
    async fn lease(
        &self,
        lease: &Lease,
        time: Duration,
    ) -> Result<Option<LeaseToken>, CoordinationError>;

    /// Gives a lease back.
    async fn release(&self, lease: &Lease, held: LeaseToken) -> Result<(), CoordinationError>;

    /// Takes a call from each of these buckets, or from none. Returns how long to wait before asking again: zero if the call was
    /// taken.
    async fn take_call(&self, buckets: &[CallBucket]) -> Result<Duration, CoordinationError>;

    /// Tells the others how long rooms wait for their comparison here; they forget it after `fresh`. Returns the longest wait of
    /// any instance.
    async fn share_wait(
        &self,
        wait: Duration,
        fresh: Duration,
    ) -> Result<Duration, CoordinationError>;

    /// Tells the others which rooms LiveKit has; they forget it after the time `fresh`.
    async fn share_rooms(
        &self,
        rooms: &SharedRooms,
        fresh: Duration,
    ) -> Result<(), CoordinationError>;

    /// LiveKit's rooms as another instance shared them, while that is fresh.
    async fn shared_rooms(&self) -> Result<Option<SharedRooms>, CoordinationError>;

    /// Takes a turn for `who`, unless they have taken all that the window allows, on any instance. A refused turn does not count.
    /// `who` is short, of letters and digits.
    async fn take_turn(&self, who: &str, window: SlidingWindow) -> Result<Turn, CoordinationError>;

    /// Adds lines to what this instance tells of itself, apart from those that are not newer than what it told last: a call without an
    /// answer may have been carried out, and is made again. The store forgets all but the newest `keep`, and all of it after the time
    /// `fresh`.
    async fn tell(
        &self,
        told: &Told,
        keep: usize,
        fresh: Duration,
    ) -> Result<(), CoordinationError>;

    /// What each instance told of itself, this one too, with its newest lines. At most `instances` of them, those that told
    /// something last, have lines.
    async fn told(&self, newest: usize, instances: usize) -> Result<Vec<Told>, CoordinationError>;
}

/// What an instance tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Of letters and digits.
    pub instance: String,
    /// When, by the instance's own clock, in milliseconds since 1970.
    pub at_ms: u64,
    /// Instances with another one write lines of another form.
    pub layout: u32,
    /// The oldest first. Each begins with `[` and its time in milliseconds, which is at most `at_ms`.
    pub lines: Vec<String>,
}

/// Work that one instance at a time does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Lease {
    /// Comparing a room with LiveKit's list.
    Comparison(RoomName),
    /// Asking LiveKit for its rooms.
    Rooms,
    /// Having all rooms compared, because nobody knows what was missed.
    Sweep,
    /// Writing what other instances have left in the history's outbox.
    Outbox,
    /// Deleting history that was kept long enough.
    Retention,
    /// Holding the history against the rooms.
    Audit,
    /// Putting back bans that the store has lost.
    Bans,
    /// Having a banned person's session removed from a room.
    Removal(RoomName, ParticipantSid),
}

/// Proof that this instance took a lease. Giving the lease back takes this token, so that nobody gives back another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseToken(pub String);

/// A share of the calls to LiveKit's API: a token bucket that refills evenly.
#[derive(Clone, Copy, Debug)]
pub struct CallBucket {
    pub name: &'static str,
    /// The time in which one call refills.
    pub cost: Duration,
    /// The size of the bucket, as the time in which it refills.
    pub burst: Duration,
    /// The part of the bucket that this call must leave for others.
    pub reserve: Duration,
}

/// LiveKit's rooms, as it gave them to one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedRooms {
    /// When LiveKit was asked, by the store's clock.
    pub asked_at: StoreTime,
    pub names: Vec<RoomName>,
}

/// How often somebody may do something: at most `max` times within any `length` of time.
#[derive(Clone, Copy, Debug)]
pub struct SlidingWindow {
    pub max: u32,
    pub length: Duration,
}

/// Whether somebody may do something now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Taken {
        /// How many more could follow at once.
        left: u32,
        /// When the oldest that counts no longer does.
        frees_in: Duration,
    },
    /// There is none until this time has passed.
    Refused { wait: Duration },
}

/// Why the instances could not be asked: the store that they share did not answer.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct CoordinationError(Box<dyn Error + Send + Sync>);

impl CoordinationError {
    pub fn new(source: impl Error + Send + Sync + 'static) -> Self {
        Self(Box::new(source))
    }
}
