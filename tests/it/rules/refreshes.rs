//! What instances read of LiveKit's people, and what becomes of it: nobody is shown, hidden, doubted or believed by it who would not
//! be without it; and without any comparison people are described as LiveKit describes them, within the delays of the readings.

use std::{collections::BTreeMap, time::Duration};

use livekit_presence::presence::{
    Event, Listing, ParticipantSid, Repairs, Room, RoomName, Rules, StoreTime, missing,
    plan_refresh,
};

use super::{
    readings::record_with_readings,
    schedule::{Schedule, Step},
    simulated_livekit::SimulatedLiveKit,
};

const SCHEDULES: u64 = 10_000;
const TWINS: u64 = 3_000;
const STREAMS: u64 = 2_000;

#[test]
fn with_readings_of_every_delay_the_list_becomes_the_people_inside() {
    for seed in 0..SCHEDULES {
        let mut schedule = Schedule::with_readings(seed);
        let run = |schedule: &mut Schedule| {
            for _ in 0..schedule.rng.usize(1..60) {
                schedule.step()?;
            }
            schedule.settle()
        };
        run(&mut schedule).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
    }
}

/// Each schedule is run again without the readings.
#[test]
fn no_reading_changes_who_is_held_and_who_is_doubted() {
    let (rules, mut refreshes) = (Rules::default(), 0);
    for seed in 0..TWINS {
        let (mut room, mut twin) = (Room::default(), Room::default());
        for (number, (now, step)) in record_with_readings(seed).into_iter().enumerate() {
            match &step {
                Step::Apply(event) => {
                    room.apply(event, now, &rules);
                    twin.apply(event, now, &rules);
                }
                Step::Repair(repairs) => {
                    let done = room.repair(repairs, now, &rules);
                    let version = repairs.version.min(twin.version());
                    if step.is_refresh() {
                        refreshes += done.counts.updated;
                    } else {
                        twin.repair(&Repairs { version, ..repairs.clone() }, now, &rules);
                    }
                }
                Step::Ban(..) => panic!("nobody moderates"),
            }
            let place = || format!("seed {seed}, step {number}: {step:#?}");
            assert_eq!(lives(&room), lives(&twin), "{}", place());
            assert_eq!(room.to_probe(now, &rules), twin.to_probe(now, &rules), "{}", place());
            let nobody = Listing { asked_at: now, sessions: Vec::new() };
            let omitted = |room| {
                let targets = missing(room, &nobody, &rules).into_iter();
                let mut sids: Vec<_> = targets.map(|target| target.sid).collect();
                sids.sort();
                sids
            };
            assert_eq!(omitted(&room), omitted(&twin), "{}", place());
            assert_eq!(room.completeness(), twin.completeness(), "{}", place());
        }
    }
    assert!(refreshes as u64 > TWINS, "{refreshes} readings changed something");
}

/// What is known of the life of each session.
fn lives(room: &Room) -> BTreeMap<ParticipantSid, String> {
    room.sessions()
        .map(|session| {
            let life = format!("{:?} {:?}", session.standing(), session.life());
            (session.sid().clone(), life)
        })
        .collect()
}

#[test]
fn without_any_comparison_people_are_described_as_livekit_describes_them() {
    for seed in 0..STREAMS {
        let mut streams = Streams::new(seed);
        for _ in 0..streams.rng.usize(1..80) {
            streams.act();
        }
        streams.pass(Duration::from_mins(1));
        let (shown, inside) = (streams.room.list(), streams.livekit.people_inside());
        assert_eq!(
            shown,
            inside,
            "seed {seed}: {:#?}",
            streams.room.sessions().collect::<Vec<_>>()
        );
    }
}

/// A LiveKit whose webhooks all arrive, sooner or later, and instances that read a room whenever it changed.
struct Streams {
    rng: fastrand::Rng,
    livekit: SimulatedLiveKit,
    room: Room,
    rules: Rules,
    now: StoreTime,
    readers: [Reader; 3],
    in_flight: BTreeMap<(StoreTime, u64), Arrival>,
    next: u64,
}

