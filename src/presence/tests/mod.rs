//! The rules of a room, each with tests named after it. With `Fixture`, a test can speak of people and seconds.

mod bans;
mod counts;
mod ghosts;
mod metadata;
mod moderated;
mod omitted;
mod reconcile;
mod record;
mod reduce;
mod refresh;
mod slice;

use std::{collections::BTreeMap, sync::Arc};

use super::{row::MAX_EVENT_IDS, *};

/// The start of every test by LiveKit's clock, in seconds. It is far from the store's, so that a test fails if the two are
/// mixed up.
const LIVEKIT_EPOCH: i64 = 1_700_000_000;
/// The start of every test by the store's clock.
const STORE_EPOCH: u64 = 9_000_000_000;

/// A room, its clock, and what its clients were told.
struct Fixture {
    room: Room,
    rules: Rules,
    now: StoreTime,
    /// The list as a client folds it, from the changes alone.
    told: BTreeMap<Identity, Participant>,
    told_version: Version,
    next_event: u64,
    /// The events that were applied, and when.
    events: Vec<(StoreTime, Event)>,
}

impl Fixture {
    fn new() -> Self {
        Self {
            room: Room::default(),
            rules: Rules::default(),
            now: StoreTime::from_millis(STORE_EPOCH * 1000),
            told: BTreeMap::new(),
            told_version: Version::ZERO,
            next_event: 0,
            events: Vec::new(),
        }
    }

    /// Moves the clock to `secs` after the start of the test.
    fn at(&mut self, secs: u64) -> &mut Self {
        self.now = StoreTime::from_millis((STORE_EPOCH + secs) * 1000);
        self
    }

    fn time(secs: u64) -> StoreTime {
        StoreTime::from_millis((STORE_EPOCH + secs) * 1000)
    }

    fn event(&mut self, kind: EventKind) -> Event {
        self.next_event += 1;
        let secs = (self.now.as_millis() / 1000 - STORE_EPOCH).cast_signed();
        Event {
            id: Some(EventId::new(format!("EV_{}", self.next_event))),
            room: RoomName::parse("test").unwrap(),
            room_sid: Some(RoomSid::new("RM_1")),
            room_created_at: None,
            identity: None,
            created_at: LiveKitTime::from_secs(LIVEKIT_EPOCH + secs),
            received_at: HostTime::default(),
            kind,
            details: Arc::default(),
        }
    }

    /// Applies an event, and checks that what was published leads a client to the room's own list.
    fn apply(&mut self, event: &Event) -> Applied {
        self.events.push((self.now, event.clone()));
        let applied = self.room.apply(event, self.now, &self.rules);
        if let Some(change) = applied.change() {
            self.tell(change.clone());
        }
        self.assert_told();
        applied
    }

    fn tell(&mut self, change: Change) {
        assert!(change.version > change.prev, "the version rises");
        let is_hole = std::mem::replace(&mut self.told_version, change.version) != change.prev;
        // After a hole the client reads the room again.
        assert!(!is_hole || self.room.is_lost(), "a client can tell that it missed nothing");
        for participant in change.joined.into_iter().chain(change.updated) {
            self.told.insert(participant.identity.clone(), participant);
        }
        for departure in change.left {
            let was = self.told.remove(&departure.identity).expect("who leaves was there");
            assert_eq!(was.sid, departure.sid);
        }
    }

    fn assert_told(&self) {
        let mut told: Vec<_> = self.told.values().cloned().collect();
        told.sort_by(|a, b| a.order().cmp(&b.order()));
        assert_eq!(told, self.room.list(), "folding the changes gives the list");
        assert_eq!(self.room.count(), told.len());
        assert_eq!(self.room.counts(), Counts::of(&told), "the counts are those of the list");
        assert_eq!(self.told_version, self.room.version());
    }

    fn started(&mut self) -> Applied {
        let event = self.event(EventKind::Room(RoomLifecycle::Started));
        self.apply(&event)
    }

    fn finished(&mut self) -> Applied {
        let event = self.event(EventKind::Room(RoomLifecycle::Finished));
        self.apply(&event)
    }

    fn joined(&mut self, who: impl Into<Who>) -> Applied {
        let event = self.event(EventKind::Joined(who.into().0));
        self.apply(&event)
    }

    fn left(&mut self, sid: &str) -> Applied {
        let event = self.event(EventKind::Left { sid: ParticipantSid::new(sid), was_active: true });
        self.apply(&event)
    }

    fn published(&mut self, sid: &str, track_sid: &str) -> Applied {
        let event = self.event(EventKind::TrackPublished {
            sid: ParticipantSid::new(sid),
            track: track(track_sid),
        });
        self.apply(&event)
    }

    fn unpublished(&mut self, sid: &str, track_sid: &str) -> Applied {
        let event = self.event(EventKind::TrackUnpublished {
            sid: ParticipantSid::new(sid),
            track: TrackSid::new(track_sid),
        });
        self.apply(&event)
    }

