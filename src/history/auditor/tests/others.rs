//! What others do to an audit: an outbox that is never empty, rows that cannot be read, other instances, rooms that stay wrong.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use super::*;
use crate::{
    coordination::{CallBucket, CoordinationError, SharedRooms, SlidingWindow, Told, Turn},
    presence::{Media, Record, Shown, Stay, ToldBy},
};

/// A history that refuses the rows of one room.
struct Watched {
    kept: Arc<Database>,
    refused: &'static str,
    /// How many corrections were written together.
    corrections: Mutex<Vec<usize>>,
}

impl Watched {
    fn over(kept: &Arc<Database>, refused: &'static str) -> Arc<Self> {
        Arc::new(Self { kept: Arc::clone(kept), refused, corrections: Mutex::default() })
    }
}

#[async_trait]
impl AuditedHistory for Watched {
    async fn open_rooms(&self) -> Result<HashMap<String, usize>, HistoryError> {
        self.kept.open_rooms().await
    }

    async fn rows_of(
        &self,
        room: &RoomName,
        sids: &BTreeSet<String>,
    ) -> Result<(Vec<SessionRow>, Vec<InstanceRow>), HistoryError> {
        match room.as_str() == self.refused {
            true => Err(HistoryError::Refused(sqlx::Error::Decode("it is no JSON".into()))),
            false => self.kept.rows_of(room, sids).await,
        }
    }

    async fn last_told(&self, before: i64) -> Result<Option<i64>, HistoryError> {
        self.kept.last_told(before).await
    }

    async fn correct(&self, corrections: Vec<HistoryItem>) -> Result<(), HistoryError> {
        self.corrections.lock().unwrap().push(corrections.len());
        self.kept.correct(corrections).await
    }
}

/// Instances that share one lease, at a time that the test sets.
#[derive(Default)]
struct OneLease {
    seconds: AtomicU64,
    /// The number of the lease, and when it ends.
    held: Mutex<Option<(String, u64)>>,
}

#[async_trait]
impl Peers for OneLease {
    async fn lease(
        &self,
        _lease: &Lease,
        time: Duration,
    ) -> Result<Option<LeaseToken>, CoordinationError> {
        let now = self.seconds.load(Ordering::SeqCst);
        let mut held = self.held.lock().unwrap();
        if held.as_ref().is_some_and(|(_, end)| *end > now) {
            return Ok(None);
        }
        let token = now.to_string();
        *held = Some((token.clone(), now + time.as_secs()));
        Ok(Some(LeaseToken(token)))
    }

    async fn release(&self, _lease: &Lease, token: LeaseToken) -> Result<(), CoordinationError> {
        self.held.lock().unwrap().take_if(|(held, _)| *held == token.0);
        Ok(())
    }

    async fn take_call(&self, _buckets: &[CallBucket]) -> Result<Duration, CoordinationError> {
        Ok(Duration::ZERO)
    }

    async fn share_wait(
        &self,
        wait: Duration,
        _fresh: Duration,
    ) -> Result<Duration, CoordinationError> {
        Ok(wait)
    }

    async fn share_rooms(
        &self,
        _rooms: &SharedRooms,
        _fresh: Duration,
    ) -> Result<(), CoordinationError> {
        Ok(())
    }

    async fn shared_rooms(&self) -> Result<Option<SharedRooms>, CoordinationError> {
        Ok(None)
    }

    async fn take_turn(
        &self,
        _who: &str,
        window: SlidingWindow,
    ) -> Result<Turn, CoordinationError> {
        Ok(Turn::Taken { left: window.max, frees_in: window.length })
    }

    async fn tell(
        &self,
        _told: &Told,
        _keep: usize,
        _fresh: Duration,
    ) -> Result<(), CoordinationError> {
        Ok(())
    }

