//! One snapshot of a room: its list at one version, and the frames made of it, each encoded at most once.

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

use serde::Serialize;

use crate::{
    json,
    presence::{Counts, Departure, HostTime, Participant, Room, RoomName, Version},
    sse::{Frame, encode_chunk},
};

use super::{
    encoded_list::{self, Earlier, EncodedList},
    list::{Entry, List},
    shown_counts::ShownCounts,
};

/// For streams that are a little behind, a snapshot keeps up to this many of the last changes. All but the newest together have
/// at most this many bytes.
const MAX_RECENT_CHANGES: usize = 64;
const MAX_RECENT_BYTES: usize = 64 * 1024;

/// What a stream shows of its rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// The whole list at each change (`participants:update`), for streams of one room.
    Lists,
    /// The whole list once, then each change (`room:snapshot`, `room:delta`), for streams of many rooms.
    Deltas,
    /// The numbers when they change (`count`), for streams of one room.
    Counts,
    /// The same (`room:count`), for streams of many rooms.
    RoomCounts,
}

impl View {
    pub(super) const ALL: [Self; 4] = [Self::Lists, Self::Deltas, Self::Counts, Self::RoomCounts];
}

/// A room's list at a version.
#[derive(Clone, Debug)]
pub struct Snapshot {
    room: RoomName,
    version: Version,
    entries: Arc<Vec<Arc<Entry>>>,
    /// The last changes, oldest first. Each builds on the one before, and the last one made this snapshot.
    changes: Vec<Arc<RecentChange>>,
    /// Several of the last changes as one frame, from the change with the same index on.
    joined_frames: Vec<OnceLock<Arc<Frame>>>,
    /// Counted when somebody needs the list, because that encodes everybody in it.
    list_bytes: OnceLock<usize>,
    counts: ShownCounts,
    /// The store has lost the later versions that subscribers were sent elsewhere.
    replaces_later: bool,
    /// When the first webhook of its change arrived. For measurements only.
    received_at: Option<HostTime>,
    update_frame: OnceLock<Update>,
    snapshot_frame: OnceLock<Arc<Frame>>,
}

/// A change of the room, encoded when the first stream needs it.
#[derive(Debug)]
struct RecentChange {
    version: Version,
    delta: Delta,
    frame: OnceLock<Arc<Frame>>,
}

/// The differences from the snapshot before.
#[derive(Debug)]
pub(super) struct Delta {
    pub prev: Version,
    pub joined: Vec<Participant>,
    pub updated: Vec<Participant>,
    pub left: Vec<Departure>,
}

#[derive(Clone, Debug)]
struct Update {
    frame: Arc<Frame>,
    /// Where the list is in the chunk. The body of a GET is this part of the same bytes.
    list: EncodedList,
}

impl Snapshot {
    /// `change` is the difference and the snapshot that it builds on.
    pub(super) fn new(
        room: RoomName,
        version: Version,
        list: &List,
        change: Option<(Delta, Option<&Self>)>,
        received_at: Option<HostTime>,
    ) -> Self {
        let before = change.as_ref().and_then(|(_, before)| *before);
        let counts = ShownCounts::new(version, list.counts(), before.map(|before| &before.counts));
        let changes = change.map_or_else(Vec::new, |(delta, before)| {
            let earlier = before.filter(|before| before.version == delta.prev);
            let mut changes = earlier.map_or_else(Vec::new, Self::recent_changes);
            changes.push(Arc::new(RecentChange { version, delta, frame: OnceLock::new() }));
            changes
        });
        Self {
            room,
            version,
            list_bytes: OnceLock::new(),
            counts,
            entries: list.entries(),
            joined_frames: vec![OnceLock::new(); changes.len()],
            changes,
            replaces_later: false,
            received_at,
            update_frame: OnceLock::new(),
            snapshot_frame: OnceLock::new(),
        }
    }

    /// A snapshot of a room as the store holds it.
    pub fn of_room(name: &RoomName, room: &Room) -> Self {
        let list = List::new(room.list());
        Self::new(name.clone(), room.version(), &list, None, None)
    }

    /// The same list, also for subscribers that were sent a later version elsewhere, which the store has lost since.
    pub(super) fn replacing_later(&self) -> Self {
        Self { replaces_later: true, received_at: None, ..self.clone() }
    }

    pub fn version(&self) -> Version {
        self.version
    }

    /// Who is in the list, in its order.
    pub fn participants(&self) -> impl Iterator<Item = &Participant> {
        self.entries.iter().map(|entry| &entry.participant)
    }

    pub fn received_at(&self) -> Option<HostTime> {
        self.received_at
    }

    pub fn counts(&self) -> Counts {
        self.counts.now()
    }

    /// The frame of the list, and where in it the list is as a JSON array.
    pub fn list_frame(&self) -> (Arc<Frame>, Range<usize>) {
        let update = self.update();
        (Arc::clone(&update.frame), update.list.json.clone())
    }

