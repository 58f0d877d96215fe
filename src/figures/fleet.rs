//! What happened on all instances together. Each tells the others its newest steps, three at a time; one that is asked for the sum
//! reads what is new since it last did, and keeps the sum.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex as SyncMutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Mutex;
use tracing::debug;

use crate::{
    coordination::{CoordinationError, Peers, Told},
    error_chain::Chain,
    presence::HostTime,
};

use super::{
    ring::{MAX_STEPS, STEP_MILLIS, Steps},
    shared::{layout, read, written},
    shown::{Instance, Shown},
    step::Step,
};

/// Steps that are told together, since some services bill each command.
const TOLD_TOGETHER: u64 = 3;
const TURN_MILLIS: u64 = TOLD_TOGETHER * STEP_MILLIS;
/// Steps that stay open: what an instance tells late is still added to the newest of them.
const OPEN_STEPS: usize = 12;
const OPEN_MILLIS: u64 = OPEN_STEPS as u64 * STEP_MILLIS;
/// Steps that some instances may have told beyond those that are shown.
const MAX_NEWER: usize = 6;
/// Steps are shown this long after they were told: not all instances tell them at the same moment.
const SETTLES_MILLIS: u64 = 2_000;
/// What an instance told is forgotten this long after the last of it.
const FRESH: Duration = Duration::from_hours(1);
/// Instances that are summed. The hour of one is some 200 KB.
const MAX_INSTANCES: usize = 32;

/// This instance among those on the same store.
pub struct Fleet {
    peers: Arc<dyn Peers>,
    /// This instance.
    id: String,
    /// Steps that are not told yet.
    untold: SyncMutex<Untold>,
    /// Held while they are told.
    telling: Mutex<()>,
    /// One request at a time brings it up to date.
    sum: Mutex<Sum>,
}

#[derive(Default)]
struct Untold {
    /// With the times of their ends.
    lines: VecDeque<(u64, String)>,
    /// The upper bounds of the buckets; the same in all steps.
    bounds: Vec<f64>,
}

/// The sum of all instances, up to a time.
#[derive(Default)]
struct Sum {
    steps: Steps,
    /// What each instance told of the newest steps.
    open: BTreeMap<u64, BTreeMap<String, Step>>,
    instances: Vec<Instance>,
    /// In milliseconds since 1970.
    until: u64,
}

impl Fleet {
    pub fn new(peers: Arc<dyn Peers>, id: String) -> Self {
        let (untold, telling, sum) = (SyncMutex::default(), Mutex::default(), Mutex::default());
        Self { peers, id, untold, telling, sum }
    }

    /// Takes a step of this instance. Says whether it is time to tell the others.
    pub fn take(&self, step: &Step) -> bool {
        self.untold().add(step);
        step.at.is_multiple_of(TURN_MILLIS)
    }

    /// Tells the others the steps that they do not know. What they cannot be told now they are told with the next steps; if they are
    /// within a minute, also readers that have asked already get them.
    pub async fn tell(&self) {
        // The store is slow, and what is new is told after that.
        let Ok(_telling) = self.telling.try_lock() else { return };
        let Some(told) = self.untold().told(&self.id) else { return };
        match self.peers.tell(&told, MAX_STEPS, FRESH).await {
            Ok(()) => self.untold().lines.retain(|(at, _)| *at > told.at_ms),
            Err(error) => {
                debug!(error = %Chain(&error), "cannot tell the others what happened here");
            }
        }
    }

    /// The steps of all instances together that ended after `since`, in milliseconds since 1970.
    ///
    /// # Errors
    /// The store that the instances share does not answer.
    pub async fn since(&self, since: u64, now: HostTime) -> Result<Shown, CoordinationError> {
        let until = now.as_millis().saturating_sub(SETTLES_MILLIS) / TURN_MILLIS * TURN_MILLIS;
        let mut sum = self.sum.lock().await;
        if sum.until < until {
            let new = usize::try_from((until - sum.until) / STEP_MILLIS).unwrap_or(MAX_STEPS);
            let newest = new.min(MAX_STEPS) + OPEN_STEPS + MAX_NEWER;
            let told = self.peers.told(newest, MAX_INSTANCES).await?;
            let bounds = self.bounds();
            // Without them this instance does not know yet what it could sum.
            if !bounds.is_empty() {
                sum.take(&told, &bounds, until);
            }
        }
        let mut shown = Shown::new(&sum.steps.since(since));
        shown.instances = Some(sum.instances.clone());
        Ok(shown)
    }

    fn bounds(&self) -> Vec<f64> {
        self.untold().bounds.clone()
    }

    fn untold(&self) -> MutexGuard<'_, Untold> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Untold {
    fn add(&mut self, step: &Step) {
        self.bounds = step.latency.iter().map(|(bound, _)| *bound).collect();
        if self.lines.len() == MAX_STEPS {
            self.lines.pop_front();
        }
        self.lines.push_back((step.at, written(step)));
    }

    /// All of them; none if there are none.
    fn told(&self, instance: &str) -> Option<Told> {
        let (at_ms, _) = self.lines.back()?;
        let lines = self.lines.iter().map(|(_, line)| line.clone()).collect();
        let layout = layout(&self.bounds);
        Some(Told { instance: instance.to_owned(), at_ms: *at_ms, layout, lines })
    }
}

