//! A simulated LiveKit of many rooms, with a model and a queue of webhooks for each. It crashes as a whole, and comes back with
//! what its Redis kept: everybody who was inside is still listed. While that Redis is away, nothing happens in its rooms, and its
//! API answers nothing.

use std::{
    sync::{Arc, Mutex},
    time::SystemTime,
};

use livekit_presence::presence::{Identity, Participant, RoomName, SessionInfo};

use crate::rules::simulated_livekit::SimulatedLiveKit;

use super::{balancer::Balancer, journal::Journal, kept::Kept, queue::RoomQueue, wording};

pub struct LiveKit {
    rooms: Vec<(RoomName, Mutex<Room>)>,
    /// None while its Redis is away.
    kept: Mutex<Option<Kept>>,
    balancer: Arc<Balancer>,
    journal: Arc<Journal>,
}

struct Room {
    model: SimulatedLiveKit,
    /// No webhook tells of it, as of a backend's call `UpdateRoomMetadata`.
    metadata: String,
    /// Chooses who changes that, and when.
    random: fastrand::Rng,
    /// None while the process is down.
    queue: Option<RoomQueue>,
}

impl LiveKit {
    pub fn new(
        names: &[RoomName],
        kept: Kept,
        balancer: Arc<Balancer>,
        journal: Arc<Journal>,
        random: &mut fastrand::Rng,
    ) -> Self {
        let room = |name: &RoomName| {
            let model = SimulatedLiveKit::of_room(name.clone(), random.u64(..), true);
            let queue = RoomQueue::start(Arc::clone(&balancer), Arc::clone(&journal));
            let room =
                Room { model, metadata: String::new(), random: random.fork(), queue: Some(queue) };
            (name.clone(), Mutex::new(room))
        };
        let rooms = names.iter().map(room).collect();
        Self { rooms, kept: Mutex::new(Some(kept)), balancer, journal }
    }

    pub fn names(&self) -> impl Iterator<Item = &RoomName> {
        self.rooms.iter().map(|(name, _)| name)
    }

    /// Does something in one of the rooms, unless the process is down, or its Redis. What has become of the room is kept there before
    /// a webhook tells of it, and before the API does: who asks the API meanwhile waits.
    pub fn act(&self, index: usize) {
        let (name, room) = &self.rooms[index];
        let room = &mut *room.lock().unwrap();
        let mut kept = self.kept.lock().unwrap();
        let (Some(queue), Some(kept)) = (&room.queue, &mut *kept) else { return };
        room.model.set_clock(now_ms());
        let before = room.model.kept_sid().cloned();
        room.model.live();
        self.journal.count("actions in rooms");
        if room.model.kept_sid() != before.as_ref() {
            room.metadata.clear();
        } else if room.random.u8(..4) == 0 {
            room.metadata = format!("topic {}", room.random.u16(..));
            self.journal.count("changes of a room's metadata");
        }
        kept.keep(name, &room.model, &room.metadata);
        for event in room.model.take_webhooks() {
            queue.put(wording::webhook(&event));
        }
    }

    /// Crashes: it sends nothing more, and nobody is inside any more.
    pub fn crash(&self) {
        for (_, room) in &self.rooms {
            let mut room = room.lock().unwrap();
            room.model.crash();
            room.queue = None;
        }
    }

    pub fn start_again(&self) {
        for (_, room) in &self.rooms {
            let mut room = room.lock().unwrap();
            room.model.bring_up();
            let queue = RoomQueue::start(Arc::clone(&self.balancer), Arc::clone(&self.journal));
            room.queue = Some(queue);
        }
    }

    /// Loses its Redis. Nothing is written there any more when this returns.
    pub fn lose_redis(&self) -> Kept {
        self.kept.lock().unwrap().take().expect("it has its Redis")
    }

    /// Finds its Redis again, with what was kept there.
    pub fn find_redis(&self, kept: Kept) {
        *self.kept.lock().unwrap() = Some(kept);
    }

    /// Makes what its Redis keeps of a room readable or unreadable.
    pub fn set_readable(&self, index: usize, is_readable: bool) {
        let kept = &mut *self.kept.lock().unwrap();
        kept.as_mut().expect("it has its Redis").set_readable(&self.rooms[index].0, is_readable);
    }

    /// Whether its API answers.
    pub fn is_up(&self) -> bool {
        if self.kept.lock().unwrap().is_none() {
            return false;
        }
        self.rooms.iter().all(|(_, room)| room.lock().unwrap().queue.is_some())
    }

    /// Whether every webhook was sent or dropped.
    pub fn is_idle(&self) -> bool {
        self.rooms
            .iter()
            .all(|(_, room)| room.lock().unwrap().queue.as_ref().is_some_and(RoomQueue::is_idle))
    }

    /// Whether its API lists ghosts.
    pub fn has_ghosts(&self) -> bool {
        self.rooms.iter().any(|(_, room)| room.lock().unwrap().model.has_ghosts())
    }

    /// The people who are truly inside, as clients should see them.
    pub fn people_inside(&self, room: &RoomName) -> Vec<Participant> {
        self.with(room, |model| model.people_inside()).unwrap_or_default()
    }

    /// The metadata of a room with somebody inside; none where nobody is, or only ghosts.
    pub fn metadata(&self, room: &RoomName) -> Option<String> {
        let (_, room) = self.rooms.iter().find(|(name, _)| name == room)?;
        let room = room.lock().unwrap();
        (!room.model.people_inside().is_empty()).then(|| room.metadata.clone())
    }

    /// The people whom its API lists.
    pub fn list_participants(&self, room: &RoomName) -> Vec<SessionInfo> {
        self.with(room, SimulatedLiveKit::list_participants).flatten().unwrap_or_default()
    }

    pub fn has_room(&self, room: &RoomName) -> bool {
        self.with(room, |model| model.has_room()).unwrap_or_default()
    }

    /// Whether the node of a session answers a call about it.
    pub fn answers(&self, room: &RoomName, identity: &Identity) -> bool {
        self.with(room, |model| model.answers(identity)).flatten().unwrap_or_default()
    }

    fn with<T>(&self, room: &RoomName, ask: impl FnOnce(&mut SimulatedLiveKit) -> T) -> Option<T> {
        let (_, room) = self.rooms.iter().find(|(name, _)| name == room)?;
        Some(ask(&mut room.lock().unwrap().model))
    }
}

fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since_epoch.as_millis()).unwrap()
}
