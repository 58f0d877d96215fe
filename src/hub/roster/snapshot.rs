//! A roster at a version, and the frames that bring subscribers to it.

use std::sync::{Arc, OnceLock};

use serde::Serialize;

use crate::{
    hub::recent_changes::{RecentChanges, write_array},
    json,
    presence::{RoomName, Version},
    sse::Frame,
};

/// The name of the only event of a roster: the whole, or what changed.
const EVENT: &str = "roster:update";

/// How many are in a roster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RosterTotals {
    pub online_count: usize,
    pub total_count: usize,
}

/// What changed in a roster.
#[derive(Debug, Default)]
pub struct RosterChange {
    /// Entries that are new or different, each as JSON.
    pub changed: Vec<Arc<[u8]>>,
    /// The identities of those that are gone.
    pub removed: Vec<String>,
}

/// A roster at a version. Versions rise within one topic.
#[derive(Debug)]
pub struct RosterSnapshot {
    room: RoomName,
    version: Version,
    totals: RosterTotals,
    /// Each as JSON.
    entries: Vec<Arc<[u8]>>,
    changes: RecentChanges,
    whole: OnceLock<Arc<Frame>>,
}

/// What stands before the entries.
#[derive(Serialize)]
struct Head<'head> {
    room: &'head RoomName,
    #[serde(skip_serializing_if = "Option::is_none")]
    prev: Option<Version>,
    version: Version,
    #[serde(flatten)]
    totals: RosterTotals,
}

impl RosterSnapshot {
    pub(super) fn first(
        room: RoomName,
        version: Version,
        totals: RosterTotals,
        entries: Vec<Arc<[u8]>>,
    ) -> Self {
        let changes = RecentChanges::default();
        Self { room, version, totals, entries, changes, whole: OnceLock::new() }
    }

    /// The snapshot after this one. `now` is the version that it has if this one is older.
    pub(super) fn after(
        &self,
        now: Version,
        totals: RosterTotals,
        entries: Vec<Arc<[u8]>>,
        change: &RosterChange,
    ) -> Self {
        let version = now.max(Version::from_u64(self.version.as_u64() + 1));
        let head = Head { room: &self.room, prev: Some(self.version), version, totals };
        let frame = Frame::event(EVENT, None, |out| {
            write_head(out, &head, "changed");
            write_array(out, change.changed.iter().map(|entry| &**entry));
            out.extend_from_slice(b",\"removed\":");
            json::write_line(out, &change.removed);
            out.push(b'}');
        });
        let changes = self.changes.and(self.version, frame);
        let room = self.room.clone();
        Self { room, version, totals, entries, changes, whole: OnceLock::new() }
    }

    pub fn version(&self) -> Version {
        self.version
    }

    /// The frame for a subscriber that was last sent version `sent`: none if it has this one; the changes since, if they are kept
    /// and smaller than the whole; otherwise the whole.
    pub fn frame_after(&self, sent: Option<Version>) -> Option<&Arc<Frame>> {
        match sent {
            Some(sent) if sent >= self.version => None,
            Some(sent) => {
                let changes = self.changes.since(sent, self.bytes());
                Some(changes.unwrap_or_else(|| self.whole()))
            }
            None => Some(self.whole()),
        }
    }

    /// The size of the frame that most subscribers need.
    pub(super) fn frame_bytes(&self) -> usize {
        self.changes.newest_bytes()
    }

    fn bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.len() + 1).sum::<usize>() + 128
    }

    fn whole(&self) -> &Arc<Frame> {
        self.whole.get_or_init(|| {
            let head =
                Head { room: &self.room, prev: None, version: self.version, totals: self.totals };
            Arc::new(Frame::event(EVENT, None, |out| {
                out.reserve(self.bytes());
                write_head(out, &head, "entries");
                write_array(out, self.entries.iter().map(|entry| &**entry));
                out.push(b'}');
            }))
        })
    }
}

/// An object that is still open, and the name of the array that comes next in it.
fn write_head(out: &mut Vec<u8>, head: &Head<'_>, array: &str) {
    json::write_line(out, head);
    out.pop();
    out.extend_from_slice(format!(",\"{array}\":").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(frame: &Frame) -> &str {
        std::str::from_utf8(frame.plain()).unwrap()
    }

    fn entry(json: &str) -> Arc<[u8]> {
        json.as_bytes().into()
    }

    #[test]
    fn a_subscriber_gets_the_whole_and_then_changes_that_build_on_it() {
        let totals = |online_count, total_count| RosterTotals { online_count, total_count };
        let room = RoomName::parse("stage").unwrap();
        let version = Version::from_u64(7);
        let first = RosterSnapshot::first(room, version, totals(0, 1), vec![entry(r#"{"a":1}"#)]);
        assert_eq!(
            text(first.frame_after(None).unwrap()),
            "event: roster:update\ndata: {\"room\":\"stage\",\"version\":7,\"onlineCount\":0,\"totalCount\":1,\
             \"entries\":[{\"a\":1}]}\n\n"
        );
        let change =
            RosterChange { changed: vec![entry(r#"{"b":2}"#)], removed: vec!["a\"b".into()] };
        let both = vec![entry(r#"{"a":1}"#), entry(r#"{"b":2}"#)];
        // A clock that was set back does not set versions back.
        let second = first.after(Version::from_u64(3), totals(1, 2), both, &change);
        assert_eq!(
            text(second.frame_after(Some(version)).unwrap()),
            "event: roster:update\ndata: {\"room\":\"stage\",\"prev\":7,\"version\":8,\"onlineCount\":1,\
             \"totalCount\":2,\"changed\":[{\"b\":2}],\"removed\":[\"a\\\"b\"]}\n\n"
        );
        assert!(second.frame_after(Some(Version::from_u64(8))).is_none());
        let whole = text(second.frame_after(Some(Version::from_u64(2))).unwrap());
        assert!(whole.contains("\"entries\":[{\"a\":1},{\"b\":2}]"), "{whole}");
    }
}
