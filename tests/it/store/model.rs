//! Every store does what the rules alone do. The embedded store runs them on the whole room, the one on Redis on a few rows
//! that one instance or another has read. All take the steps of the same schedules, with every fault; after each step they must
//! hold the same room as the rules alone, and must have published the same change. A follower of all rooms must have been told of
//! what the list of rooms says of it. Their logs of events must say the same, and those who count who joins and who leaves must end
//! with the people in the list.
//!
//! `MODEL_SCHEDULES=10000` runs more of them, `MODEL_SEED=17` runs one.

use std::{collections::BTreeMap, sync::Arc};

use livekit_presence::{
    presence::{
        Ban, Counts, Event, EventKind, Identity, Listing, LiveKitTime, ParticipantSid, Repair,
        Repaired, Repairs, Room, RoomName, Rules, SessionInfo, StoreTime, missing, plan,
    },
    store::{EventFeed, Feed, FeedMessage, LogId, MemoryStore, Position, RoomsFeed, Store},
};

use crate::{
    harness::{RedisServer, TakingTurns, TestClock, within_deadline},
    rules::{Step, recorded},
};

use super::events::Fold;

const SCHEDULES_IN_CI: u64 = 60;
/// Schedules that have found a fault. 75: one store told that somebody's connection was aborted whose ban was over, and the others did
/// not. 2823: what an older description of somebody said of their life was not written in Redis.
const FAULTS_FOUND: [u64; 2] = [75, 2_823];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_store_does_what_the_rules_say() {
    let seeds: Vec<u64> = match std::env::var("MODEL_SEED") {
        Ok(seed) => vec![seed.parse().expect("MODEL_SEED is a number")],
        Err(_) => {
            let count = std::env::var("MODEL_SCHEDULES")
                .map_or(SCHEDULES_IN_CI, |count| count.parse().expect("a number"));
            (0..count).chain(FAULTS_FOUND.into_iter().filter(|seed| *seed >= count)).collect()
        }
    };
    let (server, shared) = (RedisServer::start().await, RedisServer::start().await);
    let clock = TestClock::default();
    let on = |server: &RedisServer| -> Arc<dyn Store> {
        Arc::new(server.store(Rules::default(), Some(clock.clock())).0)
    };
    let stores: [(&str, Arc<dyn Store>); 3] = [
        ("memory", Arc::new(MemoryStore::new(Rules::default(), clock.clock()))),
        ("Redis", on(&server)),
        ("Redis, by two instances", Arc::new(TakingTurns::between([on(&shared), on(&shared)]))),
    ];
    let mut followed: Vec<EventFeed> = Vec::new();
    for (_, store) in &stores {
        followed.push(store.follow_events().await.unwrap());
    }
    let mut positions: Vec<_> = followed.iter().map(EventFeed::position).collect();
    let mut steps = 0;
    for seed in seeds {
        steps += run(seed, &clock, &stores, &mut positions).await;
    }
    assert!(steps > 10, "schedules do something");
}

/// What the list of rooms says of a room at once.
type Listed = (Counts, Option<LiveKitTime>);

/// The state of one schedule.
struct Run<'stores> {
    seed: u64,
    room: RoomName,
    rules: Rules,
    model: Room,
    /// Every session that a step has named.
    known: BTreeMap<ParticipantSid, SessionInfo>,
    stores: &'stores [(&'stores str, Arc<dyn Store>)],
    feeds: Vec<Feed>,
    /// The newest event of each store that was read.
    positions: &'stores mut [LogId],
    /// Those whom somebody counts who follows the log.
    fold: Fold,
    /// Of each store: a follower of all rooms, and as what it has heard this room to be listed.
    lists: Vec<(RoomsFeed, Option<Listed>)>,
}

