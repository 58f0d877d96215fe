//! The events of a run with their times and counts, and the first broken promise, which ends the run.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use tokio::sync::watch;

pub struct Journal {
    started_at: Instant,
    notes: Mutex<Notes>,
    violation: watch::Sender<Option<String>>,
}

#[derive(Default)]
struct Notes {
    lines: Vec<String>,
    counts: BTreeMap<String, u64>,
    longest: BTreeMap<&'static str, Duration>,
}

impl Journal {
    pub fn new() -> Self {
        Self {
            started_at: Instant::now(),
            notes: Mutex::default(),
            violation: watch::Sender::new(None),
        }
    }

    pub fn time(&self) -> Duration {
        self.started_at.elapsed()
    }

    /// Records and prints an action.
    pub fn note(&self, what: &str) {
        let line = format!("{:7.2} s  {what}", self.time().as_secs_f64());
        println!("{line}");
        self.notes().lines.push(line);
    }

    pub fn count(&self, what: impl Into<String>) {
        self.count_many(what, 1);
    }

    pub fn count_many(&self, what: impl Into<String>, times: u64) {
        *self.notes().counts.entry(what.into()).or_default() += times;
    }

    /// Keeps the longest time that something took.
    pub fn took(&self, what: &'static str, time: Duration) {
        let mut notes = self.notes();
        let longest = notes.longest.entry(what).or_default();
        *longest = time.max(*longest);
    }

    /// Records a broken promise. The first one ends the run.
    pub fn violated(&self, what: impl Into<String>) {
        let what = format!("{:.2} s: {}", self.time().as_secs_f64(), what.into());
        self.violation.send_if_modified(|violation| {
            let is_first = violation.is_none();
            violation.get_or_insert(what);
            is_first
        });
    }

    /// Waits for the first broken promise.
    pub async fn violation(&self) -> String {
        let mut violation = self.violation.subscribe();
        let violation = violation.wait_for(Option::is_some).await;
        violation.unwrap().clone().expect("it was waited for")
    }

    pub fn lines(&self) -> String {
        self.notes().lines.join("\n")
    }

    /// All counts and longest times, a line each.
    pub fn summary(&self) -> String {
        let notes = self.notes();
        let counts = notes.counts.iter().map(|(what, times)| format!("{times:>9}  {what}"));
        let longest = notes
            .longest
            .iter()
            .map(|(what, time)| format!("{:>7.2} s  longest {what}", time.as_secs_f64()));
        counts.chain(longest).collect::<Vec<_>>().join("\n")
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap()
    }
}
