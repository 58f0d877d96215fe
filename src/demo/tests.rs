//! What the simulated LiveKit tells is possible, and clients see exactly what it simulates.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::registry::Registry;
use serde_json::{Value, json};

use crate::{
    clock::Clock,
    livekit::{
        Api, ApiMetrics, ApiSettings, Keys, ParticipantUpdate, PermissionUpdate, WebhookToken,
    },
    presence::{
        Event, EventKind, HostTime, Participant, ProbeAnswer, Room, RoomLifecycle, RoomName, Rules,
    },
};

use super::{
    room::SimulatedRoom,
    session::Session,
    simulation::{ROOMS, Simulation, keys},
};

/// A simulated room beside the service's view of it, on a clock that only they move.
struct Scenario {
    simulated: SimulatedRoom,
    room: Room,
    now_ms: Arc<AtomicU64>,
    keys: Keys,
}

impl Scenario {
    fn new(seed: u64) -> Self {
        let (name, people) = ROOMS[usize::try_from(seed).unwrap() % ROOMS.len()];
        let now_ms = Arc::new(AtomicU64::new(1_795_391_850_000));
        let clock = {
            let now_ms = Arc::clone(&now_ms);
            Clock::new(move || HostTime::from_millis(now_ms.load(Ordering::Relaxed)))
        };
        let rng = fastrand::Rng::with_seed(seed);
        let simulated = SimulatedRoom::new(name, people, clock, rng);
        Self { simulated, room: Room::default(), now_ms, keys: Keys::new(&keys()) }
    }

    /// Something happens, and the service is told. Returns the events, and how long nothing happens afterwards.
    fn act(&mut self) -> (Vec<Event>, Duration) {
        let webhooks = self.simulated.act();
        let events = self.hear(&webhooks);
        let pause = self.simulated.pause();
        let millis = u64::try_from(pause.as_millis()).unwrap();
        self.now_ms.fetch_add(millis, Ordering::Relaxed);
        (events, pause)
    }

    /// The service is told.
    fn hear(&mut self, webhooks: &[Value]) -> Vec<Event> {
        let events: Vec<_> = webhooks.iter().map(|webhook| self.receive(webhook)).collect();
        for event in &events {
            self.room.apply(event, self.simulated.clock.now().as_store_time(), &Rules::default());
        }
        events
    }

    /// From the wire, as the service does.
    fn receive(&self, webhook: &Value) -> Event {
        let body = webhook.to_string();
        let now = self.simulated.clock.now();
        let token = WebhookToken::sign(body.as_bytes(), &self.keys, now.as_secs()).unwrap();
        let token = WebhookToken::verify(&token, &self.keys, now.as_secs()).unwrap();
        let verified = token.vouch_for(body.as_bytes()).unwrap();
        verified.parse(now).unwrap().event.expect("it is about who is in the room")
    }

    /// Who is inside and what they send, as the simulation has it.
    fn inside(&self) -> BTreeMap<String, BTreeSet<String>> {
        let sources = |session: &Session| -> BTreeSet<String> {
            let sources = session.tracks.iter().map(|track| &track["source"]);
            sources.map(|source| source.as_str().unwrap().to_owned()).collect()
        };
        let inside = self.simulated.inside.iter();
        inside.map(|session| (session.sid.clone(), sources(session))).collect()
    }

    /// The same, as clients see it.
    fn shown(&self) -> BTreeMap<String, BTreeSet<String>> {
        let sources = |one: &Participant| -> BTreeSet<String> {
            one.tracks.iter().map(|track| track.source.as_str().to_owned()).collect()
        };
        let list = self.room.list();
        list.iter().map(|one| (one.sid.as_str().to_owned(), sources(one))).collect()
    }
}

#[test]
fn clients_see_exactly_who_is_inside_whatever_happens() {
    for seed in 0..200 {
        let mut scenario = Scenario::new(seed);
        for step in 0..300 {
            scenario.act();
            assert_eq!(scenario.shown(), scenario.inside(), "seed {seed}, step {step}");
        }
    }
}

#[test]
fn every_webhook_is_possible_after_those_before_it() {
    for seed in 0..200 {
        let mut scenario = Scenario::new(seed);
        let mut is_open = false;
        let mut inside = BTreeMap::new();
        let mut sids = BTreeSet::new();
        let events = std::iter::repeat_with(|| scenario.act().0).take(300).flatten();
        for event in events {
            assert!(is_open || event.kind == EventKind::Room(RoomLifecycle::Started));
            match event.kind {
                EventKind::Room(RoomLifecycle::Started) => {
                    assert!(!is_open && inside.is_empty());
                    is_open = true;
                }
                EventKind::Room(RoomLifecycle::Finished) => {
                    assert!(inside.is_empty());
                    is_open = false;
                }
                EventKind::Joined(info) => {
                    assert!(sids.insert(info.sid.clone()), "a session's sid is its own");
                    assert!(inside.values().all(|identity| *identity != info.identity));
                    inside.insert(info.sid, info.identity);
                }
                EventKind::Left { sid, was_active } => {
                    assert!(was_active && inside.remove(&sid).is_some());
                }
                EventKind::TrackPublished { sid, .. } | EventKind::TrackUnpublished { sid, .. } => {
                    assert!(inside.contains_key(&sid));
                }
            }
        }
    }
}

