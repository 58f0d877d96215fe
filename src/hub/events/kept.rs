//! The last events of one filter, numbered from the first that its topic had.

use std::sync::Arc;

use crate::{presence::Version, store::LogId};

use super::entry::Entry;

/// A chunk below both bounds takes in those that come next, so that there are few chunks. A snapshot shares them with the next.
/// Chunks are forgotten as a whole.
const FULL_CHUNK: usize = 128;
const FULL_CHUNK_BYTES: usize = 64 * 1024;

/// The last entries of a topic, oldest first. The version of a topic is the number of its newest entry.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// The number of the entry before the oldest.
    before: u64,
    newest: u64,
    chunks: Vec<Arc<[Arc<Entry>]>>,
}

impl Kept {
    /// Nothing, and nothing is missing either.
    pub fn new() -> Self {
        Self { before: 0, newest: 0, chunks: Vec::new() }
    }

    pub fn version(&self) -> Version {
        Version::from_u64(self.newest)
    }

    pub fn append(&mut self, entries: &[Arc<Entry>]) {
        self.newest += entries.len() as u64;
        match self.chunks.last_mut() {
            Some(last) if !is_full(last) => {
                *last = last.iter().chain(entries).cloned().collect();
            }
            _ => self.chunks.push(entries.into()),
        }
    }

    /// Drops the chunks whose entries are all at or before this place in the log.
    pub fn forget(&mut self, until: LogId) {
        let is_old = |chunk: &&Arc<[Arc<Entry>]>| chunk.last().is_none_or(|last| last.id <= until);
        let count = self.chunks.iter().take_while(is_old).count();
        let dropped = self.chunks.drain(..count).map(|chunk| chunk.len() as u64);
        self.before += dropped.sum::<u64>();
    }

    /// How many of the kept entries came before or with this version. None if later ones are not kept any more, or if the version
    /// is none that the topic has had.
    pub fn index_after(&self, sent: Version) -> Option<usize> {
        if sent > self.version() {
            return None;
        }
        usize::try_from(sent.as_u64().checked_sub(self.before)?).ok()
    }

    /// The kept entries without the first ones.
    pub fn skip(&self, count: usize) -> impl Iterator<Item = &Arc<Entry>> + Clone {
        let mut left = count;
        let first = self.chunks.iter().take_while(|chunk| {
            let is_skipped = chunk.len() <= left;
            left -= if is_skipped { chunk.len() } else { 0 };
            is_skipped
        });
        let chunks = first.count();
        self.chunks[chunks..].iter().flat_map(|chunk| chunk.iter()).skip(left)
    }
}

fn is_full(chunk: &[Arc<Entry>]) -> bool {
    let bytes = || chunk.iter().map(|entry| entry.bytes()).sum::<usize>();
    chunk.len() >= FULL_CHUNK || bytes() >= FULL_CHUNK_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::HostTime;

    fn place(millis: u64) -> LogId {
        LogId::default().next(millis)
    }

    fn entries(ids: std::ops::RangeInclusive<u64>) -> Vec<Arc<Entry>> {
        ids.map(|id| Entry::gap(place(id), HostTime::from_millis(id))).collect()
    }

    #[test]
    fn entries_are_found_by_number_however_they_came_and_old_ones_are_forgotten() {
        let mut rng = fastrand::Rng::with_seed(14);
        for _ in 0..200 {
            let mut kept = Kept::new();
            let (mut next, mut forgotten) = (1, 0);
            for _ in 0..rng.u64(1..40) {
                let count = rng.u64(1..100);
                kept.append(&entries(next..=next + count - 1));
                next += count;
                if rng.u8(..4) == 0 {
                    forgotten = rng.u64(forgotten..next);
                    kept.forget(place(forgotten));
                }
            }
            let newest = next - 1;
            assert_eq!(kept.version(), Version::from_u64(newest));
            assert_eq!(kept.index_after(Version::from_u64(newest + 1)), None);
            assert!(
                kept.before <= forgotten && kept.skip(0).count() as u64 == newest - kept.before
            );
            for sent in 0..=newest {
                let Some(index) = kept.index_after(Version::from_u64(sent)) else {
                    assert!(sent < kept.before);
                    continue;
                };
                let ids: Vec<_> = kept.skip(index).map(|entry| entry.id.millis()).collect();
                assert_eq!(ids, (sent + 1..=newest).collect::<Vec<_>>());
            }
        }
    }
}
