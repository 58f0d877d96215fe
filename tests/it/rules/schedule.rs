//! A schedule: what a simulated LiveKit does, and what arrives of it, with every fault. A seed makes it the same each time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use livekit_presence::presence::{
    Ban, Change, Counts, Event, Identity, Listing, Participant, ParticipantSid, ProbeAnswer,
    ProbeTarget, Probed, Repair, RepairCause, Repairs, Room, Rules, Session, Standing, StoreTime,
    Transition, Version, missing, plan, plan_without_list,
};

use super::{bans::Moderators, past::Past, readings::Readers, simulated_livekit::SimulatedLiveKit};

/// A message that arrives later, while other things happen.
pub(super) enum InFlight {
    Webhook(Event),
    /// LiveKit's list, and the answers of probes that an earlier list caused.
    List(Listing, Vec<Probed>),
    /// A list, and the answers of probes of those whom it omits.
    Probed(Listing, Vec<Probed>),
    /// Repairs that were computed from a list.
    Repairs(Repairs),
    /// What LiveKit keeps, read because it changed.
    Reading(Listing),
}

/// What a schedule did to the room.
#[derive(Clone, Debug)]
pub enum Step {
    Apply(Event),
    Repair(Repairs),
    /// Bans somebody, or lifts their ban.
    Ban(Identity, Option<Ban>),
}

/// Runs the schedule of `seed`, and returns what it did to the room, and when.
pub fn record(seed: u64) -> Vec<(StoreTime, Step)> {
    let mut schedule = Schedule::new(seed);
    for _ in 0..schedule.rng.usize(1..60) {
        schedule.step().expect("the rules hold");
    }
    schedule.done
}

/// As [`record`], with moderators who ban and lift bans.
pub fn record_with_bans(seed: u64) -> Vec<(StoreTime, Step)> {
    let mut schedule = Schedule::with_bans(seed);
    for _ in 0..schedule.rng.usize(1..60) {
        schedule.step().expect("the rules hold");
    }
    schedule.done
}

pub(super) struct Schedule {
    pub(super) rng: fastrand::Rng,
    pub(super) livekit: SimulatedLiveKit,
    pub(super) room: Room,
    pub(super) rules: Rules,
    pub(super) now: StoreTime,
    in_flight: BTreeMap<(StoreTime, u64), InFlight>,
    next_delivery: u64,
    last_success: StoreTime,
    told: BTreeMap<Identity, Participant>,
    told_version: Version,
    /// The sessions that somebody counts who adds each that joins, and takes out each that leaves.
    counted: BTreeSet<ParticipantSid>,
    pub(super) done: Vec<(StoreTime, Step)>,
    /// Who bans and lifts bans, if somebody does.
    pub(super) moderators: Option<Moderators>,
    /// Who reads what LiveKit keeps, if somebody does.
    pub(super) readers: Option<Readers>,
    /// What the steps add to the room's history, if that is looked at.
    pub(super) past: Option<Past>,
}

