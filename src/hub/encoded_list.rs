//! A list as JSON, with the place of each participant in it, so that the next list copies those who have not changed. Nobody's JSON
//! is kept beside it.

use std::{ops::Range, sync::Arc};

use crate::json;

use super::list::Entry;

/// About what one participant takes, and the rest of a frame.
const SPARE_BYTES: usize = 512;

/// What [`write()`] wrote.
#[derive(Clone, Debug)]
pub(super) struct EncodedList {
    /// Where the array is in the bytes that it was written into.
    pub json: Range<usize>,
    /// Where each participant ends, counted from the array's begin.
    ends: Box<[u32]>,
}

/// An encoded list, and who is in it.
#[derive(Clone, Copy)]
pub(super) struct Earlier<'list> {
    pub entries: &'list [Arc<Entry>],
    pub encoded: &'list EncodedList,
    /// What it was written into.
    pub bytes: &'list [u8],
}

/// Appends participants as a JSON array. Those who are in `earlier` are copied from there.
pub(super) fn write(
    out: &mut Vec<u8>,
    entries: &[Arc<Entry>],
    earlier: Option<Earlier<'_>>,
) -> EncodedList {
    let start = out.len();
    // Most lists are about as long as the one before.
    out.reserve(earlier.map_or(0, |earlier| earlier.encoded.json.len() + SPARE_BYTES));
    let mut copies = earlier.map(Copies::new);
    let mut ends = Vec::with_capacity(entries.len());
    out.push(b'[');
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match copies.as_mut().and_then(|copies| copies.of(entry)) {
            Some(json) => out.extend_from_slice(json),
            None => json::write_line(out, &entry.participant),
        }
        ends.push(u32::try_from(out.len() - start).expect("far less than 4 GiB"));
    }
    out.push(b']');
    EncodedList { json: start..out.len(), ends: ends.into_boxed_slice() }
}

/// Finds the same participants in an earlier list. Both lists have the same order, so it mostly looks at the next one.
struct Copies<'list> {
    earlier: Earlier<'list>,
    next: usize,
    /// How many more participants may be passed over in search of one. Two lists that share nobody would otherwise be compared
    /// each with each.
    patience: usize,
}

impl<'list> Copies<'list> {
    fn new(earlier: Earlier<'list>) -> Self {
        Self { earlier, next: 0, patience: 8 * earlier.entries.len() }
    }

    fn of(&mut self, entry: &Arc<Entry>) -> Option<&'list [u8]> {
        let rest = &self.earlier.entries[self.next..];
        let rest = &rest[..rest.len().min(self.patience)];
        let Some(passed) = rest.iter().position(|one| Arc::ptr_eq(one, entry)) else {
            self.patience -= rest.len();
            return None;
        };
        self.patience -= passed;
        let index = self.next + passed;
        self.next = index + 1;
        Some(self.earlier.json_of(index))
    }
}

impl<'list> Earlier<'list> {
    fn json_of(self, index: usize) -> &'list [u8] {
        let EncodedList { json, ends } = self.encoded;
        // After the bracket, or the comma.
        let start = index.checked_sub(1).map_or(0, |before| ends[before] as usize) + 1;
        &self.bytes[json.start + start..json.start + ends[index] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::Participant;

    fn entry(name: &str) -> Arc<Entry> {
        let participant: Participant = serde_json::from_value(serde_json::json!({
            "sid": format!("PA_{name}"), "identity": name, "name": "", "metadata": "", "attributes": {},
            "kind": "STANDARD", "joinedAt": 1, "tracks": [],
        }))
        .unwrap();
        Entry::new(participant)
    }

    fn whole(entries: &[Arc<Entry>]) -> Vec<u8> {
        let participants: Vec<_> = entries.iter().map(|entry| &entry.participant).collect();
        json::line(&participants)
    }

    #[test]
    fn a_list_that_was_copied_from_the_one_before_is_the_same_as_one_that_was_not() {
        for seed in 0..500 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut entries: Vec<_> =
                (0..rng.usize(..30)).map(|n| entry(&format!("p{n}"))).collect();
            let mut bytes = vec![b'x'; rng.usize(..9)];
            let mut encoded = write(&mut bytes, &entries, None);
            for step in 0..6 {
                let before = entries.clone();
                for _ in 0..rng.usize(..4) {
                    if !entries.is_empty() && rng.bool() {
                        entries.remove(rng.usize(..entries.len()));
                    }
                    if rng.bool() {
                        entries
                            .insert(rng.usize(..=entries.len()), entry(&format!("{seed}-{step}")));
                    }
                    if rng.u8(..20) == 0 {
                        rng.shuffle(&mut entries);
                    }
                }
                let earlier = Earlier { entries: &before, encoded: &encoded, bytes: &bytes };
                let mut out = vec![b'y'; rng.usize(..9)];
                let now = write(&mut out, &entries, Some(earlier));
                assert_eq!(out[now.json.clone()], whole(&entries), "seed {seed}");
                (bytes, encoded) = (out, now);
            }
        }
    }

    #[test]
    fn whoever_has_not_changed_is_copied_and_nobody_is_searched_for_without_end() {
        let entries: Vec<_> = (0..100).map(|n| entry(&format!("p{n}"))).collect();
        let mut bytes = Vec::new();
        let encoded = write(&mut bytes, &entries, None);
        let mut copies =
            Copies::new(Earlier { entries: &entries, encoded: &encoded, bytes: &bytes });
        for index in (0..100).filter(|index| index % 10 != 3) {
            assert!(copies.of(&entries[index]).is_some(), "{index}");
        }
        let strangers: Vec<_> = (0..100).map(|n| entry(&format!("q{n}"))).collect();
        let mut copies =
            Copies::new(Earlier { entries: &entries, encoded: &encoded, bytes: &bytes });
        assert!(strangers.iter().all(|one| copies.of(one).is_none()));
        assert_eq!(copies.patience, 0);
        assert!(copies.of(&entries[0]).is_none(), "it costs a copy only");
    }
}
