use std::{
    collections::{BTreeSet, VecDeque},
    sync::atomic::{AtomicU64, Ordering},
};

use prometheus_client::registry::Registry;
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::{
    coordination::SingleInstance,
    history::{AuditedHistory, HistoryAddress, HistoryMetrics, SessionRow, writer::Writer},
    presence::Record,
    store::{HistoryItem, ItemId},
};

/// A store's outbox, in which items wait until they are done.
#[derive(Default)]
struct Steps {
    waiting: Mutex<VecDeque<PendingItem>>,
    added: Notify,
    taken: Notify,
    above: AtomicU64,
}

impl Steps {
    fn add(&self, name: &str, seq: u64) {
        let id = ItemId { bucket: 0, id: seq.to_string() };
        self.waiting.lock().unwrap().push_back(PendingItem { id, item: Some(item(name, seq)) });
        self.added.notify_one();
    }

    /// Waits until nothing waits here: webhooks are answered.
    async fn answered(&self) {
        let answered = async {
            loop {
                let taken = self.taken.notified();
                if self.waiting.lock().unwrap().is_empty() {
                    return;
                }
                taken.await;
            }
        };
        timeout(Duration::from_secs(20), answered).await.expect("the journal takes it in");
    }
}

fn item(name: &str, seq: u64) -> HistoryItem {
    let record = format!(
        r#"{{"shown":{{"stay":{{"sid":"PA_{name}","identity":"{name}","joinedAt":5}},"since":5,"media":{{}},"at":6,"toldBy":"webhook"}}}}"#
    );
    let record: Record = serde_json::from_str(&record).unwrap();
    HistoryItem { room: room(), seq, opening: None, records: vec![record] }
}

fn room() -> RoomName {
    RoomName::parse("general").unwrap()
}

#[async_trait]
impl Outbox for Steps {
    async fn added(&self) {
        self.added.notified().await;
    }

    async fn pending(&self, max: usize) -> Result<Vec<PendingItem>, StoreError> {
        Ok(self.waiting.lock().unwrap().iter().take(max).cloned().collect())
    }

    async fn left_behind(&self, max: usize) -> Result<Vec<PendingItem>, StoreError> {
        self.pending(max).await
    }

    fn begin_above(&self, seq: u64) {
        self.above.fetch_max(seq, Ordering::SeqCst);
    }

    async fn done(&self, items: &[PendingItem]) -> Result<(), StoreError> {
        self.waiting.lock().unwrap().retain(|one| !items.contains(one));
        self.taken.notify_waiters();
        Ok(())
    }

    async fn kept(&self, _room: &RoomName, _is_repeated: bool) -> Kept {
        Kept::Yes
    }

    fn counts(&self) -> OutboxCounts {
        OutboxCounts::default()
    }
}

/// A process with a journal.
struct Running {
    steps: Arc<Steps>,
    journal: Arc<Journal>,
    tasks: Vec<AbortOnDropHandle<()>>,
}

impl Running {
    /// One that writes nothing into the rows.
    fn without_writer(database: &Arc<Database>) -> Self {
        let steps = Arc::new(Steps::default());
        let store = Arc::clone(&steps) as Arc<dyn Outbox>;
        let metrics = HistoryMetrics::register(&mut Registry::default());
        let journal = Journal::new(store, Arc::clone(database), metrics);
        // Nothing is written unless somebody waits for it.
        let journal = Arc::new(Journal { gathering_time: Duration::from_hours(1), ..journal });
        let task = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&journal).run()));
        Self { steps, journal, tasks: vec![task] }
    }

    fn new(database: &Arc<Database>) -> Self {
        let mut running = Self::without_writer(database);
        let outbox = Arc::clone(&running.journal) as Arc<dyn Outbox>;
        let metrics = HistoryMetrics::register(&mut Registry::default());
        let writer =
            Writer::new(Arc::clone(database), outbox, Arc::new(SingleInstance::default()), metrics)
                .run();
        running.tasks.push(AbortOnDropHandle::new(tokio::spawn(writer)));
        running
    }

    /// Waits until the rows have what was taken in.
    async fn settled(&self) {
        let settled = async {
            while !self.journal.pending(1).await.unwrap().is_empty() {
                self.journal.settle().await;
            }
        };
        timeout(Duration::from_secs(20), settled).await.expect("the rows get it");
    }
}

