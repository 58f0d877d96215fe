use super::*;
use crate::{
    clock::Clock,
    coordination::SingleInstance,
    history::{Database, HistoryAddress},
    presence::{
        Event, EventKind, HostTime, Identity, LiveKitTime, ParticipantSid, RoomSid, Rules,
        SessionInfo, SessionState, Track, TrackKind, TrackSid, TrackSource,
    },
    store::{MemoryStore, OutboxSettings},
};

mod others;

struct Fixture {
    kept: Arc<Database>,
    outbox: Arc<dyn Outbox>,
    store: Arc<dyn Store>,
    auditor: Auditor,
}

/// A store that was just started, beside a history.
fn started(kept: &Arc<Database>) -> Fixture {
    started_with(
        kept,
        Arc::clone(kept) as Arc<dyn AuditedHistory>,
        Arc::new(SingleInstance::default()),
    )
}

fn started_with(
    kept: &Arc<Database>,
    history: Arc<dyn AuditedHistory>,
    peers: Arc<dyn Peers>,
) -> Fixture {
    let store = MemoryStore::new(Rules::default(), Clock::system());
    let (store, outbox) =
        store.keeping_history(OutboxSettings { metadata: false, max: 100, keep: Duration::MAX });
    let store: Arc<dyn Store> = Arc::new(store);
    let auditor =
        Auditor::new(history, Arc::clone(&store), Arc::clone(&outbox), peers, None, false);
    Fixture { kept: Arc::clone(kept), outbox, store, auditor }
}

impl Fixture {
    async fn joins(&self, room: &str, sid: &str) {
        self.joins_as(room, sid, sid, now()).await;
    }

    async fn joins_as(&self, room: &str, sid: &str, identity: &str, joined_at: i64) {
        let kind = EventKind::Joined(SessionInfo {
            sid: ParticipantSid::new(sid),
            identity: Identity::new(identity),
            state: SessionState::Active,
            joined_at: LiveKitTime::from_millis(joined_at),
            version: 2,
            hidden: false,
            recorder: false,
            profile: Arc::default(),
            tracks: Vec::new(),
        });
        self.applies(room, kind).await;
    }

    async fn publishes(&self, room: &str, sid: &str) {
        let track = Track {
            sid: TrackSid::new(format!("TR_{sid}")),
            source: TrackSource::Microphone,
            kind: TrackKind::Audio,
            muted: false,
            name: String::new(),
        };
        let sid = ParticipantSid::new(sid);
        self.applies(room, EventKind::TrackPublished { sid, track }).await;
    }

    async fn leaves(&self, room: &str, sid: &str) {
        let sid = ParticipantSid::new(sid);
        self.applies(room, EventKind::Left { sid, was_active: true }).await;
    }

    async fn applies(&self, room: &str, kind: EventKind) {
        let event = Event {
            id: None,
            room: RoomName::parse(room).unwrap(),
            room_sid: Some(RoomSid::new(format!("RM_{room}"))),
            room_created_at: None,
            identity: None,
            created_at: LiveKitTime::from_millis(now()),
            received_at: HostTime::from_millis(now().unsigned_abs()),
            kind,
            details: Arc::default(),
        };
        self.store.apply(&event).await.unwrap();
    }

    /// Writes what waits into the rows, or loses it.
    async fn empty_outbox(&self, is_written: bool) {
        let items = self.outbox.pending(100).await.unwrap();
        if is_written {
            let items = items.iter().filter_map(|pending| pending.item.clone()).collect();
            self.kept.correct(items).await.unwrap();
        }
        self.outbox.done(&items).await.unwrap();
    }

    /// The open sessions of a room.
    async fn open(&self) -> Vec<String> {
        let room = RoomName::parse("general").unwrap();
        let (sessions, _) = self.kept.rows_of(&room, &BTreeSet::new()).await.unwrap();
        sessions.into_iter().map(|row| row.sid).collect()
    }
}

fn now() -> i64 {
    i64::try_from(Clock::system().now().as_millis()).unwrap()
}

async fn database() -> Arc<Database> {
    Arc::new(Database::connect(&HistoryAddress::Memory).await.unwrap())
}

