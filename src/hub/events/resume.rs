//! Finds what a returning subscriber missed: in memory, or in the store's log.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use crate::{
    presence::StoreTime,
    store::{LogId, StoreError},
};

use super::{
    entry::Entry,
    error::EventsError,
    filter::EventFilter,
    metrics::ResumeOutcome,
    preface::{self, Beginning, Missed},
    shared::Shared,
};

/// Another instance may have sent an event that is about to arrive here.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(2);
/// No instance is ahead of the store's clock by more.
const MAX_AHEAD_MILLIS: u64 = 60_000;
/// How long a subscriber waits until the log is read for those before it.
const TURN_TIMEOUT: Duration = Duration::from_secs(2);
/// Entries of the log that are read with one call.
const PAGE: usize = 1_000;
/// What is read of the log for one subscriber.
const MAX_READ_BYTES: usize = 8 * 1024 * 1024;
/// The log is read again if memory has meanwhile let go of what follows.
const ATTEMPTS: usize = 3;

/// What was read of the log.
struct LogPart {
    entries: Vec<Arc<Entry>>,
    reached: LogId,
}

impl Shared {
    /// The beginning for a subscriber that was last sent the event `after`. None if the log does not know everything after it.
    pub async fn resume(
        &self,
        filter: &EventFilter,
        after: LogId,
    ) -> Result<Option<Beginning>, EventsError> {
        if after == preface::before_everything() || !self.has_reached(after).await {
            return Ok(None);
        }
        if let Some(beginning) = self.find_beginning(filter, after) {
            return Ok(Some(beginning));
        }
        let missed = match self.missed_in_memory(filter, after) {
            Some(missed) => Some(missed),
            None => {
                let turn = timeout(TURN_TIMEOUT, self.log_reads.acquire()).await;
                let _turn = turn.map_err(|_| EventsError::TooManyResumes)?;
                self.missed_in_log(filter, after).await?
            }
        };
        let Some(missed) = missed else { return Ok(None) };
        self.metrics.resumed(missed.outcome);
        let beginning = preface::resumed(after, &missed, self.clock.now());
        self.state().share_beginning(filter, after, &beginning);
        Ok(Some(beginning))
    }

    /// Waits until everything up to `after` is published here, so that a subscriber is not sent again what another instance has
    /// sent it. False if nothing of the kind arrives.
    async fn has_reached(&self, after: LogId) -> bool {
        let now = self.store.estimated_now().map_or(0, StoreTime::as_millis);
        let mut published = self.published.subscribe();
        if *published.borrow_and_update() < after && after.millis() > now + MAX_AHEAD_MILLIS {
            return false;
        }
        let reached = published.wait_for(|position| *position >= after);
        timeout(CATCH_UP_TIMEOUT, reached).await.is_ok_and(|reached| reached.is_ok())
    }

    /// What was made for another subscriber just now.
    fn find_beginning(&self, filter: &EventFilter, after: LogId) -> Option<Beginning> {
        let found = self.state().shared_beginning(filter, after);
        if found.is_some() {
            self.metrics.resumed(ResumeOutcome::Memory);
        }
        found
    }

    fn missed_in_memory(&self, filter: &EventFilter, after: LogId) -> Option<Missed> {
        let state = self.state();
        let (version, position) = state.published(filter);
        let entries = state.recent.after(after)?;
        let entries = select(entries, filter, position);
        let outcome = ResumeOutcome::Memory;
        Some(Missed { entries, reached: position, is_whole: true, version, outcome })
    }

    /// Reads the log up to where memory goes on. None if the log does not have everything.
    async fn missed_in_log(
        &self,
        filter: &EventFilter,
        after: LogId,
    ) -> Result<Option<Missed>, StoreError> {
        for _ in 0..ATTEMPTS {
            // Somebody else may have read the same.
            if let Some(missed) = self.missed_in_memory(filter, after) {
                return Ok(Some(missed));
            }
            let until = {
                let state = self.state();
                state.published(filter).1.min(state.recent.whole_after())
            };
            let Some(part) = self.read_log(after, until).await? else { return Ok(None) };
            if let Some(missed) = self.join_with_memory(filter, after, until, &part) {
                return Ok(Some(missed));
            }
        }
        Ok(None)
    }

    fn join_with_memory(
        &self,
        filter: &EventFilter,
        after: LogId,
        until: LogId,
        part: &LogPart,
    ) -> Option<Missed> {
        let mut state = self.state();
        let (version, position) = state.published(filter);
        let mut entries = select(part.entries.iter(), filter, until);
        let is_whole = part.reached >= until;
        let mut reached = part.reached;
        if is_whole {
            state.recent.extend_back(after, until, &part.entries);
            if position > until {
                entries.extend(select(state.recent.after(until)?, filter, position));
            }
            reached = position;
        }
        Some(Missed { entries, reached, is_whole, version, outcome: ResumeOutcome::Log })
    }

    /// Reads what the log has after `after`, up to and with `until`, or as much as one subscriber may have read. None if the log
    /// does not have everything.
    async fn read_log(&self, after: LogId, until: LogId) -> Result<Option<LogPart>, StoreError> {
        let mut part = LogPart { entries: Vec::new(), reached: after };
        let mut bytes = 0;
        loop {
            let page = self.store.events_after(part.reached, PAGE).await?;
            if page.is_gap {
                return Ok(None);
            }
            let is_last = page.is_last;
            for logged in page.events {
                if logged.id > until {
                    part.reached = until;
                    return Ok(Some(part));
                }
                let entry = Entry::of(logged);
                part.reached = entry.id;
                bytes += entry.bytes();
                part.entries.push(entry);
            }
            if is_last {
                part.reached = part.reached.max(until);
            }
            let is_much = bytes > MAX_READ_BYTES || part.entries.len() > self.config.max_events;
            if part.reached >= until || is_much {
                return Ok(Some(part));
            }
        }
    }
}

/// The messages that pass a filter, up to and with a place in the log.
fn select<'entries>(
    entries: impl Iterator<Item = &'entries Arc<Entry>>,
    filter: &EventFilter,
    until: LogId,
) -> Vec<Arc<Entry>> {
    entries
        .take_while(|entry| entry.id <= until)
        .filter(|entry| entry.passes(filter))
        .cloned()
        .collect()
}
