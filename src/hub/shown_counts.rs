//! The numbers of a snapshot's list, for streams that show nothing else.

use std::sync::{Arc, OnceLock};

use serde::Serialize;

use crate::{
    json,
    presence::{Counts, RoomName, Version},
    sse::Frame,
};

/// A snapshot knows this many of the last changes of its numbers. A subscriber that was sent none of them is sent the numbers,
/// even if they are what it has.
const MAX_CHANGES: usize = 32;

/// The numbers at a version, and how they came to be.
#[derive(Clone, Debug)]
pub(super) struct ShownCounts {
    version: Version,
    /// From which version on the list had which numbers, oldest first. The last are those of now.
    changes: Arc<[(Version, Counts)]>,
    /// For a stream of this room alone, and for one of many rooms.
    frames: [OnceLock<Arc<Frame>>; 2],
}

/// The data of a frame, and the body of a GET.
#[derive(Serialize)]
struct CountsBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a RoomName>,
    people: usize,
    agents: usize,
    publishers: usize,
    version: Version,
}

/// The body of a GET.
pub(super) fn json_of(counts: Counts, version: Version) -> Vec<u8> {
    let Counts { people, agents, publishers } = counts;
    json::line(&CountsBody { room: None, people, agents, publishers, version })
}

impl ShownCounts {
    /// `before` are those of the snapshot that this one follows.
    pub fn new(version: Version, counts: Counts, before: Option<&Self>) -> Self {
        let changes = match before {
            Some(before) if before.now() == counts => Arc::clone(&before.changes),
            before => {
                let earlier = before.map_or(&[][..], |before| &before.changes);
                let dropped = (earlier.len() + 1).saturating_sub(MAX_CHANGES);
                earlier[dropped..].iter().copied().chain([(version, counts)]).collect()
            }
        };
        Self { version, changes, frames: Default::default() }
    }

    /// Whether a subscriber that was sent the numbers at version `sent` has others than those of now.
    pub fn differ_since(&self, sent: Option<Version>) -> bool {
        let at = |sent| self.changes.iter().rfind(|(since, _)| *since <= sent);
        sent.and_then(at).is_none_or(|(_, counts)| *counts != self.now())
    }

    /// Whether they differ from those of the snapshot before.
    pub fn have_changed(&self) -> bool {
        self.changes.last().is_some_and(|(since, _)| *since == self.version)
    }

    /// The frame for streams of this room alone.
    pub fn frame(&self) -> &Arc<Frame> {
        self.frames[0].get_or_init(|| self.encode("count", None))
    }

    /// The frame for streams of many rooms.
    pub fn frame_among_many(&self, room: &RoomName) -> &Arc<Frame> {
        self.frames[1].get_or_init(|| self.encode("room:count", Some(room)))
    }

    pub fn now(&self) -> Counts {
        self.changes.last().map(|(_, counts)| *counts).unwrap_or_default()
    }

    fn encode(&self, event: &str, room: Option<&RoomName>) -> Arc<Frame> {
        Arc::new(Frame::event(event, None, |out| json::write_line(out, &self.body(room))))
    }

    fn body<'a>(&self, room: Option<&'a RoomName>) -> CountsBody<'a> {
        let Counts { people, agents, publishers } = self.now();
        CountsBody { room, people, agents, publishers, version: self.version }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(version: u64) -> Version {
        Version::from_u64(version)
    }

    /// Successive snapshots, with these numbers of people at versions 10, 20, 30 and so on.
    fn after(people: &[usize]) -> ShownCounts {
        let mut shown: Option<ShownCounts> = None;
        for (people, at) in people.iter().zip((10..).step_by(10)) {
            let counts = Counts { people: *people, ..Counts::default() };
            shown = Some(ShownCounts::new(version(at), counts, shown.as_ref()));
        }
        shown.unwrap()
    }

    #[test]
    fn a_subscriber_is_sent_the_numbers_only_if_it_has_others() {
        for (people, sent, expected) in [
            (&[1][..], None, true),
            (&[1, 1, 1], Some(10), false),
            (&[1, 2], Some(10), true),
            (&[1, 2, 2], Some(20), false),
            (&[1, 2, 1], Some(10), false),
            (&[1, 2, 1], Some(20), true),
            (&[1, 2, 1], Some(25), true),
            (&[1], Some(5), true),
        ] {
            let is_sent = after(people).differ_since(sent.map(version));
            assert_eq!(is_sent, expected, "{people:?} to one that was sent {sent:?}");
        }
    }

    #[test]
    fn a_snapshot_knows_only_the_last_changes_of_its_numbers() {
        let people: Vec<usize> = (0..100).collect();
        let shown = after(&people);
        assert_eq!(shown.changes.len(), MAX_CHANGES);
        assert!(shown.differ_since(Some(version(10))));
        assert!(!shown.differ_since(Some(version(1000))));
    }

    #[test]
    fn a_frame_has_at_most_a_hundred_bytes_beside_the_name() {
        let counts = Counts { people: 99_999, agents: 99_999, publishers: 99_999 };
        let shown = ShownCounts::new(version(1_795_610_635_586_739), counts, None);
        let text = std::str::from_utf8(shown.frame().plain()).unwrap();
        let data =
            r#"{"people":99999,"agents":99999,"publishers":99999,"version":1795610635586739}"#;
        assert_eq!(text, format!("event: count\ndata: {data}\n\n"));
        assert!(text.len() <= 100, "{} bytes", text.len());
        assert_eq!(json_of(shown.now(), shown.version), data.as_bytes());
        let among_many = shown.frame_among_many(&RoomName::parse("a").unwrap());
        let text = std::str::from_utf8(among_many.plain()).unwrap();
        assert_eq!(text, format!("event: room:count\ndata: {{\"room\":\"a\",{}\n\n", &data[1..]));
    }
}