impl Sum {
    /// Adds what instances told, up to a time; also what they told late of steps that are open.
    fn take(&mut self, told: &[Told], bounds: &[f64], until: u64) {
        let own_layout = layout(bounds);
        let closed = self.until.saturating_sub(OPEN_MILLIS);
        for told in told.iter().filter(|told| told.layout == own_layout) {
            let steps = told.lines.iter().filter_map(|line| read(line, bounds));
            for step in steps.filter(|step| step.at > closed && step.at <= until) {
                // One that is there twice counts once.
                self.open.entry(step.at).or_default().insert(told.instance.clone(), step);
            }
        }
        self.steps.forget_after(closed);
        for (at, steps) in &self.open {
            let steps: Vec<_> = steps.values().cloned().collect();
            self.steps.add(&Step::merged(*at, &steps));
        }
        self.open = self.open.split_off(&(until.saturating_sub(OPEN_MILLIS) + 1));
        self.until = until;
        self.instances = told
            .iter()
            .enumerate()
            .map(|(index, told)| Instance {
                id: told.instance.clone(),
                told_at_ms: told.at_ms,
                missing: missing(told, own_layout, until, index),
            })
            .collect();
    }
}

/// Why the newest steps are without an instance.
fn missing(told: &Told, own_layout: u32, until: u64, index: usize) -> Option<&'static str> {
    if told.at_ms < until {
        Some("it has told nothing since then: it ended, or cannot reach the store")
    } else if told.layout != own_layout {
        Some("it is of another release")
    } else if index >= MAX_INSTANCES {
        Some("there are too many instances")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::figures::series::COLUMNS;

    const BOUNDS: [f64; 2] = [0.001, f64::INFINITY];

    fn line(at: u64, webhooks: f32) -> String {
        let mut values = [f32::NAN; COLUMNS];
        values[0] = webhooks;
        written(&Step { at, values, latency: BOUNDS.map(|bound| (bound, 0.0)).to_vec() })
    }

    fn told(instance: &str, at_ms: u64, lines: &[String]) -> Told {
        let instance = instance.to_owned();
        Told { instance, at_ms, layout: layout(&BOUNDS), lines: lines.to_vec() }
    }

    fn shown(sum: &Sum) -> Value {
        serde_json::to_value(Shown::new(&sum.steps.since(0))).unwrap()
    }

    #[test]
    fn what_is_told_twice_counts_once_and_what_is_told_late_is_added_while_its_step_is_open() {
        let mut sum = Sum::default();
        let mut lines = vec![line(5_000, 1.0), line(10_000, 2.0), line(15_000, 3.0)];
        lines.extend(lines.clone());
        sum.take(&[told("one", 15_000, &lines)], &BOUNDS, 15_000);
        assert_eq!(shown(&sum)["series"]["webhooks"], json!([1.0, 2.0, 3.0]));
        // The other one could not reach the store for a while.
        lines.push(line(30_000, 4.0));
        let late = [line(10_000, 10.0), line(15_000, 20.0), line(30_000, 30.0)];
        let both = [told("one", 30_000, &lines), told("other", 30_000, &late)];
        sum.take(&both, &BOUNDS, 30_000);
        let both_shown = shown(&sum);
        assert_eq!(both_shown["times"], json!([5_000, 10_000, 15_000, 30_000]));
        assert_eq!(both_shown["series"]["webhooks"], json!([1.0, 12.0, 23.0, 34.0]));
        // One that ended and is not there any more still counts.
        sum.take(&[told("one", 75_000, &[line(75_000, 5.0)])], &BOUNDS, 75_000);
        assert_eq!(shown(&sum)["series"]["webhooks"], json!([1.0, 12.0, 23.0, 34.0, 5.0]));
        // What is older than a minute is closed.
        let later = [line(15_000, 500.0), line(30_000, 50.0)];
        sum.take(&[told("third", 90_000, &later)], &BOUNDS, 90_000);
        assert_eq!(shown(&sum)["series"]["webhooks"], json!([1.0, 12.0, 23.0, 84.0, 5.0]));
    }

    #[test]
    fn steps_of_the_same_time_are_summed_once_and_who_is_missing_is_told() {
        let mut sum = Sum::default();
        let one = [line(15_000, 1.0), line(20_000, 2.0), line(25_000, 3.0), line(30_000, 4.0)];
        let another =
            [line(20_000, 10.0), line(25_000, 20.0), line(30_000, 30.0), line(35_000, 9.0)];
        let older = Told { layout: 1, ..told("older", 30_000, &[line(30_000, 500.0)]) };
        let gone = told("gone", 15_000, &[line(15_000, 100.0)]);
        let all = [told("one", 30_000, &one), told("another", 45_000, &another), older, gone];
        sum.take(&all, &BOUNDS, 30_000);
        let first = shown(&sum);
        assert_eq!(first["times"], json!([15_000, 20_000, 25_000, 30_000]));
        assert_eq!(first["series"]["webhooks"], json!([101.0, 12.0, 23.0, 34.0]));
        let missing: Vec<_> = sum.instances.iter().map(|one| one.missing.is_some()).collect();
        assert_eq!(missing, [false, false, true, true]);
        sum.take(&all, &BOUNDS, 45_000);
        let second = shown(&sum);
        assert_eq!(second["times"], json!([15_000, 20_000, 25_000, 30_000, 35_000]));
        assert_eq!(second["series"]["webhooks"][4], 9.0);
        assert!(sum.instances[0].missing.is_some(), "it told nothing since");
    }
}
