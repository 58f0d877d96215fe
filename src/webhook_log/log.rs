//! The rings: what LiveKit sent, and what strangers sent.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;

use crate::presence::HostTime;

use super::entry::{Entry, Noted};

/// Webhooks that are kept.
const MAX_ENTRIES: usize = 1_000;
/// Refusals of strangers that are kept.
const MAX_REFUSED: usize = 100;

/// The last webhooks: at most 1,000 with 4 KiB of body each.
#[derive(Debug)]
pub struct WebhookLog {
    /// Tells the ids of this instance from those of others.
    instance: Box<str>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The oldest first. Their numbers are consecutive.
    entries: VecDeque<Arc<Entry>>,
    /// The number of the next entry.
    next: u64,
    /// The oldest first.
    refused: VecDeque<Refused>,
    /// Rises with each refusal.
    refusals: u64,
}

/// Requests that no token of LiveKit vouched for, of one kind in a row. Nothing of what they said is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// When the last of them came.
    pub at_ms: u64,
    pub outcome: &'static str,
    pub why: String,
    pub count: u64,
}

/// An entry with its id.
#[derive(Clone, Debug, Serialize)]
pub struct Numbered {
    pub id: String,
    #[serde(flatten)]
    pub entry: Arc<Entry>,
}

/// A part of the log, the newest first.
#[derive(Clone, Debug)]
pub struct Page {
    pub entries: Vec<Numbered>,
    /// Whether older ones are kept.
    pub has_more: bool,
    pub refused: Vec<Refused>,
    /// Another one after each change of the log.
    pub state: String,
}

impl WebhookLog {
    /// `instance` is short.
    pub fn new(instance: &str) -> Self {
        Self { instance: instance.into(), inner: Mutex::default() }
    }

    /// Adds a webhook with what became of it.
    pub fn add(&self, noted: Noted, outcome: &'static str, why: Option<String>, at: HostTime) {
        if !noted.is_vouched_for {
            let why = why.unwrap_or_default();
            self.lock().refuse(Refused { at_ms: at.as_millis(), outcome, why, count: 1 });
            return;
        }
        let entry = Arc::new(Entry::new(at, noted, outcome, why));
        // What goes is freed when the lock is free again.
        let _gone = self.lock().push(entry);
    }

    /// The newest entries, or those before one of them. None if that is not kept any more.
    pub fn page(&self, before: Option<&str>, limit: usize) -> Option<Page> {
        let inner = self.lock();
        let end = match before {
            None => inner.entries.len(),
            Some(id) => inner.position(self.number(id)?)?,
        };
        let begin = end.saturating_sub(limit);
        let numbered = |position: usize| {
            self.numbered(inner.oldest() + position as u64, &inner.entries[position])
        };
        Some(Page {
            entries: (begin..end).rev().map(numbered).collect(),
            has_more: begin > 0,
            refused: inner.refused.iter().rev().cloned().collect(),
            state: format!("{}-{}-{}", self.instance, inner.next, inner.refusals),
        })
    }

    pub fn entry(&self, id: &str) -> Option<Numbered> {
        let (inner, number) = (self.lock(), self.number(id)?);
        inner.position(number).map(|position| self.numbered(number, &inner.entries[position]))
    }

    fn numbered(&self, number: u64, entry: &Arc<Entry>) -> Numbered {
        Numbered { id: format!("{}-{number}", self.instance), entry: Arc::clone(entry) }
    }