#[test]
fn people_talk_in_every_room_within_two_seconds() {
    for seed in 0..1_000 {
        let mut scenario = Scenario::new(seed);
        let mut passed = Duration::ZERO;
        let mut is_alive = false;
        while passed < Duration::from_secs(2) && !is_alive {
            passed += scenario.act().1;
            let shown = scenario.shown();
            is_alive = shown.len() >= 2 && shown.values().any(|sources| !sources.is_empty());
        }
        assert!(is_alive, "seed {seed}: {:?}", scenario.shown());
    }
}

#[test]
fn everything_there_is_to_see_happens_within_some_minutes() {
    let mut scenario = Scenario::new(0);
    let mut passed = Duration::ZERO;
    let (mut sessions, mut came_back, mut finished) = (BTreeMap::new(), 0, 0);
    while passed < Duration::from_mins(30) {
        let (events, pause) = scenario.act();
        passed += pause;
        for event in events {
            match event.kind {
                EventKind::Joined(info) => {
                    let before = sessions.insert(info.identity, info.sid);
                    came_back += usize::from(before.is_some());
                }
                EventKind::Room(RoomLifecycle::Finished) => {
                    finished += 1;
                    assert!(pause > Duration::from_secs(6), "an end can be seen");
                }
                _ => {}
            }
        }
    }
    assert!(came_back > 20 && finished > 3, "{came_back} came back, {finished} ends");
}

#[test]
fn clients_see_what_a_moderator_had_the_simulation_do() {
    for seed in 0..50 {
        let mut scenario = Scenario::new(seed);
        while scenario.simulated.inside.len() < 3
            || scenario.inside().values().all(BTreeSet::is_empty)
        {
            scenario.act();
        }
        let talks = |session: &&Session| !session.tracks.is_empty();
        let talking = scenario.simulated.inside.iter().find(talks).unwrap().identity();
        let request = json!({ "permission": { "can_subscribe": true } });
        let (answer, webhooks) = scenario.simulated.update(&talking, &request).unwrap();
        assert_eq!(
            (&answer["tracks"], answer["permission"]["can_publish"].as_bool()),
            (&json!([]), Some(false))
        );
        assert!(!webhooks.is_empty(), "their tracks end");
        scenario.hear(&webhooks);
        assert_eq!(scenario.shown(), scenario.inside(), "seed {seed}");
        let (_, webhooks) = scenario.simulated.remove(&talking).unwrap();
        scenario.hear(&webhooks);
        assert_eq!(scenario.shown(), scenario.inside(), "seed {seed}");
        assert!(scenario.simulated.remove(&talking).is_none(), "they are gone");
        let (_, webhooks) = scenario.simulated.delete().unwrap();
        scenario.hear(&webhooks);
        assert!(scenario.shown().is_empty() && scenario.simulated.delete().is_none());
    }
}

/// The service's own client of the simulation's API.
fn api_of(simulation: &Simulation) -> Api {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = ApiSettings {
        url: simulation.url().unwrap(),
        timeout: Duration::from_secs(5),
        ca_file: None,
        proxy: None,
    };
    let metrics = ApiMetrics::register(&mut Registry::default());
    Api::new(&settings, Keys::new(&keys()), Clock::system(), metrics).unwrap()
}

#[tokio::test]
async fn the_simulations_api_is_one_that_the_service_understands() {
    let simulation = Simulation::new(Clock::system()).await.unwrap();
    let api = api_of(&simulation);
    let general = RoomName::parse("general").unwrap();
    let nobody_listens = SocketAddr::from(([127, 0, 0, 1], 9));
    let question = async {
        let people = loop {
            let people = api.list_participants(&general).await.unwrap();
            if people.len() > 2 {
                break people;
            }
        };
        let rooms = api.list_rooms(&[]).await.unwrap();
        assert!(rooms.iter().any(|listed| listed.name == general));
        let identity = &people[0].identity;
        assert_eq!(api.probe(&general, identity).await.unwrap(), ProbeAnswer::Alive);
        let update = ParticipantUpdate {
            permission: Some(PermissionUpdate { can_publish: Some(false), ..Default::default() }),
            metadata: Some("a note".into()),
            attributes: BTreeMap::from([("hand".into(), "up".into())]),
            ..ParticipantUpdate::default()
        };
        let updated =
            api.update_participant(&general, identity, &update).await.unwrap().unwrap().info;
        assert_eq!((updated.profile.metadata.as_str(), updated.tracks.len()), ("a note", 0));
        assert_eq!(updated.profile.attributes["hand"], "up");
        assert!(
            !updated.profile.permission.can_publish && updated.profile.permission.can_subscribe
        );
        assert!(api.remove_participant(&general, identity, None).await.unwrap());
        assert!(api.delete_room(&general).await.unwrap());
        let unknown = RoomName::parse("nowhere").unwrap();
        assert!(!api.delete_room(&unknown).await.unwrap());
    };
    tokio::select! {
        () = question => {}
        () = simulation.run(nobody_listens) => {}
    }
}