#[tokio::test]
async fn after_a_restart_of_the_embedded_store_no_session_stays_open_that_nobody_knows() {
    let kept = database().await;
    let before = started(&kept);
    before.joins("general", "PA_1").await;
    before.empty_outbox(true).await;
    let mut after = started(&kept);
    assert_eq!(after.auditor.audit().await.unwrap(), 0);
    assert_eq!(after.open().await.len(), 1, "one audit alone corrects nothing");
    // The session, and its life of the room.
    assert_eq!(after.auditor.audit().await.unwrap(), 2);
    assert_eq!(after.open().await.len(), 0);
    assert!(kept.open_rooms().await.unwrap().is_empty());
    assert_eq!(after.auditor.audit().await.unwrap(), 0);
}

#[tokio::test]
async fn people_whose_join_was_dropped_from_the_outbox_get_a_row() {
    let kept = database().await;
    let mut fixture = started(&kept);
    fixture.joins("general", "PA_1").await;
    fixture.joins("general", "PA_2").await;
    fixture.empty_outbox(false).await;
    assert_eq!(fixture.auditor.audit().await.unwrap(), 0);
    assert_eq!(fixture.auditor.audit().await.unwrap(), 2);
    assert_eq!(fixture.open().await, ["PA_1", "PA_2"]);
    let open = kept.open_rooms().await.unwrap();
    assert_eq!(Vec::from_iter(open), [("general".to_owned(), 2)]);
}

#[tokio::test]
async fn somebody_who_was_erased_while_inside_is_not_written_again_by_an_audit() {
    let kept = database().await;
    let mut fixture = started(&kept);
    fixture.joins("general", "PA_1").await;
    fixture.empty_outbox(true).await;
    assert_eq!(kept.erase("PA_1", now() + 1).await.unwrap(), 1);
    assert_eq!(fixture.auditor.audit().await.unwrap(), 0);
    fixture.auditor.audit().await.unwrap();
    assert_eq!(fixture.open().await.len(), 0);
    assert_eq!(fixture.auditor.audit().await.unwrap(), 0, "it is not tried again");
}

/// What still waited, what an audit had found before, and the leave.
#[tokio::test]
async fn nothing_brings_back_somebody_who_was_erased_while_inside() {
    for has_row in [true, false] {
        let kept = database().await;
        let mut fixture = started(&kept);
        fixture.joins_as("general", "PA_1", "alice", now()).await;
        fixture.joins_as("general", "PA_2", "bob", now()).await;
        fixture.empty_outbox(has_row).await;
        fixture.auditor.audit().await.unwrap();
        fixture.publishes("general", "PA_1").await;
        kept.erase("alice", now()).await.unwrap();
        for is_written in [false, true] {
            if is_written {
                fixture.empty_outbox(true).await;
            }
            for _ in 0..3 {
                fixture.auditor.audit().await.unwrap();
                assert_eq!(fixture.open().await, ["PA_2"], "{has_row} {is_written}");
            }
        }
        fixture.leaves("general", "PA_1").await;
        fixture.empty_outbox(true).await;
        fixture.auditor.audit().await.unwrap();
        assert_eq!(identities(&kept).await, ["bob"]);
        fixture.joins_as("general", "PA_3", "alice", now() + 6_000).await;
        fixture.empty_outbox(true).await;
        assert_eq!(identities(&kept).await, ["bob", "alice"]);
    }
}

/// Who has a session, in order of the sids.
async fn identities(kept: &Database) -> Vec<String> {
    let all = sqlx::query_scalar("SELECT identity FROM sessions ORDER BY sid");
    all.fetch_all(kept.reader().await.unwrap()).await.unwrap()
}

#[tokio::test]
async fn nothing_is_corrected_while_items_wait() {
    let kept = database().await;
    let mut fixture = started(&kept);
    fixture.joins("general", "PA_1").await;
    for _ in 0..3 {
        assert_eq!(fixture.auditor.audit().await.unwrap(), 0);
    }
    assert_eq!(fixture.open().await.len(), 0);
    fixture.empty_outbox(true).await;
    assert_eq!(fixture.auditor.audit().await.unwrap(), 0);
    assert_eq!(fixture.open().await, ["PA_1"]);
}

#[tokio::test]
async fn rooms_that_seem_to_agree_are_read_in_turn() {
    let kept = database().await;
    let mut fixture = started(&kept);
    for number in 0..MAX_OTHERS * 2 {
        fixture.joins(&format!("room-{number:02}"), &format!("PA_{number}")).await;
    }
    fixture.empty_outbox(true).await;
    let mut read = BTreeSet::new();
    for _ in 0..2 {
        let rooms = fixture.auditor.rooms_to_read().await.unwrap();
        assert_eq!(rooms.len(), MAX_OTHERS);
        read.extend(rooms);
    }
    assert_eq!(read.len(), MAX_OTHERS * 2);
}