    /// The frame for a connection that was last sent version `sent`: none if it has this version or a newer one; the changes
    /// since, if its view has changes and they are kept; otherwise the list. A view of the numbers has another frame only if they
    /// differ from what the connection was sent.
    pub fn frame_after(&self, sent: Option<Version>, view: View) -> Option<&Arc<Frame>> {
        let is_later = |sent| self.version < sent && self.replaces_later;
        if sent.is_some_and(|sent| self.version <= sent && !is_later(sent)) {
            return None;
        }
        Some(match view {
            View::Lists => &self.update().frame,
            View::Deltas => match sent.and_then(|sent| self.changes_since(sent)) {
                Some(changes) => changes,
                None => self.snapshot_frame(),
            },
            View::Counts | View::RoomCounts if !self.counts.differ_since(sent) => return None,
            View::Counts => self.counts.frame(),
            View::RoomCounts => self.counts.frame_among_many(&self.room),
        })
    }

    /// Encodes in advance the frame that most subscribers of this view will need, so that no worker has to. Participants who were
    /// the same in the snapshot before are not encoded again.
    pub(super) fn encode_for(&self, view: View, before: Option<&Self>) {
        if view == View::Lists {
            self.update_frame.get_or_init(|| self.encode_update(before));
        }
        let _ = self.frame_after(self.changes.last().map(|change| change.delta.prev), view);
    }

    /// The approximate size of the frame that most subscribers of this view need; zero if they need none.
    pub(super) fn frame_bytes(&self, view: View) -> usize {
        match view {
            View::Lists => self.list_bytes(),
            View::Deltas => {
                self.changes.last().and_then(|change| change.encoded_bytes()).unwrap_or(0)
            }
            View::Counts | View::RoomCounts if !self.counts.have_changed() => 0,
            View::Counts => self.counts.frame().chunked().len(),
            View::RoomCounts => self.counts.frame_among_many(&self.room).chunked().len(),
        }
    }

    /// The last changes that the next snapshot keeps as well. Stops at the first that no stream has needed, or that does not fit.
    fn recent_changes(&self) -> Vec<Arc<RecentChange>> {
        let mut bytes = 0;
        let is_kept = |change: &&Arc<RecentChange>| {
            bytes += change.encoded_bytes().unwrap_or(usize::MAX / 2);
            bytes <= MAX_RECENT_BYTES
        };
        let kept =
            self.changes.iter().rev().take(MAX_RECENT_CHANGES - 1).take_while(is_kept).count();
        self.changes[self.changes.len() - kept..].to_vec()
    }

    /// The changes since a version, in their order, as one frame. None where they are not kept, or are bigger than the list.
    fn changes_since(&self, sent: Version) -> Option<&Arc<Frame>> {
        let first = self.changes.iter().rposition(|change| change.delta.prev == sent)?;
        if let [change] = &self.changes[first..] {
            return Some(change.frame(&self.room));
        }
        let frames = || self.changes[first..].iter().map(|change| change.frame(&self.room));
        let bytes: usize = frames().map(|frame| frame.plain().len()).sum();
        (bytes < self.list_bytes()).then(|| {
            self.joined_frames[first].get_or_init(|| {
                Arc::new(encode_chunk(|out| {
                    frames().for_each(|frame| out.extend_from_slice(frame.plain()));
                }))
            })
        })
    }

    fn update(&self) -> &Update {
        self.update_frame.get_or_init(|| self.encode_update(None))
    }

    fn encode_update(&self, before: Option<&Self>) -> Update {
        let mut list = None;
        let frame = Frame::event("participants:update", Some(self.version), |out| {
            out.reserve(self.list_bytes());
            list = Some(encoded_list::write(out, &self.entries, before.and_then(Self::encoded)));
        });
        Update { frame: Arc::new(frame), list: list.expect("it was written") }
    }

    /// The list as it is encoded already.
    fn encoded(&self) -> Option<Earlier<'_>> {
        let Update { frame, list } = self.update_frame.get()?;
        Some(Earlier { entries: &self.entries, encoded: list, bytes: frame.chunked() })
    }

    fn snapshot_frame(&self) -> &Arc<Frame> {
        self.snapshot_frame.get_or_init(|| {
            let head = json::line(&Head { room: &self.room, version: self.version });
            Arc::new(Frame::event("room:snapshot", None, |out| {
                out.extend_from_slice(&head[..head.len() - 1]);
                out.extend_from_slice(b",\"participants\":");
                out.reserve(self.list_bytes());
                encoded_list::write(out, &self.entries, self.encoded());
                out.push(b'}');
            }))
        })
    }

    fn list_bytes(&self) -> usize {
        let count = || self.entries.iter().map(|entry| entry.json_bytes() + 1).sum::<usize>() + 64;
        *self.list_bytes.get_or_init(count)
    }
}

