//! The property that matters: whatever was lost, repeated, delayed or reordered, after the last event and one reconcile past
//! the grace the list equals the people really inside; and where LiveKit lists ghosts, it does soon after, by liveness probes.
//! And all the time: no list takes out a session that lives and is shown.
//!
//! `SCHEDULES=1000000` runs more of them, `SCHEDULE_SEED=17` runs one.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use livekit_presence::presence::{
    Applied, Change, Event, Identity, Listing, Participant, ParticipantSid, ProbeAnswer,
    ProbeTarget, Probed, Repair, Repairs, Room, Rules, Standing, StoreTime, Version, missing, plan,
    plan_without_list,
};

use super::simulated_livekit::SimulatedLiveKit;

const SCHEDULES_IN_CI: u64 = 100_000;

/// A failed probe takes this long: LiveKit gives up looking for the session's node.
const FAILED_PROBE: Duration = Duration::from_secs(3);
const RECONCILE_EVERY: Duration = Duration::from_secs(20);

#[test]
fn whatever_happens_the_list_becomes_the_people_inside() {
    if let Ok(seed) = std::env::var("SCHEDULE_SEED") {
        let seed = seed.parse().expect("SCHEDULE_SEED is a number");
        run(seed, None).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
        return;
    }
    let schedules = std::env::var("SCHEDULES")
        .map_or(SCHEDULES_IN_CI, |count| count.parse().expect("SCHEDULES is a number"));
    let mut ghosts_gone_after = Vec::new();
    for seed in 0..schedules {
        match run(seed, None) {
            Ok(outcome) => ghosts_gone_after.extend(outcome.ghosts_gone_after),
            Err(failure) => panic!(
                "seed {seed} fails: {failure}\nshortest: {}\nreplay with SCHEDULE_SEED={seed}",
                shortest_failure(seed)
            ),
        }
    }
    ghosts_gone_after.sort();
    let percentile = |hundredths: usize| {
        ghosts_gone_after.get(ghosts_gone_after.len() * hundredths / 100).copied()
    };
    println!(
        "{schedules} schedules; {} ended with ghosts in LiveKit's list, gone from ours after p50 {:?}, p99 {:?}, at most {:?}",
        ghosts_gone_after.len(),
        percentile(50).unwrap_or_default(),
        percentile(99).unwrap_or_default(),
        ghosts_gone_after.last().copied().unwrap_or_default(),
    );
    assert!(ghosts_gone_after.len() as u64 > schedules / 100, "the schedules make ghosts");
}

fn shortest_failure(seed: u64) -> String {
    (1..)
        .find_map(|acts| {
            run(seed, Some(acts)).err().map(|failure| format!("{acts} acts: {failure}"))
        })
        .expect("the whole schedule fails")
}

struct Outcome {
    /// How long after the first reconcile the list became right, where LiveKit listed ghosts.
    ghosts_gone_after: Option<Duration>,
}

/// Runs the schedule of `seed`, or only its first `acts`.
fn run(seed: u64, acts: Option<usize>) -> Result<Outcome, String> {
    let mut schedule = Schedule::new(seed);
    let whole = schedule.rng.usize(1..60);
    for _ in 0..acts.unwrap_or(whole).min(whole) {
        schedule.step()?;
    }
    schedule.settle()
}

/// What is on its way, and arrives while other things happen.
enum InFlight {
    Webhook(Event),
    /// LiveKit's answer, and what probes came to because of an earlier one.
    List(Listing, Vec<Probed>),
    /// A list, and what the probes of those came to whom it omits.
    Probed(Listing, Vec<Probed>),
    /// Repairs computed from it, on their way to the store.
    Repairs(Repairs),
}

/// What a schedule did to the room.
#[derive(Clone, Debug)]
pub enum Step {
    Apply(Event),
    Repair(Repairs),
}

/// Runs the schedule of `seed`, and returns what it did to the room, and when.
pub fn record(seed: u64) -> Vec<(StoreTime, Step)> {
    let mut schedule = Schedule::new(seed);
    for _ in 0..schedule.rng.usize(1..60) {
        schedule.step().expect("the rules hold");
    }
    schedule.done
}