async fn database() -> Arc<Database> {
    Arc::new(Database::connect(&HistoryAddress::Memory).await.unwrap())
}

async fn rows(database: &Database) -> Vec<SessionRow> {
    let (mut sessions, _) = database.rows_of(&room(), &BTreeSet::new()).await.unwrap();
    sessions.sort_by(|a, b| a.sid.cmp(&b.sid));
    sessions
}

async fn identities(database: &Database) -> Vec<String> {
    rows(database).await.into_iter().map(|row| row.identity).collect()
}

#[tokio::test]
async fn what_was_taken_in_outlives_the_process_and_is_written_by_the_next() {
    let database = database().await;
    let killed = Running::without_writer(&database);
    killed.steps.add("alice", 700);
    killed.steps.answered().await;
    killed.steps.add("bob", 800);
    killed.steps.answered().await;
    drop(killed);
    assert!(rows(&database).await.is_empty());
    let next = Running::new(&database);
    // It reads what was left before it takes in anything.
    next.steps.add("carol", 900);
    next.steps.answered().await;
    assert_eq!(next.steps.above.load(Ordering::SeqCst), 800);
    next.settled().await;
    assert_eq!(identities(&database).await, ["alice", "bob", "carol"]);
    assert_eq!(database.journaled(0).await.unwrap(), []);
}

#[tokio::test]
async fn who_waits_for_the_rows_does_not_wait_until_they_are_gathered() {
    let database = database().await;
    let running = Running::new(&database);
    for (name, seq) in [("alice", 1), ("bob", 2), ("carol", 3)] {
        running.steps.add(name, seq);
        running.steps.answered().await;
        running.settled().await;
        assert_eq!(rows(&database).await.len(), usize::try_from(seq).unwrap());
    }
    assert_eq!(running.journal.counts().waiting, 0);
}

#[tokio::test]
async fn an_entry_of_a_later_release_stays_for_it() {
    let database = database().await;
    let later = r#"INSERT INTO journal (number, items) VALUES (7, '{"later":true}')"#;
    sqlx::query(later).execute(database.reader().await.unwrap()).await.unwrap();
    let running = Running::new(&database);
    running.steps.add("alice", 1);
    running.steps.answered().await;
    running.settled().await;
    assert_eq!(identities(&database).await, ["alice"]);
    assert_eq!(database.journaled(0).await.unwrap(), [(7, None)]);
}

#[test]
fn an_entry_is_deleted_once_the_rows_have_all_of_it() {
    let mut lying = Lying::default();
    lying.add(1, Some(vec![item("alice", 10), item("bob", 11)]));
    lying.add(2, Some(vec![item("carol", 12)]));
    assert_eq!((lying.next(), lying.newest_seq(), lying.count()), (3, 12, 3));
    assert_eq!((lying.oldest(), lying.newest()), (Some((1, 0)), Some((2, 0))));
    let all = lying.first(10);
    assert_eq!(lying.done(&all[..1]), [] as [i64; 0]);
    assert_eq!(lying.done(&all[1..]), [1, 2]);
    assert_eq!(lying.done(&[]), [1, 2], "they come again until they are deleted");
    lying.forgotten(&[1, 2]);
    assert_eq!(lying.done(&[]), [] as [i64; 0]);
    lying.add(3, Some(vec![item("dave", 13), item("erin", 14)]));
    let both = lying.first(10);
    lying.leave(&both[..1]);
    assert_eq!(lying.done(&both[1..]), [] as [i64; 0], "a part of it was left to others");
    assert_eq!(lying.count(), 0);
}