impl Schedule {
    pub(super) fn new(seed: u64) -> Self {
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
            counted: BTreeSet::new(),
            done: Vec::new(),
            moderators: None,
            readers: None,
            past: None,
        }
    }

    /// Lets LiveKit do something, delivers webhooks with every fault, and sometimes compares.
    pub(super) fn step(&mut self) -> Result<(), String> {
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
        self.change_bans()?;
        self.read();
        match self.rng.u8(..12) {
            0 | 1 => self.ask_for_list(),
            2 => self.probe_someone()?,
            3 => self.have_livekit_moderate(),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn post_webhooks(&mut self) {
        let webhooks = self.livekit.take_webhooks();
        if let Some(past) = &mut self.past {
            past.truth.see(&self.livekit.people_inside(), &webhooks, self.livekit.now_ms());
        }
        for event in webhooks {
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
                let received_at = event.received_at + Duration::from_millis(delay);
                self.send(delay, InFlight::Webhook(Event { received_at, ..event.clone() }));
            }
        }
    }

    pub(super) fn send(&mut self, delay_ms: u64, what: InFlight) {
        self.next_delivery += 1;
        let at = self.now + Duration::from_millis(delay_ms);
        self.in_flight.insert((at, self.next_delivery), what);
    }

    pub(super) fn pass(&mut self, pause: Duration) -> Result<(), String> {
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
                InFlight::Reading(listing) => self.refresh(&listing),
            }
        }
        self.livekit.tick(i64::try_from(pause.as_millis()).expect("short"));
        self.now = until;
        Ok(())
    }

    pub(super) fn deliver(&mut self, event: &Event) -> Result<(), String> {
        self.done.push((self.now, Step::Apply(event.clone())));
        let mut transitions = Vec::new();
        let applied = self.room.apply_noting(event, self.now, &self.rules, &mut transitions);
        if let Some(past) = &mut self.past {
            past.note_event(&self.room, event, &applied, &transitions, self.now);
        }
        if let Some(change) = applied.change() {
            self.tell(change.clone())?;
        }
        self.count(&transitions)?;
        self.check_told()
    }

    fn ask_for_list(&mut self) {
        if self.rng.u8(..8) == 0 {
            // LiveKit has the room, but cannot say who is inside.
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

    /// A moderator acts. Webhooks may come before LiveKit's answer, and after it.
    fn have_livekit_moderate(&mut self) {
        let (before, asked_at, choice) = (self.room.clone(), self.now, self.rng.u8(..100));
        let Some(moderated) = self.livekit.moderate(choice) else { return };
        let repairs = Repairs::moderated(&before, asked_at, moderated.steps(&before));
        self.post_webhooks();
        let took = if self.rng.u8(..10) == 0 { self.rng.u64(..3_000) } else { self.rng.u64(..10) };
        self.send(took, InFlight::Repairs(repairs));
    }

    /// Probes those whom a list omits, as an instance does that compares the room. Several comparisons may be under way.
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

    /// A living session answers. Of another, its node says that it is not there, or no node answers.
    pub(super) fn answer(&mut self, identity: &Identity) -> Option<ProbeAnswer> {
        Some(match self.livekit.answers(identity)? {
            true => ProbeAnswer::Alive,
            false if self.rng.bool() => ProbeAnswer::Gone,
            false => ProbeAnswer::Unanswered,
        })
    }

    /// Notes who lives, sends the repairs, and asks for another list where a probe was not answered.
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

    pub(super) fn note_life(&mut self, probed: &[Probed]) -> Result<(), String> {
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
            cause: RepairCause::Comparison,
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
    pub(super) fn probe(&mut self, target: &ProbeTarget) -> Result<bool, String> {
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

    pub(super) fn repair(&mut self, repairs: &Repairs) -> Result<(), String> {
        self.done.push((self.now, Step::Repair(repairs.clone())));
        let shown = self.living_and_shown();
        let mut transitions = Vec::new();
        let repaired = self.room.repair_noting(repairs, self.now, &self.rules, &mut transitions);
        if let Some(past) = &mut self.past {
            past.note_repairs(&self.room, &repaired, &transitions, self.now);
        }
        if let Some(change) = repaired.change {
            self.tell(change)?;
        }
        self.count(&transitions)?;
        if let Some(hidden) = shown.difference(&self.living_and_shown()).next() {
            return Err(format!("{hidden} lives, and is hidden by {repairs:?}"));
        }
        self.check_told()
    }

    /// Sessions that live and that the room shows.
    fn living_and_shown(&self) -> BTreeSet<ParticipantSid> {
        let present = |sid: &&ParticipantSid| {
            let is_it = |session: &Session| {
                session.sid() == *sid && session.standing() == Standing::Present
            };
            self.room.sessions().any(is_it)
        };
        self.livekit.living().filter(present).cloned().collect()
    }

    /// A client folds each change into what it holds.
    pub(super) fn tell(&mut self, change: Change) -> Result<(), String> {
        if change.prev < self.told_version || change.version <= change.prev {
            return Err(format!("{change:?} does not follow {}", self.told_version));
        }
        let is_hole = change.prev > self.told_version;
        self.told_version = change.version;
        if is_hole {
            // After a hole the client reads the room again.
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

    /// Counts who joins and who leaves; nobody does it twice.
    pub(super) fn count(&mut self, transitions: &[Transition]) -> Result<(), String> {
        for transition in transitions {
            let is_right = match transition {
                Transition::Joined(participant, _) => self.counted.insert(participant.sid.clone()),
                Transition::Left(participant, _) => self.counted.remove(&participant.sid),
            };
            if !is_right {
                return Err(format!("{transition:?} beside {:?}", self.counted));
            }
        }
        let shown: BTreeSet<_> = self.room.list().into_iter().map(|one| one.sid).collect();
        if self.counted == shown {
            Ok(())
        } else {
            Err(format!("counted {:?}, shown {shown:?}", self.counted))
        }
    }

    pub(super) fn check_told(&self) -> Result<(), String> {
        if let Some(moderators) = &self.moderators {
            moderators.check(&self.room, self.now)?;
        }
        let mut told: Vec<_> = self.told.values().cloned().collect();
        told.sort_by(|a, b| a.order().cmp(&b.order()));
        if told != self.room.list() || self.told_version != self.room.version() {
            return Err(format!("clients hold {told:#?}, the room {:#?}", self.room.list()));
        }
        match self.room.counts() {
            counts if counts == Counts::of(&told) => Ok(()),
            counts => Err(format!("{counts:?} are not the counts of {told:#?}")),
        }
    }
}
