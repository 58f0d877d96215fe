//! What records do to the row of a life of a room, and what its sessions come to.

use std::collections::HashMap;

use crate::{
    history::{
        row::{InstanceRow, SessionRow, Span, Totals},
        spans::{most_at_once, union},
    },
    presence::{Closed, Opened, RoomName, RoomSid, START_TOLERANCE_MILLIS, ToldBy},
};

/// LiveKit gives the time of a start in whole seconds.
const WHOLE_SECOND_MILLIS: i64 = 1_000;

impl InstanceRow {
    pub fn is_open(&self) -> bool {
        self.finished_at.is_none()
    }

    pub(super) fn opened(room: &RoomName, sid: &RoomSid, started_at: i64) -> Self {
        Self {
            sid: sid.to_string(),
            room: room.to_string(),
            started_at,
            finished_at: None,
            exact: true,
            reason: None,
            finished_told_by: None,
            totals: None,
            seq: 0,
        }
    }

    /// It started, perhaps again after a crash of LiveKit. Returns whether that says more than was known.
    pub(super) fn open(&mut self, opened: &Opened) -> bool {
        let is_known = self.started_at <= opened.created_at.as_millis();
        self.started_at = self.started_at.min(opened.created_at.as_millis());
        let is_again = self.reopen_if_after(opened.at.as_millis());
        is_again || !is_known
    }

    /// Somebody joined it, and a webhook showed them inside at `shown_at`. Returns whether that says more than was known.
    ///
    /// Their webhooks overtake that of the end, so only one that is clearly later says that the life goes on.
    pub(super) fn enter(&mut self, joined_at: i64, shown_at: Option<i64>) -> bool {
        let is_known = self.started_at <= joined_at;
        self.started_at = self.started_at.min(joined_at);
        let is_before = |end: i64| {
            let is_shown_later = |at: i64| end + START_TOLERANCE_MILLIS < at;
            end < joined_at || shown_at.is_some_and(is_shown_later)
        };
        let is_again = self.finished_at.is_some_and(is_before) && self.reopen();
        is_again || !is_known
    }

    /// The second of a start may lie just before the time at which the end was only guessed.
    fn reopen_if_after(&mut self, second: i64) -> bool {
        let tolerance = if self.is_guessed() { WHOLE_SECOND_MILLIS } else { 0 };
        self.finished_at.is_some_and(|end| end < second + tolerance) && self.reopen()
    }

    fn reopen(&mut self) -> bool {
        self.finished_at = None;
        self.exact = true;
        self.reason = None;
        self.finished_told_by = None;
        self.totals = None;
        true
    }

    fn is_guessed(&self) -> bool {
        self.finished_told_by == Some(ToldBy::Comparison)
    }

    /// It ended. Returns whether that says more than was known: a webhook knows better than a comparison.
    pub(super) fn close(&mut self, closed: &Closed) -> bool {
        let is_better = self.is_guessed() && closed.told_by == ToldBy::Webhook;
        if !self.is_open() && !is_better {
            return false;
        }
        self.finished_at = Some(closed.at.at.as_millis().max(self.started_at));
        self.exact = closed.at.exact;
        self.reason.clone_from(&closed.reason);
        self.finished_told_by = Some(closed.told_by);
        true
    }

    /// It must have ended by `at`, because the room started anew.
    pub(super) fn close_by(&mut self, at: i64) {
        self.finished_at = Some(at.max(self.started_at));
        self.exact = false;
        self.finished_told_by = Some(ToldBy::Comparison);
    }

    /// Counts its sessions, all of them, once it has ended. Corrects by them when it began, and when it ended if that is a guess.
    pub fn sum_up(&mut self, sessions: &[SessionRow]) {
        self.totals = Some(totals(sessions));
        let first = sessions.iter().map(|session| session.joined_at).min();
        self.started_at = first.map_or(self.started_at, |first| self.started_at.min(first));
        let ends: Option<Vec<_>> = sessions.iter().map(|session| session.left_at).collect();
        if let Some(last) = ends.and_then(|ends| ends.into_iter().max())
            && self.is_guessed()
        {
            let end = self.finished_at.map(|end| end.min(last).max(self.started_at));
            self.finished_at = end;
        }
    }
}

/// What the sessions of a life of a room come to. Agents do not count.
pub fn totals(sessions: &[SessionRow]) -> Totals {
    let people: Vec<_> = sessions.iter().filter(|session| !session.agent).collect();
    let mut inside: HashMap<&str, Vec<Span>> = HashMap::new();
    for session in &people {
        let spans = inside.entry(&session.identity).or_default();
        spans.extend(&session.spans.inside);
    }
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    Totals {
        people: count(inside.len()),
        sessions: count(people.len()),
        peak: count(most_at_once(inside.into_values().flat_map(union))),
    }
}