    /// The number in an id of this instance.
    fn number(&self, id: &str) -> Option<u64> {
        let (instance, number) = id.split_once('-')?;
        (instance == &*self.instance).then(|| number.parse().ok()).flatten()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Adds an entry; returns the one that makes room for it.
    fn push(&mut self, entry: Arc<Entry>) -> Option<Arc<Entry>> {
        self.next += 1;
        let gone = (self.entries.len() == MAX_ENTRIES).then(|| self.entries.pop_front()).flatten();
        self.entries.push_back(entry);
        gone
    }

    fn oldest(&self) -> u64 {
        self.next - self.entries.len() as u64
    }

    fn position(&self, number: u64) -> Option<usize> {
        let position = usize::try_from(number.checked_sub(self.oldest())?).ok()?;
        (position < self.entries.len()).then_some(position)
    }

    fn refuse(&mut self, refused: Refused) {
        self.refusals += 1;
        if let Some(last) = self.refused.back_mut()
            && (last.outcome, &last.why) == (refused.outcome, &refused.why)
        {
            last.at_ms = refused.at_ms;
            last.count += 1;
            return;
        }
        if self.refused.len() == MAX_REFUSED {
            self.refused.pop_front();
        }
        self.refused.push_back(refused);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: HostTime = HostTime::from_micros(5_000_000);

    fn webhook(body: &[u8]) -> Noted {
        Noted { is_vouched_for: true, body: Some(body.to_vec()), ..Noted::default() }
    }

    fn refuse(log: &WebhookLog, why: &str) {
        log.add(Noted::default(), "unauthorized", Some(why.to_owned()), NOW);
    }

    #[test]
    fn a_thousand_are_kept_and_read_in_pages_from_the_newest() {
        let log = WebhookLog::new("0a");
        for number in 0..1_005 {
            log.add(webhook(format!("{{\"id\":\"{number}\"}}").as_bytes()), "changed", None, NOW);
        }
        let first = log.page(None, 400).unwrap();
        assert_eq!((first.entries.len(), first.has_more), (400, true));
        assert_eq!(first.entries[0].entry.shown_body().unwrap()["id"], "1004");
        let second = log.page(Some(&first.entries[399].id), 400).unwrap();
        assert_eq!(second.entries[0].entry.shown_body().unwrap()["id"], "604");
        let last = log.page(Some(&second.entries[399].id), 400).unwrap();
        assert_eq!((last.entries.len(), last.has_more), (200, false));
        assert_eq!(last.entries[199].entry.shown_body().unwrap()["id"], "5", "older ones are gone");
        for absent in ["no-such", "0a-4", "0a-1005", "0b-1000", "0a"] {
            assert!(
                log.page(Some(absent), 10).is_none() && log.entry(absent).is_none(),
                "{absent}"
            );
        }
        assert_eq!(log.entry(&last.entries[0].id).unwrap().id, last.entries[0].id);
    }

    #[test]
    fn strangers_push_out_nothing_and_their_repeats_are_counted() {
        let log = WebhookLog::new("0a");
        log.add(webhook(b"{}"), "changed", None, NOW);
        let state = log.page(None, 1).unwrap().state;
        for number in 0..300 {
            refuse(&log, &format!("reason {number}"));
            refuse(&log, &format!("reason {number}"));
        }
        let page = log.page(None, 10).unwrap();
        assert_eq!((page.entries.len(), page.refused.len()), (1, 100));
        assert_eq!((page.refused[0].why.as_str(), page.refused[0].count), ("reason 299", 2));
        assert_ne!(page.state, state);
    }

    #[test]
    fn large_bodies_are_kept_cleaned_or_not_at_all() {
        let log = WebhookLog::new("0a");
        let private = "x".repeat(10_000);
        let body =
            format!(r#"{{"event":"room_started","room":{{"name":"r","metadata":"{private}"}}}}"#);
        log.add(webhook(body.as_bytes()), "changed", None, NOW);
        let entry = Arc::clone(&log.page(None, 1).unwrap().entries[0].entry);
        assert_eq!(entry.shown_body().unwrap()["room"]["metadata"], "(10000 bytes)");
        assert!(entry.played_body().is_some_and(|(bytes, is_cut)| bytes.len() < 200 && is_cut));
        let fields: Vec<_> = (0..1_000).map(|number| format!("\"field {number}\":1")).collect();
        log.add(webhook(format!("{{{}}}", fields.join(",")).as_bytes()), "ignored", None, NOW);
        let entry = Arc::clone(&log.page(None, 1).unwrap().entries[0].entry);
        assert!(entry.shown_body().is_none() && entry.played_body().is_none());
    }
}
