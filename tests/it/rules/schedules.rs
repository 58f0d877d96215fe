//! The property that matters: whatever was lost, repeated, delayed or reordered, after the last event and one reconcile past
//! the grace the list equals the people really inside; and where LiveKit lists ghosts, it does soon after, by liveness probes.
//! And all the time: no list takes out a session that lives and is shown, and who joined without those who left are in the list.
//!
//! `SCHEDULES=1000000` runs more of them, `SCHEDULE_SEED=17` runs one.

use std::time::Duration;

use livekit_presence::presence::{Listing, ProbeAnswer, Probed, missing, plan};

use super::schedule::Schedule;

const SCHEDULES_IN_CI: u64 = 100_000;
const SCHEDULES_WITH_BANS: u64 = 10_000;

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

/// Whoever is banned is never shown meanwhile, which each step checks.
#[test]
fn when_all_bans_are_lifted_the_list_is_the_people_inside() {
    for seed in 0..SCHEDULES_WITH_BANS {
        let mut schedule = Schedule::with_bans(seed);
        let run = |schedule: &mut Schedule| {
            for _ in 0..schedule.rng.usize(1..60) {
                schedule.step()?;
            }
            schedule.lift_all()?;
            schedule.settle()
        };
        run(&mut schedule).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
    }
}

fn shortest_failure(seed: u64) -> String {
    (1..)
        .find_map(|acts| {
            run(seed, Some(acts)).err().map(|failure| format!("{acts} acts: {failure}"))
        })
        .expect("the whole schedule fails")
}

pub(super) struct ScheduleResult {
    /// The time from the first comparison until the list was right, where LiveKit listed ghosts.
    ghosts_gone_after: Option<Duration>,
}

/// Runs the schedule of `seed`, or only its first `acts`.
fn run(seed: u64, acts: Option<usize>) -> Result<ScheduleResult, String> {
    let mut schedule = Schedule::new(seed);
    let whole = schedule.rng.usize(1..60);
    for _ in 0..acts.unwrap_or(whole).min(whole) {
        schedule.step()?;
    }
    schedule.settle()
}

impl Schedule {
    /// Delivers everything, lets the grace pass, and then asks LiveKit as often as the service does, until the list is right.
    pub(super) fn settle(&mut self) -> Result<ScheduleResult, String> {
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
                return Ok(ScheduleResult { ghosts_gone_after: has_ghosts.then_some(took) });
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

    /// Makes one comparison: sessions that the list omits are probed, and where one does not answer a second list decides.
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

    /// Makes all probes that the rules want, and tells whether one failed.
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
}