    async fn told(
        &self,
        _newest: usize,
        _instances: usize,
    ) -> Result<Vec<Told>, CoordinationError> {
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn items_that_came_after_the_last_audit_do_not_keep_the_next_one_from_correcting() {
    let kept = database().await;
    let before = started(&kept);
    before.joins("general", "PA_1").await;
    before.empty_outbox(true).await;
    let mut after = started(&kept);
    assert_eq!(after.auditor.audit().await.unwrap(), 0);
    after.joins("busy", "PA_2").await;
    // The session, and its life of the room.
    assert_eq!(after.auditor.audit().await.unwrap(), 2);
    assert_eq!(after.auditor.audit().await.unwrap(), 0, "now it has waited for long");
}

#[tokio::test]
async fn a_room_whose_rows_are_refused_does_not_keep_the_others_from_being_audited() {
    let kept = database().await;
    let before = started(&kept);
    before.joins("a bad room", "PA_1").await;
    before.joins("general", "PA_2").await;
    before.empty_outbox(true).await;
    let history = Watched::over(&kept, "a bad room");
    let mut after = started_with(&kept, history, Arc::new(SingleInstance::default()));
    assert_eq!(after.auditor.audit().await.unwrap(), 0);
    assert_eq!(after.auditor.audit().await.unwrap(), 2);
    assert_eq!(after.open().await.len(), 0);
}

#[tokio::test]
async fn the_corrections_of_a_large_room_are_written_in_several_transactions() {
    let kept = database().await;
    let history = Watched::over(&kept, "");
    let watched = Arc::clone(&history);
    let mut fixture = started_with(&kept, history, Arc::new(SingleInstance::default()));
    for number in 0..=MAX_CORRECTIONS {
        fixture.joins("general", &format!("PA_{number}")).await;
    }
    fixture.empty_outbox(false).await;
    assert_eq!(fixture.auditor.audit().await.unwrap(), 0);
    assert_eq!(fixture.auditor.audit().await.unwrap(), MAX_CORRECTIONS + 1);
    assert_eq!(*watched.corrections.lock().unwrap(), [MAX_CORRECTIONS, 1]);
    assert_eq!(fixture.open().await.len(), MAX_CORRECTIONS + 1);
}

#[tokio::test]
async fn who_left_while_no_instance_ran_left_with_the_last_thing_that_was_told_before() {
    let kept = database().await;
    let now = i64::try_from(Clock::system().now().as_millis()).unwrap();
    let (joined_at, last_told) = (now - 60_000_000, now - 50_000_000);
    for (sid, at) in [("PA_1", joined_at), ("PA_2", last_told)] {
        let at = LiveKitTime::from_millis(at);
        let stay = Stay {
            sid: ParticipantSid::new(sid),
            identity: Identity::new(sid),
            room_sid: None,
            joined_at: at,
            name: String::new(),
            kind: crate::presence::ParticipantKind::Standard,
            agent: false,
            metadata: None,
        };
        let (media, told_by) = (Media::default(), ToldBy::Webhook);
        let shown = Shown { stay, since: at, is_revealed: false, media, at, told_by };
        let item = HistoryItem {
            room: RoomName::parse("general").unwrap(),
            seq: at.as_millis().unsigned_abs() * 1_000,
            opening: None,
            records: vec![Record::Shown(shown)],
        };
        kept.correct(vec![item]).await.unwrap();
    }
    let mut fixture = started(&kept);
    assert_eq!(fixture.auditor.audit().await.unwrap(), 0);
    assert_eq!(fixture.auditor.audit().await.unwrap(), 2);
    let sids = BTreeSet::from(["PA_1".to_owned()]);
    let room = RoomName::parse("general").unwrap();
    let (sessions, _) = kept.rows_of(&room, &sids).await.unwrap();
    assert_eq!(sessions[0].left_at, Some(last_told));
}

#[tokio::test]
async fn the_instance_that_audits_keeps_the_lease_between_two_audits() {
    let kept = database().await;
    let peers = Arc::new(OneLease::default());
    let instance = || {
        let peers = Arc::clone(&peers) as Arc<dyn Peers>;
        started_with(&kept, Arc::clone(&kept) as Arc<dyn AuditedHistory>, peers).auditor
    };
    let (mut one, mut other) = (instance(), instance());
    for minute in 0..5 {
        peers.seconds.store(minute * 60, Ordering::SeqCst);
        assert!(one.takes_lease().await, "minute {minute}");
        peers.seconds.store(minute * 60 + 58, Ordering::SeqCst);
        assert!(!other.takes_lease().await, "minute {minute}");
    }
    // It was killed.
    peers.seconds.store(5 * 60 + 58, Ordering::SeqCst);
    assert!(other.takes_lease().await);
}

#[tokio::test]
async fn rooms_that_stay_wrong_do_not_keep_out_the_rest() {
    let kept = database().await;
    let mut fixture = started(&kept);
    for number in 0..=MAX_DOUBTFUL {
        fixture.joins(&format!("room-{number:03}"), &format!("PA_{number}")).await;
    }
    let first = fixture.auditor.rooms_to_read().await.unwrap();
    assert_eq!(first.len(), MAX_DOUBTFUL);
    let mut read = fixture.auditor.rooms_to_read().await.unwrap();
    read.extend(first);
    assert_eq!(read.len(), MAX_DOUBTFUL + 1);
}