async fn run(
    seed: u64,
    clock: &TestClock,
    stores: &[(&str, Arc<dyn Store>)],
    positions: &mut [LogId],
) -> usize {
    let room = RoomName::parse(&format!("room {seed}")).unwrap();
    let (mut feeds, mut lists) = (Vec::new(), Vec::new());
    for (_, store) in stores {
        feeds.push(store.follow(&room).await.unwrap());
        lists.push((store.follow_rooms().await.unwrap(), None));
    }
    let mut run = Run {
        seed,
        room,
        rules: Rules::default(),
        model: Room::default(),
        known: BTreeMap::new(),
        stores,
        feeds,
        positions,
        fold: Fold::default(),
        lists,
    };
    let steps = recorded(seed);
    for (number, (now, step)) in steps.iter().enumerate() {
        clock.set_as_stores(*now);
        match step {
            Step::Apply(event) => run.apply(number, event, *now).await,
            Step::Repair(repairs) => run.repair(number, repairs, *now).await,
            Step::Ban(identity, ban) => run.ban(identity, ban.as_ref(), *now).await,
        }
        run.compare(number, step, *now).await;
        run.compare_logs(number, step).await;
        run.compare_lists().await;
    }
    run.expect_in_list_of_rooms().await;
    steps.len()
}