    /// Compares the room with a list that was asked for `asked_at` seconds after the start and arrives now.
    fn reconciled(&mut self, asked_at: u64, who: Vec<Who>) -> RepairCounts {
        let listing = Listing {
            asked_at: Self::time(asked_at),
            sessions: who.into_iter().map(|who| who.0).collect(),
        };
        let repairs = plan(&self.room, &listing, &[], &self.rules);
        self.repaired(&repairs)
    }

    /// As [`Self::reconciled`], with probes at `probed_at` of those whom the list omits, all answered with `said`.
    fn compared(
        &mut self,
        asked_at: u64,
        who: Vec<Who>,
        probed_at: u64,
        said: ProbeAnswer,
    ) -> RepairCounts {
        let sessions = who.into_iter().map(|who| who.0).collect();
        let listing = Listing { asked_at: Self::time(asked_at), sessions };
        let probed: Vec<_> = missing(&self.room, &listing, &self.rules)
            .into_iter()
            .map(|target| Probed { sid: target.sid, asked_at: Self::time(probed_at), answer: said })
            .collect();
        for one in probed.iter().filter(|probed| probed.answer == ProbeAnswer::Alive) {
            self.after_probe(Repair::Alive(one.sid.clone()));
        }
        let repairs = plan(&self.room, &listing, &probed, &self.rules);
        self.repaired(&repairs)
    }

    fn repaired(&mut self, repairs: &Repairs) -> RepairCounts {
        let repaired = self.room.repair(repairs, self.now, &self.rules);
        if let Some(change) = repaired.change {
            self.tell(change);
        }
        self.assert_told();
        repaired.counts
    }

    /// Applies the outcome of a liveness probe that is made now.
    fn after_probe(&mut self, step: Repair) -> RepairCounts {
        let repairs = Repairs {
            asked_at: self.now,
            epoch: self.room.epoch(),
            version: self.room.version(),
            confirms: false,
            unlisted_at: None,
            cause: RepairCause::Comparison,
            steps: vec![step],
        };
        self.repaired(&repairs)
    }

    fn to_probe(&self) -> Vec<String> {
        self.room
            .to_probe(self.now, &self.rules)
            .into_iter()
            .map(|target| target.sid.to_string())
            .collect()
    }

    /// The list, each as `identity/sid[tracks]`.
    fn list(&self) -> Vec<String> {
        let tracks = |participant: &Participant| {
            let sids: Vec<_> = participant.tracks.iter().map(|track| track.sid.as_str()).collect();
            if sids.is_empty() { String::new() } else { format!("[{}]", sids.join(",")) }
        };
        self.room
            .list()
            .iter()
            .map(|one| format!("{}/{}{}", one.identity, one.sid, tracks(one)))
            .collect()
    }

    fn is_complete(&self) -> bool {
        self.room.completeness().is_complete_at(self.now)
    }
}

/// A description of a session: `session("alice", "PA_1", 3)` joined 3 s after the start of the test.
struct Who(SessionInfo);

fn session(identity: &str, sid: &str, joined_after_secs: i64) -> Who {
    Who(SessionInfo {
        sid: ParticipantSid::new(sid),
        identity: Identity::new(identity),
        state: SessionState::Active,
        joined_at: LiveKitTime::from_secs(LIVEKIT_EPOCH + joined_after_secs),
        version: 2,
        hidden: false,
        recorder: false,
        profile: Arc::default(),
        tracks: Vec::new(),
    })
}

impl Who {
    fn version(mut self, version: u32) -> Self {
        self.0.version = version;
        self
    }

    fn state(mut self, state: SessionState) -> Self {
        self.0.state = state;
        self
    }

    fn hidden(mut self) -> Self {
        self.0.hidden = true;
        self
    }

    fn recorder(mut self) -> Self {
        self.0.recorder = true;
        self
    }

    fn named(mut self, name: &str) -> Self {
        let mut profile = (*self.0.profile).clone();
        profile.name = name.into();
        self.0.profile = Arc::new(profile);
        self
    }

    fn kind(mut self, kind: &str) -> Self {
        let mut profile = (*self.0.profile).clone();
        profile.kind = ParticipantKind::from_name(kind);
        self.0.profile = Arc::new(profile);
        self
    }

    fn agent(mut self) -> Self {
        let mut profile = (*self.0.profile).clone();
        profile.permission.agent = true;
        self.0.profile = Arc::new(profile);
        self
    }

    fn with_track(mut self, sid: &str) -> Self {
        self.0.tracks.push(track(sid));
        self
    }
}

fn track(sid: &str) -> Track {
    Track {
        sid: TrackSid::new(sid),
        source: TrackSource::Microphone,
        kind: TrackKind::Audio,
        muted: false,
        name: String::new(),
    }
}

/// An empty list.
const NOBODY: [&str; 0] = [];