impl RecentChange {
    fn frame(&self, room: &RoomName) -> &Arc<Frame> {
        self.frame.get_or_init(|| {
            let body = DeltaBody {
                room,
                prev: self.delta.prev,
                version: self.version,
                joined: &self.delta.joined,
                updated: &self.delta.updated,
                left: &self.delta.left,
            };
            Arc::new(Frame::event("room:delta", None, |out| {
                json::write_line(out, &body);
            }))
        })
    }

    /// None where no stream has needed it.
    fn encoded_bytes(&self) -> Option<usize> {
        self.frame.get().map(|frame| frame.chunked().len())
    }
}

#[derive(Serialize)]
struct Head<'a> {
    room: &'a RoomName,
    version: Version,
}

#[derive(Serialize)]
struct DeltaBody<'a> {
    room: &'a RoomName,
    prev: Version,
    version: Version,
    joined: &'a [Participant],
    updated: &'a [Participant],
    left: &'a [Departure],
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Snapshots that build on each other, whose changes a stream has needed.
    fn snapshots(count: u64, change_bytes: usize) -> Vec<Snapshot> {
        let mut snapshots: Vec<Snapshot> = Vec::new();
        for version in 1..=count {
            let delta = Delta {
                prev: Version::from_u64(version - 1),
                joined: Vec::new(),
                updated: Vec::new(),
                left: vec![Departure {
                    sid: crate::presence::ParticipantSid::new(format!("PA_{version}")),
                    identity: crate::presence::Identity::new("x".repeat(change_bytes)),
                }],
            };
            let mut snapshot = Snapshot::new(
                RoomName::parse("general").unwrap(),
                Version::from_u64(version),
                &List::default(),
                Some((delta, snapshots.last())),
                None,
            );
            snapshot.list_bytes = OnceLock::from(1_000_000);
            snapshot.encode_for(View::Deltas, None);
            snapshots.push(snapshot);
        }
        snapshots
    }

    fn sent_to(snapshot: &Snapshot, sent: u64) -> String {
        let frame = snapshot.frame_after(Some(Version::from_u64(sent)), View::Deltas).unwrap();
        String::from_utf8(frame.plain().to_vec()).unwrap()
    }

    fn is_list(text: &str) -> bool {
        text.starts_with("event: room:snapshot")
    }

    #[test]
    fn who_sees_only_numbers_has_nobody_encoded() {
        let participant = serde_json::json!({
            "sid": "PA_1", "identity": "alice", "name": "", "metadata": "", "attributes": {},
            "kind": "STANDARD", "joinedAt": 1, "tracks": [],
        });
        let list = List::new(vec![serde_json::from_value(participant).unwrap()]);
        let room = RoomName::parse("general").unwrap();
        let snapshot = Snapshot::new(room, Version::from_u64(1), &list, None, None);
        for view in [View::Counts, View::RoomCounts] {
            snapshot.encode_for(view, None);
            assert!(snapshot.frame_bytes(view) < 200, "{}", snapshot.frame_bytes(view));
        }
        assert!(!list.entries()[0].is_counted());
        snapshot.encode_for(View::Lists, None);
        assert!(list.entries()[0].is_counted());
    }

    #[test]
    fn a_subscriber_a_few_changes_behind_is_sent_those_in_their_order() {
        let snapshots = snapshots(100, 10);
        let newest = snapshots.last().unwrap();
        assert!(newest.frame_after(Some(Version::from_u64(100)), View::Deltas).is_none());
        for behind in [1, 2, 3, MAX_RECENT_CHANGES as u64] {
            let text = sent_to(newest, 100 - behind);
            let events: Vec<_> = text.split_terminator("\n\n").collect();
            assert_eq!(events.len() as u64, behind);
            for (event, prev) in events.iter().zip(100 - behind..) {
                let fits = format!("\"prev\":{prev},\"version\":{},", prev + 1);
                assert!(
                    event.starts_with("event: room:delta\n") && event.contains(&fits),
                    "{event}"
                );
            }
        }
        assert!(is_list(&sent_to(newest, 99 - MAX_RECENT_CHANGES as u64)), "too far behind");
        assert!(is_list(&sent_to(newest, 0)));
    }

    #[test]
    fn changes_that_fit_are_kept_and_sent_while_they_are_smaller_than_the_list() {
        let mut snapshots = snapshots(10, 20_000);
        let newest = snapshots.last_mut().unwrap();
        assert!(
            !is_list(&sent_to(newest, 6)),
            "three of the last changes fit, and the newest is always kept"
        );
        assert!(is_list(&sent_to(newest, 5)));
        newest.list_bytes = OnceLock::from(50_000);
        assert!(!is_list(&sent_to(newest, 8)));
        assert!(is_list(&sent_to(newest, 7)), "three changes are more than the list");
    }
}