impl Run<'_> {
    async fn apply(&mut self, number: usize, event: &Event, now: StoreTime) {
        let event = Event { room: self.room.clone(), ..event.clone() };
        let expected = self.model.apply(&event, now, &self.rules);
        if let EventKind::Joined(info) = &event.kind {
            self.learn([info]);
        }
        for index in 0..self.stores.len() {
            let applied = self.stores[index].1.apply(&event).await.unwrap();
            let place = self.place(index, number, &Step::Apply(event.clone()));
            assert_eq!(applied, expected, "{place}");
            if let Some(change) = expected.change() {
                let repaired = Repaired { change: Some(change.clone()), ..Repaired::default() };
                self.expect_told(index, &repaired).await;
            }
        }
    }

    async fn repair(&mut self, number: usize, repairs: &Repairs, now: StoreTime) {
        let subjects = repairs.subjects(&self.model);
        let expected = self.model.repair(repairs, now, &self.rules);
        self.learn(repairs.steps.iter().filter_map(session_of));
        for index in 0..self.stores.len() {
            let store = &self.stores[index].1;
            let repaired = store.repair(&self.room, repairs, &subjects).await.unwrap();
            let place = self.place(index, number, &Step::Repair(repairs.clone()));
            assert_eq!(repaired, expected, "{place}");
            self.expect_told(index, &expected).await;
        }
    }

    async fn ban(&mut self, identity: &Identity, ban: Option<&Ban>, now: StoreTime) {
        let expected = self.model.ban(identity, ban.cloned(), now);
        for index in 0..self.stores.len() {
            let changed = self.stores[index].1.ban(&self.room, identity, ban).await.unwrap();
            assert_eq!(changed, expected, "{}: MODEL_SEED={}", self.stores[index].0, self.seed);
            let repaired = Repaired { change: expected.change.clone(), ..Repaired::default() };
            self.expect_told(index, &repaired).await;
        }
    }

    async fn expect_told(&mut self, index: usize, repaired: &Repaired) {
        if let Some(change) = &repaired.change {
            let told = within_deadline("the change", self.feeds[index].next()).await.unwrap();
            assert_eq!(told, FeedMessage::Changed(Arc::new(change.clone())));
        }
    }

    /// Checks that followers of all rooms are told of this one, if it is listed differently now.
    async fn compare_lists(&mut self) {
        let expected =
            self.model.is_active().then(|| (self.model.counts(), self.model.started_at()));
        for ((_, store), (feed, heard)) in self.stores.iter().zip(&mut self.lists) {
            while *heard != expected {
                let touched = within_deadline("the room's name", feed.next()).await.unwrap();
                assert!(touched.rooms.contains(&self.room), "{touched:?}");
                let listed = store.summaries(std::slice::from_ref(&self.room)).await.unwrap();
                *heard = listed.first().map(|room| (room.counts, room.started_at));
            }
        }
    }

    /// Checks that all stores hold the room of the model in every detail, and would plan the same repairs.
    async fn compare(&self, number: usize, step: &Step, now: StoreTime) {
        for (index, (_, store)) in self.stores.iter().enumerate() {
            let place = || self.place(index, number, step);
            let Some(held) = store.read(&self.room).await.unwrap() else {
                // So far nobody did anything but lift bans that there were not.
                assert_eq!(
                    describe(&self.model, now),
                    describe(&Room::default(), now),
                    "{}",
                    place()
                );
                continue;
            };
            assert_eq!(held.list(), self.model.list(), "{}", place());
            let position = store.position(&self.room).await.unwrap();
            assert_eq!(position, Some(Position::of(&self.model)), "{}", place());
            assert_eq!(describe(&held, now), describe(&self.model, now), "{}", place());
            let listing =
                Listing { asked_at: now, sessions: self.known.values().cloned().collect() };
            // A store may have forgotten a ban whose time is over.
            let is_kept = |step: &Repair| !matches!(step, Repair::Lapse(_));
            let planned = |room: &Room, listing: &Listing| -> Vec<_> {
                let steps = plan(room, listing, &[], &self.rules).steps;
                steps.into_iter().filter(is_kept).collect()
            };
            let next = |room: &Room| planned(room, &listing);
            assert_eq!(next(&held), next(&self.model), "{}", place());
            let nobody = Listing { asked_at: now, sessions: Vec::new() };
            let missed = |room: &Room| planned(room, &nobody);
            assert_eq!(missed(&held), missed(&self.model), "{}", place());
            let missing = |room: &Room| {
                let mut missing = missing(room, &nobody, &self.rules);
                missing.sort_by(|a, b| a.sid.cmp(&b.sid));
                missing
            };
            assert_eq!(missing(&held), missing(&self.model), "{}", place());
            let to_probe = |room: &Room| room.to_probe(now, &self.rules);
            assert_eq!(to_probe(&held), to_probe(&self.model), "{}", place());
        }
    }

    /// Checks what the list of rooms says at the end of a schedule.
    async fn expect_in_list_of_rooms(&self) {
        let expected = self.model.is_active().then(|| Counts::of(&self.model.list()));
        for (name, store) in self.stores {
            let rooms = store.rooms().await.unwrap();
            let listed = rooms.into_iter().find(|one| one.name == self.room);
            let counts = listed.map(|listed| listed.counts);
            assert_eq!(counts, expected, "{name}: MODEL_SEED={}", self.seed);
        }
    }

    /// Checks that the logs of all stores say the same of a step, and that it leads to the list.
    async fn compare_logs(&mut self, number: usize, step: &Step) {
        let mut said: Option<Vec<String>> = None;
        for index in 0..self.stores.len() {
            let position = self.positions[index];
            let resumed = self.stores[index].1.events_after(position, 1_000).await.unwrap();
            let place = self.place(index, number, step);
            assert!(!resumed.is_gap, "{place}");
            self.positions[index] = resumed.newest;
            if index == 0 {
                resumed.events.iter().for_each(|logged| self.fold.take(logged));
            }
            let events = resumed.events.iter();
            let events: Vec<_> =
                events.map(|logged| serde_json::to_string(&*logged.event).unwrap()).collect();
            let expected = said.get_or_insert_with(|| events.clone());
            assert_eq!(events, *expected, "{place}");
        }
        let mut shown: Vec<_> = self.model.list().into_iter().map(|one| one.sid).collect();
        shown.sort();
        assert_eq!(self.fold.inside(&self.room), shown, "{}", self.place(0, number, step));
    }

    fn learn<'info>(&mut self, infos: impl IntoIterator<Item = &'info SessionInfo>) {
        for info in infos {
            self.known.insert(info.sid.clone(), info.clone());
        }
    }

    fn place(&self, index: usize, number: usize, step: &Step) -> String {
        format!("{}: MODEL_SEED={}, step {number}: {step:#?}", self.stores[index].0, self.seed)
    }
}

fn session_of(repair: &Repair) -> Option<&SessionInfo> {
    match repair {
        Repair::Add { session, .. } | Repair::Update(session) => Some(session),
        _ => None,
    }
}

/// Everything that a room shows of itself.
fn describe(room: &Room, now: StoreTime) -> String {
    let mut sessions: Vec<_> = room.sessions().map(|session| format!("{session:#?}")).collect();
    sessions.sort();
    let mut bans: Vec<_> = room.bans().filter(|(_, ban)| ban.holds_at(now)).collect();
    bans.sort_by_key(|(identity, _)| *identity);
    format!(
        "{bans:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {}",
        room.version(),
        room.epoch(),
        room.completeness(),
        room.compared_at(),
        room.is_active(),
        room.is_lost(),
        room.counts(),
        room.started_at(),
        room.has_recorder(),
        room.sid(),
        sessions.join("\n")
    )
}