/// An instance.
#[derive(Clone, Copy, Default)]
struct Reader {
    /// Whether it is told of the next change.
    is_armed: bool,
    is_reading: bool,
    /// Whether it has to read again.
    is_unread: bool,
}

enum Arrival {
    Webhook(Box<Event>),
    /// The instance is told that what it read has changed.
    Changed(usize),
    Begins(usize),
    /// Redis gives the people away.
    Reads(usize, StoreTime),
    Plans(usize, Listing),
    Applies(usize, Repairs),
}

impl Streams {
    fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let room = RoomName::parse("simulated").unwrap();
        let mut streams = Self {
            livekit: SimulatedLiveKit::of_room(room, rng.u64(..), true),
            rng,
            room: Room::default(),
            rules: Rules::default(),
            now: StoreTime::from_millis(9_000_000_000_000),
            readers: [Reader::default(); 3],
            in_flight: BTreeMap::new(),
            next: 0,
        };
        (0..3).for_each(|reader| streams.wants(reader));
        streams
    }

    fn act(&mut self) {
        self.livekit.live();
        for event in self.livekit.take_webhooks() {
            let is_late = self.rng.u8(..10) == 0;
            let delay = if is_late { self.rng.u64(..1_500) } else { self.rng.u64(..30) };
            self.send(delay, Arrival::Webhook(Box::new(event)));
        }
        for reader in 0..3 {
            if std::mem::take(&mut self.readers[reader].is_armed) {
                let delay = self.rng.u64(..3);
                self.send(delay, Arrival::Changed(reader));
            }
        }
        let is_quick = self.rng.u8(..4) > 0;
        let pause = if is_quick { self.rng.u64(..20) } else { self.rng.u64(..3_000) };
        self.pass(Duration::from_millis(pause));
    }

    fn send(&mut self, delay_ms: u64, what: Arrival) {
        self.next += 1;
        self.in_flight.insert((self.now + Duration::from_millis(delay_ms), self.next), what);
    }

    fn pass(&mut self, pause: Duration) {
        let until = self.now + pause;
        while let Some(entry) = self.in_flight.first_entry()
            && entry.key().0 <= until
        {
            let ((at, _), what) = entry.remove_entry();
            self.now = self.now.max(at);
            self.take(what);
        }
        self.livekit.tick(i64::try_from(pause.as_millis()).expect("short"));
        self.now = until;
    }

    fn take(&mut self, what: Arrival) {
        match what {
            Arrival::Webhook(event) => {
                self.room.apply(&event, self.now, &self.rules);
                // It may be older than what was read.
                (0..3).for_each(|reader| self.wants(reader));
            }
            Arrival::Changed(reader) => self.wants(reader),
            Arrival::Begins(reader) => {
                let (asked_at, delay) = (self.now, self.rng.u64(..3));
                self.send(delay, Arrival::Reads(reader, asked_at));
            }
            Arrival::Reads(reader, asked_at) => {
                self.readers[reader].is_armed = true;
                let listing = Listing { asked_at, sessions: self.livekit.kept() };
                let delay = self.rng.u64(..200);
                self.send(delay, Arrival::Plans(reader, listing));
            }
            Arrival::Plans(reader, listing) => {
                let refresh = plan_refresh(&self.room, &listing, &self.rules);
                self.readers[reader].is_unread |= refresh.is_overtaken;
                let delay = self.rng.u64(..200);
                self.send(delay, Arrival::Applies(reader, refresh.repairs));
            }
            Arrival::Applies(reader, repairs) => {
                let repaired = self.room.repair(&repairs, self.now, &self.rules);
                self.readers[reader].is_reading = false;
                let is_overtaken = repaired.is_refused || repaired.counts.outdated > 0;
                if std::mem::take(&mut self.readers[reader].is_unread) || is_overtaken {
                    self.wants(reader);
                }
            }
        }
    }

    fn wants(&mut self, reader: usize) {
        if self.readers[reader].is_reading {
            self.readers[reader].is_unread = true;
            return;
        }
        self.readers[reader].is_reading = true;
        let delay = self.rng.u64(..50);
        self.send(delay, Arrival::Begins(reader));
    }
}