struct Schedule {
    rng: fastrand::Rng,
    livekit: SimulatedLiveKit,
    room: Room,
    rules: Rules,
    now: StoreTime,
    in_flight: BTreeMap<(StoreTime, u64), InFlight>,
    next_delivery: u64,
    last_success: StoreTime,
    told: BTreeMap<Identity, Participant>,
    told_version: Version,
    done: Vec<(StoreTime, Step)>,
}

impl Schedule {
    fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let keeps_rooms_in_redis = rng.bool();
        Self {
            livekit: SimulatedLiveKit::new(rng.u64(..), keeps_rooms_in_redis),
            rng,
            room: Room::default(),
            rules: Rules::default(),
            now: StoreTime::from_millis(9_000_000_000_000),
            in_flight: BTreeMap::new(),
            next_delivery: 0,
            last_success: StoreTime::default(),
            told: BTreeMap::new(),
            told_version: Version::ZERO,
            done: Vec::new(),
        }
    }

    /// LiveKit does something; webhooks travel, with every fault; sometimes we reconcile.
    fn step(&mut self) -> Result<(), String> {
        self.livekit.act();
        if self.rng.u8(..12) == 0 {
            self.livekit.let_lists_lag();
        }
        self.post_webhooks();
        let pause = match self.rng.u8(..10) {
            0..6 => self.rng.u64(..50),
            6..9 => self.rng.u64(..2_000),
            _ => self.rng.u64(..30_000),
        };
        self.pass(Duration::from_millis(pause))?;
        match self.rng.u8(..12) {
            0 | 1 => self.ask_for_list(),
            2 => self.probe_someone()?,
            _ => {}
        }
        Ok(())
    }

    fn post_webhooks(&mut self) {
        for event in self.livekit.take_webhooks() {
            if self.rng.u8(..100) < 12 {
                continue;
            }
            let copies = if self.rng.u8(..100) < 10 { 2 } else { 1 };
            for _ in 0..copies {
                let delay = match self.rng.u8(..10) {
                    0..7 => self.rng.u64(..5),
                    7..9 => self.rng.u64(..1_500),
                    _ => self.rng.u64(..45_000),
                };
                self.send(delay, InFlight::Webhook(event.clone()));
            }
        }
    }

    fn send(&mut self, delay_ms: u64, what: InFlight) {
        self.next_delivery += 1;
        let at = self.now + Duration::from_millis(delay_ms);
        self.in_flight.insert((at, self.next_delivery), what);
    }

    fn pass(&mut self, pause: Duration) -> Result<(), String> {
        let until = self.now + pause;
        while let Some(entry) = self.in_flight.first_entry()
            && entry.key().0 <= until
        {
            let ((at, _), what) = entry.remove_entry();
            self.now = self.now.max(at);
            match what {
                InFlight::Webhook(event) => self.deliver(&event)?,
                InFlight::List(listing, probed) => self.probe_missing(listing, probed),
                InFlight::Probed(listing, probed) => self.judge(&listing, probed)?,
                InFlight::Repairs(repairs) => self.repair(&repairs)?,
            }
        }
        self.livekit.tick(i64::try_from(pause.as_millis()).expect("short"));
        self.now = until;
        Ok(())
    }

    fn deliver(&mut self, event: &Event) -> Result<(), String> {
        self.done.push((self.now, Step::Apply(event.clone())));
        match self.room.apply(event, self.now, &self.rules) {
            Applied::Changed(change) => self.tell(change)?,
            Applied::Unchanged | Applied::Unexpected | Applied::Duplicate => {}
        }
        self.check_told()
    }

    fn ask_for_list(&mut self) {
        if self.rng.u8(..8) == 0 {
            // LiveKit knows the room and cannot say who is inside.
            if self.livekit.has_room() {
                let repairs = plan_without_list(&self.room, self.now);
                let delay = self.rng.u64(..2_500);
                self.send(delay, InFlight::Repairs(repairs));
            }
            return;
        }
        if let Some(sessions) = self.livekit.list_participants() {
            let listing = Listing { asked_at: self.now, sessions };
            let took = self.rng.u64(..2_000);
            self.send(took, InFlight::List(listing, Vec::new()));
        }
    }

    /// As an instance does that compares the room: whom the list omits is probed. Several do so at once.
    fn probe_missing(&mut self, listing: Listing, mut probed: Vec<Probed>) {
        let targets = missing(&self.room, &listing, &self.rules);
        let mut took = self.rng.u64(..20);
        for target in targets {
            if probed.iter().any(|one| one.sid == target.sid) || self.rng.u8(..8) == 0 {
                continue;
            }
            if let Some(answer) = self.answer(&target.identity) {
                if answer == ProbeAnswer::Unanswered {
                    took = took.max(3_000);
                }
                probed.push(Probed { sid: target.sid, asked_at: self.now, answer });
            }
        }
        self.send(took, InFlight::Probed(listing, probed));
    }

    /// A living session is on its node; of others some node says that it is not there, or none answers.
    fn answer(&mut self, identity: &Identity) -> Option<ProbeAnswer> {
        Some(match self.livekit.answers(identity)? {
            true => ProbeAnswer::Alive,
            false if self.rng.bool() => ProbeAnswer::Gone,
            false => ProbeAnswer::Unanswered,
        })
    }

    /// Who lives is noted, repairs are on their way, and where a probe was not answered another list is asked for.
    fn judge(&mut self, listing: &Listing, probed: Vec<Probed>) -> Result<(), String> {
        self.note_life(&probed)?;
        let repairs = plan(&self.room, listing, &probed, &self.rules);
        let delay = self.rng.u64(..500);
        self.send(delay, InFlight::Repairs(repairs));
        let is_new = |probed: &Probed| probed.asked_at > listing.asked_at;
        if probed.iter().any(|one| one.answer == ProbeAnswer::Unanswered && is_new(one))
            && let Some(sessions) = self.livekit.list_participants()
        {
            let listing = Listing { asked_at: self.now, sessions };
            let took = self.rng.u64(..2_000);
            self.send(took, InFlight::List(listing, probed));
        }
        Ok(())
    }

    fn note_life(&mut self, probed: &[Probed]) -> Result<(), String> {
        for one in probed.iter().filter(|probed| probed.answer == ProbeAnswer::Alive) {
            let repairs = self.of_probe(one.asked_at, Repair::Alive(one.sid.clone()));
            self.repair(&repairs)?;
        }
        Ok(())
    }

    fn of_probe(&self, asked_at: StoreTime, step: Repair) -> Repairs {
        Repairs {
            asked_at,
            epoch: self.room.epoch(),
            version: self.room.version(),
            confirms: false,
            unlisted_at: None,
            steps: vec![step],
        }
    }

    fn probe_someone(&mut self) -> Result<(), String> {
        let targets = self.room.to_probe(self.now, &self.rules);
        let Some(target) = self.rng.choice(targets) else { return Ok(()) };
        self.probe(&target)?;
        Ok(())
    }

    /// Makes one probe; tells whether it failed.
    fn probe(&mut self, target: &ProbeTarget) -> Result<bool, String> {
        let Some(is_alive) = self.livekit.answers(&target.identity) else { return Ok(false) };
        let sid = target.sid.clone();
        let step = if is_alive {
            self.last_success = self.now;
            Repair::Alive(sid)
        } else {
            let witnessed = target.failed_at.is_some_and(|failed_at| self.last_success > failed_at);
            Repair::Dead { sid, witnessed }
        };
        let repairs = self.of_probe(self.now, step);
        self.repair(&repairs)?;
        Ok(!is_alive)
    }

    fn repair(&mut self, repairs: &Repairs) -> Result<(), String> {
        self.done.push((self.now, Step::Repair(repairs.clone())));
        let shown = self.living_and_shown();
        if let Some(change) = self.room.repair(repairs, self.now, &self.rules).change {
            self.tell(change)?;
        }
        if let Some(hidden) = shown.difference(&self.living_and_shown()).next() {
            return Err(format!("{hidden} lives, and is hidden by {repairs:?}"));
        }
        self.check_told()
    }

    /// Sessions that live and count as being in the room.
    fn living_and_shown(&self) -> BTreeSet<ParticipantSid> {
        let present = |sid: &&ParticipantSid| {
            let is_it = |session: &livekit_presence::presence::Session| {
                session.sid() == *sid && session.standing() == Standing::Present
            };
            self.room.sessions().any(is_it)
        };
        self.livekit.living().filter(present).cloned().collect()
    }

    /// Everything arrives, the grace passes, and from then on LiveKit is asked as often as the service does.
    fn settle(mut self) -> Result<Outcome, String> {
        self.livekit.bring_up();
        self.livekit.let_lists_catch_up();
        self.post_webhooks();
        self.pass(Duration::from_mins(1))?;
        self.pass(self.rules.grace + Duration::from_secs(1))?;
        let has_ghosts = self.livekit.has_ghosts();
        let first = self.now;
        loop {
            self.list_now()?;
            if self.is_right() {
                let took = self.now.since(first);
                return Ok(Outcome { ghosts_gone_after: has_ghosts.then_some(took) });
            }
            if !has_ghosts {
                return Err(self.difference("after one reconcile"));
            }
            if self.now.since(first) > Duration::from_mins(5) {
                return Err(self.difference("after five minutes of probes"));
            }
            let pause = if self.probe_all()? { FAILED_PROBE } else { RECONCILE_EVERY };
            self.pass(pause)?;
        }
    }

    /// One comparison: whom the list omits is probed, and if that is not answered a second list decides.
    fn list_now(&mut self) -> Result<(), String> {
        let mut probed: Vec<Probed> = Vec::new();
        for _ in 0..2 {
            let sessions = self.livekit.list_participants().expect("it is up");
            let listing = Listing { asked_at: self.now, sessions };
            self.pass(Duration::from_millis(2))?;
            for target in missing(&self.room, &listing, &self.rules) {
                if probed.iter().any(|one| one.sid == target.sid) {
                    continue;
                }
                if let Some(answer) = self.answer(&target.identity) {
                    probed.push(Probed { sid: target.sid, asked_at: self.now, answer });
                }
            }
            let is_slow = probed.iter().any(|one| one.answer == ProbeAnswer::Unanswered);
            self.pass(if is_slow { FAILED_PROBE } else { Duration::from_millis(2) })?;
            self.note_life(&probed)?;
            self.repair(&plan(&self.room, &listing, &probed, &self.rules))?;
            if !is_slow {
                break;
            }
        }
        Ok(())
    }

    /// Asks everybody who is to be asked; tells whether somebody failed.
    fn probe_all(&mut self) -> Result<bool, String> {
        let mut failed = false;
        for target in self.room.to_probe(self.now, &self.rules) {
            failed |= self.probe(&target)?;
        }
        Ok(failed)
    }

    fn is_right(&self) -> bool {
        self.room.list() == self.livekit.people_inside()
            && self.room.completeness().is_complete_at(self.now)
    }

    fn difference(&self, when: &str) -> String {
        format!(
            "{when}\nshown:  {:?}\ninside: {:?}\nheld: {:?}",
            self.room.list(),
            self.livekit.people_inside(),
            self.room.sessions().collect::<Vec<_>>()
        )
    }

    /// A client folds each change into what it holds.
    fn tell(&mut self, change: Change) -> Result<(), String> {
        if change.prev < self.told_version || change.version <= change.prev {
            return Err(format!("{change:?} does not follow {}", self.told_version));
        }
        let is_hole = change.prev > self.told_version;
        self.told_version = change.version;
        if is_hole {
            // Read again.
            self.told =
                self.room.list().into_iter().map(|one| (one.identity.clone(), one)).collect();
            return Ok(());
        }
        for participant in change.joined.into_iter().chain(change.updated) {
            self.told.insert(participant.identity.clone(), participant);
        }
        for departure in change.left {
            self.told.remove(&departure.identity);
        }
        Ok(())
    }

    fn check_told(&self) -> Result<(), String> {
        let mut told: Vec<_> = self.told.values().cloned().collect();
        told.sort_by(|a, b| a.order().cmp(&b.order()));
        if told == self.room.list() && self.told_version == self.room.version() {
            Ok(())
        } else {
            Err(format!("clients hold {told:#?}, the room {:#?}", self.room.list()))
        }
    }
}
